//! What the lab says while it works: one plain line on stderr, never on stdout, which is data.

use std::fmt::Write as _;
use std::io::Write as _;

/// Says one line. A closed stderr is no reason to stop a cluster.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "lab: {text}");
}

/// Rows as a table; columns are separated by at least two spaces.
pub(crate) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
