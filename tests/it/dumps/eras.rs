//! Dumps of eight years: each is read to its end, what it holds that nobody reads is named, and the old table is the old one.

use super::{AT, authz};
use crate::support::{name, read, root, shared, skipped};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn folder() -> Option<PathBuf> {
    shared().map(|shared| shared.join("corpora/envoy-dumps")).filter(|folder| folder.is_dir())
}

#[test]
fn old_dumps_are_read_and_what_is_unread_is_documented() {
    let Some(folder) = folder() else {
        return skipped("old dumps of ../shared, which is not there", 8);
    };
    let page = read(&root().join("docs/authz-check.md"));
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    assert!(files.len() >= 8, "{files:?}");
    let mut refused = Vec::new();
    for file in &files {
        let run = authz(&["-f", &file.to_string_lossy(), "--at", AT, "-o", "json", "--fail-on", "never"], b"");
        if run.code == 2 {
            assert!(run.stderr.contains("ztunnel"), "{}: {}", name(file), run.stderr);
            refused.push(name(file));
            continue;
        }
        // Secrets alone say nothing of who may call: there is nothing to check without --certs.
        let code = if name(file) == "istio-secrets.json" { 3 } else { 0 };
        assert_eq!((run.code, run.stderr.is_empty()), (code, code == 0), "{}: {}", name(file), run.stderr);
        let envelope = run.json();
        let proxy = &envelope["proxies"][0];
        let has = ["rows", "clusters", "certificates"]
            .iter()
            .any(|key| proxy[key].as_array().is_some_and(|all| !all.is_empty()));
        assert!(has, "{}: nothing in it", name(file));
        let unread: BTreeSet<&str> = proxy["unread"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["type"].as_str().unwrap().trim_start_matches("type.googleapis.com/"))
            .collect();
        for kind in unread {
            assert!(
                !kind.is_empty() && page.contains(&format!("`{kind}`")),
                "{}: {kind} is not in docs/authz-check.md",
                name(file)
            );
        }
        let cut = envelope["findings"].as_array().unwrap().iter().any(|finding| finding["code"] == "MC0001");
        assert!(!cut, "{}: {}", name(file), envelope["findings"]);
    }
    assert_eq!(refused, ["ztunnel-1.30.json"]);
}

#[test]
fn the_golden_of_istio_1_6_is_reproduced_byte_for_byte() {
    let Some(folder) = folder() else {
        return skipped("the dump and the table of Istio 1.6 in ../shared, which is not there", 1);
    };
    let dump = folder.join("istio-1.6.14-productpage.json");
    let run = authz(&["-f", &dump.to_string_lossy(), "--at", AT, "--compat", "istioctl-1.6"], b"");
    assert_eq!(run.stdout, read(&dump.with_extension("golden")));
    // What is on standard error is a note, never a part of the table.
    assert!(run.stderr.lines().all(|line| line.starts_with("meshctl: ")), "{}", run.stderr);
}

/// Chains 0 to 7 of `virtualInbound` of a PERMISSIVE workload of June 2023, as they were read by hand: name, port,
/// transport, ALPN, mutual TLS, TLS to the application, and the layers of authorization. The filter that marks calls for a
/// service and the call of the service are one CUSTOM.
const WORKED: &str = "
0 virtualInbound-blackhole 15006 - - no - -
1 virtualInbound-catchall-http - tls istio-http/1.0,istio-http/1.1,istio-h2 yes - http,CUSTOM
2 virtualInbound-catchall-http - raw_buffer http/1.1,h2c no - http,CUSTOM
3 virtualInbound - tls istio-peer-exchange,istio yes - network
4 virtualInbound - raw_buffer - no - network
5 virtualInbound - tls - no passes network
6 0.0.0.0_80 80 tls istio,istio-peer-exchange,istio-http/1.0,istio-http/1.1,istio-h2 yes - http,CUSTOM
7 0.0.0.0_80 80 raw_buffer - no - http,CUSTOM
";

#[test]
fn the_worked_example_of_a_permissive_port_is_read_as_by_hand() {
    let Some(folder) = folder() else {
        return skipped("the worked example in ../shared, which is not there", 1);
    };
    let dump = folder.join("istio-1.20-authz.json");
    let run = authz(&["-f", &dump.to_string_lossy(), "--at", AT, "-o", "json", "--fail-on", "never"], b"");
    let envelope = run.json();
    let rows = envelope["proxies"][0]["rows"].as_array().unwrap();
    let said: Vec<String> = rows.iter().filter(|row| row["listener"] == "virtualInbound").map(line).collect();
    assert_eq!(said, WORKED.trim().lines().collect::<Vec<_>>());
    let ports: Vec<Value> = envelope["proxies"][0]["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| json!([port["port"], port["mode"]]))
        .collect();
    assert!(ports.contains(&json!([80, "PERMISSIVE"])) && ports.contains(&json!([null, "PERMISSIVE"])), "{ports:?}");
}

/// A row in the words of `WORKED`.
fn line(row: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let all = |value: &Value| value.as_array().unwrap().iter().map(&text).collect::<Vec<_>>().join(",");
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let steps = row["authz"].as_array().unwrap().iter().map(|step| match step["action"] == "CUSTOM" {
        true => "CUSTOM".to_owned(),
        false => text(&step["layer"]),
    });
    [
        row["chain_index"].to_string(),
        text(&row["chain_name"]),
        row["destination_port"].as_u64().map_or("-".to_owned(), |port| port.to_string()),
        text(&row["transport_protocol"]),
        or_dash(all(&row["alpn"])),
        if row["mtls"] == true { "yes" } else { "no" }.to_owned(),
        if row["passes_through_tls"] == true { "passes" } else { "-" }.to_owned(),
        or_dash(steps.collect::<Vec<_>>().join(",")),
    ]
    .join(" ")
}
