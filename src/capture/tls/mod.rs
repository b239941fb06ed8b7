//! TLS without keys: records, handshakes, and what both say about who proved what.

//!
//! [`Session`] walks the records of both sides (`record`, `session`), reads the handshake as long as it is in clear
//! (`handshake`, `hello`, `possession`), keeps the sizes of the first encrypted records (`flight`), and says at the end
//! what all of it shows (`inference`).

mod alerts;
mod bytes;
mod flight;
mod handshake;
mod hello;
mod inference;
mod possession;
mod record;
mod session;
mod suites;
#[cfg(test)]
mod tests;

pub use alerts::{alert_name, version_name};
pub use record::find_chain;
pub use session::Session;
pub use suites::{cipher_encrypts, cipher_name};

use crate::pki::Certificate;
use std::sync::Arc;

/// What the first bytes of one side look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A ClientHello for certain: record header, a plausible length and handshake type 1 (six bytes), or SSLv2's hello.
    ClientHello,
    /// Begins with a plausible record header of any other kind.
    Record,
    /// Not TLS.
    No,
    /// Too few bytes to tell.
    More,
}

/// Which of the two directions of a flow bytes came from: 0 or 1, as the flow table counts them.
pub type Side = usize;

/// Looks at the first bytes of one side.
#[must_use]
pub fn probe(bytes: &[u8]) -> Probe {
    let known = bytes.get(..record::HEADER).unwrap_or(bytes);
    let Some(header) = known.first_chunk::<{ record::HEADER }>().copied() else {
        let possible = record::begins(known) || record::begins_old(known);
        return if possible { Probe::More } else { Probe::No };
    };
    if record::old_hello(header).is_some() {
        return Probe::ClientHello;
    }
    match record::header(header, record::Cover::Unknown) {
        None => Probe::No,
        Some(found) if found.kind != record::HANDSHAKE => Probe::Record,
        // The message's length has three bytes, and no hello needs the first of them.
        Some(_) => match (bytes.get(5), bytes.get(6)) {
            (None, _) => Probe::More,
            (Some(1), None | Some(0)) => Probe::ClientHello,
            _ => Probe::Record,
        },
    }
}

/// How a flow ended, as far as the capture shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Which sides sent FIN.
    pub fin: [bool; 2],
    /// Which sides sent RST.
    pub rst: [bool; 2],
    /// The side whose FIN or RST came first, where the order is known.
    pub first: Option<Side>,
}

/// How far the TLS of a flow came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// No hello was seen: records of a connection that is older than the capture, or whose handshake it lacks.
    #[default]
    MidStream,
    /// A ClientHello without any answer.
    Unanswered,
    /// Answered, and not finished when the capture or the connection ended.
    Incomplete,
    /// Ended by an alert, or by a close during or right after the handshake.
    Refused,
    /// Both sides finished, and the server went on after the client's last flight.
    Established,
    /// Both sides finished as far as can be seen, but nothing shows that the server went on.
    Finished,
}

/// What is known of the client's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientCertificate {
    /// Read on the wire (up to TLS 1.2): the server's CertificateRequest, the client's Certificate and its
    /// CertificateVerify, all three. A certificate that was sent without being asked for, or without proof of its key, is
    /// `Unknown`, and so is one whose proof the capture lacks; its names are not reported.
    Seen,
    /// Shown by the size of the client's first encrypted record, or by the full handshake that this one resumes.
    Inferred,
    /// A full handshake that was seen to lack one.
    None,
    /// Not to be told: resumed, or the flight or one of the three messages of `Seen` is missing.
    #[default]
    Unknown,
}

/// An alert (RFC 8446 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its code; `None`: encrypted, recognised by its size.
    pub code: Option<u8>,
    /// Who sent it.
    pub side: Side,
    /// In which frame.
    pub frame: u64,
}

/// What a ClientHello says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// Highest version that it offers.
    pub version: u16,
    /// Server name.
    pub sni: Option<String>,
    /// Application protocols, in its order.
    pub alpn: Vec<String>,
    /// It announces 0-RTT data.
    pub early_data: bool,
    /// In which frame it was complete.
    pub frame: u64,
}

/// What a ServerHello says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// Negotiated version.
    pub version: u16,
    /// Cipher suite.
    pub cipher: u16,
    /// Protocol that it chose, in clear up to TLS 1.2.
    pub alpn: Option<String>,
    /// It accepted a PSK (TLS 1.3).
    pub psk: bool,
    /// In which frame it was complete.
    pub frame: u64,
}

/// What one side's record chain showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SideFacts {
    /// Bytes that were walked, gaps left out.
    pub bytes: u64,
    /// Records whose end met the next valid header or the end of the data.
    pub closed: u64,
    /// Records of application data after the handshake (TLS 1.3: after the client's flight).
    pub application: u64,
    /// Where the chain broke: offset of the byte that is no record header, and frame.
    pub broken: Option<(u64, u64)>,
    /// The first bytes there, at most 256.
    pub broken_with: Vec<u8>,
    /// Bytes are missing.
    pub gaps: bool,
    /// After missing bytes its place in the chain was not found again: what followed was not checked.
    pub lost: bool,
    /// Bytes that no record was found in because it had lost its place: what was captured then, and missing bytes that
    /// may have had a record header in them (0 for gaps of unknown size). It may have been anything.
    pub unseen: u64,
}

/// What a TLS conversation showed.
#[derive(Debug, Default)]
pub struct Facts {
    /// How far it came.
    pub outcome: Outcome,
    /// The side that is the TLS client, where a hello shows it.
    pub client: Option<Side>,
    /// The last ClientHello (after a HelloRetryRequest: the second).
    pub client_hello: Option<ClientHello>,
    /// The last ServerHello that is no HelloRetryRequest.
    pub server_hello: Option<ServerHello>,
    /// Per side.
    pub sides: [SideFacts; 2],
    /// What is known of the client's certificate.
    pub client_certificate: ClientCertificate,
    /// The client's CertificateVerify was seen, after a Certificate that was not empty (up to TLS 1.2).
    pub certificate_verify: bool,
    /// Size of the client's first encrypted record of a TLS 1.3 handshake, and its frame.
    pub first_client_record: Option<(u16, u64)>,
    /// Frame of the client's Certificate message.
    pub client_certificate_frame: u64,
    /// Did the client's CertificateVerify fit key and transcript: `None` not checked.
    pub possession: Option<bool>,
    /// The client's chain, leaf first (up to TLS 1.2); empty unless `client_certificate` is `Seen`.
    pub client_chain: Vec<Arc<Certificate>>,
    /// The server's chain, leaf first (up to TLS 1.2).
    pub server_chain: Vec<Arc<Certificate>>,
    /// Does what was seen of both chains build to the roots: `None` not checked.
    pub chain: Option<bool>,
    /// A session was resumed; `None`: cannot be told.
    pub resumed: Option<bool>,
    /// Keyed by content: sessions that this handshake offers to resume (session id, ticket; up to TLS 1.2).
    pub sessions_offered: Vec<u64>,
    /// Sessions that the server of this handshake handed out (session id, ticket; up to TLS 1.2).
    pub sessions_issued: Vec<u64>,
    /// The alert that ended the handshake.
    pub alert: Option<Alert>,
    /// Weak points.
    pub weaknesses: Vec<Weakness>,
}

/// A weak point of a TLS conversation. Each has a finding code MC07xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weakness {
    /// Negotiated SSL 2 or 3, TLS 1.0 or 1.1.
    OldVersion,
    /// NULL, anonymous, export, RC4, DES, 3DES or CBC with SHA-1.
    WeakCipher,
    /// RSA key exchange: whoever gets the key later reads it all.
    NoForwardSecrecy,
    /// The server's random says that it would have spoken a newer version (RFC 8446 4.1.3), and the client offered one.
    Downgrade,
    /// TLS compression.
    Compression,
    /// A second handshake in clear sight, without the extension of RFC 5746 in either hello.
    InsecureRenegotiation,
    /// 0-RTT data: can be replayed.
    EarlyData,
    /// Heartbeat records.
    Heartbeat,
    /// A certificate was not valid at the capture's time.
    CertificateNotValid,
    /// RSA below 2048 bits, or a SHA-1 or MD5 signature.
    WeakCertificate,
    /// A leaf that signed itself.
    SelfSigned,
    /// The chain does not build to the CA given.
    ChainFailed,
    /// CertificateVerify does not fit: the client did not prove its key.
    PossessionFailed,
}
