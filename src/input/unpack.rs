//! Unpacks gzip and zstd as a stream, told by the first bytes and not by the name of the file.

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

/// Bytes that are read at once of a packed file.
const PACKED: usize = 1 << 18;

/// The source with the bytes that were looked at put back.
type Rewound<R> = Chain<Cursor<Vec<u8>>, R>;

/// A source, unpacked where it is packed.
pub enum Unpacked<R: Read> {
    /// As it is.
    Plain(Rewound<R>),
    /// gzip, of any number of members.
    Gzip(Box<MultiGzDecoder<BufReader<Rewound<R>>>>),
    /// zstd, of any number of frames.
    Zstd(Box<Zstd<BufReader<Rewound<R>>>>),
}

/// Looks at the first bytes of a source. An error here comes back at the first `read`.
pub fn open<R: Read>(mut source: R) -> Unpacked<R> {
    let mut head = Vec::new();
    // What cannot be read now cannot be read later either.
    let _ = source.by_ref().take(4).read_to_end(&mut head);
    let source = |head: Vec<u8>| Cursor::new(head).chain(source);
    match *head.as_slice() {
        [0x1f, 0x8b, ..] => {
            Unpacked::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(PACKED, source(head)))))
        }
        // A frame, or a skippable frame before one (RFC 8878 3.1).
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
            Unpacked::Zstd(Box::new(Zstd::new(BufReader::with_capacity(PACKED, source(head)))))
        }
        _ => Unpacked::Plain(source(head)),
    }
}

impl<R: Read> Unpacked<R> {
    /// The source.
    pub fn into_raw(self) -> R {
        let rewound = match self {
            Self::Plain(source) => source,
            Self::Gzip(decoder) => decoder.into_inner().into_inner(),
            Self::Zstd(decoder) => decoder.source.into_inner(),
        };
        rewound.into_inner().1
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(source) => source.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => io::Error::other("the gzip data are cut off"),
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                    io::Error::other(format!("the gzip data are damaged: {error}"))
                }
                _ => error,
            }),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

/// Decodes zstd frames one after the other. The decoder's window is limited to 128 MiB, its default: what a frame
/// header may ask for is bounded.
pub struct Zstd<S> {
    source: S,
    decoder: FrameDecoder,
    state: Frame,
    seen: bool,
}

enum Frame {
    None,
    Open,
    /// Damaged: what was decoded is handed out, then this is said, once.
    Failed(Option<String>),
}

/// The last block of a frame, raw and empty, and a checksum: ends a frame whose own end is missing. Without it the
/// decoder keeps back as much as its window, up to 8 MiB of good data.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

impl<S: BufRead> Zstd<S> {
    fn new(source: S) -> Self {
        Self { source, decoder: FrameDecoder::new(), state: Frame::None, seen: false }
    }

    /// Begins the next frame; false: there is none.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.state = Frame::Open;
                    self.seen = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = io::copy(&mut self.source.by_ref().take(u64::from(length)), &mut io::sink())?;
                    if skipped < u64::from(length) {
                        return Err(io::Error::other("the zstd data are cut off"));
                    }
                }
                Err(error) => return Err(io::Error::other(format!("the zstd data are damaged: {error}"))),
            }
        }
    }

    fn advance(&mut self) {
        let one = ruzstd::decoding::BlockDecodingStrategy::UptoBlocks(1);
        if let Err(error) = self.decoder.decode_blocks(&mut self.source, one) {
            let ended = self.source.fill_buf().is_ok_and(<[u8]>::is_empty);
            let why = if ended {
                "the zstd data are cut off".to_owned()
            } else {
                format!("the zstd data are damaged: {error}")
            };
            let one = ruzstd::decoding::BlockDecodingStrategy::UptoBlocks(1);
            let _ = self.decoder.decode_blocks(&LAST_BLOCK[..], one);
            self.state = Frame::Failed(Some(why));
        }
    }
}

impl<S: BufRead> Read for Zstd<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.seen && self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            match &mut self.state {
                Frame::Failed(why) => {
                    return why.take().map_or(Ok(0), |why| Err(io::Error::other(why)));
                }
                Frame::Open if !self.decoder.is_finished() => self.advance(),
                Frame::Open | Frame::None => {
                    if !self.begin()? {
                        return Ok(0);
                    }
                }
            }
        }
    }
}
