//! One file per command: gather, judge, render. And the only mapping from results to exit codes.

pub mod authz_check;
pub mod explain;
pub mod lint;
pub mod options;
pub mod pcap_verify;
pub mod progress;
pub mod tls_check;

use crate::cli::{Cli, Colour, Command};
use crate::render::{Format, Style, render};
use crate::report::Report;
use anyhow::{Context, Result, bail};
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::io::{self, Read, Write};

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
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, io),
    };
    let result = match &cli.command {
        Command::TlsCheck(args) => tls_check::run(args, cli.color, io),
        Command::PcapVerify(args) => pcap_verify::run(args, cli.color, io),
        Command::AuthzCheck(args) => authz_check::run(args, cli.color, io),
        Command::Lint(args) => lint::run(args, cli.color, io),
        Command::Explain(args) => explain::run(args, cli.color, io),
        Command::Completion(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "meshctl", &mut script);
            io.stdout.write_all(&script).map(|()| Exit::Clean).map_err(Into::into)
        }
    };
    let flushed = result.and_then(|exit| io.stdout.flush().map(|()| exit).map_err(Into::into));
    flushed.unwrap_or_else(|error| {
        if is_closed_pipe(&error) {
            return Exit::Clean;
        }
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

/// A reader that went away (`| head`) is no error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

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
    Ok(outputs)
}

/// Whether standard output is coloured.
fn coloured(colour: Colour, io: &Io<'_>) -> bool {
    match colour {
        Colour::Auto => io.colour,
        Colour::Always => true,
        Colour::Never => false,
    }
}

/// Writes a report in every format that was asked for.
///
/// # Errors
/// A file that cannot be written, or a closed pipe.
pub fn write(report: &dyn Report, outputs: &[Output], colour: Colour, io: &mut Io<'_>) -> Result<()> {
    for output in outputs {
        match &output.path {
            Some(path) => {
                let file = std::fs::File::create(path).with_context(|| format!("could not write {path}"))?;
                let mut file = io::BufWriter::new(file);
                let style = Style { width: None, colour: colour == Colour::Always };
                render(report, output.format, style, &mut file)
                    .and_then(|()| file.flush())
                    .with_context(|| format!("could not write {path}"))?;
            }
            None => {
                let colour = coloured(colour, io);
                let mut out = io::BufWriter::with_capacity(1 << 16, &mut *io.stdout);
                render(report, output.format, Style { width: io.width, colour }, &mut out)?;
                out.flush()?;
            }
        }
    }
    Ok(())
}
