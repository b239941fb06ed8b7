//! One file per command: gather, judge, render. And the only mapping from results to exit codes.

pub mod authz_check;
pub mod cluster;
pub mod completion;
pub mod doctor;
pub mod explain;
pub mod lint;
pub mod options;
pub mod pcap_verify;
pub mod progress;
pub mod recorded;
pub mod settled;
pub mod snapshot;
pub mod tls_check;
mod tls_compat;

use crate::cli::{Cli, Colour, Command};
use crate::render::{Format, Style, render};
use crate::report::Report;
use anyhow::{Context, Result, bail};
use clap::Parser;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// How a run ended. The numbers are the same in every format and for every command (docs/output.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Nothing that `--fail-on` names.
    Clean,
    /// Something that it names.
    Found,
    /// Usage, input or configuration error.
    Failed,
    /// Nothing to check.
    Nothing,
    /// An error of an older command that `tls-check --compat` stands in for, with that command's code.
    Old(u8),
}

impl Exit {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Found => 1,
            Self::Failed => 2,
            Self::Nothing => 3,
            Self::Old(code) => code,
        }
    }
}

/// The streams of a run, and what is known of the terminal.
pub struct Io<'a> {
    /// Standard input.
    pub stdin: Box<dyn Read + Send>,
    /// Standard output: the report.
    pub stdout: &'a mut dyn Write,
    /// Standard error: everything else.
    pub stderr: &'a mut dyn Write,
    /// Columns of the terminal that stdout is, or `None`.
    pub width: Option<usize>,
    /// Colour by default?
    pub colour: bool,
    /// Whether standard error is a terminal: only then is progress shown.
    pub stderr_is_terminal: bool,
}

/// Runs the program.
pub fn run(args: impl IntoIterator<Item = OsString>, io: &mut Io<'_>) -> Exit {
    let mut cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, io),
    };
    cli.tidy();
    let result = match &cli.command {
        Command::TlsCheck(args) => tls_check::run(args, cli.color, io),
        Command::PcapVerify(args) => pcap_verify::run(args, cli.color, io),
        Command::AuthzCheck(args) => authz_check::run(args, cli.color, io),
        Command::Lint(args) => lint::run(args, cli.color, io),
        Command::Explain(args) => explain::run(args, cli.color, io),
        Command::Snapshot(args) => snapshot::run(args, io),
        Command::Doctor(args) => doctor::run(args, cli.color, io),
        Command::Completion(args) => print(io, completion::script(args.shell)).map(|()| Exit::Clean),
        Command::Complete(args) => completion::run(args, io),
    };
    let flushed = result.and_then(|exit| Ok(unless_closed(io.stdout.flush()).map(|()| exit)?));
    flushed.unwrap_or_else(|error| {
        // What a library says of a path or a glob is text from outside too.
        let text = crate::render::escape(&format!("{error:#}")).into_owned();
        // Nothing is left to be done where stderr is closed as well.
        let _ = writeln!(io.stderr, "meshctl: {text}");
        Exit::Failed
    })
}

/// Help and version go to stdout and are no error.
fn usage(error: &clap::Error, io: &mut Io<'_>) -> Exit {
    let text = error.render();
    let (stream, exit): (&mut dyn Write, _) =
        if error.use_stderr() { (&mut *io.stderr, Exit::Failed) } else { (&mut *io.stdout, Exit::Clean) };
    let written = if io.colour { write!(stream, "{}", text.ansi()) } else { write!(stream, "{text}") };
    let _ = written.and_then(|()| stream.flush());
    exit
}

/// A reader that went away (`| head`) is no error, and changes nothing of what was found.
fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints a text that is no report.
///
/// # Errors
/// Standard output cannot be written; that nobody reads it is none.
pub fn print(io: &mut Io<'_>, text: impl AsRef<[u8]>) -> Result<()> {
    Ok(unless_closed(io.stdout.write_all(text.as_ref()))?)
}

/// Says something beside the report, on standard error.
///
/// # Errors
/// Standard error cannot be written; that nobody reads it is none.
pub fn say(io: &mut Io<'_>, text: &str) -> Result<()> {
    Ok(unless_closed(writeln!(io.stderr, "meshctl: {text}"))?)
}

/// Said where a run fails although it has a report.
pub const UNREADABLE: &str = "something in the folders could not be read (MC0001 above); the rest was judged";

/// One `-o FORMAT[=PATH]`.
#[derive(Clone, Debug)]
pub struct Output {
    format: Format,
    path: Option<String>,
}

/// Reads `-o`; nothing given: the table.
///
/// # Errors
/// An unknown format, or two of them for standard output.
pub fn outputs(typed: &[String]) -> Result<Vec<Output>> {
    let mut outputs = Vec::new();
    for one in typed {
        let (format, path) =
            one.split_once('=').map_or((&**one, None), |(format, path)| (format, Some(path.to_owned())));
        let format = format.parse().map_err(anyhow::Error::msg)?;
        outputs.push(Output { format, path: path.filter(|path| !path.is_empty() && path != "-") });
    }
    if outputs.is_empty() {
        outputs.push(Output { format: Format::Table, path: None });
    }
    if outputs.iter().filter(|output| output.path.is_none()).count() > 1 {
        bail!("only one -o can go to standard output: write the others to files, as in -o json=report.json");
    }
    let mut files = HashSet::new();
    for path in outputs.iter().filter_map(|output| output.path.as_deref()) {
        if !files.insert(identity(path)) {
            bail!("two outputs go to {path}: one would overwrite the other");
        }
    }
    Ok(outputs)
}

/// The file that a path leads to, whether it is there yet or not.
fn identity(path: &str) -> PathBuf {
    let path = Path::new(path);
    path.canonicalize().unwrap_or_else(|_| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        path.file_name().map_or_else(|| folder.clone(), |name| folder.join(name))
    })
}

/// Refuses an output that would overwrite one of the inputs.
///
/// # Errors
/// There is such a one.
pub fn keep_inputs<'a>(outputs: &[Output], inputs: impl Iterator<Item = &'a Path>) -> Result<()> {
    let written = outputs.iter().filter_map(|output| Some((identity(output.path.as_deref()?), output)));
    // A device such as /dev/null is overwritten by nothing.
    let written: HashMap<PathBuf, &Output> = written.filter(|(path, _)| path.is_file()).collect();
    if written.is_empty() {
        return Ok(());
    }
    for input in inputs {
        let output = input.canonicalize().ok().and_then(|path| written.get(&path).copied());
        if let Some(path) = output.and_then(|output| output.path.as_deref()) {
            bail!("-o would overwrite the input {path}: write to another file");
        }
    }
    Ok(())
}

/// Whether standard output is coloured.
fn coloured(colour: Colour, io: &Io<'_>) -> bool {
    match colour {
        Colour::Auto => io.colour,
        Colour::Always => true,
        Colour::Never => false,
    }
}

/// Writes a report in every format that was asked for: the files first, so that a reader of standard output that goes
/// away takes nothing from them.
///
/// # Errors
/// The first output that cannot be written; the others are.
pub fn write(report: &dyn Report, outputs: &[Output], colour: Colour, io: &mut Io<'_>) -> Result<()> {
    let mut result = Ok(());
    let (files, standard): (Vec<_>, Vec<_>) = outputs.iter().partition(|output| output.path.is_some());
    for output in files.into_iter().chain(standard) {
        let written = match &output.path {
            Some(path) => {
                let style = Style { width: None, colour: colour == Colour::Always };
                std::fs::File::create(path)
                    .and_then(|file| draw(report, output.format, style, file))
                    .with_context(|| format!("could not write {path}"))
            }
            None => {
                let style = Style { width: io.width, colour: coloured(colour, io) };
                draw(report, output.format, style, &mut *io.stdout).context("could not write to standard output")
            }
        };
        result = result.and(written);
    }
    result
}

fn draw(report: &dyn Report, format: Format, style: Style, out: impl Write) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(1 << 16, out);
    let drawn = render(report, format, style, &mut out).and_then(|()| out.flush());
    if drawn.is_err() {
        // What is left in the buffer would only be tried again.
        let _ = out.into_parts();
    }
    unless_closed(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_is_written_twice_and_no_input_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("in.yaml"), "").unwrap();
        let typed = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let (a, dotted) = (format!("json={}", path("a")), format!("sarif={}", path("./a")));
        let (b, input) = (format!("sarif={}", path("b")), format!("json={}", path("in.yaml")));
        for (all, fine) in [
            (vec![&*a, &*b], true),
            (vec![&*a, &*a], false),
            (vec![&*a, &*dotted], false),
            (vec![&*a, "table"], true),
            (vec!["json=/dev/null", "table"], true),
        ] {
            assert_eq!(outputs(&typed(&all)).is_ok(), fine, "{all:?}");
        }
        for (all, fine) in [(vec![&*a, "table"], true), (vec![&*input], false), (vec!["json=/dev/null"], true)] {
            let files = [PathBuf::from("-"), PathBuf::from(path("in.yaml")), PathBuf::from("/dev/null")];
            let outputs = outputs(&typed(&all)).unwrap();
            assert_eq!(keep_inputs(&outputs, files.iter().map(PathBuf::as_path)).is_ok(), fine, "{all:?}");
        }
    }

    /// A pipe that is closed after some bytes.
    struct Closed(usize);

    impl Write for Closed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_changes_neither_the_exit_code_nor_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let kind = "apiVersion: security.istio.io/v1\nkind: PeerAuthenticatoin\nmetadata: {name: a}\n";
        std::fs::write(path("a.yaml"), kind).unwrap();
        let dump = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        let beside = format!("json={}", path("out"));
        for (args, code) in [
            (vec!["lint", &path("a.yaml"), "-o", "table", "-o", &beside], 1),
            (vec!["lint", &path("a.yaml"), "--fail-on", "never", "-o", "sarif", "-o", &beside], 0),
            (vec!["tls-check", "-f", &path("a.yaml"), "-o", "table", "-o", &beside], 1),
            (vec!["authz-check", "-f", dump, "-o", "json", "-o", &beside], 2),
            (vec!["explain", "MC0201"], 0),
            (vec!["completion", "bash"], 0),
        ] {
            for taken in [0, 7] {
                let _ = std::fs::remove_file(path("out"));
                let mut stderr = Closed(0);
                let mut io = Io {
                    stdin: Box::new(io::empty()),
                    stdout: &mut Closed(taken),
                    stderr: &mut stderr,
                    width: None,
                    colour: false,
                    stderr_is_terminal: false,
                };
                let typed = std::iter::once("meshctl").chain(args.iter().copied()).map(Into::into);
                assert_eq!(run(typed, &mut io).code(), code, "{args:?}");
                if args.contains(&&*beside) {
                    let text = std::fs::read_to_string(path("out")).unwrap();
                    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{args:?}: {text}");
                }
            }
        }
    }
}
