//! The table of `istioctl experimental authz check` of Istio 1.6, byte for byte.
//!
//! The rules are those of `istioctl/pkg/authz/{analyzer,listener,util}.go` of 1.6.14. Where they give a wrong answer the
//! table differs: chains are counted whether they can be read or not, every RBAC filter is listed (the old command kept
//! one per chain), names are sorted (they came in the order of a Go map), filters and sockets are known by their type and
//! not by their name, and mTLS is `yes` only where the client's certificate is verified. The other errors stay, since the
//! text is a format that scripts read: [`Compat::notes`] names those that this very table repeats.

use super::judged::{Judged, Row};
use super::model::{
    Action, Address, CertificateRef, Chain, Direction, Filter, Layer, Listener, Mode, Proxy, Rbac, Section, Socket,
    State, Tls, Validation,
};
use super::routes;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// The columns.
const HEADERS: [&str; 4] = ["LISTENER[FilterChain]", "CERTIFICATE", "mTLS (MODE)", "AuthZ (RULES)"];

/// Spaces between columns.
const PADDING: usize = 5;

/// Sections without which the old command fails, by the type that it looks for.
const NEEDED: &[(Section, &str)] = &[
    (Section::Bootstrap, "BootstrapConfigDump"),
    (Section::Listeners, "ListenersConfigDump"),
    (Section::Clusters, "ClustersConfigDump"),
];

/// The old table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compat {
    /// `Checked 13/25 listeners with node IP 10.131.1.100.`
    pub head: String,
    /// One row per filter chain.
    pub rows: Vec<[String; 4]>,
    /// What of it misleads, and where it differs from the old command: sentences for stderr.
    pub notes: Vec<String>,
}

impl Compat {
    /// The text. `escape` makes what comes from outside safe to print; columns are as wide as what it returns.
    #[must_use]
    pub fn text(&self, escape: impl Fn(&str) -> Cow<'_, str>) -> String {
        let header = HEADERS.map(str::to_owned);
        let lines: Vec<[String; 4]> = std::iter::once(&header)
            .chain(&self.rows)
            .map(|row| row.each_ref().map(|cell| escape(cell).into_owned()))
            .collect();
        let mut widths = [0; 4];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        let mut text = format!("{}\n", escape(&self.head));
        for line in &lines {
            for (at, (cell, width)) in line.iter().zip(widths).enumerate() {
                text.push_str(cell);
                // The last column is not padded.
                if at + 1 < line.len() {
                    let spaces = width - cell.chars().count() + PADDING;
                    text.extend(std::iter::repeat_n(' ', spaces));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// The table of one proxy; an error where the old command has none, in its words.
///
/// # Errors
/// A section that it needs is missing, or the ID of the node does not have four parts.
pub fn table(judged: &Judged) -> Result<Compat, String> {
    let proxy = &judged.proxy;
    for (section, name) in NEEDED {
        if !proxy.sections.contains(section) {
            return Err(format!("config dump has no configuration type type.googleapis.com/envoy.admin.v3.{name}"));
        }
    }
    let id = proxy.node.as_ref().map(|node| node.id.as_str()).unwrap_or_default();
    let [_, node_ip, _, _] = *id.split('~').collect::<Vec<_>>().as_slice() else {
        return Err(format!("invalid node ID: {id}"));
    };
    let judged_rows: BTreeMap<(usize, usize), &Row> =
        judged.rows.iter().map(|row| ((row.listener, row.chain), row)).collect();
    let active: Vec<(usize, &Listener)> =
        proxy.listeners.iter().enumerate().filter(|(_, one)| one.state == State::Active).collect();
    let mut checked: Vec<(usize, &Listener)> =
        active.iter().copied().filter(|(_, one)| is_checked(one, node_ip)).collect();
    checked.sort_by_cached_key(|(_, one)| order(one));
    let mut seen = Seen::default();
    let mut rows = Vec::new();
    for (index, listener) in &checked {
        for (at, chain) in listener.chains.iter().enumerate() {
            let name = match listener.chains.len() {
                1 => listener.name.clone(),
                _ => format!("{}[{at}]", listener.name),
            };
            rows.push(row(name, listener, chain, judged_rows.get(&(*index, at)).copied(), proxy, &mut seen));
        }
        seen.without_chains += usize::from(listener.chains.is_empty());
    }
    let notes = notes(&seen, proxy, node_ip, &active, checked.len());
    Ok(Compat {
        head: format!("Checked {}/{} listeners with node IP {node_ip}.", checked.len(), active.len()),
        rows,
        notes,
    })
}

/// Whether the old command looks at a listener: its (first) address is that of the node, or the IPv4 wildcard.
fn is_checked(listener: &Listener, node_ip: &str) -> bool {
    matches!(listener.addresses.first(), Some(Address::Socket(ip, _)) if ip == node_ip || ip == "0.0.0.0")
}

/// Sorts by the bytes of the IP (IPv4 mapped into IPv6, what is no IP first), then by port, then by name.
fn order(listener: &Listener) -> (Option<Ipv6Addr>, u16, String) {
    let (ip, port) = match listener.addresses.first() {
        Some(Address::Socket(ip, port)) => (ip.parse().ok(), *port),
        _ => (None, 0),
    };
    let bytes = ip.map(|ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    });
    (bytes, port, listener.name.clone())
}

/// What rows showed that the table does not tell, counted in rows.
#[derive(Debug, Default)]
struct Seen {
    sds_words: usize,
    silent_modes: BTreeMap<Mode, usize>,
    plain_beside: usize,
    unverified: usize,
    unknown_socket: usize,
    outbound: usize,
    not_enforced: usize,
    denies_all: usize,
    refusing: usize,
    several_filters: usize,
    others: usize,
    jwt: usize,
    unread: usize,
    without_chains: usize,
}

/// One row, noting what it does not tell.
fn row(
    name: String,
    listener: &Listener,
    chain: &Chain,
    judged: Option<&Row>,
    proxy: &Proxy,
    seen: &mut Seen,
) -> [String; 4] {
    let (tls, is_clear_first) = socket(&chain.socket, seen);
    let certificate = tls.map_or_else(|| "none".to_owned(), certificate);
    seen.sds_words += usize::from(certificate.starts_with("noneSDS: "));
    let demands = tls.is_some_and(|tls| tls.require_client_certificate);
    let verified = demands && !is_clear_first && tls.is_some_and(verifies) && !is_refuted(judged);
    seen.unverified += usize::from(demands && !verified);
    let filters = filters(chain, proxy);
    let modes: Vec<&str> = filters.iter().filter_map(|filter| modes(filter)).flatten().collect();
    let mode = if modes.is_empty() { "none".to_owned() } else { modes.join(",") };
    let port_mode = judged.and_then(|row| row.mode);
    if let (true, Some(mode)) = (modes.is_empty(), port_mode) {
        *seen.silent_modes.entry(mode).or_default() += 1;
    }
    seen.plain_beside += usize::from(verified && port_mode == Some(Mode::Permissive));
    seen.outbound += usize::from(listener.direction == Some(Direction::Outbound));
    seen.unread += usize::from(judged.is_some_and(|row| !row.doubts.is_empty()));
    let yes = if verified { "yes" } else { "no" };
    [name, certificate, format!("{yes} ({mode})"), authz(&filters, seen)]
}

/// The TLS of a socket, and whether the connection begins without it.
fn socket<'s>(socket: &'s Socket, seen: &mut Seen) -> (Option<&'s Tls>, bool) {
    match socket {
        Socket::Raw => (None, false),
        Socket::Tls(tls) => (Some(tls), false),
        Socket::StartTls(tls) => (Some(tls), true),
        Socket::Internal(inner) => match &**inner {
            Socket::Tls(tls) => (Some(tls), false),
            Socket::StartTls(tls) => (Some(tls), true),
            Socket::Raw => (None, false),
            Socket::Internal(_) | Socket::Unknown(_) => {
                seen.unknown_socket += 1;
                (None, false)
            }
        },
        Socket::Unknown(_) => {
            seen.unknown_socket += 1;
            (None, false)
        }
    }
}

/// The certificate in the words of 1.6. `none` is where they start, and SDS secrets are put behind it: a certificate of
/// the secret `default` alone is `noneSDS: default`.
fn certificate(tls: &Tls) -> String {
    let mut files = Vec::new();
    let mut secrets = Vec::new();
    for certificate in &tls.certificates {
        match certificate {
            CertificateRef::File(path) => files.push(path.as_str()),
            CertificateRef::Inline(_) => files.push("<inline>"),
            CertificateRef::Secret(name) => secrets.push(name.as_str()),
        }
    }
    let mut words = if files.is_empty() { "none".to_owned() } else { files.join(",") };
    if !secrets.is_empty() {
        words.push_str(if files.is_empty() { "" } else { "; " });
        words.push_str("SDS: ");
        words.push_str(&secrets.join(","));
    }
    words
}

/// Whether the certificate of a client is verified: there is a CA (or its secret) or a pin, and not every chain is taken.
/// Measured with Envoy: without one the flag alone does not even ask for a certificate.
fn verifies(tls: &Tls) -> bool {
    let verifies = |how: &Validation| {
        let has_anchor = how.ca.is_some() || how.secret.is_some() || how.pins > 0 || !how.trust_domains.is_empty();
        has_anchor && !how.accept_untrusted
    };
    tls.validation.as_ref().is_some_and(verifies)
}

/// Whether the judgement of the row found that it is not mutual TLS, or could not find that it is.
fn is_refuted(judged: Option<&Row>) -> bool {
    judged.is_some_and(|row| row.mtls != Some(true))
}

/// All filters of a chain, those of the HTTP connection manager in its place, those that ECDS delivers too.
fn filters<'p>(chain: &'p Chain, proxy: &'p Proxy) -> Vec<&'p Filter> {
    let resolve = |filter: &'p Filter| routes::delivered(filter, proxy).last().unwrap_or(filter);
    let mut all = Vec::new();
    for filter in chain.filters.iter().map(resolve) {
        match filter {
            Filter::Http(manager) => all.extend(manager.filters.iter().map(resolve)),
            filter => all.push(filter),
        }
    }
    all
}

/// The modes that an `istio_authn` filter says.
fn modes(filter: &Filter) -> Option<impl Iterator<Item = &'static str>> {
    match filter {
        Filter::IstioAuthn(authn) => Some(authn.modes.iter().map(|mode| mode.word())),
        _ => None,
    }
}

/// The last column: how many policies there are, and their raw names, sorted.
fn authz(filters: &[&Filter], seen: &mut Seen) -> String {
    let rbac: Vec<&Rbac> = filters
        .iter()
        .filter_map(|filter| if let Filter::Rbac(rbac) = filter { Some(&**rbac) } else { None })
        .collect();
    let others = |filter: &&Filter| {
        matches!(filter, Filter::ExtAuthz(_) | Filter::Discovered(_) | Filter::Opaque(_) | Filter::Unknown(_))
    };
    seen.others += usize::from(filters.iter().any(others));
    seen.jwt += usize::from(filters.iter().any(|filter| matches!(filter, Filter::Jwt(_))));
    if rbac.is_empty() {
        return "no (none)".to_owned();
    }
    let rules = || rbac.iter().filter_map(|rbac| rbac.rules.as_ref());
    let mut names: Vec<&str> = rules().flat_map(|rules| &rules.policies).map(|policy| policy.name.as_str()).collect();
    names.sort_unstable();
    let is_allow_nothing = rules().any(|rules| rules.action == Action::Allow && rules.policies.is_empty());
    seen.denies_all += usize::from(is_allow_nothing);
    seen.refusing += usize::from(rules().any(|rules| rules.action != Action::Allow && !rules.policies.is_empty()));
    let of_http = rbac.iter().filter(|rbac| rbac.layer == Layer::Http && rbac.rules.is_some()).count();
    seen.several_filters += usize::from(of_http > 1);
    if names.is_empty() {
        seen.not_enforced += usize::from(!is_allow_nothing && !rbac.iter().any(|rbac| rbac.odd));
        return "yes (none)".to_owned();
    }
    format!("yes ({}: {})", names.len(), names.join(", "))
}

/// The sentences about what misleads, and about what differs.
fn notes(seen: &Seen, proxy: &Proxy, node_ip: &str, active: &[(usize, &Listener)], checked: usize) -> Vec<String> {
    let modes = seen.silent_modes.iter().map(|(mode, count)| {
        let (rows, mode) = (rows_in_words(*count), mode.word());
        format!("MODE is (none) on {rows} although the mode is {mode}: it is inferred from the chains.")
    });
    let words = "\"noneSDS: NAME\" means: no certificate in a file, the certificate comes from the SDS secret NAME.";
    let words = (seen.sds_words > 0).then(|| words.to_owned());
    let counted = seen.counted().into_iter().filter(|(count, _)| *count > 0);
    let mut notes: Vec<String> = words.into_iter().chain(modes).collect();
    notes.extend(counted.map(|(count, text)| text.replace("{}", &rows_in_words(count))));
    notes.extend(left_out(seen, proxy, node_ip, active, checked));
    notes
}

impl Seen {
    /// What was counted, each with the sentence about it; `{}` stands for how many rows.
    fn counted(&self) -> [(usize, &'static str); 11] {
        [
            (
                self.plain_beside,
                "mTLS is yes on {} of ports that accept plaintext too (PERMISSIVE), through a chain of their own.",
            ),
            (
                self.unverified,
                "mTLS is no on {} where the old command says yes: a client certificate is demanded, and it is not shown \
                 that it is verified.",
            ),
            (self.unknown_socket, "CERTIFICATE is none and mTLS is no on {} whose transport socket is not understood."),
            (self.outbound, "Of outbound listeners, which say nothing about who may call this workload: {}."),
            (
                self.not_enforced,
                "AuthZ is \"yes (none)\" on {} where nothing is enforced (no rules, or only shadow rules).",
            ),
            (self.denies_all, "AuthZ does not tell that an ALLOW without policies refuses every call on {}."),
            (self.refusing, "AuthZ counts policies of DENY or AUDIT like those of ALLOW on {}."),
            (
                self.several_filters,
                "AuthZ lists the policies of every RBAC filter on {}; the old command lists those of the last one.",
            ),
            (
                self.others,
                "AuthZ leaves out other filters that may refuse a call (ext_authz, Wasm, not in the dump ...) on {}.",
            ),
            (self.jwt, "Issuers of JWTs are not shown on {}."),
            (self.unread, "Something was not understood on {}."),
        ]
    }
}

/// The sentences about listeners that have no row.
fn left_out(seen: &Seen, proxy: &Proxy, node_ip: &str, active: &[(usize, &Listener)], checked: usize) -> Vec<String> {
    let mut notes = Vec::new();
    let count = |is: &dyn Fn(&Listener) -> bool| active.iter().filter(|(_, one)| is(one)).count();
    let mut say = |count: usize, words: String| {
        if count > 0 {
            notes.push(format!("{} {words}", listeners_in_words(count)));
        }
    };
    let is_wildcard =
        |one: &Listener| matches!(one.addresses.first(), Some(Address::Socket(ip, _)) if ip == "::" && ip != node_ip);
    let is_own = |one: &Listener| {
        let own = proxy.node.as_ref().map(|node| node.addresses.as_slice()).unwrap_or_default();
        matches!(one.addresses.first(), Some(Address::Socket(ip, _))
            if ip != node_ip && ip.parse().is_ok_and(|ip: IpAddr| own.contains(&ip)))
    };
    let is_inner = |one: &Listener| !matches!(one.addresses.first(), Some(Address::Socket(..)));
    say(count(&is_wildcard), "bound to :: and neither counted nor shown.".to_owned());
    say(count(&is_own), "bound to another address of the pod and neither counted nor shown.".to_owned());
    say(count(&is_inner), "internal, or on a pipe, and neither counted nor shown.".to_owned());
    let others = active.len().saturating_sub(checked + count(&is_wildcard) + count(&is_own) + count(&is_inner));
    say(others, "bound to other addresses (of services that this workload calls) and not shown.".to_owned());
    say(seen.without_chains, "counted and without a row: no filter chain was found.".to_owned());
    for (state, word) in [(State::Static, "static"), (State::Warming, "warming"), (State::Draining, "draining")] {
        let found = proxy.listeners.iter().filter(|one| one.state == state).count();
        say(found, format!("{word}, and neither counted nor shown."));
    }
    notes
}

fn rows_in_words(count: usize) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

fn listeners_in_words(count: usize) -> String {
    if count == 1 { "1 listener is".to_owned() } else { format!("{count} listeners are") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::model::{HttpManager, IstioAuthn, NodeInfo, Policy, Rules};

    fn proxy(listeners: Vec<Listener>) -> Proxy {
        Proxy {
            node: Some(NodeInfo {
                id: "sidecar~10.131.1.100~details-v1-1.bookinfo~bookinfo.svc.cluster.local".to_owned(),
                ..NodeInfo::default()
            }),
            sections: vec![Section::Bootstrap, Section::Clusters, Section::Listeners],
            listeners,
            ..Proxy::default()
        }
    }

    fn listener(name: &str, ip: &str, port: u16, chains: Vec<Chain>) -> Listener {
        Listener {
            name: name.to_owned(),
            addresses: vec![Address::Socket(ip.to_owned(), port)],
            chains,
            ..Listener::default()
        }
    }

    /// The socket of a sidecar with the certificate of the workload, by SDS.
    fn mutual() -> Socket {
        Socket::Tls(Box::new(Tls {
            certificates: vec![CertificateRef::Secret("default".to_owned())],
            validation: Some(Validation { secret: Some("ROOTCA".to_owned()), ..Validation::default() }),
            require_client_certificate: true,
            ..Tls::default()
        }))
    }

    fn chain(socket: Socket, mode: Option<Mode>) -> Chain {
        let filters = mode.map(|mode| Filter::IstioAuthn(IstioAuthn { modes: vec![mode], ..IstioAuthn::default() }));
        let manager = HttpManager { filters: filters.into_iter().collect(), ..HttpManager::default() };
        Chain { socket, filters: vec![Filter::Http(Box::new(manager))], ..Chain::default() }
    }

    fn plain(name: &str, port: u16) -> Listener {
        listener(name, "0.0.0.0", port, vec![chain(Socket::Raw, None)])
    }

    fn text(proxy: Proxy) -> String {
        table(&Judged { proxy, ..Judged::default() }).unwrap().text(|text| text.into())
    }

    /// The wildcard listeners of a pod that calls the services of Bookinfo, its two virtual ones, and as many of
    /// services as bring the total to 25.
    fn details(ports: &[u16], inbound: Vec<Chain>) -> Proxy {
        let mut listeners: Vec<Listener> = ports.iter().map(|port| plain(&format!("0.0.0.0_{port}"), *port)).collect();
        let outbound = vec![chain(Socket::Raw, None), chain(Socket::Raw, None)];
        listeners.push(listener("virtualInbound", "0.0.0.0", 15006, inbound));
        listeners.push(listener("virtualOutbound", "0.0.0.0", 15001, outbound));
        for at in (0..25).skip(listeners.len()) {
            listeners.push(listener(
                &format!("172.30.0.{at}_443"),
                &format!("172.30.0.{at}"),
                443,
                vec![Chain::default()],
            ));
        }
        let mut proxy = proxy(listeners);
        for state in [State::Static, State::Warming, State::Draining] {
            proxy.listeners.push(Listener { state, ..plain("not counted", 15090) });
        }
        proxy
    }

    const PORTS: &[u16] = &[15014, 80, 3000, 5778, 9080, 9090, 9411, 14250, 14267, 14268, 15010];

    #[test]
    fn a_permissive_pod_of_2021_prints_as_it_did() {
        let permissive = Some(Mode::Permissive);
        let inbound = vec![
            chain(Socket::Raw, None),
            chain(mutual(), None),
            chain(Socket::Raw, None),
            chain(mutual(), None),
            chain(Socket::Raw, None),
            chain(Socket::Raw, None),
            chain(mutual(), permissive),
            chain(Socket::Raw, permissive),
            chain(mutual(), permissive),
            chain(Socket::Raw, permissive),
        ];
        let text = text(details(PORTS, inbound));
        let expected = "\
Checked 13/25 listeners with node IP 10.131.1.100.
LISTENER[FilterChain]     CERTIFICATE          mTLS (MODE)          AuthZ (RULES)
0.0.0.0_80                none                 no (none)            no (none)
0.0.0.0_3000              none                 no (none)            no (none)
0.0.0.0_5778              none                 no (none)            no (none)
0.0.0.0_9080              none                 no (none)            no (none)
0.0.0.0_9090              none                 no (none)            no (none)
0.0.0.0_9411              none                 no (none)            no (none)
0.0.0.0_14250             none                 no (none)            no (none)
0.0.0.0_14267             none                 no (none)            no (none)
0.0.0.0_14268             none                 no (none)            no (none)
virtualOutbound[0]        none                 no (none)            no (none)
virtualOutbound[1]        none                 no (none)            no (none)
virtualInbound[0]         none                 no (none)            no (none)
virtualInbound[1]         noneSDS: default     yes (none)           no (none)
virtualInbound[2]         none                 no (none)            no (none)
virtualInbound[3]         noneSDS: default     yes (none)           no (none)
virtualInbound[4]         none                 no (none)            no (none)
virtualInbound[5]         none                 no (none)            no (none)
virtualInbound[6]         noneSDS: default     yes (PERMISSIVE)     no (none)
virtualInbound[7]         none                 no (PERMISSIVE)      no (none)
virtualInbound[8]         noneSDS: default     yes (PERMISSIVE)     no (none)
virtualInbound[9]         none                 no (PERMISSIVE)      no (none)
0.0.0.0_15010             none                 no (none)            no (none)
0.0.0.0_15014             none                 no (none)            no (none)
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_pod_of_2021_without_mtls_prints_as_it_did() {
        let inbound = std::iter::repeat_with(|| chain(Socket::Raw, None)).take(6).collect();
        let text = text(details(PORTS, inbound));
        let expected = "\
Checked 13/25 listeners with node IP 10.131.1.100.
LISTENER[FilterChain]     CERTIFICATE     mTLS (MODE)     AuthZ (RULES)
0.0.0.0_80                none            no (none)       no (none)
0.0.0.0_3000              none            no (none)       no (none)
0.0.0.0_5778              none            no (none)       no (none)
0.0.0.0_9080              none            no (none)       no (none)
0.0.0.0_9090              none            no (none)       no (none)
0.0.0.0_9411              none            no (none)       no (none)
0.0.0.0_14250             none            no (none)       no (none)
0.0.0.0_14267             none            no (none)       no (none)
0.0.0.0_14268             none            no (none)       no (none)
virtualOutbound[0]        none            no (none)       no (none)
virtualOutbound[1]        none            no (none)       no (none)
virtualInbound[0]         none            no (none)       no (none)
virtualInbound[1]         none            no (none)       no (none)
virtualInbound[2]         none            no (none)       no (none)
virtualInbound[3]         none            no (none)       no (none)
virtualInbound[4]         none            no (none)       no (none)
virtualInbound[5]         none            no (none)       no (none)
0.0.0.0_15010             none            no (none)       no (none)
0.0.0.0_15014             none            no (none)       no (none)
";
        assert_eq!(text, expected);
    }

    #[test]
    fn certificates_are_said_in_the_four_ways_of_old() {
        let file = || CertificateRef::File("/etc/certs/cert-chain.pem".to_owned());
        let secret = || CertificateRef::Secret("default".to_owned());
        for (certificates, expected) in [
            (vec![], "none"),
            (vec![file()], "/etc/certs/cert-chain.pem"),
            (vec![secret()], "noneSDS: default"),
            (
                vec![secret(), file(), CertificateRef::Inline(Vec::new())],
                "/etc/certs/cert-chain.pem,<inline>; SDS: default",
            ),
        ] {
            assert_eq!(certificate(&Tls { certificates, ..Tls::default() }), expected);
        }
    }

    #[test]
    fn mtls_is_yes_only_where_the_client_is_verified() {
        let tls = |validation: Option<Validation>, require_client_certificate| Tls {
            validation,
            require_client_certificate,
            ..Tls::default()
        };
        let ca = || Validation { secret: Some("ROOTCA".to_owned()), ..Validation::default() };
        for (socket, expected) in [
            (Socket::Tls(Box::new(tls(Some(ca()), true))), "yes (none)"),
            (Socket::Internal(Box::new(Socket::Tls(Box::new(tls(Some(ca()), true))))), "yes (none)"),
            (Socket::Tls(Box::new(tls(Some(ca()), false))), "no (none)"),
            (Socket::Tls(Box::new(tls(None, true))), "no (none)"),
            (Socket::Tls(Box::new(tls(Some(Validation::default()), true))), "no (none)"),
            (Socket::Tls(Box::new(tls(Some(Validation { accept_untrusted: true, ..ca() }), true))), "no (none)"),
            (Socket::StartTls(Box::new(tls(Some(ca()), true))), "no (none)"),
            (Socket::Unknown("acme.Tls".to_owned()), "no (none)"),
        ] {
            let listeners = vec![listener("x", "0.0.0.0", 1, vec![chain(socket.clone(), None)])];
            let table = table(&Judged { proxy: proxy(listeners), ..Judged::default() }).unwrap();
            assert_eq!(table.rows[0][2], expected, "{socket:?}");
            assert_eq!(
                table.notes.is_empty(),
                expected.starts_with("yes") || socket == Socket::Tls(Box::new(tls(Some(ca()), false)))
            );
        }
    }

    #[test]
    fn what_the_judgement_refutes_is_not_yes() {
        let listeners = vec![listener("x", "10.131.1.100", 1, vec![chain(mutual(), None)])];
        for (mtls, expected) in [(Some(true), "yes (none)"), (Some(false), "no (none)"), (None, "no (none)")] {
            let row = Row { mtls, mode: Some(Mode::Permissive), ..Row::default() };
            let judged = Judged { proxy: proxy(listeners.clone()), rows: vec![row], ..Judged::default() };
            let table = table(&judged).unwrap();
            assert_eq!(table.rows[0][2], expected);
            assert!(table.notes.iter().any(|note| note.contains("the mode is PERMISSIVE")));
            assert_eq!(table.notes.iter().any(|note| note.contains("accept plaintext too")), mtls == Some(true));
        }
    }

    #[test]
    fn rules_of_every_filter_are_listed_by_name() {
        let rules = |names: &[&str]| {
            let policies = names.iter().map(|name| Policy { name: (*name).to_owned(), ..Policy::default() }).collect();
            Some(Rules { action: Action::Allow, policies })
        };
        let http = |rules| Filter::Rbac(Box::new(Rbac { rules, ..Rbac::default() }));
        let shadow = Filter::Rbac(Box::new(Rbac { shadow: rules(&["a"]), ..Rbac::default() }));
        let found = |filters: Vec<Filter>| {
            let manager = HttpManager { filters, ..HttpManager::default() };
            let chain = Chain { filters: vec![Filter::Http(Box::new(manager))], ..Chain::default() };
            let proxy = Proxy {
                extensions: [("late".to_owned(), vec![http(rules(&["late"]))])].into_iter().collect(),
                ..proxy(vec![listener("x", "0.0.0.0", 1, vec![chain])])
            };
            let table = table(&Judged { proxy, ..Judged::default() }).unwrap();
            (table.rows[0][3].clone(), table.notes.join(" "))
        };
        for (filters, cell, note) in [
            (vec![Filter::Other], "no (none)", ""),
            (vec![http(rules(&["b"])), http(rules(&["c", "a"]))], "yes (3: a, b, c)", "every RBAC filter"),
            (vec![shadow], "yes (none)", "nothing is enforced"),
            (vec![http(rules(&[]))], "yes (none)", "refuses every call"),
            (vec![Filter::Discovered("late".to_owned())], "yes (1: late)", ""),
            (vec![Filter::Discovered("lost".to_owned())], "no (none)", "leaves out other filters"),
            (vec![Filter::Jwt(Vec::new())], "no (none)", "JWT"),
        ] {
            let (found_cell, notes) = found(filters);
            assert_eq!(found_cell, cell);
            assert!(notes.contains(note) && notes.is_empty() == note.is_empty(), "{notes}");
        }
    }

    #[test]
    fn rows_are_sorted_by_address_then_port_and_others_are_named() {
        let mut proxy = proxy(vec![
            listener("pod 443", "10.131.1.100", 443, vec![Chain::default()]),
            listener("pod 80", "10.131.1.100", 80, vec![Chain::default()]),
            listener("any 9000", "0.0.0.0", 9000, vec![Chain::default()]),
            listener("any6", "::", 9000, vec![Chain::default()]),
            listener("vip", "10.0.0.1", 80, vec![Chain::default()]),
            listener("own6", "fd00::1", 80, vec![Chain::default()]),
            listener("odd", "0.0.0.0", 1, Vec::new()),
        ]);
        proxy.listeners.push(Listener {
            addresses: vec![Address::Internal("connect_originate".to_owned(), String::new())],
            ..Listener::default()
        });
        proxy.node.as_mut().unwrap().addresses = vec!["10.131.1.100".parse().unwrap(), "fd00::1".parse().unwrap()];
        let table = table(&Judged { proxy, ..Judged::default() }).unwrap();
        assert_eq!(table.head, "Checked 4/8 listeners with node IP 10.131.1.100.");
        let names: Vec<&str> = table.rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(names, ["any 9000", "pod 80", "pod 443"]);
        for words in
            ["1 listener is bound to :: ", "another address of the pod", "internal", "services", "no filter chain"]
        {
            assert!(table.notes.iter().any(|note| note.contains(words)), "{words}: {:?}", table.notes);
        }
    }

    #[test]
    fn errors_are_those_of_the_old_command() {
        let mut judged = Judged { proxy: proxy(Vec::new()), ..Judged::default() };
        assert_eq!(table(&judged).unwrap().head, "Checked 0/0 listeners with node IP 10.131.1.100.");
        for id in ["", "sidecar~10.0.0.1~a", "sidecar~10.0.0.1~a~b~c"] {
            judged.proxy.node = Some(NodeInfo { id: id.to_owned(), ..NodeInfo::default() });
            assert_eq!(table(&judged).unwrap_err(), format!("invalid node ID: {id}"));
        }
        judged.proxy.sections.retain(|section| *section != Section::Clusters);
        let error = table(&judged).unwrap_err();
        assert_eq!(
            error,
            "config dump has no configuration type type.googleapis.com/envoy.admin.v3.ClustersConfigDump"
        );
    }

    #[test]
    fn columns_are_as_wide_as_what_is_printed() {
        let proxy = proxy(vec![listener("a\tb", "0.0.0.0", 1, vec![Chain::default()])]);
        let table = table(&Judged { proxy, ..Judged::default() }).unwrap();
        let text = table.text(|text| text.replace('\t', "<a very long word for a tab>").into());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1].find("CERTIFICATE"), lines[2].find("none"));
    }
}
