//! MC0101: a policy with a selector in the root namespace applies to nothing, not even there (A4).

use crate::lint::policies::level_of;
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::mtls::server::Level;
use crate::words::count;

/// The operator of OpenShift Service Mesh labels what it made itself.
const OPERATOR: &str = "maistra-version";

/// Reports each such policy.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    for policy in &mesh.policies {
        if level_of(mesh, policy) != Level::Nothing || policy.meta.labels.get(OPERATOR).is_some() {
            continue;
        }
        let root = &mesh.root;
        let meant = mesh.workloads.iter().filter(|workload| policy.selector.subset_of(&workload.labels)).count();
        let meant = match meant {
            0 => String::new(),
            n => format!("; its labels are on {} of the input", count(n, "workload")),
        };
        out.add(
            policy.meta.id,
            Path::new("spec.selector"),
            format!("the policy has a selector and is in the root namespace {root}: it applies to no workload{meant}"),
            "move the policy into the namespace of the workloads (one policy for each namespace); to make it hold for the \
             whole mesh, remove spec.selector",
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::finding::ROOT_NAMESPACE_SELECTOR_IGNORED as CODE;
    use crate::lint::trial::{deployment, findings, places, policy};

    const SELECTS: &str = "{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}";

    #[test]
    fn only_a_selector_in_the_root_namespace_is_ignored() {
        for (text, want) in [
            (policy("a", "istio-system", "", SELECTS), "spec.selector error high"),
            (policy("a", "istio-system", ", labels: {maistra-version: 2.6.0}", SELECTS), ""),
            (policy("a", "istio-system", "", "{selector: {}, mtls: {mode: STRICT}}"), ""),
            (policy("a", "shop", "", SELECTS), ""),
        ] {
            assert_eq!(places(&text, &CODE).join("; "), want, "{text}");
        }
    }

    #[test]
    fn the_workloads_that_were_meant_are_counted() {
        let text = policy("a", "istio-system", "", SELECTS) + &deployment("web", "shop", "");
        assert!(findings(&text, &CODE)[0].message.ends_with("its labels are on 1 workload of the input"));
    }
}
