//! Manifests as articles on the web print them: `lint` says what is wrong at the right lines, and fails.

use crate::support::{files, meshctl, name, root};
use serde_json::Value;

/// A file, the lines and codes of its findings, and the exit code.
type Printed = (&'static str, &'static [(u64, &'static str)], u8);

/// Every file of `testdata/lint-articles`.
const PRINTED: &[Printed] = &[
    (
        "flat-destination-rule.yaml",
        &[(2, "MC0007"), (2, "MC0007"), (3, "MC0005"), (6, "MC0008"), (9, "MC0008"), (10, "MC0008")],
        1,
    ),
    ("flat-peer-authentication.yaml", &[(2, "MC0007"), (5, "MC0008"), (8, "MC0008"), (11, "MC0008")], 1),
    ("flat-policy.yaml", &[(2, "MC0007"), (2, "MC0120"), (5, "MC0008"), (7, "MC0008"), (9, "MC0008")], 1),
    ("footnote.yaml", &[(3, "MC0009")], 1),
    ("one-space.yaml", &[(3, "MC0001")], 1),
    ("policy-in-rule.yaml", &[(10, "MC0008"), (12, "MC0008"), (15, "MC0008")], 1),
];

#[test]
fn flattened_manifests_get_helpful_findings_at_their_lines() {
    let there = files(&root().join("testdata/lint-articles"), "yaml");
    assert_eq!(
        there.iter().map(|path| name(path)).collect::<Vec<_>>(),
        PRINTED.iter().map(|p| p.0).collect::<Vec<_>>()
    );
    for (file, want, exit) in PRINTED {
        let run = meshctl(&["lint", &format!("testdata/lint-articles/{file}"), "-o", "json"], b"");
        let envelope = run.json();
        let findings = envelope["findings"].as_array().unwrap();
        let of = |finding: &Value| (finding["line"].as_u64().unwrap(), finding["code"].as_str().unwrap().to_owned());
        let found: Vec<_> = findings.iter().map(of).collect();
        let want: Vec<_> = want.iter().map(|(line, code)| (*line, (*code).to_owned())).collect();
        assert_eq!(found, want, "{file}: {findings:#?}");
        assert_eq!(run.code, *exit, "{file}");
    }
}

#[test]
fn the_help_says_where_a_field_belongs() {
    for (file, help) in [
        ("flat-peer-authentication.yaml", "move mtls to spec.mtls, mode to spec.mtls.mode"),
        ("flat-destination-rule.yaml", "tls to spec.trafficPolicy.tls, mode to spec.trafficPolicy.tls.mode"),
        ("flat-policy.yaml", "move peers to spec.peers"),
        ("footnote.yaml", "did you mean kind DestinationRule of networking.istio.io/v1?"),
        ("policy-in-rule.yaml", "spec.selector of a PeerAuthentication"),
    ] {
        let run = meshctl(&["lint", &format!("testdata/lint-articles/{file}"), "-o", "json"], b"");
        assert!(run.stdout.contains(help), "{file}: {}", run.stdout);
    }
}
