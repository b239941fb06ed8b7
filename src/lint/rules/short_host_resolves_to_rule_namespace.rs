//! MC0208: a host that is completed with the rule's own namespace, or with a dot and never completed: another service
//! than it seems, or none (istio-mtls.md 2.2).

use crate::finding::Confidence;
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::service::Origin;
use crate::model::{DestinationRule, Host};

/// Reports each such host.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for rule in lint.mesh.rules.iter().filter(|rule| rule.made_from.is_none()) {
        let Some(wrong) = wrong(lint, rule) else { continue };
        out.add(rule.meta.id, Path::new("spec.host"), wrong.message, wrong.help).confidence = wrong.confidence;
    }
}

/// What is wrong with a host.
pub(super) struct Wrong {
    message: String,
    help: String,
    confidence: Confidence,
}

/// What is wrong with the host of a rule, where it is short.
pub(super) fn wrong(lint: &Lint<'_>, rule: &DestinationRule) -> Option<Wrong> {
    let written = lint.node(rule.meta.id)?.find("spec.host")?.as_str()?;
    if lint.mesh.index.hosts.contains_key(&rule.host) || written.is_empty() || written == "*" {
        return None;
    }
    if written.contains('.') { dotted(lint, rule, written) } else { undotted(lint, rule, written) }
}

/// `web`, and `web` is a service of another namespace only.
fn undotted(lint: &Lint<'_>, rule: &DestinationRule, written: &str) -> Option<Wrong> {
    let mesh = lint.mesh;
    let mut named = mesh.services.iter().filter(|s| s.origin == Origin::Kubernetes && *s.meta.name == *written);
    let first = named.next()?;
    let own = &rule.meta.namespace;
    let placed = lint.node(rule.meta.id)?.find("metadata.namespace").is_some();
    let known = mesh.services.iter().any(|s| s.origin == Origin::Kubernetes && s.meta.namespace == *own);
    Some(Wrong {
        message: format!(
            "host {written} means {}, which is no service here; namespace {} has one of that name",
            rule.host, first.meta.namespace
        ),
        help: format!("replace host {written} by {}", first.host),
        confidence: match (placed, known) {
            (false, _) => Confidence::Low,
            (true, true) => Confidence::High,
            (true, false) => Confidence::Medium,
        },
    })
}

/// `web.shop` or `web.shop.svc`: matches no service of Kubernetes, whose hosts end with the cluster's domain.
fn dotted(lint: &Lint<'_>, rule: &DestinationRule, written: &str) -> Option<Wrong> {
    let mesh = lint.mesh;
    let domain = &mesh.options.cluster_domain;
    // Somebody's own host, of a ServiceEntry.
    if written.ends_with(&format!(".{domain}")) || mesh.services.iter().any(|s| rule.host.matches(&s.host)) {
        return None;
    }
    let (short, svc) = written.strip_suffix(".svc").map_or((written, false), |short| (short, true));
    let (name, namespace) = short.rsplit_once('.')?;
    if name.contains('.') {
        return None;
    }
    let full = Host::of_service(name, namespace, domain);
    let there = mesh.index.hosts.contains_key(&full);
    let known =
        mesh.namespaces.contains_key(namespace) || mesh.services.iter().any(|s| *s.meta.namespace == *namespace);
    let confidence = match (svc || there, known) {
        (true, _) => Confidence::High,
        (false, true) => Confidence::Medium,
        (false, false) => return None,
    };
    Some(Wrong {
        message: format!("host {written} has a dot and is never completed: it does not match {full}"),
        help: format!("replace host {written} by {full}"),
        confidence,
    })
}

#[cfg(test)]
mod tests {
    use crate::lint::blocks::tests::{WEB, codes, found, rule};

    #[test]
    fn hosts_that_mean_something_else() {
        for (namespace, host, want) in [
            ("shop", "web", ""),
            ("other", "web", "MC0208 spec.host"),
            ("other", "db", ""),
            ("shop", "web.shop", "MC0208 spec.host"),
            ("shop", "web.shop.svc", "MC0208 spec.host"),
            ("shop", "db.shop", "MC0208 spec.host"),
            ("shop", "web.shop.svc.cluster.local", ""),
            ("shop", "db.example", ""),
            ("shop", "*.example.com", ""),
            ("shop", "'*.shop.svc'", "MC0208 spec.host"),
        ] {
            let text = rule("subsets: []")
                .replace("web.shop.svc.cluster.local", host)
                .replace("namespace: shop", &format!("namespace: {namespace}"))
                + WEB;
            assert_eq!(codes(&text, &["MC0208"]), want, "{namespace} {host}");
        }
    }

    #[test]
    fn a_rule_without_namespace_may_be_applied_anywhere() {
        let text =
            rule("subsets: []").replace("web.shop.svc.cluster.local", "web").replace(", namespace: shop", "") + WEB;
        let all = found(&text);
        let one = all.iter().find(|f| f.code.code == "MC0208").unwrap();
        assert_eq!(one.confidence.word(), "low");
    }
}
