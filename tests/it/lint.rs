//! `meshctl lint`: each rule by its pair of manifests, and the machinery around the rules.

use crate::generated::{config_schema, lint_schema};
use crate::support::{Run, folders, meshctl, meshctl_on, name, read, root, skipped};
use meshctl::config::{Config, TEMPLATE};
use meshctl::explain::PAGES;
use meshctl::lint::rules::RULES;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Files in a folder of their own, a repository, so that no settings above it are found.
fn files(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// `lint PATH -o json FLAGS`.
fn lint(path: &Path, flags: &[&str]) -> Run {
    let mut args = vec!["lint", path.to_str().unwrap(), "-o", "json"];
    args.extend(flags);
    meshctl(&args, b"")
}

/// The codes of the findings of a run, in order.
#[track_caller]
fn codes(run: &Run) -> Vec<String> {
    let word = |finding: &Value| finding["code"].as_str().unwrap().to_owned();
    run.json()["findings"].as_array().unwrap().iter().map(word).collect()
}

/// A mesh-wide STRICT policy, so that MC0108 has nothing to say.
const STRICT: &str = "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
                      metadata: {name: default, namespace: istio-system}\nspec: {mtls: {mode: STRICT}}\n";

/// A kind that does not exist: an error at the line of `kind`, whatever the rules are.
const TYPO: &str = "apiVersion: security.istio.io/v1\nkind: PeerAuthenticatoin\nmetadata: {name: a, namespace: b}\n";

#[test]
fn every_pair_of_manifests_shows_its_rule() {
    let all = folders(&root().join("testdata/lint"));
    let mut wrong = Vec::new();
    for folder in &all {
        let code = name(folder);
        for (file, want) in [("bad.yaml", vec![code]), ("good.yaml", vec![])] {
            let mut found = codes(&lint(&folder.join(file), &["--config", "/dev/null"]));
            found.dedup();
            if found != want {
                wrong.push(format!("{code}/{file}: {found:?}"));
            }
        }
    }
    assert!(!all.is_empty() && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_page_and_a_pair_of_manifests() {
    for pair in RULES.windows(2) {
        assert!(pair[0].code.code < pair[1].code.code, "{} before {}", pair[0].code.code, pair[1].code.code);
    }
    let mut missing = Vec::new();
    for rule in RULES {
        let code = rule.code.code;
        for file in [format!("testdata/lint/{code}/bad.yaml"), format!("testdata/lint/{code}/good.yaml")] {
            if !root().join(&file).is_file() {
                missing.push(file);
            }
        }
        if !PAGES.iter().any(|(page, _)| *page == code) {
            missing.push(format!("docs/rules/{code}.md in explain::PAGES"));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn ignores_hide_and_are_counted() {
    for (ignore, shown, suppressed) in [
        ("", vec!["MC0009"], 0),
        ("# meshctl: ignore[MC0009] a kind of ours\n", vec![], 1),
        ("# meshctl: ignore[unknown-kind]: a kind of ours\n", vec![], 1),
        ("# meshctl: ignore[MC0009]\n", vec!["MC0003", "MC0009"], 0),
        ("# meshctl: ignore[MC0201] no such finding\n", vec!["MC0003", "MC0009"], 0),
    ] {
        let folder = files(&[("a.yaml", &format!("{ignore}{TYPO}{STRICT}"))]);
        let run = lint(folder.path(), &[]);
        assert_eq!(codes(&run), shown, "{ignore}");
        assert_eq!(run.json()["summary"]["suppressed"], suppressed, "{ignore}");
        assert_eq!(run.code, u8::from(shown.contains(&"MC0009")), "{ignore}");
        let all = lint(folder.path(), &["--no-ignores"]);
        assert_eq!((codes(&all), all.code), (vec!["MC0009".to_owned()], 1), "{ignore}");
    }
    let annotated = TYPO.replace("namespace: b}", "namespace: b, annotations: {meshctl.io/ignore.MC0009: ours}}");
    let folder = files(&[("a.yaml", &format!("{annotated}{STRICT}"))]);
    assert_eq!(codes(&lint(folder.path(), &[])), Vec::<String>::new());
    let run = meshctl(&["lint", folder.path().to_str().unwrap()], b"");
    assert!(run.stdout.contains("1 finding ignored in the manifests (--no-ignores shows them)"), "{}", run.stdout);
}

#[test]
fn patches_and_files_of_other_programs_are_no_manifests() {
    let kustomization = "resources: [web.yaml]\npatches:\n- path: patch.yaml\n- patch: |-\n    kind: A\n";
    let others = "{\n  // \"paths\": \"x\n  \"a\": [1,\n}\n";
    let folder = files(&[
        ("web.yaml", STRICT),
        ("kustomization.yaml", kustomization),
        ("patch.yaml", TYPO),
        ("tsconfig.json", others),
    ]);
    let run = lint(folder.path(), &[]);
    assert_eq!((codes(&run), run.code), (vec!["MC0006".to_owned(), "MC0001".to_owned()], 0), "{}", run.stdout);
    let found = run.json()["findings"].clone();
    assert!(found.as_array().unwrap().iter().all(|one| one["severity"] == "info"), "{found}");
    assert!(found[0]["message"].as_str().unwrap().contains("1 patch file and 1 inline patch are left out"), "{found}");
    let shown = lint(folder.path(), &["--show-files"]).stdout;
    let root = folder.path().to_str().unwrap();
    let want = [
        format!("{root}/kustomization.yaml"),
        format!("{root}/web.yaml"),
        format!("# {root}/patch.yaml: a patch of {root}/kustomization.yaml, no object of its own"),
        format!("# {root}/tsconfig.json: does not parse, and has neither apiVersion nor kind"),
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), want);
    // What is named has to parse, and what holds no object is no clean mesh.
    assert_eq!(lint(&folder.path().join("tsconfig.json"), &[]).code, 1);
    let alone = files(&[("tsconfig.json", others)]);
    assert_eq!(lint(alone.path(), &[]).code, 3);
    let manifest = files(&[("a.yaml", STRICT), ("b.yaml", "apiVersion: v1\nkind: Service\nspec: [\n")]);
    assert_eq!(lint(manifest.path(), &[]).code, 1);
}

#[test]
fn rules_are_selected_by_code_name_and_beginning() {
    let folder = files(&[("a.yaml", &format!("{TYPO}---\na: [\n{STRICT}"))]);
    for (flags, want) in [
        (vec![], vec!["MC0009", "MC0001"]),
        (vec!["--select", "MC0001"], vec!["MC0001"]),
        // What could not be read is said whatever is selected.
        (vec!["--select", "unknown-kind"], vec!["MC0009", "MC0001"]),
        (vec!["--select", "MC00", "--ignore", "mc0009"], vec!["MC0001"]),
        (vec!["--ignore", "MC0001,MC0009"], vec!["MC0001"]),
        (vec!["--select", "MC02,MC03"], vec!["MC0001"]),
    ] {
        let run = lint(folder.path(), &flags);
        assert_eq!(codes(&run), want, "{flags:?}");
        assert_eq!(run.json()["summary"]["left_out"], 2 - want.len(), "{flags:?}");
        assert_eq!(run.code, u8::from(!want.is_empty()), "{flags:?}");
    }
    for (flags, why) in [
        (["--select", "plaintxt-to-strict"], "did you mean plaintext-to-strict?"),
        (["--ignore", "MC9"], "\"MC9\" is no code"),
        (["--select", ""], "--select is empty"),
        (["--fail-on", "eror"], "a similar value exists: 'error'"),
    ] {
        let run = lint(folder.path(), &flags);
        assert!(run.code == 2 && run.stderr.contains(why), "{flags:?}: {} {}", run.code, run.stderr);
    }
}

#[test]
fn exit_codes_are_those_of_every_command() {
    let error = files(&[("a.yaml", &format!("{TYPO}{STRICT}"))]);
    let clean = files(&[("a.yaml", STRICT)]);
    let foreign = files(&[("a.yaml", "on: push\njobs: {}\n"), ("b.yaml", "")]);
    for (folder, flags, want) in [
        (&error, vec![], 1),
        (&error, vec!["--fail-on", "never"], 0),
        (&error, vec!["--fail-on", "info"], 1),
        (&error, vec!["--min-severity", "error", "--ignore", "MC00"], 0),
        (&clean, vec!["--fail-on", "info"], 0),
        (&foreign, vec![], 3),
        (&foreign, vec!["--allow-empty"], 0),
        (&foreign, vec!["--mesh-config", "/does/not/exist"], 2),
        (&foreign, vec!["--istiod-env", "NO_SUCH=1"], 2),
    ] {
        let run = lint(folder.path(), &flags);
        assert_eq!(run.code, want, "{flags:?}: {}", run.stderr);
    }
    assert_eq!(meshctl(&["lint"], b"").code, 2);
    assert_eq!(meshctl(&["lint", "/does/not/exist"], b"").code, 2);
    let run = meshctl(&["lint", foreign.path().to_str().unwrap()], b"");
    assert_eq!(run.stdout, "nothing to check: 2 files, and no object of the mesh in them\n");
    let run = meshctl(&["lint", clean.path().to_str().unwrap()], b"");
    let assumed = "assumed injected, as the input has no such Namespace: default";
    assert_eq!(run.stdout, format!("no findings in 1 object of 1 file\n{assumed}\n"));
}

#[test]
fn the_nearest_settings_hold_and_flags_beat_them() {
    let settings = "rules:\n  unknown-kind: {severity: info, reason: x}\nexclude: [vendor/]\nfail-on: warning\n";
    let text = format!("{TYPO}{STRICT}");
    let folder = files(&[("meshctl.yaml", settings), ("a/b.yaml", &text), ("vendor/c.yaml", "a: [\n")]);
    let run = lint(&folder.path().join("a"), &[]);
    assert_eq!((run.code, run.json()["findings"][0]["severity"].as_str()), (0, Some("info")));
    assert_eq!(lint(folder.path(), &["--fail-on", "info"]).code, 1);
    assert_eq!(codes(&lint(folder.path(), &[])), ["MC0009"]);
    // A file that is excluded is not read, also when it is named: hooks name files.
    assert_eq!(lint(&folder.path().join("vendor/c.yaml"), &[]).code, 3);
    let shown = meshctl(&["lint", folder.path().to_str().unwrap(), "--show-files"], b"");
    assert!(shown.stdout.contains("a/b.yaml\n") && !shown.stdout.contains("vendor"), "{}", shown.stdout);
    let shown = meshctl(&["lint", folder.path().to_str().unwrap(), "--show-settings", "--min-severity", "error"], b"");
    for line in
        ["fail-on: warning # ", "meshctl.yaml:4\n", "min-severity: error # flag\n", "trust-domain: null # default\n"]
    {
        assert!(shown.stdout.contains(line), "{line}: {}", shown.stdout);
    }
    let printed = Config::read("shown", shown.stdout).unwrap();
    assert_eq!(printed.exclude, ["vendor/"]);
}

#[test]
fn shown_settings_say_of_each_rule_what_holds_why_and_from_where() {
    let settings = "istiod-env:\n  CLUSTER_ID: c1\nrules:\n  MC0108: {enabled: false, reason: \"it's # elsewhere\"}\n  \
                    unknown-kind: {severity: info}\n  mc040: {severity: info}\n";
    let folder = files(&[("meshctl.yaml", settings), ("a.yaml", STRICT)]);
    let shown = |flags: &[&str]| {
        let mut args = vec!["lint", folder.path().to_str().unwrap(), "--show-settings"];
        args.extend(flags);
        let run = meshctl(&args, b"");
        assert_eq!(run.code, 0, "{flags:?}: {}", run.stderr);
        run.stdout.replace(&format!("{}/", folder.path().display()), "")
    };
    let plain = shown(&[]);
    for want in [
        "istiod-env:\n  CLUSTER_ID: \"c1\" # meshctl.yaml:2\n",
        "rules:\n  MC0009: # unknown-kind, meshctl.yaml:5\n    enabled: true\n    severity: info # default: error\n",
        "  MC0108: # mesh-not-strict, meshctl.yaml:4\n    enabled: false\n    reason: \"it's # elsewhere\"\n",
        "  MC0401: # identity-rule-without-mtls, meshctl.yaml:6\n    enabled: true\n    severity: info # default: error\n",
    ] {
        assert!(plain.contains(want), "{want}\n{plain}");
    }
    assert!(!plain.contains("--no-ignores") && !plain.contains("MC0201"), "{plain}");
    let flags = shown(&["--select", "MC0108", "--ignore", "MC0201", "--no-ignores", "--istiod-env", "CLUSTER_ID=c2"]);
    for want in [
        "  CLUSTER_ID: \"c2\" # flag\n",
        "  MC0009: # unknown-kind, meshctl.yaml:5\n    enabled: false\n",
        "  MC0108: # mesh-not-strict, meshctl.yaml:4\n    enabled: true # flag --select\n",
        "  MC0201: # plaintext-to-strict\n    enabled: false # flag --ignore\n",
        "# --select: all other rules are off # flag\n",
        "# --no-ignores: what the manifests ignore is shown # flag\n",
    ] {
        assert!(flags.contains(want), "{want}\n{flags}");
    }
    let printed = Config::read("shown", plain).unwrap();
    assert_eq!(printed.rules["MC0108"].reason.as_deref(), Some("it's # elsewhere"));
}

#[test]
fn what_is_to_fail_the_run_is_never_hidden() {
    let folder = files(&[("meshctl.yaml", "\nfail-on: warning\n"), ("a.yaml", &format!("{TYPO}{STRICT}"))]);
    let run = lint(folder.path(), &["--min-severity", "error"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    let path = folder.path().display();
    let want = format!(
        "meshctl: min-severity: error (flag) would hide findings that are to fail the run by fail-on: warning \
         ({path}/meshctl.yaml:2); try --min-severity warning to see them, or --fail-on error\n"
    );
    assert_eq!(run.stderr, want);
    for (flags, code) in [
        (["--min-severity", "error", "--fail-on", "error"], 1),
        (["--min-severity", "error", "--fail-on", "never"], 0),
        (["--min-severity", "warning", "--fail-on", "warning"], 1),
        (["--min-severity", "warning", "--fail-on", "info"], 2),
    ] {
        assert_eq!(lint(folder.path(), &flags).code, code, "{flags:?}");
    }
    let shown = meshctl(&["lint", "--show-settings", "--min-severity", "error", &path.to_string()], b"");
    assert!(shown.code == 0 && shown.stdout.contains("# refused: min-severity: error (flag)"), "{}", shown.stdout);
}

/// What the findings say of files that were not read: path, severity and the beginning of the reason.
#[cfg(unix)]
fn unread(folder: &Path, run: &Run) -> Vec<String> {
    let findings = run.json()["findings"].as_array().unwrap().clone();
    let of = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let unread = findings.iter().filter(|finding| of(finding, "code") == "MC0001").map(|finding| {
        let message = of(finding, "message").replace(&format!("{}/", folder.display()), "");
        format!("{} {message}", of(finding, "severity"))
    });
    unread.collect()
}

#[cfg(unix)]
#[test]
fn what_in_a_folder_is_no_file_is_said_and_the_rest_is_judged() {
    use std::os::unix::fs::symlink;
    let folder =
        files(&[("k/a.yaml", &format!("{TYPO}{STRICT}")), ("k/.gitignore", "ignored*\n"), ("ok/a.yaml", STRICT)]);
    let at = |path: &str| folder.path().join(path);
    for name in ["gone.yaml", "gone", "README.md", "ignored.yaml", ".#a.yaml"] {
        symlink("/does/not/exist", at("k").join(name)).unwrap();
    }
    symlink(at("k"), at("k/around")).unwrap();
    symlink("loop.yaml", at("k/loop.yaml")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(at("k/pipe.yaml")).status().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("k/socket.yaml")).unwrap();
    assert!(made.success());
    let want = [
        "warning gone is a link to /does/not/exist, which does not exist: it was not read",
        "warning gone.yaml is a link to /does/not/exist, which does not exist: it was not read",
        "warning loop.yaml is a link to loop.yaml, which does not exist: it was not read",
        "warning pipe.yaml is no regular file (a pipe, a socket or a device): it was not read",
        "warning socket.yaml is no regular file (a pipe, a socket or a device): it was not read",
    ];
    let run = lint(&at("k"), &[]);
    assert_eq!((unread(&at("k"), &run), run.code), (want.map(str::to_owned).to_vec(), 1));
    assert_eq!(codes(&run).iter().filter(|code| *code == "MC0009").count(), 1);
    // A glob is about what it matches.
    let glob = format!("{}/*e.yaml", at("k").display());
    let run = meshctl(&["lint", &glob, "-o", "json"], b"");
    assert_eq!(unread(&at("k"), &run), [want[1], want[3]]);
    // What is excluded is not looked at, under its own name also where a link leads elsewhere.
    std::fs::write(at("meshctl.yaml"), "exclude: [gone*, '*.yaml', linked/]\n").unwrap();
    symlink(at("ok"), at("k/linked")).unwrap();
    let run = lint(&at("k"), &[]);
    assert_eq!((codes(&run), run.code), (vec![], 3));
    assert!(run.stderr.contains("every file is left out by exclude of "), "{}", run.stderr);
    std::fs::write(at("meshctl.yaml"), "exclude: [k/]\n").unwrap();
    let run = lint(folder.path(), &["--fail-on", "info"]);
    assert_eq!((codes(&run), run.code), (vec![], 0));
    std::fs::remove_file(at("meshctl.yaml")).unwrap();
    // Named one by one they are the user's to mend.
    let run = lint(&at("k/gone.yaml"), &[]);
    assert!(run.code == 2 && run.stderr.contains("gone.yaml is a link to /does/not/exist, which"), "{}", run.stderr);
    // The matrix does not doubt what it has read because of a link that leads nowhere.
    let run = meshctl(&["tls-check", "-f", at("k").to_str().unwrap(), "-o", "json"], b"");
    assert_eq!(unread(&at("k"), &run).len(), 5);
}

#[cfg(unix)]
#[test]
fn a_named_pipe_is_read() {
    let folder = files(&[]);
    let pipe = folder.path().join("p");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = {
        let pipe = pipe.clone();
        std::thread::spawn(move || std::fs::write(pipe, TYPO).unwrap())
    };
    let run = lint(&pipe, &["--select", "MC0009"]);
    writer.join().unwrap();
    assert_eq!((codes(&run), run.code), (vec!["MC0009".to_owned()], 1));
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_read_fails_the_run_and_the_rest_is_reported() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = files(&[("k/a.yaml", &format!("{TYPO}{STRICT}")), ("k/shut/b.yaml", STRICT)]);
    // It is a regular file, and nobody can read its beginning.
    symlink("/proc/self/mem", folder.path().join("k/mem.yaml")).unwrap();
    let shut = folder.path().join("k/shut");
    std::fs::set_permissions(&shut, std::fs::Permissions::from_mode(0o000)).unwrap();
    let open = std::fs::read_dir(&shut).is_ok();
    let run = lint(&folder.path().join("k"), &["--fail-on", "never"]);
    let tls = meshctl(&["tls-check", "-f", folder.path().join("k").to_str().unwrap(), "--fail-on", "never"], b"");
    let glob = format!("{}/k/*.yaml", folder.path().display());
    let by_glob = meshctl(&["lint", &glob, "-o", "json"], b"");
    let named = lint(&folder.path().join("k/mem.yaml"), &[]);
    std::fs::set_permissions(&shut, std::fs::Permissions::from_mode(0o755)).unwrap();
    let found = unread(&folder.path().join("k"), &run);
    assert!(found[0].starts_with("error mem.yaml could not be read: "), "{found:?}");
    if open {
        skipped("folders that cannot be looked into: this user may look into all", 1);
    } else {
        assert!(found[1].starts_with("error shut could not be looked into: permission denied"), "{found:?}");
    }
    assert_eq!(found.len(), if open { 1 } else { 2 });
    assert!(codes(&run).contains(&"MC0009".to_owned()));
    assert_eq!((run.code, tls.code, by_glob.code, named.code), (2, 2, 2, 2));
    assert_eq!(unread(folder.path(), &by_glob).len(), 1);
    assert!(run.stderr.contains("the rest was judged") && tls.stderr.contains("the rest was judged"));
    assert!(named.stdout.is_empty() && named.stderr.contains("could not read "), "{}", named.stderr);
}

#[test]
fn wrong_settings_are_refused_with_their_line() {
    for (settings, why) in [
        (
            "rules:\n  MC0108:\n    severty: error\n",
            "meshctl.yaml:3:5: unknown key \"severty\"; did you mean severity?",
        ),
        ("fail-on: eror\n", "meshctl.yaml:1:10: \"eror\" is no value of fail-on"),
        ("istiod-env:\n  NO_SUCH: true\n", "meshctl.yaml:2:3: "),
        ("fail-on: error\nmesh-config: gone.yaml\n", "meshctl.yaml:2:1: mesh-config: could not read "),
        ("mesh-config: a.yaml\nistiod-env:\n  PILOT_X: 1\n", "meshctl.yaml:3:3: "),
        ("a: [", "does not parse"),
    ] {
        let folder = files(&[("meshctl.yaml", settings), ("a.yaml", STRICT)]);
        let run = lint(&folder.path().join("a.yaml"), &[]);
        assert!(run.code == 2 && run.stderr.contains(why) && run.stdout.is_empty(), "{settings}: {}", run.stderr);
    }
}

#[test]
fn init_writes_a_file_once() {
    let folder = files(&[("a.yaml", STRICT)]);
    let path = folder.path().join("meshctl.yaml");
    let args = ["lint", "--init", "--config", path.to_str().unwrap()];
    assert_eq!(meshctl(&args, b"").code, 0);
    assert_eq!(read(&path), TEMPLATE);
    let placed = meshctl(&["lint", "--init", "k8s/"], b"");
    assert!(placed.code == 2 && placed.stderr.contains("--init takes no PATH"), "{}", placed.stderr);
    let again = meshctl(&args, b"");
    assert!(again.code == 2 && again.stderr.contains("is there already"), "{}", again.stderr);
    assert_eq!(lint(&folder.path().join("a.yaml"), &[]).code, 0);
}

#[test]
fn a_rendered_chart_is_traced_back_and_an_unrendered_one_is_one_finding() {
    let rendered = format!("---\n# Source: shop/templates/auth.yaml\n{TYPO}{STRICT}");
    let run = meshctl(&["lint", "-", "-o", "json"], rendered.as_bytes());
    assert_eq!(run.json()["findings"][0]["origin"], "shop/templates/auth.yaml");
    let text = meshctl(&["lint", "-"], rendered.as_bytes()).stdout;
    assert!(text.contains("(from shop/templates/auth.yaml)"), "{text}");
    let text = meshctl_on(&["lint", "-"], rendered.as_bytes(), Some(100), false).stdout;
    assert!(text.contains("shop/templates/auth.yaml"), "{text}");

    let template = "{{- range .Values.hosts }}\nkind: A\nmetadata:\n  name: {{ . }}\n{{- end }}\n";
    let chart = [
        ("shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n"),
        ("shop/values.yaml", "hosts: []\n"),
        ("shop/templates/a.yaml", template),
        ("shop/templates/b.yaml", template),
        ("shop/templates/c.yaml", STRICT),
    ];
    let folder = files(&chart);
    for path in ["", "shop", "shop/templates"] {
        let run = lint(&folder.path().join(path), &[]);
        assert_eq!((codes(&run), run.code), (vec!["MC0006".to_owned()], 1), "{path}");
        let finding = &run.json()["findings"][0];
        let help = finding["help"].as_str().unwrap();
        assert!(help.starts_with("render it: helm template ") && help.ends_with("shop | meshctl lint -"), "{help}");
        assert!(finding["message"].as_str().unwrap().ends_with("2 templates are not rendered, and not judged"));
    }
}

#[test]
fn hostile_input_is_a_finding_and_never_a_crash() {
    let long = format!("a: \"{}\"\n", "# meshctl: ignore[MC0001] x ".repeat(40_000));
    let comments = "# meshctl: ignore[MC0001 x\n".repeat(20_000);
    for (what, input, want) in [
        ("empty", b"".to_vec(), 3),
        ("binary", (0..=255).cycle().take(10_000).collect(), 1),
        ("a long line", long.into_bytes(), 3),
        ("many comments", comments.into_bytes(), 0),
        ("only markers", b"---\n---\n...\n---\n".to_vec(), 3),
        ("a lone ignore", b"# meshctl:".to_vec(), 3),
        ("a comment at the end", b"a: 1\n# meshctl: ignore[MC0001] x".to_vec(), 0),
        ("deep", format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)).into_bytes(), 1),
        (
            "annotations that are none",
            b"kind: Service\napiVersion: v1\nmetadata: {name: a, annotations: [meshctl.io/ignore.MC0001]}\n".to_vec(),
            1,
        ),
        (
            "origin that is none",
            b"kind: Service\napiVersion: v1\nmetadata: {name: a, annotations: {config.kubernetes.io/origin: '['}}\n"
                .to_vec(),
            0,
        ),
    ] {
        let run = meshctl(&["lint", "-", "-o", "json"], &input);
        assert_eq!(run.code, want, "{what}: {} {}", run.stdout.chars().take(500).collect::<String>(), run.stderr);
    }
}

#[test]
fn the_json_and_the_settings_are_what_the_schemas_say() {
    let valid = |schema: &Value, value: &Value| {
        let validator = jsonschema::validator_for(schema).unwrap();
        let errors: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    };
    let folder = files(&[("a.yaml", &format!("# Source: x\n{TYPO}{STRICT}"))]);
    valid(&lint_schema(), &lint(folder.path(), &[]).json());
    let settings = serde_json::json!({
        "rules": {"MC0108": {"enabled": false, "severity": "info", "reason": "x"}}, "exclude": ["a/"],
        "fail-on": "never", "min-severity": "error", "istiod-env": {"A": true, "B": "x"}
    });
    valid(&config_schema(), &settings);
    let validator = jsonschema::validator_for(&config_schema()).unwrap();
    for wrong in
        [serde_json::json!({"fail_on": "error"}), serde_json::json!({"rules": {"MC0108": {"severty": "info"}}})]
    {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}

#[test]
fn the_hook_and_the_action_name_what_exists() {
    let hooks: PathBuf = root().join(".pre-commit-hooks.yaml");
    assert!(read(&hooks).contains("entry: meshctl lint --allow-empty"));
    let action = read(&root().join(".github/actions/lint/action.yml"));
    // What a user passes reaches the script as variables only.
    let script = action.split("run: |").nth(1).unwrap();
    assert!(!script.contains("${{"), "{script}");
    assert_eq!(meshctl(&["lint", "--allow-empty", "-"], b"").code, 0);
}
