//! MC0102: of two policies of one level only the older counts, whole: nothing of the other one is merged in (A5 to A7,
//! A11).

use crate::finding::{Confidence, Severity};
use crate::lint::policies::{level_of, real, selected};
use crate::lint::{Lint, Out, related};
use crate::location::Path;
use crate::model::meta::order_known;
use crate::model::{MtlsMode, PeerAuthentication};
use crate::mtls::server::Level;
use crate::words::count;
use std::collections::{BTreeMap, BTreeSet};

/// Numbers of the later policy and of the one before it, and for how many workloads (0: for all that may exist).
type Pairs = BTreeMap<(u32, u32), usize>;

/// Reports each policy of which another one is the older.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    let mut pairs = Pairs::new();
    // Mesh-wide and namespace-wide ones: one per namespace counts. Policies are sorted by age.
    let mut firsts: BTreeMap<&str, u32> = BTreeMap::new();
    for (number, policy) in (0..).zip(&mesh.policies) {
        if matches!(level_of(mesh, policy), Level::Mesh | Level::Namespace) {
            let first = *firsts.entry(&policy.meta.namespace).or_insert(number);
            if first != number {
                pairs.insert((number, first), 0);
            }
        }
    }
    on_workloads(lint, &mut pairs);
    on_selectors(lint, &mut pairs);
    for ((later, first), workloads) in pairs {
        let (Some(a), Some(b)) = (mesh.policies.get(first as usize), mesh.policies.get(later as usize)) else {
            continue;
        };
        report(lint, out, a, b, workloads);
    }
}

/// Policies that select one workload of the input.
fn on_workloads(lint: &Lint<'_>, pairs: &mut Pairs) {
    let mesh = lint.mesh;
    let mut of_workload: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (number, policy) in (0..).zip(&mesh.policies).filter(|(_, p)| level_of(mesh, p) == Level::Workload) {
        for (workload, _) in selected(mesh, policy) {
            of_workload.entry(workload).or_default().push(number);
        }
    }
    for numbers in of_workload.values() {
        let Some(first) = numbers.first() else { continue };
        for later in numbers.iter().skip(1) {
            *pairs.entry((*later, *first)).or_default() += 1;
        }
    }
}

/// Policies that select the same workloads whatever these are, in namespaces of which the input holds no workloads.
fn on_selectors(lint: &Lint<'_>, pairs: &mut Pairs) {
    let mesh = lint.mesh;
    let mut shadowed = BTreeSet::new();
    for (number, policy) in (0..).zip(&mesh.policies).filter(|(_, p)| level_of(mesh, p) == Level::Workload) {
        let namespace = &policy.meta.namespace;
        let known = mesh
            .select(namespace, &crate::model::Labels::default())
            .any(|n| mesh.workloads.get(n as usize).is_some_and(real));
        if known {
            continue;
        }
        for other in mesh.index.selectors.candidates(namespace, &policy.selector) {
            let wider = mesh.policies.get(other as usize).is_some_and(|p| p.selector.subset_of(&policy.selector));
            // One finding for each later policy, against the first that shadows it.
            let (later, first) = (number.max(other), number.min(other));
            if wider && other != number && shadowed.insert(later) {
                pairs.entry((later, first)).or_insert(0);
            }
        }
    }
}

fn report(
    lint: &Lint<'_>,
    out: &mut Out<'_>,
    first: &PeerAuthentication,
    later: &PeerAuthentication,
    workloads: usize,
) {
    let mesh = lint.mesh;
    let (older, name) = (first.meta.slash(), &first.meta.name);
    let level = level_of(mesh, later);
    let place = match level {
        Level::Mesh => "for the whole mesh".to_owned(),
        Level::Namespace => format!("for namespace {}", later.meta.namespace),
        _ if workloads == 0 => "for the same workloads".to_owned(),
        _ => format!("for {}", count(workloads, "workload")),
    };
    let known = order_known(&first.meta, &later.meta);
    let message = if known {
        format!("{older} is older and alone counts {place}: nothing of this policy is merged into it")
    } else {
        format!(
            "{older} and this policy both are {place}: only the older one counts, and the input does not say which it is"
        )
    };
    let operators = mesh.made(first.meta.id);
    let help = match level {
        _ if operators.is_some() => format!(
            "set security.dataPlane.mtls in the control plane instead, which makes {older}; or move the settings into policies of the namespaces that they are for"
        ),
        Level::Workload => format!(
            "put all settings into one of the two policies and remove the other, or give {name} and this policy selectors that no workload carries both"
        ),
        _ => format!("put all settings into {older} and remove this policy"),
    };
    let path = Path::new(if level == Level::Workload { "spec.selector" } else { "spec" });
    let same = effect(first) == effect(later);
    let finding = out.add(later.meta.id, path.clone(), message, help);
    finding.related.push(related(
        mesh,
        first.meta.id,
        &path,
        if known { "the older policy" } else { "the other policy" },
    ));
    if same {
        finding.severity = Severity::Warning;
    }
    if !known || operators.is_some() {
        finding.confidence = Confidence::Medium;
    }
}

/// What a policy sets: while two set the same, it does not matter which of them counts.
fn effect(policy: &PeerAuthentication) -> (Option<MtlsMode>, &[(u16, Option<MtlsMode>)]) {
    (policy.mode, if policy.selector.is_empty() { &[] } else { &policy.ports })
}

#[cfg(test)]
mod tests {
    use crate::finding::SHADOWED_BY_OLDER_POLICY as CODE;
    use crate::lint::trial::{deployment, findings, places, policy};

    const OLD: &str = ", creationTimestamp: \"2024-01-01T00:00:00Z\"";
    const NEW: &str = ", creationTimestamp: \"2024-06-01T00:00:00Z\"";
    const STRICT: &str = "{mtls: {mode: STRICT}}";
    const OPEN: &str = "{mtls: {mode: PERMISSIVE}}";

    #[test]
    fn one_policy_of_a_level_counts() {
        let web = |spec: &str| format!("{{selector: {{matchLabels: {{{spec}}}}}, mtls: {{mode: STRICT}}}}");
        let open = |spec: &str| format!("{{selector: {{matchLabels: {{{spec}}}}}, mtls: {{mode: DISABLE}}}}");
        for (text, want) in [
            (policy("a", "shop", OLD, OPEN) + &policy("b", "shop", NEW, STRICT), "spec error high"),
            (policy("a", "shop", OLD, OPEN) + &policy("b", "shop", "", STRICT), "spec error medium"),
            (policy("a", "shop", "", OPEN) + &policy("b", "shop", "", STRICT), "spec error medium"),
            (policy("a", "shop", OLD, STRICT) + &policy("b", "shop", NEW, STRICT), "spec warning high"),
            (policy("a", "shop", OLD, OPEN) + &policy("b", "bank", NEW, STRICT), ""),
            (policy("a", "istio-system", OLD, OPEN) + &policy("b", "shop", NEW, STRICT), ""),
            (policy("a", "istio-system", OLD, OPEN) + &policy("b", "istio-system", NEW, STRICT), "spec error high"),
            // Selectors, without workloads and with them.
            (policy("a", "shop", OLD, &web("app: a")) + &policy("b", "shop", NEW, &open("app: b")), ""),
            (
                policy("a", "shop", OLD, &web("app: a")) + &policy("b", "shop", NEW, &open("app: a, version: v1")),
                "spec.selector error high",
            ),
            (
                policy("a", "shop", OLD, &web("app: web, v: v1"))
                    + &policy("b", "shop", NEW, &open("app: web"))
                    + &deployment("web", "shop", ""),
                "",
            ),
            (
                policy("a", "shop", OLD, &web("app: web"))
                    + &policy("b", "shop", "", &open("service.istio.io/canonical-name: web"))
                    + &deployment("web", "shop", ""),
                "spec.selector error medium",
            ),
        ] {
            assert_eq!(places(&text, &CODE).join("; "), want, "{text}");
        }
    }

    #[test]
    fn both_policies_are_named() {
        let text = policy("a", "shop", "", OPEN) + &policy("b", "shop", "", STRICT);
        let finding = &findings(&text, &CODE)[0];
        assert!(finding.message.contains("shop/a") && finding.object.as_ref().is_some_and(|o| &*o.name == "b"));
        assert_eq!(finding.related.len(), 1);
    }

    #[test]
    fn the_operators_policy_is_the_older_one() {
        let plane = "{apiVersion: maistra.io/v2, kind: ServiceMeshControlPlane, metadata: {name: basic, namespace: cp}, spec: {version: v2.4}}\n";
        let strict = "{mtls: {mode: STRICT}}";
        let own = plane.to_owned() + &crate::lint::trial::policy("mesh-strict", "cp", "", strict);
        assert_eq!(crate::lint::trial::places(&own, &crate::finding::SHADOWED_BY_OLDER_POLICY), ["spec error medium"]);
        // In place of the operator's own.
        let instead = plane.to_owned() + &crate::lint::trial::policy("default", "cp", "", strict);
        assert_eq!(crate::lint::trial::places(&instead, &crate::finding::SHADOWED_BY_OLDER_POLICY), [] as [&str; 0]);
    }
}
