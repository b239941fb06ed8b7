//! A flow as it is reported: who talked to whom, what it was, and how that is known.

use super::note::Evidence;
use super::packet::{Endpoint, Medium, Packet, Skip, Time, Transport, TunnelId, Tunnels};
use super::tls::{Alert, ClientCertificate, Weakness};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a flow is. The words are those of output.md 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Mutual TLS: the client proved an identity of its own.
    Mtls,
    /// TLS in which that was not shown.
    Tls,
    /// Encrypted, but not TLS over TCP.
    EncryptedOther,
    /// TLS was tried and did not come about.
    FailedHandshake,
    /// Encrypted and clear parts that no negotiated upgrade explains.
    Mixed,
    /// A protocol in clear.
    Plaintext,
    /// Not a byte of payload.
    NoData,
    /// Payload that nothing was recognised in.
    Unknown,
}

/// How strong the evidence is (A strongest). See docs/pcap-verify.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// Proven: certificates and possession of the keys checked.
    A,
    /// Shown: both certificates seen, not verified.
    B,
    /// Strong inference with the mesh's own marks.
    CPlus,
    /// Strong inference from record sizes.
    C,
    /// Circumstantial.
    D,
    /// One-way, or nothing is known of the client.
    E,
    /// Records in mid-stream only.
    F,
    /// Failed.
    X,
    /// Plaintext.
    P,
    /// Unknown.
    U,
}

/// How a flow failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// A request in clear, then a reset or close without an answer: its bytes leaked.
    RefusedPlaintext,
    /// A ClientHello that was answered by something that is no TLS.
    TlsToPlaintextServer,
    /// An alert or close by a peer during or right after the handshake.
    HandshakeRefused,
    /// The handshake stops without a word.
    HandshakeIncomplete,
    /// The client closed before the server answered.
    ClientGaveUp,
}

/// A leg between an application and its own sidecar, as the loopback interface shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leg {
    /// Application to sidecar (redirected to 127.0.0.1:15001).
    AppToSidecar,
    /// Sidecar to application (from 127.0.0.6, ::6, or with the client's address under TPROXY).
    SidecarToApp,
}

/// The TLS of a flow. Strings come from the packets: escape them before they are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Negotiated version as on the wire (0x0303 is TLS 1.2), or the client's highest where no server answered.
    pub version: Option<u16>,
    /// Cipher suite that the server chose.
    pub cipher: Option<u16>,
    /// Server name of the ClientHello.
    pub sni: Option<Arc<str>>,
    /// Protocols that the client offered, in its order.
    pub alpn_offered: Option<Arc<[String]>>,
    /// Protocol that the server chose, where that is readable (up to TLS 1.2).
    pub alpn: Option<Arc<str>>,
    /// What is known of the client's certificate.
    pub client_certificate: ClientCertificate,
    /// SPIFFE ID of the client's certificate.
    pub client_spiffe: Option<Arc<str>>,
    /// SPIFFE ID of the server's certificate.
    pub server_spiffe: Option<Arc<str>>,
    /// A session was resumed; `None`: cannot be told.
    pub resumed: Option<bool>,
    /// Do the certificates build to the CA given: `None` not checked.
    pub chain: Option<bool>,
    /// The alert that ended the handshake.
    pub alert: Option<Alert>,
    /// Whether the alert was sent by the client.
    pub alert_by_client: bool,
    /// Weak points.
    pub weaknesses: Vec<Weakness>,
}

/// One flow. What every packet changes stands first, so that it touches one line of the cache here.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Flow {
    /// Packets, each counted once however many interfaces saw it.
    pub packets: u64,
    /// Bytes of payload on the wire, both ways, retransmissions included.
    pub bytes: u64,
    /// When the last packet was captured.
    pub last: Time,
    /// Who opened it: sent the SYN, else the ClientHello or request, else has the higher port.
    pub client: Endpoint,
    /// Who answered.
    pub server: Endpoint,
    /// Encapsulations.
    pub tunnel: TunnelId,
    /// TCP, UDP or ESP.
    pub transport: Transport,
    /// Loopback or not.
    pub medium: Medium,
    /// The verdict.
    pub verdict: Verdict,
    /// How strong the evidence is.
    pub grade: Grade,
    /// How it failed.
    pub failure: Option<Failure>,
    /// The application's leg to its sidecar that two half-flows on loopback were joined to.
    pub leg: Option<Leg>,
    /// First frame.
    pub first_frame: u64,
    /// When that was.
    pub first: Time,
    /// Protocol token, for plaintext, encrypted-other and, where the clear part names it, upgrades.
    pub protocol: Option<&'static str>,
    /// Its TLS.
    pub tls: Option<Box<Tls>>,
    /// What was seen, in order.
    pub evidence: Box<[Evidence]>,
    /// What few flows have.
    pub rare: Option<Box<Rare>>,
}

/// What few flows have, kept apart because there are many flows.
#[derive(Clone, Debug, Default)]
pub struct Rare {
    /// The protocol that asked for TLS in clear.
    pub upgraded_from: Option<&'static str>,
    /// Bytes that went in clear before the upgrade.
    pub clear_bytes: u64,
    /// Where the application wanted to go, for two half-flows of the loopback interface that were joined.
    pub original_destination: Option<Endpoint>,
    /// The beginning of what went in clear, at most 120 bytes, where it was asked for.
    pub sample: Option<Box<[u8]>>,
}

impl Flow {
    /// A flow that begins with a packet; nothing is known of it yet.
    #[must_use]
    pub fn new(packet: &Packet<'_>, client: Endpoint, server: Endpoint) -> Self {
        Self {
            client,
            server,
            transport: packet.transport,
            medium: packet.medium,
            tunnel: packet.tunnel,
            verdict: Verdict::Unknown,
            grade: Grade::U,
            protocol: None,
            failure: None,
            tls: None,
            leg: None,
            packets: 0,
            bytes: 0,
            first_frame: packet.frame,
            first: packet.time,
            last: packet.time,
            evidence: Box::default(),
            rare: None,
        }
    }

    /// The protocol that asked for TLS in clear.
    #[must_use]
    pub fn upgraded_from(&self) -> Option<&'static str> {
        self.rare.as_ref().and_then(|rare| rare.upgraded_from)
    }

    /// Bytes that went in clear before the upgrade.
    #[must_use]
    pub fn clear_bytes(&self) -> u64 {
        self.rare.as_ref().map_or(0, |rare| rare.clear_bytes)
    }

    /// Where the application wanted to go, for a joined leg.
    #[must_use]
    pub fn original_destination(&self) -> Option<Endpoint> {
        self.rare.as_ref().and_then(|rare| rare.original_destination)
    }

    /// The beginning of what went in clear.
    #[must_use]
    pub fn sample(&self) -> Option<&[u8]> {
        self.rare.as_ref().and_then(|rare| rare.sample.as_deref())
    }

    /// To add to what few flows have.
    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// One input of the run.
#[derive(Clone, Debug, Default)]
pub struct FileCoverage {
    /// As typed; `-` for standard input.
    pub path: String,
    /// Bytes read, before decompression.
    pub bytes: u64,
    /// Frames read.
    pub frames: u64,
    /// SHA-256 in hex, where asked for.
    pub sha256: Option<String>,
    /// What could not be read of it, in words: no capture file, truncated tail, bad block.
    pub problem: Option<String>,
    /// The file header could be read.
    pub valid: bool,
}

/// What a capture covers, and what it does not.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// The inputs, in the order in which they were read.
    pub files: Vec<FileCoverage>,
    /// Frames read.
    pub frames: u64,
    /// Frames that gave no packet, by reason.
    pub skipped: BTreeMap<Skip, u64>,
    /// Packets that the capture itself says were dropped; `None`: it does not say.
    pub dropped: Option<u64>,
    /// Packets that another interface had shown already.
    pub duplicates: u64,
    /// Flows whose bytes a limit of memory cut off.
    pub evicted: u64,
    /// Flows with bytes that the capture lacks.
    pub with_gaps: u64,
    /// Blocks of pcapng of a type that is not known: packets may be in them.
    pub unknown_blocks: u64,
    /// Decryption secrets that the capture carries (not used).
    pub secrets: u64,
    /// Comments in the capture: frame (0: the file's) and text.
    pub comments: Vec<(u64, String)>,
    /// The reading was ended by the user.
    pub interrupted: bool,
    /// First packet time.
    pub first: Option<Time>,
    /// Last packet time.
    pub last: Option<Time>,
    /// Link types seen.
    pub link_types: BTreeMap<u32, u64>,
    /// Frames seen on loopback.
    pub on_loopback: u64,
    /// Packets seen inside a tunnel.
    pub in_tunnels: u64,
}

/// All flows of a run.
#[derive(Debug, Default)]
pub struct Capture {
    /// The flows, by first frame.
    pub flows: Vec<Flow>,
    /// The encapsulations by number.
    pub tunnels: Tunnels,
    /// What was read.
    pub coverage: Coverage,
}
