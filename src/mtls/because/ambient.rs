//! The steps of calls in the ambient mesh: waypoints, HBONE, and what ztunnel does with plaintext.

use super::{Chain, tls_path};
use crate::location::Path;
use crate::model::Workload;
use crate::mtls::ambient::Demand;
use crate::mtls::client::{Cluster, Reach};
use crate::mtls::endpoints::{BYPASS, Endpoint, Who, bypasses_ztunnel};
use crate::mtls::mend::mutual_first;
use crate::mtls::waypoint;

impl<'m> Chain<'_, 'm> {
    /// The waypoint that the call goes through, and what it sends on.
    pub(super) fn waypoint(&mut self) {
        let (Some(leg), Some(service)) = (self.row.decision.leg, self.service()) else { return };
        let mesh = self.mesh();
        let found = leg.waypoint.and_then(|number| self.matrix.waypoints.get(number)).map(|waypoint| waypoint.object);
        if let Some((object, label)) = waypoint::place(mesh, service) {
            let path = Path::new("metadata.labels").key(label);
            let text = match found {
                Some(_) => "calls of the ambient mesh go through a waypoint: HBONE to it",
                None => "names a waypoint that the input does not have: calls go through it, or straight without it",
            };
            self.cite("waypoint", object, path, text);
        }
        let others = match leg.cluster {
            Cluster::Tls => "one-way TLS",
            Cluster::MutualTls => "TLS with the rule's own client certificate",
            _ => "plaintext",
        };
        if let Some(object) = found {
            let text = format!("sends it on: HBONE where the endpoint takes it, {others} elsewhere");
            self.cite("waypoint", object, Path::default(), text);
        }
        if let Some((mode, from)) = leg.tls
            && let Some(rule) = mesh.rules.get(from.rule as usize)
        {
            self.cite("waypoint", rule.meta.id, tls_path(from), format!("{}: its own TLS on the way on", mode.word()));
        }
    }

    /// What the endpoint takes of HBONE, where the client asks; whether that is all there is to say of it.
    pub(super) fn tunnel(&mut self, endpoint: &Endpoint<'m>) -> bool {
        let mesh = self.mesh();
        let decision = self.row.decision;
        let through = decision.leg.is_some() || decision.reach == Reach::Ztunnel;
        let asks = through || (decision.reach == Reach::Known && endpoint.hbone);
        if !asks {
            return false;
        }
        if !endpoint.hbone {
            self.say("endpoint", "takes no HBONE");
            return true;
        }
        let text = match decision.cluster {
            _ if !through && !endpoint.hbone_tag => return false,
            _ if !through && !decision.tunnel => {
                let sends = self.matrix.classes.get(self.row.sample as usize).is_some_and(|class| class.hbone);
                let why = match sends {
                    true if mutual_first(mesh, &decision) => "before Istio 1.26 the rule's ISTIO_MUTUAL comes first",
                    true => "pods that are addressed directly get none",
                    false => "istiod or its metadata tell it not to",
                };
                format!("takes HBONE, which this client does not send: {why}")
            }
            Cluster::Tls | Cluster::MutualTls if !through => "takes HBONE: the rule's TLS travels inside".to_owned(),
            _ => "takes HBONE, whatever rules and policies say".to_owned(),
        };
        let workload = match endpoint.who {
            Who::Workload(number) => mesh.workloads.get(number as usize),
            _ => None,
        };
        match workload {
            Some(workload) => {
                let keys = [("annotations", "ambient.istio.io/redirection"), ("labels", "networking.istio.io/tunnel")];
                let paths = keys.map(|(list, key)| Path::new(workload.path).key(list).key(key));
                let path = paths.into_iter().find(|path| mesh.has(workload.meta.id, path));
                self.cite("endpoint", workload.meta.id, path.unwrap_or(Path::new(workload.path)), text);
            }
            None => self.say("endpoint", text),
        }
        through || decision.tunnel
    }

    /// What ztunnel does with plaintext to a captured pod.
    pub(super) fn ztunnel(&mut self, workload: Option<&Workload>, demand: Demand) {
        let mesh = self.mesh();
        let bypassed = workload.filter(|workload| bypasses_ztunnel(workload));
        if let Some(workload) = bypassed {
            let path = Path::new(workload.path).key("annotations").key(BYPASS);
            let text = "plaintext bypasses ztunnel: no policy is enforced on it, HBONE keeps working";
            self.cite("server", workload.meta.id, path, text);
            return;
        }
        let what = match demand.refused {
            Some(true) => "ztunnel refuses whatever has no identity",
            Some(false) => "ztunnel lets plaintext through",
            None => "ztunnel refuses plaintext or not: the ages of policies decide, and names do not",
        };
        let policy = demand.from.policy.and_then(|number| mesh.policies.get(number as usize));
        let Some(policy) = policy else {
            self.say("server", format!("captured, no PeerAuthentication sets a mode: {what}"));
            return;
        };
        let path = match demand.from.port {
            Some(port) => Path::new("spec.portLevelMtls").key(&port.to_string()).key("mode"),
            None if policy.mode.is_some() => Path::new("spec.mtls.mode"),
            None => Path::new("spec.portLevelMtls"),
        };
        let but = match demand.faulty {
            true => "; that is not what the policies say: istiod attaches one policy and converts another for ztunnel",
            false => "",
        };
        self.cite("server", policy.meta.id, path, format!("{what}{but}"));
    }
}
