//! AuthorizationPolicy, as far as rules of `lint` ask: whom it selects, and what its fields are about.
//!
//! Read leniently: what the API server refuses is no policy here; other rules speak of it. The meaning of the fields is
//! that of `pilot/pkg/security/authz/model/model.go`.

use super::Lint;
use crate::location::Path;
use crate::model::{Labels, ObjectId};
use crate::yaml::{Kind, Node};
use std::sync::Arc;

/// `action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// What matches is let in; what matches no ALLOW policy of a workload that has one is refused.
    Allow,
    /// What matches is refused.
    Deny,
    /// What matches is logged.
    Audit,
    /// An extension decides.
    Custom,
}

impl Action {
    /// The word of the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Deny => "DENY",
            Self::Audit => "AUDIT",
            Self::Custom => "CUSTOM",
        }
    }
}

/// What a field is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The caller's certificate: nothing that a plaintext caller has.
    Identity,
    /// A request: nothing that a TCP connection has.
    Http,
    /// The workload's port.
    Port,
    /// Anything else: addresses, SNI.
    Other,
}

/// Fields of `from.source` and `to.operation`: a positive one and the one that negates it.
const FIELDS: &[(&str, &str, About)] = &[
    ("principals", "notPrincipals", About::Identity),
    ("namespaces", "notNamespaces", About::Identity),
    ("serviceAccounts", "notServiceAccounts", About::Identity),
    ("trustDomains", "notTrustDomains", About::Identity),
    ("requestPrincipals", "notRequestPrincipals", About::Http),
    ("ipBlocks", "notIpBlocks", About::Other),
    ("remoteIpBlocks", "notRemoteIpBlocks", About::Other),
    ("hosts", "notHosts", About::Http),
    ("methods", "notMethods", About::Http),
    ("paths", "notPaths", About::Http),
    ("ports", "notPorts", About::Port),
];

/// Attributes of `when`, by how they begin.
const ATTRIBUTES: &[(&str, About)] = &[
    ("source.principal", About::Identity),
    ("source.namespace", About::Identity),
    ("source.serviceAccount", About::Identity),
    ("source.trustDomain", About::Identity),
    ("request.", About::Http),
    ("destination.port", About::Port),
];

/// The attributes of `when` that istiod hands on to ztunnel (`ambient/authorization.go : l4WhenAttributes`).
const ZTUNNEL_ATTRIBUTES: [&str; 5] =
    ["source.ip", "source.namespace", "source.principal", "destination.ip", "destination.port"];
/// Fields of a source that it does not hand on, besides those of HTTP (`ambient/authorization.go : httpSources`).
const NOT_FOR_ZTUNNEL: [&str; 4] = ["remoteIpBlocks", "notRemoteIpBlocks", "trustDomains", "notTrustDomains"];

/// One list of values.
#[derive(Clone, Debug)]
pub struct Field {
    /// `principals`, `notPaths`, or the attribute of a condition.
    pub name: Box<str>,
    /// Where it stands.
    pub path: Path,
    /// What it is about.
    pub about: About,
    /// A `not` field: it matches what has none of the values.
    pub negative: bool,
    /// Its values; never none.
    pub values: Vec<Box<str>>,
}

impl Field {
    /// The field as the author knows it: `principals`, `when source.principal`.
    #[must_use]
    pub fn title(&self) -> String {
        match (self.name.contains('.'), self.negative) {
            (true, false) => format!("when {}", self.name),
            (true, true) => format!("when {} (notValues)", self.name),
            (false, _) => self.name.to_string(),
        }
    }

    /// Whether istiod hands it on to ztunnel, which knows addresses, ports and the caller's identity.
    #[must_use]
    pub fn for_ztunnel(&self) -> bool {
        match self.name.contains('.') {
            true => ZTUNNEL_ATTRIBUTES.contains(&&*self.name),
            false => self.about != About::Http && !NOT_FOR_ZTUNNEL.contains(&&*self.name),
        }
    }

    /// Whether it says "any" and nothing else: `*`.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.values.iter().all(|value| &**value == "*")
    }
}

/// One entry of `rules`: one of the sources, one of the operations and all conditions must match.
#[derive(Clone, Debug)]
pub struct AuthorizationRule {
    /// The fields of each entry of `from`.
    pub sources: Vec<Vec<Field>>,
    /// The fields of each entry of `to`.
    pub operations: Vec<Vec<Field>>,
    /// `when`.
    pub conditions: Vec<Field>,
}

impl AuthorizationRule {
    /// What each way to match it by its source demands: the fields of one source and the conditions. One without fields
    /// where there is no `from`.
    pub fn callers(&self) -> impl Iterator<Item = impl Iterator<Item = &Field>> {
        let none = self.sources.is_empty().then_some(&[][..]);
        let sources = self.sources.iter().map(Vec::as_slice).chain(none);
        sources.map(|source| source.iter().chain(&self.conditions))
    }

    /// Every field of it.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.sources.iter().chain(&self.operations).flatten().chain(&self.conditions)
    }

    /// The operations, one without fields where there is no `to`.
    pub fn targets(&self) -> impl Iterator<Item = &[Field]> {
        let none = self.operations.is_empty().then_some(&[][..]);
        self.operations.iter().map(Vec::as_slice).chain(none)
    }

    /// Whether an operation is about a port, as far as fields about ports say.
    #[must_use]
    pub fn concerns(&self, operation: &[Field], port: u16) -> bool {
        operation.iter().chain(&self.conditions).filter(|field| field.about == About::Port).all(|field| {
            let listed = field.values.iter().any(|value| value.parse() == Ok(port));
            listed != field.negative
        })
    }

    /// Whether the rule is about a port.
    #[must_use]
    pub fn concerns_port(&self, port: u16) -> bool {
        self.targets().any(|operation| self.concerns(operation, port))
    }

    /// The ports that it names.
    pub fn named_ports(&self) -> impl Iterator<Item = u16> {
        let ports = self.fields().filter(|field| field.about == About::Port && !field.negative);
        ports.flat_map(|field| &field.values).filter_map(|value| value.parse().ok())
    }
}

/// One AuthorizationPolicy (`api:security/v1beta1/authorization_policy.proto`).
#[derive(Clone, Debug)]
pub struct AuthorizationPolicy {
    /// Where it is in the input.
    pub id: ObjectId,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
    /// `selector.matchLabels`; empty: every workload of the namespace, in the root namespace of the mesh.
    pub selector: Labels,
    /// It has `targetRef` or `targetRefs`: it is for gateways and waypoints.
    pub targeted: bool,
    /// `action`.
    pub action: Action,
    /// `rules`.
    pub rules: Vec<AuthorizationRule>,
}

/// The AuthorizationPolicies of the input, in its order.
#[must_use]
pub fn policies<'l>(lint: &'l Lint<'_>) -> &'l [AuthorizationPolicy] {
    let of = |(id, node): (ObjectId, Node<'_>)| {
        let object = lint.mesh.objects.get(id.0 as usize).filter(|object| &*object.group == "security.istio.io")?;
        read(id, object.namespace.clone(), object.name.clone(), node)
    };
    lint.authorization.get_or_init(|| lint.objects("AuthorizationPolicy").filter_map(of).collect())
}

/// `None` for what the API server refuses.
fn read(id: ObjectId, namespace: Arc<str>, name: Arc<str>, root: Node<'_>) -> Option<AuthorizationPolicy> {
    let spec = root.get("spec").filter(|spec| !spec.is_null());
    if spec.is_some_and(|spec| spec.kind() != Kind::Map) {
        return None;
    }
    let get = |key: &str| spec.and_then(|spec| spec.get(key)).filter(|node| !node.is_null());
    let action = match get("action").map(Node::as_str) {
        None | Some(Some("ALLOW")) => Action::Allow,
        Some(Some("DENY")) => Action::Deny,
        Some(Some("AUDIT")) => Action::Audit,
        Some(Some("CUSTOM")) => Action::Custom,
        Some(_) => return None,
    };
    let labels = get("selector").and_then(|selector| selector.get("matchLabels"));
    let pair = |(key, value): (Node<'_>, Node<'_>)| Some((key.text()?.as_ref().into(), value.text()?.as_ref().into()));
    let selector = Labels::new(labels.into_iter().flat_map(Node::entries).filter_map(pair));
    let path = Path::new("spec.rules");
    let rules = get("rules").into_iter().flat_map(Node::items).enumerate();
    let rules = rules.map(|(at, rule)| read_rule(rule, &path.index(at))).collect();
    let targeted = get("targetRef").is_some() || get("targetRefs").is_some_and(|list| !list.is_empty());
    Some(AuthorizationPolicy { id, namespace, name, selector, targeted, action, rules })
}

fn read_rule(node: Node<'_>, path: &Path) -> AuthorizationRule {
    let list = |key: &str, inner: &str| -> Vec<Vec<Field>> {
        let path = path.key(key);
        let items = node.get(key).into_iter().flat_map(Node::items).enumerate();
        items.map(|(at, item)| read_fields(item.get(inner), &path.index(at).key(inner))).collect()
    };
    let when = path.key("when");
    let conditions = node.get("when").into_iter().flat_map(Node::items).enumerate();
    AuthorizationRule {
        sources: list("from", "source"),
        operations: list("to", "operation"),
        conditions: conditions.flat_map(|(at, item)| read_condition(item, &when.index(at))).collect(),
    }
}

fn read_fields(node: Option<Node<'_>>, path: &Path) -> Vec<Field> {
    let entries = node.into_iter().flat_map(Node::entries);
    let read = |(key, value): (Node<'_>, Node<'_>)| {
        let name = key.text()?;
        let row = FIELDS.iter().find(|(positive, negative, _)| *positive == name || *negative == name);
        let (negative, about) = row.map_or((false, About::Other), |(_, negative, about)| (*negative == name, *about));
        field(&name, path.key(&name), about, negative, value)
    };
    entries.filter_map(read).collect()
}

fn read_condition(node: Node<'_>, path: &Path) -> Vec<Field> {
    let Some(key) = node.get("key").and_then(Node::text) else { return Vec::new() };
    let about = ATTRIBUTES.iter().find(|(start, _)| key.starts_with(start)).map_or(About::Other, |(_, about)| *about);
    let read = |(name, negative): (&str, bool)| field(&key, path.key(name), about, negative, node.get(name)?);
    [("values", false), ("notValues", true)].into_iter().filter_map(read).collect()
}

/// A list without values says nothing (`model.go : insertFront`).
fn field(name: &str, path: Path, about: About, negative: bool, values: Node<'_>) -> Option<Field> {
    let values: Vec<Box<str>> = values.items().filter_map(|item| Some(item.text()?.as_ref().into())).collect();
    (!values.is_empty()).then(|| Field { name: name.into(), path, about, negative, values })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A policy with this spec, in namespace `shop`.
    pub(in crate::lint) fn policy(spec: &str) -> Option<AuthorizationPolicy> {
        let tree = crate::yaml::parse_text(&format!("spec: {spec}")).unwrap();
        read(ObjectId(0), "shop".into(), "p".into(), tree.root())
    }

    /// What lint finds of one code in a text: the paths, with severity and confidence.
    pub(in crate::lint) fn found(code: &str, text: &str) -> Vec<String> {
        let mut sources = crate::location::Sources::default();
        sources.add("test.yaml", text.to_owned());
        let mesh = crate::model::load(sources, crate::model::Options::default());
        let matrix = crate::mtls::check::check(&mesh);
        let findings = crate::lint::run(&matrix).into_iter().filter(|finding| finding.code.code == code);
        let told = findings.map(|finding| {
            let path = finding.path.map_or_else(String::new, |path| path.as_str().to_owned());
            format!("{path} {} {}", finding.severity, finding.confidence)
        });
        told.collect()
    }

    /// Namespace `shop` with the workload and Service `web` (http 8080, tcp 9000), and `legacy` without sidecars.
    pub(in crate::lint) const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: legacy}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: old, namespace: legacy}
spec: {template: {metadata: {labels: {app: old}}, spec: {containers: [{name: old, image: old}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp-x, port: 9000}]}
---
";

    /// A policy document.
    pub(in crate::lint) fn authorization(namespace: &str, name: &str, spec: &str) -> String {
        let head = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy";
        format!("{head}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n---\n")
    }

    /// A PeerAuthentication document.
    pub(in crate::lint) fn authentication(namespace: &str, spec: &str) -> String {
        let head = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication";
        format!("{head}\nmetadata: {{name: default, namespace: {namespace}}}\nspec: {spec}\n---\n")
    }

    #[test]
    fn what_the_api_server_refuses_is_no_policy() {
        for (spec, want) in [
            ("{}", Some(Action::Allow)),
            ("", Some(Action::Allow)),
            ("{action: DENY}", Some(Action::Deny)),
            ("{action: deny}", None),
            ("{action: 1}", None),
            ("ALLOW", None),
            ("{rules: 5, selector: [a], action: AUDIT}", Some(Action::Audit)),
            ("{rules: {a: b}, action: CUSTOM}", Some(Action::Custom)),
        ] {
            assert_eq!(policy(spec).map(|policy| policy.action), want, "{spec}");
        }
    }

    #[test]
    fn fields_know_what_they_are_about() {
        let spec = "{rules: [{from: [{source: {principals: [a], notIpBlocks: [b], own: [c], namespaces: []}}],
            to: [{operation: {ports: [80], notPaths: [/x]}}],
            when: [{key: 'request.headers[a]', values: [x]}, {key: source.namespace, notValues: [y]}, {values: [z]}]}]}";
        let policy = policy(spec).unwrap();
        let told: Vec<_> = policy.rules[0].fields().map(|f| (f.title(), f.about, f.negative)).collect();
        let row = |title: &str, about, negative| (title.to_owned(), about, negative);
        assert_eq!(
            told,
            [
                row("principals", About::Identity, false),
                row("notIpBlocks", About::Other, true),
                row("own", About::Other, false),
                row("ports", About::Port, false),
                row("notPaths", About::Http, true),
                row("when request.headers[a]", About::Http, false),
                row("when source.namespace (notValues)", About::Identity, true),
            ]
        );
        assert_eq!(policy.rules[0].sources[0][0].path.as_str(), "spec.rules[0].from[0].source.principals");
    }

    #[test]
    fn ztunnel_gets_fields_of_connections_only() {
        let of = |rule: &str| {
            let policy = policy(&format!("{{rules: [{rule}]}}")).unwrap();
            policy.rules[0].fields().next().unwrap().for_ztunnel()
        };
        for (name, want) in [
            ("principals", true),
            ("notNamespaces", true),
            ("serviceAccounts", true),
            ("ipBlocks", true),
            ("trustDomains", false),
            ("remoteIpBlocks", false),
            ("notRemoteIpBlocks", false),
            ("requestPrincipals", false),
        ] {
            assert_eq!(of(&format!("{{from: [{{source: {{{name}: [a]}}}}]}}")), want, "{name}");
        }
        for (name, want) in [("ports", true), ("notPorts", true), ("methods", false), ("notHosts", false)] {
            assert_eq!(of(&format!("{{to: [{{operation: {{{name}: [a]}}}}]}}")), want, "{name}");
        }
        for (key, want) in [
            ("source.ip", true),
            ("source.principal", true),
            ("destination.port", true),
            ("source.serviceAccount", false),
            ("remote.ip", false),
            ("connection.sni", false),
            ("request.headers[x]", false),
            ("experimental.envoy.filters.network.mysql_proxy[db]", false),
        ] {
            assert_eq!(of(&format!("{{when: [{{key: '{key}', notValues: [a]}}]}}")), want, "{key}");
        }
    }

    #[test]
    fn ports_limit_a_rule() {
        for (rule, port, want) in [
            ("{}", 80, true),
            ("{to: [{operation: {ports: ['80']}}]}", 80, true),
            ("{to: [{operation: {ports: ['80']}}]}", 81, false),
            ("{to: [{operation: {ports: ['80']}}, {operation: {methods: [GET]}}]}", 81, true),
            ("{to: [{operation: {notPorts: ['80']}}]}", 80, false),
            ("{when: [{key: destination.port, values: ['80']}]}", 81, false),
            ("{when: [{key: destination.port, notValues: ['80']}]}", 81, true),
        ] {
            let policy = policy(&format!("{{rules: [{rule}]}}")).unwrap();
            assert_eq!(policy.rules[0].concerns_port(port), want, "{rule} {port}");
        }
    }
}
