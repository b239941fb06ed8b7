//! MC0210: a client that does not verify the server's certificate: encrypted, to whoever answers (`ClientTLSSettings`).

use crate::lint::blocks::blocks;
use crate::lint::{Lint, Out};
use crate::model::destination_rule::TlsMode;

/// Reports each `insecureSkipVerify: true` that takes effect.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let originates = |mode| matches!(mode, TlsMode::Simple | TlsMode::Mutual);
    for block in blocks(lint).filter(|block| originates(block.tls.mode)) {
        let Some(node) = block.node(lint) else { continue };
        if node.get("insecureSkipVerify").and_then(|value| value.as_bool()) != Some(true) {
            continue;
        }
        out.add(
            block.rule.meta.id,
            block.path().key("insecureSkipVerify"),
            "insecureSkipVerify: clients accept any certificate, so whoever answers in between can read and change the traffic",
            "remove insecureSkipVerify; name the CA in caCertificates (or credentialName) and the server's names in subjectAltNames",
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::blocks::tests::{codes, rule};

    #[test]
    fn only_where_it_takes_effect() {
        let at = "MC0210 spec.trafficPolicy.tls.insecureSkipVerify";
        for (tls, want) in [
            ("mode: SIMPLE, insecureSkipVerify: true", at),
            ("mode: MUTUAL, clientCertificate: a, privateKey: b, insecureSkipVerify: true", at),
            ("mode: SIMPLE, insecureSkipVerify: false", ""),
            ("mode: SIMPLE", ""),
            ("mode: DISABLE, insecureSkipVerify: true", ""),
        ] {
            assert_eq!(codes(&rule(&format!("trafficPolicy: {{tls: {{{tls}}}}}")), &["MC0210"]), want, "{tls}");
        }
    }
}
