//! The objects that the operator of OpenShift Service Mesh makes in the control plane's namespace, put in as if the
//! input held them (istio-mtls.md 8.3).
//!
//! `chart:mesh-config/templates/enable-mesh-{mtls,permissive}.yaml`. Two policies of the add-ons are left out: they have
//! a selector in the root namespace, so they apply to nothing.

use super::{Maistra, Plane, Release};
use crate::location::Path;
use crate::model::destination_rule::{ClientTls, DestinationRule, PortPolicy, TlsMode, TrafficPolicy};
use crate::model::{AuthnPolicy, Host, Labels, Mesh, Meta, MtlsMode, Object, ObjectId, PeerAuthentication};
use std::sync::Arc;

/// Which object makes another one, and by which of its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The control plane.
    pub by: ObjectId,
    /// The field.
    pub path: Path,
}

/// A rule that the operator makes: name, host, mode, and the field that asks for it.
struct RuleMade {
    name: &'static str,
    host: Host,
    mode: TlsMode,
    path: String,
}

impl Mesh {
    /// Adds what the operator makes and the input does not hold. An object of the input stands over the operator's.
    pub(in crate::model) fn create_operator_objects(&mut self) {
        let Some(plane) = self.control.as_ref().and_then(|control| control.plane.clone()) else { return };
        let (Some(own), Some(release)) = (&plane.maistra, self.control.as_ref().and_then(super::Control::release))
        else {
            return;
        };
        let mode = if own.mtls { MtlsMode::Strict } else { MtlsMode::Permissive };
        if release.major > 1 {
            self.create_policy(&plane, own, mode);
        } else {
            self.create_old_policy(&plane, own, mode);
        }
        for rule in rules(&plane, own, release, &self.options.cluster_domain) {
            self.create_rule(&plane, rule);
        }
    }

    /// `PILOT_IGNORE_RESOURCES` leaves the operator's objects out as any other.
    fn reads(&self, kind: &str, group: &str) -> bool {
        !self.options.env.leaves_out(kind, group)
    }

    fn create_policy(&mut self, plane: &Plane, own: &Maistra, mode: MtlsMode) {
        if !self.reads("PeerAuthentication", "security.istio.io") {
            return;
        }
        let there = self.policies.iter().find(|p| p.meta.namespace == plane.namespace && &*p.meta.name == "default");
        if let Some(there) = there.map(|policy| policy.meta.clone()) {
            self.stands_over("PeerAuthentication", &there);
            return;
        }
        let meta = self.make(plane, "PeerAuthentication", "security.istio.io", "default", &own.mtls_path);
        self.policies.push(PeerAuthentication {
            meta,
            selector: Labels::default(),
            mode: Some(mode),
            ports: Vec::new(),
        });
    }

    /// 1.x: the policy of the old API takes the place of MeshPolicy.
    fn create_old_policy(&mut self, plane: &Plane, own: &Maistra, mode: MtlsMode) {
        let there = self.authn_policies.iter().find(|policy| {
            policy.maistra && policy.meta.namespace == plane.namespace && &*policy.meta.name == "default"
        });
        if let Some(there) = there.map(|policy| policy.meta.clone()) {
            self.stands_over("ServiceMeshPolicy", &there);
            return;
        }
        let meta = self.make(plane, "ServiceMeshPolicy", "authentication.maistra.io", "default", &own.mtls_path);
        self.authn_policies.push(AuthnPolicy::of_control_plane(meta, mode, "spec.istio.global.mtls.enabled"));
    }

    fn create_rule(&mut self, plane: &Plane, rule: RuleMade) {
        if !self.reads("DestinationRule", "networking.istio.io") {
            return;
        }
        let RuleMade { name, host, mode, path } = rule;
        let there = self.rules.iter().find(|r| r.meta.namespace == plane.namespace && &*r.meta.name == name);
        if let Some(there) = there.map(|rule| rule.meta.clone()) {
            self.stands_over("DestinationRule", &there);
            return;
        }
        let meta = self.make(plane, "DestinationRule", "networking.istio.io", name, &path);
        let tls = ClientTls::of(mode);
        let top = PortPolicy { tls: Some(tls), passthrough: false, port_name: None };
        let policy = Some(TrafficPolicy { top, ports: Vec::new() });
        self.rules.push(DestinationRule {
            meta,
            host,
            policy,
            subsets: Vec::new(),
            export_to: Vec::new(),
            selector: None,
            made_from: None,
        });
    }

    /// The operator writes its objects again whenever it reconciles: one of the input that is not its own lasts until
    /// then.
    fn stands_over(&mut self, kind: &str, there: &Meta) {
        if there.labels.get(OPERATOR).is_some() {
            return;
        }
        let note = format!(
            "{kind} {} of the input stands over the operator's own of that name, until the operator writes it again",
            there.slash()
        );
        if let Some(control) = &mut self.control {
            control.notes.push(note);
        }
    }

    fn make(&mut self, plane: &Plane, kind: &str, group: &str, name: &str, path: &str) -> Meta {
        let id = ObjectId(u32::try_from(self.objects.len()).unwrap_or(u32::MAX));
        let by = plane.meta.id;
        let Some(object) = self.objects.get(by.0 as usize).cloned() else { return plane.meta.clone() };
        let name: Arc<str> = name.into();
        self.objects.push(Object {
            kind: kind.into(),
            group: group.into(),
            namespace: plane.namespace.clone(),
            name: name.clone(),
            made: Some(Box::new(Made { by, path: Path::new(path) })),
            ..object
        });
        Meta {
            id,
            namespace: plane.namespace.clone(),
            name,
            labels: Labels::new([(OPERATOR.into(), "".into())]),
            annotations: Labels::default(),
            created: plane.meta.created.clone(),
            made: true,
        }
    }
}

/// The label that the operator gives to what it makes.
const OPERATOR: &str = "maistra-version";

fn rules(plane: &Plane, own: &Maistra, release: Release, domain: &str) -> Vec<RuleMade> {
    let mut rules = Vec::new();
    if own.mtls {
        let everything = if release < Release::new(2, 2) { "*.local".to_owned() } else { format!("*.{domain}") };
        let host = Host(everything.into());
        let path = own.mtls_path.clone();
        rules.push(RuleMade { name: "default", host, mode: TlsMode::IstioMutual, path });
        let (host, path) = (Host::of_service("kubernetes", "default", domain), own.mtls_path.clone());
        rules.push(RuleMade { name: "api-server", host, mode: TlsMode::Disable, path });
    }
    if let Some(path) = &own.jaeger {
        for (name, service) in
            [("disable-mtls-jaeger-collector", "jaeger-collector"), ("disable-mtls-zipkin", "zipkin")]
        {
            let host = Host::of_service(service, &plane.namespace, domain);
            rules.push(RuleMade { name, host, mode: TlsMode::Disable, path: path.clone() });
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use crate::location::{Path, Sources};
    use crate::model::{Mesh, MtlsMode, Options, load};

    fn mesh(version: &str, spec: &str, more: &str) -> Mesh {
        let mut sources = Sources::default();
        let api = if version.starts_with("v1") { "v1" } else { "v2" };
        let text = format!(
            "apiVersion: maistra.io/{api}\nkind: ServiceMeshControlPlane\nmetadata: {{name: basic, namespace: cp}}\nspec:\n  version: {version}\n{spec}\n---\n{more}\n"
        );
        sources.add("a.yaml", text);
        load(sources, Options::default())
    }

    fn rules(mesh: &Mesh) -> Vec<String> {
        let mode = |rule: &crate::model::DestinationRule| {
            rule.policy.as_ref().and_then(|p| p.top.tls.as_ref()).map_or("-", |tls| tls.mode.word())
        };
        mesh.rules.iter().map(|rule| format!("{} {} {}", rule.meta.slash(), rule.host, mode(rule))).collect()
    }

    const ON: &str = "  security:\n    dataPlane:\n      mtls: true";

    #[test]
    fn what_the_operator_makes_and_where_it_stands() {
        let on = mesh("v2.4", ON, "");
        let [policy] = &on.policies[..] else { panic!("one policy") };
        assert_eq!((policy.meta.slash().as_str(), policy.mode), ("cp/default", Some(MtlsMode::Strict)));
        let at = on.locate(policy.meta.id, &Path::new("spec.mtls.mode"));
        assert_eq!((at.line, at.column), (8, 7));
        assert_eq!(
            rules(&on),
            ["cp/api-server kubernetes.default.svc.cluster.local DISABLE", "cp/default *.cluster.local ISTIO_MUTUAL"]
        );
        assert!(rules(&mesh("v2.1", ON, "")).contains(&"cp/default *.local ISTIO_MUTUAL".to_owned()));
        let off = mesh("v2.4", "  security: {}", "");
        assert_eq!(off.policies.first().expect("a policy").mode, Some(MtlsMode::Permissive));
        assert_eq!(rules(&off), [] as [String; 0]);
        assert_eq!(off.control.as_ref().expect("a control plane").notes.len(), 1, "no roll");
        let domain = "  proxy: {networking: {clusterDomain: corp.example}}\n  security: {dataPlane: {mtls: true}}";
        assert!(rules(&mesh("v2.2", domain, "")).contains(&"cp/default *.corp.example ISTIO_MUTUAL".to_owned()));
    }

    #[test]
    fn an_object_of_the_input_stands_over_the_operators() {
        let policy = |labels: &str| {
            format!(
                "{{apiVersion: security.istio.io/v1beta1, kind: PeerAuthentication, metadata: {{name: default, namespace: cp, labels: {{{labels}}}}}, spec: {{mtls: {{mode: DISABLE}}}}}}"
            )
        };
        for (labels, notes) in [("", 2), ("maistra-version: 2.4.1", 1)] {
            let mesh = mesh("v2.4", ON, &policy(labels));
            let modes: Vec<_> = mesh.policies.iter().map(|policy| policy.mode).collect();
            assert_eq!(modes, [Some(MtlsMode::Disable)]);
            assert_eq!(mesh.control.as_ref().expect("a control plane").notes.len(), notes, "{labels}");
        }
    }

    #[test]
    fn istiod_may_not_read_them() {
        let spec = format!(
            "{ON}\n  runtime: {{components: {{pilot: {{container: {{env: {{PILOT_IGNORE_RESOURCES: '*.istio.io'}}}}}}}}}}"
        );
        let mesh = mesh("v2.4", &spec, "");
        assert_eq!((mesh.policies.len(), mesh.rules.len()), (0, 0));
    }

    #[test]
    fn the_first_product_has_a_policy_of_the_old_api() {
        for (spec, mode) in
            [("  istio: {}", MtlsMode::Permissive), ("  istio: {global: {mtls: {enabled: true}}}", MtlsMode::Strict)]
        {
            let mesh = mesh("v1.1", spec, "");
            let [policy] = &mesh.authn_policies[..] else { panic!("one policy") };
            assert_eq!((policy.meta.slash().as_str(), policy.mode, policy.maistra), ("cp/default", mode, true));
            assert_eq!(mesh.policies.len(), 0);
        }
    }

    #[test]
    fn the_tracing_add_on_has_rules_of_its_own() {
        let found = rules(&mesh("v2.4", "  tracing: {type: Jaeger}", ""));
        assert_eq!(
            found,
            [
                "cp/disable-mtls-jaeger-collector jaeger-collector.cp.svc.cluster.local DISABLE",
                "cp/disable-mtls-zipkin zipkin.cp.svc.cluster.local DISABLE",
            ]
        );
    }
}
