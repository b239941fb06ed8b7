//! What is looked for once a conversation is understood: copies that differ, TLS amid clear bytes, text amid encrypted.

use super::tls::{self, Probe, Side};
use foldhash::fast::RandomState;
use std::hash::BuildHasher;

/// Digests of the first blocks of one side's TLS: enough to tell whether what comes again is the same. Blocks that
/// came in two segments have none.
#[derive(Clone, Copy, Debug)]
pub struct Trace {
    blocks: [u16; BLOCKS],
}

/// Bytes of a block.
pub const BLOCK: usize = 128;
/// Blocks of each side: 3 KiB, where a handshake proves who takes part.
pub const BLOCKS: usize = 24;

impl Default for Trace {
    fn default() -> Self {
        Self { blocks: [0; BLOCKS] }
    }
}

impl Trace {
    /// The whole blocks of bytes that stand at `at`: their numbers and digests, 0 being none.
    fn digests(at: u64, bytes: &[u8], seed: &RandomState) -> impl Iterator<Item = (usize, u16)> {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let skip = at.wrapping_neg() % BLOCK;
        let first = at.saturating_add(skip) / BLOCK;
        let whole = bytes.get(skip..).unwrap_or_default().chunks_exact(BLOCK);
        let room = BLOCKS.saturating_sub(first);
        whole.take(room).enumerate().map(move |(n, block)| (first + n, (seed.hash_one(block) as u16).max(1)))
    }

    /// Bytes that stand at `at`.
    pub fn add(&mut self, at: u64, bytes: &[u8], seed: &RandomState) {
        for (number, digest) in Self::digests(at, bytes, seed) {
            if let Some(block) = self.blocks.get_mut(number) {
                *block = digest;
            }
        }
    }

    /// Whether a copy of what stood there differs.
    #[must_use]
    pub fn differs(&self, at: u64, bytes: &[u8], seed: &RandomState) -> bool {
        let known = |number| self.blocks.get(number).copied().unwrap_or(0);
        Self::digests(at, bytes, seed).any(|(number, digest)| known(number) != 0 && known(number) != digest)
    }
}

/// Ciphertext of this many bytes is all readable about once in 10^10 segments.
pub const READABLE: usize = 24;

/// Whether bytes are readable text, as far as the first 256 tell.
#[must_use]
pub fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().take(256).all(|byte| byte.is_ascii_graphic() || b" \r\n\t".contains(byte))
}

/// Looks for TLS in the middle of clear bytes: a ClientHello where a message begins, then a ServerHello of the other
/// side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    /// Who sent a ClientHello, and in which frame.
    pub hello: Option<(Side, u64)>,
    /// The frame of the ServerHello; 0: none.
    pub mixed: u64,
    /// What was settled is encrypted.
    pub encrypted: bool,
    /// The frame of the first segment of readable text; 0: none.
    pub text: u64,
}

impl Watch {
    /// The sides were mistaken for each other.
    pub fn turn(&mut self) {
        self.hello = self.hello.map(|(side, frame)| (1 - side, frame));
    }

    /// Bytes of one side, as they came.
    pub fn look(&mut self, side: Side, bytes: &[u8], frame: u64) {
        if self.encrypted && self.text == 0 && bytes.len() >= READABLE && is_text(bytes) {
            self.text = frame;
        }
        if bytes.first() != Some(&0x16) || bytes.get(1) != Some(&3) {
            return;
        }
        match (tls::probe(bytes), self.hello) {
            (Probe::ClientHello, _) => self.hello = Some((side, frame)),
            (Probe::Record, Some((client, _))) if client != side && bytes.get(5) == Some(&2) && self.mixed == 0 => {
                self.mixed = frame;
            }
            _ => {}
        }
    }
}
