//! The Istio version whose rules are applied: each difference is asked for by the release that made it.

use std::fmt;
use std::str::FromStr;

/// A minor release of Istio: major and minor number. Patch numbers change no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// `1`.
    pub major: u16,
    /// `26` of 1.26.
    pub minor: u16,
}

impl Version {
    /// The newest release whose rules are known.
    pub const NEWEST: Self = Self::one(32);
    /// The oldest.
    pub const OLDEST: Self = Self::one(0);

    /// `1.MINOR`.
    #[must_use]
    pub const fn one(minor: u16) -> Self {
        Self { major: 1, minor }
    }

    /// Policy and MeshPolicy are read (`authentication.istio.io/v1alpha1`, gone in 1.6).
    #[must_use]
    pub fn reads_legacy_policies(self) -> bool {
        self < Self::one(6)
    }

    /// Whether automatic mTLS is on: it came with 1.4, where the compiled-in default is off as in 1.5
    /// (`pkg/config/mesh/mesh.go`). `written`: what meshConfig says.
    #[must_use]
    pub fn auto_mtls(self, written: Option<bool>) -> bool {
        match written {
            _ if self < Self::one(4) => false,
            Some(written) => written,
            None => self >= Self::one(6),
        }
    }

    /// PeerAuthentication is read (since 1.5).
    #[must_use]
    pub fn reads_peer_authentication(self) -> bool {
        self >= Self::one(5)
    }

    /// Clusters that address pods directly (headless services) get automatic mTLS (since 1.8; before, plaintext).
    /// `pilot/pkg/networking/core/v1alpha3/cluster.go : conditionallyConvertToIstioMtls` of 1.6.
    #[must_use]
    pub fn secures_direct_clusters(self) -> bool {
        self >= Self::one(8)
    }

    /// PERMISSIVE has no filter chain for TLS of others on an HTTP port (since 1.8; before, a chain for anything took
    /// it). `listener.go : buildSidecarInboundListenerForPortOrUDS` of 1.6.
    #[must_use]
    pub fn refuses_foreign_tls(self) -> bool {
        self >= Self::one(8)
    }

    /// Endpoints are tagged by policy and rule (since 1.12, `ENABLE_AUTO_MTLS_CHECK_POLICIES`; before, by their label
    /// alone). `pilot/pkg/xds/endpoint_builder.go : NewEndpointBuilder`.
    #[must_use]
    pub fn tags_by_policy(self) -> bool {
        self >= Self::one(12)
    }

    /// Pods can be in the ambient mesh (since 1.15, where it was an experiment): before, its labels and annotations mean
    /// nothing. OpenShift Service Mesh 1.x and 2.x never have it.
    #[must_use]
    pub fn has_ambient(self) -> bool {
        self >= Self::one(15)
    }

    /// `workloadSelector` of a DestinationRule is read (since 1.14; before, the rule acts for everybody).
    /// `pilot/pkg/model/destination_rule.go`.
    #[must_use]
    pub fn reads_rule_selectors(self) -> bool {
        self >= Self::one(14)
    }

    /// SIMPLE and MUTUAL over HTTP keep the ALPN of their own (since 1.19; before, filter `istio.alpn` gave them Istio's,
    /// and a PERMISSIVE server took them for mutual TLS of the mesh). istio/istio#44918.
    #[must_use]
    pub fn leaves_foreign_alpn(self) -> bool {
        self >= Self::one(19)
    }

    /// Rules of one host merge by `exportTo` (since 1.24, `ENABLE_ENHANCED_DESTINATIONRULE_MERGE`; before, all of them).
    #[must_use]
    pub fn merges_by_export(self) -> bool {
        self >= Self::one(24)
    }

    /// Sidecars and gateways send HBONE to ambient pods under an explicit ISTIO_MUTUAL too (since 1.26; before, the
    /// sidecars' mutual TLS, which fails). istio/istio#54914.
    #[must_use]
    pub fn tunnels_istio_mutual(self) -> bool {
        self >= Self::one(26)
    }

    /// BackendTLSPolicy and XBackendTrafficPolicy are read without a switch (Gateway API 1.4, since 1.28).
    #[must_use]
    pub fn reads_backend_policies(self) -> bool {
        self >= Self::one(28)
    }

    /// Endpoints of a subset without `tls` are tagged by the rule's (since 1.31; before, as if there were none).
    /// istio/istio#60792.
    #[must_use]
    pub fn subset_tags_fall_back(self) -> bool {
        self >= Self::one(31)
    }

    /// What backend policies say is merged into a user's rule field by field (since 1.31; before, the rule made of them
    /// comes first and its `trafficPolicy` counts whole). `destination_rule.go : mergeBackendPolicyTrafficPolicy`.
    #[must_use]
    pub fn merges_backend_fields(self) -> bool {
        self >= Self::one(31)
    }
}

impl Default for Version {
    fn default() -> Self {
        Self::NEWEST
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Version {
    type Err = String;

    /// Takes `1.20`, `v1.20`, `1.20.3`, `1.20.3-distroless`, `v1.24-latest`.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not an Istio version: MAJOR.MINOR, such as 1.4 or 1.26");
        let rest = text.strip_prefix('v').unwrap_or(text);
        let (major, rest) = rest.split_once('.').ok_or_else(bad)?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (minor, rest) = rest.split_at(digits);
        if !(rest.is_empty() || rest.starts_with(['.', '-', '+'])) {
            return Err(bad());
        }
        let number = |text: &str| text.parse::<u16>().map_err(|_| bad());
        let version = Self { major: number(major)?, minor: number(minor)? };
        if version < Self::OLDEST || version > Self::NEWEST {
            return Err(format!("Istio {version} is not known: {} to {} are", Self::OLDEST, Self::NEWEST));
        }
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_begins_with_its_release() {
        type Row = (fn(Version) -> bool, u16);
        let rows: &[Row] = &[
            (Version::reads_peer_authentication, 5),
            (Version::secures_direct_clusters, 8),
            (Version::refuses_foreign_tls, 8),
            (Version::tags_by_policy, 12),
            (Version::reads_rule_selectors, 14),
            (Version::has_ambient, 15),
            (Version::leaves_foreign_alpn, 19),
            (Version::merges_by_export, 24),
            (Version::tunnels_istio_mutual, 26),
            (Version::reads_backend_policies, 28),
            (Version::subset_tags_fall_back, 31),
            (Version::merges_backend_fields, 31),
        ];
        for (difference, first) in rows {
            assert!(!difference(Version::one(first - 1)), "1.{first}");
            assert!(difference(Version::one(*first)) && difference(Version::NEWEST), "1.{first}");
        }
        assert!(Version::one(5).reads_legacy_policies() && !Version::one(6).reads_legacy_policies());
    }

    #[test]
    fn versions_are_read_as_they_are_written() {
        for (text, want) in [
            ("1.4", Some(4)),
            ("v1.20", Some(20)),
            ("1.24.6", Some(24)),
            ("v1.24-latest", Some(24)),
            ("1.26.0-rc.1", Some(26)),
            ("1", None),
            ("", None),
            ("1.x", None),
            ("1.4x", None),
            ("2.0", None),
            ("1.33", None),
            ("0.8", None),
            ("1.99999999", None),
        ] {
            assert_eq!(text.parse::<Version>().ok(), want.map(Version::one), "{text}");
        }
    }
}
