//! What the documents show is what the program does, and what they point to exists.
//! `UPDATE=1 cargo test --test it docs` writes the outputs of console blocks anew; read them.

use crate::support::{files, meshctl, name, read, root, skipped};
use meshctl::finding::CODES;
use meshctl::mtls::outcome::FAILURES;
use std::path::{Path, PathBuf};

/// README.md (once it exists) and every page under docs/.
fn pages() -> Vec<PathBuf> {
    let readme = root().join("README.md");
    let mut pages = files(&root().join("docs"), "md");
    pages.extend(Some(readme).filter(|readme| readme.exists()));
    pages
}

/// The commands of the `console` blocks of a text, each with the output that is shown for it.
fn shown(text: &str) -> Vec<(&str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, _) => match (line.strip_prefix("$ "), found.last_mut()) {
                (Some(command), _) => found.push((command, String::new())),
                (None, Some((_, output))) => {
                    output.push_str(line);
                    output.push('\n');
                }
                (None, None) => panic!("a console block starts with {line:?}, not with `$ `"),
            },
            (false, _) => {}
        }
    }
    found
}

/// The words of a command, with the shell's two kinds of quotes and no other of its powers.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '|' | '>' | '<' | ';' | '&' | '$' | '`' | '\\') => {
                panic!("`{command}` needs a shell: put it into a `sh` block, without output")
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Without the spaces at line ends, which Markdown editors take away.
fn trimmed(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// Whether an output is the one shown, where a line `...` stands for any lines.
fn same(shown: &str, output: &str) -> bool {
    let (shown, output) = (trimmed(shown), trimmed(output));
    let (shown, output): (Vec<&str>, Vec<&str>) = (shown.lines().collect(), output.lines().collect());
    let parts: Vec<&[&str]> = shown.split(|line| *line == "...").collect();
    let [first, middle @ .., last] = &parts[..] else { return shown == output };
    let Some(mut rest) = output.strip_prefix(*first) else { return false };
    for part in middle.iter().filter(|part| !part.is_empty()) {
        let Some(at) = rest.windows(part.len()).position(|lines| lines == *part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// How many lines of a long output a page shows; `...` stands for the rest.
const LINES: usize = 20;

/// The output as a block shows it: whole, or its first lines where the block ends in `...`.
fn excerpt(output: &str, cut: bool) -> String {
    let lines: Vec<&str> = output.lines().map(str::trim_end).collect();
    let more = if cut && lines.len() > LINES { "\n..." } else { "" };
    let shown = if cut { lines.iter().take(LINES) } else { lines.iter().take(usize::MAX) };
    shown.copied().collect::<Vec<_>>().join("\n") + more + "\n"
}

/// Runs the console blocks of a page; how many there were. With `UPDATE=1`, writes their outputs anew.
fn run_blocks(path: &Path) -> usize {
    let page = name(path);
    let text = if path.exists() { read(path) } else { String::new() };
    let update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let mut renewed = text.clone();
    let mut code = None;
    let mut count = 0;
    for (command, output) in shown(&text) {
        // `$ echo $?` after a command shows its exit code.
        if command == "echo $?" {
            assert_eq!(
                code.map(|code: u8| format!("{code}\n")),
                Some(output),
                "{page}: the exit code of the command before"
            );
            continue;
        }
        let Some(arguments) = command.strip_prefix("meshctl ") else { continue };
        let arguments = words(arguments);
        let run = meshctl(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), b"");
        let printed = run.stdout + &run.stderr;
        code = Some(run.code);
        count += 1;
        // A block with nothing but `...` waits to be written.
        let empty = output == "...\n";
        if !empty && same(&output, &printed) {
            continue;
        }
        let cut = empty || output.ends_with("\n...\n");
        let now = excerpt(&printed, cut);
        assert!(update, "{page}: `{command}` prints\n{now}\nnot\n{output}");
        renewed = renewed.replacen(&format!("$ {command}\n{output}"), &format!("$ {command}\n{now}"), 1);
    }
    if renewed != text {
        std::fs::write(path, renewed).unwrap();
    }
    count
}

#[test]
fn the_readme_shows_what_the_program_prints() {
    if run_blocks(&root().join("README.md")) == 0 {
        skipped("README.md has no ```console block with `$ meshctl` yet", 1);
    }
}

#[test]
fn the_pages_of_commands_show_what_the_program_prints() {
    for (page, least) in [("docs/pcap-verify.md", 6), ("docs/authz-check.md", 6)] {
        let page = root().join(page);
        let count = run_blocks(&page);
        assert!(count >= least, "{}: {count} examples", page.display());
        for (command, output) in shown(&read(&page)) {
            let lines = output.lines().count();
            let right = if output.ends_with("\n...\n") { lines == LINES + 1 } else { lines <= LINES };
            assert!(right, "`{command}` shows {lines} lines, not the first {LINES}");
        }
    }
}

#[test]
fn the_reading_of_console_blocks_is_right() {
    let text = "```sh\n$ meshctl no\n```\n```console\n$ meshctl explain 'a b' \"c\"\none\n\ntwo\n$ echo $?\n0\n```\n";
    assert_eq!(
        shown(text),
        [("meshctl explain 'a b' \"c\"", "one\n\ntwo\n".to_owned()), ("echo $?", "0\n".to_owned())]
    );
    assert_eq!(words("explain 'a b' \"c\" ''  d"), ["explain", "a b", "c", "", "d"]);
    assert!(same("a \nb\n", "a\nb\n\n") && !same("a\n", "a\nb\n"));
    assert!(
        same("a\n...\n", "a\nb\n") && same("a\n...\nc\n...\n", "a\nb\nc\nd\n") && !same("a\n...\nc\n...\n", "a\nb\n")
    );
    assert!(same("a\n...\nd\n", "a\nb\nc\nd\n") && !same("a\n...\nd\n", "a\nb\nc\n") && !same("x\n...\nd\n", "a\nd\n"));
}

/// The targets of `[text](target)` outside code.
fn links(text: &str) -> Vec<&str> {
    let mut code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if !code {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            found.extend(targets.map(|target| target.split(' ').next().unwrap_or_default()));
        }
    }
    found
}

#[test]
fn every_relative_link_points_to_a_file() {
    assert_eq!(links("[a](b.md#c) x\n```\n[d](e)\n```\n[f](g \"h\")"), ["b.md#c", "g"]);
    for page in pages() {
        let text = read(&page);
        for link in links(&text).into_iter().filter(|link| !link.contains(':') && !link.starts_with('#')) {
            let target = page.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(target.exists(), "{}: {link} does not exist", page.display());
        }
    }
}

/// Words such as MC0204 or F2: a prefix, then that many digits, and no letter or digit around.
fn codes(text: &str, prefix: &str, digits: usize) -> Vec<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let is_code = |word: &&str| {
        word.strip_prefix(prefix).is_some_and(|rest| rest.len() == digits && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    words.filter(is_code).map(str::to_owned).collect()
}

#[test]
fn every_code_in_the_documents_exists() {
    assert_eq!(codes("MC0001, (MC12) F1/F2 F10 aF3", "F", 1), ["F1", "F2"]);
    for page in pages() {
        let text = read(&page);
        for code in codes(&text, "MC", 4) {
            assert!(CODES.iter().any(|known| known.code == code), "{}: {code} does not exist", page.display());
        }
        for code in codes(&text, "F", 1) {
            assert!(FAILURES.iter().any(|known| known.code == code), "{}: {code} does not exist", page.display());
        }
    }
}
