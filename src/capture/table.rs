//! The flow table: which flow a packet belongs to, and what each flow came to.

use super::datagram::Votes;
use super::engine::Engine;
use super::evidence::{self, Origin, Words, judge, judge_datagrams};
use super::flow::{Flow, Leg, Verdict};
use super::packet::{Endpoint, Medium, Packet, Time, Transport, TunnelId, flag};
use super::stream::BEHIND;
use super::tls::{ClientCertificate, Outcome, Side};
use crate::pki::Certificate;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

/// Memory of all flows that are not finished: beyond it the oldest are ended where they stand.
const MEMORY: usize = 256 << 20;
/// How long a closed connection is kept open for what comes late, in nanoseconds.
const LINGER: u64 = 2_000_000_000;
/// Silence after which nothing that was sent before comes again.
const STALE: u64 = 60_000_000_000;
/// Silence after which datagrams between the same two are another flow.
const UDP_IDLE: u64 = 120_000_000_000;
/// Within this time the same packet on another interface is the same packet.
const DUPLICATE: u64 = 2_000_000;
/// Packets that are remembered until a second interface is seen.
const EARLY: usize = 16;
/// Sessions, and halves of loopback connections, that are remembered.
const REMEMBERED: usize = 1 << 20;

/// What a packet is known by when another interface shows it again.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    time: Time,
    interface: u32,
    seq: u32,
    ack: u32,
    len: u32,
    /// Of the beginning of the payload.
    digest: u32,
    id: u16,
    side: u8,
}

/// How far a flow is.
#[derive(Debug)]
enum State {
    Tcp(Box<Engine>),
    Datagrams(Votes),
    /// Finished; where its two streams ended, if they began.
    Done([Option<u32>; 2]),
}

#[derive(Debug)]
#[repr(C)]
struct Slot {
    state: State,
    flow: Flow,
    /// The client's initial sequence number, where the SYN was seen.
    isn: Option<u32>,
    recent: Option<Box<[Seen; 4]>>,
}

/// A place in the index: the hash of a flow's addresses, and its number.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    at: u32,
}

/// A flow that resumed a session, to be joined with the one that began it.
#[derive(Debug)]
struct Resumption {
    flow: u32,
    offered: Vec<u64>,
}

/// What the table is told once.
#[derive(Debug, Default)]
pub struct Options {
    /// CA certificates that chains are verified with.
    pub roots: Vec<Certificate>,
    /// Keep the first clear bytes of each flow.
    pub samples: bool,
}

/// All flows.
#[derive(Debug)]
pub struct Table {
    options: Options,
    slots: Vec<Slot>,
    /// By the hash of their addresses, which is kept beside the number: growing then touches no flow.
    index: HashTable<Entry>,
    hasher: RandomState,
    last: Option<u32>,
    lingering: VecDeque<(Time, u32)>,
    halves: HashMap<Endpoint, u32, RandomState>,
    /// The other pair of addresses of joined flows: client, and where it wanted to go.
    aliases: HashMap<(Endpoint, Endpoint), u32, RandomState>,
    issued: HashMap<u64, u32, RandomState>,
    resumptions: Vec<Resumption>,
    words: Words,
    held: usize,
    oldest: usize,
    interface: Option<u32>,
    several: bool,
    /// The packets before a second interface was seen, and their flows.
    early: VecDeque<(u32, Seen)>,
    /// Packets that another interface had shown already.
    pub duplicates: u64,
    /// Flows that the memory limit ended.
    pub evicted: u64,
    /// Flows with bytes that the capture lacks.
    pub with_gaps: u64,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            slots: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::default(),
            last: None,
            lingering: VecDeque::new(),
            halves: HashMap::default(),
            aliases: HashMap::default(),
            issued: HashMap::default(),
            resumptions: Vec::new(),
            words: Words::default(),
            held: 0,
            oldest: 0,
            interface: None,
            several: false,
            early: VecDeque::new(),
            duplicates: 0,
            evicted: 0,
            with_gaps: 0,
        }
    }

    /// A packet.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        if !self.several && *self.interface.get_or_insert(packet.interface) != packet.interface {
            self.several = true;
            for (at, seen) in std::mem::take(&mut self.early) {
                if let Some(slot) = self.slots.get_mut(at as usize) {
                    slot.remember(seen);
                }
            }
        }
        self.end_lingering(packet.time);
        let at = match self.find(packet) {
            Some(at) if !self.begins_anew(at, packet) => at,
            Some(at) => {
                self.finish(at);
                self.open(packet)
            }
            None => match self.other_half(packet) {
                Some(at) => at,
                None => self.open(packet),
            },
        };
        self.last = Some(at);
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        let side = usize::from(packet.source != slot.flow.client);
        let seen = Seen::of(packet, side, &self.hasher);
        if !self.several {
            if self.early.len() == EARLY {
                self.early.pop_front();
            }
            self.early.push_back((at, seen));
        } else if slot.repeats(seen) {
            self.duplicates += 1;
            return;
        }
        slot.flow.packets += 1;
        slot.flow.bytes += u64::from(packet.wire_len);
        slot.flow.last = slot.flow.last.max(packet.time);
        match &mut slot.state {
            State::Tcp(engine) => {
                let before = engine.held;
                engine.packet(packet, side, self.options.samples);
                let closed = engine.closed() && !engine.closing;
                engine.closing |= closed;
                self.held = (self.held + engine.held).saturating_sub(before);
                if closed {
                    self.lingering.push_back((packet.time, at));
                }
                if engine.talk.as_ref().is_some_and(|talk| talk.settled().is_some()) {
                    self.settle(at);
                }
                if self.held > MEMORY {
                    self.evict();
                }
            }
            State::Datagrams(votes) => votes.add(packet.payload, side),
            State::Done(_) => {}
        }
    }

    /// Every flow, by first frame.
    #[must_use]
    pub fn into_flows(mut self) -> (Vec<Flow>, u64) {
        for at in 0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX) {
            self.finish(at);
        }
        (self.index, self.halves, self.lingering) = (HashTable::new(), HashMap::default(), VecDeque::new());
        self.link();
        (self.slots.into_iter().map(|slot| slot.flow).collect(), self.with_gaps)
    }

    fn hash(&self, packet: &Packet<'_>) -> u32 {
        let Packet { medium, tunnel, transport, source, destination, .. } = *packet;
        hash(&self.hasher, medium, tunnel, transport, source, destination)
    }

    fn find(&self, packet: &Packet<'_>) -> Option<u32> {
        let same = |at: &u32| self.slots.get(*at as usize).is_some_and(|slot| slot.takes(packet));
        if let Some(last) = self.last.filter(|last| same(last)) {
            return Some(last);
        }
        let hash = self.hash(packet);
        let entry = self.index.find(spread(hash), |entry| entry.hash == hash && same(&entry.at));
        entry.map(|entry| entry.at).or_else(|| {
            if packet.medium != Medium::Lo || self.aliases.is_empty() {
                return None;
            }
            // The joined half of a connection that is finished: the ports may be used again.
            let open = |at: &u32| {
                same(at) && self.slots.get(*at as usize).is_some_and(|slot| matches!(slot.state, State::Tcp(_)))
            };
            let (one, two) = (packet.source, packet.destination);
            self.aliases.get(&(one, two)).or_else(|| self.aliases.get(&(two, one))).copied().filter(|at| open(at))
        })
    }

    /// Whether a packet with the addresses of a flow is the first of another one.
    fn begins_anew(&self, at: u32, packet: &Packet<'_>) -> bool {
        let Some(slot) = self.slots.get(at as usize) else { return false };
        let side = usize::from(packet.source != slot.flow.client);
        let tcp = packet.tcp;
        let answer = tcp.flags & flag::ACK != 0;
        let stale = packet.time.since(slot.flow.last) > STALE;
        match &slot.state {
            State::Datagrams(_) => packet.transport == Transport::Udp && packet.time.since(slot.flow.last) > UDP_IDLE,
            State::Tcp(engine) => {
                let (Some(stream), Some(isn)) = (engine.streams.get(side), engine.isn.get(side)) else { return false };
                let syn = tcp.flags & flag::SYN != 0;
                let over = engine.closing || stale;
                match isn {
                    Some(isn) if syn => (*isn != tcp.seq && (!answer || over)) || !answer && stale,
                    // The SYN of a stream that began without one: it came late, or another connection begins.
                    None if syn => stream.started && stream.next().wrapping_sub(tcp.seq) > 1 << 20,
                    _ => {
                        let end = engine.last.get(side).copied().flatten();
                        let behind = end.is_some_and(|end| tcp.seq.wrapping_sub(end) < 1 << 31);
                        packet.wire_len > 0 && (behind || !stream.plausible(tcp.seq))
                    }
                }
            }
            State::Done(_) if tcp.flags & flag::SYN != 0 && !answer => slot.isn != Some(tcp.seq) || side == 1 || stale,
            State::Done(ends) => {
                // What was sent before comes again soon, and from near the end.
                let end = ends.get(side).copied().flatten();
                let again = end.is_some_and(|end| end.wrapping_sub(tcp.seq.wrapping_add(packet.wire_len)) < BEHIND);
                (stale || !again) && (packet.wire_len > 0 || tcp.flags & flag::SYN != 0)
            }
        }
    }

    /// A packet that opens a flow.
    fn open(&mut self, packet: &Packet<'_>) -> u32 {
        let (source, destination) = (packet.source, packet.destination);
        let syn = packet.transport == Transport::Tcp && packet.tcp.flags & flag::SYN != 0;
        let answer = packet.tcp.flags & flag::ACK != 0;
        // Who sends a SYN is the client, who answers one the server; else the higher port is the client's.
        let forward = match packet.transport {
            Transport::Tcp if syn => !answer,
            Transport::Tcp => source.port >= destination.port,
            _ => source.port >= destination.port || source.port >= 1024,
        };
        let (client, server) = if forward { (source, destination) } else { (destination, source) };
        let at = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let state = match packet.transport {
            Transport::Tcp => State::Tcp(Box::default()),
            Transport::Udp | Transport::Esp => State::Datagrams(Votes::default()),
        };
        if let State::Tcp(_) = state {
            self.held += size_of::<Engine>();
        }
        let flow = Flow::new(packet, client, server);
        let isn = (syn && !answer).then_some(packet.tcp.seq);
        self.slots.push(Slot { flow, state, isn, recent: None });
        let hash = self.hash(packet);
        // An earlier flow between the same two is finished: its place in the index goes to this one.
        let takes = |at: u32| self.slots.get(at as usize).is_some_and(|slot| slot.takes(packet));
        match self.index.find_mut(spread(hash), |entry| entry.hash == hash && takes(entry.at)) {
            Some(entry) => entry.at = at,
            None => {
                self.index.insert_unique(spread(hash), Entry { hash, at }, |entry| spread(entry.hash));
            }
        }
        let redirected = server.ip().is_loopback() && !client.ip().is_loopback();
        if packet.medium == Medium::Lo && redirected && self.halves.len() < REMEMBERED {
            self.halves.insert(client, at);
        }
        at
    }

    /// On loopback the answers of a redirected connection come from where the client wanted to go: the flow that this
    /// packet answers (pcap.md 4.5).
    fn other_half(&mut self, packet: &Packet<'_>) -> Option<u32> {
        if packet.medium != Medium::Lo || packet.transport != Transport::Tcp || self.halves.is_empty() {
            return None;
        }
        let at = *self.halves.get(&packet.destination)?;
        let slot = self.slots.get_mut(at as usize)?;
        let State::Tcp(engine) = &slot.state else { return None };
        let expected = match (packet.tcp.flags & flag::SYN != 0, slot.isn) {
            (true, Some(isn)) => packet.tcp.ack == isn.wrapping_add(1),
            (true, None) => false,
            (false, _) => {
                let behind = engine.streams.first()?.next().wrapping_sub(packet.tcp.ack);
                packet.tcp.flags & flag::ACK != 0 && !(1 << 16..=u32::MAX - (1 << 16)).contains(&behind)
            }
        };
        if !expected || engine.seen.get(1) == Some(&true) && slot.flow.leg.is_none() {
            return None;
        }
        slot.flow.leg = Some(Leg::AppToSidecar);
        slot.flow.rare_mut().original_destination = Some(packet.source);
        self.aliases.insert((packet.destination, packet.source), at);
        Some(at)
    }

    fn end_lingering(&mut self, now: Time) {
        while let Some((since, at)) = self.lingering.front().copied() {
            if now.since(since) < LINGER {
                break;
            }
            self.lingering.pop_front();
            self.finish(at);
        }
    }

    /// Ends the oldest flows until there is room again.
    fn evict(&mut self) {
        while self.held > MEMORY - MEMORY / 16 && self.oldest < self.slots.len() {
            let at = self.oldest;
            self.oldest += 1;
            if let Some(Slot { state: State::Tcp(engine), .. }) = self.slots.get_mut(at) {
                if let Some(talk) = &mut engine.talk {
                    talk.cut_off();
                }
                self.evicted += 1;
                self.finish(u32::try_from(at).unwrap_or(u32::MAX));
            }
        }
    }

    /// Ends a flow.
    fn finish(&mut self, at: u32) {
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        match std::mem::replace(&mut slot.state, State::Done([None; 2])) {
            State::Done(ends) => slot.state = State::Done(ends),
            State::Datagrams(votes) => {
                let first = slot.flow.first_frame;
                judge_datagrams(&mut slot.flow, &votes, first);
            }
            State::Tcp(engine) => self.end(at, *engine),
        }
    }

    /// Ends a TCP flow.
    fn end(&mut self, at: u32, mut engine: Engine) {
        self.held = self.held.saturating_sub(engine.held + size_of::<Engine>());
        engine.flush(self.options.samples);
        self.with_gaps += u64::from(engine.streams.iter().any(|stream| stream.gaps));
        self.conclude(at, &mut engine);
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        match engine.watch {
            Some(watch) => evidence::turned(&mut slot.flow, watch),
            None => evidence::silent(&mut slot.flow),
        }
        let [zero, one] = &engine.streams;
        slot.state = State::Done([zero, one].map(|stream| stream.started.then_some(stream.next())));
        slot.recent = None;
    }

    /// A flow of which the rest cannot change the verdict, but for TLS amid clear bytes, needs no conversation any more.
    fn settle(&mut self, at: u32) {
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        match std::mem::replace(&mut slot.state, State::Done([None; 2])) {
            State::Tcp(mut engine) => {
                self.conclude(at, &mut engine);
                self.held = self.held.saturating_sub(engine.held);
                engine.held = 0;
                if let Some(slot) = self.slots.get_mut(at as usize) {
                    slot.state = State::Tcp(engine);
                }
            }
            other => slot.state = other,
        }
    }

    /// The verdict of a TCP flow, from what was said so far.
    fn conclude(&mut self, at: u32, engine: &mut Engine) {
        let (Some(talk), Some(slot)) = (engine.talk.take(), self.slots.get_mut(at as usize)) else { return };
        let flow = &mut slot.flow;
        engine.watch = Some(talk.settled().unwrap_or_default());
        let (ending, seen, first) = (engine.ending, engine.seen, flow.first);
        let mut heard = talk.finish(|session| session.finish(ending, first, &self.options.roots));
        heard.ended = engine.ended;
        heard.conflict |= engine.streams.iter().any(|stream| stream.conflict);
        if let Some(facts) = &mut heard.tls {
            if self.issued.len() < REMEMBERED && facts.resumed != Some(true) {
                self.issued.extend(facts.sessions_issued.iter().map(|session| (*session, at)));
            }
            let unknown = facts.client_certificate == ClientCertificate::Unknown;
            if facts.resumed == Some(true) && facts.outcome == Outcome::Established && unknown {
                let offered = std::mem::take(&mut facts.sessions_offered);
                self.resumptions.push(Resumption { flow: at, offered });
            }
        }
        let turned = heard.client == 1;
        if turned {
            std::mem::swap(&mut flow.client, &mut flow.server);
        }
        if is_sidecar(flow.client.ip()) {
            flow.leg = Some(Leg::SidecarToApp);
        }
        judge(flow, heard, ending, seen, &mut self.words);
        if turned {
            engine.turn();
        }
    }

    /// Joins resumed sessions with the full handshakes that began them: by the session that they name, else (TLS 1.3)
    /// by their ends, when every full handshake between these was mutual.
    fn link(&mut self) {
        let resumptions = std::mem::take(&mut self.resumptions);
        if resumptions.is_empty() {
            return;
        }
        let pair = |flow: &Flow| (flow.medium, flow.tunnel, flow.client.address, flow.server);
        let mut full: HashMap<_, Option<Origin>, RandomState> = HashMap::default();
        for Slot { flow, .. } in &self.slots {
            let whole = flow.tls.as_ref().is_some_and(|tls| tls.resumed == Some(false));
            match (whole, Origin::of(flow)) {
                (true, None) if flow.verdict == Verdict::FailedHandshake => {}
                (true, None) => drop(full.insert(pair(flow), None)),
                (_, Some(origin)) => drop(full.entry(pair(flow)).or_insert(Some(origin))),
                (false, None) => {}
            }
        }
        for Resumption { flow: at, offered } in resumptions {
            let mut issuers = offered
                .iter()
                .filter_map(|session| self.slots.get(*self.issued.get(session)? as usize))
                .map(|slot| Origin::of(&slot.flow));
            let named = issuers.next();
            let Some(flow) = self.slots.get_mut(at as usize).map(|slot| &mut slot.flow) else { continue };
            match (named, full.get(&pair(flow)).copied().flatten()) {
                (Some(Some(origin)), _) => evidence::resumed(flow, origin, true),
                (Some(None), _) => {}
                (None, Some(origin)) if origin.frame < flow.first_frame => evidence::resumed(flow, origin, false),
                (None, _) => {}
            }
        }
    }
}

/// The addresses that a sidecar calls its application from: 127.0.0.6 and ::6.
fn is_sidecar(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.octets() == [127, 0, 0, 6],
        IpAddr::V6(ip) => ip.segments() == [0, 0, 0, 0, 0, 0, 0, 6],
    }
}

/// The same for both directions of a flow.
fn hash(
    hasher: &RandomState,
    medium: Medium,
    tunnel: TunnelId,
    transport: Transport,
    one: Endpoint,
    two: Endpoint,
) -> u32 {
    let (low, high) = if one <= two { (one, two) } else { (two, one) };
    let mut hasher = hasher.build_hasher();
    hasher.write_u128(u128::from_ne_bytes(low.address));
    hasher.write_u128(u128::from_ne_bytes(high.address));
    let ports = u64::from(low.port) << 16 | u64::from(high.port);
    hasher.write_u64(ports | (medium as u64) << 32 | (transport as u64) << 33 | u64::from(tunnel.0) << 35);
    // The hash is seeded: its lower half is as good as any.
    hasher.finish() as u32
}

/// A hash as the index takes it: it looks at the upper bits too.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Slot {
    /// Whether a packet has the addresses of this flow.
    fn takes(&self, packet: &Packet<'_>) -> bool {
        let flow = &self.flow;
        let ends = |client: Endpoint, other: Endpoint| {
            client == flow.client
                && (other == flow.server || flow.leg.is_some() && Some(other) == flow.original_destination())
        };
        flow.transport == packet.transport
            && flow.medium == packet.medium
            && flow.tunnel == packet.tunnel
            && (ends(packet.source, packet.destination) || ends(packet.destination, packet.source))
    }

    /// Whether another interface has shown this packet already.
    fn repeats(&mut self, now: Seen) -> bool {
        let same = |seen: &Seen| {
            seen.interface != now.interface
                && (seen.seq, seen.ack, seen.len, seen.digest, seen.id, seen.side)
                    == (now.seq, now.ack, now.len, now.digest, now.id, now.side)
                && now.time.since(seen.time) < DUPLICATE
                && seen.time.since(now.time) < DUPLICATE
        };
        let again = self.recent.as_ref().is_some_and(|recent| recent.iter().any(same));
        if !again {
            self.remember(now);
        }
        again
    }

    fn remember(&mut self, seen: Seen) {
        let recent = self.recent.get_or_insert_default();
        recent.rotate_right(1);
        if let Some(first) = recent.first_mut() {
            *first = seen;
        }
    }
}

impl Seen {
    fn of(packet: &Packet<'_>, side: Side, hasher: &RandomState) -> Self {
        let head = packet.payload.get(..packet.payload.len().min(64)).unwrap_or_default();
        Self {
            time: packet.time,
            interface: packet.interface,
            seq: packet.tcp.seq,
            ack: packet.tcp.ack,
            len: packet.wire_len,
            digest: hasher.hash_one(head) as u32,
            id: packet.ip_id,
            side: u8::from(side == 1),
        }
    }
}
