//! What `authz-check` shows of config dumps, and what it must never show.

mod articles;
mod build;
mod eras;
mod hostile;
mod leaks;
mod truth;

use crate::generated::dump_schema;
use crate::support::{Run, meshctl, root};

/// When the dumps of the package were taken: certificates are judged at that time.
const AT: &str = "2026-11-22T12:41:43Z";

/// Runs `meshctl authz-check ARGS`.
fn authz(args: &[&str], stdin: &[u8]) -> Run {
    meshctl(&[&["authz-check"], args].concat(), stdin)
}

#[test]
fn what_is_no_dump_is_an_error_and_the_others_are_shown() {
    let run = authz(&["-f", "-"], br#"{"apiVersion": "v1", "kind": "Pod"}"#);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("none of the sections"), "{}", run.stderr);
    let good = root().join("testdata/envoy/details-permissive-port-strict.json");
    let run = authz(&["-f", "-", "-f", &good.to_string_lossy(), "--at", AT], b"nothing");
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stdout.contains("virtualInbound"), "{}", run.stdout);
}

#[test]
fn nothing_to_check_is_never_an_empty_success() {
    let empty = br#"{"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {"node": {"id": "sidecar~1.1.1.1~a.b~b.svc"}}}]}"#;
    let run = authz(&["-f", "-"], empty);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(run.stderr.contains("nothing to check"), "{}", run.stderr);
    assert!(run.stdout.contains("the dump has no listeners") && !run.stdout.contains("LISTENER["), "{}", run.stdout);
    let run = authz(&[], b"");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("whose dump?"), "{}", run.stderr);
}

#[test]
fn the_json_is_what_the_schema_says() {
    let file = root().join("testdata/envoy/details-permissive-port-strict.json");
    let run = authz(&["-f", &file.to_string_lossy(), "--at", AT, "-o", "json"], b"");
    let validator = jsonschema::validator_for(&dump_schema()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&run.json()).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}
