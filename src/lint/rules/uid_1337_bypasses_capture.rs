//! MC0312: an application container that runs as the proxy's own user or group, 1337: its calls are not captured
//! (istio-mtls.md 1.5). In OpenShift Service Mesh before version 3 the proxy is another user (8.5).

use crate::finding::UID_1337_BYPASSES_CAPTURE;
use crate::lint::pods::{Pod, confidence};
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::Proxy;
use crate::yaml::Node;

/// Reports each workload with such a container.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for workload in lint.mesh.workloads.iter().filter(|w| w.user_1337 && w.proxy == Proxy::Sidecar) {
        let mut causes = lint.causes_of(&UID_1337_BYPASSES_CAPTURE);
        let cause = causes.find(|cause| cause.object == workload.meta.id);
        let user = workload.proxy_user;
        let place = Pod::of(lint, workload).and_then(|pod| place(&pod, user));
        let what = place.as_ref().map_or("runAsUser or runAsGroup", |(_, key)| key);
        let fails = cause.map_or_else(String::new, |cause| format!("; {}", cause.summary(lint.matrix)));
        let message = format!(
            "{what} {user} of {} is the proxy's own: its calls bypass the sidecar and leave as plaintext{fails}",
            workload.meta.slash()
        );
        let help = format!("replace {what}: {user} by another number");
        // The workload as a whole is what rows fail by; the line is that of the field.
        let finding = out.add(workload.meta.id, Path::default(), message, help);
        finding.confidence = confidence(workload);
        if let Some((path, _)) = place {
            finding.at = lint.mesh.locate(workload.meta.id, &path);
        }
    }
}

/// A field of a securityContext, where it is written.
fn own<'a>(node: Node<'a>, key: &str) -> Option<Node<'a>> {
    node.get("securityContext")?.get(key).filter(|value| !value.is_null())
}

/// The first field that says so: a container's, else the pod's where no container overrides it.
fn place(pod: &Pod<'_>, user: i64) -> Option<(Path, &'static str)> {
    for container in pod.containers() {
        for key in ["runAsUser", "runAsGroup"] {
            let written = own(container.node, key);
            let (value, path) = match written {
                Some(value) => (Some(value), &container.path),
                None => (own(pod.spec, key), &pod.path),
            };
            if value.and_then(Node::as_i64) == Some(user) {
                return Some((path.key("securityContext").key(key), key));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::lint::pods::tests::{STRICT, found};

    #[test]
    fn the_line_is_that_of_the_field() {
        let mesh = |pod: &str, container: &str, namespace: &str| {
            format!(
                "{STRICT}apiVersion: v1\nkind: Namespace\nmetadata: {{name: out, labels: {{istio-injection: disabled}}}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: {namespace}}}\nspec:\n  securityContext: {{{pod}}}\n  containers:\n    - name: web\n      securityContext: {{{container}}}\n"
            )
        };
        let start = STRICT.lines().count() as u32 + 4;
        for (pod, container, namespace, line) in [
            ("", "runAsUser: 1337", "shop", Some(start + 8)),
            ("", "runAsGroup: 1337", "shop", Some(start + 8)),
            ("runAsUser: 1337", "", "shop", Some(start + 5)),
            ("runAsUser: 1337", "runAsUser: 1000", "shop", None),
            ("", "runAsUser: 1000", "shop", None),
            ("", "runAsUser: 1337", "out", None),
        ] {
            let lines: Vec<u32> =
                found(&mesh(pod, container, namespace), "MC0312").into_iter().map(|(line, _)| line).collect();
            assert_eq!(lines, Vec::from_iter(line), "{pod} {container} {namespace}");
        }
    }

    #[test]
    fn in_openshift_the_proxy_is_the_applications_user_plus_one() {
        for (pod, container, annotation, want) in [
            ("", "runAsUser: 1337", "", false),
            ("", "runAsGroup: 1337", "", true),
            ("runAsUser: 1000", "runAsGroup: 1001", "", true),
            ("runAsUser: 1000", "runAsGroup: 1337", "", false),
            ("runAsUser: 1000", "", "sidecar.istio.io/proxyUID: \"1000\"", true),
        ] {
            let text = format!(
                "{{apiVersion: maistra.io/v2, kind: ServiceMeshControlPlane, metadata: {{name: basic, namespace: cp}}, spec: {{version: v2.4}}}}\n---\n{{apiVersion: maistra.io/v1, kind: ServiceMeshMemberRoll, metadata: {{name: default, namespace: cp}}, spec: {{members: [shop]}}}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: shop}}\nspec:\n  template:\n    metadata: {{annotations: {{sidecar.istio.io/inject: \"true\", {annotation}}}}}\n    spec: {{securityContext: {{{pod}}}, containers: [{{name: web, securityContext: {{{container}}}}}]}}\n"
            );
            let found = crate::lint::trial::findings(&text, &crate::finding::UID_1337_BYPASSES_CAPTURE);
            assert_eq!(found.len(), usize::from(want), "{text}");
        }
    }
}
