//! What `pcap-verify` shows of a capture, with flows made by hand: every format and view, in a pipe and on terminals.
//! `INSTA_UPDATE=always cargo test --test it captures` writes the snapshots anew; read them.

use crate::generated::capture_schema;
use crate::support::meshctl;
use meshctl::capture::exempt::Rule;
use meshctl::capture::flow::{Capture, Failure, FileCoverage, Flow, Grade, Leg, Rare, Tls, Verdict};
use meshctl::capture::judge::{Policy, Require};
use meshctl::capture::note::{Evidence, Mark, Note};
use meshctl::capture::packet::{Endpoint, Medium, Skip, Time, Transport, TunnelId};
use meshctl::capture::report::{PcapReport, View};
use meshctl::capture::tls::{Alert, ClientCertificate, Weakness};
use meshctl::render::{FORMATS, Format, Style, render};
use serde_json::Value;
use std::net::SocketAddr;

const TIME: i64 = 1_795_350_566_388_000_000;

fn end(text: &str) -> Endpoint {
    let socket: SocketAddr = text.parse().unwrap();
    Endpoint::new(socket.ip(), socket.port())
}

fn flow(frame: u64, client: &str, server: &str, verdict: Verdict, grade: Grade) -> Flow {
    Flow {
        client: end(client),
        server: end(server),
        transport: Transport::Tcp,
        medium: Medium::Wire,
        tunnel: TunnelId(0),
        verdict,
        grade,
        protocol: None,
        failure: None,
        tls: None,
        leg: None,
        packets: 12,
        bytes: 1000 * frame,
        first_frame: frame,
        first: Time(TIME + frame as i64 * 1_000_000),
        last: Time(TIME + frame as i64 * 1_500_000),
        evidence: Box::new([Evidence { frame, note: Note::NoData }]),
        rare: None,
    }
}

fn plain(frame: u64, client: &str, server: &str, protocol: &'static str) -> Flow {
    let sample = Some(b"GET /a\x1b[31m\r\n".to_vec().into());
    let rare = Some(Box::new(Rare { sample, ..Rare::default() }));
    Flow { protocol: Some(protocol), rare, ..flow(frame, client, server, Verdict::Plaintext, Grade::P) }
}

fn tls(frame: u64, client: &str, server: &str, verdict: Verdict, grade: Grade) -> Flow {
    let tls = Tls {
        version: Some(0x0304),
        cipher: Some(0x1302),
        sni: Some("outbound_.9080_._.evil\u{1b}[31m\u{202e}".into()),
        alpn_offered: Some(["istio\u{1b}[0m".to_owned(), "istio".to_owned()].into()),
        client_certificate: ClientCertificate::Inferred,
        resumed: Some(false),
        ..Tls::default()
    };
    let evidence = Box::new([Evidence { frame, note: Note::Marks(Mark::Alpn) }]);
    Flow { tls: Some(Box::new(tls)), evidence, ..flow(frame, client, server, verdict, grade) }
}

fn mtls(frame: u64, client: &str, server: &str) -> Flow {
    tls(frame, client, server, Verdict::Mtls, Grade::CPlus)
}

/// A flow with something of everything: names with escapes, two grades, failures, exemptions, encapsulations.
fn capture() -> Capture {
    let mut capture = Capture::default();
    let tunnel = capture.tunnels.push(vec!["vlan:7".to_owned(), "geneve:4097".to_owned()]);
    let mut seen = tls(7, "10.0.0.1:4004", "10.0.0.2:9080", Verdict::Mtls, Grade::A);
    if let Some(tls) = &mut seen.tls {
        (tls.version, tls.cipher) = (Some(0x0303), Some(0x009d));
        tls.client_certificate = ClientCertificate::Seen;
        tls.client_spiffe = Some("spiffe://cluster.local/ns/shop/sa/web".into());
        tls.server_spiffe = Some("spiffe://evil\u{1b}[31m/ns/shop/sa/orders".into());
        tls.chain = Some(true);
        tls.weaknesses = vec![Weakness::NoForwardSecrecy];
    }
    let mut refused = flow(9, "10.0.0.9:5000", "10.0.0.2:9080", Verdict::FailedHandshake, Grade::X);
    refused.failure = Some(Failure::HandshakeRefused);
    let alert = Some(Alert { code: Some(45), side: 1, frame: 11 });
    refused.tls = Some(Box::new(Tls { version: Some(0x0303), alert, ..Tls::default() }));
    let mut leaked = plain(10, "10.0.0.9:5001", "10.0.0.2:9080", "http");
    leaked.failure = Some(Failure::RefusedPlaintext);
    let mut leg = plain(11, "10.0.0.2:6000", "127.0.0.1:15001", "http");
    (leg.medium, leg.leg) = (Medium::Lo, Some(Leg::AppToSidecar));
    leg.rare_mut().original_destination = Some(end("10.0.0.3:80"));
    let mut quic = flow(13, "[fd00::1]:7000", "[fd00::2]:443", Verdict::EncryptedOther, Grade::E);
    (quic.transport, quic.protocol) = (Transport::Udp, Some("quic"));
    capture.flows = vec![
        mtls(1, "10.0.0.1:4000", "10.0.0.2:9080"),
        mtls(3, "10.0.0.1:4001", "10.0.0.2:9080"),
        mtls(5, "10.0.0.10:4000", "10.0.0.2:9080"),
        seen,
        Flow { tunnel, ..plain(8, "10.0.0.1:4005", "10.0.0.3:3306", "mysql") },
        refused,
        leaked,
        leg,
        plain(12, "10.0.0.254:6001", "10.0.0.2:15021", "http"),
        quic,
        flow(14, "10.0.0.1:4006", "10.0.0.4:7", Verdict::Unknown, Grade::U),
        flow(15, "10.0.0.1:4007", "10.0.0.4:8", Verdict::NoData, Grade::U),
    ];
    let coverage = &mut capture.coverage;
    let file = |path: &str| FileCoverage {
        path: path.to_owned(),
        bytes: 4096,
        frames: 10,
        valid: true,
        ..FileCoverage::default()
    };
    coverage.files = vec![file("a.pcap"), file("b\u{1b}.pcap")];
    coverage.files[1].problem = Some("the last record is cut off".to_owned());
    coverage.files[0].sha256 = Some("00ff".to_owned());
    coverage.frames = 20;
    coverage.skipped = [(Skip::NotIp, 2), (Skip::LinkType(99), 1)].into();
    (coverage.dropped, coverage.duplicates, coverage.with_gaps) = (Some(3), 4, 1);
    coverage.comments = vec![(0, "taken\u{1b}[31m by hand".to_owned())];
    (coverage.first, coverage.last) = (Some(Time(TIME)), Some(Time(TIME + 2_000_000_123)));
    coverage.link_types = [(1, 20)].into();
    (coverage.on_loopback, coverage.secrets) = (1, 1);
    capture
}

fn shown(capture: Capture, policy: Policy, view: View, format: Format, width: Option<usize>) -> String {
    let mut out = Vec::new();
    render(&PcapReport::new(capture, policy, view), format, Style { width, colour: false }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

const FLOWS: View = View { flows: true, payload: true };

macro_rules! snapshots {
    ($($test:ident: $view:expr, $format:expr, $width:expr;)*) => {
        $(#[test]
        fn $test() {
            let name = concat!("capture_", stringify!($test));
            insta::assert_snapshot!(name, shown(capture(), Policy::default(), $view, $format, $width));
        })*
    };
}

snapshots! {
    table_in_a_pipe: View::default(), Format::Table, None;
    table_on_80_columns: View::default(), Format::Table, Some(80);
    table_on_120_columns: View::default(), Format::Table, Some(120);
    table_on_200_columns: View::default(), Format::Table, Some(200);
    wide_in_a_pipe: View::default(), Format::Wide, None;
    flows_in_a_pipe: FLOWS, Format::Table, None;
    flows_wide: FLOWS, Format::Wide, None;
    json: View::default(), Format::Json, None;
    yaml: FLOWS, Format::Yaml, None;
    csv: View::default(), Format::Csv, None;
    markdown: View::default(), Format::Markdown, None;
    names: View::default(), Format::Name, None;
}

#[test]
fn the_json_is_what_the_schema_says() {
    let schema = jsonschema::validator_for(&capture_schema()).unwrap();
    for view in [View::default(), FLOWS] {
        for capture in [capture(), Capture::default()] {
            let json = shown(capture, Policy::default(), view, Format::Json, None);
            let json: Value = serde_json::from_str(&json).unwrap();
            let errors: Vec<_> = schema.iter_errors(&json).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{errors:#?}");
        }
    }
}

#[test]
fn the_counts_add_up() {
    let json = shown(capture(), Policy::default(), View::default(), Format::Json, None);
    let json: Value = serde_json::from_str(&json).unwrap();
    let summary = &json["summary"];
    let verdicts = Verdict::ALL.iter().map(|verdict| summary[verdict.word()].as_u64().unwrap());
    assert_eq!(verdicts.sum::<u64>(), 12);
    assert_eq!(json["flows"].as_array().unwrap().len(), 12);
    let edges = json["edges"].as_array().unwrap();
    assert_eq!(edges.iter().map(|edge| edge["flows"].as_u64().unwrap()).sum::<u64>(), 12);
    assert_eq!(summary["judged"], 9);
    assert_eq!(summary["exempt"], serde_json::json!({"app-to-sidecar": 1, "probe": 1}));
    assert_eq!(summary["classes"], serde_json::json!({"plaintext": 2, "failed": 1, "unknown": 1, "required": 0}));
}

#[test]
fn nothing_from_the_packets_reaches_a_terminal_raw() {
    for (name, format, _) in FORMATS {
        for view in [View::default(), FLOWS] {
            let text = shown(capture(), Policy::default(), view, *format, Some(80));
            assert!(!text.contains(['\u{1b}', '\u{202e}', '\r']), "{name}: {text:?}");
        }
    }
}

#[test]
fn payload_is_shown_only_when_asked_for() {
    for (name, format, _) in FORMATS {
        let text = shown(capture(), Policy::default(), View { flows: true, payload: false }, *format, None);
        assert!(!text.contains("GET /a"), "{name}: {text}");
    }
    assert!(shown(capture(), Policy::default(), FLOWS, Format::Json, None).contains("GET /a\\\\x1b[31m\\\\r\\\\n"));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [60, 80, 120, 200] {
        for (view, format) in [(View::default(), Format::Table), (View::default(), Format::Wide), (FLOWS, Format::Wide)]
        {
            for line in shown(capture(), Policy::default(), view, format, Some(width)).lines() {
                assert!(line.chars().count() <= width, "{view:?} on {width}: {line}");
            }
        }
    }
}

/// Sixty clients, each with a call to sixty servers of its own: mutual TLS, but for every 25th call.
fn crowd() -> Capture {
    let mut capture = Capture::default();
    for client in 1..=60 {
        for server in 1..=60 {
            let (from, to) = (format!("10.0.0.{client}:4000"), format!("10.1.{client}.{server}:80"));
            let frame = capture.flows.len() as u64 + 1;
            let mut flow = match server {
                25 | 50 => plain(frame, &from, &to, "redis"),
                _ => mtls(frame, &from, &to),
            };
            if let Some(tls) = &mut flow.tls {
                tls.weaknesses.push(Weakness::EarlyData);
            }
            capture.flows.push(flow);
        }
    }
    let file = FileCoverage { path: "a.pcap".to_owned(), valid: true, frames: 3600, ..FileCoverage::default() };
    capture.coverage = meshctl::capture::flow::Coverage { files: vec![file], frames: 3600, ..Default::default() };
    capture
}

#[test]
fn what_nobody_can_read_is_put_together_for_a_person() {
    let show = |view, format, width| shown(crowd(), Policy::default(), view, format, width);
    insta::assert_snapshot!("capture_crowd_on_100_columns", show(View::default(), Format::Table, Some(100)));
    let lines = |view, format| show(view, format, None).lines().filter(|line| line.contains("10.0.0.")).count();
    // The example of the sentence, and the findings: five in text, or all.
    assert_eq!(lines(View::default(), Format::Table), 1 + 5);
    assert_eq!(lines(View::default(), Format::Wide), 3600 + 1 + 5);
    assert_eq!(lines(View { flows: true, payload: false }, Format::Table), 3600 + 1 + 5);
    assert_eq!(lines(View::default(), Format::Csv), 3600);
    assert_eq!(lines(View::default(), Format::Name), 3600);
    assert_eq!(lines(View::default(), Format::Markdown), 3600 + 3480 + 1);
    let json: Value = serde_json::from_str(&show(View::default(), Format::Json, None)).unwrap();
    let len = |list: &str| json[list].as_array().unwrap().len();
    assert_eq!((len("flows"), len("edges"), len("findings")), (3600, 3600, 3480));
}

#[test]
fn what_the_capture_lacks_is_said_before_anything_is_claimed() {
    let flows = vec![tls(1, "10.0.0.1:1", "10.0.0.2:80", Verdict::Mtls, Grade::A)];
    let mut capture = Capture { flows, ..Capture::default() };
    let coverage = &mut capture.coverage;
    coverage.skipped = [(Skip::EtherType(0x88e5), 7), (Skip::NotIp, 2)].into();
    (coverage.dropped, coverage.with_gaps, coverage.unknown_blocks) = (Some(3), 1, 2);
    let text = shown(capture, Policy::default(), View::default(), Format::Table, None);
    for want in [
        "NOT COMPLETE: the only judged flow is mutual TLS (1 of grade A), but not everything could be looked at: 7 frames \
         could not be decoded, bytes of 1 flow are missing, 3 packets dropped while capturing, 2 blocks of an unknown type",
        "frames that could not be decoded: EtherType 0x88e5 (7)",
        "2 blocks were of an unknown type: packets may be in them",
        "frames without a flow: no IP (2)",
    ] {
        assert!(text.contains(want), "{want}\n{text}");
    }
}

#[test]
fn columns_without_a_word_are_left_out_of_the_default_table_alone() {
    let one = |flow| Capture { flows: vec![flow], ..Capture::default() };
    let show = |flow, view, format| shown(one(flow), Policy::default(), view, format, Some(80));
    let clear = || plain(2, "10.0.0.1:2", "10.0.0.2:9080", "http");
    let secure = || mtls(1, "10.0.0.1:1", "10.0.0.2:80");
    for view in [View::default(), View { flows: true, payload: false }] {
        let head = |flow, format| show(flow, view, format).lines().take(4).collect::<String>();
        let has = |text: &str| (text.contains("TLS "), text.contains("IDENTITY"));
        assert_eq!(has(&head(clear(), Format::Table)), (false, false));
        assert_eq!(has(&head(secure(), Format::Table)), (true, false));
        for format in [Format::Csv, Format::Markdown] {
            let text = show(clear(), view, format);
            let text = text.to_uppercase();
            assert!(text.contains("TLS") && text.contains("IDENTITY"), "{text}");
        }
        assert!(show(clear(), view, Format::Wide).contains("IDENTITY"));
    }
}

/// The closing sentence over some flows.
fn sentence(flows: Vec<Flow>, policy: Policy) -> String {
    let capture = Capture { flows, ..Capture::default() };
    let text = shown(capture, policy, View::default(), Format::Table, None);
    let words = ["PROVEN", "MUTUAL", "ENCRYPTED", "NOT"];
    text.lines().find(|line| words.iter().any(|word| line.starts_with(word))).unwrap().to_owned()
}

#[test]
fn the_sentence_claims_no_more_than_was_seen() {
    let mutual = || mtls(1, "10.0.0.1:1", "10.0.0.2:80");
    let seen = |grade| tls(1, "10.0.0.1:1", "10.0.0.2:80", Verdict::Mtls, grade);
    let clear = || plain(2, "10.0.0.1:2", "10.0.0.2:9080", "http");
    let one_way = || tls(3, "10.0.0.1:3", "10.0.0.2:443", Verdict::Tls, Grade::E);
    let strict = |min_grade| Policy { require: Require::Mtls, min_grade, ..Policy::default() };
    let c = || strict(Grade::C);
    let exempt = Policy::default();
    let exempt = Policy {
        exemptions: meshctl::capture::exempt::Exemptions {
            rules: vec![Rule::parse("port=9080").unwrap()],
            ..exempt.exemptions.clone()
        },
        ..exempt
    };
    for (flows, policy, want) in [
        (vec![], c(), "NOTHING TO CHECK: the capture has no TCP, UDP or ESP flow"),
        (
            vec![mutual()],
            c(),
            "MUTUAL TLS INFERRED: the only judged flow is mutual TLS (1 of grade C+); below grade B the client certificate is inferred, not seen",
        ),
        (
            vec![mutual(), mutual()],
            c(),
            "MUTUAL TLS INFERRED: all 2 judged flows are mutual TLS (2 of grade C+); below grade B the client certificate is inferred, not seen",
        ),
        (
            vec![mutual()],
            strict(Grade::B),
            "NOT PROVEN: 1 of 1 judged flow was encrypted, not shown to be mutual TLS of grade B or better (10.0.0.1 -> 10.0.0.2:80)",
        ),
        (
            vec![seen(Grade::A), seen(Grade::B)],
            Policy::default(),
            "PROVEN: all 2 judged flows are mutual TLS (1 of grade A, 1 of B)",
        ),
        (
            vec![mutual(), clear(), clear()],
            Policy::default(),
            "NOT PROVEN: 2 of 3 judged flows were plaintext http (10.0.0.1 -> 10.0.0.2:9080, ...)",
        ),
        (
            vec![mutual(), clear()],
            exempt,
            "MUTUAL TLS INFERRED: the only judged flow is mutual TLS (1 of grade C+); below grade B the client certificate is inferred, not seen",
        ),
        (
            vec![mutual(), one_way()],
            Policy::default(),
            "ENCRYPTED: all 2 judged flows are encrypted; 1 is not shown to be mutual TLS of grade C or better (10.0.0.1 -> 10.0.0.2:443)",
        ),
        (
            vec![mutual(), one_way(), clear()],
            c(),
            "NOT PROVEN: 1 of 3 judged flows was plaintext http (10.0.0.1 -> 10.0.0.2:9080), 1 encrypted, not shown to be mutual TLS of grade C or better (10.0.0.1 -> 10.0.0.2:443)",
        ),
        (
            vec![plain(1, "127.0.0.1:1", "127.0.0.1:2", "http")],
            c(),
            "NOTHING JUDGED: the capture has 1 flow, and none counts: 1 exempt (loopback 1)",
        ),
    ] {
        assert_eq!(sentence(flows, policy), want);
    }
}

#[test]
fn wrong_flags_say_what_is_wrong() {
    for (args, why) in [
        (
            &["--exempt", "host=a"][..],
            "--exempt \"host=a\": \"host\" is no condition: port, net, client, server, protocol",
        ),
        (&["--fail-on", "tls"], "\"tls\" is not a value of --fail-on: plaintext, failed, unknown, required, never"),
        (&["--require", "yes"], "[possible values: mtls, tls, none]"),
        (&["--min-grade", "E"], "[possible values: A, B, C+, C, D]"),
        (&["-o", "xml"], "no output format \"xml\""),
        (&["--ca", "nowhere.pem"], "nowhere.pem"),
    ] {
        let run = meshctl(&[&["pcap-verify", "a.pcap"], args].concat(), b"");
        assert_eq!(run.code, 2, "{args:?}");
        assert!(run.stderr.contains(why), "{args:?}: {}", run.stderr);
    }
    assert_eq!(meshctl(&["pcap-verify"], b"").code, 2);
}
