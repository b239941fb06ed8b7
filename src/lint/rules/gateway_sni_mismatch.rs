//! MC0217: TLS towards a gateway whose server has no filter chain for the client's SNI (istio-mtls.md 1.7).

use crate::finding::GATEWAY_SNI_MISMATCH;
use crate::lint::cause::Cause;
use crate::lint::{Lint, Out, related};
use crate::location::Path;
use crate::model::ObjectId;
use crate::mtls::because::because;
use crate::mtls::endpoints::Front;

/// Reports each rule whose calls find no filter chain.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    for cause in lint.causes_of(&GATEWAY_SNI_MISMATCH) {
        let names = names(lint, cause);
        let (hosts, server) = server(lint, cause).unzip();
        let finding = out.add(
            cause.object,
            cause.path.clone(),
            names.unwrap_or_else(|| cause.summary(lint.matrix)),
            match hosts.flatten() {
                Some(host) => format!("add sni: {host} to tls, a host of the Gateway's server"),
                None => "add sni to tls, with a host of the Gateway's server".to_owned(),
            },
        );
        if let Some((gateway, path)) = server {
            finding.related.push(related(
                lint.mesh,
                gateway,
                &path,
                "the hosts that the gateway has filter chains for",
            ));
        }
    }
}

/// Both names, as `tls-check` says them.
fn names(lint: &Lint<'_>, cause: &Cause) -> Option<String> {
    let (rows, row, cell, client) = cause.sample(lint.matrix)?;
    let client = lint.mesh.workloads.get(client as usize)?;
    let steps = because(lint.matrix, rows, row, cell, client);
    steps.into_iter().find(|step| step.step == "sni").map(|step| step.text)
}

/// A host of the gateway's server, and where its hosts stand.
fn server(lint: &Lint<'_>, cause: &Cause) -> Option<(Option<String>, (ObjectId, Path))> {
    let (rows, row, cell, _) = cause.sample(lint.matrix)?;
    let endpoint = rows.endpoints.get(row.port as usize)?.get(cell.endpoint? as usize)?;
    let Front::Gateway(gateway, server) = endpoint.front else { return None };
    let gateway = lint.mesh.gateways.get(gateway as usize)?;
    let server = gateway.servers.get(server as usize)?;
    let list = if gateway.gateway_api { "spec.listeners" } else { "spec.servers" };
    let host = server.hosts.iter().find(|host| !host.contains('*')).map(ToString::to_string);
    Some((host, (gateway.meta.id, Path::new(list).index(server.index))))
}
