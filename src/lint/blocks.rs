//! What rules over DestinationRules share: every `tls` block of the mesh, its YAML, and whether calls fail because of it.

use super::Lint;
use super::rules::is_unknown_port;
use crate::location::{Path, Step};
use crate::model::destination_rule::{ClientTls, TrafficPolicy};
use crate::model::{DestinationRule, ObjectId};
use crate::mtls::because::tls_path;
use crate::mtls::client::TlsFrom;
use crate::yaml::Node;

/// One `tls` block of a DestinationRule.
pub struct Block<'m> {
    /// The rule.
    pub rule: &'m DestinationRule,
    /// What it says.
    pub tls: &'m ClientTls,
    /// Where it stands.
    pub from: TlsFrom,
}

impl<'m> Block<'m> {
    /// Its path in the rule.
    #[must_use]
    pub fn path(&self) -> Path {
        tls_path(self.from)
    }

    /// The port that it is for, where it stands in an entry of `portLevelSettings`.
    fn port(&self) -> Option<u16> {
        let policy = match self.from.subset {
            Some(at) => self.rule.subsets.get(at as usize)?.policy.as_ref()?,
            None => self.rule.policy.as_ref()?,
        };
        policy.ports.get(self.from.port? as usize)?.0
    }

    /// The path of its mode; its own, where it has none.
    #[must_use]
    pub fn mode_path(&self) -> Path {
        if self.tls.mode_written { self.path().key("mode") } else { self.path() }
    }

    /// Its YAML.
    #[must_use]
    pub fn node(&self, lint: &Lint<'m>) -> Option<Node<'m>> {
        node_at(lint.node(self.rule.meta.id)?, &self.path())
    }

    /// Whether `credentialName` makes sidecars send plaintext (2.7): MC0209's case.
    #[must_use]
    pub fn credential_ignored(&self) -> bool {
        use crate::model::destination_rule::TlsMode::{Mutual, Simple};
        self.tls.secret_credential && self.rule.selector.is_none() && matches!(self.tls.mode, Simple | Mutual)
    }
}

/// Every `tls` block that can act, by rule: the policy's own, those of its ports, those of subsets and theirs. Without
/// those of ports that the Service does not have: MC0212 says that they act on nothing.
pub fn blocks<'a, 'm>(lint: &'a Lint<'m>) -> impl Iterator<Item = Block<'m>> + use<'a, 'm> {
    let written = (0..).zip(&lint.mesh.rules).filter(|(_, rule)| rule.made_from.is_none());
    let all = written.flat_map(|(number, rule)| blocks_of(number, rule));
    all.filter(|block| block.port().is_none_or(|port| !is_unknown_port(lint, block.rule, port)))
}

/// The `tls` blocks of a rule.
pub fn blocks_of(number: u32, rule: &DestinationRule) -> impl Iterator<Item = Block<'_>> {
    let own = rule.policy.iter().map(|policy| (None, policy));
    let subsets = (0..).zip(&rule.subsets).filter_map(|(at, subset)| Some((Some(at), subset.policy.as_ref()?)));
    own.chain(subsets).flat_map(move |(subset, policy)| in_policy(number, rule, subset, policy))
}

fn in_policy<'m>(
    number: u32,
    rule: &'m DestinationRule,
    subset: Option<u32>,
    policy: &'m TrafficPolicy,
) -> impl Iterator<Item = Block<'m>> {
    let top = policy.top.tls.iter().map(|tls| (None, tls));
    let ports = (0..).zip(&policy.ports).filter_map(|(at, (_, own))| Some((Some(at), own.tls.as_ref()?)));
    let from = move |port| TlsFrom { rule: number, subset, port, backend: false };
    top.chain(ports).map(move |(port, tls)| Block { rule, tls, from: from(port) })
}

/// The part of an object at a path.
#[must_use]
pub fn node_at<'a>(node: Node<'a>, path: &Path) -> Option<Node<'a>> {
    path.steps().iter().try_fold(node, |node, step| match step {
        Step::Key(key) => node.get(key),
        Step::Index(at) => node.items().nth(*at),
    })
}

/// Whether calls fail because of a field, whatever the code.
#[must_use]
pub fn caused(lint: &Lint<'_>, object: ObjectId, path: &Path) -> bool {
    lint.causes.iter().any(|cause| cause.object == object && cause.path == *path)
}

#[cfg(test)]
pub(super) mod tests {
    use crate::finding::Finding;
    use crate::lint::run;
    use crate::model::{Options, load_text};
    use crate::mtls::check::check;

    /// Code, severity, confidence and path of every finding on a text.
    pub fn found(text: &str) -> Vec<Finding> {
        let mesh = load_text(text, Options { assume_injected: true, ..Options::default() });
        run(&check(&mesh))
    }

    /// `CODE path` of the findings on a text with one of some codes.
    pub fn codes(text: &str, wanted: &[&str]) -> String {
        let one = |finding: &Finding| {
            let path = finding.path.as_ref().map_or("", |path| path.as_str());
            format!("{} {path}", finding.code.code).trim_end().to_owned()
        };
        let all = found(text);
        let all: Vec<String> = all.iter().filter(|f| wanted.contains(&f.code.code)).map(one).collect();
        all.join("; ")
    }

    /// A rule for `web.shop` with this spec besides its host.
    pub fn rule(spec: &str) -> String {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\n\
             spec: {{host: web.shop.svc.cluster.local, {spec}}}\n"
        )
    }

    /// A Service `web.shop` with port 80 and a pod of it.
    pub const WEB: &str = "---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}}
---
";

    #[test]
    fn every_block_is_found_with_its_path() {
        let text = rule(
            "trafficPolicy: {tls: {}, portLevelSettings: [{port: {number: 1}}, {port: {number: 2}, tls: {sni: a}}]}, \
             subsets: [{name: a}, {name: b, trafficPolicy: {tls: {}, portLevelSettings: [{port: {number: 3}, tls: {}}]}}]",
        );
        let want = "MC0206 spec.trafficPolicy.tls; MC0206 spec.trafficPolicy.portLevelSettings[1].tls; \
                    MC0206 spec.subsets[1].trafficPolicy.tls; \
                    MC0206 spec.subsets[1].trafficPolicy.portLevelSettings[0].tls";
        assert_eq!(codes(&text, &["MC0206"]), want);
    }
}
