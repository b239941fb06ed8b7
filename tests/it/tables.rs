//! Every row of every table has what belongs to it: a fixture, a page, an output.

use crate::support::{files, meshctl, name, read, root};
use meshctl::explain::PAGES;
use meshctl::finding::CODES;
use meshctl::lint::rules::RULES;
use meshctl::model::kinds::{KINDS, Role};
use meshctl::mtls::outcome::FAILURES;
use meshctl::render::FORMATS;

/// What the smallest sensible object of each judged kind holds besides apiVersion, kind and metadata.
const BODIES: &[(&str, &str)] = &[
    ("Namespace", ""),
    ("Service", "spec: {selector: {app: web}, ports: [{name: http, port: 80}]}"),
    ("Endpoints", "subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{name: http, port: 80}]}]"),
    ("EndpointSlice", "addressType: IPv4\nendpoints: [{addresses: [10.0.0.1]}]\nports: [{name: http, port: 80}]"),
    ("Pod", "spec: {containers: [{name: app, image: app}]}"),
    ("ReplicationController", TEMPLATE),
    ("Deployment", TEMPLATE),
    ("ReplicaSet", TEMPLATE),
    ("StatefulSet", TEMPLATE),
    ("DaemonSet", TEMPLATE),
    ("Job", TEMPLATE),
    ("DeploymentConfig", TEMPLATE),
    ("Rollout", TEMPLATE),
    ("CronJob", "spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: app, image: app}]}}}}}"),
    ("ConfigMap", "data: {mesh: 'enableAutoMtls: true'}"),
    ("PeerAuthentication", "spec: {mtls: {mode: STRICT}}"),
    ("DestinationRule", "spec: {host: web, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}"),
    ("Sidecar", "spec: {egress: [{hosts: ['./*']}]}"),
    (
        "ServiceEntry",
        "spec: {hosts: [a.example.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}",
    ),
    ("WorkloadEntry", "spec: {address: 10.0.0.1, labels: {app: web}}"),
    ("WorkloadGroup", "spec: {template: {serviceAccount: web}}"),
    ("VirtualService", "spec: {hosts: [web], http: [{route: [{destination: {host: web}}]}]}"),
    ("EnvoyFilter", "spec: {}"),
    ("ProxyConfig", "spec: {concurrency: 1}"),
    ("HTTPRoute", "spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: web, port: 80}]}]}"),
    ("GRPCRoute", "spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: web, port: 80}]}]}"),
    ("ServiceMeshControlPlane", "spec: {version: v1.1}"),
    ("ServiceMeshMemberRoll", "spec: {members: [shop]}"),
    ("ServiceMeshMember", "spec: {controlPlaneRef: {name: basic, namespace: cp}}"),
    ("Istio", "spec: {version: v1.26.4, values: {meshConfig: {enableAutoMtls: true}}}"),
    ("IstioRevision", "spec: {version: v1.26.4, namespace: istio-system}"),
    ("IstioRevisionTag", "spec: {targetRef: {kind: Istio, name: default}}"),
    (
        "BackendTLSPolicy",
        "spec: {targetRefs: [{group: '', kind: Service, name: web}], validation: {hostname: web, wellKnownCACertificates: System}}",
    ),
    ("XBackendTrafficPolicy", "spec: {targetRefs: [{group: '', kind: Service, name: web}]}"),
    ("Policy", "spec: {peers: [{mtls: {}}]}"),
    ("MeshPolicy", "spec: {peers: [{mtls: {}}]}"),
    ("ServiceMeshPolicy", "spec: {peers: [{mtls: {}}]}"),
];

/// Kinds that only old versions read.
const OLD: [&str; 3] = ["Policy", "MeshPolicy", "ServiceMeshPolicy"];

const TEMPLATE: &str =
    "spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: app, image: app}]}}}";

/// Two kinds of this name, in two groups.
const GATEWAYS: &[(&str, &str)] = &[
    (
        "networking.istio.io",
        "spec: {selector: {istio: gw}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}",
    ),
    (
        "gateway.networking.k8s.io",
        "spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}",
    ),
];

#[test]
fn every_judged_kind_is_read_in_every_version_without_findings() {
    for row in KINDS.iter().filter(|row| row.role == Role::Judged) {
        let table = if row.kind == "Gateway" { GATEWAYS } else { BODIES };
        let key = if row.kind == "Gateway" { row.group } else { row.kind };
        let (_, body) = table.iter().find(|(name, _)| *name == key).unwrap_or_else(|| panic!("no fixture for {key}"));
        for version in row.versions {
            let slash = if row.group.is_empty() { "" } else { "/" };
            let namespace = if row.namespaced { ", namespace: istio-system" } else { "" };
            let text = format!(
                "apiVersion: {}{slash}{version}\nkind: {}\nmetadata: {{name: istio{namespace}}}\n{body}\n",
                row.group, row.kind
            );
            let flags = ["tls-check", "-f", "-", "-o", "json", "--fail-on", "never"];
            let old: &[&str] = if OLD.contains(&row.kind) { &["--istio-version", "1.4"] } else { &[] };
            let envelope = meshctl(&[&flags, old].concat(), text.as_bytes()).json();
            assert_eq!(envelope["findings"], serde_json::json!([]), "{text}");
            assert_eq!(envelope["summary"]["not_judged"], serde_json::json!({}), "{text}");
            assert_eq!(envelope["input"][0]["documents"], 1, "{text}");
        }
    }
}

#[test]
fn every_kind_that_is_not_judged_says_so() {
    for row in KINDS.iter().filter(|row| row.role == Role::NotYet) {
        let version = row.versions.first().unwrap_or(&"v1");
        // An IstioOperator that sets nothing of the mesh's configuration changes nothing.
        let text = format!(
            "apiVersion: {}/{version}\nkind: {}\nmetadata: {{name: a, namespace: b}}\nspec: {{meshConfig: {{}}}}\n",
            row.group, row.kind
        );
        let run = meshctl(&["tls-check", "-f", "-", "-o", "json", "--fail-on", "never"], text.as_bytes());
        let not_judged = run.json()["summary"]["not_judged"].clone();
        assert_eq!(not_judged.as_object().map(serde_json::Map::len), Some(1), "{text}{not_judged}");
    }
}

#[test]
fn every_format_renders_a_mesh() {
    for (format, _, words) in FORMATS {
        let run = meshctl(&["tls-check", "-f", "testdata/cases/F0/mesh.yaml", "-o", format], b"");
        assert_eq!((run.code, &*run.stderr), (0, ""), "{format}");
        // A mesh without a finding has nothing for the formats of findings.
        let findings_only = ["sarif", "github", "gitlab"].contains(format);
        let shown = if findings_only { !run.stdout.contains("web") } else { run.stdout.contains("web") };
        let ends = run.stdout.ends_with('\n') || *format == "github";
        assert!(shown && ends && !words.is_empty(), "{format}\n{}", run.stdout);
        for command in ["tls-check", "pcap-verify", "authz-check", "lint"] {
            let help = meshctl(&[command, "--help"], b"").stdout;
            assert!(help.contains(format), "the help of {command} does not name {format}");
        }
    }
}

#[test]
fn every_format_renders_a_dump() {
    for (format, ..) in FORMATS {
        for (flag, word) in [("--all", "virtualInbound"), ("--clusters", "reviews.bookinfo"), ("--certs", "ROOTCA")] {
            let dump = "testdata/envoy/productpage-destination-rules.json";
            let run = meshctl(&["authz-check", "-f", dump, "--at", "2026-11-22T12:41:43Z", "-o", format, flag], b"");
            assert_eq!((run.code, &*run.stderr), (0, ""), "{format} {flag}");
            let word = match *format {
                "name" => "productpage",
                // Findings only: the port that accepts plaintext.
                "sarif" | "github" | "gitlab" => "MC0601",
                _ => word,
            };
            assert!(run.stdout.contains(word) && run.stdout.ends_with('\n'), "{format} {flag}\n{}", run.stdout);
        }
    }
}

#[test]
fn every_failure_and_every_finding_is_explained() {
    let index = meshctl(&["explain"], b"").stdout;
    for info in FAILURES {
        let run = meshctl(&["explain", info.code], b"");
        assert_eq!(run.code, 0);
        assert!(run.stdout.starts_with(&format!("{}: {}\n", info.code, info.title)), "{}", run.stdout);
        for symptom in info.symptoms {
            let found = meshctl(&["explain", symptom], b"").stdout;
            assert!(
                found.contains(&format!("{}: {}\n", info.code, info.title)),
                "{symptom} does not lead to {}",
                info.code
            );
        }
        assert!(index.contains(info.title));
    }
    for (code, page) in PAGES {
        let run = meshctl(&["explain", code], b"");
        assert_eq!((run.code, &*run.stdout), (0, *page));
        assert!(page.len() > 200, "the page of {code} says nothing");
        assert!(index.contains(code));
    }
    let pages = files(&root().join("docs/rules"), "md");
    let pages: Vec<&str> =
        pages.iter().map(|page| name(page).trim_end_matches(".md")).filter(|page| *page != "README").collect();
    assert_eq!(pages, CODES.iter().map(|code| code.code).collect::<Vec<_>>(), "pages and codes differ");
}

/// For each code an input that has it and nothing else, and its line and column.
const DEFECTS: &[(&str, &str, u64, u64)] = &[
    ("MC0001", "kind: Service\napiVersion: v1\nspec: [1, 2\n---\nkind: Secret\n", 3, 7),
    (
        "MC0004",
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: a\n",
        6,
        1,
    ),
    ("MC0005", "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  name: b\n", 5, 3),
    ("MC0006", "apiVersion: v1\nkind: Service\n{{- if .Values.a }}\nmetadata:\n  name: a\n{{- end }}\n", 3, 1),
    (
        "MC0007",
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata:\n  name: a\nspec:\n  mtls:\n    mode: STRICTLY\n",
        7,
        11,
    ),
    ("MC0009", "apiVersion: security.istio.io/v1\nkind: PeerAuthentcation\nmetadata:\n  name: a\n", 2, 7),
];

#[test]
fn every_finding_code_is_found_at_its_place() {
    // Those of dumps (MC06xx) and of captures (MC07xx) have their tests beside `envoy::findings` and `capture::findings`.
    // Those of rules are in testdata/lint; that of what a cluster does not show is in cluster.rs.
    let is_rule = |code: &str| {
        code == "MC0003" || code == "MC0010" || code != "MC0007" && RULES.iter().any(|rule| rule.code.code == code)
    };
    let of_manifests = CODES.iter().map(|code| code.code);
    let of_manifests = of_manifests.filter(|code| !["MC06", "MC07"].contains(&&code[..4]) && !is_rule(code));
    assert_eq!(DEFECTS.iter().map(|d| d.0).collect::<Vec<_>>(), of_manifests.collect::<Vec<_>>());
    for (code, text, line, column) in DEFECTS {
        // Lines before it, so that a line that is counted from the document's start is caught.
        let text = format!("# before\n---\napiVersion: v1\nkind: Secret\n---\n{text}");
        let run = meshctl(&["tls-check", "-f", "-", "-o", "json"], text.as_bytes());
        let envelope = run.json();
        let findings = envelope["findings"].as_array().unwrap();
        let codes: Vec<&str> = findings.iter().filter_map(|finding| finding["code"].as_str()).collect();
        assert_eq!(codes, [*code], "{text}{findings:#?}");
        let finding = &findings[0];
        assert_eq!((&finding["line"], &finding["column"]), (&(line + 5).into(), &(*column).into()), "{finding}");
        assert_eq!(finding["file"], "-");
        for field in ["message", "help", "name", "severity"] {
            assert!(finding[field].as_str().is_some_and(|text| text.len() > 3), "{code}: no {field}");
        }
        assert_eq!(run.code == 1, finding["severity"] == "error", "{code}: exit {}", run.code);
    }
}

#[test]
fn every_capture_dump_and_certificate_has_its_origin_and_is_small() {
    let page = read(&root().join("testdata/README.md"));
    for (folder, most) in [("pcap", 400_000), ("envoy", 900_000), ("pki", 40_000)] {
        let section =
            page.split("\n## ").find(|section| section.contains(&format!("| file in `{folder}/` |"))).unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let mut listed: Vec<String> = rows.map(str::to_owned).collect();
        listed.sort();
        let entries = std::fs::read_dir(root().join("testdata").join(folder)).unwrap().map(Result::unwrap);
        let mut there: Vec<(String, u64)> =
            entries.map(|entry| (name(&entry.path()).to_owned(), entry.metadata().unwrap().len())).collect();
        there.sort();
        assert_eq!(
            listed,
            there.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            "testdata/README.md and {folder}/"
        );
        assert!(there.iter().map(|(_, size)| size).sum::<u64>() < most, "{folder}/ has more than {most} bytes");
    }
}
