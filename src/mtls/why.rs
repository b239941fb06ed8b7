//! `--why`: the chain of decisions of each row in text.

use super::because::because;
use super::check::{Cell, Row, ServiceRows};
use super::report::{TlsReport, place_words, status_words};
use super::select::client_name;
use crate::model::{Service, Workload};
use crate::report::{self, Line, Section, Tone};
use std::io;

impl<'m> TlsReport<'m> {
    /// The text of `--why` for each row, or for each cell with `--expand`.
    pub(super) fn why(&self) -> Section<'_> {
        Section::Lines(Box::new(move |each| {
            if self.view.expand {
                let mut first = true;
                return self.each_cell(&mut |rows, service, row, cell, client| {
                    let from = client_name(client);
                    self.why_cell(rows, service, row, cell, client, &from, &mut first, each)
                });
            }
            let mut first = true;
            for (rows, service, row) in self.rows() {
                let clients = self.clients(row);
                let words = clients.words(row);
                let Some(sample) = self.sample(row) else { continue };
                let mut told: Vec<&Cell> = Vec::new();
                for cell in row.cells.iter().filter(|cell| self.filter.wants_cell(row, cell)) {
                    // Endpoints with one answer for one reason are told once.
                    let same = |other: &&Cell| Cell { endpoint: None, ..**other } == Cell { endpoint: None, ..*cell };
                    if told.iter().any(same) {
                        continue;
                    }
                    told.push(cell);
                    self.why_cell(rows, service, row, cell, sample, &words, &mut first, each)?;
                }
            }
            Ok(())
        }))
    }

    /// The client that stands for a row: of `--from`, where that was given.
    fn sample(&self, row: &Row) -> Option<&'m Workload> {
        let number = match self.filter.from {
            Some(_) => self.clients(row).workloads().first().copied(),
            None => self.matrix.classes.get(row.sample as usize).and_then(|class| class.members.first().copied()),
        };
        self.mesh().workloads.get(number? as usize)
    }

    #[expect(clippy::too_many_arguments, reason = "one edge is described by all of them, and nothing else takes them")]
    fn why_cell(
        &self,
        rows: &ServiceRows<'m>,
        service: &'m Service,
        row: &Row,
        cell: &Cell,
        client: &Workload,
        from: &str,
        first: &mut bool,
        each: &mut dyn FnMut(Line) -> io::Result<()>,
    ) -> io::Result<()> {
        if !std::mem::take(first) {
            each(Line::plain(0, ""))?;
        }
        let endpoint = cell.endpoint.and_then(|n| rows.endpoints.get(row.port as usize)?.get(n as usize));
        let name = endpoint.and_then(|e| super::endpoints::name_of(self.mesh(), service, e.who));
        let at = match (&name, endpoint.and_then(|e| e.address)) {
            (Some((name, _)), _) => format!(" at {name}"),
            (None, Some(address)) => format!(" at {address}"),
            _ => String::new(),
        };
        let (status, tone) = status_words(cell.outcome.status, cell.outcome.failure, row.expected(cell));
        let edge = format!("{from} -> {}{at}: ", place_words(self.mesh(), service, row));
        each(Line::new(0, vec![report::Cell::new(edge, Tone::Strong), report::Cell::new(status, tone)]))?;
        for step in because(&self.matrix, rows, row, cell, client) {
            let mut words = vec![report::Cell::new(format!("{:<9}", step.step), Tone::Dim)];
            if let Some(object) = &step.object {
                words.push(report::Cell::new(format!("{object}: "), Tone::Strong));
            }
            words.push(report::Cell::plain(step.text));
            each(Line { indent: 2, hang: 9, words })?;
            if let Some(at) = &step.at {
                let path = step.path.as_ref().map(|path| format!("  {path}")).unwrap_or_default();
                let place = at.line_words() + &path;
                each(Line::new(11, vec![report::Cell::new(place, Tone::Dim)]))?;
            }
        }
        Ok(())
    }
}
