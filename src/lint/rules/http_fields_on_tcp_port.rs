//! MC0404: HTTP fields in a rule for a TCP port. istiod leaves such fields out of a DENY, which then refuses more, and
//! leaves an ALLOW rule with one out as a whole (`pilot/pkg/security/authz/model/model.go : checkError`).

use crate::lint::authorization::{About, Action, AuthorizationPolicy, AuthorizationRule, Field, policies};
use crate::lint::reach::{Reach, Reaches, port_words};
use crate::lint::{Lint, Out};
use std::collections::BTreeMap;

/// A port, the first workload that has it, and how many have it.
type TcpPort = (u16, u32, usize);

/// What TCP ports drop of a rule.
struct Dropped<'r> {
    /// The first HTTP field.
    field: &'r Field,
    ports: Vec<TcpPort>,
    /// Something else of the rule still holds there.
    rest: bool,
}

/// Reports the first such rule of each policy.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let policies = policies(lint);
    let has_http = |rule: &AuthorizationRule| rule.fields().any(|field| field.about == About::Http);
    let judged = |policy: &AuthorizationPolicy| {
        !policy.targeted && matches!(policy.action, Action::Allow | Action::Deny) && policy.rules.iter().any(has_http)
    };
    if !policies.iter().any(judged) {
        return;
    }
    let mut reaches = Reaches::new(lint, policies);
    for policy in policies.iter().filter(|policy| judged(policy)) {
        let reach = reaches.of(policy);
        let mut found = policy.rules.iter().filter_map(|rule| dropped(policy.action, rule, &reach));
        let Some(first) = found.next() else { continue };
        report(lint, out, policy, &first, found.count());
    }
}

/// What TCP ports drop of a rule, where it is about any.
fn dropped<'r>(action: Action, rule: &'r AuthorizationRule, reach: &Reach) -> Option<Dropped<'r>> {
    let http = |field: &&Field| field.about == About::Http;
    let shared = rule.sources.iter().flatten().chain(&rule.conditions).find(http);
    let rest = |operation: &[Field]| {
        let callers_limited = rule.sources.iter().all(|fields| fields.iter().any(|field| field.about != About::Http));
        let callers_limited = callers_limited && !rule.sources.is_empty();
        let left = operation.iter().chain(&rule.conditions);
        callers_limited || left.filter(|field| !matches!(field.about, About::Http | About::Port)).count() > 0
    };
    let list = |ports: &BTreeMap<u16, (u32, usize)>, concerns: &dyn Fn(u16) -> bool| -> Vec<TcpPort> {
        let of = ports.iter().filter(|(port, _)| concerns(**port));
        of.map(|(port, (workload, count))| (*port, *workload, *count)).collect()
    };
    if action == Action::Allow {
        let field = rule.fields().find(http)?;
        let ports = list(&reach.tcp_refused, &|port| rule.concerns_port(port));
        return (!ports.is_empty()).then_some(Dropped { field, ports, rest: false });
    }
    rule.targets().find_map(|operation| {
        let field = operation.iter().find(http).or(shared)?;
        let ports = list(&reach.tcp, &|port| rule.concerns(operation, port));
        (!ports.is_empty()).then(|| Dropped { field, ports, rest: rest(operation) })
    })
}

fn report(
    lint: &Lint<'_>,
    out: &mut Out<'_>,
    policy: &AuthorizationPolicy,
    Dropped { field, ports, rest }: &Dropped<'_>,
    others: usize,
) {
    let Some((_, workload, _)) = ports.first() else { return };
    let name = lint.mesh.workloads.get(*workload as usize).map_or_else(String::new, |w| w.meta.slash());
    let count = ports.iter().map(|(_, _, count)| *count).max().unwrap_or(1);
    let whom = if count == 1 { name } else { format!("{count} workloads ({name}, ...)") };
    let numbers: Vec<u16> = ports.iter().map(|(port, ..)| *port).collect();
    let words = port_words(&numbers);
    let title = field.title();
    let becomes = match (policy.action, *rest) {
        (Action::Deny, false) => "the field is left out there, so that this DENY refuses every connection",
        (Action::Deny, true) => {
            "the field is left out there, so that this DENY refuses every connection that its other fields match"
        }
        _ => "the rule does not exist there, so that this ALLOW lets no connection in",
    };
    let more = if others == 0 { String::new() } else { format!("; {others} more rules of the policy alike") };
    let help = match policy.action {
        Action::Deny => format!(
            "limit the operation to the HTTP ports (to.operation.ports), or leave these out (notPorts: {})",
            quoted(&numbers)
        ),
        _ => format!(
            "add a rule without HTTP fields for TCP (to.operation.ports: {}); or, if TCP is to be refused, limit this one to the HTTP ports",
            quoted(&numbers)
        ),
    };
    let message = format!("{title} is a field of HTTP, and {words} of {whom} is declared as TCP: {becomes}{more}");
    out.add(policy.id, field.path.clone(), message, help).confidence = lint.confidence_in_workloads();
}

/// Ports as YAML writes them in a policy.
fn quoted(ports: &[u16]) -> String {
    let all: Vec<String> = ports.iter().take(5).map(|port| format!("\"{port}\"")).collect();
    format!("[{}]", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::authorization::tests::{SHOP, authorization, found, policy};

    #[test]
    fn declared_tcp_ports_that_no_other_rule_lets_in() {
        let get = "{rules: [{to: [{operation: {methods: [GET]}}]}]}";
        let deny = "{action: DENY, rules: [{from: [{source: {ipBlocks: [a]}}], to: [{operation: {paths: [/x]}}]}]}";
        let methods = "spec.rules[0].to[0].operation.methods error high";
        for (text, want) in [
            (authorization("shop", "p", get), methods),
            (authorization("istio-system", "p", get), methods),
            (authorization("legacy", "p", get), ""),
            (authorization("shop", "p", deny), "spec.rules[0].to[0].operation.paths error high"),
            (authorization("shop", "p", &get.replace("[GET]", "[GET], ports: ['8080']")), ""),
            (authorization("shop", "p", get) + &authorization("shop", "q", "{rules: [{}]}"), ""),
            (
                authorization("shop", "p", get)
                    + &authorization("shop", "q", "{rules: [{to: [{operation: {ports: ['9000']}}]}]}"),
                "",
            ),
            (
                authorization("shop", "p", get)
                    + &authorization("shop", "q", "{rules: [{to: [{operation: {ports: ['9001']}}]}]}"),
                methods,
            ),
            (authorization("shop", "p", &get.replace("{rules", "{action: AUDIT, rules")), ""),
            (authorization("shop", "p", &get.replace("{rules", "{targetRef: {kind: Service, name: web}, rules")), ""),
        ] {
            assert_eq!(found("MC0404", &format!("{SHOP}{text}")).join("; "), want, "{text}");
        }
    }

    #[test]
    fn a_rule_is_dropped_where_it_is_about_a_tcp_port() {
        for (action, rule, want) in [
            ("DENY", "{to: [{operation: {paths: [/admin]}}]}", Some(("paths", false))),
            ("DENY", "{to: [{operation: {paths: [/admin], ports: ['80']}}]}", None),
            ("DENY", "{to: [{operation: {paths: [/admin], notPorts: ['3306']}}]}", None),
            ("DENY", "{to: [{operation: {ports: ['3306']}}]}", None),
            ("DENY", "{to: [{operation: {ports: ['3306'], notMethods: [GET]}}]}", Some(("notMethods", false))),
            ("DENY", "{from: [{source: {principals: [a]}}], to: [{operation: {hosts: [b]}}]}", Some(("hosts", true))),
            (
                "DENY",
                "{from: [{source: {requestPrincipals: ['*']}}, {source: {principals: [a]}}]}",
                Some(("requestPrincipals", false)),
            ),
            ("DENY", "{when: [{key: 'request.headers[x]', values: [y]}]}", Some(("when request.headers[x]", false))),
            ("ALLOW", "{to: [{operation: {methods: [GET]}}]}", Some(("methods", false))),
            (
                "ALLOW",
                "{to: [{operation: {methods: [GET], ports: ['80']}}, {operation: {ports: ['3306']}}]}",
                Some(("methods", false)),
            ),
            ("ALLOW", "{from: [{source: {principals: [a]}}]}", None),
        ] {
            let policy = policy(&format!("{{action: {action}, rules: [{rule}]}}")).unwrap();
            let mut reach = Reach::default();
            reach.tcp.insert(3306, (0, 1));
            reach.tcp_refused.insert(3306, (0, 1));
            let found = dropped(policy.action, &policy.rules[0], &reach);
            let found = found.map(|found| (found.field.title(), found.rest));
            assert_eq!(found, want.map(|(title, rest)| (title.to_owned(), rest)), "{action} {rule}");
        }
    }
}
