//! Damaged input: no panic, no hang, JSON that parses, and nothing that passes for "all is well".

use crate::support::{folders, meshctl, read, root};
use rayon::prelude::*;
use serde_json::Value;
use std::time::{Duration, Instant};

/// How many mutated copies.
const COPIES: u64 = 500;
/// Generous: it tells a hang from a slow machine, nothing else.
const HANG: Duration = Duration::from_secs(20);

/// Marsaglia's xorshift: small, seeded, the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }
}

/// A damage: its name, what it does, and whether no YAML reader could take the result.
type Damage = (&'static str, fn(&[u8], &mut Random) -> Vec<u8>, bool);

const DAMAGES: &[Damage] = &[
    ("cut", |text, random| text[..random.below(text.len())].to_vec(), false),
    ("bytes flipped", flipped, false),
    ("lines doubled", |text, random| on_line(text, random, |line, _| [line, line].concat()), false),
    ("keys doubled", keys_doubled, false),
    ("lines deleted", |text, random| on_line(text, random, |_, _| Vec::new()), false),
    ("indentation changed", |text, random| on_line(text, random, indented), false),
    ("huge indentation", |text, random| on_line(text, random, |line, _| [&[b' '; 70_000], line].concat()), false),
    ("characters inserted", inserted, false),
    ("values swapped", |text, random| on_line(text, random, |_, random| odd_value(random)), false),
    ("cut and glued to itself", |text, random| [text, &text[random.below(text.len())..]].concat(), false),
    ("an open list", |text, _| [text, b"\n---\nspec: [1, {a: 2\n"].concat(), true),
    ("an open string", |text, _| [text, b"\n---\nspec: \"never closed\n"].concat(), true),
    ("a tab as indentation", |text, _| [text, b"\n---\nspec:\n\tmode: STRICT\n"].concat(), true),
    ("an unknown alias", |text, _| [text, b"\n---\nspec: *nowhere\n"].concat(), true),
    ("a template", |text, _| [text, b"\n---\n{{- if .Values.x }}\nkind: Service\n{{- end }}\n"].concat(), true),
];

fn flipped(text: &[u8], random: &mut Random) -> Vec<u8> {
    let mut text = text.to_vec();
    for _ in 0..=random.below(20) {
        let at = random.below(text.len());
        text[at] ^= 1 << random.below(8);
    }
    text
}

/// Changes some lines of the text.
fn on_line(text: &[u8], random: &mut Random, change: fn(&[u8], &mut Random) -> Vec<u8>) -> Vec<u8> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let chosen: Vec<usize> = (0..=random.below(4)).map(|_| random.below(lines.len())).collect();
    let each = lines.iter().enumerate();
    each.flat_map(|(n, line)| if chosen.contains(&n) { change(line, random) } else { line.to_vec() }).collect()
}

fn keys_doubled(text: &[u8], random: &mut Random) -> Vec<u8> {
    on_line(text, random, |line, _| {
        let key = line.iter().position(|byte| *byte == b':').map_or(&[][..], |at| &line[..=at]);
        [key, b" again\n", line].concat()
    })
}

fn indented(line: &[u8], random: &mut Random) -> Vec<u8> {
    let bare = line.iter().position(|byte| *byte != b' ').map_or(line, |at| &line[at..]);
    [&vec![b' '; random.below(12)], bare].concat()
}

fn inserted(text: &[u8], random: &mut Random) -> Vec<u8> {
    const ODD: [&str; 12] = [
        "\0",
        "\u{1b}[31m",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{202e}",
        "\u{feff}",
        "\u{1f600}",
        "\t",
        "\r",
        "%",
        "\u{e000}",
    ];
    let mut text = String::from_utf8(text.to_vec()).unwrap();
    for _ in 0..=random.below(8) {
        let at = (random.below(text.len())..).find(|at| text.is_char_boundary(*at)).unwrap();
        text.insert_str(at, ODD[random.below(ODD.len())]);
    }
    text.into_bytes()
}

fn odd_value(random: &mut Random) -> Vec<u8> {
    const ODD: [&str; 10] = [
        "  spec: null\n",
        "  ports: 7\n",
        "  - port: 99999999999999999999\n",
        "  host: '*.*.**'\n",
        "    port: -1\n",
        "  selector: [a]\n",
        "metadata: []\n",
        "    mode: {}\n",
        "  namespace: 3.0e9\n",
        "? [a]\n: b\n",
    ];
    ODD[random.below(ODD.len())].as_bytes().to_vec()
}

/// Runs the program on a text in two formats, and checks what must hold for any text.
fn survives(what: &str, text: &[u8], broken: bool) {
    let start = Instant::now();
    let table = meshctl(&["tls-check", "-f", "-"], text);
    let json = meshctl(&["tls-check", "-f", "-", "-o", "json", "--expand"], text);
    let took = start.elapsed();
    assert!(took < HANG, "{what}: {took:?}");
    assert_eq!(table.code, json.code, "{what}");
    let raw = table.stdout.chars().find(|c| c.is_control() && *c != '\n');
    assert!(raw.is_none(), "{what}: {raw:?} reached the terminal");
    if json.code == 2 {
        assert!(!json.stderr.is_empty(), "{what}: exit 2 without a word");
        return;
    }
    let envelope = json.json();
    let findings = envelope["findings"].as_array().unwrap();
    let unread = findings.iter().any(|finding| finding["severity"] == "error");
    assert!(unread || !broken, "{what}: not a word about a document that cannot be read");
    // What was not read is `unknown`, which is in the default of --fail-on.
    assert!(!unread || json.code == 1, "{what}: exit {} in spite of {findings:?}", json.code);
    let green = |cell: &Value| cell["status"] == "OK" && cell["because"].as_array().is_none_or(Vec::is_empty);
    assert!(!envelope["cells"].as_array().unwrap().iter().any(green), "{what}: OK for no reason");
}

#[test]
fn five_hundred_damaged_copies() {
    let places = folders(&root().join("testdata/cases")).into_iter().chain(folders(&root().join("testdata/meshes")));
    let fixtures: Vec<String> = places.map(|folder| read(&folder.join("mesh.yaml"))).collect();
    (0..COPIES).into_par_iter().for_each(|number| {
        // The first outputs of xorshift resemble a small seed.
        let mut random = Random((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.next();
        let (name, damage, broken) = DAMAGES[usize::try_from(number).unwrap() % DAMAGES.len()];
        let fixture = &fixtures[random.below(fixtures.len())];
        let what = format!("mutation {number} ({name})");
        let text = damage(fixture.as_bytes(), &mut random);
        let panicked = std::panic::catch_unwind(|| survives(&what, &text, broken));
        assert!(panicked.is_ok(), "{what}: see above");
    });
}

/// `base`, then `layers` of ten aliases to the layer before.
fn bomb(first: &str, layer: impl Fn(usize) -> String, layers: usize) -> String {
    (1..=layers).fold(first.to_owned(), |text, n| text + &layer(n))
}

/// Texts that are built to break readers, and whether they must be refused.
fn hostile() -> Vec<(&'static str, Vec<u8>, bool)> {
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let good = "kind: Service\napiVersion: v1\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n";
    let long = "x".repeat(1 << 20);
    let laughs = bomb(
        "l0: &l0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n",
        |n| format!("l{n}: &l{n} [{}]\n", vec![format!("*l{}", n - 1); 10].join(", ")),
        9,
    );
    let merges = bomb(
        "m0: &m0 {a: 1, b: 2}\n",
        |n| {
            let keys: String = (0..10).map(|key| format!(", k{n}x{key}: *m{}", n - 1)).collect();
            format!("m{n}: &m{n} {{<<: [{}]{keys}}}\n", vec![format!("*m{}", n - 1); 10].join(", "))
        },
        9,
    );
    let blocks: String = (0..10_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    vec![
        ("block mappings 10,000 deep", blocks.into_bytes(), false),
        ("flow lists 10,000 deep", ["a: ", &"[".repeat(10_000), &"]".repeat(10_000)].concat().into_bytes(), false),
        ("flow mappings 10,000 deep", ["{a: ".repeat(10_000), "}".repeat(10_000)].concat().into_bytes(), false),
        ("open lists 10,000 deep", ["a: ", &"[".repeat(10_000)].concat().into_bytes(), true),
        ("block lists 100,000 deep", "- ".repeat(100_000).into_bytes(), false),
        ("question marks 100,000 deep", "? ".repeat(100_000).into_bytes(), false),
        ("billion laughs", laughs.into_bytes(), false),
        ("merge bomb", merges.into_bytes(), false),
        ("an alias inside its own anchor", b"a: &a [*a]\n".to_vec(), true),
        ("a plain scalar of 1 MB", format!("a: {long}\n").into_bytes(), false),
        ("a key of 1 MB", format!("{long}: a\n").into_bytes(), false),
        ("a quoted scalar of 1 MB", format!("a: \"{}\"\n", "\\u0041 ".repeat(150_000)).into_bytes(), false),
        ("a name of 1 MB", good.replace("name: a", &format!("name: {long}")).into_bytes(), false),
        ("100,000 documents", "---\n".repeat(100_000).into_bytes(), false),
        ("100,000 ports", good.replace("{port: 80}", &["{port: 80}"; 100_000].join(",")).into_bytes(), false),
        ("empty", Vec::new(), false),
        ("blank", b" \n\t\n\r\n".to_vec(), false),
        ("only comments", b"# a\n# b\n---\n# c\n".to_vec(), false),
        ("only a byte order mark", "\u{feff}".into(), false),
        ("NUL bytes", vec![0; 4096], true),
        ("a NUL inside", [good.as_bytes(), b"a: \0\n"].concat(), true),
        ("UTF-16, little end first", utf16(&format!("\u{feff}{good}"), u16::to_le_bytes), false),
        ("UTF-16, big end first", utf16(&format!("\u{feff}{good}"), u16::to_be_bytes), false),
        ("half of a UTF-16 character", b"\xff\xfea".to_vec(), false),
        ("Latin-1", [good.as_bytes(), b"# gr\xfc\xdfe\n"].concat(), true),
        ("every byte", (0..=255).collect(), true),
        ("a JSON list 10,000 deep", ["[".repeat(10_000), "]".repeat(10_000)].concat().into_bytes(), false),
        (
            "a List that holds itself 2,000 times",
            {
                let open = "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [";
                [open.repeat(2_000), "]}".repeat(2_000)].concat().into_bytes()
            },
            false,
        ),
    ]
}

#[test]
fn hostile_texts() {
    hostile().par_iter().for_each(|(what, text, broken)| survives(what, text, *broken));
}

#[test]
fn bombs_and_depths_are_refused_not_expanded() {
    for (what, text, _) in hostile() {
        if !["billion laughs", "merge bomb", "flow lists 10,000 deep", "block mappings 10,000 deep"].contains(&what) {
            continue;
        }
        let envelope = meshctl(&["tls-check", "-f", "-", "-o", "json"], &text).json();
        assert_eq!(envelope["findings"][0]["code"], "MC0001", "{what}");
    }
}
