//! MC0120: Policy, MeshPolicy and ServiceMeshPolicy, which Istio reads no more since 1.6, and what takes their place.

use crate::finding::Confidence;
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::authn_policy::{PortSelector, Reach, Target};
use crate::model::service::{Port, Service};
use crate::model::{AuthnPolicy, Mesh};
use crate::mtls::endpoints::target_on;
use std::collections::BTreeSet;

/// Reports each of them.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    report(lint.mesh, out);
}

/// The same for a mesh that was not judged: nothing hangs on rows.
pub(in crate::lint) fn report(mesh: &Mesh, out: &mut Out<'_>) {
    if mesh.version.reads_legacy_policies() {
        return;
    }
    // What an operator makes stands in no file: nobody can replace it, and its mode is the control plane's.
    for policy in mesh.authn_policies.iter().filter(|policy| !policy.meta.made) {
        let Some(object) = mesh.object_ref(policy.meta.id) else { continue };
        let today = today(mesh, policy);
        let none = match policy.peer {
            _ if never(policy) => ", and before that only the one called default counted: it was never in force",
            None => "; without a peer mtls it meant: no mutual TLS",
            Some(_) => "",
        };
        let message = format!("{object} changes nothing: Istio reads this API no more since 1.6{none}");
        let finding = out.add(policy.meta.id, Path::new("apiVersion"), message, today.help);
        if !today.sure {
            finding.confidence = Confidence::Medium;
        }
    }
}

/// Whether a policy did nothing when Istio still read it: mesh-wide, and not called `default` (4.1).
fn never(policy: &AuthnPolicy) -> bool {
    policy.reach == Reach::Mesh && &*policy.meta.name != "default"
}

/// What takes the place of a policy, and whether the input holds what that hangs on.
struct Today {
    help: String,
    sure: bool,
}

fn today(mesh: &Mesh, policy: &AuthnPolicy) -> Today {
    if never(policy) {
        return Today { help: "delete it: it did nothing, so nothing takes its place".to_owned(), sure: true };
    }
    let (name, mode) = (&policy.meta.name, policy.mode.word());
    if policy.reach == Reach::Mesh {
        let spec = format!("{{mtls: {{mode: {mode}}}}}");
        let help = format!("replace it by {}, in the root namespace", manifest("default", &mesh.root, &spec));
        return Today { help, sure: true };
    }
    let namespace = &policy.meta.namespace;
    if policy.targets.is_empty() {
        let spec = format!("{{mtls: {{mode: {mode}}}}}");
        return Today { help: format!("replace it by {}", manifest(name, namespace, &spec)), sure: true };
    }
    let (mut manifests, mut notes, mut sure) = (Vec::new(), BTreeSet::new(), true);
    for (at, target) in policy.targets.iter().enumerate() {
        let name = if at == 0 { name.to_string() } else { format!("{name}-{}", at + 1) };
        let (spec, missing) = for_target(mesh, policy, target);
        manifests.push(manifest(&name, namespace, &spec));
        sure &= missing.is_empty();
        notes.extend(missing);
    }
    let mut help = format!("replace it by {}", manifests.join(" and "));
    if policy.targets.iter().any(|target| !target.ports.is_empty()) {
        help += "; portLevelMtls names ports of the workload, where the old ports were the Service's";
    }
    for note in notes {
        help = format!("{help}; {note}");
    }
    Today { help, sure }
}

/// `spec` for one target: its selector is the Service's, its ports those that the Service's lead to.
fn for_target(mesh: &Mesh, policy: &AuthnPolicy, target: &Target) -> (String, Vec<String>) {
    let mut missing = Vec::new();
    let namespace = &policy.meta.namespace;
    let fits = |service: &&Service| *service.meta.name == *target.name && service.meta.namespace == *namespace;
    let service = mesh.services.iter().find(fits);
    let labels: Vec<String> = match service.and_then(|service| service.selector.as_ref()) {
        Some(selector) => selector.iter().map(|(key, value)| format!("{}: {}", quoted(key), quoted(value))).collect(),
        None => {
            missing.push(format!(
                "the labels are those that Service {namespace}/{} selects by, which is not in the input",
                target.name
            ));
            vec!["...".to_owned()]
        }
    };
    let selector = format!("selector: {{matchLabels: {{{}}}}}", labels.join(", "));
    let mode = policy.mode.word();
    if target.ports.is_empty() {
        return (format!("{{{selector}, mtls: {{mode: {mode}}}}}"), missing);
    }
    let mut ports = BTreeSet::new();
    for port in &target.ports {
        let found = service
            .and_then(|service| service.ports.iter().find(|p| port.selects(p) == Some(true)).map(|p| (service, p)));
        let numbers = found.map_or_else(BTreeSet::new, |(service, port)| workload_ports(mesh, service, port));
        let word = match port {
            PortSelector::Number(number) => number.to_string(),
            PortSelector::Name(name) => name.to_string(),
            PortSelector::Nothing => continue,
        };
        if numbers.is_empty() {
            missing.push(format!("where port {word} of Service {namespace}/{} leads is not in the input", target.name));
            ports.insert("...".to_owned());
        }
        ports.extend(numbers.iter().map(u16::to_string));
    }
    let ports: Vec<String> = ports.iter().map(|port| format!("{port}: {{mode: {mode}}}")).collect();
    (format!("{{{selector}, portLevelMtls: {{{}}}}}", ports.join(", ")), missing)
}

/// The workload ports that a Service port leads to.
fn workload_ports(mesh: &Mesh, service: &Service, port: &Port) -> BTreeSet<u16> {
    if let crate::model::service::TargetPort::Number(number) = port.target {
        return BTreeSet::from([number]);
    }
    let Some(selector) = &service.selector else { return BTreeSet::new() };
    let workloads = mesh.select(&service.meta.namespace, selector).filter_map(|n| mesh.workloads.get(n as usize));
    workloads.filter_map(|workload| target_on(port, workload)).collect()
}

/// A PeerAuthentication on one line.
fn manifest(name: &str, namespace: &str, spec: &str) -> String {
    let metadata = format!("{{name: {}, namespace: {}}}", quoted(name), quoted(namespace));
    format!("`{{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {metadata}, spec: {spec}}}`")
}

/// A word as YAML takes it, quoted where it is none that stands for itself.
fn quoted(word: &str) -> String {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '/' | '_'));
    let starts = word.starts_with(|c: char| c.is_ascii_alphabetic());
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    match plain && starts && !reserved.contains(&&*word.to_ascii_lowercase()) {
        true => word.to_owned(),
        false => format!("{word:?}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::finding::REMOVED_POLICY_API as CODE;
    use crate::lint::run;
    use crate::lint::trial::{deployment, findings, places, service};
    use crate::model::{Options, Version, load_text};
    use crate::mtls::check::check;

    fn old(kind: &str, namespace: &str, spec: &str) -> String {
        let group = if kind == "ServiceMeshPolicy" { "maistra.io/v1" } else { "istio.io/v1alpha1" };
        format!(
            "---\napiVersion: authentication.{group}\nkind: {kind}\nmetadata: {{name: default{namespace}}}\nspec: {spec}\n"
        )
    }

    #[test]
    fn what_the_operator_makes_is_not_reported() {
        let plane = "---\napiVersion: maistra.io/v1\nkind: ServiceMeshControlPlane\nmetadata: {name: basic, namespace: cp}\nspec: {version: v1.1, istio: {global: {mtls: {enabled: true}}}}\n";
        let written = old("ServiceMeshPolicy", ", namespace: cp", "{peers: [{mtls: {}}]}");
        for (text, made, want) in [(plane.to_owned(), true, 0), (plane.to_owned() + &written, false, 1)] {
            let mesh = load_text(text, Options { version: Some(Version::one(20)), ..Options::default() });
            let [policy] = &mesh.authn_policies[..] else { panic!("one policy") };
            assert_eq!(policy.meta.made, made);
            let found = run(&check(&mesh));
            assert_eq!(found.iter().filter(|finding| std::ptr::eq(finding.code, &CODE)).count(), want);
        }
    }

    #[test]
    fn each_old_object_is_reported_with_what_takes_its_place() {
        let shop = ", namespace: shop";
        let web = deployment("web", "shop", "") + &service("web", "shop", 80, "main");
        let port = "{targets: [{name: web, ports: [{number: 80}]}], peers: [{mtls: {}}]}";
        for (text, want) in [
            (
                old("MeshPolicy", "", "{peers: [{mtls: {}}]}"),
                "namespace: istio-system}, spec: {mtls: {mode: STRICT}}}`",
            ),
            (
                old("ServiceMeshPolicy", ", namespace: cp", "{peers: [{mtls: {mode: PERMISSIVE}}]}"),
                "namespace: istio-system}, spec: {mtls: {mode: PERMISSIVE}}}`",
            ),
            (old("Policy", shop, "{}"), "namespace: shop}, spec: {mtls: {mode: DISABLE}}}`"),
            (
                old("Policy", shop, "{targets: [{name: web}], peers: [{mtls: {}}]}") + &web,
                "spec: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}}`",
            ),
            (
                old("Policy", shop, port) + &web,
                "spec: {selector: {matchLabels: {app: web}}, portLevelMtls: {8080: {mode: STRICT}}}}`",
            ),
            (old("Policy", shop, port), "matchLabels: {...}}, portLevelMtls: {...: {mode: STRICT}}}}`"),
        ] {
            let found = findings(&text, &CODE);
            assert_eq!(found.len(), 1, "{text}");
            assert!(found[0].help.contains(want), "{want} in {}", found[0].help);
        }
        for (text, word) in [
            (old("MeshPolicy", "", "{peers: [{mtls: {}}]}"), "strict"),
            (old("ServiceMeshPolicy", ", namespace: cp", "{}"), "x"),
        ] {
            let found = findings(&text.replace("name: default", &format!("name: {word}")), &CODE);
            assert_eq!(found.len(), 1, "{text}");
            let said = format!("{}; {}", found[0].message, found[0].help);
            assert!(said.contains("never in force; delete it") && !said.contains("mutual TLS"), "{said}");
            assert!(!said.contains("PeerAuthentication"), "{said}");
        }
        assert_eq!(places(&old("Policy", shop, port), &CODE), ["apiVersion error medium"]);
        assert_eq!(places(&(old("Policy", shop, port) + &web), &CODE), ["apiVersion error high"]);
    }
}
