//! SQL Server: TLS inside of TDS packets (MS-TDS 2.2.6.5), and how to get it out.

use super::{Handover, hello};
use crate::capture::signature::Heads;
use crate::capture::signature::bytes::{be16, first, rest, u8_at};
use crate::capture::signature::database::{tds_kind, tds_packet};

/// Both prelogins say what they want; the handshake follows in further prelogin packets where any wants it.
///
/// Encryption values: 0 the login only, 1 on, 2 not supported, 3 required.
pub fn handover(heads: &Heads<'_>) -> Handover {
    let Some((tds_kind::PRELOGIN, client)) = tds_packet(heads.client) else { return Handover::None };
    let Some((_, server)) = tds_packet(heads.server) else { return Handover::Asked };
    if heads.client.len() < client || heads.server.len() < server || client == 0 || server == 0 {
        return Handover::Asked;
    }
    let (asked, answered) = (encryption(first(heads.client, client)), encryption(first(heads.server, server)));
    let next = rest(heads.client, client);
    match tds_packet(next) {
        Some((tds_kind::PRELOGIN, _)) if hello(rest(next, 8)) != Some(false) => Handover::TlsInTds { client, server },
        Some(_) if matches!(asked, Some(1 | 3)) => Handover::Refused,
        Some(_) => Handover::None,
        None if matches!((asked, answered), (Some(2), _) | (_, Some(2) | None)) => Handover::None,
        None => Handover::Asked,
    }
}

/// The value of the option ENCRYPTION (token 1) of a prelogin.
fn encryption(packet: &[u8]) -> Option<u8> {
    let body = rest(packet, 8);
    let mut at = 0;
    while at < 60 {
        match u8_at(body, at)? {
            0xff => return None,
            1 => return u8_at(body, usize::from(be16(body, at + 1)?)),
            _ => at += 5,
        }
    }
    None
}

/// Takes one side's TLS out of its TDS packets: strips the 8-byte headers while packets of type 0x12 follow one another,
/// and passes everything as it is from the first byte on that begins no such packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwrap {
    header: [u8; 8],
    held: u8,
    left: u16,
    raw: bool,
}

impl Unwrap {
    /// Hands what is inside of the next bytes to `out`, in order, in any number of pieces.
    pub fn push(&mut self, bytes: &[u8], mut out: impl FnMut(&[u8])) {
        let mut bytes = bytes;
        while !bytes.is_empty() && !self.raw {
            if self.left > 0 {
                let count = usize::from(self.left).min(bytes.len());
                out(first(bytes, count));
                bytes = rest(bytes, count);
                self.left -= u16::try_from(count).unwrap_or(self.left);
                continue;
            }
            if self.held == 0 && bytes.first() != Some(&tds_kind::PRELOGIN) {
                self.raw = true;
                break;
            }
            let (Some(slot), Some(&byte)) = (self.header.get_mut(usize::from(self.held)), bytes.first()) else { break };
            *slot = byte;
            self.held += 1;
            bytes = rest(bytes, 1);
            if self.held == 8 {
                self.held = 0;
                match tds_packet(&self.header) {
                    Some((_, length)) if length > 8 => self.left = u16::try_from(length - 8).unwrap_or(0),
                    // No header after all: nothing of it may be lost.
                    _ => {
                        self.raw = true;
                        out(&self.header);
                    }
                }
            }
        }
        if self.raw && !bytes.is_empty() {
            out(bytes);
        }
    }
}
