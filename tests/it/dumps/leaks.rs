//! What a dump holds and nobody may see: private keys, and text that takes over a terminal.

use super::{AT, authz};
use crate::support::{meshctl_on, read, root};
use meshctl::render::FORMATS;
use serde_json::{Value, json};

/// The middle of a private key: what would be seen if one were printed, whole or in pieces.
const KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVcB";

/// Every way to look at a dump.
const FLAGS: &[&[&str]] = &[&[], &["--all"], &["--clusters"], &["--clusters", "--all"], &["--certs"]];

/// The outputs of a dump in every format, with every flag, and as the old table; what made each.
fn outputs(dump: &Value) -> Vec<(String, String)> {
    let text = dump.to_string();
    let mut all = Vec::new();
    let mut add = |args: &[&str]| {
        let args = [&["authz-check", "-f", "-", "--fail-on", "never", "--at", AT], args].concat();
        for width in [None, Some(80), Some(200)] {
            let run = meshctl_on(&args, text.as_bytes(), width, false);
            assert!(matches!(run.code, 0 | 3), "{args:?}: {}", run.stderr);
            all.push((format!("{args:?}"), run.stdout + &run.stderr));
        }
    };
    for (format, ..) in FORMATS {
        for flags in FLAGS {
            add(&[&["-o", *format], *flags].concat());
        }
    }
    add(&["--compat", "istioctl-1.6"]);
    all
}

/// A dump with `key` wherever a key, a password or a token can be, as base64 or as text.
fn with_keys() -> Value {
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----\n");
    let certificate = read(&root().join("testdata/pki/leaf.pem"));
    let both = format!("{pem}{certificate}{pem}");
    let inline = |text: &str| json!({"inline_string": text});
    let bytes = |text: &str| json!({"inline_bytes": base64(text.as_bytes())});
    let admin = |kind: &str| format!("type.googleapis.com/envoy.admin.v3.{kind}");
    let tls = |kind: &str| format!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{kind}");
    let keys = |source: &dyn Fn(&str) -> Value| {
        json!({"certificate_chain": source(&both), "private_key": source(&pem), "password": source(&pem), "pkcs12": source(&pem),
            "private_key_provider": {"provider_name": "x", "typed_config": {"@type": "type.googleapis.com/x", "private_key": source(&pem)}}})
    };
    let common = |source: &dyn Fn(&str) -> Value| json!({"tls_certificates": [keys(source)], "validation_context": {"trusted_ca": source(&both)}, "key_log": {"path": "/x"}});
    let secret = |name: &str, body: Value| {
        let mut secret = json!({"@type": tls("Secret"), "name": name});
        secret.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        json!({"name": name, "version_info": "1", "secret": secret})
    };
    let http = json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x", "http_filters": [
            {"name": "jwt", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": {"a": {"issuer": "https://issuer.example", "local_jwks": inline(&pem)}}}},
            {"name": "lua", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua", "default_source_code": inline(&pem)}},
            {"name": "injector", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
                "credential": {"token": inline(&pem)}}}]}});
    let listener = |socket: Value| {
        json!({"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "in", "traffic_direction": "INBOUND",
        "address": {"socket_address": {"address": "10.0.0.1", "port_value": 8443}},
        "filter_chains": [{"transport_socket": {"name": "x", "typed_config": socket}, "filters": [http.clone()]}]})
    };
    let server = |source: &dyn Fn(&str) -> Value| json!({"@type": tls("DownstreamTlsContext"), "common_tls_context": common(source), "session_ticket_keys": {"keys": [source(&pem)]}});
    json!({"configs": [
        {"@type": admin("BootstrapConfigDump"), "bootstrap": {
            "node": {"id": "sidecar~10.0.0.1~a.b~b.svc.cluster.local", "metadata": {"TOKEN": pem, "PROXY_CONFIG": {"key": pem}}},
            "static_resources": {"secrets": [{"name": "boot", "tls_certificate": keys(&inline)}],
                "listeners": [listener(server(&bytes))], "clusters": []}}},
        {"@type": admin("ListenersConfigDump"), "dynamic_listeners": [{"name": "in", "active_state": {"listener": listener(server(&inline))},
            "error_state": {"failed_configuration": listener(server(&bytes)), "details": format!("cannot load {pem}")}}]},
        {"@type": admin("ClustersConfigDump"), "dynamic_active_clusters": [{"cluster": {
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "outbound|443||web.b.svc.cluster.local",
            "transport_socket": {"name": "tls", "typed_config": {"@type": tls("UpstreamTlsContext"), "sni": "web", "common_tls_context": common(&inline)}},
            "load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "10.0.0.2", "port_value": 443}}}}]}]}}}]},
        {"@type": admin("SecretsConfigDump"), "dynamic_active_secrets": [
            secret("default", json!({"tls_certificate": keys(&inline)})),
            secret("bytes", json!({"tls_certificate": keys(&bytes)})),
            secret("ROOTCA", json!({"validation_context": {"trusted_ca": inline(&both), "crl": inline(&pem)}})),
            secret("tickets", json!({"session_ticket_keys": {"keys": [inline(&pem)]}})),
            secret("generic", json!({"generic_secret": {"secret": inline(&pem), "secrets": {"a": bytes(&pem)}}}))],
         "static_secrets": [secret("static", json!({"tls_certificate": keys(&inline)}))]},
        {"@type": "type.googleapis.com/acme.KeysConfigDump", "keys": [pem]}
    ]})
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63] as char;
            text.push(if at <= three.len() { digit } else { '=' });
        }
    }
    text
}

#[test]
fn base64_is_right() {
    for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
}

#[test]
fn a_private_key_is_printed_in_no_format() {
    let dump = with_keys();
    let coded = base64(KEY.as_bytes());
    let run = authz(&["-f", "-", "--at", AT, "-o", "json", "--fail-on", "never"], dump.to_string().as_bytes());
    let proxy = &run.json()["proxies"][0];
    for (key, least) in [("rows", 1), ("clusters", 1), ("certificates", 3)] {
        assert!(proxy[key].as_array().unwrap().len() >= least, "the test shows nothing: {proxy}");
    }
    for (what, output) in outputs(&dump) {
        for piece in [KEY, &KEY[..16], "PRIVATE KEY", &coded[..20]] {
            assert!(!output.contains(piece), "{what} prints {piece}:\n{output}");
        }
    }
}

/// Takes over a terminal, turns text around, ends lines.
const EVIL: &str = "a\u{1b}[31m\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\u{2066}\r\n\u{8}\u{0}\u{85}\u{2028}b|c`d";

/// A dump with that text wherever one can be.
fn with_escapes() -> Value {
    let admin = |kind: &str| format!("type.googleapis.com/envoy.admin.v3.{kind}");
    let tls = |kind: &str| format!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{kind}");
    let pem = read(&root().join("testdata/pki/escapes.pem"));
    let common = json!({"alpn_protocols": [EVIL], "tls_params": {"tls_minimum_protocol_version": EVIL, "cipher_suites": [EVIL]},
        "tls_certificate_sds_secret_configs": [{"name": EVIL}],
        "combined_validation_context": {"default_validation_context": {"match_subject_alt_names": [{"exact": EVIL}]},
            "validation_context_sds_secret_config": {"name": EVIL}}});
    let names = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {"action": "DENY", "policies": {
        format!("ns[{EVIL}]-policy[{EVIL}]-rule[0]"): {"permissions": [{"header": {"name": EVIL, "string_match": {"exact": EVIL}}}],
            "principals": [{"authenticated": {"principal_name": {"exact": EVIL}}}]}}}});
    let http = json!({"name": EVIL, "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": EVIL, "route_config": {"name": EVIL, "virtual_hosts": [{"name": EVIL, "domains": [EVIL], "routes": [{"name": EVIL,
            "match": {"prefix": EVIL}, "typed_per_filter_config": {"envoy.filters.http.rbac": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute", "rbac": names.clone()}}}]}]},
        "http_filters": [
            {"name": EVIL, "typed_config": names},
            {"name": EVIL, "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": {EVIL: {"issuer": EVIL}}}},
            {"name": EVIL, "config_discovery": {"type_urls": [EVIL]}},
            {"name": EVIL, "typed_config": {"@type": EVIL, "x": EVIL}}]}});
    let listener = |name: &str| {
        json!({"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": name, "traffic_direction": "INBOUND",
        "address": {"socket_address": {"address": "10.0.0.1", "port_value": 8443}},
        "filter_chains": [
            {"name": EVIL, "filter_chain_match": {"server_names": [EVIL], "application_protocols": [EVIL], "transport_protocol": "tls"},
             "transport_socket": {"name": EVIL, "typed_config": {"@type": tls("DownstreamTlsContext"), "require_client_certificate": true,
                "common_tls_context": common.clone()}}, "filters": [http.clone()]},
            {"name": EVIL, "filter_chain_match": {"transport_protocol": EVIL}, "transport_socket": {"name": EVIL, "typed_config": {"@type": EVIL}}}]})
    };
    let secret = |name: &str, kind: &str| {
        json!({"name": name, "version_info": EVIL, "secret": {"@type": tls("Secret"), "name": name,
        kind: {if kind == "tls_certificate" { "certificate_chain" } else { "trusted_ca" }: {"inline_string": pem}}}})
    };
    json!({"configs": [
        {"@type": admin("BootstrapConfigDump"), "bootstrap": {"node": {"id": format!("sidecar~10.0.0.1~{EVIL}.b~b.svc.cluster.local"), "cluster": EVIL,
            "metadata": {"ISTIO_VERSION": EVIL, "NAMESPACE": EVIL, "SERVICE_ACCOUNT": EVIL, "WORKLOAD_NAME": EVIL}}}},
        {"@type": admin("ListenersConfigDump"), "version_info": EVIL, "dynamic_listeners": [
            {"name": EVIL, "active_state": {"version_info": EVIL, "listener": listener(EVIL)},
             "error_state": {"details": EVIL, "last_update_attempt": EVIL, "failed_configuration": listener(EVIL)}},
            {"name": "warm", "warming_state": {"version_info": EVIL, "last_updated": EVIL, "listener": listener("warm")}}]},
        {"@type": admin("ClustersConfigDump"), "dynamic_active_clusters": [{"cluster": {
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": format!("outbound|443|{EVIL}|{EVIL}"),
            "metadata": {"filter_metadata": {"istio": {"config": format!("/apis/networking.istio.io/v1/namespaces/{EVIL}/destination-rule/{EVIL}")}}},
            "transport_socket": {"name": EVIL, "typed_config": {"@type": tls("UpstreamTlsContext"), "sni": EVIL, "common_tls_context": common}},
            "load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": EVIL}}}},
                {"endpoint": {"address": {"socket_address": {"address": EVIL, "port_value": 443}}}}]}]}}}]},
        {"@type": admin("SecretsConfigDump"), "dynamic_active_secrets": [secret(EVIL, "tls_certificate"), secret("default", "tls_certificate"),
            secret("ROOTCA", "validation_context")],
         "dynamic_warming_secrets": [{"name": EVIL, "secret": {"@type": tls("Secret"), "name": EVIL}}]},
        {"@type": EVIL, "x": EVIL}
    ]})
}

#[test]
fn escape_sequences_reach_no_terminal() {
    for (what, output) in outputs(&with_escapes()) {
        // CSV and Markdown have line ends of their own; no cell may bring one.
        let evil = |c: &char| c.is_control() && *c != '\n' || "\u{202e}\u{2066}\u{2028}".contains(*c);
        let found = output.chars().find(evil);
        let is_csv = what.contains("\"csv\"");
        assert!(found.is_none() || is_csv && found == Some('\r'), "{what}: {found:?}\n{output:?}");
        assert!(output.contains("31m"), "{what}: the test shows nothing\n{output}");
    }
}
