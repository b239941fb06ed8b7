//! Names alone, one per line, for `xargs` and loops.

use super::style::escape;
use crate::report::Report;
use std::io;

/// Writes `-o name`.
pub(super) fn write(report: &dyn Report, out: &mut dyn io::Write) -> io::Result<()> {
    report.names()(&mut |name| writeln!(out, "{}", escape(&name)))
}

#[cfg(test)]
mod tests {
    use crate::render::Format;
    use crate::render::fake::{empty, full, printed};

    #[test]
    fn one_name_per_line() {
        let want = r#"sleep.default
表表.east
evil\u{1b}[31m\u{202e}
"#;
        assert_eq!(printed(&full(), Format::Name, None, false), want);
    }

    #[test]
    fn no_name_is_no_line() {
        let want = "";
        assert_eq!(printed(&empty(), Format::Name, None, false), want);
    }
}
