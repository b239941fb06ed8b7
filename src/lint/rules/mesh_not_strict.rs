//! MC0108: no mesh-wide STRICT policy, and where plaintext is accepted because of that.

use super::permissive_with_no_plaintext_client::Ready;
use crate::finding::{Confidence, Finding, MESH_NOT_STRICT};
use crate::lint::policies::{names, real};
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::{MtlsMode, Proxy};
use crate::mtls::server::wide_policies;
use crate::words::count;
use std::collections::BTreeMap;

/// Workloads that accept plaintext, by namespace.
pub(super) type Open<'m> = BTreeMap<&'m str, usize>;

/// Where a proxy accepts plaintext.
pub(super) fn open<'m>(lint: &Lint<'m>) -> Open<'m> {
    let mesh = lint.mesh;
    let mut open = Open::new();
    for (number, workload) in (0..).zip(&mesh.workloads) {
        let inside = matches!(workload.proxy, Proxy::Sidecar | Proxy::Grpc | Proxy::Ambient) && !workload.finished;
        if inside && lint.modes(number, 0).iter().any(|(mode, _)| *mode != MtlsMode::Strict) {
            *open.entry(&workload.meta.namespace).or_default() += 1;
        }
    }
    open
}

/// The mesh-wide policy that counts, where one does: its number, and its mode.
pub(super) fn mesh_policy(lint: &Lint<'_>) -> Option<(u32, Option<MtlsMode>)> {
    let number = wide_policies(lint.mesh, &lint.mesh.root).first()?.mesh?;
    lint.mesh.policies.get(number as usize).map(|policy| (number, policy.mode))
}

/// Whether this rule speaks.
pub(super) fn speaks(lint: &Lint<'_>) -> bool {
    let mesh = lint.mesh;
    // It speaks of PeerAuthentication, which is not what these versions go by.
    if mesh.version.reads_legacy_policies() {
        return false;
    }
    // Rules and Services alone say nothing of how servers are meant to be.
    // A policy without a name was not read as it was meant.
    let says = mesh.policies.iter().any(|policy| !policy.meta.name.is_empty()) || mesh.workloads.iter().any(real);
    let strict = |winners: &crate::mtls::server::Winners| {
        let policy = winners.mesh.and_then(|number| mesh.policies.get(number as usize));
        policy.is_some_and(|policy| policy.mode == Some(MtlsMode::Strict))
    };
    says && !wide_policies(mesh, &mesh.root).iter().all(strict)
}

/// Reports it once for the whole input. A mesh-wide DISABLE is MC0107's; a PERMISSIVE that every client is ready to leave
/// is MC0109's.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    if !speaks(lint) {
        return;
    }
    let open = open(lint);
    if open.is_empty() {
        return;
    }
    let policy = mesh_policy(lint);
    let made = policy.and_then(|(number, _)| mesh.made(mesh.policies.get(number as usize)?.meta.id));
    // What the control plane's object says of it is MC0122's.
    if made.is_some_and(|made| mesh.has(made.by, &made.path)) {
        return;
    }
    let ready = || policy.is_some_and(|(number, _)| Ready::new(lint).policy(lint, number).is_some());
    let says = match policy {
        Some((_, Some(MtlsMode::Disable))) => return,
        _ if ready() => return,
        Some((_, Some(mode))) => format!("the mesh-wide policy says {}", mode.word()),
        // MC0110 says what it resolves to.
        Some((_, None)) => return,
        None => "no policy of the input is mesh-wide".to_owned(),
    };
    let workloads: usize = open.values().sum();
    let spaces = names(open.keys().map(|name| (*name).to_owned()));
    let known = mesh.workloads.iter().any(real);
    let who = match known {
        true => format!("by {} in {} ({spaces})", count(workloads, "workload"), count(open.len(), "namespace")),
        false => format!("in {} ({spaces})", count(open.len(), "namespace")),
    };
    let root = &mesh.root;
    let help = match policy {
        _ if made.is_some() => {
            "set security.dataPlane.mtls: true in the control plane once every client is in the mesh: the operator \
             then makes the policy STRICT, and a rule for all hosts beside it"
                .to_owned()
        }
        Some(_) => {
            "set spec.mtls.mode: STRICT there once every client is in the mesh: tls-check lists those that are not"
                .to_owned()
        }
        None => format!(
            "add a PeerAuthentication without selector to namespace {root} with spec.mtls.mode: STRICT once every client is \
             in the mesh: tls-check lists those that are not"
        ),
    };
    let message = format!("{says}: plaintext is accepted {who}");
    if let Some(policy) = policy.and_then(|(number, _)| mesh.policies.get(number as usize)) {
        out.add(policy.meta.id, Path::new("spec.mtls.mode"), message, help);
        return;
    }
    let first = mesh.policies.first().map(|policy| policy.meta.id);
    let workload =
        || mesh.workloads.iter().find(|w| real(w) && open.contains_key(&*w.meta.namespace)).map(|w| w.meta.id);
    let Some(id) = first.or_else(workload) else { return };
    let finding = out.add_plain(Finding::new(&MESH_NOT_STRICT, mesh.locate(id, &Path::default()), message, help));
    // The policy may well be in another repository.
    let of_root = mesh.objects.iter().any(|object| object.namespace == *root);
    finding.confidence = if of_root || mesh.has_pods { Confidence::Medium } else { Confidence::Low };
}

#[cfg(test)]
mod tests {
    use crate::finding::MESH_NOT_STRICT as CODE;
    use crate::lint::trial::{deployment, findings, namespace, places, policy, service};

    #[test]
    fn it_is_said_once_where_plaintext_is_accepted() {
        let (strict, open) = ("{mtls: {mode: STRICT}}", "{mtls: {mode: PERMISSIVE}}");
        let web = || deployment("web", "shop", "");
        let out = deployment("job", "shop", ", annotations: {sidecar.istio.io/inject: \"false\"}");
        for (text, want) in [
            (web(), "info low"),
            (web() + &deployment("api", "bank", ""), "info low"),
            (web() + &policy("a", "istio-system", "", strict), ""),
            (web() + &policy("a", "istio-system", "", open), "spec.mtls.mode info high"),
            // MC0110 says what it resolves to.
            (web() + &policy("a", "istio-system", "", "{mtls: {}}"), ""),
            (web() + &policy("a", "istio-system", "", "{mtls: {mode: DISABLE}}"), ""),
            (web() + &policy("a", "shop", "", strict), ""),
            (web() + &policy("a", "bank", "", strict), "info low"),
            (web() + &namespace("shop", ""), ""),
            (policy("a", "shop", "", open), "info low"),
            (policy("a", "shop", "", strict), ""),
            (service("web", "shop", 80, "8080"), ""),
            // MC0109 says that this one is ready.
            (web() + &service("web", "shop", 80, "8080") + &policy("a", "istio-system", "", open), ""),
            (
                web() + &out + &service("web", "shop", 80, "8080") + &policy("a", "istio-system", "", open),
                "spec.mtls.mode info high",
            ),
        ] {
            assert_eq!(places(&text, &CODE).join("; "), want, "{text}");
        }
        let found = findings(&(web() + &deployment("api", "bank", "")), &CODE);
        assert!(found[0].message.ends_with("plaintext is accepted by 2 workloads in 2 namespaces (bank, shop)"));
    }
}
