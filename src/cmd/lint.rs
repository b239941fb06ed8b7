//! `meshctl lint`: manifests in, findings out.

use super::cluster::{self, Ask};
use super::options::options_from;
use super::settled::Settled;
use super::{Exit, Io, Output, UNREADABLE, keep_inputs, outputs, print, recorded, say, write};
use crate::cli::{Colour, Lint};
use crate::config;
use crate::input::{charts, files, settings};
use crate::lint;
use crate::lint::report::LintReport;
use crate::model::load::Input;
use crate::model::mesh_config::Options;
use crate::model::{self, Mesh};
use crate::mtls::check::check;
use crate::render::escape;
use crate::report::Report;
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

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
    if !args.show_files
        && let Some(why) = settled.hides_what_fails()
    {
        bail!("{why}");
    }
    let read =
        if args.live { Some(from_cluster(args, &settled, io)?) } else { from_files(args, &settled, &outputs, io)? };
    let Some(Read { mesh, templates, failed }) = read else { return Ok(Exit::Clean) };
    let matrix = check(&mesh);
    let shown = lint::judge(&matrix, &templates, &settled.settings);
    let report = LintReport::new(&matrix, shown, settled.fail_on.least());
    let exit = match (settled.fail_on.fails(report.findings()), report.is_empty() && !args.allow_empty) {
        _ if failed => Exit::Failed,
        (true, _) => Exit::Found,
        (false, true) => Exit::Nothing,
        (false, false) => Exit::Clean,
    };
    write(&report, &outputs, colour, io)?;
    if failed {
        say(io, UNREADABLE)?;
    }
    Ok(exit)
}

/// What a run reads.
struct Read {
    mesh: Mesh,
    /// Templates of charts, and what is to be said of each.
    templates: BTreeMap<String, String>,
    /// Something that was named, or found, could not be read.
    failed: bool,
}

/// Reads files; with `--show-files` it names them, and nothing is left to be judged.
fn from_files(args: &Lint, settled: &Settled, outputs: &[Output], io: &mut Io<'_>) -> Result<Option<Read>> {
    let exclude = settled.exclude()?;
    let listed = files::list(&args.paths, &exclude)?;
    if listed.paths.is_empty() && listed.unread.is_empty() {
        say(io, &format!("every file is left out by exclude of {}", escape(&settled.file())))?;
    }
    let patches = charts::patches(&listed.paths);
    let walked = listed.walked();
    if args.show_files {
        for unread in &listed.unread {
            say(io, &escape(&unread.finding().message))?;
        }
        let names = show_files(listed, &patches, &walked, io)?;
        print(io, escaped(&names))?;
        return Ok(None);
    }
    keep_inputs(outputs, listed.paths.iter().map(PathBuf::as_path))?;
    let templates = charts::templates(&listed.paths);
    let gathered = files::read_all(listed, &mut *io.stdin)?;
    let mut input = Input::read(gathered.sources, &walked);
    let recorded = recorded::take(&mut input, &settled.mesh, true);
    let namespace = args.namespace.as_deref().unwrap_or("default");
    let options = Options {
        patches: patches.into_keys().collect(),
        walked,
        ..options_from(&recorded.mesh, namespace, &settled.mesh_config_place())?
    };
    let mut mesh = model::load_input(input, options);
    mesh.add_unread(gathered.findings);
    Ok(Some(Read { mesh, templates, failed: gathered.failed }))
}

fn from_cluster(args: &Lint, settled: &Settled, io: &mut Io<'_>) -> Result<Read> {
    let typed: Vec<String> = args.namespace.iter().cloned().collect();
    let (all, mesh) = (args.all_namespaces, &settled.mesh);
    let ask = Ask { args: &args.cluster, mesh, namespaces: &typed, all, more: &[], lint: true };
    let live = cluster::gather(&ask, io)?;
    let options = options_from(&live.mesh, &live.namespace, &settled.mesh_config_place())?;
    Ok(Read { mesh: model::load_input(live.input, options), templates: BTreeMap::new(), failed: false })
}

/// The files that are judged, one a line, and after them, as comments, those that are not, with the reason.
fn show_files(
    mut listed: files::Listed,
    patches: &BTreeMap<String, String>,
    walked: &BTreeSet<String>,
    io: &mut Io<'_>,
) -> Result<String> {
    let names: Vec<String> = listed.paths.iter().map(|path| files::shown(path)).collect();
    listed.paths.retain(|path| walked.contains(&files::shown(path)));
    let strangers = Input::read(files::read_all(listed, &mut *io.stdin)?.sources, walked).strangers;
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
