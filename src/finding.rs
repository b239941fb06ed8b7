//! What is wrong in the input, where, and what to do about it.

use crate::location::{Location, ObjectRef, Path};
use crate::words;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

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
    /// A field that the kind does not have.
    UNKNOWN_FIELD = "MC0002" "unknown-field" Warning;
    /// An ignore that hides nothing, or gives no reason.
    UNUSED_IGNORE = "MC0003" "unused-ignore" Warning;
    /// The same kind, namespace and name twice in one run; the last counts.
    DUPLICATE_OBJECT = "MC0004" "duplicate-object" Warning;
    /// A mapping key twice; the last would win silently.
    DUPLICATE_KEY = "MC0005" "duplicate-key" Error;
    /// Helm or Jinja braces in place of YAML.
    TEMPLATE_NOT_RENDERED = "MC0006" "template-not-rendered" Error;
    /// A value that the CRD or the webhook refuses.
    INVALID_VALUE = "MC0007" "invalid-value" Error;
    /// A field of mTLS at a level where Istio does not look.
    WRONG_INDENTATION_OF_TLS = "MC0008" "wrong-indentation-of-tls" Warning;
    /// A kind that does not exist in a group that meshctl judges, or one edit away from a kind that does.
    UNKNOWN_KIND = "MC0009" "unknown-kind" Error;
    /// Objects of a live cluster that could not be read: not allowed, timed out, or an answer that does not decode.
    NOT_READ = "MC0010" "not-read" Error;
    /// A selector policy in the root namespace: it applies to nothing.
    ROOT_NAMESPACE_SELECTOR_IGNORED = "MC0101" "root-namespace-selector-ignored" Error;
    /// A policy of which nothing counts, because an older one of its level does.
    SHADOWED_BY_OLDER_POLICY = "MC0102" "shadowed-by-older-policy" Error;
    /// `portLevelMtls` on a mesh-wide or namespace-wide policy.
    PORT_MTLS_WITHOUT_SELECTOR = "MC0103" "port-mtls-without-selector" Error;
    /// A `portLevelMtls` key that is a Service port and no port of the workloads.
    PORT_MTLS_NAMES_SERVICE_PORT = "MC0104" "port-mtls-names-service-port" Error;
    /// A selector that selects no workload of the input.
    SELECTOR_MATCHES_NOTHING = "MC0105" "selector-matches-nothing" Warning;
    /// STRICT on workloads where nothing enforces it.
    POLICY_NOT_ENFORCED = "MC0106" "policy-not-enforced" Error;
    /// Mode DISABLE.
    MTLS_DISABLED = "MC0107" "mtls-disabled" Warning;
    /// No mesh-wide STRICT policy.
    MESH_NOT_STRICT = "MC0108" "mesh-not-strict" Info;
    /// PERMISSIVE although every known client speaks mutual TLS.
    PERMISSIVE_WITH_NO_PLAINTEXT_CLIENT = "MC0109" "permissive-with-no-plaintext-client" Info;
    /// A policy that sets no mode, and what it resolves to.
    UNSET_MODE_INHERITS = "MC0110" "unset-mode-inherits" Info;
    /// A port setting that ztunnel does not get as it is written.
    AMBIENT_PORT_EXCEPTION_WITHOUT_EFFECT = "MC0111" "ambient-port-exception-without-effect" Error;
    /// A policy of the API that Istio 1.6 removed.
    REMOVED_POLICY_API = "MC0120" "removed-policy-api" Error;
    /// A MeshPolicy that is not called `default`, or that has targets.
    MESH_POLICY_NOT_DEFAULT = "MC0121" "mesh-policy-not-default" Error;
    /// A control plane of OpenShift Service Mesh switches mutual TLS off.
    CONTROL_PLANE_MTLS_OFF = "MC0122" "control-plane-mtls-off" Warning;
    /// A client that sends plaintext to a STRICT port.
    PLAINTEXT_TO_STRICT = "MC0201" "plaintext-to-strict" Error;
    /// Istio mutual TLS to a port where nothing terminates it.
    MTLS_TO_PLAINTEXT_SERVER = "MC0202" "mtls-to-plaintext-server" Error;
    /// TLS that is not Istio's to a port of the mesh.
    TLS_TO_MESH_PORT = "MC0203" "tls-to-mesh-port" Error;
    /// A `portLevelSettings` entry without `tls`: the inherited tls is gone for that port.
    PORT_SETTINGS_ERASE_TLS = "MC0204" "port-settings-erase-tls" Error;
    /// A subset (or, without automatic mTLS, a narrower rule) that removes or changes tls.
    SUBSET_DROPS_TLS = "MC0205" "subset-drops-tls" Warning;
    /// A `tls` block without mode.
    EMPTY_TLS_MEANS_DISABLE = "MC0206" "empty-tls-means-disable" Error;
    /// A rule that no client ever uses.
    RULE_SHADOWED = "MC0207" "rule-shadowed" Error;
    /// A short host that means another service than it seems to.
    SHORT_HOST_RESOLVES_TO_RULE_NAMESPACE = "MC0208" "short-host-resolves-to-rule-namespace" Warning;
    /// `credentialName` that sidecars do not read: they send plaintext.
    CREDENTIAL_NAME_IGNORED = "MC0209" "credential-name-ignored" Error;
    /// TLS without verification of the server.
    SERVER_NOT_VERIFIED = "MC0210" "server-not-verified" Warning;
    /// ISTIO_MUTUAL together with certificates of its own.
    ISTIO_MUTUAL_WITH_EXTRA_FIELDS = "MC0211" "istio-mutual-with-extra-fields" Warning;
    /// A host, subset label or port that nothing in the input has.
    UNKNOWN_HOST_OR_PORT = "MC0212" "unknown-host-or-port" Warning;
    /// A wildcard rule with ISTIO_MUTUAL that also covers services without sidecar.
    WILDCARD_COVERS_API_SERVER = "MC0213" "wildcard-covers-api-server" Error;
    /// Client mode DISABLE.
    TLS_DISABLED = "MC0214" "tls-disabled" Warning;
    /// A `workloadSelector` together with an `exportTo` beyond its namespace.
    SELECTOR_RULE_NEVER_LEAVES_NAMESPACE = "MC0215" "selector-rule-never-leaves-namespace" Warning;
    /// A minimum version below 1.2, or weak cipher suites.
    WEAK_OR_OLD_TLS = "MC0216" "weak-or-old-tls" Warning;
    /// An SNI that no server of the gateway names.
    GATEWAY_SNI_MISMATCH = "MC0217" "gateway-sni-mismatch" Error;
    /// DISABLE for a namespace or the mesh above a STRICT workload or port.
    NAMESPACE_DISABLE_WORKLOAD_STRICT = "MC0301" "namespace-disable-workload-strict" Error;
    /// A headless service whose endpoints cannot all be sent the same.
    HEADLESS_MTLS_ALL_OR_NOTHING = "MC0302" "headless-mtls-all-or-nothing" Error;
    /// A workload without sidecar that declares a call to a STRICT port.
    STRICT_WITHOUT_SIDECAR_CLIENT = "MC0303" "strict-without-sidecar-client" Warning;
    /// `excludeInboundPorts` on a STRICT port.
    EXCLUDED_PORT_BYPASSES_STRICT = "MC0304" "excluded-port-bypasses-strict" Error;
    /// An injection setting that has no effect.
    ANNOTATION_CANNOT_INJECT = "MC0305" "annotation-cannot-inject" Warning;
    /// `security.istio.io/tlsMode` written by hand.
    HAND_WRITTEN_TLS_MODE = "MC0306" "hand-written-tls-mode" Warning;
    /// Probes that STRICT refuses.
    PROBES_BROKEN_BY_STRICT = "MC0307" "probes-broken-by-strict" Error;
    /// A ServiceEntry without location.
    MESH_EXTERNAL_NEVER_MTLS = "MC0308" "mesh-external-never-mtls" Info;
    /// Workloads of different trust that share a service account.
    NO_WILDCARD_IDENTITY = "MC0309" "no-wildcard-identity" Info;
    /// A webhook, API service or conversion webhook behind a STRICT port.
    WEBHOOK_BEHIND_STRICT = "MC0310" "webhook-behind-strict" Error;
    /// A Prometheus scrape of a STRICT port from outside the mesh.
    SCRAPE_BEHIND_STRICT = "MC0311" "scrape-behind-strict" Warning;
    /// An application container that runs as user or group 1337.
    UID_1337_BYPASSES_CAPTURE = "MC0312" "uid-1337-bypasses-capture" Error;
    /// A Sidecar or an `exportTo` that makes a client refuse its own calls.
    SERVICE_NOT_IMPORTED = "MC0313" "service-not-imported" Error;
    /// An identity in a rule for a port that accepts plaintext.
    IDENTITY_RULE_WITHOUT_MTLS = "MC0401" "identity-rule-without-mtls" Error;
    /// An ALLOW policy without rules: it denies everything.
    ALLOW_NOTHING = "MC0402" "allow-nothing" Warning;
    /// A principal of a trust domain that the mesh does not know.
    TRUST_DOMAIN_UNKNOWN = "MC0403" "trust-domain-unknown" Warning;
    /// HTTP fields in a rule for a TCP port.
    HTTP_FIELDS_ON_TCP_PORT = "MC0404" "http-fields-on-tcp-port" Error;
    /// HTTP fields in a policy that ztunnel enforces.
    AMBIENT_L7_WITHOUT_WAYPOINT = "MC0405" "ambient-l7-without-waypoint" Error;
    /// A plaintext server beside a TLS one, without redirect.
    GATEWAY_PLAINTEXT = "MC0501" "gateway-plaintext" Warning;
    /// A PeerAuthentication that selects gateway pods.
    PEER_AUTHENTICATION_ON_GATEWAY = "MC0502" "peer-authentication-on-gateway" Warning;
    /// A gateway's TLS mode without what it needs.
    GATEWAY_MODE_INCOMPLETE = "MC0503" "gateway-mode-incomplete" Error;
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
    UPSTREAM_NOT_VERIFIED = "MC0611" "upstream-not-verified" Warning;
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

/// Rows of the matrix of `tls-check` that fail because of a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Workloads that call, as `namespace/name`. Edges with the same clients share the list.
    pub clients: Arc<[String]>,
    /// The host that they call.
    pub host: String,
    /// The Service port.
    pub port: u16,
    /// The subset.
    pub subset: Option<String>,
    /// The endpoint, as `namespace/name` of its workload, or its address; `None`: nothing answers.
    pub endpoint: Option<String>,
    /// The workload port.
    pub workload_port: u16,
    /// F1 to F9.
    pub failure: Option<&'static str>,
}

/// One defect at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which kind of defect.
    pub code: &'static Code,
    /// How bad it is: that of the code, unless a rule or the user's settings say otherwise.
    pub severity: Severity,
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
    /// The calls that fail because of it (`lint`).
    pub edges: Vec<Edge>,
    /// The file that the document was made from: a chart's template, a file of a kustomization.
    pub origin: Option<String>,
}

impl Finding {
    /// A finding of high confidence without object, path, related places or fix.
    #[must_use]
    pub fn new(code: &'static Code, at: Location, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity,
            confidence: Confidence::High,
            message: message.into(),
            help: help.into(),
            object: None,
            at,
            path: None,
            related: Vec::new(),
            fix: None,
            edges: Vec::new(),
            origin: None,
        }
    }

    /// The message, with the file that the document was made from: what stands in a rendered manifest is mended there.
    #[must_use]
    pub fn said(&self) -> Cow<'_, str> {
        match &self.origin {
            Some(origin) => format!("{} (from {origin})", self.message).into(),
            None => self.message.as_str().into(),
        }
    }
}

/// The code of that number or name, whatever the letter case.
#[must_use]
pub fn code(word: &str) -> Option<&'static Code> {
    CODES.iter().find(|one| one.code.eq_ignore_ascii_case(word) || one.name.eq_ignore_ascii_case(word)).copied()
}

/// The codes that a word names: one by number or name, several by how their numbers begin (`MC02`).
///
/// # Errors
/// A sentence for the user, where it names none.
pub fn codes(word: &str) -> Result<Vec<&'static Code>, String> {
    if let Some(one) = code(word) {
        return Ok(vec![one]);
    }
    let prefix = word.to_ascii_uppercase();
    let all: Vec<&'static Code> = CODES.iter().filter(|one| one.code.starts_with(&prefix)).copied().collect();
    if prefix.len() >= 2 && !all.is_empty() {
        return Ok(all);
    }
    Err(format!("{word:?} is no code, name of a code or beginning of one{}", meant(word)))
}

/// `; did you mean MC0201?`, or nothing.
#[must_use]
pub fn meant(word: &str) -> String {
    words::did_you_mean(word, CODES.iter().flat_map(|one| [one.code, one.name]))
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
            assert!(
                code.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{}",
                code.name
            );
        }
    }

    #[test]
    fn codes_are_named_by_number_name_or_beginning() {
        let found = |word: &str| codes(word).map(|all| all.iter().map(|one| one.code).collect::<Vec<_>>());
        for word in ["MC0201", "mc0201", "plaintext-to-strict"] {
            assert_eq!(found(word), Ok(vec!["MC0201"]), "{word}");
        }
        assert!(found("MC02").is_ok_and(|all| all.len() > 10 && all.iter().all(|code| code.starts_with("MC02"))));
        for (word, hint) in [
            ("MC9999", ""),
            ("plaintxt-to-strict", "; did you mean plaintext-to-strict?"),
            ("", ""),
            ("M", ""),
            ("MC02011", "; did you mean MC0201?"),
        ] {
            let why = found(word).unwrap_err();
            assert!(why.ends_with(&format!("beginning of one{hint}")), "{why}");
        }
    }
}
