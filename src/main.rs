//! Hands arguments and streams to the library, and its result to the shell.

use meshctl::cmd::{Io, run};
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let terminal = stdout().is_terminal();
    let width = terminal_size::terminal_size().filter(|_| terminal).map(|(width, _)| usize::from(width.0));
    let colour = anstream::AutoStream::choice(&stdout()) != anstream::ColorChoice::Never;
    let mut io = Io {
        stdin: Box::new(stdin()),
        stdout: &mut stdout().lock(),
        stderr: &mut stderr().lock(),
        width,
        colour,
        stderr_is_terminal: stderr().is_terminal(),
    };
    ExitCode::from(run(std::env::args_os(), &mut io).code())
}
