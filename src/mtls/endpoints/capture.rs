//! What passes through the proxy in front of a pod, and what goes past it (istio-mtls.md 1.5, 1.9).

use super::{Bypass, Endpoint, Front, Reason};
use crate::model::mesh_config::go_bool;
use crate::model::{Mesh, Proxy, Workload};
use crate::mtls::ambient::{self, Demand};
use crate::mtls::server::ModeFrom;

/// Ports of the sidecar itself that are never captured (injection-template.yaml).
pub(crate) const STATUS_PORTS: [u16; 3] = [15020, 15021, 15090];
/// The annotation by which plaintext bypasses ztunnel.
pub const BYPASS: &str = "ambient.istio.io/bypass-inbound-capture";

/// Whether a list of ports in an annotation names one; `*` names all; `None`: it is no such list (a range, say).
pub(in crate::mtls) fn lists_port(list: &str, port: u16) -> Option<bool> {
    let mut found = false;
    for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        found |= word == "*" || word.parse::<u16>().ok()? == port;
    }
    Some(found)
}

/// Why a port does not pass through its sidecar, if it does not.
pub(crate) fn bypass(workload: &Workload, port: u16) -> Result<Option<Bypass>, Reason> {
    let listed = |name: &str| match workload.annotations.get(name) {
        Some(list) => lists_port(list, port).map(Some).ok_or(Reason::CaptureList),
        None => Ok(None),
    };
    if listed("traffic.sidecar.istio.io/excludeInboundPorts")? == Some(true) {
        return Ok(Some(Bypass::Excluded));
    }
    let status = workload.annotations.get("status.sidecar.istio.io/port").and_then(|text| text.parse().ok());
    if STATUS_PORTS.contains(&port) || status == Some(port) {
        return Ok(Some(Bypass::StatusPort));
    }
    let included = listed("traffic.sidecar.istio.io/includeInboundPorts")?;
    Ok((included == Some(false)).then_some(Bypass::NotIncluded))
}

/// Whether plaintext to a captured pod bypasses ztunnel.
#[must_use]
pub fn bypasses_ztunnel(workload: &Workload) -> bool {
    workload.proxy == Proxy::Ambient && workload.annotations.get(BYPASS).is_some_and(go_bool)
}

/// Whether pods of a namespace are captured by ztunnel, as far as its own labels say.
pub(super) fn captures(mesh: &Mesh, namespace: &str) -> bool {
    mesh.namespaces.get(namespace).is_some_and(|ns| {
        let label = |key: &str| ns.labels.get(key);
        let injected = match label("istio-injection") {
            Some(word) => word == "enabled",
            None => label("istio.io/rev").is_some(),
        };
        label("istio.io/dataplane-mode") == Some("ambient") && !injected
    })
}

/// What ztunnel does with plaintext to a captured pod. The annotation is read on the node only: neither istiod nor
/// ztunnel knows of it, and HBONE keeps working (`cni/pkg/nodeagent/net.go : getPodLevelTrafficOverrides`).
pub(super) fn ztunnel(mesh: &Mesh, workload: &Workload, target: u16) -> Demand {
    if bypasses_ztunnel(workload) {
        return Demand { refused: Some(false), from: ModeFrom::NOTHING, faulty: false };
    }
    ambient::demand(mesh, workload, target)
}

impl Endpoint<'_> {
    /// Sets what callers are told of HBONE (`endpoint_builder.go : supportTunnel`).
    pub(super) fn announce(&mut self, mesh: &Mesh, tunnel: bool) {
        let env = &mesh.options.env;
        self.hbone = tunnel && mesh.ambient;
        self.hbone_tag = self.hbone && (self.tls_mode != "istio" || env.prefer_hbone);
        // Preferred, and yet not sent: what istiod then announces was not looked at.
        if self.hbone_tag && self.tls_mode == "istio" && !env.sending_hbone {
            self.front = Front::Unknown(Reason::Tunnel);
        }
    }
}
