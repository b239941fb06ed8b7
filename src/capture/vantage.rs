//! Where a capture was taken, as far as it shows, and so what it can prove and what not.

use super::flow::{Coverage, Flow, Verdict};
use super::packet::{Endpoint, Medium, TunnelId, Tunnels};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Kinds of places. Inferred, so each is worded as what the capture looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// No flow says anything.
    Nowhere,
    /// Only loopback.
    Loopback,
    /// A real interface of one host or pod: every flow has its address.
    Pod,
    /// All interfaces of one host or pod.
    PodAny,
    /// One end of calls between two addresses only.
    Pair,
    /// Many addresses without a common one: a node's interface, a bridge, a gateway's uplink.
    Node,
    /// Mostly inside encapsulations: the link below an overlay, or a port mirror.
    Tunnel,
}

/// Link types of `-i any`: LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2.
const COOKED: [u32; 2] = [113, 276];

/// Encapsulations that are part of a plain link, and say nothing of where it is.
const ON_THE_LINK: [&str; 4] = ["vlan", "pbb", "mpls", "pppoe"];

/// Where a capture was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vantage {
    /// The kind of place.
    pub place: Place,
    /// The address that every flow has.
    pub address: Option<IpAddr>,
    /// The commonest outermost encapsulation, where most flows have one.
    pub tunnel: Option<String>,
    /// Some flows are TLS 1.3, whose certificates cannot be read without keys.
    pub tls13: bool,
    /// Node encryption (IPsec, WireGuard) was seen: what it carries is hidden.
    pub node_encryption: bool,
}

/// What the flows show of the place, gathered flow by flow.
#[derive(Debug, Default)]
pub struct Sights<'a> {
    /// The addresses that every flow on the wire has so far; `None` before the first.
    shared: Option<Vec<[u8; 16]>>,
    /// Flows on the wire whose outermost encapsulation is of that name.
    tunnels: BTreeMap<&'a str, u64>,
    wire: u64,
    lo: u64,
    tls13: bool,
    node_encryption: bool,
    /// The encapsulations of the flow before, and their name: flows that follow each other mostly share them.
    last: Option<(TunnelId, Option<&'a str>)>,
}

impl<'a> Sights<'a> {
    /// One more flow.
    pub fn add(&mut self, flow: &Flow, tunnels: &'a Tunnels) {
        self.tls13 |= flow.tls.as_ref().is_some_and(|tls| tls.version == Some(0x0304));
        let other = flow.verdict == Verdict::EncryptedOther;
        self.node_encryption |= other && matches!(flow.protocol, Some("ipsec" | "wireguard"));
        if flow.medium == Medium::Lo {
            self.lo += 1;
            return;
        }
        self.wire += 1;
        let ends = [flow.client.address, flow.server.address];
        match &mut self.shared {
            Some(shared) => shared.retain(|address| ends.contains(address)),
            None => self.shared = Some(ends.to_vec()),
        }
        let name = match self.last {
            Some((tunnel, name)) if tunnel == flow.tunnel => name,
            _ => {
                let path = tunnels.path(flow.tunnel).iter();
                let mut path = path.map(|name| name.split(':').next().unwrap_or_default());
                path.find(|name| !ON_THE_LINK.contains(name))
            }
        };
        self.last = Some((flow.tunnel, name));
        if let Some(name) = name {
            *self.tunnels.entry(name).or_default() += 1;
        }
    }

    /// The place that they and the link types tell.
    #[must_use]
    pub fn vantage(self, coverage: &Coverage) -> Vantage {
        let cooked = COOKED.iter().any(|link| coverage.link_types.contains_key(link));
        let mut shared = self.shared.unwrap_or_default();
        shared.dedup();
        let tunnelled: u64 = self.tunnels.values().sum();
        let place = match (self.wire, self.lo, &*shared) {
            (0, 0, _) => Place::Nowhere,
            (0, _, _) => Place::Loopback,
            _ if tunnelled * 2 > self.wire => Place::Tunnel,
            (_, _, []) => Place::Node,
            (_, 0, [_]) if !cooked => Place::Pod,
            (_, _, [_]) => Place::PodAny,
            _ => Place::Pair,
        };
        let address = shared.first().filter(|_| matches!(place, Place::Pod | Place::PodAny));
        let address = address.map(|address| Endpoint { address: *address, port: 0 }.ip());
        let tunnel = self.tunnels.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.to_owned());
        let tunnel = tunnel.filter(|_| place == Place::Tunnel);
        Vantage { place, address, tunnel, tls13: self.tls13, node_encryption: self.node_encryption }
    }
}

impl Vantage {
    /// From the flows, the interfaces and the encapsulations.
    #[cfg(test)]
    fn of(capture: &super::flow::Capture) -> Self {
        let mut sights = Sights::default();
        capture.flows.iter().for_each(|flow| sights.add(flow, &capture.tunnels));
        sights.vantage(&capture.coverage)
    }

    /// The word in JSON.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.place {
            Place::Nowhere => "none",
            Place::Loopback => "loopback",
            Place::Pod => "pod",
            Place::PodAny => "pod-any",
            Place::Pair => "pair",
            Place::Node => "node",
            Place::Tunnel => "tunnel",
        }
    }

    /// What it looks like.
    #[must_use]
    pub fn text(&self) -> String {
        let address = self.address.map(|address| address.to_string()).unwrap_or_default();
        match self.place {
            Place::Nowhere => "no flow says where the capture was taken".to_owned(),
            Place::Loopback => "the loopback interface of a pod or host".to_owned(),
            Place::Pod => format!("an interface of {address}: every flow has that address"),
            Place::PodAny => format!("all interfaces (any) of {address}: every flow on the wire has that address"),
            Place::Pair => "between two addresses only: one of them, or a capture filter".to_owned(),
            Place::Node => "a node, bridge or gateway: no address is common to all flows".to_owned(),
            Place::Tunnel => {
                let tunnel = self.tunnel.as_deref().unwrap_or("tunnels");
                format!("most flows come inside {tunnel}: a port mirror, or the link below an overlay network")
            }
        }
    }

    /// What a capture from there shows.
    #[must_use]
    pub fn shows(&self) -> Cow<'static, str> {
        match self.place {
            Place::Nowhere => "nothing",
            Place::Loopback => "only what goes between applications and their own sidecars, plaintext by design",
            Place::Pod | Place::Pair => "what crosses the wire to and from there, which is where mutual TLS must be",
            Place::PodAny => "the wire, where mutual TLS must be, and the legs to the own sidecar, plaintext by design",
            Place::Node => "what passes that interface, of several workloads",
            Place::Tunnel => "what workloads send to each other, as it leaves them",
        }
        .into()
    }

    /// What it cannot show, one sentence each.
    #[must_use]
    pub fn hides(&self) -> Vec<&'static str> {
        let mut hides = vec![match self.place {
            Place::Nowhere => "anything",
            Place::Loopback => "what crosses the wire: this capture says nothing of mutual TLS between workloads",
            Place::Pod => "calls that do not involve that address, and those that a capture filter left out",
            Place::PodAny => "calls between other workloads, and those that a capture filter left out",
            Place::Pair => "calls of other workloads, and those that a capture filter left out",
            Place::Node => "calls on other interfaces and nodes, and those inside one pod",
            Place::Tunnel => {
                "calls that are not mirrored or stay on one node, and whether the link itself is encrypted"
            }
        }];
        if self.node_encryption {
            hides.push("what IPsec or WireGuard carry: the flows inside are not seen at all");
        }
        if self.tls13 {
            hides.push("identities in TLS 1.3: certificates are encrypted, their presence is inferred from sizes");
        }
        if !matches!(self.place, Place::Nowhere | Place::Loopback) {
            hides.push("whether a server checked the certificate against the right CA and authorised the identity");
        }
        hides
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::fake::{mtls, plain};
    use crate::capture::flow::Capture;

    fn place(flows: Vec<Flow>, link: u32) -> (Place, Option<String>) {
        let mut capture = Capture { flows, ..Capture::default() };
        capture.coverage.link_types.insert(link, 1);
        let vantage = Vantage::of(&capture);
        assert!(!vantage.text().is_empty() && !vantage.shows().is_empty() && !vantage.hides().is_empty());
        (vantage.place, vantage.address.map(|address| address.to_string()))
    }

    fn lo(client: &str, server: &str) -> Flow {
        Flow { medium: Medium::Lo, ..plain(client, server, "http") }
    }

    #[test]
    fn addresses_and_interfaces_tell_the_place() {
        let pod = || vec![mtls("10.0.0.1:1", "10.0.0.2:80"), mtls("10.0.0.2:2", "10.0.0.3:80")];
        let address = Some("10.0.0.2".to_owned());
        assert_eq!(place(vec![], 1), (Place::Nowhere, None));
        assert_eq!(place(vec![lo("127.0.0.1:1", "127.0.0.1:2")], 1), (Place::Loopback, None));
        assert_eq!(place(pod(), 1), (Place::Pod, address.clone()));
        assert_eq!(place(pod(), 276), (Place::PodAny, address.clone()));
        let both = [pod(), vec![lo("127.0.0.6:1", "10.0.0.2:80")]].concat();
        assert_eq!(place(both, 1), (Place::PodAny, address));
        assert_eq!(place(vec![mtls("10.0.0.1:1", "10.0.0.2:80")], 1), (Place::Pair, None));
        let node = [pod(), vec![mtls("10.0.0.7:1", "10.0.0.8:2")]].concat();
        assert_eq!(place(node, 276), (Place::Node, None));
    }

    #[test]
    fn encapsulations_tell_a_mirror_and_vlans_do_not() {
        for (path, want, name) in [
            (&["vlan:7", "geneve:9"][..], Place::Tunnel, Some("geneve")),
            (&["vlan:7", "vlan:8", "mpls:16"], Place::Pair, None),
        ] {
            let mut capture = Capture::default();
            let tunnel = capture.tunnels.push(path.iter().map(|name| (*name).to_owned()).collect());
            capture.flows.push(Flow { tunnel, ..mtls("10.0.0.1:1", "10.0.0.2:80") });
            let vantage = Vantage::of(&capture);
            assert_eq!((vantage.place, vantage.tunnel.as_deref()), (want, name));
        }
    }
}
