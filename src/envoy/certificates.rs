//! Judges the certificates that a proxy holds, at a time.
//!
//! Listed are those of secrets, of TLS contexts (files, inline) and what only `/certs` shows. A certificate stands as
//! its chain does: a leaf that outlives its intermediate is dead before its own date. Chains of the mesh have to build
//! to the CAs of the mesh; of any other chain these say nothing, so that only a success is told.

use super::Query;
use super::cluster::innermost;
use super::judged::{ChainCheck, HeldCertificate, Link, Validity};
use super::model::{
    CertificateRef, Proxy, Secret, SecretContent, Section, ServedCertificate, Socket, State, Tls, Unread, Validation,
};
use super::upstream::is_mesh_file;
use crate::pki::{self, Certificate, time};
use std::collections::BTreeSet;

/// The longest time before its end that a certificate is said to expire soon, where none is given: 30 days.
const SOON: i64 = 30 * 86_400;

/// Certificates of one chain, and CAs of one bundle, that are shown.
const MOST: usize = 256;

/// Why a certificate that is in the dump was not read.
const NO_CERTIFICATE: &str = "it holds no certificate that can be read";

/// Beginnings of the names of secrets that come from Kubernetes, for gateways and DestinationRules.
const CREDENTIALS: &[&str] = &["kubernetes://", "kubernetes-gateway://", "configmap://"];

/// What Istio appends to the name of a credential for the CA that comes with it.
const CA_SUFFIX: &str = "-cacert";

/// Every certificate and CA: of secrets, of chains and clusters (files, inline), and of `/certs`. By name, those of one
/// name in the order of the dump, warming ones first.
#[must_use]
pub fn judge(proxy: &Proxy, query: &Query) -> Vec<HeldCertificate> {
    let mut held = Held { proxy, query, found: Vec::new() };
    let mut secrets: Vec<&Secret> = proxy.secrets.iter().collect();
    secrets.sort_by_key(|secret| secret.state != State::Warming);
    secrets.iter().for_each(|secret| held.secret(secret));
    held.contexts();
    held.served();
    held.found.sort_by(|a, b| (&a.name, a.is_ca).cmp(&(&b.name, b.is_ca)));
    held.found
}

struct Held<'a> {
    proxy: &'a Proxy,
    query: &'a Query,
    found: Vec<HeldCertificate>,
}

impl<'a> Held<'a> {
    fn secret(&mut self, secret: &Secret) {
        match &secret.content {
            SecretContent::Certificate(chain) => self.identity(&secret.name, chain),
            SecretContent::File(path) => self.file(&secret.name, path, false),
            SecretContent::Validation(validation) => self.validation(&secret.name, validation),
            SecretContent::Missing => self.missing(&secret.name, is_ca_name(&secret.name)),
            SecretContent::Unreadable(why) => self.unreadable(&secret.name, is_ca_name(&secret.name), why),
            SecretContent::Other => {}
        }
    }

    fn missing(&mut self, name: &str, is_ca: bool) {
        self.found.push(HeldCertificate { name: name.to_owned(), is_ca, ..HeldCertificate::default() });
    }

    /// What is there and could not be read: that it holds no certificate is not known.
    fn unreadable(&mut self, name: &str, is_ca: bool, why: &str) {
        let (name, problem) = (name.to_owned(), Some(why.to_owned()));
        self.found.push(HeldCertificate { name, is_ca, problem, ..HeldCertificate::default() });
    }

    /// An own certificate with what is above it.
    fn identity(&mut self, name: &str, chain: &[Certificate]) {
        let Some(leaf) = chain.first() else { return self.unreadable(name, false, NO_CERTIFICATE) };
        let path = path_of(chain);
        let link = |one: &Certificate| Link {
            subject: one.subject.clone(),
            issuer: one.issuer.clone(),
            serial: serial(one),
            not_before: one.not_before,
            not_after: one.not_after,
            state: self.state(one.not_before, one.not_after),
        };
        let state = path.iter().map(|one| self.state(one.not_before, one.not_after)).max_by_key(|state| worse(*state));
        let state = state.unwrap_or_default();
        let judged = HeldCertificate {
            state,
            chain: self.chain(name, chain, state),
            intermediates: chain.iter().skip(1).take(MOST).map(link).collect(),
            effective_not_after: path.iter().map(|one| one.not_after).min(),
            ..self.one(name, leaf)
        };
        self.found.push(judged);
    }

    /// A certificate by itself.
    fn one(&self, name: &str, certificate: &Certificate) -> HeldCertificate {
        HeldCertificate {
            name: name.to_owned(),
            is_ca: false,
            subject: Some(certificate.subject.clone()),
            issuer: Some(certificate.issuer.clone()),
            spiffe_id: certificate.spiffe_id.clone(),
            serial: Some(serial(certificate)),
            not_before: Some(certificate.not_before),
            not_after: Some(certificate.not_after),
            state: self.state(certificate.not_before, certificate.not_after),
            key: certificate.key_words(),
            chain: ChainCheck::NotChecked,
            intermediates: Vec::new(),
            effective_not_after: Some(certificate.not_after),
            problem: None,
        }
    }

    /// The CAs of a validation context, each by itself.
    fn validation(&mut self, name: &str, validation: &Validation) {
        let before = self.found.len();
        if let Some(CertificateRef::File(path)) = &validation.ca {
            self.file(name, path, true);
        }
        for ca in cas(validation).take(MOST) {
            let one = HeldCertificate { is_ca: true, ..self.one(name, ca) };
            self.found.push(one);
        }
        // Pins and validators of other kinds need no CA.
        let needs_none = validation.pins > 0 || validation.unknown_validator.is_some() || validation.secret.is_some();
        let has_some = validation.ca.is_some() || !validation.trust_domains.is_empty();
        if self.found.len() == before && has_some {
            self.unreadable(name, true, NO_CERTIFICATE);
        } else if self.found.len() == before && !needs_none {
            self.missing(name, true);
        }
    }

    /// A certificate in a file of the proxy: only `/certs` knows what is in it.
    fn file(&mut self, name: &str, path: &str, is_ca: bool) {
        let served = self.proxy.served.iter().filter(|one| one.is_ca == is_ca && one.path == path);
        let served: Vec<HeldCertificate> = served.map(|one| self.of_served(name, one)).collect();
        let before = self.found.len();
        for one in served {
            if !self.found.iter().skip(before).any(|other| other.serial == one.serial) {
                self.found.push(one);
            }
        }
        if self.found.len() == before {
            self.missing(name, is_ca);
        }
    }

    fn of_served(&self, name: &str, served: &ServedCertificate) -> HeldCertificate {
        let (from, to) = (time::parse(&served.valid_from), time::parse(&served.expiration_time));
        HeldCertificate {
            name: name.to_owned(),
            is_ca: served.is_ca,
            spiffe_id: served.spiffe_id.clone(),
            serial: (!served.serial.is_empty()).then(|| served.serial.to_ascii_lowercase()),
            not_before: from,
            not_after: to,
            state: from.zip(to).map(|(from, to)| self.state(from, to)).unwrap_or_default(),
            effective_not_after: to,
            ..HeldCertificate::default()
        }
    }

    /// Files and inline certificates of TLS contexts, and secrets that they name and a complete dump does not have.
    fn contexts(&mut self) {
        let (mut files, mut inline, mut named) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let known: BTreeSet<&str> = self.proxy.secrets.iter().map(|secret| &*secret.name).collect();
        for (_, tls) in contexts(self.proxy) {
            for own in &tls.certificates {
                match own {
                    CertificateRef::File(path) if files.insert((&**path, false)) => self.file(path, path, false),
                    CertificateRef::Inline(chain) if inline.insert(chain.first().map(|leaf| &*leaf.der)) => {
                        self.identity("<inline>", chain);
                    }
                    CertificateRef::Secret(name) if !known.contains(&**name) => {
                        named.insert((&**name, false));
                    }
                    _ => {}
                }
            }
            let Some(validation) = &tls.validation else { continue };
            match &validation.ca {
                Some(CertificateRef::File(path)) if files.insert((&**path, true)) => self.file(path, path, true),
                Some(CertificateRef::Inline(read)) if inline.insert(read.first().map(|ca| &*ca.der)) => {
                    self.validation("<inline>", validation);
                }
                None if !validation.trust_domains.is_empty() => {
                    let first = validation.trust_domains.iter().flat_map(|(_, bundle)| bundle).next();
                    if inline.insert(first.map(|ca| &*ca.der)) {
                        self.validation("<inline>", validation);
                    }
                }
                _ => {}
            }
            named.extend(validation.secret.as_deref().filter(|name| !known.contains(name)).map(|name| (name, true)));
        }
        if self.proxy.sections.contains(&Section::Secrets) {
            named.into_iter().for_each(|(name, is_ca)| self.missing(name, is_ca));
        }
    }

    /// What only `/certs` shows.
    fn served(&mut self) {
        let plain = |serial: &str| serial.trim_start_matches('0').to_ascii_lowercase();
        let mut known: BTreeSet<(bool, String)> =
            self.found.iter().filter_map(|one| Some((one.is_ca, plain(one.serial.as_deref()?)))).collect();
        for served in &self.proxy.served {
            if known.insert((served.is_ca, plain(&served.serial))) {
                self.found.push(self.of_served(&served.path, served));
            }
        }
    }

    /// How something that is valid from one time to another stands.
    fn state(&self, from: i64, to: i64) -> Validity {
        let at = self.query.at;
        let soon = self.query.warn_within.unwrap_or_else(|| (to.saturating_sub(from) / 4).min(SOON));
        if at > to {
            Validity::Expired
        } else if at < from {
            Validity::NotYetValid
        } else if to.saturating_sub(at) < soon {
            Validity::ExpiresSoon
        } else {
            Validity::Valid
        }
    }

    /// Whether a chain builds. That it has expired is told by its state; here it is asked who signed it.
    fn chain(&self, name: &str, chain: &[Certificate], state: Validity) -> ChainCheck {
        let (roots, has_to) = self.roots(name, chain);
        if roots.is_empty() {
            return ChainCheck::NotChecked;
        }
        let why = match pki::verify(chain, &roots, self.query.at) {
            Ok(()) => return ChainCheck::Verified,
            Err(why) => why,
        };
        match pki::builds(chain, &roots) {
            // Time is what is wrong: with the chain, which its state says, or with the CA.
            Ok(()) if matches!(state, Validity::Expired | Validity::NotYetValid) => ChainCheck::Verified,
            Ok(()) => ChainCheck::Failed(why),
            Err(why) if has_to => ChainCheck::Failed(why),
            Err(_) => ChainCheck::NotChecked,
        }
    }

    /// The CAs that a chain is checked against, and whether it has to build to one of them.
    fn roots(&self, name: &str, chain: &[Certificate]) -> (Vec<Certificate>, bool) {
        let secrets = self.proxy.secrets.iter().filter(|secret| secret.state != State::Warming);
        if CREDENTIALS.iter().any(|prefix| name.starts_with(prefix)) {
            // The CA beside a credential is for the certificates of clients; it may have signed this one too.
            let own = secrets.filter(|secret| secret.name.strip_suffix(CA_SUFFIX) == Some(name));
            return (own.flat_map(|secret| secret_cas(secret, None)).cloned().collect(), false);
        }
        let domain = chain.first().and_then(Certificate::trust_domain);
        let is_mesh = domain.is_some() || name == "default" || is_mesh_file(name);
        let of_mesh = |secret: &&Secret| {
            !secret.name.starts_with("file-root:") && CREDENTIALS.iter().all(|prefix| !secret.name.starts_with(prefix))
        };
        let mut roots: Vec<Certificate> = Vec::new();
        for ca in secrets.filter(|secret| !is_mesh || of_mesh(secret)).flat_map(|secret| secret_cas(secret, domain)) {
            if roots.len() < MOST && !roots.contains(ca) {
                roots.push(ca.clone());
            }
        }
        (roots, is_mesh)
    }
}

/// Whether a secret of that name holds CAs, by the names that Istio gives.
fn is_ca_name(name: &str) -> bool {
    name == "ROOTCA" || name.ends_with(CA_SUFFIX) || name.starts_with("file-root:")
}

/// The CAs of a secret; of a SPIFFE bundle those of the trust domain, where there is one.
fn secret_cas<'s>(secret: &'s Secret, domain: Option<&str>) -> Vec<&'s Certificate> {
    let SecretContent::Validation(validation) = &secret.content else { return Vec::new() };
    let own = validation.ca.iter().flat_map(inline);
    let bundles = validation.trust_domains.iter().filter(|(name, _)| domain.is_none_or(|domain| domain == name));
    own.chain(bundles.flat_map(|(_, bundle)| bundle)).collect()
}

/// Every CA of a validation context.
fn cas(validation: &Validation) -> impl Iterator<Item = &Certificate> {
    let bundles = validation.trust_domains.iter().flat_map(|(_, bundle)| bundle);
    validation.ca.iter().flat_map(inline).chain(bundles)
}

fn inline(source: &CertificateRef) -> &[Certificate] {
    if let CertificateRef::Inline(read) = source { read } else { &[] }
}

/// Every TLS context of listeners and clusters, with the place of its owner in the dump.
fn contexts(proxy: &Proxy) -> impl Iterator<Item = (&str, &Tls)> {
    let listeners =
        proxy.listeners.iter().flat_map(|one| one.chains.iter().map(|chain| (one.path.as_str(), &chain.socket)));
    let clusters = proxy.clusters.iter().flat_map(|one| {
        one.matches.iter().map(|one| &one.socket).chain([&one.socket]).map(|socket| (one.path.as_str(), socket))
    });
    listeners.chain(clusters).filter_map(|(path, socket)| match innermost(socket) {
        Socket::Tls(tls) | Socket::StartTls(tls) => Some((path, &**tls)),
        _ => None,
    })
}

/// Certificates that are in the dump and could not be read, of secrets and of TLS contexts: parts of it that were not
/// understood.
#[must_use]
pub fn unread(proxy: &Proxy) -> Vec<Unread> {
    let entry = |path: &str, kind: &str, why: &str| Unread {
        path: path.to_owned(),
        kind: format!("envoy.extensions.transport_sockets.tls.v3.{kind}"),
        why: why.to_owned(),
    };
    let of_secret = |secret: &Secret| match &secret.content {
        SecretContent::Unreadable(why) => Some(entry(&secret.path, "Secret", why)),
        SecretContent::Certificate(chain) if chain.is_empty() => Some(entry(&secret.path, "Secret", NO_CERTIFICATE)),
        _ => None,
    };
    let is_empty = |one: &CertificateRef| matches!(one, CertificateRef::Inline(read) if read.is_empty());
    let in_context = |(path, tls): (&str, &Tls)| {
        tls.certificates.iter().any(is_empty).then(|| entry(path, "TlsCertificate", NO_CERTIFICATE))
    };
    proxy.secrets.iter().filter_map(of_secret).chain(contexts(proxy).filter_map(in_context)).collect()
}

/// The certificates of a chain on the way up from its leaf: others that stand in the file count for nothing. Where
/// several signed the same one (a CA that was renewed), the one that ends last does.
fn path_of(chain: &[Certificate]) -> Vec<&Certificate> {
    let mut path: Vec<&Certificate> = chain.first().into_iter().collect();
    while let Some(&current) = path.last() {
        if path.len() >= chain.len() || current.is_self_signed() {
            break;
        }
        let signed = |one: &&Certificate| {
            one.subject == current.issuer && !path.contains(one) && current.signed_by(one) != Some(false)
        };
        let Some(next) = chain.iter().skip(1).take(MOST).filter(signed).max_by_key(|one| one.not_after) else { break };
        path.push(next);
    }
    path
}

/// The worse of two states counts for a chain.
fn worse(state: Validity) -> u8 {
    match state {
        Validity::Valid => 0,
        Validity::ExpiresSoon => 1,
        Validity::NotYetValid => 2,
        Validity::Expired => 3,
        Validity::Missing => 4,
    }
}

/// The serial number as Envoy and OpenSSL print it: without the zero that keeps it positive.
fn serial(certificate: &Certificate) -> String {
    let serial = &certificate.serial;
    serial.strip_prefix("00").filter(|rest| !rest.is_empty()).unwrap_or(serial).to_owned()
}

#[cfg(test)]
mod tests;
