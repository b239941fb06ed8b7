//! The steps of a decision that only Istio 1.0 to 1.5 made: policies of the old API, and what its own command said.

use super::Chain;
use crate::location::Path;
use crate::model::Workload;
use crate::model::authn_policy::Reach as PolicyReach;
use crate::mtls::client::Reach;
use crate::mtls::select::subset_name;
use crate::mtls::server::ModeFrom;

impl Chain<'_, '_> {
    /// What a policy of the old API says, and where.
    pub(super) fn old_policy(&mut self, step: &'static str, from: ModeFrom, text: String) {
        match from.legacy.and_then(|n| self.mesh().authn_policies.get(n as usize)) {
            Some(policy) => self.cite(step, policy.meta.id, Path::new(policy.mode_path()), text),
            None => self.say(step, text),
        }
    }

    /// The mode of a Service port in Istio 1.0 to 1.5.
    pub(super) fn old_server(&mut self, mode: &'static str, from: ModeFrom) {
        let mesh = self.mesh();
        let policy = from.legacy.and_then(|n| mesh.authn_policies.get(n as usize));
        let text = match (policy, mode) {
            (None, "PERMISSIVE") => "no policy of either API: PERMISSIVE since Istio 1.5".to_owned(),
            (None, "STRICT") => "no policy, and the mesh's authPolicy is MUTUAL_TLS: STRICT".to_owned(),
            (None, _) => format!("no Policy and no MeshPolicy: Istio {} serves plaintext", mesh.version),
            (Some(policy), _) => {
                let scope = match (policy.reach, policy.targets.is_empty()) {
                    (PolicyReach::Mesh, _) => "for the mesh".to_owned(),
                    (PolicyReach::Namespace, true) => format!("for namespace {}", policy.meta.namespace),
                    (PolicyReach::Namespace, false) => "for the Service port that its targets name".to_owned(),
                };
                let none = if policy.peer.is_none() && policy.path.is_none() {
                    ": without a peer mtls there is no mutual TLS, and nothing is inherited"
                } else {
                    ""
                };
                format!("{mode} {scope}{none}")
            }
        };
        self.old_policy("server", from, text);
    }

    /// What the command of that time said of the same call.
    pub(super) fn then(&mut self, client: &Workload) {
        let mesh = self.mesh();
        let (Some(old), Some(service)) = (&self.matrix.old, self.service()) else { return };
        let proxied = self.row.decision.reach == Reach::Known;
        let port = service.ports.get(self.row.port as usize).filter(|_| proxied);
        let subset = subset_name(mesh, self.row);
        if let Some(text) = port.and_then(|port| old.words(client, service, port.number, subset)) {
            self.say("then", text);
        }
    }
}
