//! `meshctl lint`: manifests in, findings out.

use super::options::options_from;
use super::settled::Settled;
use super::{Exit, Io, UNREADABLE, outputs, print, say, write};
use crate::cli::{Colour, Lint};
use crate::config;
use crate::input::{charts, files, settings};
use crate::lint;
use crate::lint::report::LintReport;
use crate::model;
use crate::model::mesh_config::Options;
use crate::mtls::check::check;
use crate::render::escape;
use crate::report::Report;
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Runs the command.
///
/// # Errors
/// What the user has to change: paths, flags, names, settings.
pub fn run(args: &Lint, colour: Colour, io: &mut Io<'_>) -> Result<Exit> {
    if args.init {
        return init(args, io);
    }
    let outputs = outputs(&args.output)?;
    let settled = Settled::new(args)?;
    if args.show_settings {
        print(io, escaped(&settled.words()))?;
        return Ok(Exit::Clean);
    }
    let exclude = settled.exclude()?;
    let listed = files::list(&args.paths, &exclude)?;
    if listed.paths.is_empty() && listed.unread.is_empty() {
        say(io, &format!("every file is left out by exclude of {}", escape(&settled.file())))?;
    }
    let patches = charts::patches(&listed.paths);
    let options = Options {
        patches: patches.keys().cloned().collect(),
        walked: listed.walked(),
        ..options_from(&settled.mesh, &args.namespace, &settled.mesh_config_place())?
    };
    if args.show_files {
        for unread in &listed.unread {
            say(io, &escape(&unread.finding().message))?;
        }
        let names = show_files(listed, &patches, options, io)?;
        print(io, escaped(&names))?;
        return Ok(Exit::Clean);
    }
    if let Some(why) = settled.hides_what_fails() {
        bail!("{why}");
    }
    let templates = charts::templates(&listed.paths);
    let gathered = files::read_all(listed, &mut *io.stdin)?;
    let mut mesh = model::load(gathered.sources, options);
    mesh.add_unread(gathered.findings);
    let matrix = check(&mesh);
    let shown = lint::judge(&matrix, &templates, &settled.settings);
    let report = LintReport::new(&mesh, shown, settled.fail_on.least());
    let exit = match (settled.fail_on.fails(report.findings()), report.is_empty() && !args.allow_empty) {
        _ if gathered.failed => Exit::Failed,
        (true, _) => Exit::Found,
        (false, true) => Exit::Nothing,
        (false, false) => Exit::Clean,
    };
    write(&report, &outputs, colour, io)?;
    if gathered.failed {
        say(io, UNREADABLE)?;
    }
    Ok(exit)
}

/// The files that are judged, one a line, and after them, as comments, those that are not, with the reason.
fn show_files(
    mut listed: files::Listed,
    patches: &BTreeMap<String, String>,
    options: Options,
    io: &mut Io<'_>,
) -> Result<String> {
    let names: Vec<String> = listed.paths.iter().map(|path| files::shown(path)).collect();
    listed.paths.retain(|path| options.walked.contains(&files::shown(path)));
    let strangers = model::load(files::read_all(listed, &mut *io.stdin)?.sources, options).strangers;
    let is_stranger = |name: &str| strangers.iter().any(|at| *at.file == *name);
    let (mut judged, mut left_out) = (String::new(), String::new());
    for name in names {
        // Only the text is fallible, and a string never is.
        let _ = match patches.get(&name) {
            Some(by) => writeln!(left_out, "# {name}: a patch of {by}, no object of its own"),
            None if is_stranger(&name) => {
                writeln!(left_out, "# {name}: does not parse, and has neither apiVersion nor kind")
            }
            None => writeln!(judged, "{name}"),
        };
    }
    Ok(judged + &left_out)
}

/// Text from outside, line by line safe for a terminal.
fn escaped(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", escape(line))).collect()
}

fn init(args: &Lint, io: &mut Io<'_>) -> Result<Exit> {
    if !args.paths.is_empty() {
        bail!("--init takes no PATH: it writes {} here, or the file that --config names", config::FILE);
    }
    let path = args.config.as_deref().unwrap_or(config::FILE);
    settings::create(Path::new(path), config::TEMPLATE)?;
    print(io, format!("wrote {}\n", escape(path)))?;
    Ok(Exit::Clean)
}
