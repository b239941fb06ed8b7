//! Judges filter chains: one row for each, and the ports that they make up.

use super::judged::{ClientCertificate, Judged, Port, Row, Side};
use super::model::{Address, Chain, Filter, Listener, Match, MatcherHit, Mode, Proxy, Socket, State, Unread};
use super::side::{self, Sides};
use super::{decide, group, peer, sentence};
use std::collections::BTreeSet;

/// The doubt about a listener that is not in force.
pub(super) const WARMING: &str = "warming: not in force yet";

/// Fills in rows and ports. The texts of the ports are completed by [`finish`].
pub fn judge(judged: &mut Judged) {
    let proxy = &judged.proxy;
    let sides = Sides::new(proxy);
    let index = peer::Index::new(proxy);
    let in_force: BTreeSet<&str> =
        proxy.listeners.iter().filter(|one| is_in_force(one)).map(|one| one.name.as_str()).collect();
    let unread: BTreeSet<&str> = proxy.unread.iter().map(|one| one.path.as_str()).collect();
    let mut listeners: Vec<(Side, usize, &Listener)> = Vec::new();
    for (at, listener) in proxy.listeners.iter().enumerate() {
        if is_shown(listener, &in_force) {
            listeners.push((sides.of(listener), at, listener));
        }
    }
    listeners.sort_by_key(|(side, at, _)| (*side, *at));

    let (mut rows, mut ports) = (Vec::new(), Vec::new());
    for (side, at, listener) in listeners {
        let first = rows.len();
        let conditions = conditions(listener);
        let is_read = !listener.has_matcher || !unread.contains(matcher_path(listener).as_str());
        let whole = Whole { at, listener, side, is_read, led_to: led_to(listener), proxy, index: &index };
        for (chain, conditions) in listener.chains.iter().enumerate().zip(&conditions) {
            rows.push(whole.row(chain, conditions));
        }
        // Nobody can call a port of a listener that is not in force.
        if matches!(side, Side::Inbound | Side::Internal) && is_in_force(listener) {
            let is_gateway = sides.is_gateway(listener);
            let part = group::Part { listener, conditions: &conditions, first, is_gateway, is_read };
            ports.extend(group::judge(&part, rows.get_mut(first..).unwrap_or_default()));
        }
    }
    behind_hbone(&mut rows, &mut ports, proxy);
    ports.sort_by_key(|port| (port.side, port.port.is_none(), port.port));
    judged.rows = rows;
    judged.ports = ports;
}

/// Composes the sentence of every port. It tells of certificates too, so it comes after they are judged.
pub fn finish(judged: &mut Judged) {
    let held = sentence::Held::new(judged);
    let texts: Vec<String> = judged.ports.iter().map(|port| sentence::of(port, judged, &held)).collect();
    for (port, text) in judged.ports.iter_mut().zip(texts) {
        port.text = text;
    }
}

/// Whether a listener takes connections.
fn is_in_force(listener: &Listener) -> bool {
    matches!(listener.state, State::Active | State::Static)
}

/// Whether a listener makes rows. One that is being replaced, or that waits to replace another, is no part of what is
/// in force; one that waits and has no other is shown with a doubt, and serves no port.
fn is_shown(listener: &Listener, in_force: &BTreeSet<&str>) -> bool {
    match listener.state {
        State::Static | State::Active => true,
        State::Warming => !in_force.contains(listener.name.as_str()),
        State::Draining => false,
    }
}

/// Notes every doubt about who may call as unread, once for each listener: what is not understood fails the run. That a
/// filter is known to decide by itself, or that a listener only waits, is understood.
pub fn note_doubts(judged: &mut Judged) {
    let mut noted = BTreeSet::new();
    let mut found = Vec::new();
    for row in judged.rows.iter().filter(|row| matches!(row.side, Side::Inbound | Side::Internal)) {
        let path = judged.proxy.listeners.get(row.listener).map_or("", |listener| listener.path.as_str());
        let known = |doubt: &&String| doubt.ends_with(decide::OPAQUE) || *doubt == WARMING;
        for doubt in row.doubts.iter().filter(|doubt| !known(doubt)) {
            if noted.insert((row.listener, doubt.as_str())) {
                let path = format!("{path}.filter_chains[{}]", row.chain);
                found.push(Unread { path, kind: String::new(), why: doubt.clone() });
            }
        }
    }
    judged.proxy.unread.extend(found);
}

/// How many listeners with rows are not in force.
#[must_use]
pub fn not_in_force(judged: &Judged) -> usize {
    let waits = |at: &usize| judged.proxy.listeners.get(*at).is_some_and(|one| !is_in_force(one));
    judged.rows.iter().map(|row| row.listener).filter(waits).collect::<BTreeSet<_>>().len()
}

/// The conditions under which each chain takes a connection: its match; where the listener has a `filter_chain_matcher`,
/// every way to its name through that, since Envoy then leaves the match out of account. A chain that no way leads to
/// counts as one without conditions: a reader must rather see too much of it than too little.
fn conditions(listener: &Listener) -> Vec<Vec<Match>> {
    let of_hit = |hit: &MatcherHit| Match {
        port: hit.port,
        ranges: hit.ranges.clone(),
        sni: hit.sni.clone(),
        transport: hit.transport.clone(),
        alpn: hit.alpn.clone(),
        // No more than that there is one: it may not hold.
        source: if hit.is_loose { vec!["in part".to_owned()] } else { Vec::new() },
        unread: false,
    };
    let mut by_name = std::collections::BTreeMap::<&str, Vec<Match>>::new();
    for hit in &listener.matcher {
        by_name.entry(&hit.chain).or_default().push(of_hit(hit));
    }
    let of_chain = |chain: &Chain| {
        if chain.is_default {
            vec![Match::default()]
        } else if listener.has_matcher {
            by_name.get(chain.name.as_str()).cloned().unwrap_or_else(|| vec![Match::default()])
        } else {
            vec![chain.matches.clone()]
        }
    };
    listener.chains.iter().map(of_chain).collect()
}

/// What the rows of a listener have in common.
struct Whole<'p> {
    at: usize,
    listener: &'p Listener,
    side: Side,
    /// Its `filter_chain_matcher`, if it has one, was understood.
    is_read: bool,
    /// Names of the chains that its matcher leads to.
    led_to: BTreeSet<&'p str>,
    proxy: &'p Proxy,
    index: &'p peer::Index<'p>,
}

impl Whole<'_> {
    fn row(&self, (at, chain): (usize, &Chain), conditions: &[Match]) -> Row {
        let Whole { listener, side, proxy, .. } = *self;
        let peer = peer::judge(&chain.socket, self.index);
        let (authz, jwt, mut doubts) = decide::decide(chain, proxy);
        doubts.extend(self.unread_doubts(chain));
        if conditions.iter().any(|one| one.unread) {
            doubts.push("a condition of filter_chain_match could not be read".to_owned());
        }
        if matches!(side, Side::Outbound | Side::Infrastructure) {
            // Who may call is no question there.
            doubts.clear();
        }
        doubts.extend(peer.doubts);
        if listener.state == State::Warming {
            doubts.push(WARMING.to_owned());
        }
        let mut seen = BTreeSet::new();
        doubts.retain(|doubt| seen.insert(doubt.clone()));
        let side = if side == Side::Inbound && side::is_blackhole(listener, chain) { Side::Blackhole } else { side };
        Row {
            listener: self.at,
            chain: at,
            side,
            port: port_of(listener, conditions),
            mtls: peer.mtls,
            client_certificate: peer.certificate,
            accepts_plaintext: accepts_plaintext(&chain.socket, conditions),
            passes_through_tls: matches!(chain.socket, Socket::Raw) && conditions.iter().any(is_for_tls),
            mode: None,
            mode_source: None,
            certificates: peer::certificates(&chain.socket),
            trusted_ca: peer::trusted_ca(&chain.socket),
            authz,
            jwt,
            doubts,
        }
    }

    /// What of a chain, or of what selects it, was not understood.
    fn unread_doubts(&self, chain: &Chain) -> Vec<String> {
        let mut doubts = Vec::new();
        if !self.is_read {
            doubts.push("filter_chain_matcher was not understood in full".to_owned());
        }
        if self.listener.has_matcher && !chain.is_default && !self.led_to.contains(chain.name.as_str()) {
            doubts.push("no way through filter_chain_matcher was found that leads to it".to_owned());
        }
        let managers = chain.filters.iter().filter_map(|filter| match filter {
            Filter::Http(manager) => Some(manager.filters.as_slice()),
            _ => None,
        });
        for filter in chain.filters.iter().chain(managers.flatten()) {
            if let Filter::Unknown(kind) = filter {
                doubts.push(format!("filter {kind} is not known"));
            }
        }
        doubts
    }
}

fn led_to(listener: &Listener) -> BTreeSet<&str> {
    listener.matcher.iter().map(|hit| hit.chain.as_str()).collect()
}

/// Where what is not understood of a matcher is noted.
fn matcher_path(listener: &Listener) -> String {
    format!("{}.filter_chain_matcher", listener.path)
}

/// The port that clients call: of the conditions where they agree, else that of a listener that stands on it.
fn port_of(listener: &Listener, conditions: &[Match]) -> Option<u16> {
    let mut ports = conditions.iter().map(|condition| condition.port);
    let first = ports.next().flatten();
    match first {
        Some(_) if ports.all(|port| port == first) => first,
        Some(_) => None,
        None if side::is_capture(listener) => None,
        None => side::port(listener),
    }
}

/// The ports of a listener whose chains take calls to these ports only; one that captures calls to any has none.
pub(super) fn own_ports(listener: &Listener) -> Vec<Option<u16>> {
    let ports = if side::is_capture(listener) { Vec::new() } else { side::ports(listener) };
    if ports.is_empty() { vec![None] } else { ports.into_iter().map(Some).collect() }
}

/// Whether only connections that begin with a TLS ClientHello meet a condition: it asks for TLS, or for a server name,
/// which nothing but a ClientHello brings.
fn is_for_tls(condition: &Match) -> bool {
    condition.transport.as_deref() == Some("tls") || (condition.transport.is_none() && !condition.sni.is_empty())
}

/// Whether a client without TLS gets through to the filters.
fn accepts_plaintext(socket: &Socket, conditions: &[Match]) -> Option<bool> {
    match socket {
        Socket::Tls(_) => return Some(false),
        Socket::Unknown(_) | Socket::Internal(_) => return None,
        Socket::Raw | Socket::StartTls(_) => {}
    }
    let takes = |condition: &Match| match condition.transport.as_deref() {
        // What it takes is not known.
        _ if condition.unread => None,
        None => Some(condition.sni.is_empty()),
        Some("raw_buffer") => Some(true),
        Some("tls" | "quic") => Some(false),
        // Set by a listener filter that is not known.
        Some(_) => None,
    };
    either(conditions.iter().map(takes))
}

/// Yes where one says yes, else undecided where one is, else no.
fn either(answers: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(false);
    for answer in answers {
        match answer {
            Some(true) => return answer,
            Some(false) => {}
            None => all = None,
        }
    }
    all
}

/// What is behind HBONE is reached only through the listener that terminates it: no client without TLS gets there if
/// that one takes mutual TLS only, and no other listener leads there. A dump that does not show it leaves this open.
fn behind_hbone(rows: &mut [Row], ports: &mut [Port], proxy: &Proxy) {
    let listener = |row: &Row| proxy.listeners.get(row.listener);
    let is_tunnel = |row: &&Row| {
        row.side == Side::Inbound
            && listener(row).is_some_and(|one| is_in_force(one) && side::port(one) == Some(side::HBONE))
    };
    let mut tunnels = rows.iter().filter(is_tunnel).peekable();
    let is_enforced = tunnels.peek().is_some() && tunnels.all(|row| row.mode == Some(Mode::Strict));
    let others: BTreeSet<&str> = rows
        .iter()
        .filter(|row| row.side == Side::Inbound && !is_tunnel(row))
        .filter_map(|row| listener(row)?.chains.get(row.chain))
        .flat_map(|chain| &chain.filters)
        .filter_map(side::target)
        .collect();
    let open = led_into(&others, proxy);
    let plaintext = |at: usize| {
        let name = proxy.listeners.get(at).map(|one| one.name.as_str()).unwrap_or_default();
        (is_enforced && !open.contains(name)).then_some(false)
    };
    for row in rows.iter_mut().filter(|row| row.side == Side::Internal) {
        row.accepts_plaintext = plaintext(row.listener);
        row.client_certificate = ClientCertificate::NotRequested;
        if is_enforced && row.accepts_plaintext.is_none() {
            row.doubts.push("a listener that does not end HBONE leads there too".to_owned());
        }
    }
    for port in ports.iter_mut().filter(|port| port.side == Side::Internal) {
        port.plaintext = plaintext(port.listener);
        port.class = port.plaintext.is_some().then_some("behind HBONE");
        port.accepted_by.clear();
    }
}

/// Names of the internal listeners that clusters of these names lead to.
fn led_into<'p>(names: &BTreeSet<&str>, proxy: &'p Proxy) -> BTreeSet<&'p str> {
    let mut found = BTreeSet::new();
    for cluster in proxy.clusters.iter().filter(|cluster| names.contains(cluster.name.as_str())) {
        let delivered = proxy.endpoints.get(cluster.eds_name.as_deref().unwrap_or(&cluster.name));
        for endpoint in cluster.endpoints.iter().chain(delivered.into_iter().flatten()) {
            if let Address::Internal(name, _) = &endpoint.address {
                found.insert(name.as_str());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::judged::ModeSource;
    use crate::envoy::{dump, tree};

    /// A dump of a sidecar with these inbound chains.
    fn sidecar(chains: &str) -> Judged {
        judged(&format!(
            r#"{{"bootstrap":{{"node":{{"id":"sidecar~10.0.0.1~a.b~b.svc.cluster.local"}}}}}},
               {{"dynamic_listeners":[{{"name":"virtualInbound","active_state":{{"listener":{{"name":"virtualInbound",
               "address":{{"socket_address":{{"address":"0.0.0.0","port_value":15006}}}},
               "traffic_direction":"INBOUND",{chains}}}}}}}]}}"#
        ))
    }

    fn judged(configs: &str) -> Judged {
        let text = format!(r#"{{"configs":[{configs}]}}"#);
        let mut judged = Judged {
            proxy: dump::from_slice("dump.json", text.as_bytes(), dump::Wanted::default()),
            ..Judged::default()
        };
        assert_eq!(judged.proxy.problem, None);
        judge(&mut judged);
        finish(&mut judged);
        judged
    }

    /// A chain with these conditions and this TLS context (none: plaintext).
    fn chain(matches: &str, tls: &str) -> String {
        let socket = if tls.is_empty() {
            String::new()
        } else {
            format!(
                r#","transport_socket":{{"name":"any name","typed_config":{{"@type":
                "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",{tls}}}}}"#
            )
        };
        format!(r#"{{"filter_chain_match":{{{matches}}}{socket}}}"#)
    }

    const MTLS: &str = r#""require_client_certificate":true,
        "common_tls_context":{"validation_context_sds_secret_config":{"name":"ROOTCA"}}"#;
    const SIMPLE: &str = r#""common_tls_context":{}"#;

    #[test]
    fn the_mode_of_a_port_follows_from_all_chains_that_take_its_connections() {
        let tls = r#""destination_port":80,"transport_protocol":"tls""#;
        let istio = r#""destination_port":80,"transport_protocol":"tls","application_protocols":["istio"]"#;
        let raw = r#""destination_port":80,"transport_protocol":"raw_buffer""#;
        let any = r#""destination_port":80"#;
        let cases = [
            ("only mutual TLS", vec![(tls, MTLS)], None, Some(Mode::Strict)),
            ("and plaintext", vec![(istio, MTLS), (raw, "")], None, Some(Mode::Permissive)),
            ("the old form, without a transport", vec![(istio, MTLS), (any, "")], None, Some(Mode::Permissive)),
            ("TLS of an unknown peer passes", vec![(istio, MTLS), (tls, "")], None, Some(Mode::Permissive)),
            ("one-way TLS gets in", vec![(istio, MTLS), (tls, SIMPLE)], None, Some(Mode::Permissive)),
            ("only plaintext", vec![(raw, "")], None, Some(Mode::Disable)),
            ("only one-way TLS", vec![(tls, SIMPLE)], None, Some(Mode::Disable)),
            ("the default chain takes plaintext", vec![(tls, MTLS)], Some(""), Some(Mode::Permissive)),
            ("nothing is left for the default chain", vec![(any, MTLS)], Some(""), Some(Mode::Strict)),
            ("the default chain is mutual TLS", vec![(istio, MTLS)], Some(MTLS), Some(Mode::Strict)),
        ];
        for (what, chains, default, mode) in cases {
            let chains: Vec<String> = chains.iter().map(|(matches, tls)| chain(matches, tls)).collect();
            let default = default.map(|tls| format!(r#","default_filter_chain":{}"#, chain("", tls)));
            let judged = sidecar(&format!(r#""filter_chains":[{}]{}"#, chains.join(","), default.unwrap_or_default()));
            let port = judged.ports.iter().find(|port| port.port == Some(80)).unwrap();
            assert_eq!(port.mode, mode, "{what}: {}", port.text);
            let row = judged.rows.iter().find(|row| row.port == Some(80)).unwrap();
            assert_eq!((row.mode, row.mode_source), (mode, Some(ModeSource::Inferred)), "{what}");
        }
    }

    #[test]
    fn a_port_never_falls_back_to_chains_for_any_port() {
        let chains = [chain(r#""destination_port":80,"transport_protocol":"tls""#, MTLS), chain("", "")].join(",");
        let judged = sidecar(&format!(r#""filter_chains":[{chains}]"#));
        let modes: Vec<_> = judged.ports.iter().map(|port| (port.port, port.mode)).collect();
        assert_eq!(modes, [(Some(80), Some(Mode::Strict)), (None, Some(Mode::Disable))]);
        assert!(judged.ports[0].text.contains("plaintext is reset"), "{}", judged.ports[0].text);
        assert!(judged.ports[1].text.starts_with("any other port DISABLE: plaintext accepted by virtualInbound[1]"));
    }

    #[test]
    fn groups_that_share_a_range_share_what_gets_in() {
        let range = |ips: &[&str]| {
            let all: Vec<_> = ips.iter().map(|ip| format!(r#"{{"address_prefix":"{ip}","prefix_len":32}}"#)).collect();
            format!(r#""destination_port":80,"prefix_ranges":[{}]"#, all.join(","))
        };
        let chains = [
            chain(&format!(r#"{},"transport_protocol":"tls""#, range(&["10.0.0.1", "10.0.0.2"])), MTLS),
            chain(&format!(r#"{},"transport_protocol":"raw_buffer""#, range(&["10.0.0.1"])), ""),
            chain(&format!(r#"{},"transport_protocol":"tls""#, range(&["10.0.0.3"])), MTLS),
        ];
        let judged = sidecar(&format!(r#""filter_chains":[{}]"#, chains.join(",")));
        let modes: Vec<_> = judged.rows.iter().map(|row| row.mode).collect();
        assert_eq!(modes, [Some(Mode::Permissive), Some(Mode::Permissive), Some(Mode::Strict)]);
    }

    #[test]
    fn what_is_not_understood_is_never_strict() {
        let unknown = r#"{"filter_chain_match":{"destination_port":80},"transport_socket":{"name":"envoy.transport_sockets.tls",
            "typed_config":{"@type":"type.googleapis.com/example.Socket"}}}"#;
        let judged = sidecar(&format!(r#""filter_chains":[{unknown}]"#));
        let row = &judged.rows[0];
        assert_eq!((row.mtls, row.accepts_plaintext, row.mode), (None, None, None));
        assert!(judged.ports[0].text.contains("example.Socket"), "{}", judged.ports[0].text);
        assert_eq!(judged.proxy.unread.len(), 1);
    }

    #[test]
    fn waiting_listeners_are_shown_only_where_none_is_in_force() {
        let one = r#""listener":{"name":"virtualInbound","traffic_direction":"INBOUND","filter_chains":[{}]}"#;
        for (states, rows, in_doubt) in [
            (format!(r#""active_state":{{{one}}},"warming_state":{{{one}}},"draining_state":{{{one}}}"#), 1, false),
            (format!(r#""warming_state":{{{one}}}"#), 1, true),
            (format!(r#""draining_state":{{{one}}}"#), 0, false),
        ] {
            let judged = judged(&format!(r#"{{"dynamic_listeners":[{{{states}}}]}}"#));
            assert_eq!((judged.rows.len(), not_in_force(&judged)), (rows, usize::from(in_doubt)), "{states}");
            assert_eq!(judged.ports.is_empty(), rows == 0 || in_doubt, "{states}");
            let doubts = judged.rows.iter().flat_map(|row| &row.doubts);
            assert_eq!(doubts.collect::<Vec<_>>().contains(&&WARMING.to_owned()), in_doubt, "{states}");
        }
    }

    #[test]
    fn a_gateway_has_a_mode_per_server() {
        let name = |host: &str| format!(r#""server_names":["{host}"]"#);
        let optional = r#""common_tls_context":{"validation_context_sds_secret_config":{"name":"x-cacert"}}"#;
        let lax = r#""require_client_certificate":true,"common_tls_context":{}"#;
        let mesh = r#""require_client_certificate":true,"common_tls_context":{"tls_certificate_sds_secret_configs":[{"name":"default"}],
            "validation_context_sds_secret_config":{"name":"ROOTCA"}}"#;
        let cases = [
            (SIMPLE, Some(Mode::Simple)),
            (MTLS, Some(Mode::Mutual)),
            (optional, Some(Mode::OptionalMutual)),
            (mesh, Some(Mode::IstioMutual)),
            (lax, Some(Mode::Simple)),
            ("", Some(Mode::Passthrough)),
        ];
        let chains: Vec<_> =
            cases.iter().enumerate().map(|(at, (tls, _))| chain(&name(&format!("h{at}")), tls)).collect();
        let judged = judged(&format!(
            r#"{{"bootstrap":{{"node":{{"id":"router~10.0.0.1~a.b~b.svc.cluster.local"}}}}}},
               {{"dynamic_listeners":[{{"active_state":{{"listener":{{"name":"0.0.0.0_8443","traffic_direction":"OUTBOUND",
               "address":{{"socket_address":{{"address":"0.0.0.0","port_value":8443}}}},
               "filter_chains":[{}]}}}}}}]}}"#,
            chains.join(",")
        ));
        for (row, (tls, mode)) in judged.rows.iter().zip(cases) {
            assert_eq!((row.mode, row.side, row.port), (mode, Side::Inbound, Some(8443)), "{tls}");
            assert_eq!(row.accepts_plaintext, Some(false), "{tls}");
        }
        assert_eq!(judged.ports.len(), 1);
        assert!(judged.ports[0].text.contains("h5 PASSTHROUGH"), "{}", judged.ports[0].text);
    }

    #[test]
    fn what_falls_through_a_matcher_counts_for_every_port() {
        let input = |kind: &str| {
            format!(
                r#""input":{{"typed_config":{{"@type":"t/envoy.extensions.matching.common_inputs.network.v3.{kind}"}}}}"#
            )
        };
        let is = |kind: &str, value: &str| {
            format!(r#"{{"single_predicate":{{{},"value_match":{{"exact":"{value}"}}}}}}"#, input(kind))
        };
        let to = |name: &str| {
            format!(r#"{{"action":{{"typed_config":{{"@type":"t/google.protobuf.StringValue","value":"{name}"}}}}}}"#)
        };
        let port = is("DestinationPortInput", "80");
        let tls = format!(r#"{{"and_matcher":{{"predicate":[{port},{}]}}}}"#, is("TransportProtocolInput", "tls"));
        let list = |first: &str, rest: &str| {
            format!(
                r#""matcher_list":{{"matchers":[{{"predicate":{first},"on_match":{}}}]}},"on_no_match":{}"#,
                to("m"),
                to(rest)
            )
        };
        let tree = format!(
            r#""matcher_tree":{{{},"exact_match_map":{{"map":{{"80":{}}}}}}},"on_no_match":{}"#,
            input("DestinationPortInput"),
            to("m"),
            to("r")
        );
        for (matcher, mode) in [
            (list(&tls, "r"), Some(Mode::Permissive)),
            (list(&tls, "m"), Some(Mode::Strict)),
            (list(&port, "r"), Some(Mode::Strict)),
            (tree, Some(Mode::Strict)),
        ] {
            let named = |name: &str, tls: &str| chain("", tls).replacen('{', &format!(r#"{{"name":"{name}","#), 1);
            let chains = format!("{},{}", named("m", MTLS), named("r", ""));
            let judged = sidecar(&format!(r#""filter_chains":[{chains}],"filter_chain_matcher":{{{matcher}}}"#));
            let port = judged.ports.iter().find(|port| port.port == Some(80)).unwrap();
            assert_eq!(port.mode, mode, "{matcher}: {}", port.text);
        }
    }

    #[test]
    fn a_filter_chain_matcher_takes_the_place_of_matches() {
        let input = |kind: &str| {
            format!(
                r#""input":{{"typed_config":{{"@type":"type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.{kind}"}}}}"#
            )
        };
        let action = |name: &str| {
            format!(
                r#"{{"action":{{"name":"x","typed_config":{{"@type":"type.googleapis.com/google.protobuf.StringValue","value":"{name}"}}}}}}"#
            )
        };
        let matcher = format!(
            r#"{{"matcher_tree":{{{},"custom_match":{{"typed_config":{{"@type":"type.googleapis.com/xds.type.matcher.v3.IPMatcher",
            "range_matchers":[{{"ranges":[{{"address_prefix":"10.0.0.9","prefix_len":32}}],"on_match":{{"matcher":
            {{"matcher_tree":{{{},"exact_match_map":{{"map":{{"8000":{}}}}}}},"on_no_match":{}}}}}}}]}}}}}}}}"#,
            input("DestinationIPInput"),
            input("DestinationPortInput"),
            action("a"),
            action("b"),
        );
        let node = serde_json::Deserializer::from_str(&matcher);
        let mut node = node;
        let tree = serde::de::DeserializeSeed::deserialize(tree::Tree::new(), &mut node).unwrap();
        let mut unread = Vec::new();
        let hits = crate::envoy::selector::read(&tree, "path", &mut unread);
        assert_eq!(unread, []);
        let hits: Vec<_> = hits.iter().map(|hit| (hit.chain.as_str(), hit.port, hit.ranges.join(","))).collect();
        assert_eq!(hits, [("a", Some(8000), "10.0.0.9/32".to_owned()), ("b", None, "10.0.0.9/32".to_owned())]);
    }
}
