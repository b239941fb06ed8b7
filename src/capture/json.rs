//! The public JSON of `pcap-verify`: its own structures, versioned, never internal types (output.md 4).

use super::edges::Edge;
use super::flow::{Capture, Flow, Tls};
use super::judge::{Judged, Policy};
use super::note::Evidence;
use super::tls::{Weakness, alert_name, cipher_name, version_name};
use super::vantage::Vantage;
use super::why::Why;
use super::words::{address, payload, rfc3339, socket};
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// One flow.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FlowJson<'a> {
    /// Who opened it: `10.0.0.1:80`, `[fd00::1]:80`.
    pub client: String,
    /// Who answered.
    pub server: String,
    /// `tcp`, `udp` or `esp`.
    pub transport: &'a str,
    /// `wire` or `lo`.
    pub medium: &'a str,
    /// Encapsulations, outermost first: `["vxlan:4097", "vlan:120"]`.
    pub tunnel: &'a [String],
    /// `mtls`, `tls`, `plaintext:PROTOCOL` (`plaintext:unknown` without one), `encrypted-other`, `failed-handshake`, `mixed`, `no-data` or `unknown`.
    pub verdict: Cow<'a, str>,
    /// The protocol's token, where one was recognised.
    pub protocol: Option<&'a str>,
    /// A, B, C+, C, D, E, F, X, P or U.
    pub grade: &'a str,
    /// The rule that exempts a plaintext flow.
    pub exempt: Option<&'a str>,
    /// The class of `--fail-on` that it is of: plaintext, failed, unknown or required.
    pub class: Option<&'a str>,
    /// How it failed.
    pub failure: Option<&'a str>,
    /// Its TLS.
    pub tls: Option<TlsJson<'a>>,
    /// The protocol that asked for TLS in clear.
    pub upgraded_from: Option<&'a str>,
    /// Bytes that went in clear before that.
    pub clear_bytes: u64,
    /// `app-to-sidecar` or `sidecar-to-app`, where two half-flows on loopback show that.
    pub leg: Option<&'a str>,
    /// Where the application wanted to go, for such a leg.
    pub original_destination: Option<String>,
    /// Packets, each counted once.
    pub packets: u64,
    /// Bytes of payload on the wire, both ways.
    pub bytes: u64,
    /// Number of its first frame, from 1, over all files of the run.
    pub first_frame: u64,
    /// Time of its first packet, RFC 3339.
    pub first: String,
    /// Time of its last packet.
    pub last: String,
    /// What was seen, in order.
    pub evidence: Vec<EvidenceJson>,
    /// With `--show-payload`: the beginning of a plaintext flow, at most 120 bytes, escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
}

/// One observation.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EvidenceJson {
    /// Frame that showed it; null: no single one.
    pub frame: Option<u64>,
    /// What was seen; may change between versions.
    pub text: String,
}

/// The TLS of a flow.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TlsJson<'a> {
    /// `TLSv1.3`; the client's highest where no server answered.
    pub version: Option<Cow<'static, str>>,
    /// The suite that the server chose: OpenSSL's name up to TLS 1.2, IANA's in TLS 1.3.
    pub cipher: Option<Cow<'static, str>>,
    /// Server name that the client asked for.
    pub sni: Option<&'a str>,
    /// Protocols that the client offered, in its order; none where no ClientHello was seen.
    pub alpn_offered: &'a [String],
    /// Protocol that the server chose, where that is readable.
    pub alpn: Option<&'a str>,
    /// `seen`, `inferred`, `none` or `unknown`.
    pub client_certificate: &'a str,
    /// SPIFFE ID of the client's certificate.
    pub client_spiffe: Option<&'a str>,
    /// SPIFFE ID of the server's certificate.
    pub server_spiffe: Option<&'a str>,
    /// A session was resumed; null: cannot be told.
    pub resumed: Option<bool>,
    /// Does it build to `--ca`: `verified`, `failed` or `not-checked`.
    pub chain: &'a str,
    /// The alert that ended the handshake.
    pub alert: Option<AlertJson>,
    /// Weak points, by the names of their findings.
    pub weaknesses: Vec<&'a str>,
}

/// An alert.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AlertJson {
    /// `certificate_expired`; null where the alert is encrypted, or its code has no name.
    pub description: Option<&'static str>,
    /// Its code; null where the alert is encrypted.
    pub code: Option<u8>,
    /// `client` or `server`.
    pub sent_by: &'static str,
}

/// Flows of one client's address to one server with equal answers.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EdgeJson<'a> {
    /// Address of the client.
    pub client: String,
    /// Who answered, with port.
    pub server: String,
    /// `tcp`, `udp` or `esp`.
    pub transport: &'a str,
    /// `wire` or `lo`.
    pub medium: &'a str,
    /// Encapsulations, outermost first.
    pub tunnel: &'a [String],
    /// As of its flows.
    pub verdict: Cow<'a, str>,
    /// As of its flows.
    pub protocol: Option<&'a str>,
    /// As of its flows.
    pub grade: &'a str,
    /// As of its flows.
    pub exempt: Option<&'a str>,
    /// As of its flows.
    pub class: Option<&'a str>,
    /// As of its flows.
    pub failure: Option<&'a str>,
    /// TLS version.
    pub tls_version: Option<Cow<'static, str>>,
    /// SPIFFE ID of the client's certificate.
    pub client_spiffe: Option<&'a str>,
    /// SPIFFE ID of the server's certificate.
    pub server_spiffe: Option<&'a str>,
    /// How many flows.
    pub flows: u64,
    /// Packets of all.
    pub packets: u64,
    /// Bytes of all.
    pub bytes: u64,
    /// First frame of the first of them.
    pub first_frame: u64,
    /// Time of their first packet.
    pub first: String,
    /// Time of their last packet.
    pub last: String,
    /// Why, in words; may change between versions.
    pub why: String,
}

/// The counts.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SummaryJson<'a> {
    /// All flows of each verdict, exempt ones too.
    #[serde(flatten)]
    pub verdicts: BTreeMap<&'static str, u64>,
    /// All flows: the verdicts sum to it.
    pub flows: u64,
    /// How many edges.
    pub edges: usize,
    /// Flows that count: neither exempt nor without data.
    pub judged: u64,
    /// Judged flows of each class of `--fail-on`.
    pub classes: BTreeMap<&'static str, u64>,
    /// Exempt flows by reason.
    pub exempt: BTreeMap<&'a str, u64>,
    /// Flows that are mutual TLS, by grade.
    pub grades: BTreeMap<&'static str, u64>,
    /// `PROVEN`, `MUTUAL TLS INFERRED`, `ENCRYPTED`, `NOT COMPLETE`, `NOT PROVEN`, `NOTHING JUDGED` or `NOTHING TO CHECK`.
    pub proof: &'static str,
    /// The closing sentence; may change between versions.
    pub sentence: String,
}

/// What the capture covers.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CoverageJson<'a> {
    /// Frames read.
    pub frames: u64,
    /// Frames that gave no packet, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Packets that the capture says were dropped; null: it does not say.
    pub dropped: Option<u64>,
    /// Packets that another interface had shown already.
    pub duplicates: u64,
    /// Flows that a limit of memory cut off.
    pub evicted: u64,
    /// Flows with bytes that the capture lacks.
    pub with_gaps: u64,
    /// A file ends within a record, or could not be read to its end.
    pub truncated: bool,
    /// The reading was ended by the user.
    pub interrupted: bool,
    /// Time of the first packet; null without packets.
    pub first_packet: Option<String>,
    /// Time of the last packet.
    pub last_packet: Option<String>,
    /// Frames on a loopback interface.
    pub on_loopback: u64,
    /// Packets inside an encapsulation.
    pub in_tunnels: u64,
    /// Frames by link type (LINKTYPE_ number).
    pub link_types: BTreeMap<u32, u64>,
    /// Blocks of pcapng of a type that is not known.
    pub unknown_blocks: u64,
    /// Blocks of decryption secrets that the capture carries; they are not used.
    pub secrets: u64,
    /// Comments that the capture carries.
    pub comments: Vec<CommentJson<'a>>,
    /// Where it was taken, as it looks.
    pub vantage: VantageJson,
    /// The files, in the order in which they were read.
    pub files: Vec<FileJson<'a>>,
}

/// A comment of a capture.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CommentJson<'a> {
    /// The frame that it belongs to; null: the file.
    pub frame: Option<u64>,
    /// The comment.
    pub text: &'a str,
}

/// Where a capture was taken.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VantageJson {
    /// `pod`, `pod-any`, `loopback`, `pair`, `node`, `tunnel` or `none`.
    pub place: &'static str,
    /// The address that all flows on the wire have.
    pub address: Option<String>,
    /// In words; may change between versions.
    pub text: String,
    /// What a capture from there shows.
    pub shows: Cow<'static, str>,
    /// What it cannot show.
    pub hides: Vec<&'static str>,
}

/// One file.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FileJson<'a> {
    /// As typed; `-` for standard input.
    pub path: &'a str,
    /// Bytes read, before decompression.
    pub bytes: u64,
    /// Frames read.
    pub frames: u64,
    /// With `--sha256`: its digest in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<&'a str>,
    /// What could not be read of it.
    pub problem: Option<&'a str>,
}

/// One input.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InputJson {
    /// The path as typed; `-` for standard input.
    pub path: String,
    /// Bytes read, before decompression.
    pub bytes: u64,
}

/// The answer of `meshctl pcap-verify`: what each flow of a capture is, and how that is known.
// For the schema only: the renderer writes it piece by piece.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "meshctl.pcap-verify/v1")]
pub struct EnvelopeJson<'a> {
    /// `meshctl.pcap-verify/v1`.
    pub schema: &'a str,
    /// Version of meshctl.
    pub version: &'a str,
    /// The inputs.
    pub input: Vec<InputJson>,
    /// Weak points, failures, and what could not be read.
    pub findings: Vec<serde_json::Value>,
    /// The counts.
    pub summary: SummaryJson<'a>,
    /// What the capture covers.
    pub coverage: CoverageJson<'a>,
    /// The flows, by first frame.
    pub flows: Vec<FlowJson<'a>>,
    /// Flows with equal answers, put together.
    pub edges: Vec<EdgeJson<'a>>,
}

/// A flow as the envelope shows it.
#[must_use]
pub fn flow<'a>(capture: &'a Capture, policy: &'a Policy, flow: &'a Flow, with_payload: bool) -> FlowJson<'a> {
    let Judged { exempt, class } = policy.judge(flow);
    let plaintext = flow.verdict == super::flow::Verdict::Plaintext;
    FlowJson {
        client: socket(flow.client),
        server: socket(flow.server),
        transport: flow.transport.word(),
        medium: flow.medium.word(),
        tunnel: capture.tunnels.path(flow.tunnel),
        verdict: flow.verdict.with(flow.protocol),
        protocol: flow.protocol,
        grade: flow.grade.word(),
        exempt: exempt.map(|exempt| policy.exemptions.word(exempt)),
        class: class.map(super::judge::Class::word),
        failure: flow.failure.map(super::flow::Failure::word),
        tls: flow.tls.as_deref().map(tls),
        upgraded_from: flow.upgraded_from(),
        clear_bytes: flow.clear_bytes(),
        leg: flow.leg.map(super::flow::Leg::word),
        original_destination: flow.original_destination().map(socket),
        packets: flow.packets,
        bytes: flow.bytes,
        first_frame: flow.first_frame,
        first: rfc3339(flow.first),
        last: rfc3339(flow.last),
        evidence: flow.evidence.iter().map(|evidence| observation(*evidence, flow)).collect(),
        payload: flow.sample().filter(|_| with_payload && plaintext).map(payload),
    }
}

fn observation(evidence: Evidence, flow: &Flow) -> EvidenceJson {
    EvidenceJson { frame: Some(evidence.frame).filter(|frame| *frame > 0), text: evidence.note.text(flow).into_owned() }
}

fn tls(tls: &Tls) -> TlsJson<'_> {
    TlsJson {
        version: tls.version.map(version_name),
        cipher: tls.cipher.map(cipher_name),
        sni: tls.sni.as_deref(),
        alpn_offered: tls.alpn_offered.as_deref().unwrap_or_default(),
        alpn: tls.alpn.as_deref(),
        client_certificate: tls.client_certificate.word(),
        client_spiffe: tls.client_spiffe.as_deref(),
        server_spiffe: tls.server_spiffe.as_deref(),
        resumed: tls.resumed,
        chain: match tls.chain {
            Some(true) => "verified",
            Some(false) => "failed",
            None => "not-checked",
        },
        alert: tls.alert.map(|alert| AlertJson {
            description: alert.code.and_then(alert_name),
            code: alert.code,
            sent_by: if tls.alert_by_client { "client" } else { "server" },
        }),
        weaknesses: tls
            .weaknesses
            .iter()
            .filter_map(|weakness: &Weakness| super::findings::weak_name(*weakness))
            .collect(),
    }
}

/// An edge as the envelope shows it; `first` is the first of its flows.
#[must_use]
pub fn edge<'a>(capture: &'a Capture, policy: &'a Policy, edge: &'a Edge, first: &'a Flow) -> EdgeJson<'a> {
    let tls = first.tls.as_deref();
    EdgeJson {
        client: address(first.client),
        server: socket(first.server),
        transport: first.transport.word(),
        medium: first.medium.word(),
        tunnel: capture.tunnels.path(first.tunnel),
        verdict: first.verdict.with(first.protocol),
        protocol: first.protocol,
        grade: first.grade.word(),
        exempt: edge.exempt.map(|exempt| policy.exemptions.word(exempt)),
        class: edge.class.map(super::judge::Class::word),
        failure: first.failure.map(super::flow::Failure::word),
        tls_version: tls.and_then(|tls| tls.version).map(version_name),
        client_spiffe: tls.and_then(|tls| tls.client_spiffe.as_deref()),
        server_spiffe: tls.and_then(|tls| tls.server_spiffe.as_deref()),
        flows: edge.flows,
        packets: edge.packets,
        bytes: edge.bytes,
        first_frame: first.first_frame,
        first: rfc3339(first.first),
        last: rfc3339(edge.last),
        why: Why::of(first, edge.exempt).text(&policy.exemptions),
    }
}

/// The coverage as the envelope shows it.
#[must_use]
pub fn coverage<'a>(capture: &'a Capture, vantage: &Vantage) -> CoverageJson<'a> {
    let coverage = &capture.coverage;
    let files = coverage.files.iter().map(|file| FileJson {
        path: &file.path,
        bytes: file.bytes,
        frames: file.frames,
        sha256: file.sha256.as_deref(),
        problem: file.problem.as_deref().or((!file.valid).then_some("not a capture file")),
    });
    let comments = coverage.comments.iter();
    CoverageJson {
        frames: coverage.frames,
        skipped: coverage.skipped.iter().map(|(skip, count)| (skip.to_string(), *count)).collect(),
        dropped: coverage.dropped,
        duplicates: coverage.duplicates,
        evicted: coverage.evicted,
        with_gaps: coverage.with_gaps,
        unknown_blocks: coverage.unknown_blocks,
        truncated: coverage.files.iter().any(|file| file.valid && file.problem.is_some()),
        interrupted: coverage.interrupted,
        first_packet: coverage.first.map(rfc3339),
        last_packet: coverage.last.map(rfc3339),
        on_loopback: coverage.on_loopback,
        in_tunnels: coverage.in_tunnels,
        link_types: coverage.link_types.clone(),
        secrets: coverage.secrets,
        comments: comments
            .map(|(frame, text)| CommentJson { frame: Some(*frame).filter(|frame| *frame > 0), text })
            .collect(),
        vantage: VantageJson {
            place: vantage.word(),
            address: vantage.address.map(|address| address.to_string()),
            text: vantage.text(),
            shows: vantage.shows(),
            hides: vantage.hides(),
        },
        files: files.collect(),
    }
}
