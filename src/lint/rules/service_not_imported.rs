//! MC0313: a Sidecar or an `exportTo` hides a service from its client, and the client's proxy refuses unknown hosts
//! (istio-mtls.md 2.1).

use crate::finding::SERVICE_NOT_IMPORTED;
use crate::lint::conflict::limited;
use crate::lint::{Lint, Out};
use crate::mtls::client::{Reach, Unknown};

/// Reports each object that hides what its clients call.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for cause in lint.causes_of(&SERVICE_NOT_IMPORTED) {
        let Some((rows, row, ..)) = cause.sample(lint.matrix) else { continue };
        let service = lint.mesh.services.get(rows.service as usize);
        let host = service.map_or("the service", |service| service.host.as_str());
        let namespace = service.map_or("?", |service| &*service.meta.namespace);
        let summary = cause.summary(lint.matrix);
        let (message, help) = match row.decision.reach {
            Reach::BlackHoled(Unknown::NotExported) => (
                format!(
                    "{host} is not exported to its clients, whose proxies refuse unknown hosts (REGISTRY_ONLY); {summary}"
                ),
                "add the clients' namespaces to exportTo (of a Service: annotation networking.istio.io/exportTo)"
                    .to_owned(),
            ),
            Reach::BlackHoled(Unknown::NotMember) => (
                format!(
                    "{host} is in namespace {namespace}, which is no member of the mesh, and proxies refuse unknown hosts (REGISTRY_ONLY); {summary}"
                ),
                format!("add {namespace} to the ServiceMeshMemberRoll"),
            ),
            _ => (
                format!(
                    "this Sidecar does not import {host}, and its proxies refuse unknown hosts (REGISTRY_ONLY); {summary}"
                ),
                format!(
                    "add {namespace}/{host} to egress.hosts; or set outboundTrafficPolicy mode ALLOW_ANY, with which the call leaves as plaintext"
                ),
            ),
        };
        let finding = out.add(cause.object, cause.path.clone(), message, help);
        if cause.path.as_str() == "spec.egress" {
            limited(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::pods::tests::{STRICT, found};

    #[test]
    fn only_what_is_refused_is_reported() {
        let mesh = |hosts: &str, mode: &str| {
            format!(
                "{STRICT}apiVersion: v1\nkind: Namespace\nmetadata: {{name: front, labels: {{istio-injection: enabled}}}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop}}\nspec: {{selector: {{app: web}}, ports: [{{name: http, port: 8080}}]}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: shop, labels: {{app: web}}}}\nspec: {{containers: [{{name: web}}]}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: cli, namespace: front}}\nspec: {{containers: [{{name: cli}}]}}\n---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: default, namespace: front}}\nspec: {{outboundTrafficPolicy: {{mode: {mode}}}, egress: [{{hosts: [{hosts}]}}]}}\n"
            )
        };
        for (hosts, mode, count) in
            [("./*", "REGISTRY_ONLY", 1), ("./*, shop/*", "REGISTRY_ONLY", 0), ("./*", "ALLOW_ANY", 0)]
        {
            let hosts = hosts.split(", ").map(|host| format!("\"{host}\"")).collect::<Vec<_>>().join(", ");
            assert_eq!(found(&mesh(&hosts, mode), "MC0313").len(), count, "{hosts} {mode}");
        }
    }
}
