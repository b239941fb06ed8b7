//! `meshctl explain`: from a code or a symptom to cause and repair.

use super::{Exit, Io};
use crate::cli::Explain;
use crate::explain::{Meaning, failure_text, find, index};
use anyhow::{Result, bail};

/// Runs the command.
///
/// # Errors
/// A text that no code is known for.
pub fn run(args: &Explain, io: &mut Io<'_>) -> Result<Exit> {
    let text = args.what.join(" ");
    if text.trim().is_empty() {
        write!(io.stdout, "{}", index())?;
        return Ok(Exit::Clean);
    }
    match find(&text) {
        Some(Meaning::Finding(_, page)) => write!(io.stdout, "{page}")?,
        Some(Meaning::Failures(infos)) => {
            if infos.len() > 1 {
                writeln!(io.stdout, "{} failures look like that; tls-check --why tells which it is.\n", infos.len())?;
            }
            for (at, info) in infos.iter().enumerate() {
                write!(io.stdout, "{}{}", if at > 0 { "\n" } else { "" }, failure_text(info))?;
            }
        }
        None => bail!("nothing is known of {text:?}; meshctl explain without a word lists all codes"),
    }
    Ok(Exit::Clean)
}
