//! MC0106: STRICT on workloads where nothing enforces it, because no proxy stands in front of them (1.5, 1.7).
//!
//! Ports that annotations take out of capture are MC0304's, gateways MC0502's.

use crate::finding::Confidence;
use crate::lint::policies::{level_of, names, not_enforced, real, selected};
use crate::lint::{Lint, Out, related};
use crate::location::Path;
use crate::model::{Labels, Mesh, MtlsMode, PeerAuthentication, Workload};
use crate::mtls::clients::mesh_namespaces;
use crate::mtls::server::Level;
use crate::words::count;
use std::collections::{BTreeMap, BTreeSet};

/// Workloads that a finding points at.
const SHOWN: usize = 3;

/// Reports each policy that says STRICT itself, with the workloads on which it has no effect. What a mesh-wide policy
/// covers outside the mesh is no mistake, nor are jobs and the like that nothing can call.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    let inside = mesh_namespaces(mesh);
    // Each workload is asked once, however many policies select it.
    let mut known = BTreeMap::new();
    let strict = (0..).zip(&mesh.policies).filter_map(|(number, policy)| Some((number, policy, strict_field(policy)?)));
    for (number, policy, port) in strict {
        let level = level_of(mesh, policy);
        let served = match level {
            Level::Workload => None,
            Level::Namespace if inside.contains(&policy.meta.namespace) => Some(served(mesh, policy)),
            _ => continue,
        };
        let wanted = |number: &u32| served.as_ref().is_none_or(|served| served.contains(number));
        let mut open: Vec<(&Workload, String)> = Vec::new();
        let mut all = 0;
        for (at, workload) in selected(mesh, policy).filter(|(at, workload)| real(workload) && wanted(at)) {
            let port = port.unwrap_or(0);
            let modes = known.entry((at, port)).or_insert_with(|| lint.modes(at, port));
            if !modes.iter().any(|(mode, from)| *mode == MtlsMode::Strict && from.policy == Some(number)) {
                continue;
            }
            all += 1;
            open.extend(not_enforced(mesh, workload).map(|why| (workload, why)));
        }
        if !open.is_empty() {
            report(lint, out, policy, port, &open, all);
        }
    }
}

/// The field that says STRICT: `Some(None)` is the policy's mode, else a port.
fn strict_field(policy: &PeerAuthentication) -> Option<Option<u16>> {
    if policy.mode == Some(MtlsMode::Strict) {
        return Some(None);
    }
    policy.ports.iter().find(|(_, mode)| *mode == Some(MtlsMode::Strict)).map(|(port, _)| Some(*port))
}

/// The workloads of a policy's namespace that a Service leads to.
fn served(mesh: &Mesh, policy: &PeerAuthentication) -> BTreeSet<u32> {
    let namespace = &policy.meta.namespace;
    let services = mesh.services.iter().filter(|service| service.meta.namespace == *namespace);
    let selectors = services.filter_map(|service| service.selector.as_ref()).filter(|s| **s != Labels::default());
    selectors.flat_map(|selector| mesh.select(namespace, selector)).collect()
}

fn report(
    lint: &Lint<'_>,
    out: &mut Out<'_>,
    policy: &PeerAuthentication,
    port: Option<u16>,
    open: &[(&Workload, String)],
    all: usize,
) {
    let mesh = lint.mesh;
    let path = match port {
        Some(port) => Path::new("spec.portLevelMtls").key(&port.to_string()).key("mode"),
        None => Path::new("spec.mtls.mode"),
    };
    let list = names(open.iter().map(|(workload, _)| workload.meta.slash()));
    let why = open.first().map_or("", |(_, why)| why.as_str());
    let of = if all == open.len() { String::new() } else { format!(" of {all}") };
    let finding = out.add(
        policy.meta.id,
        path,
        format!(
            "nothing enforces STRICT on {}{of} ({list}): {why}; plaintext is accepted there",
            count(open.len(), "workload")
        ),
        "give these workloads a sidecar (label the namespace istio-injection=enabled, or the pod template \
         sidecar.istio.io/inject: \"true\", and restart), or leave them out of the policy's selector and protect them \
         otherwise, for example with a NetworkPolicy",
    );
    for (workload, why) in open.iter().take(SHOWN) {
        finding.related.push(related(mesh, workload.meta.id, &Path::new(workload.path), why.clone()));
    }
    let guessed = open.iter().any(|(workload, _)| workload.assumed);
    if guessed || policy.selector.is_empty() {
        finding.confidence = Confidence::Medium;
    }
}

#[cfg(test)]
mod tests {
    use crate::finding::POLICY_NOT_ENFORCED as CODE;
    use crate::lint::trial::{deployment, findings, namespace, places, policy, service};

    const WEB: &str = "{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}";
    const ALL: &str = "{mtls: {mode: STRICT}}";
    const OUT: &str = ", annotations: {sidecar.istio.io/inject: \"false\"}";
    const NONE: &str = ", annotations: {sidecar.istio.io/interceptionMode: NONE}";

    #[test]
    fn strict_needs_something_that_enforces_it() {
        let (inside, outside) = (namespace("shop", "istio-injection: enabled"), namespace("shop", ""));
        let web = |rest: &str| deployment("web", "shop", rest) + &service("web", "shop", 80, "8080");
        let job = deployment("job", "shop", OUT);
        for (text, want) in [
            (policy("a", "shop", "", WEB) + &web(OUT) + &inside, "spec.mtls.mode error high"),
            (policy("a", "shop", "", WEB) + &web("") + &inside, ""),
            (policy("a", "shop", "", WEB) + &web("") + &outside, "spec.mtls.mode error high"),
            (policy("a", "shop", "", WEB) + &web(NONE) + &inside, "spec.mtls.mode error high"),
            (policy("a", "shop", "", &WEB.replace("STRICT", "PERMISSIVE")) + &web(OUT) + &inside, ""),
            (policy("a", "shop", "", ALL) + &web(OUT) + &inside, "spec.mtls.mode error medium"),
            (policy("a", "shop", "", ALL) + &job + &inside, ""),
            (policy("a", "shop", "", ALL) + &web("") + &outside, ""),
            (policy("a", "istio-system", "", ALL) + &web(OUT) + &inside, ""),
            // Another policy counts for the workload.
            (
                policy("a", "shop", "", ALL)
                    + &policy("b", "shop", "", &WEB.replace("STRICT", "PERMISSIVE"))
                    + &web(OUT)
                    + &inside,
                "",
            ),
        ] {
            assert_eq!(places(&text, &CODE).join("; "), want, "{text}");
        }
    }

    #[test]
    fn workloads_are_counted() {
        let text = policy(
            "a",
            "shop",
            "",
            "{selector: {matchLabels: {security.istio.io/tlsMode: istio}}, mtls: {mode: STRICT}}",
        ) + &deployment("web", "shop", ", annotations: {sidecar.istio.io/interceptionMode: NONE}")
            + &deployment("api", "shop", "");
        assert!(findings(&text, &CODE)[0].message.contains("1 workload of 2 (shop/web)"));
    }
}
