//! What a filter chain does about a client's certificate: whether it is demanded, and whether it is verified.

use super::judged::ClientCertificate;
use super::model::{CertificateRef, Proxy, Secret, SecretContent, Socket, State, Tls, Validation};
use std::collections::{BTreeMap, BTreeSet};

/// How many secrets of one name are looked into.
const MOST_SECRETS: usize = 16;

/// What was found out about a chain and client certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Peer {
    /// TLS that demands a client certificate and verifies it; `None`: could not be decided.
    pub(super) mtls: Option<bool>,
    /// In a word.
    pub(super) certificate: ClientCertificate,
    /// Why it could not be decided, and what else a reader must know.
    pub(super) doubts: Vec<String>,
}

/// Judges a socket. Mutual TLS takes three things: TLS from the first byte, `require_client_certificate`, and a
/// validation that can fail. Measured with Envoy 1.40: the flag without a validation context, or with ACCEPT_UNTRUSTED
/// and no CA, does not even ask for a certificate; ACCEPT_UNTRUSTED beside a CA demands one and takes any.
pub(super) fn judge(socket: &Socket, index: &Index<'_>) -> Peer {
    let tls = match socket {
        Socket::Raw => return Peer { mtls: Some(false), ..Peer::default() },
        Socket::Unknown(kind) => return undecided(format!("transport socket {kind} is not known")),
        Socket::Internal(_) => return undecided("a transport socket for upstreams".to_owned()),
        // A client may stay in clear for as long as it likes.
        Socket::StartTls(tls) => return Peer { mtls: Some(false), ..of_tls(tls, index) },
        Socket::Tls(tls) => tls,
    };
    of_tls(tls, index)
}

fn undecided(why: String) -> Peer {
    Peer { doubts: vec![why], ..Peer::default() }
}

fn of_tls(tls: &Tls, index: &Index<'_>) -> Peer {
    let mut doubts = Vec::new();
    if tls.is_odd {
        return undecided("require_client_certificate could not be read".to_owned());
    }
    let required = tls.require_client_certificate;
    let Some(validation) = &tls.validation else {
        let certificate = if required { ClientCertificate::Unverified } else { ClientCertificate::NotRequested };
        return Peer { mtls: Some(false), certificate, doubts };
    };
    if validation.allow_expired {
        doubts.push("expired client certificates are accepted".to_owned());
    }
    let verifies = verifies(validation, index, &mut doubts);
    let asks = required || !validation.names.is_empty() || (validation.accept_untrusted && has_ca(validation));
    let certificate = match (verifies, required) {
        (Some(true), true) => ClientCertificate::Required,
        (Some(true), false) => ClientCertificate::Optional,
        _ if asks => ClientCertificate::Unverified,
        _ => ClientCertificate::NotRequested,
    };
    // Where nothing is demanded it is no mutual TLS, whatever the validation does.
    let mtls = if required { verifies } else { Some(false) };
    Peer { mtls, certificate, doubts }
}

fn has_ca(validation: &Validation) -> bool {
    validation.ca.is_some() || validation.secret.is_some()
}

/// Secrets of a proxy by name; those that wait or drain only where no other has their name.
pub(super) struct Index<'p> {
    secrets: BTreeMap<&'p str, Vec<&'p SecretContent>>,
}

impl<'p> Index<'p> {
    /// Of one proxy; made once.
    pub(super) fn new(proxy: &'p Proxy) -> Self {
        let mut secrets: BTreeMap<&str, Vec<&SecretContent>> = BTreeMap::new();
        let waits = |secret: &&Secret| matches!(secret.state, State::Warming | State::Draining);
        for secret in proxy.secrets.iter().filter(|secret| !waits(secret)) {
            secrets.entry(&secret.name).or_default().push(&secret.content);
        }
        let in_force: BTreeSet<&str> = secrets.keys().copied().collect();
        for secret in proxy.secrets.iter().filter(|one| waits(one) && !in_force.contains(one.name.as_str())) {
            secrets.entry(&secret.name).or_default().push(&secret.content);
        }
        Self { secrets }
    }

    fn of(&self, name: &str) -> &[&'p SecretContent] {
        self.secrets.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the dump has a secret of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.secrets.contains_key(name)
    }
}

/// Whether a validation can fail for an unknown client: it has a CA, pins or trust domains, and does not accept what is
/// not trusted. What SDS delivers is merged in. A secret that the dump does not show (masked dumps) is taken at its word,
/// and so is one that was never delivered: no handshake succeeds without it. Of several secrets with one name the
/// weakest counts.
fn verifies(validation: &Validation, index: &Index<'_>, doubts: &mut Vec<String>) -> Option<bool> {
    let Some(name) = validation.secret.as_deref() else { return merged(validation, None, doubts) };
    if name.is_empty() {
        doubts.push("the CA is a secret without a name".to_owned());
        return None;
    }
    let contents = index.of(name);
    if contents.len() <= 1 {
        return merged(validation, Some((name, contents.first().copied())), doubts);
    }
    if contents.len() > MOST_SECRETS {
        doubts.push(format!("more than {MOST_SECRETS} secrets are named {name}"));
        return None;
    }
    let answers: Vec<_> = contents.iter().map(|one| merged(validation, Some((name, Some(*one))), doubts)).collect();
    if answers.iter().any(|one| Some(one) != answers.first()) {
        doubts.push(format!("{} secrets are named {name}, and are not the same", contents.len()));
    }
    // The weakest: no, then not known.
    if answers.contains(&Some(false)) { Some(false) } else { (!answers.contains(&None)).then_some(true) }
}

/// The same for one secret, as far as the dump shows it.
fn merged(
    validation: &Validation,
    secret: Option<(&str, Option<&SecretContent>)>,
    doubts: &mut Vec<String>,
) -> Option<bool> {
    let mut parts = vec![validation];
    let mut at_its_word = false;
    match secret {
        None => {}
        Some((name, Some(SecretContent::Unreadable(why)))) => {
            doubts.push(format!("secret {name} could not be read: {why}"));
            return None;
        }
        Some((_, None | Some(SecretContent::Missing))) => at_its_word = true,
        Some((_, Some(SecretContent::Validation(more)))) => parts.push(more),
        Some((name, Some(_))) => {
            doubts.push(format!("secret {name} holds no validation context"));
            return None;
        }
    }
    if let Some(kind) = parts.iter().find_map(|part| part.unknown_validator.as_ref()) {
        doubts.push(format!("validator {kind} is not known"));
        return None;
    }
    if parts.iter().any(|part| part.accept_untrusted) {
        doubts.push("certificates that no CA vouches for are accepted (ACCEPT_UNTRUSTED)".to_owned());
        return Some(false);
    }
    let answers: Vec<Option<bool>> = parts.iter().map(|part| checks(part)).collect();
    if answers.contains(&None) {
        doubts.push("what verifies client certificates (CA, pins or trust domains) could not be read".to_owned());
        return None;
    }
    if at_its_word || answers.contains(&Some(true)) {
        return Some(true);
    }
    doubts.push("there is a validation context, and nothing in it that verifies".to_owned());
    Some(false)
}

/// Whether a validation context verifies by what stands in it; `None`: something in it is not known, or could not be
/// read, so that it may verify nothing. What it accepts all the same is not looked at.
pub(super) fn checks(validation: &Validation) -> Option<bool> {
    if validation.unknown_validator.is_some() || validation.is_odd {
        return None;
    }
    if validation.trust_domains.iter().any(|(_, bundle)| bundle.is_empty()) {
        return None;
    }
    match &validation.ca {
        Some(CertificateRef::Inline(read)) if read.is_empty() => None,
        Some(_) => Some(true),
        None => Some(validation.pins > 0 || !validation.trust_domains.is_empty()),
    }
}

/// Names of the secrets or files of a chain's own certificates.
pub(super) fn certificates(socket: &Socket) -> Vec<String> {
    let (Socket::Tls(tls) | Socket::StartTls(tls)) = socket else { return Vec::new() };
    tls.certificates.iter().map(name).collect()
}

/// Name of the secret or file of the CA that clients are verified with.
pub(super) fn trusted_ca(socket: &Socket) -> Option<String> {
    let (Socket::Tls(tls) | Socket::StartTls(tls)) = socket else { return None };
    let validation = tls.validation.as_ref()?;
    validation.secret.clone().or_else(|| validation.ca.as_ref().map(name))
}

fn name(one: &CertificateRef) -> String {
    match one {
        CertificateRef::Secret(name) | CertificateRef::File(name) => name.clone(),
        CertificateRef::Inline(_) => "<inline>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(content: SecretContent) -> Proxy {
        Proxy { secrets: vec![Secret { name: "ROOTCA".into(), content, ..Secret::default() }], ..Proxy::default() }
    }

    #[test]
    fn mutual_tls_takes_a_demand_and_a_validation_that_can_fail() {
        use ClientCertificate::{NotRequested, Optional, Required, Unverified};
        let by_secret = || Validation { secret: Some("ROOTCA".into()), ..Validation::default() };
        let file = || Some(CertificateRef::File("root.pem".into()));
        let empty = Validation::default;
        let masked = Proxy::default;
        let two = || {
            let mut proxy = secret(SecretContent::Validation(Validation { ca: file(), ..empty() }));
            let lax = Validation { ca: file(), accept_untrusted: true, ..empty() };
            proxy.secrets.extend(secret(SecretContent::Validation(lax)).secrets);
            proxy
        };
        let cases = [
            ("no validation", true, None, masked(), Some(false), Unverified),
            ("one-way", false, None, masked(), Some(false), NotRequested),
            ("empty context", true, Some(empty()), masked(), Some(false), Unverified),
            ("CA in a file", true, Some(Validation { ca: file(), ..empty() }), masked(), Some(true), Required),
            ("not demanded", false, Some(Validation { ca: file(), ..empty() }), masked(), Some(false), Optional),
            ("pins", true, Some(Validation { pins: 1, ..empty() }), masked(), Some(true), Required),
            (
                "takes any",
                true,
                Some(Validation { ca: file(), accept_untrusted: true, ..empty() }),
                masked(),
                Some(false),
                Unverified,
            ),
            (
                "unknown validator",
                true,
                Some(Validation { ca: file(), unknown_validator: Some("x".into()), ..empty() }),
                masked(),
                None,
                Unverified,
            ),
            ("secret not in the dump", true, Some(by_secret()), masked(), Some(true), Required),
            ("never delivered", true, Some(by_secret()), secret(SecretContent::Missing), Some(true), Required),
            (
                "secret is empty",
                true,
                Some(by_secret()),
                secret(SecretContent::Validation(empty())),
                Some(false),
                Unverified,
            ),
            (
                "secret with a CA",
                true,
                Some(by_secret()),
                secret(SecretContent::Validation(Validation { ca: file(), ..empty() })),
                Some(true),
                Required,
            ),
            (
                "secret takes any",
                true,
                Some(by_secret()),
                secret(SecretContent::Validation(Validation { ca: file(), accept_untrusted: true, ..empty() })),
                Some(false),
                Unverified,
            ),
            ("odd pins", true, Some(Validation { is_odd: true, ..empty() }), masked(), None, Unverified),
            (
                "bundle not read",
                true,
                Some(Validation { trust_domains: vec![("a".into(), Vec::new())], ..empty() }),
                masked(),
                None,
                Unverified,
            ),
            ("no name", true, Some(Validation { secret: Some(String::new()), ..empty() }), masked(), None, Unverified),
            ("two of a name", true, Some(by_secret()), two(), Some(false), Unverified),
            ("secret of another kind", true, Some(by_secret()), secret(SecretContent::Other), None, Unverified),
        ];
        for (what, required, validation, proxy, mtls, certificate) in cases {
            let tls = Tls { require_client_certificate: required, validation, ..Tls::default() };
            let peer = judge(&Socket::Tls(Box::new(tls.clone())), &Index::new(&proxy));
            assert_eq!((peer.mtls, peer.certificate), (mtls, certificate), "{what}");
            assert_eq!(judge(&Socket::StartTls(Box::new(tls)), &Index::new(&proxy)).mtls, Some(false), "{what}");
        }
    }
}
