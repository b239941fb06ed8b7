//! Reads manifests: files, folders (as ripgrep walks them), globs and `-`.

use crate::finding::{self, Finding};
use crate::location::{Location, Sources};
use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Endings that are read in folders.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// The most that one input may hold: memory stays bounded also on a device that never ends.
const MAX_BYTES: u64 = 1 << 30;

/// What was read: the texts, and what could not be read of them.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The texts.
    pub sources: Sources,
    /// Files that hold no text.
    pub findings: Vec<Finding>,
}

/// Reads every input that the user typed, in that order; a file that was read is not read again.
///
/// # Errors
/// A path that does not exist or cannot be read, a glob that matches nothing, `-` twice.
pub fn gather(typed: &[String], stdin: &mut dyn Read) -> Result<Gathered> {
    read_all(&list(typed, &|_| false)?, stdin)
}

/// The files that the user typed, in that order, each once, `-` for standard input; without those that are excluded
/// (asked with the path as the file system has it).
///
/// # Errors
/// A path that does not exist, a glob that matches nothing, `-` twice.
pub fn list(typed: &[String], excluded: &dyn Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut seen = HashSet::new();
    let mut from_stdin = false;
    for one in typed {
        if one == "-" {
            if std::mem::replace(&mut from_stdin, true) {
                bail!("- was given twice: standard input can be read only once");
            }
            paths.push(PathBuf::from("-"));
            continue;
        }
        for path in expand(one, &is_manifest, ".yaml, .yml or .json file")? {
            let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
            if !excluded(&identity) && seen.insert(identity) {
                paths.push(path);
            }
        }
    }
    Ok(paths)
}

/// A path as it is shown.
#[must_use]
pub fn shown(path: &Path) -> String {
    let shown = path.to_string_lossy();
    shown.strip_prefix("./").unwrap_or(&shown).to_owned()
}

/// Reads the files of a list.
///
/// # Errors
/// A file that cannot be read.
pub fn read_all(paths: &[PathBuf], stdin: &mut dyn Read) -> Result<Gathered> {
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
        let bytes = if Some(at) == from_stdin { std::mem::take(&mut standard_input) } else { bytes? };
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

/// The files that a path means: itself, the files below a folder that are wanted (`what` names them), those that a glob
/// matches.
///
/// # Errors
/// There is no such file.
pub(super) fn expand(typed: &str, is_wanted: &dyn Fn(&Path) -> bool, what: &str) -> Result<Vec<PathBuf>> {
    if typed.is_empty() {
        bail!("-f was given an empty path");
    }
    let path = Path::new(typed);
    if path.is_dir() {
        let found = walk(path, is_wanted)?;
        if found.is_empty() {
            bail!("{typed} holds no {what} (files that .gitignore names are left out; name one to read it)");
        }
        return Ok(found);
    }
    if path.exists() {
        return Ok(vec![path.to_owned()]);
    }
    if !typed.contains(['*', '?', '[', '{']) {
        bail!("{typed} does not exist");
    }
    let glob = globset::GlobBuilder::new(typed).literal_separator(true).build();
    let matcher = glob.with_context(|| format!("{typed:?} is not a glob"))?.compile_matcher();
    // The walk starts at the folder before the first special character.
    let fixed: PathBuf = path
        .components()
        .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']))
        .collect();
    let (start, strip) = if fixed.as_os_str().is_empty() { (PathBuf::from("."), true) } else { (fixed, false) };
    if !start.is_dir() {
        bail!("{typed} matches nothing: {} is no folder", start.display());
    }
    let found = walk(&start, |file| {
        let shown = if strip { file.strip_prefix(".").unwrap_or(file) } else { file };
        matcher.is_match(shown)
    })?;
    if found.is_empty() {
        bail!("{typed} matches no file");
    }
    Ok(found)
}

/// The files below a folder that are wanted, by path. Hidden files and what `.gitignore` names are left out.
fn walk(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let walker =
        ignore::WalkBuilder::new(folder).require_git(false).follow_links(true).sort_by_file_path(Path::cmp).build();
    for entry in walker {
        let entry = entry.with_context(|| format!("could not look into {}", folder.display()))?;
        if entry.file_type().is_some_and(|kind| !kind.is_dir()) && wanted(entry.path()) {
            if !entry.path().is_file() {
                bail!("{} is no regular file: remove it, or name the files to read", entry.path().display());
            }
            files.push(entry.into_path());
        }
    }
    Ok(files)
}
