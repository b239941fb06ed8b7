//! Dumps that are cut, changed and made up: no panic, no hang, no empty success, and no mutual TLS that was not there.

use super::build::{details, disable, permissive};
use super::{AT, authz};
use crate::support::{Run, files, name, read, root};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// No run over a few kilobytes takes that long, even on a busy machine.
const HANG: Duration = Duration::from_secs(10);

/// The small dumps of the package, and two that are built.
fn dumps() -> Vec<(String, String)> {
    let own =
        files(&root().join("testdata/envoy"), "json").into_iter().map(|file| (name(&file).to_owned(), read(&file)));
    // Cut ones are no JSON, and what is refused has no rows.
    let mut all: Vec<_> = own
        .filter(|(name, text)| text.len() < 20_000 && !matches!(name.as_str(), "cut.json" | "ztunnel.json"))
        .chain(
            [("permissive", permissive()), ("disable", disable())]
                .map(|(name, inbound)| (name.to_owned(), details(inbound).to_string())),
        )
        .map(|(name, text)| (name, serde_json::from_str::<Value>(&text).unwrap().to_string()))
        .collect();
    all.sort();
    assert!(all.len() >= 7);
    all
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }
}

/// What is put in place of a value: every type, none of which says that a certificate is demanded or verified.
fn odd(random: &mut Random) -> Value {
    let odd = [
        json!(null),
        json!(false),
        json!(-1),
        json!(1e300),
        json!(65_536),
        json!("\u{1b}[2J"),
        json!([]),
        json!([[], {}]),
        json!({}),
        json!({"value": {}}),
        json!({"@type": "type.googleapis.com/google.protobuf.Any"}),
    ];
    odd[random.below(odd.len())].clone()
}

/// The number of values in a document.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(size).sum::<usize>(),
        Value::Object(map) => map.values().map(size).sum(),
        _ => 0,
    }
}

/// Changes the value with that number, counted from the root: its type, or a member of it.
fn change(value: &mut Value, at: &mut usize, random: &mut Random) {
    if *at == 0 {
        return change_here(value, random);
    }
    *at -= 1;
    let below: Vec<&mut Value> = match value {
        Value::Array(list) => list.iter_mut().collect(),
        Value::Object(map) => map.values_mut().collect(),
        _ => return,
    };
    for one in below {
        let inside = size(one);
        if *at < inside {
            return change(one, at, random);
        }
        *at -= inside;
    }
}

fn change_here(value: &mut Value, random: &mut Random) {
    match value {
        Value::Object(map) if !map.is_empty() && random.below(3) > 0 => {
            let key = map.keys().nth(random.below(map.len())).unwrap().clone();
            if random.below(2) == 0 {
                map.remove(&key);
            } else {
                let again = if random.below(2) == 0 { map[&key].clone() } else { odd(random) };
                map.insert(format!("{TWICE}{key}"), again);
            }
        }
        Value::Array(list) if !list.is_empty() && random.below(3) > 0 => {
            let at = random.below(list.len());
            if random.below(2) == 0 { drop(list.remove(at)) } else { list[at] = odd(random) }
        }
        value => *value = odd(random),
    }
}

/// Stands before a key that is written twice.
const TWICE: &str = "twice-";

/// Some changes of structure: types swapped, keys removed, keys twice.
fn restructured(text: &str, random: &mut Random) -> Vec<u8> {
    let mut value: Value = serde_json::from_str(text).unwrap();
    for _ in 0..=random.below(3) {
        let mut at = random.below(size(&value));
        change(&mut value, &mut at, random);
    }
    value.to_string().replace(TWICE, "").into_bytes()
}

/// Some changes of bytes.
fn scribbled(text: &str, random: &mut Random) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = [0, 0xff, b'"', b'{', b'}', b'[', b']', b',', b'\\'][random.below(9)],
            2 => drop(bytes.drain(at..(at + random.below(60)).min(bytes.len() - 1))),
            _ => {
                let piece = bytes[at..(at + 60).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

fn cut(text: &str, random: &mut Random) -> Vec<u8> {
    text.as_bytes()[..random.below(text.len())].to_vec()
}

/// A run over a dump, in JSON.
fn run(bytes: &[u8]) -> Run {
    authz(&["-f", "-", "--at", AT, "-o", "json"], bytes)
}

/// How many chains are mutual TLS, and whether there is anything in a report.
fn green(run: &Run) -> (usize, bool) {
    let Ok(envelope) = serde_json::from_str::<Value>(&run.stdout) else { return (0, false) };
    let all = |key: &str| {
        let proxies = envelope["proxies"].as_array().into_iter().flatten();
        proxies.flat_map(|proxy| proxy[key].as_array().into_iter().flatten()).cloned().collect::<Vec<Value>>()
    };
    let rows = all("rows");
    let has = !rows.is_empty() || !all("clusters").is_empty() || !all("certificates").is_empty();
    // A list that is there twice is read twice, which says nothing more.
    let mutual: BTreeSet<String> = rows
        .iter()
        .filter(|row| row["mtls"] == true)
        .map(|row| format!("{} {} {}", row["listener"], row["listener_state"], row["chain_index"]))
        .collect();
    (mutual.len(), has)
}

/// What must hold for any input.
fn survives(what: &str, bytes: &[u8], before: usize) -> Run {
    let start = Instant::now();
    let run = run(bytes);
    let took = start.elapsed();
    let text = || String::from_utf8_lossy(bytes).into_owned();
    assert!(took < HANG, "{what}: {took:?}\n{}", text());
    assert!(run.code <= 3, "{what}: exit {}", run.code);
    let (mtls, has) = green(&run);
    assert!(has || run.code != 0, "{what}: exit 0, and nothing was checked\n{}", text());
    assert!(
        run.code == 0 || !run.stdout.is_empty() || !run.stderr.is_empty(),
        "{what}: exit {} without a word",
        run.code
    );
    assert!(mtls <= before, "{what}: {mtls} chains are mutual TLS, {before} were\n{}", text());
    run
}

#[test]
fn a_thousand_mutated_dumps_are_read_and_none_is_greener() {
    let dumps = dumps();
    let before: Vec<usize> = dumps.iter().map(|(_, text)| green(&run(text.as_bytes())).0).collect();
    assert!(before.iter().sum::<usize>() > 8, "{before:?}");
    let ways: [fn(&str, &mut Random) -> Vec<u8>; 4] = [scribbled, cut, restructured, restructured];
    let mut random = Random(11);
    for turn in 0..1000 {
        let at = turn % dumps.len();
        let (name, text) = &dumps[at];
        let bytes = ways[(turn / dumps.len()) % ways.len()](text, &mut random);
        survives(&format!("turn {turn} of {name}"), &bytes, before[at]);
    }
}

#[test]
fn a_dump_that_is_cut_is_never_a_success() {
    for (name, text) in dumps() {
        let before = green(&run(text.as_bytes())).0;
        for end in (1..text.len()).step_by(1 + text.len() / 12) {
            let run = survives(&format!("{name} cut at {end}"), &text.as_bytes()[..end], before);
            assert_ne!(run.code, 0, "{name} cut at {end}");
        }
    }
}

#[test]
fn what_is_deep_or_long_is_bounded() {
    let deep = format!("{{\"configs\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = format!("{{\"configs\": [{}]}}", vec!["{}"; 100_000].join(","));
    let name = "n".repeat(1_000_000);
    let long =
        super::build::dump(&name, &[super::build::listener(&name, "0.0.0.0", 80, "INBOUND", Vec::new())]).to_string();
    for (what, text) in [("deep", &deep), ("wide", &wide), ("long", &long)] {
        survives(what, text.as_bytes(), 0);
    }
    for text in
        ["", " ", "[]", "{}", "null", "0", "\"a\"", "{\"configs\": []}", "{\"configs\": {}}", "{\"configs\": null}"]
    {
        assert_ne!(survives(text, text.as_bytes(), 0).code, 0, "{text}");
    }
}
