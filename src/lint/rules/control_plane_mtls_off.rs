//! MC0122: a control plane of OpenShift Service Mesh whose object switches mutual TLS off (istio-mtls.md 8.2, 8.7).

use crate::finding::Severity;
use crate::lint::{Lint, Out, related};
use crate::location::Path;
use crate::model::ObjectId;
use crate::yaml::Node;

/// Fields that switch mutual TLS of the data plane off with `false`: kind, field, and what follows.
const FIELDS: [(&str, &str, &str); 7] = [
    (MAISTRA, "spec.security.dataPlane.mtls", NO_POLICY),
    (MAISTRA, "spec.security.dataPlane.automtls", NO_AUTO),
    (MAISTRA, "spec.istio.global.mtls.enabled", NO_POLICY),
    (MAISTRA, "spec.istio.global.mtls.auto", NO_AUTO),
    (MAISTRA, "spec.techPreview.meshConfig.enableAutoMtls", NO_AUTO),
    ("Istio", "spec.values.meshConfig.enableAutoMtls", NO_AUTO),
    ("IstioRevision", "spec.values.meshConfig.enableAutoMtls", NO_AUTO),
];

const MAISTRA: &str = "ServiceMeshControlPlane";
const NO_POLICY: &str = "the operator's mesh-wide policy is PERMISSIVE, so plaintext is accepted everywhere that no other policy refuses it";
const NO_AUTO: &str = "clients send plaintext to every service that no DestinationRule has a tls block for";

/// Mutual TLS between the control plane's own components, in either spelling.
const CONTROL: [&str; 2] = ["spec.security.controlPlane.mtls", "spec.istio.global.controlPlaneSecurityEnabled"];

/// Reports each such object once, at its first field.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for kind in [MAISTRA, "Istio", "IstioRevision"] {
        for (id, root) in lint.objects(kind) {
            let off = |path: &str| root.find(path).and_then(Node::as_bool) == Some(false);
            let found: Vec<_> = FIELDS.iter().filter(|(of, path, _)| *of == kind && off(path)).collect();
            match found.split_first() {
                Some(((_, path, why), more)) => {
                    let also: String = more.iter().map(|(_, path, why)| format!("; {}: {why}", last(path))).collect();
                    let help = "replace false by true, or leave the field out where policies and rules of the namespaces say \
                                what they need; mutual TLS between control-plane components (controlPlane.mtls) is no \
                                substitute";
                    let message = format!("{} is false: {why}{also}", last(path));
                    let finding = out.add(id, Path::new(*path), message, help);
                    for (_, path, _) in more {
                        finding.related.push(related(lint.mesh, id, &Path::new(*path), "false, too"));
                    }
                }
                None => control_only(id, root, out),
            }
        }
    }
}

fn last(path: &str) -> &str {
    path.strip_prefix("spec.").unwrap_or(path)
}

/// `controlPlane.mtls` alone says nothing of the data plane, whatever its value.
fn control_only(id: ObjectId, root: Node<'_>, out: &mut Out<'_>) {
    let on = |path: &str| root.find(path).and_then(Node::as_bool) == Some(true);
    if on("spec.security.dataPlane.mtls") || on("spec.istio.global.mtls.enabled") {
        return;
    }
    let Some(path) = CONTROL.iter().find(|path| root.find(path).and_then(Node::as_bool).is_some()) else { return };
    let message =
        format!("{} is about the control plane's own components and never touches the data plane", last(path));
    let help = "set security.dataPlane.mtls (1.x: global.mtls.enabled) where mutual TLS between workloads is meant";
    out.add(id, Path::new(*path), message, help).severity = Severity::Info;
}

#[cfg(test)]
mod tests {
    use crate::finding::CONTROL_PLANE_MTLS_OFF as CODE;
    use crate::lint::trial::places;

    #[test]
    fn what_is_off_is_said_once_for_each_control_plane() {
        let plane = |api: &str, kind: &str, spec: &str| {
            let namespace = if kind == "ServiceMeshControlPlane" { ", namespace: cp" } else { "" };
            format!("{{apiVersion: {api}, kind: {kind}, metadata: {{name: a{namespace}}}, spec: {spec}}}\n")
        };
        let maistra = |spec: &str| plane("maistra.io/v2", "ServiceMeshControlPlane", spec);
        for (text, want) in [
            (maistra("{version: v2.5}"), vec![]),
            (maistra("{version: v2.5, security: {dataPlane: {mtls: true}}}"), vec![]),
            (
                maistra(
                    "{version: v2.5, security: {dataPlane: {mtls: false, automtls: false}, controlPlane: {mtls: false}}}",
                ),
                vec!["spec.security.dataPlane.mtls warning high"],
            ),
            (
                maistra("{version: v2.5, security: {dataPlane: {mtls: true, automtls: false}}}"),
                vec!["spec.security.dataPlane.automtls warning high"],
            ),
            (
                maistra("{version: v2.5, security: {controlPlane: {mtls: true}}}"),
                vec!["spec.security.controlPlane.mtls info high"],
            ),
            (maistra("{version: v2.5, security: {dataPlane: {mtls: true}, controlPlane: {mtls: false}}}"), vec![]),
            (
                plane("maistra.io/v1", "ServiceMeshControlPlane", "{istio: {global: {mtls: {enabled: false}}}}"),
                vec!["spec.istio.global.mtls.enabled warning high"],
            ),
            (
                plane(
                    "sailoperator.io/v1",
                    "Istio",
                    "{version: v1.26.4, values: {meshConfig: {enableAutoMtls: false}}}",
                ),
                vec!["spec.values.meshConfig.enableAutoMtls warning high"],
            ),
            (plane("sailoperator.io/v1", "Istio", "{version: v1.26.4}"), vec![]),
        ] {
            assert_eq!(places(&text, &CODE), want, "{text}");
        }
    }
}
