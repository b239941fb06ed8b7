//! MC0308: a ServiceEntry without `location` is MESH_EXTERNAL, which automatic mTLS never applies to (C12).

use crate::finding::Confidence;
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::yaml::Node;

/// Reports each entry that says nothing of its location.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for (id, root) in lint.objects("ServiceEntry") {
        let Some(spec) = root.get("spec") else { continue };
        if spec.get("location").is_some_and(|location| !location.is_null()) {
            continue;
        }
        let sign = sign_of_mesh(spec);
        let host = spec.get("hosts").and_then(|hosts| hosts.items().next()).and_then(Node::text);
        let host = host.unwrap_or_else(|| "its hosts".into());
        let because = sign.map_or_else(String::new, |sign| format!(", although {sign}"));
        let message =
            format!("no location means MESH_EXTERNAL: sidecars never send mutual TLS to {host} by themselves{because}");
        let help =
            "add location: MESH_INTERNAL if its endpoints have sidecars, location: MESH_EXTERNAL if that is meant";
        let finding = out.add(id, Path::new("spec"), message, help);
        finding.confidence = if sign.is_some() { Confidence::High } else { Confidence::Low };
    }
}

/// What speaks for endpoints inside the mesh.
fn sign_of_mesh(spec: Node<'_>) -> Option<&'static str> {
    let endpoints = || spec.get("endpoints").into_iter().flat_map(Node::items);
    let labelled = |endpoint: &Node<'_>| {
        endpoint.get("labels").and_then(|labels| labels.get("security.istio.io/tlsMode")).and_then(Node::as_str)
            == Some("istio")
    };
    if spec.get("workloadSelector").is_some_and(|selector| !selector.is_null()) {
        return Some("its workloadSelector selects workloads of the mesh");
    }
    if endpoints().any(|endpoint| endpoint.get("serviceAccount").is_some_and(|account| !account.is_null())) {
        return Some("an endpoint has a serviceAccount");
    }
    endpoints().any(|endpoint| labelled(&endpoint)).then_some("an endpoint is labelled as capable of it")
}

#[cfg(test)]
mod tests {
    use crate::finding::Confidence;
    use crate::lint::pods::tests::findings;

    #[test]
    fn entries_without_location_are_reported() {
        for (spec, want) in [
            ("endpoints: [{address: 10.0.0.1}]", Some(Confidence::Low)),
            ("endpoints: [{address: 10.0.0.1, serviceAccount: vm}]", Some(Confidence::High)),
            ("endpoints: [{address: 10.0.0.1, labels: {security.istio.io/tlsMode: istio}}]", Some(Confidence::High)),
            ("workloadSelector: {labels: {app: vm}}", Some(Confidence::High)),
            ("location: , endpoints: [{address: 10.0.0.1}]", Some(Confidence::Low)),
            ("location: MESH_EXTERNAL", None),
            ("location: MESH_INTERNAL", None),
        ] {
            let text = format!(
                "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: vm, namespace: shop}}\nspec: {{hosts: [vm.example.com], ports: [{{number: 80, name: http, protocol: HTTP}}], resolution: STATIC, {spec}}}\n"
            );
            let found: Vec<_> = findings(&text).into_iter().filter(|f| f.code.code == "MC0308").collect();
            assert_eq!(found.iter().map(|f| f.confidence).collect::<Vec<_>>(), Vec::from_iter(want), "{spec}");
        }
    }
}
