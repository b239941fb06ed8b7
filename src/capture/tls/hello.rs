//! What ClientHello, ServerHello and their relatives say (RFC 8446 4.1, RFC 5246 7.4, RFC 6101 E.2).

use super::bytes::Bytes;
use super::{ClientHello, ServerHello};

/// SHA-256 of "HelloRetryRequest": the random of a ServerHello that asks for another ClientHello (RFC 8446 4.1.3).
const RETRY: [u8; 32] = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91, 0xC2, 0xA2, 0x11,
    0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];

/// Names longer than this are cut; no host name or protocol comes near.
const LONGEST_NAME: usize = 256;
/// More protocols than this are not kept.
const MOST_PROTOCOLS: usize = 32;

/// Extension numbers (IANA "TLS ExtensionType Values").
mod extension {
    pub(super) const SERVER_NAME: u16 = 0;
    pub(super) const ALPN: u16 = 16;
    pub(super) const SESSION_TICKET: u16 = 35;
    pub(super) const PRE_SHARED_KEY: u16 = 41;
    pub(super) const EARLY_DATA: u16 = 42;
    pub(super) const SUPPORTED_VERSIONS: u16 = 43;
    /// Application settings, by their old and new number: used by browsers, never registered.
    pub(super) const ALPS: [u16; 2] = [17513, 17613];
    pub(super) const RENEGOTIATION_INFO: u16 = 0xFF01;
}

/// A ClientHello, with what only this module's neighbours need of it.
#[derive(Debug, Default)]
pub(super) struct Offer {
    /// What is reported.
    pub hello: ClientHello,
    /// It offers application settings: a message may stand before the client's Certificate or Finished.
    pub alps: bool,
    /// It says that it renegotiates safely (RFC 5746), by extension or signalling suite.
    pub safe_renegotiation: bool,
    /// Sessions that it offers to resume, by content.
    pub sessions: Vec<u64>,
}

/// A ServerHello, with what only this module's neighbours need of it.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// What is reported.
    pub hello: ServerHello,
    /// It is a HelloRetryRequest.
    pub retry: bool,
    /// Its random ends in the mark of a server that could do better (RFC 8446 4.1.3).
    pub downgrade: bool,
    /// It chose a compression.
    pub compression: bool,
    /// It says that it renegotiates safely (RFC 5746).
    pub safe_renegotiation: bool,
    /// The session that it hands out or resumes, by content; up to TLS 1.2.
    pub session: Option<u64>,
}

/// A number for some bytes: the first eight bytes of their SHA-256, so that sessions can be compared between flows, and
/// nobody can make two that are taken for one.
pub(super) fn mark(bytes: &[u8]) -> u64 {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().first_chunk::<8>().map_or(0, |first| u64::from_be_bytes(*first))
}

/// Values that are sent so that nobody relies on their absence (RFC 8701).
fn is_grease(value: u16) -> bool {
    value & 0x0F0F == 0x0A0A && value >> 8 == value & 0xFF
}

/// The body of a ClientHello message. `None`: its lengths do not fit each other.
pub(super) fn client_hello(body: &[u8], frame: u64) -> Option<Offer> {
    let mut bytes = Bytes(body);
    let legacy = bytes.u16()?;
    bytes.take(32)?;
    let session = bytes.vector8()?;
    let suites = bytes.vector16()?;
    let compressions = bytes.vector8()?;
    if legacy >> 8 != 3 || session.len() > 32 || suites.len() < 2 || suites.len() % 2 != 0 || compressions.is_empty() {
        return None;
    }
    let mut offer = Offer {
        hello: ClientHello { version: legacy, frame, ..ClientHello::default() },
        safe_renegotiation: suites.chunks_exact(2).any(|suite| suite == [0x00, 0xFF]),
        ..Offer::default()
    };
    if !session.is_empty() {
        offer.sessions.push(mark(session));
    }
    if !bytes.is_empty() {
        let mut extensions = Bytes(bytes.vector16()?);
        while !extensions.is_empty() {
            let number = extensions.u16()?;
            client_extension(&mut offer, number, extensions.vector16()?)?;
        }
    }
    if !bytes.is_empty() {
        return None;
    }
    offer.hello.alpn.shrink_to_fit();
    offer.sessions.shrink_to_fit();
    Some(offer)
}

fn client_extension(offer: &mut Offer, number: u16, body: &[u8]) -> Option<()> {
    let mut bytes = Bytes(body);
    match number {
        extension::SERVER_NAME if !bytes.is_empty() => {
            let mut names = Bytes(bytes.vector16()?);
            while !names.is_empty() {
                let kind = names.u8()?;
                let name = names.vector16()?;
                if kind == 0 && offer.hello.sni.is_none() {
                    offer.hello.sni = Some(text(name));
                }
            }
        }
        extension::ALPN => offer.hello.alpn = protocols(&mut bytes)?,
        extension::SESSION_TICKET if !body.is_empty() => offer.sessions.push(mark(body)),
        extension::EARLY_DATA => offer.hello.early_data = true,
        extension::SUPPORTED_VERSIONS => {
            let list = bytes.vector8()?;
            let versions = list.chunks_exact(2).filter_map(|two| two.first_chunk::<2>());
            let highest =
                versions.map(|two| draft(u16::from_be_bytes(*two))).filter(|version| !is_grease(*version)).max();
            offer.hello.version = highest.unwrap_or(offer.hello.version);
        }
        extension::RENEGOTIATION_INFO => offer.safe_renegotiation = true,
        number if extension::ALPS.contains(&number) => offer.alps = true,
        _ => {}
    }
    Some(())
}

/// The body of a ServerHello message. `None`: its lengths do not fit each other.
pub(super) fn server_hello(body: &[u8], frame: u64) -> Option<Answer> {
    let mut bytes = Bytes(body);
    let legacy = bytes.u16()?;
    let random = bytes.take(32)?;
    let session = bytes.vector8()?;
    let cipher = bytes.u16()?;
    let compression = bytes.u8()?;
    // Drafts of TLS 1.3 before 22 wrote 0x7fXX here and left session and compression out; they are of no use any more.
    if legacy >> 8 != 3 || session.len() > 32 {
        return None;
    }
    let mut answer = Answer {
        hello: ServerHello { version: legacy, cipher, frame, ..ServerHello::default() },
        retry: random == RETRY,
        downgrade: random.ends_with(b"DOWNGRD\x01") || random.ends_with(b"DOWNGRD\x00"),
        compression: compression != 0,
        ..Answer::default()
    };
    if !bytes.is_empty() {
        let mut extensions = Bytes(bytes.vector16()?);
        while !extensions.is_empty() {
            let number = extensions.u16()?;
            server_extension(&mut answer, number, extensions.vector16()?)?;
        }
    }
    if !bytes.is_empty() {
        return None;
    }
    if answer.hello.version <= 0x0303 && !session.is_empty() {
        answer.session = Some(mark(session));
    }
    Some(answer)
}

fn server_extension(answer: &mut Answer, number: u16, body: &[u8]) -> Option<()> {
    let mut bytes = Bytes(body);
    match number {
        extension::ALPN => answer.hello.alpn = protocols(&mut bytes)?.into_iter().next(),
        extension::PRE_SHARED_KEY => answer.hello.psk = true,
        extension::SUPPORTED_VERSIONS => answer.hello.version = draft(bytes.u16()?),
        extension::RENEGOTIATION_INFO => answer.safe_renegotiation = true,
        _ => {}
    }
    Some(())
}

/// The last drafts of TLS 1.3 (and Facebook's of the same shape) are TLS 1.3 in all that matters here.
fn draft(version: u16) -> u16 {
    if matches!(version, 0x7F16..=0x7F1C | 0xFB17 | 0xFB1A) { 0x0304 } else { version }
}

/// The ticket of a NewSessionTicket message up to TLS 1.2 (RFC 5077 3.3).
pub(super) fn ticket(body: &[u8]) -> Option<u64> {
    let mut bytes = Bytes(body);
    bytes.take(4)?;
    let ticket = bytes.vector16()?;
    (!ticket.is_empty()).then(|| mark(ticket))
}

/// The body of a Certificate message up to TLS 1.2: the certificates, leaf first, empty where there are none.
pub(super) fn certificates(body: &[u8]) -> Option<Vec<&[u8]>> {
    let mut bytes = Bytes(body);
    let mut list = Bytes(bytes.vector24()?);
    if !bytes.is_empty() {
        return None;
    }
    let mut found = Vec::new();
    while !list.is_empty() {
        let one = list.vector24()?;
        if found.len() < 16 {
            found.push(one);
        }
    }
    Some(found)
}

/// A ClientHello in the frame of SSL 2 (RFC 6101 E.2, RFC 5246 E.2), without the two bytes of length.
pub(super) fn old_client_hello(body: &[u8], frame: u64) -> Option<Offer> {
    let mut bytes = Bytes(body);
    if bytes.u8()? != 1 {
        return None;
    }
    let version = bytes.u16()?;
    let (suites, session, challenge) = (bytes.u16()?, bytes.u16()?, bytes.u16()?);
    if version >> 8 != 3 || suites == 0 || suites % 3 != 0 || !(16..=32).contains(&challenge) {
        return None;
    }
    let suites = bytes.take(usize::from(suites))?;
    bytes.take(usize::from(session))?;
    bytes.take(usize::from(challenge))?;
    bytes.is_empty().then(|| Offer {
        hello: ClientHello { version, frame, ..ClientHello::default() },
        safe_renegotiation: suites.chunks_exact(3).any(|suite| suite == [0, 0, 0xFF]),
        ..Offer::default()
    })
}

fn protocols(bytes: &mut Bytes<'_>) -> Option<Vec<String>> {
    let mut list = Bytes(bytes.vector16()?);
    let mut found = Vec::new();
    while !list.is_empty() {
        let name = list.vector8()?;
        let grease = name.first_chunk::<2>().is_some_and(|two| name.len() == 2 && is_grease(u16::from_be_bytes(*two)));
        if !grease && found.len() < MOST_PROTOCOLS {
            found.push(text(name));
        }
    }
    Some(found)
}

/// Names are ASCII by their specifications; what is not is kept readable.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..LONGEST_NAME).unwrap_or(bytes)).into_owned()
}
