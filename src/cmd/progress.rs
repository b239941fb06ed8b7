//! How far the reading is, on a terminal, for inputs that take more than a second.

use crate::capture::words::size;
use std::io::Write;
use std::time::{Duration, Instant};

/// Nothing is shown before.
const PATIENCE: Duration = Duration::from_secs(1);

/// Time between two lines.
const PAUSE: Duration = Duration::from_millis(200);

/// A line on standard error that is overwritten, and erased at the end.
pub struct Progress<'a> {
    out: Option<&'a mut dyn Write>,
    total: Option<u64>,
    begun: Instant,
    next: Duration,
    shown: bool,
}

impl<'a> Progress<'a> {
    /// Progress over `total` bytes, where that is known. Without a terminal it is silent.
    pub fn new(out: &'a mut dyn Write, is_terminal: bool, total: Option<u64>) -> Self {
        let total = total.filter(|total| *total > 0);
        Self { out: Some(out).filter(|_| is_terminal), total, begun: Instant::now(), next: PATIENCE, shown: false }
    }

    /// `done` bytes are read. To be called every megabyte or so: it looks at the clock.
    pub fn at(&mut self, done: u64) {
        if self.out.is_some() {
            self.at_time(done, self.begun.elapsed());
        }
    }

    fn at_time(&mut self, done: u64, elapsed: Duration) {
        let Some(out) = self.out.as_mut().filter(|_| elapsed >= self.next) else { return };
        self.next = elapsed + PAUSE;
        self.shown = true;
        // Progress that cannot be written is not worth ending the run for.
        let _ = write!(out, "\r\x1b[K{}", line(done, self.total, elapsed)).and_then(|()| out.flush());
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(out) = self.out.as_mut().filter(|_| self.shown) {
            let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
        }
    }
}

/// `412 MiB of 947 MiB (43 %), 310 MiB/s, 2 s left`.
fn line(done: u64, total: Option<u64>, elapsed: Duration) -> String {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = u64::try_from(u128::from(done) * 1000 / u128::from(millis)).unwrap_or(u64::MAX);
    match total {
        Some(total) => {
            let percent = (u128::from(done) * 100 / u128::from(total)).min(100);
            let left = total.saturating_sub(done).checked_div(rate);
            let left = left.map(|left| format!(", {left} s left")).unwrap_or_default();
            format!("{} of {} ({percent} %), {}/s{left}", size(done), size(total), size(rate))
        }
        None => format!("{}, {}/s", size(done), size(rate)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_remaining_time_follow_from_bytes_and_time() {
        let mib = 1 << 20;
        let seconds = Duration::from_secs;
        assert_eq!(line(100 * mib, Some(400 * mib), seconds(2)), "100 MiB of 400 MiB (25 %), 50 MiB/s, 6 s left");
        assert_eq!(line(100 * mib, None, seconds(2)), "100 MiB, 50 MiB/s");
        assert_eq!(line(0, Some(10), Duration::ZERO), "0 B of 10 B (0 %), 0 B/s");
        // A file that grows while it is read.
        assert_eq!(line(20, Some(10), seconds(1)), "20 B of 10 B (100 %), 20 B/s, 0 s left");
    }

    #[test]
    fn it_waits_a_second_and_erases_itself() {
        let mut out = Vec::new();
        let mut progress = Progress::new(&mut out, true, None);
        progress.at_time(5, Duration::from_millis(900));
        progress.at_time(2048, Duration::from_millis(1000));
        progress.at_time(4096, Duration::from_millis(1100));
        drop(progress);
        assert_eq!(String::from_utf8(out).unwrap(), "\r\x1b[K2.0 KiB, 2.0 KiB/s\r\x1b[K");
    }

    #[test]
    fn a_short_run_and_a_pipe_show_nothing() {
        for (terminal, time) in [(true, 0), (false, 5)] {
            let mut out = Vec::new();
            let mut progress = Progress::new(&mut out, terminal, Some(1));
            progress.at_time(1, Duration::from_secs(time));
            drop(progress);
            assert!(out.is_empty());
        }
    }
}
