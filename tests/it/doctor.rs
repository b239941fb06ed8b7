//! What is said before and after a cluster is read: the doctor, snapshots, names for a shell, and why a dump cannot be had.

use crate::cluster::{Fault, Server, always, cells, mesh, not_read, pod, serve, status};
use crate::generated::doctor_schema;
use crate::support::{Run, meshctl, read};
use serde_json::{Value, json};

const FORBIDDEN: Fault = Fault::Status(403, "", "it is forbidden: no");

fn run(server: &Server, command: &str, args: &[&str]) -> Run {
    let config = server.folder.path().join("config");
    let mut all = vec![command, "--kubeconfig", config.to_str().unwrap()];
    all.extend(args);
    meshctl(&all, b"")
}

/// The sum of a report that does not hang on where it was read.
fn judged(report: Value) -> (Value, Vec<String>, Vec<Value>) {
    (report["summary"].clone(), not_read(&report), cells(report))
}

#[test]
fn a_snapshot_gives_the_report_of_the_cluster() {
    let server = serve(mesh(), |_, _| None);
    let file = server.folder.path().join("mesh.yaml");
    let path = file.to_str().unwrap();
    let made = run(&server, "snapshot", &["-A", "-o", path]);
    assert_eq!((made.code, made.stdout.as_str()), (0, ""), "{}", made.stderr);
    let text = read(&file);
    for word in ["managedFields", "Secret", "aHVudGVyMg=="] {
        assert!(!text.contains(word), "{word}");
    }
    assert_eq!(text.matches("creationTimestamp").count(), 10);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let live = server.run(&["-A", "--expand"]);
    let offline = meshctl(&["tls-check", "-f", path, "-o", "json", "-A", "--expand"], b"");
    assert_eq!((live.code, judged(live.json())), (offline.code, judged(offline.json())));
    // One that is there stays, but for --force; on standard output it is the same.
    assert_eq!(run(&server, "snapshot", &["-o", path]).code, 2);
    assert_eq!(read(&file), text);
    assert_eq!(run(&server, "snapshot", &["-o", path, "--force", "-A"]).code, 0);
    assert_eq!(run(&server, "snapshot", &["-A"]).stdout, text);
}

#[test]
fn a_snapshot_of_a_namespace_is_read_as_one() {
    let server = serve(mesh(), |_, _| None);
    // The context's namespace is shop. With -A the control plane's rows are shown too.
    for (scope, shown) in
        [(&[][..], &[][..]), (&["-n", "legacy"], &[]), (&["-n", "legacy", "-n", "shop"], &[]), (&[], &["-n", "shop"])]
    {
        let made = run(&server, "snapshot", scope);
        assert_eq!(made.code, 0, "{}", made.stderr);
        let live = server.run(scope);
        let offline = meshctl(&[&["tls-check", "-f", "-", "-o", "json"], shown].concat(), made.stdout.as_bytes());
        assert_eq!((live.code, judged(live.json())), (offline.code, judged(offline.json())), "{scope:?}");
    }
}

#[test]
fn what_a_snapshot_did_not_see_is_unknown_later() {
    let server = serve(mesh(), always("/peerauthentications", FORBIDDEN));
    let made = run(&server, "snapshot", &["-A"]);
    assert_eq!(made.code, 2, "{}", made.stderr);
    assert!(made.stderr.contains("not read: peerauthentications"), "{}", made.stderr);
    assert!(made.stdout.contains("\n# - peerauthentications"), "{}", made.stdout);
    assert_eq!(run(&server, "snapshot", &["-A", "--allow-partial"]).code, 0);
    let live = server.run(&["-A", "--expand"]);
    let offline = meshctl(&["tls-check", "-f", "-", "-o", "json", "-A", "--expand"], made.stdout.as_bytes());
    assert_eq!(status(&offline.json()).as_deref(), Some("unknown"));
    assert_eq!((live.code, judged(live.json())), (offline.code, judged(offline.json())));
    // What only lint asks for is no matter of tls-check.
    let server = serve(mesh(), always("/nothing", FORBIDDEN));
    let whole = run(&server, "snapshot", &["-A"]).stdout;
    let unseen = "unseen:\n  - kind: AuthorizationPolicy\n    reason: forbidden\n";
    let other = whole.replace("unseen: []\n", unseen);
    assert_ne!(whole, other);
    for (text, code) in [(&whole, 0), (&other, 1)] {
        let lint = meshctl(&["lint", "-", "--select", "MC0010", "-o", "json"], text.as_bytes());
        assert_eq!((lint.code, not_read(&lint.json()).len()), (code, usize::from(code)), "{}", lint.stderr);
        let check = meshctl(&["tls-check", "-f", "-", "-A", "-o", "json"], text.as_bytes());
        assert_eq!(not_read(&check.json()), Vec::<String>::new());
    }
}

#[test]
fn the_doctor_says_what_is_missing_and_prints_the_role() {
    for (allowed, code) in [(true, 0), (false, 1)] {
        let answer = Fault::Body(json!({"status": {"allowed": allowed}}).to_string());
        let server = serve(mesh(), always("selfsubjectaccessreviews", answer));
        let run = run(&server, "doctor", &["-o", "json"]);
        assert_eq!(run.code, code, "{}", run.stderr);
        let report = run.json();
        let wrong: Vec<String> = jsonschema::validator_for(&doctor_schema())
            .unwrap()
            .iter_errors(&report)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(report["istio"]["version"], "1.26.0");
        assert_eq!(report["istio"]["mesh_config"], "ConfigMap istio-system/istio");
        assert_eq!(report["cluster"]["namespaces"], json!(["shop"]));
        assert_eq!(report["role"].is_null(), allowed);
        let permissions = report["permissions"].as_array().unwrap();
        let secret = permissions.iter().find(|one| one["resource"].as_str().unwrap().contains("secret"));
        assert!(secret.is_none() && permissions.len() > 15);
        if !allowed {
            let role = report["role"].as_str().unwrap();
            assert!(
                role.contains("kind: RoleBinding")
                    && role.contains("\"pods/portforward\"")
                    && !role.contains("pods/exec")
            );
            assert_eq!(
                report["findings"].as_array().unwrap().len(),
                report["summary"]["denied"].as_u64().unwrap() as usize
            );
        }
    }
    let server = serve(mesh(), |_, _| None);
    let unclear = run(&server, "doctor", &[]);
    assert_eq!(unclear.code, 1, "{}", unclear.stdout);
    assert!(unclear.stdout.contains("unclear"), "{}", unclear.stdout);
    let server = serve(mesh(), always("/api", Fault::Status(401, "", "Unauthorized")));
    assert_eq!(run(&server, "doctor", &[]).code, 2);
}

#[test]
fn why_a_dump_cannot_be_had_is_said() {
    let mut objects = mesh();
    let mut pending = pod("shop", "new-1", "new", "", true);
    pending["status"] = json!({"phase": "Pending"});
    objects.push(pending);
    let refused = |url: &str, _| match url {
        _ if url.contains("selfsubjectaccessreviews") => {
            Some(Fault::Body(json!({"status": {"allowed": false}}).to_string()))
        }
        _ if url.contains("/portforward") || url.contains("/exec") => Some(FORBIDDEN),
        _ => None,
    };
    let server = serve(objects, refused);
    for (args, want) in [
        (&["web-1"][..], "get and create pods/portforward, or get and create pods/exec"),
        (&["web-1.shop"], "by port-forward to 15000: "),
        (&["sleep-1.legacy"], "no sidecar"),
        (&["new-1"], "it is pending"),
        (&["nope"], "there is no pod shop/nope"),
        (&["deploy/nope", "-n", "legacy"], "there is no deploy legacy/nope"),
        (&["secret/password"], "no kind that leads to Pods"),
        (&[], "whose dump?"),
        (&["--all-pods", "-n", "legacy"], "no pod of namespace legacy has a proxy"),
        (&["web-1", "-n", "a", "-n", "b"], "one namespace at a time"),
    ] {
        let run = run(&server, "authz-check", args);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{args:?}");
        assert!(run.stderr.contains(want), "{args:?}: {}", run.stderr);
    }
    let all = run(&server, "authz-check", &["--all-pods", "-o", "json"]);
    assert_eq!((all.code, not_read(&all.json()).len()), (2, 2), "{}", all.stderr);
}

#[test]
fn a_shell_is_given_names_or_nothing() {
    let server = serve(mesh(), |_, _| None);
    let config = server.folder.path().join("config");
    let config = config.to_str().unwrap();
    let ask = |what: &str, words: &[&str]| {
        let run = meshctl(&[&["__complete", what, "--", "tls-check", "--kubeconfig", config], words].concat(), b"");
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        run.stdout
    };
    assert_eq!(ask("contexts", &["--context", ""]), "here\n");
    assert_eq!(ask("namespaces", &["-n", ""]), "istio-system\nlegacy\nshop\n");
    assert_eq!(ask("pods", &["--from", ""]), "web-1\n");
    assert_eq!(ask("pods", &["-n", "legacy"]), "sleep-1\n");
    assert_eq!(ask("namespaces", &["--context", "nowhere"]), "");
    assert_eq!(ask("contexts", &["--kubeconfig", "/nowhere"]), "");
    let server = serve(mesh(), always("/namespaces", FORBIDDEN));
    let config = server.folder.path().join("config");
    let run = meshctl(&["__complete", "namespaces", "--", "--kubeconfig", config.to_str().unwrap()], b"");
    assert_eq!(run.stdout, "shop\n");
}
