//! TLS that is weaker than it looks: old versions, weak ciphers, servers that nobody checks.

use super::{MOST_NAMES, at};
use crate::envoy::judged::Judged;
use crate::envoy::model::{Tls, Validation};
use crate::envoy::vocabulary::{first_few, many};
use crate::finding::{self, Finding};

/// Versions below 1.2, as Envoy's enumeration has them.
const OLD: &[&str] = &["TLSv1_0", "TLSv1_1"];

/// Parts of the names of cipher suites (OpenSSL's and IANA's) that encrypt badly, or authenticate nobody.
const WEAK: &[&str] = &["NULL", "RC4", "DES", "EXP", "MD5", "ADH", "AECDH", "anon"];

/// Places with a defect: how many, the first names, and the first path.
#[derive(Default)]
struct Places {
    count: usize,
    names: Vec<String>,
    path: String,
}

impl Places {
    fn add(&mut self, name: &str, path: &str) {
        self.count += 1;
        if self.names.is_empty() {
            path.clone_into(&mut self.path);
        }
        if self.names.len() < MOST_NAMES && self.names.last().is_none_or(|last| last != name) {
            self.names.push(name.to_owned());
        }
    }

    fn finding(
        &self,
        judged: &Judged,
        code: &'static finding::Code,
        what: &str,
        text: &str,
        help: &str,
    ) -> Option<Finding> {
        let names = first_few(&self.names, MOST_NAMES);
        let names = if self.count > self.names.len() { format!("{names}, ...") } else { names };
        let message = format!("{} {text}: {names}", many(self.count, what));
        (self.count > 0).then(|| at(judged, code, Some(&self.path), message, help))
    }
}

pub fn find(judged: &Judged, found: &mut Vec<Finding>) {
    let (mut old, mut weak) = (Places::default(), Places::default());
    for listener in &judged.proxy.listeners {
        for tls in listener.chains.iter().filter_map(|chain| chain.socket.tls()) {
            note(tls, &listener.name, &listener.path, &mut old, &mut weak);
        }
    }
    let (mut old_out, mut weak_out, mut blind) = (Places::default(), Places::default(), Places::default());
    for cluster in &judged.proxy.clusters {
        let sockets = cluster.matches.iter().map(|one| &one.socket).chain([&cluster.socket]);
        let mut unverified = false;
        for tls in sockets.filter_map(|socket| socket.tls()) {
            note(tls, &cluster.name, &cluster.path, &mut old_out, &mut weak_out);
            unverified |= !verifies(tls);
        }
        if unverified {
            blind.add(&cluster.name, &cluster.path);
        }
    }
    let help = "remove the version from the configuration: TLS 1.2 is the default of Istio and of Envoy";
    let cipher = "remove the suites from the configuration: the defaults of Istio are strong";
    let weak_code = &finding::WEAK_TLS_PARAMETERS;
    found.extend(old.finding(judged, weak_code, "filter chain", "with TLS below 1.2 allowed", help));
    found.extend(weak.finding(judged, weak_code, "filter chain", "with weak cipher suites allowed", cipher));
    found.extend(old_out.finding(judged, weak_code, "cluster socket", "with TLS below 1.2 allowed", help));
    found.extend(weak_out.finding(judged, weak_code, "cluster socket", "with weak cipher suites allowed", cipher));
    let help = "give the DestinationRule a CA (caCertificates, credentialName) and the names (subjectAltNames)";
    let text = "with TLS to a server whose certificate is not verified";
    found.extend(blind.finding(judged, &finding::UPSTREAM_NOT_VERIFIED, "cluster", text, help));
}

fn note(tls: &Tls, name: &str, path: &str, old: &mut Places, weak: &mut Places) {
    // A highest version below 1.2 leaves nothing better, whatever the lowest is.
    if [tls.min, tls.max].into_iter().flatten().any(|version| OLD.contains(&version)) {
        old.add(name, path);
    }
    if tls.ciphers.iter().any(|cipher| WEAK.iter().any(|weak| cipher.contains(weak))) {
        weak.add(name, path);
    }
}

/// Whether the server's certificate is checked against something. A validator that is not known may do so: that is
/// said as unread, not here.
fn verifies(tls: &Tls) -> bool {
    let Some(validation) = &tls.validation else { return false };
    let Validation { ca, secret, pins, accept_untrusted, trust_domains, unknown_validator, .. } = validation;
    let has_anchor = ca.is_some() || secret.is_some() || !trust_domains.is_empty();
    *pins > 0 || unknown_validator.is_some() || has_anchor && !accept_untrusted
}
