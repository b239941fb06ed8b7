//! What is wrong with what a proxy was told: the findings MC0601 and on.
//!
//! A finding stands for all places with the same defect: a proxy of 20,000 clusters that verify no server has one, which
//! counts them. Clusters are judged from what the dump says of them, not from the table of upstreams, which is made for
//! some formats only: the exit code is the same in every format.

mod certificates;
mod rules;
mod tls;

use super::Query;
use super::judged::{ClientCertificate, Judged, Port, Row, Side};
use super::model::{Rbac, State};
use super::routes;
use super::vocabulary::{first_few, many};
use crate::finding::{self, Code, Confidence, Finding};
use crate::location::{Location, Path};
use std::collections::{BTreeMap, BTreeSet};

/// Names that a message lists before it counts.
const MOST_NAMES: usize = 5;
/// Characters of a text from outside that a message quotes.
const MOST_TEXT: usize = 300;
/// Findings of rejected pushes with reasons of their own.
const MOST_REASONS: usize = 50;

/// Every finding of one proxy.
#[must_use]
pub fn find(judged: &Judged, query: &Query) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(cut(judged));
    plaintext(judged, &mut found);
    certificates::find(judged, query, &mut found);
    rejected(judged, &mut found);
    not_in_force(judged, &mut found);
    rules::find(judged, &mut found);
    tls::find(judged, &mut found);
    unverified(judged, &mut found);
    found
}

/// A finding at a place of the dump. A dump has no lines that a person would look at: the path says where.
fn at(judged: &Judged, code: &'static Code, path: Option<&str>, message: String, help: &str) -> Finding {
    let place = Location { file: judged.proxy.path.clone(), line: 1, column: 1 };
    let path = path.filter(|path| !path.is_empty()).map(Path::new);
    Finding { path, ..Finding::new(code, place, message, help) }
}

/// The beginning of a text from outside, up to a private key: Envoy's errors may repeat what was sent.
fn quoted(text: &str) -> String {
    let end = text.find("PRIVATE KEY").map(|at| text.get(..at).and_then(|before| before.rfind("-----")).unwrap_or(at));
    let safe = end.and_then(|end| text.get(..end)).unwrap_or(text);
    let mut short: String = safe.chars().take(MOST_TEXT).collect();
    if short.len() < text.len() {
        short.push_str(" ...");
    }
    short
}

/// Where the reading ended early.
fn cut(judged: &Judged) -> Option<Finding> {
    let problem = judged.proxy.problem.as_ref()?;
    let place = Location { file: judged.proxy.path.clone(), line: problem.line.max(1), column: problem.column.max(1) };
    let message = format!("reading ends here: {}; what comes after it is not in the report", quoted(&problem.why));
    let help = "take the dump again; a pipe that was closed early or a full disk cuts it";
    Some(Finding::new(&finding::UNPARSABLE_DOCUMENT, place, message, help))
}

/// The listener's place in the dump.
fn listener_path(judged: &Judged, listener: usize) -> Option<&str> {
    judged.proxy.listeners.get(listener).map(|listener| listener.path.as_str())
}

/// `port 9080`, `any other port`; with the ranges where ports differ by them.
fn port_name(port: &Port) -> String {
    let name = port.port.map_or("any other port".to_owned(), |port| format!("port {port}"));
    if port.ranges.is_empty() { name } else { format!("{name} of {}", first_few(&port.ranges, MOST_NAMES)) }
}

/// `virtualInbound[7]`, or the name alone where the listener has one chain.
fn chain_name(judged: &Judged, row: &Row) -> String {
    match judged.proxy.listeners.get(row.listener) {
        Some(listener) if listener.chains.len() > 1 => format!("{}[{}]", listener.name, row.chain),
        Some(listener) => listener.name.clone(),
        None => "?".to_owned(),
    }
}

/// Ports whose clients get through without TLS. What comes out of a tunnel was encrypted on the wire, and the ports of the
/// proxy itself (health, metrics) are in clear by design.
fn plaintext(judged: &Judged, found: &mut Vec<Finding>) {
    for port in judged.ports.iter().filter(|port| port.side == Side::Inbound && port.plaintext == Some(true)) {
        let mode = port.mode.map(|mode| format!(" ({})", mode.word())).unwrap_or_default();
        let by = first_few(&port.accepted_by, MOST_NAMES);
        let by = if by.is_empty() { by } else { format!(": {by}") };
        let message = format!("{}{mode} accepts clients without TLS{by}", port_name(port));
        let help = "set PeerAuthentication to STRICT once no client needs plaintext; at a gateway, redirect to HTTPS";
        found.push(at(judged, &finding::PLAINTEXT_ACCEPTED, listener_path(judged, port.listener), message, help));
    }
}

/// Chains that ask for a client certificate in vain. One finding for each listener.
fn unverified(judged: &Judged, found: &mut Vec<Finding>) {
    let mut listeners: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let in_vain = |row: &&Row| row.client_certificate == ClientCertificate::Unverified && row.mtls == Some(false);
    for row in judged.rows.iter().filter(in_vain) {
        listeners.entry(row.listener).or_default().push(chain_name(judged, row));
    }
    for (listener, chains) in listeners {
        let message = format!(
            "{} for a client certificate and would take any, or none: {}",
            if chains.len() == 1 {
                "one chain asks".to_owned()
            } else {
                format!("{} ask", many(chains.len(), "chain"))
            },
            first_few(&chains, MOST_NAMES)
        );
        let help = "give the server a CA to verify clients with (caCertificates, or ca.crt in the secret)";
        let path = listener_path(judged, listener);
        found.push(at(judged, &finding::CLIENT_CERTIFICATE_NOT_VERIFIED, path, message, help));
    }
}

/// Pushes that the proxy refused, those with the same reason together.
fn rejected(judged: &Judged, found: &mut Vec<Finding>) {
    let mut reasons: BTreeMap<(&str, &str, bool), Vec<usize>> = BTreeMap::new();
    for (place, one) in judged.proxy.rejected.iter().enumerate() {
        let mut key = (one.what, one.details.as_str(), one.has_active);
        if reasons.len() >= MOST_REASONS && !reasons.contains_key(&key) {
            key.1 = "";
        }
        reasons.entry(key).or_default().push(place);
    }
    for ((what, details, has_active), places) in reasons {
        let all = || places.iter().filter_map(|place| judged.proxy.rejected.get(*place));
        let names: Vec<String> = all().take(MOST_NAMES + 1).map(|one| one.name.clone()).collect();
        let names = match places.len().checked_sub(MOST_NAMES) {
            Some(left) if left > 0 => {
                format!("{} and {left} more", first_few(names.get(..MOST_NAMES).unwrap_or(&names), MOST_NAMES))
            }
            _ => names.join(", "),
        };
        let state = if has_active { "an older version is in force" } else { "no version of it is in force" };
        let details = if details.is_empty() { String::new() } else { format!(": {}", quoted(details)) };
        let message = format!("{what} {names} was rejected by the proxy, {state}{details}");
        let help = "mend what the reason names (often an EnvoyFilter); istioctl proxy-status shows the proxy as stale";
        let path = all().next().map(|one| one.path.as_str());
        found.push(at(judged, &finding::CONFIGURATION_REJECTED, path, message, help));
    }
}

/// Listeners that wait, that go, and those that the dump and `/listeners` do not agree about.
fn not_in_force(judged: &Judged, found: &mut Vec<Finding>) {
    let listeners = &judged.proxy.listeners;
    let of = |state: State| listeners.iter().filter(move |listener| listener.state == state);
    let active: BTreeSet<&str> = listeners
        .iter()
        .filter(|one| matches!(one.state, State::Active | State::Static))
        .map(|one| one.name.as_str())
        .collect();
    let mut say = |names: Vec<String>, path: Option<&str>, what: &str, help: &str| {
        if !names.is_empty() {
            let message =
                format!("{}: {}", what.replace("{}", &many(names.len(), "listener")), first_few(&names, MOST_NAMES));
            found.push(at(judged, &finding::LISTENER_NOT_IN_FORCE, path, message, help));
        }
    };
    let names = |all: &mut dyn Iterator<Item = &super::model::Listener>| -> Vec<String> {
        all.map(|listener| listener.name.clone()).collect()
    };
    let waits = "look for a secret, a route or a cluster that it waits for: MC0608, and the proxy's log";
    let path = |state: State| of(state).next().map(|listener| listener.path.as_str());
    let update = names(&mut of(State::Warming).filter(|one| active.contains(one.name.as_str())));
    say(update, path(State::Warming), "{} with a newer version that is not in force yet", waits);
    let new = names(&mut of(State::Warming).filter(|one| !active.contains(one.name.as_str())));
    say(new, path(State::Warming), "{} not in force yet", waits);
    let help = "an older version still serves the connections that it has; take the dump again when it is gone";
    say(names(&mut of(State::Draining)), path(State::Draining), "{} being drained", help);
    let Some(bound) = &judged.proxy.bound else { return };
    let bound: BTreeSet<&str> = bound.iter().map(String::as_str).collect();
    let help = "the dump and /listeners are of different moments, or the proxy could not bind; take both again";
    let is_active = |one: &&super::model::Listener| matches!(one.state, State::Active | State::Static) && one.bound;
    let unbound = names(&mut listeners.iter().filter(is_active).filter(|one| !bound.contains(one.name.as_str())));
    say(unbound, None, "{} in the dump that /listeners does not have", help);
    if !listeners.is_empty() {
        let known: BTreeSet<&str> = listeners.iter().map(|one| one.name.as_str()).collect();
        let unknown = bound.iter().filter(|name| !known.contains(**name)).map(|name| (*name).to_owned()).collect();
        say(unknown, None, "{} that /listeners has and the dump does not", help);
    }
}

/// Every RBAC filter of a chain, of both layers, also those that ECDS delivers and those of routes.
fn rbac<'a>(judged: &'a Judged, row: &Row) -> impl Iterator<Item = &'a Rbac> {
    let chain = judged.proxy.listeners.get(row.listener).and_then(|listener| listener.chains.get(row.chain));
    chain.into_iter().flat_map(|chain| routes::rbac(&chain.filters, &judged.proxy))
}

/// With less than full confidence.
fn unsure(finding: Finding, confidence: Confidence) -> Finding {
    Finding { confidence, ..finding }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::fake::{held, strict, tls};
    use crate::envoy::judged::{ChainCheck, Validity};
    use crate::envoy::model::{
        Action, Cluster, Filter, Layer, Mode, Policy, Problem, Rejected, Rules, Secret, Section, Socket, Tls,
    };

    fn codes(judged: &Judged) -> Vec<&'static str> {
        find(judged, &Query { at: 1_000_000, ..Query::default() }).iter().map(|finding| finding.code.code).collect()
    }

    fn with(change: impl FnOnce(&mut Judged)) -> Judged {
        let mut judged = strict();
        change(&mut judged);
        judged
    }

    fn policy(action: Action, layer: Layer, policy: Policy) -> Filter {
        let rules = Rules { action, policies: vec![policy] };
        Filter::Rbac(Box::new(Rbac { layer, rules: Some(rules), ..Rbac::default() }))
    }

    fn named() -> Policy {
        Policy { name: "ns[shop]-policy[no]-rule[0]".into(), ..Policy::default() }
    }

    /// Its port takes plaintext too.
    fn open(judged: &mut Judged) {
        judged.ports[0].plaintext = Some(true);
        judged.ports[0].mode = Some(Mode::Permissive);
        judged.rows[0].accepts_plaintext = Some(true);
    }

    /// Its port takes plaintext too, and has this policy.
    fn plain(judged: &mut Judged, action: Action, one: Policy) {
        open(judged);
        judged.proxy.listeners[0].chains[0].filters = vec![policy(action, Layer::Http, one)];
    }

    /// Its port has a DENY that lost its conditions on HTTP, and is of that protocol.
    fn broadened(judged: &mut Judged, port: Option<u16>, protocol: &'static str) {
        let http = Policy { needs_http: true, ..named() };
        judged.proxy.listeners[0].chains[0].filters =
            vec![policy(Action::Deny, Layer::Http, http), policy(Action::Deny, Layer::Network, named())];
        (judged.ports[0].port, judged.ports[0].protocol) = (port, protocol);
    }

    #[test]
    fn a_text_is_quoted_up_to_a_private_key() {
        for (text, expected) in [
            ("why", "why"),
            ("bad -----BEGIN PRIVATE KEY-----\nMIG", "bad  ..."),
            ("bad -----BEGIN EC PRIVATE KEY-----\nMIG", "bad  ..."),
            ("PRIVATE KEY MIG", " ..."),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn each_defect_has_its_code() {
        assert!(codes(&strict()).is_empty());
        let identity = || Policy { needs_identity: true, ..named() };
        let cases: Vec<(Judged, &[&str])> = vec![
            (with(open), &["MC0601"]),
            (with(|j| j.certificates[0].state = Validity::Expired), &["MC0602"]),
            (with(|j| j.certificates[0].state = Validity::NotYetValid), &["MC0602"]),
            (with(|j| j.certificates[0].state = Validity::ExpiresSoon), &["MC0603"]),
            (with(|j| j.certificates[0].spiffe_id = Some("spiffe://cluster.local/ns/shop/sa/api".into())), &["MC0604"]),
            (with(|j| j.certificates[0].spiffe_id = None), &["MC0604"]),
            (with(|j| j.certificates[0].chain = ChainCheck::Failed("no CA".into())), &["MC0605"]),
            (with(|j| j.proxy.rejected = vec![Rejected { what: "listener", ..Rejected::default() }]), &["MC0606"]),
            (with(|j| j.proxy.listeners[1].state = State::Warming), &["MC0607"]),
            (with(|j| j.proxy.listeners[1].state = State::Draining), &["MC0607"]),
            (with(|j| j.proxy.sections.push(Section::Secrets)), &["MC0608", "MC0608"]),
            (
                with(|j| {
                    open(j);
                    j.proxy.listeners[0].chains[0].filters = vec![policy(Action::Deny, Layer::Http, identity())];
                }),
                &["MC0601", "MC0609"],
            ),
            (with(|j| plain(j, Action::Deny, Policy { excludes_identity: true, ..named() })), &["MC0601"]),
            (with(|j| plain(j, Action::Allow, Policy { excludes_identity: true, ..named() })), &["MC0601", "MC0609"]),
            (
                with(|j| {
                    let both = Policy { excludes_identity: true, identity_only: true, ..identity() };
                    plain(j, Action::Allow, both);
                }),
                &["MC0601"],
            ),
            // An ALLOW never matches a caller without identity: it is refused.
            (
                with(|j| {
                    open(j);
                    j.proxy.listeners[0].chains[0].filters = vec![policy(Action::Allow, Layer::Http, identity())];
                }),
                &["MC0601"],
            ),
            (
                with(|j| j.proxy.listeners[0].chains[0].filters = vec![policy(Action::Deny, Layer::Http, identity())]),
                &[],
            ),
            (
                with(|j| {
                    let tls = Tls { min: Some("TLSv1_0"), ..tls() };
                    j.proxy.listeners[0].chains[0].socket = Socket::Tls(Box::new(tls));
                }),
                &["MC0610"],
            ),
            (
                with(|j| {
                    let tls = Tls { ciphers: vec!["ECDHE-RSA-DES-CBC3-SHA".into()], ..tls() };
                    j.proxy.listeners[0].chains[0].socket = Socket::Tls(Box::new(tls));
                }),
                &["MC0610"],
            ),
            (
                with(|j| (j.rows[0].client_certificate, j.rows[0].mtls) = (ClientCertificate::Unverified, Some(false))),
                &["MC0612"],
            ),
            (with(|j| j.rows[0].authz[0].bad_provider = true), &["MC0613"]),
            (with(|j| broadened(j, Some(3306), "tcp")), &["MC0614"]),
            // Chains for any other port have the twin of every policy, and ports of both kinds know HTTP from TCP.
            (with(|j| broadened(j, None, "tcp")), &[]),
            (with(|j| broadened(j, Some(80), "auto")), &[]),
            (
                with(|j| {
                    (j.certificates[0].problem, j.certificates[0].state) = (Some("cut".into()), Validity::Missing)
                }),
                &["MC0605"],
            ),
            (with(|j| j.proxy.problem = Some(Problem { why: "cut".into(), line: 7, column: 3 })), &["MC0001"]),
        ];
        for (at, (judged, want)) in cases.iter().enumerate() {
            assert_eq!(codes(judged), *want, "case {at}");
        }
    }

    #[test]
    fn many_clusters_are_one_finding() {
        let blind = || Tls { validation: None, ..tls() };
        let cluster = |at: usize| Cluster {
            name: format!("c{at}"),
            socket: Socket::Tls(Box::new(blind())),
            ..Cluster::default()
        };
        let judged = with(|j| j.proxy.clusters = (0..20_000).map(cluster).collect());
        let found = find(&judged, &Query::default());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].code.code, "MC0611");
        assert!(found[0].message.starts_with("20,000 clusters"), "{}", found[0].message);
        assert!(found[0].message.ends_with("c0, c1, c2, c3, c4, ..."), "{}", found[0].message);
    }

    #[test]
    fn an_intermediate_that_ended_ends_the_leaf() {
        let mut held = held();
        held.intermediates = vec![crate::envoy::judged::Link {
            subject: "CN=Middle".into(),
            state: Validity::Expired,
            ..Default::default()
        }];
        let judged = with(|j| j.certificates = vec![held]);
        let found = find(&judged, &Query::default());
        assert_eq!(found[0].code.code, "MC0602");
        assert!(found[0].message.contains("CN=Middle"), "{}", found[0].message);
    }

    #[test]
    fn a_delivered_secret_is_not_missing() {
        let secret = |name: &str| Secret {
            name: name.into(),
            content: crate::envoy::model::SecretContent::Certificate(Vec::new()),
            ..Secret::default()
        };
        let judged = with(|j| {
            j.proxy.sections.push(Section::Secrets);
            j.proxy.secrets = vec![secret("default"), secret("ROOTCA")];
        });
        assert!(codes(&judged).is_empty());
    }

    #[test]
    fn listeners_that_the_proxy_did_not_bind_are_found() {
        let judged = with(|j| {
            j.proxy.listeners[0].bound = true;
            j.proxy.bound = Some(vec!["0.0.0.0_80".into(), "other".into()]);
        });
        let found = find(&judged, &Query::default());
        let texts: Vec<&str> = found.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(
            texts,
            [
                "1 listener in the dump that /listeners does not have: virtualInbound",
                "1 listener that /listeners has and the dump does not: other"
            ]
        );
    }
}
