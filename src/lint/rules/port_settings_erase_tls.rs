//! MC0204: an entry of `portLevelSettings` without `tls` erases the `tls` above it for that port (istio-mtls.md 2.6).

use super::unknown_host_or_port::is_unknown_port;
use crate::lint::cause::{erasing, erasing_path};
use crate::lint::{Lint, Out};
use crate::model::destination_rule::{ClientTls, TlsMode};
use crate::model::{DestinationRule, ObjectId};

/// Reports each such entry, whether a call fails because of it or not: what the author wrote is not what clients send.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for rule in &lint.mesh.rules {
        let policy = rule.policy.as_ref();
        if let Some((policy, above)) = policy.and_then(|policy| Some((policy, policy.top.tls.as_ref()?))) {
            for (at, port) in erasing(policy).filter(|(_, port)| !is_unknown_port(lint, rule, *port)) {
                report(out, rule.meta.id, None, (at, port), above);
            }
        }
        subsets(lint, rule, out);
    }
}

/// An entry of a subset erases what the subset, and else the rule, says for the port.
fn subsets(lint: &Lint<'_>, rule: &DestinationRule, out: &mut Out<'_>) {
    for (number, subset) in rule.subsets.iter().enumerate() {
        let Some(policy) = &subset.policy else { continue };
        for (at, port) in erasing(policy).filter(|(_, port)| !is_unknown_port(lint, rule, *port)) {
            let of_rule = rule.policy.as_ref().and_then(|base| {
                let entry = base.ports.iter().find(|(own, _)| *own == Some(port));
                entry.map_or(&base.top, |(_, own)| own).tls.as_ref()
            });
            if let Some(above) = policy.top.tls.as_ref().or(of_rule) {
                report(out, rule.meta.id, Some(number), (at, port), above);
            }
        }
    }
}

fn report(out: &mut Out<'_>, rule: ObjectId, subset: Option<usize>, (at, port): (usize, u16), above: &ClientTls) {
    let mode = above.mode.word();
    let then = match above.mode {
        TlsMode::Disable => "endpoints still get plaintext, by what looks like automatic mTLS",
        TlsMode::IstioMutual => {
            "automatic mTLS decides, and where it is off or the policy says DISABLE, plaintext is sent"
        }
        TlsMode::Simple | TlsMode::Mutual => "sidecars get plaintext there",
    };
    out.add(
        rule,
        erasing_path(subset, at),
        format!("the entry for port {port} sets no tls, so {mode} of the tls above does not hold there: {then}"),
        format!("repeat tls with mode {mode} in the entry, or remove the entry"),
    );
}

#[cfg(test)]
mod tests {
    use crate::lint::blocks::tests::{codes, rule};

    #[test]
    fn entries_of_the_rule_and_of_subsets() {
        let top = "tls: {mode: ISTIO_MUTUAL}";
        let entry = "portLevelSettings: [{port: {number: 80}}]";
        let subset = format!("subsets: [{{name: a, trafficPolicy: {{{entry}}}}}]");
        for (spec, want) in [
            (format!("trafficPolicy: {{{top}, {entry}}}"), "MC0204 spec.trafficPolicy.portLevelSettings[0]"),
            (format!("trafficPolicy: {{{entry}}}"), ""),
            (
                format!("trafficPolicy: {{{top}}}, {subset}"),
                "MC0204 spec.subsets[0].trafficPolicy.portLevelSettings[0]",
            ),
            (subset.clone(), ""),
            // The first entry of a port counts.
            (
                format!(
                    "trafficPolicy: {{{top}, portLevelSettings: [{{port: {{number: 80}}, {top}}}, {{port: {{number: 80}}}}]}}"
                ),
                "",
            ),
            (format!("trafficPolicy: {{{top}, portLevelSettings: [{{}}]}}"), ""),
        ] {
            assert_eq!(codes(&rule(&spec), &["MC0204"]), want, "{spec}");
        }
    }
}
