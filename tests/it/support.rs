//! Runs the whole program in this process, and finds the files that tests read.

use meshctl::cmd::{Io, run};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What a run left behind.
pub struct Run {
    /// The exit code.
    pub code: u8,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|why| panic!("exit {}, no JSON: {why}\n{}\n{}", self.code, self.stdout, self.stderr))
    }
}

/// Runs `meshctl ARGS` as in a pipe: no width, no colour.
pub fn meshctl(args: &[&str], stdin: &[u8]) -> Run {
    meshctl_on(args, stdin, None, false)
}

/// Runs `meshctl ARGS` on a terminal of that width, or in a pipe.
pub fn meshctl_on(args: &[&str], stdin: &[u8], width: Option<usize>, colour: bool) -> Run {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut io = Io {
        stdin: Box::new(std::io::Cursor::new(stdin.to_vec())),
        stdout: &mut stdout,
        stderr: &mut stderr,
        width,
        colour,
        stderr_is_terminal: false,
    };
    let typed = std::iter::once("meshctl").chain(args.iter().copied()).map(Into::into);
    let code = run(typed, &mut io).code();
    Run { code, stdout: String::from_utf8(stdout).unwrap(), stderr: String::from_utf8(stderr).unwrap() }
}

/// The cells of an expanded run over a file, with flags.
#[track_caller]
pub fn cells(file: &Path, flags: &[&str]) -> Vec<Value> {
    let mut args =
        vec!["tls-check", "-f", file.to_str().unwrap(), "-A", "--expand", "-o", "json", "--fail-on", "never"];
    args.extend(flags);
    match meshctl(&args, b"").json()["cells"].take() {
        Value::Array(cells) => cells,
        other => panic!("no cells but {other}"),
    }
}

/// The package root, where tests run.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Larger fixtures beside the package; a clean clone has none.
pub fn shared() -> Option<PathBuf> {
    root().parent().map(|parent| parent.join("shared")).filter(|shared| shared.is_dir())
}

/// Says so on the terminal when fixtures are absent (libtest swallows what `println!` prints of a test that passes).
pub fn skipped(what: &str, count: usize) {
    let line = format!("skipped: {what} ({count})\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// A text file.
#[track_caller]
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// A JSON file.
#[track_caller]
pub fn read_json(path: &Path) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The folders in a folder, sorted.
pub fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

/// Every file with that ending below a folder, sorted.
pub fn files(path: &Path, ending: &str) -> Vec<PathBuf> {
    let walk = ignore::WalkBuilder::new(path).sort_by_file_path(Path::cmp).build();
    walk.map(|entry| entry.unwrap().into_path()).filter(|path| path.extension().is_some_and(|e| e == ending)).collect()
}

/// The last part of a path.
pub fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}
