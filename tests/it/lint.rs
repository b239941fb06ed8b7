//! `meshctl lint`: each rule by its pair of manifests, and the machinery around the rules.

use crate::generated::{config_schema, lint_schema};
use crate::support::{Run, folders, meshctl, meshctl_on, name, read, root};
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
    assert_eq!(run.stdout, "no findings in 1 object of 1 file\n");
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
fn wrong_settings_are_refused_with_their_line() {
    for (settings, why) in [
        (
            "rules:\n  MC0108:\n    severty: error\n",
            "meshctl.yaml:3:5: unknown key \"severty\"; did you mean severity?",
        ),
        ("fail-on: eror\n", "meshctl.yaml:1:10: \"eror\" is no value of fail-on"),
        ("istiod-env:\n  NO_SUCH: true\n", "meshctl.yaml:2:3: "),
        ("mesh-config: gone.yaml\n", "gone.yaml"),
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
