//! The table of clusters: what the proxy sends to each endpoint.

use crate::envoy::judged::{Judged, Upstream, Wire};
use crate::envoy::vocabulary::socket;
use crate::report::{Cell, Column, Tone};
use std::io;

/// Columns, by their number, that tell of TLS: VERIFIED; SNI, ALPN and SANS.
const VERIFIED: usize = 5;
const SNI: usize = 7;

/// The columns.
pub fn columns() -> Vec<Column> {
    vec![
        Column::new("HOST", 20),
        Column::new("PORT", 0),
        Column::new("SUBSET", 0),
        Column::new("ENDPOINT", 12),
        Column::new("WIRE", 0),
        Column::new("VERIFIED", 0),
        Column::new("RULE", 12),
        Column::new("SNI", 20),
        Column::new("ALPN", 12),
        Column::new("SANS", 20),
        Column::wide("CLUSTER", 20),
        Column::wide("HOW", 12),
    ]
}

/// Whether a cluster is a service that the workload calls, and not one of the proxy itself.
pub fn is_service(upstream: &Upstream) -> bool {
    upstream.host.is_some()
}

/// Calls back with the cells of every endpoint of the clusters that are wanted; a cluster without any has one row.
pub fn rows(
    judged: &Judged,
    wanted: impl Fn(&Upstream) -> bool,
    each: &mut dyn FnMut(Vec<Cell>) -> io::Result<()>,
) -> io::Result<()> {
    for upstream in judged.upstreams.iter().filter(|upstream| wanted(upstream)) {
        if upstream.endpoints.is_empty() {
            each(cells(judged, upstream, "-".to_owned(), Cell::plain("-")))?;
        }
        for endpoint in &upstream.endpoints {
            let wire = wire(endpoint.wire, upstream.verified);
            let mut row = cells(judged, upstream, socket(&endpoint.address, endpoint.port), wire);
            if endpoint.wire == Some(Wire::Plaintext) {
                // What the cluster's TLS would say is not what crosses to this endpoint.
                row.iter_mut().skip(VERIFIED).take(1).for_each(|cell| *cell = Cell::plain("-"));
                row.iter_mut().skip(SNI).take(3).for_each(|cell| *cell = Cell::plain("-"));
            }
            each(row)?;
        }
    }
    Ok(())
}

/// What crosses. TLS to a server that is not verified may end at anyone.
fn wire(wire: Option<Wire>, verified: Option<bool>) -> Cell {
    let Some(wire) = wire else { return Cell::new("unknown", Tone::Warn) };
    let tone = match wire {
        Wire::Mtls | Wire::Hbone if verified == Some(true) => Tone::Good,
        Wire::MutualTls | Wire::Tls if verified == Some(true) => Tone::Plain,
        _ => Tone::Warn,
    };
    Cell::new(wire.word(), tone)
}

fn cells(judged: &Judged, upstream: &Upstream, endpoint: String, wire: Cell) -> Vec<Cell> {
    let cluster = judged.proxy.clusters.get(upstream.cluster);
    let name = cluster.map_or("?", |cluster| &cluster.name);
    let dash = |text: Option<&str>| Cell::plain(text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned());
    vec![
        Cell::new(upstream.host.clone().unwrap_or_else(|| name.to_owned()), Tone::Strong),
        dash(upstream.port.map(|port| port.to_string()).as_deref()),
        dash(upstream.subset.as_deref()),
        Cell::plain(endpoint),
        wire,
        match upstream.verified {
            Some(true) => Cell::plain("yes"),
            Some(false) => Cell::new("no", Tone::Warn),
            None => Cell::plain("-"),
        },
        dash(cluster.and_then(|cluster| cluster.destination_rule.as_deref())),
        dash(upstream.sni.as_deref()),
        dash(Some(&upstream.alpn.join(","))),
        dash(Some(&upstream.expected_sans.join(", "))),
        Cell::plain(name.to_owned()),
        dash(Some(&upstream.how)),
    ]
}
