//! Names of alerts and versions.

use std::borrow::Cow;

/// Name of an alert, as RFC 8446 6 (and before it RFC 5246, RFC 6101) has it: `certificate_expired`.
#[must_use]
pub fn alert_name(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        52 => "too_many_cids_requested",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        117 => "general_error",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => return None,
    })
}

/// `TLSv1.3`, `SSLv3`, or the number for versions that do not exist.
#[must_use]
pub fn version_name(version: u16) -> Cow<'static, str> {
    match version {
        0x0002 | 0x0200 => "SSLv2".into(),
        0x0300 => "SSLv3".into(),
        0x0301 => "TLSv1.0".into(),
        0x0302 => "TLSv1.1".into(),
        0x0303 => "TLSv1.2".into(),
        0x0304 => "TLSv1.3".into(),
        _ => format!("0x{version:04x}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_and_versions_have_the_names_of_the_specifications() {
        assert_eq!(alert_name(116), Some("certificate_required"));
        assert_eq!(alert_name(45), Some("certificate_expired"));
        assert_eq!(alert_name(1), None);
        assert_eq!(version_name(0x0304), "TLSv1.3");
        assert_eq!(version_name(0x0301), "TLSv1.0");
        assert_eq!(version_name(0x7f1c), "0x7f1c");
    }
}
