//! The table of listeners and their filter chains.

use super::View;
use crate::envoy::judged::{Authz, ClientCertificate, HeldCertificate, Judged, Row, Side, Validity};
use crate::envoy::model::{Action, CertificateRef, Chain, Listener, Match, Mode, Socket, Tls};
use crate::envoy::vocabulary::{holder, length, many};
use crate::report::{Cell, Column, Line, Tone};

/// Sets of ALPN that Istio matches on, and what they stand for (`pilot/pkg/networking/core/filterchain_options.go`).
const ALPN_SETS: &[(&[&str], &str)] = &[
    (&["http/1.1", "h2c"], "plain HTTP"),
    (&["http/1.0", "http/1.1", "h2c"], "plain HTTP"),
    (&["istio-http/1.0", "istio-http/1.1", "istio-h2"], "Istio HTTP"),
    (&["istio-peer-exchange", "istio"], "Istio TCP"),
    (&["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"], "Istio"),
];

/// The columns; the last ones of the second kind are shown with `-o wide`.
pub fn columns() -> Vec<Column> {
    let mut columns = vec![
        Column::new("LISTENER[FilterChain]", 15),
        Column::new("PORT", 0),
        Column::new("MATCH", 10),
        Column::new("CERTIFICATE", 16),
        Column::new("mTLS", 0),
        Column::new("MODE", 0),
        Column::new("AUTHZ", 20),
    ];
    let wide = ["CHAIN NAME", "SNI", "ALPN", "RANGES", "TLS", "TRUSTED CA", "RULES"];
    columns.extend(wide.map(|head| Column::wide(head, head.len().max(12))));
    columns
}

/// The cells of one chain.
pub fn cells(judged: &Judged, row: &Row, at: i64) -> Vec<Cell> {
    let listener = judged.proxy.listeners.get(row.listener);
    let chain = listener.and_then(|listener| listener.chains.get(row.chain));
    let matches = chain.map(|chain| &chain.matches);
    let tls = chain.and_then(|chain| chain.socket.tls());
    let dim = row.side == Side::Blackhole;
    let joined = |list: Option<&Vec<String>>| text(list.map(|list| list.join(", ")).unwrap_or_default());
    let rules: Vec<&str> = row.authz.iter().flat_map(|step| &step.rules).map(String::as_str).collect();
    let mut cells = vec![
        Cell::new(name(listener, row), if dim { Tone::Dim } else { Tone::Strong }),
        text(row.port.map(|port| port.to_string()).unwrap_or_default()),
        text(matching(chain, matches)),
        certificate(judged, row, tls, at),
        mtls(row, dim),
        mode(row),
        authz(row),
        text(chain.map(|chain| chain.name.clone()).unwrap_or_default()),
        joined(matches.map(|matches| &matches.sni)),
        joined(matches.map(|matches| &matches.alpn)),
        joined(matches.map(|matches| &matches.ranges)),
        text(tls.map(versions).unwrap_or_default()),
        text(row.trusted_ca.clone().unwrap_or_default()),
        text(rules.join("; ")),
    ];
    if dim {
        cells.iter_mut().for_each(|cell| cell.tone = Tone::Dim);
    }
    cells
}

/// Text, or `-` where there is none.
fn text(text: String) -> Cell {
    Cell::plain(if text.is_empty() { "-".to_owned() } else { text })
}

/// `virtualInbound[7]`; a listener with one chain is its name alone.
fn name(listener: Option<&Listener>, row: &Row) -> String {
    let Some(listener) = listener else { return "?".to_owned() };
    let state = match listener.state {
        crate::envoy::model::State::Warming => " (warming)",
        crate::envoy::model::State::Draining => " (draining)",
        _ => "",
    };
    match listener.chains.len() {
        ..2 => format!("{}{state}", listener.name),
        _ => format!("{}[{}]{state}", listener.name, row.chain),
    }
}

/// What connections a chain takes, besides the port: transport, application protocol, server name, addresses.
fn matching(chain: Option<&Chain>, matches: Option<&Match>) -> String {
    let Some(matches) = matches else { return String::new() };
    let mut words: Vec<String> = Vec::new();
    if chain.is_some_and(|chain| chain.is_default) {
        words.push("default".to_owned());
    }
    words.extend(matches.transport.clone());
    if !matches.alpn.is_empty() {
        words.push(alpn(&matches.alpn));
    }
    match matches.sni.as_slice() {
        [] => {}
        [one] => words.push(format!("SNI {one}")),
        [one, rest @ ..] => words.push(format!("SNI {one} +{}", rest.len())),
    }
    // 0.0.0.0/0 and ::/0 tell the two families apart and nothing else.
    let ranges = matches.ranges.iter().map(|range| match range.as_str() {
        "0.0.0.0/0" => "IPv4".to_owned(),
        "::/0" | "::0/0" => "IPv6".to_owned(),
        other => other.to_owned(),
    });
    words.extend(ranges);
    words.extend(matches.source.iter().cloned());
    if words.is_empty() { "any".to_owned() } else { words.join(", ") }
}

/// The name of a set of ALPN, else the set.
fn alpn(names: &[String]) -> String {
    let same = |set: &[&str]| set.len() == names.len() && names.iter().all(|name| set.contains(&name.as_str()));
    match ALPN_SETS.iter().find(|(set, _)| same(set)) {
        Some((_, name)) => (*name).to_owned(),
        None => names.join("/"),
    }
}

/// Where the certificate comes from, who it is of, and how long it lives.
fn certificate(judged: &Judged, row: &Row, tls: Option<&Tls>, at: i64) -> Cell {
    let mut tone = Tone::Plain;
    let mut words = Vec::new();
    for (place, name) in row.certificates.iter().enumerate() {
        let kind = tls.and_then(|tls| tls.certificates.get(place));
        let held = judged.own_certificate(name);
        let (text, how) = one_certificate(name, kind, held, at);
        words.push(text);
        if how != Tone::Plain && tone != Tone::Bad {
            tone = how;
        }
    }
    if words.is_empty() {
        let missing = tls.is_some();
        return Cell::new(if missing { "none given" } else { "-" }, if missing { Tone::Bad } else { Tone::Plain });
    }
    Cell::new(words.join("; "), tone)
}

fn one_certificate(
    name: &str,
    kind: Option<&CertificateRef>,
    held: Option<&HeldCertificate>,
    at: i64,
) -> (String, Tone) {
    let is_secret = matches!(kind, Some(CertificateRef::Secret(_)));
    let read = held.filter(|held| held.state != Validity::Missing);
    let Some(held) = read else {
        return match (kind, held) {
            // A file of the proxy is not in the dump; without a secrets section nothing can be said of a secret either.
            (Some(CertificateRef::Secret(_)), Some(_)) => (format!("{name}: missing"), Tone::Bad),
            (Some(CertificateRef::Secret(_)), None) => (format!("{name}: not in the dump"), Tone::Warn),
            _ => (format!("{name} (not shown)"), Tone::Plain),
        };
    };
    let end = held.effective_not_after.or(held.not_after);
    let (life, tone) = match held.state {
        Validity::Expired => (end.map(|end| format!("expired {} ago", length(at.saturating_sub(end)))), Tone::Bad),
        Validity::NotYetValid => (Some("not yet valid".to_owned()), Tone::Bad),
        Validity::ExpiresSoon => (end.map(|end| format!("{} left", length(end.saturating_sub(at)))), Tone::Warn),
        _ => (end.map(|end| format!("{} left", length(end.saturating_sub(at)))), Tone::Plain),
    };
    let mut words = vec![match (is_secret, holder(held)) {
        (_, Some(holder)) => format!("{name}: {holder}"),
        (_, None) => name.to_owned(),
    }];
    words.extend(life.or_else(|| Some(held.state.word().to_owned())));
    (words.join(", "), tone)
}

/// Whether this chain is mutual TLS. Green only where it is, on evidence.
fn mtls(row: &Row, dim: bool) -> Cell {
    let called = matches!(row.side, Side::Inbound | Side::Internal) && !dim;
    match (row.mtls, row.client_certificate) {
        // With a doubt about the chain, the word stands and the green does not.
        (Some(true), _) => Cell::new("yes", if row.doubts.is_empty() { Tone::Good } else { Tone::Plain }),
        (None, _) => Cell::new("unknown", Tone::Warn),
        (_, ClientCertificate::Unverified) => Cell::new("unverified", Tone::Bad),
        (_, ClientCertificate::Optional) => Cell::new("optional", Tone::Warn),
        (Some(false), _) => Cell::new("no", if called { Tone::Warn } else { Tone::Plain }),
    }
}

/// The mode; a star says that it is inferred.
fn mode(row: &Row) -> Cell {
    let Some(mode) = row.mode else { return Cell::plain("-") };
    let star = if row.mode_source == Some(crate::envoy::judged::ModeSource::Inferred) { "*" } else { "" };
    let tone = match mode {
        Mode::Strict | Mode::Mutual | Mode::IstioMutual if row.mtls == Some(true) && row.doubts.is_empty() => {
            Tone::Good
        }
        Mode::Permissive | Mode::Disable | Mode::OptionalMutual => Tone::Warn,
        _ => Tone::Plain,
    };
    Cell::new(format!("{}{star}", mode.word()), tone)
}

/// Every step of authorization, the issuers of JWTs, and what was not understood.
fn authz(row: &Row) -> Cell {
    let mut tone = Tone::Plain;
    let mut words: Vec<String> = row.authz.iter().map(step).collect();
    if !row.jwt.is_empty() {
        words.push(format!("JWT: {}", row.jwt.join(", ")));
    }
    if row.authz.iter().any(|step| step.bad_provider) {
        tone = Tone::Bad;
    }
    if !row.doubts.is_empty() {
        words.push(format!("in doubt: {}", row.doubts.join(", ")));
        tone = Tone::Warn;
    }
    Cell::new(if words.is_empty() { "-".to_owned() } else { words.join("; ") }, tone)
}

/// `http DENY: bookinfo/no-outsiders`.
fn step(step: &Authz) -> String {
    let mut text = format!("{} {}", step.layer.word(), step.action.word());
    if !step.enforced {
        text.push_str(if step.action == Action::Audit { " (logs only)" } else { " (dry run)" });
    }
    if step.bad_provider {
        text.push_str(" (CUSTOM without a usable provider)");
    }
    let policies = step.policies.join(", ");
    match (step.denies_all, policies.is_empty()) {
        (true, true) => text.push_str(": no rule, denies all"),
        (true, false) => text.push_str(&format!(": {policies}, denies all")),
        (false, false) => text.push_str(&format!(": {policies}")),
        (false, true) if step.action == Action::Custom => text.push_str(": every call"),
        (false, true) => text.push_str(": no rule"),
    }
    if step.fails_open {
        text.push_str(" (passes when the service is down)");
    }
    // What a route says takes the place of what its filter says.
    match &step.route {
        Some(route) if !step.enforced && step.policies.is_empty() => format!("on {route} instead: nothing is enforced"),
        Some(route) => format!("on {route} instead: {text}"),
        None => text,
    }
}

/// The TLS versions that are set.
fn versions(tls: &Tls) -> String {
    match (tls.min, tls.max) {
        (None, None) => "Envoy's default".to_owned(),
        (Some(min), None) => format!("{min} and later"),
        (None, Some(max)) => format!("up to {max}"),
        (Some(min), Some(max)) if min == max => min.to_owned(),
        (Some(min), Some(max)) => format!("{min} to {max}"),
    }
}

/// The chains that a person is shown, and those that are left out.
pub fn split(judged: &Judged, view: View) -> (Vec<&Row>, Vec<&Row>) {
    judged.rows.iter().partition(|row| view.all || !is_noise(judged, row))
}

/// Listeners for the workload's own calls, and of the proxy itself, say nothing about who may call it. One that ends TLS,
/// or of which that could not be decided, is shown all the same.
fn is_noise(judged: &Judged, row: &Row) -> bool {
    let socket = judged.proxy.listeners.get(row.listener).and_then(|listener| listener.chains.get(row.chain));
    let is_raw = socket.is_some_and(|chain| chain.socket == Socket::Raw);
    matches!(row.side, Side::Outbound | Side::Infrastructure | Side::Blackhole) && is_raw && row.mtls == Some(false)
}

/// What is said of the chains that are left out, and what the star means.
pub fn notes(shown: &[&Row], hidden: &[&Row]) -> Vec<Line> {
    let mut lines = Vec::new();
    let dim = |text: String| Line::new(0, vec![Cell::new(text, Tone::Dim)]);
    if shown.iter().any(|row| row.mode_source == Some(crate::envoy::judged::ModeSource::Inferred)) {
        lines.push(dim("* inferred from the chains of the port".to_owned()));
    }
    for (side, what) in [(Side::Outbound, "outbound listener"), (Side::Infrastructure, "infrastructure listener")] {
        let rows: Vec<&&Row> = hidden.iter().filter(|row| row.side == side).collect();
        let mut listeners: Vec<usize> = rows.iter().map(|row| row.listener).collect();
        listeners.sort_unstable();
        listeners.dedup();
        if listeners.is_empty() {
            continue;
        }
        let others = shown.iter().any(|row| row.side == side);
        let what = if others { format!("other {what}") } else { what.to_owned() };
        let mut text = many(listeners.len(), &what);
        text.push_str(if listeners.len() == 1 { ", does not terminate TLS" } else { ", none of them terminates TLS" });
        let doubtful = rows.iter().filter(|row| !row.doubts.is_empty()).count();
        if doubtful > 0 {
            text.push_str(&format!(", {} with parts that are in doubt", many(doubtful, "chain")));
        }
        text.push_str(if listeners.len() == 1 { " (--all shows it)" } else { " (--all shows them)" });
        lines.push(dim(text));
    }
    let holes = hidden.iter().filter(|row| row.side == Side::Blackhole).count();
    if holes > 0 {
        let (what, verb) = (many(holes, "chain"), if holes == 1 { "drops" } else { "drop" });
        lines.push(dim(format!("{what} {verb} what must not loop through the proxy (--all)")));
    }
    lines
}
