//! Opens dumps: files, folders, globs and standard input, plain or packed, each as a stream that is read ahead in a
//! thread ([`super::captures`]).
//!
//! Mapping a file would take no less time (measured), and a mapped file that another program cuts off ends this one.

use super::captures::{self, Input};
use super::files::{self, Found, Unread};
use super::settings::Exclude;
use anyhow::{Result, bail};
use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Hands every input that the user typed to `take`, with the path that is shown, in that order; a file that was handed
/// over is not handed over again. What cannot be opened is handed over as the reason, in words. The answer is what was met
/// in folders and holds nothing: links that lead nowhere, pipes.
///
/// In folders the files are read whose names end in `.json`, `.gz` or `.zst`, or hold `config_dump`.
///
/// # Errors
/// A path that does not exist, a glob that matches nothing, `-` twice.
pub fn each(
    typed: &[String],
    stdin: impl Read + Send + 'static,
    mut take: impl FnMut(&str, Result<&mut Input, String>),
) -> Result<Vec<Unread>> {
    let mut seen = HashSet::new();
    let mut paths = Vec::new();
    let mut passed_over = Vec::new();
    for one in typed {
        let found = match one.as_str() {
            "-" => Found { files: vec![PathBuf::from("-")], ..Found::default() },
            _ => files::expand(one, &is_dump, ".json, .gz or .zst file", &Exclude::default())?,
        };
        for unread in found.unread {
            match unread.failed {
                true => take(&files::shown(&unread.path), Err(unread.why)),
                false => passed_over.push(unread),
            }
        }
        for path in found.files {
            let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
            if seen.insert(identity) {
                paths.push(path);
            } else if one == "-" {
                bail!("-f - was given twice: standard input can be read only once");
            }
        }
    }
    let mut stdin = Some(stdin);
    for path in paths {
        let shown = path.to_string_lossy();
        let shown = shown.strip_prefix("./").unwrap_or(&shown);
        let never = Arc::new(AtomicBool::new(false));
        let opened = match stdin.take_if(|_| shown == "-") {
            Some(stdin) => captures::from_reader(stdin, false, &never),
            None => captures::open(shown, false, &never),
        };
        match opened {
            Ok(mut input) => take(shown, Ok(&mut input)),
            Err(why) => take(shown, Err(why)),
        }
    }
    Ok(passed_over)
}

/// Whether a file in a folder is read.
fn is_dump(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    [".json", ".gz", ".zst"].iter().any(|ending| name.ends_with(ending)) || name.contains("config_dump")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn taken(typed: &[String], stdin: &'static [u8]) -> Result<Vec<(String, String)>> {
        let mut out = Vec::new();
        each(typed, stdin, |path, source| {
            let text = match source {
                Ok(input) => {
                    let mut bytes = Vec::new();
                    input.read_to_end(&mut bytes).unwrap();
                    bytes.len().to_string()
                }
                Err(why) => why,
            };
            out.push((path.rsplit('/').next().unwrap().to_owned(), text));
        })?;
        Ok(out)
    }

    #[test]
    fn folders_files_and_standard_input_come_in_order_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.to_str().unwrap().to_owned()
        };
        write("a.json", b"{}");
        let large = write("b.json", &[b' '; 1003]);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&[b' '; 1000]).unwrap();
        write("c.json.gz", &packed.finish().unwrap());
        write("pod-config_dump", b"[]");
        write("README.md", b"x");
        let all = taken(&[large, folder.path().to_str().unwrap().to_owned(), "-".to_owned()], b"1234").unwrap();
        let shown: Vec<_> = all.iter().map(|(path, text)| format!("{path} {text}")).collect();
        assert_eq!(shown, ["b.json 1003", "a.json 2", "c.json.gz 1000", "pod-config_dump 2", "- 4"]);
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        for (typed, why) in [
            (vec!["-", "-"], "-f - was given twice: standard input can be read only once"),
            (vec!["/nowhere/x.json"], "/nowhere/x.json does not exist"),
        ] {
            let typed: Vec<String> = typed.into_iter().map(str::to_owned).collect();
            assert_eq!(taken(&typed, b"").unwrap_err().to_string(), why);
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(taken(&[folder.path().to_str().unwrap().to_owned()], b"").is_err());
    }
}
