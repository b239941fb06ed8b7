//! MC0121: a MeshPolicy that is not called `default`, which no Istio ever used, or one with targets.

use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::authn_policy::Reach;

/// Reports each of them, whatever the version: it was a mistake when the API was read, too.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for policy in lint.mesh.authn_policies.iter().filter(|policy| policy.reach == Reach::Mesh && policy.path.is_none())
    {
        let Some(object) = lint.mesh.object_ref(policy.meta.id) else { continue };
        if &*policy.meta.name != "default" {
            out.add(
                policy.meta.id,
                Path::new("metadata.name"),
                format!("{object} was never in force: of the mesh's policies Istio only takes the one called default"),
                "call it default, and keep only one",
            );
        }
        if !policy.targets.is_empty() {
            out.add(
                policy.meta.id,
                Path::new("spec.targets"),
                format!("{object} has targets: the webhook refuses them, a mesh's policy is for every service"),
                "write a Policy in the namespace of the service, or remove targets",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::finding::MESH_POLICY_NOT_DEFAULT as CODE;
    use crate::lint::trial::places;

    #[test]
    fn only_the_one_called_default_counts() {
        for (kind, name, spec, want) in [
            ("MeshPolicy", "default", "{peers: [{mtls: {}}]}", ""),
            ("MeshPolicy", "strict", "{peers: [{mtls: {}}]}", "metadata.name error high"),
            ("MeshPolicy", "default", "{targets: [{name: web}]}", "spec.targets error high"),
            ("MeshPolicy", "a", "{targets: [{name: web}]}", "metadata.name error high; spec.targets error high"),
            ("Policy", "strict", "{peers: [{mtls: {}}]}", ""),
        ] {
            let text = format!(
                "apiVersion: authentication.istio.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"
            );
            assert_eq!(places(&text, &CODE).join("; "), want, "{text}");
        }
    }
}
