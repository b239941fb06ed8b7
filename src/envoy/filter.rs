//! Network and HTTP filters, out of the tree.
//!
//! What a filter is, its type says; only the old untyped `Struct` form leaves nothing but the name. Types are compared
//! without their version, so v2 and v3 are one row of `FILTERS`.

use super::model::{ExtAuthz, Filter, HttpManager, IstioAuthn, JwtProvider, Layer, Mode, Rbac};
use super::tree::Node;
use super::{rbac, routes};
use foldhash::fast::FixedState;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What a filter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `HttpConnectionManager`.
    Manager,
    /// RBAC.
    Rbac,
    /// `ext_authz`.
    ExtAuthz,
    /// `jwt_authn`.
    Jwt,
    /// Istio's own JWT filter (1.0 to 1.4).
    OldJwt,
    /// `istio_authn`.
    IstioAuthn,
    /// `tcp_proxy`.
    TcpProxy,
    /// Wasm: Istio's own plugins only report.
    Wasm,
    /// No say in who may call.
    Other,
    /// May refuse, or let pass, in ways that a dump does not show.
    Opaque,
}

/// Filters by what [`key`] makes of their type or name: `http/NAME` and `network/NAME` for those of Envoy (NAME is the
/// folder of the proto, and the end of the old name), else the type without its version, or the name.
const FILTERS: &[(&str, Kind)] = &[
    ("network/http_connection_manager", Kind::Manager),
    ("network/rbac", Kind::Rbac),
    ("http/rbac", Kind::Rbac),
    ("network/ext_authz", Kind::ExtAuthz),
    ("http/ext_authz", Kind::ExtAuthz),
    ("http/jwt_authn", Kind::Jwt),
    ("jwt-auth", Kind::OldJwt),
    ("istio.envoy.config.filter.http.jwt_auth.JwtAuthentication", Kind::OldJwt),
    ("istio_authn", Kind::IstioAuthn),
    ("istio.envoy.config.filter.http.authn.FilterConfig", Kind::IstioAuthn),
    // Only moves the principal of the peer into filter state (1.17 to 1.19).
    ("io.istio.network.authn.Config", Kind::Other),
    ("network/tcp_proxy", Kind::TcpProxy),
    ("http/wasm", Kind::Wasm),
    ("network/wasm", Kind::Wasm),
    // Istio's own, which report or route.
    ("stats.PluginConfig", Kind::Other),
    ("stackdriver.config.PluginConfig", Kind::Other),
    ("envoy.tcp.metadataexchange.config.MetadataExchange", Kind::Other),
    ("io.istio.http.peer_metadata.Config", Kind::Other),
    ("io.istio.http.connect_authority.Config", Kind::Other),
    ("io.istio.http.connect_baggage.Config", Kind::Other),
    ("io.istio.http.istio_stats.Config", Kind::Other),
    ("istio.envoy.config.filter.http.alpn.FilterConfig", Kind::Other),
    ("istio.alpn", Kind::Other),
    ("network/metadata_exchange", Kind::Other),
    ("network/upstream.metadata_exchange", Kind::Other),
    ("network/forward_downstream_sni", Kind::Other),
    ("forward_downstream_sni", Kind::Other),
    ("sni_verifier", Kind::Opaque),
    ("network/tcp_cluster_rewrite", Kind::Other),
    // The check of Mixer may refuse; its rules are not in the dump.
    ("mixer", Kind::Opaque),
    ("istio.mixer.client.config.client.HttpClientConfig", Kind::Opaque),
    ("istio.mixer.client.config.client.TcpClientConfig", Kind::Opaque),
    // Envoy's, HTTP. Limits of rate or load refuse nobody for who they are.
    ("http/adaptive_concurrency", Kind::Other),
    ("http/admission_control", Kind::Other),
    ("http/alternate_protocols_cache", Kind::Other),
    ("http/aws_request_signing", Kind::Other),
    ("http/bandwidth_limit", Kind::Other),
    ("http/buffer", Kind::Other),
    ("http/cache", Kind::Other),
    ("http/cdn_loop", Kind::Other),
    ("http/compressor", Kind::Other),
    ("http/connect_grpc_bridge", Kind::Other),
    ("http/cors", Kind::Other),
    ("http/decompressor", Kind::Other),
    ("http/dynamic_forward_proxy", Kind::Other),
    ("http/fault", Kind::Other),
    ("http/file_system_buffer", Kind::Other),
    ("http/grpc_field_extraction", Kind::Other),
    ("http/grpc_http1_bridge", Kind::Other),
    ("http/grpc_http1_reverse_bridge", Kind::Other),
    ("http/grpc_json_transcoder", Kind::Other),
    ("http/grpc_stats", Kind::Other),
    ("http/grpc_web", Kind::Other),
    ("http/gzip", Kind::Other),
    ("http/header_to_metadata", Kind::Other),
    ("http/health_check", Kind::Other),
    ("http/ip_tagging", Kind::Other),
    ("http/json_to_metadata", Kind::Other),
    ("http/kill_request", Kind::Other),
    ("http/local_ratelimit", Kind::Other),
    ("http/on_demand", Kind::Other),
    ("http/original_src", Kind::Other),
    ("http/proto_message_extraction", Kind::Other),
    ("http/rate_limit", Kind::Other),
    ("http/rate_limit_quota", Kind::Other),
    ("http/ratelimit", Kind::Other),
    ("http/router", Kind::Other),
    ("http/set_filter_state", Kind::Other),
    ("http/set_metadata", Kind::Other),
    ("http/squash", Kind::Other),
    ("http/stateful_session", Kind::Other),
    ("http/tap", Kind::Other),
    ("http/thrift_to_metadata", Kind::Other),
    ("http/upstream_codec", Kind::Other),
    ("http/api_key_auth", Kind::Opaque),
    ("http/basic_auth", Kind::Opaque),
    ("http/composite", Kind::Opaque),
    ("http/credential_injector", Kind::Other),
    ("http/csrf", Kind::Opaque),
    ("http/custom_response", Kind::Other),
    ("http/dynamic_modules", Kind::Opaque),
    ("http/ext_proc", Kind::Opaque),
    ("http/gcp_authn", Kind::Other),
    ("http/geoip", Kind::Other),
    ("http/golang", Kind::Opaque),
    ("http/header_mutation", Kind::Other),
    ("http/language", Kind::Other),
    ("http/lua", Kind::Opaque),
    ("http/oauth2", Kind::Opaque),
    ("http/sxg", Kind::Other),
    ("http/opa", Kind::Opaque),
    ("opa", Kind::Opaque),
    ("opa.istio", Kind::Opaque),
    // Envoy's, network.
    ("network/connection_limit", Kind::Other),
    ("network/direct_response", Kind::Other),
    ("network/dubbo_proxy", Kind::Other),
    ("network/echo", Kind::Other),
    ("network/kafka_broker", Kind::Other),
    ("network/local_ratelimit", Kind::Other),
    ("network/mongo_proxy", Kind::Other),
    ("network/mysql_proxy", Kind::Other),
    ("network/postgres_proxy", Kind::Other),
    ("network/ratelimit", Kind::Other),
    ("network/redis_proxy", Kind::Other),
    ("network/rocketmq_proxy", Kind::Other),
    ("network/set_filter_state", Kind::Other),
    ("network/sni_cluster", Kind::Other),
    ("network/sni_dynamic_forward_proxy", Kind::Other),
    ("network/thrift_proxy", Kind::Other),
    ("network/zookeeper_proxy", Kind::Other),
    ("network/client_ssl_auth", Kind::Opaque),
    ("network/dynamic_modules", Kind::Opaque),
    ("network/ext_proc", Kind::Opaque),
    ("network/golang", Kind::Opaque),
    ("network/generic_proxy", Kind::Opaque),
];

/// [`FILTERS`], to look up.
static KINDS: LazyLock<HashMap<&str, Kind, FixedState>> = LazyLock::new(|| FILTERS.iter().copied().collect());

/// Where the filters of Envoy are, in v3, in v2, and by name.
const PLACES: &[(&str, &str)] = &[
    ("envoy.extensions.filters.http.", "http/"),
    ("envoy.extensions.filters.network.", "network/"),
    ("envoy.config.filter.http.", "http/"),
    ("envoy.config.filter.network.", "network/"),
    ("envoy.filters.http.", "http/"),
    ("envoy.filters.network.", "network/"),
];

/// Wasm plugins of Istio 1.5 to 1.22 that only report, as they are called where they are compiled into the proxy (the
/// "null" runtime, in which nothing else can run).
const REPORTING_PLUGINS: &[&str] = &[
    "envoy.wasm.metadata_exchange",
    "envoy.wasm.stats",
    "envoy.wasm.attributegen",
    "envoy.wasm.access_log_policy",
    "envoy.wasm.stackdriver",
    "envoy.wasm.null.stackdriver",
];

/// The same, as files of the proxy's image.
const REPORTING_FILES: &[&str] = &[
    "/etc/istio/extensions/stats-filter.wasm",
    "/etc/istio/extensions/stats-filter.compiled.wasm",
    "/etc/istio/extensions/metadata-exchange-filter.wasm",
    "/etc/istio/extensions/metadata-exchange-filter.compiled.wasm",
];

/// What [`FILTERS`] calls a filter, by its type, or by its name where it has no type.
pub(super) fn key(kind: &str, name: &str, layer: Layer) -> String {
    let typed = !kind.is_empty();
    let said = if typed { kind } else { name };
    for (place, short) in PLACES {
        if let Some(rest) = said.strip_prefix(place) {
            let folder = if typed { rest.split('.').next().unwrap_or_default() } else { rest };
            return format!("{short}{folder}");
        }
    }
    if typed {
        let parts: Vec<&str> = kind.split('.').filter(|part| !is_version(part)).collect();
        return parts.join(".");
    }
    match (name.strip_prefix("envoy."), layer) {
        (Some(rest), Layer::Http) => format!("http/{rest}"),
        (Some(rest), Layer::Network) => format!("network/{rest}"),
        (None, _) => name.to_owned(),
    }
}

/// Whether a filter of that [`key`] is known to have no say in who may call.
pub(super) fn is_other(key: &str) -> bool {
    KINDS.get(key) == Some(&Kind::Other)
}

/// `v2`, `v3alpha`, `v2alpha1`.
fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The layer that a key names, else the one that the filter stands in.
fn layer_of(key: &str, layer: Layer) -> Layer {
    match key.split_once('/') {
        Some(("http", _)) => Layer::Http,
        Some(("network", _)) => Layer::Network,
        _ => layer,
    }
}

/// The type of an extension and its body. An untyped `Struct`, and nothing at all, have no type: the name decides.
fn extension<'n, 'a>(node: &'n Node<'a>) -> (&'n str, &'n Node<'a>) {
    match node.extension() {
        ("google.protobuf.Struct", body) => ("", body.get("value")),
        ("google.protobuf.Empty", body) => ("", body),
        found => found,
    }
}

/// Reads a filter of a filter chain (`Layer::Network`) or of an HTTP connection manager (`Layer::Http`).
pub fn read(node: &Node<'_>, layer: Layer) -> Filter {
    let name = node.get("name").text().unwrap_or_default();
    if node.has("config_discovery") {
        return Filter::Discovered(name.to_owned());
    }
    let (kind, body) = extension(node);
    let said = if kind.is_empty() { name } else { kind };
    let is_hollow = kind.is_empty() && node.at(&["typed_config", "@type"]).text().is_some_and(is_wrapper);
    if *node == Node::Deep || *body == Node::Deep || is_hollow {
        return Filter::Unknown(said.to_owned());
    }
    let key = key(kind, name, layer);
    let Some(what) = KINDS.get(key.as_str()) else {
        return Filter::Unknown(said.to_owned());
    };
    // Envoy: a disabled filter does nothing unless a route turns it on; the rules of routes then stand by themselves.
    let is_off = node.get("disabled").bool() == Some(true);
    let layer = layer_of(&key, layer);
    match what {
        Kind::Rbac if is_off => Filter::Rbac(Box::new(Rbac { layer, ..Rbac::default() })),
        _ if is_off => Filter::Other,
        Kind::Manager => Filter::Http(Box::new(manager(body))),
        Kind::Rbac => Filter::Rbac(Box::new(rbac::read(body, layer))),
        Kind::ExtAuthz if body.has("filter_enabled") => Filter::Opaque(format!("{said} with filter_enabled")),
        Kind::ExtAuthz => Filter::ExtAuthz(ext_authz(body, layer)),
        Kind::Jwt => Filter::Jwt(providers(body)),
        Kind::OldJwt => Filter::Jwt(old_providers(body)),
        Kind::IstioAuthn => Filter::IstioAuthn(istio_authn(body)),
        Kind::TcpProxy => Filter::TcpProxy(body.get("cluster").text().unwrap_or_default().to_owned()),
        Kind::Wasm if only_reports(body) => Filter::Other,
        Kind::Wasm => Filter::Opaque(named(said, name)),
        Kind::Other => Filter::Other,
        Kind::Opaque => Filter::Opaque(named(said, name)),
    }
}

/// Whether a type only wraps another one.
fn is_wrapper(kind: &str) -> bool {
    kind.ends_with(".TypedStruct") || kind.ends_with(".Any")
}

/// A type, with the name of the filter where that says more.
fn named(kind: &str, name: &str) -> String {
    if name.is_empty() || name == kind { kind.to_owned() } else { format!("{kind} ({name})") }
}

/// Whether a Wasm filter is one of Istio's that only report. The code decides, not the name of the filter.
fn only_reports(body: &Node<'_>) -> bool {
    let vm = body.at(&["config", "vm_config"]);
    let code = vm.at(&["code", "local"]);
    let is_builtin = vm.get("runtime").text() == Some("envoy.wasm.runtime.null");
    let is_one = |key: &str, known: &[&str]| code.get(key).text().is_some_and(|text| known.contains(&text));
    (is_builtin && is_one("inline_string", REPORTING_PLUGINS)) || is_one("filename", REPORTING_FILES)
}

/// Reads an `HttpConnectionManager`.
fn manager(body: &Node<'_>) -> HttpManager {
    let inline = body.get("route_config");
    let by_rds = body.at(&["rds", "route_config_name"]).text();
    let nodes = body.get("http_filters").items();
    let filters: Vec<Filter> = nodes.iter().map(|one| read(one, Layer::Http)).collect();
    // Most filters have no say, and what a route does to them changes nothing: their names are not kept. One that is
    // switched off may be switched on by a route.
    let name = |(node, filter): (&Node<'_>, &Filter)| match filter {
        Filter::Other if node.get("disabled").bool() != Some(true) => String::new(),
        _ => node.get("name").text().unwrap_or_default().to_owned(),
    };
    HttpManager {
        names: nodes.iter().zip(&filters).map(name).collect(),
        filters,
        routes: routes::read(inline),
        route: by_rds.or_else(|| inline.get("name").text()).map(str::to_owned),
        // Which of scoped routes is taken, the request says: as good as routes that are not in the dump.
        is_rds: body.has("rds") || body.has("scoped_routes"),
    }
}

/// Reads `ext_authz`.
fn ext_authz(body: &Node<'_>, layer: Layer) -> ExtAuthz {
    let by_grpc = body.at(&["grpc_service", "envoy_grpc", "cluster_name"]);
    let by_http = body.at(&["http_service", "server_uri", "cluster"]);
    let value = body.at(&["filter_enabled_metadata", "value", "string_match"]);
    let only_for = body.has("filter_enabled_metadata").then(|| {
        let prefix = value.get("prefix").text().or_else(|| value.get("exact").text());
        prefix.unwrap_or_default().to_owned()
    });
    ExtAuthz {
        layer,
        cluster: by_grpc.text().or_else(|| by_http.text()).unwrap_or_default().to_owned(),
        failure_mode_allow: body.get("failure_mode_allow").bool() == Some(true),
        only_for,
    }
}

/// Reads the providers of `jwt_authn`, sorted by name.
fn providers(body: &Node<'_>) -> Vec<JwtProvider> {
    let mut entries: Vec<(&str, &Node<'_>)> = body.get("providers").entries().collect();
    entries.sort_by_key(|(name, _)| *name);
    let demanded = demanded(body);
    let provider = |(name, one): (&str, &Node<'_>)| JwtProvider {
        issuer: one.get("issuer").text().unwrap_or_default().to_owned(),
        is_required: demanded.as_deref() == Some(name),
    };
    entries.into_iter().map(provider).collect()
}

/// The provider that every request needs a token of: the only rule has no condition but `/`, and names it alone.
fn demanded(body: &Node<'_>) -> Option<String> {
    let [rule] = body.get("rules").items() else { return None };
    if rule.at(&["match", "prefix"]).text() != Some("/") {
        return None;
    }
    let requires = rule.get("requires");
    let named = requires.get("provider_name");
    named.text().or_else(|| requires.at(&["provider_and_audiences", "provider_name"]).text()).map(str::to_owned)
}

/// Reads the rules of Istio's old JWT filter.
fn old_providers(body: &Node<'_>) -> Vec<JwtProvider> {
    let is_required = body.get("allow_missing_or_failed").bool() != Some(true);
    let issuer = |rule: &Node<'_>| rule.get("issuer").text().unwrap_or_default().to_owned();
    body.get("rules").items().iter().map(|rule| JwtProvider { issuer: issuer(rule), is_required }).collect()
}

/// Reads `istio_authn`. In the proto STRICT is 0, so an `mtls` that says nothing is STRICT.
fn istio_authn(body: &Node<'_>) -> IstioAuthn {
    let policy = body.get("policy");
    let peers = policy.get("peers").items().iter().filter(|peer| peer.has("mtls"));
    let origins = policy.get("origins").items().iter();
    IstioAuthn {
        modes: peers.filter_map(|peer| mode(peer.at(&["mtls", "mode"]))).collect(),
        issuers: origins.filter_map(|one| one.at(&["jwt", "issuer"]).text()).map(str::to_owned).collect(),
    }
}

/// The mode of a peer of `istio_authn`.
fn mode(node: &Node<'_>) -> Option<Mode> {
    match node {
        Node::Null => Some(Mode::Strict),
        _ => match node.one_of(&["STRICT", "PERMISSIVE"]) {
            Some("STRICT") => Some(Mode::Strict),
            Some(_) => Some(Mode::Permissive),
            None => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::tree::Tree;
    use serde::de::DeserializeSeed;

    fn tree(text: &str) -> Node<'_> {
        Tree::new().deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap()
    }

    fn typed(kind: &str, body: &str) -> Filter {
        let comma = if body.is_empty() { "" } else { "," };
        let text =
            format!(r#"{{"name": "x", "typed_config": {{"@type": "type.googleapis.com/{kind}"{comma}{body}}}}}"#);
        read(&tree(&text), Layer::Http)
    }

    #[test]
    fn no_filter_stands_twice_in_the_table() {
        assert_eq!(KINDS.len(), FILTERS.len());
    }

    #[test]
    fn the_type_decides_and_the_name_where_there_is_none() {
        let rbac = "envoy.extensions.filters.http.rbac.v3.RBAC";
        assert!(matches!(typed(rbac, ""), Filter::Rbac(rbac) if rbac.layer == Layer::Http));
        let network = "envoy.extensions.filters.network.rbac.v3.RBAC";
        assert!(matches!(typed(network, ""), Filter::Rbac(rbac) if rbac.layer == Layer::Network));
        assert!(matches!(typed("envoy.config.filter.http.rbac.v2.RBAC", ""), Filter::Rbac(_)));
        assert!(matches!(typed("acme.rbac.v3.RBAC", ""), Filter::Unknown(kind) if kind == "acme.rbac.v3.RBAC"));
        assert!(matches!(typed("envoy.extensions.filters.http.lua.v3.Lua", ""), Filter::Opaque(_)));
        for (text, expected) in [
            (r#"{"name": "envoy.cors"}"#, Filter::Other),
            (r#"{"name": "envoy.filters.http.rbac", "config": {}}"#, Filter::Rbac(Box::default())),
            (r#"{"name": "mixer", "config": {}}"#, Filter::Opaque("mixer".to_owned())),
            (r#"{"name": "acme"}"#, Filter::Unknown("acme".to_owned())),
            (r#"{"name": "e", "config_discovery": {}}"#, Filter::Discovered("e".to_owned())),
            (r#"{"name": "mixer", "disabled": true}"#, Filter::Other),
            (
                r#"{"name": "envoy.cors", "typed_config": {"@type": "t/udpa.type.v1.TypedStruct"}}"#,
                Filter::Unknown("envoy.cors".to_owned()),
            ),
            (r#"7"#, Filter::Unknown(String::new())),
        ] {
            assert_eq!(read(&tree(text), Layer::Http), expected, "{text}");
        }
    }

    #[test]
    fn wasm_of_istio_that_is_compiled_in_only_reports() {
        let wasm = |runtime: &str, code: &str| {
            let body = format!(
                r#""config": {{"vm_config": {{"runtime": "{runtime}", "code": {{"local": {{"inline_string": "{code}"}}}}}}}}"#
            );
            typed("envoy.extensions.filters.http.wasm.v3.Wasm", &body)
        };
        assert_eq!(wasm("envoy.wasm.runtime.null", "envoy.wasm.stats"), Filter::Other);
        assert!(matches!(wasm("envoy.wasm.runtime.v8", "envoy.wasm.stats"), Filter::Opaque(_)));
        assert!(matches!(wasm("envoy.wasm.runtime.null", "acme"), Filter::Opaque(_)));
    }

    #[test]
    fn istio_authn_without_a_mode_is_strict() {
        let kind = "istio.envoy.config.filter.http.authn.v2alpha1.FilterConfig";
        for (peers, modes) in [
            (r#"[{"mtls": {}}]"#, vec![Mode::Strict]),
            (r#"{"mtls": {"mode": "PERMISSIVE"}}"#, vec![Mode::Permissive]),
            (r#"[{"mtls": {"mode": 1}}]"#, vec![Mode::Permissive]),
            (r#"[{"jwt": {}}]"#, vec![]),
        ] {
            let Filter::IstioAuthn(found) = typed(kind, &format!(r#""policy": {{"peers": {peers}}}"#)) else {
                panic!()
            };
            assert_eq!(found.modes, modes, "{peers}");
        }
    }
}
