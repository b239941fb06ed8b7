//! Random meshes against what istiod programs for them (`testdata/meshes/README.md`): modes, wires, rules, statuses,
//! failures; and nothing that the client's proxy has no cluster for may be called encrypted.

use crate::support::{cells, folders, name, read_json, root, shared, skipped};
use rayon::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// `pod.namespace`, host, port, subset: what a client's proxy has one cluster for.
type Edge = (String, String, u64, String);

/// What was compared, and what differed.
#[derive(Debug, Default)]
struct Score {
    modes: usize,
    wires: usize,
    statuses: usize,
    failures: usize,
    wrong: Vec<String>,
}

impl Score {
    fn add(mut self, other: Self) -> Self {
        self.modes += other.modes;
        self.wires += other.wires;
        self.statuses += other.statuses;
        self.failures += other.failures;
        self.wrong.extend(other.wrong);
        self
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The word of the contract for the generator's word.
fn wire_of(sends: &str) -> &'static str {
    match sends {
        "plaintext" => "plaintext",
        "tls" => "tls",
        "mutual" => "mutual_tls",
        "istio_mutual" => "mtls",
        "hbone" => "hbone",
        other => panic!("the truth says {other:?}"),
    }
}

/// Statuses of a handshake that reaches an application, which decides.
const OPEN: &[&str] = &["CONFLICT", "TLS", "CONDITIONAL", "UNKNOWN"];

fn is_http(row: &Value) -> bool {
    format!("{}{}", text(&row["plaintext"]), text(&row["istio_mtls"])).contains("tcp=protocol error")
}

/// The statuses that are right for what one client sends to one endpoint; nothing where the truth does not say.
fn expected(sends: &str, pod: &Value, row: Option<&Value>) -> &'static [&'static str] {
    if sends == "hbone" {
        return &["OK"];
    }
    if pod["type"] == "ambient" {
        let Some(row) = row else { return &[] };
        let strict = row["mode"] == "STRICT";
        return match sends {
            "plaintext" if !strict => &["PLAINTEXT"],
            "tls" | "mutual" if !strict => OPEN,
            _ => &["CONFLICT"],
        };
    }
    if pod["sidecar"] != true {
        return match sends {
            "plaintext" => &["PLAINTEXT"],
            "istio_mutual" => &["CONFLICT"],
            _ => OPEN,
        };
    }
    let Some(row) = row else { return &[] };
    match (sends, text(&row["mode"])) {
        ("plaintext", "STRICT") | ("istio_mutual", "DISABLE") | ("tls", "STRICT") => &["CONFLICT"],
        ("plaintext", _) => &["PLAINTEXT"],
        ("istio_mutual", _) => &["OK"],
        (_, "STRICT") => &["CONFLICT", "CONDITIONAL", "UNKNOWN"],
        _ if is_http(row) => &["CONFLICT"],
        _ => OPEN,
    }
}

/// The failure code of a CONFLICT; nothing where several would fit.
fn failure(client: &Value, sends: &str, pod: &Value, row: Option<&Value>) -> Option<&'static str> {
    if pod["type"] == "ambient" {
        return (sends == "plaintext").then_some("F7");
    }
    let Some(row) = row.filter(|_| pod["sidecar"] == true) else { return (sends == "istio_mutual").then_some("F9") };
    match (text(&row["mode"]), sends) {
        ("STRICT", "plaintext") if client["type"] == "ambient" => Some("F8"),
        ("STRICT", "plaintext") => Some(if client["sidecar"] == true { "F2" } else { "F1" }),
        ("STRICT", _) => Some("F5"),
        ("DISABLE", _) => Some(if is_http(row) { "F3" } else { "F6" }),
        _ => is_http(row).then_some("F4"),
    }
}

struct Mesh {
    name: String,
    pods: Vec<Value>,
    rows: BTreeMap<(String, u64), Value>,
    score: Score,
}

impl Mesh {
    fn bad(&mut self, what: impl std::fmt::Display) {
        self.score.wrong.push(format!("{}: {what}", self.name));
    }

    fn status(&mut self, edge: &Edge, cell: &Value, sends: &str) {
        let Some(pod) = self.pods.iter().find(|pod| pod["ip"] == cell["endpoint"]["address"]) else { return };
        let port = cell["endpoint"]["port"].as_u64().unwrap_or_default();
        let row = self.rows.get(&(dotted(pod), port));
        let want = expected(sends, pod, row);
        if want.is_empty() {
            return;
        }
        let client = self.pods.iter().find(|pod| dotted(pod) == edge.0);
        let code = client.and_then(|client| failure(client, sends, pod, row)).filter(|_| want == ["CONFLICT"]);
        self.score.statuses += 1;
        if !want.contains(&text(&cell["status"])) {
            self.bad(format_args!("{edge:?} status: want {want:?}, got {cell}"));
        } else if let Some(code) = code {
            self.score.failures += 1;
            if cell["failure"] != code {
                self.bad(format_args!("{edge:?} failure: want {code}, got {cell}"));
            }
        }
    }
}

fn dotted(pod: &Value) -> String {
    format!("{}.{}", text(&pod["name"]), text(&pod["ns"]))
}

fn score(folder: &Path) -> Score {
    let truth = read_json(&folder.join("truth.json"));
    let meta = read_json(&folder.join("meta.json"));
    let mut got: BTreeMap<Edge, Vec<Value>> = BTreeMap::new();
    for cell in cells(&folder.join("mesh.yaml"), &[]) {
        let client = format!("{}.{}", text(&cell["client"]["workload"]), text(&cell["client"]["namespace"]));
        let server = &cell["server"];
        let port = server["port"].as_u64().unwrap_or_default();
        got.entry((client, text(&server["host"]).into(), port, text(&server["subset"]).into())).or_default().push(cell);
    }
    let port_of = |row: &Value| (text(&row["pod"]).to_owned(), row["port"].as_u64().unwrap());
    // What ztunnel does with plaintext, as a mode.
    let mode = |row: &Value| if row["plaintext"] == "deny" { "STRICT" } else { "PERMISSIVE" };
    let ambient = list(&truth["ambient"]).iter().map(|row| (port_of(row), serde_json::json!({"mode": mode(row)})));
    let rows = list(&truth["servers"]).iter().map(|row| (port_of(row), row.clone())).chain(ambient).collect();
    let mut mesh =
        Mesh { name: name(folder).to_owned(), pods: list(&meta["pods"]).to_vec(), rows, score: Score::default() };
    modes(&mut mesh, &truth, &got);
    let proxies: BTreeSet<&str> = list(&truth["clients"]).iter().map(|row| text(&row["client"])).collect();
    let known = clusters(&mut mesh, &truth, &got);
    for (edge, cells) in &got {
        if proxies.contains(&*edge.0) && !known.contains(edge) {
            for cell in
                cells.iter().filter(|cell| ["mtls", "hbone", "tls", "mutual_tls"].contains(&text(&cell["wire"])))
            {
                mesh.bad(format_args!("{edge:?} invented: the proxy has no such cluster: {cell}"));
            }
        }
    }
    without_proxy(&mut mesh, &got);
    mesh.score
}

/// The mode of every listener that a client reaches.
fn modes(mesh: &mut Mesh, truth: &Value, got: &BTreeMap<Edge, Vec<Value>>) {
    let mut modes: BTreeMap<(String, u64), BTreeSet<String>> = BTreeMap::new();
    for cell in got.values().flatten().filter(|cell| cell["endpoint"]["workload"].is_string()) {
        let end = &cell["endpoint"];
        let pod = format!("{}.{}", text(&end["workload"]), text(&end["namespace"]));
        modes
            .entry((pod, end["port"].as_u64().unwrap_or_default()))
            .or_default()
            .insert(cell["server_mode"].to_string());
    }
    let seen: BTreeSet<&str> = list(&truth["clients"]).iter().map(|row| text(&row["endpoint"])).collect();
    for (key, row) in mesh.rows.clone() {
        let ip = mesh.pods.iter().find(|pod| dotted(pod) == key.0).map(|pod| text(&pod["ip"]).to_owned());
        match modes.get(&key) {
            Some(said) => {
                mesh.score.modes += 1;
                if *said != BTreeSet::from([row["mode"].to_string()]) {
                    mesh.bad(format_args!("{key:?} mode: want {}, got {said:?}", row["mode"]));
                }
            }
            None if ip.is_some_and(|ip| seen.contains(&*format!("{ip}:{}", key.1))) => {
                mesh.bad(format_args!("{key:?} mode: no cell"));
            }
            None => {}
        }
    }
}

/// Every cluster of every proxy; returns which there are.
fn clusters(mesh: &mut Mesh, truth: &Value, got: &BTreeMap<Edge, Vec<Value>>) -> BTreeSet<Edge> {
    let mut known = BTreeSet::new();
    for row in list(&truth["clients"]) {
        let port = row["port"].as_u64().unwrap();
        let edge = (text(&row["client"]).into(), text(&row["host"]).into(), port, text(&row["subset"]).into());
        let (endpoint, sends) = (text(&row["endpoint"]), text(&row["sends"]));
        let here = |cell: &&Value| {
            let end = &cell["endpoint"];
            endpoint.is_empty() || format!("{}:{}", text(&end["address"]), end["port"]) == endpoint
        };
        let cells: Vec<&Value> = got.get(&edge).into_iter().flatten().filter(here).collect();
        mesh.score.wires += 1;
        if cells.is_empty() {
            mesh.bad(format_args!("{edge:?} {endpoint}: no cell"));
        }
        // A socket that is chosen per endpoint says nothing where there is none.
        let nobody = endpoint.is_empty() && row["socket"] == "match";
        let rule = text(&row["rule"]).replace("/destination-rule/", "/");
        for cell in cells {
            if !nobody && cell["wire"] != wire_of(sends) {
                mesh.bad(format_args!("{edge:?} {endpoint} wire: want {sends}, got {cell}"));
            }
            if text(&cell["destination_rule"]) != rule {
                mesh.bad(format_args!("{edge:?} rule: want {rule:?}, got {cell}"));
            }
            mesh.status(&edge, cell, sends);
        }
        known.insert(edge);
    }
    known
}

/// A client without a proxy sends plaintext to everything; one of the ambient mesh HBONE to captured pods.
fn without_proxy(mesh: &mut Mesh, got: &BTreeMap<Edge, Vec<Value>>) {
    for (edge, cells) in got.iter().filter(|(edge, _)| edge.3.is_empty()) {
        let bare = mesh.pods.iter().any(|pod| dotted(pod) == edge.0 && pod["sidecar"] != true);
        for cell in cells.iter().filter(|_| bare) {
            let Some(pod) = mesh.pods.iter().find(|pod| pod["ip"] == cell["endpoint"]["address"]) else { continue };
            let client = mesh.pods.iter().find(|pod| dotted(pod) == edge.0);
            let ambient = [Some(pod), client].iter().flatten().all(|pod| pod["type"] == "ambient");
            let sends = if ambient { "hbone" } else { "plaintext" };
            mesh.score.wires += 1;
            if cell["wire"] != sends {
                mesh.bad(format_args!("{edge:?} wire: want {sends}, got {cell}"));
            }
            mesh.status(edge, cell, sends);
        }
    }
}

fn all(folder: &Path) -> Score {
    let total = folders(folder).par_iter().map(|folder| score(folder)).reduce(Score::default, Score::add);
    let first: Vec<_> = total.wrong.iter().take(20).map(String::as_str).collect();
    assert!(first.is_empty(), "{} differences, first\n{}", total.wrong.len(), first.join("\n"));
    total
}

#[test]
fn meshes_agree_with_istiod() {
    let total = all(&root().join("testdata/meshes"));
    assert!(
        total.modes > 30 && total.wires > 300 && total.statuses > 200 && total.failures > 20,
        "little was compared: {total:?}"
    );
}

#[test]
fn ambient_meshes_agree_with_istiod() {
    let total = all(&root().join("testdata/meshes-ambient"));
    assert!(total.modes > 20 && total.wires > 200 && total.statuses > 200, "little was compared: {total:?}");
}

#[test]
fn shared_ambient_meshes_agree_with_istiod() {
    let Some(folder) = shared().map(|shared| shared.join("fixtures/mesh-ambient")).filter(|folder| folder.is_dir())
    else {
        return skipped("random meshes of ../shared/fixtures/mesh-ambient", 120);
    };
    let total = all(&folder);
    let enough = total.modes >= 916 && total.wires >= 5377;
    assert!(enough, "less was compared than istiod answered: {total:?}");
}

#[test]
fn shared_meshes_agree_with_istiod() {
    let Some(folder) = shared().map(|shared| shared.join("fixtures/mesh")).filter(|folder| folder.is_dir()) else {
        return skipped("random meshes of ../shared/fixtures/mesh", 200);
    };
    let total = all(&folder);
    let enough = total.modes >= 1565 && total.wires >= 19095 && total.statuses >= 16085 && total.failures >= 2225;
    assert!(enough, "less was compared than istiod answered: {total:?}");
}
