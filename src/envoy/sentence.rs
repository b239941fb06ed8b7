//! The sentence for a person that says what a port takes, and what becomes of whom.

use super::group::{authn_modes, is_http, label};
use super::judged::{Authz, ChainCheck, ClientCertificate, HeldCertificate, Judged, Port, Row, Side, Validity};
use super::model::{Action, Chain, Filter, Layer, Mode, Policy, Proxy, Rbac, Socket};
use super::peer::Index;
use super::{routes, side};
use std::collections::BTreeMap;

/// How many names stand in one list.
const MOST_NAMED: usize = 3;

/// Composes it: the port and its mode, what becomes of plaintext, who else gets in, what stands in the way of the
/// handshake, what authorization does, and what was not understood.
pub(super) fn of(port: &Port, judged: &Judged, held: &Held<'_>) -> String {
    let rows: Vec<(&Row, &Chain)> = port.rows.iter().filter_map(|at| row(*at, judged)).collect();
    let mut parts = Vec::new();
    if port.side == Side::Internal {
        parts.push(tunnelled(port, judged));
    } else if rows.iter().any(|(row, _)| is_server(row, port)) {
        parts.extend(servers(port, &rows));
    } else {
        parts.push(plaintext(port, &rows));
        parts.extend(other_tls(port, judged));
    }
    parts.extend(handshake(&rows, held));
    parts.extend(authorization(port, &rows, &judged.proxy));
    let mut doubts: Vec<&str> = rows.iter().flat_map(|(row, _)| &row.doubts).map(String::as_str).collect();
    doubts.sort_unstable();
    doubts.dedup();
    if !doubts.is_empty() {
        parts.push(format!("in doubt: {}", some_of(&doubts)));
    }
    format!("{}: {}", head(port, judged), parts.join("; "))
}

fn row(at: usize, judged: &Judged) -> Option<(&Row, &Chain)> {
    let row = judged.rows.get(at)?;
    let chain = judged.proxy.listeners.get(row.listener)?.chains.get(row.chain)?;
    Some((row, chain))
}

/// `9080 http STRICT`, `any other port PERMISSIVE`, `15008 HBONE STRICT`.
fn head(port: &Port, judged: &Judged) -> String {
    let listener = judged.proxy.listeners.get(port.listener);
    let is_hbone = listener.and_then(side::port) == Some(side::HBONE);
    let mut words = match port.port {
        Some(number) if is_hbone => format!("{number} HBONE"),
        Some(number) => format!("{number} {}", port.protocol),
        None if port.side == Side::Internal => format!("any port {}", port.protocol),
        None => "any other port".to_owned(),
    };
    if !port.ranges.is_empty() && port.side != Side::Internal {
        words += &format!(" at {}", some_of(&port.ranges));
    }
    match port.mode {
        Some(mode) => format!("{words} {}", mode.word()),
        None => words,
    }
}

/// What becomes of a client without TLS.
fn plaintext(port: &Port, rows: &[(&Row, &Chain)]) -> String {
    match port.plaintext {
        Some(false) => "plaintext is reset".to_owned(),
        None => "whether plaintext is accepted could not be decided".to_owned(),
        Some(true) => {
            let by = some_of(&port.accepted_by);
            let refused = rows
                .iter()
                .any(|(row, chain)| row.accepts_plaintext == Some(true) && authn_modes(chain).contains(&Mode::Strict));
            let after = if refused { ", and the istio_authn filter refuses it there (401)" } else { "" };
            format!("plaintext accepted by {by}{after}")
        }
    }
}

/// TLS that gets in and is not mutual, or that nobody here looks into.
fn other_tls(port: &Port, judged: &Judged) -> Vec<String> {
    let mut parts = Vec::new();
    let by = |wanted: &dyn Fn(&Row, &Chain) -> bool| {
        let found = port.rows.iter().filter_map(|at| row(*at, judged)).filter(|(row, chain)| wanted(row, chain));
        let labels: Vec<String> = found
            .filter_map(|(row, _)| judged.proxy.listeners.get(row.listener).map(|one| label(one, row.chain)))
            .collect();
        (!labels.is_empty()).then(|| some_of(&labels))
    };
    let ends_tls = |chain: &Chain| matches!(chain.socket, Socket::Tls(_) | Socket::StartTls(_));
    let is_open = |row: &Row| row.client_certificate == ClientCertificate::Unverified && row.mtls == Some(false);
    if let Some(by) = by(&|row, chain| ends_tls(chain) && row.mtls.is_none()) {
        parts.push(format!("whether client certificates are verified by {by} could not be decided"));
    }
    if let Some(by) = by(&|row, _| is_open(row)) {
        parts.push(format!("client certificates are not verified by {by}: anyone gets in"));
    }
    if let Some(by) = by(&|row, _| row.client_certificate == ClientCertificate::Optional) {
        parts.push(format!("a client certificate is verified only when it is shown by {by}"));
    }
    let one_way = |row: &Row, chain: &Chain| {
        ends_tls(chain) && row.mtls == Some(false) && row.client_certificate == ClientCertificate::NotRequested
    };
    if let Some(by) = by(&one_way) {
        parts.push(format!("TLS without a client certificate accepted by {by}"));
    }
    if let Some(by) = by(&|row, _| row.passes_through_tls) {
        parts.push(format!("TLS of the application's own passes through {by}"));
    }
    parts
}

/// Whether a row is a server of a gateway.
fn is_server(row: &Row, port: &Port) -> bool {
    matches!(
        row.mode.or(port.mode),
        Some(Mode::Simple | Mode::Mutual | Mode::OptionalMutual | Mode::IstioMutual | Mode::Passthrough)
    )
}

/// One clause per server of a gateway.
fn servers(port: &Port, rows: &[(&Row, &Chain)]) -> Vec<String> {
    let mut parts = Vec::new();
    for (row, chain) in rows.iter().take(MOST_NAMED * 4) {
        let hosts = if chain.matches.sni.is_empty() { "any name".to_owned() } else { some_of(&chain.matches.sni) };
        let what = match row.mode {
            Some(Mode::Simple) if row.client_certificate == ClientCertificate::Unverified => {
                "TLS; a client certificate is not verified"
            }
            Some(Mode::Simple) => "TLS, no client certificate is asked for",
            Some(Mode::Mutual) => "mutual TLS, a client certificate is demanded and verified",
            Some(Mode::IstioMutual) => "mutual TLS with certificates of the mesh",
            Some(Mode::OptionalMutual) => "TLS, a client certificate is verified only when it is shown",
            Some(Mode::Passthrough) => "TLS goes on undecrypted",
            _ if row.accepts_plaintext == Some(true) => "plaintext",
            _ => "could not be decided",
        };
        let mode = row.mode.filter(|_| port.mode.is_none()).map(|mode| format!("{} ", mode.word()));
        parts.push(format!("{hosts} {}({what})", mode.unwrap_or_default()));
    }
    if rows.len() > parts.len() {
        parts.push(format!("and {} more", rows.len() - parts.len()));
    }
    parts.push(plaintext(port, rows));
    parts
}

/// What is only reached through the end of a tunnel.
fn tunnelled(port: &Port, judged: &Judged) -> String {
    let has_tunnel = judged.proxy.listeners.iter().any(|one| side::port(one) == Some(side::HBONE));
    match port.plaintext {
        Some(false) => "behind HBONE, where mTLS was enforced on 15008".to_owned(),
        _ if has_tunnel => "behind HBONE; whether only mTLS on 15008 leads there could not be shown".to_owned(),
        _ => "behind HBONE; whether mTLS is enforced there is not in this dump".to_owned(),
    }
}

/// The certificates of a proxy by name, and whether each is a CA.
pub(super) struct Held<'j> {
    certificates: BTreeMap<(&'j str, bool), &'j HeldCertificate>,
}

impl<'j> Held<'j> {
    /// Of one proxy; made once. What a file holds no dump shows: only a secret can be known to be missing.
    pub(super) fn new(judged: &'j Judged) -> Self {
        let index = Index::new(&judged.proxy);
        let mut certificates = BTreeMap::new();
        for one in judged.certificates.iter().filter(|one| one.state != Validity::Missing || index.has(&one.name)) {
            certificates.entry((one.name.as_str(), one.is_ca)).or_insert(one);
        }
        Self { certificates }
    }
}

/// What stands in the way of any handshake: certificates that clients refuse, secrets that are not there.
fn handshake(rows: &[(&Row, &Chain)], all: &Held<'_>) -> Vec<String> {
    let mut parts = Vec::new();
    let mut add = |part: String| {
        if !parts.contains(&part) {
            parts.push(part);
        }
    };
    let held = |name: &str, is_ca: bool| all.certificates.get(&(name, is_ca)).copied();
    for (row, _) in rows {
        for one in row.certificates.iter().filter_map(|name| held(name, false)) {
            if let Some(why) = refused(one, row.mtls == Some(true)) {
                let name = &one.name;
                add(format!("its certificate {name} {why}: clients that verify it refuse it, and callers see 503"));
            }
        }
        let ca = row.trusted_ca.as_deref().and_then(|name| held(name, true));
        if let Some(ca) = ca.filter(|ca| ca.state == Validity::Missing) {
            add(format!("the CA {} is missing: no client certificate can be verified, and callers see 503", ca.name));
        }
    }
    parts
}

/// Why clients refuse a certificate.
fn refused(one: &HeldCertificate, is_of_mesh: bool) -> Option<String> {
    match (&one.state, &one.chain) {
        (Validity::Expired, _) => Some("has expired".to_owned()),
        (Validity::NotYetValid, _) => Some("is not valid yet".to_owned()),
        (Validity::Missing, _) if one.problem.is_some() => Some("could not be read here; as it stands".to_owned()),
        (Validity::Missing, _) => Some("is missing".to_owned()),
        (_, ChainCheck::Failed(why)) if is_of_mesh => Some(format!("does not build to a trusted CA ({why})")),
        _ => None,
    }
}

/// What authorization does, apart for HTTP and TCP where a port has both and they differ.
fn authorization(port: &Port, rows: &[(&Row, &Chain)], proxy: &Proxy) -> Vec<String> {
    let mut parts: Vec<(Layer, String)> = Vec::new();
    for layer in [Layer::Http, Layer::Network] {
        for (row, chain) in rows.iter().filter(|(_, chain)| is_http(chain) == (layer == Layer::Http)) {
            let text = steps(row, layer).join(", then ");
            let mut all = vec![text];
            let takes = port.plaintext == Some(true) && row.accepts_plaintext == Some(true);
            if let Some(identity) = needs_identity(chain, proxy).filter(|_| takes) {
                all.push(match identity {
                    Identity::Always => format!("it needs a client identity, so plaintext gets {}", refusal(layer)),
                    Identity::Sometimes => {
                        "plaintext has no identity and passes only by rules that ask for none".to_owned()
                    }
                });
            }
            if !row.jwt.is_empty() {
                all.push(format!("a bad token gets 401 (issuers {})", some_of(&row.jwt)));
            }
            all.retain(|part| !part.is_empty());
            let text = all.join("; ");
            // The clause about plaintext is only in that of the chain that takes it: the longer one says both.
            match parts.iter_mut().find(|(other, old)| {
                *other == layer && (text.starts_with(old.as_str()) || old.starts_with(text.as_str()))
            }) {
                Some((_, old)) if old.len() >= text.len() => {}
                Some((_, old)) => *old = text,
                None => parts.push((layer, text)),
            }
        }
    }
    parts.retain(|(_, text)| !text.is_empty());
    let both =
        parts.iter().any(|(layer, _)| *layer == Layer::Http) && parts.iter().any(|(layer, _)| *layer == Layer::Network);
    let word = |layer| if layer == Layer::Http { "HTTP: " } else { "TCP: " };
    parts
        .into_iter()
        .take(MOST_NAMED * 2)
        .map(|(layer, text)| format!("{}{text}", if both { word(layer) } else { "" }))
        .collect()
}

/// What a refused call sees.
fn refusal(layer: Layer) -> &'static str {
    match layer {
        Layer::Http => "403",
        Layer::Network => "closed",
    }
}

/// The steps of a row in words.
fn steps(row: &Row, layer: Layer) -> Vec<String> {
    row.authz.iter().map(|one| step(one, layer)).collect()
}

fn step(one: &Authz, layer: Layer) -> String {
    let what = refusal(if one.layer == Layer::Network { Layer::Network } else { layer });
    let names = if one.policies.is_empty() { String::new() } else { format!(" {}", some_of(&one.policies)) };
    let word = one.action.word();
    let text = match one.action {
        Action::Audit => format!("AUDIT{names} (only logged)"),
        _ if one.bad_provider => format!("{word}{names} ({what}: its CUSTOM provider cannot be used)"),
        Action::Custom if one.enforced || one.policies.is_empty() => {
            let open = if one.fails_open {
                ", lets pass when it cannot be reached"
            } else {
                ", also when it cannot be reached"
            };
            format!("CUSTOM{names} asks a service ({what} when it refuses{open})")
        }
        _ if !one.enforced => format!("dry run of {word}{names} (refuses nothing)"),
        Action::Allow if one.denies_all && !names.is_empty() => {
            format!("ALLOW{names} matches nothing: everything gets {what}")
        }
        Action::Allow if one.denies_all => format!("ALLOW{names} without rules: everything gets {what}"),
        Action::Allow => format!("ALLOW{names} (others get {what})"),
        Action::Deny => format!("DENY{names} ({what})"),
        Action::Custom => format!("CUSTOM{names} (refuses nothing)"),
    };
    // What a route says takes the place of what its filter says.
    match &one.route {
        Some(route) if one.off || !one.enforced && one.policies.is_empty() => format!("on {route} instead nothing"),
        Some(route) => format!("on {route} instead {text}"),
        None => text,
    }
}

/// How far an ALLOW rests on the identity of the client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    /// Rules of it have other ways in than an identity, as far as can be told.
    Sometimes,
    /// Nothing passes without one.
    Always,
}

/// Whether calls without an identity pass: some ALLOW that is enforced has only policies that ask for one. Rules that
/// routes change, or that were not understood, decide nothing.
fn needs_identity(chain: &Chain, proxy: &Proxy) -> Option<Identity> {
    let changes =
        |filter: &Filter| matches!(filter, Filter::Http(manager) if routes::changes(manager, proxy).next().is_some());
    if chain.filters.iter().any(changes) {
        return None;
    }
    let rbac = |filter: &Filter| if let Filter::Rbac(rbac) = filter { identity_of(rbac) } else { None };
    routes::filters(&chain.filters, proxy).filter_map(rbac).max()
}

fn identity_of(rbac: &Rbac) -> Option<Identity> {
    let rules = rbac.rules.as_ref().filter(|rules| rules.action == Action::Allow && !rbac.odd)?;
    let of = |policy: &Policy| match policy {
        Policy { matches_nothing: true, .. } => Some(Identity::Always),
        Policy { needs_identity: false, .. } | Policy { unread: true, .. } | Policy { matches_all: true, .. } => None,
        Policy { identity_only: true, .. } => Some(Identity::Always),
        // One alternative asks for an identity, another one may not.
        _ => Some(Identity::Sometimes),
    };
    // No policy at all lets nothing pass, with or without an identity: that is said elsewhere.
    rules.policies.iter().map(of).collect::<Option<Vec<_>>>()?.into_iter().min()
}

/// The first names of a list, and how many more there are.
fn some_of<T: AsRef<str>>(names: &[T]) -> String {
    let first: Vec<&str> = names.iter().take(MOST_NAMED).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(MOST_NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::fake;

    /// The sentences of whole ports are tested with [`super::super::rows`], and against what clients got.
    #[test]
    fn steps_say_what_a_refused_call_sees_and_where_they_hold() {
        let with = |action, policies: &[&str], enforced, route: Option<&str>| Authz {
            enforced,
            route: route.map(str::to_owned),
            ..fake::step(action, policies)
        };
        for (one, layer, expected) in [
            (with(Action::Deny, &["a/b"], true, None), Layer::Http, "DENY a/b (403)"),
            (with(Action::Allow, &["a/b"], true, None), Layer::Http, "ALLOW a/b (others get 403)"),
            (with(Action::Allow, &[], true, None), Layer::Http, "ALLOW without rules: everything gets 403"),
            (with(Action::Allow, &["a/b"], false, None), Layer::Http, "dry run of ALLOW a/b (refuses nothing)"),
            (with(Action::Audit, &["a/b"], false, None), Layer::Http, "AUDIT a/b (only logged)"),
            (with(Action::Deny, &["a/b"], true, Some("route x")), Layer::Http, "on route x instead DENY a/b (403)"),
            (with(Action::Allow, &[], false, Some("route x")), Layer::Http, "on route x instead nothing"),
        ] {
            assert_eq!(step(&one, layer), expected);
        }
    }
}
