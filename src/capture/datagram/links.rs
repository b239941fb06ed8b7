//! Datagrams of WireGuard and OpenVPN that refer to each other: shapes that others may have by chance, and their proof.

use super::sealed::{openvpn_peer, openvpn_wrapped};
use crate::capture::signature::bytes::{array, le32, u8_at};

/// Transport messages of one direction that must follow one another where no handshake refers to them.
const RUN: u8 = 4;
/// The same where one side's handshake message was seen.
const SHORT_RUN: u8 = 2;
/// Counters of transport messages begin at zero with every key, and keys last two minutes or 2^60 messages: none that
/// are seen is as large.
const COUNTER: u64 = 1 << 40;

/// What the datagrams of a flow said to each other, by side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Links {
    /// WireGuard: the index that each side gave itself in its last handshake message.
    index: [Option<u32>; 2],
    /// WireGuard: handshake messages.
    announced: u8,
    /// WireGuard: transport messages to one index, with growing counters.
    runs: [Run; 2],
    /// OpenVPN: the session number of each side's hard reset.
    session: [Option<[u8; 8]>; 2],
    /// OpenVPN: hard resets whose content is encrypted: the kind of each side's.
    wrapped: [u8; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Run {
    receiver: u32,
    counter: u64,
    length: u8,
}

impl Links {
    /// Takes a datagram that has the shape of either protocol; whether it and those before it prove it.
    pub fn add(&mut self, bytes: &[u8], side: usize) -> bool {
        let side = side & 1;
        match u8_at(bytes, 0) {
            Some(1..=4) => self.wireguard(bytes, side).unwrap_or(false),
            _ => self.openvpn(bytes, side).unwrap_or(false),
        }
    }

    /// WireGuard: whoever is addressed by the index that it gave itself, is; else a handshake that is repeated, or
    /// transport messages that count.
    fn wireguard(&mut self, bytes: &[u8], side: usize) -> Option<bool> {
        let peer = self.index.get(1 - side).copied().flatten();
        let number = le32(bytes, 4)?;
        match u8_at(bytes, 0)? {
            kind @ (1 | 2) => {
                *self.index.get_mut(side)? = Some(number);
                self.announced = self.announced.saturating_add(1);
                Some(self.announced > 1 || kind == 2 && le32(bytes, 8) == peer)
            }
            4 => {
                let counter = u64::from_le_bytes(array(bytes, 8)?);
                let run = self.runs.get_mut(side)?;
                let goes_on = run.length > 0 && run.receiver == number && counter > run.counter;
                let length = if counter >= COUNTER {
                    0
                } else if goes_on {
                    run.length.saturating_add(1)
                } else {
                    1
                };
                *run = Run { receiver: number, counter, length };
                let enough = if self.announced > 0 { SHORT_RUN } else { RUN };
                Some(length > 0 && peer == Some(number) || length >= enough)
            }
            _ => Some(peer == Some(number)),
        }
    }

    /// OpenVPN: the server's reset names the session of the client's; where that is encrypted, both sides' resets must be
    /// there.
    fn openvpn(&mut self, bytes: &[u8], side: usize) -> Option<bool> {
        let kind = u8_at(bytes, 0)?;
        let session: [u8; 8] = array(bytes, 1)?;
        let peer = self.session.get(1 - side).copied().flatten();
        *self.session.get_mut(side)? = Some(session);
        if openvpn_wrapped(bytes) {
            *self.wrapped.get_mut(side)? = kind;
            let [one, other] = self.wrapped;
            return Some(one > 0 && other > 0 && (one == 0x40) != (other == 0x40) && peer != Some(session));
        }
        Some(peer.is_some() && openvpn_peer(bytes) == peer && peer != Some(session))
    }
}
