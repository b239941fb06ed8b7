//! The table of `istioctl authn tls-check`, byte for byte as Istio 1.0 to 1.5 printed it (istio-mtls.md 4.2 to 4.4).
//!
//! It says what the old command said, not what is true: it looked at no workload and no endpoint.
//! `pilot/pkg/proxy/envoy/v2/debug.go : authenticationz, isMTlsOn` (1.0), `AnalyzeMTLSSettings` (1.4, 1.5);
//! `istioctl/pkg/writer/pilot/auth.go`.

use super::legacy::{Legacy, Of};
use super::rules::{self, Entry, Found, RuleIndex, Step};
use crate::model::destination_rule::{TlsMode, TrafficPolicy};
use crate::model::service::{Origin, Port};
use crate::model::{AuthnPolicy, Labels, Mesh, MtlsMode, Service, Version, Workload};

/// The columns.
pub const HEADER: [&str; 6] = ["HOST:PORT", "STATUS", "SERVER", "CLIENT", "AUTHN POLICY", "DESTINATION RULE"];
/// `tabwriter.NewWriter(.., 0, 8, 5, ' ', 0)`: spaces after the longest cell of a column.
const PADDING: usize = 5;

/// One line of the old table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Host, with `|subset` for a subset.
    pub host: String,
    /// Port of the Service.
    pub port: u16,
    /// STATUS, SERVER, CLIENT, AUTHN POLICY, DESTINATION RULE.
    pub cells: [String; 5],
    /// More than one answer was possible, and this is the first: what the input does not show decided.
    pub unsure: bool,
}

/// What is asked of the old table.
pub struct Old<'m> {
    mesh: &'m Mesh,
    legacy: Option<Legacy<'m>>,
    rules: RuleIndex,
}

impl<'m> Old<'m> {
    /// Prepares the answers.
    #[must_use]
    pub fn new(mesh: &'m Mesh) -> Self {
        Self { mesh, legacy: Legacy::new(mesh), rules: RuleIndex::new(mesh) }
    }

    /// Every line that a client gets, by host and port. `client`: the proxy that is asked for; 1.0 asked for none.
    #[must_use]
    pub fn lines(&self, client: Option<&Workload>) -> Vec<Line> {
        let mut lines = Vec::new();
        for service in &self.mesh.services {
            // A row that stands for any service of a namespace was no service to Pilot.
            let stands_for_any = service.origin == Origin::Synthetic && service.host.wildcard().is_some();
            let listed = !stands_for_any && !service.host.as_str().is_empty();
            let outside = service.origin == Origin::MeshExternal || service.alias.is_some();
            if !listed || outside && self.mesh.version >= Version::one(4) {
                continue;
            }
            for port in service.ports.iter().filter(|port| port.number > 0) {
                lines.extend(self.of_port(client, service, port));
            }
        }
        lines.sort_by(|a, b| (&a.host, a.port).cmp(&(&b.host, b.port)));
        lines
    }

    /// The line of a Service port and, since 1.4, one for each subset.
    fn of_port(&self, client: Option<&Workload>, service: &Service, port: &Port) -> Vec<Line> {
        let (policies, rule, unclear) = self.sides(client, service, port);
        let unsure = unclear || policies.len() > 1;
        let policy = policies.first().copied().flatten().and_then(|n| self.mesh.authn_policies.get(n as usize));
        let answer = |host: String, policy_of_rule: Option<&TrafficPolicy>| {
            let tls = policy_of_rule.and_then(|policy| tls_of(policy, port.number));
            Line { host, port: port.number, cells: self.cells(policy, rule, tls), unsure }
        };
        let host = service.host.as_str();
        let own = rule.and_then(|entry| self.mesh.rules.get(entry.policy? as usize)?.policy.as_ref());
        let mut lines = vec![answer(host.to_owned(), own)];
        if self.mesh.version < Version::one(4) {
            return lines;
        }
        for (number, at) in rule.map_or(&[][..], |entry| &entry.subsets) {
            let subset = self.mesh.rules.get(*number as usize).and_then(|rule| rule.subsets.get(*at as usize));
            let Some(subset) = subset else { continue };
            lines.push(answer(format!("{host}|{}", subset.name), subset.policy.as_ref()));
        }
        lines
    }

    /// The policies that the server may have, the rule that the client has, and whether that is uncertain.
    fn sides(
        &self,
        client: Option<&Workload>,
        service: &Service,
        port: &Port,
    ) -> (Vec<Option<u32>>, Option<&Entry>, bool) {
        let mesh = self.mesh;
        let policies = self.legacy.as_ref().map_or(vec![None], |l| l.policies(service, port, Of::Nobody));
        let namespace = client.map_or(&*mesh.root, |client| &*client.meta.namespace);
        let selects = |selector: &Labels| client.is_some_and(|client| mesh.selects(selector, client) == Ok(true));
        match self.rules.find(mesh, namespace, &service.host, &service.meta.namespace) {
            Found::Nothing => (policies, None, false),
            Found::Unclear => (policies, None, true),
            Found::Rules(step, found) => {
                let entries: Vec<Option<&Entry>> =
                    found.orders.iter().map(|order| choose(mesh, order, step, namespace, &selects)).collect();
                (policies, entries.first().copied().flatten(), entries.len() > 1)
            }
        }
    }

    /// STATUS, SERVER, CLIENT, AUTHN POLICY, DESTINATION RULE in the words of the version.
    fn cells(&self, policy: Option<&AuthnPolicy>, rule: Option<&Entry>, tls: Option<TlsMode>) -> [String; 5] {
        let mesh = self.mesh;
        let version = mesh.version;
        let by_default = mesh.config.auth_policy_mtls && version < Version::one(1);
        let (mode, auto) = (policy.map_or(MtlsMode::Disable, |policy| policy.mode), mesh.config.auto_mtls);
        let (status, server, sent) = match version.minor {
            0 => {
                let served = policy.map_or(by_default, |policy| policy.mode != MtlsMode::Disable);
                let sent = rule.map_or(by_default, |_| tls == Some(TlsMode::IstioMutual));
                let word = |mtls| if mtls { "mTLS" } else { "HTTP" };
                (if served == sent { "OK" } else { "CONFLICT" }, word(served), word(sent))
            }
            1 => by_bits(mode, tls.filter(|tls| *tls == TlsMode::IstioMutual)),
            2 | 3 => by_bits(mode, tls),
            _ => since_1_4(mode, tls, auto, version),
        };
        let rule = rule.and_then(|entry| mesh.rules.get(entry.first as usize)).map(|rule| &rule.meta);
        let named = |meta: &crate::model::Meta| match version < Version::one(4) {
            true => format!("{}/{}", meta.name, meta.namespace),
            false => meta.slash(),
        };
        let none = if version < Version::one(5) { "-" } else { "None" };
        let policy = policy.map(|policy| match policy.reach {
            // Of a MeshPolicy the namespace is empty, and Maistra's stands in one.
            _ if policy.maistra || !policy.meta.namespace.is_empty() => named(&policy.meta),
            _ if version < Version::one(4) => format!("{}/", policy.meta.name),
            _ => format!("/{}", policy.meta.name),
        });
        let rule = match status {
            "AUTO" if version >= Version::one(5) => "-".to_owned(),
            _ => rule.map_or_else(|| none.to_owned(), named),
        };
        let policy = policy.unwrap_or_else(|| none.to_owned());
        [status.to_owned(), server.to_owned(), sent.to_owned(), policy, rule]
    }

    /// The answer of the old command for a call, in a sentence.
    #[must_use]
    pub fn words(&self, client: &Workload, service: &Service, port: u16, subset: Option<&str>) -> Option<String> {
        let port = service.ports.iter().find(|p| p.number == port)?;
        let host = subset.map_or_else(|| service.host.to_string(), |name| format!("{}|{name}", service.host));
        let line = self.of_port(Some(client), service, port).into_iter().find(|line| line.host == host)?;
        let [status, server, sent, ..] = &line.cells;
        let version = self.mesh.version;
        Some(format!("istioctl authn tls-check of Istio {version} calls this {status}: server {server}, client {sent}"))
    }
}

fn choose<'a>(
    mesh: &Mesh,
    order: &'a [Entry],
    step: Step,
    namespace: &str,
    selects: &dyn Fn(&Labels) -> bool,
) -> Option<&'a Entry> {
    rules::choose(mesh, order, step, namespace, selects)
}

/// The mode of a policy for a port: an entry for the port replaces it completely (`SelectTrafficPolicyComponents`).
fn tls_of(policy: &TrafficPolicy, port: u16) -> Option<TlsMode> {
    let entry = policy.ports.iter().find(|(number, _)| *number == Some(port));
    entry.map_or(&policy.top, |(_, own)| own).tls.as_ref().map(|tls| tls.mode)
}

/// Istio 1.1 to 1.3: what both sides speak as bits, HTTP 1, mTLS 2, TLS 4, custom mTLS 8.
fn by_bits(mode: MtlsMode, tls: Option<TlsMode>) -> (&'static str, &'static str, &'static str) {
    let (server, served) = match mode {
        MtlsMode::Disable => (1, "HTTP"),
        MtlsMode::Strict => (2, "mTLS"),
        MtlsMode::Permissive => (3, "HTTP/mTLS"),
    };
    let (client, sent) = match tls {
        None | Some(TlsMode::Disable) => (1, "HTTP"),
        Some(TlsMode::IstioMutual) => (2, "mTLS"),
        Some(TlsMode::Simple) => (4, "TLS"),
        Some(TlsMode::Mutual) => (8, "custom mTLS"),
    };
    let status = match client & server {
        0 if client == 8 && server != 1 => "MAY CONFLICT",
        0 => "CONFLICT",
        _ => "OK",
    };
    (status, served, sent)
}

/// Istio 1.4 and 1.5 (`EvaluateTLSState`): what the client leaves open counts as fine.
fn since_1_4(
    mode: MtlsMode,
    tls: Option<TlsMode>,
    auto: bool,
    version: Version,
) -> (&'static str, &'static str, &'static str) {
    let status = match (tls, mode) {
        (None, _) if auto => "AUTO",
        (None, _) => "OK",
        (Some(TlsMode::Disable), MtlsMode::Disable | MtlsMode::Permissive) => "OK",
        (Some(TlsMode::IstioMutual), MtlsMode::Permissive | MtlsMode::Strict) => "OK",
        _ => "CONFLICT",
    };
    let unset = if auto || version < Version::one(5) { "-" } else { "None" };
    (status, mode.word(), tls.map_or(unset, TlsMode::word))
}

/// The lines that a service filter leaves: the first one whose host it names exactly, as the old command stopped there.
#[must_use]
pub fn filtered(lines: Vec<Line>, service: Option<&str>) -> Vec<Line> {
    match service {
        None => lines,
        Some(service) => lines.into_iter().find(|line| line.host == service).into_iter().collect(),
    }
}

/// The table as Go's tabwriter lays it out: it counts characters, not bytes, and does not pad the last column.
#[must_use]
pub fn table(lines: &[[String; 6]]) -> String {
    let mut widths = [0; 6];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for line in lines {
        for (at, (cell, width)) in line.iter().zip(widths).enumerate() {
            out.push_str(cell);
            if at + 1 < line.len() {
                let spaces = width - cell.chars().count() + PADDING;
                out.extend(std::iter::repeat_n(' ', spaces));
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use MtlsMode::{Disable, Permissive, Strict};

    #[test]
    fn the_words_and_states_of_each_version() {
        let tls =
            [None, Some(TlsMode::Disable), Some(TlsMode::Simple), Some(TlsMode::Mutual), Some(TlsMode::IstioMutual)];
        for (mode, old, new, auto) in [
            (
                Disable,
                "OK OK CONFLICT CONFLICT CONFLICT",
                "OK OK CONFLICT CONFLICT CONFLICT",
                "AUTO OK CONFLICT CONFLICT CONFLICT",
            ),
            (
                Permissive,
                "OK OK CONFLICT MAY CONFLICT OK",
                "OK OK CONFLICT CONFLICT OK",
                "AUTO OK CONFLICT CONFLICT OK",
            ),
            (
                Strict,
                "CONFLICT CONFLICT CONFLICT MAY CONFLICT OK",
                "OK CONFLICT CONFLICT CONFLICT OK",
                "AUTO CONFLICT CONFLICT CONFLICT OK",
            ),
        ] {
            let said = |of: &dyn Fn(Option<TlsMode>) -> &'static str| tls.map(of).join(" ");
            assert_eq!(said(&|tls| by_bits(mode, tls).0), old, "{mode:?} 1.3");
            assert_eq!(said(&|tls| since_1_4(mode, tls, false, Version::one(4)).0), new, "{mode:?} 1.4");
            assert_eq!(said(&|tls| since_1_4(mode, tls, true, Version::one(4)).0), auto, "{mode:?} 1.4 auto");
        }
        assert_eq!(since_1_4(Strict, None, false, Version::one(4)), ("OK", "STRICT", "-"));
        assert_eq!(since_1_4(Strict, None, false, Version::one(5)), ("OK", "STRICT", "None"));
        assert_eq!(since_1_4(Strict, None, true, Version::one(5)), ("AUTO", "STRICT", "-"));
        assert_eq!(by_bits(Permissive, Some(TlsMode::Mutual)), ("MAY CONFLICT", "HTTP/mTLS", "custom mTLS"));
    }

    #[test]
    fn columns_are_as_wide_as_their_longest_cell_and_five() {
        let row = |cells: [&str; 6]| cells.map(str::to_owned);
        let lines = [row(["A", "B", "C", "D", "E", "F"]), row(["\u{e9}\u{e9}", "bbb", "", "d", "e", "ff"])];
        let want = "A      B       C    D     E     F\n\u{e9}\u{e9}     bbb          d     e     ff\n";
        // An empty column is five wide, since its longest cell is the header of one character.
        let want = want.replace("C    D", "C     D").replace("bbb          d", "bbb           d");
        assert_eq!(table(&lines), want);
    }

    #[test]
    fn only_the_first_line_of_a_host_is_left() {
        let line = |host: &str, port| Line { host: host.to_owned(), port, cells: Default::default(), unsure: false };
        let all = || vec![line("web.shop", 80), line("web.shop", 90), line("web.shop|v1", 80)];
        for (service, count) in [(None, 3), (Some("web.shop"), 1), (Some("web.shop|v1"), 1), (Some("web"), 0)] {
            assert_eq!(filtered(all(), service).len(), count, "{service:?}");
        }
    }
}
