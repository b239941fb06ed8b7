//! MC0501: a Gateway serves in plaintext what it serves by TLS too, without a redirect.

use crate::finding::Confidence;
use crate::lint::{Lint, Out, related};
use crate::location::Path;
use crate::model::gateway::{GatewayTls, Server};
use crate::model::{Gateway, Labels, Protocol};
use crate::yaml::Node;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where a host is served by TLS: number of the Gateway, place of the server.
type Place = (usize, usize);

/// The TLS servers of the Gateways of one namespace for the same proxies.
#[derive(Default)]
struct Tls<'m> {
    hosts: BTreeMap<&'m str, Place>,
    /// Patterns that cover one of the hosts.
    covering: BTreeMap<String, Place>,
}

/// The longest name of DNS; what is longer is no host.
const LONGEST: usize = 253;

/// `*.b.c`, `*.c` and `*` of `a.b.c`.
fn patterns(host: &str) -> impl Iterator<Item = String> {
    let dots =
        host.match_indices('.').filter(|_| host.len() <= LONGEST).map(|(at, _)| host.get(at..).unwrap_or_default());
    dots.map(|rest| format!("*{rest}")).chain(std::iter::once("*".to_owned()))
}

impl<'m> Tls<'m> {
    fn add(&mut self, host: &'m str, place: Place) {
        self.hosts.entry(host).or_insert(place);
        for pattern in patterns(host) {
            self.covering.entry(pattern).or_insert(place);
        }
    }

    /// The server that serves a host of a plaintext server too, and whether it serves all that the host stands for.
    fn find(&self, host: &str) -> Option<(Place, bool)> {
        let wider = || patterns(host).find_map(|pattern| self.hosts.get(pattern.as_str()));
        if let Some(place) = self.hosts.get(host).or_else(wider) {
            return Some((*place, true));
        }
        self.covering.get(host).map(|place| (*place, false))
    }
}

/// Reports each plaintext server whose hosts have a TLS server beside it. Gateways of the Gateway API are left out: what
/// they redirect stands in routes.
pub(super) fn check(lint: &Lint<'_>, out: &mut Out<'_>) {
    let gateways = &lint.mesh.gateways;
    let mut groups: BTreeMap<(&Arc<str>, &Labels), Tls<'_>> = BTreeMap::new();
    for (number, gateway, server) in servers(gateways).filter(|(_, _, server)| terminates(server.tls)) {
        let tls = groups.entry((&gateway.meta.namespace, &gateway.selector)).or_default();
        for host in &server.hosts {
            tls.add(host, (number, server.index));
        }
    }
    if groups.is_empty() {
        return;
    }
    let (redirected, redirecting) = (redirected(lint), redirecting(lint));
    for (number, gateway, server) in servers(gateways) {
        if server.protocol != Protocol::Http || redirecting.contains(&(number, server.index)) {
            continue;
        }
        if redirected.contains(&gateway.meta.slash()) {
            continue;
        }
        let Some(tls) = groups.get(&(&gateway.meta.namespace, &gateway.selector)) else { continue };
        let found = server.hosts.iter().find_map(|host| Some((host, tls.find(host)?)));
        let Some((host, (place, exact))) = found else { continue };
        let path = Path::new("spec.servers").index(server.index);
        let finding = out.add(
            gateway.meta.id,
            path,
            format!(
                "port {} serves {host} in plaintext beside a TLS server of the same hosts, without a redirect to it",
                server.port
            ),
            "add tls: {httpsRedirect: true} to this server: it then answers every request with a redirect to https",
        );
        if !exact {
            finding.confidence = Confidence::Medium;
        }
        if let Some(other) = gateways.get(place.0) {
            let path = Path::new("spec.servers").index(place.1);
            finding.related.push(related(lint.mesh, other.meta.id, &path, "the TLS server"));
        }
    }
}

fn servers(gateways: &[Gateway]) -> impl Iterator<Item = (usize, &Gateway, &Server)> {
    let ours = gateways.iter().enumerate().filter(|(_, gateway)| !gateway.gateway_api);
    ours.flat_map(|(number, gateway)| gateway.servers.iter().map(move |server| (number, gateway, server)))
}

/// AUTO_PASSTHROUGH is for other clusters of the mesh, whatever its hosts say.
fn terminates(tls: GatewayTls) -> bool {
    !matches!(tls, GatewayTls::None | GatewayTls::AutoPassthrough)
}

/// The servers with `tls.httpsRedirect`.
fn redirecting(lint: &Lint<'_>) -> BTreeSet<Place> {
    let mut found = BTreeSet::new();
    for (number, gateway) in lint.mesh.gateways.iter().enumerate() {
        let servers = lint.node(gateway.meta.id).and_then(|node| node.find("spec.servers"));
        for (at, server) in servers.into_iter().flat_map(Node::items).enumerate() {
            if server.find("tls.httpsRedirect").and_then(Node::as_bool) == Some(true) {
                found.insert((number, at));
            }
        }
    }
    found
}

/// Gateways (`namespace/name`) for which a VirtualService redirects to https: then the plaintext port does nothing else,
/// as far as a rule can see.
fn redirected(lint: &Lint<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (id, node) in lint.objects("VirtualService") {
        let routes = node.find("spec.http").into_iter().flat_map(Node::items);
        let mut schemes = routes.filter_map(|route| route.find("redirect.scheme")?.text());
        if !schemes.any(|scheme| scheme == "https") {
            continue;
        }
        let own = lint.mesh.objects.get(id.0 as usize).map_or("", |object| &object.namespace);
        for name in node.find("spec.gateways").into_iter().flat_map(Node::items).filter_map(Node::text) {
            found.insert(if name.contains('/') { name.into_owned() } else { format!("{own}/{name}") });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::authorization::tests::found;

    fn gateway(namespace: &str, name: &str, servers: &str) -> String {
        let head = "apiVersion: networking.istio.io/v1\nkind: Gateway";
        format!(
            "{head}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{selector: {{a: b}}, servers: [{servers}]}}\n---\n"
        )
    }

    fn server(protocol: &str, host: &str, tls: &str) -> String {
        format!("{{port: {{number: 80, protocol: {protocol}}}, hosts: [{host}], tls: {tls}}}")
    }

    #[test]
    fn plaintext_beside_tls_without_a_redirect() {
        let tls = server("HTTPS", "a.x", "{mode: SIMPLE, credentialName: c}");
        let plain = server("HTTP", "a.x", "null");
        let both = format!("{tls}, {plain}");
        let route = |gateway: &str, scheme: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: r, namespace: edge}}\nspec: {{gateways: [{gateway}], http: [{{redirect: {{scheme: {scheme}}}}}]}}\n"
            )
        };
        for (text, want) in [
            (gateway("edge", "g", &both), "spec.servers[1] warning high"),
            (gateway("edge", "g", &tls) + &gateway("edge", "h", &plain), "spec.servers[0] warning high"),
            (gateway("edge", "g", &tls) + &gateway("other", "h", &plain), ""),
            (gateway("edge", "g", &plain), ""),
            (
                gateway("edge", "g", &format!("{tls}, {}", server("HTTP", "'other/*'", "null"))),
                "spec.servers[1] warning medium",
            ),
            (gateway("edge", "g", &format!("{tls}, {}", server("HTTP", "a.x", "{httpsRedirect: true}"))), ""),
            (
                gateway("edge", "g", &format!("{tls}, {}", server("HTTP", "a.x", "{httpsRedirect: false}"))),
                "spec.servers[1] warning high",
            ),
            (gateway("edge", "g", &format!("{tls}, {}", server("TCP", "a.x", "null"))), ""),
            (gateway("edge", "g", &format!("{plain}, {}", server("TLS", "a.x", "{mode: AUTO_PASSTHROUGH}"))), ""),
            (gateway("edge", "g", &both) + &route("g", "https"), ""),
            (gateway("edge", "g", &both) + &route("edge/g", "https"), ""),
            (gateway("edge", "g", &both) + &route("other/g", "https"), "spec.servers[1] warning high"),
            (gateway("edge", "g", &both) + &route("g", "http"), "spec.servers[1] warning high"),
        ] {
            assert_eq!(found("MC0501", &text).join("; "), want, "{text}");
        }
    }

    #[test]
    fn hosts_are_the_same_where_one_pattern_covers_the_other() {
        for (tls, plain, want) in [
            ("a.example.com", "a.example.com", Some(true)),
            ("*.example.com", "a.example.com", Some(true)),
            ("*", "a.example.com", Some(true)),
            ("*", "*", Some(true)),
            ("a.example.com", "*.example.com", Some(false)),
            ("a.example.com", "*", Some(false)),
            ("*.example.com", "*.com", Some(false)),
            ("a.example.com", "b.example.com", None),
            ("a.example.com", "example.com", None),
            ("a.example.com", "*.a.example.com", None),
        ] {
            let mut index = Tls::default();
            index.add(tls, (0, 0));
            assert_eq!(index.find(plain).map(|(_, exact)| exact), want, "{tls} {plain}");
        }
    }
}
