//! Signatures: which algorithm, and whether one fits.

use super::KeyKind;
use ring::signature as algorithms;
use ring::signature::{UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// MD5: broken.
    Md5,
    /// SHA-1: broken.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// How something was signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// RSA with PKCS #1 1.5 padding.
    RsaPkcs1(Hash),
    /// RSA with PSS padding, the salt as long as the hash.
    RsaPss(Hash),
    /// ECDSA; the curve is the key's.
    Ecdsa(Hash),
    /// Ed25519.
    Ed25519,
    /// Anything else.
    #[default]
    Other,
}

impl Scheme {
    /// From the two bytes of TLS 1.2 (RFC 5246 7.4.1.4.1: hash and signature) and TLS 1.3 (RFC 8446 4.2.3).
    #[must_use]
    pub fn of_tls(code: u16) -> Self {
        match code {
            0x0804 | 0x0809 => return Self::RsaPss(Hash::Sha256),
            0x0805 | 0x080A => return Self::RsaPss(Hash::Sha384),
            0x0806 | 0x080B => return Self::RsaPss(Hash::Sha512),
            0x0807 => return Self::Ed25519,
            _ => {}
        }
        let hash = match code >> 8 {
            1 => Hash::Md5,
            2 => Hash::Sha1,
            3 => Hash::Sha224,
            4 => Hash::Sha256,
            5 => Hash::Sha384,
            6 => Hash::Sha512,
            _ => return Self::Other,
        };
        match code & 0xff {
            1 => Self::RsaPkcs1(hash),
            3 => Self::Ecdsa(hash),
            _ => Self::Other,
        }
    }
}

/// The algorithm that an X.509 structure names (RFC 3279, 4055, 5758, 8410).
pub(super) fn scheme_of(algorithm: &AlgorithmIdentifier<'_>) -> Scheme {
    match algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.4" => Scheme::RsaPkcs1(Hash::Md5),
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => Scheme::RsaPkcs1(Hash::Sha1),
        "1.2.840.113549.1.1.14" => Scheme::RsaPkcs1(Hash::Sha224),
        "1.2.840.113549.1.1.11" => Scheme::RsaPkcs1(Hash::Sha256),
        "1.2.840.113549.1.1.12" => Scheme::RsaPkcs1(Hash::Sha384),
        "1.2.840.113549.1.1.13" => Scheme::RsaPkcs1(Hash::Sha512),
        "1.2.840.113549.1.1.10" => pss_scheme(algorithm),
        "1.2.840.10045.4.1" => Scheme::Ecdsa(Hash::Sha1),
        "1.2.840.10045.4.3.1" => Scheme::Ecdsa(Hash::Sha224),
        "1.2.840.10045.4.3.2" => Scheme::Ecdsa(Hash::Sha256),
        "1.2.840.10045.4.3.3" => Scheme::Ecdsa(Hash::Sha384),
        "1.2.840.10045.4.3.4" => Scheme::Ecdsa(Hash::Sha512),
        "1.3.101.112" => Scheme::Ed25519,
        _ => Scheme::Other,
    }
}

/// RSASSA-PSS has its hash in the parameters, SHA-1 where they are silent (RFC 4055 3.1).
fn pss_scheme(algorithm: &AlgorithmIdentifier<'_>) -> Scheme {
    let Ok(SignatureAlgorithm::RSASSA_PSS(parameters)) = SignatureAlgorithm::try_from(algorithm) else {
        return Scheme::Other;
    };
    let (hash, length) = match parameters.hash_algorithm_oid().to_id_string().as_str() {
        "1.3.14.3.2.26" => (Hash::Sha1, 20),
        "2.16.840.1.101.3.4.2.1" => (Hash::Sha256, 32),
        "2.16.840.1.101.3.4.2.2" => (Hash::Sha384, 48),
        "2.16.840.1.101.3.4.2.3" => (Hash::Sha512, 64),
        _ => return Scheme::Other,
    };
    if parameters.salt_length() == length { Scheme::RsaPss(hash) } else { Scheme::Other }
}

/// Bits of a key that is for RSASSA-PSS alone: the same numbers under another name (RFC 4055 1.2).
pub(super) fn pss_key_bits(info: &SubjectPublicKeyInfo<'_>) -> Option<u32> {
    if info.algorithm.algorithm.to_id_string() != "1.2.840.113549.1.1.10" {
        return None;
    }
    let plain = SubjectPublicKeyInfo {
        algorithm: AlgorithmIdentifier::new(x509_parser::oid_registry::OID_PKCS1_RSAENCRYPTION, None),
        subject_public_key: info.subject_public_key.clone(),
        raw: info.raw,
    };
    match plain.parsed() {
        Ok(PublicKey::RSA(key)) => Some(super::rsa_bits(key.modulus)),
        _ => None,
    }
}

/// Whether `signature` over `message` fits the key (the content of its bit string); `None` where scheme and key are not
/// ones that can be checked here.
pub(super) fn check(
    scheme: Scheme,
    kind: KeyKind,
    bits: u32,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let algorithm = algorithm(scheme, kind, bits)?;
    Some(UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok())
}

/// Keys below 2048 bits are checked where ring can: that they are weak is said elsewhere, whether they fit is another
/// question. SHA-1 is checked for the same reason.
fn algorithm(scheme: Scheme, kind: KeyKind, bits: u32) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (scheme, kind) {
        (Scheme::RsaPkcs1(hash), KeyKind::Rsa) if (1024..=8192).contains(&bits) => match hash {
            Hash::Sha1 => &algorithms::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &algorithms::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            Hash::Sha384 if bits >= 2048 => &algorithms::RSA_PKCS1_2048_8192_SHA384,
            Hash::Sha512 => &algorithms::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
            _ => return None,
        },
        (Scheme::RsaPss(hash), KeyKind::Rsa) if (2048..=8192).contains(&bits) => match hash {
            Hash::Sha256 => &algorithms::RSA_PSS_2048_8192_SHA256,
            Hash::Sha384 => &algorithms::RSA_PSS_2048_8192_SHA384,
            Hash::Sha512 => &algorithms::RSA_PSS_2048_8192_SHA512,
            _ => return None,
        },
        (Scheme::Ecdsa(Hash::Sha256), KeyKind::P256) => &algorithms::ECDSA_P256_SHA256_ASN1,
        (Scheme::Ecdsa(Hash::Sha384), KeyKind::P256) => &algorithms::ECDSA_P256_SHA384_ASN1,
        (Scheme::Ecdsa(Hash::Sha256), KeyKind::P384) => &algorithms::ECDSA_P384_SHA256_ASN1,
        (Scheme::Ecdsa(Hash::Sha384), KeyKind::P384) => &algorithms::ECDSA_P384_SHA384_ASN1,
        (Scheme::Ed25519, KeyKind::Ed25519) => &algorithms::ED25519,
        _ => return None,
    })
}
