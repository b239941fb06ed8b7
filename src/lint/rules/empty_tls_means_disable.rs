//! MC0206: a `tls` block without mode is DISABLE, the enum's zero, not automatic mTLS (istio-mtls.md 2.6).

use crate::lint::blocks::blocks;
use crate::lint::{Lint, Out};

/// Reports each such block.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for block in blocks(lint).filter(|block| !block.tls.mode_written) {
        out.add(
            block.rule.meta.id,
            block.path(),
            "tls without a mode means DISABLE: clients send plaintext",
            "write mode ISTIO_MUTUAL, or remove tls so that automatic mTLS decides; mode DISABLE if plaintext is meant",
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::blocks::tests::{codes, rule};

    #[test]
    fn only_blocks_without_a_mode() {
        for (tls, want) in [
            ("{}", "MC0206 spec.trafficPolicy.tls"),
            ("{sni: a}", "MC0206 spec.trafficPolicy.tls"),
            ("{mode: }", "MC0206 spec.trafficPolicy.tls"),
            ("null", ""),
            ("{mode: DISABLE}", ""),
            ("{mode: ISTIO_MUTUAL}", ""),
        ] {
            assert_eq!(codes(&rule(&format!("trafficPolicy: {{tls: {tls}}}")), &["MC0206"]), want, "{tls}");
        }
    }
}
