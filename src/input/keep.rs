//! Files that are kept for later: written beside their place, readable by their owner only, and put there when they are whole.

use anyhow::{Context, Result, bail};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// A file that is being written.
#[derive(Debug)]
pub struct Keep {
    out: BufWriter<File>,
    draft: PathBuf,
    place: PathBuf,
}

impl Keep {
    /// Begins a file in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn begin(folder: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("could not make the folder {}", folder.display()))?;
        let place = folder.join(name);
        let draft = folder.join(format!(".{name}.{}.part", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        private(&mut options);
        let file = options.open(&draft).with_context(|| format!("could not write {}", draft.display()))?;
        Ok(Self { out: BufWriter::with_capacity(1 << 16, file), draft, place })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).with_context(|| format!("could not write {}", self.place.display()))
    }

    /// Where its bytes go.
    pub fn out(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Puts the file in its place. One that is there already stays as it is.
    ///
    /// # Errors
    /// Another is there with other content; it cannot be written.
    pub fn end(mut self) -> Result<()> {
        self.out.flush().with_context(|| format!("could not write {}", self.place.display()))?;
        match fs::hard_link(&self.draft, &self.place) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if same(&self.draft, &self.place) {
                    return Ok(());
                }
                bail!(
                    "{} is there already with other content, and stays as it is: move it away, or name another folder",
                    self.place.display()
                )
            }
            Err(error) => Err(error).with_context(|| format!("could not write {}", self.place.display())),
        }
    }

    /// Puts the file in its place, over one that is there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn replace(mut self) -> Result<()> {
        let words = || format!("could not write {}", self.place.display());
        self.out.flush().with_context(words)?;
        fs::rename(&self.draft, &self.place).with_context(words)
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        // Nothing is left behind, whatever happened; where the draft has become the file, there is none.
        let _ = fs::remove_file(&self.draft);
    }
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600);
}

#[cfg(not(unix))]
fn private(_: &mut OpenOptions) {}

/// Whether two files hold the same bytes.
fn same(a: &Path, b: &Path) -> bool {
    let (Ok(a), Ok(b)) = (File::open(a), File::open(b)) else { return false };
    let lengths = (a.metadata().map(|data| data.len()), b.metadata().map(|data| data.len()));
    if !matches!(lengths, (Ok(a), Ok(b)) if a == b) {
        return false;
    }
    let (mut a, mut b) = (BufReader::new(a).bytes(), BufReader::new(b).bytes());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(Ok(a)), Some(Ok(b))) if a == b => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_put_in_its_place_when_it_is_whole_and_never_over_another() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("new");
        let keep = |text: &str| {
            let mut keep = Keep::begin(&folder, "a.json").unwrap();
            keep.write(text.as_bytes()).unwrap();
            keep
        };
        drop(keep("half"));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        keep("one").end().unwrap();
        keep("one").end().unwrap();
        assert!(keep("two").end().unwrap_err().to_string().contains("other content"));
        assert_eq!(fs::read_to_string(folder.join("a.json")).unwrap(), "one");
        keep("two").replace().unwrap();
        assert_eq!(fs::read_to_string(folder.join("a.json")).unwrap(), "two");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(folder.join("a.json")).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
