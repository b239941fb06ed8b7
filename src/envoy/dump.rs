//! Walks a dump section by section, whatever its era, and hands each item over as it is met.
//!
//! Never more than one item is decoded at a time, and sections that nobody wants are passed undecoded. What an object is
//! follows from its members, not from `@type`, which may come last: a `configs` list (or, in Istio 1.0, map) of
//! sections, a section by itself, entries as `?resource=` gives them, resources as `istioctl proxy-config` prints them,
//! and the answers of `/certs`, `/listeners?format=json` and `/clusters?format=json`. Envoy: `api/envoy/admin/v3/`.

mod items;
mod join;
mod node;
mod scan;

use super::keys;
use super::model::{Address, Endpoint, Problem, Proxy, Section, Shape, State};
use super::tree::Node;
use items::{Bare, unread};
pub use join::join;
use scan::{Scan, Stop};
use std::io::Read;

/// What is kept besides what every report needs. All of it is read either way: what is not understood is noted
/// whatever is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Endpoints.
    pub endpoints: bool,
}

/// Reads a dump that is in memory.
#[must_use]
pub fn from_slice(path: &str, bytes: &[u8], wanted: Wanted) -> Proxy {
    read(path, Scan::whole(bytes), wanted)
}

/// Reads a dump from a stream.
#[must_use]
pub fn from_reader(path: &str, mut source: impl Read, wanted: Wanted) -> Proxy {
    read(path, Scan::stream(&mut source), wanted)
}

fn read(path: &str, scan: Scan<'_>, wanted: Wanted) -> Proxy {
    let proxy = Proxy { path: path.into(), ..Proxy::default() };
    let mut walk = Walk { scan, proxy, wanted, bootstrap: Default::default(), has_static: [false; 3] };
    let outcome = walk.all();
    walk.finish(outcome)
}

/// Every list of a section: its key, the section, and how its items stand.
const LISTS: &[(&str, Section, State)] = &[
    ("static_listeners", Section::Listeners, State::Static),
    ("dynamic_listeners", Section::Listeners, State::Active),
    ("dynamic_active_listeners", Section::Listeners, State::Active),
    ("dynamic_warming_listeners", Section::Listeners, State::Warming),
    ("dynamic_draining_listeners", Section::Listeners, State::Draining),
    ("static_clusters", Section::Clusters, State::Static),
    ("dynamic_active_clusters", Section::Clusters, State::Active),
    ("dynamic_warming_clusters", Section::Clusters, State::Warming),
    ("static_endpoint_configs", Section::Endpoints, State::Static),
    ("dynamic_endpoint_configs", Section::Endpoints, State::Active),
    ("static_route_configs", Section::Routes, State::Static),
    ("dynamic_route_configs", Section::Routes, State::Active),
    ("static_secrets", Section::Secrets, State::Static),
    ("dynamic_active_secrets", Section::Secrets, State::Active),
    ("dynamic_warming_secrets", Section::Secrets, State::Warming),
    ("ecds_filters", Section::Ecds, State::Active),
    ("certificates", Section::ServedCertificates, State::Active),
    ("listener_statuses", Section::ListenerStatuses, State::Active),
    ("cluster_statuses", Section::ClusterStatuses, State::Active),
];

/// Resources of the bootstrap (`static_resources`).
const STATIC: [(&str, Section, Bare); 3] = [
    ("listeners", Section::Listeners, Bare::Listener),
    ("clusters", Section::Clusters, Bare::Cluster),
    ("secrets", Section::Secrets, Bare::Secret),
];

/// Members of a dump of ztunnel (`ztunnel/src/admin.rs`).
const ZTUNNEL: [&str; 4] = ["workloads", "services", "workloadState", "workload_state"];

/// Where an object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It is the whole input.
    Top,
    /// In `configs`.
    Config,
    /// In a list that is the whole input.
    Listed,
}

/// Why a value is not decoded.
const TOO_LARGE: &str = "larger than 64 MiB";

struct Walk<'s> {
    scan: Scan<'s>,
    proxy: Proxy,
    wanted: Wanted,
    /// What the bootstrap holds, in the order of [`STATIC`]: it counts where the sections do not have it again.
    bootstrap: [Proxy; 3],
    has_static: [bool; 3],
}

/// What was met in an object.
#[derive(Default)]
struct Met {
    kind: String,
    sections: Vec<Section>,
    /// A `configs` member.
    is_envelope: bool,
    /// The member that tells most about what it is (`items::telling`).
    told: Option<usize>,
}

impl Walk<'_> {
    fn all(&mut self) -> Result<(), Stop> {
        self.scan.begin()?;
        match self.scan.peek()? {
            None => return Err(self.scan.stop("it is empty")),
            Some(b'{') => self.object("", Place::Top)?,
            Some(b'[') => self.listed("")?,
            Some(_) => self.scan.skip()?,
        }
        match self.scan.peek()? {
            None => Ok(()),
            Some(_) => Err(self.scan.stop("something follows the end of the JSON")),
        }
    }

    fn finish(mut self, outcome: Result<(), Stop>) -> Proxy {
        for (at, (held, (_, section, _))) in std::mem::take(&mut self.bootstrap).into_iter().zip(STATIC).enumerate() {
            if self.has_static.get(at) == Some(&false) {
                let is_empty = held.listeners.is_empty() && held.clusters.is_empty() && held.secrets.is_empty();
                if !is_empty {
                    self.met(section);
                }
                self.proxy.listeners.extend(held.listeners);
                self.proxy.clusters.extend(held.clusters);
                self.proxy.secrets.extend(held.secrets);
                self.proxy.unread.extend(held.unread);
            }
        }
        self.proxy.bytes = self.scan.offset();
        if let Err(stop) = outcome {
            let (line, column) = self.scan.place(&stop);
            let why = self.scan.failure().unwrap_or_else(|| stop.why.into_owned());
            self.proxy.problem = Some(Problem { why, line, column });
        } else if let Some(why) = self.scan.failure() {
            // The JSON was complete when its source failed: a checksum at the end, most likely.
            let (line, column) = self.scan.place(&self.scan.stop(""));
            self.proxy.problem = Some(Problem { why, line, column });
        }
        self.proxy
    }

    /// Notes that a section is there.
    fn met(&mut self, section: Section) {
        self.proxy.shape = Shape::Envoy;
        if !self.proxy.sections.contains(&section) {
            self.proxy.sections.push(section);
        }
    }

    /// Walks a list of sections, entries or resources.
    fn listed(&mut self, path: &str) -> Result<(), Stop> {
        let place = if path.is_empty() { Place::Listed } else { Place::Config };
        self.scan.open()?;
        let (mut first, mut at) = (true, 0_usize);
        while self.scan.item(&mut first, b']')? {
            let path = format!("{path}[{at}]");
            if self.scan.peek()? == Some(b'{') {
                self.object(&path, place)?;
            } else {
                self.scan.skip()?;
                unread(&mut self.proxy, &path, "", "no object");
            }
            at += 1;
        }
        Ok(())
    }

    /// Walks `configs`: a list, or in Istio 1.0 a map.
    fn configs(&mut self) -> Result<(), Stop> {
        match self.scan.peek()? {
            Some(b'[') => self.listed("configs"),
            Some(b'{') => {
                self.scan.open()?;
                let mut first = true;
                while let Some(key) = self.scan.key(&mut first)? {
                    let path = format!("configs.{key}");
                    if self.scan.peek()? == Some(b'{') {
                        self.object(&path, Place::Config)?;
                    } else {
                        self.scan.skip()?;
                        unread(&mut self.proxy, &path, "", "no object");
                    }
                }
                Ok(())
            }
            _ => {
                self.scan.skip()?;
                unread(&mut self.proxy, "configs", "", "neither a list nor an object");
                Ok(())
            }
        }
    }

    /// Walks an object: a section, whose lists are taken item by item, or an item, which is decoded as a whole once its
    /// end is known.
    fn object(&mut self, path: &str, place: Place) -> Result<(), Stop> {
        let start = self.scan.pin();
        let mut met = Met::default();
        self.scan.open()?;
        let mut first = true;
        while let Some(key) = self.scan.key(&mut first)? {
            self.member(&key, path, place, start, &mut met)?;
        }
        if !self.scan.is_kept(start) && met.sections.is_empty() && !met.is_envelope {
            unread(&mut self.proxy, path, &met.kind, TOO_LARGE);
        } else if met.sections.is_empty() && !met.is_envelope {
            self.whole(start, path, place, &met)?;
        } else {
            self.check_type(path, &met);
        }
        self.scan.unpin(start);
        Ok(())
    }

    fn member(&mut self, key: &str, path: &str, place: Place, start: u64, met: &mut Met) -> Result<(), Stop> {
        if key == "@type" {
            met.kind = self.scan.text()?.unwrap_or_default();
            return Ok(());
        }
        let known = keys::known(key).unwrap_or_default();
        let here = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        if let Some((_, section, state)) = LISTS.iter().find(|(name, _, _)| *name == known) {
            self.scan.unpin(start);
            met.sections.push(*section);
            return self.list(*section, *state, &here);
        }
        match known {
            "bootstrap" if self.scan.peek()? == Some(b'{') => {
                self.scan.unpin(start);
                met.sections.push(Section::Bootstrap);
                self.bootstrap(&here)
            }
            "configs" if place == Place::Top => {
                self.scan.unpin(start);
                met.is_envelope = true;
                if self.proxy.shape == Shape::Unknown {
                    self.proxy.shape = Shape::Envoy;
                }
                self.configs()
            }
            _ => {
                if place == Place::Top && ZTUNNEL.contains(&key) {
                    self.scan.unpin(start);
                    met.is_envelope = true;
                    self.proxy.shape = Shape::Ztunnel;
                }
                met.told = [met.told, items::telling(key)].into_iter().flatten().min();
                self.scan.skip()
            }
        }
    }

    /// Notes where the type of a section is not that of its members.
    fn check_type(&mut self, path: &str, met: &Met) {
        if met.kind.is_empty() || met.is_envelope {
            return;
        }
        match items::section_named(&met.kind) {
            Some(section) if met.sections.contains(&section) => {}
            Some(_) => unread(&mut self.proxy, path, &met.kind, "its members are those of another section"),
            None => unread(&mut self.proxy, path, &met.kind, "the section is not known; its members were read"),
        }
    }

    /// Takes an object that has no lists of sections: an entry, a resource, or an empty section.
    fn whole(&mut self, start: u64, path: &str, place: Place, met: &Met) -> Result<(), Stop> {
        let node = self.scan.tree(start)?;
        let told = items::bare(&node, met.told);
        if told == Some(Bare::Foreign) && place != Place::Config {
            return Ok(());
        }
        if let Some(section) = items::section_of(&node) {
            let named = node.kind().rsplit('.').next().unwrap_or_default();
            let state = if named.starts_with("Static") { State::Static } else { State::Active };
            items::take(section, state, &node, path, &mut self.proxy);
            self.met(section);
        } else if let Some(section) = items::section_named(&met.kind) {
            self.met(section);
        } else if told == Some(Bare::Bootstrap) {
            self.proxy.node = Some(node::read(node.get("node")));
            let resources = node.get("static_resources");
            for (key, section, bare) in STATIC {
                for (at, item) in resources.get(key).items().iter().enumerate() {
                    let path = format!("static_resources.{key}[{at}]");
                    items::take_bare(bare, State::Static, item, &path, &mut self.proxy);
                    add(&mut self.proxy.sections, section);
                }
            }
            self.met(Section::Bootstrap);
        } else if let Some(bare) = told {
            if let Some(section) = items::take_bare(bare, State::Active, &node, path, &mut self.proxy) {
                self.met(section);
            }
        } else if place != Place::Top {
            let why =
                if met.kind.is_empty() { "neither a section nor an entry of one" } else { "the type is not known" };
            unread(&mut self.proxy, path, &met.kind, why);
        }
        Ok(())
    }

    /// Takes the items of a list of a section.
    fn list(&mut self, section: Section, state: State, path: &str) -> Result<(), Stop> {
        if section != Section::ServedCertificates {
            self.met(section);
        }
        if state == State::Static
            && let Some(at) = STATIC.iter().position(|(_, one, _)| *one == section)
            && let Some(has) = self.has_static.get_mut(at)
        {
            *has = true;
        }
        self.each(path, section, |node, path, walk| match section {
            Section::ServedCertificates => match items::served(node, path, walk) {
                Shape::Unknown => {}
                shape => {
                    walk.shape = shape;
                    if shape == Shape::Envoy {
                        add(&mut walk.sections, section);
                    }
                }
            },
            Section::ListenerStatuses => items::listener_status(node, path, walk),
            Section::ClusterStatuses => items::cluster_status(node, path, walk),
            _ => items::take(section, state, node, path, walk),
        })
    }

    /// Hands every item of a list over, of routes those that say something of authorization; a list of one may stand as
    /// the item itself.
    fn each(&mut self, path: &str, section: Section, take: impl Fn(&Node<'_>, &str, &mut Proxy)) -> Result<(), Stop> {
        match self.scan.peek()? {
            Some(b'[') => {}
            Some(b'{') => {
                let start = self.scan.pass()?;
                match self.scan.is_kept(start) {
                    true => take(&self.scan.tree(start)?, path, &mut self.proxy),
                    false => unread(&mut self.proxy, path, "", TOO_LARGE),
                }
                return Ok(());
            }
            Some(b'n') => return self.scan.skip(),
            _ => {
                self.scan.skip()?;
                unread(&mut self.proxy, path, "", "no list");
                return Ok(());
            }
        }
        self.scan.open()?;
        let (mut first, mut at) = (true, 0_usize);
        while self.scan.item(&mut first, b']')? {
            let path = format!("{path}[{at}]");
            at += 1;
            if section != Section::Routes
                && let Some((node @ Node::Map(_), length)) = self.scan.ahead()
            {
                take(&node, &path, &mut self.proxy);
                drop(node);
                self.scan.advance_by(length);
                self.forget();
                continue;
            }
            let start = self.scan.pass()?;
            if !self.scan.is_kept(start) {
                unread(&mut self.proxy, &path, "", TOO_LARGE);
                continue;
            }
            if section == Section::Routes && !has_rules(self.scan.since(start)) {
                continue;
            }
            match self.scan.tree(start)? {
                node @ Node::Map(_) => take(&node, &path, &mut self.proxy),
                _ => unread(&mut self.proxy, &path, "", "no object"),
            }
            self.forget();
        }
        Ok(())
    }

    /// Lets go of endpoints that nobody wants. Those that lead to an internal listener say who reaches it, but for the
    /// start of an HBONE tunnel, which every endpoint of a mesh may go through.
    fn forget(&mut self) {
        let leads_inside = |endpoint: &Endpoint| match &endpoint.address {
            Address::Internal(listener, _) => !listener.contains("connect_originate"),
            _ => false,
        };
        if !self.wanted.endpoints {
            self.proxy.endpoints.retain(|_, endpoints| endpoints.iter().any(leads_inside));
        }
    }

    /// Walks the bootstrap: who the proxy is, and its static resources.
    fn bootstrap(&mut self, path: &str) -> Result<(), Stop> {
        self.met(Section::Bootstrap);
        self.scan.open()?;
        let mut first = true;
        while let Some(key) = self.scan.key(&mut first)? {
            match keys::known(&key) {
                Some("node") => {
                    let start = self.scan.pass()?;
                    self.proxy.node = Some(node::read(&self.scan.tree(start)?));
                }
                Some("static_resources") if self.scan.peek()? == Some(b'{') => {
                    self.resources(&format!("{path}.{key}"))?;
                }
                _ => self.scan.skip()?,
            }
        }
        Ok(())
    }

    fn resources(&mut self, path: &str) -> Result<(), Stop> {
        self.scan.open()?;
        let mut first = true;
        while let Some(key) = self.scan.key(&mut first)? {
            let known = STATIC.iter().position(|(name, _, _)| key == *name);
            let Some((at, (_, _, bare))) = known.and_then(|at| Some((at, STATIC.get(at)?))) else {
                self.scan.skip()?;
                continue;
            };
            let held = self.bootstrap.get_mut(at).map(std::mem::take).unwrap_or_default();
            let whole = std::mem::replace(&mut self.proxy, held);
            let outcome = self.each(&format!("{path}.{key}"), Section::Bootstrap, |node, path, held| {
                items::take_bare(*bare, State::Static, node, path, held);
            });
            let held = std::mem::replace(&mut self.proxy, whole);
            if let Some(place) = self.bootstrap.get_mut(at) {
                *place = held;
            }
            outcome?;
        }
        Ok(())
    }
}

/// Whether a route configuration changes authorization, or was refused: most do neither, and are large. An escape in it
/// may hide a key.
fn has_rules(entry: &[u8]) -> bool {
    const SAYS: [&str; 7] =
        ["er_filter_config", "erFilterConfig", "error_state", "errorState", "client_status", "clientStatus", "\\u"];
    let has = |text: &str| memchr::memmem::find(entry, text.as_bytes()).is_some();
    !(has("route_config") || has("routeConfig")) || SAYS.iter().any(|text| has(text))
}

fn add(sections: &mut Vec<Section>, section: Section) {
    if !sections.contains(&section) {
        sections.push(section);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::fake::shared;

    const ALL: Wanted = Wanted { endpoints: true };

    /// Gives a few bytes at a time.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let size = buffer.len().min(7);
            let buffer = &mut buffer[..size];
            self.0.read(buffer)
        }
    }

    /// Reads both ways, which must not differ.
    #[track_caller]
    fn read_as(bytes: &[u8], wanted: Wanted) -> Proxy {
        let (one, other) = (from_slice("x", bytes, wanted), from_reader("x", Drops(bytes), wanted));
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
        one
    }

    #[track_caller]
    fn of(text: &str) -> Proxy {
        read_as(text.as_bytes(), ALL)
    }

    /// What was read, in short: counts, then unread paths.
    fn counts(proxy: &Proxy) -> String {
        let mut out = Vec::new();
        let mut count = |name: &str, many: usize| {
            if many > 0 {
                out.push(format!("{many} {name}"));
            }
        };
        count("L", proxy.listeners.len());
        count("C", proxy.clusters.len());
        count("E", proxy.endpoints.len());
        count("S", proxy.secrets.len());
        count("X", proxy.extensions.len());
        count("R", proxy.rejected.len());
        count("V", proxy.served.len());
        count("B", proxy.bound.as_ref().map_or(0, Vec::len));
        count("node", usize::from(proxy.node.is_some()));
        out.extend(proxy.unread.iter().map(|unread| format!("!{}", unread.path)));
        if proxy.problem.is_some() {
            out.push("problem".to_owned());
        }
        out.join(" ")
    }

    #[test]
    fn every_shape_of_an_envoy_is_read() {
        let section = r#"{"@type": "t/envoy.admin.v3.ListenersConfigDump", "version_info": "1",
            "static_listeners": [{"listener": {"name": "s"}}],
            "dynamicListeners": [{"name": "a", "activeState": {"version_info": "2", "listener": {"name": "a"}}}]}"#;
        for (text, expected) in [
            (format!(r#"{{"configs": [{section}]}}"#), "2 L"),
            (format!(r#"{{"configs": {{"listeners": {section}}}}}"#), "2 L"),
            (format!(r#"{{"configs": [{section}, {section}]}}"#), "4 L"),
            (section.to_owned(), "2 L"),
            (format!("\u{feff}\n {section} \n"), "2 L"),
            (format!("[{section}]"), "2 L"),
            // Entries, as ?resource= gives them.
            (
                r#"{"configs": [{"@type": "t/envoy.admin.v3.ListenersConfigDump.DynamicListener", "name": "a", "active_state": {"listener": {}}, "warming_state": {"listener": {}}},
                    {"@type": "t/envoy.admin.v3.ClustersConfigDump.DynamicCluster", "cluster": {"name": "c"}},
                    {"@type": "t/envoy.admin.v3.SecretsConfigDump.DynamicSecret", "name": "s"},
                    {"name": "s", "secret": {"name": "s"}},
                    {"endpoint_config": {"cluster_name": "c"}},
                    {"ecds_filter": {"name": "f"}},
                    {"route_config": {"name": "r"}}]}"#
                    .to_owned(),
                "2 L 1 C 1 E 2 S 1 X",
            ),
            // What istioctl proxy-config prints.
            (r#"[{"name": "a", "filterChains": []}, {"name": "b", "address": {"pipe": {}}}]"#.to_owned(), "2 L"),
            (r#"{"name": "a", "trafficDirection": "INBOUND"}"#.to_owned(), "1 L"),
            (r#"[{"name": "a", "type": "EDS"}, {"name": "b", "connectTimeout": "10s"}]"#.to_owned(), "2 C"),
            (r#"{"name": "ROOTCA", "validationContext": {}}"#.to_owned(), "1 S"),
            (r#"{"dynamicActiveSecrets": [{"name": "default", "secret": {}}], "dynamicWarmingSecrets": [{"name": "w"}]}"#.to_owned(), "2 S"),
            (r#"[{"name": "a", "addedViaApi": true, "hostStatuses": [{"address": {"socketAddress": {"address": "::1", "portValue": 1}}}]}]"#.to_owned(), "1 E"),
            (r#"{"bootstrap": {"node": {"id": "x"}}}"#.to_owned(), "1 node"),
            (r#"{"node": {"id": "x"}, "static_resources": {"listeners": [{"name": "l"}], "clusters": [{"name": "c"}]}}"#.to_owned(), "1 L 1 C 1 node"),
            // Other admin endpoints.
            (r#"{"certificates": [{"ca_cert": [{"path": "p"}], "cert_chain": [{"subject_alt_names": [{"dns": "d"}, {"uri": "spiffe://x"}]}]}]}"#.to_owned(), "2 V"),
            (r#"{"listener_statuses": [{"name": "a"}, {"name": "b"}]}"#.to_owned(), "2 B"),
            (r#"{"cluster_statuses": [{"name": "a", "host_statuses": [{"address": {"pipe": {"path": "p"}}}]}, {"name": "b"}]}"#.to_owned(), "2 E"),
            // Masked and empty.
            (r#"{"configs": []}"#.to_owned(), ""),
            (r#"{"configs": [{"@type": "t/envoy.admin.v3.ScopedRoutesConfigDump"}]}"#.to_owned(), ""),
            (r#"{"configs": [{"dynamic_listeners": null, "@type": "t/envoy.admin.v3.ListenersConfigDump"}]}"#.to_owned(), ""),
            // One item in place of a list.
            (r#"{"static_listeners": {"listener": {}}}"#.to_owned(), "1 L"),
        ] {
            let proxy = of(&text);
            assert_eq!((counts(&proxy).as_str(), proxy.shape), (expected, Shape::Envoy), "{text}");
        }
    }

    #[test]
    fn what_is_something_else_is_told() {
        let ztunnel = r#"{"certificates": [{"identity": "spiffe://x", "certChain": [{"pem": "x"}]}], "policies": [], "services": {}, "workloads": {}, "workloadState": {}}"#;
        for (text, shape) in [
            (ztunnel, Shape::Ztunnel),
            (r#"{"workloads": [], "certificates": []}"#, Shape::Ztunnel),
            (r#"{"certificates": [{"identity": "spiffe://x", "certChain": []}]}"#, Shape::Ztunnel),
            ("{}", Shape::Unknown),
            ("[]", Shape::Unknown),
            ("1", Shape::Unknown),
            (r#""x""#, Shape::Unknown),
            ("null", Shape::Unknown),
            (r#"{"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "x"}}"#, Shape::Unknown),
            (r#"{"apiVersion": "v1", "kind": "List", "items": [{"spec": {"listeners": []}}]}"#, Shape::Unknown),
            (r#"{"apiVersion": "x", "kind": "EndpointSlice", "endpoints": [], "hosts": []}"#, Shape::Unknown),
            (r#"{"stats": [{"name": "x", "value": 1}]}"#, Shape::Unknown),
        ] {
            let proxy = of(text);
            assert_eq!((proxy.shape, counts(&proxy).as_str()), (shape, ""), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_noted_with_its_path() {
        for (text, expected) in [
            (
                r#"{"configs": [{"@type": "t/envoy.admin.v9.NewConfigDump", "things": []}, 7]}"#,
                "!configs[0] !configs[1]",
            ),
            (r#"{"configs": 7}"#, "!configs"),
            (r#"{"configs": {"a": 1, "b": {}}}"#, "!configs.a !configs.b"),
            (
                r#"{"configs": [{"@type": "t/x.ClustersConfigDump", "static_listeners": [{"listener": {}}]}]}"#,
                "1 L !configs[0]",
            ),
            (r#"{"configs": [{"static_listeners": [{"listener": {}}], "@type": "t/x.Y"}]}"#, "1 L !configs[0]"),
            (
                r#"{"dynamic_listeners": [{"name": "a"}, {"name": "b", "active_state": {}}, 3], "static_clusters": 4}"#,
                "!dynamic_listeners[0] !dynamic_listeners[1].active_state !dynamic_listeners[1] !dynamic_listeners[2] !static_clusters",
            ),
            (
                r#"{"static_clusters": [{}], "static_secrets": [{}], "ecds_filters": [{}], "static_route_configs": [{}]}"#,
                "!static_clusters[0] !static_secrets[0] !ecds_filters[0] !static_route_configs[0]",
            ),
            (
                r#"{"certificates": [{"ca_cert": ["Certificate Path: x"]}], "listener_statuses": [{}], "cluster_statuses": [{}, {"name": "c", "host_statuses": [{"address": {}}]}]}"#,
                "1 E !certificates[0] !listener_statuses[0] !cluster_statuses[0] !cluster_statuses[1].host_statuses[0].address",
            ),
            (r#"[{"x": 1}, {"name": "a", "filterChains": []}]"#, "1 L !"),
        ] {
            assert_eq!(counts(&of(text)).replace("![0]", "!"), expected, "{text}");
        }
    }

    #[test]
    fn refused_pushes_are_kept_apart_from_what_is_in_force() {
        let proxy = of(r#"{"dynamic_listeners": [
                {"name": "a", "active_state": {"listener": {}}, "draining_state": {"listener": {}}, "error_state": {"details": "d", "version_info": "v", "failed_configuration": {"name": "never"}}},
                {"name": "b", "error_state": {"failed_configuration": {"listener": {}}}, "client_status": 4},
                {"activeState": {"listener": {"name": "c"}}, "clientStatus": "NACKED"},
                {"name": "d", "client_status": "REQUESTED"}],
              "dynamic_active_clusters": [{"cluster": {"name": "e"}, "error_state": {}}],
              "dynamic_warming_listeners": [{"listener": {"name": "f"}, "error_state": {}}],
              "dynamic_active_secrets": [{"name": "g", "client_status": "NACKED"}]}"#);
        let rejected: Vec<_> = proxy.rejected.iter().map(|r| (r.what, &*r.name, r.has_active, &*r.details)).collect();
        assert_eq!(
            rejected,
            [
                ("listener", "a", true, "d"),
                ("listener", "b", false, ""),
                ("listener", "c", true, ""),
                ("cluster", "e", true, ""),
                ("listener", "f", false, ""),
                ("secret", "g", false, ""),
            ]
        );
        let states: Vec<_> = proxy.listeners.iter().map(|listener| listener.state).collect();
        assert_eq!(states, [State::Active, State::Draining, State::Active, State::Warming]);
        assert_eq!(proxy.listeners[0].path, "dynamic_listeners[0].active_state.listener");
        assert!(proxy.unread.is_empty(), "{:?}", proxy.unread);
    }

    #[test]
    fn static_resources_count_where_the_sections_do_not_have_them() {
        let bootstrap = r#"{"bootstrap": {"node": {"id": "x"}, "static_resources": {"listeners": [{"name": "a"}], "clusters": [{"name": "b"}], "secrets": [{"name": "c"}]}}}"#;
        for (more, expected) in [
            ("", "1 L 1 C 1 S 1 node"),
            (r#", {"static_listeners": [{"listener": {}}], "dynamic_listeners": []}"#, "1 L 1 C 1 S 1 node"),
            (r#", {"static_listeners": []}, {"static_clusters": []}, {"static_secrets": []}"#, "1 node"),
            (r#", {"dynamic_listeners": [{"name": "x", "active_state": {"listener": {}}}]}"#, "2 L 1 C 1 S 1 node"),
        ] {
            let proxy = of(&format!(r#"{{"configs": [{bootstrap}{more}]}}"#));
            assert_eq!(counts(&proxy), expected, "{more}");
        }
        let proxy = of(&format!(r#"{{"configs": [{bootstrap}]}}"#));
        assert_eq!(proxy.listeners[0].path, "configs[0].bootstrap.static_resources.listeners[0]");
    }

    #[test]
    fn a_cut_or_broken_dump_keeps_what_came_before() {
        let whole = r#"{"configs": [
 {"static_listeners": [{"listener": {"name": "a"}}, {"listener": {"name": "SECRET"}}]}, {"x": "SECRET"}]}"#;
        for end in 0..whole.len() {
            let proxy = of(&whole[..end]);
            let problem = proxy.problem.as_ref().unwrap_or_else(|| panic!("{end}"));
            assert!(!problem.why.contains("SECRET"), "{problem:?}");
            assert!(problem.line <= 2 && problem.column > 0, "{problem:?}");
        }
        let proxy = of(&whole[..72]);
        assert_eq!(counts(&proxy), "1 L problem");
        for (text, why, place) in [
            ("", "it is empty", (1, 1)),
            ("{} SECRET", "something follows the end of the JSON", (1, 4)),
            ("{\n\"configs\": [}", "a value is missing", (2, 13)),
            ("{\"x\": [}", "a bracket does not pair", (1, 8)),
            (r#"{"a" 1}"#, "a colon is missing", (1, 6)),
            (r#"{"a": 1 "SECRET": 1}"#, "a comma or a closing bracket is missing", (1, 9)),
            (r#"{SECRET: 1}"#, "a key in quotes is missing", (1, 2)),
            (r#"{"a": NaN}"#, "expected value", (1, 7)),
            (r#"{"static_listeners": [{"listener": NaN}]}"#, "expected value", (1, 36)),
            ("{\"static_listeners\": [{\"listener\":\n {\"name\": \"\\q\"}}]}", "invalid escape", (2, 13)),
            ("{\"a\": \"SECRET\u{1}\"}", "a control character stands in a text", (1, 14)),
            ("SECRET", "expected value", (1, 1)),
        ] {
            let problem = of(text).problem.unwrap_or_else(|| panic!("{text}"));
            assert_eq!((problem.why.as_str(), (problem.line, problem.column)), (why, place), "{text}");
        }
        assert_eq!(read_as(b"\xff\xfe{\0}\0", ALL).problem.unwrap().why, "it is UTF-16: save it as UTF-8");
        let invalid = read_as(b"{\"static_clusters\": [{\"cluster\": {\"name\": \"\xff\"}}]}", ALL).problem.unwrap();
        assert_eq!(invalid.why, "invalid unicode code point");
    }

    #[test]
    fn hostile_input_has_limits_and_no_panic() {
        let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
        for text in [
            deep("[", "]"),
            deep(r#"{"a":"#, "}"),
            format!(r#"{{"configs": {}}}"#, deep("[", "]")),
            format!(r#"{{"static_listeners": [{{"listener": {}}}]}}"#, deep("[", "]")),
            deep("[", ""),
            "[".repeat(100_000),
            "{\"configs\":[".repeat(50_000),
            format!(r#"{{"configs": [{}]}}"#, "{},".repeat(100_000) + "{}"),
            format!(r#"{{"static_listeners": [{}]}}"#, r#"{"listener": {}},"#.repeat(100_000) + "1"),
            r#"{"configs": [], "configs": [{"static_listeners": [{"listener": {}, "listener": {"name": 1e999}}]}]}"#
                .to_owned(),
            r#"{"a\u0062": "\ud800", "configs": "\\\"\\"}"#.to_owned(),
        ] {
            let proxy = from_reader("x", text.as_bytes(), ALL);
            assert!(proxy.unread.len() <= 10_000);
        }
        let proxy = of(r#"{"c\u006fnfigs": [{"static\u005flisteners": [{"l\u0069stener": {}}]}]}"#);
        assert_eq!(counts(&proxy), "1 L");
    }

    #[test]
    fn endpoints_are_not_decoded_where_nobody_wants_them() {
        let text = r#"{"configs": [{"dynamic_endpoint_configs": [{"endpoint_config": {"cluster_name": "c"}}]}, {"endpoint_config": {"cluster_name": "d"}}], "cluster_statuses": [{"name": "e"}]}"#;
        let proxy = read_as(text.as_bytes(), Wanted::default());
        assert!(proxy.endpoints.is_empty() && proxy.unread.is_empty());
        assert_eq!(proxy.sections, [Section::Endpoints, Section::ClusterStatuses]);
        assert_eq!(of(text).endpoints.len(), 3);
    }

    #[test]
    fn routes_are_decoded_where_they_have_rules() {
        for (text, expected) in [
            (r#"{"route_config": {"name": "x", "virtual_hosts": []}}"#, false),
            (r#"{"routeConfig": {"virtualHosts": [{"typedPerFilterConfig": {}}]}}"#, true),
            (r#"{"route_config": {"virtual_hosts": [{"per_filter_config": {}}]}}"#, true),
            (r#"{"route_config": {}, "error_state": {}}"#, true),
            (r#"{"route_config": {"typed_p\u0065r_filter_config": {}}}"#, true),
            ("{}", true),
        ] {
            assert_eq!(has_rules(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_source_that_fails_is_a_problem() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("the gzip data are cut off"))
            }
        }
        let proxy = from_reader("x", br#"{"static_listeners": [{"listener": {}},"#.chain(Failing), ALL);
        assert_eq!(counts(&proxy), "1 L problem");
        assert_eq!(proxy.problem.unwrap().why, "the gzip data are cut off");
    }

    #[test]
    fn a_listener_that_only_warms_is_understood() {
        let text = br#"{"configs": [{"dynamic_listeners": [{"name": "a", "warming_state": {"listener": {"name": "a"}}}, {"name": "b"}],
            "dynamic_warming_listeners": [{"listener": {"name": "c"}}]}]}"#;
        let proxy = from_slice("x", text, ALL);
        assert_eq!(proxy.listeners.len(), 2);
        assert_eq!(proxy.unread.len(), 1, "{:?}", proxy.unread);
    }

    #[test]
    fn shared_dumps_are_read_as_a_decoder_of_json_reads_them() {
        for path in shared("fixtures/configdump", ".json").into_iter().chain(shared("corpora/envoy-dumps", ".json")) {
            let bytes = std::fs::read(&path).unwrap();
            let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let proxy = from_reader("x", bytes.as_slice(), ALL);
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(proxy.problem.is_none() && proxy.bytes == bytes.len() as u64, "{name}");
            let is_dump = json.get("configs").is_some();
            let expected = match name.rsplit('.').nth(1) {
                Some("stats" | "truth") => Shape::Unknown,
                _ if name.starts_with("ztunnel") => Shape::Ztunnel,
                _ => Shape::Envoy,
            };
            assert_eq!(proxy.shape, expected, "{name}");
            if !is_dump {
                continue;
            }
            let sections: Vec<&serde_json::Value> = match &json["configs"] {
                serde_json::Value::Array(list) => list.iter().collect(),
                map => map.as_object().unwrap().values().collect(),
            };
            let count = |keys: &[&str]| -> usize {
                let lists = sections.iter().flat_map(|section| keys.iter().map(move |key| section.get(key)));
                lists.flatten().map(|list| list.as_array().unwrap().len()).sum()
            };
            assert_eq!(
                proxy.listeners.len(),
                count(&["static_listeners", "dynamic_listeners", "dynamic_active_listeners", "dynamicActiveListeners"]),
                "{name}"
            );
            assert_eq!(
                proxy.clusters.len(),
                count(&["static_clusters", "dynamic_active_clusters", "staticClusters", "dynamicActiveClusters"]),
                "{name}"
            );
            assert_eq!(proxy.secrets.len(), count(&["dynamic_active_secrets", "dynamic_warming_secrets"]), "{name}");
        }
    }
}
