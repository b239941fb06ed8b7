//! How long `tls-check` takes, and how much memory, on meshes that it generates: `cargo bench --bench mesh -- --help`.
//!
//! Nothing here fails on a time: docs/performance.md has the targets and the figures.
// A benchmark prints, and ends where the machine lets it down.
#![allow(clippy::print_stdout, clippy::expect_used)]

mod generate;
mod measure;

use clap::Parser;
use generate::{Size, generate};
use measure::{Child, Runs, Sink, child, cost, growth};
use meshctl::input::files;
use meshctl::model::{self, Mesh, Options};
use meshctl::mtls::check::{Matrix, check};
use meshctl::mtls::report::{TlsReport, View};
use meshctl::mtls::select::Filter;
use meshctl::render::{Format, Style, render};
use rayon::prelude::*;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Measures meshctl on generated meshes.
#[derive(Parser)]
struct Arguments {
    /// Services of the mesh
    #[arg(long, default_value_t = Size::TARGET.services)]
    services: usize,
    /// Pods
    #[arg(long, default_value_t = Size::TARGET.pods)]
    pods: usize,
    /// DestinationRules
    #[arg(long, default_value_t = Size::TARGET.rules)]
    rules: usize,
    /// PeerAuthentications
    #[arg(long, default_value_t = Size::TARGET.policies)]
    policies: usize,
    /// Namespaces (0: one for every twenty services)
    #[arg(long, default_value_t = 0)]
    namespaces: usize,
    /// Sizes to measure, as multiples of the mesh above
    #[arg(long, value_delimiter = ',', default_value = "0.1,1,10")]
    scales: Vec<f64>,
    /// How often each thing is measured (large meshes at most three times)
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Write the mesh to a folder, or to one file that ends in .yaml, and measure nothing
    #[arg(long)]
    write: Option<PathBuf>,
    /// `cargo bench` passes this
    #[arg(long, hide = true)]
    bench: bool,
}

/// How many workloads are written cell by cell as clients of [`SERVERS`] services: memory must not grow with them.
const CLIENTS: [u32; 2] = [250, 2000];
const SERVERS: u32 = 20;

fn main() {
    let arguments = Arguments::parse();
    let Arguments { services, pods, rules, policies, namespaces, .. } = arguments;
    let size = Size { services, pods, rules, policies, namespaces };
    if let Some(path) = &arguments.write {
        let mesh = generate(size);
        mesh.write(path).expect("the mesh could not be written");
        println!("{} objects, {} in {}", mesh.objects, megabytes(mesh.bytes()), path.display());
        return;
    }
    let mut earlier: Option<Measured> = None;
    for scale in &arguments.scales {
        let rounds = if *scale > 2.0 { arguments.rounds.min(3) } else { arguments.rounds };
        let measured = measure(size.times(*scale), *scale, rounds);
        if let Some(earlier) = &earlier {
            measured.compare(earlier);
        }
        println!();
        earlier = Some(measured);
    }
    let help = Runs::of(50, || child(program(), &["--help"]).expect("meshctl --help did not run"));
    println!("meshctl --help, 50 runs: median {}, best {}", time(help.median()), time(help.wall()));
}

/// The release binary that cargo built beside this benchmark.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_meshctl"))
}

/// The steps whose times are compared between sizes.
struct Measured {
    scale: f64,
    steps: Vec<(&'static str, Runs)>,
    child: Child,
}

impl Measured {
    /// Prints how much more each step costs than on the mesh before.
    fn compare(&self, earlier: &Self) {
        println!("  against the mesh of {}x (input grows {:.1} times):", earlier.scale, self.scale / earlier.scale);
        for ((name, now), (_, before)) in self.steps.iter().zip(&earlier.steps) {
            let cpus = now.cpu().zip(before.cpu()).filter(|(_, before)| *before > measure::TICK);
            let cpu = cpus.map_or("-".to_owned(), |(now, before)| ratio(now, before));
            println!("    {name:<34} wall {:>6}  cpu {cpu:>6}", ratio(now.wall(), before.wall()));
        }
        let peaks = self.child.peak.zip(earlier.child.peak);
        let peak = peaks.map_or("-".to_owned(), |(now, before)| format!("{:.1}x", now as f64 / before as f64));
        println!(
            "    {:<34} wall {:>6}  peak memory {peak}",
            "the program",
            ratio(self.child.wall, earlier.child.wall)
        );
    }
}

/// Measures one mesh, printing as it goes.
fn measure(size: Size, scale: f64, rounds: usize) -> Measured {
    let folder = tempfile::tempdir().expect("no temporary folder");
    let (objects, bytes) = {
        let generated = generate(size);
        generated.write(folder.path()).expect("the mesh could not be written");
        (generated.objects, generated.bytes())
    };
    let Size { services, pods, rules, policies, .. } = size;
    println!("{scale}x: {services} services, {pods} pods, {rules} rules, {policies} policies");
    println!(
        "  {objects} objects, {}, {} bytes an object; {} threads, best of {rounds}",
        megabytes(bytes),
        bytes / objects,
        rayon::current_num_threads()
    );
    println!("  {:<36} {:>9} {:>9} {:>9}", "", "best", "median", "cpu");
    limits(folder.path(), rounds);
    let typed = [folder.path().to_string_lossy().into_owned()];
    let (mut reading, mut loading, mut judging, mut freeing) =
        (Runs::default(), Runs::default(), Runs::default(), Runs::default());
    let mut steps = Vec::new();
    for round in 0..rounds {
        let (gathered, read) =
            cost(|| files::gather(&typed, &mut std::io::empty()).expect("the mesh could not be read"));
        let (mesh, load) = cost(|| model::load(gathered.sources, Options::default()));
        let (matrix, judge) = cost(|| check(&mesh));
        reading.add(read);
        loading.add(measure::Cost { wall: read.wall + load.wall, cpu: read.cpu.zip(load.cpu).map(|(a, b)| a + b) });
        judging.add(judge);
        if round + 1 == rounds {
            let described = describe(&mesh, &matrix);
            steps = vec![("read, parse and index", loading.clone()), ("engine", judging.clone())];
            line("read the files", &reading);
            for (name, runs) in &steps {
                line(name, runs);
            }
            steps.extend(rendered(&mesh, matrix, rounds));
            println!("  {described}");
        } else {
            drop(matrix);
        }
        freeing.add(cost(|| drop(mesh)).1);
    }
    line("free the mesh", &freeing);
    steps.push(("free the mesh", freeing));
    let path = folder.path().to_string_lossy();
    let run = |_| child(program(), &["tls-check", "--fail-on", "never", "-f", &path]).expect("meshctl did not run");
    let child = (0..rounds.min(3)).map(run).min_by_key(|child| child.wall).expect("no round");
    println!(
        "  the program, table to a pipe: {}, {} written, peak memory {}",
        time(child.wall),
        megabytes(child.written),
        child.peak.map_or("-".to_owned(), megabytes)
    );
    Measured { scale, steps, child }
}

/// What cannot be undercut: the bytes alone, and the parser alone.
fn limits(folder: &Path, rounds: usize) {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("no folder").map(|entry| entry.expect("no entry").path()).collect();
    paths.sort();
    let lines = Runs::of(rounds, || -> usize {
        let read = |path| std::fs::read(path).expect("a file could not be read");
        paths.iter().map(|path| read(path).iter().filter(|byte| **byte == b'\n').count()).sum()
    });
    line("limit: read, count lines (1 thread)", &lines);
    let texts: Vec<String> =
        paths.iter().map(|path| std::fs::read_to_string(path).expect("a file could not be read")).collect();
    let events = |text: &String| -> usize {
        let options = granit_parser::options! { emit_comments: false };
        let parser = granit_parser::Parser::new_from_str_with_options(text, options);
        parser.filter(|event| std::hint::black_box(event).is_ok()).count()
    };
    line("limit: parser events (all threads)", &Runs::of(rounds, || texts.par_iter().map(events).sum::<usize>()));
}

/// The grouped formats, then two numbers of cells one by one. Prints and returns the grouped ones.
fn rendered<'m>(mesh: &'m Mesh, matrix: Matrix<'m>, rounds: usize) -> Vec<(&'static str, Runs)> {
    let mut counting = Runs::default();
    let (grouped, once) = cost(|| TlsReport::new(matrix, Filter::default(), View::default()));
    counting.add(once);
    line("count the verdicts", &counting);
    let mut steps = vec![("count the verdicts", counting)];
    let mut sizes = Vec::new();
    for (name, format) in [("grouped table", Format::Table), ("grouped JSON", Format::Json)] {
        let mut bytes = 0;
        let runs = Runs::of(rounds.min(3), || bytes = write(&grouped, format));
        line(name, &runs);
        steps.push((name, runs));
        sizes.push(megabytes(bytes));
    }
    println!("    (table and JSON: {})", sizes.join(" and "));
    let mut freeing = Runs::default();
    freeing.add(cost(|| drop(grouped)).1);
    line("free the matrix", &freeing);
    steps.push(("free the matrix", freeing));
    for clients in CLIENTS {
        let (from, to) = (Some((0..clients).collect()), Some((0..SERVERS).collect()));
        let filter = Filter { from, to, ..Filter::default() };
        let report = TlsReport::new(check(mesh), filter, View { expand: true, ..View::default() });
        let cells = report.counts().total();
        let ((bytes, cost), growth) = growth(|| cost(|| write(&report, Format::Json)));
        let rate = cells as f64 / cost.wall.as_secs_f64();
        println!(
            "  --expand -o json: {cells} cells, {} in {}, {rate:.0} cells/s, memory grows {}",
            megabytes(bytes),
            time(cost.wall),
            growth.map_or("-".to_owned(), megabytes)
        );
    }
    steps
}

/// Renders into nothing; returns how many bytes.
fn write(report: &TlsReport<'_>, format: Format) -> usize {
    let mut out = BufWriter::with_capacity(1 << 16, Sink::default());
    render(report, format, Style { width: None, colour: false }, &mut out).expect("a sink takes everything");
    out.flush().expect("a sink takes everything");
    out.get_ref().bytes
}

/// What the engine had to do.
fn describe(mesh: &Mesh, matrix: &Matrix<'_>) -> String {
    let rows: usize = matrix.services.iter().map(|service| service.rows.len()).sum();
    let cells: usize = matrix.services.iter().flat_map(|service| &service.rows).map(|row| row.cells.len()).sum();
    format!(
        "{} namespaces, {} Sidecars, {} classes of clients; {rows} rows, {cells} cells in them, {} findings",
        mesh.namespaces.len(),
        mesh.sidecars.len(),
        matrix.classes.len(),
        mesh.findings.len()
    )
}

fn line(name: &str, runs: &Runs) {
    let cpu = runs.cpu().filter(|cpu| *cpu > measure::TICK).map_or("-".to_owned(), time);
    println!("  {name:<36} {:>9} {:>9} {cpu:>9}", time(runs.wall()), time(runs.median()));
}

fn time(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    if milliseconds < 10.0 { format!("{milliseconds:.2} ms") } else { format!("{milliseconds:.0} ms") }
}

fn ratio(now: Duration, before: Duration) -> String {
    format!("{:.1}x", now.as_secs_f64() / before.as_secs_f64().max(1e-9))
}

fn megabytes(bytes: usize) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
