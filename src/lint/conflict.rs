//! The words of findings that stand for failing calls only: who sends what because of which field, what the server
//! demands and where that is written (MC0201, MC0202, MC0203).

use super::cause::{Cause, endpoint_of, supposed};
use super::{Lint, Out};
use crate::finding::{Code, Confidence, Finding, Related, Severity};
use crate::model::destination_rule::TlsMode;
use crate::mtls::because::{Because, because, tls_path};
use crate::mtls::check::Cell;
use crate::mtls::client::{Decision, Reach, Why};
use crate::mtls::endpoints::Front;
use crate::mtls::outcome::{Failure, Wire};
use std::collections::BTreeSet;

/// Clients and service ports that are named one by one.
const NAMED: usize = 3;

const MUTUAL_ONLY: &str = "the server takes Istio mutual TLS only";
const PLAINTEXT_ONLY: &str = "the server takes plaintext only";

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
    /// Nothing in the input says that the client calls.
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
            Reach::Ztunnel => last(&["sends"]),
            _ => last(&["auto", "tls"]).or_else(|| last(&["import", "capture", "rule"])),
        };
        let why = match row.decision.tls {
            Some((mode, _)) if row.decision.why == Why::Rule => format!(", by mode {} here", mode.word()),
            _ => sends.map(|step| spoken(step, cause, lint)).unwrap_or_default(),
        };
        let server = last(&["server"]);
        let front = endpoint_of(rows, row, cell).map(|endpoint| endpoint.front);
        let demands =
            server.map_or_else(|| "the server does not take it".to_owned(), |step| demanded(step, cell, front));
        let help = edit(lint, &row.decision, cell).unwrap_or_else(|| cause.mend(lint.matrix));
        let supposed = supposed(row.decision.reach);
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
            let at = step.at.as_ref().map_or_else(String::new, |at| format!(" at {}", at.line_words()));
            format!(", because of {object}{at} ({})", step.text)
        }
        _ => format!(" ({})", step.text),
    }
}

/// What the server demands, and by which policy.
fn demanded(step: &Because, cell: &Cell, front: Option<Front>) -> String {
    let by = match (&step.object, &step.at) {
        (Some(object), Some(at)) => format!("{object} at {}: ", at.line_words()),
        (Some(object), None) => format!("{object}: "),
        _ => String::new(),
    };
    let demand = match cell.mode {
        _ if cell.outcome.failure == Some(Failure::F7) => "ztunnel takes HBONE only",
        // Sidecars decrypt what they take for mutual TLS: this is ztunnel's.
        Some("PERMISSIVE") if cell.outcome.failure == Some(Failure::F6) => {
            "ztunnel hands on as it is whatever is not HBONE"
        }
        Some("PERMISSIVE") if matches!(front, Some(Front::Grpc(listener)) if listener.labelled) => MUTUAL_ONLY,
        Some("PERMISSIVE") if matches!(front, Some(Front::Grpc(_))) => PLAINTEXT_ONLY,
        Some("NONE") => "no proxy takes the TLS off",
        Some("STRICT") => MUTUAL_ONLY,
        Some("PERMISSIVE") => "the server takes Istio mutual TLS or plaintext, no other TLS",
        Some("DISABLE") => PLAINTEXT_ONLY,
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
        Some(Wire::None) => "nothing that arrives",
        None => "what the input does not decide",
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
            assert!(one.message.contains("PeerAuthentication istio-system/default at a.yaml:"), "{}", one.message);
            assert!(one.help.contains("spec.trafficPolicy.tls"), "{}", one.help);
            assert_eq!(one.edges.len(), 1);
        }
    }

    #[test]
    fn what_is_said_of_one_kind_of_client_or_server_is_not_said_of_another() {
        let pod = |name: &str, namespace: &str, rest: &str| {
            format!(
                "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{selector: {{app: {name}}}, ports: [{{name: grpc, port: 80, targetPort: 8080}}]}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{template: {{metadata: {{labels: {{app: {name}}}{rest}}}, spec: {{containers: [{{name: a}}]}}}}}}\n"
            )
        };
        let namespaces = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: sc, labels: {istio-injection: enabled}}\n";
        let text = STRICT.split_once("---\n").unwrap().1.to_owned()
            + namespaces
            + &pod("web", "shop", "")
            + &pod("side", "sc", "")
            + &pod("proxyless", "sc", ", annotations: {inject.istio.io/templates: grpc-agent}");
        let all = found(&text);
        let messages: Vec<&str> =
            all.iter().filter(|finding| finding.code.code == "MC0201").map(|finding| &*finding.message).collect();
        assert!(messages.len() > 2, "{messages:#?}");
        assert_eq!(all.iter().filter(|f| f.code.code == "MC0201" && f.edges.is_empty()).count(), 0, "{all:?}");
        for message in &messages {
            assert!(!message.contains("PERMISSIVE is plaintext only"), "{message}");
            let automatic = message.contains("no tls is set: automatic mTLS");
            let (proxyless, ztunnel) =
                (message.contains("has no automatic mTLS"), message.contains("ztunnel reads no"));
            assert_eq!([automatic, proxyless, ztunnel].iter().filter(|one| **one).count(), 1, "{message}");
            let clients = message.split(" send").next().unwrap();
            assert_eq!(clients.contains("sc/proxyless"), proxyless, "{message}");
            assert_eq!(clients.contains("shop/web"), ztunnel, "{message}");
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
    fn what_a_workload_leaves_out_of_its_sidecar_may_lie_elsewhere() {
        let policy = STRICT.split_once("---\n").unwrap().1;
        for (key, value) in [("excludeOutboundPorts", "80"), ("includeOutboundIPRanges", "192.0.2.0/24")] {
            let key = format!("traffic.sidecar.istio.io/{key}");
            let text = format!(
                "{WEB}{policy}apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: cl, namespace: shop}}\nspec:\n  template:\n    metadata:\n      annotations:\n        {key}: \"{value}\"\n    spec: {{containers: [{{name: a}}]}}\n"
            );
            let text = text.replace("selector: {app: web}", "clusterIP: 10.0.0.1, selector: {app: web}");
            let all = found(&text);
            let one = all.iter().find(|finding| finding.code.code == "MC0201").unwrap();
            assert_eq!(one.confidence, Confidence::Medium);
            assert!(one.message.starts_with("shop/cl would send plaintext to web.shop."), "{}", one.message);
            assert_eq!(one.path.as_ref().unwrap().as_str(), format!("spec.template.metadata.annotations[\"{key}\"]"));
            assert_eq!(text.lines().nth(one.at.line as usize - 1).unwrap().trim(), format!("{key}: \"{value}\""));
        }
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
