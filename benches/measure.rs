//! Time, processor time and memory of this process and of child processes, from `/proc`: where there is none, only the
//! wall clock is left.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The kernel brings a thread's account up to date when its turn ends, at the latest after this time: processor times
/// that are not longer mean nothing.
pub const TICK: Duration = Duration::from_millis(4);

/// What one run took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub wall: Duration,
    /// All threads, user and system.
    pub cpu: Option<Duration>,
}

/// Runs something once.
pub fn cost<T>(run: impl FnOnce() -> T) -> (T, Cost) {
    let before = cpu();
    let start = Instant::now();
    let result = run();
    let wall = start.elapsed();
    let cpu = before.zip(cpu()).map(|(before, after)| after.saturating_sub(before));
    (result, Cost { wall, cpu })
}

/// Several runs of one thing.
#[derive(Clone, Debug, Default)]
pub struct Runs(Vec<Cost>);

impl Runs {
    pub fn add(&mut self, cost: Cost) {
        self.0.push(cost);
    }

    /// Measures a thing so many times; what it returns is dropped outside of the measurement.
    pub fn of<T>(rounds: usize, mut run: impl FnMut() -> T) -> Self {
        let mut runs = Self::default();
        for _ in 0..rounds {
            let (result, one) = cost(&mut run);
            runs.add(one);
            drop(result);
        }
        runs
    }

    /// The shortest wall time: on a shared machine the others measure the neighbours.
    pub fn wall(&self) -> Duration {
        self.0.iter().map(|cost| cost.wall).min().unwrap_or_default()
    }

    pub fn median(&self) -> Duration {
        let mut walls: Vec<Duration> = self.0.iter().map(|cost| cost.wall).collect();
        walls.sort_unstable();
        walls.get(walls.len() / 2).copied().unwrap_or_default()
    }

    /// The least processor time.
    pub fn cpu(&self) -> Option<Duration> {
        self.0.iter().filter_map(|cost| cost.cpu).min()
    }
}

/// Processor time of all threads that this process has now. Threads of a pool stay, so differences are right; nanoseconds,
/// where `/proc/self/stat` counts hundredths of a second.
fn cpu() -> Option<Duration> {
    let mut nanoseconds = 0_u64;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        nanoseconds += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanoseconds))
}

/// A field of `/proc/PID/status`, in bytes.
fn status(pid: &str, field: &str) -> Option<usize> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse::<usize>().ok().map(|kilobytes| kilobytes * 1024)
}

/// By how many bytes the resident memory of this process rises above what it is now, at its highest, while something runs.
pub fn growth<T>(run: impl FnOnce() -> T) -> (T, Option<usize>) {
    // 5: sets the high-water mark back to what is resident now (proc(5)).
    let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = status("self", "VmRSS").filter(|_| reset);
    let result = run();
    let growth = before.zip(status("self", "VmHWM")).map(|(before, after)| after.saturating_sub(before));
    (result, growth)
}

/// What a run of a program took, and how much memory at its highest.
pub struct Child {
    pub wall: Duration,
    /// Bytes that it wrote to standard output.
    pub written: usize,
    pub peak: Option<usize>,
}

/// Runs a program, reading all of its output.
///
/// The kernel forgets the high-water mark when the program ends, so it is looked at whenever output comes: a report is
/// written last, when everything is in memory.
pub fn child(program: &Path, arguments: &[&str]) -> std::io::Result<Child> {
    let start = Instant::now();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let pid = child.id().to_string();
    let (mut written, mut peak) = (0, None);
    if let Some(mut output) = child.stdout.take() {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = output.read(&mut buffer)?;
            peak = status(&pid, "VmHWM").max(peak);
            if count == 0 {
                break;
            }
            written += count;
        }
    }
    child.wait()?;
    Ok(Child { wall: start.elapsed(), written, peak })
}

/// Counts what is written to it, and keeps nothing.
#[derive(Default)]
pub struct Sink {
    pub bytes: usize,
}

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes += std::hint::black_box(bytes).len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
