//! What holds for every mesh: the same bytes twice, JSON that fits its schema, counts that equal the cells, exit codes
//! that are the same in every format, and no row that turns green for nothing.

use crate::generated::schema;
use crate::support::{folders, meshctl, name, read, root};
use meshctl::render::FORMATS;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Random meshes, and cases with mixed endpoints, headless services, subsets and a ServiceEntry.
fn samples() -> Vec<PathBuf> {
    let cases = ["F0", "A2", "A7", "B10", "C9", "E5", "E13", "A19"].map(|id| root().join("testdata/cases").join(id));
    let folders = folders(&root().join("testdata/meshes")).into_iter().chain(cases);
    folders.map(|folder| folder.join("mesh.yaml")).collect()
}

/// Defects of every kind among good objects.
const DEFECTS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: a, namespace: shop}
spec: {mtls: {mode: STRICTLY}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentcation
metadata: {name: b, namespace: shop}
---
kind: Service
kind: Service
---
a: [1, 2
";

#[test]
fn the_same_input_gives_the_same_bytes() {
    samples().par_iter().for_each(|file| {
        for (format, ..) in FORMATS {
            for more in [&[][..], &["--expand"], &["--why"], &["--matrix"], &["--expand", "--why"]] {
                let mut args = vec!["tls-check", "-f", file.to_str().unwrap(), "-o", format];
                args.extend(more);
                let (first, second) = (meshctl(&args, b""), meshctl(&args, b""));
                assert!(!first.stdout.is_empty() || *format == "github", "{args:?}: {}", first.stderr);
                assert!(first.stdout == second.stdout && first.code == second.code, "{args:?} differs from itself");
            }
        }
    });
}

/// The JSON of a mesh, grouped and expanded; and of one full of defects.
fn envelopes() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for more in [&[][..], &["--expand"]] {
        for file in samples() {
            let path = file.to_str().unwrap();
            let args = [&["tls-check", "-f", path, "-o", "json"], more].concat();
            found.push((format!("{path} {more:?}"), meshctl(&args, b"").json()));
        }
        let args = [&["tls-check", "-f", "-", "-o", "json"], more].concat();
        found.push((format!("defects {more:?}"), meshctl(&args, DEFECTS.as_bytes()).json()));
    }
    found
}

#[test]
fn json_fits_its_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let mut findings = 0;
    for (what, envelope) in envelopes() {
        if let Some(error) = validator.iter_errors(&envelope).next() {
            panic!("{what}: {} {error}", error.instance_path());
        }
        findings += envelope["findings"].as_array().unwrap().len();
    }
    assert!(findings >= 10, "the defects are not found: {findings}");
    // A check that cannot fail is no check.
    let mut wrong = envelopes().remove(0).1;
    assert!(validator.is_valid(&wrong));
    wrong["cells"][0]["status"] = json!("GREEN");
    assert!(!validator.is_valid(&wrong), "any status passes");
    wrong["cells"][0]["status"] = json!("OK");
    wrong["findings"] = json!([{"code": "MC0001"}]);
    assert!(!validator.is_valid(&wrong), "any finding passes");
}

#[test]
fn the_summary_counts_the_cells() {
    const STATUSES: [&str; 7] = ["OK", "PLAINTEXT", "TLS", "CONFLICT", "CONDITIONAL", "MIXED", "UNKNOWN"];
    for (what, envelope) in envelopes() {
        let cells = envelope["cells"].as_array().unwrap();
        let summary = &envelope["summary"];
        let count = |wanted: &dyn Fn(&Value) -> bool| cells.iter().filter(|cell| wanted(cell)).count();
        for status in STATUSES {
            let has = count(&|cell| cell["status"] == status && cell["expected"] != true);
            assert_eq!(summary[status], has, "{what}: {status}");
        }
        assert_eq!(summary["outside"], count(&|cell| cell["expected"] == true), "{what}: outside");
        assert_eq!(summary["cells"], cells.len(), "{what}: cells");
        assert!(!cells.is_empty(), "{what}");
    }
}

#[test]
fn a_pod_and_its_whole_file_name_each_step() {
    // "Every verdict says why": no cell without reasons, and what names a file names a line.
    for (what, envelope) in envelopes() {
        for cell in envelope["cells"].as_array().unwrap() {
            let because = cell["because"].as_array().unwrap();
            assert!(because.iter().any(|step| step["step"] == "outcome"), "{what}: no outcome: {cell}");
            for step in because {
                assert_eq!(step["file"].is_null(), step["line"].is_null(), "{what}: {step}");
                assert_ne!(step["text"], "", "{what}: {step}");
            }
        }
    }
}

type Cells = BTreeMap<String, Value>;

/// The expanded cells by client, host, port, subset and address.
fn by_key(text: &str) -> Cells {
    let run = meshctl(&["tls-check", "-f", "-", "--expand", "-o", "json"], text.as_bytes());
    let mut cells = Cells::new();
    for cell in run.json()["cells"].as_array().unwrap() {
        let (client, server) = (&cell["client"], &cell["server"]);
        let key = [&client["workload"], &client["namespace"], &server["host"], &server["port"], &server["subset"]];
        let key = format!("{key:?} {} {}", cell["endpoint"]["address"], cell["endpoint"]["port"]);
        cells.insert(key, cell.clone());
    }
    cells
}

/// The steps of a decision without their lines, which move when an object goes.
fn steps(cell: &Value) -> Vec<Value> {
    let because = cell["because"].as_array().unwrap();
    because.iter().map(|step| json!([step["step"], step["object"], step["path"], step["text"]])).collect()
}

/// Cells that turned OK without saying what they rest on now.
fn green_for_nothing(before: &Cells, after: &Cells) -> (usize, Vec<String>) {
    let mut turned = 0;
    let mut bad = Vec::new();
    for (key, cell) in after.iter().filter(|(_, cell)| cell["status"] == "OK") {
        let Some(old) = before.get(key).filter(|old| old["status"] != "OK") else { continue };
        turned += 1;
        let because = steps(cell);
        let last = because.iter().rfind(|step| step[0] == "outcome").map(|step| step[3].to_string());
        if because == steps(old) || !last.is_some_and(|text| text.contains("mutual TLS")) {
            bad.push(format!("{key}\n  before {old}\n  after  {cell}"));
        }
    }
    (turned, bad)
}

#[test]
fn no_deletion_turns_a_row_green_without_a_reason() {
    const KINDS: [&str; 6] = ["Service", "Pod", "EndpointSlice", "PeerAuthentication", "DestinationRule", "Sidecar"];
    /// So that the test stays under 20 seconds.
    const EACH: usize = 24;
    let totals: Vec<(usize, usize)> = samples()
        .par_iter()
        .map(|file| {
            let text = read(file);
            let documents: Vec<&str> = text.split("\n---\n").collect();
            let before = by_key(&text);
            let kind = |document: &str| KINDS.iter().any(|kind| document.lines().any(|l| l == format!("kind: {kind}")));
            let mut chosen: Vec<usize> = (0..documents.len()).filter(|n| kind(documents[*n])).collect();
            // Policies decide most, and stand last.
            chosen.reverse();
            chosen.truncate(EACH);
            let turned = chosen.iter().map(|gone| {
                let left: Vec<&str> = (0..documents.len()).filter(|n| n != gone).map(|n| documents[n]).collect();
                let (turned, bad) = green_for_nothing(&before, &by_key(&left.join("\n---\n")));
                let what = name(file.parent().unwrap());
                assert!(bad.is_empty(), "{what} without\n{}\n{}", documents[*gone], bad.join("\n"));
                turned
            });
            (turned.sum(), chosen.len())
        })
        .collect();
    let (turned, deleted) = totals.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert!(turned > 20 && deleted > 100, "{deleted} deletions turned {turned} cells: nothing was tested");
}

#[test]
fn green_for_nothing_is_noticed() {
    let cell = |status: &str, text: &str| json!({"status": status, "because": [{"step": "outcome", "text": text}]});
    let one = |cell| Cells::from([("k".to_owned(), cell)]);
    let turn = |old: &str, new: &str| green_for_nothing(&one(cell("UNKNOWN", old)), &one(cell("OK", new))).1.len();
    assert_eq!(turn("who knows", "Istio mutual TLS meets STRICT: OK"), 0);
    assert_eq!(turn("Istio mutual TLS meets STRICT: OK", "Istio mutual TLS meets STRICT: OK"), 1);
    assert_eq!(turn("who knows", "plaintext: OK"), 1);
}

/// Two namespaces, a sidecar and a stranger call a STRICT and a PERMISSIVE server.
const SMALL: &str = "testdata/cases/F0/mesh.yaml";

#[test]
fn exit_codes_are_the_same_in_every_format_grouped_and_expanded() {
    let policy = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: shop}\nspec: {mtls: {mode: STRICT}}\n";
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r, namespace: shop}\nspec: {host: web.shop.svc.cluster.local, trafficPolicy: {tls: {mode: DISABLE}}}\n";
    let strict = format!("{}\n---\n{policy}", read(&root().join(SMALL)));
    let conflict = format!("{strict}---\n{rule}");
    let open = format!("{}\n---\n{rule}", read(&root().join(SMALL)));
    let broken = format!("{strict}---\na: [1, 2\n");
    let table: &[(&str, &str, Option<&str>, u8)] = &[
        ("strict", &strict, None, 0),
        ("strict", &strict, Some("never"), 0),
        ("strict", &strict, Some("conflict"), 0),
        ("strict", &strict, Some("outside"), 1),
        ("strict", &strict, Some("plaintext,outside"), 1),
        ("conflict", &conflict, None, 1),
        ("conflict", &conflict, Some("conflict"), 1),
        ("conflict", &conflict, Some("unknown,tls,conditional"), 0),
        ("conflict", &conflict, Some("never"), 0),
        ("open", &open, None, 0),
        ("open", &open, Some("plaintext"), 1),
        ("open", &open, Some("conflict"), 0),
        ("broken", &broken, None, 1),
        ("broken", &broken, Some("unknown"), 1),
        ("broken", &broken, Some("never"), 0),
        ("nothing", "# nothing\n", None, 3),
        ("nothing", "# nothing\n", Some("never"), 3),
        ("no text at all", "", None, 3),
        ("one broken document", "a: [1, 2\n", None, 1),
    ];
    for (what, text, fail_on, want) in table {
        for (format, ..) in FORMATS {
            for more in [&[][..], &["--expand"], &["--matrix"], &["--why"]] {
                let mut args = vec!["tls-check", "-f", "-", "-o", format];
                args.extend(more);
                args.extend(fail_on.iter().flat_map(|classes| ["--fail-on", classes]));
                let run = meshctl(&args, text.as_bytes());
                assert_eq!(run.code, *want, "{what} {args:?}\n{}{}", run.stdout, run.stderr);
            }
        }
    }
}

#[test]
fn usage_and_input_errors_exit_2_and_leave_stdout_empty() {
    for args in [
        &["tls-check"][..],
        &["tls-check", "-f", "no/such/file.yaml"],
        &["tls-check", "-f", "no/such/*.yaml"],
        &["tls-check", "-f", "-", "-f", "-"],
        &["tls-check", "-f", SMALL, "-o", "toml"],
        &["tls-check", "-f", SMALL, "-o", "json", "-o", "yaml"],
        &["tls-check", "-f", SMALL, "-o", "json=no/such/folder/report.json"],
        &["tls-check", "-f", SMALL, "--fail-on", "red"],
        &["tls-check", "-f", SMALL, "--fail-on", "never,conflict"],
        &["tls-check", "-f", SMALL, "--status", "red"],
        &["tls-check", "-f", SMALL, "--from", "nobody"],
        &["tls-check", "-f", SMALL, "--to", "nothing"],
        &["tls-check", "-f", SMALL, "--to", "web.shop:port"],
        &["tls-check", "-f", SMALL, "-l", "app"],
        &["tls-check", "-f", SMALL, "-n", "shop", "-A"],
        &["tls-check", "-f", SMALL, "--why", "--matrix"],
        &["tls-check", "-f", SMALL, "--mesh-config", "no/such/file"],
        &["tls-check", "-f", SMALL, "--istiod-env", "X"],
        &["explain", "no such thing at all"],
        &["no-such-command"],
        &[],
    ] {
        let run = meshctl(args, b"");
        assert_eq!((run.code, &*run.stdout), (2, ""), "{args:?}");
        assert!(!run.stderr.trim().is_empty(), "{args:?} says nothing");
    }
    for args in [&["--help"][..], &["--version"], &["tls-check", "--help"], &["explain"], &["completion", "bash"]] {
        let run = meshctl(args, b"");
        assert_eq!((run.code, &*run.stderr), (0, ""), "{args:?}");
        assert!(!run.stdout.is_empty(), "{args:?} says nothing");
    }
}

#[test]
fn a_report_goes_to_files_in_every_format_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let typed: Vec<String> =
        FORMATS.iter().map(|(name, ..)| format!("{name}={}", folder.path().join(name).display())).collect();
    let mut args = vec!["tls-check", "-f", SMALL, "-o", "name"];
    args.extend(typed.iter().flat_map(|one| ["-o", one]));
    let run = meshctl(&args, b"");
    assert_eq!(run.code, 0, "{}", run.stderr);
    for (format, ..) in FORMATS {
        let alone = meshctl(&["tls-check", "-f", SMALL, "-o", format], b"").stdout;
        assert_eq!(read(&folder.path().join(format)), alone, "{format}");
    }
}
