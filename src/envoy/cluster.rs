//! Clusters and endpoints, out of the tree.

use super::model::{Address, Cluster, Endpoint, Proxy, Socket, SocketMatch, State, Tls, Unread};
use super::tls;
use super::tree::Node;

/// Discovery types in the order of their numbers (Envoy, `Cluster.DiscoveryType`).
const DISCOVERY: &[&str] = &["STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"];

/// Where the metadata of endpoints hold what selects their socket (Envoy, `transport_socket_match_impl`).
const SOCKET_MATCH: &str = "envoy.transport_socket_match";

/// Where metadata say what is behind a tunnel: the filter and the key. Istio wrote the second one until 1.25.
const TUNNELS: &[(&str, &str)] = &[("tunnel", "destination"), ("envoy.filters.listener.original_dst", "local")];

/// Reads a `Cluster`; what is not understood goes to [`Proxy::unread`].
pub fn read(node: &Node<'_>, state: State, path: &str, proxy: &mut Proxy) -> Cluster {
    let text = |node: &Node<'_>| node.text().unwrap_or_default().to_owned();
    let name = text(node.get("name"));
    let own = match node.get("load_assignment") {
        Node::Null => node.get("hosts").items().iter().filter_map(host).collect(),
        assignment => endpoints(assignment),
    };
    let eds_name = node.at(&["eds_cluster_config", "service_name"]).text();
    let mut cluster = Cluster {
        state,
        path: path.to_owned(),
        discovery: discovery(node).to_owned(),
        destination_rule: destination_rule(node.at(&["metadata", "filter_metadata", "istio", "config"])),
        matches: node.get("transport_socket_matches").items().iter().map(socket_match).collect(),
        socket: tls::socket(node),
        endpoints: own,
        eds_name: eds_name.filter(|eds| !eds.is_empty() && **eds != name).map(str::to_owned),
        name,
    };
    if node.has("transport_socket_matcher") {
        // A matching tree chooses among the sockets by what endpoints and connections are like: not evaluated.
        cluster.matches.clear();
        cluster.socket = Socket::Unknown("transport_socket_matcher".to_owned());
    }
    let (auto_sni, auto_san) = http_options(node);
    for socket in cluster.matches.iter_mut().map(|one| &mut one.socket).chain([&mut cluster.socket]) {
        follow_host(socket, auto_sni, auto_san);
    }
    unread(&cluster, proxy);
    cluster
}

/// The discovery type; empty for an extension (`cluster_type`) and for what is not known.
fn discovery(node: &Node<'_>) -> &'static str {
    match node.get("type") {
        Node::Null if node.has("cluster_type") => "",
        Node::Null => "STATIC",
        kind => kind.one_of(DISCOVERY).unwrap_or_default(),
    }
}

/// `ns/name` out of `/apis/networking.istio.io/v1/namespaces/NS/destination-rule/NAME`, of any API version; until 1.4
/// the group was written `networking`.
fn destination_rule(node: &Node<'_>) -> Option<String> {
    let mut parts = node.text()?.split('/').skip_while(|part| *part != "namespaces").skip(1);
    let (namespace, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
    let is_rule = kind.replace('-', "").to_ascii_lowercase().starts_with("destinationrule");
    (is_rule && !name.is_empty() && parts.next().is_none()).then(|| format!("{namespace}/{name}"))
}

fn socket_match(node: &Node<'_>) -> SocketMatch {
    SocketMatch {
        name: node.get("name").text().unwrap_or_default().to_owned(),
        when: labels(node.get("match")),
        socket: tls::socket(node),
    }
}

/// What the protocol options of HTTP say of the SNI and the SANs: `auto_sni` and `auto_san_validation`. Until 1.8 they
/// stood in the cluster itself.
fn http_options(node: &Node<'_>) -> (bool, bool) {
    let typed = node.get("typed_extension_protocol_options");
    let options = typed.entries().filter(|(name, options)| {
        let kind = options.kind();
        if kind.is_empty() { name.ends_with(".HttpProtocolOptions") } else { kind.ends_with(".HttpProtocolOptions") }
    });
    let mut all = options.map(|(_, options)| options).chain([node]);
    let said = |owner: &Node<'_>, key| owner.at(&["upstream_http_protocol_options", key]).bool() == Some(true);
    all.by_ref().fold((false, false), |(sni, san), owner| {
        (sni || said(owner, "auto_sni"), san || said(owner, "auto_san_validation"))
    })
}

/// Notes in the TLS of a socket that its SNI and SANs follow the host of the request.
fn follow_host(socket: &mut Socket, auto_sni: bool, auto_san: bool) {
    match socket {
        Socket::Tls(tls) | Socket::StartTls(tls) => {
            tls.auto_sni |= auto_sni;
            tls.auto_san |= auto_san;
        }
        Socket::Internal(inner) => follow_host(inner, auto_sni, auto_san),
        Socket::Raw | Socket::Unknown(_) => {}
    }
}

/// Notes the sockets, and the validators in them, that are not understood.
fn unread(cluster: &Cluster, proxy: &mut Proxy) {
    let matches = cluster.matches.iter().enumerate();
    let matches = matches.map(|(at, one)| (format!("transport_socket_matches[{at}].transport_socket"), &one.socket));
    for (place, socket) in matches.chain([("transport_socket".to_owned(), &cluster.socket)]) {
        let (kind, why) = match innermost(socket) {
            Socket::Unknown(kind) if kind == "transport_socket_matcher" => {
                (kind.clone(), "a matching tree that chooses the socket is not evaluated")
            }
            Socket::Unknown(kind) => (kind.clone(), "this kind of transport socket is not known"),
            Socket::Tls(tls) | Socket::StartTls(tls) => match unknown_validator(tls) {
                Some(kind) => (kind.to_owned(), "this way of checking certificates is not known"),
                None => continue,
            },
            _ => continue,
        };
        proxy.unread.push(Unread { path: format!("{}.{place}", cluster.path), kind, why: why.to_owned() });
    }
}

fn unknown_validator(tls: &Tls) -> Option<&str> {
    tls.validation.as_ref()?.unknown_validator.as_deref()
}

/// What is spoken inside, past the ways to internal listeners.
pub(super) fn innermost(socket: &Socket) -> &Socket {
    match socket {
        Socket::Internal(inner) => innermost(inner),
        other => other,
    }
}

/// Reads the endpoints of a `ClusterLoadAssignment`.
pub fn endpoints(node: &Node<'_>) -> Vec<Endpoint> {
    let mut found = Vec::new();
    for locality in node.get("endpoints").items() {
        let shared = locality.at(&["metadata", "filter_metadata", SOCKET_MATCH]);
        for item in locality.get("lb_endpoints").items() {
            let data = item.at(&["metadata", "filter_metadata"]);
            let mut own = labels(data.get(SOCKET_MATCH));
            // The metadata of the locality count where those of the endpoint say nothing (Envoy, since 1.31).
            for (key, value) in labels(shared) {
                if !own.iter().any(|(have, _)| *have == key) {
                    own.push((key, value));
                }
            }
            let tunnel = TUNNELS.iter().find_map(|(filter, key)| data.at(&[filter, key]).text());
            let endpoint = item.get("endpoint");
            let more = endpoint.get("additional_addresses").items().iter().map(|one| one.get("address"));
            for address in [endpoint.get("address")].into_iter().chain(more).filter_map(address) {
                found.push(Endpoint {
                    address,
                    labels: own.clone(),
                    tunnel: tunnel.map(str::to_owned),
                    labels_known: true,
                });
            }
        }
    }
    found
}

/// One of the old `hosts`: an address without anything else.
fn host(node: &Node<'_>) -> Option<Endpoint> {
    Some(Endpoint { address: address(node)?, labels: Vec::new(), tunnel: None, labels_known: true })
}

/// Reads an `Address`.
fn address(node: &Node<'_>) -> Option<Address> {
    let socket = node.get("socket_address");
    if !socket.is_null() {
        return Some(Address::Socket(
            socket.get("address").text()?.to_owned(),
            socket.get("port_value").port().unwrap_or(0),
        ));
    }
    if let Some(path) = node.at(&["pipe", "path"]).text() {
        return Some(Address::Pipe(path.to_owned()));
    }
    let internal = node.get("envoy_internal_address");
    let name = internal.get("server_listener_name").text()?;
    Some(Address::Internal(name.to_owned(), internal.get("endpoint_id").text().unwrap_or_default().to_owned()))
}

/// Keys and values of metadata.
fn labels(node: &Node<'_>) -> Vec<(String, String)> {
    node.entries().map(|(key, value)| (key.to_owned(), value_text(value))).collect()
}

/// A value of metadata as text. Values that are neither text, boolean nor number stand as they are held: they are equal
/// to themselves and to nothing else.
fn value_text(node: &Node<'_>) -> String {
    match node {
        Node::Text(text) => text.to_string(),
        Node::Bool(value) => value.to_string(),
        Node::Number(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;
    use serde::de::DeserializeSeed;

    fn tree(text: &str) -> Node<'_> {
        Tree::new().deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap()
    }

    fn cluster(text: &str) -> (Cluster, Vec<Unread>) {
        let mut proxy = Proxy::default();
        let read = read(&tree(text), State::Active, "configs[0].cluster", &mut proxy);
        (read, proxy.unread)
    }

    #[test]
    fn the_discovery_type_is_a_name_or_a_number() {
        for (text, want) in [
            (r#"{"type": "EDS"}"#, "EDS"),
            (r#"{"type": 4}"#, "ORIGINAL_DST"),
            (r#"{"type": "NEW"}"#, ""),
            (r#"{"cluster_type": {"name": "envoy.clusters.aggregate"}}"#, ""),
            (r#"{"clusterType": {"name": "envoy.clusters.dns"}}"#, ""),
            ("{}", "STATIC"),
        ] {
            assert_eq!(cluster(text).0.discovery, want, "{text}");
        }
    }

    #[test]
    fn the_destination_rule_is_named() {
        for (path, want) in [
            ("/apis/networking.istio.io/v1/namespaces/shop/destination-rule/cart", Some("shop/cart")),
            ("/apis/networking.istio.io/v1alpha3/namespaces/shop/destination-rule/cart", Some("shop/cart")),
            ("/apis/networking/v1alpha3/namespaces/shop/destination-rule/cart", Some("shop/cart")),
            ("/apis/networking.istio.io/v1/namespaces/shop/virtual-service/cart", None),
            ("/apis/networking.istio.io/v1/namespaces/shop", None),
            ("", None),
        ] {
            let text = format!(r#"{{"metadata": {{"filterMetadata": {{"istio": {{"config": "{path}"}}}}}}}}"#);
            assert_eq!(cluster(&text).0.destination_rule.as_deref(), want, "{path}");
        }
    }

    #[test]
    fn sockets_follow_the_labels_of_endpoints() {
        let (read, unread) = cluster(
            r#"{"name": "c", "eds_cluster_config": {"service_name": "c"}, "transport_socket_matches": [
            {"name": "tlsMode-istio", "match": {"tlsMode": "istio", "x": true}, "transport_socket": {"name": "n",
             "typed_config": {"@type": "t/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", "sni": "s"}}},
            {"name": "odd", "match": {}, "transport_socket": {"name": "n", "typed_config": {"@type": "t/x.Odd"}}}],
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
             "@type": "t/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
             "upstream_http_protocol_options": {"auto_sni": true, "auto_san_validation": true}}}}"#,
        );
        assert_eq!(read.eds_name, None);
        assert_eq!(read.matches[0].when, [("tlsMode".into(), "istio".into()), ("x".into(), "true".into())]);
        assert!(matches!(&read.matches[0].socket, Socket::Tls(tls) if tls.auto_sni && tls.auto_san));
        assert_eq!(read.matches[1].socket, Socket::Unknown("x.Odd".into()));
        let path = "configs[0].cluster.transport_socket_matches[1].transport_socket";
        assert_eq!((&*unread[0].path, &*unread[0].kind, unread.len()), (path, "x.Odd", 1));
    }

    #[test]
    fn a_matching_tree_leaves_the_sockets_undecided() {
        let (read, unread) = cluster(r#"{"transport_socket_matcher": {"on_no_match": {}}}"#);
        assert!(matches!(read.socket, Socket::Unknown(_)) && unread.len() == 1);
    }

    #[test]
    fn endpoints_of_every_era_are_read() {
        let (read, _) = cluster(
            r#"{"hosts": [{"socketAddress": {"address": "istio-pilot", "portValue": 15010}}, {"pipe": {"path": "/p"}}, {}]}"#,
        );
        let addresses: Vec<_> = read.endpoints.iter().map(|one| one.address.clone()).collect();
        assert_eq!(addresses, [Address::Socket("istio-pilot".into(), 15010), Address::Pipe("/p".into())]);

        let found = endpoints(&tree(
            r#"{"endpoints": [{"metadata": {"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "no", "zone": "a"}}},
            "lb_endpoints": [
            {"endpoint": {"address": {"envoy_internal_address": {"server_listener_name": "connect_originate", "endpoint_id": "10.0.0.1:80"}}},
             "metadata": {"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio", "tunnel": "http"}, "tunnel": {"destination": "10.0.0.1:80"}}}},
            {"endpoint": {"address": {"socket_address": {"address": "fd00::1", "port_value": 80}},
             "additional_addresses": [{"address": {"socket_address": {"address": "10.0.0.2", "port_value": "80"}}}]}},
            {"endpoint": {"address": {"envoy_internal_address": {"server_listener_name": "connect_originate"}}},
             "metadata": {"filter_metadata": {"envoy.filters.listener.original_dst": {"local": "10.0.0.3:80"}}}}]}]}"#,
        ));
        assert_eq!(found.len(), 4);
        assert_eq!(found[0].address, Address::Internal("connect_originate".into(), "10.0.0.1:80".into()));
        assert_eq!((found[0].tunnel.as_deref(), &*found[0].labels[0].1), (Some("10.0.0.1:80"), "istio"));
        assert_eq!(found[0].labels.len(), 3);
        assert_eq!(found[2].address, Address::Socket("10.0.0.2".into(), 80));
        assert_eq!(found[3].tunnel.as_deref(), Some("10.0.0.3:80"));
    }
}
