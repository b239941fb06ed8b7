//! The table of certificates: each with those above it.

use crate::envoy::judged::{ChainCheck, HeldCertificate, Judged, Link, Validity};
use crate::envoy::vocabulary::{holder, length, rfc3339};
use crate::report::{Cell, Column, Tone};
use std::io;

/// The columns.
pub fn columns() -> Vec<Column> {
    vec![
        Column::new("NAME", 12),
        Column::new("KIND", 0),
        Column::new("STATE", 0),
        Column::new("LEFT", 0),
        Column::new("HOLDER", 16),
        Column::new("KEY", 0),
        Column::new("CHAIN", 0),
        Column::new("VALID TO", 20),
        Column::new("ISSUER", 16),
        Column::new("SERIAL", 12),
        Column::wide("SUBJECT", 16),
        Column::wide("SPIFFE ID", 16),
        Column::wide("VALID FROM", 20),
        Column::wide("WHY", 16),
    ]
}

/// Calls back with the cells of every certificate, and of each one above it.
pub fn rows(judged: &Judged, at: i64, each: &mut dyn FnMut(Vec<Cell>) -> io::Result<()>) -> io::Result<()> {
    for held in &judged.certificates {
        each(certificate(held, at))?;
        for (place, link) in held.intermediates.iter().enumerate() {
            each(above(place, link, at))?;
        }
    }
    Ok(())
}

fn dash(text: Option<String>) -> Cell {
    Cell::plain(text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned()))
}

fn state(state: Validity, good: Tone) -> Cell {
    let tone = match state {
        Validity::Valid => good,
        Validity::ExpiresSoon => Tone::Warn,
        Validity::Expired | Validity::NotYetValid => Tone::Bad,
        Validity::Missing => Tone::Warn,
    };
    Cell::new(state.word(), tone)
}

/// What is left of the time until the earliest end in the chain.
fn left(end: Option<i64>, at: i64) -> Cell {
    dash(end.map(|end| if end > at { length(end.saturating_sub(at)) } else { "none".to_owned() }))
}

fn certificate(held: &HeldCertificate, at: i64) -> Vec<Cell> {
    let (chain, why) = match &held.chain {
        ChainCheck::Verified => (Cell::new("verified", Tone::Good), None),
        ChainCheck::Failed(why) => (Cell::new("failed", Tone::Bad), Some(why.clone())),
        ChainCheck::NotChecked if held.is_ca => (Cell::plain("-"), None),
        ChainCheck::NotChecked => (Cell::new("not-checked", Tone::Warn), None),
    };
    let why = held.problem.clone().or(why);
    // Green is for a chain that builds, not for a date alone.
    let good = if held.chain == ChainCheck::Verified { Tone::Good } else { Tone::Plain };
    vec![
        Cell::new(held.name.clone(), Tone::Strong),
        Cell::plain(if held.is_ca { "ca" } else { "identity" }),
        state(held.state, good),
        left(held.effective_not_after.or(held.not_after), at),
        dash(holder(held)),
        dash(held.key.clone()),
        chain,
        dash(held.not_after.map(rfc3339)),
        dash(held.issuer.clone()),
        dash(held.serial.clone()),
        dash(held.subject.clone()),
        dash(held.spiffe_id.clone()),
        dash(held.not_before.map(rfc3339)),
        dash(why),
    ]
}

fn above(place: usize, link: &Link, at: i64) -> Vec<Cell> {
    vec![
        Cell::plain(format!("  above it [{place}]")),
        Cell::plain("intermediate"),
        state(link.state, Tone::Plain),
        left(Some(link.not_after), at),
        dash(Some(link.subject.clone())),
        Cell::plain("-"),
        Cell::plain("-"),
        Cell::plain(rfc3339(link.not_after)),
        dash(Some(link.issuer.clone())),
        dash(Some(link.serial.clone())),
        dash(Some(link.subject.clone())),
        Cell::plain("-"),
        Cell::plain(rfc3339(link.not_before)),
        Cell::plain("-"),
    ]
}
