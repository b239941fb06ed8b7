//! Every flow of the shared captures against what was written down when they were made.

use super::wire::{Conversation, conversations};
use crate::capture::fake::shared;
use crate::capture::packet::Time;
use crate::capture::tls::{self, ClientCertificate, Facts, Outcome};
use serde_json::Value;

fn facts_of(conversation: &Conversation) -> Facts {
    let (session, ending) = conversation.session();
    session.finish(ending, Time(conversation.seconds * 1_000_000_000), &[])
}

/// What differs between a flow and its truth.
fn differences(facts: &Facts, truth: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let told = &truth["tls"];
    let mut check = |what: &str, seen: String, expected: String| {
        if seen != expected {
            wrong.push(format!("{what}: {seen} is not {expected}"));
        }
    };
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let version = facts.server_hello.as_ref().map_or("-".into(), |hello| tls::version_name(hello.version).into_owned());
    let cipher = facts.server_hello.as_ref().map_or("-".into(), |hello| tls::cipher_name(hello.cipher).into_owned());
    check("version", version.clone(), text(&told["version"]));
    if told["cipher"].is_string() {
        check("cipher", cipher, text(&told["cipher"]));
    }
    let sni = facts.client_hello.as_ref().and_then(|hello| hello.sni.clone()).unwrap_or("-".into());
    check("sni", sni, text(&told["sni"]));
    let offered: Vec<String> = told["alpn_offered"].as_array().into_iter().flatten().map(text).collect();
    let seen = facts.client_hello.as_ref().map(|hello| hello.alpn.clone()).unwrap_or_default();
    check("alpn", seen.join(","), offered.join(","));
    let resumed = told["resumed"] == true;
    let presented = told["client_certificate_presented"] == true;
    let failed = truth["label"] == "failed-handshake";
    let clear = version == "TLSv1.2";
    let expected = match (presented, resumed, clear) {
        (_, true, _) => ClientCertificate::Unknown,
        (true, _, true) => ClientCertificate::Seen,
        (true, _, false) => ClientCertificate::Inferred,
        (false, _, _) if failed && truth["alert"]["sent_by"] != "server" => ClientCertificate::Unknown,
        (false, _, _) if facts.server_hello.is_none() => ClientCertificate::Unknown,
        (false, _, _) => ClientCertificate::None,
    };
    check("client certificate", format!("{:?}", facts.client_certificate), format!("{expected:?}"));
    if clear && presented && !resumed {
        check("possession", format!("{:?}", facts.possession), "Some(true)".into());
        let spiffe = facts.client_chain[0].spiffe_id.clone().unwrap_or("-".into());
        check("client", spiffe, text(&told["client_spiffe"]));
    }
    if clear && !resumed {
        let spiffe = facts.server_chain[0].spiffe_id.clone().unwrap_or("-".into());
        if told["server_spiffe"].is_string() {
            check("server", spiffe, text(&told["server_spiffe"]));
        }
    }
    if facts.server_hello.is_some() {
        check("resumed", format!("{:?}", facts.resumed), format!("Some({resumed})"));
    }
    if failed {
        if truth["alert"].is_object() {
            check("outcome", format!("{:?}", facts.outcome), "Refused".into());
            let alert = facts.alert.expect("an alert");
            let code =
                if truth["alert"]["encrypted_on_wire"] == true { Value::Null } else { truth["alert"]["code"].clone() };
            check("alert", alert.code.map_or("null".into(), |code| code.to_string()), code.to_string());
            let by = if Some(alert.side) == facts.client { "client" } else { "server" };
            check("sender", by.into(), text(&truth["alert"]["sent_by"]));
        } else {
            let other = matches!(facts.outcome, Outcome::Unanswered | Outcome::Refused);
            check("outcome", format!("{:?} {other}", facts.outcome), format!("{:?} true", facts.outcome));
        }
    } else {
        check("outcome", format!("{:?}", facts.outcome), "Established".into());
        check("broken", format!("{:?}", facts.sides.each_ref().map(|side| side.broken)), "[None, None]".into());
        let holes = facts.sides.iter().any(|side| side.closed == 0);
        check("closed", holes.to_string(), "false".into());
    }
    wrong
}

/// Captures whose flows lack a part on purpose, or begin in clear.
const OTHERS: &[&str] = &["one-direction", "snaplen", "midstream", "mysql-", "postgres-", "cut-file"];

#[test]
fn every_flow_of_the_shared_captures_is_what_its_truth_says() {
    let Some(folder) = shared("fixtures/pcap") else { return };
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (mut compared, mut wrong) = (0, Vec::new());
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".pcap") || OTHERS.iter().any(|other| name.starts_with(other)) {
            continue;
        }
        let truth: Value = serde_json::from_slice(&std::fs::read(path.with_extension("truth.json")).unwrap()).unwrap();
        let seen = conversations(&std::fs::read(&path).unwrap());
        for flow in truth["flows"].as_array().unwrap() {
            if !flow["tls"].is_object() || !flow["upgraded_from"].is_null() || flow["handshake_in_capture"] == false {
                continue;
            }
            let found = seen.iter().find(|one| flow["client"] == *one.names[0] && flow["server"] == *one.names[1]);
            let Some(found) = found else { continue };
            compared += 1;
            for difference in differences(&facts_of(found), flow) {
                wrong.push(format!("{name} {} {difference}", found.names[0]));
            }
        }
    }
    eprintln!("{compared} flows compared");
    assert!(compared > 40, "only {compared} flows could be compared");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_tls_flow_of_the_public_captures_is_what_its_label_says() {
    let Some(folder) = shared("corpora/captures") else { return };
    let labels = std::fs::read_to_string(folder.join("labels.jsonl")).unwrap();
    let (mut compared, mut wrong) = (0, Vec::new());
    for line in labels.lines() {
        let label: Value = serde_json::from_str(line).unwrap();
        let name = label["file"].as_str().unwrap();
        if label["l4"] != "tcp" || !label["upgrade"].is_null() {
            continue;
        }
        let ends = ["a", "b"].map(|end| format!("{}:{}", label[end][0].as_str().unwrap(), label[end][1]));
        let seen = conversations(&std::fs::read(folder.join(name)).unwrap());
        let same = |one: &&Conversation| one.names == ends || one.names == [ends[1].clone(), ends[0].clone()];
        let Some(found) = seen.iter().find(same) else { continue };
        let facts = facts_of(found);
        let mut check = |what: &str, seen: String, expected: String| {
            if seen != expected {
                wrong.push(format!("{name} {ends:?} {what}: {seen} is not {expected}"));
            }
        };
        let encrypted = label["label"] == "tls" || label["label"] == "mtls";
        if !encrypted {
            let shut = facts.sides.iter().all(|side| side.closed > 0 && side.broken.is_none());
            check("is TLS", (shut && facts.client.is_some()).to_string(), "false".into());
            continue;
        }
        compared += 1;
        check("broken", format!("{:?}", facts.sides.each_ref().map(|side| side.broken)), "[None, None]".into());
        if let Some(sni) = label["sni"].as_str() {
            let seen = facts.client_hello.as_ref().and_then(|hello| hello.sni.clone());
            check("sni", seen.unwrap_or_default(), sni.into());
        }
        if let Some(hello) = &facts.server_hello {
            if let (Some(cipher), Some(version)) = (label["cs"].as_str(), label["version"].as_str()) {
                check("cipher", format!("0x{:04x}", hello.cipher), cipher.into());
                // Drafts of TLS 1.3 are not told apart.
                let draft = version.starts_with("0x7f") || version.starts_with("0xfb");
                check("version", format!("0x{:04x}", hello.version), if draft { "0x0304" } else { version }.into());
            }
        } else {
            check("hello", false.to_string(), label["server_hello"].as_bool().unwrap_or(false).to_string());
        }
        if label["established"] == true {
            // In one the server's side shows nothing after the client's flight.
            let outcome = if name.ends_with("tls13_wolfssl.pcap") { "Finished" } else { "Established" };
            check("outcome", format!("{:?}", facts.outcome), outcome.into());
        }
        let mutual = matches!(facts.client_certificate, ClientCertificate::Seen | ClientCertificate::Inferred);
        check("mutual", mutual.to_string(), (label["label"] == "mtls").to_string());
        check("possession", (facts.possession != Some(false)).to_string(), "true".into());
    }
    eprintln!("{compared} flows compared");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
