//! The handshake in clear: messages put together, and what each adds (RFC 5246 7.4, RFC 8446 4).

use super::bytes::Bytes;
use super::flight::Flight;
use super::hello::{self, Answer, Offer};
use super::possession::Transcript;
use super::{Alert, Side};
use crate::pki::{Certificate, Scheme};
use std::sync::Arc;

/// Handshake bytes of a side that are kept for a message that is not complete.
const LARGEST_MESSAGE: usize = 64 * 1024;
/// Tickets of one handshake that are kept.
const MOST_TICKETS: usize = 8;

/// Handshake message types.
mod kind {
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const SERVER_HELLO: u8 = 2;
    pub(super) const NEW_SESSION_TICKET: u8 = 4;
    pub(super) const CERTIFICATE: u8 = 11;
    pub(super) const CERTIFICATE_REQUEST: u8 = 13;
    pub(super) const SERVER_HELLO_DONE: u8 = 14;
    pub(super) const CERTIFICATE_VERIFY: u8 = 15;
    pub(super) const CLIENT_KEY_EXCHANGE: u8 = 16;
}

/// What the walker has to know after a piece of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// More may come in clear.
    Clear,
    /// What follows from this side is encrypted, or is no handshake in clear.
    Opaque,
}

/// Messages of one side that are being put together.
#[derive(Debug, Default)]
struct Collector {
    /// A message that is not complete.
    waiting: Vec<u8>,
    /// A message was complete.
    any: bool,
    /// Bytes are missing, or too many: nothing more is read.
    dead: bool,
}

/// A certificate message of TLS up to 1.2.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The chain, leaf first, as far as it can be read.
    pub chain: Vec<Arc<Certificate>>,
    /// The message had no certificate in it.
    pub empty: bool,
    /// Frame in which it was complete.
    pub frame: u64,
}

/// Alerts of a conversation.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    /// The first in clear that ends a handshake.
    pub fatal: Option<Alert>,
    /// The last in clear that does not.
    pub warning: Option<Alert>,
    /// Level of one whose second byte did not come yet.
    pub level: Option<u8>,
    /// The first encrypted one up to TLS 1.2, and how many records of application data its sender had sent.
    pub sealed: Option<(Alert, u64)>,
}

/// A conversation of which a hello was seen, or began.
#[derive(Debug, Default)]
pub(super) struct Talk {
    collectors: [Collector; 2],
    /// The side that is the client.
    pub client: Option<Side>,
    /// The last ClientHello.
    pub offer: Option<Offer>,
    /// The ServerHello that is no HelloRetryRequest.
    pub answer: Option<Answer>,
    /// A HelloRetryRequest was seen.
    pub retry: bool,
    /// The server asked for a certificate, in clear.
    pub requested: bool,
    /// ServerHelloDone was seen: a full handshake, all of whose server's part was read.
    pub server_done: bool,
    /// The client's key exchange was seen.
    pub key_exchanged: bool,
    /// Certificates of client and server, by side.
    pub shown: [Option<Box<Shown>>; 2],
    /// The client sent CertificateVerify after a Certificate that was not empty.
    pub verified: bool,
    /// Whether the client proved to have its key.
    pub possession: Option<bool>,
    transcript: Option<Box<Transcript>>,
    /// Sessions that the server handed out.
    pub issued: Vec<u64>,
    /// Alerts: most conversations have none.
    pub alarms: Option<Box<Alarms>>,
    /// Encrypted records of TLS 1.3.
    pub flight: Flight,
}

/// Whether bytes can begin a hello: its kind, a length that no hello exceeds, a version. What else a side may begin with is
/// encrypted, and the capture lacks its beginning.
fn plausible(first: &[u8]) -> bool {
    let at = |place: usize, fits: fn(u8) -> bool| first.get(place).is_none_or(|byte| fits(*byte));
    at(0, |kind| matches!(kind, kind::CLIENT_HELLO | kind::SERVER_HELLO))
        && at(1, |length| length == 0)
        && at(4, |major| major == 3)
        && at(5, |minor| minor <= 4)
}

impl Talk {
    /// Bytes of memory in buffers.
    pub(super) fn held(&self) -> usize {
        let waiting: usize = self.collectors.iter().map(|one| one.waiting.capacity()).sum();
        let names = self.offer.as_ref().map_or(0, |offer| offer.hello.alpn.len() * 32 + offer.sessions.capacity() * 8);
        let shown =
            self.shown.iter().flatten().map(|one| size_of::<Shown>() + one.chain.capacity() * size_of::<usize>());
        let alarms = if self.alarms.is_some() { size_of::<Alarms>() } else { 0 };
        size_of::<Self>()
            + shown.sum::<usize>()
            + alarms
            + waiting
            + names
            + self.transcript.as_ref().map_or(0, |kept| kept.held())
    }

    /// The negotiated version.
    pub(super) fn version(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.hello.version)
    }

    /// Whether TLS 1.3 was negotiated.
    pub(super) fn modern(&self) -> bool {
        self.version().is_some_and(|version| version >= 0x0304)
    }

    /// Whether all of a side's handshake in clear was read so far.
    pub(super) fn whole(&self, side: Side) -> bool {
        self.collectors.get(side).is_some_and(|one| !one.dead)
    }

    /// Bytes of a side are missing: its messages and the transcript are of no more use.
    pub(super) fn hole(&mut self, side: Side) {
        if let Some(collector) = self.collectors.get_mut(side) {
            collector.dead = true;
            collector.waiting = Vec::new();
        }
        self.transcript = None;
    }

    /// The side's part in clear is over.
    pub(super) fn close(&mut self, side: Side) {
        if let Some(collector) = self.collectors.get_mut(side) {
            collector.waiting = Vec::new();
        }
        if self.client == Some(side) {
            self.settle();
            self.transcript = None;
        }
    }

    /// Bytes of handshake records in clear. `doubtful`: the side sent ChangeCipherSpec before the version was known, so
    /// this record, of `length` bytes, is either one ClientHello or encrypted.
    pub(super) fn take(&mut self, side: Side, bytes: &[u8], frame: u64, doubtful: Option<u16>) -> Next {
        let Some(collector) = self.collectors.get_mut(side) else { return Next::Opaque };
        if collector.dead {
            return Next::Clear;
        }
        let mut kept = std::mem::take(&mut collector.waiting);
        let read = if kept.is_empty() {
            self.read(side, bytes, frame, doubtful)
        } else {
            kept.extend_from_slice(bytes);
            self.read(side, &kept, frame, doubtful)
        };
        let left = match read {
            Ok(next) => return next,
            Err(left) => left,
        };
        if kept.is_empty() {
            kept.extend_from_slice(bytes.get(bytes.len().saturating_sub(left)..).unwrap_or_default());
        } else {
            // What waits for its end stays where it is: a message in many pieces is not copied for each.
            kept.drain(..kept.len().saturating_sub(left));
        }
        if let Some(collector) = self.collectors.get_mut(side) {
            collector.waiting = kept;
        }
        Next::Clear
    }

    /// Reads messages; an error says how many of the bytes at the end are the beginning of another.
    fn read(&mut self, side: Side, bytes: &[u8], frame: u64, doubtful: Option<u16>) -> Result<Next, usize> {
        let mut rest = Bytes(bytes);
        loop {
            let before = rest.0;
            let first = self.collectors.get(side).is_some_and(|one| !one.any);
            if first && !plausible(before) {
                return Ok(self.opaque(side));
            }
            self.name_sides(side, before.first().copied());
            let (Some(kind), Some(length)) = (rest.u8(), rest.u24()) else { return Err(before.len()) };
            if doubtful.is_some_and(|whole| kind != kind::CLIENT_HELLO || length + 4 != usize::from(whole)) {
                return Ok(self.opaque(side));
            }
            if length > LARGEST_MESSAGE {
                self.hole(side);
                return Ok(Next::Clear);
            }
            let Some(body) = rest.take(length) else { return Err(before.len()) };
            if let Some(collector) = self.collectors.get_mut(side) {
                collector.any = true;
            }
            if self.message(side, kind, before.get(..length + 4).unwrap_or_default(), body, frame) == Next::Opaque {
                return Ok(self.opaque(side));
            }
            if rest.is_empty() {
                return Ok(Next::Clear);
            }
        }
    }

    /// The first message of a side names both.
    fn name_sides(&mut self, side: Side, first: Option<u8>) {
        if self.client.is_none() && self.collectors.get(side).is_some_and(|one| !one.any) {
            self.client = match first {
                Some(kind::CLIENT_HELLO) => Some(side),
                Some(kind::SERVER_HELLO) => Some(1 - side.min(1)),
                _ => None,
            };
        }
    }

    fn opaque(&mut self, side: Side) -> Next {
        if let Some(collector) = self.collectors.get_mut(side) {
            collector.waiting = Vec::new();
        }
        Next::Opaque
    }

    /// One message: `whole` with its four bytes of header, `body` without.
    fn message(&mut self, side: Side, kind: u8, whole: &[u8], body: &[u8], frame: u64) -> Next {
        let by_client = self.client == Some(side);
        match kind {
            kind::CLIENT_HELLO if by_client => self.client_hello(hello::client_hello(body, frame), whole),
            kind::SERVER_HELLO if !by_client => return self.server_hello(body, whole, frame),
            kind::NEW_SESSION_TICKET if !by_client => {
                if let Some(ticket) = hello::ticket(body).filter(|_| self.issued.len() < MOST_TICKETS) {
                    self.issued.push(ticket);
                }
            }
            kind::CERTIFICATE => self.certificate(side, body, frame),
            kind::CERTIFICATE_REQUEST if !by_client => self.requested = true,
            kind::SERVER_HELLO_DONE if !by_client => self.server_done = true,
            kind::CLIENT_KEY_EXCHANGE if by_client => self.key_exchanged = true,
            kind::CERTIFICATE_VERIFY if by_client => {
                self.verified |= self.shown.get(side).and_then(Option::as_ref).is_some_and(|shown| !shown.empty);
                if let Some(transcript) = self.transcript.as_mut() {
                    transcript.sign(body);
                }
                self.settle();
                return Next::Clear;
            }
            _ => {}
        }
        if kind != kind::CLIENT_HELLO && kind != 0 {
            self.record(by_client, whole);
        }
        if kind == kind::SERVER_HELLO_DONE {
            self.settle();
        }
        Next::Clear
    }

    /// Adds a message to the transcript, as long as it can be of use.
    fn record(&mut self, by_client: bool, whole: &[u8]) {
        let useless = self.server_done && !self.requested;
        if useless || self.transcript.as_mut().is_some_and(|kept| !kept.add(by_client, whole)) {
            self.transcript = None;
        }
    }

    fn client_hello(&mut self, offer: Option<Offer>, whole: &[u8]) {
        // A second ClientHello, after a HelloRetryRequest, starts the encrypted part anew.
        if self.answer.is_none() {
            self.flight = Flight::default();
            self.transcript = Transcript::begin(whole);
            self.offer = offer;
            return;
        }
        // The capture shows the answer before the question, or before both questions where the server had asked again.
        let answered = self.answer.as_ref().map_or(0, |answer| answer.hello.frame);
        if self.offer.as_ref().is_none_or(|first| self.retry && answered < first.hello.frame) {
            self.offer = offer;
        }
    }

    /// A ClientHello in the frame of SSL 2, without its two bytes of length.
    pub(super) fn old_client_hello(&mut self, side: Side, bytes: &[u8], frame: u64, complete: bool) {
        self.client.get_or_insert(side);
        let Some(collector) = self.collectors.get_mut(side) else { return };
        collector.waiting.extend_from_slice(bytes);
        if complete {
            collector.any = true;
            let body = std::mem::take(&mut collector.waiting);
            self.offer = hello::old_client_hello(&body, frame);
        }
    }

    fn server_hello(&mut self, body: &[u8], whole: &[u8], frame: u64) -> Next {
        let Some(answer) = hello::server_hello(body, frame) else { return Next::Clear };
        if answer.retry {
            self.retry = true;
            return Next::Clear;
        }
        if self.answer.is_some() {
            return Next::Clear;
        }
        self.issued.extend(answer.session);
        let version = answer.hello.version;
        self.answer = Some(answer);
        // Only TLS 1.2 names how CertificateVerify is made; before it MD5 and SHA-1 are mixed.
        if version != 0x0303 {
            self.transcript = None;
        }
        self.record(false, whole);
        if version >= 0x0304 { Next::Opaque } else { Next::Clear }
    }

    fn certificate(&mut self, side: Side, body: &[u8], frame: u64) {
        let (Some(shown), Some(list)) = (self.shown.get_mut(side), hello::certificates(body)) else { return };
        let mut chain = Vec::with_capacity(list.len());
        for (at, der) in list.iter().enumerate() {
            match Certificate::read_shared(der) {
                Ok(one) => chain.push(one),
                Err(_) if at == 0 => break,
                Err(_) => {}
            }
        }
        chain.shrink_to_fit();
        // A handshake has one of each side: CertificateVerify is never taken for another's.
        shown.get_or_insert_with(|| Box::new(Shown { chain, empty: list.is_empty(), frame }));
    }

    /// Checks the client's signature once all that it covers is there.
    fn settle(&mut self) {
        let leaf = self.client.and_then(|side| self.shown.get(side)?.as_ref()?.chain.first());
        let (Some(leaf), true) = (leaf, self.server_done) else { return };
        let Some((scheme, message, signature)) = self.transcript.as_ref().and_then(|kept| kept.signed()) else {
            return;
        };
        // No signature proves nothing, whatever it is said to be.
        self.possession = match signature {
            [] => Some(false),
            _ => leaf.checks(Scheme::of_tls(scheme), &message, signature),
        };
        self.transcript = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_one_byte_pieces_is_put_together_in_place() {
        let length = LARGEST_MESSAGE;
        let mut bytes = vec![kind::SERVER_HELLO, 0, 0, 38, 3, 3];
        bytes.extend([7; 32]);
        bytes.extend([0, 0xC0, 0x2F, 0]);
        bytes.extend([kind::CERTIFICATE, u8::try_from(length >> 16).unwrap(), (length >> 8) as u8, length as u8]);
        bytes.resize(bytes.len() + length, 1);
        bytes.extend([kind::SERVER_HELLO_DONE, 0, 0, 0, kind::CERTIFICATE_REQUEST, 0]);
        let mut talk = Talk { client: Some(0), ..Talk::default() };
        let mut places = Vec::new();
        for byte in &bytes {
            assert!(!talk.server_done);
            assert_eq!(talk.take(1, &[*byte], 1, None), Next::Clear);
            let waiting = &talk.collectors[1].waiting;
            places.push((waiting.as_ptr(), waiting.capacity()));
            if talk.server_done {
                break;
            }
        }
        places.dedup();
        assert!(places.len() < 40, "the message was moved {} times", places.len());
        assert_eq!(talk.take(1, &[kind::CERTIFICATE_REQUEST, 0], 1, None), Next::Clear);
        assert_eq!(talk.collectors[1].waiting, [kind::CERTIFICATE_REQUEST, 0]);
        assert_eq!(talk.take(1, &[0, 0, kind::NEW_SESSION_TICKET], 1, None), Next::Clear);
        assert_eq!((talk.requested, &*talk.collectors[1].waiting), (true, &[kind::NEW_SESSION_TICKET][..]));
    }

    #[test]
    fn a_proof_without_a_certificate_proves_nothing() {
        let mut talk = Talk { client: Some(0), ..Talk::default() };
        talk.collectors[0].any = true;
        let proof = [kind::CERTIFICATE_VERIFY, 0, 0, 4, 4, 3, 0, 0];
        let empty = [kind::CERTIFICATE, 0, 0, 3, 0, 0, 0];
        talk.take(0, &[&proof[..], &empty, &proof].concat(), 1, None);
        assert!(!talk.verified && talk.shown[0].as_ref().unwrap().empty);
        let filled = [kind::CERTIFICATE, 0, 0, 7, 0, 0, 4, 0, 0, 1, 9];
        talk.take(0, &[&filled[..], &proof].concat(), 1, None);
        assert!(!talk.verified, "the first Certificate counts");
    }
}
