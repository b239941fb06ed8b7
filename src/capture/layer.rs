//! A run of captured bytes that knows how long it was on the wire, and what it may hold.

use super::packet::Skip;

/// Captured bytes of a layer. A snap length may have cut them: `wire` says how many there were.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// As far as they were captured.
    pub bytes: &'a [u8],
    /// How many they were on the wire; never below `bytes.len()`.
    pub wire: usize,
}

impl<'a> Chunk<'a> {
    /// Bytes of which `wire` were on the wire (at least those that are here).
    #[inline]
    #[must_use]
    pub fn new(bytes: &'a [u8], wire: usize) -> Self {
        Self { bytes, wire: wire.max(bytes.len()) }
    }

    /// What follows a header of `length` bytes.
    ///
    /// # Errors
    /// The captured bytes end within the header.
    #[inline]
    pub fn after(self, length: usize) -> Result<Self, Skip> {
        match self.bytes.get(length..) {
            Some(bytes) => Ok(Self { bytes, wire: self.wire - length }),
            None => Err(Skip::CutHeader),
        }
    }

    /// What follows a header of which only the beginning has to be captured.
    #[inline]
    #[must_use]
    pub fn beyond(self, length: usize) -> Self {
        Self::new(self.bytes.get(length..).unwrap_or_default(), self.wire.saturating_sub(length))
    }

    /// The layer by its own length field: padding behind it goes, and what the capture lacks is known.
    #[inline]
    #[must_use]
    pub fn limit(self, wire: usize) -> Self {
        // A length beyond the frame's own is a lie.
        let wire = wire.min(self.wire);
        Self { bytes: self.bytes.get(..wire).unwrap_or(self.bytes), wire }
    }

    /// The capture cut it.
    #[inline]
    #[must_use]
    pub fn is_cut(self) -> bool {
        self.bytes.len() < self.wire
    }

    /// The first bytes, as many as the caller's array has.
    ///
    /// # Errors
    /// There are fewer.
    #[inline]
    pub fn head<const N: usize>(self) -> Result<&'a [u8; N], Skip> {
        self.bytes.first_chunk().ok_or(Skip::CutHeader)
    }

    /// The byte at an offset.
    ///
    /// # Errors
    /// The captured bytes end before it.
    #[inline]
    pub fn byte(self, at: usize) -> Result<u8, Skip> {
        self.bytes.get(at).copied().ok_or(Skip::CutHeader)
    }

    /// A big-endian number of two bytes at an offset.
    ///
    /// # Errors
    /// The captured bytes end before it.
    #[inline]
    pub fn be16(self, at: usize) -> Result<u16, Skip> {
        self.bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map(u16::from_be_bytes).ok_or(Skip::CutHeader)
    }

    /// A big-endian number of four bytes at an offset.
    ///
    /// # Errors
    /// The captured bytes end before it.
    #[inline]
    pub fn be32(self, at: usize) -> Result<u32, Skip> {
        self.bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map(u32::from_be_bytes).ok_or(Skip::CutHeader)
    }
}

/// What a layer carries.
#[derive(Clone, Copy, Debug)]
pub enum Next<'a> {
    /// An Ethernet frame, from its destination address on.
    Ethernet(Chunk<'a>),
    /// What an Ethernet type (IEEE 802) names.
    Type(u16, Chunk<'a>),
    /// An IP packet of the version that its first four bits say.
    Ip(Chunk<'a>),
    /// An IP payload: protocol number and bytes.
    Protocol(u8, Chunk<'a>),
}
