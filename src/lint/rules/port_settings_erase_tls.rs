//! MC0204: an entry of `portLevelSettings` without `tls` erases the `tls` above it for that port (istio-mtls.md 2.6).

use super::unknown_host_or_port::is_unknown_port;
use crate::finding::{Finding, Severity};
use crate::lint::cause::{erasing, erasing_path};
use crate::lint::{Lint, Out};
use crate::model::destination_rule::{ClientTls, TlsMode};
use crate::model::{DestinationRule, ObjectId};
use crate::mtls::check::Row;
use crate::mtls::client::{Cluster, Decision, Reach, Why};

/// Reports each such entry, whether a call fails because of it or not: what the author wrote is not what clients send.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for rule in &lint.mesh.rules {
        let policy = rule.policy.as_ref();
        if let Some((policy, above)) = policy.and_then(|policy| Some((policy, policy.top.tls.as_ref()?))) {
            for (at, port) in erasing(policy).filter(|(_, port)| !is_unknown_port(lint, rule, *port)) {
                let severity = severity(lint, rule.meta.id, above, port);
                report(out, rule.meta.id, None, (at, port), above).severity = severity;
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
                let severity = severity(lint, rule.meta.id, above, port);
                report(out, rule.meta.id, Some(number), (at, port), above).severity = severity;
            }
        }
    }
}

/// An error where something else is sent than the `tls` above says. Below DISABLE nothing changes, and below ISTIO_MUTUAL
/// nothing where automatic mTLS does the same; calls that fail nevertheless make it an error once they are attached.
fn severity(lint: &Lint<'_>, rule: ObjectId, above: &ClientTls, port: u16) -> Severity {
    let plain = match above.mode {
        TlsMode::Disable => false,
        TlsMode::Simple | TlsMode::Mutual => true,
        TlsMode::IstioMutual => !lint.mesh.config.auto_mtls || gets_plaintext(lint, rule, port),
    };
    if plain { Severity::Error } else { Severity::Warning }
}

/// Whether clients that use the rule send plaintext to the port, whatever the endpoint: automatic mTLS does not apply.
fn gets_plaintext(lint: &Lint<'_>, rule: ObjectId, port: u16) -> bool {
    lint.matrix.services.iter().any(|rows| {
        let service = lint.mesh.services.get(rows.target.unwrap_or(rows.service) as usize);
        let number = |row: &Row| service.and_then(|s| s.ports.get(row.port as usize)).map(|port| port.number);
        rows.rows.iter().any(|row| {
            let Decision { reach, tls, cluster, why, .. } = row.decision;
            let used = row.decision.rule.and_then(|(n, _)| lint.mesh.rules.get(n as usize));
            used.is_some_and(|used| used.meta.id == rule)
                && (reach, tls, cluster) == (Reach::Known, None, Cluster::Plain)
                && why != Why::NoEndpoints
                && number(row) == Some(port)
        })
    })
}

fn report<'o>(
    out: &'o mut Out<'_>,
    rule: ObjectId,
    subset: Option<usize>,
    (at, port): (usize, u16),
    above: &ClientTls,
) -> &'o mut Finding {
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
    )
}

#[cfg(test)]
mod tests {
    use crate::lint::blocks::tests::{WEB, codes, found, rule};
    use crate::lint::pods::tests::STRICT;

    #[test]
    fn an_error_only_where_something_else_is_sent() {
        let entry = "portLevelSettings: [{port: {number: 80}, connectionPool: {}}]";
        let strict = STRICT.split_once("---\n").unwrap().1.to_owned();
        let wide = strict.replace("STRICT", "DISABLE");
        let bare = WEB.replace("istio-injection: enabled", "istio-injection: disabled");
        let off = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n\
                   data: {mesh: 'enableAutoMtls: false'}\n";
        for (mode, more, want) in [
            ("ISTIO_MUTUAL", WEB.to_owned() + &strict, "warning 0"),
            ("ISTIO_MUTUAL", WEB.to_owned() + &wide, "error 0"),
            ("ISTIO_MUTUAL", WEB.to_owned() + off, "error 0"),
            ("ISTIO_MUTUAL", String::new(), "warning 0"),
            ("DISABLE", bare, "warning 0"),
            ("DISABLE", WEB.to_owned() + &strict, "error 1"),
            ("SIMPLE", WEB.to_owned(), "error 0"),
        ] {
            let all = found(&(rule(&format!("trafficPolicy: {{tls: {{mode: {mode}}}, {entry}}}")) + &more));
            let one = all.iter().find(|f| f.code.code == "MC0204").unwrap();
            assert_eq!(format!("{} {}", one.severity, one.edges.len()), want, "{mode} {more}");
        }
    }

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
