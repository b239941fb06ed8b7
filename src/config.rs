//! `meshctl.yaml`: what a repository wants of `lint`, typed, each setting with its line.
//!
//! It is read by the program's own YAML reader, so that whatever is wrong in it is said with line and column. The
//! structures stand once: [`Config`] is also what the published JSON schema is made from.

use crate::finding::{self, Confidence, Finding, Severity};
use crate::location::{Location, Sources};
use crate::words::did_you_mean;
use crate::yaml::{self, Kind, Node};
use schemars::JsonSchema;
use std::collections::BTreeMap;
use std::fmt;

/// The name of the file.
pub const FILE: &str = "meshctl.yaml";

/// Settings of `meshctl lint`.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields, title = "meshctl.yaml")]
pub struct Config {
    /// What is said of rules, by code (MC0108), name (mesh-not-strict) or beginning (MC01).
    #[schemars(default)]
    pub rules: BTreeMap<String, Rule>,
    /// Files that are not read: patterns as in .gitignore, relative to the folder of this file.
    #[schemars(default)]
    pub exclude: Vec<String>,
    /// The least severe finding that makes the exit code 1.
    pub fail_on: Option<FailOn>,
    /// The least severe finding that is shown.
    #[schemars(with = "Option<SeverityWord>")]
    pub min_severity: Option<Severity>,
    /// The least sure finding that is shown.
    #[schemars(with = "Option<ConfidenceWord>")]
    pub min_confidence: Option<Confidence>,
    /// The root namespace, where mesh-wide policies live.
    pub root_namespace: Option<String>,
    /// The mesh's trust domain.
    pub trust_domain: Option<String>,
    /// The file with the mesh's configuration, relative to the folder of this file.
    pub mesh_config: Option<String>,
    /// Variables of istiod's environment that differ from Istio's default.
    #[schemars(default, with = "BTreeMap<String, Scalar>")]
    pub istiod_env: BTreeMap<String, String>,
    /// Where each setting stands, by its key.
    #[schemars(skip)]
    pub places: BTreeMap<String, Location>,
}

/// What is said of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Rule {
    /// Are its findings shown? Default: true.
    pub enabled: Option<bool>,
    /// Their severity, in place of the default.
    #[schemars(with = "Option<SeverityWord>")]
    pub severity: Option<Severity>,
    /// Why. For those who read the file.
    pub reason: Option<String>,
}

/// What makes the exit code 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum FailOn {
    /// A finding of severity error.
    Error,
    /// One of severity error or warning.
    Warning,
    /// Any finding.
    Info,
    /// None.
    Never,
}

/// The words of a severity, for the schema.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase", rename = "Severity")]
#[allow(dead_code, reason = "only its schema is used")]
enum SeverityWord {
    Error,
    Warning,
    Info,
}

/// The words of a confidence, for the schema.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase", rename = "Confidence")]
#[allow(dead_code, reason = "only its schema is used")]
enum ConfidenceWord {
    High,
    Medium,
    Low,
}

/// The value of a variable, for the schema.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
enum Scalar {
    Text(String),
    Flag(bool),
    Number(i64),
}

impl FailOn {
    /// Every value with its word.
    pub const ALL: [(&'static str, Self); 4] =
        [("error", Self::Error), ("warning", Self::Warning), ("info", Self::Info), ("never", Self::Never)];

    /// The word in the file and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("", |(word, _)| word)
    }

    /// The least severe finding that makes the exit code 1; `None`: none does.
    #[must_use]
    pub fn least(self) -> Option<Severity> {
        match self {
            Self::Error => Some(Severity::Error),
            Self::Warning => Some(Severity::Warning),
            Self::Info => Some(Severity::Info),
            Self::Never => None,
        }
    }

    /// Whether one of the findings makes the exit code 1.
    #[must_use]
    pub fn fails(self, findings: &[Finding]) -> bool {
        self.least().is_some_and(|least| findings.iter().any(|finding| finding.severity <= least))
    }
}

/// The words of severities.
pub const SEVERITIES: [(&str, Severity); 3] =
    [("error", Severity::Error), ("warning", Severity::Warning), ("info", Severity::Info)];

/// The words of confidences.
pub const CONFIDENCES: [(&str, Confidence); 3] =
    [("high", Confidence::High), ("medium", Confidence::Medium), ("low", Confidence::Low)];

/// The keys of the file.
const KEYS: [&str; 9] = [
    "rules",
    "exclude",
    "fail-on",
    "min-severity",
    "min-confidence",
    "root-namespace",
    "trust-domain",
    "mesh-config",
    "istiod-env",
];

/// The keys of a rule.
const RULE_KEYS: [&str; 3] = ["enabled", "severity", "reason"];

/// Something in the file that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Location,
    /// What.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

impl Config {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// Everything in it that cannot be taken: a setting that is not understood would silently not hold.
    pub fn read(path: &str, text: String) -> Result<Self, Vec<Problem>> {
        let mut sources = Sources::default();
        let id = sources.add(path, text);
        let parsed = yaml::parse(&sources, id);
        let mut reader = Reader { sources: &sources, problems: Vec::new(), places: BTreeMap::new() };
        let broken = parsed.findings.into_iter().map(|one| Problem { at: one.at, what: one.message });
        reader.problems.extend(broken);
        if let Some(second) = parsed.documents.get(1) {
            reader.refuse(second.tree.root(), "a second document: the settings are one");
        }
        let mut config = Self::default();
        if let Some(document) = parsed.documents.first() {
            reader.config(document.tree.root(), &mut config);
        }
        config.places = std::mem::take(&mut reader.places);
        let mut problems = reader.problems;
        problems.sort_by(|a, b| a.at.cmp(&b.at));
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }
}

struct Reader<'a> {
    sources: &'a Sources,
    problems: Vec<Problem>,
    places: BTreeMap<String, Location>,
}

impl Reader<'_> {
    fn place(&self, node: Node<'_>) -> Location {
        let span = node.span();
        self.sources.location(span.source, span.start)
    }

    fn refuse(&mut self, node: Node<'_>, what: impl Into<String>) {
        let at = self.place(node);
        self.problems.push(Problem { at, what: what.into() });
    }

    fn config(&mut self, root: Node<'_>, config: &mut Config) {
        for (name, key, value) in self.entries(root, "the settings") {
            self.places.insert(name.clone(), self.place(key));
            match &*name {
                "rules" => config.rules = self.rules(value),
                "exclude" => config.exclude = self.globs(value),
                "fail-on" => config.fail_on = self.word(value, "fail-on", &FailOn::ALL),
                "min-severity" => config.min_severity = self.word(value, "min-severity", &SEVERITIES),
                "min-confidence" => config.min_confidence = self.word(value, "min-confidence", &CONFIDENCES),
                "root-namespace" => config.root_namespace = self.string(value, "root-namespace"),
                "trust-domain" => config.trust_domain = self.string(value, "trust-domain"),
                "mesh-config" => config.mesh_config = self.string(value, "mesh-config"),
                "istiod-env" => config.istiod_env = self.variables(value),
                _ => self.unknown(key, &name, &KEYS),
            }
        }
    }

    fn unknown(&mut self, node: Node<'_>, name: &str, known: &[&'static str]) {
        let hint = did_you_mean(name, known.iter().copied());
        self.refuse(node, format!("unknown key {name:?}{hint} (known: {})", known.join(", ")));
    }

    /// The entries of a mapping; nothing where the value is left empty, a problem where it is something else.
    fn entries<'a>(&mut self, node: Node<'a>, what: &str) -> Vec<(String, Node<'a>, Node<'a>)> {
        if !matches!(node.kind(), Kind::Map | Kind::Null) {
            self.refuse(node, format!("{what} must be a mapping"));
        }
        let entries = node.entries().filter_map(|(key, value)| Some((key.text()?.into_owned(), key, value)));
        entries.collect()
    }

    fn rules(&mut self, node: Node<'_>) -> BTreeMap<String, Rule> {
        let mut rules = BTreeMap::new();
        for (name, key, value) in self.entries(node, "rules") {
            if let Err(why) = finding::codes(&name) {
                self.refuse(key, why);
            }
            self.places.insert(format!("rules.{name}"), self.place(key));
            let mut rule = Rule::default();
            for (field, key, value) in self.entries(value, &format!("rules.{name}")) {
                match &*field {
                    "enabled" => {
                        rule.enabled = value.as_bool();
                        if rule.enabled.is_none() && !value.is_null() {
                            self.refuse(value, "enabled must be true or false");
                        }
                    }
                    "severity" => rule.severity = self.word(value, "severity", &SEVERITIES),
                    "reason" => rule.reason = self.string(value, "reason"),
                    _ => self.unknown(key, &field, &RULE_KEYS),
                }
            }
            rules.insert(name, rule);
        }
        rules
    }

    fn globs(&mut self, node: Node<'_>) -> Vec<String> {
        if !matches!(node.kind(), Kind::Seq | Kind::Null) {
            self.refuse(node, "exclude must be a list of patterns");
        }
        let mut globs = Vec::new();
        for item in node.items() {
            let Some(glob) = self.string(item, "a pattern of exclude") else { continue };
            if let Err(why) = ignore::gitignore::GitignoreBuilder::new("").add_line(None, &glob) {
                self.refuse(item, format!("{glob:?} is no pattern: {why}"));
            }
            globs.push(glob);
        }
        globs
    }

    fn variables(&mut self, node: Node<'_>) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        for (name, key, value) in self.entries(node, "istiod-env") {
            match value.text() {
                Some(text) => {
                    self.places.insert(format!("istiod-env.{name}"), self.place(key));
                    variables.insert(name, text.into_owned());
                }
                None => self.refuse(value, format!("istiod-env.{name} must be a word or a number")),
            }
        }
        variables
    }

    fn string(&mut self, node: Node<'_>, what: &str) -> Option<String> {
        if node.is_null() {
            return None;
        }
        let text = node.as_str().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            self.refuse(node, format!("{what} must be a text"));
        }
        text.map(str::to_owned)
    }

    fn word<T: Copy>(&mut self, node: Node<'_>, what: &str, words: &[(&'static str, T)]) -> Option<T> {
        if node.is_null() {
            return None;
        }
        let text = node.text().unwrap_or_default();
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let hint = did_you_mean(&text, names.iter().copied());
            self.refuse(node, format!("{text:?} is no value of {what}: {}{hint}", names.join(", ")));
        }
        found
    }
}

/// What `lint --init` writes.
pub const TEMPLATE: &str = include_str!("../docs/meshctl.yaml");

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        Config::read(FILE, text.to_owned()).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_setting_is_read_with_its_place() {
        let text = "rules:\n  MC0108: {enabled: false, reason: legacy}\n  tls-disabled:\n    severity: error\nexclude: [vendor/]\n\
                    fail-on: warning\nmin-severity: info\nmin-confidence: medium\nroot-namespace: mesh\ntrust-domain: td\n\
                    mesh-config: mesh.yaml\nistiod-env:\n  CLUSTER_ID: c1\n  ENABLE_TLS_ON_SIDECAR_INGRESS: true\n";
        let config = Config::read(FILE, text.to_owned()).unwrap();
        let rule = Rule { enabled: Some(false), severity: None, reason: Some("legacy".to_owned()) };
        assert_eq!(config.rules.get("MC0108"), Some(&rule));
        assert_eq!(config.rules["tls-disabled"].severity, Some(Severity::Error));
        assert_eq!((config.fail_on, config.min_confidence), (Some(FailOn::Warning), Some(Confidence::Medium)));
        assert_eq!(config.istiod_env["ENABLE_TLS_ON_SIDECAR_INGRESS"], "true");
        assert_eq!((config.exclude, config.mesh_config), (vec!["vendor/".to_owned()], Some("mesh.yaml".to_owned())));
        assert_eq!(config.places["fail-on"].line, 6);
        assert_eq!(config.places["istiod-env.CLUSTER_ID"].line, 13);
        assert_eq!(Config::read(FILE, String::new()), Ok(Config::default()));
        assert_eq!(Config::read(FILE, "rules:\nexclude:\nfail-on:\n".to_owned()).unwrap().rules.len(), 0);
    }

    #[test]
    fn what_is_wrong_is_said_with_line_and_column() {
        for (text, want) in [
            ("fail_on: error\n", "meshctl.yaml:1:1: unknown key \"fail_on\"; did you mean fail-on? (known: rules, "),
            (
                "rules:\n  MC0108:\n    severty: error\n",
                "meshctl.yaml:3:5: unknown key \"severty\"; did you mean severity? (known: enabled, severity, reason)",
            ),
            ("rules: {MC9999: {}}\n", "meshctl.yaml:1:9: \"MC9999\" is no code, name of a code or beginning of one"),
            ("rules: [MC0108]\n", "meshctl.yaml:1:8: rules must be a mapping"),
            ("rules: {MC0108: off}\n", "meshctl.yaml:1:17: rules.MC0108 must be a mapping"),
            ("rules: {MC0108: {enabled: 1}}\n", "meshctl.yaml:1:27: enabled must be true or false"),
            (
                "fail-on: eror\n",
                "meshctl.yaml:1:10: \"eror\" is no value of fail-on: error, warning, info, never; did you mean error?",
            ),
            ("exclude: vendor\n", "meshctl.yaml:1:10: exclude must be a list of patterns"),
            ("exclude: [\"a{b\"]\n", "meshctl.yaml:1:11: \"a{b\" is no pattern: "),
            ("root-namespace: [a]\n", "meshctl.yaml:1:17: root-namespace must be a text"),
            ("istiod-env: {A: [b]}\n", "meshctl.yaml:1:17: istiod-env.A must be a word or a number"),
            ("a: [\n", "meshctl.yaml:1:4: document 1 does not parse"),
            ("fail-on: info\nfail-on: error\n", "meshctl.yaml:2:1: the key `fail-on` is in this mapping twice"),
            ("fail-on: info\n---\nfail-on: info\n", "meshctl.yaml:3:1: a second document"),
            ("- a\n", "meshctl.yaml:1:1: the settings must be a mapping"),
        ] {
            let found = problems(text);
            assert!(found.len() == 1 && found[0].starts_with(want), "{text}: {found:?}");
        }
    }

    #[test]
    fn the_schema_and_the_reader_know_the_same_keys() {
        let schema = schemars::schema_for!(Config).to_value();
        let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&schema["properties"]), KEYS);
        assert_eq!(keys(&schema["$defs"]["Rule"]["properties"]), RULE_KEYS);
    }

    #[test]
    fn what_init_writes_says_nothing_and_names_every_key() {
        assert_eq!(Config::read(FILE, TEMPLATE.to_owned()).map(|config| config.rules.len()), Ok(0));
        // With the comment signs of its settings taken away it is a file that is understood.
        let setting = |rest: &&str| !rest.starts_with(' ') || rest.starts_with("  ");
        let settings = TEMPLATE.lines().filter_map(|line| line.strip_prefix('#').filter(setting));
        let text = settings.collect::<Vec<_>>().join("\n");
        let config = Config::read(FILE, text).unwrap();
        assert!(KEYS.iter().all(|key| config.places.contains_key(*key)), "{:?}", config.places);
    }
}
