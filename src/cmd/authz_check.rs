//! `meshctl authz-check`: config dumps in, what each proxy was told out.

mod live;

use super::{Exit, Io, Output, outputs, print, say, write};
use crate::cli::{AuthzCheck, Colour};
use crate::envoy::compat;
use crate::envoy::dump::{self, Wanted};
use crate::envoy::judged::Judged;
use crate::envoy::model::{NodeInfo, Proxy, Shape};
use crate::envoy::report::{AuthzReport, Shown, View, has, input};
use crate::envoy::{Query, judge};
use crate::finding::{self, Finding, Severity};
use crate::input::{dumps, files};
use crate::location::Location;
use crate::pki::time;
use crate::render::{self, Format};
use anyhow::{Context, Result, bail};

/// Runs the command.
///
/// # Errors
/// What the user has to change: paths, flags, inputs that are no dumps.
pub fn run(args: &AuthzCheck, colour: Colour, io: &mut Io<'_>) -> Result<Exit> {
    let fail_on = FailOn::parse(&args.fail_on)?;
    let outputs = outputs(&args.output)?;
    let query = query(args, &outputs)?;
    let live = args.filename.is_empty();
    let gathered = if live { live::gather(args, query.upstreams, io)? } else { gather(args, query.upstreams, io)? };
    // Of a cluster the pods were chosen by what it says of them.
    let wanted = args.pod.as_deref().filter(|_| !live).map(Target::parse).transpose()?;
    let namespaces = if live { &[][..] } else { &args.namespace };
    let found = gathered.proxies.len();
    let chosen = gathered.proxies.into_iter().filter(|proxy| is_wanted(proxy, wanted.as_ref(), namespaces));
    let proxies: Vec<Judged> = chosen.map(|proxy| judge(proxy, &query)).collect();
    if proxies.is_empty() && found > 0 {
        let of = match found {
            1 => "the one proxy of the input is not".to_owned(),
            _ => format!("none of the {found} proxies of the input is"),
        };
        let hint = match args.pod.as_deref() {
            Some(path) if std::path::Path::new(path).exists() => "; files are given with -f",
            _ => "",
        };
        bail!("{of} {}{hint}", asked_for(args));
    }
    let view = View { shown: shown(args), all: args.all };
    let report = AuthzReport::new(proxies, gathered.inputs, gathered.findings, query.at, view);
    show(&report, args, &outputs, colour, io)?;
    for failure in &gathered.failures {
        say(io, &render::escape(failure))?;
    }
    if gathered.passed_over > 0 {
        let verb = if gathered.passed_over == 1 { " is" } else { "s are" };
        let count = gathered.passed_over;
        say(io, &format!("note: {count} JSON file{verb} something else than Envoy dumps, and passed over"))?;
    }
    if !gathered.failures.is_empty() {
        return Ok(Exit::Failed);
    }
    let exit = fail_on.judge(&report);
    if report.is_empty() {
        say(io, &format!("nothing to check: {}", what_is_missing(&report)))?;
    }
    Ok(exit)
}

/// Prints the report, or the table of an older command.
fn show(report: &AuthzReport, args: &AuthzCheck, outputs: &[Output], colour: Colour, io: &mut Io<'_>) -> Result<()> {
    if args.compat.is_some() {
        return old_table(report, io);
    }
    // What was refused is said on standard error; an empty table beside that would look like an answer.
    let is_text = |output: &Output| matches!(output.format, Format::Table | Format::Wide);
    if report.proxies().is_empty() && outputs.iter().all(is_text) {
        return Ok(());
    }
    write(report, outputs, colour, io)
}

/// Prints the table of Istio 1.6, and on standard error which of its errors it repeats, or why the old command had none.
fn old_table(report: &AuthzReport, io: &mut Io<'_>) -> Result<()> {
    for judged in report.proxies() {
        match compat::table(judged) {
            Ok(table) => {
                print(io, table.text(render::escape))?;
                for note in &table.notes {
                    say(io, &format!("note: {}", render::escape(note)))?;
                }
            }
            Err(why) => {
                let text = format!("{}: no table, as the old command had none: {why}", judged.proxy.path);
                say(io, &render::escape(&text))?;
            }
        }
    }
    Ok(())
}

fn asked_for(args: &AuthzCheck) -> String {
    let mut words: Vec<String> = args.pod.iter().cloned().collect();
    if !args.namespace.is_empty() {
        words.push(format!("in namespace {}", args.namespace.join(", ")));
    }
    words.join(" ")
}

fn what_is_missing(report: &AuthzReport) -> String {
    let what = report.what();
    let sections: Vec<&str> =
        report.proxies().iter().flat_map(|judged| &judged.proxy.sections).map(|section| section.word()).collect();
    match sections.is_empty() {
        true => format!("the input has no {what}"),
        false => format!("the input has no {what}; its sections are {}", sections.join(", ")),
    }
}

fn shown(args: &AuthzCheck) -> Shown {
    match (args.clusters, args.certs) {
        (true, _) => Shown::Clusters,
        (_, true) => Shown::Certificates,
        _ => Shown::Chains,
    }
}

fn query(args: &AuthzCheck, outputs: &[Output]) -> Result<Query> {
    let at = match &args.at {
        Some(text) => time::parse(text).with_context(|| format!("--at {text:?} is no time: 2026-12-01T00:00:00Z"))?,
        None => now(),
    };
    let warn_within = args.warn_within.as_deref().map(|text| {
        time::parse_duration(text).with_context(|| format!("--warn-within {text:?} is no duration: 12h, 7d, 30m"))
    });
    let warn_within = warn_within.transpose()?;
    let whole = outputs.iter().any(|output| matches!(output.format, Format::Json | Format::Yaml));
    Ok(Query { at, warn_within, upstreams: args.clusters || whole })
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}

/// The pod, or the workload, that is asked about.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// `POD` or `POD.NAMESPACE`.
    Pod(String),
    /// `KIND/NAME[.NAMESPACE]`: a workload.
    Workload(String),
}

/// Kinds whose name is the `WORKLOAD_NAME` of their proxies, with kubectl's short forms.
const WORKLOADS: &[&str] = &[
    "deploy",
    "deployment",
    "deployments",
    "sts",
    "statefulset",
    "statefulsets",
    "ds",
    "daemonset",
    "daemonsets",
    "rs",
    "replicaset",
    "job",
    "cronjob",
    "dc",
    "deploymentconfig",
    "rollout",
];

impl Target {
    fn parse(text: &str) -> Result<Self> {
        let Some((kind, name)) = text.split_once('/') else { return Ok(Self::Pod(text.to_owned())) };
        let lower = kind.to_ascii_lowercase();
        if matches!(&*lower, "pod" | "pods" | "po") {
            return Ok(Self::Pod(name.to_owned()));
        }
        if !WORKLOADS.contains(&&*lower) {
            bail!(
                "{kind} is not a kind whose proxies can be told from a dump: pod, deployment, statefulset, daemonset"
            );
        }
        Ok(Self::Workload(name.to_owned()))
    }

    fn is(&self, node: &NodeInfo) -> bool {
        let (wanted, name) = match self {
            Self::Pod(wanted) => (wanted, Some(node.pod.as_str())),
            Self::Workload(wanted) => (wanted, node.workload.as_deref()),
        };
        // A pod's name may hold dots itself, so both readings count.
        let with = |name: &str| *wanted == format!("{name}.{}", node.namespace);
        name.filter(|name| !name.is_empty()).is_some_and(|name| name == wanted || with(name))
    }
}

fn is_wanted(proxy: &Proxy, target: Option<&Target>, namespaces: &[String]) -> bool {
    if target.is_none() && namespaces.is_empty() {
        return true;
    }
    let Some(node) = &proxy.node else { return false };
    target.is_none_or(|target| target.is(node)) && (namespaces.is_empty() || namespaces.contains(&node.namespace))
}

/// What was read.
#[derive(Default)]
struct Gathered {
    proxies: Vec<Proxy>,
    inputs: Vec<crate::report::Input>,
    /// About inputs that are no dumps.
    findings: Vec<Finding>,
    /// The same, for standard error.
    failures: Vec<String>,
    /// Files of folders that are no dumps.
    passed_over: usize,
}

/// Reads the inputs, and joins what is of one proxy.
fn gather(args: &AuthzCheck, endpoints: bool, io: &mut Io<'_>) -> Result<Gathered> {
    let mut gathered = Gathered::default();
    let wanted = Wanted { endpoints };
    let stdin = std::mem::replace(&mut io.stdin, Box::new(std::io::empty()));
    let mut proxies = Vec::new();
    let unread = dumps::each(&args.filename, stdin, |path, source| {
        let proxy = match source {
            Ok(input) => dump::from_reader(path, input, wanted),
            Err(why) => {
                gathered.failures.push(format!("{path}: {why}"));
                return;
            }
        };
        let named = args.filename.iter().any(|typed| typed == path);
        match no_dump(&proxy) {
            // A folder may hold other JSON too. What is empty, cut or broken may have been a dump, and is said.
            Some(_) if !named && proxy.shape == Shape::Unknown && proxy.problem.is_none() => gathered.passed_over += 1,
            Some(why) => {
                gathered.inputs.push(input(path, proxy.bytes));
                gathered.refuse(&proxy, &why);
            }
            None => {
                gathered.inputs.push(input(path, proxy.bytes));
                proxies.push(proxy);
            }
        }
    })?;
    gathered.findings.extend(unread.iter().map(files::Unread::finding));
    gathered.proxies = dump::join(proxies);
    Ok(gathered)
}

impl Gathered {
    fn refuse(&mut self, proxy: &Proxy, why: &str) {
        let problem = proxy.problem.as_ref();
        let (line, column) = problem.map_or((1, 1), |problem| (problem.line.max(1), problem.column.max(1)));
        let at = Location { file: proxy.path.clone(), line, column };
        let message = format!("is no Envoy config dump: {why}");
        self.failures.push(format!("{}: {message}", proxy.path));
        let help = "take one with: kubectl exec POD -c istio-proxy -- pilot-agent request GET config_dump";
        self.findings.push(Finding::new(&finding::UNPARSABLE_DOCUMENT, at, message, help));
    }
}

/// Why an input is no dump at all, and what it is instead.
fn no_dump(proxy: &Proxy) -> Option<String> {
    match (proxy.shape, &proxy.problem) {
        (Shape::Envoy, _) => None,
        (Shape::Ztunnel, _) => Some("it is a dump of ztunnel, which this version does not read".to_owned()),
        (Shape::Unknown, Some(problem)) if problem.why.starts_with("it is ") => Some(problem.why.clone()),
        (Shape::Unknown, Some(problem)) => Some(format!("it cannot be read as JSON: {}", problem.why)),
        (Shape::Unknown, None) => Some("it is JSON, and has none of the sections of one".to_owned()),
    }
}

/// The classes of `--fail-on`.
#[derive(Debug, PartialEq, Eq)]
struct FailOn {
    findings: Option<Severity>,
    unread: bool,
}

impl FailOn {
    fn parse(words: &[String]) -> Result<Self> {
        let mut fail_on = Self { findings: None, unread: false };
        let mut never = false;
        for word in words.iter().map(|word| word.trim().to_ascii_lowercase()).filter(|word| !word.is_empty()) {
            let severity = match &*word {
                "error" => Severity::Error,
                "warning" => Severity::Warning,
                "info" => Severity::Info,
                "unread" => {
                    fail_on.unread = true;
                    continue;
                }
                "never" => {
                    never = true;
                    continue;
                }
                _ => bail!("{word:?} is not a value of --fail-on: error, warning, info, unread, never"),
            };
            fail_on.findings = fail_on.findings.max(Some(severity));
        }
        match (never, fail_on.findings.is_none() && !fail_on.unread) {
            (false, true) => bail!("--fail-on is empty: name what is to fail the run, or never"),
            (true, false) => bail!("--fail-on never stands alone"),
            _ => Ok(fail_on),
        }
    }

    /// The exit code: 1 beats 3.
    fn judge(&self, report: &AuthzReport) -> Exit {
        use crate::report::Report;
        let by_finding = self.findings.is_some_and(|severity| has(report.findings(), severity));
        if by_finding || self.unread && report.counts().unread > 0 {
            Exit::Found
        } else if report.is_empty() {
            Exit::Nothing
        } else {
            Exit::Clean
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_words_and_never_stands_alone() {
        let parse = |text: &str| FailOn::parse(&text.split(',').map(str::to_owned).collect::<Vec<_>>());
        for (text, findings, unread) in [
            ("error,unread", Some(Severity::Error), true),
            ("Warning", Some(Severity::Warning), false),
            ("error,info", Some(Severity::Info), false),
            ("unread", None, true),
            ("never", None, false),
        ] {
            assert_eq!(parse(text).unwrap(), FailOn { findings, unread }, "{text}");
        }
        for wrong in ["", "never,error", "plaintext"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn proxies_are_chosen_by_pod_or_workload() {
        let node = NodeInfo {
            pod: "web-1".into(),
            namespace: "shop".into(),
            workload: Some("web".into()),
            ..NodeInfo::default()
        };
        for (text, is) in [
            ("web-1", true),
            ("web-1.shop", true),
            ("web-1.other", false),
            ("pod/web-1", true),
            ("deploy/web", true),
            ("deployment/web.shop", true),
            ("deploy/web-1", false),
            ("web", false),
        ] {
            assert_eq!(Target::parse(text).unwrap().is(&node), is, "{text}");
        }
        assert!(Target::parse("service/web").is_err());
    }

    #[test]
    fn what_is_no_dump_is_named() {
        for (text, word) in [
            ("", "empty"),
            (r#"{"apiVersion": "v1", "kind": "Pod"}"#, "none of the sections"),
            (r#"{"workloads": {}, "services": {}}"#, "ztunnel"),
            ("x", "cannot be read as JSON"),
            ("\u{feff}", "empty"),
            ("{}", "none of the sections"),
        ] {
            let why = no_dump(&dump::from_slice("a", text.as_bytes(), Wanted::default())).unwrap();
            assert!(why.contains(word), "{text}: {why}");
        }
    }
}
