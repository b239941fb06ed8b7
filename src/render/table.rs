//! Tables in kubectl's manner, fitted to the terminal without losing a character.
//!
//! A table is fed twice: once to measure, once to print, so a million rows need the memory of one.

use super::style::{escape, paint, spaces};
use super::text::Page;
use super::wrap::{pieces, width};
use crate::report::{Cell, Line, Table, Tone};
use std::borrow::Cow;
use std::io;
use std::ops::Range;

/// Spaces between two columns.
const GAP: usize = 2;

/// A column that is to be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fitted {
    /// Which cell of the row.
    at: usize,
    head: Cow<'static, str>,
    /// The fewest columns it may have.
    least: usize,
    /// The columns it has.
    width: usize,
}

/// Writes a table, and nothing at all if it has no rows.
pub(super) fn write(table: &Table<'_>, wide: bool, page: &mut Page<'_>) -> io::Result<()> {
    let Some(columns) = measure(table, wide)? else { return Ok(()) };
    let (columns, below) = match page.style.width {
        Some(limit) => fit(columns, limit),
        None => (columns, Vec::new()),
    };
    page.part()?;
    let heads: Vec<Cell> = table.columns.iter().map(|column| Cell::new(column.head.clone(), Tone::Strong)).collect();
    row(&heads, &columns, page)?;
    (table.rows)(&mut |cells| {
        row(&cells, &columns, page)?;
        let mut words = Vec::new();
        for column in &below {
            let Some(cell) = cells.get(column.at).filter(|cell| !matches!(&*cell.text, "" | "-")) else { continue };
            let gap = if words.is_empty() { "" } else { "  " };
            words.push(Cell::new(format!("{gap}{}: ", column.head), Tone::Dim));
            words.push(cell.clone());
        }
        if !words.is_empty() {
            page.line(&Line::new(GAP, words))?;
        }
        Ok(())
    })
}

/// The columns to be shown, each as wide as its widest cell; `None` if there are no rows.
fn measure(table: &Table<'_>, wide: bool) -> io::Result<Option<Vec<Fitted>>> {
    let shown = table.columns.iter().enumerate().filter(|(_, column)| wide || !column.wide);
    let mut columns: Vec<Fitted> = shown
        .map(|(at, column)| Fitted {
            at,
            head: escape(&column.head).into_owned().into(),
            least: column.min,
            width: width(&escape(&column.head)),
        })
        .collect();
    let mut empty = true;
    (table.rows)(&mut |cells| {
        empty = false;
        for column in &mut columns {
            let cell = cells.get(column.at).map_or(0, |cell| width(&escape(&cell.text)));
            column.width = column.width.max(cell);
        }
        Ok(())
    })?;
    for column in &mut columns {
        // A column that may be narrowed keeps its heading whole: it is what the reader finds the column by.
        let least = if column.least == 0 { column.width } else { column.least.max(width(&column.head)) };
        column.least = least.min(column.width);
    }
    Ok((!empty).then_some(columns))
}

/// Narrows columns until they fit the limit. If they do not fit at their least, the last ones go to the second list,
/// which is printed below each row: what identifies a row comes first in every table.
fn fit(mut columns: Vec<Fitted>, limit: usize) -> (Vec<Fitted>, Vec<Fitted>) {
    let sum = |columns: &[Fitted], of: fn(&Fitted) -> usize| {
        columns.iter().map(of).sum::<usize>() + GAP * columns.len().saturating_sub(1)
    };
    let mut below = Vec::new();
    while columns.len() > 1 && sum(&columns, |c| c.least) > limit {
        below.extend(columns.pop());
    }
    below.reverse();
    if let [only] = columns.as_mut_slice() {
        only.least = only.least.min(limit).max(1);
    }
    let mut excess = sum(&columns, |c| c.width).saturating_sub(limit);
    while excess > 0 {
        // Of two equally wide, the later one gives way.
        let Some(widest) = columns.iter_mut().filter(|c| c.width > c.least).max_by_key(|c| c.width) else { break };
        widest.width -= 1;
        excess -= 1;
    }
    (columns, below)
}

/// Writes one row, over as many lines as its longest cell needs. Spaces are written when text follows them, so that
/// no line ends in one.
fn row(cells: &[Cell], columns: &[Fitted], page: &mut Page<'_>) -> io::Result<()> {
    let texts: Vec<_> = columns
        .iter()
        .map(|column| {
            let cell = cells.get(column.at);
            let text = cell.map(|cell| escape(&cell.text)).unwrap_or_default();
            let pieces = pieces(&text, column.width, column.width);
            (text, cell.map(|cell| cell.tone).unwrap_or_default(), pieces, column.width)
        })
        .collect();
    let lines = texts.iter().map(|(_, _, pieces, _)| pieces.len()).max().unwrap_or(0);
    for line in 0..lines {
        let mut gap = 0;
        for (text, tone, pieces, column) in &texts {
            let piece = pieces.get(line).cloned().and_then(|piece: Range<usize>| text.get(piece)).unwrap_or("");
            if !piece.is_empty() {
                spaces(gap, page.out)?;
                paint(piece, *tone, page.style.colour, page.out)?;
                gap = 0;
            }
            gap += column.saturating_sub(width(piece)) + GAP;
        }
        writeln!(page.out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns as (least, natural width), fitted: the widths in the row, and the numbers of those below it.
    fn fitted(columns: &[(usize, usize)], limit: usize) -> (Vec<usize>, Vec<usize>) {
        let columns = columns.iter().enumerate();
        let columns = columns.map(|(at, (least, width))| Fitted { at, head: "".into(), least: *least, width: *width });
        let (columns, below) = fit(columns.collect(), limit);
        (columns.iter().map(|c| c.width).collect(), below.iter().map(|c| c.at).collect())
    }

    #[test]
    fn columns_fit() {
        for (columns, limit, want, below) in [
            // They fit as they are.
            (vec![(5, 10), (5, 10)], 22, vec![10, 10], vec![]),
            // The widest gives way first, then both.
            (vec![(5, 20), (5, 10)], 30, vec![18, 10], vec![]),
            (vec![(5, 20), (5, 10)], 20, vec![9, 9], vec![]),
            (vec![(5, 20), (5, 10)], 19, vec![9, 8], vec![]),
            // None below its least.
            (vec![(15, 20), (5, 10)], 25, vec![15, 8], vec![]),
            (vec![(10, 10), (5, 30), (8, 8)], 30, vec![10, 8, 8], vec![]),
            // The last ones go below.
            (vec![(10, 10), (5, 30), (8, 8)], 26, vec![10, 14], vec![2]),
            (vec![(10, 10), (5, 30), (8, 8)], 12, vec![10], vec![1, 2]),
            // The first stays whatever it wants.
            (vec![(30, 30), (5, 5)], 20, vec![20], vec![1]),
            (vec![(30, 30)], 0, vec![1], vec![]),
            (vec![], 10, vec![], vec![]),
        ] {
            assert_eq!(fitted(&columns, limit), (want, below), "{columns:?} at {limit}");
        }
    }
}
