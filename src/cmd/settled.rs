//! The settings of `lint` as they hold: flags over `meshctl.yaml` over the defaults.

use crate::cli::{Lint, LintFailOn, MeshArgs, MinConfidence, MinSeverity};
use crate::config::{self, Config, FailOn};
use crate::finding::{CODES, Code, Confidence, Severity, codes};
use crate::input::settings::Exclude;
use crate::input::{files, settings};
use crate::lint::settings::{Override, Settings};
use crate::location::Location;
use crate::model;
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What holds: flags over file over default.
pub struct Settled {
    /// The file, where there is one.
    path: Option<PathBuf>,
    config: Config,
    /// Which findings are shown, and as what.
    pub settings: Settings,
    /// Which make the exit code 1.
    pub fail_on: FailOn,
    /// What is true of the mesh.
    pub mesh: MeshArgs,
    /// Which settings are from flags.
    flags: Vec<&'static str>,
}

impl Settled {
    /// Reads the file, and what was typed.
    ///
    /// # Errors
    /// A file that cannot be read, or says what is not understood; a name of a rule that is none.
    pub fn new(args: &Lint) -> Result<Self> {
        let first = args.paths.first().map_or("-", String::as_str);
        let given = args.config.as_ref().map(PathBuf::from);
        let path = given.or_else(|| settings::nearest(first, config::FILE));
        let config = path.as_deref().map(read).transpose()?.unwrap_or_default();
        let mut flags = Vec::new();
        let mut flag = |given: bool, key: &'static str| flags.extend(given.then_some(key));
        flag(args.fail_on.is_some(), "fail-on");
        flag(args.min_severity.is_some(), "min-severity");
        flag(args.min_confidence.is_some(), "min-confidence");
        flag(args.mesh.root_namespace.is_some(), "root-namespace");
        flag(args.mesh.trust_domain.is_some(), "trust-domain");
        flag(args.mesh.mesh_config.is_some(), "mesh-config");
        let severity = args.min_severity.map(severity).or(config.min_severity).unwrap_or(Severity::Info);
        let confidence = args.min_confidence.map(confidence).or(config.min_confidence).unwrap_or(Confidence::Low);
        let settings = Settings {
            rules: rules(&config).into_iter().map(|(code, said)| (code, said.rule)).collect(),
            select: named(&args.select, "--select")?,
            ignore: named(&args.ignore, "--ignore")?,
            min_severity: severity,
            min_confidence: confidence,
            ignores: !args.no_ignores,
        };
        let fail_on = args.fail_on.map(fail_on).or(config.fail_on).unwrap_or(FailOn::Error);
        let mesh = mesh(&args.mesh, &config, path.as_deref())?;
        Ok(Self { path, config, settings, fail_on, mesh, flags })
    }

    /// The file, as it is shown.
    #[must_use]
    pub fn file(&self) -> String {
        self.path.as_deref().map_or_else(|| config::FILE.to_owned(), files::shown)
    }

    /// Files that are not read.
    ///
    /// # Errors
    /// A pattern that is none.
    pub fn exclude(&self) -> Result<Exclude> {
        let Some(path) = self.path.as_deref().filter(|_| !self.config.exclude.is_empty()) else {
            return Ok(Exclude::default());
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        Exclude::new(folder, &self.config.exclude).with_context(|| path.display().to_string())
    }

    /// What names the mesh's configuration, for errors in it.
    #[must_use]
    pub fn mesh_config_place(&self) -> String {
        let place = self.config.places.get("mesh-config").filter(|_| !self.flags.contains(&"mesh-config"));
        place.map_or_else(|| "--mesh-config".to_owned(), |at| format!("{at}: mesh-config"))
    }

    /// Why the settings contradict each other, if they do: what is to fail the run would not be shown, and a finding that
    /// is not shown fails nothing.
    #[must_use]
    pub fn hides_what_fails(&self) -> Option<String> {
        let fails = self.fail_on.least().filter(|least| *least > self.settings.min_severity)?;
        let shown = self.settings.min_severity;
        Some(format!(
            "min-severity: {shown} ({}) would hide findings that are to fail the run by fail-on: {fails} ({}); try \
             --min-severity {fails} to see them, or --fail-on {shown}",
            self.from("min-severity"),
            self.from("fail-on"),
        ))
    }

    /// Where a setting comes from.
    fn from(&self, key: &str) -> String {
        match self.config.places.get(key) {
            _ if self.flags.contains(&key) => "flag".to_owned(),
            Some(at) => at.line_words(),
            None => "default".to_owned(),
        }
    }

    /// The settings as a file that says the same, each with where it comes from.
    #[must_use]
    pub fn words(&self) -> String {
        let mut lines = vec![match &self.path {
            Some(_) => format!("# settings: {}", self.file()),
            None => format!("# settings: no {}", config::FILE),
        }];
        let mut line = |key: &str, value: &str| lines.push(format!("{key}: {value} # {}", self.from(key)));
        line("fail-on", self.fail_on.word());
        line("min-severity", self.settings.min_severity.word());
        line("min-confidence", self.settings.min_confidence.word());
        for (key, value) in [
            ("root-namespace", &self.mesh.root_namespace),
            ("trust-domain", &self.mesh.trust_domain),
            ("mesh-config", &self.mesh.mesh_config),
        ] {
            line(key, &value.as_deref().map_or_else(|| "null".to_owned(), quoted));
        }
        let list = |items: &[String]| items.iter().map(quoted).collect::<Vec<_>>().join(", ");
        line("exclude", &format!("[{}]", list(&self.config.exclude)));
        lines.extend(self.variables());
        lines.extend(self.rules());
        if !self.settings.select.is_empty() {
            lines.push("# --select: all other rules are off # flag".to_owned());
        }
        if !self.settings.ignores {
            lines.push("# --no-ignores: what the manifests ignore is shown # flag".to_owned());
        }
        lines.extend(self.hides_what_fails().map(|why| format!("# refused: {why}")));
        lines.join("\n") + "\n"
    }

    /// istiod's environment.
    fn variables(&self) -> Vec<String> {
        // The last of two values counts.
        let pairs: BTreeMap<&str, &str> = self.mesh.istiod_env.iter().filter_map(|pair| pair.split_once('=')).collect();
        let mut lines = vec!["istiod-env:".to_owned()];
        for (name, value) in pairs {
            let in_file = self.config.istiod_env.get(name).is_some_and(|one| one == value);
            let place = self.config.places.get(&format!("istiod-env.{name}")).filter(|_| in_file);
            lines.push(format!(
                "  {name}: {} # {}",
                quoted(value),
                place.map_or_else(|| "flag".to_owned(), Location::line_words)
            ));
        }
        if lines.len() > 1 { lines } else { Vec::new() }
    }

    /// The rules that deviate from their default.
    fn rules(&self) -> Vec<String> {
        let said = rules(&self.config);
        let mut lines = vec!["rules:".to_owned()];
        for code in CODES {
            let listed = |list: &[&'static Code]| list.iter().any(|one| std::ptr::eq(*one, *code));
            let (said, select) = (said.get(code.code), &self.settings.select);
            let by_file = said.is_none_or(|said| said.rule.enabled);
            let flag = match (listed(&self.settings.ignore), listed(select)) {
                (true, _) => Some((false, "--ignore")),
                (false, true) => Some((true, "--select")),
                (false, false) => None,
            };
            if said.is_none() && flag.is_none() {
                continue;
            }
            let place = said.and_then(|said| said.at).map(Location::line_words);
            let from = match flag {
                Some((enabled, flag)) => format!("    enabled: {enabled} # flag {flag}"),
                None => format!("    enabled: {}", by_file && select.is_empty()),
            };
            lines.push(match &place {
                Some(place) => format!("  {}: # {}, {place}", code.code, code.name),
                None => format!("  {}: # {}", code.code, code.name),
            });
            lines.push(from);
            let severity = said.and_then(|said| said.rule.severity);
            lines.extend(severity.map(|one| format!("    severity: {one} # default: {}", code.severity)));
            lines.extend(said.and_then(|said| said.reason).map(|reason| format!("    reason: {}", quoted(reason))));
        }
        if lines.len() > 1 { lines } else { Vec::new() }
    }
}

/// A text as a YAML scalar.
fn quoted(text: impl AsRef<str>) -> String {
    serde_json::Value::from(text.as_ref()).to_string()
}

fn read(path: &Path) -> Result<Config> {
    let text = settings::read(path)?;
    Config::read(&files::shown(path), text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("; "))
    })
}

/// What the file says of a code.
#[derive(Clone, Copy)]
struct Said<'c> {
    rule: Override,
    reason: Option<&'c str>,
    at: Option<&'c Location>,
}

/// What the file says of each code. A code by itself beats the beginning of its number.
fn rules(config: &Config) -> BTreeMap<&'static str, Said<'_>> {
    let mut all: BTreeMap<&'static str, Said<'_>> = BTreeMap::new();
    let mut named: Vec<(Vec<&'static Code>, &str, &config::Rule)> =
        config.rules.iter().filter_map(|(word, rule)| Some((codes(word).ok()?, word.as_str(), rule))).collect();
    named.sort_by_key(|(codes, ..)| std::cmp::Reverse(codes.len()));
    for (codes, word, rule) in named {
        let at = config.places.get(&format!("rules.{word}"));
        for code in codes {
            let before = all.get(code.code);
            let (enabled, severity) = before.map_or((true, None), |before| (before.rule.enabled, before.rule.severity));
            let rule_now = Override { enabled: rule.enabled.unwrap_or(enabled), severity: rule.severity.or(severity) };
            let reason = rule.reason.as_deref().or(before.and_then(|before| before.reason));
            all.insert(code.code, Said { rule: rule_now, reason, at });
        }
    }
    all
}

/// The codes that `--select` or `--ignore` names.
fn named(words: &[String], flag: &str) -> Result<Vec<&'static Code>> {
    let mut all = Vec::new();
    for word in words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()) {
        all.extend(codes(word).map_err(|why| anyhow!("{flag}: {why}"))?);
    }
    if all.is_empty() && !words.is_empty() {
        bail!("{flag} is empty: name a rule");
    }
    Ok(all)
}

/// The mesh's settings; a path in the file is relative to the file.
fn mesh(args: &MeshArgs, config: &Config, path: Option<&Path>) -> Result<MeshArgs> {
    let folder = path.and_then(Path::parent).unwrap_or(Path::new(""));
    let beside = |file: &String| folder.join(file).to_string_lossy().into_owned();
    let mut env = Vec::new();
    for (name, value) in &config.istiod_env {
        let pair = format!("{name}={value}");
        let place = config.places.get(&format!("istiod-env.{name}"));
        let known = model::mesh_config::IstiodEnv::default().set(&pair);
        known.map_err(|why| anyhow!("{}{why}", place.map(|at| format!("{at}: ")).unwrap_or_default()))?;
        env.push(pair);
    }
    // The last of two values counts.
    env.extend(args.istiod_env.iter().cloned());
    Ok(MeshArgs {
        mesh_config: args.mesh_config.clone().or_else(|| config.mesh_config.as_ref().map(beside)),
        root_namespace: args.root_namespace.clone().or_else(|| config.root_namespace.clone()),
        trust_domain: args.trust_domain.clone().or_else(|| config.trust_domain.clone()),
        istio_version: args.istio_version.clone(),
        revision: args.revision.clone(),
        istiod_env: env,
    })
}

fn severity(typed: MinSeverity) -> Severity {
    match typed {
        MinSeverity::Error => Severity::Error,
        MinSeverity::Warning => Severity::Warning,
        MinSeverity::Info => Severity::Info,
    }
}

fn confidence(typed: MinConfidence) -> Confidence {
    match typed {
        MinConfidence::High => Confidence::High,
        MinConfidence::Medium => Confidence::Medium,
        MinConfidence::Low => Confidence::Low,
    }
}

fn fail_on(typed: LintFailOn) -> FailOn {
    match typed {
        LintFailOn::Error => FailOn::Error,
        LintFailOn::Warning => FailOn::Warning,
        LintFailOn::Info => FailOn::Info,
        LintFailOn::Never => FailOn::Never,
    }
}
