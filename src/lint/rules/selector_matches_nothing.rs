//! MC0105: a selector that no workload of the input carries.

use crate::finding::Confidence;
use crate::lint::policies::{level_of, misplaced, real};
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::{Labels, Mesh, PeerAuthentication, Workload};
use crate::mtls::server::Level;

/// Labels of pods that a controller makes: no manifest has them.
const MADE: [&str; 3] = ["gateway.networking.k8s.io/gateway-name", "istio.io/gateway-name", "gateway.istio.io/managed"];

/// Reports each policy whose selector selects nothing, where the input holds workloads at all.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    let all = Labels::default();
    for policy in &mesh.policies {
        if level_of(mesh, policy) != Level::Workload || misplaced(lint, policy) {
            continue;
        }
        let numbers = mesh.select(&policy.meta.namespace, &all);
        let of_namespace: Vec<&Workload> = numbers.filter_map(|n| mesh.workloads.get(n as usize)).collect();
        // The others of a namespace that the input does not hold at all are unknown.
        if !of_namespace.iter().any(|workload| real(workload)) || selects_something(mesh, policy, &of_namespace) {
            continue;
        }
        let namespace = &policy.meta.namespace;
        let near = near(&policy.selector, &of_namespace);
        let help = match &near {
            Some((key, is, other)) => {
                format!("replace {key}: {is} by {key}: {other} if that workload is meant, or remove the policy")
            }
            None => "give the selector labels of the pod template, or remove the policy".to_owned(),
        };
        let finding = out.add(
            policy.meta.id,
            Path::new("spec.selector.matchLabels"),
            format!("no workload of namespace {namespace} in the input has the labels {}", policy.selector),
            help,
        );
        finding.confidence = if mesh.has_pods { Confidence::High } else { Confidence::Medium };
    }
}

fn selects_something(mesh: &Mesh, policy: &PeerAuthentication, workloads: &[&Workload]) -> bool {
    let namespace = &policy.meta.namespace;
    let machines = mesh.machines.iter().chain(&mesh.machine_templates);
    let machine = || machines.clone().any(|m| m.meta.namespace == *namespace && policy.selector.subset_of(&m.labels));
    MADE.iter().any(|key| policy.selector.get(key).is_some())
        // A label that only the cluster knows may match.
        || workloads.iter().any(|workload| mesh.selects(&policy.selector, workload) != Ok(false))
        || machine()
}

/// A pair of the selector that one workload carries with another value, where all the others fit: key, value, the other.
fn near<'a>(selector: &'a Labels, workloads: &[&'a Workload]) -> Option<(&'a str, &'a str, &'a str)> {
    for (key, value) in selector.iter() {
        let rest = |w: &Workload| selector.iter().filter(|(k, _)| *k != key).all(|(k, v)| w.labels.get(k) == Some(v));
        let others = workloads.iter().filter(|w| rest(w)).filter_map(|w| w.labels.get(key));
        let mut others: Vec<&str> = others.collect();
        others.sort_unstable();
        others.dedup();
        let close = crate::lint::schema::nearest(value, others.iter().copied());
        let other = others.iter().find(|other| close.as_deref() == Some(**other));
        if let Some(other) = other {
            return Some((key, value, *other));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::finding::SELECTOR_MATCHES_NOTHING as CODE;
    use crate::lint::trial::{deployment, findings, places, policy, service};

    fn selects(labels: &str) -> String {
        policy("a", "shop", "", &format!("{{selector: {{matchLabels: {{{labels}}}}}, mtls: {{mode: STRICT}}}}"))
    }

    #[test]
    fn a_selector_needs_a_workload_where_the_input_holds_some() {
        let web = deployment("web", "shop", "");
        for (text, want) in [
            (selects("app: wbe") + &web, "spec.selector.matchLabels warning medium"),
            (selects("app: web") + &web, ""),
            (selects("service.istio.io/canonical-name: web") + &web, ""),
            (selects("topology.kubernetes.io/zone: a") + &web, ""),
            (selects("app: wbe"), ""),
            (selects("app: wbe") + &deployment("web", "bank", ""), ""),
            (selects("app: wbe") + &service("web", "shop", 80, "8080"), ""),
            (selects("gateway.networking.k8s.io/gateway-name: in") + &web, ""),
        ] {
            assert_eq!(places(&text, &CODE).join("; "), want, "{text}");
        }
    }

    #[test]
    fn the_label_that_was_meant_is_in_the_help() {
        let help =
            |labels: &str| findings(&(selects(labels) + &deployment("reviews", "shop", "")), &CODE)[0].help.clone();
        assert!(help("app: review").starts_with("replace app: review by app: reviews"));
        assert!(help("app: other").starts_with("give the selector labels"));
    }
}
