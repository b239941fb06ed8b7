//! Protocols by the shape of their first bytes: one table, [`SIGNATURES`], one row a protocol, never a port.
//!
//! Every row's function looks at both heads and answers no, need more, one side fits, or both fit. Rows are asked in
//! the order magic numbers, text, shapes that only both directions together prove; the first fit of both sides wins.
//! What one side alone may prove must be so improbable by chance (below 2^-30) that encrypted bytes never get a name.

pub mod bytes;
pub mod database;
mod http;
mod infrastructure;
mod mail;
mod messaging;
mod nosql;
mod office;
pub mod opening;
mod text;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod samples;

pub use http::{HeadLines, header, proxy_prefix};
pub use office::ldap_message;

use opening::{ANY, DIGIT, LINE, MQTT, NONE, REDIS, TEXT, UPPER};

/// What both sides said first, in clear, in order and without a gap.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    /// From the side that opened the connection (or is taken for it).
    pub client: &'a [u8],
    /// From the other.
    pub server: &'a [u8],
    /// Both directions were seen from their first byte (the SYN was seen).
    pub from_start: bool,
    /// Nothing more will come: the flow ended, or a limit or a gap cut the heads here.
    pub complete: bool,
}

/// How sure a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// One side fits; the other said nothing (or nothing that can be judged).
    OneSided,
    /// Both sides fit.
    Both,
}

/// A protocol that the bytes fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The token of output.md 4.
    pub token: &'static str,
    /// How well.
    pub fit: Fit,
    /// The client's and server's parts were mistaken for each other: what `Heads` calls client speaks as server.
    pub swapped: bool,
}

/// What one side's bytes are to a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing that can be judged.
    Silent,
    /// Another protocol.
    No,
    /// Too few to tell.
    More,
    /// They fit, but the other side must fit too.
    Fits,
    /// They fit so closely that nothing else looks like that.
    Proves,
}

/// What both sides' bytes are to a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Another protocol.
    No,
    /// More bytes, or the other side's, must come first.
    More,
    /// One side proves it, the other said nothing.
    OneSided,
    /// Both fit.
    Both,
}

impl Look {
    /// The look of one side: silent where it is empty, more where `look` runs out of bytes.
    pub fn at(bytes: &[u8], look: impl FnOnce(&[u8]) -> Option<Self>) -> Self {
        if bytes.is_empty() { Self::Silent } else { look(bytes).unwrap_or(Self::More) }
    }

    /// Proof or no.
    pub fn proven(yes: bool) -> Self {
        if yes { Self::Proves } else { Self::No }
    }

    /// Fit or no.
    pub fn fits(yes: bool) -> Self {
        if yes { Self::Fits } else { Self::No }
    }
}

/// Joins the looks of both sides.
///
/// | client, server | answer |
/// |---|---|
/// | both fit or prove | both |
/// | one proves, the other is silent or too short | one-sided |
/// | one proves, the other does not fit | no; in mid-stream one-sided, since the other may begin within a message |
/// | one fits, the other is silent or too short | more, no when nothing more comes |
/// | one does not fit | no |
fn join(heads: &Heads<'_>, client: Look, server: Look) -> Answer {
    use Look::{Fits, More, No, Proves, Silent};
    match (client, server) {
        (Fits | Proves, Fits | Proves) => Answer::Both,
        (Proves, Silent | More) | (Silent | More, Proves) => Answer::OneSided,
        (Proves, No) | (No, Proves) if !heads.from_start => Answer::OneSided,
        (No, _) | (_, No) | (Silent, Silent) => Answer::No,
        _ if heads.complete => Answer::No,
        _ => Answer::More,
    }
}

/// One protocol.
pub struct Signature {
    /// Its token.
    pub token: &'static str,
    /// It encrypts by itself, though it is not TLS.
    pub encrypted: bool,
    /// It may turn to TLS after its first words.
    pub upgrades: bool,
    /// Whether two heads fit. Pure; semantics and cases stand at each function.
    pub fits: Fits,
    /// First bytes, as [`opening`] writes them, with which `fits` may say anything but no: of the client and of the
    /// server. They hold for sides of [`opening::ENOUGH`] bytes and more, from the start and in mid-stream.
    pub opens: [&'static [u8]; 2],
}

/// Whether two heads fit a protocol.
type Fits = fn(&Heads<'_>) -> Answer;

/// A protocol in clear: token, function, first bytes of the client and of the server.
const fn clear(token: &'static str, fits: Fits, client: &'static [u8], server: &'static [u8]) -> Signature {
    Signature { token, encrypted: false, upgrades: false, fits, opens: [client, server] }
}

/// A protocol in clear that may turn to TLS.
const fn turning(token: &'static str, fits: Fits, client: &'static [u8], server: &'static [u8]) -> Signature {
    Signature { token, encrypted: false, upgrades: true, fits, opens: [client, server] }
}

/// A protocol that encrypts by itself.
const fn sealed(token: &'static str, fits: Fits, client: &'static [u8], server: &'static [u8]) -> Signature {
    Signature { token, encrypted: true, upgrades: false, fits, opens: [client, server] }
}

/// A protocol of UDP alone: [`super::datagram`] knows it.
fn datagrams_only(_: &Heads<'_>) -> Answer {
    Answer::No
}

/// Every protocol that has a name, in the order in which they are asked.
pub const SIGNATURES: &[Signature] = &[
    // Magic numbers and literal preambles.
    sealed("ssh", infrastructure::ssh, b"SS", b"SS"),
    clear("grpc", http::grpc, b"PP\0\x02", b"HH\0\x02"),
    clear("http2", http::http2, b"PP\0\x02", b"HH\0\x02"),
    turning("amqp", messaging::amqp, b"AA\x01\x03\x08\x08", b"AA\x01\x03\x08\x08"),
    clear("mqtt", messaging::mqtt, MQTT, MQTT),
    clear("bgp", infrastructure::bgp, b"\xff\xff", b"\xff\xff"),
    clear("rfb", office::rfb, b"RR", b"RR"),
    clear("smb", office::smb, b"\0\0\x81\x81", b"\0\0\x82\x82"),
    clear("stun", infrastructure::stun, b"\0\x3f", b"\0\x3f"),
    turning("pgsql", database::pgsql, b"\0\0BFHHPQSSXXccddffpp", b"13AACEGIKKNNRTVWZZcdnnsv"),
    turning("mysql", database::mysql, ANY, ANY),
    turning("tds", database::tds, b"\x10\x10\x12\x12", b"\x04\x04"),
    clear("mongodb", nosql::mongodb, ANY, ANY),
    clear("cassandra", nosql::cassandra, b"\x01\x05", b"\x81\x85"),
    clear("zookeeper", nosql::zookeeper, b"\0\0ceiimmrsww", b"\0\0EETTZZcciizz"),
    clear("dcerpc", office::dcerpc, b"\x05\x05", b"\x05\x05"),
    clear("kerberos", office::kerberos, b"\0\0", b"\0\0"),
    clear("thrift", messaging::thrift, b"\0\0\x80\x80\x82\x82", b"\0\0\x80\x80\x82\x82"),
    clear("dubbo", messaging::dubbo, b"\xda\xda", b"\xda\xda"),
    turning("rdp", office::rdp, b"\x03\x03", b"\x03\x03"),
    clear("fix", text::fix, b"88", b"88"),
    // Text.
    clear("websocket", http::websocket, b"\n\n\r\r--09AZ__az", b"HH"),
    clear("http", http::http, LINE, b"HH"),
    clear("rtsp", text::rtsp, UPPER, UPPER),
    clear("sip", text::sip, b"\r\r  --//AZ__", b"\r\r  --//AZ__"),
    turning("nats", messaging::nats, b"\r\r  ++--CCHHIIMMPPSSUU", b"\r\r  ++--CCHHIIMMPPSSUU"),
    clear("stomp", messaging::stomp, b"ADNNSSUU", b"CCEEMMRR"),
    clear("memcached", nosql::memcached, b"  __az\x80\x80", ANY),
    clear("redis", nosql::redis, TEXT, REDIS),
    turning("xmpp", text::xmpp, b"<<", b"<<"),
    turning("smtp", mail::smtp, TEXT, DIGIT),
    turning("ftp", mail::ftp, TEXT, DIGIT),
    turning("imap", mail::imap, TEXT, b"**"),
    turning("pop3", mail::pop3, TEXT, b"++--"),
    turning("irc", text::irc, LINE, TEXT),
    clear("syslog", text::syslog, b"09<<", NONE),
    // Shapes that need both directions, or a length that closes exactly.
    clear("kafka", messaging::kafka, b"\0\0", b"\0\x06"),
    clear("dns", infrastructure::dns, ANY, ANY),
    turning("ldap", office::ldap, b"00", b"00"),
    clear("snmp", infrastructure::snmp, b"00", b"00"),
    clear("modbus", infrastructure::modbus, ANY, ANY),
    turning("socks", infrastructure::socks, b"\x04\x05", b"\0\0\x05\x05"),
    sealed("openvpn", infrastructure::openvpn, b"\0\x05", b"\0\x05"),
    clear("ntp", datagrams_only, NONE, NONE),
    clear("radius", datagrams_only, NONE, NONE),
    sealed("quic", datagrams_only, NONE, NONE),
    sealed("dtls", datagrams_only, NONE, NONE),
    sealed("wireguard", datagrams_only, NONE, NONE),
    sealed("ipsec", datagrams_only, NONE, NONE),
];

/// Whether bytes begin as a TLS record, or as the hello of SSL 2 that offers a later version: never a name's evidence.
fn looks_tls(head: &[u8]) -> bool {
    match *head {
        // SSL 3.0 only with a hello, since short little-endian lengths (MongoDB) look like its version.
        [0x16, 3, 0, _, _, kind, ..] => matches!(kind, 1 | 2),
        [0x14..=0x18, 3, 1..=4, ..] => true,
        [high, _, 1, 3, minor, ..] => high & 0x80 != 0 && minor <= 4,
        _ => false,
    }
}

/// What a walk over the table found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Walk {
    Nothing,
    /// A row waits for more bytes before rows after it may speak.
    Wait,
    Fit(&'static str, Fit),
}

/// Walks the table once. A row that needs more holds back what one side alone would prove in later rows, so that a name
/// does not change when the next bytes come; what both sides fit need not wait, but for the refinements of HTTP.
fn walk(heads: &Heads<'_>) -> Walk {
    let mut found = Walk::Nothing;
    let mut rows = opening::rows(heads);
    let alone = heads.client.is_empty() || heads.server.is_empty();
    while let Some(row) = opening::next(&mut rows) {
        match (row.fits)(heads) {
            Answer::Both => return Walk::Fit(row.token, Fit::Both),
            Answer::More if heads.complete => {}
            Answer::More if matches!(row.token, "grpc" | "websocket") => return Walk::Wait,
            Answer::More if found == Walk::Nothing => found = Walk::Wait,
            Answer::OneSided if found == Walk::Nothing => found = Walk::Fit(row.token, Fit::OneSided),
            Answer::No | Answer::OneSided | Answer::More => {}
        }
        // What is found of one side only the refinements can take back.
        if alone && found != Walk::Nothing {
            rows &= opening::REFINEMENTS;
        }
    }
    found
}

/// The protocol of two heads. `None`: no signature fits (yet).
///
/// A `PROXY` header of the client (HAProxy, v1 or v2) is passed over; a side that begins as TLS counts as silent. Both
/// orders are tried, the given one first.
#[must_use]
pub fn name(heads: &Heads<'_>) -> Option<Named> {
    let judged = |side| if looks_tls(side) { &[][..] } else { side };
    let client = bytes::rest(heads.client, proxy_prefix(heads.client)?);
    let straight = Heads { client: judged(client), server: judged(heads.server), ..*heads };
    if straight.client.is_empty() && straight.server.is_empty() {
        return None;
    }
    let found = walk(&straight);
    if let Walk::Fit(token, Fit::Both) = found {
        return Some(Named { token, fit: Fit::Both, swapped: false });
    }
    // With one side silent no order fits both.
    let alone = straight.client.is_empty() || straight.server.is_empty();
    match found {
        Walk::Fit(token, fit) if alone => return Some(Named { token, fit, swapped: false }),
        Walk::Wait if alone => return None,
        _ => {}
    }
    let turned = walk(&Heads { client: straight.server, server: straight.client, ..straight });
    match (found, turned) {
        (_, Walk::Fit(token, Fit::Both)) => Some(Named { token, fit: Fit::Both, swapped: true }),
        (Walk::Fit(token, fit), _) => Some(Named { token, fit, swapped: false }),
        (Walk::Nothing, Walk::Fit(token, fit)) => Some(Named { token, fit, swapped: true }),
        _ => None,
    }
}

/// Shapes of whole messages that streams and datagrams share. `None`: too few bytes.
pub struct Shapes;

impl Shapes {
    /// A DNS message.
    #[must_use]
    pub fn dns(datagram: &[u8]) -> Option<Look> {
        infrastructure::dns_message(datagram, datagram.len())
    }

    /// A STUN message.
    #[must_use]
    pub fn stun(datagram: &[u8]) -> Option<Look> {
        infrastructure::stun_message(datagram)
    }

    /// An SNMP message.
    #[must_use]
    pub fn snmp(datagram: &[u8]) -> Option<Look> {
        infrastructure::snmp_message(datagram)
    }

    /// A Kerberos message.
    #[must_use]
    pub fn kerberos(datagram: &[u8]) -> Option<Look> {
        office::kerberos_message(datagram)
    }

    /// A search of connectionless LDAP, or its result, that fills the datagram.
    #[must_use]
    pub fn cldap(datagram: &[u8]) -> bool {
        let Some(Some(message)) = office::ldap_message(datagram) else { return false };
        let name = bytes::u8_at(datagram, message.content) == Some(4);
        message.size <= datagram.len() && matches!(message.operation, 0x63 | 0x64) && name
    }

    /// A SIP message.
    #[must_use]
    pub fn sip(datagram: &[u8]) -> Option<Look> {
        text::versioned(datagram, b"SIP/2.")
    }

    /// A syslog message.
    #[must_use]
    pub fn syslog(datagram: &[u8]) -> Option<Look> {
        text::syslog_message(datagram)
    }

    /// HTTP in a datagram (SSDP).
    #[must_use]
    pub fn ssdp(datagram: &[u8]) -> Option<Look> {
        text::versioned(datagram, b"HTTP/1.")
    }

    /// A Thrift call.
    #[must_use]
    pub fn thrift(datagram: &[u8]) -> Option<Look> {
        messaging::thrift_message(datagram)
    }
}

/// Whether a protocol is encrypted by itself, though not TLS (ssh, quic, ...).
#[must_use]
pub fn encrypted(token: &str) -> bool {
    SIGNATURES.iter().any(|row| row.encrypted && row.token == token)
}

/// Whether a protocol may turn to TLS after its first words (STARTTLS and its relatives), so that its name alone does not
/// settle a conversation. HTTP, whose requests say so themselves, is not counted.
#[must_use]
pub fn may_upgrade(token: &str) -> bool {
    SIGNATURES.iter().any(|row| row.upgrades && row.token == token)
}
