//! Whether certificates build to a CA (RFC 5280 6, without revocation, policies and extended key usage).

use super::{Certificate, Hash, Scheme};
use std::borrow::Borrow;

/// Certificates on the way from a leaf to a root, both included.
const DEEPEST: usize = 10;

/// Signatures that are checked for one chain: a chain made to be hard ends here.
const MOST_CHECKS: usize = 64;

/// Whether a chain (leaf first; the order of the others does not matter) builds to one of the roots, with every
/// certificate on the way valid at `at`, in seconds since 1970.
///
/// # Errors
/// Why no way was found, in words: the reason that came closest.
pub fn verify<C: Borrow<Certificate>>(chain: &[C], roots: &[Certificate], at: i64) -> Result<(), String> {
    search(chain, roots, Some(at))
}

/// As [`verify`], but whatever the time: a chain that has expired and one of another CA are told apart.
///
/// # Errors
/// Why no way was found, in words: the reason that came closest.
pub fn builds<C: Borrow<Certificate>>(chain: &[C], roots: &[Certificate]) -> Result<(), String> {
    search(chain, roots, None)
}

fn search<C: Borrow<Certificate>>(chain: &[C], roots: &[Certificate], at: Option<i64>) -> Result<(), String> {
    let Some((leaf, others)) = chain.split_first() else { return Err("no certificate".to_owned()) };
    let others: Vec<&Certificate> = others.iter().take(64).map(Borrow::borrow).collect();
    let mut search = Search { others, roots, at, checks: 0, closest: (0, "no CA was given".to_owned()) };
    if search.climb(leaf.borrow(), &mut Vec::new(), 0) { Ok(()) } else { Err(search.closest.1) }
}

struct Search<'a> {
    others: Vec<&'a Certificate>,
    roots: &'a [Certificate],
    /// The time that counts; `None`: none does.
    at: Option<i64>,
    checks: usize,
    /// How near the best failed way came, and why it failed.
    closest: (u8, String),
}

impl<'a> Search<'a> {
    /// Whether `current` leads to a root. `used`: the certificates of `others` on the way; `below`: CAs under it, those
    /// that issued themselves not counted (RFC 5280 4.2.1.9).
    fn climb(&mut self, current: &'a Certificate, used: &mut Vec<usize>, below: u32) -> bool {
        if let Some(why) = unfit(current, self.at) {
            return self.fail(3, why);
        }
        if self.roots.iter().any(|root| root.der == current.der) {
            return true;
        }
        self.fail(1, format!("the issuer \"{}\" is none of the CAs given", current.issuer));
        let roots = self.roots;
        if roots.iter().any(|root| self.issued(current, root, below, true)) {
            return true;
        }
        if used.len() + 2 >= DEEPEST {
            return self.fail(2, format!("more than {DEEPEST} certificates in a chain"));
        }
        for at in 0..self.others.len() {
            let Some(&issuer) = self.others.get(at) else { break };
            if used.contains(&at) || !self.issued(current, issuer, below, false) {
                continue;
            }
            used.push(at);
            let own = u32::from(issuer.raw_subject() != issuer.raw_issuer());
            if self.climb(issuer, used, below + own) {
                return true;
            }
            used.pop();
        }
        false
    }

    /// Whether `issuer` signed `current` and was allowed to.
    fn issued(&mut self, current: &Certificate, issuer: &Certificate, below: u32, root: bool) -> bool {
        if issuer.raw_subject() != current.raw_issuer() {
            return false;
        }
        let who = &issuer.subject;
        // A certificate of version 1 has no way to say that it is a CA; as a root it is one because it was given.
        if !(issuer.is_ca || (root && issuer.version < 3)) {
            return self.fail(2, format!("\"{who}\" is no CA"));
        }
        if issuer.path_length.is_some_and(|most| below > most) {
            return self.fail(2, format!("\"{who}\" may not stand so high: its path length is exceeded"));
        }
        if matches!(current.scheme, Scheme::RsaPkcs1(Hash::Md5 | Hash::Sha1) | Scheme::Ecdsa(Hash::Sha1)) {
            return self.fail(2, format!("\"{}\" is signed with a broken hash", current.subject));
        }
        if self.checks >= MOST_CHECKS {
            return self.fail(2, format!("more than {MOST_CHECKS} signatures to check"));
        }
        self.checks += 1;
        match current.signed_by(issuer) {
            Some(true) => {}
            Some(false) => return self.fail(2, format!("not signed by the key of \"{who}\"")),
            None => return self.fail(2, format!("the signature by \"{who}\" is of a kind that is not checked")),
        }
        if !root {
            return true;
        }
        unfit(issuer, self.at).is_none_or(|why| self.fail(3, why))
    }

    /// Keeps the reason that came closest; always false.
    fn fail(&mut self, near: u8, why: String) -> bool {
        if near > self.closest.0 {
            self.closest = (near, why);
        }
        false
    }
}

/// Why a certificate counts for nothing by itself.
fn unfit(certificate: &Certificate, at: Option<i64>) -> Option<String> {
    let who = certificate.spiffe_id.as_ref().unwrap_or(&certificate.subject);
    if at.is_some_and(|at| at > certificate.not_after) {
        return Some(format!("\"{who}\" had expired"));
    }
    if at.is_some_and(|at| at < certificate.not_before) {
        return Some(format!("\"{who}\" was not valid yet"));
    }
    let unknown = certificate.unknown_critical.as_ref()?;
    Some(format!("\"{who}\" has {unknown}, which is not checked"))
}
