//! MC0302: pods that are addressed directly are all sent the same, whatever each of them demands (istio-mtls.md 2.7,
//! C4 to C7).

use crate::finding::HEADLESS_MTLS_ALL_OR_NOTHING;
use crate::lint::cause::Cause;
use crate::lint::{Lint, Out};
use crate::mtls::client::Why;
use crate::mtls::endpoints::name_of;

/// The most endpoints that are named.
const NAMED: usize = 3;

/// Reports each Service whose calls fail because its endpoints cannot be sent different things.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for cause in lint.causes_of(&HEADLESS_MTLS_ALL_OR_NOTHING) {
        let matrix = lint.matrix;
        let Some((_, row, cell, _)) = cause.sample(matrix) else { continue };
        let summary = cause.summary(matrix);
        let mode = cell.mode.unwrap_or("no mode");
        let (message, help) = match row.decision.why {
            Why::EndpointWithoutSidecar => (
                format!(
                    "clients address the pods directly, and not every pod has a sidecar{}: all are sent plaintext, also those that demand {mode}; {summary}",
                    without(lint, cause)
                ),
                "inject every pod of the Service, or split it so that pods with and without sidecar are in different \
                 Services; until then set PERMISSIVE for them",
            ),
            Why::NoEndpoints => (
                format!(
                    "clients address the pods directly and there is none yet: what they send is plaintext; {summary}"
                ),
                "inject the pods of the Service; or set tls mode ISTIO_MUTUAL in a DestinationRule for it",
            ),
            _ => (
                format!(
                    "clients address the pods directly and send mutual TLS to every one, without a look at its policy, which says {mode}; {summary}"
                ),
                "remove the exception (portLevelMtls or the workload's DISABLE: PERMISSIVE accepts both), or set tls mode \
                 DISABLE for this port in a DestinationRule",
            ),
        };
        out.add(cause.object, cause.path.clone(), message, help);
    }
}

/// The endpoints without sidecar, in words.
fn without(lint: &Lint<'_>, cause: &Cause) -> String {
    let Some((rows, row, ..)) = cause.sample(lint.matrix) else { return String::new() };
    let Some(service) = lint.mesh.services.get(rows.service as usize) else { return String::new() };
    let endpoints = rows.endpoints.get(row.port as usize).map_or(&[][..], Vec::as_slice);
    let bare: Vec<_> = endpoints.iter().filter(|endpoint| endpoint.tls_mode == "disabled").collect();
    let names: Vec<String> = bare
        .iter()
        .filter_map(|endpoint| {
            let name = name_of(lint.mesh, service, endpoint.who).map(|(name, ns)| format!("{ns}/{name}"));
            name.or_else(|| endpoint.address.map(str::to_owned))
        })
        .take(NAMED)
        .collect();
    let more = if bare.len() > names.len() { ", ..." } else { "" };
    if names.is_empty() { String::new() } else { format!(" ({}{more})", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use crate::lint::pods::tests::found;

    fn mesh(cluster_ip: &str, label: &str, policy: &str) -> String {
        let pod = |name: &str, label: &str| {
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{template: {{metadata: {{labels: {{app: web{label}}}}}, spec: {{containers: [{{name: web}}]}}}}}}\n---\n"
            )
        };
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{istio-injection: enabled}}}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop}}\nspec: {{{cluster_ip}selector: {{app: web}}, ports: [{{name: http, port: 8080}}]}}\n---\n{}{}apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: web, namespace: shop}}\nspec: {{selector: {{matchLabels: {{app: web}}}}, {policy}}}\n",
            pod("web-1", ""),
            pod("web-2", label),
        )
    }

    #[test]
    fn headless_services_are_all_or_nothing() {
        let headless = "clusterIP: None, ";
        let bare = ", sidecar.istio.io/inject: \"false\"";
        let strict = "mtls: {mode: STRICT}";
        let exception = "mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}";
        for (cluster_ip, label, policy, count) in [
            (headless, bare, strict, 1),
            (headless, "", strict, 0),
            (headless, "", exception, 1),
            ("", "", exception, 0),
            ("", bare, "mtls: {mode: PERMISSIVE}", 0),
        ] {
            let found = found(&mesh(cluster_ip, label, policy), "MC0302");
            assert_eq!(found.len(), count, "{cluster_ip} {label} {policy} {found:?}");
        }
    }
}
