//! What would mend a CONFLICT: the nearest change, in words.

use super::because::tls_path;
use super::check::{Cell, Matrix, Row, ServiceRows};
use super::client::{Reach, Unknown, Why};
use super::endpoints::Front;
use super::outcome::Failure;
use super::server::policy_meta;
use crate::model::{Mesh, Version};

/// The repair of a CONFLICT, naming the objects of this very row.
#[must_use]
pub fn mend(matrix: &Matrix<'_>, rows: &ServiceRows<'_>, row: &Row, cell: &Cell) -> String {
    let endpoints = rows.endpoints.get(row.port as usize);
    let endpoint = endpoints.zip(cell.endpoint).and_then(|(e, n)| e.get(n as usize));
    let port = endpoint.map_or(0, |e| e.port);
    let port = if port == 0 { "of the workload".to_owned() } else { port.to_string() };
    mend_at(matrix, row, cell, &port, endpoint.map(|e| e.front))
}

/// The same where it is about other workload ports than the row's own; `port`: their words, `front`: what answers there.
#[must_use]
pub fn mend_at(matrix: &Matrix<'_>, row: &Row, cell: &Cell, port: &str, front: Option<Front>) -> String {
    let mesh = matrix.mesh;
    // A proxyless server has no permissive listener: its label says what PERMISSIVE is (1.8).
    let labelled = if let Some(Front::Grpc(listener)) = front { Some(listener.labelled) } else { None };
    let plaintext = if labelled == Some(true) { "DISABLE" } else { "PERMISSIVE" };
    let mutual = if labelled == Some(false) { "STRICT" } else { "PERMISSIVE" };
    let name = |n: u32| {
        let rule = mesh.rules.get(n as usize)?;
        let object = mesh.object_ref(rule.meta.id).filter(|_| rule.made_from.is_some());
        Some(object.map_or_else(|| format!("DestinationRule {}", rule.meta.slash()), |object| object.to_string()))
    };
    let rule = match (row.decision.tls, row.decision.rule) {
        (Some((_, from)), _) => name(from.rule).map(|rule| format!("{rule} ({})", tls_path(from))),
        (None, Some((n, _))) => name(n),
        (None, None) => None,
    };
    let policy = cell.from.and_then(|from| policy_meta(mesh, from)).and_then(|meta| mesh.object_ref(meta.id));
    let policy = policy.map(|object| object.to_string());
    let exception = match mesh.version.reads_peer_authentication() {
        true => {
            format!(
                "a PeerAuthentication with a selector and portLevelMtls {port}: {plaintext} accepts plaintext there"
            )
        }
        false => "a Policy whose targets name the Service and its port, with mtls mode PERMISSIVE".to_owned(),
    };
    let rivals: Vec<String> = row.rivals.iter().take(3).filter_map(|n| name(*n)).collect();
    if !rivals.is_empty() {
        return format!(
            "merge {} into one rule, with tls mode ISTIO_MUTUAL or without tls (automatic mTLS then adapts)",
            rivals.join(" and ")
        );
    }
    if let Some((_, from)) = row.decision.leg.and_then(|leg| leg.tls)
        && cell.outcome.failure != Some(Failure::F8)
    {
        let rule = name(from.rule).unwrap_or_default();
        return format!(
            "remove tls from {rule} ({}): the waypoint takes it, and mutual TLS needs none",
            tls_path(from)
        );
    }
    if let Some(text) = in_old_times(mesh, row, cell, rule.as_deref(), policy.as_deref()) {
        return text;
    }
    let by_rule = |what: &str| rule.as_ref().map(|rule| format!("{what} in {rule}"));
    match (cell.outcome.failure, row.decision.reach, row.decision.why) {
        (Some(Failure::F1), Reach::NotCaptured(_), _) => {
            "let the client's sidecar capture the call (its annotations, its interception mode, or the user that it runs as)"
                .to_owned()
        }
        (Some(Failure::F1), ..) => format!("inject the client; or, if it must stay outside, {exception}"),
        (Some(Failure::F2), Reach::PassedThrough(Unknown::NotImported(_)), _) => {
            "import the service in the Sidecar's egress.hosts".to_owned()
        }
        (Some(Failure::F2), Reach::PassedThrough(Unknown::NotExported), _) => {
            "export the service to the client's namespace (exportTo)".to_owned()
        }
        (Some(Failure::F2), Reach::PassedThrough(Unknown::NotMember), _) => {
            "make the service's namespace a member of the mesh (ServiceMeshMemberRoll)".to_owned()
        }
        (Some(Failure::F2), _, Why::NamespaceDisable(_)) => format!(
            "set ISTIO_MUTUAL in a DestinationRule for the service, or remove DISABLE from the wide policy; clients never see {}",
            policy.unwrap_or_default()
        ),
        (Some(Failure::F2), _, Why::Grpc) => {
            "proxyless gRPC needs a DestinationRule with tls mode ISTIO_MUTUAL for the service".to_owned()
        }
        (Some(Failure::F2), _, Why::EndpointWithoutSidecar) => {
            "inject every pod of the service, or set ISTIO_MUTUAL in a DestinationRule".to_owned()
        }
        (Some(Failure::F2), _, Why::CredentialIgnored) => format!(
            "{}: sidecars need a workloadSelector in the rule to read credentialName; towards a mesh service use ISTIO_MUTUAL",
            rule.unwrap_or_default()
        ),
        (Some(Failure::F2), _, Why::AutoOff) => {
            let rule = rule.unwrap_or("a DestinationRule for the service".to_owned());
            format!("set tls mode ISTIO_MUTUAL in {rule}, or enableAutoMtls: true")
        }
        (Some(Failure::F2), ..) => {
            by_rule("remove tls (automatic mTLS adapts) or set mode ISTIO_MUTUAL").unwrap_or(exception)
        }
        (Some(Failure::F3), ..) => match by_rule("remove tls (automatic mTLS adapts)") {
            Some(text) => {
                format!("{text}, or set {mutual} in {}", policy.unwrap_or("a PeerAuthentication".to_owned()))
            }
            None => format!(
                "set {mutual} for workload port {port} in {}",
                policy.unwrap_or("a PeerAuthentication".to_owned())
            ),
        },
        (Some(Failure::F4), ..) if cell.from.is_none() => {
            by_rule("set tls.sni to a host of the Gateway's server").unwrap_or(exception)
        }
        (Some(Failure::F4 | Failure::F5), ..) => {
            by_rule("set mode ISTIO_MUTUAL (with the sni and subjectAltNames that the server has)").unwrap_or(exception)
        }
        (Some(Failure::F6), ..) => format!(
            "a PeerAuthentication with a selector and portLevelMtls {port}: DISABLE makes automatic mTLS send plaintext; or tls DISABLE for that port in a DestinationRule"
        ),
        (Some(Failure::F7), Reach::NoProxy | Reach::NotCaptured(_), _) => {
            format!("bring the client into the mesh; or, if it must stay outside, {exception}")
        }
        (Some(Failure::F7), _, Why::EndpointWithoutSidecar | Why::NoEndpoints) => {
            format!(
                "give the Service a cluster IP: no sidecar sends HBONE to pods that it addresses directly; or {exception}"
            )
        }
        (Some(Failure::F7), ..) => format!(
            "let the client send HBONE (PILOT_ENABLE_SENDING_HBONE of istiod, ISTIO_META_DISABLE_HBONE_SEND of the proxy), and import and export the service to it; or {exception}"
        ),
        (Some(Failure::F8), ..) => format!(
            "restart the server's pod with ISTIO_META_ENABLE_HBONE=true, so that its sidecar listens for HBONE; until then {exception}"
        ),
        (Some(Failure::F9), ..) => {
            by_rule("inject the server, or take its host out: a rule of its own without tls, beside the one")
                .unwrap_or("inject the server, or remove label security.istio.io/tlsMode: istio from it".to_owned())
        }
        _ => match row.decision.reach {
            Reach::BlackHoled(_) => "import and export the service, or outboundTrafficPolicy ALLOW_ANY".to_owned(),
            _ => by_rule("let rule and policy say the same: remove tls (automatic mTLS adapts)").unwrap_or(exception),
        },
    }
}

/// The repair in Istio 1.0 to 1.5, where it differs: nothing adapts by itself, and servers go by Policies.
fn in_old_times(mesh: &Mesh, row: &Row, cell: &Cell, rule: Option<&str>, policy: Option<&str>) -> Option<String> {
    if !mesh.version.reads_legacy_policies() || row.decision.reach != Reach::Known {
        return None;
    }
    let rule = rule.unwrap_or("a DestinationRule for the service");
    let policy = policy.unwrap_or("a Policy for the service");
    match cell.outcome.failure? {
        Failure::F2 if mesh.version < Version::one(4) || row.decision.tls.is_some() => {
            Some(format!("set tls mode ISTIO_MUTUAL in {rule}"))
        }
        Failure::F3 | Failure::F6 => {
            Some(format!("write peers with mtls in {policy}, or set tls mode DISABLE in {rule}"))
        }
        _ => None,
    }
}
