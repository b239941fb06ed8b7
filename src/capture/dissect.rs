//! From a frame to a packet: link layer, encapsulations, IP, fragments, transport.

use super::file::Frame;
use super::fragment::{Fragments, Key, Whole};
use super::ip;
use super::layer::{Chunk, Next};
use super::link::{self, ethernet_payload};
use super::packet::{Endpoint, Medium, Packet, Skip, Tcp, Time, Transport, Tunnels};
use super::tunnel::{self, Path, Paths};
use std::collections::HashMap;

/// Interfaces of one file that are told apart; what comes after shares one number. A cooked header names any of 2^32.
const INTERFACES: usize = 1 << 16;

/// Peels frames; keeps waiting fragments and the names of tunnels.
#[derive(Debug, Default)]
pub struct Dissector {
    /// The encapsulations seen so far.
    pub tunnels: Tunnels,
    paths: Paths,
    fragments: Fragments,
    interfaces: Interfaces,
    /// Frames of the files before this one.
    before: u64,
    /// The highest frame number of this file.
    here: u64,
    /// The last packet that came in fragments: what is handed out points into it.
    whole: Vec<u8>,
}

impl Dissector {
    /// The next file begins: its frames and interfaces are numbered on from those before.
    pub fn begin_file(&mut self) {
        self.before += self.here;
        self.here = 0;
        self.interfaces.begin_file();
    }

    /// The number of a frame of this file over all files.
    #[must_use]
    pub fn number(&self, frame: u64) -> u64 {
        self.before + frame
    }

    /// The packet of a frame.
    ///
    /// # Errors
    /// Why there is none. [`Skip::Fragment`] is no loss yet: [`Dissector::finish`] says what was lost.
    #[inline]
    pub fn dissect<'a>(&'a mut self, frame: &Frame<'a>) -> Result<Packet<'a>, Skip> {
        self.here = self.here.max(frame.number);
        let wire = usize::try_from(frame.wire_len).unwrap_or(usize::MAX);
        let link = link::read(frame.link_type, Chunk::new(frame.data, wire))?;
        let medium = if link.loopback || frame.loopback { Medium::Lo } else { Medium::Wire };
        let interface = self.interfaces.number(frame.interface, link.interface);
        let mut at = At { path: Path::default(), ends: [[0; 16]; 2], six: false, id: 0, time: frame.time, interface };
        let frame = self.before + frame.number;
        match self.peel(&mut at, link.next)? {
            Step::Segment(segment) => Ok(self.packet(frame, medium, &at, segment)),
            Step::Whole(whole) => self.resume(frame, medium, at, whole),
        }
    }

    /// Frames whose fragments never were a whole packet; those that still wait are given up. To be counted as
    /// [`Skip::FragmentIncomplete`] when the last file has been read.
    pub fn finish(&mut self) -> u64 {
        self.fragments.finish()
    }

    /// Goes on inside a packet that came in fragments; it may itself be a fragment of an inner one.
    #[cold]
    fn resume(&mut self, frame: u64, medium: Medium, mut at: At, mut whole: Whole) -> Result<Packet<'_>, Skip> {
        loop {
            let payload = Chunk::new(&whole.bytes, whole.wire);
            match self.peel(&mut at, Next::Protocol(whole.protocol, payload))? {
                Step::Segment(segment) => {
                    // Where the payload stands: the packet points into the kept copy, not into this one.
                    let from = (segment.payload.bytes.as_ptr() as usize).saturating_sub(whole.bytes.as_ptr() as usize);
                    let (length, wire) = (segment.payload.bytes.len(), segment.payload.wire);
                    let Segment { transport, ports, tcp, .. } = segment;
                    self.whole = whole.bytes;
                    let tunnel = self.paths.number(&at.path, &mut self.tunnels);
                    let bytes = self.whole.get(from..).and_then(|rest| rest.get(..length)).unwrap_or_default();
                    let segment = Segment { transport, ports, tcp, payload: Chunk::new(bytes, wire) };
                    return Ok(assemble(frame, medium, &at, tunnel, segment));
                }
                Step::Whole(inner) => whole = inner,
            }
        }
    }

    #[inline]
    fn packet<'a>(&mut self, frame: u64, medium: Medium, at: &At, segment: Segment<'a>) -> Packet<'a> {
        let tunnel = self.paths.number(&at.path, &mut self.tunnels);
        assemble(frame, medium, at, tunnel, segment)
    }

    /// Layer by layer inwards. Every turn takes bytes away or ends, so it ends.
    #[inline]
    fn peel<'b>(&mut self, at: &mut At, mut next: Next<'b>) -> Result<Step<'b>, Skip> {
        loop {
            next = match next {
                Next::Type(0x0800 | 0x86dd, inner) => Next::Ip(inner),
                Next::Ip(packet) => {
                    let header = ip::read(packet)?;
                    at.ends = [header.source, header.destination];
                    at.six = header.six;
                    at.id = header.id;
                    match header.piece {
                        None => Next::Protocol(header.protocol, header.payload),
                        Some(piece) => return self.fragment(at, piece, header.protocol, header.payload),
                    }
                }
                Next::Protocol(6, rest) => return tcp(rest).map(Step::Segment),
                Next::Protocol(17, rest) => {
                    let (ports, payload) = udp(rest)?;
                    match tunnel::in_udp(payload, ports)? {
                        Some((row, peeled)) => at.enter(row, peeled)?,
                        None => {
                            let tcp = Tcp::default();
                            return Ok(Step::Segment(Segment { transport: Transport::Udp, ports, tcp, payload }));
                        }
                    }
                }
                Next::Protocol(protocol, rest) => match ip::extensions(protocol, rest, at.six)? {
                    (inner, rest, Some(piece)) => return self.fragment(at, piece, inner, rest),
                    (inner, rest, None) if inner != protocol => Next::Protocol(inner, rest),
                    (_, rest, None) => match protocol {
                        50 => return Ok(Step::Segment(esp(rest))),
                        1 | 58 => return Err(Skip::Icmp),
                        _ => at.enter_row(tunnel::by_protocol(protocol, at.six), rest, Skip::Protocol(protocol))?,
                    },
                },
                Next::Ethernet(frame) => ethernet_payload(frame)?,
                Next::Type(number, rest) => at.enter_row(tunnel::by_type(number), rest, link::unread(number))?,
            };
        }
    }

    #[cold]
    fn fragment<'b>(&mut self, at: &At, piece: ip::Piece, protocol: u8, rest: Chunk<'b>) -> Result<Step<'b>, Skip> {
        let [source, destination] = at.ends;
        let key = Key {
            source,
            destination,
            protocol: if at.six { 0 } else { protocol },
            id: piece.id,
            tunnel: self.paths.number(&at.path, &mut self.tunnels),
            interface: at.interface,
        };
        self.fragments.add(key, piece, protocol, rest, at.time).map(Step::Whole).ok_or(Skip::Fragment)
    }
}

/// What is known of a packet on the way in: of the innermost IP header that was read.
#[derive(Clone, Copy, Debug)]
struct At {
    path: Path,
    ends: [[u8; 16]; 2],
    six: bool,
    id: u16,
    time: Time,
    interface: u32,
}

impl At {
    fn enter_row<'b>(
        &mut self,
        row: Option<&'static tunnel::Tunnel>,
        rest: Chunk<'b>,
        none: Skip,
    ) -> Result<Next<'b>, Skip> {
        let row = row.ok_or(none)?;
        self.enter(row, (row.peel)(rest, true)?)
    }

    fn enter<'b>(&mut self, row: &'static tunnel::Tunnel, peeled: tunnel::Peeled<'b>) -> Result<Next<'b>, Skip> {
        self.path.push(peeled.name.unwrap_or(row.name), peeled.id)?;
        Ok(peeled.next)
    }
}

enum Step<'b> {
    Segment(Segment<'b>),
    Whole(Whole),
}

struct Segment<'b> {
    transport: Transport,
    ports: [u16; 2],
    tcp: Tcp,
    payload: Chunk<'b>,
}

#[inline]
fn assemble<'b>(
    frame: u64,
    medium: Medium,
    at: &At,
    tunnel: super::packet::TunnelId,
    segment: Segment<'b>,
) -> Packet<'b> {
    let [source, destination] = at.ends;
    let [from, to] = segment.ports;
    Packet {
        frame,
        time: at.time,
        interface: at.interface,
        medium,
        tunnel,
        transport: segment.transport,
        source: Endpoint { address: source, port: from },
        destination: Endpoint { address: destination, port: to },
        ip_id: at.id,
        tcp: segment.tcp,
        payload: segment.payload.bytes,
        wire_len: u32::try_from(segment.payload.wire).unwrap_or(u32::MAX),
    }
}

/// RFC 9293. A snap length may cut the options, or anything behind the flags; the numbers are worth having.
#[inline]
fn tcp(rest: Chunk<'_>) -> Result<Segment<'_>, Skip> {
    let h = rest.head::<14>()?;
    let header = usize::from(h[12] >> 4) * 4;
    if header < 20 || header > rest.wire {
        return Err(Skip::BadHeader);
    }
    let tcp = Tcp {
        seq: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
        ack: u32::from_be_bytes([h[8], h[9], h[10], h[11]]),
        flags: h[13],
    };
    let ports = [u16::from_be_bytes([h[0], h[1]]), u16::from_be_bytes([h[2], h[3]])];
    Ok(Segment { transport: Transport::Tcp, ports, tcp, payload: rest.beyond(header) })
}

/// RFC 768. A length that cannot be (0 in offloaded and jumbo datagrams) gives way to that of the IP packet.
#[inline]
fn udp(rest: Chunk<'_>) -> Result<([u16; 2], Chunk<'_>), Skip> {
    let h = rest.head::<8>()?;
    let length = usize::from(u16::from_be_bytes([h[4], h[5]]));
    let rest = if length < 8 || length > rest.wire { rest } else { rest.limit(length) };
    Ok(([u16::from_be_bytes([h[0], h[1]]), u16::from_be_bytes([h[2], h[3]])], rest.after(8)?))
}

/// RFC 4303: nothing in it can be told, so it has no ports.
fn esp(payload: Chunk<'_>) -> Segment<'_> {
    Segment { transport: Transport::Esp, ports: [0, 0], tcp: Tcp::default(), payload }
}

/// Numbers interfaces over all files; remembers the last one.
#[derive(Debug, Default)]
struct Interfaces {
    known: HashMap<(u32, u32), u32, foldhash::fast::RandomState>,
    last: Option<((u32, u32), u32)>,
    next: u32,
}

impl Interfaces {
    fn begin_file(&mut self) {
        self.known.clear();
        self.last = None;
    }

    #[inline]
    fn number(&mut self, interface: u32, index: u32) -> u32 {
        match self.last {
            Some((last, number)) if last == (interface, index) => number,
            _ => self.look_up((interface, index)),
        }
    }

    fn look_up(&mut self, key: (u32, u32)) -> u32 {
        let number = match self.known.get(&key) {
            Some(number) => *number,
            None if self.known.len() >= INTERFACES => u32::MAX,
            None => {
                let number = self.next;
                self.next = self.next.saturating_add(1);
                self.known.insert(key, number);
                number
            }
        };
        self.last = Some((key, number));
        number
    }
}

#[cfg(test)]
mod tests;
