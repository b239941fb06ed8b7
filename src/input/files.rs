//! Reads manifests: files, folders (as ripgrep walks them), globs and `-`.

use super::settings::{self, Exclude};
use crate::finding::{self, Finding, Severity};
use crate::location::{Location, Sources};
use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Endings that are read in folders.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// The most that one input may hold: memory stays bounded also on a device that never ends.
const MAX_BYTES: u64 = 1 << 30;

/// What was read: the texts, and what could not be read of them.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The texts.
    pub sources: Sources,
    /// Files that hold no text, and those that were not read at all.
    pub findings: Vec<Finding>,
    /// Was something there that could not be read? The run fails, once the rest is reported.
    pub failed: bool,
}

/// The files of a run, and what was met on the way to them.
#[derive(Debug, Default)]
pub struct Listed {
    /// Each once, in the order in which they were typed; `-` for standard input.
    pub paths: Vec<PathBuf>,
    /// Those that the user named one by one, as the file system has them.
    named: HashSet<PathBuf>,
    /// What is no file to read.
    pub unread: Vec<Unread>,
}

impl Listed {
    /// The files that nobody named, as they are shown: a folder or a glob led to them.
    #[must_use]
    pub fn walked(&self) -> BTreeSet<String> {
        let found = self.paths.iter().filter(|path| path.as_os_str() != "-" && !is_named(&self.named, path));
        found.map(|path| shown(path)).collect()
    }
}

fn is_named(named: &HashSet<PathBuf>, path: &Path) -> bool {
    !named.is_empty() && path.canonicalize().is_ok_and(|path| named.contains(&path))
}

/// Something in a folder that looks like an input and is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// What.
    pub path: PathBuf,
    /// Why, in words that follow the path.
    pub why: String,
    /// Is it there, and could not be read? Otherwise there is nothing in it that a run could miss.
    pub failed: bool,
}

impl Unread {
    /// The finding that says so.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let shown = shown(&self.path);
        let at = Location { file: shown.as_str().into(), line: 1, column: 1 };
        let (severity, help) = match self.failed {
            true => (Severity::Error, "make it readable, or leave it out of the paths that are read"),
            false => (Severity::Warning, "remove it, or leave it out of the paths that are read"),
        };
        let message = format!("{shown} {}: it was not read", self.why);
        Finding { severity, ..Finding::new(&finding::UNPARSABLE_DOCUMENT, at, message, help) }
    }
}

/// Reads every input that the user typed, in that order; a file that was read is not read again.
///
/// # Errors
/// A path that does not exist or cannot be read, a glob that matches nothing, `-` twice.
pub fn gather(typed: &[String], stdin: &mut dyn Read) -> Result<Gathered> {
    read_all(list(typed, &Exclude::default())?, stdin)
}

/// The files that the user typed, without those that are excluded.
///
/// # Errors
/// A path that does not exist, a glob that matches nothing, `-` twice.
pub fn list(typed: &[String], exclude: &Exclude) -> Result<Listed> {
    let mut listed = Listed::default();
    let mut seen = HashSet::new();
    let mut from_stdin = false;
    for one in typed {
        if one == "-" {
            if std::mem::replace(&mut from_stdin, true) {
                bail!("- was given twice: standard input can be read only once");
            }
            listed.paths.push(PathBuf::from("-"));
            continue;
        }
        let found = expand(one, &is_manifest, ".yaml, .yml or .json file", exclude)?;
        for path in found.files {
            let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
            if found.named {
                listed.named.insert(identity.clone());
            }
            if seen.insert(identity) {
                listed.paths.push(path);
            }
        }
        for unread in found.unread {
            if !listed.unread.contains(&unread) {
                listed.unread.push(unread);
            }
        }
    }
    Ok(listed)
}

/// A path as it is shown.
#[must_use]
pub fn shown(path: &Path) -> String {
    let shown = path.to_string_lossy();
    shown.strip_prefix("./").unwrap_or(&shown).to_owned()
}

/// Reads the files of a list. One of a folder that cannot be read is a finding.
///
/// # Errors
/// A file that the user named cannot be read.
pub fn read_all(listed: Listed, stdin: &mut dyn Read) -> Result<Gathered> {
    let Listed { paths, named, mut unread } = listed;
    let from_stdin = paths.iter().position(|path| path.as_os_str() == "-");
    let mut standard_input = Vec::new();
    if from_stdin.is_some() {
        stdin.take(MAX_BYTES + 1).read_to_end(&mut standard_input).context("could not read standard input")?;
        if standard_input.len() as u64 > MAX_BYTES {
            bail!("standard input is larger than 1 GiB: split it");
        }
    }
    let texts: Vec<Result<Vec<u8>>> = paths
        .par_iter()
        .enumerate()
        .map(|(at, path)| if Some(at) == from_stdin { Ok(Vec::new()) } else { read(path) })
        .collect();
    let mut gathered = Gathered::default();
    for (at, (path, bytes)) in paths.iter().zip(texts).enumerate() {
        let bytes = match bytes {
            Ok(_) if Some(at) == from_stdin => std::mem::take(&mut standard_input),
            Ok(bytes) => bytes,
            Err(why) if is_named(&named, path) => return Err(why),
            Err(why) => {
                // The path is said already.
                let why = format!("could not be read: {}", why.root_cause());
                unread.push(Unread { path: path.clone(), why, failed: true });
                continue;
            }
        };
        let shown = &*shown(path);
        match text(bytes) {
            Ok(text) => {
                gathered.sources.add(shown, text);
            }
            Err(why) => {
                let at = Location { file: shown.into(), line: 1, column: 1 };
                gathered.sources.add(shown, String::new());
                let message = format!("{shown} is no text: {why}");
                gathered.findings.push(Finding::new(&finding::UNPARSABLE_DOCUMENT, at, message, "save it as UTF-8"));
            }
        }
    }
    gathered.failed = unread.iter().any(|one| one.failed);
    gathered.findings.extend(unread.iter().map(Unread::finding));
    Ok(gathered)
}

/// Reads one file.
///
/// # Errors
/// Where it cannot be read, or is too large to be addressed.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path).with_context(|| format!("could not read {}", path.display()))?;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(MAX_BYTES)).unwrap_or(0) + 1);
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).with_context(|| format!("could not read {}", path.display()))?;
    if bytes.len() as u64 > MAX_BYTES {
        bail!("{} is larger than 1 GiB: split it", path.display());
    }
    Ok(bytes)
}

/// Bytes as text, without a byte order mark; UTF-16 is named, as editors on Windows write it.
fn text(bytes: Vec<u8>) -> Result<String, String> {
    let mark = |mark: &[u8]| bytes.starts_with(mark);
    if mark(&[0xff, 0xfe]) || mark(&[0xfe, 0xff]) {
        return Err("it is UTF-16".to_owned());
    }
    let mut text =
        String::from_utf8(bytes).map_err(|error| format!("byte {} is not UTF-8", error.utf8_error().valid_up_to()))?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// Whether a file in a folder is read: by its ending.
fn is_manifest(file: &Path) -> bool {
    let ending = file.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| ENDINGS.contains(&&*ending))
}

/// What a typed path means.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The files.
    pub(super) files: Vec<PathBuf>,
    /// Is it the file itself that was typed?
    pub(super) named: bool,
    /// What was met on the way, and is no file to read.
    pub(super) unread: Vec<Unread>,
    /// Was something excluded?
    pub(super) excluded: bool,
}

impl Found {
    /// Whether nothing is left, and nobody was told why.
    fn is_nothing(&self) -> bool {
        self.files.is_empty() && self.unread.is_empty() && !self.excluded
    }
}

/// The files that a path means: itself, the files below a folder that are wanted (`what` names them), those that a glob
/// matches.
///
/// # Errors
/// There is no such file.
pub(super) fn expand(typed: &str, is_wanted: &dyn Fn(&Path) -> bool, what: &str, exclude: &Exclude) -> Result<Found> {
    if typed.is_empty() {
        bail!("an empty path was given");
    }
    let path = Path::new(typed);
    if path.is_dir() {
        let found = walk(path, is_wanted, &|_| true, exclude)?;
        if found.is_nothing() {
            bail!("{typed} holds no {what} (files that .gitignore names are left out; name one to read it)");
        }
        return Ok(found);
    }
    // A pipe that is named is read, as `<(helm template .)` is.
    if path.try_exists().with_context(|| format!("could not read {typed}"))? {
        let excluded = exclude.covers(path, false);
        let files = if excluded { Vec::new() } else { vec![path.to_owned()] };
        return Ok(Found { files, named: true, excluded, ..Found::default() });
    }
    if !typed.contains(SPECIAL) {
        match std::fs::read_link(path) {
            Ok(target) => bail!("{typed} is a link to {}, which does not exist", target.display()),
            Err(_) => bail!("{typed} does not exist"),
        }
    }
    let glob = |text: &str| globset::GlobBuilder::new(text).literal_separator(true).build();
    let matcher = glob(typed).with_context(|| format!("{typed:?} is not a glob"))?.compile_matcher();
    let fixed = before_glob(path);
    let (start, strip) = if fixed.as_os_str().is_empty() { (PathBuf::from("."), true) } else { (fixed, false) };
    if !start.is_dir() {
        bail!("{typed} matches nothing: {} is no folder", start.display());
    }
    let as_typed =
        |file: &Path| if strip { file.strip_prefix(".").unwrap_or(file).to_owned() } else { file.to_owned() };
    // Whether a file that the glob matches may lie in a folder: its first parts match the folder.
    let may_hold = |folder: &Path| {
        let folder = as_typed(folder);
        let parts: Vec<_> = path.components().take(folder.components().count() + 1).collect();
        let open = typed.contains("**") || typed.contains('{');
        let head: PathBuf = parts.iter().take(parts.len().saturating_sub(1)).collect();
        let matches =
            || head.to_str().and_then(|head| glob(head).ok()).is_none_or(|g| g.compile_matcher().is_match(&folder));
        open || parts.len() > folder.components().count() && matches()
    };
    let found = walk(&start, &|file| matcher.is_match(as_typed(file)), &may_hold, exclude)?;
    if found.is_nothing() {
        bail!("{typed} matches no file");
    }
    Ok(found)
}

/// Characters that make a path a glob.
const SPECIAL: [char; 4] = ['*', '?', '[', '{'];

/// The folder before the first special character of a glob, where a walk starts.
pub(super) fn before_glob(path: &Path) -> PathBuf {
    path.components().take_while(|part| !part.as_os_str().to_string_lossy().contains(SPECIAL)).collect()
}

/// The files below a folder that are wanted, by path. Hidden files and what `.gitignore` names are left out. What cannot
/// be looked into is passed over and kept, if it is in a folder that may hold what is wanted.
fn walk(
    folder: &Path,
    wanted: &dyn Fn(&Path) -> bool,
    may_hold: &dyn Fn(&Path) -> bool,
    exclude: &Exclude,
) -> Result<Found> {
    let mut found = Found::default();
    let pruned = Arc::new(AtomicBool::new(false));
    let mut builder = walker(folder);
    builder.follow_links(true).sort_by_file_path(Path::cmp);
    if exclude.is_by_folder() {
        let (exclude, pruned) = (exclude.clone(), Arc::clone(&pruned));
        builder.filter_entry(move |entry| {
            let is_folder = entry.depth() > 0 && entry.file_type().is_some_and(|kind| kind.is_dir());
            let out = is_folder && exclude.covers(entry.path(), true);
            pruned.fetch_or(out, Ordering::Relaxed);
            !out
        });
    }
    let mut links = BTreeMap::new();
    for entry in builder.build() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(why) => {
                let is_root = why.depth() == Some(0);
                match Unread::met(&why, wanted, may_hold) {
                    _ if is_root => {
                        return Err(why).with_context(|| format!("could not look into {}", folder.display()));
                    }
                    Some(unread) if exclude.covers(&unread.path, true) => found.excluded = true,
                    Some(unread) if unread.failed || is_visible(&unread.path, &mut links) => found.unread.push(unread),
                    _ => {}
                }
                continue;
            }
        };
        if entry.file_type().is_none_or(|kind| kind.is_dir()) || !wanted(entry.path()) {
            continue;
        }
        if exclude.covers(entry.path(), false) {
            found.excluded = true;
        } else if entry.path().is_file() {
            found.files.push(entry.into_path());
        } else {
            // A pipe would be waited for, a device might never end.
            let why = "is no regular file (a pipe, a socket or a device)".to_owned();
            found.unread.push(Unread { path: entry.into_path(), why, failed: false });
        }
    }
    found.excluded |= pruned.load(Ordering::Relaxed);
    Ok(found)
}

fn walker(folder: &Path) -> ignore::WalkBuilder {
    let mut builder = ignore::WalkBuilder::new(folder);
    builder.require_git(false);
    builder
}

/// Whether a link is neither hidden nor named by `.gitignore`: the walk that follows links says of one that leads nowhere
/// only that, before it asks. `seen`: what is visible, by folder.
fn is_visible(link: &Path, seen: &mut BTreeMap<PathBuf, HashSet<PathBuf>>) -> bool {
    let Some(folder) = link.parent() else { return true };
    let visible = seen.entry(folder.to_owned()).or_insert_with(|| {
        let here = settings::or_here(folder);
        walker(here)
            .max_depth(Some(1))
            .build()
            .filter_map(|entry| entry.ok()?.path().file_name().map(PathBuf::from))
            .collect()
    });
    link.file_name().is_none_or(|name| visible.contains(Path::new(name)))
}

impl Unread {
    /// What a walk could not look into; `None`: nothing that is wanted.
    fn met(error: &ignore::Error, wanted: &dyn Fn(&Path) -> bool, may_hold: &dyn Fn(&Path) -> bool) -> Option<Self> {
        // A link to a folder around it: that one is read already.
        let path = path_of(error)?;
        let kind = error.io_error().map(std::io::Error::kind);
        let target = std::fs::read_link(path).ok();
        let gone = kind == Some(std::io::ErrorKind::NotFound) && std::fs::symlink_metadata(path).is_err();
        // What a name without an ending is, a file or a folder, only the target could tell.
        let bare = path.extension().is_none_or(|ending| ending.to_string_lossy().bytes().all(|c| c.is_ascii_digit()));
        let matters = match &target {
            Some(_) => wanted(path) || bare && may_hold(path),
            None => wanted(path) || may_hold(path),
        };
        if gone || !matters {
            return None;
        }
        let (why, failed) = match target {
            Some(target) if kind != Some(std::io::ErrorKind::PermissionDenied) => {
                (format!("is a link to {}, which does not exist", target.display()), false)
            }
            _ => {
                // The walk puts its own words and the path before those of the system.
                let cause = kind.map_or_else(|| error.to_string(), |kind| kind.to_string());
                (format!("could not be looked into: {cause}"), true)
            }
        };
        Some(Self { path: path.to_owned(), why, failed })
    }
}

/// The path that an error of a walk is about; `None` for a link that leads back.
fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        _ => None,
    }
}
