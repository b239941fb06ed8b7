//! Numbers and options of pcapng blocks, in the byte order of their section.

/// The bytes of a block's body, with the byte order of its section.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Most significant byte first.
    pub big: bool,
}

impl<'a> Body<'a> {
    /// A number of two bytes at an offset.
    #[inline]
    pub fn u16(self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    /// A number of four bytes at an offset.
    #[inline]
    pub fn u32(self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// A number of eight bytes at an offset.
    pub fn u64(self, at: usize) -> Option<u64> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    /// The options that begin at an offset: code and value each, up to the end mark, the end of the block, or the first
    /// that reaches beyond it.
    pub fn options(self, mut at: usize) -> impl Iterator<Item = (u16, Body<'a>)> {
        std::iter::from_fn(move || {
            let code = self.u16(at)?;
            let length = usize::from(self.u16(at + 2)?);
            if code == 0 {
                return None;
            }
            let bytes = self.bytes.get(at + 4..at + 4 + length)?;
            at += 4 + length.next_multiple_of(4);
            Some((code, Body { bytes, big: self.big }))
        })
    }
}
