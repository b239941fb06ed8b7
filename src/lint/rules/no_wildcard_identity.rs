//! MC0309: workloads of different trust that share one service account, which is all that mutual TLS proves.

use crate::finding::Confidence;
use crate::lint::pods::Pod;
use crate::lint::sources::{self, Policy, Source};
use crate::lint::{Lint, Out, related};
use crate::location::Path;
use crate::model::{Proxy, Workload};
use std::collections::BTreeMap;

/// The most workloads that are shown as other places.
const SHOWN: usize = 5;

/// Applications with one service account, by namespace and account: the first workload of each.
type Groups<'m> = BTreeMap<(&'m str, &'m str), BTreeMap<&'m str, &'m Workload>>;

/// Reports each shared account that an AuthorizationPolicy tells apart from others, or whose workloads it protects
/// differently.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let policies = sources::policies(lint);
    if policies.is_empty() {
        return;
    }
    for ((namespace, account), applications) in groups(lint) {
        let mut workloads = applications.into_values();
        let (Some(first), others) = (workloads.next(), workloads.collect::<Vec<_>>()) else { continue };
        if others.is_empty() {
            continue;
        }
        let named = policies.iter().find_map(|policy| Some((policy, place_of(policy, namespace, account)?)));
        let uneven = || policies.iter().find(|policy| covers_some(policy, first, &others));
        let (policy, path, why) = match named {
            Some((policy, path)) => (policy, path, "names the account: its rule means all of them"),
            None => match uneven() {
                Some(policy) => (
                    policy,
                    Path::new("spec.selector"),
                    "protects only some of them: the others have the same identity",
                ),
                None => continue,
            },
        };
        let count = others.len() + 1;
        let message = format!(
            "{count} applications ({}, {}{}) share service account {namespace}/{account}: mutual TLS cannot tell them apart, and AuthorizationPolicy {}/{} {why}",
            first.meta.slash(),
            others.first().map_or_else(String::new, |other| other.meta.slash()),
            if count > 2 { ", ..." } else { "" },
            policy.namespace,
            policy.name
        );
        let help = "give each application a ServiceAccount of its own and set serviceAccountName";
        let finding = out.add(first.meta.id, account_path(lint, first), message, help);
        finding.confidence = Confidence::Low;
        let text = format!("AuthorizationPolicy {}/{}", policy.namespace, policy.name);
        finding.related.push(related(lint.mesh, policy.id, &path, text));
        let shown = others.into_iter().take(SHOWN);
        finding.related.extend(
            shown.map(|other| related(lint.mesh, other.meta.id, &account_path(lint, other), "has the same account")),
        );
    }
}

fn account_path(lint: &Lint<'_>, workload: &Workload) -> Path {
    let pod = Pod::of(lint, workload);
    let written =
        |pod: &Pod<'_>| ["serviceAccountName", "serviceAccount"].into_iter().find(|key| pod.spec.get(key).is_some());
    match pod.as_ref().map(|pod| (pod, written(pod))) {
        Some((pod, Some(key))) => pod.path.key(key),
        Some((pod, None)) => pod.path.clone(),
        None => Path::default(),
    }
}

/// Versions and replicas of one application are one.
fn application(workload: &Workload) -> &str {
    let label = ["app.kubernetes.io/name", "app", "k8s-app"].into_iter().find_map(|key| workload.labels.get(key));
    label.or(workload.owner.as_ref().map(|(_, name)| &**name)).unwrap_or(&workload.meta.name)
}

fn groups<'m>(lint: &Lint<'m>) -> Groups<'m> {
    let mut groups = Groups::new();
    for workload in &lint.mesh.workloads {
        let meshed = matches!(workload.proxy, Proxy::Sidecar | Proxy::Grpc | Proxy::Ambient);
        let real = !matches!(workload.kind, "Namespace" | "Service") && !workload.finished;
        if meshed && real && !workload.service_account.is_empty() {
            let key = (&*workload.meta.namespace, &*workload.service_account);
            groups.entry(key).or_default().entry(application(workload)).or_insert(workload);
        }
    }
    groups
}

/// Where a policy names an account.
fn place_of(policy: &Policy, namespace: &str, account: &str) -> Option<Path> {
    let is_it = |source: &Source| matches!(source, Source::Account(ns, name) if ns == namespace && name == account);
    policy.sources.iter().find(|(source, _)| is_it(source)).map(|(_, path)| path.clone())
}

/// Whether a policy selects some of the workloads and not others.
fn covers_some(policy: &Policy, first: &Workload, others: &[&Workload]) -> bool {
    let covers = |workload: &Workload| policy.selector.subset_of(&workload.labels);
    *policy.namespace == *first.meta.namespace && others.iter().any(|other| covers(other) != covers(first))
}

#[cfg(test)]
mod tests {
    use crate::lint::pods::tests::{STRICT, found};

    #[test]
    fn accounts_are_only_reported_where_a_policy_makes_a_difference() {
        let deployment = |name: &str, app: &str, account: &str| {
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{template: {{metadata: {{labels: {{app: {app}}}}}, spec: {{serviceAccountName: {account}, containers: [{{name: a}}]}}}}}}\n---\n"
            )
        };
        let policy = |selector: &str, principal: &str| {
            format!(
                "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {{selector: {{matchLabels: {{{selector}}}}}, rules: [{{from: [{{source: {{principals: [\"{principal}\"]}}}}]}}]}}\n"
            )
        };
        let shared = format!("{}{}", deployment("a", "a", "s"), deployment("b", "b", "s"));
        let versions = format!("{}{}", deployment("a-v1", "a", "s"), deployment("a-v2", "a", "s"));
        let own = format!("{}{}", deployment("a", "a", "a"), deployment("b", "b", "b"));
        for (workloads, policy, count) in [
            (&shared, policy("app: c", "cluster.local/ns/shop/sa/s"), 1),
            (&shared, policy("app: a", "cluster.local/ns/shop/sa/x"), 1),
            (&shared, policy("app: c", "cluster.local/ns/shop/sa/x"), 0),
            (&shared, String::new(), 0),
            (&versions, policy("app: a", "cluster.local/ns/shop/sa/s"), 0),
            (&own, policy("app: a", "cluster.local/ns/shop/sa/b"), 0),
        ] {
            let found = found(&format!("{STRICT}{workloads}{policy}"), "MC0309");
            assert_eq!(found.len(), count, "{workloads}{policy}{found:?}");
        }
    }
}
