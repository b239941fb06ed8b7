//! The words of findings that stand for failing calls only: who sends what because of which field, what the server
//! demands and where that is written (MC0201, MC0202, MC0203).

use super::cause::Cause;
use super::{Lint, Out};
use crate::finding::{Code, Confidence, Finding, Related, Severity};
use crate::model::destination_rule::TlsMode;
use crate::mtls::because::{Because, because, tls_path};
use crate::mtls::check::Cell;
use crate::mtls::client::{Decision, Reach, Why};
use crate::mtls::outcome::{Failure, Wire};
use std::collections::BTreeSet;

/// Clients and service ports that are named one by one.
const NAMED: usize = 3;

/// Reports every cause of a code.
pub fn report(lint: &Lint<'_>, out: &mut Out<'_>, code: &'static Code) {
    for cause in lint.causes_of(code) {
        let Some(words) = Words::of(lint, cause) else { continue };
        let finding = out.add(cause.object, cause.path.clone(), words.message, words.help);
        finding.related.extend(words.related);
        if words.supposed {
            finding.confidence = Confidence::Medium;
        }
        if cause.path.as_str() == "spec.egress" {
            limited(finding);
        }
        // A setting inside a text has a line of its own.
        if cause.path.as_str() == "data.mesh" {
            finding.at = lint.mesh.locate_word(cause.object, &cause.path, "enableAutoMtls");
        }
    }
}

/// A Sidecar that imports less than there is, is good practice: only a call that is really made fails.
pub fn limited(finding: &mut Finding) {
    (finding.severity, finding.confidence) = (Severity::Info, Confidence::Low);
}

/// What is said of a cause.
struct Words {
    message: String,
    help: String,
    related: Option<Related>,
    /// Nothing in the input says that the client calls: it has no proxy, and so no rule is about its calls.
    supposed: bool,
}

impl Words {
    fn of(lint: &Lint<'_>, cause: &Cause) -> Option<Self> {
        let (rows, row, cell, client) = cause.sample(lint.matrix)?;
        let client = lint.mesh.workloads.get(client as usize)?;
        let steps = because(lint.matrix, rows, row, cell, client);
        let last = |wanted: &[&str]| steps.iter().rev().find(|step| wanted.contains(&step.step));
        let sends = match row.decision.reach {
            Reach::NoProxy => last(&["client"]),
            _ => last(&["auto", "tls"]).or_else(|| last(&["import", "capture", "rule"])),
        };
        let why = match row.decision.tls {
            Some((mode, _)) if row.decision.why == Why::Rule => format!(", by mode {} here", mode.word()),
            _ => sends.map(|step| spoken(step, cause, lint)).unwrap_or_default(),
        };
        let server = last(&["server"]);
        let demands = server.map_or_else(|| "the server does not take it".to_owned(), |step| demanded(step, cell));
        let help = edit(lint, &row.decision, cell).unwrap_or_else(|| cause.mend(lint.matrix));
        let supposed = row.decision.reach == Reach::NoProxy;
        let (verb, but) = match (supposed, cause.size(lint.matrix).0) {
            (true, _) => ("would send", "It would be refused:"),
            (false, 1) => ("sends", "But"),
            (false, _) => ("send", "But"),
        };
        Some(Self {
            message: format!(
                "{} {verb} {} to {}{why}. {but} {demands} ({})",
                clients(lint, cause),
                sent(cell.wire),
                ports(lint, cause),
                failures(lint, cause),
            ),
            help,
            supposed,
            // The policy's own line is the symptom of every cause; here are places that are none.
            related: server.filter(|_| cell.from.is_none_or(|from| from.policy.is_none())).and_then(place),
        })
    }
}

fn place(step: &Because) -> Option<Related> {
    Some(Related { message: step.text.clone(), at: step.at.clone()? })
}

/// Why the client sends it, with the object where the finding is about another one.
fn spoken(step: &Because, cause: &Cause, lint: &Lint<'_>) -> String {
    let own = lint.mesh.object_ref(cause.object);
    match &step.object {
        Some(object) if step.object != own => {
            let at = step.at.as_ref().map_or_else(String::new, |at| format!(" at {}:{}", at.file, at.line));
            format!(", because of {object}{at} ({})", step.text)
        }
        _ => format!(" ({})", step.text),
    }
}

/// What the server demands, and by which policy.
fn demanded(step: &Because, cell: &Cell) -> String {
    let by = match (&step.object, &step.at) {
        (Some(object), Some(at)) => format!("{object} at {}:{}: ", at.file, at.line),
        (Some(object), None) => format!("{object}: "),
        _ => String::new(),
    };
    let demand = match cell.mode {
        _ if cell.outcome.failure == Some(Failure::F7) => "ztunnel takes HBONE only",
        // Sidecars decrypt what they take for mutual TLS: this is ztunnel's.
        Some("PERMISSIVE") if cell.outcome.failure == Some(Failure::F6) => {
            "ztunnel hands on as it is whatever is not HBONE"
        }
        Some("NONE") => "no proxy takes the TLS off",
        Some("STRICT") => "the server takes Istio mutual TLS only",
        Some("PERMISSIVE") => "the server takes Istio mutual TLS or plaintext, no other TLS",
        Some("DISABLE") => "the server takes plaintext only",
        _ => "the server does not take it",
    };
    format!("{demand} ({by}{})", step.text)
}

fn sent(wire: Option<Wire>) -> &'static str {
    match wire {
        Some(Wire::Mtls) => "Istio mutual TLS",
        Some(Wire::Hbone) => "HBONE",
        Some(Wire::Tls) => "one-way TLS",
        Some(Wire::MutualTls) => "TLS with a certificate of the rule's own",
        Some(Wire::Plaintext) => "plaintext",
        Some(Wire::None) | None => "nothing that arrives",
    }
}

/// `a/web`, or `5 clients (a/web, b/web, c/web, ...)`.
fn clients(lint: &Lint<'_>, cause: &Cause) -> String {
    let numbers = cause.clients();
    let name = |n: &u32| {
        let workload = lint.mesh.workloads.get(*n as usize)?;
        Some(match workload.kind {
            "Namespace" => format!("any sidecar of namespace {}", workload.meta.namespace),
            _ => workload.meta.slash(),
        })
    };
    counted("clients", numbers.iter().filter_map(name), numbers.len())
}

/// `web.shop.svc.cluster.local:80`, or how many service ports.
fn ports(lint: &Lint<'_>, cause: &Cause) -> String {
    let port = |one: &super::cause::Covered| {
        let rows = lint.matrix.services.get(one.service)?;
        Some((rows.service, rows.rows.get(one.row)?.port))
    };
    let all: BTreeSet<(u32, u32)> = cause.covers.iter().filter_map(port).collect();
    let name = |(service, port): &(u32, u32)| {
        let service = lint.mesh.services.get(*service as usize)?;
        // Port 0 stands for every port of a service that the input does not have.
        Some(match service.ports.get(*port as usize).map_or(0, |port| port.number) {
            0 => service.host.to_string(),
            number => format!("{}:{number}", service.host),
        })
    };
    counted("service ports", all.iter().filter_map(name), all.len())
}

fn counted(what: &str, names: impl Iterator<Item = String>, count: usize) -> String {
    let named: Vec<String> = names.take(NAMED).collect();
    let more = if count > named.len() { ", ..." } else { "" };
    if count == 1 { named.concat() } else { format!("{count} {what} ({}{more})", named.join(", ")) }
}

/// `F2`, or every code that occurs.
fn failures(lint: &Lint<'_>, cause: &Cause) -> String {
    let cells = cause.covers.iter().filter_map(|one| {
        lint.matrix.services.get(one.service)?.rows.get(one.row)?.cells.get(one.cell)?.outcome.failure
    });
    let codes: BTreeSet<&str> = cells.map(Failure::code).collect();
    if codes.is_empty() { "refused".to_owned() } else { codes.into_iter().collect::<Vec<_>>().join(", ") }
}

/// The edit of the rule, where it is the rule's `tls` that is sent.
fn edit(lint: &Lint<'_>, decision: &Decision, cell: &Cell) -> Option<String> {
    let (mode, from) = decision.tls?;
    let rule = lint.mesh.rules.get(from.rule as usize)?;
    let path = tls_path(from);
    let takes_none = matches!(cell.mode, Some("NONE" | "DISABLE"));
    let other = if takes_none { TlsMode::Disable } else { TlsMode::IstioMutual };
    let replace =
        format!("replace mode {} by {} in {path} of DestinationRule {}", mode.word(), other.word(), rule.meta.slash());
    // Without automatic mTLS a rule without tls means plaintext.
    if !lint.mesh.config.auto_mtls || mode == other {
        return Some(replace).filter(|_| mode != other);
    }
    Some(format!("{replace}; or remove that tls: automatic mTLS then adapts to each server"))
}

#[cfg(test)]
mod tests {
    use super::Confidence;
    use crate::lint::blocks::tests::{WEB, found, rule};
    use crate::lint::pods::tests::STRICT;

    #[test]
    fn the_message_says_who_sends_what_and_what_the_server_demands() {
        let policy = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
                      metadata: {name: default, namespace: istio-system}\nspec: {mtls: {mode: MODE}}\n";
        for (mode, server, code, words) in [
            ("DISABLE", "STRICT", "MC0201", ["shop/web sends plaintext to web.shop.svc.cluster.local:80", "(F2)"]),
            ("ISTIO_MUTUAL", "DISABLE", "MC0202", ["shop/web sends Istio mutual TLS to", "takes plaintext only"]),
            ("SIMPLE", "STRICT", "MC0203", ["shop/web sends one-way TLS to", "(F5)"]),
        ] {
            let text =
                rule(&format!("trafficPolicy: {{tls: {{mode: {mode}}}}}")) + WEB + &policy.replace("MODE", server);
            let all = found(&text);
            let one = all.iter().find(|finding| finding.code.code == code).unwrap();
            for word in words {
                assert!(one.message.contains(word), "{}", one.message);
            }
            assert!(one.message.contains("PeerAuthentication istio-system/default at mesh.yaml:"), "{}", one.message);
            assert!(one.help.contains("spec.trafficPolicy.tls"), "{}", one.help);
            assert_eq!(one.edges.len(), 1);
        }
    }

    #[test]
    fn a_client_without_proxy_is_only_supposed_to_call() {
        let server = |name: &str, ports: &str| {
            format!(
                "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{selector: {{app: {name}}}, ports: [{ports}]}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: [{{name: a}}]}}}}}}\n"
            )
        };
        let text = format!(
            "{STRICT}{}{}---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: migrate, namespace: shop}}\nspec: {{template: {{metadata: {{labels: {{sidecar.istio.io/inject: \"false\"}}}}, spec: {{containers: [{{name: a}}]}}}}}}\n",
            server("web", "{name: http, port: 80, targetPort: 8080}, {name: admin, port: 81, targetPort: 9090}"),
            server("api", "{name: http, port: 80, targetPort: 8080}"),
        );
        let all = found(&text);
        let one = all.iter().find(|finding| finding.code.code == "MC0201").unwrap();
        assert_eq!(one.confidence, Confidence::Medium);
        assert!(one.message.starts_with("shop/migrate would send plaintext to 3 service ports"), "{}", one.message);
        assert!(one.message.contains("It would be refused: the server takes"), "{}", one.message);
        assert!(
            one.help.contains("portLevelMtls 8080 (shop/api, shop/web), 9090 (shop/web): PERMISSIVE"),
            "{}",
            one.help
        );
        assert!(one.related.iter().any(|place| place.message.contains("would fail (F1)")), "{:?}", one.related);
    }

    #[test]
    fn nothing_is_reported_where_nothing_fails() {
        for mode in ["DISABLE", "ISTIO_MUTUAL"] {
            let text = rule(&format!("trafficPolicy: {{tls: {{mode: {mode}}}}}")) + WEB;
            let all = found(&text);
            assert!(all.iter().all(|f| !matches!(f.code.code, "MC0201" | "MC0202" | "MC0203")), "{all:?}");
        }
    }
}
