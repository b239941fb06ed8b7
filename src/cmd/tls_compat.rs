//! `meshctl tls-check --compat`: the table of an older istioctl on standard output, the true verdict on standard error.

use super::options::options;
use super::tls_check::FailOn;
use super::{Exit, Io};
use crate::cli::{TlsCheck, TlsCompat};
use crate::input::files;
use crate::model::mesh_config::Options;
use crate::model::{self, Mesh, Proxy, Version, Workload};
use crate::mtls::check::check;
use crate::mtls::compat::{HEADER, Line, Old, filtered, table};
use crate::mtls::report::{TlsReport, View};
use crate::mtls::select::Filter;
use crate::render::{Format, Style, escape, render};
use anyhow::{Result, bail};
use std::collections::BTreeSet;

/// What the old command was asked: `[SERVICE]` in 1.0, `POD[.NAMESPACE] [SERVICE]` later.
struct Asked<'a> {
    /// The pod and its namespace.
    pod: Option<(&'a str, &'a str)>,
    /// The host to show: compared as it stands.
    service: Option<&'a str>,
}

/// Runs the command.
///
/// # Errors
/// What the user has to change: paths, flags.
pub fn run(compat: TlsCompat, args: &TlsCheck, io: &mut Io<'_>) -> Result<Exit> {
    let version = version_of(compat);
    let fail_on = (!args.fail_on.is_empty()).then(|| FailOn::parse(&args.fail_on)).transpose()?;
    let namespace = args.namespace.first().map_or("default", String::as_str);
    let mut options = Options { assume_injected: args.assume_injected, ..options(&args.mesh, namespace)? };
    if let Some(given) = options.version.filter(|given| *given != version) {
        bail!("--compat istioctl-{version} implies --istio-version {version}, not {given}");
    }
    options.version = Some(version);
    let Some(asked) = asked(args, version, namespace) else {
        let text = if version < Version::one(4) {
            "requires at least 1 arg(s), only received 0"
        } else {
            // These printed their usage before the error; the words are this program's.
            writeln!(io.stderr, "Usage: meshctl tls-check --compat istioctl-{version} POD[.NAMESPACE] [SERVICE]\n")?;
            "tls-check requires pod name"
        };
        return refuse(version, text, io);
    };
    if version < Version::one(1) && args.host.is_some() {
        bail!("istioctl 1.0 asked for a service only: tls-check --compat istioctl-1.0 [SERVICE]");
    }
    if args.filename.is_empty() {
        bail!("nothing to read: give -f FILE, a folder, a glob, or -f - for standard input");
    }
    let gathered = files::gather(&args.filename, &mut *io.stdin)?;
    let mut mesh = model::load(gathered.sources, options);
    mesh.add_unread(gathered.findings);
    let client = asked.pod.map(|(name, namespace)| find(&mesh, name, namespace));
    if let (Some(None), Some((name, namespace))) = (client, asked.pod) {
        let text = match version < Version::one(3) {
            true => "nothing to output".to_owned(),
            false => format!(
                "checked 1 pilot instances and found no authentication info for {name}.{namespace}, check proxy status"
            ),
        };
        // Standard error has what could not be read here too: that may be why the pod is not there.
        for finding in &mesh.findings {
            let (at, said) = (finding.at.to_string(), finding.said());
            writeln!(io.stderr, "{}: {}[{}] {}", escape(&at), finding.severity, finding.code.code, escape(&said))?;
        }
        return refuse(version, &text, io);
    }
    let client = client.flatten();
    let lines = Old::new(&mesh).lines(client.and_then(|n| mesh.workloads.get(n as usize)));
    let lines = filtered(lines, asked.service);
    print(&lines, io)?;
    truth(&mesh, client, asked.service, &lines, fail_on.as_ref(), io)
}

/// The Istio version whose rules the old command stands for.
fn version_of(compat: TlsCompat) -> Version {
    Version::one(match compat {
        TlsCompat::Istioctl10 => 0,
        TlsCompat::Istioctl11 => 1,
        TlsCompat::Istioctl12 => 2,
        TlsCompat::Istioctl13 => 3,
        TlsCompat::Istioctl14 => 4,
        TlsCompat::Istioctl15 => 5,
    })
}

/// What was asked; `None`: the pod is missing.
fn asked<'a>(args: &'a TlsCheck, version: Version, namespace: &'a str) -> Option<Asked<'a>> {
    if version < Version::one(1) {
        return Some(Asked { pod: None, service: args.pod.as_deref() });
    }
    let pod = args.pod.as_deref()?;
    // What stands after the last dot is the namespace (`handlers.InferPodInfo`).
    Some(Asked { pod: Some(pod.rsplit_once('.').unwrap_or((pod, namespace))), service: args.host.as_deref() })
}

/// The pod, or the template of that name, whose proxy the old Pilot knew.
fn find(mesh: &Mesh, name: &str, namespace: &str) -> Option<u32> {
    let proxied = |w: &Workload| matches!(w.proxy, Proxy::Sidecar | Proxy::Gateway);
    let fits = |w: &Workload| *w.meta.name == *name && *w.meta.namespace == *namespace && proxied(w);
    let mut found: Vec<(bool, u32)> =
        (0..).zip(&mesh.workloads).filter(|(_, w)| fits(w)).map(|(n, w)| (w.kind != "Pod", n)).collect();
    found.sort_unstable();
    found.first().map(|(_, number)| *number)
}

/// Ends as the old command did when it had nothing to show.
fn refuse(version: Version, text: &str, io: &mut Io<'_>) -> Result<Exit> {
    writeln!(io.stderr, "Error: {}", escape(text))?;
    Ok(Exit::Old(if version < Version::one(1) { 255 } else { 1 }))
}

fn print(lines: &[Line], io: &mut Io<'_>) -> Result<()> {
    let header = HEADER.map(str::to_owned);
    let rows = lines.iter().map(|line| {
        let [status, server, client, policy, rule] = line.cells.clone().map(|cell| escape(&cell).into_owned());
        [format!("{}:{}", escape(&line.host), line.port), status, server, client, policy, rule]
    });
    let all: Vec<[String; 6]> = std::iter::once(header).chain(rows).collect();
    io.stdout.write_all(table(&all).as_bytes())?;
    Ok(())
}

/// Says on standard error what really happens to these calls; it decides the exit code where `--fail-on` is given.
fn truth(
    mesh: &Mesh,
    client: Option<u32>,
    service: Option<&str>,
    lines: &[Line],
    fail_on: Option<&FailOn>,
    io: &mut Io<'_>,
) -> Result<Exit> {
    for line in lines.iter().filter(|line| line.unsure) {
        let host = escape(&line.host);
        let port = line.port;
        writeln!(
            io.stderr,
            "meshctl: note: {host}:{port}: several objects compete, and the input does not show which one Istio took; this is one of the possible answers"
        )?;
    }
    let mut filter = Filter { from: client.map(|number| BTreeSet::from([number])), ..Filter::default() };
    if let Some(service) = service {
        let (host, subset) = service.split_once('|').map_or((service, None), |(host, subset)| (host, Some(subset)));
        let numbers = (0..).zip(&mesh.services).filter(|(_, s)| s.host.as_str() == host).map(|(n, _)| n);
        filter.to = Some(numbers.collect());
        filter.subset = subset.map(str::to_owned);
        filter.port = lines.first().map(|line| line.port);
    }
    let report = TlsReport::new(check(mesh), filter, View::default());
    writeln!(io.stderr, "meshctl: that is the table of istioctl {}; this is what happens:", mesh.version)?;
    let mut text = Vec::new();
    render(&report, Format::Concise, Style { width: None, colour: false }, &mut text)?;
    io.stderr.write_all(&text)?;
    let Some(fail_on) = fail_on else { return Ok(Exit::Clean) };
    let unread = super::tls_check::unread(mesh);
    Ok(match fail_on.judge(report.counts(), report.unfiltered(), unread, client.is_some()) {
        // A filter that names nothing shows the header only, and that is no failure.
        Exit::Nothing => Exit::Clean,
        exit => exit,
    })
}

#[cfg(test)]
mod tests {
    use crate::cmd::Io;

    #[test]
    fn what_does_not_parse_is_said_where_the_pod_is_not_found() {
        for (compat, pod) in [("istioctl-1.1", "cli.shop"), ("istioctl-1.3", "cli.shop"), ("istioctl-1.5", "cli")] {
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            let mut io = Io {
                stdin: Box::new(&b"kind: [broken"[..]),
                stdout: &mut stdout,
                stderr: &mut stderr,
                width: None,
                colour: false,
                stderr_is_terminal: false,
            };
            let args = ["meshctl", "tls-check", "-f", "-", "--compat", compat, pod];
            let code = crate::cmd::run(args.map(Into::into), &mut io).code();
            let said = String::from_utf8(stderr).unwrap();
            assert_eq!((code, stdout.len()), (1, 0), "{said}");
            let lines: Vec<&str> = said.lines().collect();
            assert!(
                matches!(lines[..], [first, last] if first.contains("error[MC0001]") && last.starts_with("Error: ")),
                "{said}"
            );
        }
    }
}
