//! What two sides say to each other over one TCP connection: clear bytes until a name or TLS is found, then records.

use super::signature::{self, Fit, Heads, Named};
use super::tls::{self, Facts, Probe, Session, Side};
use super::upgrade::{self, Handover};
use super::watch::{BLOCK, BLOCKS, READABLE, Trace, Watch, is_text};
use foldhash::fast::RandomState;

/// Bytes of each side that are kept while nothing is decided: enough to find a chain of records in (pcap.md 3.2).
const HEAD: usize = 20 << 10;
/// Times that the heads of one conversation are looked at because a record may begin.
const LOOKS: u16 = 200;

/// The first bytes of one side.
#[derive(Debug, Default)]
struct Head {
    bytes: Vec<u8>,
    /// The frame of the first byte.
    frame: u64,
    /// The frame of the last byte.
    last: u64,
    /// Bytes that the head lacks at its end, because of a gap or the limit.
    lost: u64,
    /// Bytes that are missing before the first one.
    late: bool,
}

impl Head {
    fn push(&mut self, bytes: &[u8], frame: u64) {
        if self.bytes.is_empty() && self.lost == 0 {
            self.frame = frame;
        }
        let room = if self.lost == 0 { HEAD.saturating_sub(self.bytes.len()) } else { 0 };
        let (kept, lost) = bytes.split_at(bytes.len().min(room));
        self.bytes.extend_from_slice(kept);
        self.lost += lost.len() as u64;
        self.last = frame;
    }

    fn gap(&mut self, bytes: u64) {
        if self.bytes.is_empty() {
            self.late = true;
        } else {
            self.lost += bytes;
        }
    }

    fn complete(&self) -> bool {
        self.lost > 0
    }
}

/// How a side of a TLS conversation began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Began {
    /// It said nothing so far, or too little to tell.
    #[default]
    Not,
    /// With records.
    Records,
    /// In clear.
    Clear,
}

/// The TLS part.
#[derive(Debug)]
struct Secure {
    session: Session,
    began: [Began; 2],
    broken: [bool; 2],
    traces: [Trace; 2],
    seed: RandomState,
    /// TLS inside TDS packets.
    unwrap: Option<Box<[upgrade::tds::Unwrap; 2]>>,
}

/// How far a conversation is understood.
#[derive(Debug, Default)]
enum Phase {
    /// The heads are collected.
    #[default]
    Heads,
    /// Records are walked.
    Tls(Box<Secure>),
    /// Named, and no TLS is to be expected.
    Clear,
    /// Nothing was recognised; the heads are full.
    Blind,
}

/// Where TLS begins after clear words that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The protocol that asked; `None`: a PROXY header only.
    pub token: Option<&'static str>,
    /// Bytes that went in clear before, both ways.
    pub clear: u64,
    /// The frame of the ClientHello.
    pub frame: u64,
}

/// One conversation.
#[derive(Debug)]
pub struct Conversation {
    phase: Phase,
    heads: [Head; 2],
    client: Side,
    from_start: bool,
    looks: u16,
    next_look: u64,
    named: Option<Named>,
    upgrade: Option<Upgrade>,
    refused: bool,
    gss: bool,
    bytes: [u64; 2],
    first: [u64; 2],
    watch: Watch,
    alert_only: bool,
    conflict: bool,
    missing: bool,
    cut: bool,
    sample: Option<Box<[u8]>>,
    samples: bool,
}

/// What a conversation came to.
#[derive(Debug)]
pub struct Heard {
    /// The TLS that was spoken or tried.
    pub tls: Option<Facts>,
    /// How the side that did not speak TLS began, when the other did: the name of what it said, where it has one.
    pub answer: Option<(Side, Option<Named>)>,
    /// The protocol in clear.
    pub named: Option<Named>,
    /// Which side `named` calls the client.
    pub client: Side,
    /// The beginning of the connection was seen, and nothing is missing.
    pub whole: bool,
    /// TLS after clear words.
    pub upgrade: Option<Upgrade>,
    /// TLS was asked for and refused.
    pub refused: bool,
    /// All that the server said is a TLS alert.
    pub alert_only: bool,
    /// GSSAPI encryption was negotiated (PostgreSQL).
    pub gss: bool,
    /// Bytes in order of each side, gaps left out.
    pub bytes: [u64; 2],
    /// The frame of each side's first byte; 0: none.
    pub first: [u64; 2],
    /// TLS began in the middle of clear bytes that asked for none: the frame of its ServerHello; 0: no.
    pub mixed: u64,
    /// The frame of the first FIN or RST; 0: none.
    pub ended: u64,
    /// Copies of the same bytes differ.
    pub conflict: bool,
    /// Bytes are missing.
    pub missing: bool,
    /// A limit of memory cut it off.
    pub cut: bool,
    /// The first clear bytes, where asked for.
    pub sample: Option<Box<[u8]>>,
}

impl Conversation {
    /// A conversation. Side 0 opened it, or is taken for the client; `from_start`: the SYN was seen.
    #[must_use]
    pub fn new(from_start: bool, samples: bool) -> Self {
        Self {
            phase: Phase::Heads,
            heads: [Head::default(), Head::default()],
            client: 0,
            from_start,
            looks: 0,
            next_look: 0,
            named: None,
            upgrade: None,
            refused: false,
            gss: false,
            bytes: [0; 2],
            first: [0; 2],
            watch: Watch::default(),
            alert_only: false,
            conflict: false,
            missing: false,
            cut: false,
            sample: None,
            samples,
        }
    }

    /// Bytes of memory that it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        let session = match &self.phase {
            Phase::Tls(secure) => size_of::<Secure>() + secure.session.held(),
            _ => 0,
        };
        self.heads.iter().map(|head| head.bytes.capacity()).sum::<usize>() + session
    }

    /// The next bytes of one side.
    pub fn data(&mut self, side: Side, bytes: &[u8], frame: u64) {
        let (Some(count), Some(first)) = (self.bytes.get_mut(side), self.first.get_mut(side)) else { return };
        if bytes.is_empty() {
            return;
        }
        if *first == 0 {
            *first = frame;
        }
        let begun = *count > 0;
        let at = *count;
        *count += bytes.len() as u64;
        match &mut self.phase {
            Phase::Tls(secure) => {
                secure.trace(side, at, bytes);
                secure.data(side, bytes, frame, &mut self.heads);
            }
            Phase::Heads => {
                if begun {
                    self.watch.look(side, bytes, frame);
                }
                if let Some(head) = self.heads.get_mut(side) {
                    head.push(bytes, frame);
                }
                let full = self.heads.iter().any(Head::complete);
                let all = self.bytes.iter().sum::<u64>();
                // As the heads grow it is looked at ever less often; a record may be where TLS begins.
                let due = !begun || all >= self.next_look || bytes.starts_with(&[0x16, 3]) && self.looks < LOOKS;
                if due || full {
                    self.looks += 1;
                    self.next_look = all + all / 8;
                    self.look(full);
                }
            }
            Phase::Clear | Phase::Blind => self.watch.look(side, bytes, frame),
        }
    }

    /// Bytes of one side that the capture lacks.
    pub fn gap(&mut self, side: Side, bytes: u64) {
        self.missing = true;
        let head = self.heads.get_mut(side);
        match &mut self.phase {
            Phase::Tls(secure) => match secure.began.get_mut(side) {
                Some(Began::Records) => secure.session.gap(side, Some(bytes)),
                Some(Began::Clear) => {}
                Some(began) => {
                    // Its beginning is missing: whatever follows, it may be the middle of a record.
                    let said = head.is_some_and(|head| !head.bytes.is_empty());
                    *began = Began::Records;
                    secure.session.gap(side, if said { None } else { Some(bytes) });
                }
                None => {}
            },
            _ => {
                if let Some(head) = head {
                    head.gap(bytes);
                }
            }
        }
    }

    /// Bytes that came before came again: do they say the same?
    pub fn again(&mut self, side: Side, back: u32, bytes: &[u8]) {
        let (Some(head), Some(total)) = (self.heads.get(side), self.bytes.get(side)) else { return };
        // Where bytes are missing their number is not that of their place any more.
        let Some(at) = total.checked_sub(u64::from(back)).filter(|_| !self.missing) else { return };
        if let Phase::Tls(secure) = &self.phase {
            // Records are not readable: a copy that is says something else.
            let text = bytes.len() >= READABLE && is_text(bytes);
            self.conflict |=
                text || secure.traces.get(side).is_some_and(|trace| trace.differs(at, bytes, &secure.seed));
            return;
        }
        let known = usize::try_from(at).ok().and_then(|at| head.bytes.get(at..)).unwrap_or_default();
        let common = known.len().min(bytes.len());
        self.conflict |= head.lost == 0 && !head.late && known.get(..common) != bytes.get(..common);
    }

    /// Gives up what it holds, for want of memory.
    pub fn cut_off(&mut self) {
        self.look(true);
        self.cut = true;
        self.heads = [Head::default(), Head::default()];
        if !matches!(self.phase, Phase::Clear) {
            self.phase = Phase::Blind;
        }
    }

    /// What it came to.
    pub fn finish(mut self, end: impl FnOnce(Session) -> Facts) -> Heard {
        if matches!(self.phase, Phase::Heads) {
            self.look(true);
        }
        let (mut tls, mut answer) = (None, None);
        if let Phase::Tls(secure) = self.phase {
            let clear = secure.began.iter().position(|began| *began == Began::Clear);
            answer = clear.map(|side| {
                let said = self.heads.get(side).map_or(&[][..], |head| &head.bytes);
                (
                    side,
                    signature::name(&Heads { client: &[], server: said, from_start: self.from_start, complete: true }),
                )
            });
            tls = Some(end(secure.session));
        }
        // Without the SYN, whoever said hello or asked first is the client.
        let client = match &tls {
            _ if self.from_start => 0,
            Some(facts) => facts.client.unwrap_or(self.client),
            None => self.client,
        };
        Heard {
            tls,
            answer,
            named: self.named,
            client,
            whole: self.from_start && !self.missing,
            upgrade: self.upgrade,
            refused: self.refused,
            alert_only: self.alert_only,
            gss: self.gss,
            bytes: self.bytes,
            first: self.first,
            mixed: self.watch.mixed,
            ended: 0,
            conflict: self.conflict,
            missing: self.missing,
            cut: self.cut,
            sample: self.sample,
        }
    }

    /// Nothing that may still come changes what it is, but TLS amid clear bytes: what to look for that with.
    #[must_use]
    pub fn settled(&self) -> Option<Watch> {
        let both = self.named.is_some_and(|named| named.fit == Fit::Both);
        let settled =
            matches!(self.phase, Phase::Blind) || matches!(self.phase, Phase::Clear) && both && !self.alert_only;
        let encrypted = self.named.is_some_and(|named| signature::encrypted(named.token)) || self.gss;
        settled.then_some(Watch { encrypted, ..self.watch })
    }

    /// Looks at the heads: is it TLS, has it a name, does it turn to TLS? `complete`: nothing more will come.
    fn look(&mut self, complete: bool) {
        if self.named.is_none() && self.records(complete) {
            return;
        }
        let [zero, one] = &self.heads;
        let (client, server) = if self.client == 0 { (zero, one) } else { (one, zero) };
        let heads = Heads {
            client: &client.bytes,
            server: &server.bytes,
            from_start: self.from_start && !client.late && !server.late,
            complete,
        };
        if self.named.is_none_or(|named| named.fit == Fit::OneSided) {
            self.named = signature::name(&heads).or(self.named);
            if let Some(named) = self.named.as_mut().filter(|named| named.swapped) {
                // Whoever speaks as the server is taken for it, whoever opened the connection.
                named.swapped = false;
                self.client = 1 - self.client;
                return self.look(complete);
            }
        }
        let token = self.named.map_or("", |named| named.token);
        let may = signature::may_upgrade(token) || matches!(token, "" | "http");
        match if may { upgrade::handover(token, &heads) } else { Handover::None } {
            Handover::Tls { client, server } => return self.hand_over(client, server, false),
            Handover::TlsInTds { client, server } => return self.hand_over(client, server, true),
            Handover::Asked if !complete => return,
            Handover::Refused => self.refused = true,
            Handover::Gss => self.gss = true,
            Handover::Asked | Handover::None => {}
        }
        // A TLS server that refuses clear bytes says so in an alert.
        self.alert_only = server.bytes.starts_with(&[0x15, 3]) && server.bytes.len() <= 14 && server.lost == 0;
        let sure =
            self.named.is_some_and(|named| named.fit == Fit::Both && (!signature::may_upgrade(token) || self.refused));
        if sure || self.gss || complete && self.named.is_some() {
            self.settle(Phase::Clear);
        } else if complete && !self.middle() {
            self.settle(Phase::Blind);
        }
    }

    /// Whether the heads are those of a TLS conversation, which then begins; or whether that must be waited for.
    fn records(&mut self, complete: bool) -> bool {
        let [zero, one] = [0, 1].map(|side: Side| {
            self.heads.get(side).filter(|head| !head.bytes.is_empty()).map(|head| tls::probe(&head.bytes))
        });
        let more = |probe: Option<Probe>| probe == Some(Probe::More);
        match (zero, one) {
            (Some(Probe::ClientHello), None) | (None, Some(Probe::ClientHello)) => self.secure([0, 0], false),
            (Some(Probe::ClientHello | Probe::Record), Some(Probe::ClientHello | Probe::Record)) => {
                self.secure([0, 0], false);
            }
            (Some(Probe::ClientHello), Some(Probe::No)) | (Some(Probe::No), Some(Probe::ClientHello)) => {
                return self.answered_in_clear(complete);
            }
            (Some(Probe::Record), None) | (None, Some(Probe::Record)) if complete => self.secure([0, 0], false),
            (Some(Probe::Record), None) | (None, Some(Probe::Record)) => {}
            (zero, one) if more(zero) || more(one) => return !complete,
            _ => return false,
        }
        true
    }

    /// A ClientHello, and clear bytes of the other side, which spoke first or at once: an upgrade, or no TLS server.
    fn answered_in_clear(&mut self, complete: bool) -> bool {
        let [zero, one] = &self.heads;
        let client = if tls::probe(&zero.bytes) == Probe::ClientHello { 0 } else { 1 };
        let (from, to) = if client == 0 { (zero, one) } else { (one, zero) };
        let heads = Heads { client: &from.bytes, server: &to.bytes, from_start: self.from_start, complete };
        let alone = Heads { client: &[], ..heads };
        let named = signature::name(&alone);
        let token = named.map_or("", |named| named.token);
        match upgrade::handover(token, &heads) {
            Handover::Tls { client, server } => {
                self.named = named;
                self.hand_over(client, server, false);
            }
            Handover::Asked if !complete => {}
            _ => self.secure([0, 0], false),
        }
        true
    }

    fn hand_over(&mut self, client: usize, server: usize, tds: bool) {
        let from = if self.client == 0 { [client, server] } else { [server, client] };
        let frame = self
            .watch
            .hello
            .map_or_else(|| self.heads.get(self.client).map_or(0, |head| head.last), |(_, frame)| frame);
        let token = self.named.map(|named| named.token);
        self.upgrade = Some(Upgrade { token, clear: (client + server) as u64, frame });
        (self.named, self.watch) = (None, Watch::default());
        self.secure(from, tds);
    }

    /// Records are walked from these offsets of the heads on.
    fn secure(&mut self, from: [usize; 2], tds: bool) {
        self.take_sample(from);
        let heads = std::mem::take(&mut self.heads);
        let mut secure = Secure {
            session: Session::default(),
            began: [Began::Not; 2],
            broken: [false; 2],
            traces: [Trace::default(); 2],
            seed: RandomState::default(),
            unwrap: tds.then(Box::default),
        };
        // The hello comes before its answer.
        let earlier = |(zero, one): (&Head, &Head)| {
            usize::from(zero.bytes.is_empty() || !one.bytes.is_empty() && one.frame < zero.frame)
        };
        let [zero, one] = &heads;
        let first = if self.upgrade.is_some() { self.client } else { earlier((zero, one)) };
        for side in [first, 1 - first] {
            let (Some(head), Some(from)) = (heads.get(side), from.get(side)) else { continue };
            if head.late && self.upgrade.is_none() {
                secure.began.get_mut(side).into_iter().for_each(|began| *began = Began::Records);
                secure.session.gap(side, None);
            }
            let bytes = head.bytes.get(*from..).unwrap_or_default();
            secure.trace(side, *from as u64, bytes);
            secure.data(side, bytes, head.last, &mut self.heads);
            if head.lost > 0 {
                secure.session.gap(side, None);
            }
        }
        self.phase = Phase::Tls(Box::new(secure));
    }

    /// Looks for records in the middle of the heads: a conversation that is older than the capture.
    fn middle(&mut self) -> bool {
        if self.from_start && !self.heads.iter().any(|head| head.late) {
            return false;
        }
        let at = |head: &Head| match tls::probe(&head.bytes) {
            Probe::Record | Probe::ClientHello => Some(0),
            _ => tls::find_chain(&head.bytes),
        };
        let [zero, one] = &self.heads;
        let from = match (zero.bytes.is_empty(), one.bytes.is_empty()) {
            (true, true) => None,
            (false, true) => at(zero).map(|zero| [zero, 0]),
            (true, false) => at(one).map(|one| [0, one]),
            (false, false) => at(zero).zip(at(one)).map(|(zero, one)| [zero, one]),
        };
        if let Some(from) = from {
            self.secure(from, false);
        }
        from.is_some()
    }

    fn settle(&mut self, phase: Phase) {
        self.take_sample([usize::MAX; 2]);
        self.heads = [Head::default(), Head::default()];
        self.phase = phase;
    }

    /// Keeps the first clear bytes: the client's, or the server's where it said nothing.
    fn take_sample(&mut self, clear: [usize; 2]) {
        if !self.samples {
            return;
        }
        let part = |side: Side| {
            let (head, clear) = (self.heads.get(side)?, clear.get(side)?);
            let bytes = head.bytes.get(..head.bytes.len().min(*clear).min(120))?;
            (!bytes.is_empty()).then(|| Box::from(bytes))
        };
        self.sample = part(self.client).or_else(|| part(1 - self.client));
    }
}

impl Secure {
    fn trace(&mut self, side: Side, at: u64, bytes: &[u8]) {
        if at < (BLOCK * BLOCKS) as u64
            && let Some(trace) = self.traces.get_mut(side)
        {
            trace.add(at, bytes, &self.seed);
        }
    }

    fn data(&mut self, side: Side, bytes: &[u8], frame: u64, heads: &mut [Head; 2]) {
        let (Some(began), Some(broken)) = (self.began.get_mut(side), self.broken.get_mut(side)) else { return };
        let Some(head) = heads.get_mut(side) else { return };
        if bytes.is_empty() || *broken {
            return;
        }
        let mut clean;
        let bytes = match &mut self.unwrap {
            Some(unwrap) => {
                clean = Vec::new();
                if let Some(unwrap) = unwrap.get_mut(side) {
                    unwrap.push(bytes, |part| clean.extend_from_slice(part));
                }
                &*clean
            }
            None => bytes,
        };
        match began {
            Began::Records => *broken = !self.session.push(side, bytes, frame),
            Began::Clear => head.push(bytes.get(..bytes.len().min(1024)).unwrap_or_default(), frame),
            Began::Not => {
                head.push(bytes, frame);
                match tls::probe(&head.bytes) {
                    Probe::More => {}
                    Probe::No => *began = Began::Clear,
                    Probe::ClientHello | Probe::Record => {
                        *began = Began::Records;
                        let head = std::mem::take(head);
                        *broken = !self.session.push(side, &head.bytes, frame);
                        if head.lost > 0 {
                            self.session.gap(side, None);
                        }
                    }
                }
            }
        }
    }
}
