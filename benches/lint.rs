//! How long `lint` takes, and how much memory, on a repository that it generates: `cargo bench --bench lint -- --help`.
//!
//! The program is measured as a child process, as CI runs it; beside it plain loads of the same files by YAML libraries
//! of other languages, which check nothing. Nothing here fails on a time.
// A benchmark prints, and ends where the machine lets it down.
#![allow(clippy::print_stdout, clippy::expect_used)]

mod manifests;

use clap::Parser;
use meshctl::input::files;
use meshctl::lint;
use meshctl::model::{self, Options};
use meshctl::mtls::check::check;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Measures meshctl lint on generated manifests.
#[derive(Parser)]
struct Arguments {
    /// Files of the repository
    #[arg(long, default_value_t = 5000)]
    files: usize,
    /// How often each thing is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Write the files to a folder, and measure nothing
    #[arg(long)]
    write: Option<PathBuf>,
    /// The program to measure instead of the one that was built with this
    #[arg(long)]
    program: Option<PathBuf>,
    /// Sizes to measure, as multiples of the repository
    #[arg(long, value_delimiter = ',', default_value = "0.1,1")]
    scales: Vec<f64>,
    /// `cargo bench` passes this
    #[arg(long, hide = true)]
    bench: bool,
}

/// Loads every document of every file below a folder with PyYAML, by libyaml where it is built in.
const PYTHON: &str = "import os, sys, yaml
loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
count = 0
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), 'rb') as file:
            count += sum(1 for _ in yaml.load_all(file, Loader=loader))
print(yaml.__version__, loader.__name__, count)
";

/// The same with Go's YAML library.
const GO: &str = "package main

import (
	\"bytes\"
	\"fmt\"
	\"io/fs\"
	\"os\"
	\"path/filepath\"

	\"go.yaml.in/yaml/v3\"
)

func main() {
	count := 0
	filepath.WalkDir(os.Args[1], func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		for {
			var value any
			if decoder.Decode(&value) != nil {
				return nil
			}
			count++
		}
	})
	fmt.Println(count)
}
";

fn main() {
    let arguments = Arguments::parse();
    if let Some(folder) = &arguments.write {
        let written = manifests::write(folder, arguments.files).expect("the files could not be written");
        println!("{written} in {}", folder.display());
        return;
    }
    let program = arguments.program.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_meshctl")));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores, best of {} rounds; the machine's load was {}", arguments.rounds, load());
    println!("{:<44} {:>9} {:>9} {:>9} {:>9}", "", "best", "median", "cpu", "peak");
    for scale in &arguments.scales {
        let files = (arguments.files as f64 * scale).round() as usize;
        measure(&program, files.max(1), arguments.rounds);
    }
}

/// How many threads wanted to run in the last minute: figures of a busy machine say little.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("not known").to_owned()
}

fn measure(program: &Path, files: usize, rounds: usize) {
    let folder = tempfile::tempdir().expect("no temporary folder");
    let root = folder.path().join("manifests");
    let written = manifests::write(&root, files).expect("the files could not be written");
    println!("{written}");
    let path = root.to_string_lossy().into_owned();
    let lint = |path: &str, times| {
        let run = || child(Command::new(program).args(["lint", path])).expect("meshctl did not run");
        Runs::of(rounds, times, run)
    };
    let all = lint(&path, 1);
    line("meshctl lint", &all);
    println!("  {} bytes of findings", all.written);
    phases(&path, rounds);
    let one = root.join(manifests::ONE).to_string_lossy().into_owned();
    line("meshctl lint, one file (10 runs in a row)", &lint(&one, 10));
    let python = || child(Command::new("python3").args(["-c", PYTHON, &path])).ok().filter(|run| run.success);
    peer("PyYAML, load only", rounds, python);
    match go(folder.path()) {
        Some(binary) => peer("Go yaml/v3, load only", rounds, || child(Command::new(&binary).arg(&path)).ok()),
        None => println!("{:<44} not here", "Go yaml/v3, load only"),
    }
}

/// Where the time of the run above goes, measured within this process.
fn phases(path: &str, rounds: usize) {
    if cfg!(debug_assertions) {
        return;
    }
    let mut best = [Duration::MAX; 5];
    for _ in 0..rounds {
        let mut at = 0;
        let mut lap = Instant::now();
        let mut step = || {
            if let Some(slot) = best.get_mut(at) {
                *slot = (*slot).min(lap.elapsed());
            }
            (at, lap) = (at + 1, Instant::now());
        };
        let gathered = files::gather(&[path.to_owned()], &mut std::io::empty()).expect("the files could not be read");
        step();
        let mesh = model::load(gathered.sources, Options::default());
        step();
        let matrix = check(&mesh);
        step();
        let causes = lint::Lint::new(&matrix).causes.len();
        step();
        let findings = lint::run(&matrix).len();
        step();
        std::hint::black_box((causes, findings));
    }
    // A run of the rules looks for the causes itself.
    let [read, load, judge, causes, run] = best;
    let rules = run.saturating_sub(causes);
    for (name, time) in [
        ("read the files", read),
        ("parse and index", load),
        ("judge every edge", judge),
        ("find what causes conflicts", causes),
        ("rules, and what fails because of each finding", rules),
    ] {
        println!("  {name:<46} {:>5.1} ms", time.as_secs_f64() * 1000.0);
    }
}

fn peer(name: &str, rounds: usize, mut run: impl FnMut() -> Option<Child>) {
    if run().is_none() {
        println!("{name:<44} not here");
        return;
    }
    line(name, &Runs::of(rounds.min(3), 1, || run().expect("it ran a moment ago")));
}

/// Builds the Go program, where Go and its YAML library are on this machine; nothing is downloaded.
fn go(folder: &Path) -> Option<PathBuf> {
    let source = folder.join("peer");
    std::fs::create_dir_all(&source).ok()?;
    std::fs::write(source.join("main.go"), GO).ok()?;
    std::fs::write(source.join("go.mod"), "module peer\n\ngo 1.22\n\nrequire go.yaml.in/yaml/v3 v3.0.3\n").ok()?;
    let mut build = Command::new("go");
    build.args(["build", "-mod=mod", "-o", "peer", "."]).current_dir(&source);
    build.env("GOPROXY", "off").env("GOSUMDB", "off");
    let built = build.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?.success();
    built.then(|| source.join("peer"))
}

/// One run of a program.
struct Child {
    wall: Duration,
    cpu: Option<Duration>,
    peak: Option<usize>,
    written: usize,
    success: bool,
}

/// Runs a program, reading all of its output. The kernel forgets the high-water mark of its memory when it ends: a watcher
/// asks for it every few milliseconds, and it is asked for whenever output comes.
fn child(command: &mut Command) -> std::io::Result<Child> {
    let before = children();
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let watcher = std::thread::spawn({
        let status = status.clone();
        move || {
            let mut peak = None;
            while stopped
                .recv_timeout(Duration::from_millis(5))
                .is_err_and(|e| e == std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                peak = high_water(&status).max(peak);
            }
            peak
        }
    });
    let (mut written, mut peak) = (0, None);
    if let Some(mut output) = child.stdout.take() {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = output.read(&mut buffer)?;
            peak = high_water(&status).max(peak);
            if count == 0 {
                break;
            }
            written += count;
        }
    }
    let ended = child.wait()?;
    let wall = start.elapsed();
    let cpu = before.zip(children()).map(|(before, after)| after.saturating_sub(before));
    drop(stop);
    let peak = watcher.join().unwrap_or(None).max(peak);
    Ok(Child { wall, cpu, peak, written, success: ended.success() })
}

fn high_water(status: &str) -> Option<usize> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<usize>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Processor time of all children that have ended, in the kernel's hundredths of a second.
fn children() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program stands in brackets and may hold spaces; cutime and cstime are the 16th and 17th field.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<u64> = fields.split_whitespace().skip(13).take(2).filter_map(|field| field.parse().ok()).collect();
    Some(Duration::from_millis(fields.iter().sum::<u64>() * 10))
}

/// Several measurements; each of a number of runs, of which times are the mean.
struct Runs {
    walls: Vec<Duration>,
    cpu: Option<Duration>,
    peak: Option<usize>,
    written: usize,
}

impl Runs {
    fn of(rounds: usize, times: u32, mut run: impl FnMut() -> Child) -> Self {
        let mut runs = Self { walls: Vec::new(), cpu: None, peak: None, written: 0 };
        for _ in 0..rounds {
            let all: Vec<Child> = (0..times).map(|_| run()).collect();
            runs.walls.push(all.iter().map(|child| child.wall).sum::<Duration>() / times);
            let cpu = all.iter().map(|child| child.cpu).sum::<Option<Duration>>().map(|cpu| cpu / times);
            runs.cpu = runs.cpu.into_iter().chain(cpu).min();
            runs.peak = all.iter().map(|child| child.peak).max().flatten().max(runs.peak);
            runs.written = all.iter().map(|child| child.written).max().unwrap_or(0);
        }
        runs.walls.sort_unstable();
        runs
    }
}

fn line(name: &str, runs: &Runs) {
    let time = |time: Option<Duration>| time.map_or("-".to_owned(), |t| format!("{:.1} ms", t.as_secs_f64() * 1000.0));
    let (best, median) = (runs.walls.first().copied(), runs.walls.get(runs.walls.len() / 2).copied());
    let peak = runs.peak.map_or("-".to_owned(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6));
    println!("{name:<44} {:>9} {:>9} {:>9} {peak:>9}", time(best), time(median), time(runs.cpu));
}
