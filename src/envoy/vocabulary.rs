//! The words of the output for what a proxy is: one vocabulary for tables, JSON and documents (output.md 3).

use super::judged::{ClientCertificate, HeldCertificate, Judged, ModeSource, Side};
use super::model::{Layer, NodeInfo, ProxyKind, Section, Socket, State, Tls};
use crate::pki::short_identity;

/// Times and lengths of time, as every command writes them.
pub use crate::pki::time::{format as rfc3339, words as length};

impl ProxyKind {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sidecar => "sidecar",
            Self::Router => "router",
            Self::Waypoint => "waypoint",
            Self::Unknown => "unknown",
        }
    }
}

impl ClientCertificate {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
            Self::Unverified => "unverified",
            Self::NotRequested => "not-requested",
        }
    }
}

impl ModeSource {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::IstioAuthn => "istio_authn",
            Self::Inferred => "inferred",
        }
    }
}

impl Layer {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Network => "network",
        }
    }
}

impl Side {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Internal => "internal",
            Self::Infrastructure => "infrastructure",
            Self::Blackhole => "blackhole",
            Self::Outbound => "outbound",
        }
    }
}

impl State {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Active => "active",
            Self::Warming => "warming",
            Self::Draining => "draining",
        }
    }
}

impl Section {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Bootstrap => "bootstrap",
            Self::Listeners => "listeners",
            Self::Clusters => "clusters",
            Self::Endpoints => "endpoints",
            Self::Routes => "routes",
            Self::ScopedRoutes => "scoped routes",
            Self::Secrets => "secrets",
            Self::Ecds => "extensions (ECDS)",
            Self::ServedCertificates => "/certs",
            Self::ListenerStatuses => "/listeners",
            Self::ClusterStatuses => "/clusters",
        }
    }
}

impl Socket {
    /// Its TLS, whatever is around it.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Tls(tls) | Self::StartTls(tls) => Some(tls),
            Self::Internal(inner) => inner.tls(),
            Self::Raw | Self::Unknown(_) => None,
        }
    }
}

/// How a proxy is called: `details-v1-abc.bookinfo`, else its ID, else the input that it was read from.
#[must_use]
pub fn proxy_name(judged: &Judged) -> String {
    match &judged.proxy.node {
        Some(NodeInfo { pod, namespace, .. }) if !pod.is_empty() && !namespace.is_empty() => {
            format!("{pod}.{namespace}")
        }
        Some(NodeInfo { id, .. }) if !id.is_empty() => id.clone(),
        _ => judged.proxy.path.to_string(),
    }
}

/// Host and port; a pipe has port 0 and is its path alone.
#[must_use]
pub fn socket(host: &str, port: u16) -> String {
    match port {
        0 => host.to_owned(),
        _ if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

/// Who a certificate is of, in few words.
#[must_use]
pub fn holder(certificate: &HeldCertificate) -> Option<String> {
    certificate
        .spiffe_id
        .as_deref()
        .map(|id| short_identity(id).into_owned())
        .or_else(|| certificate.subject.clone().filter(|one| !one.is_empty()))
}

/// `6,012 clients`; `1 client`.
#[must_use]
pub fn many(count: usize, one: &str) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + 8 + one.len());
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    let ending = match one {
        _ if count == 1 => "",
        _ if one.ends_with("y") => return format!("{text} {}ies", one.trim_end_matches('y')),
        _ => "s",
    };
    format!("{text} {one}{ending}")
}

/// The first few of a list, and how many more there are.
#[must_use]
pub fn first_few(names: &[String], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(String::as_str).collect();
    match names.len().saturating_sub(most) {
        0 => shown.join(", "),
        left => format!("{} and {left} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_lists_are_readable() {
        assert_eq!(
            (many(1, "port"), many(1234, "port"), many(0, "proxy")),
            ("1 port".into(), "1,234 ports".into(), "0 proxies".into())
        );
        let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        assert_eq!((first_few(&names, 3), first_few(&names, 2)), ("a, b, c".to_owned(), "a, b and 1 more".to_owned()));
    }

    #[test]
    fn addresses_are_as_people_write_them() {
        assert_eq!(socket("fd00::1", 80), "[fd00::1]:80");
        assert_eq!(socket("/var/run/x.sock", 0), "/var/run/x.sock");
    }
}
