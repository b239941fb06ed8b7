//! What is wrong in the input, where, and what to do about it.

use crate::location::{Location, ObjectRef, Path};
use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Traffic breaks, or is plaintext where mutual TLS was clearly wanted; or input could not be read.
    Error,
    /// Very likely a mistake, or a weakness.
    Warning,
    /// Worth knowing.
    Info,
}

/// How sure a finding (or a verdict) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Read from the objects themselves.
    High,
    /// Follows from objects that are usually, not always, what the cluster holds.
    Medium,
    /// Rests on an assumption about objects that are not in the input.
    Low,
}

impl Severity {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

impl Confidence {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One row of [`CODES`]: a finding code, its name and its severity. Each has a page `docs/rules/CODE.md`.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `MC` and four digits; never reused.
    pub code: &'static str,
    /// The same in kebab case; accepted wherever the code is.
    pub name: &'static str,
    /// Severity of its findings.
    pub severity: Severity,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $constant:ident = $code:literal $name:literal $severity:ident;)*) => {
        $($(#[$doc])* pub static $constant: Code = Code { code: $code, name: $name, severity: Severity::$severity };)*
        /// Every finding code, in order.
        pub static CODES: &[&Code] = &[$(&$constant),*];
    };
}

codes! {
    /// YAML or JSON that does not parse, or bytes that are no text.
    UNPARSABLE_DOCUMENT = "MC0001" "unparsable-document" Error;
    /// The same kind, namespace and name twice in one run; the last counts.
    DUPLICATE_OBJECT = "MC0004" "duplicate-object" Warning;
    /// A mapping key twice; the last would win silently.
    DUPLICATE_KEY = "MC0005" "duplicate-key" Error;
    /// Helm or Jinja braces in place of YAML.
    TEMPLATE_NOT_RENDERED = "MC0006" "template-not-rendered" Error;
    /// A value that the CRD or the webhook refuses.
    INVALID_VALUE = "MC0007" "invalid-value" Error;
    /// A kind that does not exist in a group that meshctl judges, or one edit away from a kind that does.
    UNKNOWN_KIND = "MC0009" "unknown-kind" Error;
    /// A port whose clients get through without TLS.
    PLAINTEXT_ACCEPTED = "MC0601" "plaintext-accepted" Warning;
    /// A certificate, or one above it, that is outside its validity.
    CERTIFICATE_NOT_VALID = "MC0602" "certificate-not-valid" Error;
    /// A certificate that ends soon.
    CERTIFICATE_EXPIRES_SOON = "MC0603" "certificate-expires-soon" Warning;
    /// The proxy's own certificate names another workload than it is.
    IDENTITY_MISMATCH = "MC0604" "identity-mismatch" Error;
    /// A certificate that does not build to the CA that the proxy trusts.
    CERTIFICATE_CHAIN_BROKEN = "MC0605" "certificate-chain-broken" Error;
    /// A push that the proxy refused.
    CONFIGURATION_REJECTED = "MC0606" "configuration-rejected" Error;
    /// A listener that is not, or not yet, or no longer in force.
    LISTENER_NOT_IN_FORCE = "MC0607" "listener-not-in-force" Warning;
    /// A secret that is named and was never delivered.
    SECRET_NEVER_DELIVERED = "MC0608" "secret-never-delivered" Error;
    /// A DENY that rests on the identity of callers, on a port where they need not show one.
    IDENTITY_RULE_ON_PLAINTEXT_PORT = "MC0609" "identity-rule-on-plaintext-port" Error;
    /// A TLS version below 1.2, or a weak cipher suite, is allowed.
    WEAK_TLS_PARAMETERS = "MC0610" "weak-tls-parameters" Warning;
    /// TLS to a server whose certificate is not checked.
    SERVER_NOT_VERIFIED = "MC0611" "server-not-verified" Warning;
    /// A client certificate is demanded and not checked.
    CLIENT_CERTIFICATE_NOT_VERIFIED = "MC0612" "client-certificate-not-verified" Error;
    /// A CUSTOM action whose provider is not usable: everything that it names is refused.
    CUSTOM_PROVIDER_UNUSABLE = "MC0613" "custom-provider-unusable" Error;
    /// A DENY that lost its HTTP conditions on a TCP chain and refuses more than it says.
    DENY_BROADENED_ON_TCP = "MC0614" "deny-broadened-on-tcp" Warning;
    /// SSL 2, SSL 3, TLS 1.0 or TLS 1.1 was negotiated.
    OLD_TLS_VERSION = "MC0701" "old-tls-version" Warning;
    /// A cipher suite that is broken, or encrypts or authenticates nothing.
    WEAK_CIPHER_SUITE = "MC0702" "weak-cipher-suite" Error;
    /// Whoever gets the server's key later can read the recorded traffic.
    NO_FORWARD_SECRECY = "MC0703" "no-forward-secrecy" Warning;
    /// The server says that the two would have spoken a newer version.
    TLS_DOWNGRADE = "MC0704" "tls-downgrade" Error;
    /// TLS compression was negotiated.
    TLS_COMPRESSION = "MC0705" "tls-compression" Warning;
    /// A second handshake that is not bound to the first.
    INSECURE_RENEGOTIATION = "MC0706" "insecure-renegotiation" Warning;
    /// 0-RTT data, which can be replayed.
    EARLY_DATA = "MC0707" "early-data" Info;
    /// TLS heartbeat records.
    TLS_HEARTBEAT = "MC0708" "tls-heartbeat" Warning;
    /// A certificate outside its validity when the packets were captured.
    CERTIFICATE_NOT_VALID_AT_CAPTURE = "MC0709" "certificate-not-valid-at-capture" Error;
    /// A short key or a broken digest.
    WEAK_CERTIFICATE = "MC0710" "weak-certificate" Warning;
    /// A leaf that signed itself.
    SELF_SIGNED_CERTIFICATE = "MC0711" "self-signed-certificate" Warning;
    /// A chain that does not build to the CA given.
    CHAIN_DOES_NOT_BUILD = "MC0712" "chain-does-not-build" Error;
    /// A client whose signature does not fit its certificate.
    POSSESSION_NOT_PROVEN = "MC0713" "possession-not-proven" Error;
    /// A capture that is cut, or could not be read.
    CAPTURE_INCOMPLETE = "MC0714" "capture-incomplete" Warning;
    /// A request in clear that was refused after it had crossed the wire.
    REFUSED_PLAINTEXT_LEAKED = "MC0715" "refused-plaintext-leaked" Error;
    /// A TLS handshake that a peer refused.
    HANDSHAKE_REFUSED = "MC0716" "handshake-refused" Error;
}

/// A second place that belongs to a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// What is there.
    pub message: String,
    /// Where.
    pub at: Location,
}

/// Whether an edit may be made without a person's eyes on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safety {
    /// Changes no traffic.
    Safe,
    /// May open or close traffic.
    Unsafe,
}

/// Text that takes the place of a range of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Where the replaced text starts.
    pub from: Location,
    /// Where it ends.
    pub to: Location,
    /// The new text.
    pub text: String,
}

/// A repair that meshctl can make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// May it be made unseen?
    pub safety: Safety,
    /// The edits, none overlapping.
    pub edits: Vec<Edit>,
}

/// One defect at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which kind of defect.
    pub code: &'static Code,
    /// How sure.
    pub confidence: Confidence,
    /// What is wrong, on what.
    pub message: String,
    /// What to do.
    pub help: String,
    /// The object, where one could be read.
    pub object: Option<ObjectRef>,
    /// Where.
    pub at: Location,
    /// The field, where it is about one.
    pub path: Option<Path>,
    /// Other places that belong to it.
    pub related: Vec<Related>,
    /// A repair, where there is one.
    pub fix: Option<Fix>,
}

impl Finding {
    /// A finding of high confidence without object, path, related places or fix.
    #[must_use]
    pub fn new(code: &'static Code, at: Location, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            code,
            confidence: Confidence::High,
            message: message.into(),
            help: help.into(),
            object: None,
            at,
            path: None,
            related: Vec::new(),
            fix: None,
        }
    }
}

/// Sorts findings by file, position and code, as every output shows them.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| (&a.at, a.code.code, &a.message).cmp(&(&b.at, b.code.code, &b.message)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_ordered_and_well_formed() {
        for pair in CODES.windows(2) {
            assert!(pair[0].code < pair[1].code, "{} before {}", pair[0].code, pair[1].code);
        }
        for code in CODES {
            assert!(code.code.len() == 6 && code.code.starts_with("MC"), "{}", code.code);
            assert!(code.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", code.name);
        }
    }
}
