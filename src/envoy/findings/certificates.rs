//! Certificates that do not hold, or not for long, and secrets that never came.

use super::{MOST_NAMES, at, quoted, unsure};
use crate::envoy::Query;
use crate::envoy::judged::{ChainCheck, HeldCertificate, Judged, Side, Validity};
use crate::envoy::model::{CertificateRef, NodeInfo, SecretContent, Section, Socket};
use crate::envoy::vocabulary::{first_few, holder};
use crate::finding::{self, Code, Confidence, Finding};
use crate::pki::time;
use std::collections::{BTreeMap, BTreeSet};

/// The name of the secret that holds the workload's own certificate in Istio.
const OWN: &str = "default";

pub fn find(judged: &Judged, query: &Query, found: &mut Vec<Finding>) {
    for held in &judged.certificates {
        found.extend(unreadable(judged, held));
        found.extend(validity(judged, held, query.at));
        found.extend(chain(judged, held));
        found.extend(identity(judged, held));
    }
    never_delivered(judged, found);
}

/// Where the secret of that name stands in the dump.
fn path<'a>(judged: &'a Judged, name: &str) -> Option<&'a str> {
    judged.proxy.secrets.iter().find(|secret| secret.name == name).map(|secret| secret.path.as_str())
}

/// `certificate default (bookinfo/bookinfo-details)`.
fn title(held: &HeldCertificate) -> String {
    let what = if held.is_ca { "CA" } else { "certificate" };
    match holder(held) {
        Some(holder) => format!("{what} {} ({holder})", held.name),
        None => format!("{what} {}", held.name),
    }
}

/// A certificate that is there, and that nothing can be said about.
fn unreadable(judged: &Judged, held: &HeldCertificate) -> Option<Finding> {
    let why = held.problem.as_ref()?;
    let message = format!("{} is there and could not be read: {}", title(held), quoted(why));
    let help = "look at it where it comes from (the secret, or the file): a block that is cut or is no certificate";
    let found = at(judged, &finding::CERTIFICATE_CHAIN_BROKEN, path(judged, &held.name), message, help);
    Some(unsure(found, Confidence::Medium))
}

/// One finding for the worst of the certificate and those above it.
fn validity(judged: &Judged, held: &HeldCertificate, at_time: i64) -> Option<Finding> {
    if held.state == Validity::Missing {
        return None;
    }
    let own = std::iter::once((title(held), held.state, held.not_before, held.not_after));
    let above = held.intermediates.iter().map(|link| {
        let title = format!("{}, which {} rests on,", link.subject, title(held));
        (title, link.state, Some(link.not_before), Some(link.not_after))
    });
    let rank = |state: Validity| match state {
        Validity::Expired => 3,
        Validity::NotYetValid => 2,
        Validity::ExpiresSoon => 1,
        Validity::Valid | Validity::Missing => 0,
    };
    // Of two that are as bad, the first one: the certificate itself.
    let (title, state, from, to) = own.chain(above).rev().max_by_key(|(_, state, ..)| rank(*state))?;
    let when = |at: Option<i64>| at.map_or("a time that is not known".to_owned(), time::format);
    let (code, text): (&'static Code, String) = match state {
        Validity::Expired => (&finding::CERTIFICATE_NOT_VALID, format!("{title} expired at {}", when(to))),
        Validity::NotYetValid => {
            (&finding::CERTIFICATE_NOT_VALID, format!("{title} is not valid before {}", when(from)))
        }
        Validity::ExpiresSoon => {
            let left = to.map(|to| format!(", in {}", time::words(to.saturating_sub(at_time)))).unwrap_or_default();
            (&finding::CERTIFICATE_EXPIRES_SOON, format!("{title} ends at {}{left}", when(to)))
        }
        Validity::Valid | Validity::Missing => return None,
    };
    let help = if held.is_ca {
        "rotate the CA before it ends: new roots have to be everywhere before the first leaf is signed with them"
    } else {
        "look why it was not renewed: the agent's log, istiod, the secret; then the clocks of both"
    };
    Some(at(judged, code, path(judged, &held.name), text, help))
}

fn chain(judged: &Judged, held: &HeldCertificate) -> Option<Finding> {
    let ChainCheck::Failed(why) = &held.chain else { return None };
    let message = format!("{} does not build to a CA that this proxy trusts: {}", title(held), quoted(why));
    let help = "peers refuse it: compare the roots of both (istio-ca-root-cert) and the CA that signed it";
    Some(at(judged, &finding::CERTIFICATE_CHAIN_BROKEN, path(judged, &held.name), message, help))
}

/// The workload's own certificate names another one, so peers and policies take it for that.
fn identity(judged: &Judged, held: &HeldCertificate) -> Option<Finding> {
    let node = judged.proxy.node.as_ref()?;
    if held.is_ca || held.name != OWN || held.state == Validity::Missing {
        return None;
    }
    let help = "restart the pod so that the agent asks anew; check its service account and what signs for it";
    let says = |message: String| at(judged, &finding::IDENTITY_MISMATCH, path(judged, &held.name), message, help);
    let Some(id) = held.spiffe_id.as_deref() else {
        return Some(says(format!("certificate {OWN} has no SPIFFE ID: peers cannot tell whose it is")));
    };
    if let Some(expected) = unlike(node, id) {
        return Some(says(format!("certificate {OWN} is of {id}, the proxy runs as {expected}")));
    }
    let trusted = trust_domains(judged);
    let own = id.strip_prefix("spiffe://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if trusted.is_empty() || trusted.contains(own) {
        return None;
    }
    let trusted: Vec<String> = trusted.into_iter().map(str::to_owned).collect();
    let trusted = first_few(&trusted, MOST_NAMES);
    let message = format!("certificate {OWN} is of trust domain {own}, the proxy accepts clients of {trusted} only");
    Some(unsure(says(message), Confidence::Medium))
}

/// The namespace and service account that the proxy runs as, where the ID names others.
fn unlike(node: &NodeInfo, id: &str) -> Option<String> {
    let rest = id.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/')).map(|(_, rest)| rest);
    let named = rest.and_then(|rest| rest.strip_prefix("ns/")).and_then(|rest| rest.split_once("/sa/"));
    let account = node.service_account.as_deref().filter(|account| !account.is_empty());
    if node.namespace.is_empty() {
        return None;
    }
    let same = named.is_some_and(|(namespace, named)| {
        namespace == node.namespace && account.is_none_or(|account| account == named)
    });
    // Without a service account in the dump, an ID of another form cannot be compared.
    let known = named.is_some() || account.is_some();
    (known && !same).then(|| format!("ns/{}/sa/{}", node.namespace, account.unwrap_or("?")))
}

/// Trust domains whose clients the inbound chains accept: `prefix spiffe://DOMAIN/`, which Istio writes for its own domain
/// and its aliases (`BuildInboundTLS`).
fn trust_domains(judged: &Judged) -> BTreeSet<&str> {
    let rows = judged.rows.iter().filter(|row| row.side == Side::Inbound);
    let chains = rows.filter_map(|row| judged.proxy.listeners.get(row.listener)?.chains.get(row.chain));
    let names = chains
        .filter_map(|chain| chain.socket.tls())
        // A server with a user's certificate says nothing about the mesh.
        .filter(|tls| tls.certificates.iter().any(|one| *one == CertificateRef::Secret(OWN.to_owned())))
        .filter_map(|tls| tls.validation.as_ref())
        .flat_map(|validation| &validation.names);
    names.filter_map(|name| name.strip_prefix("prefix spiffe://")?.strip_suffix('/')).collect()
}

/// Secrets that chains or clusters name and that the dump has not, or has empty. One finding for each secret.
fn never_delivered(judged: &Judged, found: &mut Vec<Finding>) {
    let proxy = &judged.proxy;
    if !proxy.sections.contains(&Section::Secrets) {
        return;
    }
    let there = proxy.secrets.iter().filter(|secret| !matches!(secret.content, SecretContent::Missing));
    let there: BTreeSet<&str> = there.map(|secret| secret.name.as_str()).collect();
    let mut missing: BTreeMap<&str, (Vec<String>, usize)> = BTreeMap::new();
    let mut note = |socket, who: &str| {
        for name in named(socket).into_iter().filter(|name| !there.contains(name)) {
            let (users, count) = missing.entry(name).or_default();
            *count += 1;
            if users.len() < MOST_NAMES && users.last().is_none_or(|last| last != who) {
                users.push(who.to_owned());
            }
        }
    };
    for listener in &proxy.listeners {
        listener.chains.iter().for_each(|chain| note(&chain.socket, &listener.name));
    }
    for cluster in &proxy.clusters {
        let sockets = cluster.matches.iter().map(|one| &one.socket).chain([&cluster.socket]);
        sockets.for_each(|socket| note(socket, &cluster.name));
    }
    for (name, (users, count)) in missing {
        let uses = if count == 1 { "once".to_owned() } else { format!("{} times", count) };
        let message = format!("secret {name} was never delivered; it is named {uses}, first by {}", users.join(", "));
        let help = "does the secret exist, in the namespace that is looked in, and may the proxy's account read it?";
        found.push(at(judged, &finding::SECRET_NEVER_DELIVERED, path(judged, name), message, help));
    }
}

/// Names of the secrets that a socket needs.
fn named(socket: &Socket) -> Vec<&str> {
    let Some(tls) = socket.tls() else { return Vec::new() };
    let own = tls.certificates.iter().filter_map(|one| match one {
        CertificateRef::Secret(name) => Some(name.as_str()),
        CertificateRef::File(_) | CertificateRef::Inline(_) => None,
    });
    let ca = tls.validation.as_ref().and_then(|validation| validation.secret.as_deref());
    own.chain(ca).collect()
}
