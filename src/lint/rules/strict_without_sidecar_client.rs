//! MC0303: a workload outside the mesh that declares a call to a STRICT port, which refuses it (F1).
//!
//! Nothing in Kubernetes says who calls whom. What says it here is weak: a host of the input in the environment,
//! arguments or command of a container, or an AuthorizationPolicy that lets the workload's identity in. So this is never
//! more than a hint.

use crate::finding::{Confidence, Related};
use crate::lint::pods::{Pod, behind, enforced, exception, policy_place};
use crate::lint::sources::{self, Source};
use crate::lint::{Lint, Out, related};
use crate::location::Path;
use crate::model::service::Origin;
use crate::model::{Proxy, Service, Workload};
use crate::yaml::Node;
use foldhash::HashMap;

/// The most bytes of one text that are looked at, and the most hosts in it.
const MANY_BYTES: usize = 4096;
const MANY_HOSTS: usize = 64;

/// A callee that refuses.
struct Callee {
    /// Where the workload says that it calls.
    path: Path,
    /// What it calls, for a person.
    what: String,
    /// What would let it in.
    exception: String,
    related: Vec<Related>,
}

/// Reports each workload outside the mesh that seems to call what refuses it.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let outside: Vec<(u32, &Workload)> =
        (0..).zip(&lint.mesh.workloads).filter(|(number, w)| is_outside(lint, *number, w)).collect();
    if outside.is_empty() {
        return;
    }
    let hosts = hosts(lint);
    let mut allowed = allowed(lint, &outside);
    for (number, workload) in outside {
        let mut callees = declared(lint, workload, &hosts);
        callees.extend(allowed.remove(&number).unwrap_or_default());
        let more = callees.len().saturating_sub(1);
        let Some(first) = callees.into_iter().next() else { continue };
        let others = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        let message = format!(
            "{} has no sidecar and seems to call {}{others}: STRICT refuses it (F1)",
            workload.meta.slash(),
            first.what
        );
        let help = format!("inject the workload; or, if it must stay outside the mesh, {}", first.exception);
        let finding = out.add(workload.meta.id, first.path, message, help);
        finding.confidence = Confidence::Low;
        finding.related.extend(first.related);
    }
}

/// A workload without proxy in a namespace that is not part of the mesh.
fn is_outside(lint: &Lint<'_>, number: u32, workload: &Workload) -> bool {
    let class = lint.matrix.class_of.get(number as usize).and_then(|n| lint.matrix.classes.get(*n as usize));
    workload.proxy == Proxy::None
        && !workload.finished
        && !matches!(workload.kind, "Namespace" | "Service")
        && class.is_some_and(|class| class.outside)
}

/// Services by every name that says their namespace: a bare word may be anything.
fn hosts(lint: &Lint<'_>) -> HashMap<String, u32> {
    let mut found = HashMap::default();
    for (number, service) in (0..).zip(&lint.mesh.services).filter(|(_, s)| s.origin == Origin::Kubernetes) {
        let short = format!("{}.{}", service.meta.name, service.meta.namespace);
        found.insert(format!("{short}.svc"), number);
        found.insert(short, number);
        found.insert(service.host.to_string(), number);
    }
    found
}

/// Hosts with their ports in a text such as `--url=http://web.shop:8080/x`.
fn mentions(text: &str) -> Vec<(&str, Option<u16>)> {
    let of_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let end = (0..=text.len().min(MANY_BYTES)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let pieces = text.get(..end).unwrap_or_default().split(|c| !of_host(c));
    let mut found = Vec::new();
    for piece in pieces {
        let parts: Vec<&str> = piece.split(':').collect();
        for (at, part) in parts.iter().enumerate().filter(|(_, part)| part.contains('.')) {
            let port = parts.get(at + 1).and_then(|next| next.parse().ok());
            found.push((part.trim_end_matches('.'), port));
        }
        if found.len() > MANY_HOSTS {
            break;
        }
    }
    found
}

/// What the containers' environment, arguments and command name.
fn declared(lint: &Lint<'_>, workload: &Workload, hosts: &HashMap<String, u32>) -> Vec<Callee> {
    let Some(pod) = Pod::of(lint, workload) else { return Vec::new() };
    let mut texts: Vec<(Path, Node<'_>)> = Vec::new();
    for container in pod.containers() {
        let env = container.node.get("env").into_iter().flat_map(Node::items).enumerate();
        let env = env.filter_map(|(at, variable)| Some((at, variable.get("value")?)));
        texts.extend(env.map(|(at, value)| (container.path.key("env").index(at).key("value"), value)));
        for key in ["args", "command"] {
            let words = container.node.get(key).into_iter().flat_map(Node::items).enumerate();
            texts.extend(words.map(|(at, word)| (container.path.key(key).index(at), word)));
        }
    }
    let mut found: Vec<(u32, u16, Callee)> = Vec::new();
    for (path, node) in texts {
        for (host, port) in mentions(node.as_str().unwrap_or_default()) {
            let Some(number) = hosts.get(&host.to_ascii_lowercase()) else { continue };
            let Some(service) = lint.mesh.services.get(*number as usize) else { continue };
            let Some((port, callee)) = refusing(lint, *number, service, port, &path) else { continue };
            if !found.iter().any(|(other, known, _)| (*other, *known) == (*number, port)) {
                found.push((*number, port, callee));
            }
        }
    }
    found.into_iter().map(|(.., callee)| callee).collect()
}

/// A Service port that refuses plaintext: the one that is named, else 80, else any where all do.
fn refusing(lint: &Lint<'_>, number: u32, service: &Service, port: Option<u16>, path: &Path) -> Option<(u16, Callee)> {
    let wanted = port.or_else(|| service.ports.iter().find(|p| p.number == 80).map(|p| p.number));
    let ports = service.ports.iter().enumerate().filter(|(_, p)| wanted.is_none_or(|wanted| p.number == wanted));
    let mut first = None;
    for (at, port) in ports {
        let hit = behind(lint, number, at).into_iter().find_map(|(pod, target)| {
            Some((lint.mesh.workloads.get(pod as usize)?, target, enforced(lint, pod, target)?))
        });
        let (pod, target, from) = hit?;
        let callee = || Callee {
            path: path.clone(),
            what: format!("{}:{}", service.host, port.number),
            exception: exception(lint.mesh, pod, target, service.selector.as_ref()),
            related: policy_place(lint.mesh, from).into_iter().collect(),
        };
        first = first.or_else(|| Some((port.number, callee())));
    }
    first
}

/// What AuthorizationPolicies let in, by workload: of a whole namespace for its first workload only.
fn allowed(lint: &Lint<'_>, outside: &[(u32, &Workload)]) -> HashMap<u32, Vec<Callee>> {
    let mut found: HashMap<u32, Vec<Callee>> = HashMap::default();
    for policy in sources::policies(lint).iter().filter(|policy| policy.allows) {
        let mut servers = lint.mesh.select(&policy.namespace, &policy.selector);
        let server = servers.find_map(|n| Some((lint.mesh.workloads.get(n as usize)?, enforced(lint, n, 0)?)));
        let Some((server, from)) = server else { continue };
        for (source, path) in &policy.sources {
            let is_named = |workload: &Workload| match source {
                Source::Account(namespace, name) => {
                    *namespace == *workload.meta.namespace && **name == *workload.service_account
                }
                Source::Namespace(namespace) => *namespace == *workload.meta.namespace,
            };
            let Some((number, _)) = outside.iter().find(|(_, workload)| is_named(workload)) else { continue };
            let text = format!("AuthorizationPolicy {}/{} lets it in by its identity", policy.namespace, policy.name);
            let callees = found.entry(*number).or_default();
            callees.push(Callee {
                path: Path::default(),
                what: format!(
                    "{}, whose AuthorizationPolicy lets it in by an identity that it cannot show",
                    server.meta.slash()
                ),
                exception: "let it in by something else than its identity, and set PERMISSIVE there".to_owned(),
                related: [related(lint.mesh, policy.id, path, text)]
                    .into_iter()
                    .chain(policy_place(lint.mesh, from))
                    .collect(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::mentions;
    use crate::lint::pods::tests::{STRICT, found};

    #[test]
    fn hosts_are_found_in_texts() {
        for (text, want) in [
            ("http://web.shop:8080/x", vec![("web.shop", Some(8080))]),
            ("--url=web.shop.svc.cluster.local.", vec![("web.shop.svc.cluster.local", None)]),
            ("a.b:1,c.d:2", vec![("a.b", Some(1)), ("c.d", Some(2))]),
            ("web:80", vec![]),
            ("", vec![]),
            ("ü.é", vec![(".", None)]),
        ] {
            let found = mentions(text);
            let want: Vec<_> =
                want.into_iter().map(|(host, port): (&str, _)| (host.trim_end_matches('.'), port)).collect();
            assert_eq!(found, want, "{text}");
        }
        assert_eq!(mentions(&"é".repeat(5000)), []);
    }

    #[test]
    fn only_declared_calls_to_strict_ports_are_reported() {
        let mesh = |namespace: &str, container: &str, more: &str| {
            format!(
                "{STRICT}apiVersion: v1\nkind: Namespace\nmetadata: {{name: legacy}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop}}\nspec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: 8080}}, {{name: free, port: 81}}]}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: shop}}\nspec: {{template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web}}]}}}}}}\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: web, namespace: shop}}\nspec: {{selector: {{matchLabels: {{app: web}}}}, mtls: {{mode: STRICT}}, portLevelMtls: {{81: {{mode: PERMISSIVE}}}}}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: cli, namespace: {namespace}}}\nspec: {{template: {{spec: {{serviceAccountName: cli, containers: [{{name: cli, {container}}}]}}}}}}\n{more}"
            )
        };
        let policy = |source: &str, action: &str| {
            format!(
                "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: web, namespace: shop}}\nspec: {{selector: {{matchLabels: {{app: web}}}}, action: {action}, rules: [{{from: [{{source: {{{source}}}}}]}}]}}\n"
            )
        };
        let named = policy("principals: [cluster.local/ns/legacy/sa/cli]", "ALLOW");
        let denied = policy("principals: [cluster.local/ns/legacy/sa/cli]", "DENY");
        let whole = policy("namespaces: [legacy]", "ALLOW");
        for (namespace, container, more, count) in [
            ("legacy", "env: [{name: URL, value: \"http://web.shop:80\"}]", "", 1),
            ("legacy", "env: [{name: URL, value: \"http://web.shop\"}]", "", 1),
            ("legacy", "env: [{name: URL, value: \"http://web.shop:81\"}]", "", 0),
            ("legacy", "args: [--to=web.shop.svc.cluster.local:80, web.shop:80]", "", 1),
            ("legacy", "command: [curl, web:80]", "", 0),
            ("legacy", "image: web.shop", "", 0),
            ("shop", "env: [{name: URL, value: \"http://web.shop:80\"}]", "", 0),
            ("legacy", "image: a", &*named, 1),
            ("legacy", "image: a", &*denied, 0),
            ("legacy", "image: a", &*whole, 1),
        ] {
            let found = found(&mesh(namespace, container, more), "MC0303");
            assert_eq!(found.len(), count, "{namespace} {container} {more} {found:?}");
        }
    }
}
