//! Rows for a person, where a capture has more edges than anybody reads: clients and servers counted, not named.

use super::edges::{Edge, Key, group};
use super::flow::Flow;
use super::judge::Policy;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// The most rows of a table for a person: a few screens. Complete lists (`-o wide`, `--flows`, JSON, CSV, Markdown) have
/// no limit.
pub const MOST: usize = 200;

/// The rows of the table for a person.
#[derive(Clone, Debug)]
pub enum Rows {
    /// The edges as they are.
    Edges(Vec<Edge>),
    /// Edges put together.
    Folded(Folded),
}

/// Edges put together until a person can read them.
#[derive(Clone, Debug)]
pub struct Folded {
    /// The rows: those that fail the run first, then by flows, the most first, then by first frame. No more than [`MOST`].
    pub rows: Vec<Fold>,
    /// Rows that are left out, and their flows.
    pub left: (usize, u64),
    /// Addresses of clients in all.
    pub clients: usize,
    /// Servers, each an address and a port, in all.
    pub servers: usize,
}

/// One row.
#[derive(Clone, Debug)]
pub struct Fold {
    /// What the flows have in common, and their sums.
    pub edge: Edge,
    /// How many addresses of clients.
    pub clients: u32,
    /// How many servers.
    pub servers: u32,
    /// All have the identities of the first.
    pub one_identity: bool,
}

/// The rows of flows: edges; where those are more than [`MOST`], by server; where that is too many still, by answer alone.
#[must_use]
pub fn rows(flows: &[Flow], policy: &Policy) -> Rows {
    if let Some(edges) = group(flows, policy, MOST) {
        return Rows::Edges(edges);
    }
    let by_server = folded(flows, policy, Key::of_any_client, MOST);
    Rows::Folded(by_server.or_else(|| folded(flows, policy, Key::of_any_pair, usize::MAX)).unwrap_or_else(|| Folded {
        rows: Vec::new(),
        left: (0, flows.len() as u64),
        clients: 0,
        servers: 0,
    }))
}

/// Flows put together by a part of their keys; `None` where that gives more than `most` rows.
fn folded<'a>(flows: &'a [Flow], policy: &Policy, part: fn(Key<'a>) -> Key<'a>, most: usize) -> Option<Folded> {
    let state = RandomState::default();
    let mut places: HashTable<(u64, usize)> = HashTable::new();
    let mut keys: Vec<Key<'a>> = Vec::new();
    let mut rows: Vec<Fold> = Vec::new();
    let (mut clients, mut servers) = (Distinct::default(), Distinct::default());
    let mut place = 0;
    for (at, flow) in flows.iter().enumerate() {
        let judged = policy.judge(flow);
        let key = part(Key::of(flow, judged.exempt));
        // Flows that follow each other are often alike.
        if keys.get(place) != Some(&key) {
            let hash = state.hash_one(key);
            let same = |(other, place): &(u64, usize)| *other == hash && keys.get(*place) == Some(&key);
            place = places.find(hash, same).map_or(rows.len(), |(_, place)| *place);
            if place == rows.len() {
                if rows.len() >= most {
                    return None;
                }
                let edge = Edge::new(at, flow, judged);
                rows.push(Fold { edge, clients: 0, servers: 0, one_identity: true });
                keys.push(key);
                places.insert_unique(hash, (hash, place), |(hash, _)| *hash);
            }
        }
        let Some(row) = rows.get_mut(place) else { continue };
        row.edge.add(flow);
        row.clients += u32::from(clients.add(place, flow.client.address, 0));
        row.servers += u32::from(servers.add(place, flow.server.address, flow.server.port));
        row.one_identity &= flows.get(row.edge.first).is_some_and(|first| identities(first) == identities(flow));
    }
    let rank = |row: &Fold| (row.edge.class.is_none(), std::cmp::Reverse(row.edge.flows), row.edge.first);
    rows.sort_unstable_by_key(rank);
    let rest = rows.get(MOST..).unwrap_or_default();
    let left = (rest.len(), rest.iter().map(|row| row.edge.flows).sum());
    rows.truncate(MOST);
    Some(Folded { rows, left, clients: clients.ends.len(), servers: servers.ends.len() })
}

fn identities(flow: &Flow) -> [Option<&str>; 2] {
    let tls = flow.tls.as_deref();
    let client = tls.and_then(|tls| tls.client_spiffe.as_deref());
    [client, tls.and_then(|tls| tls.server_spiffe.as_deref())]
}

/// Counts the different ends of each group.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    state: RandomState,
    ends: HashTable<End>,
    /// Groups from the 64th on, each with an end that is in it.
    more: HashTable<u64>,
}

/// An address with a port, and the number that it has here.
#[derive(Debug)]
struct End {
    address: u128,
    port: u16,
    number: u32,
    /// Which of the first 64 groups it is in: those are nearly all.
    groups: u64,
}

impl Distinct {
    /// Whether an end is new to a group.
    pub(super) fn add(&mut self, group: usize, address: [u8; 16], port: u16) -> bool {
        let (state, address) = (&self.state, u128::from_be_bytes(address));
        let of = |address: u128, port: u16| state.hash_one(address ^ u128::from(port) << 64);
        let hash = of(address, port);
        let bit = u32::try_from(group).ok().and_then(|group| 1_u64.checked_shl(group)).unwrap_or(0);
        let number = match self.ends.find_mut(hash, |end| end.address == address && end.port == port) {
            Some(end) if bit != 0 => {
                let new = end.groups & bit == 0;
                end.groups |= bit;
                return new;
            }
            Some(end) => end.number,
            None => {
                let number = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
                let end = End { address, port, number, groups: bit };
                self.ends.insert_unique(hash, end, |end| of(end.address, end.port));
                number
            }
        };
        if bit != 0 {
            return true;
        }
        // No capture has so many groups; those of one that had would be counted as one.
        let both = u64::from(u32::try_from(group).unwrap_or(u32::MAX)) << 32 | u64::from(number);
        let hash = state.hash_one(both);
        let new = self.more.find(hash, |other| *other == both).is_none();
        if new {
            self.more.insert_unique(hash, both, |both| state.hash_one(both));
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::fake::{mtls, plain};
    use crate::capture::packet::Endpoint;
    use std::net::Ipv4Addr;

    /// Mutual TLS of so many clients to so many servers each, and one call in clear at the end.
    fn many(clients: u32, servers: u32) -> Vec<Flow> {
        let at = |net: u32, n: u32| Endpoint::new(Ipv4Addr::from(net + n).into(), 9080);
        let pairs = (0..clients).flat_map(|client| (0..servers).map(move |server| (client, server)));
        let mut flows: Vec<Flow> = pairs
            .map(|(client, server)| {
                let mut flow = mtls("10.0.0.1:4000", "10.0.0.2:80");
                (flow.client, flow.server) = (at(0x0a00_0000, client), at(0x0a01_0000, server));
                flow
            })
            .collect();
        flows.push(plain("10.0.0.1:1", "10.1.0.0:9080", "http"));
        flows
    }

    fn fold(flows: &[Flow]) -> Folded {
        match rows(flows, &Policy::default()) {
            Rows::Folded(folded) => folded,
            Rows::Edges(edges) => panic!("{} edges", edges.len()),
        }
    }

    #[test]
    fn what_a_person_can_read_is_not_folded() {
        assert!(matches!(rows(&many(199, 1), &Policy::default()), Rows::Edges(edges) if edges.len() == MOST));
        assert!(matches!(rows(&[], &Policy::default()), Rows::Edges(edges) if edges.is_empty()));
    }

    #[test]
    fn many_clients_of_few_servers_are_rows_by_server_what_fails_first() {
        let folded = fold(&many(300, 3));
        let shown: Vec<_> = folded.rows.iter().map(|row| (row.edge.first, row.edge.flows, row.clients)).collect();
        assert_eq!(shown, [(900, 1, 1), (0, 300, 300), (1, 300, 300), (2, 300, 300)]);
        assert_eq!((folded.clients, folded.servers, folded.left), (300, 3, (0, 0)));
        assert!(folded.rows.iter().all(|row| row.servers == 1));
    }

    #[test]
    fn many_clients_of_many_servers_are_rows_by_answer() {
        let folded = fold(&many(5, 300));
        let shown: Vec<_> = folded.rows.iter().map(|row| (row.edge.flows, row.clients, row.servers)).collect();
        assert_eq!(shown, [(1, 1, 1), (1500, 5, 300)]);
        assert_eq!(folded.rows.iter().map(|row| row.edge.bytes).sum::<u64>(), 1501 * 2000);
    }

    #[test]
    fn identities_keep_servers_rows_apart_and_are_said_only_where_they_are_one() {
        let mut flows = many(1, 300);
        if let Some(tls) = &mut flows[7].tls {
            tls.client_spiffe = Some("spiffe://a/ns/b/sa/c".into());
        }
        assert_eq!(fold(&flows).rows.iter().map(|row| row.one_identity).collect::<Vec<_>>(), [true, false]);
        let mut flows = many(300, 1);
        if let Some(tls) = &mut flows[7].tls {
            tls.client_spiffe = Some("spiffe://a/ns/b/sa/c".into());
        }
        assert_eq!(fold(&flows).rows.iter().map(|row| row.clients).collect::<Vec<_>>(), [1, 299, 1]);
    }

    #[test]
    fn more_answers_than_a_person_reads_are_cut_and_counted() {
        let mut flows = many(2, 500);
        for (version, flow) in (0..).zip(&mut flows) {
            if let Some(tls) = &mut flow.tls {
                tls.version = Some(version);
            }
        }
        let folded = fold(&flows);
        assert_eq!((folded.rows.len(), folded.left), (MOST, (801, 801)));
        assert_eq!(folded.rows[0].edge.first, 1000);
    }

    #[test]
    fn ends_are_counted_once_in_each_group() {
        let mut ends = Distinct::default();
        let at = |n: u8| [n; 16];
        for group in [0, 1, 63, 64, 65, 1 << 40] {
            for (address, port, new) in [(1, 0, true), (1, 0, false), (1, 80, true), (2, 0, true), (1, 80, false)] {
                assert_eq!(ends.add(group, at(address), port), new, "{group} {address} {port}");
            }
        }
    }
}
