//! Flows with equal answers, as one edge from a client's address to a server.

use super::exempt::Exempt;
use super::flow::Flow;
use super::judge::{Class, Judged, Policy};
use super::packet::{Endpoint, Medium, Time, Transport, TunnelId};
use super::why::Why;
use super::words::{address, socket};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hash, Hasher};

/// What the flows of a row share. In the order in which edges are shown: by server, then client, addresses as numbers
/// (IPv4 as `::ffff:a.b.c.d`), then what tells the rows of one pair apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key<'a> {
    server: Endpoint,
    /// Its port is 0.
    client: Endpoint,
    transport: Transport,
    medium: Medium,
    tunnel: TunnelId,
    /// Holds verdict, grade, failure and exemption.
    why: Why,
    version: Option<u16>,
    client_spiffe: Option<&'a str>,
    server_spiffe: Option<&'a str>,
}

/// What tells most flows apart. All that whoever sent the packets may choose freely is in it, so that a hostile capture
/// does not make every key collide.
impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_be_bytes(self.server.address));
        state.write_u128(u128::from_be_bytes(self.client.address));
        let version = self.version.map_or(0, u64::from);
        state.write_u64(u64::from(self.server.port) << 48 | u64::from(self.tunnel.0) << 16 | version);
        self.client_spiffe.hash(state);
        self.server_spiffe.hash(state);
        self.why.hash(state);
    }
}

impl<'a> Key<'a> {
    /// Of a flow.
    pub(super) fn of(flow: &'a Flow, exempt: Option<Exempt>) -> Self {
        let tls = flow.tls.as_deref();
        Self {
            server: flow.server,
            client: Endpoint { port: 0, ..flow.client },
            transport: flow.transport,
            medium: flow.medium,
            tunnel: flow.tunnel,
            why: Why::of(flow, exempt),
            version: tls.and_then(|tls| tls.version),
            client_spiffe: tls.and_then(|tls| tls.client_spiffe.as_deref()),
            server_spiffe: tls.and_then(|tls| tls.server_spiffe.as_deref()),
        }
    }

    /// Whatever the client's address.
    pub(super) fn of_any_client(self) -> Self {
        Self { client: Endpoint::default(), ..self }
    }

    /// Whoever talks to whom, and wherever.
    pub(super) fn of_any_pair(self) -> Self {
        Self {
            server: Endpoint::default(),
            client: Endpoint::default(),
            // A protocol that has a name is shown instead of it.
            transport: if self.why.is_named() { Transport::Tcp } else { self.transport },
            medium: Medium::Wire,
            tunnel: TunnelId(0),
            client_spiffe: None,
            server_spiffe: None,
            ..self
        }
    }
}

/// Flows with equal answers. What they share is read from the first of them, so that an edge is small: a capture may
/// have as many edges as flows.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The first of them, by its number in the list of flows.
    pub first: usize,
    /// Why they are exempt.
    pub exempt: Option<Exempt>,
    /// Why they fail a run.
    pub class: Option<Class>,
    /// How many.
    pub flows: u64,
    /// Packets of all.
    pub packets: u64,
    /// Bytes of all.
    pub bytes: u64,
    /// When the last of them ended.
    pub last: Time,
}

impl Edge {
    /// Of no flow yet; `first` is the number of the one that comes.
    pub(super) fn new(first: usize, flow: &Flow, judged: Judged) -> Self {
        let Judged { exempt, class } = judged;
        Self { first, exempt, class, flows: 0, packets: 0, bytes: 0, last: flow.last }
    }

    /// Takes in one more flow.
    pub(super) fn add(&mut self, flow: &Flow) {
        self.flows += 1;
        self.packets += flow.packets;
        self.bytes += flow.bytes;
        self.last = self.last.max(flow.last);
    }
}

/// The edges of flows, sorted; `None` where there are more than `most`.
#[must_use]
pub fn group(flows: &[Flow], policy: &Policy, most: usize) -> Option<Vec<Edge>> {
    // Keyed randomly: which flows there are is up to whoever sent the packets.
    let state = RandomState::default();
    // Half of each hash, and the edge: 8 bytes.
    let mut places: HashTable<(u32, u32)> = HashTable::new();
    let mut edges: Vec<Edge> = Vec::new();
    for (at, flow) in flows.iter().enumerate() {
        let judged = policy.judge(flow);
        let wanted = Key::of(flow, judged.exempt);
        let half = (state.hash_one(wanted) >> 32) as u32;
        let same = |(other, place): &(u32, u32)| {
            *other == half && edges.get(*place as usize).and_then(|edge| key_of(edge, flows)) == Some(wanted)
        };
        let place = places.find(whole(half), same).map_or(edges.len(), |(_, place)| *place as usize);
        if place == edges.len() {
            if edges.len() >= most {
                return None;
            }
            edges.push(Edge::new(at, flow, judged));
            let number = u32::try_from(place).ok()?;
            places.insert_unique(whole(half), (half, number), |(half, _)| whole(*half));
        }
        if let Some(edge) = edges.get_mut(place) {
            edge.add(flow);
        }
    }
    drop(places);
    // Most edges differ in their ends; the rest of the key is made only where they do not.
    let ends = |edge: &Edge| flows.get(edge.first).map(|flow| (flow.server, flow.client.address));
    edges.sort_unstable_by(|a, b| ends(a).cmp(&ends(b)).then_with(|| key_of(a, flows).cmp(&key_of(b, flows))));
    Some(edges)
}

/// Half a hash spread over a whole one: a table looks at the highest bits and at the lowest.
fn whole(half: u32) -> u64 {
    u64::from(half) << 32 | u64::from(half)
}

fn key_of<'a>(edge: &Edge, flows: &'a [Flow]) -> Option<Key<'a>> {
    flows.get(edge.first).map(|flow| Key::of(flow, edge.exempt))
}

/// `10.0.0.1 -> 10.0.0.2:9080`.
#[must_use]
pub fn name(client: Endpoint, server: Endpoint) -> String {
    format!("{} -> {}", address(client), socket(server))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::fake::{flow, mtls, plain};
    use crate::capture::flow::Verdict;

    #[test]
    fn flows_with_equal_answers_are_one_edge_whatever_the_clients_port() {
        let flows = [
            mtls("10.0.0.1:4000", "10.0.0.10:9080"),
            mtls("10.0.0.1:4001", "10.0.0.10:9080"),
            plain("10.0.0.1:4002", "10.0.0.10:9080", "http"),
            mtls("10.0.0.2:4000", "10.0.0.10:9080"),
            mtls("10.0.0.1:4000", "10.0.0.9:9080"),
            flow("[fd00::1]:1", "[fd00::2]:9080", Verdict::Tls),
            mtls("10.0.0.1:4003", "10.0.0.10:9080"),
        ];
        let edges = group(&flows, &Policy::default(), usize::MAX).unwrap();
        let edge = |e: &Edge| (name(flows[e.first].client, flows[e.first].server), e.first, e.flows, e.bytes);
        let shown: Vec<_> = edges.iter().map(edge).collect();
        assert_eq!(
            shown,
            [
                // By number, not by letter: .9 before .10.
                ("10.0.0.1 -> 10.0.0.9:9080".to_owned(), 4, 1, 2000),
                ("10.0.0.1 -> 10.0.0.10:9080".to_owned(), 0, 3, 6000),
                ("10.0.0.1 -> 10.0.0.10:9080".to_owned(), 2, 1, 2000),
                ("10.0.0.2 -> 10.0.0.10:9080".to_owned(), 3, 1, 2000),
                ("fd00::1 -> [fd00::2]:9080".to_owned(), 5, 1, 2000),
            ]
        );
    }

    #[test]
    fn identities_keep_flows_apart() {
        let mut other = mtls("10.0.0.1:1", "10.0.0.2:2");
        if let Some(tls) = &mut other.tls {
            tls.client_spiffe = Some("spiffe://a/ns/b/sa/c".into());
        }
        let flows = [mtls("10.0.0.1:1", "10.0.0.2:2"), other.clone(), other];
        let edges = group(&flows, &Policy::default(), usize::MAX).unwrap();
        assert_eq!(edges.iter().map(|edge| edge.flows).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn thousands_of_edges_are_kept_apart_and_found_again() {
        let flows: Vec<Flow> = (0..6000_u32)
            .map(|n| {
                let mut flow = mtls("10.0.0.1:4000", "10.0.0.2:80");
                flow.server = Endpoint::new(std::net::Ipv4Addr::from(0x0a01_0000 + n % 3000).into(), 80);
                flow
            })
            .collect();
        let edges = group(&flows, &Policy::default(), usize::MAX).unwrap();
        assert_eq!(edges.len(), 3000);
        assert!(group(&flows, &Policy::default(), 3000).is_some() && group(&flows, &Policy::default(), 2999).is_none());
        assert!(edges.iter().all(|edge| edge.flows == 2) && edges.iter().zip(0..).all(|(edge, at)| edge.first == at));
    }
}
