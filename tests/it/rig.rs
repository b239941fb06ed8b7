//! Captures of a real mesh whose truth is known from the proxies' own logs: no claim is false, and every answer is the right one.
//!
//! `TRUTH` has one line per flow of `testdata/pcap`: file, client, server, what the connection was, and words about it. The
//! larger collection beside the package, where it is, has a truth file per capture, which is turned into the same lines.

use crate::support::{meshctl, name, read_json, root, shared, skipped};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// `weak`: the capture itself lacks something (its start, bytes, a direction), so that a weaker answer is right too, a
/// stronger one never. `resumed`, `midstream`: no certificates can be seen. `cert`, `no-cert`: what the client had to show.
/// `by-design`: plaintext that is exempt. `as=SERVER`: on loopback, answers come from that address.
const TRUTH: &str = "
disable-plaintext.pcap 10.131.0.11:53118 10.131.2.12:9080 plaintext http
disable-plaintext.pcap 10.131.0.50:52222 10.131.2.12:9080 plaintext http
encap-geneve-nsx-mysql.pcap 10.131.0.50:41508 10.131.2.14:3306 plaintext mysql
encrypted-other.pcap 10.131.0.1:40433 10.131.0.50:4433 encrypted-other udp no-cert
encrypted-other.pcap 10.131.0.1:40444 10.131.0.50:4444 encrypted-other udp no-cert
encrypted-other.pcap 10.131.0.1:40966 10.131.0.50:2223 unknown
encrypted-other.pcap 10.131.0.1:55944 10.131.0.50:2222 encrypted-other
fail-expired-client-tls12.pcap 10.131.0.11:53692 10.131.2.12:9080 failed-handshake cert handshake-refused
fail-expired-client-tls13.pcap 10.131.0.11:53680 10.131.2.12:9080 failed-handshake cert handshake-refused
format-gzip.pcap.gz 10.131.0.11:48682 10.131.2.12:9080 mtls cert
format-gzip.pcap.gz 10.131.0.50:33584 10.131.2.12:9080 plaintext http
format-pcapng-two-interfaces.pcapng 10.131.0.11:48682 10.131.2.12:9080 mtls cert
format-pcapng-two-interfaces.pcapng 10.131.0.50:33584 10.131.2.12:9080 plaintext http
format-pcapng-two-interfaces.pcapng 127.0.0.6:48362 10.131.2.12:9080 plaintext http by-design
hbone.pcap 10.131.0.11:40664 10.131.2.12:15008 mtls cert
infra-probes.pcap 10.131.0.11:34340 10.131.2.12:9080 mtls cert
infra-probes.pcap 10.131.2.1:35410 10.131.2.12:15021 plaintext http by-design
infra-probes.pcap 10.131.2.1:50152 10.131.2.12:15090 plaintext http by-design
infra-probes.pcap 10.131.2.12:40053 10.131.2.1:53 plaintext dns udp by-design
midstream-mtls.pcap 10.131.0.50:43182 10.131.2.12:9080 plaintext http weak midstream
midstream-mtls.pcap 10.131.0.11:43778 10.131.2.12:9080 mtls weak midstream cert
mtls-no-client-cert-tls12.pcap 10.131.0.50:41258 10.131.2.12:9080 failed-handshake no-cert handshake-refused
mtls-no-client-cert-tls12.pcap 10.131.0.50:40101 10.131.2.12:9080 failed-handshake no-cert handshake-refused
mtls-no-client-cert-tls13.pcap 10.131.0.50:40610 10.131.2.12:9080 failed-handshake no-cert handshake-refused
mtls-no-client-cert-tls13.pcap 10.131.0.50:40101 10.131.2.12:9080 failed-handshake no-cert handshake-refused
mtls-strict-tls13-any-sll2.pcap 10.131.0.11:51184 10.131.2.12:9080 mtls cert
mtls-strict-tls13-any-sll2.pcap 10.131.0.13:59440 10.131.2.12:9080 mtls cert
mtls-strict-tls13-any-sll2.pcap 127.0.0.6:60198 10.131.2.12:9080 plaintext http by-design
mtls-strict-tls13-client-lo.pcap 10.131.0.11:49146 127.0.0.1:15001 plaintext http by-design as=10.131.240.12:9080
mtls-strict-tls13.pcap 10.131.0.11:51184 10.131.2.12:9080 mtls cert
mtls-strict-tls13.pcap 10.131.0.13:59440 10.131.2.12:9080 mtls cert
mtls-tls12-resumed.pcap 10.131.0.11:34026 10.131.2.12:9080 mtls cert
mtls-tls12-resumed.pcap 10.131.0.11:34040 10.131.2.12:9080 mtls resumed cert
mtls-tls12-resumed.pcap 10.131.0.11:34046 10.131.2.12:9080 mtls resumed cert
mtls-tls12.pcap 10.131.0.11:34024 10.131.2.12:9080 mtls cert
mtls-tls12.pcap 10.131.0.13:48584 10.131.2.12:9080 mtls cert
mtls-to-plaintext-server.pcap 10.131.0.11:44616 10.131.2.12:9080 failed-handshake tls-to-plaintext-server
mtls-to-plaintext-server.pcap 10.131.0.11:44624 10.131.2.12:9080 failed-handshake tls-to-plaintext-server
permissive-mixed.pcap 10.131.0.11:53102 10.131.2.12:9080 mtls cert
permissive-mixed.pcap 10.131.0.50:52208 10.131.2.12:9080 plaintext http
permissive-mixed.pcap 10.131.0.50:48778 10.131.2.12:9080 plaintext http
postgres-ssl-tls13.pcap 10.131.0.50:45984 10.131.2.14:5432 tls no-cert
strict-plaintext-reset.pcap 10.131.0.50:48790 10.131.2.12:9080 plaintext http refused-plaintext
strict-plaintext-reset.pcap 10.131.0.50:48792 10.131.2.12:9080 plaintext http refused-plaintext
strict-plaintext-reset.pcap 10.131.0.50:48806 10.131.2.12:9080 plaintext http refused-plaintext
strict-plaintext-reset.pcap 10.131.0.11:53126 10.131.2.12:9080 mtls cert
";

/// What the truth files call protocols, where the tokens of `pcap-verify` differ; empty where any will do.
const NAMES: &[(&str, &str)] = &[
    ("http/1.1", "http"),
    ("http/2", "http2"),
    ("grpc (HTTP/2)", "grpc"),
    ("postgresql", "pgsql"),
    ("quic (http/3)", "quic"),
    ("tcp", ""),
    ("unknown", ""),
];

/// Tags of captures that lack something.
const WEAK: &[&str] = &["midstream", "truncated", "capture-loss", "one-direction", "cut-file"];

/// The line of `TRUTH` for a flow of a truth file.
fn line(truth: &Value, flow: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (label, outcome, tls) = (text(&flow["label"]), text(&flow["outcome"]), &flow["tls"]);
    let mut words = vec![text(&truth["file"]), text(&flow["client"]), text(&flow["server"]), label.clone()];
    let mut say = |said: bool, word: &str| words.extend(said.then(|| word.to_owned()));
    let protocol = text(&flow["app_protocol"]);
    let protocol = NAMES.iter().find(|row| row.0 == protocol).map_or(&*protocol, |row| row.1);
    say(label == "plaintext", if protocol.is_empty() { "any" } else { protocol });
    say(flow["transport"] == "udp", "udp");
    let weak =
        truth["tags"].as_array().is_some_and(|tags| tags.iter().any(|tag| WEAK.contains(&tag.as_str().unwrap())));
    say(weak, "weak");
    say(flow["handshake_in_capture"] == false, "midstream");
    say(text(&tls["certificates_on_wire"]).contains("abbreviated"), "resumed");
    say(tls["client_certificate_presented"] == true, "cert");
    say(tls["client_certificate_presented"] == false, "no-cert");
    say(label == "plaintext" && (text(&flow["leg"]).starts_with("lo:") || flow["infrastructure"] == true), "by-design");
    say(label == "plaintext" && outcome.starts_with("reset by the server"), "refused-plaintext");
    let failed = label == "failed-handshake";
    let in_clear = text(&tls["server_replied"]).starts_with("plaintext");
    say(failed && in_clear, "tls-to-plaintext-server");
    let refused = flow["alert"].is_object() || outcome.contains("after the ClientHello");
    say(failed && !in_clear && refused, "handshake-refused");
    let answers = flow["reply_seen_as"]["src"].as_str();
    say(answers.is_some(), &format!("as={}", answers.unwrap_or_default()));
    words.join(" ")
}

/// The addresses of a flow in one order, however it was seen.
fn ends(client: &str, server: &str) -> [String; 2] {
    let mut ends = [client, server].map(|end| end.replace(['[', ']'], "").to_ascii_lowercase());
    ends.sort();
    ends
}

/// What is wrong with the answers for the flow of one line.
fn faults(line: &str, report: &Value) -> Vec<String> {
    let parts: Vec<&str> = line.split(' ').collect();
    let [_, client, server, label, words @ ..] = &parts[..] else { panic!("{line}") };
    let is = |word: &str| words.contains(&word);
    let answers = words.iter().find_map(|word| word.strip_prefix("as="));
    let keys = [Some(*server), answers].map(|server| server.map(|server| ends(client, server)));
    let flows = report["flows"].as_array().unwrap().iter();
    let word = |flow: &Value, key: &str| flow[key].as_str().unwrap_or_default().to_owned();
    let of_it: Vec<&Value> = flows
        .filter(|flow| keys.contains(&Some(ends(&word(flow, "client"), &word(flow, "server")))))
        .filter(|flow| (flow["transport"] == "udp") == is("udp"))
        .collect();
    if of_it.is_empty() {
        return vec!["missing".to_owned()];
    }
    let any = |key: &str, value: &str| of_it.iter().any(|flow| flow[key] == value);
    let class = |class: &str| of_it.iter().any(|flow| word(flow, "verdict").split(':').next() == Some(class));
    let strong = of_it.iter().any(|flow| flow["verdict"] == "mtls" && "ABC".contains(&word(flow, "grade")[..1]));
    let weak = is("weak") || is("midstream");
    let nothing = matches!(*label, "no-data" | "unknown");
    let right = class(label)
        || *label == "mtls" && class("tls") && (weak || is("resumed"))
        || (class("unknown") || class("no-data")) && (is("weak") || nothing);
    let certificate = |said: &str| of_it[0]["tls"]["client_certificate"] == said;
    let failure = words
        .iter()
        .find(|word| word.starts_with("refused-") || word.contains("-refused") || word.starts_with("tls-to"));
    let clear = *label == "plaintext" && class("plaintext");
    let name = words.first().filter(|name| clear && **name != "any");
    let rules = [
        (!right, "class"),
        ((*label == "plaintext" || nothing) && (class("tls") || class("mtls")), "FALSE: TLS"),
        (!nothing && *label != "plaintext" && class("plaintext"), "FALSE: plaintext"),
        (!matches!(*label, "mtls" | "plaintext") && class("mtls"), "FALSE: mutual TLS"),
        (is("midstream") && strong, "FALSE: grade"),
        (is("no-cert") && (certificate("seen") || certificate("inferred")), "FALSE: client certificate"),
        (is("cert") && certificate("none"), "FALSE: no client certificate"),
        (!weak && answers.is_none() && !of_it.iter().any(|flow| flow["client"] == **client), "direction"),
        (!is("weak") && failure.is_some_and(|failure| !any("failure", failure)), "failure"),
        (clear && name.is_some_and(|name| !any("protocol", name)), "name"),
        (clear && is("by-design") != of_it.iter().any(|flow| flow["exempt"].is_string()), "exempt"),
    ];
    rules.iter().filter(|(wrong, _)| *wrong).map(|(_, what)| (*what).to_owned()).collect()
}

/// What is wrong with the answers for captures in a folder, by the lines of their truth.
fn judge(folder: &Path, lines: &[String]) -> Vec<String> {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in lines {
        files.entry(line.split(' ').next().unwrap()).or_default().push(line);
    }
    let mut wrong = Vec::new();
    for (file, lines) in files {
        let report = meshctl(&["pcap-verify", folder.join(file).to_str().unwrap(), "-o", "json"], b"").json();
        for line in &lines {
            wrong.extend(faults(line, &report).iter().map(|fault| format!("{fault}: {line}")));
        }
        for flow in report["flows"].as_array().unwrap() {
            let known = |line: &&str| {
                let known = line.split(' ').collect::<Vec<_>>();
                ends(known[1], known[2]) == ends(flow["client"].as_str().unwrap(), flow["server"].as_str().unwrap())
            };
            let green = matches!(flow["verdict"].as_str(), Some("tls" | "mtls"));
            if green && !lines.iter().any(known) {
                wrong.push(format!("FALSE: no such flow: {file} {flow}"));
            }
        }
    }
    wrong
}

fn table() -> Vec<String> {
    TRUTH.trim().lines().map(str::to_owned).collect()
}

/// The lines of every truth file of the collection beside the package.
fn truths() -> Option<Vec<String>> {
    let folder = shared()?.join("fixtures/pcap");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| name(file).ends_with(".truth.json"));
    files.sort();
    let lines = files.iter().flat_map(|file| {
        let truth = read_json(file);
        let flows = truth["flows"].as_array().unwrap();
        flows.iter().map(|flow| line(&truth, flow)).collect::<Vec<_>>()
    });
    Some(lines.collect())
}

#[test]
fn the_captures_of_the_package_are_judged_as_they_were() {
    let lines = table();
    for file in std::fs::read_dir(root().join("testdata/pcap")).unwrap() {
        let file = file.unwrap().path();
        let own = format!("{} ", name(&file));
        assert!(lines.iter().any(|line| line.starts_with(&own)), "TRUTH has no line for {own}");
    }
    let wrong = judge(&root().join("testdata/pcap"), &lines);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_captures_beside_the_package_are_judged_as_they_were() {
    let Some(lines) = truths() else {
        return skipped("captures of ../shared with their truth, which is not there", 77);
    };
    assert!(lines.len() > 100);
    let lost: Vec<_> = table().into_iter().filter(|line| !lines.contains(line)).collect();
    assert!(lost.is_empty(), "TRUTH says what no truth file says:\n{}", lost.join("\n"));
    let wrong = judge(&shared().unwrap().join("fixtures/pcap"), &lines);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_false_claim_is_caught() {
    let flow = |verdict: &str, grade: &str, certificate: &str| {
        serde_json::json!({"flows": [{"client": "10.0.0.1:1", "server": "10.0.0.2:2", "transport": "tcp", "verdict": verdict,
            "grade": grade, "protocol": "http", "exempt": null, "tls": {"client_certificate": certificate}}]})
    };
    for (words, verdict, grade, certificate, want) in [
        ("plaintext http", "plaintext:http", "P", "", &[][..]),
        ("plaintext http", "mtls", "C", "", &["class", "FALSE: TLS"]),
        ("plaintext redis by-design", "plaintext:http", "P", "", &["name", "exempt"]),
        ("plaintext http refused-plaintext", "plaintext:http", "P", "", &["failure"]),
        ("tls no-cert", "mtls", "C", "inferred", &["class", "FALSE: mutual TLS", "FALSE: client certificate"]),
        ("mtls midstream cert", "mtls", "C+", "unknown", &["FALSE: grade"]),
        ("mtls midstream cert", "tls", "F", "unknown", &[]),
        ("mtls cert", "tls", "F", "none", &["class", "FALSE: no client certificate"]),
        ("mtls weak", "unknown", "U", "", &[]),
    ] {
        let line = format!("a.pcap 10.0.0.1:1 10.0.0.2:2 {words}");
        assert_eq!(faults(&line, &flow(verdict, grade, certificate)), want, "{words}: {verdict}");
    }
}
