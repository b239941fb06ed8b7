//! MC0207: a rule that no client ever uses (istio-mtls.md 2.3 to 2.5).
//!
//! What merging does with rules of one host follows from the rules alone. That no client finds a rule is read from the
//! matrix of the clients and services that the input holds, and so is less sure.

use crate::finding::{Confidence, RULE_SHADOWED, Severity};
use crate::lint::cause::Cause;
use crate::lint::{Lint, Out, related};
use crate::location::Path;
use crate::model::service::Origin;
use crate::model::{DestinationRule, Proxy};
use crate::mtls::check::{Row, ServiceRows};
use crate::mtls::client::{Reach, Why};
use crate::mtls::rules::RuleIndex;
use crate::mtls::select::{Clients, Filter};
use std::collections::BTreeSet;

/// Rules that are named one by one.
const NAMED: usize = 3;

/// Reports each rule whose traffic policy is lost in a merge, and each that no client of the input uses.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    if lint.mesh.rules.is_empty() {
        return;
    }
    rivals(lint, out);
    let index = RuleIndex::new(lint.mesh);
    let used = used(lint, &index);
    let real = lint.confidence_in_workloads() == Confidence::High;
    let written = (0..).zip(&lint.mesh.rules).filter(|(_, rule)| rule.made_from.is_none());
    for (number, rule) in written {
        match lost(lint, &index, number, rule) {
            Lost::To(winner) => merged_away(lint, out, rule, winner, true),
            Lost::ByAge(_) if competes(lint, number) => {}
            Lost::ByAge(winner) if winner < number => merged_away(lint, out, rule, winner, false),
            Lost::ByAge(_) | Lost::Unclear => {}
            Lost::No if real && !used.contains(&number) => unused(lint, out, number, rule),
            Lost::No => {}
        }
    }
}

/// The rules between which a cause cannot choose.
fn rivals_of<'l>(lint: &'l Lint<'_>, cause: &Cause) -> &'l [u32] {
    cause.sample(lint.matrix).map_or(&[], |(_, row, _, _)| &row.rivals)
}

/// Whether calls fail whichever of some rules is older, and this is one of them.
pub(super) fn competes(lint: &Lint<'_>, rule: u32) -> bool {
    lint.causes_of(&RULE_SHADOWED).any(|cause| rivals_of(lint, cause).contains(&rule))
}

/// Rules of one host whose ages the input does not have, where calls fail in every order: whatever wins.
fn rivals(lint: &Lint<'_>, out: &mut Out<'_>) {
    for cause in lint.causes_of(&RULE_SHADOWED) {
        let rules = rivals_of(lint, cause).iter().filter_map(|n| lint.mesh.rules.get(*n as usize));
        let rules: Vec<&DestinationRule> = rules.collect();
        let Some(own) = rules.iter().find(|rule| rule.meta.id == cause.object) else { continue };
        let more = rules.len().saturating_sub(NAMED);
        let mut names: Vec<String> = rules.iter().take(NAMED).map(|rule| rule.meta.slash()).collect();
        names.extend((more > 0).then(|| format!("{more} more")));
        let names = names.join(" and ");
        let summary = cause.summary(lint.matrix);
        let finding = out.add(
            cause.object,
            cause.path.clone(),
            format!("whichever of DestinationRules {names} is older, which the input does not say, {summary}"),
            format!(
                "merge them into one DestinationRule for {}, with tls mode ISTIO_MUTUAL or without tls (automatic mTLS then adapts to each server), and delete the rest",
                own.host
            ),
        );
        for other in rules.iter().filter(|rule| rule.meta.id != cause.object).take(NAMED) {
            finding.related.push(related(lint.mesh, other.meta.id, &Path::new("spec.host"), "this rule competes"));
        }
    }
}

/// What a merge with rules of the same host makes of a rule's `trafficPolicy`.
#[derive(Debug, PartialEq, Eq)]
enum Lost {
    /// It counts.
    No,
    /// This rule's counts in its place.
    To(u32),
    /// This rule's or its own, by ages that the input does not have.
    ByAge(u32),
    /// Not worked out.
    Unclear,
}

fn lost(lint: &Lint<'_>, index: &RuleIndex, number: u32, rule: &DestinationRule) -> Lost {
    if rule.policy.is_none() {
        return Lost::No;
    }
    let (mut wins, mut winner, mut certain) = (false, None, true);
    for rules in index.merged(&rule.meta.namespace, &rule.host, rule.meta.namespace == lint.mesh.root) {
        if rules.too_many {
            return Lost::Unclear;
        }
        for order in &rules.orders {
            let mut own = order.iter().filter(|entry| entry.merged.contains(&number)).peekable();
            if own.peek().is_none() {
                continue;
            }
            let counting = own.flat_map(|entry| entry.policy.iter().chain(&entry.under).copied());
            let mut others: Vec<u32> = counting.collect();
            others.sort_unstable_by_key(|other| *other != number);
            match others.first() {
                Some(first) if *first == number => wins = true,
                Some(first) => winner = Some(*first),
                None => certain = false,
            }
        }
    }
    match (wins, winner) {
        (false, Some(winner)) if certain => Lost::To(winner),
        (true, Some(winner)) => Lost::ByAge(winner),
        _ => Lost::No,
    }
}

fn merged_away(lint: &Lint<'_>, out: &mut Out<'_>, rule: &DestinationRule, winner: u32, certain: bool) {
    let Some(other) = lint.mesh.rules.get(winner as usize) else { return };
    let same = rule.policy == other.policy;
    if same && !certain {
        return;
    }
    let name = other.meta.slash();
    let message = if certain {
        format!(
            "DestinationRule {name} is older and has a trafficPolicy for host {}: this one's is ignored whole",
            rule.host
        )
    } else {
        format!(
            "of the trafficPolicy here and in DestinationRule {name}, both for host {}, the younger is ignored whole",
            rule.host
        )
    };
    let path = Path::new("spec.trafficPolicy");
    let help = format!("merge both into one DestinationRule for {}, and delete the other", rule.host);
    let finding = out.add(rule.meta.id, path.clone(), message, help);
    if !certain {
        finding.confidence = Confidence::Low;
    }
    if same || !certain {
        finding.severity = Severity::Warning;
    }
    finding.related.push(related(lint.mesh, other.meta.id, &path, "this trafficPolicy counts"));
}

/// Every rule of which some client of the matrix uses something.
fn used(lint: &Lint<'_>, index: &RuleIndex) -> BTreeSet<u32> {
    let mesh = lint.mesh;
    let rows = lint.matrix.services.iter().flat_map(|service| &service.rows);
    let firsts: BTreeSet<u32> = rows.filter_map(|row| Some(row.decision.rule?.0)).collect();
    let mut used = BTreeSet::new();
    for first in firsts {
        let Some(rule) = mesh.rules.get(first as usize) else { continue };
        let merged = index.merged(&rule.meta.namespace, &rule.host, rule.meta.namespace == mesh.root);
        for entry in merged.flat_map(|rules| rules.orders.iter().flatten()).filter(|entry| entry.first == first) {
            used.extend(&entry.merged);
        }
        used.insert(first);
    }
    used
}

/// A rule that no client uses, although clients call services that its host matches.
fn unused(lint: &Lint<'_>, out: &mut Out<'_>, number: u32, rule: &DestinationRule) {
    let mesh = lint.mesh;
    let matches = |rows: &&ServiceRows<'_>| {
        let service = mesh.services.get(rows.service as usize);
        service.is_some_and(|service| {
            service.origin != Origin::Synthetic && service.alias.is_none() && rule.host.matches(&service.host)
        })
    };
    let services: Vec<&ServiceRows<'_>> = lint.matrix.services.iter().filter(matches).collect();
    let mut known = Vec::new();
    for row in services.iter().flat_map(|service| &service.rows) {
        match (row.decision.reach, row.decision.why) {
            (Reach::Undecided, _) | (_, Why::Undecided) => return,
            (Reach::Known, _) => known.push(row.decision),
            // The clients that would use it do not know the service: a Sidecar's doing, not the rule's.
            (Reach::PassedThrough(_) | Reach::BlackHoled(_), _) if calls_from(lint, row, &rule.meta.namespace) => {
                return;
            }
            _ => {}
        }
    }
    if known.is_empty() || services.iter().any(|service| service.rows.is_empty()) {
        return;
    }
    let namespace = &rule.meta.namespace;
    let of_service = |rows: &&ServiceRows<'_>| {
        mesh.services.get(rows.service as usize).is_some_and(|service| service.meta.namespace == *namespace)
    };
    let client = |w: &crate::model::Workload| {
        matches!(w.proxy, Proxy::Sidecar | Proxy::Gateway | Proxy::Grpc) && w.meta.namespace == *namespace
    };
    let foreign = *namespace != mesh.root && !services.iter().any(of_service) && !mesh.workloads.iter().any(client);
    let hiding =
        known.iter().find_map(|decision| decision.rule.map(|(other, _)| other)).filter(|other| *other != number);
    let hiding = hiding.and_then(|other| mesh.rules.get(other as usize));
    let (message, help) = words(rule, hiding, foreign);
    let finding = out.add(rule.meta.id, Path::new("spec.host"), message, help);
    // Clients that the input does not hold may use the rule: none is known of its namespace, or it is a wide one.
    let seen = mesh.workloads.iter().any(|w| w.meta.namespace == *namespace);
    finding.confidence = if seen || !foreign { Confidence::Medium } else { Confidence::Low };
    if finding.confidence == Confidence::Low || rule.host.wildcard().is_some() || *namespace == mesh.root {
        finding.severity = Severity::Warning;
    }
    if let Some(other) = hiding.filter(|_| !foreign) {
        finding.related.push(related(mesh, other.meta.id, &Path::new("spec.host"), "this rule is used"));
    }
}

/// Why no client uses a rule, and what to do.
fn words(rule: &DestinationRule, hiding: Option<&DestinationRule>, foreign: bool) -> (String, String) {
    let namespace = &rule.meta.namespace;
    match hiding {
        _ if foreign => (
            format!("no client looks in namespace {namespace} for rules for {}: it is neither a client's namespace, nor the service's, nor the root namespace", rule.host),
            format!("move the rule to the service's namespace, or to that of its clients (metadata.namespace, now {namespace})"),
        ),
        Some(other) => (
            format!("no client uses the rule: each finds another one first, such as DestinationRule {} (host {})", other.meta.slash(), other.host),
            "merge what is meant into the rule that is found: the client's namespace is searched first, then the service's, then the root; the first with any match ends the search".to_owned(),
        ),
        None => (
            "no client uses the rule: its exportTo, its workloadSelector or a more specific host that is not exported keeps it from every one".to_owned(),
            "export the rule to the clients' namespaces, or move it there".to_owned(),
        ),
    }
}

/// Whether some client of a row is of a namespace.
fn calls_from(lint: &Lint<'_>, row: &Row, namespace: &str) -> bool {
    let clients = Clients::new(lint.matrix, &row.clients, &Filter::default()).workloads();
    let mut workloads = clients.iter().filter_map(|n| lint.mesh.workloads.get(*n as usize));
    workloads.any(|workload| *workload.meta.namespace == *namespace)
}

#[cfg(test)]
mod tests {
    use crate::lint::blocks::tests::{WEB, found};
    use crate::lint::pods::tests::STRICT;

    fn rule(namespace: &str, name: &str, created: &str, host: &str, spec: &str) -> String {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
             metadata: {{name: {name}, namespace: {namespace}, creationTimestamp: {created}}}\n\
             spec: {{host: '{host}', {spec}}}\n"
        )
    }

    fn shadowed(text: &str) -> Vec<(String, &'static str)> {
        let all = found(&(WEB.to_owned() + text)).into_iter().filter(|f| f.code.code == "MC0207");
        all.map(|f| (f.object.unwrap().name.to_string(), f.confidence.word())).collect()
    }

    const HOST: &str = "web.shop.svc.cluster.local";
    const OLD: &str = "2024-01-01T00:00:00Z";
    const NEW: &str = "2025-01-01T00:00:00Z";

    #[test]
    fn rules_of_unknown_age_that_all_fail() {
        let rule = |name: &str, host: &str, tls: &str| {
            rule("shop", name, "", host, &format!("trafficPolicy: {{tls: {{{tls}}}}}"))
                .replace(", creationTimestamp: }", "}")
        };
        let policy = STRICT.split_once("---\n").unwrap().1;
        for (one, other, host) in
            [("mode: SIMPLE", "mode: DISABLE", HOST), ("mode: SIMPLE", "{}", "*.shop.svc.cluster.local")]
        {
            let other = if other == "{}" { "" } else { other };
            let text = WEB.to_owned() + policy + &rule("web-a", host, one) + &rule("web-b", host, other);
            let all = found(&text);
            let edges: Vec<_> = all.iter().filter(|f| !f.edges.is_empty()).collect();
            let [one] = edges[..] else { panic!("{all:?}") };
            assert_eq!((one.code.code, one.severity.word(), one.confidence.word()), ("MC0207", "error", "high"));
            let want = "whichever of DestinationRules shop/web-a and shop/web-b is older, which the input does not say, \
                        calls of shop/web to itself (web.shop.svc.cluster.local:80) fail";
            assert_eq!(one.message, want);
            assert_eq!(one.object.as_ref().map(|object| &*object.name), Some("web-b"));
            assert!(all.iter().all(|f| !matches!(f.code.code, "MC0201" | "MC0214")), "{all:?}");
        }
        // One of the orders works: nothing is certain.
        let text = WEB.to_owned()
            + policy
            + &rule("web-a", HOST, "mode: ISTIO_MUTUAL")
            + &rule("web-b", HOST, "mode: DISABLE");
        let all = found(&text);
        let one = all.iter().find(|f| f.code.code == "MC0207").unwrap();
        assert_eq!((one.severity.word(), one.confidence.word()), ("warning", "low"));
    }

    #[test]
    fn the_younger_policy_of_one_host_is_ignored() {
        let lb = "trafficPolicy: {loadBalancer: {simple: RANDOM}}";
        let tls = "trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}";
        let two = |a: &str, b: &str, older: &str, younger: &str| {
            rule("shop", "a", a, HOST, older) + &rule("shop", "b", b, HOST, younger)
        };
        for (text, want) in [
            (two(OLD, NEW, lb, tls), vec![("b", "high")]),
            (two(NEW, OLD, lb, tls), vec![("a", "high")]),
            // Without times nobody knows which.
            (two("null", "null", lb, tls), vec![("b", "low")]),
            (two(OLD, NEW, "subsets: [{name: a}]", tls), vec![]),
            (two(OLD, NEW, tls, "subsets: [{name: a}]"), vec![]),
        ] {
            let got = shadowed(&text);
            let got: Vec<_> = got.iter().map(|(name, confidence)| (name.as_str(), *confidence)).collect();
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn rules_that_no_client_finds() {
        let tls = "trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}";
        for (text, want) in [
            (rule("shop", "own", OLD, HOST, tls), ""),
            (rule("istio-system", "root", OLD, HOST, tls), ""),
            (rule("other", "foreign", OLD, HOST, tls), "foreign"),
            // The client's namespace ends the search, however wide the host.
            (rule("shop", "near", OLD, "*.local", tls) + &rule("istio-system", "root", OLD, HOST, tls), "root"),
            // Nothing of the input is called by that name.
            (rule("other", "foreign", OLD, "db.example", tls), ""),
        ] {
            let names: Vec<String> = shadowed(&text).into_iter().map(|(name, _)| name).collect();
            assert_eq!(names.join(" "), want, "{text}");
        }
    }
}
