//! MC0109: PERMISSIVE although every known client already speaks mutual TLS: ready for STRICT.

use crate::finding::Confidence;
use crate::lint::policies::{level_of, real, shadowed_by};
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::MtlsMode;
use crate::mtls::endpoints::Who;
use crate::mtls::outcome::Status;
use crate::mtls::server::Level;
use crate::words::count;
use std::collections::BTreeMap;

/// Kinds of callers that are no workloads: the API server, and Prometheus.
const WEBHOOKS: [&str; 2] = ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"];
const MONITORS: [&str; 2] = ["ServiceMonitor", "PodMonitor"];

/// What calls come to ports that a policy makes PERMISSIVE.
#[derive(Default)]
struct Calls {
    mtls: usize,
    other: bool,
}

/// The calls of every policy.
pub(super) struct Ready {
    of_policy: BTreeMap<u32, Calls>,
}

impl Ready {
    /// Looks at every cell once.
    pub(super) fn new(lint: &Lint<'_>) -> Self {
        let mesh = lint.mesh;
        let mut of_policy: BTreeMap<u32, Calls> = BTreeMap::new();
        for rows in &lint.matrix.services {
            for (row, cell) in rows.rows.iter().flat_map(|row| row.cells.iter().map(move |cell| (row, cell))) {
                let Some(policy) = cell.from.and_then(|from| from.policy) else { continue };
                let endpoint = cell.endpoint.and_then(|n| rows.endpoints.get(row.port as usize)?.get(n as usize));
                let is_real = |number: u32| mesh.workloads.get(number as usize).is_some_and(real);
                let known = endpoint.is_some_and(|e| matches!(e.who, Who::Workload(number) if is_real(number)));
                let calls = of_policy.entry(policy).or_default();
                match cell.outcome.status {
                    Status::Ok if known => calls.mtls += 1,
                    _ => calls.other = true,
                }
            }
        }
        Self { of_policy }
    }

    /// How many of the judged calls speak mutual TLS, where all of them do and the policy says PERMISSIVE.
    pub(super) fn policy(&self, lint: &Lint<'_>, number: u32) -> Option<usize> {
        let mesh = lint.mesh;
        let policy = mesh.policies.get(number as usize)?;
        let calls = self.of_policy.get(&number).filter(|calls| calls.mtls > 0 && !calls.other)?;
        let level = level_of(mesh, policy);
        let counts = level != Level::Nothing && shadowed_by(mesh, number).is_none();
        let namespace = (level != Level::Mesh).then(|| &*policy.meta.namespace);
        // What could not be read may be a client.
        let ready = policy.mode == Some(MtlsMode::Permissive) && counts && mesh.taints.is_empty();
        (ready && !called_from_outside(lint, namespace)).then_some(calls.mtls)
    }
}

/// Whether an object of the input makes something outside the mesh call a namespace (`None`: any).
fn called_from_outside(lint: &Lint<'_>, namespace: Option<&str>) -> bool {
    let is = |name: Option<&str>| namespace.is_none_or(|namespace| name == Some(namespace));
    let webhooks = WEBHOOKS.iter().flat_map(|kind| lint.objects(kind)).any(|(_, node)| {
        let hooks = node.get("webhooks").into_iter().flat_map(|hooks| hooks.items());
        hooks.into_iter().any(|hook| {
            let service = hook.find("clientConfig.service");
            service.is_some_and(|service| is(service.get("namespace").and_then(|name| name.as_str())))
        })
    });
    let api = lint.objects("APIService").any(|(_, node)| {
        node.find("spec.service").is_some_and(|service| is(service.get("namespace").and_then(|name| name.as_str())))
    });
    webhooks || api || MONITORS.iter().any(|kind| lint.objects(kind).next().is_some())
}

/// Reports each such policy.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    if !mesh.policies.iter().any(|policy| policy.mode == Some(MtlsMode::Permissive)) {
        return;
    }
    let ready = Ready::new(lint);
    for (number, policy) in (0..).zip(&mesh.policies) {
        let Some(calls) = ready.policy(lint, number) else { continue };
        let clients = mesh.workloads.iter().filter(|workload| real(workload)).count();
        let finding = out.add(
            policy.meta.id,
            Path::new("spec.mtls.mode"),
            format!(
                "PERMISSIVE, but every known client ({}) already speaks mutual TLS in {}: nothing of the input needs \
                 plaintext",
                count(clients, "workload"),
                count(calls, "judged call"),
            ),
            "replace PERMISSIVE by STRICT, after a look at clients that are not in the input (pcap-verify shows who really \
             calls)",
        );
        let seen = mesh.has_pods && mesh.assumed_namespaces.is_empty();
        finding.confidence = if seen { Confidence::Medium } else { Confidence::Low };
    }
}

#[cfg(test)]
mod tests {
    use crate::finding::PERMISSIVE_WITH_NO_PLAINTEXT_CLIENT as CODE;
    use crate::lint::trial::{deployment, namespace, places, policy, service};

    #[test]
    fn every_known_client_has_to_speak_mutual_tls() {
        let web = || {
            deployment("web", "shop", "")
                + &service("web", "shop", 80, "8080")
                + &namespace("shop", "istio-injection: enabled")
                + &policy("a", "shop", "", "{mtls: {mode: PERMISSIVE}}")
        };
        let out = deployment("job", "shop", ", annotations: {sidecar.istio.io/inject: \"false\"}");
        let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
                    metadata: {name: web, namespace: shop}\n\
                    spec: {host: web, trafficPolicy: {tls: {mode: DISABLE}}}\n";
        for (text, want) in [
            (web(), "spec.mtls.mode info low"),
            (web() + &deployment("client", "bank", ""), "spec.mtls.mode info low"),
            (web() + &out, ""),
            (web() + &deployment("client", "bank", "") + &namespace("bank", ""), ""),
            (web() + rule, ""),
            (web() + "---\nkind: Service\napiVersion: v1\nspec: [\n", ""),
            (web().replace("PERMISSIVE", "STRICT"), ""),
            (policy("a", "shop", "", "{mtls: {mode: PERMISSIVE}}"), ""),
            (policy("a", "shop", "", "{mtls: {mode: PERMISSIVE}}") + &service("web", "shop", 80, "8080"), ""),
        ] {
            assert_eq!(places(&text, &CODE).join("; "), want, "{text}");
        }
    }
}
