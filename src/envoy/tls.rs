//! Transport sockets and TLS contexts, downstream and upstream, out of the tree.
//!
//! What a socket is follows from its `@type`, never from its name: HBONE listeners call TLS `tls`, sidecars
//! `envoy.transport_sockets.tls`, and an EnvoyFilter may call it anything.

use super::model::{CertificateRef, Socket, Tls, Validation};
use super::tree::Node;
use crate::pki::Certificate;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, Encoding};

/// How many sockets may be wrapped in each other.
const DEEPEST: u8 = 8;

/// What a type of transport socket is.
#[derive(Clone, Copy)]
enum Kind {
    /// Bytes as they are.
    Raw,
    /// The body is a TLS context.
    Tls,
    /// TLS over QUIC: the TLS context is under this key.
    Quic(&'static str),
    /// TLS after a beginning in clear: the TLS context is under this key.
    StartTls(&'static str),
    /// To an internal listener: what is spoken there is in `transport_socket`.
    Internal,
    /// Adds something around `transport_socket`, without a say in what is encrypted.
    Wrapper,
}

/// Every type of transport socket that is understood (Envoy, `api/envoy/extensions/transport_sockets` and, before v3,
/// `api/envoy/api/v2/auth` and `api/envoy/config/transport_socket`).
const KINDS: &[(&str, Kind)] = &[
    ("envoy.api.v2.auth.DownstreamTlsContext", Kind::Tls),
    ("envoy.api.v2.auth.UpstreamTlsContext", Kind::Tls),
    ("envoy.config.transport_socket.raw_buffer.v2.RawBuffer", Kind::Raw),
    ("envoy.config.transport_socket.tap.v2alpha.Tap", Kind::Wrapper),
    ("envoy.extensions.transport_sockets.http_11_proxy.v3.Http11ProxyUpstreamTransport", Kind::Wrapper),
    ("envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport", Kind::Internal),
    ("envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport", Kind::Wrapper),
    ("envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport", Kind::Quic("downstream_tls_context")),
    ("envoy.extensions.transport_sockets.quic.v3.QuicUpstreamTransport", Kind::Quic("upstream_tls_context")),
    ("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", Kind::Raw),
    ("envoy.extensions.transport_sockets.starttls.v3.StartTlsConfig", Kind::StartTls("tls_socket_config")),
    ("envoy.extensions.transport_sockets.starttls.v3.UpstreamStartTlsConfig", Kind::StartTls("tls_socket_config")),
    ("envoy.extensions.transport_sockets.tap.v3.Tap", Kind::Wrapper),
    ("envoy.extensions.transport_sockets.tcp_stats.v3.Config", Kind::Wrapper),
    ("envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", Kind::Tls),
    ("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", Kind::Tls),
];

/// What an untyped `config` of v2 is, by the name that Envoy looked it up with then.
const NAMES: &[(&str, Kind)] = &[
    ("envoy.transport_sockets.raw_buffer", Kind::Raw),
    ("envoy.transport_sockets.tls", Kind::Tls),
    ("raw_buffer", Kind::Raw),
    ("tls", Kind::Tls),
];

/// TLS versions in the order of their numbers; the first one is "not set".
const VERSIONS: &[&str] = &["TLS_AUTO", "TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3"];

/// Reads the socket of a filter chain, a cluster or a match: `transport_socket`, else the old `tls_context`. It is
/// decided by `@type`, never by the name; a socket of an unknown type is [`Socket::Unknown`].
pub fn socket(owner: &Node<'_>) -> Socket {
    nested(owner, 0)
}

fn nested(owner: &Node<'_>, depth: u8) -> Socket {
    let socket = owner.get("transport_socket");
    if socket.is_null() {
        return match owner.get("tls_context") {
            Node::Null => Socket::Raw,
            context => Socket::Tls(Box::new(context_of(context))),
        };
    }
    let name = socket.get("name").text().unwrap_or_default();
    let (kind, body) = socket.extension();
    let unknown = || Socket::Unknown(if kind.is_empty() { name } else { kind }.to_owned());
    if depth >= DEEPEST {
        return unknown();
    }
    let row = if kind.is_empty() && !socket.has("typed_config") {
        NAMES.iter().find(|(row, _)| *row == name)
    } else {
        KINDS.iter().find(|(row, _)| *row == kind)
    };
    match row.map(|(_, kind)| *kind) {
        Some(Kind::Raw) => Socket::Raw,
        Some(Kind::Tls) if matches!(body, Node::Map(_)) => Socket::Tls(Box::new(context_of(body))),
        Some(Kind::Quic(key)) if body.has(key) => {
            Socket::Tls(Box::new(Tls { quic: true, ..context_of(body.get(key)) }))
        }
        Some(Kind::StartTls(key)) => Socket::StartTls(Box::new(context_of(body.get(key)))),
        // Without an inner socket Envoy refuses these two; `Raw` would be a guess.
        Some(Kind::Internal) if body.has("transport_socket") => Socket::Internal(Box::new(nested(body, depth + 1))),
        Some(Kind::Wrapper) if body.has("transport_socket") => nested(body, depth + 1),
        _ => unknown(),
    }
}

/// Reads a `DownstreamTlsContext` or `UpstreamTlsContext`.
fn context_of(node: &Node<'_>) -> Tls {
    let common = node.get("common_tls_context");
    let params = common.get("tls_params");
    let version = |key| params.get(key).one_of(VERSIONS).filter(|version| Some(version) != VERSIONS.first());
    let mut certificates: Vec<_> = common.get("tls_certificates").items().iter().map(certificate).collect();
    let secrets = common.get("tls_certificate_sds_secret_configs").items();
    certificates.extend(secrets.iter().map(|secret| CertificateRef::Secret(secret_name(secret))));
    Tls {
        certificates,
        validation: validation_of(common),
        require_client_certificate: node.get("require_client_certificate").bool().unwrap_or(false),
        is_odd: node.has("require_client_certificate") && node.get("require_client_certificate").bool().is_none(),
        alpn: common.get("alpn_protocols").texts(),
        min: version("tls_minimum_protocol_version"),
        max: version("tls_maximum_protocol_version"),
        ciphers: params.get("cipher_suites").texts(),
        sni: node.get("sni").text().filter(|sni| !sni.is_empty()).map(str::to_owned),
        auto_sni: node.get("auto_host_sni").bool().unwrap_or(false),
        auto_san: node.get("auto_sni_san_validation").bool().unwrap_or(false),
        quic: false,
    }
}

/// The name of an `SdsSecretConfig`.
fn secret_name(node: &Node<'_>) -> String {
    node.get("name").text().unwrap_or_default().to_owned()
}

/// Where a `TlsCertificate` comes from. One that cannot be read is inline and empty.
fn certificate(node: &Node<'_>) -> CertificateRef {
    source(node.get("certificate_chain")).unwrap_or_else(|| CertificateRef::Inline(Vec::new()))
}

/// What a `DataSource` of certificates says.
fn source(node: &Node<'_>) -> Option<CertificateRef> {
    match node.get("filename").text() {
        Some(file) if !file.is_empty() => Some(CertificateRef::File(file.to_owned())),
        _ if node.is_null() => None,
        _ => {
            let read = pem_bytes(node).and_then(|pem| Certificate::read_pem(&pem).ok());
            Some(CertificateRef::Inline(read.unwrap_or_default()))
        }
    }
}

/// The bytes of a `DataSource` that are in the dump itself: `inline_bytes` (base64) or `inline_string`.
#[must_use]
pub fn pem_bytes(node: &Node<'_>) -> Option<Vec<u8>> {
    if let Some(text) = node.get("inline_string").text() {
        return Some(text.as_bytes().to_vec());
    }
    let mut text = node.get("inline_bytes").text()?.as_bytes().to_vec();
    text.retain(|byte| !byte.is_ascii_whitespace());
    // Proto JSON writes the standard alphabet and reads both, with and without padding.
    let alphabets: [&Encoding; 4] = [&BASE64, &BASE64_NOPAD, &BASE64URL, &BASE64URL_NOPAD];
    alphabets.iter().find_map(|alphabet| alphabet.decode(&text).ok())
}

/// How a `CommonTlsContext` checks the peer, `None` where it has no validation context of any kind.
fn validation_of(common: &Node<'_>) -> Option<Validation> {
    let combined = common.get("combined_validation_context");
    let by_secret = |node: &Node<'_>| match node.get("validation_context_sds_secret_config") {
        Node::Null => None,
        config => Some(secret_name(config)),
    };
    let mut read = if !combined.is_null() {
        let default = validation(combined.get("default_validation_context"));
        Some(Validation { secret: by_secret(combined), ..default })
    } else if let Some(name) = by_secret(common) {
        Some(Validation { secret: Some(name), ..Validation::default() })
    } else if common.has("validation_context") {
        Some(validation(common.get("validation_context")))
    } else {
        None
    };
    // CAs of a plugin of the proxy: no dump shows them.
    for owner in [common, combined] {
        for key in ["validation_context_certificate_provider", "validation_context_certificate_provider_instance"] {
            if owner.has(key) {
                read.get_or_insert_default().unknown_validator = Some(key.to_owned());
            }
        }
    }
    // A handshake by an extension may do anything about the peer.
    if common.has("custom_handshaker") {
        let (kind, _) = common.get("custom_handshaker").extension();
        let kind = if kind.is_empty() { "custom_handshaker" } else { kind };
        read.get_or_insert_default().unknown_validator = Some(kind.to_owned());
    }
    read
}

/// Reads a `CertificateValidationContext`.
pub fn validation(node: &Node<'_>) -> Validation {
    let mut names: Vec<String> = Vec::new();
    names.extend(node.get("match_typed_subject_alt_names").items().iter().map(typed_name));
    names.extend(node.get("match_subject_alt_names").items().iter().map(name_words));
    names.extend(node.get("verify_subject_alt_name").texts().iter().map(|name| format!("exact {name}")));
    let pins = ["verify_certificate_hash", "verify_certificate_spki"];
    let pins = || pins.iter().flat_map(|key| node.get(key).items());
    let read_pins = pins().filter(|pin| pin.text().is_some_and(|text| !text.is_empty())).count();
    let verification = node.get("trust_chain_verification");
    let mut read = Validation {
        ca: source(node.get("trusted_ca")),
        secret: None,
        names,
        pins: read_pins,
        is_odd: read_pins < pins().count(),
        // A value that is not known may be as lax as the laxest.
        accept_untrusted: !verification.is_null()
            && verification.one_of(&["VERIFY_TRUST_CHAIN", "ACCEPT_UNTRUSTED"]) != Some("VERIFY_TRUST_CHAIN"),
        allow_expired: node.get("allow_expired_certificate").bool().unwrap_or(false),
        ..Validation::default()
    };
    // CAs of the host or of a plugin: no dump shows them.
    for key in ["ca_certificate_provider_instance", "system_root_certs"] {
        if node.has(key) {
            read.unknown_validator = Some(key.to_owned());
        }
    }
    let validator = node.get("custom_validator_config");
    if !validator.is_null() {
        custom_validator(validator, &mut read);
    }
    read
}

/// Reads a `custom_validator_config`: SPIFFE is the only one that Envoy has and that stands for a CA.
fn custom_validator(node: &Node<'_>, read: &mut Validation) {
    let (kind, body) = node.extension();
    if kind != "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig" {
        let name = node.get("name").text().unwrap_or("unnamed");
        read.unknown_validator = Some(if kind.is_empty() { name } else { kind }.to_owned());
        return;
    }
    read.trust_domains = body
        .get("trust_domains")
        .items()
        .iter()
        .map(|domain| {
            let bundle = pem_bytes(domain.get("trust_bundle"));
            let bundle = bundle.and_then(|pem| Certificate::read_pem(&pem).ok()).unwrap_or_default();
            (domain.get("name").text().unwrap_or_default().to_owned(), bundle)
        })
        .collect();
    read.is_odd |= read.trust_domains.is_empty();
}

/// A `SubjectAltNameMatcher` in words; URIs, which SPIFFE IDs are, without their kind.
fn typed_name(node: &Node<'_>) -> String {
    let words = name_words(node.get("matcher"));
    match node.get("san_type").one_of(&["SAN_TYPE_UNSPECIFIED", "EMAIL", "DNS", "URI", "IP_ADDRESS", "OTHER_NAME"]) {
        Some("URI") => words,
        Some(kind) => format!("{kind} {words}"),
        None => format!("unknown kind {words}"),
    }
}

/// A `StringMatcher` in words: `prefix spiffe://cluster.local/`.
fn name_words(node: &Node<'_>) -> String {
    let plain = ["exact", "prefix", "suffix", "contains", "regex"];
    let found = plain.iter().find_map(|key| node.get(key).text().map(|text| format!("{key} {text}")));
    let regex = || node.at(&["safe_regex", "regex"]).text().map(|text| format!("regex {text}"));
    found.or_else(regex).unwrap_or_else(|| "a name that was not understood".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::tree::Tree;
    use serde::de::DeserializeSeed;

    fn tree(text: &str) -> Node<'_> {
        Tree::new().deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap()
    }

    fn kind(socket: &Socket) -> &'static str {
        match socket {
            Socket::Raw => "raw",
            Socket::Tls(tls) if tls.quic => "quic",
            Socket::Tls(_) => "tls",
            Socket::StartTls(_) => "starttls",
            Socket::Internal(_) => "internal",
            Socket::Unknown(_) => "unknown",
        }
    }

    #[test]
    fn a_socket_is_what_its_type_says() {
        let typed = |name: &str, kind: &str, body: &str| {
            format!(
                r#"{{"transport_socket":{{"name":"{name}","typed_config":{{"@type":"type.googleapis.com/{kind}"{body}}}}}}}"#
            )
        };
        let v3 = "envoy.extensions.transport_sockets";
        let inner = r#","transport_socket":{"name":"raw_buffer"}"#;
        let cases = [
            ("{}".to_owned(), "raw"),
            (r#"{"tls_context":{}}"#.to_owned(), "tls"),
            (r#"{"tlsContext":{"requireClientCertificate":true}}"#.to_owned(), "tls"),
            (typed("tls", &format!("{v3}.tls.v3.DownstreamTlsContext"), ""), "tls"),
            (typed("raw_buffer", "envoy.api.v2.auth.DownstreamTlsContext", ""), "tls"),
            (typed("envoy.transport_sockets.tls", &format!("{v3}.raw_buffer.v3.RawBuffer"), ""), "raw"),
            (typed("envoy.transport_sockets.tls", "example.Tls", ""), "unknown"),
            (typed("q", &format!("{v3}.quic.v3.QuicDownstreamTransport"), r#","downstream_tls_context":{}"#), "quic"),
            (typed("s", &format!("{v3}.starttls.v3.StartTlsConfig"), ""), "starttls"),
            (typed("i", &format!("{v3}.internal_upstream.v3.InternalUpstreamTransport"), inner), "internal"),
            (typed("i", &format!("{v3}.internal_upstream.v3.InternalUpstreamTransport"), ""), "unknown"),
            (typed("p", &format!("{v3}.proxy_protocol.v3.ProxyProtocolUpstreamTransport"), inner), "raw"),
            (typed("a", &format!("{v3}.alts.v3.Alts"), ""), "unknown"),
            (r#"{"transport_socket":{"name":"envoy.transport_sockets.tls","config":{}}}"#.to_owned(), "tls"),
            (r#"{"transport_socket":{"name":"envoy.transport_sockets.tls"}}"#.to_owned(), "unknown"),
            (r#"{"transport_socket":{"name":"raw_buffer"}}"#.to_owned(), "raw"),
            (r#"{"transport_socket":{}}"#.to_owned(), "unknown"),
        ];
        for (text, want) in cases {
            assert_eq!(kind(&socket(&tree(&text))), want, "{text}");
        }
    }

    #[test]
    fn a_context_is_read_in_both_spellings() {
        let text = r#"{"tls_context":{"require_client_certificate":{"value":true},"common_tls_context":{
            "tls_params":{"tlsMinimumProtocolVersion":3,"tls_maximum_protocol_version":"TLSv1_3","cipher_suites":["A"]},
            "alpnProtocols":["h2"],"tls_certificates":[{"certificate_chain":{"filename":"/c.pem"}}],
            "tls_certificate_sds_secret_configs":{"name":"default"},
            "combined_validation_context":{"default_validation_context":{"match_subject_alt_names":[{"prefix":"spiffe://td/"}]},
            "validation_context_sds_secret_config":{"name":"ROOTCA"}}}}}"#;
        let Socket::Tls(tls) = socket(&tree(text)) else { panic!("no TLS") };
        assert!(tls.require_client_certificate);
        assert_eq!((tls.min, tls.max), (Some("TLSv1_2"), Some("TLSv1_3")));
        let secret = CertificateRef::Secret("default".into());
        assert_eq!(tls.certificates, [CertificateRef::File("/c.pem".into()), secret]);
        let validation = tls.validation.unwrap();
        assert_eq!(validation.secret.as_deref(), Some("ROOTCA"));
        assert_eq!(validation.names, ["prefix spiffe://td/"]);
    }

    #[test]
    fn validation_is_never_taken_as_stricter_than_it_is() {
        for (text, want) in [
            ("{}", false),
            (r#"{"trust_chain_verification":"ACCEPT_UNTRUSTED"}"#, true),
            (r#"{"trust_chain_verification":1}"#, true),
            (r#"{"trust_chain_verification":"VERIFY_TRUST_CHAIN"}"#, false),
            (r#"{"trust_chain_verification":"SOMETHING_NEW"}"#, true),
        ] {
            assert_eq!(validation(&tree(text)).accept_untrusted, want, "{text}");
        }
        let unknown = validation(&tree(r#"{"custom_validator_config":{"name":"mine"}}"#));
        assert_eq!(unknown.unknown_validator.as_deref(), Some("mine"));
        let typed = r#"{"match_typed_subject_alt_names":[{"san_type":"DNS","matcher":{"exact":"a.b"}},
            {"san_type":3,"matcher":{"safe_regex":{"regex":"x"}}}]}"#;
        assert_eq!(validation(&tree(typed)).names, ["DNS exact a.b", "regex x"]);
    }

    #[test]
    fn base64_is_read_with_and_without_padding() {
        for (text, want) in [
            (r#"{"inline_bytes":"aGk="}"#, Some("hi")),
            (r#"{"inlineBytes":"aGk"}"#, Some("hi")),
            (r#"{"inline_bytes":"aG\nk="}"#, Some("hi")),
            (r#"{"inline_string":"hi"}"#, Some("hi")),
            (r#"{"inline_bytes":"*"}"#, None),
            (r#"{"filename":"x"}"#, None),
        ] {
            assert_eq!(pem_bytes(&tree(text)).as_deref(), want.map(str::as_bytes), "{text}");
        }
    }
}
