//! Takes single items of a dump: entries of its sections, bare resources, and what other admin endpoints answer.

use super::super::model::{
    Address, Endpoint, Layer, Proxy, Rejected, Section, ServedCertificate, Shape, State, Unread,
};
use super::super::tree::{Node, short};
use super::super::{cluster, filter, listener, routes, secret};

/// The most entries that [`Proxy::unread`] takes from here.
const MOST_UNREAD: usize = 10_000;

/// Notes what was not understood.
pub(super) fn unread(proxy: &mut Proxy, path: &str, kind: &str, why: &str) {
    if proxy.unread.len() < MOST_UNREAD {
        let kind = short(kind).to_owned();
        proxy.unread.push(Unread { path: path.to_owned(), kind, why: why.to_owned() });
    }
}

/// The section that an entry belongs to, by its members, else by its type
/// (`envoy.admin.v3.ListenersConfigDump.DynamicListener`).
pub(super) fn section_of(item: &Node<'_>) -> Option<Section> {
    const MEMBERS: [(&str, Section); 8] = [
        ("active_state", Section::Listeners),
        ("warming_state", Section::Listeners),
        ("draining_state", Section::Listeners),
        ("listener", Section::Listeners),
        ("cluster", Section::Clusters),
        ("route_config", Section::Routes),
        ("endpoint_config", Section::Endpoints),
        ("ecds_filter", Section::Ecds),
    ];
    let is_object = |key: &str| matches!(item.get(key), Node::Map(_));
    let by_member = MEMBERS.iter().find(|(key, _)| is_object(key)).map(|(_, section)| *section);
    let by_member = by_member.or_else(|| is_object("secret").then_some(Section::Secrets));
    by_member.or_else(|| item.kind().contains("ConfigDump.").then(|| section_named(item.kind())).flatten())
}

/// The section that a type names.
pub(super) fn section_named(kind: &str) -> Option<Section> {
    const TYPES: [(&str, Section); 8] = [
        ("BootstrapConfigDump", Section::Bootstrap),
        ("ListenersConfigDump", Section::Listeners),
        ("ClustersConfigDump", Section::Clusters),
        ("EndpointsConfigDump", Section::Endpoints),
        ("RoutesConfigDump", Section::Routes),
        ("ScopedRoutesConfigDump", Section::ScopedRoutes),
        ("SecretsConfigDump", Section::Secrets),
        ("EcdsConfigDump", Section::Ecds),
    ];
    short(kind).split('.').find_map(|part| TYPES.iter().find(|(name, _)| *name == part)).map(|(_, section)| *section)
}

/// Takes one entry of a list of a section.
pub(super) fn take(section: Section, state: State, item: &Node<'_>, path: &str, proxy: &mut Proxy) {
    let name = item.get("name").text().unwrap_or_default();
    let mut has_active = None;
    let (what, name, has) = match section {
        Section::Listeners => {
            let (has, active) = take_listener(state, item, path, proxy);
            has_active = Some(active);
            ("listener", listener_name(item).to_owned(), has)
        }
        Section::Clusters => {
            let has = holds(item, "cluster");
            if has {
                let read = cluster::read(item.get("cluster"), state, &format!("{path}.cluster"), proxy);
                proxy.clusters.push(read);
            }
            ("cluster", item.at(&["cluster", "name"]).text().unwrap_or(name).to_owned(), has)
        }
        Section::Endpoints => {
            let config = item.get("endpoint_config");
            assignment(config, proxy);
            (
                "endpoint assignment",
                config.get("cluster_name").text().unwrap_or(name).to_owned(),
                holds(item, "endpoint_config"),
            )
        }
        Section::Routes => {
            let config = item.get("route_config");
            routes(config, proxy);
            ("route", config.get("name").text().unwrap_or(name).to_owned(), holds(item, "route_config"))
        }
        Section::Secrets => {
            let has = holds(item, "secret");
            if has || !name.is_empty() {
                let path = format!("{path}.secret");
                let version = item.get("version_info").text().unwrap_or_default();
                proxy.secrets.push(secret::read(item.get("secret"), name, state, version, &path));
            }
            ("secret", item.at(&["secret", "name"]).text().unwrap_or(name).to_owned(), has)
        }
        Section::Ecds => {
            let config = item.get("ecds_filter");
            let name = config.get("name").text().unwrap_or(name).to_owned();
            let has = holds(item, "ecds_filter");
            if has {
                proxy.extensions.entry(name.clone()).or_default().push(filter::read(config, layer(config)));
            }
            ("extension", name, has)
        }
        Section::Bootstrap
        | Section::ScopedRoutes
        | Section::ServedCertificates
        | Section::ListenerStatuses
        | Section::ClusterStatuses => return,
    };
    let is_rejected = reject(what, &name, has_active.unwrap_or(has), item, path, proxy);
    // A listener may be named before anything of it arrived: then its status says so.
    // A secret that has not been delivered has a name and nothing else.
    let says_why = is_rejected || item.has("client_status") || (section == Section::Secrets && !name.is_empty());
    if !has && !says_why {
        let article = if what.starts_with('e') { "an" } else { "a" };
        unread(proxy, path, item.kind(), &format!("an entry without {article} {what}"));
    }
}

fn holds(item: &Node<'_>, key: &str) -> bool {
    matches!(item.get(key), Node::Map(_))
}

/// States of an entry of `dynamic_listeners`, and how a listener in each stands.
const STATES: [(&str, State); 3] =
    [("active_state", State::Active), ("warming_state", State::Warming), ("draining_state", State::Draining)];

fn listener_name<'n>(item: &'n Node<'_>) -> &'n str {
    let inside = STATES.iter().find_map(|(key, _)| item.at(&[key, "listener", "name"]).text());
    let direct = || item.at(&["listener", "name"]).text();
    item.get("name").text().filter(|name| !name.is_empty()).or(inside).or_else(direct).unwrap_or_default()
}

/// Takes every listener of an entry: whether there is one, and whether one is, or was, in force.
fn take_listener(state: State, item: &Node<'_>, path: &str, proxy: &mut Proxy) -> (bool, bool) {
    let version = |entry: &Node<'_>| entry.get("version_info").text().unwrap_or_default().to_owned();
    let before = proxy.listeners.len();
    let mut has_active = false;
    for (key, state) in STATES {
        let entry = item.get(key);
        if holds(entry, "listener") {
            let path = format!("{path}.{key}.listener");
            let read = listener::read(entry.get("listener"), state, &version(entry), &path, proxy);
            proxy.listeners.push(read);
            has_active |= state != State::Warming;
        } else if !entry.is_null() {
            unread(proxy, &format!("{path}.{key}"), entry.kind(), "a state without a listener");
        }
    }
    if holds(item, "listener") {
        let read = listener::read(item.get("listener"), state, &version(item), &format!("{path}.listener"), proxy);
        proxy.listeners.push(read);
        has_active |= state != State::Warming;
    }
    (proxy.listeners.len() > before, has_active)
}

/// Filters of both layers come by ECDS; the type tells them apart (`envoy.extensions.filters.network.rbac.v3.RBAC`).
fn layer(config: &Node<'_>) -> Layer {
    let (kind, _) = config.extension();
    if kind.contains(".filters.network.") || kind.contains(".filter.network.") || kind.contains(".network.authn.") {
        Layer::Network
    } else {
        Layer::Http
    }
}

fn routes(config: &Node<'_>, proxy: &mut Proxy) {
    let found = routes::read(config);
    if !found.changes.is_empty() {
        let name = config.get("name").text().unwrap_or_default();
        proxy.routes.entry(name.to_owned()).or_default().changes.extend(found.changes);
    }
}

fn assignment(config: &Node<'_>, proxy: &mut Proxy) {
    let name = config.get("cluster_name").text().unwrap_or_default();
    let endpoints = cluster::endpoints(config);
    if !name.is_empty() && !config.is_null() {
        proxy.endpoints.entry(name.to_owned()).or_default().extend(endpoints);
    }
}

/// Notes a push that was refused. The configuration that failed (`failed_configuration`) is not in force, and not read.
fn reject(what: &'static str, name: &str, has_active: bool, item: &Node<'_>, path: &str, proxy: &mut Proxy) -> bool {
    let error = item.get("error_state");
    let status = item.get("client_status").one_of(&["UNKNOWN", "REQUESTED", "DOES_NOT_EXIST", "ACKED", "NACKED"]);
    if error.is_null() && status != Some("NACKED") {
        return false;
    }
    proxy.rejected.push(Rejected {
        what,
        name: name.to_owned(),
        details: without_pem(error.get("details").text().unwrap_or_default()),
        version: error.get("version_info").text().unwrap_or_default().to_owned(),
        has_active,
        path: path.to_owned(),
    });
    true
}

/// How the base64 of a PEM block begins (`-----BEGIN `).
const PACKED_PEM: &str = "LS0tLS1CRUdJTi";

/// The text of an error without what it quotes of keys and certificates in base64.
fn without_pem(text: &str) -> String {
    let mut parts = text.split(PACKED_PEM);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || "+/=-_".contains(c))).unwrap_or(part.len());
        out.push_str("[redacted]");
        out.push_str(part.get(end..).unwrap_or_default());
    }
    out
}

/// A resource that stands by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bare {
    Listener,
    Cluster,
    Secret,
    Routes,
    Assignment,
    ClusterStatus,
    ListenerStatus,
    Bootstrap,
    /// An object of Kubernetes.
    Foreign,
}

/// Members that only one kind of resource has, in the order in which they count.
const TELLING: &[(&str, Bare)] = &[
    ("apiVersion", Bare::Foreign),
    ("filter_chains", Bare::Listener),
    ("default_filter_chain", Bare::Listener),
    ("filter_chain_matcher", Bare::Listener),
    ("listener_filters", Bare::Listener),
    ("traffic_direction", Bare::Listener),
    ("internal_listener", Bare::Listener),
    ("udp_listener_config", Bare::Listener),
    ("api_listener", Bare::Listener),
    ("host_statuses", Bare::ClusterStatus),
    ("observability_name", Bare::ClusterStatus),
    ("added_via_api", Bare::ClusterStatus),
    ("local_address", Bare::ListenerStatus),
    ("tls_certificate", Bare::Secret),
    ("validation_context", Bare::Secret),
    ("session_ticket_keys", Bare::Secret),
    ("generic_secret", Bare::Secret),
    ("eds_cluster_config", Bare::Cluster),
    ("load_assignment", Bare::Cluster),
    ("cluster_type", Bare::Cluster),
    ("connect_timeout", Bare::Cluster),
    ("lb_policy", Bare::Cluster),
    ("dns_lookup_family", Bare::Cluster),
    ("transport_socket_matches", Bare::Cluster),
    ("hosts", Bare::Cluster),
    ("virtual_hosts", Bare::Routes),
    ("vhds", Bare::Routes),
    ("cluster_name", Bare::Assignment),
    ("static_resources", Bare::Bootstrap),
    ("dynamic_resources", Bare::Bootstrap),
];

/// Types of resources by themselves.
const BARE_TYPES: &[(&str, Bare)] = &[
    ("Listener", Bare::Listener),
    ("Cluster", Bare::Cluster),
    ("Secret", Bare::Secret),
    ("RouteConfiguration", Bare::Routes),
    ("ClusterLoadAssignment", Bare::Assignment),
    ("Bootstrap", Bare::Bootstrap),
];

/// What the place of a member in [`TELLING`] is, whichever way it is spelled.
pub(super) fn telling(key: &str) -> Option<usize> {
    TELLING.iter().position(|(name, _)| key == *name || is_camel_of(key, name))
}

/// Whether a key is the `lowerCamelCase` of a `snake_case` name.
fn is_camel_of(key: &str, name: &str) -> bool {
    let mut key = key.bytes();
    let mut after_bar = false;
    for byte in name.bytes() {
        if byte == b'_' {
            after_bar = true;
        } else if key.next() != Some(if std::mem::take(&mut after_bar) { byte.to_ascii_uppercase() } else { byte }) {
            return false;
        }
    }
    key.next().is_none()
}

/// What a resource is: by the first of its members in [`TELLING`], else by its type, else by what else it has.
pub(super) fn bare(item: &Node<'_>, told: Option<usize>) -> Option<Bare> {
    if let Some((_, bare)) = told.and_then(|at| TELLING.get(at)) {
        return Some(*bare);
    }
    let kind = item.kind();
    if kind.starts_with("envoy.")
        && let Some((_, bare)) = BARE_TYPES.iter().find(|(name, _)| kind.rsplit('.').next() == Some(*name))
    {
        return Some(*bare);
    }
    if !item.has("name") {
        return None;
    }
    match (item.get("address"), item.get("type")) {
        (Node::Map(_), _) => Some(Bare::Listener),
        (_, Node::Text(kind)) if CLUSTER_TYPES.contains(&kind.as_ref()) => Some(Bare::Cluster),
        _ => None,
    }
}

const CLUSTER_TYPES: [&str; 5] = ["STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"];

/// Takes a resource by itself; the section that it would stand in.
pub(super) fn take_bare(bare: Bare, state: State, item: &Node<'_>, path: &str, proxy: &mut Proxy) -> Option<Section> {
    Some(match bare {
        Bare::Listener => {
            let read = listener::read(item, state, "", path, proxy);
            proxy.listeners.push(read);
            Section::Listeners
        }
        Bare::Cluster => {
            let read = cluster::read(item, state, path, proxy);
            proxy.clusters.push(read);
            Section::Clusters
        }
        Bare::Secret => {
            let name = item.get("name").text().unwrap_or_default();
            proxy.secrets.push(secret::read(item, name, state, "", path));
            Section::Secrets
        }
        Bare::Routes => {
            routes(item, proxy);
            Section::Routes
        }
        Bare::Assignment => {
            assignment(item, proxy);
            Section::Endpoints
        }
        Bare::ClusterStatus => {
            cluster_status(item, path, proxy);
            Section::ClusterStatuses
        }
        Bare::ListenerStatus => {
            listener_status(item, path, proxy);
            Section::ListenerStatuses
        }
        Bare::Bootstrap | Bare::Foreign => return None,
    })
}

/// Takes one of `certificates` of `/certs`; ztunnel has a list of that name too.
pub(super) fn served(item: &Node<'_>, path: &str, proxy: &mut Proxy) -> Shape {
    if item.has("identity") {
        return Shape::Ztunnel;
    }
    let mut count = 0;
    for (key, is_ca) in [("ca_cert", true), ("cert_chain", false)] {
        for one in item.get(key).items().iter().filter(|one| matches!(one, Node::Map(_))) {
            let text = |key: &str| one.get(key).text().unwrap_or_default().to_owned();
            let names = one.get("subject_alt_names").items().iter();
            proxy.served.push(ServedCertificate {
                is_ca,
                path: text("path"),
                serial: text("serial_number"),
                spiffe_id: names
                    .filter_map(|name| name.get("uri").text())
                    .find(|name| name.starts_with("spiffe://"))
                    .map(str::to_owned),
                valid_from: text("valid_from"),
                expiration_time: text("expiration_time"),
            });
            count += 1;
        }
    }
    if count == 0 {
        unread(proxy, path, "", "neither ca_cert nor cert_chain, or not as objects");
    }
    if item.has("ca_cert") || item.has("cert_chain") { Shape::Envoy } else { Shape::Unknown }
}

/// Takes one of `listener_statuses` of `/listeners?format=json`.
pub(super) fn listener_status(item: &Node<'_>, path: &str, proxy: &mut Proxy) {
    match item.get("name").text() {
        Some(name) => proxy.bound.get_or_insert_default().push(name.to_owned()),
        None => unread(proxy, path, "", "a status without a name"),
    }
}

/// Takes one of `cluster_statuses` of `/clusters?format=json`. Endpoints have no metadata there.
pub(super) fn cluster_status(item: &Node<'_>, path: &str, proxy: &mut Proxy) {
    let Some(name) = item.get("name").text() else {
        return unread(proxy, path, "", "a status without a name");
    };
    let mut endpoints = Vec::new();
    for (at, host) in item.get("host_statuses").items().iter().enumerate() {
        match address(host.get("address")) {
            Some(address) => {
                endpoints.push(Endpoint { address, labels: Vec::new(), tunnel: None, labels_known: false });
            }
            None => unread(proxy, &format!("{path}.host_statuses[{at}].address"), "", "an address of no known kind"),
        }
    }
    proxy.endpoints.entry(name.to_owned()).or_default().extend(endpoints);
}

fn address(node: &Node<'_>) -> Option<Address> {
    let text = |node: &Node<'_>, key: &str| node.get(key).text().unwrap_or_default().to_owned();
    if let socket @ Node::Map(_) = node.get("socket_address") {
        return Some(Address::Socket(text(socket, "address"), socket.get("port_value").port().unwrap_or(0)));
    }
    if let pipe @ Node::Map(_) = node.get("pipe") {
        return Some(Address::Pipe(text(pipe, "path")));
    }
    match node.get("envoy_internal_address") {
        internal @ Node::Map(_) => {
            Some(Address::Internal(text(internal, "server_listener_name"), text(internal, "endpoint_id")))
        }
        _ => None,
    }
}
