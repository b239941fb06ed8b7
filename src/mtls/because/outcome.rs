//! The last steps: what was sent meets what is demanded.

use super::{Because, Chain};
use crate::location::Path;
use crate::model::{MtlsMode, Protocol, Workload};
use crate::mtls::check::Cell;
use crate::mtls::endpoints::{Endpoint, Front};
use crate::mtls::outcome::{Failure, Status, Wire};
use crate::mtls::reason::Reason;

impl<'m> Chain<'_, 'm> {
    /// What meets what, what comes of it, and what mends it.
    pub(super) fn outcome(&mut self, cell: &Cell, endpoint: Option<&Endpoint<'m>>, client: &Workload) {
        let mesh = self.mesh();
        if let Some(reason) = cell.reason {
            let text = format!("UNKNOWN: {}", reason.words(mesh));
            match (reason, reason.object(mesh)) {
                (Reason::Taint(n), None) => {
                    let at = mesh.taints.get(n as usize).map(|taint| taint.at.clone());
                    self.steps.push(Because { step: "outcome", object: None, at, path: None, text });
                }
                (Reason::Taint(n), Some(id)) => {
                    let at = mesh.taints.get(n as usize).map(|taint| taint.at.clone());
                    self.steps.push(Because { step: "outcome", object: mesh.object_ref(id), at, path: None, text });
                }
                (_, Some(id)) => self.cite("outcome", id, Path::default(), text),
                (Reason::Age, None) => {
                    self.rivals(endpoint, client);
                    self.say("outcome", text);
                }
                _ => self.say("outcome", text),
            }
            return;
        }
        let sent = match cell.wire {
            Some(Wire::Mtls) => "Istio mutual TLS",
            Some(Wire::Hbone) => "HBONE",
            Some(Wire::Tls) => "one-way TLS",
            Some(Wire::MutualTls) => "TLS with a client certificate of its own",
            Some(Wire::Plaintext) => "plaintext",
            Some(Wire::None) => "nothing",
            None => "what is not decided",
        };
        let on = self.row.decision.leg.zip(endpoint).map(|(_, endpoint)| {
            match self.row.decision.arrives(endpoint, MtlsMode::Permissive) {
                Wire::Hbone => "HBONE",
                Wire::Plaintext => "plaintext",
                _ => "TLS of the rule's own",
            }
        });
        let sent = on.map_or_else(|| sent.to_owned(), |on| format!("{sent} to the waypoint, and {on} from there,"));
        let server = match (endpoint.map(|e| e.front), cell.mode) {
            (Some(Front::Bypassed(_)), _) => "an application behind a bypassed sidecar".to_owned(),
            (Some(Front::Gateway(..)), Some(mode)) => format!("a gateway server with tls {mode}"),
            (_, Some("NONE")) => "an application without proxy".to_owned(),
            (_, Some(mode)) => match endpoint.map_or(0, |e| e.port) {
                0 => mode.to_owned(),
                port => format!("{mode} on workload port {port}"),
            },
            _ => "the server".to_owned(),
        };
        let end = match (cell.outcome.status, cell.outcome.failure.and_then(Failure::info), cell.outcome.condition) {
            (Status::Conflict, Some(info), _) => format!("CONFLICT {}: {}", info.code, info.title),
            (Status::Conflict, None, _) if cell.wire == Some(Wire::None) => {
                "CONFLICT: the client's own proxy refuses the call".to_owned()
            }
            (Status::Conflict, None, _) => "CONFLICT".to_owned(),
            (Status::Conditional, _, Some(condition)) => format!("CONDITIONAL: {}", condition.words()),
            (status, _, _) => status.word().to_owned(),
        };
        let port = self.service().and_then(|service| service.ports.get(self.row.port as usize));
        let own = cell.wire == Some(Wire::Plaintext) && port.is_some_and(|port| port.protocol == Protocol::Tls);
        let note = if own {
            " (as far as the mesh goes: the port is called TLS, the application may speak it itself)"
        } else {
            ""
        };
        self.say("outcome", format!("{sent} meets {server}: {end}{note}"));
        self.then(client);
        if let Some(text) = self.names(cell, endpoint) {
            self.say("sni", text);
        }
        self.network_policy(cell, client);
        if cell.outcome.status == Status::Conflict {
            let text = crate::mtls::mend::mend(self.matrix, self.rows, self.row, cell);
            self.say("mend", text);
        }
    }

    /// The operator's NetworkPolicies let only members in, before any proxy is asked (8.3).
    fn network_policy(&mut self, cell: &Cell, client: &Workload) {
        let Some(control) = self.mesh().control.as_ref() else { return };
        let (Some(plane), Some(members)) = (&control.plane, &control.members) else { return };
        let here = |namespace: &str| members.has(namespace) || *members.plane == *namespace;
        let Some(service) = self.service().filter(|service| here(&service.meta.namespace)) else { return };
        let wrote = plane.maistra.as_ref().is_some_and(|own| own.network_policies);
        if wrote && cell.outcome.failure == Some(Failure::F1) && !here(&client.meta.namespace) {
            let text = format!(
                "NetworkPolicy istio-mesh-{} of the operator keeps clients out of {} that are in no member namespace: they usually see a timeout",
                plane.meta.name, service.meta.namespace
            );
            self.cite("network", plane.meta.id, Path::new("spec.security.manageNetworkPolicy"), text);
        }
    }

    /// The two names that do not fit, where a gateway's server has no filter chain for the client's SNI (1.7).
    fn names(&self, cell: &Cell, endpoint: Option<&Endpoint<'m>>) -> Option<String> {
        let Front::Gateway(gateway, server) = endpoint?.front else { return None };
        let refused = cell.outcome.failure == Some(Failure::F4);
        self.mesh().gateways.get(gateway as usize)?.servers.get(server as usize).filter(|_| refused)?;
        let service = self.service()?;
        let port = service.ports.get(self.row.port as usize)?.number;
        let subset = crate::mtls::select::subset_name(self.mesh(), self.row);
        let sent = crate::mtls::gateway::sni(self.mesh(), &self.row.decision, &service.host, port, subset)?;
        Some(format!(
            "the client names {sent}, the gateway's server has filter chains for {} only",
            endpoint?.server_names.join(", ")
        ))
    }
}
