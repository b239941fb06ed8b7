//! Names over public captures, which are no part of the package: without them the test says so and passes.

use super::{Fit, Heads, Named, encrypted, looks_tls, name};
use crate::capture::datagram::Votes;
use crate::capture::dissect::Dissector;
use crate::capture::fake::shared;
use crate::capture::file::Reader;
use crate::capture::packet::{Endpoint, Packet, Tcp, Transport, flag};
use crate::capture::upgrade::{Handover, handover};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

type End = (String, u16);

/// One conversation: bytes of both sides by sender.
#[derive(Default)]
struct Talk {
    udp: bool,
    opener: Option<End>,
    first: Option<End>,
    base: BTreeMap<End, u32>,
    segments: BTreeMap<End, Vec<(u32, Vec<u8>)>>,
    datagrams: Vec<(End, Vec<u8>)>,
}

impl Talk {
    /// The first bytes of one side, up to a gap.
    fn head(&self, side: &End) -> Vec<u8> {
        let Some(base) = self.base.get(side) else { return Vec::new() };
        let mut parts: Vec<_> = self.segments.get(side).into_iter().flatten().collect();
        let offset = |seq: u32| seq.wrapping_sub(*base).wrapping_add(1 << 31);
        parts.sort_by_key(|part| offset(part.0));
        let mut head: Vec<u8> = Vec::new();
        for (seq, bytes) in parts {
            let at = offset(*seq) as i64 - (1 << 31);
            let have = head.len() as i64 - at;
            if have < 0 || head.len() > 16_384 {
                break;
            }
            head.extend(bytes.iter().skip(have as usize));
        }
        head.truncate(16_384);
        head
    }
}

fn take(packet: &Packet<'_>, talks: &mut BTreeMap<(bool, End, End), Talk>) {
    let end = |end: Endpoint| (end.ip().to_string(), end.port);
    let (source, target) = (end(packet.source), end(packet.destination));
    let udp = match packet.transport {
        Transport::Tcp => false,
        Transport::Udp => true,
        Transport::Esp => return,
    };
    let (low, high) = if source < target { (&source, &target) } else { (&target, &source) };
    let talk = talks.entry((udp, low.clone(), high.clone())).or_default();
    talk.udp = udp;
    talk.first.get_or_insert(source.clone());
    if udp {
        talk.datagrams.push((source, packet.payload.to_vec()));
        return;
    }
    let Tcp { seq, flags, .. } = packet.tcp;
    if flags & flag::SYN != 0 {
        talk.base.entry(source.clone()).or_insert(seq.wrapping_add(1));
        if flags & flag::ACK == 0 {
            talk.opener.get_or_insert(source.clone());
        }
    }
    if !packet.payload.is_empty() {
        talk.base.entry(source.clone()).or_insert(seq);
        talk.segments.entry(source).or_default().push((seq, packet.payload.to_vec()));
    }
}

fn talks(path: &Path) -> BTreeMap<(bool, End, End), Talk> {
    let raw = std::fs::read(path).unwrap();
    let mut data = Vec::new();
    if raw.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(&raw[..]).read_to_end(&mut data).unwrap();
    } else {
        data = raw;
    }
    let (mut reader, mut dissector) = (Reader::open(&data[..]).unwrap(), Dissector::default());
    let mut found = BTreeMap::new();
    while let Some(frame) = reader.next_frame() {
        if let Ok(packet) = dissector.dissect(&frame) {
            take(&packet, &mut found);
        }
    }
    found
}

/// The name of a conversation, and what its clear part says of TLS.
fn judge(talk: &Talk, a: &End, b: &End) -> (Option<Named>, Handover) {
    let client = talk.opener.as_ref().or(talk.first.as_ref()).unwrap();
    let server = if client == a { b } else { a };
    if talk.udp {
        let mut votes = Votes::default();
        for (from, payload) in &talk.datagrams {
            votes.add(payload, usize::from(from == server));
        }
        let fit = if votes.both_sides() { Fit::Both } else { Fit::OneSided };
        return (votes.verdict().map(|token| Named { token, fit, swapped: false }), Handover::None);
    }
    let (one, two) = (talk.head(client), talk.head(server));
    let heads = Heads { client: &one, server: &two, from_start: talk.opener.is_some(), complete: true };
    let named = name(&heads);
    let swapped = named.is_some_and(|named| named.swapped);
    let turned = Heads { client: heads.server, server: heads.client, ..heads };
    let asked = handover(named.map_or("", |named| named.token), if swapped { &turned } else { &heads });
    if let Handover::Tls { client, server } = asked {
        let heads = if swapped { turned } else { heads };
        assert!(looks_tls(&heads.client[client..]), "the handover is where no ClientHello is");
        assert!(heads.server.len() == server || looks_tls(&heads.server[server..]), "nor a ServerHello");
    }
    (named, asked)
}

#[test]
fn public_captures_get_the_names_that_their_labels_have() {
    let Some(folder) = shared("corpora/captures") else { return };
    let labels = std::fs::read_to_string(folder.join("labels.jsonl")).unwrap();
    let mut files: BTreeMap<String, BTreeMap<(bool, End, End), Talk>> = BTreeMap::new();
    let (mut clear, mut unnamed, mut wrong, mut false_clear, mut handed) = (0, Vec::new(), Vec::new(), Vec::new(), 0);
    for line in labels.lines() {
        let label: Value = serde_json::from_str(line).unwrap();
        let file = label["file"].as_str().unwrap();
        let found = files.entry(file.to_owned()).or_insert_with(|| talks(&folder.join(file)));
        let end = |key: &str| (label[key][0].as_str().unwrap().to_owned(), label[key][1].as_u64().unwrap() as u16);
        let (a, b) = (end("a"), end("b"));
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        let Some(talk) = found.get(&(label["l4"] == "udp", low.clone(), high.clone())) else {
            wrong.push(format!("{file}: no such flow {low:?} {high:?}"));
            continue;
        };
        let (named, asked) = judge(talk, &low, &high);
        let token = named.map(|named| named.token);
        let what = format!("{file} {low:?} {high:?}: {} named {named:?}, {asked:?}", label["label"]);
        let verdict = label["label"].as_str().unwrap();
        match verdict {
            "tls" | "mtls" | "unknown" => match asked {
                Handover::Tls { .. } => handed += 1,
                _ if token.is_some() => false_clear.push(what),
                _ => {}
            },
            _ => {
                let expected = verdict.strip_prefix("plaintext:").or(label["proto"].as_str()).unwrap();
                clear += usize::from(verdict.starts_with("plaintext:"));
                assert!(!matches!(asked, Handover::Tls { .. } | Handover::TlsInTds { .. }), "{what}");
                if token.is_none() {
                    unnamed.push(what);
                } else if token != Some(expected) || encrypted(expected) != (verdict == "encrypted-other") {
                    wrong.push(what);
                }
            }
        }
    }
    let told =
        format!("{clear} clear\nunnamed {unnamed:#?}\nwrong {wrong:#?}\nfalse {false_clear:#?}\nupgrades {handed}");
    assert!(false_clear.is_empty() && unnamed.len() <= 3 && wrong.len() <= 4 && clear >= 160 && handed >= 7, "{told}");
}

#[test]
fn own_captures_get_the_names_that_were_spoken() {
    let Some(folder) = shared("fixtures/pcap") else { return };
    let mut wrong = Vec::new();
    let mut checked = 0;
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.to_string_lossy().ends_with(".truth.json")) {
        let truth: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let file = truth["file"].as_str().unwrap();
        // Encapsulations and loss are not this test's matter.
        if ["encap", "loss", "bridge", "vxlan", "underlay"].iter().any(|word| file.contains(word)) {
            continue;
        }
        let found = talks(&folder.join(file));
        for flow in truth["flows"].as_array().unwrap() {
            let end = |key: &str| {
                let text = flow[key].as_str()?;
                let (host, port) = text.rsplit_once(':')?;
                Some((host.trim_matches(['[', ']']).to_owned(), port.parse::<u16>().ok()?))
            };
            let (Some(a), Some(b)) = (end("client"), end("server")) else { continue };
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            let Some(talk) = found.get(&(flow["transport"] == "udp", low.clone(), high.clone())) else { continue };
            let (named, asked) = judge(talk, &low, &high);
            let what = format!(
                "{file} {low:?} {high:?}: {} {} named {named:?}, {asked:?}",
                flow["label"], flow["app_protocol"]
            );
            checked += 1;
            let encrypted_flow =
                matches!(flow["label"].as_str(), Some("mtls" | "tls" | "failed-handshake" | "no-data" | "unknown"));
            let spoken = match flow["app_protocol"].as_str().unwrap_or("") {
                "http/1.1" => "http",
                "http/2" => "http2",
                "grpc (HTTP/2)" => "grpc",
                "postgresql" => "pgsql",
                "quic (http/3)" => "quic",
                // A request in clear to a port of TLS.
                "tcp" => "http",
                other => other,
            };
            let fine = if encrypted_flow {
                // A clear answer to a ClientHello has a name, by the server's side alone.
                let answer =
                    named.is_some_and(|named| named.fit == Fit::OneSided) && flow["label"] == "failed-handshake";
                named.is_none() || answer || matches!(asked, Handover::Tls { .. })
            } else {
                named.map(|named| named.token) == Some(spoken) && !matches!(asked, Handover::Tls { .. })
            };
            if !fine {
                wrong.push(what);
            }
        }
    }
    assert!(wrong.is_empty() && checked > 100, "{checked} checked\n{wrong:#?}");
}
