//! `meshctl explain`: from a code or a symptom to cause and repair.

use super::{Exit, Io, print, unless_closed};
use crate::cli::{Colour, Explain};
use crate::explain::{Meaning, failure_lines, find, index};
use crate::render::{self, Style};
use crate::report::Line;
use anyhow::{Result, bail};

/// Columns of running text.
const WIDTH: usize = 100;

/// Runs the command.
///
/// # Errors
/// A text that no code is known for.
pub fn run(args: &Explain, colour: Colour, io: &mut Io<'_>) -> Result<Exit> {
    let text = args.what.join(" ");
    if text.trim().is_empty() {
        print(io, index())?;
        return Ok(Exit::Clean);
    }
    match find(&text) {
        Some(Meaning::Finding(_, page)) => print(io, page)?,
        Some(Meaning::Failures(infos)) => {
            let mut lines = Vec::new();
            if infos.len() > 1 {
                let text = format!("{} failures look like that; tls-check --why tells which it is.", infos.len());
                lines.extend([Line::plain(0, text), Line::plain(0, "")]);
            }
            for (at, info) in infos.iter().enumerate() {
                lines.extend((at > 0).then(|| Line::plain(0, "")));
                lines.extend(failure_lines(info));
            }
            // Prose is read best in lines of about that length, in a pipe too.
            let width = io.width.map_or(WIDTH, |width| width.min(WIDTH));
            let style = Style { width: Some(width), colour: super::coloured(colour, io) };
            unless_closed(render::lines(&lines, style, io.stdout))?;
        }
        None => bail!("nothing is known of {text:?}; meshctl explain without a word lists all codes"),
    }
    Ok(Exit::Clean)
}
