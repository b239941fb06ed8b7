//! Finds, reads and writes `meshctl.yaml`.

use super::files;
use anyhow::{Context, Result, bail};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The most folders that are looked into, upward.
const DEPTH: usize = 64;

/// The nearest file of that name upward from a path, no farther than the repository that the path is in. Where there is
/// no repository, only in the folder of the path: what lies above belongs to someone else. The answer is relative if the
/// path is.
#[must_use]
pub fn nearest(path: &str, name: &str) -> Option<PathBuf> {
    let typed = if path == "-" { Path::new("") } else { Path::new(path) };
    let fixed = files::before_glob(typed);
    let start = if or_here(&fixed).is_dir() { fixed } else { fixed.parent().map(Path::to_owned).unwrap_or_default() };
    let first = Some(start.join(name)).filter(|file| file.is_file());
    let mut found = None;
    let mut folder = start;
    for _ in 0..DEPTH {
        if found.is_none() {
            found = Some(folder.join(name)).filter(|file| file.is_file());
        }
        if folder.join(".git").exists() {
            return found;
        }
        let Some(above) = above(&folder) else { break };
        folder = above;
    }
    first
}

pub(super) fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// The folder above, in the way in which the folder is written.
fn above(folder: &Path) -> Option<PathBuf> {
    or_here(folder).canonicalize().ok()?.parent()?;
    let up = match folder.components().next_back() {
        Some(std::path::Component::Normal(_)) => folder.parent()?.to_owned(),
        _ => folder.join(".."),
    };
    Some(up)
}

/// The text of a file of settings.
///
/// # Errors
/// A file that cannot be read, or is no text.
pub fn read(path: &Path) -> Result<String> {
    let bytes = files::read(path)?;
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", path.display()))
}

/// Writes a new file.
///
/// # Errors
/// One that is there already, or cannot be written.
pub fn create(path: &Path, text: &str) -> Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = match file {
        Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!("{} is there already; it stays as it is", path.display())
        }
        other => other.with_context(|| format!("could not write {}", path.display()))?,
    };
    file.write_all(text.as_bytes()).with_context(|| format!("could not write {}", path.display()))
}

/// Files that are not read; by default there are none.
#[derive(Clone, Debug)]
pub struct Exclude {
    folder: PathBuf,
    patterns: Gitignore,
}

impl Default for Exclude {
    fn default() -> Self {
        Self { folder: PathBuf::new(), patterns: Gitignore::empty() }
    }
}

impl Exclude {
    /// Patterns as in `.gitignore`, relative to a folder.
    ///
    /// # Errors
    /// A pattern that is none.
    pub fn new(folder: &Path, patterns: &[String]) -> Result<Self> {
        let mut builder = GitignoreBuilder::new("");
        for pattern in patterns {
            builder.add_line(None, pattern)?;
        }
        let folder = or_here(folder);
        let folder = folder.canonicalize().with_context(|| format!("could not look into {}", folder.display()))?;
        Ok(Self { folder, patterns: builder.build()? })
    }

    /// Whether a folder that is excluded need not be looked into: no pattern takes a file in it back.
    #[must_use]
    pub fn is_by_folder(&self) -> bool {
        !self.patterns.is_empty() && self.patterns.num_whitelists() == 0
    }

    /// Whether a file is excluded, by itself or by a folder above it: as it is called, or, where links lead to it, as the
    /// file system calls it. What lies elsewhere never is.
    #[must_use]
    pub fn covers(&self, file: &Path, is_folder: bool) -> bool {
        if self.patterns.is_empty() {
            return false;
        }
        let matches = |place: &Path| {
            let inside = place.strip_prefix(&self.folder).ok().filter(|inside| !inside.as_os_str().is_empty());
            inside.is_some_and(|inside| self.patterns.matched_path_or_any_parents(inside, is_folder).is_ignore())
        };
        // A link that leads nowhere has a place all the same.
        let real = file.canonicalize().ok().or_else(|| {
            let folder = or_here(file.parent()?).canonicalize().ok()?;
            Some(folder.join(file.file_name()?))
        });
        std::path::absolute(file).is_ok_and(|place| matches(&place)) || real.is_some_and(|place| matches(&place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_gitignore() {
        let patterns = ["vendor/", "*.tmpl.yaml", "/top.yaml", "!keep.tmpl.yaml"].map(str::to_owned);
        let exclude = Exclude::new(Path::new(""), &patterns).unwrap();
        for (file, covered) in [
            ("vendor/a.yaml", true),
            ("a/vendor/b/c.yaml", true),
            ("a/x.tmpl.yaml", true),
            ("a/keep.tmpl.yaml", false),
            ("top.yaml", true),
            ("a/top.yaml", false),
        ] {
            assert_eq!(exclude.covers(&exclude.folder.join(file), false), covered, "{file}");
        }
        assert!(!exclude.covers(Path::new("/elsewhere/vendor/a.yaml"), false));
        assert!(!exclude.covers(&exclude.folder, true) && exclude.covers(Path::new("a/vendor"), true));
        assert!(!exclude.is_by_folder() && !Exclude::default().covers(Path::new("vendor/a.yaml"), false));
    }

    #[test]
    fn the_nearest_file_below_the_repository_counts() {
        let top = tempfile::tempdir().unwrap();
        let repository = top.path().join("r");
        std::fs::create_dir_all(repository.join("a/b")).unwrap();
        std::fs::write(repository.join("a/b/x.yaml"), "").unwrap();
        let near = |path: &str| {
            let found = nearest(repository.join(path).to_str().unwrap(), "m.yaml");
            found.map(|file| file.canonicalize().unwrap())
        };
        let put = |path: &str| {
            let file = top.path().join(path);
            std::fs::write(&file, "").unwrap();
            file.canonicalize().unwrap()
        };
        let _above = put("m.yaml");
        assert_eq!((near("a/b"), near("a/*.yaml")), (None, None));
        let middle = put("r/a/m.yaml");
        assert_eq!(near("a/b/x.yaml"), None, "no repository: only the folder itself");
        assert_eq!(near("a/*.yaml"), Some(middle.clone()));
        std::fs::create_dir(repository.join(".git")).unwrap();
        assert_eq!(near("a/b/x.yaml"), Some(middle));
        let below = put("r/a/b/m.yaml");
        assert_eq!((near("a/b/x.yaml"), near("a/b"), near("")), (Some(below.clone()), Some(below), None));
        assert!(create(&repository.join("a/m.yaml"), "").is_err() && create(&repository.join("n.yaml"), "x").is_ok());
    }
}
