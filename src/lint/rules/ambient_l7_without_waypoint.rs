//! MC0405: fields of HTTP in a policy that ztunnel enforces, which sees no requests.
//!
//! `pilot/pkg/serviceregistry/ambient/authorization.go : convertAuthorizationPolicy, handleRule`: a policy without
//! `targetRefs` goes to ztunnel, waypoint or not. An ALLOW rule with such a field is left out as a whole, of a DENY rule
//! the field: both refuse more than is written.

use crate::finding::Confidence;
use crate::lint::authorization::{About, Action, AuthorizationPolicy, Field, policies};
use crate::lint::policies::{names, real};
use crate::lint::{Lint, Out};
use crate::model::{Proxy, Workload};
use crate::words::count;

/// Reports each such policy, at its first field of HTTP.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let mesh = lint.mesh;
    if !mesh.ambient {
        return;
    }
    let captured: Vec<&Workload> = mesh.workloads.iter().filter(|w| w.proxy == Proxy::Ambient && !w.finished).collect();
    for policy in policies(lint).iter().filter(|policy| !policy.targeted) {
        let is_http = |field: &&Field| field.about == About::Http;
        let Some(field) = policy.rules.iter().flat_map(|rule| rule.fields()).find(is_http) else { continue };
        let everywhere = policy.namespace == mesh.root;
        let governs = |w: &&&Workload| {
            (everywhere || w.meta.namespace == policy.namespace) && policy.selector.subset_of(&w.labels)
        };
        let on: Vec<&Workload> = captured.iter().filter(governs).copied().collect();
        if !on.is_empty() {
            report(out, policy, field, &on);
        }
    }
}

fn report(out: &mut Out<'_>, policy: &AuthorizationPolicy, field: &Field, on: &[&Workload]) {
    let becomes = match policy.action {
        Action::Allow => "its rule is left out, so that whatever no other rule lets in is refused",
        Action::Deny => "the field is left out, so that the rule refuses every connection that its other fields match",
        Action::Audit | Action::Custom => "the policy does nothing there",
    };
    let list = names(on.iter().map(|workload| workload.meta.slash()));
    let message = format!(
        "{} is a field of HTTP, and ztunnel enforces this policy on {} ({list}), which sees no requests: {becomes}",
        field.title(),
        count(on.len(), "workload"),
    );
    let help = "give the service a waypoint (label istio.io/use-waypoint) and name the service in targetRefs in place of the \
                selector: then the waypoint enforces the policy";
    let finding = out.add(policy.id, field.path.clone(), message, help);
    if !on.iter().any(|workload| real(workload)) {
        finding.confidence = Confidence::Low;
    }
}

#[cfg(test)]
mod tests {
    use crate::finding::AMBIENT_L7_WITHOUT_WAYPOINT as CODE;
    use crate::lint::authorization::tests::authorization;
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
        ] {
            let text = format!("{policy}{rest}");
            assert_eq!(places(&text, &CODE).join("; "), want, "{text}");
        }
    }
}
