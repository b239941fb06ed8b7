//! `meshctl lint`: manifests in, findings out.

use super::options::options;
use super::{Exit, Io, outputs, write};
use crate::cli::{Colour, Lint, LintFailOn, MeshArgs, MinConfidence, MinSeverity};
use crate::config::{self, CONFIDENCES, Config, FailOn, SEVERITIES};
use crate::finding::{Code, Confidence, Severity, codes};
use crate::input::settings::Exclude;
use crate::input::{charts, files, settings};
use crate::lint;
use crate::lint::report::LintReport;
use crate::lint::settings::{Override, Settings};
use crate::model;
use crate::mtls::check::check;
use crate::render::escape;
use crate::report::Report;
use anyhow::{Context, Result, anyhow, bail};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Runs the command.
///
/// # Errors
/// What the user has to change: paths, flags, names, settings.
pub fn run(args: &Lint, colour: Colour, io: &mut Io<'_>) -> Result<Exit> {
    if args.init {
        return init(args, io);
    }
    let outputs = outputs(&args.output)?;
    let settled = Settled::new(args)?;
    if args.show_settings {
        io.stdout.write_all(escaped(&settled.words()).as_bytes())?;
        return Ok(Exit::Clean);
    }
    let paths = settled.files(&args.paths)?;
    if args.show_files {
        let names: String = paths.iter().map(|path| files::shown(path) + "\n").collect();
        io.stdout.write_all(escaped(&names).as_bytes())?;
        return Ok(Exit::Clean);
    }
    let options = options(&settled.mesh, &args.namespace)?;
    let gathered = files::read_all(&paths, &mut *io.stdin)?;
    let mut mesh = model::load(gathered.sources, options);
    mesh.add_unread(gathered.findings);
    let matrix = check(&mesh);
    let shown = lint::judge(&matrix, &charts::templates(&paths), &settled.settings);
    let report = LintReport::new(&mesh, shown, settled.fail_on.least());
    let exit = match (settled.fail_on.fails(report.findings()), report.is_empty() && !args.allow_empty) {
        (true, _) => Exit::Found,
        (false, true) => Exit::Nothing,
        (false, false) => Exit::Clean,
    };
    write(&report, &outputs, colour, io).map(|()| exit)
}

/// Text from outside, line by line safe for a terminal.
fn escaped(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", escape(line))).collect()
}

fn init(args: &Lint, io: &mut Io<'_>) -> Result<Exit> {
    let path = args.config.as_deref().unwrap_or(config::FILE);
    settings::create(Path::new(path), config::TEMPLATE)?;
    writeln!(io.stdout, "wrote {}", escape(path))?;
    Ok(Exit::Clean)
}

/// What holds: flags over file over default.
struct Settled {
    /// The file, where there is one.
    path: Option<PathBuf>,
    config: Config,
    settings: Settings,
    fail_on: FailOn,
    mesh: MeshArgs,
    /// Which settings are from flags.
    flags: Vec<&'static str>,
}

impl Settled {
    fn new(args: &Lint) -> Result<Self> {
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
            rules: rules(&config),
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

    /// The files to read.
    fn files(&self, typed: &[String]) -> Result<Vec<PathBuf>> {
        let Some(path) = self.path.as_deref().filter(|_| !self.config.exclude.is_empty()) else {
            return files::list(typed, &|_| false);
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let exclude = Exclude::new(folder, &self.config.exclude).with_context(|| path.display().to_string())?;
        files::list(typed, &|file| exclude.covers(file))
    }

    /// The settings as a file that says the same, each with where it comes from.
    fn words(&self) -> String {
        let mut text = match &self.path {
            Some(path) => format!("# settings: {}\n", path.display()),
            None => format!("# settings: no {}\n", config::FILE),
        };
        let mut line = |key: &str, value: &str| {
            let place = self.config.places.get(key).map(|at| format!("{}:{}", at.file, at.line));
            let from = match place {
                _ if self.flags.contains(&key) => "flag".to_owned(),
                Some(place) => place,
                None => "default".to_owned(),
            };
            // Only the text is fallible, and a string never is.
            let _ = writeln!(text, "{key}: {value} # {from}");
        };
        let word = |words: &[(&'static str, Severity)], severity| {
            words.iter().find(|(_, one)| *one == severity).map_or("", |(word, _)| word)
        };
        line("fail-on", self.fail_on.word());
        line("min-severity", word(&SEVERITIES, self.settings.min_severity));
        let sure = CONFIDENCES.iter().find(|(_, one)| *one == self.settings.min_confidence);
        line("min-confidence", sure.map_or("", |(word, _)| word));
        for (key, value) in [
            ("root-namespace", &self.mesh.root_namespace),
            ("trust-domain", &self.mesh.trust_domain),
            ("mesh-config", &self.mesh.mesh_config),
        ] {
            line(key, &value.as_deref().map_or_else(|| "null".to_owned(), quoted));
        }
        let list = |items: &[String]| items.iter().map(quoted).collect::<Vec<_>>().join(", ");
        line("exclude", &format!("[{}]", list(&self.config.exclude)));
        for (code, rule) in &self.settings.rules {
            let severity = rule.severity.map(|one| format!(", severity: {one}")).unwrap_or_default();
            let _ = writeln!(text, "# rule {code}: enabled: {}{severity}", rule.enabled);
        }
        for (name, codes) in [("--select", &self.settings.select), ("--ignore", &self.settings.ignore)] {
            if !codes.is_empty() {
                let codes: Vec<&str> = codes.iter().map(|code| code.code).collect();
                let _ = writeln!(text, "# {name} {}", codes.join(","));
            }
        }
        for pair in &self.mesh.istiod_env {
            let _ = writeln!(text, "# istiod: {pair}");
        }
        text
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

/// What the file says of each code. A code by itself beats the beginning of its number.
fn rules(config: &Config) -> std::collections::BTreeMap<&'static str, Override> {
    let mut all = std::collections::BTreeMap::new();
    let mut named: Vec<(Vec<&'static Code>, &config::Rule)> =
        config.rules.iter().filter_map(|(word, rule)| Some((codes(word).ok()?, rule))).collect();
    named.sort_by_key(|(codes, _)| std::cmp::Reverse(codes.len()));
    for (codes, rule) in named {
        for code in codes {
            let before = all.get(code.code).copied().unwrap_or(Override { enabled: true, severity: None });
            let enabled = rule.enabled.unwrap_or(before.enabled);
            all.insert(code.code, Override { enabled, severity: rule.severity.or(before.severity) });
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
