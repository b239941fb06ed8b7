//! MC0503: a Gateway's server whose protocol, TLS mode and certificates do not fit together: no `tls` on a TLS port, `tls`
//! on another, a mode without certificate, key, CA or the port that it is for, certificates that the mode does not use
//! (`pkg/config/validation/validation.go : validateServer, validateTLSOptions`).

use crate::finding::{Confidence, Severity};
use crate::lint::{Lint, Out};
use crate::location::Path;
use crate::model::Gateway;
use crate::model::gateway::{GatewayTls, Server};
use crate::model::protocol::Protocol;
use crate::yaml::{Kind, Node};
use std::collections::BTreeSet;

/// The port of gateways between clusters and networks.
const CROSS_NETWORK: u16 = 15443;

/// Fields of `tls` that name a secret with certificate and key (and, for MUTUAL, the CA).
const SECRETS: [&str; 3] = ["credentialName", "credentialNames", "tlsCertificates"];

/// Fields of `tls` that name a file.
const FILES: [&str; 3] = ["serverCertificate", "privateKey", "caCertificates"];

/// Reports each server that Istio refuses, or that never gets a certificate.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let announced = announced(lint);
    for gateway in lint.mesh.gateways.iter().filter(|gateway| !gateway.gateway_api) {
        let servers = lint.node(gateway.meta.id).and_then(|node| node.find("spec.servers"));
        let nodes: Vec<Node<'_>> = servers.into_iter().flat_map(Node::items).collect();
        for server in &gateway.servers {
            let tls = nodes.get(server.index).and_then(|node| node.get("tls")).filter(|tls| tls.kind() == Kind::Map);
            match (server.protocol, tls) {
                (Protocol::Tls, Some(tls)) if unused(out, gateway, server, tls) => {}
                (Protocol::Tls, Some(tls)) => check_server(&announced, out, gateway, server, tls),
                (Protocol::Tls, None) => no_tls(out, gateway, server),
                (Protocol::Http | Protocol::Tcp, Some(tls)) => wrong_protocol(out, gateway, server, tls),
                // A protocol that Istio does not know is a value of its own to be mended.
                _ => {}
            }
        }
    }
}

/// The `tls` block of a server.
fn tls_of(server: &Server) -> Path {
    Path::new("spec.servers").index(server.index).key("tls")
}

/// A TLS port without `tls`.
fn no_tls(out: &mut Out<'_>, gateway: &Gateway, server: &Server) {
    out.add(
        gateway.meta.id,
        Path::new("spec.servers").index(server.index),
        format!("the server on port {} has protocol HTTPS or TLS and no tls: Istio refuses the Gateway", server.port),
        "add tls with a mode and what it needs, such as mode SIMPLE and credentialName; or replace the protocol by HTTP or TCP",
    );
}

/// `tls` on a port that speaks no TLS. On HTTP it may redirect, and no more than that.
fn wrong_protocol(out: &mut Out<'_>, gateway: &Gateway, server: &Server, tls: Node<'_>) {
    let mode = tls.get("mode").and_then(Node::text);
    let redirects = mode.as_deref().is_none_or(|mode| matches!(mode, "PASSTHROUGH" | "AUTO_PASSTHROUGH"));
    let files = FILES.iter().any(|key| tls.get(key).is_some_and(says));
    let (protocol, instead) = match server.protocol {
        Protocol::Http if redirects && !files => return,
        Protocol::Http => ("HTTP", "HTTPS"),
        _ => ("TCP", "TLS"),
    };
    let path = if tls.get("mode").is_some() { tls_of(server).key("mode") } else { tls_of(server) };
    let message = format!(
        "the server on port {} has protocol {protocol} and tls: it would be plaintext, and Istio refuses the Gateway",
        server.port
    );
    let only = if protocol == "HTTP" { ", but for httpsRedirect" } else { "" };
    out.add(gateway.meta.id, path, message, format!("replace protocol {protocol} by {instead}; or remove tls{only}"));
}

/// Certificates that the mode does not use; with ISTIO_MUTUAL Istio refuses them, else the client never sees them.
fn unused(out: &mut Out<'_>, gateway: &Gateway, server: &Server, tls: Node<'_>) -> bool {
    let named: Vec<&str> = SECRETS.iter().chain(&FILES).copied().filter(|key| tls.get(key).is_some_and(says)).collect();
    let Some(first) = named.first() else { return false };
    let (names, port) = (named.join(" and "), server.port);
    let (message, help) = match server.tls {
        GatewayTls::IstioMutual => (
            format!(
                "mode ISTIO_MUTUAL on port {port} with {names}: it has the mesh's certificates and no others, and Istio refuses the Gateway"
            ),
            format!("remove {names}; or replace mode ISTIO_MUTUAL by MUTUAL to use them"),
        ),
        GatewayTls::Passthrough if tls.get("mode").is_none() => (
            format!(
                "tls on port {port} names {names} and no mode, which is PASSTHROUGH: the certificate is never shown, TLS goes on undecrypted"
            ),
            "add mode SIMPLE, or MUTUAL to demand certificates of callers".to_owned(),
        ),
        GatewayTls::Passthrough => (
            format!(
                "mode PASSTHROUGH on port {port} with {names}: the certificate is never shown, TLS goes on undecrypted"
            ),
            format!(
                "replace mode PASSTHROUGH by SIMPLE; or remove {names}, if the workloads show certificates of their own"
            ),
        ),
        _ => return false,
    };
    // The webhook only warns of certificates beside a mode that was chosen.
    let chosen = tls.get("mode").is_some() && server.tls == GatewayTls::Passthrough;
    let finding = out.add(gateway.meta.id, tls_of(server).key(first), message, help);
    if chosen {
        (finding.severity, finding.confidence) = (Severity::Warning, Confidence::Medium);
    }
    true
}

fn check_server(announced: &BTreeSet<&str>, out: &mut Out<'_>, gateway: &Gateway, server: &Server, tls: Node<'_>) {
    let mode = server.tls.word();
    let path = tls_of(server);
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
    fn protocol_mode_and_certificates_fit_together() {
        let of = |protocol: &str, tls: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: g, namespace: n}}\nspec: {{selector: {{a: b}}, servers: [{{port: {{number: 8443, protocol: {protocol}}}, hosts: [a.example]{tls}}}]}}\n"
            )
        };
        for (protocol, tls, want) in [
            ("HTTPS", "", "spec.servers[0] error high"),
            ("TLS", "", "spec.servers[0] error high"),
            ("HTTP", "", ""),
            ("TCP", "", ""),
            ("HTTP", ", tls: {httpsRedirect: true}", ""),
            ("HTTP", ", tls: {mode: PASSTHROUGH}", ""),
            ("HTTP", ", tls: {mode: SIMPLE, credentialName: a}", "spec.servers[0].tls.mode error high"),
            ("HTTP", ", tls: {privateKey: /a}", "spec.servers[0].tls error high"),
            ("TCP", ", tls: {mode: SIMPLE, credentialName: a}", "spec.servers[0].tls.mode error high"),
            ("HTTPS", ", tls: {credentialName: a}", "spec.servers[0].tls.credentialName error high"),
            ("HTTPS", ", tls: {}", ""),
            ("TLS", ", tls: {mode: PASSTHROUGH}", ""),
            (
                "TLS",
                ", tls: {mode: PASSTHROUGH, credentialName: a}",
                "spec.servers[0].tls.credentialName warning medium",
            ),
            ("TLS", ", tls: {mode: ISTIO_MUTUAL, credentialName: a}", "spec.servers[0].tls.credentialName error high"),
            ("HTTPS", ", tls: {mode: SIMPLE, credentialName: a}", ""),
            // Not known to Istio at all.
            ("HTTPZ", ", tls: {mode: SIMPLE, credentialName: a}", ""),
        ] {
            let found = crate::lint::authorization::tests::found("MC0503", &of(protocol, tls));
            assert_eq!(found.join("; "), want, "{protocol} {tls}");
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
