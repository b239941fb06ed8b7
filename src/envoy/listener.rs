//! Listeners and their filter chains, out of the tree.

use super::model::{
    Address, CertificateRef, Chain, Direction, Filter, Layer, Listener, Match, Proxy, Socket, State, Tls, Unread,
};
use super::tree::Node;
use super::{filter, selector, tls};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads a `Listener`; what is not understood goes to [`Proxy::unread`].
pub fn read(node: &Node<'_>, state: State, version: &str, path: &str, proxy: &mut Proxy) -> Listener {
    let text = |key: &str| node.get(key).text().unwrap_or_default().to_owned();
    let name = text("name");
    let mut chains = Vec::new();
    for (at, chain) in node.get("filter_chains").items().iter().enumerate() {
        chains.push(read_chain(chain, &format!("{path}.filter_chains[{at}]"), &mut proxy.unread));
    }
    let default = node.get("default_filter_chain");
    if !default.is_null() {
        let path = format!("{path}.default_filter_chain");
        chains.push(Chain { is_default: true, ..read_chain(default, &path, &mut proxy.unread) });
    }
    let matcher = node.get("filter_chain_matcher");
    let bound = [node.get("bind_to_port"), node.at(&["deprecated_v1", "bind_to_port"])];
    Listener {
        addresses: addresses(node, &name),
        name,
        state,
        version: version.to_owned(),
        direction: match node.get("traffic_direction").one_of(&["UNSPECIFIED", "INBOUND", "OUTBOUND"]) {
            Some("INBOUND") => Some(Direction::Inbound),
            Some("OUTBOUND") => Some(Direction::Outbound),
            _ => None,
        },
        bound: !bound.iter().any(|bound| bound.bool() == Some(false)),
        chains,
        matcher: selector::read(matcher, &format!("{path}.filter_chain_matcher"), &mut proxy.unread),
        has_matcher: !matcher.is_null(),
        path: path.to_owned(),
    }
}

/// `address` and `additional_addresses`; an internal listener has its name in place of them.
fn addresses(node: &Node<'_>, name: &str) -> Vec<Address> {
    let mut all: Vec<Address> = address(node.get("address")).into_iter().collect();
    all.extend(node.get("additional_addresses").items().iter().filter_map(|more| address(more.get("address"))));
    if node.has("internal_listener") && all.is_empty() {
        all.push(Address::Internal(name.to_owned(), String::new()));
    }
    all
}

/// Reads an `Address`.
pub fn address(node: &Node<'_>) -> Option<Address> {
    let socket = node.get("socket_address");
    if !socket.is_null() {
        let ip = socket.get("address").text().unwrap_or_default().to_owned();
        return Some(Address::Socket(ip, socket.get("port_value").port().unwrap_or(0)));
    }
    if let Some(path) = node.at(&["pipe", "path"]).text() {
        return Some(Address::Pipe(path.to_owned()));
    }
    let internal = node.get("envoy_internal_address");
    let text = |key: &str| internal.get(key).text().unwrap_or_default().to_owned();
    (!internal.is_null()).then(|| Address::Internal(text("server_listener_name"), text("endpoint_id")))
}

/// Reads a `FilterChain`.
fn read_chain(node: &Node<'_>, path: &str, unread: &mut Vec<Unread>) -> Chain {
    let socket = tls::socket(node);
    note_socket(&socket, path, unread);
    let mut filters = Vec::new();
    for (at, one) in node.get("filters").items().iter().enumerate() {
        let read = filter::read(one, Layer::Network);
        note_filter(&read, &format!("{path}.filters[{at}]"), unread);
        filters.push(read);
    }
    Chain {
        name: node.get("name").text().unwrap_or_default().to_owned(),
        is_default: false,
        matches: read_match(node.get("filter_chain_match"), path, unread),
        socket,
        filters,
    }
}

/// Notes what of a socket was not understood.
fn note_socket(socket: &Socket, path: &str, unread: &mut Vec<Unread>) {
    let path = format!("{path}.transport_socket");
    let mut note =
        |kind: &str, why: &str| unread.push(Unread { path: path.clone(), kind: kind.into(), why: why.into() });
    match socket {
        Socket::Raw => {}
        Socket::Unknown(kind) => note(kind, "a transport socket of a type that is not known"),
        Socket::Internal(_) => note("", "a transport socket for upstreams, in a filter chain"),
        Socket::Tls(tls) | Socket::StartTls(tls) => {
            if let Some(kind) = tls.validation.as_ref().and_then(|validation| validation.unknown_validator.as_ref()) {
                note(kind, "a validator of certificates that is not known");
            }
            if inline(tls).any(Vec::is_empty) {
                note("", "a certificate in the configuration that could not be read");
            }
        }
    }
}

/// The certificates that stand in a TLS context itself.
fn inline(tls: &Tls) -> impl Iterator<Item = &Vec<crate::pki::Certificate>> {
    let ca = tls.validation.iter().filter_map(|validation| validation.ca.as_ref());
    tls.certificates.iter().chain(ca).filter_map(|one| match one {
        CertificateRef::Inline(chain) => Some(chain),
        _ => None,
    })
}

/// Notes a filter that is not known, also within an HTTP connection manager.
fn note_filter(read: &Filter, path: &str, unread: &mut Vec<Unread>) {
    match read {
        Filter::Unknown(kind) => unread.push(Unread {
            path: path.to_owned(),
            kind: kind.clone(),
            why: "a filter of a type that is not known".to_owned(),
        }),
        Filter::Http(manager) => {
            for (at, one) in manager.filters.iter().enumerate() {
                note_filter(one, &format!("{path}.typed_config.http_filters[{at}]"), unread);
            }
        }
        _ => {}
    }
}

/// Reads a `FilterChainMatch`. A condition that cannot be read is noted, and the match is marked by it: what it takes is
/// then not known. An empty server name or protocol is Envoy's word for any.
fn read_match(node: &Node<'_>, path: &str, unread: &mut Vec<Unread>) -> Match {
    let mut is_odd = false;
    let mut note = |key: &str, why: &str| {
        is_odd = true;
        let path = format!("{path}.filter_chain_match.{key}");
        unread.push(Unread { path, kind: String::new(), why: why.to_owned() });
    };
    let port = node.get("destination_port");
    if !port.is_null() && port.port().is_none() && port.number() != Some(0) {
        note("destination_port", "not a port");
    }
    let mut source = Vec::new();
    for (key, words) in [("source_prefix_ranges", "from"), ("direct_source_prefix_ranges", "connected from")] {
        let read = ranges(node.get(key));
        if read.iter().any(|range| is_unreadable(range)) {
            note(key, "not a range of addresses");
        }
        source.extend(read.iter().map(|range| format!("{words} {range}")));
    }
    let kind = node.get("source_type");
    match kind.one_of(&["ANY", "SAME_IP_OR_LOOPBACK", "EXTERNAL"]) {
        Some("SAME_IP_OR_LOOPBACK") => source.push("from this host".to_owned()),
        Some("EXTERNAL") => source.push("from other hosts".to_owned()),
        // Envoy had this name for the same number before 1.12.
        None if kind.text() == Some("LOCAL") => source.push("from this host".to_owned()),
        None if !kind.is_null() => note("source_type", "not a type of source"),
        _ => {}
    }
    for one in node.get("source_ports").items() {
        match one.port() {
            Some(port) => source.push(format!("from port {port}")),
            None => note("source_ports", "not a port"),
        }
    }
    let own = ranges(node.get("prefix_ranges"));
    if own.iter().any(|range| is_unreadable(range)) {
        note("prefix_ranges", "not a range of addresses");
    }
    let mut names = |key: &str| {
        let items = node.get(key).items();
        let names = node.get(key).texts();
        if names.len() < items.len() {
            note(key, "not a name");
        }
        if names.iter().any(String::is_empty) { Vec::new() } else { names }
    };
    let (sni, alpn) = (names("server_names"), names("application_protocols"));
    let transport = node.get("transport_protocol");
    if !transport.is_null() && transport.text().is_none() {
        note("transport_protocol", "not a name");
    }
    Match {
        port: port.port(),
        ranges: own,
        sni,
        transport: transport.text().filter(|text| !text.is_empty()).map(str::to_owned),
        alpn,
        source,
        unread: is_odd,
    }
}

/// A list of `CidrRange` as Envoy holds them (`Network::Address::CidrRange`): cut to their length and in one spelling,
/// `10.0.0.1/32`. Without a length it is one of 0 (proto3), which is every address. One that cannot be read is `?`.
pub fn ranges(node: &Node<'_>) -> Vec<String> {
    node.items().iter().map(|one| range(one).unwrap_or_else(|| UNREADABLE.to_owned())).collect()
}

/// In place of a range that cannot be read.
const UNREADABLE: &str = "?";

/// Whether a range could not be read.
pub(super) fn is_unreadable(range: &str) -> bool {
    range == UNREADABLE
}

fn range(node: &Node<'_>) -> Option<String> {
    let length = node.get("prefix_len");
    let length = if length.is_null() { 0 } else { u32::try_from(length.number()?).ok()? };
    let address: IpAddr = node.get("address_prefix").text()?.parse().ok()?;
    Some(match address {
        IpAddr::V4(ip) => {
            let length = length.min(32);
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            format!("{}/{length}", Ipv4Addr::from_bits(ip.to_bits() & mask))
        }
        IpAddr::V6(ip) => {
            let length = length.min(128);
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            format!("{}/{length}", Ipv6Addr::from_bits(ip.to_bits() & mask))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::tree::Tree;
    use serde::de::DeserializeSeed;

    fn tree(text: &str) -> Node<'_> {
        Tree::new().deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap()
    }

    #[test]
    fn ranges_are_cut_and_have_one_spelling() {
        for (address, length, want) in [
            ("10.1.2.3", "8", "10.0.0.0/8"),
            ("10.0.0.1", "32", "10.0.0.1/32"),
            ("10.0.0.1", "99", "10.0.0.1/32"),
            ("1.2.3.4", "0", "0.0.0.0/0"),
            ("1.2.3.4", "null", "0.0.0.0/0"),
            ("0:0:0:0:0:0:0:1", "128", "::1/128"),
            ("fd00::1", "8", "fd00::/8"),
            ("host", "8", "?"),
            ("10.0.0.1", "\"x\"", "?"),
            ("10.0.0.1", "-1", "?"),
        ] {
            let text = format!(r#"[{{"address_prefix":"{address}","prefix_len":{length}}}]"#);
            assert_eq!(ranges(&tree(&text)), [want], "{text}");
        }
    }

    #[test]
    fn a_condition_that_cannot_be_read_marks_the_match() {
        for (text, unread) in [
            ("{}", false),
            (r#"{"destination_port":0}"#, false),
            (r#"{"source_type":"ANY","source_ports":[1]}"#, false),
            (r#"{"source_type":"LOCAL"}"#, false),
            (r#"{"destination_port":99999}"#, true),
            (r#"{"source_type":"WHO"}"#, true),
            (r#"{"source_ports":["x"]}"#, true),
            (r#"{"prefix_ranges":[{}]}"#, true),
            (r#"{"server_names":[1]}"#, true),
            (r#"{"transport_protocol":1}"#, true),
        ] {
            let mut notes = Vec::new();
            let read = read_match(&tree(text), "x", &mut notes);
            assert_eq!((read.unread, !notes.is_empty()), (unread, unread), "{text}");
        }
        let any = read_match(&tree(r#"{"server_names":[""],"application_protocols":["","h2"]}"#), "x", &mut Vec::new());
        assert_eq!(any, Match::default());
    }
}
