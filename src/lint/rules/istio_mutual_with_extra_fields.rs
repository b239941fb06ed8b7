//! MC0211: ISTIO_MUTUAL takes the mesh's own certificates; fields for others "should be empty" (`ClientTLSSettings`).

use crate::lint::blocks::blocks;
use crate::lint::{Lint, Out};
use crate::model::destination_rule::TlsMode;

/// Fields that ISTIO_MUTUAL does not read.
const UNREAD: [&str; 6] =
    ["clientCertificate", "privateKey", "caCertificates", "caCrl", "credentialName", "insecureSkipVerify"];

/// Reports each block with one of them.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for block in blocks(lint).filter(|block| block.tls.mode == TlsMode::IstioMutual) {
        let Some(node) = block.node(lint) else { continue };
        let set = |field: &&str| {
            let value = node.get(field).filter(|value| !value.is_null());
            value.is_some_and(|value| value.as_str() != Some("") && value.as_bool() != Some(false))
        };
        let extra: Vec<&str> = UNREAD.into_iter().filter(set).collect();
        let Some(first) = extra.first() else { continue };
        let fields = extra.join(", ");
        out.add(
            block.rule.meta.id,
            block.path().key(first),
            format!("ISTIO_MUTUAL uses the mesh's certificates and does not read {fields}"),
            format!("remove {fields}; or replace mode ISTIO_MUTUAL by MUTUAL where certificates of your own are meant"),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::blocks::tests::{codes, rule};

    #[test]
    fn fields_that_are_not_read() {
        for (tls, want) in [
            ("caCertificates: a", "MC0211 spec.trafficPolicy.tls.caCertificates"),
            ("clientCertificate: a, privateKey: b", "MC0211 spec.trafficPolicy.tls.clientCertificate"),
            ("credentialName: a", "MC0211 spec.trafficPolicy.tls.credentialName"),
            ("credentialName: ''", ""),
            ("insecureSkipVerify: false", ""),
            ("sni: a, subjectAltNames: [b]", ""),
        ] {
            let spec = format!("trafficPolicy: {{tls: {{mode: ISTIO_MUTUAL, {tls}}}}}");
            assert_eq!(codes(&rule(&spec), &["MC0211"]), want, "{tls}");
        }
        assert_eq!(codes(&rule("trafficPolicy: {tls: {mode: SIMPLE, caCertificates: a}}"), &["MC0211"]), "");
    }
}
