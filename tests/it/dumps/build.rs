//! Dumps built in the shape of Istio 1.6: v3 around v2.

use serde_json::{Value, json};

const V2: &str = "type.googleapis.com/envoy.api.v2";

/// What the proxies of a control plane of 2021 put before TLS chains.
pub fn mutual_tls() -> Value {
    json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": format!("{V2}.auth.DownstreamTlsContext"),
        "require_client_certificate": true,
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificate_sds_secret_configs": [{"name": "default", "sds_config": {"api_config_source": {"api_type": "GRPC"}}}],
            "combined_validation_context": {
                "default_validation_context": {},
                "validation_context_sds_secret_config": {"name": "ROOTCA", "sds_config": {"api_config_source": {"api_type": "GRPC"}}}
            }
        }
    }})
}

/// A network filter that passes bytes on.
pub fn tcp(cluster: &str) -> Value {
    json!({"name": "envoy.tcp_proxy", "typed_config": {
        "@type": "type.googleapis.com/envoy.config.filter.network.tcp_proxy.v2.TcpProxy", "stat_prefix": cluster, "cluster": cluster}})
}

/// An HTTP connection manager with these filters before the router.
pub fn http(filters: &[Value]) -> Value {
    let router = json!({"name": "envoy.router"});
    let filters: Vec<&Value> = filters.iter().chain([&router]).collect();
    json!({"name": "envoy.http_connection_manager", "typed_config": {
        "@type": "type.googleapis.com/envoy.config.filter.network.http_connection_manager.v2.HttpConnectionManager",
        "stat_prefix": "in", "route_config": {"name": "in", "virtual_hosts": []}, "http_filters": filters}})
}

/// The filter that said the mode until Istio 1.10.
pub fn istio_authn(mode: &str) -> Value {
    json!({"name": "istio_authn", "typed_config": {
        "@type": "type.googleapis.com/istio.envoy.config.filter.http.authn.v2alpha1.FilterConfig",
        "policy": {"peers": [{"mtls": {"mode": mode}}]}, "skip_validate_trust_domain": true}})
}

/// A filter chain: what it takes, its socket (null: none) and its filter.
pub fn chain(takes: Value, socket: Value, filter: Value) -> Value {
    let mut chain = json!({"filter_chain_match": takes, "filters": [filter]});
    if !socket.is_null() {
        chain["transport_socket"] = socket;
    }
    chain
}

/// A listener as xDS delivered it.
pub fn listener(name: &str, ip: &str, port: u16, direction: &str, chains: Vec<Value>) -> Value {
    json!({"name": name, "active_state": {"version_info": "1", "listener": {
        "@type": format!("{V2}.Listener"), "name": name, "traffic_direction": direction,
        "address": {"socket_address": {"address": ip, "port_value": port}}, "filter_chains": chains}}})
}

/// The dump of a proxy with that node and those listeners.
pub fn dump(node: &str, listeners: &[Value]) -> Value {
    let admin = |kind: &str| format!("type.googleapis.com/envoy.admin.v3.{kind}");
    json!({"configs": [
        {"@type": admin("BootstrapConfigDump"), "bootstrap": {"node": {"id": node, "cluster": "details.bookinfo",
            "metadata": {"ISTIO_VERSION": "1.6.14", "NAMESPACE": "bookinfo", "SERVICE_ACCOUNT": "bookinfo-details"}}}},
        {"@type": admin("ClustersConfigDump"), "dynamic_active_clusters": [{"version_info": "1", "cluster": {
            "@type": format!("{V2}.Cluster"), "name": "InboundPassthroughClusterIpv4", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}}]},
        {"@type": admin("ListenersConfigDump"), "version_info": "1", "dynamic_listeners": listeners}
    ]})
}

/// The node of the article of 2021.
pub const NODE: &str = "sidecar~10.131.1.100~details-v1-79f774bdb9-x9k2p.bookinfo~bookinfo.svc.cluster.local";

/// Listeners for what a workload calls, at the wildcard address, in the order of the article.
const CALLS: [u16; 11] = [80, 3000, 5778, 9080, 9090, 9411, 14250, 14267, 14268, 15010, 15014];

/// The details pod of the article of 2021, with the chains of its inbound listener: 13 of its 25 listeners are at its own
/// address or at the wildcard.
pub fn details(inbound: Vec<Value>) -> Value {
    let mut listeners = Vec::new();
    for (at, port) in CALLS.iter().enumerate() {
        let cluster = format!("outbound|{port}||web.shop.svc.cluster.local");
        let calls = chain(json!({}), Value::Null, http(&[]));
        listeners.push(listener(&format!("0.0.0.0_{port}"), "0.0.0.0", *port, "OUTBOUND", vec![calls]));
        // Other services, at their own addresses.
        let (ip, calls) = (format!("172.30.7.{at}"), chain(json!({}), Value::Null, tcp(&cluster)));
        listeners.push(listener(&format!("{ip}_443"), &ip, 443, "OUTBOUND", vec![calls]));
    }
    let (ip, calls) =
        ("172.30.0.10", chain(json!({}), Value::Null, tcp("outbound|53||dns.kube-system.svc.cluster.local")));
    listeners.push(listener("172.30.0.10_53", ip, 53, "OUTBOUND", vec![calls]));
    let outbound = vec![
        chain(
            json!({"prefix_ranges": [{"address_prefix": "10.131.1.100", "prefix_len": 32}]}),
            Value::Null,
            tcp("BlackHoleCluster"),
        ),
        chain(json!({}), Value::Null, tcp("PassthroughCluster")),
    ];
    listeners.push(listener("virtualOutbound", "0.0.0.0", 15001, "OUTBOUND", outbound));
    listeners.push(listener("virtualInbound", "0.0.0.0", 15006, "INBOUND", inbound));
    dump(NODE, &listeners)
}

const ISTIO_HTTP: [&str; 3] = ["istio-http/1.0", "istio-http/1.1", "istio-h2"];
const ISTIO: [&str; 5] = ["istio-peer-exchange", "istio", "istio-http/1.0", "istio-http/1.1", "istio-h2"];

/// The chain that takes what calls 15006 itself.
fn blackhole() -> Value {
    chain(json!({"destination_port": 15006}), Value::Null, tcp("BlackHoleCluster"))
}

/// The inbound chains of PERMISSIVE: two ports with HTTP, and any other port.
pub fn permissive() -> Vec<Value> {
    let catch = || tcp("InboundPassthroughClusterIpv4");
    let port = |port: u16| {
        let both = || http(&[istio_authn("PERMISSIVE")]);
        let at = |transport: &str| json!({"destination_port": port, "transport_protocol": transport});
        let mut tls = at("tls");
        tls["application_protocols"] = json!(ISTIO);
        [chain(tls, mutual_tls(), both()), chain(at("raw_buffer"), Value::Null, both())]
    };
    let mut chains = vec![
        blackhole(),
        chain(json!({"transport_protocol": "tls", "application_protocols": ISTIO_HTTP}), mutual_tls(), http(&[])),
        chain(
            json!({"transport_protocol": "raw_buffer", "application_protocols": ["http/1.0", "http/1.1", "h2c"]}),
            Value::Null,
            http(&[]),
        ),
        chain(
            json!({"transport_protocol": "tls", "application_protocols": ["istio-peer-exchange", "istio"]}),
            mutual_tls(),
            catch(),
        ),
        chain(json!({"transport_protocol": "raw_buffer"}), Value::Null, catch()),
        chain(json!({"transport_protocol": "tls"}), Value::Null, catch()),
    ];
    chains.extend(port(9080));
    chains.extend(port(15020));
    chains
}

/// The inbound chains of DISABLE.
pub fn disable() -> Vec<Value> {
    let plain = ["http/1.0", "http/1.1", "h2c"];
    let catch = || tcp("InboundPassthroughClusterIpv4");
    vec![
        blackhole(),
        chain(json!({"application_protocols": plain}), Value::Null, http(&[])),
        chain(json!({}), Value::Null, catch()),
        chain(json!({"transport_protocol": "tls"}), Value::Null, catch()),
        chain(json!({"destination_port": 9080}), Value::Null, http(&[])),
        chain(json!({"destination_port": 15020}), Value::Null, http(&[])),
    ]
}
