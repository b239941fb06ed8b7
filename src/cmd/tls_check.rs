//! `meshctl tls-check`: manifests or a live cluster in, the matrix out.

use super::cluster::{self, Ask};
use super::options::options;
use super::{Exit, Io, Output, UNREADABLE, keep_inputs, outputs, recorded, say, write};
use crate::cli::{Colour, TlsCheck};
use crate::finding::{self, Severity};
use crate::input::files;
use crate::input::settings::Exclude;
use crate::lint;
use crate::model::load::Input;
use crate::model::mesh_config::Options;
use crate::model::{self, Labels, Mesh, Service, Workload};
use crate::mtls::check::check;
use crate::mtls::outcome::Status;
use crate::mtls::report::{Counts, TlsReport, View};
use crate::mtls::select::{Filter, client_name, service_name};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeSet;
use std::mem::ManuallyDrop;
use std::path::PathBuf;

/// Runs the command.
///
/// # Errors
/// What the user has to change: paths, flags, names.
pub fn run(args: &TlsCheck, colour: Colour, io: &mut Io<'_>) -> Result<Exit> {
    if let Some(compat) = args.compat {
        return super::tls_compat::run(compat, args, io);
    }
    if let Some(third) = args.more.first() {
        bail!("unexpected argument {third:?}: tls-check takes a client and a service, see meshctl tls-check --help");
    }
    let fail_on = FailOn::parse(&args.fail_on)?;
    let outputs = outputs(&args.output)?;
    let Read { mut mesh, scope, failed } =
        if args.filename.is_empty() { from_cluster(args, io)? } else { from_files(args, &outputs, io)? };
    let unread = unread(&mesh);
    // What the old API says and nobody reads any more is worth knowing here too; it makes no row uncertain.
    mesh.findings.extend(lint::removed_policies(&mesh));
    finding::sort(&mut mesh.findings);
    let filter = filter(args, &scope, &mesh)?;
    // The run ends with the report: taking a large mesh apart object by object would be work for nothing.
    let mesh = ManuallyDrop::new(mesh);
    let matrix = check(&mesh);
    let view = View { expand: args.expand, why: args.why, matrix: args.matrix };
    let report = ManuallyDrop::new(TlsReport::new(matrix, filter, view));
    write(&*report, &outputs, colour, io)?;
    if failed {
        say(io, UNREADABLE)?;
        return Ok(Exit::Failed);
    }
    let named = args.from.is_some() || args.pod.is_some();
    let exit = fail_on.judge(report.counts(), report.unfiltered(), unread, named);
    if exit == Exit::Nothing {
        let ports = report.ports();
        let what = match report.filtered() {
            true if !ports.is_empty() => &format!("no row is left; the ports of that service are {ports}"),
            true => "no row is left: the flags that choose rows leave none",
            false if mesh.services.is_empty() => {
                "nothing to check: the input holds no Service and no policy or rule that speaks of one"
            }
            false => "nothing to check: the input holds services, and no workload that could call them",
        };
        say(io, what)?;
    }
    Ok(exit)
}

/// Whether something of the input could not be read as it stands.
pub(super) fn unread(mesh: &Mesh) -> bool {
    mesh.findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// What `--fail-on` is unless it is given.
const FAIL_ON: [&str; 3] = ["conflict", "conditional", "unknown"];

/// The namespaces that names and rows are looked for in; none: all.
struct Scope {
    namespaces: Vec<String>,
    /// Whether the user said so.
    typed: bool,
}

/// What a run reads.
struct Read {
    mesh: Mesh,
    scope: Scope,
    /// Something that was named, or found, could not be read.
    failed: bool,
}

fn from_files(args: &TlsCheck, outputs: &[Output], io: &mut Io<'_>) -> Result<Read> {
    let namespace = args.namespace.first().map_or("default", String::as_str);
    let listed = files::list(&args.filename, &Exclude::default())?;
    keep_inputs(outputs, listed.paths.iter().map(PathBuf::as_path))?;
    let gathered = files::read_all(listed, &mut *io.stdin)?;
    let mut input = Input::read(gathered.sources, &BTreeSet::new());
    let recorded = recorded::take(&mut input, &args.mesh, false);
    let options = Options { assume_injected: args.assume_injected, ..options(&recorded.mesh, namespace)? };
    let mut mesh = model::load_input(input, options);
    mesh.add_unread(gathered.findings);
    // A snapshot of some namespaces holds the control plane's too, which nobody asked about.
    let scope = if args.all_namespaces || !args.namespace.is_empty() || recorded.namespaces.is_empty() {
        Scope { namespaces: args.namespace.clone(), typed: true }
    } else {
        Scope { namespaces: recorded.namespaces, typed: false }
    };
    Ok(Read { mesh, scope, failed: gathered.failed })
}

/// kubectl's rules: `-n`, `-A`, else the context's namespace; and those that `--from` and `--to` name.
fn from_cluster(args: &TlsCheck, io: &mut Io<'_>) -> Result<Read> {
    let from = args.from.as_deref().or(args.pod.as_deref());
    let to = args.to.as_deref().or(args.host.as_deref());
    let more: Vec<String> = from.and_then(client_namespace).into_iter().chain(to.and_then(service_namespace)).collect();
    let (typed, all) = (&args.namespace, args.all_namespaces);
    let ask = Ask { args: &args.cluster, mesh: &args.mesh, namespaces: typed, all, more: &more, lint: false };
    let live = cluster::gather(&ask, io)?;
    let options = options(&live.mesh, &live.namespace)?;
    let mesh = model::load_input(live.input, Options { assume_injected: args.assume_injected, ..options });
    let namespaces = match (all, typed.is_empty()) {
        (true, _) => Vec::new(),
        (false, true) => vec![live.namespace],
        (false, false) => typed.clone(),
    };
    Ok(Read { mesh, scope: Scope { namespaces, typed: !typed.is_empty() }, failed: false })
}

/// The namespace in `POD.NAMESPACE` or `KIND/NAME.NAMESPACE`.
fn client_namespace(typed: &str) -> Option<String> {
    let name = typed.split_once('/').map_or(typed, |(_, name)| name);
    name.rsplit_once('.').map(|(_, namespace)| namespace.to_owned()).filter(|name| !name.is_empty())
}

/// The namespace in `SERVICE.NAMESPACE[.svc...][|SUBSET][:PORT]`; of a host of another kind its second word, which is
/// then the name of no namespace.
fn service_namespace(typed: &str) -> Option<String> {
    let host = typed.strip_prefix("http://").or(typed.strip_prefix("https://")).unwrap_or(typed);
    let host = host.split(['|', ':', '/']).next()?;
    host.split('.').nth(1).map(str::to_owned).filter(|name| !name.is_empty())
}

/// The classes of `--fail-on`.
#[derive(Debug, Default)]
pub(super) struct FailOn {
    statuses: BTreeSet<Status>,
    outside: bool,
}

/// The words of `--fail-on` and `--status`.
const STATUSES: &[(&str, Status)] = &[
    ("conflict", Status::Conflict),
    ("plaintext", Status::Plaintext),
    ("tls", Status::Tls),
    ("conditional", Status::Conditional),
    ("unknown", Status::Unknown),
    ("mixed", Status::Mixed),
    ("ok", Status::Ok),
];

fn status(word: &str, flag: &str, allowed: &[&str]) -> Result<Option<Status>> {
    let lower = word.trim().to_ascii_lowercase();
    if !allowed.contains(&&*lower) {
        bail!("{word:?} is not a value of {flag}: {}", allowed.join(", "));
    }
    Ok(STATUSES.iter().find(|(name, _)| *name == lower).map(|(_, status)| *status))
}

impl FailOn {
    pub(super) fn parse(words: &[String]) -> Result<Self> {
        let allowed = ["conflict", "plaintext", "tls", "conditional", "unknown", "outside", "never"];
        let default = FAIL_ON.map(str::to_owned);
        let words = if words.is_empty() { &default } else { words };
        let mut fail_on = Self::default();
        let mut never = false;
        for word in words.iter().filter(|word| !word.trim().is_empty()) {
            match status(word, "--fail-on", &allowed)? {
                Some(status) => {
                    fail_on.statuses.insert(status);
                }
                None if word.trim().eq_ignore_ascii_case("outside") => fail_on.outside = true,
                None => never = true,
            }
        }
        if !never && fail_on.statuses.is_empty() && !fail_on.outside {
            bail!("--fail-on is empty: name what is to fail the run, or never");
        }
        if never && (!fail_on.statuses.is_empty() || fail_on.outside) {
            bail!("--fail-on never stands alone");
        }
        Ok(fail_on)
    }

    /// The exit code: 1 beats 3. A client that is outside the mesh and was asked for by name is a conflict like any
    /// other.
    pub(super) fn judge(&self, counts: &Counts, unfiltered: usize, unread: bool, named: bool) -> Exit {
        let by_row = counts.present.iter().any(|status| self.statuses.contains(status));
        let by_input = unread && self.statuses.contains(&Status::Unknown);
        let outside = counts.any_outside && (self.outside || named && self.statuses.contains(&Status::Conflict));
        if by_row || by_input || outside {
            Exit::Found
        } else if unfiltered == 0 {
            // `--status` that leaves no row of many is an answer; an input without rows is none.
            Exit::Nothing
        } else {
            Exit::Clean
        }
    }
}

fn filter(args: &TlsCheck, scope: &Scope, mesh: &Mesh) -> Result<Filter> {
    let mut filter = Filter { namespaces: scope.namespaces.clone(), ..Filter::default() };
    if let Some(from) = args.from.as_deref().or(args.pod.as_deref()) {
        filter.from = Some(clients(mesh, from, &scope.namespaces)?);
        // With --from, -n says where the client is; which services are shown is --to's matter.
        filter.namespaces.clear();
    }
    if let Some(to) = args.to.as_deref().or(args.host.as_deref()) {
        let to = to.strip_prefix("http://").or(to.strip_prefix("https://")).unwrap_or(to).trim_end_matches('/');
        let (rest, port) = match to.rsplit_once(':') {
            Some((rest, port)) => {
                (rest, Some(port.parse().with_context(|| format!("{port:?} in --to {to} is no port"))?))
            }
            None => (to, None),
        };
        let (host, subset) =
            rest.split_once('|').map_or((rest, None), |(host, subset)| (host, Some(subset.to_owned())));
        filter.to = Some(services(mesh, host, &scope.namespaces)?);
        if !scope.typed {
            // The context's namespace is where a short name is looked for; a service that is named is shown.
            filter.namespaces.clear();
        }
        (filter.port, filter.subset) = (port, subset);
    }
    if let Some(selector) = &args.selector {
        let pairs: Option<Vec<_>> = selector
            .split(',')
            .map(|pair| {
                pair.split_once('=')
                    .map(|(key, value)| (key.trim().into(), value.trim_start_matches('=').trim().into()))
            })
            .collect();
        filter.labels =
            Labels::new(pairs.ok_or_else(|| anyhow!("-l {selector}: only KEY=VALUE pairs, joined by commas"))?);
    }
    let allowed = ["conflict", "plaintext", "tls", "conditional", "mixed", "unknown", "ok", "outside"];
    for word in &args.status {
        match status(word, "--status", &allowed)? {
            Some(status) => filter.statuses.push(status),
            None => filter.outside = true,
        }
    }
    Ok(filter)
}

/// Kinds as kubectl abbreviates them.
const KINDS: &[(&[&str], &str)] = &[
    (&["po", "pod", "pods"], "Pod"),
    (&["deploy", "deployment", "deployments"], "Deployment"),
    (&["sts", "statefulset", "statefulsets"], "StatefulSet"),
    (&["ds", "daemonset", "daemonsets"], "DaemonSet"),
    (&["rs", "replicaset", "replicasets"], "ReplicaSet"),
    (&["job", "jobs"], "Job"),
    (&["cj", "cronjob", "cronjobs"], "CronJob"),
    (&["dc", "deploymentconfig", "deploymentconfigs"], "DeploymentConfig"),
    (&["ro", "rollout", "rollouts"], "Rollout"),
];

/// What there is in place of a name that there is not.
fn hint(near: Vec<String>, any: Vec<String>) -> String {
    match (near.is_empty(), any.is_empty()) {
        (false, _) => format!("; there is {}", near.join(", ")),
        (true, false) => format!("; the first ones are {}", any.join(", ")),
        (true, true) => String::new(),
    }
}

/// The workloads that `--from` names: by the name of the Pod or template, or of what owns the Pod.
fn clients(mesh: &Mesh, typed: &str, namespaces: &[String]) -> Result<BTreeSet<u32>> {
    let (kind, name) = match typed.split_once('/') {
        None => (None, typed),
        Some((kind, name)) => {
            let lower = kind.to_ascii_lowercase();
            let found = KINDS.iter().find(|(words, _)| words.contains(&&*lower)).map(|(_, kind)| *kind);
            (
                Some(found.ok_or_else(|| {
                    anyhow!("{kind:?} in {typed} is no kind of workload: pod, deploy, sts, ds, job ...")
                })?),
                name,
            )
        }
    };
    let here = |w: &Workload| namespaces.is_empty() || namespaces.iter().any(|ns| **ns == *w.meta.namespace);
    // Services with one selector have one stand-in, which answers to all of their names.
    let stands_for = |w: &Workload, name: &str| {
        let beside = || mesh.services.iter().filter(|service| service.meta.namespace == w.meta.namespace);
        let own = || beside().find(|service| service.meta.id == w.meta.id);
        let mut named = beside().filter(|service| *service.meta.name == *name && service.selector.is_some());
        w.kind == "Service" && named.any(|service| own().is_some_and(|own| own.selector == service.selector))
    };
    // Where only policies are known, a namespace stands for the clients in it.
    let exact = |w: &Workload, name: &str| {
        (*w.meta.name == *name || w.kind == "Namespace" && *w.meta.namespace == *name || stands_for(w, name))
            && kind.is_none_or(|kind| w.kind == kind)
    };
    // A Pod answers to the name of its Deployment: its ReplicaSet's name is that name, a dash and a hash.
    let owned = |w: &Workload, name: &str| {
        let owner = w.owner.as_ref().map(|(_, owner)| &**owner);
        let by_owner =
            owner.is_some_and(|owner| owner == name || owner.rsplit_once('-').is_some_and(|(stem, _)| stem == name));
        w.kind == "Pod" && kind != Some("Pod") && by_owner
    };
    let find = |wanted: &dyn Fn(&Workload) -> bool| -> BTreeSet<u32> {
        (0..).zip(&mesh.workloads).filter(|(_, w)| wanted(w)).map(|(n, _)| n).collect()
    };
    let (stem, namespace) = name.rsplit_once('.').unwrap_or((name, ""));
    let ways: [&dyn Fn(&Workload) -> bool; 4] = [
        &|w| exact(w, name) && here(w),
        &|w| exact(w, stem) && *w.meta.namespace == *namespace,
        &|w| owned(w, name) && here(w),
        &|w| owned(w, stem) && *w.meta.namespace == *namespace,
    ];
    if let Some(found) = ways.iter().map(|way| find(way)).find(|found| !found.is_empty()) {
        if found.iter().filter_map(|n| mesh.workloads.get(*n as usize)).all(|workload| workload.finished) {
            bail!("{typed} is a pod that has run to its end: it calls nothing any more");
        }
        return Ok(found);
    }
    let near: Vec<String> = mesh
        .workloads
        .iter()
        .filter(|w| w.meta.name.contains(stem))
        .map(|w| format!("{}.{}", w.meta.name, w.meta.namespace))
        .take(5)
        .collect();
    let any = mesh.workloads.iter().map(client_name).take(5).collect();
    let hint = hint(near, any);
    bail!("no workload of the input is called {typed}{hint}")
}

/// The services that `--to` names: a host, or the beginning of one at a dot.
fn services(mesh: &Mesh, typed: &str, namespaces: &[String]) -> Result<BTreeSet<u32>> {
    let domain = &mesh.options.cluster_domain;
    let forms = [typed.to_owned(), format!("{typed}.svc.{domain}"), format!("{typed}.{domain}")];
    let find = |wanted: &dyn Fn(&Service) -> bool| -> BTreeSet<u32> {
        (0..).zip(&mesh.services).filter(|(_, s)| wanted(s)).map(|(n, _)| n).collect()
    };
    let exact = find(&|s| forms.iter().any(|form| s.host.as_str() == form));
    if !exact.is_empty() {
        return Ok(exact);
    }
    let here = |s: &Service| namespaces.is_empty() || namespaces.iter().any(|ns| **ns == *s.meta.namespace);
    let short = find(&|s| *s.meta.name == *typed && here(s));
    if !short.is_empty() {
        return Ok(short);
    }
    // A service that only a wildcard stands for: the host is one that it matches.
    let covers = |s: &Service| s.host.wildcard().is_some_and(|suffix| forms.iter().any(|form| form.ends_with(suffix)));
    let longest = mesh.services.iter().filter(|s| covers(s)).map(|s| s.host.as_str().len()).max();
    if let Some(longest) = longest {
        return Ok(find(&|s| covers(s) && s.host.as_str().len() == longest));
    }
    let stem = typed.split('.').next().unwrap_or(typed);
    let near: Vec<String> = mesh
        .services
        .iter()
        .filter(|s| s.host.as_str().contains(stem))
        .map(|s| service_name(mesh, s))
        .take(5)
        .collect();
    let any = mesh.services.iter().map(|s| service_name(mesh, s)).take(5).collect();
    let hint = hint(near, any);
    bail!("no service of the input is called {typed}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::Sources;

    #[test]
    fn a_stand_in_answers_to_every_service_that_it_stands_for() {
        let service = |name: &str, selector: &str| {
            format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: a}}\n\
                 spec: {{selector: {{{selector}}}, ports: [{{port: 80}}]}}\n---\n"
            )
        };
        let text = service("web", "app: web") + &service("api", "app: web") + &service("v1", "app: web, version: v1");
        let mut sources = Sources::default();
        sources.add("mesh.yaml", text);
        let mesh = model::load(sources, Options::default());
        let named = |typed: &str| -> Result<Vec<String>> {
            let found = clients(&mesh, typed, &[])?;
            Ok(found.iter().map(|n| mesh.workloads[*n as usize].meta.slash()).collect())
        };
        for (typed, want) in [("web", "a/api"), ("api.a", "a/api"), ("web.a", "a/api"), ("v1", "a/v1")] {
            assert_eq!(named(typed).unwrap(), [want], "{typed}");
        }
        assert!(named("v2").is_err());
    }

    #[test]
    fn namespaces_stand_in_names() {
        for (typed, want) in [
            ("sleep.legacy", Some("legacy")),
            ("deploy/sleep.legacy", Some("legacy")),
            ("sleep", None),
            ("deploy/sleep", None),
            ("sleep.", None),
        ] {
            assert_eq!(client_namespace(typed).as_deref(), want, "{typed}");
        }
        for (typed, want) in [
            ("details.bookinfo:9080", Some("bookinfo")),
            ("https://details.bookinfo.svc.cluster.local/", Some("bookinfo")),
            ("details.bookinfo|v1:9080", Some("bookinfo")),
            ("details", None),
            ("details:9080", None),
        ] {
            assert_eq!(service_namespace(typed).as_deref(), want, "{typed}");
        }
    }
}
