//! The table as CSV, for spreadsheets.

use super::style::escape;
use crate::report::Report;
use std::borrow::Cow;
use std::io;

/// Writes `-o csv`: a head row, also if it is all, and every column of every row.
pub(super) fn write(report: &dyn Report, out: &mut dyn io::Write) -> io::Result<()> {
    let table = report.table();
    let mut csv = ::csv::Writer::from_writer(out);
    let heads = table.columns.iter().map(|column| column.head.to_lowercase().replace(' ', "_"));
    csv.write_record(heads.collect::<Vec<_>>()).map_err(io_error)?;
    (table.rows)(&mut |cells| {
        for at in 0..table.columns.len() {
            csv.write_field(cells.get(at).map(|cell| field(&cell.text)).unwrap_or_default().as_ref())
                .map_err(io_error)?;
        }
        csv.write_record(None::<&[u8]>).map_err(io_error)
    })?;
    csv.flush()
}

/// The `io::Error` itself, where there is one: the crate's own conversion hides its kind, and so a closed pipe.
fn io_error(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// A cell that a spreadsheet shows and does not run: one that would be a formula gets an apostrophe (OWASP, CSV
/// injection). A number is none, and neither is a lone dash, which is how tables say "nothing".
fn field(text: &str) -> Cow<'_, str> {
    let text = escape(text);
    let formula = text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if formula && text != "-" && text.parse::<f64>().is_err() { Cow::Owned(format!("'{text}")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Format;
    use crate::render::fake::{empty, full, printed};

    #[test]
    fn formulas_are_disarmed() {
        for (raw, want) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("-1+1", "'-1+1"),
            ("-1.5", "-1.5"),
            ("+3", "+3"),
            ("-", "-"),
            ("a=b", "a=b"),
            ("\t=1", "\\u{9}=1"),
        ] {
            assert_eq!(field(raw), want);
        }
    }

    #[test]
    fn every_column_is_there() {
        let want = r#"client,server,mode,status,dr_rule
sleep.default,reviews.default.svc.cluster.local:9080,STRICT,OK,default/reviews
表表.east,"a|b,c ""q"" <i>",-,CONFLICT (F1),'=1+1
evil\u{1b}[31m\u{202e},x\u{a}y,DISABLE,PLAINTEXT,
"#;
        assert_eq!(printed(&full(), Format::Csv, None, false), want);
    }

    #[test]
    fn without_rows_the_heads_stay() {
        let want = r#"client,server,mode,status,dr_rule
"#;
        assert_eq!(printed(&empty(), Format::Csv, None, false), want);
    }
}
