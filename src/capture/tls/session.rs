//! The record chains of both sides, walked and not stored.

use super::flight::Server;
use super::handshake::{Alarms, Next, Talk};
use super::record::{self, Cover, HEADER, Header};
use super::suites::Sizes;
use super::{Alert, Side};

/// Bytes that are kept of what broke a chain.
const SAMPLE: usize = 256;
/// Bytes in which a lost place is looked for.
const SEARCHED: usize = 20 * 1024;

/// Whether a side is in clear, as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// No record yet.
    #[default]
    Start,
    /// Handshake in clear.
    Clear,
    /// Encrypted, or in the middle of a connection.
    Opaque,
}

/// What the body of the current record is read for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Watch {
    #[default]
    Nothing,
    Handshake,
    Alert,
    OldHello,
}

/// Whether the walker knows where records begin.
#[derive(Debug, Default)]
enum Place {
    #[default]
    Known,
    /// Bytes are missing; here is what followed.
    Lost(Box<Search>),
    /// Lost for good.
    Gone,
    /// The chain broke.
    Broken(Box<Break>),
}

/// Bytes in which a chain is looked for.
#[derive(Debug, Default)]
struct Search {
    bytes: Vec<u8>,
    /// How many there must be for another try.
    next: usize,
    frame: u64,
}

/// Where a chain broke.
#[derive(Debug)]
pub(super) struct Break {
    pub offset: u64,
    pub frame: u64,
    pub bytes: Vec<u8>,
}

/// One side's chain.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Offset of the next byte, known gaps included.
    position: u64,
    /// Bytes walked.
    pub bytes: u64,
    /// Records whose end met a valid header.
    closed: u64,
    /// Records of application data, in TLS 1.3 of anything encrypted.
    pub application: u64,
    place: Place,
    /// Length of the current record, and what is left of it.
    length: u16,
    left: u16,
    header: [u8; HEADER],
    have: u8,
    phase: Phase,
    watch: Watch,
    /// The last record ended; nothing followed yet.
    ended: bool,
    /// The first record was walked.
    begun: bool,
    /// ChangeCipherSpec was seen.
    pub changed: bool,
    /// An encrypted handshake record after it: Finished.
    pub finished: bool,
    /// Another one: a second handshake.
    pub again: bool,
    /// A heartbeat record.
    pub heartbeat: bool,
    /// Bytes are missing.
    pub gaps: bool,
    /// The place was lost at some time.
    pub strayed: bool,
    /// Bytes that no record was looked for in, or found in.
    unseen: u64,
}

impl Chain {
    /// Records that closed. The end of the data closes the last one, if it ends there.
    pub(super) fn closures(&self) -> u64 {
        self.closed + u64::from(self.ended && self.have == 0)
    }

    /// Where it broke.
    pub(super) fn broken(&self) -> Option<&Break> {
        if let Place::Broken(broken) = &self.place { Some(broken) } else { None }
    }

    /// Whether it lost its place and did not find it again.
    pub(super) fn lost(&self) -> bool {
        matches!(self.place, Place::Lost(_) | Place::Gone)
    }

    /// Bytes that were not looked at because it had lost its place, among them missing ones that may have had a header.
    pub(super) fn unseen(&self) -> u64 {
        let waiting = if let Place::Lost(search) = &self.place { search.bytes.len() as u64 } else { 0 };
        self.unseen.saturating_add(waiting)
    }

    /// The first bytes of what broke it, moved out.
    pub(super) fn take_sample(&mut self) -> Vec<u8> {
        if let Place::Broken(broken) = &mut self.place { std::mem::take(&mut broken.bytes) } else { Vec::new() }
    }

    /// Bytes that were captured and are passed over.
    fn overlook(&mut self, bytes: usize) {
        self.unseen = self.unseen.saturating_add(bytes as u64);
        self.position = self.position.saturating_add(bytes as u64);
    }

    fn held(&self) -> usize {
        match &self.place {
            Place::Lost(search) => size_of::<Search>() + search.bytes.capacity(),
            Place::Broken(broken) => size_of::<Break>() + broken.bytes.capacity(),
            Place::Known | Place::Gone => 0,
        }
    }

    /// Forgets where records begin.
    fn stray(&mut self) {
        if let Place::Lost(search) = &self.place {
            self.overlook(search.bytes.len());
        }
        self.strayed = true;
        self.left = 0;
        self.have = 0;
        self.ended = false;
        self.watch = Watch::Nothing;
        self.phase = Phase::Opaque;
        self.place = Place::Lost(Box::default());
    }

    /// Ends the chain `back` bytes before the current position, which were these.
    fn snap(&mut self, back: &[u8], rest: &[u8], frame: u64) {
        let offset = self.position.saturating_sub(back.len() as u64);
        let bytes = back.iter().chain(rest).take(SAMPLE).copied().collect();
        self.place = Place::Broken(Box::new(Break { offset, frame, bytes }));
        self.ended = false;
    }
}

/// The TLS part of a conversation: both record chains, from the first record.
#[derive(Debug, Default)]
pub struct Session {
    pub(super) chains: [Chain; 2],
    pub(super) talk: Option<Box<Talk>>,
}

impl Session {
    /// The next bytes of one side, in order. False once that side's chain is broken: these bytes (from
    /// [`super::SideFacts::broken`] on) are no TLS.
    pub fn push(&mut self, side: Side, bytes: &[u8], frame: u64) -> bool {
        let Some(chain) = self.chains.get_mut(side) else { return false };
        match &mut chain.place {
            Place::Known => self.walk(side, bytes, frame),
            Place::Gone => {
                chain.overlook(bytes.len());
                true
            }
            Place::Broken(broken) => {
                let room = SAMPLE.saturating_sub(broken.bytes.len()).min(bytes.len());
                broken.bytes.extend_from_slice(bytes.get(..room).unwrap_or_default());
                false
            }
            Place::Lost(search) => {
                let room = SEARCHED.saturating_sub(search.bytes.len()).min(bytes.len());
                let (taken, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
                search.bytes.extend_from_slice(taken);
                search.frame = frame;
                if search.bytes.len() >= search.next || search.bytes.len() >= SEARCHED {
                    self.search(side, rest)
                } else {
                    true
                }
            }
        }
    }

    /// Bytes of one side that the capture lacks; `None`: their number is not known.
    pub fn gap(&mut self, side: Side, bytes: Option<u64>) {
        let Some(chain) = self.chains.get_mut(side) else { return };
        if bytes == Some(0) || matches!(chain.place, Place::Broken(_)) {
            return;
        }
        chain.gaps = true;
        chain.position = chain.position.saturating_add(bytes.unwrap_or(0));
        let inside = bytes.and_then(|count| u16::try_from(count).ok()).filter(|count| *count <= chain.left);
        let in_clear = chain.watch != Watch::Nothing || chain.phase == Phase::Start;
        match (&chain.place, inside) {
            (Place::Known, Some(count)) => {
                chain.left -= count;
                if in_clear {
                    self.hole(side);
                }
                self.end_of_record(side);
            }
            (Place::Known | Place::Lost(_) | Place::Gone, _) => {
                // What is left of the current record is encrypted or a message that is lost anyway; after it come headers.
                let headers = bytes.unwrap_or(0).saturating_sub(u64::from(chain.left));
                chain.unseen = chain.unseen.saturating_add(headers);
                if !matches!(chain.place, Place::Gone) {
                    chain.stray();
                    self.hole(side);
                }
            }
            (Place::Broken(_), _) => {}
        }
    }

    /// Bytes of memory that it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        let talk = self.talk.as_ref().map_or(0, |talk| talk.held());
        size_of::<Self>() + talk + self.chains.iter().map(Chain::held).sum::<usize>()
    }

    /// Tries a last time to find lost places, now that no more data comes.
    pub(super) fn search_at_end(&mut self) {
        for side in [0, 1] {
            let lost = self.chains.get(side).is_some_and(|chain| matches!(chain.place, Place::Lost(_)));
            if lost {
                self.search(side, &[]);
            }
        }
    }

    /// Looks for a chain in what followed a gap; `rest` follows that.
    fn search(&mut self, side: Side, rest: &[u8]) -> bool {
        let Some(chain) = self.chains.get_mut(side) else { return false };
        let Place::Lost(search) = &mut chain.place else { return true };
        if let Some(start) = record::find_chain(&search.bytes) {
            let Search { bytes, frame, .. } = std::mem::take(&mut **search);
            chain.place = Place::Known;
            chain.overlook(start);
            let tail = bytes.get(start..).unwrap_or_default();
            return self.walk(side, tail, frame) && (rest.is_empty() || self.push(side, rest, frame));
        }
        let searched = search.bytes.len();
        if searched >= SEARCHED {
            chain.place = Place::Gone;
            chain.overlook(searched.saturating_add(rest.len()));
        } else {
            search.next = search.bytes.len() + search.bytes.len() / 2 + 64;
        }
        true
    }

    fn hole(&mut self, side: Side) {
        if let Some(talk) = self.talk.as_mut() {
            talk.hole(side);
        }
    }

    /// Walks bytes from a known place.
    fn walk(&mut self, side: Side, mut bytes: &[u8], frame: u64) -> bool {
        while !bytes.is_empty() {
            let Some(chain) = self.chains.get_mut(side) else { return false };
            if chain.left > 0 {
                let count = usize::from(chain.left).min(bytes.len());
                let (body, rest) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
                chain.left -= u16::try_from(count).unwrap_or(chain.left);
                chain.position += count as u64;
                chain.bytes += count as u64;
                if chain.watch != Watch::Nothing && !self.body(side, body, rest, frame) {
                    return false;
                }
                self.end_of_record(side);
                bytes = rest;
                continue;
            }
            match self.header(side, bytes, frame) {
                Some(rest) => bytes = rest,
                None => return false,
            }
        }
        true
    }

    /// Takes a header, or part of one, and gives what follows. `None`: the chain is broken.
    fn header<'a>(&mut self, side: Side, bytes: &'a [u8], frame: u64) -> Option<&'a [u8]> {
        let cover = self.cover(side);
        let chain = self.chains.get_mut(side)?;
        let have = usize::from(chain.have);
        let count = (HEADER - have).min(bytes.len());
        let (taken, rest) = bytes.split_at_checked(count)?;
        chain.header.get_mut(have..have + count)?.copy_from_slice(taken);
        let known = chain.header.get(..have + count)?;
        let old = !chain.begun && record::begins_old(known);
        if known.len() < HEADER {
            if !old && !record::begins(known) {
                let header = chain.header;
                chain.snap(header.get(..have)?, bytes, frame);
                return None;
            }
            chain.have = u8::try_from(known.len()).unwrap_or(0);
            chain.position += count as u64;
            return Some(rest);
        }
        let all = chain.header;
        let read = record::header(all, cover);
        let hello = if old { record::old_hello(all) } else { None };
        if read.is_none() && hello.is_none() {
            chain.snap(all.get(..have)?, bytes, frame);
            return None;
        }
        chain.position += count as u64;
        chain.bytes += HEADER as u64;
        chain.have = 0;
        chain.closed += u64::from(chain.ended);
        chain.ended = false;
        chain.begun = true;
        match (read, hello) {
            (Some(header), _) => self.begin(side, header, frame),
            (None, Some(length)) => self.begin_old(side, length, all, frame),
            (None, None) => {}
        }
        Some(rest)
    }

    /// What may stand in a header of this side now.
    fn cover(&self, side: Side) -> Cover {
        let Some(chain) = self.chains.get(side) else { return Cover::Unknown };
        match self.talk.as_ref().and_then(|talk| talk.version()) {
            Some(version) if version >= 0x0304 && chain.application > 0 => Cover::Sealed,
            Some(version) if version >= 0x0304 => Cover::Modern,
            None if chain.changed => Cover::Unknown,
            _ if chain.phase == Phase::Clear && self.talk.as_ref().is_some_and(|talk| talk.whole(side)) => Cover::Clear,
            Some(_) if chain.changed => Cover::Encrypted,
            _ => Cover::Unknown,
        }
    }

    /// A record begins.
    fn begin(&mut self, side: Side, header: Header, frame: u64) {
        let Some(chain) = self.chains.get_mut(side) else { return };
        chain.left = header.length;
        chain.length = header.length;
        chain.watch = Watch::Nothing;
        let clear = chain.phase != Phase::Opaque;
        match header.kind {
            record::HANDSHAKE if clear => {
                chain.phase = Phase::Clear;
                chain.watch = Watch::Handshake;
                self.talk.get_or_insert_default();
            }
            record::HANDSHAKE if chain.changed => {
                chain.again |= chain.finished;
                chain.finished = true;
            }
            record::ALERT if clear && header.length == 2 => {
                chain.watch = Watch::Alert;
                if let Some(alarms) = self.talk.get_or_insert_default().alarms.as_mut() {
                    alarms.level = None;
                }
            }
            record::ALERT => self.sealed_alert(side, frame),
            record::CHANGE_CIPHER_SPEC => self.change_cipher(side),
            record::APPLICATION => self.application(side, header.length, frame),
            record::HEARTBEAT => chain.heartbeat = true,
            _ => {}
        }
        self.end_of_record(side);
    }

    fn begin_old(&mut self, side: Side, length: u16, header: [u8; HEADER], frame: u64) {
        let Some(chain) = self.chains.get_mut(side) else { return };
        // Three bytes of the message stand where a record has the rest of its header.
        chain.length = length.saturating_sub(3);
        chain.left = chain.length;
        chain.phase = Phase::Clear;
        chain.watch = Watch::OldHello;
        let [_, _, kind, major, minor] = header;
        self.talk.get_or_insert_default().old_client_hello(side, &[kind, major, minor], frame, false);
    }

    fn end_of_record(&mut self, side: Side) {
        if let Some(chain) = self.chains.get_mut(side)
            && chain.left == 0
        {
            chain.ended = chain.begun;
        }
    }

    /// Bytes of a record that is read. False: they break the chain.
    fn body(&mut self, side: Side, body: &[u8], rest: &[u8], frame: u64) -> bool {
        let (Some(chain), Some(talk)) = (self.chains.get_mut(side), self.talk.as_mut()) else { return true };
        match chain.watch {
            Watch::Nothing => {}
            Watch::OldHello => talk.old_client_hello(side, body, frame, chain.left == 0),
            Watch::Handshake => {
                let doubtful = (chain.changed && talk.version().is_none() && !talk.retry).then_some(chain.length);
                if talk.take(side, body, frame, doubtful) == Next::Opaque {
                    chain.phase = Phase::Opaque;
                    chain.watch = Watch::Nothing;
                    chain.finished |= doubtful.is_some();
                }
                self.after_message(side);
            }
            Watch::Alert => {
                let alarms = talk.alarms.get_or_insert_default();
                for byte in body {
                    match alarms.level.take() {
                        None if matches!(byte, 1 | 2) => alarms.level = Some(*byte),
                        None => {
                            let header = chain.header;
                            chain.position = chain.position.saturating_sub(body.len() as u64);
                            chain.snap(&header, &[body, rest].concat(), frame);
                            return false;
                        }
                        Some(level) => clear_alert(alarms, level, Alert { code: Some(*byte), side, frame }),
                    }
                }
            }
        }
        true
    }

    /// The version may be known since the last message: a client that has changed its cipher is encrypted up to TLS 1.2.
    fn after_message(&mut self, side: Side) {
        let Some(version) = self.talk.as_ref().and_then(|talk| talk.version()) else { return };
        let other = 1 - side.min(1);
        if let Some(chain) = self.chains.get_mut(other)
            && chain.changed
            && version < 0x0304
            && chain.phase == Phase::Clear
        {
            chain.phase = Phase::Opaque;
        }
    }

    fn change_cipher(&mut self, side: Side) {
        let Some(chain) = self.chains.get_mut(side) else { return };
        chain.changed = true;
        let Some(talk) = self.talk.as_mut() else {
            chain.phase = Phase::Opaque;
            return;
        };
        let by_client = talk.client == Some(side);
        let over = match talk.version() {
            Some(version) => version < 0x0304,
            // Before the ServerHello only a client of TLS 1.3 has a reason to, and a server that asked for another hello.
            None => !by_client && !talk.retry,
        };
        if over {
            chain.phase = Phase::Opaque;
            talk.close(side);
        }
    }

    fn application(&mut self, side: Side, length: u16, frame: u64) {
        let Some(chain) = self.chains.get_mut(side) else { return };
        chain.application += 1;
        let Some(talk) = self.talk.as_mut().filter(|talk| talk.version().is_none_or(|version| version >= 0x0304))
        else {
            if chain.phase == Phase::Start {
                chain.phase = Phase::Opaque;
            }
            return;
        };
        let sizes = talk.sizes();
        if talk.client == Some(side) {
            let early = talk.offer.as_ref().is_some_and(|offer| offer.hello.early_data);
            let accepted = talk.answer.as_ref().map(|answer| answer.hello.psk);
            if early && !talk.flight.early_ended && accepted != Some(false) {
                talk.flight.early_record(length, sizes, accepted == Some(true));
            } else {
                // 0-RTT data that was not taken cannot be told from the flight.
                let told = !early || talk.flight.early_ended;
                let sure = told && talk.offer.is_some() && talk.whole(side) && !chain.strayed;
                talk.flight.client_record(length, frame, sure);
            }
        } else {
            let known = match &talk.answer {
                Some(answer) if chain.strayed || Sizes::of(answer.hello.cipher).is_none() => Server::Partial,
                Some(answer) if answer.hello.psk => Server::Psk,
                Some(_) => Server::Full,
                None => Server::Partial,
            };
            talk.flight.server_record(length, sizes, frame, known);
        }
    }

    fn sealed_alert(&mut self, side: Side, frame: u64) {
        let Some(chain) = self.chains.get_mut(side) else { return };
        chain.phase = Phase::Opaque;
        if let Some(talk) = self.talk.as_mut() {
            talk.alarms
                .get_or_insert_default()
                .sealed
                .get_or_insert((Alert { code: None, side, frame }, chain.application));
        }
    }
}

impl Talk {
    /// Sizes of records under the chosen suite; those of nearly every suite where it is not known.
    pub(super) fn sizes(&self) -> Sizes {
        self.answer.as_ref().and_then(|answer| Sizes::of(answer.hello.cipher)).unwrap_or(Sizes::USUAL)
    }
}

/// An alert in clear. Level 2 ends the connection; of the warnings only close_notify and user_canceled do.
fn clear_alert(alarms: &mut Alarms, level: u8, alert: Alert) {
    if level == 2 || matches!(alert.code, Some(0 | 90)) {
        alarms.fatal.get_or_insert(alert);
    } else {
        alarms.warning = Some(alert);
    }
}
