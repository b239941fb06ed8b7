//! `--matrix`: the grid of clients and services.

use super::check::Row;
use super::report::{TlsReport, place_words, short_status};
use crate::model::Proxy;
use crate::report::{Cell, Column, Section, Table, Tone, feed};
use foldhash::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl TlsReport<'_> {
    /// A row for each service port, a column for each namespace and kind of proxy of clients.
    pub(super) fn grid(&self) -> Section<'_> {
        let mesh = self.mesh();
        let mut heads: BTreeSet<String> = BTreeSet::new();
        let mut lines: Vec<(String, BTreeMap<String, Cell>)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::default();
        for (_, service, row) in self.rows() {
            let place = place_words(mesh, service, row);
            let at = *places.entry(place.clone()).or_insert_with(|| {
                lines.push((place, BTreeMap::new()));
                lines.len() - 1
            });
            let Some((_, cells)) = lines.get_mut(at) else { continue };
            let (text, tone) = short_status(row);
            for head in self.matrix_heads(row) {
                let cell = cells.entry(head.clone()).or_insert_with(|| Cell::new(text.clone(), tone));
                if cell.text != text {
                    *cell = Cell::new("differs", Tone::Warn);
                }
                heads.insert(head);
            }
        }
        let columns = std::iter::once(Column::new("HOST:PORT", 12));
        let columns = columns.chain(heads.iter().map(|head| Column::new(head.clone(), 0)));
        let row = |(place, cells): (String, BTreeMap<String, Cell>)| {
            let empty = || Cell::new("-", Tone::Dim);
            let values = heads.iter().map(|head| cells.get(head).cloned().unwrap_or_else(empty));
            std::iter::once(Cell::new(place, Tone::Strong)).chain(values).collect::<Vec<_>>()
        };
        Section::Table(Table { columns: columns.collect(), rows: feed(lines.into_iter().map(row).collect()) })
    }

    /// The columns of the grid that a row stands in: one per namespace and kind of proxy.
    fn matrix_heads(&self, row: &Row) -> BTreeSet<String> {
        let name = |(namespace, proxy): (Arc<str>, Proxy)| match proxy {
            Proxy::Sidecar => namespace.to_string(),
            Proxy::None => format!("{namespace} (no proxy)"),
            proxy => format!("{namespace} ({})", proxy.word()),
        };
        self.clients(row).by_namespace().into_iter().map(name).collect()
    }
}
