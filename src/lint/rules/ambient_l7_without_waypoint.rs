//! MC0405: fields that only a proxy for HTTP reads, in a policy that ztunnel enforces.
//!
//! `pilot/pkg/serviceregistry/ambient/authorization.go : convertAuthorizationPolicy, handleRule`: a policy without
//! `targetRefs` goes to ztunnel, waypoint or not. An ALLOW rule with such a field is left out as a whole, of a DENY rule
//! the field. What is empty then matches nothing (`ztunnel:src/rbac.rs : matches`): a DENY rule refuses more than is
//! written, or nothing at all.

use crate::finding::Confidence;
use crate::lint::authorization::{About, Action, AuthorizationPolicy, AuthorizationRule, Field, policies};
use crate::lint::policies::{names, real};
use crate::lint::{Lint, Out};
use crate::model::{Proxy, Workload};
use crate::words::count;

/// Reports each such policy, at its first such field.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    if !mesh.ambient {
        return;
    }
    let captured: Vec<&Workload> = mesh.workloads.iter().filter(|w| w.proxy == Proxy::Ambient && !w.finished).collect();
    for policy in policies(lint).iter().filter(|policy| !policy.targeted) {
        let unread = |rule| Some((rule, AuthorizationRule::fields(rule).find(|field| !field.for_ztunnel())?));
        let Some((rule, field)) = policy.rules.iter().find_map(unread) else { continue };
        let everywhere = policy.namespace == mesh.root;
        let governs = |w: &&&Workload| {
            (everywhere || w.meta.namespace == policy.namespace) && policy.selector.subset_of(&w.labels)
        };
        let on: Vec<&Workload> = captured.iter().filter(governs).copied().collect();
        if !on.is_empty() {
            report(out, policy, (rule, field), &on);
        }
    }
}

/// What becomes of a DENY rule of which ztunnel does not get a field.
fn left(rule: &AuthorizationRule, field: &Field) -> &'static str {
    let empty = |fields: &Vec<Field>| !fields.iter().any(Field::for_ztunnel);
    let nothing = |entries: &[Vec<Field>]| !entries.is_empty() && entries.iter().all(empty);
    if nothing(&rule.sources) || nothing(&rule.operations) || !rule.conditions.iter().all(Field::for_ztunnel) {
        return "the field is left out, and what is empty then matches nothing: the rule refuses nobody";
    }
    let holds = |fields: &&Vec<Field>| fields.iter().any(|other| other.path == field.path);
    if rule.sources.iter().chain(&rule.operations).find(holds).is_some_and(empty) {
        return "the field is left out, and what is empty then matches nothing: this entry refuses nobody";
    }
    "the field is left out, so that the rule refuses every connection that its other fields match"
}

fn report(
    out: &mut Out<'_>,
    policy: &AuthorizationPolicy,
    (rule, field): (&AuthorizationRule, &Field),
    on: &[&Workload],
) {
    let becomes = match policy.action {
        Action::Allow => "its rule is left out, so that whatever no other rule lets in is refused",
        Action::Deny => left(rule, field),
        Action::Audit | Action::Custom => "the policy does nothing there",
    };
    let list = names(on.iter().map(|workload| workload.meta.slash()));
    let (title, whom) = (field.title(), count(on.len(), "workload"));
    let message = match field.about {
        About::Http => format!(
            "{title} is a field of HTTP, and ztunnel enforces this policy on {whom} ({list}), which sees no requests: {becomes}"
        ),
        _ => format!("ztunnel enforces this policy on {whom} ({list}), and does not read {title}: {becomes}"),
    };
    let help = "give the service a waypoint (label istio.io/use-waypoint) and name the service in targetRefs in place of the \
                selector: then the waypoint enforces the policy";
    let finding = out.add(policy.id, field.path.clone(), message, help);
    if !on.iter().any(|workload| real(workload)) {
        finding.confidence = Confidence::Low;
    }
}

#[cfg(test)]
mod tests {
    use super::left;
    use crate::finding::AMBIENT_L7_WITHOUT_WAYPOINT as CODE;
    use crate::lint::authorization::tests::{authorization, policy};
    use crate::lint::trial::{deployment, namespace, places};

    #[test]
    fn ztunnel_sees_no_requests() {
        let ambient = "---\n".to_owned()
            + &namespace("shop", "istio.io/dataplane-mode: ambient")
            + &deployment("web", "shop", "");
        let sidecar =
            "---\n".to_owned() + &namespace("shop", "istio-injection: enabled") + &deployment("web", "shop", "");
        let get = "{rules: [{to: [{operation: {methods: [GET]}}]}]}";
        let methods = "spec.rules[0].to[0].operation.methods error high";
        for (policy, rest, want) in [
            (authorization("shop", "p", get), &ambient, methods),
            (authorization("istio-system", "p", get), &ambient, methods),
            (authorization("other", "p", get), &ambient, ""),
            (authorization("shop", "p", get), &sidecar, ""),
            (
                authorization(
                    "shop",
                    "p",
                    "{selector: {matchLabels: {app: api}}, rules: [{to: [{operation: {methods: [GET]}}]}]}",
                ),
                &ambient,
                "",
            ),
            (
                authorization(
                    "shop",
                    "p",
                    "{targetRefs: [{kind: Service, name: web}], rules: [{to: [{operation: {methods: [GET]}}]}]}",
                ),
                &ambient,
                "",
            ),
            (authorization("shop", "p", "{rules: [{to: [{operation: {ports: ['80']}}]}]}"), &ambient, ""),
            (authorization("shop", "p", "{rules: [{when: [{key: source.ip, values: [10.0.0.1]}]}]}"), &ambient, ""),
            (
                authorization("shop", "p", "{rules: [{when: [{key: connection.sni, values: [a]}]}]}"),
                &ambient,
                "spec.rules[0].when[0].values error high",
            ),
            (
                authorization("shop", "p", "{action: DENY, rules: [{from: [{source: {remoteIpBlocks: [1.2.3.4]}}]}]}"),
                &ambient,
                "spec.rules[0].from[0].source.remoteIpBlocks error high",
            ),
            (authorization("shop", "p", "{rules: [{from: [{source: {remoteIpBlocks: [1.2.3.4]}}]}]}"), &sidecar, ""),
        ] {
            let text = format!("{policy}{rest}");
            assert_eq!(places(&text, &CODE).join("; "), want, "{text}");
        }
    }

    #[test]
    fn a_deny_rule_refuses_more_or_nothing() {
        for (rule, want) in [
            ("{to: [{operation: {methods: [GET]}}]}", "the rule refuses nobody"),
            ("{to: [{operation: {methods: [GET], ports: ['80']}}]}", "its other fields match"),
            ("{to: [{operation: {methods: [GET]}}, {operation: {ports: ['80']}}]}", "this entry refuses nobody"),
            (
                "{from: [{source: {remoteIpBlocks: [a]}}], to: [{operation: {ports: ['80']}}]}",
                "the rule refuses nobody",
            ),
            ("{from: [{source: {remoteIpBlocks: [a], namespaces: [b]}}]}", "its other fields match"),
            ("{from: [{source: {namespaces: [b]}}], when: [{key: remote.ip, values: [a]}]}", "the rule refuses nobody"),
        ] {
            let policy = policy(&format!("{{action: DENY, rules: [{rule}]}}")).unwrap();
            let field = policy.rules[0].fields().find(|field| !field.for_ztunnel()).unwrap();
            let told = left(&policy.rules[0], field);
            assert!(told.ends_with(want), "{rule}: {told}");
        }
    }
}
