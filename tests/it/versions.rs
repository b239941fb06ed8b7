//! What `--istio-version` and `--revision` change: the same mesh before and after the release that made a difference.

use crate::support::{cells, root};
use serde_json::Value;

/// Wire, status and failure of the cells of `front/cli` for a port of the service `web` and a subset.
fn answers(case: &str, port: u16, subset: Option<&str>, flags: &[&str]) -> Vec<(Value, Value, Value)> {
    let all = cells(&root().join("testdata/cases").join(case).join("mesh.yaml"), flags);
    let wanted = all.iter().filter(|cell| {
        cell["client"]["namespace"] == "front"
            && cell["client"]["workload"] == "cli"
            && cell["server"]["port"] == port
            && cell["server"]["subset"].as_str() == subset
    });
    let mut found: Vec<_> =
        wanted.map(|cell| (cell["wire"].clone(), cell["status"].clone(), cell["failure"].clone())).collect();
    found.dedup();
    found
}

#[test]
fn each_release_changes_what_it_changed() {
    type Answer<'a> = (&'a str, &'a str, Option<&'a str>);
    // case, port, subset; the last release before, and its answer; the first after, and its answer
    let (mtls, plain) = (("mtls", "OK", None), ("plaintext", "PLAINTEXT", None));
    type Side<'a> = (&'a str, Answer<'a>);
    let rows: &[(&str, u16, Side<'_>, Side<'_>)] = &[
        ("C7b", 80, ("1.7", plain), ("1.8", mtls)),
        ("C3b", 80, ("1.11", ("mtls", "CONFLICT", Some("F3"))), ("1.12", plain)),
        ("C3b", 9000, ("1.11", ("mtls", "CONFLICT", Some("F6"))), ("1.12", plain)),
        ("E5", 80, ("1.13", plain), ("1.14", mtls)),
        ("D12", 80, ("1.18", ("tls", "CONFLICT", Some("F5"))), ("1.19", ("tls", "CONFLICT", Some("F4")))),
        ("D13b", 80, ("1.18", ("mutual_tls", "CONDITIONAL", None)), ("1.19", ("mutual_tls", "CONFLICT", Some("F4")))),
        ("E10", 80, ("1.23", mtls), ("1.24", plain)),
        ("E18c", 80, ("1.30", ("tls", "CONFLICT", Some("F4"))), ("1.31", mtls)),
    ];
    for (case, port, before, after) in rows {
        for (version, (wire, status, failure)) in [before, after] {
            let want = vec![(Value::from(*wire), Value::from(*status), failure.map_or(Value::Null, Value::from))];
            assert_eq!(answers(case, *port, None, &["--istio-version", version]), want, "{case}:{port} {version}");
        }
    }
}

#[test]
fn a_version_that_may_not_read_backend_policies_is_not_judged() {
    for (version, judged) in [("1.27", false), ("1.28", true)] {
        let found = answers("E18", 80, None, &["--istio-version", version]);
        assert_eq!(found.iter().all(|(_, status, _)| status != "UNKNOWN"), judged, "{version}");
    }
}

/// A21: a policy with STRICT for revision canary, in a mesh whose pods belong to revision default.
#[test]
fn a_revision_sees_its_own_objects() {
    let status = |flags: &[&str]| {
        let all = cells(&root().join("testdata/cases/A21/mesh.yaml"), flags);
        let naked = all.iter().find(|cell| cell["client"]["proxy"] == "none" && cell["server"]["port"] == 80);
        naked.map(|cell| cell["server_mode"].clone())
    };
    assert_eq!(status(&[]), Some(Value::from("PERMISSIVE")));
    assert_eq!(status(&["--revision", "default"]), Some(Value::from("PERMISSIVE")));
    // The pods are not canary's: whether it is STRICT for them is not said.
    assert_eq!(status(&["--revision", "canary"]), Some(Value::Null));
}
