//! How long a large dump takes, and how much memory: `cargo bench --bench dump`.
//!
//! The dump is generated: 20,000 clusters as Istio writes them (auto mTLS), 3,000 listeners, 60,000 endpoints, routes and
//! secrets, indented as Envoy does it; about 300 MB. The program itself is run, best of three; memory is the highest
//! anonymous resident memory (`RssAnon`). Beside it stand `jq length`, Python's `json.load` and `cat` of the same file.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and may stop at an error"
)]

use serde_json::{Value, json};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CLUSTERS: usize = 20_000;
const LISTENERS: usize = 3_000;
const ROUTES: usize = 2_000;
const ENDPOINTS: usize = 60_000;

fn main() {
    let folder = std::env::temp_dir().join(format!("meshctl-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (plain, packed) = (folder.join("dump.json"), folder.join("dump.json.gz"));
    generate(&plain);
    pack(&plain, &packed);
    let size = std::fs::metadata(&plain).unwrap().len();
    println!("{} MB: {CLUSTERS} clusters, {LISTENERS} listeners, {ENDPOINTS} endpoints", size / 1_000_000);
    println!("{:<28} {:>8} {:>8} {:>8} {:>10}", "", "wall s", "CPU s", "MB/s", "RssAnon MB");
    let (plain, packed) = (plain.to_str().unwrap(), packed.to_str().unwrap());
    let own = env!("CARGO_BIN_EXE_meshctl");
    let table = ["authz-check", "--at", "2026-11-22T12:45:00Z", "--fail-on", "never", "-f"];
    let with = |more: &[&str]| [&table[..], more].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    best("table", size, None, own, &with(&[plain]));
    best("--clusters", size, None, own, &with(&[plain, "--clusters"]));
    best("-o json", size, None, own, &with(&[plain, "-o", "json"]));
    best("table, from a pipe", size, Some(plain), own, &with(&["-"]));
    best("table, gzip", size, None, own, &with(&[packed]));
    best("cat", size, None, "cat", &[plain.to_owned()]);
    best("jq length", size, None, "jq", &["length".to_owned(), plain.to_owned()]);
    let load = "import json, sys; json.load(open(sys.argv[1]))";
    best("python3 json.load", size, None, "python3", &["-c".to_owned(), load.to_owned(), plain.to_owned()]);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Runs a program three times and prints the quickest. `piped`: the file comes through a pipe, as from kubectl.
fn best(name: &str, size: u64, piped: Option<&str>, program: &str, arguments: &[String]) {
    let mut runs = Vec::new();
    for _ in 0..3 {
        let mut cat = piped.map(|path| Command::new("cat").arg(path).stdout(Stdio::piped()).spawn().unwrap());
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(cat) = &mut cat {
            command.stdin(cat.stdout.take().unwrap());
        }
        let start = Instant::now();
        let Ok(mut child) = command.spawn() else {
            println!("{name:<28} not installed");
            return;
        };
        // Its end of the pipe is closed with the command.
        drop(command);
        let (mut memory, mut cpu) = (0, 0.0_f64);
        while child.try_wait().unwrap().is_none() {
            let pid = child.id().to_string();
            memory = anonymous(&pid).unwrap_or(0).max(memory);
            cpu = cpu_of(&pid).max(cpu);
            std::thread::sleep(Duration::from_millis(2));
        }
        runs.push((start.elapsed().as_secs_f64(), cpu, memory));
        if let Some(mut cat) = cat {
            cat.wait().unwrap();
        }
    }
    let (wall, cpu, memory) = runs.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    println!("{name:<28} {wall:>8.2} {cpu:>8.2} {:>8.0} {:>10.1}", size as f64 / wall / 1e6, memory as f64 / 1e6);
}

/// Anonymous resident memory of a process, in bytes.
fn anonymous(pid: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// CPU seconds of a process so far: fields 14 and 15 of its stat, in ticks of 10 ms.
fn cpu_of(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn pack(plain: &Path, packed: &Path) {
    let mut writer = flate2::write::GzEncoder::new(std::fs::File::create(packed).unwrap(), flate2::Compression::fast());
    std::io::copy(&mut std::fs::File::open(plain).unwrap(), &mut writer).unwrap();
    writer.finish().unwrap();
}

fn generate(path: &Path) {
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(path).unwrap());
    out.write_all(b"{\n \"configs\": [\n").unwrap();
    let node = json!({"id": "sidecar~10.0.0.1~client-1.bench~bench.svc.cluster.local", "metadata": {"ISTIO_VERSION": "1.30.0"}});
    write(&mut out, &json!({"@type": admin("BootstrapConfigDump"), "bootstrap": {"node": node}}));
    section(&mut out, "ClustersConfigDump", "dynamic_active_clusters", CLUSTERS, cluster);
    section(&mut out, "EndpointsConfigDump", "dynamic_endpoint_configs", CLUSTERS, endpoints);
    section(&mut out, "ListenersConfigDump", "dynamic_listeners", LISTENERS, listener);
    section(&mut out, "RoutesConfigDump", "dynamic_route_configs", ROUTES, routes);
    section(
        &mut out,
        "SecretsConfigDump",
        "dynamic_active_secrets",
        2,
        |at| json!({"name": if at == 0 { "default" } else { "ROOTCA" }, "version_info": "1", "secret": {"name": "default"}}),
    );
    out.write_all(b"\n ]\n}\n").unwrap();
    out.flush().unwrap();
}

fn admin(name: &str) -> String {
    format!("type.googleapis.com/envoy.admin.v3.{name}")
}

fn section(out: &mut impl Write, kind: &str, list: &str, count: usize, item: impl Fn(usize) -> Value) {
    write!(out, ",\n  {{\n   \"@type\": \"{}\",\n   \"version_info\": \"1\",\n   \"{list}\": [\n", admin(kind))
        .unwrap();
    for at in 0..count {
        if at > 0 {
            out.write_all(b",\n").unwrap();
        }
        write(out, &item(at));
    }
    out.write_all(b"\n   ]\n  }").unwrap();
}

fn write(out: &mut impl Write, value: &Value) {
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(out, formatter);
    serde::Serialize::serialize(value, &mut serializer).unwrap();
}

fn extension(name: &str, kind: &str, mut body: Value) -> Value {
    body["@type"] = format!("type.googleapis.com/envoy.extensions.{kind}").into();
    json!({"name": name, "typed_config": body})
}

fn certificates(san: &str) -> Value {
    let sds = json!({"api_config_source": {"api_type": "GRPC", "grpc_services": [{"envoy_grpc": {"cluster_name": "sds-grpc"}}],
        "set_node_on_first_message_only": true, "transport_api_version": "V3"}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"});
    json!({"alpn_protocols": ["istio-peer-exchange", "istio"], "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificate_sds_secret_configs": [{"name": "default", "sds_config": sds}],
        "combined_validation_context": {"default_validation_context": {"match_subject_alt_names": [{"prefix": san}]},
            "validation_context_sds_secret_config": {"name": "ROOTCA", "sds_config": sds}}})
}

fn host(at: usize) -> String {
    format!("service-{at}.namespace-{}.svc.cluster.local", at % 200)
}

fn name(at: usize) -> String {
    format!("outbound|{}||{}", 8000 + at % 1000, host(at))
}

fn cluster(at: usize) -> Value {
    let tls = extension(
        "envoy.transport_sockets.tls",
        "transport_sockets.tls.v3.UpstreamTlsContext",
        json!({"common_tls_context": certificates(&format!("spiffe://cluster.local/ns/namespace-{}/sa/service-{at}", at % 200)),
            "sni": format!("outbound_.{}_._.{}", 8000 + at % 1000, host(at))}),
    );
    json!({"version_info": "2026-11-22T12:38:56Z/1", "last_updated": "2026-11-22T12:38:56.001Z", "cluster": {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": name(at), "type": "EDS",
        "eds_cluster_config": {"eds_config": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}, "service_name": name(at)},
        "connect_timeout": "10s", "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [{"max_connections": 4294967295u32, "max_pending_requests": 4294967295u32,
            "max_requests": 4294967295u32, "max_retries": 4294967295u32, "track_remaining": true}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}}},
        "metadata": {"filter_metadata": {"istio": {"services": [{"host": host(at), "name": format!("service-{at}"), "namespace": format!("namespace-{}", at % 200)}]}}},
        "common_lb_config": {"locality_weighted_lb_config": {}},
        "filters": [extension("istio.metadata_exchange", "filters.network.metadata_exchange", json!({"protocol": "istio-peer-exchange"}))],
        "transport_socket_matches": [{"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": tls},
            {"name": "tlsMode-disabled", "match": {}, "transport_socket": extension("envoy.transport_sockets.raw_buffer", "transport_sockets.raw_buffer.v3.RawBuffer", json!({}))}]}})
}

fn endpoints(at: usize) -> Value {
    let one = |index: usize| {
        json!({"endpoint": {"address": {"socket_address": {"address": format!("10.{}.{}.{index}", at / 250 % 250, at % 250), "port_value": 8080}}, "health_check_config": {}},
        "health_status": "HEALTHY", "load_balancing_weight": 1,
        "metadata": {"filter_metadata": {"istio": {"workload": format!("service-{at};namespace-{};service-{at};v1;Kubernetes", at % 200)}, "envoy.transport_socket_match": {"tlsMode": "istio"}}}})
    };
    let endpoints: Vec<Value> = (0..ENDPOINTS / CLUSTERS).map(one).collect();
    json!({"endpoint_config": {"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": name(at),
        "endpoints": [{"locality": {"region": "r", "zone": "z"}, "load_balancing_weight": 3, "lb_endpoints": endpoints}], "policy": {"overprovisioning_factor": 140}}})
}

fn virtual_host(at: usize) -> Value {
    json!({"name": format!("{}:8080", host(at)), "domains": [host(at), format!("service-{at}.namespace-{}", at % 200)], "include_request_attempt_count": true,
        "routes": [{"name": "default", "match": {"prefix": "/"}, "decorator": {"operation": format!("{}:8080/*", host(at))},
            "route": {"cluster": name(at), "timeout": "0s", "max_grpc_timeout": "0s",
                "retry_policy": {"retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes", "num_retries": 2, "host_selection_retry_max_attempts": "5"}}}]})
}

fn routes(at: usize) -> Value {
    let hosts: Vec<Value> = (0..10).map(|index| virtual_host(at * 10 + index)).collect();
    json!({"version_info": "1", "last_updated": "2026-11-22T12:38:56Z", "route_config": {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": at.to_string(), "virtual_hosts": hosts, "validate_clusters": false}})
}

fn listener(at: usize) -> Value {
    // One in a hundred serves calls, in PERMISSIVE mode; the others are for calls of the workload.
    let is_inbound = at.is_multiple_of(100);
    let chains: Vec<Value> = match is_inbound {
        true => (0..8).map(|index| inbound(9000 + index)).collect(),
        false => (0..6).map(|index| json!({"filters": [http(at * 6 + index, "outbound", &[])]})).collect(),
    };
    let name = format!("10.{}.{}.1_8080", at / 250, at % 250);
    json!({"name": name, "active_state": {"version_info": "1", "last_updated": "2026-11-22T12:38:56Z", "listener": {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": name,
        "address": {"socket_address": {"address": format!("10.{}.{}.1", at / 250, at % 250), "port_value": 8080}},
        "traffic_direction": if is_inbound { "INBOUND" } else { "OUTBOUND" }, "bind_to_port": false, "filter_chains": chains,
        "access_log": [access_log()],
        "listener_filters": [extension("envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector", json!({})),
            extension("envoy.filters.listener.http_inspector", "filters.listener.http_inspector.v3.HttpInspector", json!({}))]}}})
}

fn inbound(port: usize) -> Value {
    let context =
        json!({"common_tls_context": certificates("spiffe://cluster.local/"), "require_client_certificate": true});
    let policy = json!({"permissions": [{"and_rules": {"rules": [{"any": true}]}}],
        "principals": [{"and_ids": {"ids": [{"or_ids": {"ids": [{"authenticated": {"principal_name": {"exact": "spiffe://cluster.local/ns/bench/sa/client"}}}]}}]}}]});
    let rbac = extension(
        "envoy.filters.http.rbac",
        "filters.http.rbac.v3.RBAC",
        json!({"rules": {"policies": {"ns[bench]-policy[p]-rule[0]": policy}}, "shadow_rules_stat_prefix": "istio_dry_run_allow_"}),
    );
    json!({"name": format!("0.0.0.0_{port}"), "filter_chain_match": {"destination_port": port, "transport_protocol": "tls",
            "application_protocols": ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"]},
        "transport_socket": extension("envoy.transport_sockets.tls", "transport_sockets.tls.v3.DownstreamTlsContext", context),
        "filters": [http(port, "inbound", &[rbac])]})
}

fn access_log() -> Value {
    let format = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% \
        %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% \
        %DURATION% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" \
        %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";
    extension(
        "envoy.access_loggers.file",
        "access_loggers.file.v3.FileAccessLog",
        json!({"path": "/dev/stdout", "log_format": {"text_format_source": {"inline_string": format}}}),
    )
}

/// A `TypedStruct` around a configuration of Istio's own.
fn typed_struct(name: &str, kind: &str, value: Value) -> Value {
    json!({"name": name, "typed_config": {"@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
        "type_url": format!("type.googleapis.com/{kind}"), "value": value}})
}

fn tracing() -> Value {
    let tags =
        ["canonical_revision", "canonical_service", "mesh_id", "namespace", "cluster_id", "node_id", "version", "zone"];
    let tag = |name: &str| json!({"tag": format!("istio.{name}"), "literal": {"value": format!("value-of-{name}")}});
    json!({"client_sampling": {"value": 100}, "random_sampling": {"value": 1}, "overall_sampling": {"value": 100},
        "custom_tags": tags.map(tag).to_vec()})
}

fn http(at: usize, side: &str, more: &[Value]) -> Value {
    let own = [
        typed_struct(
            "istio.metadata_exchange",
            "io.istio.http.peer_metadata.Config",
            json!({"downstream_discovery": [{"istio_headers": {}}, {"workload_discovery": {}}], "downstream_propagation": [{"istio_headers": {}}],
                "upstream_discovery": [{"istio_headers": {}}, {"workload_discovery": {}}], "upstream_propagation": [{"istio_headers": {"skip_external_clusters": true}}]}),
        ),
        extension(
            "envoy.filters.http.grpc_stats",
            "filters.http.grpc_stats.v3.FilterConfig",
            json!({"emit_filter_state": true, "stats_for_all_methods": false}),
        ),
        typed_struct(
            "istio.alpn",
            "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
            json!({"alpn_override": [
            {"alpn_override": ["istio-http/1.0", "istio", "http/1.0"]}, {"upstream_protocol": "HTTP11", "alpn_override": ["istio-http/1.1", "istio", "http/1.1"]},
            {"upstream_protocol": "HTTP2", "alpn_override": ["istio-h2", "istio", "h2"]}]}),
        ),
        extension("envoy.filters.http.fault", "filters.http.fault.v3.HTTPFault", json!({})),
        extension("envoy.filters.http.cors", "filters.http.cors.v3.Cors", json!({})),
        typed_struct("istio.stats", "stats.PluginConfig", json!({"disable_host_header_fallback": true})),
        extension("envoy.filters.http.router", "filters.http.router.v3.Router", json!({})),
    ];
    let filters: Vec<Value> = more.iter().chain(&own).cloned().collect();
    extension(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        json!({"stat_prefix": format!("{side}_{at}"), "route_config": {"name": format!("{side}|{at}||"), "virtual_hosts": [virtual_host(at)], "validate_clusters": false},
            "access_log": [access_log()], "http_filters": filters, "tracing": tracing(),
            "http_protocol_options": {}, "server_name": "istio-envoy", "use_remote_address": false, "forward_client_cert_details": "APPEND_FORWARD",
            "set_current_client_cert_details": {"subject": true, "dns": true, "uri": true}, "upgrade_configs": [{"upgrade_type": "websocket"}],
            "stream_idle_timeout": "0s", "normalize_path": true, "path_with_escaped_slashes_action": "KEEP_UNCHANGED"}),
    )
}
