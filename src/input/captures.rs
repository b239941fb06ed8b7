//! Opens captures: files, pipes and standard input, unpacked and read ahead in a thread.
//!
//! At most four blocks are under way, so that unpacking and the copying out of the system go on while the
//! other side works, and a compressed file is never in memory as a whole. Where the reading blocks (a pipe that stays
//! silent) and the user ends the run, the blocked thread is left to the end of the process.

use super::unpack::{self, Unpacked};
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

/// Bytes of a block: 256 KiB took no more time than 1 MiB, and four of them fit into a cache.
const BLOCK: usize = 1 << 18;

/// Blocks under way; one more is being filled and one being read.
const AHEAD: usize = 2;

/// How often a wait looks whether the user has ended it.
const GLANCE: Duration = Duration::from_millis(50);

/// What the thread hands over.
enum Sent {
    /// A block, and how many bytes of it count.
    Block(Vec<u8>, usize),
    /// The end: what went wrong before it, and the digest of the raw bytes.
    End(Option<String>, Option<String>),
}

/// A capture that is being read: its bytes, unpacked, as a [`BufRead`] that hands out large blocks.
#[derive(Debug)]
pub struct Input {
    blocks: Receiver<Sent>,
    spent: Sender<Vec<u8>>,
    block: Vec<u8>,
    at: usize,
    end: usize,
    /// Blocks taken since the user ended the run.
    late: usize,
    state: State,
    raw: Arc<AtomicU64>,
    size: Option<u64>,
    stop: Arc<AtomicBool>,
}

#[derive(Debug)]
enum State {
    Reading,
    /// The user ended it before the source did.
    Stopped,
    /// At the end, with what went wrong (handed out once) and the digest.
    Ended(Option<String>, Option<String>),
}

/// Opens a path, `-` being standard input. `digest`: also compute the SHA-256 of the file's bytes. When `stop` becomes
/// true the data end there.
///
/// # Errors
/// In words, without the path.
pub fn open(path: &str, digest: bool, stop: &Arc<AtomicBool>) -> Result<Input, String> {
    if path == "-" {
        return start(|| Ok(io::stdin()), None, digest, stop);
    }
    let path = Path::new(path).to_owned();
    let metadata = std::fs::metadata(&path).map_err(|error| words(&error))?;
    if metadata.is_dir() {
        return Err("it is a folder: name the capture files in it".to_owned());
    }
    if metadata.is_file() {
        let file = File::open(&path).map_err(|error| words(&error))?;
        return start(move || Ok(file), Some(metadata.len()), digest, stop);
    }
    // A named pipe without a writer blocks in `open`: in the thread, where the user can leave it.
    start(move || File::open(&path), None, digest, stop)
}

/// Reads ahead of any source.
///
/// # Errors
/// No thread can be started.
pub fn from_reader(source: impl Read + Send + 'static, digest: bool, stop: &Arc<AtomicBool>) -> Result<Input, String> {
    start(move || Ok(source), None, digest, stop)
}

fn start<R: Read>(
    open: impl FnOnce() -> io::Result<R> + Send + 'static,
    size: Option<u64>,
    digest: bool,
    stop: &Arc<AtomicBool>,
) -> Result<Input, String> {
    let (send, blocks) = sync_channel(AHEAD);
    let (spent, empty) = channel();
    let raw = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&raw);
    let run = move || {
        let (problem, digest) = match open() {
            Ok(source) => pump(Raw::new(source, counter, digest), size.is_some(), &send, &empty),
            Err(error) => (Some(words(&error)), None),
        };
        let _ = send.send(Sent::End(problem, digest));
    };
    std::thread::Builder::new()
        .name("capture".to_owned())
        .spawn(run)
        .map_err(|error| format!("could not start a thread: {error}"))?;
    Ok(Input {
        blocks,
        spent,
        block: Vec::new(),
        at: 0,
        end: 0,
        late: 0,
        state: State::Reading,
        raw,
        size,
        stop: Arc::clone(stop),
    })
}

impl Input {
    /// Bytes read so far, before unpacking; for a display of progress.
    #[must_use]
    pub fn progress(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.raw)
    }

    /// Size of the file in bytes, if it is a regular one.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Whether the user ended the reading before the source did.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(self.state, State::Stopped)
    }

    /// Reads what is left, so that the digest is that of the whole file, and gives it in hex: `None` where it was not
    /// asked for, or the user ended the reading.
    pub fn finish(&mut self) -> Option<String> {
        loop {
            match self.fill_buf() {
                Ok([]) => break,
                Ok(block) => {
                    let length = block.len();
                    self.consume(length);
                }
                Err(_) => {}
            }
        }
        match &self.state {
            State::Ended(_, digest) => digest.clone(),
            State::Reading | State::Stopped => None,
        }
    }

    /// Waits for the next block, or the end.
    #[cold]
    fn next_block(&mut self) {
        while matches!(self.state, State::Reading) {
            let stopped = self.stop.load(Ordering::Relaxed);
            // What a pipe has delivered is read although the user ended the run: it is a few blocks at most.
            let sent = if stopped {
                self.late += 1;
                if self.late > AHEAD + 1 {
                    Err(RecvTimeoutError::Timeout)
                } else {
                    self.blocks.recv_timeout(Duration::ZERO)
                }
            } else {
                self.blocks.recv_timeout(GLANCE)
            };
            match sent {
                Ok(Sent::Block(block, length)) => {
                    let _ = self.spent.send(std::mem::replace(&mut self.block, block));
                    (self.at, self.end) = (0, length);
                    return;
                }
                Ok(Sent::End(problem, digest)) => self.state = State::Ended(problem, digest),
                Err(RecvTimeoutError::Timeout) if stopped => self.state = State::Stopped,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.state = State::Ended(Some("the reading ended unexpectedly".to_owned()), None);
                }
            }
        }
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.end {
            self.next_block();
        }
        if self.at >= self.end
            && let State::Ended(problem, _) = &mut self.state
            && let Some(problem) = problem.take()
        {
            return Err(io::Error::other(problem));
        }
        Ok(self.block.get(self.at..self.end).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.end);
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut block = self.fill_buf()?;
        let length = block.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

/// Fills blocks until the source ends, fails, or nobody wants more. What was read before a failure is handed over.
/// A file gives full blocks; a pipe gives what it has, so that no frame waits here for others.
fn pump<R: Read>(
    raw: Raw<R>,
    full: bool,
    send: &SyncSender<Sent>,
    empty: &Receiver<Vec<u8>>,
) -> (Option<String>, Option<String>) {
    let mut source = unpack::open(raw);
    let problem = loop {
        let mut block = empty.try_recv().unwrap_or_default();
        block.resize(BLOCK, 0);
        let (length, outcome) = fill(&mut source, &mut block, full);
        if length > 0 && send.send(Sent::Block(block, length)).is_err() {
            return (None, None);
        }
        match outcome {
            Ok(true) => {}
            Ok(false) => break None,
            Err(error) => break Some(words(&error)),
        }
    };
    (problem, source.into_raw().digest())
}

/// Fills a block, or takes one piece of a pipe; false: the source is at its end.
fn fill<R: Read>(source: &mut Unpacked<R>, block: &mut [u8], full: bool) -> (usize, io::Result<bool>) {
    let mut length = 0;
    while let Some(room) = block.get_mut(length..).filter(|room| !room.is_empty()) {
        match source.read(room) {
            Ok(0) => return (length, Ok(false)),
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (length, Err(error)),
        }
        if !full && length > 0 {
            break;
        }
    }
    (length, Ok(true))
}

/// The bytes as they are on disk: counted, and digested where that is asked for.
pub struct Raw<R> {
    source: R,
    count: Arc<AtomicU64>,
    digest: Option<ring::digest::Context>,
}

impl<R: Read> Raw<R> {
    fn new(source: R, count: Arc<AtomicU64>, digest: bool) -> Self {
        Self { source, count, digest: digest.then(|| ring::digest::Context::new(&ring::digest::SHA256)) }
    }

    /// Reads to the end (an unpacker may have stopped before) and gives the digest in hex.
    fn digest(mut self) -> Option<String> {
        self.digest.as_ref()?;
        let mut rest = vec![0; 1 << 16];
        loop {
            match self.read(&mut rest) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        let digest = self.digest?.finish();
        Some(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl<R: Read> Read for Raw<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.count.fetch_add(length as u64, Ordering::Relaxed);
        if let (Some(digest), Some(bytes)) = (&mut self.digest, buffer.get(..length)) {
            digest.update(bytes);
        }
        Ok(length)
    }
}

/// An error of the system in plain words.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder: name the capture files in it".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn never() -> Arc<AtomicBool> {
        Arc::new(AtomicBool::new(false))
    }

    fn all(input: &mut Input) -> (Vec<u8>, Option<String>) {
        let mut bytes = Vec::new();
        let problem = input.read_to_end(&mut bytes).err().map(|error| error.to_string());
        (bytes, problem)
    }

    fn read(bytes: Vec<u8>) -> (Vec<u8>, Option<String>) {
        all(&mut from_reader(io::Cursor::new(bytes), false, &never()).unwrap())
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8 & 0x3f
        };
        (0..length).map(|_| next()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn plain_bytes_arrive_as_they_are() {
        for length in [0, 1, 5, BLOCK, 3 * BLOCK + 7] {
            let bytes = noise(length);
            assert_eq!(read(bytes.clone()), (bytes, None));
        }
    }

    #[test]
    fn members_of_gzip_and_frames_of_zstd_are_joined() {
        let (one, two) = (noise(700_000), noise(2_000_000));
        let both = [one.clone(), two.clone()].concat();
        assert_eq!(read([gzip(&one), gzip(&two)].concat()), (both.clone(), None));
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..]].concat();
        assert_eq!(read([skippable.clone(), zstd(&one), skippable, zstd(&two)].concat()), (both, None));
    }

    #[test]
    fn a_cut_archive_hands_over_what_came_before_and_says_so() {
        let bytes = noise(3_000_000);
        for packed in [gzip(&bytes), zstd(&bytes)] {
            let cut = packed[..packed.len() / 2].to_vec();
            let (out, problem) = read(cut);
            assert!(problem.is_some());
            assert!(out.len() > 1_000_000, "{}", out.len());
            assert!(bytes.starts_with(&out));
        }
    }

    #[test]
    fn what_only_begins_like_an_archive_is_a_problem_and_no_panic() {
        for magic in [&[0x1f, 0x8b][..], &[0x28, 0xb5, 0x2f, 0xfd], &[0x50, 0x2a, 0x4d, 0x18]] {
            for length in 0..40 {
                let _ = read([magic, &noise(length)].concat());
            }
        }
    }

    #[test]
    fn the_digest_is_that_of_the_raw_file_also_when_the_reading_stopped_early() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pcap.gz");
        let packed = gzip(&noise(5_000_000));
        std::fs::write(&path, &packed).unwrap();
        let mut input = open(path.to_str().unwrap(), true, &never()).unwrap();
        assert_eq!(input.size(), Some(packed.len() as u64));
        let mut some = [0; 100];
        input.read_exact(&mut some).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, &packed);
        let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(input.finish(), Some(hex));
        assert_eq!(input.progress().load(Ordering::Relaxed), packed.len() as u64);
    }

    #[test]
    fn a_silent_pipe_ends_when_the_user_says_so() {
        struct Silent;
        impl Read for Silent {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                std::thread::sleep(Duration::from_secs(3600));
                Ok(0)
            }
        }
        let stop = never();
        let mut input = from_reader(Silent, true, &stop).unwrap();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(all(&mut input), (Vec::new(), None));
        assert_eq!(input.finish(), None);
        assert!(input.is_stopped());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        std::fs::write(&path, vec![7; 8 * BLOCK]).unwrap();
        let mut input = open(path.to_str().unwrap(), false, &stop).unwrap();
        assert!(all(&mut input).0.len() < 8 * BLOCK && input.is_stopped());
        let mut input = open(path.to_str().unwrap(), false, &never()).unwrap();
        assert!(all(&mut input).0.len() == 8 * BLOCK && !input.is_stopped());
    }

    #[test]
    fn what_cannot_be_opened_is_said_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        assert!(open(path, false, &never()).unwrap_err().contains("folder"));
        assert_eq!(open(&format!("{path}/none"), false, &never()).unwrap_err(), "it does not exist");
    }
}
