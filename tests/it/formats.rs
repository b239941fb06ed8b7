//! What a person sees: each format and view of one small mesh whose endpoints differ, in a pipe, on narrow and wide
//! terminals, and in colour. `INSTA_UPDATE=always cargo test --test it formats` writes the snapshots anew; read them.

use crate::support::{meshctl, meshctl_on, read, root, skipped};
use meshctl::render::FORMATS;
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

/// A STRICT server with a DISABLE port, called by sidecars and by a stranger.
const MESH: &str = "testdata/cases/A2/mesh.yaml";

fn shown(args: &[&str], width: Option<usize>, colour: bool) -> String {
    let args = [&["tls-check", "-f", MESH], args].concat();
    let run = meshctl_on(&args, b"", width, colour);
    assert_eq!((run.code, &*run.stderr), (0, ""), "{args:?}");
    // Escapes are made visible, so that a snapshot is text.
    run.stdout.replace('\u{1b}', "\\e")
}

macro_rules! snapshots {
    ($($test:ident: $args:expr, $width:expr, $colour:expr;)*) => {
        $(#[test]
        fn $test() {
            insta::assert_snapshot!(stringify!($test), shown(&$args, $width, $colour));
        })*
    };
}

snapshots! {
    table_in_a_pipe: ["-o", "table"], None, false;
    table_on_80_columns: ["-o", "table"], Some(80), false;
    table_on_160_columns: ["-o", "table"], Some(160), false;
    table_in_colour: ["-o", "table"], Some(160), true;
    wide_in_a_pipe: ["-o", "wide"], None, false;
    wide_on_80_columns: ["-o", "wide"], Some(80), false;
    wide_on_160_columns: ["-o", "wide"], Some(160), false;
    json: ["-o", "json"], None, false;
    yaml: ["-o", "yaml"], None, false;
    csv: ["-o", "csv"], None, false;
    markdown: ["-o", "markdown"], None, false;
    names: ["-o", "name"], None, false;
    why_in_a_pipe: ["--why"], None, false;
    why_on_80_columns: ["--why"], Some(80), false;
    why_in_colour: ["--why"], Some(160), true;
    matrix_in_a_pipe: ["--matrix"], None, false;
    matrix_on_80_columns: ["--matrix"], Some(80), false;
    expand_in_a_pipe: ["--expand"], None, false;
    expand_on_80_columns: ["--expand"], Some(80), false;
}

#[test]
fn machine_formats_do_not_depend_on_the_terminal() {
    for format in ["json", "yaml", "csv", "markdown", "name", "sarif", "github", "gitlab", "junit"] {
        let pipe = shown(&["-o", format], None, false);
        assert_eq!(pipe, shown(&["-o", format], Some(40), true), "{format}");
    }
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [80, 120, 160, 200] {
        for more in [&[][..], &["-o", "wide"], &["--why"], &["--expand"], &["--matrix"]] {
            for line in shown(more, Some(width), false).lines() {
                assert!(line.chars().count() <= width, "{more:?} on {width}: {line}");
            }
        }
    }
}

#[test]
fn colour_is_asked_for_or_seen_and_never_carries_the_meaning() {
    let plain = shown(&[], None, false);
    let coloured = shown(&["--color", "always"], None, false);
    assert!(coloured.contains("\\e["), "{coloured}");
    assert!(!shown(&["--color", "never"], None, true).contains("\\e["));
    // The same words without the escapes.
    let mut words = String::new();
    for (n, part) in coloured.split("\\e[").enumerate() {
        words.push_str(if n == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_eq!(words, plain);
}

#[test]
fn names_from_outside_cannot_reach_the_terminal_raw() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: \"a\\e[31mb\\u202e\", namespace: n}\nspec: {selector: {app: a}, ports: [{port: 80}]}\n";
    for format in ["table", "wide", "markdown", "csv", "name"] {
        let out = meshctl(&["tls-check", "-f", "-", "-o", format], text.as_bytes());
        let raw = format!("{}{}", out.stdout, out.stderr);
        assert!(!raw.contains(['\u{1b}', '\u{202e}']) && raw.contains("31mb"), "{format}: {raw:?}");
    }
}

/// Each command over an input with findings and over one without, with the exit code that it has.
const RUNS: &[(&[&str], u8)] = &[
    (&["tls-check", "-f", "testdata/mesh/broken-document", "-f", "testdata/mesh/bookinfo"], 1),
    (&["tls-check", "-f", MESH], 0),
    (&["tls-check", "-f", "testdata/mesh/bookinfo-strict-rule-disable", "-f", "testdata/mesh/bookinfo"], 1),
    (&["pcap-verify", "testdata/pcap/disable-plaintext.pcap"], 1),
    (&["pcap-verify", "testdata/pcap/fail-expired-client-tls12.pcap"], 1),
    (&["lint", "testdata/mesh/broken-document", "testdata/mesh/bookinfo"], 1),
    (&["lint", "testdata/mesh/bookinfo"], 0),
    (&["lint", "no/such/file"], 2),
];

#[test]
fn the_exit_code_is_the_same_in_every_format() {
    for (args, code) in RUNS {
        for (format, ..) in FORMATS {
            let run = meshctl(&[args, &["-o", format][..]].concat(), b"");
            assert_eq!(run.code, *code, "{args:?} -o {format}\n{}\n{}", run.stdout, run.stderr);
        }
    }
}

#[test]
fn sarif_of_every_command_is_valid_by_the_schema_of_oasis() {
    // Two patterns of it, for a language, have a bracket too much: as regular expressions they do not parse.
    let schema = read(&root().join("testdata/schemas/sarif-2.1.0.schema.json"));
    let schema: Value = serde_json::from_str(&schema.replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}$")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (args, _) in RUNS.iter().filter(|(_, code)| *code < 2) {
        let sarif = meshctl(&[args, &["-o", "sarif"][..]].concat(), b"").json();
        let errors: Vec<String> =
            validator.iter_errors(&sarif).map(|why| format!("{}: {why}", why.instance_path())).collect();
        assert!(errors.is_empty(), "{args:?}\n{}", errors.join("\n"));
        let run = &sarif["runs"][0];
        for result in run["results"].as_array().unwrap() {
            let rule = &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
            assert_eq!(rule["id"], result["ruleId"]);
        }
    }
}

/// What Python's XML parser (expat) says of a text, or `None` without a Python.
fn xml_problem(text: &str) -> Option<String> {
    let script = "import sys,xml.etree.ElementTree as e\nr=e.parse(sys.stdin.buffer).getroot()\n\
        t=sum(len(s) for s in r);f=len(r.findall('.//failure'));k=len(r.findall('.//skipped'))\n\
        assert (t,f,k)==tuple(int(r.get(a)) for a in ('tests','failures','skipped')),(t,f,k)";
    let python = Command::new("python3").args(["-c", script]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut python = python.ok()?;
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let out = python.wait_with_output().unwrap();
    Some(if out.status.success() { String::new() } else { String::from_utf8_lossy(&out.stderr).into_owned() })
}

/// Names as someone might choose them who wants to be markup, a command or a line of its own.
const HOSTILE: &str = r#"apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: "a\n::error file=x::%0A]]>&<b>\e[31m\u2028\u202e\0,:'", namespace: "n\r\"q\""}
spec: {mtls: {mode: STRICT, mode: "[t](u:v) {0}"}}
"#;

#[test]
fn junit_of_every_command_is_xml_that_counts_right() {
    let mut texts: Vec<String> = RUNS
        .iter()
        .filter(|(_, code)| *code < 2)
        .map(|(args, _)| meshctl(&[args, &["-o", "junit"][..]].concat(), b"").stdout)
        .collect();
    texts.extend(["lint", "tls-check"].map(|command| {
        let input = if command == "lint" { &["lint", "-"][..] } else { &["tls-check", "-f", "-"] };
        meshctl(&[input, &["-o", "junit"]].concat(), HOSTILE.as_bytes()).stdout
    }));
    // The parser can refuse.
    match xml_problem("<a><b></a>") {
        None => return skipped("python3, which reads the XML", texts.len()),
        Some(problem) => assert!(!problem.is_empty()),
    }
    for text in texts {
        assert_eq!(xml_problem(&text), Some(String::new()), "{text}");
    }
}

#[test]
fn junit_of_lint_has_a_case_for_what_passed() {
    let text = meshctl(&["lint", "testdata/mesh/bookinfo/base.yaml", "-o", "junit"], b"").stdout;
    assert!(text.contains("<testsuite name=\"testdata/mesh/bookinfo/base.yaml\""), "{text}");
    assert!(text.contains("<testcase name=\"Service bookinfo/reviews\"") && text.contains("failures=\"0\""), "{text}");
}

#[test]
fn hostile_names_stay_text_in_every_format() {
    for (format, ..) in FORMATS {
        let run = meshctl(&["lint", "-", "-o", format], HOSTILE.as_bytes());
        assert_eq!(run.code, 1, "{format}");
        assert!(!run.stdout.contains(['\u{1b}', '\u{202e}', '\u{2028}', '\r', '\0']), "{format}: {:?}", run.stdout);
    }
    let github = meshctl(&["lint", "-", "-o", "github"], HOSTILE.as_bytes()).stdout;
    assert!(
        !github.is_empty()
            && github.lines().all(|line| line.starts_with("::error title=MC")
                || line.starts_with("::warning title=MC")
                || line.starts_with("::notice title=MC")),
        "{github}"
    );
    let gitlab: Value =
        serde_json::from_str(&meshctl(&["lint", "-", "-o", "gitlab"], HOSTILE.as_bytes()).stdout).unwrap();
    assert!(gitlab.as_array().is_some_and(|issues| !issues.is_empty()));
}

#[test]
fn lint_prints_blocks_on_a_terminal_and_lines_in_a_pipe() {
    let args = ["lint", "testdata/mesh/broken-document"];
    let run = |format: Option<&str>, width| {
        let more: Vec<&str> = format.into_iter().flat_map(|format| ["-o", format]).collect();
        meshctl_on(&[&args[..], &more].concat(), b"", width, false).stdout
    };
    assert_eq!(run(None, None), run(Some("concise"), None));
    assert_eq!(run(None, Some(120)), run(Some("full"), Some(120)));
    assert_ne!(run(None, None), run(Some("full"), None));
    let full = run(Some("full"), None);
    let source = read(&root().join("testdata/mesh/broken-document/peer-authentication.yaml"));
    let shows = source.lines().any(|line| !line.is_empty() && full.contains(&format!(" | {line}\n")));
    assert!(full.contains("= explain: meshctl explain MC0001") && shows, "{full}");
}

#[test]
fn several_outputs_of_one_run_are_those_of_several_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.sarif");
    let args = ["lint", "testdata/mesh/broken-document", "-o", "github", "-o", &format!("sarif={}", file.display())];
    let run = meshctl(&args, b"");
    assert_eq!(run.code, 1);
    assert_eq!(run.stdout, meshctl(&["lint", "testdata/mesh/broken-document", "-o", "github"], b"").stdout);
    assert_eq!(read(&file), meshctl(&["lint", "testdata/mesh/broken-document", "-o", "sarif"], b"").stdout);
}
