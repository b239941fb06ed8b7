//! MC0007: what only the webhook refuses, and the reader of a field cannot see: MUTUAL without a client certificate (2.4).

use crate::lint::blocks::blocks;
use crate::lint::{Lint, Out};
use crate::model::destination_rule::TlsMode;

/// Reports each MUTUAL block that names no certificate: istiod drops it, and clients send plaintext.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for block in blocks(lint).filter(|block| block.tls.mode == TlsMode::Mutual) {
        if block.tls.credential || block.tls.client_certificate {
            continue;
        }
        out.add(
            block.rule.meta.id,
            block.path(),
            "MUTUAL needs a client certificate: clientCertificate with privateKey, or credentialName. Without one istiod \
             refuses the rule, or clients send plaintext",
            "replace mode MUTUAL by ISTIO_MUTUAL for the mesh's own certificates; or name the certificate",
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::blocks::tests::{codes, rule};

    #[test]
    fn mutual_needs_a_certificate() {
        for (tls, want) in [
            ("{mode: MUTUAL}", true),
            ("{mode: MUTUAL, clientCertificate: a}", true),
            ("{mode: MUTUAL, clientCertificate: a, privateKey: b}", false),
            ("{mode: MUTUAL, credentialName: a}", false),
            ("{mode: ISTIO_MUTUAL}", false),
        ] {
            let found = codes(&rule(&format!("trafficPolicy: {{tls: {tls}}}")), &["MC0007"]);
            assert_eq!(found, if want { "MC0007 spec.trafficPolicy.tls" } else { "" }, "{tls}");
        }
    }
}
