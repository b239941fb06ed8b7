//! Dumps of proxies that were measured: what the control plane had asked for, what Envoy answered, and what clients got.

use super::authz;
use crate::support::{name, read_json, shared, skipped};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How many dumps and chains there are beside the package.
const DUMPS: usize = 26;
const CHAINS: usize = 185;

/// The folder of the dumps.
fn folder() -> Option<PathBuf> {
    shared().map(|shared| shared.join("fixtures/configdump")).filter(|folder| folder.is_dir())
}

/// Every truth file with what is said about its dump at the time that it was taken.
fn measured(folder: &Path) -> Vec<(Value, Value)> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| name(file).ends_with(".truth.json"));
    files.sort();
    let said = |truth: &Value| {
        let file = folder.join(text(&truth["file"]));
        let at = text(&truth["generated_at"]);
        let run = authz(&["-f", &file.to_string_lossy(), "--at", at, "-o", "json", "--fail-on", "never"], b"");
        assert_eq!(run.code, 0, "{}: {}", file.display(), run.stderr);
        run.json()["proxies"][0].take()
    };
    files
        .iter()
        .map(|file| read_json(file))
        .map(|truth| (said(&truth), truth))
        .map(|(said, truth)| (truth, said))
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn words(value: &Value) -> BTreeSet<&str> {
    list(value).iter().map(text).collect()
}

/// `bookinfo/viewer` of `ns[bookinfo]-policy[viewer]-rule[0]`.
fn policy(name: &str) -> Option<String> {
    let (namespace, rest) = name.split_once("ns[")?.1.split_once("]-policy[")?;
    Some(format!("{namespace}/{}", rest.split_once("]-rule[")?.0))
}

/// A step of authorization that can be compared: layer, action, enforced, policies. A call of a service and the filter
/// that marks requests for it are one thing to a user.
type Step = (String, String, bool, BTreeSet<String>);

fn custom() -> Step {
    (String::new(), "CUSTOM".to_owned(), true, BTreeSet::new())
}

fn steps_asked_for(chain: &Value) -> BTreeSet<Step> {
    let step = |one: &Value| {
        let names = words(&one["policies"]);
        if one["action"] == "CUSTOM" || names.iter().any(|name| name.starts_with("istio-ext-authz")) {
            return custom();
        }
        let action = if one["action"] == "LOG" { "AUDIT" } else { text(&one["action"]) };
        let policies = names.into_iter().filter_map(policy).collect();
        (text(&one["layer"]).to_owned(), action.to_owned(), one["enforced"] == true, policies)
    };
    list(&chain["authz"]).iter().filter(|one| one["action"].is_string()).map(step).collect()
}

fn steps_said(row: &Value) -> BTreeSet<Step> {
    let step = |one: &Value| {
        if one["action"] == "CUSTOM" {
            return custom();
        }
        let policies = words(&one["policies"]).into_iter().map(str::to_owned).collect();
        (text(&one["layer"]).to_owned(), text(&one["action"]).to_owned(), one["enforced"] == true, policies)
    };
    list(&row["authz"]).iter().map(step).collect()
}

/// The row of a chain: listener, name, port, transport and ALPN are what tells chains apart; at gateways and where HBONE
/// ends, a chain matches on less.
fn row_of<'a>(want: &Value, rows: &'a [Value]) -> Option<&'a Value> {
    let transport = Some(&want["transport"]).filter(|transport| **transport != "any").unwrap_or(&Value::Null);
    let is_it = |row: &Value, strict: bool| {
        let alike = |of_row: &Value, wanted: &Value| *of_row == *wanted || !strict && of_row.is_null();
        row["listener"] == want["listener"]
            && text(&row["chain_name"]) == text(&want["name"])
            && alike(&row["destination_port"], &want["destination_port"])
            && alike(&row["transport_protocol"], transport)
            && words(&row["alpn"]) == words(&want["alpn_match"])
    };
    rows.iter().find(|row| is_it(row, true)).or_else(|| rows.iter().find(|row| is_it(row, false)))
}

/// What is wrong with what is said about a chain.
fn chain_faults(want: &Value, rows: &[Value]) -> Vec<String> {
    let Some(row) = row_of(want, rows) else { return vec!["missing".to_owned()] };
    let mut faults = Vec::new();
    let mut fact = |what: &str, right: bool| faults.extend((!right).then(|| format!("{what}: {}", row[what])));
    for flag in ["mtls", "require_client_certificate", "accepts_plaintext"] {
        fact(flag, want[flag].is_null() || row[flag] == want[flag]);
    }
    let mode = text(&want["mode"]).trim_start_matches("gateway ");
    fact("mode", mode.is_empty() || want["role"] == "blackhole" || row["mode"] == mode);
    fact("authz", steps_said(row) == steps_asked_for(want));
    let jwt = list(&want["authz"]).iter().filter(|one| text(&one["filter"]).ends_with("jwt_authn"));
    let issuers: BTreeSet<&str> = jwt
        .flat_map(|one| one["providers"].as_object().into_iter().flatten())
        .map(|(_, provider)| text(&provider["issuer"]))
        .collect();
    fact("jwt", words(&row["jwt"]) == issuers);
    let certificate = &want["server_certificate"];
    fact("certificates", certificate.is_null() || row["certificates"] == Value::from(vec![certificate.clone()]));
    fact("trusted_ca", want["trusted_ca"].is_null() || row["trusted_ca"] == want["trusted_ca"]);
    fact("doubts", row["doubts"] == Value::from(Vec::<Value>::new()));
    faults
}

/// What is wrong with what is said about the certificates.
fn certificate_faults(truth: &Value, said: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, want) in truth["certificates"].as_object().unwrap() {
        let held = list(&said["certificates"]).iter().find(|one| one["name"] == **name && one["kind"] == "identity");
        let Some(held) = held else {
            faults.push(format!("{name} is missing"));
            continue;
        };
        let mut fact =
            |what: &str, right: bool| faults.extend((!right).then(|| format!("{name} {what}: {}", held[what])));
        let id = list(&want["san"])
            .iter()
            .find_map(|san| text(san).strip_prefix("URI:").filter(|id| id.starts_with("spiffe")));
        fact("spiffe_id", held["spiffe_id"].as_str() == id);
        let serial = |value: &Value| text(value).to_ascii_lowercase().trim_start_matches('0').to_owned();
        fact("serial", serial(&held["serial"]) == serial(&want["serial"]));
        fact("not_after", held["not_after"] == want["notAfter"]);
        // Where "soon" begins is the user's setting.
        let soft = |state: &str| if state == "expires-soon" { "valid".to_owned() } else { state.to_owned() };
        let state = text(&truth["certificate_state"]).split(' ').next().unwrap();
        fact("state", name != "default" || soft(text(&held["state"])) == soft(state));
    }
    faults
}

/// What is wrong with what is said to cross to endpoints.
fn wire_faults(truth: &Value, said: &Value) -> Vec<String> {
    let mut crosses = BTreeMap::new();
    for cluster in list(&said["clusters"]) {
        for endpoint in list(&cluster["endpoints"]) {
            let at = format!("{}:{}", text(&endpoint["address"]), endpoint["port"]);
            crosses.insert((text(&cluster["name"]), at), text(&endpoint["wire"]));
        }
    }
    let wrong = |want: &Value| {
        let effective = text(&want["effective"]);
        let starts = [("mTLS (HBONE", "hbone"), ("mTLS", "mtls"), ("one-way TLS", "tls"), ("", "plaintext")];
        let wire = starts.iter().find(|(start, _)| effective.starts_with(start)).unwrap().1;
        let got = crosses.get(&(text(&want["cluster"]), text(&want["endpoint"]).to_owned()));
        (got != Some(&wire)).then(|| format!("{} {}: {got:?}, not {wire}", want["cluster"], want["endpoint"]))
    };
    list(&truth["outbound"]).iter().filter_map(wrong).collect()
}

#[test]
fn all_dumps_beside_the_package_are_judged_as_they_were_measured() {
    let Some(folder) = folder() else {
        return skipped("dumps of ../shared with their truth, which is not there", DUMPS);
    };
    let (mut dumps, mut chains, mut wrong) = (0, 0, Vec::new());
    for (truth, said) in measured(&folder) {
        let mut faults = Vec::new();
        for want in list(&truth["filter_chains"]) {
            let found = chain_faults(want, list(&said["rows"]));
            let what = format!("{} {} {}", text(&want["name"]), want["destination_port"], text(&want["transport"]));
            faults.extend(found.into_iter().map(|fault| format!("{what}: {fault}")));
            chains += 1;
        }
        faults.extend(certificate_faults(&truth, &said));
        faults.extend(wire_faults(&truth, &said));
        faults.extend((said["unread"] != Value::from(Vec::<Value>::new())).then(|| format!("{}", said["unread"])));
        wrong.extend(faults.into_iter().map(|fault| format!("{}: {fault}", text(&truth["file"]))));
        dumps += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((dumps, chains), (DUMPS, CHAINS));
}

/// Whether the sentence of a port agrees with what a client got.
fn agrees(sentence: &str, client: &str, got: &str) -> bool {
    let says = |words: &str| sentence.contains(words);
    match (client, got) {
        ("outside", "reset") => says("plaintext is reset"),
        ("outside", "200" | "ok") => says("plaintext accepted") && !says("plaintext gets"),
        ("outside", "403" | "401") => says("plaintext accepted") && says(got),
        (_, "200" | "ok") => !says("callers see 503") && !says("could not be decided"),
        (_, "403" | "401" | "503" | "closed") => says(got),
        _ => false,
    }
}

/// The port that a probe called, if it called this proxy: `GET /details/0 to details:9080`, or `mysql`.
fn called(request: &str, pod: &str) -> Option<u16> {
    let target = request.split(' ').find_map(|word| word.strip_prefix(pod)?.strip_prefix(':'));
    let named = [("mysql", 3306), ("redis", 6379), ("postgres", 5432)];
    let by_name = named.iter().find(|(name, _)| *name == request).map(|(_, port)| *port);
    target.and_then(|port| port.parse().ok()).or(by_name)
}

#[test]
fn the_sentences_of_ports_agree_with_what_clients_got() {
    let Some(folder) = folder() else {
        return skipped("probes of ../shared, which is not there", 36);
    };
    let (mut probes, mut wrong) = (0, Vec::new());
    for (truth, said) in measured(&folder) {
        for probe in list(&truth["probes"]) {
            let Some(port) = called(text(&probe["request"]), text(&truth["proxy"]["pod"])) else { continue };
            let of_port = list(&said["ports"]).iter().find(|one| one["port"] == port);
            let sentence = of_port.map_or("", |one| text(&one["text"]));
            let right = agrees(sentence, text(&probe["client"]), text(&probe["got"]));
            wrong.extend((!right).then(|| format!("{}: {probe}: {sentence:?}", text(&truth["file"]))));
            probes += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(probes >= 30, "{probes}");
}

#[test]
fn a_wrong_answer_is_caught() {
    let want = serde_json::json!({"listener": "in", "name": "0.0.0.0_80", "destination_port": 80, "transport": "tls",
        "alpn_match": ["b", "a"], "mtls": true, "require_client_certificate": true, "accepts_plaintext": false, "mode": "STRICT",
        "trusted_ca": "ROOTCA", "server_certificate": "default",
        "authz": [{"action": "DENY", "layer": "http", "enforced": true, "policies": ["ns[a]-policy[b]-rule[0]", "ns[a]-policy[b]-rule[1]"]}]});
    let row = serde_json::json!({"listener": "in", "chain_name": "0.0.0.0_80", "destination_port": 80, "transport_protocol": "tls",
        "alpn": ["a", "b"], "mtls": true, "require_client_certificate": true, "accepts_plaintext": false, "mode": "STRICT",
        "trusted_ca": "ROOTCA", "certificates": ["default"], "jwt": [], "doubts": [],
        "authz": [{"action": "DENY", "layer": "http", "enforced": true, "policies": ["a/b"]}]});
    assert_eq!(chain_faults(&want, std::slice::from_ref(&row)), [""; 0]);
    for (key, value) in [
        ("mtls", Value::Null),
        ("accepts_plaintext", Value::from(true)),
        ("mode", Value::from("PERMISSIVE")),
        ("authz", Value::from(Vec::<Value>::new())),
        ("jwt", Value::from(vec!["x"])),
        ("certificates", Value::from(Vec::<Value>::new())),
        ("trusted_ca", Value::Null),
        ("doubts", Value::from(vec!["x"])),
    ] {
        let mut row = row.clone();
        row[key] = value;
        let faults = chain_faults(&want, &[row]);
        assert!(faults.len() == 1 && faults[0].starts_with(key), "{faults:?}");
    }
    assert_eq!(chain_faults(&want, &[]), ["missing"]);
    assert_eq!(called("GET /details/0 to details:9080 with token", "details"), Some(9080));
    assert_eq!(called("GET /details/0 to details:9080", "productpage"), None);
    for (sentence, client, got, right) in [
        ("9080 http STRICT: plaintext is reset", "outside", "reset", true),
        ("9080 http STRICT: plaintext is reset", "outside", "200", false),
        ("9080 http PERMISSIVE: plaintext accepted by x", "outside", "200", true),
        ("9080 http PERMISSIVE: plaintext accepted by x", "outside", "403", false),
        ("9080 http PERMISSIVE: plaintext accepted by x", "reviews", "403", false),
        ("", "outside", "?", false),
    ] {
        assert_eq!(agrees(sentence, client, got), right, "{sentence} {client} {got}");
    }
}
