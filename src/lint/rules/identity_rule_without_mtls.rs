//! MC0401: an AuthorizationPolicy asks who the caller is, on a port that takes callers without an identity.
//!
//! The identity is the certificate's: a plaintext caller has none. Positive fields (`principals`) never match it, so a
//! DENY lets it pass; negative ones (`notPrincipals`) always do, so an ALLOW lets it in (`generator.go :
//! srcPrincipalGenerator`).

use crate::finding::{Confidence, Severity};
use crate::lint::authorization::{About, Action, AuthorizationPolicy, AuthorizationRule, Field, policies};
use crate::lint::reach::{Open, OpenPorts, Reach, Reaches, port_words};
use crate::lint::{Lint, Out, related};
use crate::location::Path;

/// What a rule does to a plaintext caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    /// DENY by a positive field: the caller passes.
    Escapes,
    /// ALLOW by negative fields only: the caller is let in.
    Admitted,
    /// ALLOW by a positive field: the caller is refused.
    Refused,
}

/// One finding for each policy and effect: the mode of the ports is what mends all of its rules.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let policies = policies(lint);
    if policies.is_empty() {
        return;
    }
    let mut reaches = Reaches::new(lint, policies);
    for policy in policies.iter().filter(|policy| !policy.targeted) {
        let effects: Vec<_> = policy.rules.iter().flat_map(|rule| effects(policy.action, rule)).collect();
        if effects.is_empty() {
            continue;
        }
        let reach = reaches.of(policy);
        if let Some((_, _, field)) = effects.iter().min_by_key(|(effect, ..)| *effect)
            && let Some((workload, count)) = unenforced(policy, &reach)
        {
            nothing_enforces(lint, out, policy, field, workload, count);
            continue;
        }
        for wanted in [Effect::Escapes, Effect::Admitted, Effect::Refused] {
            let ports = if wanted == Effect::Refused { &reach.open } else { &reach.unguarded };
            let of_effect = effects.iter().filter(|(effect, ..)| *effect == wanted);
            let mut found = of_effect.filter_map(|(_, rule, field)| concerned(&reach, ports, rule, field));
            let Some((field, open)) = found.next() else { continue };
            report(lint, out, policy, wanted, field, &open, found.count());
        }
    }
}

fn concerned<'a>(
    reach: &Reach,
    ports: &OpenPorts,
    rule: &AuthorizationRule,
    field: &'a Field,
) -> Option<(&'a Field, Vec<(u16, Open)>)> {
    let open = reach.concerned(ports, rule);
    (!open.is_empty()).then_some((field, open))
}

/// What a rule does to plaintext callers, and by which field; `*` says plainly that all callers with an identity, or all
/// without, are meant.
fn effects(action: Action, rule: &AuthorizationRule) -> Vec<(Effect, &AuthorizationRule, &Field)> {
    let mut found: Vec<(Effect, &AuthorizationRule, &Field)> = Vec::new();
    for fields in rule.callers() {
        let fields: Vec<&Field> = fields.filter(|field| field.about == About::Identity).collect();
        let positive = fields.iter().find(|field| !field.negative);
        let effect = match (action, positive, fields.first()) {
            (Action::Deny, Some(field), _) if !field.is_any() => (Effect::Escapes, rule, *field),
            (Action::Allow, Some(field), _) => (Effect::Refused, rule, *field),
            (Action::Allow, None, Some(field)) if !field.is_any() => (Effect::Admitted, rule, *field),
            _ => continue,
        };
        if !found.iter().any(|(known, ..)| *known == effect.0) {
            found.push(effect);
        }
    }
    found
}

/// A policy that names workloads by a selector, none of which has a proxy.
fn unenforced(policy: &AuthorizationPolicy, reach: &Reach) -> Option<(u32, usize)> {
    reach.naked.filter(|_| !reach.proxied && !policy.selector.is_empty())
}

fn nothing_enforces(
    lint: &Lint<'_>,
    out: &mut Out<'_>,
    policy: &AuthorizationPolicy,
    field: &Field,
    workload: u32,
    count: usize,
) {
    let name = lint.mesh.workloads.get(workload as usize).map_or_else(String::new, |w| w.meta.slash());
    let whom = if count == 1 { name } else { format!("{count} workloads ({name}, ...)") };
    let message = format!(
        "{} by {} is enforced nowhere: it selects {whom} without a sidecar, so whoever calls is let in",
        policy.action.word(),
        field.title()
    );
    let finding = out.add(
        policy.id,
        field.path.clone(),
        message,
        "inject the workload (label sidecar.istio.io/inject: \"true\" on its pods, in a namespace of the mesh)",
    );
    finding.confidence = Confidence::Medium.max(lint.confidence_in_workloads());
}

fn report(
    lint: &Lint<'_>,
    out: &mut Out<'_>,
    policy: &AuthorizationPolicy,
    effect: Effect,
    field: &Field,
    open: &[(u16, Open)],
    others: usize,
) {
    let mesh = lint.mesh;
    let Some((_, sample)) = open.iter().min_by_key(|(_, open)| open.confidence) else { return };
    let ports: Vec<u16> = open.iter().map(|(port, _)| *port).collect();
    let name = sample.workload.and_then(|n| mesh.workloads.get(n as usize)).map(|w| w.meta.slash());
    let whom = match (name, sample.count) {
        (None, _) => format!("workloads of {}", policy.namespace),
        (Some(name), 1) => name,
        (Some(name), count) => format!("{count} workloads ({name}, ...)"),
    };
    let set_by = sample.from.policy.and_then(|n| mesh.policies.get(n as usize));
    let by = set_by.map_or("no PeerAuthentication of the input says otherwise".to_owned(), |policy| {
        format!("PeerAuthentication {}", policy.meta.slash())
    });
    let title = field.title();
    let where_ = format!("{} of {whom} takes plaintext ({}, {by})", port_words(&ports), sample.mode.word());
    let message = match effect {
        Effect::Escapes => format!(
            "DENY by {title} stops no caller without mutual TLS: {where_}, and such a caller has no identity to match"
        ),
        Effect::Admitted => format!(
            "ALLOW by {title} lets every caller without mutual TLS in: {where_}, and such a caller has no identity to exclude"
        ),
        Effect::Refused => format!(
            "ALLOW by {title} refuses callers without mutual TLS, as they have no identity: {where_}, so their requests cross the wire in clear before they are refused"
        ),
    };
    let message = if others == 0 { message } else { format!("{message}; {others} more rules of the policy alike") };
    let help = match effect {
        Effect::Refused => {
            "nothing is open by this; set mtls mode STRICT in a PeerAuthentication once every caller is in the mesh"
        }
        _ => {
            "set mtls mode STRICT for these ports in a PeerAuthentication; or add a DENY policy with from.source.notPrincipals: [\"*\"], which refuses every caller without identity"
        }
    };
    let finding = out.add(policy.id, field.path.clone(), message, help);
    finding.confidence = sample.confidence;
    if effect == Effect::Refused {
        finding.severity = Severity::Info;
    }
    if let Some(set_by) = set_by {
        let path = match sample.from.port {
            Some(port) => Path::new("spec.portLevelMtls").key(&port.to_string()).key("mode"),
            None => Path::new("spec.mtls.mode"),
        };
        let text = format!("{} is set here", sample.mode.word());
        finding.related.push(related(mesh, set_by.meta.id, &path, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::authorization::tests::{SHOP, authentication, authorization, found, policy};

    const STRICT: &str = "{mtls: {mode: STRICT}}";
    const PERMISSIVE: &str = "{mtls: {mode: PERMISSIVE}}";

    #[test]
    fn only_ports_that_take_plaintext_and_nothing_else_refuses() {
        const FROM: &str = "spec.rules[0].from[0].source.";
        let deny = "{action: DENY, rules: [{from: [{source: {principals: [a]}}]}]}";
        let on = |ports: &str| {
            format!(
                "{{action: DENY, rules: [{{from: [{{source: {{namespaces: [a]}}}}], to: [{{operation: {{ports: [{ports}]}}}}]}}]}}"
            )
        };
        let allow = "{rules: [{from: [{source: {principals: [a]}}]}]}";
        let except = "{rules: [{from: [{source: {notPrincipals: [a]}}]}]}";
        let guard = authorization(
            "istio-system",
            "guard",
            "{action: DENY, rules: [{from: [{source: {notPrincipals: ['*']}}]}]}",
        );
        let port = |port: u16| {
            format!(
                "{{selector: {{matchLabels: {{app: web}}}}, mtls: {{mode: STRICT}}, portLevelMtls: {{{port}: {{mode: PERMISSIVE}}}}}}"
            )
        };
        let of = |mode: &str, spec: &str| authentication("shop", mode) + &authorization("shop", "p", spec);
        for (text, want) in [
            (of(STRICT, deny), String::new()),
            (of(PERMISSIVE, deny), format!("{FROM}principals error high")),
            (of(PERMISSIVE, allow), format!("{FROM}principals info high")),
            (of(PERMISSIVE, except), format!("{FROM}notPrincipals error high")),
            // Nothing of the input sets a mode: other policies of it, or none at all.
            (
                authentication("other", STRICT) + &authorization("shop", "p", deny),
                format!("{FROM}principals error medium"),
            ),
            (authorization("shop", "p", deny), format!("{FROM}principals error low")),
            // Other policies refuse plaintext callers.
            (of(PERMISSIVE, deny) + &guard, String::new()),
            (
                of(PERMISSIVE, deny) + &authorization("shop", "q", allow),
                "spec.rules[0].from[0].source.principals info high".to_owned(),
            ),
            (
                of(PERMISSIVE, deny) + &authorization("shop", "q", "{rules: [{}]}"),
                format!("{FROM}principals error high"),
            ),
            // Ports: those of the rule, declared or not.
            (of(&port(8080), &on("'8080'")), format!("{FROM}namespaces error high")),
            (of(&port(8080), &on("'9000'")), String::new()),
            (of(&port(7000), &on("'7000'")), format!("{FROM}namespaces error high")),
            (of(&port(7000), &on("'7001'")), String::new()),
            (of(&port(7000), deny), String::new()),
            // For gateways and waypoints, of another kind, of a group of the same name.
            (
                of(
                    PERMISSIVE,
                    "{targetRefs: [{kind: Gateway, name: g}], action: DENY, rules: [{from: [{source: {principals: [a]}}]}]}",
                ),
                String::new(),
            ),
            // Without a sidecar nothing enforces it, where that is what is selected.
            (
                authorization(
                    "legacy",
                    "p",
                    "{selector: {matchLabels: {app: old}}, action: DENY, rules: [{from: [{source: {principals: [a]}}]}]}",
                ),
                format!("{FROM}principals error medium"),
            ),
            (authentication("istio-system", STRICT) + &authorization("legacy", "p", deny), String::new()),
            (authentication("istio-system", STRICT) + &authorization("istio-system", "p", deny), String::new()),
            (
                authentication("shop", PERMISSIVE) + &authorization("istio-system", "p", deny),
                format!("{FROM}principals error high"),
            ),
        ] {
            assert_eq!(found("MC0401", &format!("{SHOP}{text}")).join("; "), want, "{text}");
        }
        // No workload at all: what the policies say of such as it selects.
        let policies = authentication("istio-system", PERMISSIVE) + &authorization("shop", "p", deny);
        assert_eq!(found("MC0401", &policies), [format!("{FROM}principals error low")]);
        let policies = authentication("istio-system", STRICT) + &authorization("shop", "p", deny);
        assert_eq!(found("MC0401", &policies), Vec::<String>::new());
    }

    #[test]
    fn what_a_plaintext_caller_gets() {
        use Effect::{Admitted, Escapes, Refused};
        for (action, rule, want) in [
            ("DENY", "{from: [{source: {principals: [a]}}]}", &[Escapes][..]),
            ("DENY", "{from: [{source: {principals: ['*']}}]}", &[]),
            ("DENY", "{from: [{source: {notPrincipals: [a]}}]}", &[]),
            ("DENY", "{when: [{key: source.namespace, values: [a]}]}", &[Escapes]),
            ("DENY", "{from: [{source: {ipBlocks: [a]}}]}", &[]),
            ("DENY", "{}", &[]),
            ("ALLOW", "{from: [{source: {serviceAccounts: [a]}}]}", &[Refused]),
            ("ALLOW", "{from: [{source: {namespaces: [a], notPrincipals: [b]}}]}", &[Refused]),
            ("ALLOW", "{from: [{source: {notNamespaces: [a]}}]}", &[Admitted]),
            ("ALLOW", "{from: [{source: {notPrincipals: ['*']}}]}", &[]),
            ("ALLOW", "{from: [{source: {principals: [a]}}, {source: {notPrincipals: [a]}}]}", &[Refused, Admitted]),
            ("ALLOW", "{from: [{source: {requestPrincipals: ['*']}}]}", &[]),
            ("AUDIT", "{from: [{source: {principals: [a]}}]}", &[]),
            ("CUSTOM", "{from: [{source: {principals: [a]}}]}", &[]),
        ] {
            let policy = policy(&format!("{{action: {action}, rules: [{rule}]}}")).unwrap();
            let found: Vec<_> = effects(policy.action, &policy.rules[0]).iter().map(|(effect, ..)| *effect).collect();
            assert_eq!(found, want, "{action} {rule}");
        }
    }
}
