//! Judges what a proxy sends: per cluster and endpoint, from sockets and the endpoints' metadata.
//!
//! Envoy takes the first of `transport_socket_matches` whose every pair the metadata of the endpoint have, else the
//! `transport_socket` of the cluster. What crosses the wire follows from that socket; where the address is a listener
//! inside the proxy (HBONE), from what that listener sends on. What does not follow from the dump is `None`.

use super::cluster::innermost;
use super::judged::{Upstream, UpstreamEndpoint, Wire};
use super::model::{
    Address, CertificateRef, Cluster, Endpoint, Filter, Listener, Proxy, Secret, SecretContent, Socket, State, Tls,
};
use super::peer::checks;
use crate::pki::{self, Certificate};
use std::collections::{BTreeMap, BTreeSet};

/// Listeners inside the proxy that may lead to each other before the way is given up.
const DEEPEST: u8 = 4;

/// Istio's internal listeners that send everything through an HBONE tunnel (Istio, `core/waypoint.go`).
const TUNNELS: &[&str] = &["connect_originate", "inner_connect_originate", "outer_connect_originate"];

/// The SDS secret of Istio's own certificate.
const MESH_SECRET: &str = "default";

/// Files that Istio, and platforms that stand in for its CA, keep the certificate of the workload in.
const MESH_FILES: &[&str] = &[
    "/etc/certs/cert-chain.pem",
    "/etc/istio-certs/cert-chain.pem",
    "/etc/istio/certs/cert-chain.pem",
    "/var/run/secrets/workload-spiffe-credentials/certificates.pem",
];

/// Every cluster that is in force, by name. A warming one counts where no other has its name.
#[must_use]
pub fn judge(proxy: &Proxy) -> Vec<Upstream> {
    let judge = Judge::new(proxy);
    let ready: BTreeSet<&str> =
        proxy.clusters.iter().filter(|one| one.state != State::Warming).map(|one| &*one.name).collect();
    let in_force = |one: &Cluster| one.state != State::Warming || !ready.contains(&*one.name);
    let mut found: Vec<(usize, &Cluster)> =
        proxy.clusters.iter().enumerate().filter(|(_, one)| in_force(one)).collect();
    found.sort_by(|a, b| (&a.1.name, a.0).cmp(&(&b.1.name, b.0)));
    found.into_iter().map(|(at, cluster)| judge.upstream(at, cluster)).collect()
}

/// Whether a file is where a mesh keeps the certificate of the workload.
pub(super) fn is_mesh_file(path: &str) -> bool {
    MESH_FILES.contains(&path)
}

struct Judge<'a> {
    proxy: &'a Proxy,
    secrets: BTreeMap<&'a str, &'a Secret>,
    listeners: BTreeMap<&'a str, &'a Listener>,
    clusters: BTreeMap<&'a str, &'a Cluster>,
    /// Trust domain of the proxy's own certificate.
    domain: Option<&'a str>,
}

impl<'a> Judge<'a> {
    fn new(proxy: &'a Proxy) -> Self {
        let mut secrets: BTreeMap<&str, &Secret> = BTreeMap::new();
        for secret in &proxy.secrets {
            let holds = !matches!(secret.content, SecretContent::Missing);
            let better = secrets.get(&*secret.name).is_none_or(|_| holds && secret.state != State::Warming);
            if better {
                secrets.insert(&secret.name, secret);
            }
        }
        let leaf = secrets.get(MESH_SECRET).and_then(|secret| leaf(&secret.content));
        let domain = leaf.and_then(Certificate::trust_domain);
        let active = |state: State| matches!(state, State::Active | State::Static);
        let listeners = proxy.listeners.iter().filter(|one| active(one.state));
        let clusters = proxy.clusters.iter().filter(|one| active(one.state));
        Self {
            proxy,
            secrets,
            listeners: listeners.map(|one| (&*one.name, one)).collect(),
            clusters: clusters.map(|one| (&*one.name, one)).collect(),
            domain,
        }
    }

    fn upstream(&self, at: usize, cluster: &Cluster) -> Upstream {
        let (host, port, subset) = service(&cluster.name);
        let tls = self.tls_of(cluster).next();
        let verified = self.verified_by_all(cluster);
        let names = |tls: &Tls| {
            let validation = tls.validation.as_ref();
            let mut names: Vec<String> = validation.iter().flat_map(|one| &one.names).map(|name| bare(name)).collect();
            names.extend(tls.auto_san.then(|| "the SNI".to_owned()));
            names
        };
        Upstream {
            cluster: at,
            host,
            port,
            subset,
            how: self.how(cluster, verified),
            sni: tls.and_then(|tls| tls.sni.clone()),
            alpn: tls.map(|tls| tls.alpn.clone()).unwrap_or_default(),
            expected_sans: tls.map(names).unwrap_or_default(),
            verified,
            endpoints: self.endpoints(cluster),
        }
    }

    /// Every TLS that the cluster may speak, in order.
    fn tls_of<'c>(&self, cluster: &'c Cluster) -> impl Iterator<Item = &'c Tls> {
        candidates(cluster).filter_map(|socket| match innermost(socket) {
            Socket::Tls(tls) | Socket::StartTls(tls) => Some(&**tls),
            _ => None,
        })
    }

    /// EDS endpoints and own ones, each once. `/clusters` shows endpoints without metadata: such a one counts where no
    /// other entry has its address.
    fn endpoints(&self, cluster: &Cluster) -> Vec<UpstreamEndpoint> {
        let eds = self.proxy.endpoints.get(cluster.eds_name.as_deref().unwrap_or(&cluster.name));
        let all = || eds.into_iter().flatten().chain(&cluster.endpoints);
        let known: BTreeSet<&Address> = all().filter(|one| one.labels_known).map(|one| &one.address).collect();
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for endpoint in all().filter(|one| one.labels_known || !known.contains(&one.address)) {
            let wire = self.wire(cluster, endpoint, 0);
            let (address, port) = shown(endpoint);
            if seen.insert((address.clone(), port, wire.map(Wire::word))) {
                found.push(UpstreamEndpoint { address, port, wire });
            }
        }
        found
    }

    /// What crosses to an endpoint of a cluster.
    fn wire(&self, cluster: &Cluster, endpoint: &Endpoint, depth: u8) -> Option<Wire> {
        if endpoint.labels_known {
            return self.through(chosen(cluster, endpoint), &endpoint.address, depth);
        }
        // Which socket it gets is not known: what all of them agree on.
        let mut wires = candidates(cluster).map(|socket| self.through(socket, &endpoint.address, depth));
        let first = wires.next()??;
        wires.all(|wire| wire == Some(first)).then_some(first)
    }

    /// What crosses where a socket leads to an address.
    fn through(&self, socket: &Socket, address: &Address, depth: u8) -> Option<Wire> {
        let own = match innermost(socket) {
            Socket::Raw => Wire::Plaintext,
            Socket::Tls(tls) => self.tls_wire(tls),
            // STARTTLS may or may not come to TLS.
            Socket::StartTls(_) | Socket::Internal(_) | Socket::Unknown(_) => return None,
        };
        match address {
            // What is spoken to a listener inside the proxy crosses no wire; what that one sends on does, with this in it.
            Address::Internal(listener, _) => match (own, self.behind(listener, depth)) {
                (_, Some(outer @ (Wire::Hbone | Wire::Mtls))) => Some(outer),
                (Wire::Plaintext, outer) => outer,
                (own, _) => Some(own),
            },
            // A socket made for an internal listener, and an address that is none: Istio never sends that.
            Address::Socket(..) | Address::Pipe(_)
                if matches!(socket, Socket::Internal(_)) && own == Wire::Plaintext =>
            {
                None
            }
            Address::Socket(..) | Address::Pipe(_) => Some(own),
        }
    }

    /// What a listener inside the proxy sends on, if all that it sends is of one kind.
    fn behind(&self, name: &str, depth: u8) -> Option<Wire> {
        let is_tunnel = TUNNELS.contains(&name);
        let by_name = || is_tunnel.then_some(Wire::Hbone);
        if depth >= DEEPEST {
            return None;
        }
        let Some(listener) = self.listeners.get(name) else { return by_name() };
        let mut all: Option<Wire> = None;
        for chain in &listener.chains {
            let target = chain.filters.iter().find_map(|filter| match filter {
                Filter::TcpProxy(cluster) => Some(&**cluster),
                _ => None,
            })?;
            let wire = match self.clusters.get(target) {
                Some(cluster) => self.all_of(cluster, depth + 1)?,
                None => by_name()?,
            };
            if all.is_some_and(|before| before != wire) {
                return None;
            }
            all = Some(wire);
        }
        match all {
            Some(Wire::Mtls) if is_tunnel => Some(Wire::Hbone),
            all => all,
        }
    }

    /// What crosses to every endpoint of a cluster, if it is the same; without endpoints (`ORIGINAL_DST`), what its
    /// sockets agree on.
    fn all_of(&self, cluster: &Cluster, depth: u8) -> Option<Wire> {
        let eds = self.proxy.endpoints.get(cluster.eds_name.as_deref().unwrap_or(&cluster.name));
        let mut wires = eds.into_iter().flatten().chain(&cluster.endpoints).map(|one| self.wire(cluster, one, depth));
        if let Some(first) = wires.next() {
            let first = first?;
            return wires.all(|wire| wire == Some(first)).then_some(first);
        }
        let anywhere = Endpoint {
            address: Address::Socket(String::new(), 0),
            labels: Vec::new(),
            tunnel: None,
            labels_known: false,
        };
        self.wire(cluster, &anywhere, depth)
    }

    fn tls_wire(&self, tls: &Tls) -> Wire {
        if tls.certificates.is_empty() {
            Wire::Tls
        } else if tls.certificates.iter().all(|one| self.is_of_mesh(one)) {
            Wire::Mtls
        } else {
            Wire::MutualTls
        }
    }

    /// Whether a certificate is one of the mesh. Names and places are Istio's; what the dump holds under such a name
    /// counts more, and a certificate of another name is of the mesh when it has a SPIFFE ID of its trust domain.
    fn is_of_mesh(&self, certificate: &CertificateRef) -> bool {
        let identity = |leaf: &Certificate| {
            let domain = leaf.trust_domain();
            domain.is_some() && (self.domain.is_none() || domain == self.domain)
        };
        match certificate {
            CertificateRef::Secret(name) => match self.secrets.get(&**name).and_then(|secret| leaf(&secret.content)) {
                Some(leaf) => identity(leaf),
                None => {
                    name == MESH_SECRET || pki::trust_domain(name).is_some() || file_of(name).is_some_and(is_mesh_file)
                }
            },
            CertificateRef::File(path) => is_mesh_file(path),
            CertificateRef::Inline(chain) => chain.first().is_some_and(identity),
        }
    }

    /// Whether every TLS of a cluster checks the server's certificate.
    fn verified_by_all(&self, cluster: &Cluster) -> Option<bool> {
        let all: Vec<Option<bool>> = self.tls_of(cluster).map(|tls| self.verified(tls)).collect();
        if all.contains(&Some(false)) {
            return Some(false);
        }
        (!all.is_empty() && !all.contains(&None)).then_some(true)
    }

    /// Whether the server's certificate is checked. Names alone, without a CA or a pin, check nothing.
    fn verified(&self, tls: &Tls) -> Option<bool> {
        let Some(validation) = &tls.validation else { return Some(false) };
        if validation.accept_untrusted {
            return Some(false);
        }
        let own = checks(validation);
        let Some(secret) = &validation.secret else { return own };
        if own != Some(false) {
            return own;
        }
        if secret.is_empty() {
            return None;
        }
        // A secret that the dump does not show is waited for: nothing is sent before it is there (Envoy, SDS).
        match self.secrets.get(&**secret).map(|secret| &secret.content) {
            None => Some(true),
            Some(SecretContent::Validation(read)) if read.accept_untrusted => Some(false),
            Some(SecretContent::Validation(read)) => checks(read),
            Some(_) => None,
        }
    }

    /// What the cluster does, in words.
    fn how(&self, cluster: &Cluster, verified: Option<bool>) -> String {
        let mut words: Vec<String> = Vec::new();
        for socket in candidates(cluster) {
            let word = self.word(socket);
            if words.last() != Some(&word) {
                words.push(word);
            }
        }
        // Only endpoints that say so (`tlsMode: istio`) get TLS.
        let tail = words.len().saturating_sub(2);
        if !cluster.matches.is_empty() && words.get(tail..).is_some_and(|last| last == ["mTLS", "no TLS"]) {
            words.truncate(tail);
            words.push("auto mTLS".to_owned());
        }
        let mut how = match words.as_slice() {
            [one] if one.contains("TLS") && !one.starts_with("no ") && !one.starts_with("auto ") => {
                format!("always {one}")
            }
            _ => words.join(", else "),
        };
        if cluster.name.starts_with("inbound|") {
            how.push_str(", to the application");
        } else if cluster.discovery == "ORIGINAL_DST" {
            how.push_str(", to the original destination");
        }
        let nameless = |tls: &Tls| !tls.auto_san && tls.validation.as_ref().is_some_and(|one| one.names.is_empty());
        match verified {
            Some(false) => how.push_str("; the server is not verified"),
            Some(true) if self.tls_of(cluster).any(nameless) => how.push_str("; the server is verified without a name"),
            _ => {}
        }
        how
    }

    fn word(&self, socket: &Socket) -> String {
        match socket {
            Socket::Raw => "no TLS".to_owned(),
            Socket::Tls(tls) => match self.tls_wire(tls) {
                Wire::Mtls => "mTLS".to_owned(),
                Wire::MutualTls => "TLS with a certificate that is not of the mesh".to_owned(),
                _ => "TLS without a client certificate".to_owned(),
            },
            Socket::StartTls(_) => "STARTTLS".to_owned(),
            Socket::Internal(_) => "through a listener of the proxy (HBONE)".to_owned(),
            Socket::Unknown(kind) => format!("not understood ({kind})"),
        }
    }
}

/// The sockets that a cluster may use: those of the matches up to the one that takes every endpoint, else its own too.
fn candidates(cluster: &Cluster) -> impl Iterator<Item = &Socket> {
    let all = cluster.matches.iter().position(|one| one.when.is_empty());
    let reached = cluster.matches.iter().take(all.map_or(usize::MAX, |at| at + 1)).map(|one| &one.socket);
    reached.chain(all.is_none().then_some(&cluster.socket))
}

/// The socket for an endpoint (Envoy, `TransportSocketMatcherImpl::resolve`).
fn chosen<'c>(cluster: &'c Cluster, endpoint: &Endpoint) -> &'c Socket {
    let fits = |when: &[(String, String)]| when.iter().all(|pair| endpoint.labels.contains(pair));
    cluster.matches.iter().find(|one| fits(&one.when)).map_or(&cluster.socket, |one| &one.socket)
}

fn leaf(content: &SecretContent) -> Option<&Certificate> {
    if let SecretContent::Certificate(chain) = content { chain.first() } else { None }
}

/// The file in the name of a secret that Istio makes for files: `file-cert:CERT~KEY`.
fn file_of(name: &str) -> Option<&str> {
    name.strip_prefix("file-cert:")?.split('~').next()
}

/// A name that the server must have, without the word `exact`.
fn bare(name: &str) -> String {
    name.strip_prefix("exact ").unwrap_or(name).to_owned()
}

/// Host, port and subset out of `outbound|9080|v1|details.bookinfo.svc.cluster.local`, or the form that gateways use
/// for traffic between clusters, `outbound_.9080_.v1_.details...`.
fn service(name: &str) -> (Option<String>, Option<u16>, Option<String>) {
    let piped: Vec<&str> = name.splitn(4, '|').collect();
    let dotted: Vec<&str> = name.splitn(4, "_.").collect();
    let ((["outbound", port, subset, host], _) | (_, ["outbound", port, subset, host])) = (&*piped, &*dotted) else {
        return (None, None, None);
    };
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (some(host), port.parse().ok(), some(subset))
}

/// The address that is shown: behind a tunnel the destination; of a pipe the path; of a listener inside the proxy its
/// name, where nothing says what is behind it.
fn shown(endpoint: &Endpoint) -> (String, u16) {
    match &endpoint.address {
        Address::Socket(address, port) => (address.clone(), *port),
        Address::Pipe(path) => (path.clone(), 0),
        Address::Internal(listener, id) => {
            let destination = endpoint.tunnel.as_deref().and_then(split).or_else(|| split(id));
            destination.unwrap_or_else(|| (listener.clone(), 0))
        }
    }
}

/// `10.0.0.1:80` or `[fd00::1]:80`.
fn split(text: &str) -> Option<(String, u16)> {
    let (address, port) = text.rsplit_once(':')?;
    let address = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    (!address.is_empty()).then_some(())?;
    Some((address.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests;
