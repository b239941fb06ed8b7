//! MC0503: a TLS mode of a Gateway's server without what it needs: certificate, key, CA, or the port that it is for
//! (`pkg/config/validation/validation.go : validateTLSOptions`).

use crate::finding::Confidence;
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::Gateway;
use crate::model::gateway::{GatewayTls, Server};
use crate::yaml::{Kind, Node};
use std::collections::BTreeSet;

/// The port of gateways between clusters and networks.
const CROSS_NETWORK: u16 = 15443;

/// Fields of `tls` that name a secret with certificate and key (and, for MUTUAL, the CA).
const SECRETS: [&str; 3] = ["credentialName", "credentialNames", "tlsCertificates"];

/// Reports each server that Istio refuses, or that never gets a certificate.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let announced = announced(lint);
    for gateway in lint.mesh.gateways.iter().filter(|gateway| !gateway.gateway_api) {
        let servers = lint.node(gateway.meta.id).and_then(|node| node.find("spec.servers"));
        let nodes: Vec<Node<'_>> = servers.into_iter().flat_map(Node::items).collect();
        for server in &gateway.servers {
            let Some(tls) = nodes.get(server.index).and_then(|node| node.get("tls")) else { continue };
            check_server(&announced, out, gateway, server, tls);
        }
    }
}

fn check_server(announced: &BTreeSet<&str>, out: &mut Out<'_>, gateway: &Gateway, server: &Server, tls: Node<'_>) {
    let mode = server.tls.word();
    let path = Path::new("spec.servers").index(server.index).key("tls");
    if server.tls == GatewayTls::AutoPassthrough {
        if server.port != CROSS_NETWORK && !announced.contains(&*server.port.to_string()) {
            let message = format!(
                "AUTO_PASSTHROUGH on port {}: gateways of other clusters are called on {CROSS_NETWORK}, and here every service of the mesh can be reached by its name in SNI",
                server.port
            );
            let help =
                format!("replace port {} by {CROSS_NETWORK}, or mode AUTO_PASSTHROUGH by PASSTHROUGH", server.port);
            out.add(gateway.meta.id, path.key("mode"), message, help).confidence = Confidence::Medium;
        }
        return;
    }
    let missing = missing(server.tls, tls);
    if missing.is_empty() {
        return;
    }
    let lacks = match (missing.contains(&"caCertificates"), missing.len()) {
        (true, 1) => "no CA to check callers by",
        (true, _) => "neither a certificate of its own nor a CA to check callers by",
        (false, _) => "no certificate to show",
    };
    let message = format!(
        "mode {mode} on port {} without {}: the server has {lacks}, and Istio refuses the Gateway",
        server.port,
        missing.join(" and "),
    );
    let needs = if server.tls == GatewayTls::Simple { "tls.crt and tls.key" } else { "tls.crt, tls.key and ca.crt" };
    let help = format!(
        "add credentialName: SECRET (a secret with {needs} in the gateway pod's namespace), or {}",
        missing.join(" and ")
    );
    out.add(gateway.meta.id, path, message, help);
}

/// The fields that a mode lacks.
fn missing(mode: GatewayTls, tls: Node<'_>) -> Vec<&'static str> {
    let has = |key: &str| tls.get(key).is_some_and(says);
    let needed: &[&'static str] = match mode {
        GatewayTls::Simple => &["serverCertificate", "privateKey"],
        GatewayTls::Mutual | GatewayTls::OptionalMutual => &["serverCertificate", "privateKey", "caCertificates"],
        // The mesh's own certificates, or none at all.
        GatewayTls::None | GatewayTls::IstioMutual | GatewayTls::Passthrough | GatewayTls::AutoPassthrough => &[],
    };
    if SECRETS.into_iter().any(has) {
        return Vec::new();
    }
    needed.iter().copied().filter(|key| !has(key)).collect()
}

/// A text that is not empty, or a list with entries.
fn says(node: Node<'_>) -> bool {
    match node.kind() {
        Kind::Seq => !node.is_empty(),
        Kind::Map | Kind::Null => false,
        _ => node.text().is_some_and(|text| !text.is_empty()),
    }
}

/// Ports at which Services or pods say that their gateway for other networks is.
fn announced<'m>(lint: &Lint<'m>) -> BTreeSet<&'m str> {
    let services = lint.mesh.services.iter().map(|service| &service.meta.labels);
    let labels = services.chain(lint.mesh.workloads.iter().map(|workload| &workload.labels));
    labels.filter_map(|labels| labels.get("networking.istio.io/gatewayPort")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_passthrough_is_for_one_port() {
        let of = |port: u16, label: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: g, namespace: n}}\nspec: {{selector: {{a: b}}, servers: [{{port: {{number: {port}, protocol: TLS}}, hosts: ['*.local'], tls: {{mode: AUTO_PASSTHROUGH}}}}]}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: s, namespace: n, labels: {{{label}}}}}\nspec: {{ports: [{{port: 443}}]}}\n"
            )
        };
        for (port, label, want) in [
            (15443, "", ""),
            (443, "", "spec.servers[0].tls.mode error medium"),
            (443, "networking.istio.io/gatewayPort: \"443\"", ""),
        ] {
            let found = crate::lint::authorization::tests::found("MC0503", &of(port, label));
            assert_eq!(found.join("; "), want, "{port} {label}");
        }
    }

    #[test]
    fn what_each_mode_needs() {
        use GatewayTls::{IstioMutual, Mutual, OptionalMutual, Passthrough, Simple};
        for (mode, tls, want) in [
            (Simple, "{}", "serverCertificate privateKey"),
            (Simple, "{credentialName: a}", ""),
            (Simple, "{credentialName: ''}", "serverCertificate privateKey"),
            (Simple, "{credentialNames: [a, b]}", ""),
            (Simple, "{tlsCertificates: [{serverCertificate: a, privateKey: b}]}", ""),
            (Simple, "{serverCertificate: /a}", "privateKey"),
            (Simple, "{serverCertificate: /a, privateKey: /b}", ""),
            (Mutual, "{serverCertificate: /a, privateKey: /b}", "caCertificates"),
            (Mutual, "{serverCertificate: /a, privateKey: /b, caCertificates: /c}", ""),
            (Mutual, "{credentialName: a}", ""),
            (OptionalMutual, "{credentialName: null}", "serverCertificate privateKey caCertificates"),
            (IstioMutual, "{}", ""),
            (Passthrough, "{}", ""),
        ] {
            let tree = crate::yaml::parse_text(tls).unwrap();
            assert_eq!(missing(mode, tree.root()).join(" "), want, "{mode:?} {tls}");
        }
    }
}
