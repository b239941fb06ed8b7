//! The bytes of a capture as its reader wants them: so many at once, without a copy wherever they lie in one block.

use std::io::BufRead;

/// Why fewer bytes are there than were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// How many there are.
    pub have: usize,
    /// What the source reported, where it did not simply end.
    pub error: Option<String>,
}

/// Looks into the blocks of a [`BufRead`]; only what straddles two blocks is copied.
#[derive(Debug)]
pub struct Window<R> {
    source: R,
    /// The bytes looked at so far, where they do not lie in one block; empty: they do.
    carry: Vec<u8>,
    /// Bytes that are known to be left of the source's block: asking it is dear when done for every record.
    left: usize,
    error: Option<String>,
}

/// Room that the copied bytes keep between two uses.
const KEPT: usize = 1 << 18;

impl<R: BufRead> Window<R> {
    /// Looks into a source.
    pub fn new(source: R) -> Self {
        Self { source, carry: Vec::new(), left: 0, error: None }
    }

    /// The next `length` bytes; they stay until [`Window::consume`].
    ///
    /// # Errors
    /// The source ends before.
    #[inline]
    pub fn need(&mut self, length: usize) -> Result<(), Short> {
        if self.carry.is_empty() && (self.left >= length || self.block().len() >= length) {
            return Ok(());
        }
        self.gather(length)
    }

    /// The bytes that [`Window::need`] said are there.
    #[inline]
    pub fn view(&mut self, length: usize) -> &[u8] {
        let bytes = match self.carry.as_slice() {
            [] if self.error.is_some() => &[],
            [] => self.source.fill_buf().unwrap_or_default(),
            carry => carry,
        };
        bytes.get(..length).unwrap_or_default()
    }

    /// Passes over bytes that were viewed.
    #[inline]
    pub fn consume(&mut self, length: usize) {
        if self.carry.is_empty() {
            self.source.consume(length);
            self.left = self.left.saturating_sub(length);
            return;
        }
        self.carry.drain(..length.min(self.carry.len()));
        if self.carry.capacity() > KEPT && self.carry.is_empty() {
            self.carry = Vec::new();
        }
    }

    /// The rest of the current block, or the next one; empty at the end and after an error.
    #[inline]
    fn block(&mut self) -> &[u8] {
        if self.error.is_some() {
            return &[];
        }
        // A signal that interrupts the reading is no error; `BufRead` leaves that to its callers.
        loop {
            match self.source.fill_buf() {
                Ok(block) => {
                    self.left = block.len();
                    break;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.error = Some(error.to_string());
                    self.left = 0;
                    return &[];
                }
            }
        }
        self.source.fill_buf().unwrap_or_default()
    }

    /// Copies what lies in several blocks, never more than was asked for: memory follows the bytes that arrive, not
    /// what a header promises.
    #[cold]
    fn gather(&mut self, length: usize) -> Result<(), Short> {
        while self.carry.len() < length {
            let missing = length - self.carry.len();
            let mut carry = std::mem::take(&mut self.carry);
            let block = self.block();
            let taken = block.len().min(missing);
            carry.extend_from_slice(block.get(..taken).unwrap_or_default());
            self.carry = carry;
            if taken == 0 {
                return Err(Short { have: self.carry.len(), error: self.error.clone() });
            }
            self.source.consume(taken);
            self.left -= taken;
        }
        Ok(())
    }
}
