//! Authorization rules that do something else than they say.

use super::{MOST_NAMES, at, chain_name, listener_path, rbac};
use crate::envoy::decide::name;
use crate::envoy::judged::{Judged, Row, Side};
use crate::envoy::model::{Action, Layer, Policy};
use crate::envoy::vocabulary::first_few;
use crate::finding::{self, Code, Finding};
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with a policy, in the order of the findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Defect {
    /// A DENY by identity, where callers need none.
    Escaped,
    /// An ALLOW of all but some identities, where callers need none.
    Opened,
    /// A CUSTOM action whose provider is not usable.
    BadProvider,
    /// A DENY that lost its conditions on HTTP.
    Broadened,
}

impl Defect {
    /// The code, what the policy does, and what helps.
    fn words(self) -> (&'static Code, &'static str, &'static str) {
        match self {
            Self::Escaped => (
                &finding::IDENTITY_RULE_ON_PLAINTEXT_PORT,
                "denies by the identity of callers, and these chains let callers without one through",
                "set the port to STRICT; or deny all but the identities that may call (notPrincipals), or by IP",
            ),
            Self::Opened => (
                &finding::IDENTITY_RULE_ON_PLAINTEXT_PORT,
                "allows all but some identities, and callers without any get in by these chains",
                "set the port to STRICT; or name the identities that may call",
            ),
            Self::BadProvider => (
                &finding::CUSTOM_PROVIDER_UNUSABLE,
                "asks a provider that is not usable, so everything that it names is refused",
                "name a provider of meshConfig.extensionProviders whose service exists; istiod's log says what is wrong",
            ),
            Self::Broadened => (
                &finding::DENY_BROADENED_ON_TCP,
                "denies by HTTP conditions, which these TCP chains dropped: they refuse more than it says",
                "declare the port's protocol (appProtocol: http), or give the rule the ports that it is for",
            ),
        }
    }
}

/// The chains of a policy that has a defect.
#[derive(Default)]
struct Place {
    listener: usize,
    chains: Vec<String>,
}

/// Places by defect and policy.
type Places = BTreeMap<(Defect, String), Place>;

pub fn find(judged: &Judged, found: &mut Vec<Finding>) {
    let rows = || {
        let all = judged.rows.iter().enumerate();
        all.filter(|(_, row)| matches!(row.side, Side::Inbound | Side::Internal))
    };
    let with_http = http_conditions(judged, rows().map(|(_, row)| row));
    let of_tcp = of_tcp(judged);
    let mut places = Places::new();
    for (at, row) in rows() {
        let is_clear = row.side == Side::Inbound && row.accepts_plaintext == Some(true);
        for rbac in rbac(judged, row) {
            let Some(rules) = &rbac.rules else { continue };
            for policy in rules.policies.iter().filter(|policy| !policy.matches_nothing) {
                if let Some(defect) = on_plaintext(rules.action, policy).filter(|_| is_clear) {
                    add(&mut places, judged, row, (defect, name(&policy.name).0));
                }
                let is_twin = rbac.layer == Layer::Network && with_http.contains(policy.name.as_str());
                if is_twin && rules.action == Action::Deny && of_tcp.contains(&at) {
                    add(&mut places, judged, row, (Defect::Broadened, name(&policy.name).0));
                }
            }
        }
        for step in row.authz.iter().filter(|step| step.bad_provider) {
            let names = if step.policies.is_empty() { vec!["a policy".to_owned()] } else { step.policies.clone() };
            names.into_iter().for_each(|name| add(&mut places, judged, row, (Defect::BadProvider, name)));
        }
    }
    for ((defect, policy), place) in places {
        let (code, text, help) = defect.words();
        let message = format!("{policy} {text}: {}", first_few(&place.chains, MOST_NAMES));
        found.push(at(judged, code, listener_path(judged, place.listener), message, help));
    }
}

/// What is wrong with a policy where callers need not show an identity. One that denies all but some identities denies
/// those without any; one that allows all but some lets them in, unless it asks for an identity besides.
fn on_plaintext(action: Action, policy: &Policy) -> Option<Defect> {
    match action {
        Action::Deny if policy.needs_identity => Some(Defect::Escaped),
        Action::Allow if policy.excludes_identity && !policy.identity_only => Some(Defect::Opened),
        _ => None,
    }
}

/// Rows of ports that serve TCP and nothing else. The chains for any other port have the twin of every policy, and where
/// the protocol is detected only what is not HTTP meets it.
fn of_tcp(judged: &Judged) -> BTreeSet<usize> {
    let ports = judged.ports.iter().filter(|port| port.port.is_some() && port.protocol == "tcp");
    ports.flat_map(|port| port.rows.iter().copied()).collect()
}

/// Names of DENY policies that have HTTP conditions where they stand in an HTTP filter.
fn http_conditions<'a>(judged: &'a Judged, rows: impl Iterator<Item = &'a Row>) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for rbac in rows.flat_map(|row| rbac(judged, row)).filter(|rbac| rbac.layer == Layer::Http) {
        let denies = rbac.rules.iter().filter(|rules| rules.action == Action::Deny);
        names
            .extend(denies.flat_map(|rules| &rules.policies).filter(|one| one.needs_http).map(|one| one.name.as_str()));
    }
    names
}

fn add(places: &mut Places, judged: &Judged, row: &Row, key: (Defect, String)) {
    let place = places.entry(key).or_insert_with(|| Place { listener: row.listener, chains: Vec::new() });
    let chain = chain_name(judged, row);
    if place.chains.last() != Some(&chain) {
        place.chains.push(chain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_by_identity_where_callers_need_none() {
        for (action, needs, excludes, only, defect) in [
            (Action::Deny, true, false, true, Some(Defect::Escaped)),
            (Action::Deny, true, true, false, Some(Defect::Escaped)),
            (Action::Deny, false, true, false, None),
            (Action::Allow, false, true, false, Some(Defect::Opened)),
            (Action::Allow, true, true, true, None),
            (Action::Allow, true, true, false, Some(Defect::Opened)),
            (Action::Allow, true, false, true, None),
            (Action::Audit, true, true, false, None),
        ] {
            let policy =
                Policy { needs_identity: needs, excludes_identity: excludes, identity_only: only, ..Policy::default() };
            assert_eq!(on_plaintext(action, &policy), defect, "{action:?} {policy:?}");
        }
    }
}
