//! Host names of services and rules: how short names are completed and how wildcards match.

use std::sync::Arc;

/// A host as Istio compares hosts: case-sensitive text, a leading `*` means "ends with the rest".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(pub Arc<str>);

impl Host {
    /// Completes the host of a DestinationRule or route (`pilot/pkg/model/config.go : ResolveShortnameToFQDN`): a name
    /// without any dot becomes `NAME.NAMESPACE.svc.DOMAIN`; `*`, IP literals and everything with a dot stay as they are.
    #[must_use]
    pub fn resolve(written: &str, namespace: &str, domain: &str) -> Self {
        if written == "*" || written.is_empty() || written.contains('.') || written.contains(':') {
            Self(written.into())
        } else {
            Self(format!("{written}.{namespace}.svc.{domain}").into())
        }
    }

    /// The host of a Kubernetes Service.
    #[must_use]
    pub fn of_service(name: &str, namespace: &str, domain: &str) -> Self {
        Self(format!("{name}.{namespace}.svc.{domain}").into())
    }

    /// The text after a leading `*`, where there is one.
    #[must_use]
    pub fn wildcard(&self) -> Option<&str> {
        self.0.strip_prefix('*')
    }

    /// Whether a rule with this host matches a service with that host
    /// (`pkg/config/host/names.go`, `MostSpecificHostMatch`): a plain suffix test, DNS labels do not matter; a service
    /// whose own name is a wildcard is only compared with wildcards, by suffix on the text after `*`.
    #[must_use]
    pub fn matches(&self, service: &Self) -> bool {
        match (self.wildcard(), service.wildcard()) {
            (None, None) => self.0 == service.0,
            (None, Some(_)) => false,
            (Some(suffix), None) => service.0.ends_with(suffix),
            (Some(suffix), Some(name)) => name.ends_with(suffix),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_completed_with_the_namespace_of_the_rule() {
        for (written, resolved) in [
            ("web", "web.shop.svc.cluster.local"),
            ("*-db", "*-db.shop.svc.cluster.local"),
            ("*", "*"),
            ("web.shop", "web.shop"),
            ("10.0.0.1", "10.0.0.1"),
            ("fd00::1", "fd00::1"),
            ("*.local", "*.local"),
        ] {
            assert_eq!(Host::resolve(written, "shop", "cluster.local").as_str(), resolved);
        }
    }

    #[test]
    fn wildcards_are_suffixes_and_wildcard_services_only_meet_wildcards() {
        for (rule, service, fits) in [
            ("web.shop.svc.cluster.local", "web.shop.svc.cluster.local", true),
            ("web.shop", "web.shop.svc.cluster.local", false),
            ("*.shop.svc.cluster.local", "web.shop.svc.cluster.local", true),
            ("*hop.svc.cluster.local", "web.shop.svc.cluster.local", true),
            ("*.foo.com", "foo.com", false),
            ("*", "anything", true),
            ("Web.shop.svc.cluster.local", "web.shop.svc.cluster.local", false),
            ("api.corp.example", "*.corp.example", false),
            ("*.corp.example", "*.corp.example", true),
            ("*.example", "*.corp.example", true),
            ("*.corp.example", "*.example", false),
        ] {
            assert_eq!(Host(rule.into()).matches(&Host(service.into())), fits, "{rule} for {service}");
        }
    }
}
