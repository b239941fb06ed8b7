//! What can be seen of a flow, each in a few bytes, and in words.

use super::flow::{Flow, Tls};
use super::signature::Fit;
use super::tls::{ClientCertificate, alert_name, cipher_name, version_name};
use std::borrow::Cow;

/// One observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Frame that showed it; 0: no single one.
    pub frame: u64,
    /// What was seen.
    pub note: Note,
}

/// An observation in a few bytes; [`Note::text`] says it in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Not a byte of payload.
    NoData,
    /// Nothing that is known was recognised.
    Unrecognised,
    /// The capture has no beginning of the connection.
    NoStart,
    /// Only one direction is in the capture.
    OneSided,
    /// Bytes are missing.
    Gaps,
    /// Copies of the same bytes differ: what the capture shows may not be what was received.
    Conflict,
    /// A limit of memory ended the reading of this flow.
    CutOff,
    /// Clear bytes of the protocol that the flow names.
    Named(Fit),
    /// Encrypted by a protocol of its own.
    Encrypted(Fit),
    /// IPsec ESP.
    Esp,
    /// GSSAPI encryption was negotiated.
    Gss,
    /// TLS was asked for and refused.
    UpgradeRefused,
    /// TLS was asked for in clear.
    Upgraded,
    /// ClientHello.
    ClientHello,
    /// ServerHello.
    ServerHello,
    /// The server went on without a word about a certificate of the client's: a session was resumed.
    Resumed,
    /// The session that was resumed began with a full handshake in the flow that begins with this frame.
    ResumedFrom,
    /// The client's certificate was read.
    Certificate,
    /// The client's CertificateVerify fits its key and the transcript: yes, no, or not checked.
    Possession(Option<bool>),
    /// The chains build to the CA given, or not.
    Chain(bool),
    /// Size of the client's first encrypted record, and what it means.
    FirstRecord(u16, ClientCertificate),
    /// No certificate was asked for, or none was given.
    NoCertificate,
    /// The marks of the mesh in the ClientHello.
    Marks(Mark),
    /// The server went on after the client's last flight.
    Accepted,
    /// Nothing shows that the server accepted the client's last flight.
    NotAccepted,
    /// Records only: so many of the client's and of the server's close on the next one.
    Records(u16, u16),
    /// The chain of records breaks.
    Broken,
    /// TLS begins in the middle of clear bytes that did not ask for it.
    LateTls,
    /// Readable text in a flow that had become encrypted.
    Text,
    /// Datagrams that the name does not fit.
    Others,
    /// An alert.
    Alert,
    /// The other side answered the ClientHello in clear.
    ClearAnswer,
    /// The server closed or reset without an answer.
    ClosedByServer,
    /// The client closed or reset.
    ClosedByClient,
    /// The cipher suite hides nothing.
    NullCipher,
    /// After bytes that the capture lacks the records were not found again: what followed was not looked at.
    NotLookedAt,
    /// Two half-flows of the loopback interface were joined.
    Joined,
}

/// What in a ClientHello is the mesh's own (pcap.md 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// ALPN `istio...`: a sidecar offers it.
    Alpn,
    /// SNI `outbound_.PORT_.SUBSET_.HOST`.
    Sni,
    /// No SNI, ALPN `h2` alone, TLS 1.3, to port 15008: HBONE.
    Hbone,
}

impl Note {
    /// In words. `flow` has the names that the note does not repeat; they are text from outside.
    #[must_use]
    pub fn text(self, flow: &Flow) -> Cow<'static, str> {
        let token = flow.protocol.unwrap_or("");
        let tls = flow.tls.as_deref();
        match self {
            Self::NoData => "no payload in either direction".into(),
            Self::Unrecognised => format!("nothing recognised in {} bytes", flow.bytes).into(),
            Self::NoStart => "the capture begins after the connection".into(),
            Self::OneSided => "only one direction is in the capture".into(),
            Self::Gaps => "the capture lacks bytes".into(),
            Self::Conflict => "two copies of the same bytes differ".into(),
            Self::CutOff => "reading ended by the memory limit".into(),
            Self::Named(Fit::Both) => format!("{token} in clear, both sides").into(),
            Self::Named(Fit::OneSided) => format!("{token} in clear, one side only").into(),
            Self::Encrypted(Fit::Both) => format!("{token}, both sides").into(),
            Self::Encrypted(Fit::OneSided) => format!("{token}, one side only").into(),
            Self::Esp => "IPsec ESP (without the association its null cipher looks the same)".into(),
            Self::Gss => "GSSAPI encryption negotiated".into(),
            Self::UpgradeRefused => "TLS was asked for and refused".into(),
            Self::Upgraded => {
                let by = flow.upgraded_from().unwrap_or("a prefix");
                format!("TLS asked for by {by}, after {} clear bytes", flow.clear_bytes()).into()
            }
            Self::ClientHello => client_hello(tls).into(),
            Self::ServerHello => server_hello(tls).into(),
            Self::Resumed => "session resumed: no certificate is shown".into(),
            Self::ResumedFrom => "resumes the session of the full handshake that begins here".into(),
            Self::Certificate => match tls.and_then(|tls| tls.client_spiffe.as_ref()) {
                Some(id) => format!("client certificate {id}").into(),
                None => "client certificate without a SPIFFE ID".into(),
            },
            Self::Possession(Some(true)) => "CertificateVerify fits: the client has the key".into(),
            Self::Possession(Some(false)) => "CertificateVerify does not fit the client's key".into(),
            Self::Possession(None) => "CertificateVerify not checked".into(),
            Self::Chain(true) => "chain builds to the CA given".into(),
            Self::Chain(false) => "chain does not build to the CA given".into(),
            Self::FirstRecord(size, ClientCertificate::None) => {
                format!("client's first encrypted record has {size} bytes: no certificate").into()
            }
            Self::FirstRecord(size, ClientCertificate::Inferred | ClientCertificate::Seen) => {
                format!("client's first encrypted record has {size} bytes: a certificate").into()
            }
            Self::FirstRecord(size, ClientCertificate::Unknown) => {
                format!("client's first encrypted record has {size} bytes: proves nothing").into()
            }
            Self::NoCertificate => "no client certificate".into(),
            Self::Marks(Mark::Alpn) => "ALPN of a sidecar".into(),
            Self::Marks(Mark::Sni) => "SNI of a sidecar".into(),
            Self::Marks(Mark::Hbone) => "shape of HBONE".into(),
            Self::Accepted => "the server went on".into(),
            Self::NotAccepted => "nothing shows that the server accepted it".into(),
            Self::Records(client, server) => {
                format!("TLS records without a handshake: {client} of the client and {server} of the server close")
                    .into()
            }
            Self::Broken => "records break into something else".into(),
            Self::LateTls => "TLS begins amid clear bytes that did not ask for it".into(),
            Self::Text => "readable text after it had become encrypted".into(),
            Self::Others => format!("datagrams that are no {token} too").into(),
            Self::Alert => alert(tls).into(),
            Self::ClearAnswer => match flow.protocol {
                Some(token) => format!("answered in clear: {token}").into(),
                None => "answered in clear".into(),
            },
            Self::ClosedByServer => "closed by the server".into(),
            Self::ClosedByClient => "closed by the client".into(),
            Self::NullCipher => "the cipher suite does not encrypt".into(),
            Self::NotLookedAt => "what follows the missing bytes could not be read".into(),
            Self::Joined => "two half-flows on loopback joined".into(),
        }
    }
}

fn client_hello(tls: Option<&Tls>) -> String {
    let mut text = "ClientHello".to_owned();
    if let Some(sni) = tls.and_then(|tls| tls.sni.as_ref()) {
        text += &format!(", SNI {sni}");
    }
    if let Some(alpn) = tls.and_then(|tls| tls.alpn_offered.as_ref()).filter(|alpn| !alpn.is_empty()) {
        text += &format!(", ALPN {}", alpn.join(", "));
    }
    text
}

fn server_hello(tls: Option<&Tls>) -> String {
    let version = tls.and_then(|tls| tls.version).map_or("?".into(), version_name);
    let cipher = tls.and_then(|tls| tls.cipher).map_or("?".into(), cipher_name);
    format!("ServerHello {version}, {cipher}")
}

fn alert(tls: Option<&Tls>) -> String {
    let by = if tls.is_some_and(|tls| tls.alert_by_client) { "client" } else { "server" };
    match tls.and_then(|tls| tls.alert).and_then(|alert| alert.code) {
        Some(code) => format!("alert of the {by}: {}", alert_name(code).unwrap_or("unknown")),
        None => format!("encrypted alert of the {by}, known by its size"),
    }
}
