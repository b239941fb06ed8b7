//! What a user meets, one folder of `testdata/mesh` each: the whole output of runs over them, as `tests/scenarios` has it.
//! `UPDATE=1 cargo test --test it scenarios` writes the outputs anew; read them.

use crate::support::{files, folders, meshctl, name, read, root};

#[test]
fn every_scenario_prints_what_is_recorded() {
    let update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let scenarios = files(&root().join("tests/scenarios"), "args");
    assert!(!scenarios.is_empty());
    let mut changed = Vec::new();
    for file in &scenarios {
        let typed = read(file);
        let run = meshctl(&typed.lines().collect::<Vec<_>>(), b"");
        let printed = run.stdout + &run.stderr;
        let record = file.with_extension("txt");
        if update {
            std::fs::write(&record, &printed).unwrap();
        }
        let recorded = std::fs::read_to_string(&record).unwrap_or_default();
        if recorded != printed {
            changed.push(format!("== {}\n{printed}-- recorded\n{recorded}", name(file)));
        }
    }
    assert!(changed.is_empty(), "{}", changed.join("\n"));
    for record in files(&root().join("tests/scenarios"), "txt") {
        assert!(scenarios.contains(&record.with_extension("args")), "nothing makes {}", record.display());
    }
}

#[test]
fn every_folder_has_a_scenario() {
    let all: String = files(&root().join("tests/scenarios"), "args").iter().map(|file| read(file) + "\n").collect();
    for folder in folders(&root().join("testdata/mesh")) {
        let path = format!("testdata/mesh/{}", name(&folder));
        let used = |line: &str| line == path || line.starts_with(&format!("{path}/"));
        assert!(all.lines().any(used), "no scenario reads {path}");
    }
}
