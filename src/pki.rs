//! X.509 certificates: identity, validity at a time, and whether a chain builds to a CA.
//!
//! [`Certificate`] is what matters of one; `signature` checks what one key signed; [`verify`] builds paths. Everything is
//! judged at a time that the caller gives, never by the clock. Private keys that stand beside certificates in a PEM file
//! are passed over and not kept.

mod chain;
mod name;
mod signature;
pub mod time;

pub use chain::{builds, verify};
pub use signature::{Hash, Scheme};

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, Pem, X509Certificate};
use x509_parser::public_key::PublicKey;

/// The largest certificate that is read, in bytes.
const LARGEST: usize = 64 * 1024;

/// Certificates, and answers about them, that are kept at a time.
const MOST_KEPT: usize = 1024;
/// Issuers of the same name that are kept for one certificate.
const MOST_ISSUERS: usize = 8;

/// What kind of public key a certificate holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// Elliptic curve P-256.
    P256,
    /// Elliptic curve P-384.
    P384,
    /// Another elliptic curve.
    OtherCurve,
    /// Ed25519.
    Ed25519,
    /// Anything else.
    #[default]
    Other,
}

/// A certificate, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate itself (DER).
    pub der: Vec<u8>,
    /// Subject, RFC 4514.
    pub subject: String,
    /// Issuer, RFC 4514.
    pub issuer: String,
    /// The first SPIFFE ID among its URI names.
    pub spiffe_id: Option<String>,
    /// Serial number, hex.
    pub serial: String,
    /// Valid from: seconds since 1970.
    pub not_before: i64,
    /// Valid to: seconds since 1970.
    pub not_after: i64,
    /// What kind of key it holds.
    pub key: KeyKind,
    /// Size of that key in bits; 0 where it is not known.
    pub key_bits: u32,
    /// How its issuer signed it.
    pub scheme: Scheme,
    /// It may issue certificates (basic constraints, RFC 5280 4.2.1.9; key usage, where it stands, allows signing).
    pub is_ca: bool,
    /// How many CAs may stand between it and a leaf.
    pub path_length: Option<u32>,
    /// A critical extension, or name constraints, that are not understood here.
    pub unknown_critical: Option<String>,
    /// X.509 version, from 1.
    pub version: u8,
    /// Where parts of it stand in `der`.
    parts: Parts,
}

/// Ranges of bytes in a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Parts {
    signed: Range<usize>,
    signature: Range<usize>,
    key: Range<usize>,
    subject: Range<usize>,
    issuer: Range<usize>,
}

impl Certificate {
    /// Reads DER.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(der: &[u8]) -> Result<Self, String> {
        if der.len() > LARGEST {
            return Err(format!("a certificate of {} bytes is not read", der.len()));
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|e| format!("not a certificate: {e}"))?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow the certificate", rest.len()));
        }
        // The outer tag and algorithm are not signed; the inner ones have to say the same (RFC 5280 4.1.1.2).
        if der.first() != Some(&0x30) || parsed.signature_algorithm != parsed.tbs_certificate.signature {
            return Err("not a certificate: it names two signature algorithms".to_owned());
        }
        let within = |part: &[u8]| {
            let start = (part.as_ptr() as usize).saturating_sub(der.as_ptr() as usize);
            start..start + part.len()
        };
        let key_info = parsed.public_key();
        let (key, key_bits) = key_of(&parsed);
        let mut certificate = Self {
            subject: name::text(parsed.subject()),
            issuer: name::text(parsed.issuer()),
            serial: parsed.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            key,
            key_bits,
            scheme: signature::scheme_of(&parsed.signature_algorithm),
            version: u8::try_from(parsed.version().0.saturating_add(1)).unwrap_or(u8::MAX),
            parts: Parts {
                signed: within(parsed.tbs_certificate.as_ref()),
                signature: within(&parsed.signature_value.data),
                key: within(&key_info.subject_public_key.data),
                subject: within(parsed.subject().as_raw()),
                issuer: within(parsed.issuer().as_raw()),
            },
            ..Self::default()
        };
        certificate.read_extensions(&parsed);
        certificate.der = der.to_vec();
        Ok(certificate)
    }

    /// Reads every certificate of a PEM file; a file that is one DER certificate is read too.
    ///
    /// # Errors
    /// What is wrong with it, in words: a block that does not parse, or no certificate at all.
    pub fn read_pem(text: &[u8]) -> Result<Vec<Self>, String> {
        if text.first() == Some(&0x30) {
            return Self::read(text).map(|one| vec![one]);
        }
        let mut found = Vec::new();
        for block in Pem::iter_from_buffer(text) {
            let block = block.map_err(|e| format!("not a PEM file: {e}"))?;
            if block.label == "CERTIFICATE" || block.label == "X509 CERTIFICATE" {
                let number = found.len() + 1;
                found.push(Self::read(&block.contents).map_err(|e| format!("certificate {number}: {e}"))?);
            }
        }
        if found.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(found) }
    }

    /// Reads DER, or hands out what the same bytes gave before: a capture shows the same few certificates again and
    /// again, and reading one costs more than everything else in a handshake.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read_shared(der: &[u8]) -> Result<Arc<Self>, String> {
        thread_local! {
            static KNOWN: RefCell<HashMap<Vec<u8>, Arc<Certificate>, foldhash::fast::RandomState>> = RefCell::default();
        }
        KNOWN.with_borrow_mut(|known| {
            if let Some(one) = known.get(der) {
                return Ok(Arc::clone(one));
            }
            let read = Arc::new(Self::read(der)?);
            if known.len() >= MOST_KEPT {
                known.clear();
            }
            known.insert(der.to_vec(), Arc::clone(&read));
            Ok(read)
        })
    }

    /// Whether it is valid at `at`, in seconds since 1970. Both ends are included (RFC 5280 4.1.2.5).
    #[must_use]
    pub fn is_valid_at(&self, at: i64) -> bool {
        (self.not_before..=self.not_after).contains(&at)
    }

    /// Whether its own key signed it. Where that signature cannot be checked, equal names decide.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.raw_subject() == self.raw_issuer() && self.signed_by(self).unwrap_or(true)
    }

    /// Whether the key of `issuer` signed it; `None`: an algorithm that cannot be checked. Answers are kept: the same
    /// pairs come again with every handshake, and a signature takes longer to check than all the rest.
    #[must_use]
    pub fn signed_by(&self, issuer: &Self) -> Option<bool> {
        type Issuers = Vec<(Vec<u8>, Option<bool>)>;
        thread_local! {
            static KNOWN: RefCell<HashMap<Vec<u8>, Issuers, foldhash::fast::RandomState>> = RefCell::default();
        }
        KNOWN.with_borrow_mut(|known| {
            let before = known.get(&self.der).and_then(|issuers| issuers.iter().find(|one| one.0 == issuer.der));
            if let Some((_, answer)) = before {
                return *answer;
            }
            let signed = self.der.get(self.parts.signed.clone())?;
            let signature = self.der.get(self.parts.signature.clone())?;
            let answer = issuer.checks(self.scheme, signed, signature);
            if known.len() >= MOST_KEPT {
                known.clear();
            }
            let issuers = known.entry(self.der.clone()).or_default();
            if issuers.len() < MOST_ISSUERS {
                issuers.push((issuer.der.clone(), answer));
            }
            answer
        })
    }

    /// Whether its key made `signature` over `message`; `None`: an algorithm or key that cannot be checked. Answers are
    /// kept by a digest of the question: a handshake is seen once on every interface and in every tunnel that it takes,
    /// and a digest is ten times as fast as a signature.
    #[must_use]
    pub fn checks(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Option<bool> {
        thread_local! {
            static KNOWN: RefCell<HashMap<[u8; 32], Option<bool>, foldhash::fast::RandomState>> = RefCell::default();
        }
        let key = self.der.get(self.parts.key.clone())?;
        let mut question = ring::digest::Context::new(&ring::digest::SHA256);
        question.update(
            format!("{scheme:?} {:?} {} {} {}", self.key, self.key_bits, key.len(), signature.len()).as_bytes(),
        );
        [key, signature, message].iter().for_each(|part| question.update(part));
        let question = question.finish();
        let Ok(question) = <[u8; 32]>::try_from(question.as_ref()) else { return None };
        KNOWN.with_borrow_mut(|known| {
            if known.len() >= MOST_KEPT {
                known.clear();
            }
            *known
                .entry(question)
                .or_insert_with(|| signature::check(scheme, self.key, self.key_bits, key, message, signature))
        })
    }

    /// An RSA key below 2048 bits, or a signature with SHA-1 or MD5. The signature of a CA on itself counts for nothing.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        let broken_hash = matches!(self.scheme, Scheme::RsaPkcs1(Hash::Sha1) | Scheme::RsaPss(Hash::Sha1))
            || matches!(self.scheme, Scheme::Ecdsa(Hash::Sha1) | Scheme::RsaPkcs1(Hash::Md5));
        let small = self.key == KeyKind::Rsa && (1..2048).contains(&self.key_bits);
        small || (broken_hash && !(self.is_ca && self.raw_subject() == self.raw_issuer()))
    }

    /// Its key in words: `RSA 2048`, `ECDSA P-256`; `None` where the kind is not known.
    #[must_use]
    pub fn key_words(&self) -> Option<String> {
        match self.key {
            KeyKind::Rsa => Some(format!("RSA {}", self.key_bits)),
            KeyKind::P256 => Some("ECDSA P-256".to_owned()),
            KeyKind::P384 => Some("ECDSA P-384".to_owned()),
            KeyKind::OtherCurve => Some(format!("ECDSA {}", self.key_bits)),
            KeyKind::Ed25519 => Some("Ed25519".to_owned()),
            KeyKind::Other => None,
        }
    }

    /// The trust domain of its SPIFFE ID: `cluster.local`.
    #[must_use]
    pub fn trust_domain(&self) -> Option<&str> {
        trust_domain(self.spiffe_id.as_deref()?)
    }

    fn raw_subject(&self) -> &[u8] {
        self.der.get(self.parts.subject.clone()).unwrap_or_default()
    }

    fn raw_issuer(&self) -> &[u8] {
        self.der.get(self.parts.issuer.clone()).unwrap_or_default()
    }

    /// What the extensions say of identity and of the right to sign.
    fn read_extensions(&mut self, parsed: &X509Certificate<'_>) {
        let mut may_sign = true;
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(constraints) => {
                    self.is_ca = constraints.ca;
                    self.path_length = constraints.path_len_constraint;
                }
                ParsedExtension::KeyUsage(usage) => may_sign = usage.key_cert_sign(),
                ParsedExtension::SubjectAlternativeName(names) => {
                    self.spiffe_id = names.general_names.iter().find_map(|name| match name {
                        GeneralName::URI(uri) if trust_domain(uri).is_some() => Some((*uri).to_owned()),
                        _ => None,
                    });
                }
                ParsedExtension::ExtendedKeyUsage(_) | ParsedExtension::CertificatePolicies(_) => {}
                ParsedExtension::NameConstraints(_) => self.unknown_critical = Some("name constraints".to_owned()),
                _ if extension.critical => self.unknown_critical = Some(format!("extension {}", extension.oid)),
                _ => {}
            }
        }
        self.is_ca &= may_sign;
    }
}

/// The trust domain of a SPIFFE ID (SPIFFE-ID 2): `cluster.local` of `spiffe://cluster.local/ns/a/sa/b`.
#[must_use]
pub fn trust_domain(spiffe_id: &str) -> Option<&str> {
    let rest = spiffe_id.strip_prefix("spiffe://")?;
    let domain = rest.split('/').next()?;
    (!domain.is_empty()).then_some(domain)
}

/// `spiffe://cluster.local/ns/shop/sa/web` as `shop/web`; any other ID without its scheme.
#[must_use]
pub fn short_identity(id: &str) -> Cow<'_, str> {
    let rest = id.strip_prefix("spiffe://").unwrap_or(id);
    let of_mesh = rest.strip_prefix("cluster.local/ns/").and_then(|rest| rest.split_once("/sa/"));
    match of_mesh {
        Some((namespace, account)) if !namespace.contains('/') && !account.contains('/') => {
            format!("{namespace}/{account}").into()
        }
        _ => rest.into(),
    }
}

/// Kind and size of the key.
fn key_of(parsed: &X509Certificate<'_>) -> (KeyKind, u32) {
    let info = parsed.public_key();
    if info.algorithm.algorithm.to_id_string() == "1.3.101.112" {
        return (KeyKind::Ed25519, 256);
    }
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => (KeyKind::Rsa, rsa_bits(key.modulus)),
        Ok(PublicKey::EC(point)) => {
            let curve = info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
            match curve.map(|oid| oid.to_id_string()).as_deref() {
                Some("1.2.840.10045.3.1.7") => (KeyKind::P256, 256),
                Some("1.3.132.0.34") => (KeyKind::P384, 384),
                _ => (KeyKind::OtherCurve, u32::try_from(point.key_size()).unwrap_or(0)),
            }
        }
        _ => signature::pss_key_bits(info).map_or((KeyKind::Other, 0), |bits| (KeyKind::Rsa, bits)),
    }
}

/// Bits of a modulus, big-endian, with or without zeros before it.
fn rsa_bits(modulus: &[u8]) -> u32 {
    let digits = modulus.iter().skip_while(|byte| **byte == 0);
    let mut bits = 0_u32;
    for (at, byte) in digits.enumerate() {
        bits = bits.saturating_add(if at == 0 { 8 - byte.leading_zeros() } else { 8 });
    }
    bits
}

#[cfg(test)]
mod tests;
