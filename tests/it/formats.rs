//! What a person sees: each format and view of one small mesh whose endpoints differ, in a pipe, on narrow and wide
//! terminals, and in colour. `INSTA_UPDATE=always cargo test --test it formats` writes the snapshots anew; read them.

use crate::support::{meshctl, meshctl_on};

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
    for format in ["json", "yaml", "csv", "markdown", "name"] {
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
