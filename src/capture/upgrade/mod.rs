//! From clear to TLS within one connection: STARTTLS and its relatives.

mod binary;
mod http;
mod lines;
pub mod tds;

use super::signature::bytes::rest;
use super::signature::{Heads, proxy_prefix};
use super::tls::{self, Probe};

/// What the clear parts of a conversation say about TLS to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// This protocol, or this conversation so far, asks for no TLS; or it was granted TLS, and the client did not begin
    /// it: the conversation keeps the name that its clear bytes have.
    None,
    /// TLS was asked for; the answer, or the ClientHello after it, is not complete.
    Asked,
    /// TLS was asked for and refused: the conversation stays clear.
    Refused,
    /// TLS begins at these offsets of the two heads: the client's ClientHello is there, the server's side may be empty.
    Tls {
        /// Offset in the client's head where its ClientHello begins.
        client: usize,
        /// Offset in the server's head.
        server: usize,
    },
    /// As `Tls`, inside of TDS packets as long as the handshake lasts: each side's bytes from there on go through a
    /// [`tds::Unwrap`] of its own.
    TlsInTds {
        /// Offset in the client's head of the TDS packet with its ClientHello.
        client: usize,
        /// Offset in the server's head.
        server: usize,
    },
    /// GSSAPI encryption was asked for and granted (PostgreSQL), and both sides' first tokens are there: encrypted, but
    /// no TLS.
    Gss,
}

/// Whether, and where, two clear heads hand over to TLS. `token` is the protocol's name, as [`super::signature::name`]
/// gives it; the empty string where it gave none (NNTP, ManageSieve and a `PROXY` header before TLS are found so).
///
/// Linear in the heads. `Asked` never stays once both heads are complete: it is `Refused` then, or `None` where only the
/// ClientHello is lacking. A grant alone is no evidence of TLS.
#[must_use]
pub fn handover(token: &str, heads: &Heads<'_>) -> Handover {
    let Some(prefix) = proxy_prefix(heads.client) else { return Handover::None };
    let inner = Heads { client: rest(heads.client, prefix), ..*heads };
    if prefix > 0 && !inner.client.is_empty() && hello(inner.client) != Some(false) {
        return begun(heads, prefix, Handover::Tls { client: prefix, server: 0 });
    }
    let found = match token {
        "smtp" => lines::smtp(&inner),
        "ftp" => lines::ftp(&inner),
        "imap" => lines::imap(&inner),
        "pop3" => lines::pop3(&inner),
        "irc" => lines::irc(&inner),
        "xmpp" => lines::xmpp(&inner),
        "nats" => lines::nats(&inner),
        "" => lines::unnamed(&inner),
        "http" | "websocket" => http::handover(&inner),
        "mysql" => binary::mysql(&inner),
        "pgsql" => binary::pgsql(&inner),
        "ldap" => binary::ldap(&inner),
        "amqp" => binary::amqp(&inner),
        "rdp" => binary::rdp(&inner),
        "socks" => binary::socks(&inner),
        "tds" => tds::handover(&inner),
        _ => Handover::None,
    };
    match found {
        Handover::Asked if heads.complete => Handover::Refused,
        Handover::Tls { client, server } => {
            let client = client + prefix;
            begun(heads, client, Handover::Tls { client, server })
        }
        Handover::TlsInTds { client, server } => {
            let client = client + prefix;
            // Behind the header of the TDS packet.
            begun(heads, client + 8, Handover::TlsInTds { client, server })
        }
        other => other,
    }
}

/// Whether bytes begin with a ClientHello; `None`: too few to tell. Six bytes of a TLS record suffice.
fn hello(bytes: &[u8]) -> Option<bool> {
    match tls::probe(bytes) {
        Probe::ClientHello => Some(true),
        Probe::More => None,
        Probe::Record | Probe::No => Some(false),
    }
}

/// What was granted, once a ClientHello stands at that offset of the client's head.
fn begun(heads: &Heads<'_>, at: usize, granted: Handover) -> Handover {
    match hello(rest(heads.client, at)) {
        Some(true) => granted,
        None if !heads.complete => Handover::Asked,
        None | Some(false) => Handover::None,
    }
}

/// Tunnels that carry anything: TLS begins at these offsets when the client's bytes there are a ClientHello.
fn tunnel(heads: &Heads<'_>, client: usize, server: usize) -> Handover {
    match hello(rest(heads.client, client)) {
        Some(true) => Handover::Tls { client, server },
        // A server that speaks first does not speak TLS.
        None if rest(heads.server, server).is_empty() && !heads.complete => Handover::Asked,
        None | Some(false) => Handover::None,
    }
}

#[cfg(test)]
mod tests;
