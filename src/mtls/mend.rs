//! What would mend a CONFLICT: the nearest change, in words.

use super::because::tls_path;
use super::check::{Cell, Matrix, Row, ServiceRows};
use super::client::{Reach, Unknown, Why};
use super::outcome::Failure;

/// The repair of a CONFLICT, naming the objects of this very row.
#[must_use]
pub fn mend(matrix: &Matrix<'_>, rows: &ServiceRows<'_>, row: &Row, cell: &Cell) -> String {
    let endpoints = rows.endpoints.get(row.port as usize);
    let port = endpoints.zip(cell.endpoint).and_then(|(e, n)| e.get(n as usize)).map_or(0, |e| e.port);
    mend_at(matrix, row, cell, &if port == 0 { "of the workload".to_owned() } else { port.to_string() })
}

/// The same where it is about other workload ports than the row's own; `port`: their words.
#[must_use]
pub fn mend_at(matrix: &Matrix<'_>, row: &Row, cell: &Cell, port: &str) -> String {
    let mesh = matrix.mesh;
    let name = |n: u32| mesh.rules.get(n as usize).map(|rule| format!("DestinationRule {}", rule.meta.slash()));
    let rule = match (row.decision.tls, row.decision.rule) {
        (Some((_, from)), _) => name(from.rule).map(|rule| format!("{rule} ({})", tls_path(from))),
        (None, Some((n, _))) => name(n),
        (None, None) => None,
    };
    let policy = cell.from.and_then(|from| from.policy).and_then(|n| mesh.policies.get(n as usize));
    let policy = policy.map(|p| format!("PeerAuthentication {}", p.meta.slash()));
    let exception =
        format!("a PeerAuthentication with a selector and portLevelMtls {port}: PERMISSIVE accepts plaintext there");
    let by_rule = |what: &str| rule.as_ref().map(|rule| format!("{what} in {rule}"));
    match (cell.outcome.failure, row.decision.reach, row.decision.why) {
        (Some(Failure::F1), Reach::NotCaptured(_), _) => {
            "let the client's sidecar capture the call (its annotations, its interception mode, or user 1337)"
                .to_owned()
        }
        (Some(Failure::F1), ..) => format!("inject the client; or, if it must stay outside, {exception}"),
        (Some(Failure::F2), Reach::PassedThrough(Unknown::NotImported(_)), _) => {
            "import the service in the Sidecar's egress.hosts".to_owned()
        }
        (Some(Failure::F2), Reach::PassedThrough(Unknown::NotExported), _) => {
            "export the service to the client's namespace (exportTo)".to_owned()
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
                format!("{text}, or set PERMISSIVE in {}", policy.unwrap_or("a PeerAuthentication".to_owned()))
            }
            None => format!(
                "set PERMISSIVE for workload port {port} in {}",
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
