//! Files that are generated and committed: completions, man pages, the CLI reference, the JSON schema. Each is made anew
//! here and compared; `UPDATE=1 cargo test --test it generated` writes them.

use crate::support::{files, root};
use clap::{Arg, ArgAction, Command, CommandFactory};
use meshctl::capture::json as capture;
use meshctl::cli::Cli;
use meshctl::cmd::completion;
use meshctl::cmd::doctor::json as doctor;
use meshctl::config::Config;
use meshctl::envoy::json as envoy;
use meshctl::lint::json as lint;
use meshctl::mtls::json::EnvelopeJson;
use meshctl::render::FindingJson;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The schema of `tls-check -o json`.
pub fn schema() -> Value {
    schema_of::<EnvelopeJson<'static>>()
}

/// The schema of `pcap-verify -o json`.
pub fn capture_schema() -> Value {
    schema_of::<capture::EnvelopeJson<'static>>()
}

/// The schema of `authz-check -o json`.
pub fn dump_schema() -> Value {
    schema_of::<envoy::EnvelopeJson<'static>>()
}

/// The schema of `lint -o json`.
pub fn lint_schema() -> Value {
    schema_of::<lint::EnvelopeJson<'static>>()
}

/// The schema of `doctor -o json`.
pub fn doctor_schema() -> Value {
    schema_of::<doctor::EnvelopeJson<'static>>()
}

/// The schema of `meshctl.yaml`.
pub fn config_schema() -> Value {
    schemars::schema_for!(Config).to_value()
}

/// The schema of an envelope. It is written piece by piece, so the findings' schema is put in here.
fn schema_of<Envelope: schemars::JsonSchema>() -> Value {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12().for_serialize().into_generator();
    let finding = generator.subschema_for::<FindingJson>();
    let mut schema = generator.into_root_schema_for::<Envelope>();
    *schema.pointer_mut("/properties/findings/items").unwrap() = finding.to_value();
    schema.to_value()
}

/// Everything that is generated, by path.
fn generated() -> BTreeMap<String, String> {
    let mut made = BTreeMap::new();
    for (shell, file) in [
        (clap_complete::Shell::Bash, "meshctl.bash"),
        (clap_complete::Shell::Zsh, "_meshctl"),
        (clap_complete::Shell::Fish, "meshctl.fish"),
        (clap_complete::Shell::PowerShell, "_meshctl.ps1"),
        (clap_complete::Shell::Elvish, "meshctl.elv"),
    ] {
        made.insert(format!("completions/{file}"), completion::script(shell));
    }
    let source = format!("meshctl {}", env!("CARGO_PKG_VERSION"));
    for (file, command) in commands() {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).source(&source).render(&mut page).unwrap();
        made.insert(format!("man/{file}.1"), String::from_utf8(page).unwrap());
    }
    made.insert("docs/cli.md".to_owned(), reference());
    for (file, schema) in [
        ("tls-check.v1", schema()),
        ("pcap-verify.v1", capture_schema()),
        ("authz-check.v1", dump_schema()),
        ("lint.v1", lint_schema()),
        ("doctor.v1", doctor_schema()),
        ("meshctl.yaml", config_schema()),
    ] {
        let schema = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        made.insert(format!("docs/schemas/{file}.schema.json"), schema);
    }
    made
}

/// The program and each of its commands, named `meshctl-tls-check`.
fn commands() -> Vec<(String, Command)> {
    let mut cli = Cli::command();
    cli.build();
    let mut all = vec![("meshctl".to_owned(), cli.clone())];
    for command in cli.get_subcommands().filter(|command| command.get_name() != "help" && !command.is_hide_set()) {
        let name = format!("meshctl-{}", command.get_name());
        all.push((name, command.clone()));
    }
    all
}

/// The Markdown reference of the command line.
fn reference() -> String {
    let mut text = String::from("# Command line\n\nGenerated from the program's own definition of its arguments.\n");
    for (name, mut command) in commands() {
        let name = name.replacen('-', " ", 1);
        let usage = command.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ");
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        write!(text, "\n## {name}\n\n{about}\n\n```text\n{usage}\n```\n").unwrap();
        let commands: Vec<_> =
            command.get_subcommands().filter(|one| one.get_name() != "help" && !one.is_hide_set()).collect();
        if !commands.is_empty() {
            text.push_str("\n| Command | |\n|---|---|\n");
            for one in commands {
                let about = one.get_about().map(ToString::to_string).unwrap_or_default();
                writeln!(text, "| `{}` | {} |", one.get_name(), cell(&about)).unwrap();
            }
        }
        for (heading, arguments) in by_heading(&command) {
            write!(text, "\n### {name}: {heading}\n\n| Argument | |\n|---|---|\n").unwrap();
            for argument in arguments {
                writeln!(text, "| `{}` | {} |", cell(&shape(argument)), cell(&meaning(argument))).unwrap();
            }
        }
        if let Some(after) = command.get_after_help() {
            write!(text, "\n```text\n{after}\n```\n").unwrap();
        }
    }
    text
}

/// The arguments under their headings, in the order of the help.
fn by_heading(command: &Command) -> Vec<(&str, Vec<&Arg>)> {
    let mut all: Vec<(&str, Vec<&Arg>)> = Vec::new();
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        let default = if argument.is_positional() { "arguments" } else { "options" };
        let heading = argument.get_help_heading().unwrap_or(default);
        match all.iter_mut().find(|(name, _)| *name == heading) {
            Some((_, arguments)) => arguments.push(argument),
            None => all.push((heading, vec![argument])),
        }
    }
    all
}

/// `-f, --filename <PATH>`.
fn shape(argument: &Arg) -> String {
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let flags: Vec<String> = short.into_iter().chain(long).collect();
    let takes = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    let names = argument.get_value_names().unwrap_or_default();
    let value = names.first().map(|name| format!("<{name}>")).filter(|_| takes);
    flags
        .join(", ")
        .split(' ')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .chain(value)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The help, the values and the default.
fn meaning(argument: &Arg) -> String {
    let mut text = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    // clap takes the last full stop away.
    if !text.is_empty() {
        text.push('.');
    }
    let values: Vec<String> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if !values.is_empty() && argument.get_action().takes_values() {
        write!(text, " One of {}.", values.join(", ")).unwrap();
    }
    let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() && argument.get_action().takes_values() {
        write!(text, " Default: `{}`.", defaults.join(",")).unwrap();
    }
    text
}

/// Text that fits into a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[test]
fn generated_files_are_current() {
    let update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let made = generated();
    let mut stale = Vec::new();
    for (path, text) in &made {
        let file = root().join(path);
        if update {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, text).unwrap();
        }
        if std::fs::read_to_string(&file).ok().as_ref() != Some(text) {
            stale.push(path.as_str());
        }
    }
    assert!(stale.is_empty(), "not current: {stale:?}; UPDATE=1 cargo test --test it generated writes them");
    // A file that nothing makes any more.
    let folders = ["completions", "man", "docs/schemas"].map(|folder| root().join(folder));
    for file in folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()) {
        let path = file.unwrap().path();
        let path = path.strip_prefix(root()).unwrap();
        assert!(made.contains_key(&*path.to_string_lossy()), "nothing makes {}", path.display());
    }
}

#[test]
fn the_schema_names_every_part_of_the_contract() {
    let schema = schema();
    let required = |pointer: &str| {
        let names = schema.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
        names.into_iter().map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let envelope = ["schema", "version", "input", "findings", "summary", "cells"];
    assert_eq!(required("/required"), envelope);
    let cell = required("/$defs/CellJson/required");
    for field in ["client", "server", "endpoint", "server_mode", "client_tls", "wire", "status", "failure", "because"] {
        assert!(cell.iter().any(|name| name == field), "{field} may be absent");
    }
    for field in ["code", "severity", "message", "help", "file", "line", "column", "related", "fix"] {
        assert!(required("/$defs/FindingJson/required").iter().any(|name| name == field), "{field} may be absent");
    }
    assert_eq!(schema["properties"]["findings"]["items"], json!({"$ref": "#/$defs/FindingJson"}));
}

#[test]
fn the_reference_names_every_flag() {
    let reference = reference();
    for (name, command) in commands() {
        for argument in command.get_arguments().filter_map(Arg::get_long) {
            assert!(reference.contains(&format!("--{argument}")), "{name} --{argument}");
        }
    }
    assert!(files(Path::new(&root().join("docs")), "md").iter().any(|file| file.ends_with("cli.md")));
}
