//! MC0301: DISABLE for a namespace or the mesh above a STRICT workload or port (istio-mtls.md 1.2, C1 and C2).

use crate::finding::NAMESPACE_DISABLE_WORKLOAD_STRICT;
use crate::lint::cause::Cause;
use crate::lint::pods::policy_place;
use crate::lint::{Lint, Out};

/// The most policies that are shown as other places.
const SHOWN: usize = 5;

/// Reports each wide policy that makes clients send plaintext where a nearer one demands mutual TLS.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for cause in lint.causes_of(&NAMESPACE_DISABLE_WORKLOAD_STRICT) {
        let matrix = lint.matrix;
        let strict = demanding(lint, cause);
        let names = strict.iter().filter_map(|n| lint.mesh.policies.get(*n as usize)).map(|p| p.meta.slash());
        let mut names: Vec<String> = names.collect();
        names.dedup();
        let who = match names.as_slice() {
            [] => "a nearer policy".to_owned(),
            [one] => format!("PeerAuthentication {one}"),
            [first, ..] => format!("{} PeerAuthentications ({first}, ...)", names.len()),
        };
        let message = format!(
            "clients look only at the mesh-wide and the namespace-wide policy: this DISABLE makes them send plaintext, but {who} demands STRICT; {}",
            cause.summary(matrix)
        );
        let help = "replace DISABLE by PERMISSIVE here and set DISABLE with a selector on the workloads that need it; \
                    or set tls mode ISTIO_MUTUAL in a DestinationRule for the service";
        let finding = out.add(cause.object, cause.path.clone(), message, help);
        // The first place is added with the rows that fail.
        let others = places(lint, cause).into_iter().skip(1).take(SHOWN);
        finding.related.extend(others);
    }
}

/// Numbers of the policies that the failing cells are refused by.
fn demanding(lint: &Lint<'_>, cause: &Cause) -> Vec<u32> {
    let cells = cause.covers.iter().filter_map(|one| {
        let row = lint.matrix.services.get(one.service)?.rows.get(one.row)?;
        row.cells.get(one.cell)?.from?.policy
    });
    let mut numbers: Vec<u32> = cells.collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Where they say STRICT, in the order of the rows.
fn places(lint: &Lint<'_>, cause: &Cause) -> Vec<crate::finding::Related> {
    let mut found: Vec<crate::finding::Related> = Vec::new();
    for one in &cause.covers {
        let row = lint.matrix.services.get(one.service).and_then(|rows| rows.rows.get(one.row));
        let from = row.and_then(|row| row.cells.get(one.cell)?.from);
        if let Some(place) = from.and_then(|from| policy_place(lint.mesh, from))
            && !found.contains(&place)
        {
            found.push(place);
        }
        if found.len() > SHOWN {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::lint::pods::tests::found;

    #[test]
    fn only_a_disable_that_a_client_follows_is_reported() {
        let mesh = |wide: &str, own: &str| {
            format!(
                "{}---\n{}---\n{}---\n{}---\n{}",
                "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {istio-injection: enabled}}\n",
                "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}\n",
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web}]}}}\n",
                format_args!(
                    "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: default, namespace: shop}}\nspec: {{mtls: {{mode: {wide}}}}}\n"
                ),
                format_args!(
                    "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: web, namespace: shop}}\nspec: {{selector: {{matchLabels: {{app: web}}}}, {own}}}\n"
                ),
            )
        };
        for (wide, own, count) in [
            ("DISABLE", "mtls: {mode: STRICT}", 1),
            ("DISABLE", "portLevelMtls: {8080: {mode: STRICT}}", 1),
            ("DISABLE", "portLevelMtls: {9000: {mode: STRICT}}", 0),
            ("DISABLE", "mtls: {mode: PERMISSIVE}", 0),
            ("PERMISSIVE", "mtls: {mode: STRICT}", 0),
        ] {
            assert_eq!(found(&mesh(wide, own), "MC0301").len(), count, "{wide} {own}");
        }
    }
}
