//! Port groups: the chains of a listener that take the connections to one port, and what the port is for all of them
//! together.
//!
//! Envoy (`FilterChainManagerImpl`) chooses by destination port first, then destination IP, server name, transport
//! protocol, ALPN and source, and never goes back: a connection to a port that some chain names is not offered to the
//! chains without a port. Only `default_filter_chain` takes what no chain of the branch takes, on any port.

use super::judged::{ClientCertificate, ModeSource, Port, Row, Side};
use super::model::{Chain, Filter, Listener, Match, Mode, Socket};
use super::rows::own_ports;
use std::collections::{BTreeMap, BTreeSet};

/// How many chains that take plaintext are kept by name.
const MOST_KEPT: usize = 16;

/// What gets in besides, or in place of, mutual TLS.
#[derive(Clone, Debug, Default)]
struct Facts {
    /// Some chain is mutual TLS.
    mtls: bool,
    /// Of some chain it could not be decided.
    mtls_open: bool,
    /// Some chain takes plaintext.
    plaintext: bool,
    /// Of some chain it could not be decided.
    plaintext_open: bool,
    /// TLS without a verified client certificate, ended here or passed on.
    other_tls: bool,
    accepted_by: BTreeSet<usize>,
}

impl Facts {
    fn of(at: usize, row: &Row, chain: &Chain) -> Self {
        let ends_tls = matches!(chain.socket, Socket::Tls(_) | Socket::StartTls(_));
        Self {
            mtls: row.mtls == Some(true),
            mtls_open: row.mtls.is_none(),
            plaintext: row.accepts_plaintext == Some(true),
            plaintext_open: row.accepts_plaintext.is_none(),
            other_tls: row.passes_through_tls || (ends_tls && row.mtls == Some(false)),
            accepted_by: (row.accepts_plaintext == Some(true)).then_some(at).into_iter().collect(),
        }
    }

    fn add_tls(&mut self, more: &Self) {
        self.mtls |= more.mtls;
        self.mtls_open |= more.mtls_open;
        self.other_tls |= more.other_tls;
    }

    fn add_plaintext(&mut self, more: &Self) {
        self.plaintext |= more.plaintext;
        self.plaintext_open |= more.plaintext_open;
        for at in &more.accepted_by {
            if self.accepted_by.len() < MOST_KEPT {
                self.accepted_by.insert(*at);
            }
        }
    }

    fn add(&mut self, more: &Self) {
        self.add_tls(more);
        self.add_plaintext(more);
    }

    /// What becomes of plaintext.
    fn takes_plaintext(&self) -> Option<bool> {
        if self.plaintext { Some(true) } else { (!self.plaintext_open).then_some(false) }
    }

    /// The mode. STRICT: mutual TLS gets in, and nothing else. PERMISSIVE: other things too. DISABLE: only other things,
    /// among them TLS that asks for no certificate, or does not verify it. None: undecided, or nothing gets in.
    fn mode(&self) -> Option<Mode> {
        let plaintext = self.takes_plaintext()?;
        if self.mtls_open {
            return None;
        }
        match (self.mtls, plaintext || self.other_tls) {
            (true, false) => Some(Mode::Strict),
            (true, true) => Some(Mode::Permissive),
            (false, true) => Some(Mode::Disable),
            (false, false) => None,
        }
    }
}

/// One group while it is judged.
#[derive(Default)]
struct Group<'m> {
    /// Indices of chains, and under which condition each is here.
    members: Vec<(usize, &'m Match)>,
}

type Key = (Option<u16>, Vec<String>);

/// Modes of the groups that a chain is in.
type Modes = BTreeMap<usize, Vec<(Option<Mode>, ModeSource)>>;

/// What is judged together: a listener, its rows, the conditions of each, and whether what selects among its chains was
/// understood.
pub(super) struct Part<'l> {
    pub(super) listener: &'l Listener,
    pub(super) conditions: &'l [Vec<Match>],
    /// Index of the first row.
    pub(super) first: usize,
    pub(super) is_gateway: bool,
    pub(super) is_read: bool,
}

/// Judges the ports of one listener and sets the mode of its rows.
pub(super) fn judge(part: &Part<'_>, rows: &mut [Row]) -> Vec<Port> {
    let groups = groups(part, rows);
    let shared = by_range(&groups, rows, part.listener);
    let mut ports = Vec::new();
    let mut modes = Modes::new();
    for ((port, ranges), group) in &groups {
        let facts = facts(part, (*port, ranges), group, &shared, rows);
        let mode = facts.mode();
        let source = source(group, part.listener, mode);
        for (chain, _) in &group.members {
            modes.entry(*chain).or_default().push((mode, source));
        }
        let judged = port_of(part, group, &facts, rows, source);
        // A listener of its own port may stand on several.
        let numbers = match port {
            Some(port) => vec![Some(*port)],
            None => own_ports(part.listener),
        };
        ports.extend(numbers.into_iter().map(|port| Port { port, ranges: shown(ranges), ..judged.clone() }));
    }
    set_modes(rows, part.listener, &modes, part.is_gateway);
    for port in ports.iter_mut().filter(|port| part.is_gateway || port.side == Side::Internal) {
        let mut own = port.rows.iter().filter_map(|at| rows.get(at - part.first)).map(|row| row.mode);
        let one = own.next().flatten();
        port.mode = one.filter(|_| own.all(|mode| mode == one));
        port.mode_source = port.mode.map(|_| ModeSource::Inferred);
        let own = port.rows.iter().filter_map(|at| rows.get(at - part.first));
        let is_decided = port.plaintext.is_some() && own.clone().all(is_decided);
        port.class = (part.is_gateway && port.mode.is_none() && is_decided).then_some("by SNI");
    }
    ports
}

/// Whether all of a row is known.
fn is_decided(row: &Row) -> bool {
    row.mtls.is_some() && row.accepts_plaintext.is_some()
}

/// The port of a group, without its number.
fn port_of(part: &Part<'_>, group: &Group<'_>, facts: &Facts, rows: &[Row], source: ModeSource) -> Port {
    let members: Vec<usize> = group.members.iter().map(|(chain, _)| *chain).collect();
    let first = rows.first();
    let is_internal = first.is_some_and(|row| row.side == Side::Internal);
    let mode = facts.mode();
    Port {
        listener: first.map_or(0, |row| row.listener),
        side: if is_internal { Side::Internal } else { Side::Inbound },
        protocol: protocol(&members, part.listener),
        mode,
        mode_source: mode.map(|_| source),
        plaintext: facts.takes_plaintext(),
        accepted_by: facts.accepted_by.iter().map(|at| label(part.listener, *at)).collect(),
        rows: members.iter().map(|chain| part.first + chain).collect(),
        ..Port::default()
    }
}

/// What gets in by a group: by its chains, by those of groups that share a range with it, by those that a matcher may
/// lead to, and by the default chain.
fn facts(
    part: &Part<'_>,
    (port, ranges): (Option<u16>, &[String]),
    group: &Group<'_>,
    shared: &BTreeMap<(Option<u16>, &str), Facts>,
    rows: &[Row],
) -> Facts {
    let mut facts = Facts::default();
    for more in ranges.iter().filter_map(|range| shared.get(&(port, range.as_str()))) {
        facts.add(more);
    }
    let has_rest = !part.listener.has_matcher || fall_through(part.listener, port, rows, &mut facts);
    let default = part.listener.chains.iter().position(|chain| chain.is_default);
    if let Some(default) = default.filter(|_| has_rest) {
        leftovers(group, default, rows, part.listener, &mut facts);
    }
    if !part.is_read || group.members.iter().any(|(_, one)| one.unread) {
        (facts.mtls_open, facts.plaintext_open) = (true, true);
    }
    facts
}

/// Adds what a `filter_chain_matcher` may lead connections to a port to: unlike matches, the conditions of a list are
/// asked one after the other, and what is for no match takes every connection that is left, on any port. Whether any is
/// left after it.
fn fall_through(listener: &Listener, port: Option<u16>, rows: &[Row], facts: &mut Facts) -> bool {
    let mut named = BTreeMap::<&str, Vec<usize>>::new();
    for (at, chain) in listener.chains.iter().enumerate().filter(|(_, chain)| !chain.is_default) {
        named.entry(&chain.name).or_default().push(at);
    }
    for hit in &listener.matcher {
        let is_met = match hit.port {
            None => port.is_none_or(|port| !hit.not_ports.contains(&port)),
            own => own == port,
        };
        if !is_met {
            continue;
        }
        for at in named.get(hit.chain.as_str()).into_iter().flatten() {
            if let (Some(row), Some(chain)) = (rows.get(*at), listener.chains.get(*at)) {
                facts.add(&Facts::of(*at, row, chain));
            }
        }
        let is_any = hit.transport.is_none() && hit.alpn.is_empty() && hit.sni.is_empty() && hit.ranges.is_empty();
        if is_any && !hit.is_loose {
            return false;
        }
    }
    true
}

/// Chains by destination port and ranges, sorted. Blackholes are in none; the default chain stands with the chains for
/// any port, and takes leftovers elsewhere.
fn groups<'m>(part: &Part<'m>, rows: &[Row]) -> BTreeMap<Key, Group<'m>> {
    let mut groups = BTreeMap::<Key, Group<'m>>::new();
    for ((at, row), own) in rows.iter().enumerate().zip(part.conditions) {
        if row.side == Side::Blackhole {
            continue;
        }
        for condition in own {
            let key = (condition.port, normal(&condition.ranges));
            let group = groups.entry(key).or_default();
            // Chains come in order: one that is here already is the last one. Under a matcher it may be here by two ways.
            if group.members.last().is_none_or(|(other, _)| *other != at) || part.listener.has_matcher {
                group.members.push((at, condition));
            }
        }
    }
    for group in groups.values_mut() {
        group.members.dedup();
    }
    groups
}

/// Facts by port and range: chains of two groups may share a range without having all of them in common.
fn by_range<'g>(
    groups: &'g BTreeMap<Key, Group<'_>>,
    rows: &[Row],
    listener: &Listener,
) -> BTreeMap<(Option<u16>, &'g str), Facts> {
    let mut shared = BTreeMap::<(Option<u16>, &str), Facts>::new();
    for ((port, ranges), group) in groups {
        let mut own = Facts::default();
        for (at, _) in &group.members {
            if let (Some(row), Some(chain)) = (rows.get(*at), listener.chains.get(*at)) {
                own.add(&Facts::of(*at, row, chain));
            }
        }
        for range in ranges {
            shared.entry((*port, range)).or_default().add(&own);
        }
    }
    shared
}

/// Ranges in one form: none at all is every address, as Envoy has it.
fn normal(ranges: &[String]) -> Vec<String> {
    if ranges.is_empty() {
        return vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()];
    }
    let mut ranges = ranges.to_vec();
    ranges.sort_unstable();
    ranges.dedup();
    ranges
}

/// Ranges as a reader needs them: every IPv4 (or IPv6) address is no restriction worth a word.
fn shown(ranges: &[String]) -> Vec<String> {
    let is_all = |range: &String| matches!(range.as_str(), "0.0.0.0/0" | "::/0");
    if ranges.iter().any(is_all) { Vec::new() } else { ranges.to_vec() }
}

/// Adds what the default chain takes of a group's connections: what none of its chains takes.
fn leftovers(group: &Group<'_>, default: usize, rows: &[Row], listener: &Listener, facts: &mut Facts) {
    let (Some(row), Some(chain)) = (rows.get(default), listener.chains.get(default)) else { return };
    if group.members.iter().any(|(at, _)| *at == default) && group.members.len() == 1 {
        return;
    }
    let alone = Facts::of(default, row, chain);
    if !takes_all(group, default, "raw_buffer") {
        facts.add_plaintext(&alone);
    }
    if !takes_all(group, default, "tls") {
        facts.add_tls(&alone);
    }
}

/// Whether some chain of a group takes every connection of a transport protocol. Chains that name the protocol come
/// before those that name none, and if there are any, the others are not asked.
fn takes_all(group: &Group<'_>, default: usize, transport: &str) -> bool {
    let own = || group.members.iter().filter(|(at, one)| *at != default && one.sni.is_empty()).map(|(_, one)| *one);
    let is_named = own().any(|one| one.transport.as_deref() == Some(transport));
    let wanted = is_named.then_some(transport);
    own().any(|one| one.transport.as_deref() == wanted && one.alpn.is_empty() && one.source.is_empty() && !one.unread)
}

/// How a mode is known. `istio_authn` (to 1.10) says what was asked for, the chains what is done: it counts as the source
/// only where both agree. STRICT in the filter of a chain that takes plaintext refuses the request (401), but by then it
/// was sent in clear.
fn source(group: &Group<'_>, listener: &Listener, mode: Option<Mode>) -> ModeSource {
    let chains = group.members.iter().filter_map(|(at, _)| listener.chains.get(*at));
    let mut said: Vec<Mode> = chains.flat_map(authn_modes).collect();
    said.sort_unstable();
    said.dedup();
    match said.as_slice() {
        [one] if Some(*one) == mode => ModeSource::IstioAuthn,
        _ => ModeSource::Inferred,
    }
}

/// Modes that the `istio_authn` filter of a chain has.
pub(super) fn authn_modes(chain: &Chain) -> Vec<Mode> {
    let of = |filter: &Filter| match filter {
        Filter::IstioAuthn(authn) => authn.modes.clone(),
        _ => Vec::new(),
    };
    let within = |filter: &Filter| match filter {
        Filter::Http(manager) => manager.filters.iter().flat_map(of).collect(),
        other => of(other),
    };
    chain.filters.iter().flat_map(within).collect()
}

/// Sets the modes of the rows. A chain in several groups has their common mode.
fn set_modes(rows: &mut [Row], listener: &Listener, modes: &Modes, is_gateway: bool) {
    for (at, (row, chain)) in rows.iter_mut().zip(&listener.chains).enumerate() {
        if row.side != Side::Inbound {
            continue;
        }
        if is_gateway {
            row.mode = server_mode(row, chain);
            row.mode_source = row.mode.map(|_| ModeSource::Inferred);
            continue;
        }
        let own = modes.get(&at).map(Vec::as_slice).unwrap_or_default();
        if let Some((mode, source)) = own.first().filter(|(mode, _)| own.iter().all(|(other, _)| other == mode)) {
            row.mode = *mode;
            row.mode_source = mode.map(|_| *source);
        }
    }
}

/// Mode of a server of a gateway. One that demands a certificate and does not verify it is no better than SIMPLE.
fn server_mode(row: &Row, chain: &Chain) -> Option<Mode> {
    match &chain.socket {
        Socket::Raw => row.passes_through_tls.then_some(Mode::Passthrough),
        Socket::Tls(_) => match (row.mtls?, row.client_certificate) {
            (true, _) if is_of_mesh(row) => Some(Mode::IstioMutual),
            (true, _) => Some(Mode::Mutual),
            (false, ClientCertificate::Optional) => Some(Mode::OptionalMutual),
            (false, _) => Some(Mode::Simple),
        },
        _ => None,
    }
}

/// Whether certificate and CA are those that Istio gives to workloads, by SDS or, before 1.5, in files.
fn is_of_mesh(row: &Row) -> bool {
    let certificate = row.certificates.as_slice();
    let by_sds = certificate == ["default"] && row.trusted_ca.as_deref() == Some("ROOTCA");
    by_sds
        || (certificate == ["/etc/certs/cert-chain.pem"]
            && row.trusted_ca.as_deref() == Some("/etc/certs/root-cert.pem"))
}

/// What the chains speak: `http`, `tcp`, or `auto`, which is either.
fn protocol(members: &[usize], listener: &Listener) -> &'static str {
    let chains = || members.iter().filter_map(|at| listener.chains.get(*at));
    let http = chains().filter(|chain| is_http(chain)).count();
    match http {
        0 => "tcp",
        some if some == chains().count() => "http",
        _ => "auto",
    }
}

/// Whether a chain speaks HTTP.
pub(super) fn is_http(chain: &Chain) -> bool {
    chain.filters.iter().any(|filter| matches!(filter, Filter::Http(_)))
}

/// A chain as a reader finds it: `0.0.0.0_9080[7]`, its own name (or that of the listener) and its index.
pub(super) fn label(listener: &Listener, at: usize) -> String {
    let name = listener.chains.get(at).map(|chain| chain.name.as_str()).filter(|name| !name.is_empty());
    format!("{}[{at}]", name.unwrap_or(&listener.name))
}
