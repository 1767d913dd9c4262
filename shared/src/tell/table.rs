//! Tables as kubectl prints them: upper-case headers, three spaces between columns, no borders.

use super::{clean, width};
use anstyle::{AnsiColor, Style};

/// Between two columns.
const GAP: usize = 3;
/// No column is shortened below this.
const NARROWEST: usize = 8;

/// What a cell's colour says. The text alone says it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// Wrong.
    Bad,
    /// Less important than the rest.
    Faint,
}

impl Tone {
    /// The style that shows it.
    pub fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Faint => Style::new().dimmed(),
        }
    }

    /// The text in this tone.
    pub fn paint(self, text: &str) -> String {
        let style = self.style();
        format!("{style}{text}{style:#}")
    }
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell with a tone. The text is cleaned.
    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        let cleaned = clean::line(text.as_ref());
        // kubectl's word for nothing; an empty cell would shift what scripts split by spaces.
        let text =
            if cleaned.trim().is_empty() { "<none>".to_owned() } else { cleaned.into_owned() };
        Self { text, tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    headers: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// How a table is printed.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Columns of the terminal. `None`, for pipes and files, shortens nothing.
    pub width: Option<usize>,
    /// Whether the headers are printed.
    pub headers: bool,
}

impl Table {
    /// An empty table; headers are upper-case.
    pub fn new<const N: usize>(headers: [&'static str; N]) -> Self {
        Self { headers: headers.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; what is missing is shown as `<none>`.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut cells: Vec<Cell> = cells.into_iter().take(self.headers.len()).collect();
        cells.resize_with(self.headers.len(), || Cell::from(""));
        self.rows.push(cells);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, with styles; each line ends with a line feed.
    pub fn render(&self, layout: Layout) -> String {
        let mut widths: Vec<usize> =
            self.headers.iter().map(|h| if layout.headers { width::of(h) } else { 0 }).collect();
        for row in &self.rows {
            for (known, cell) in widths.iter_mut().zip(row) {
                *known = (*known).max(width::of(&cell.text));
            }
        }
        if let Some(available) = layout.width {
            fit(&mut widths, available);
        }
        let mut text = String::new();
        if layout.headers {
            let cells = self.headers.iter().map(|h| (*h, Tone::Plain));
            push_line(&mut text, cells, &widths);
        }
        for row in &self.rows {
            push_line(&mut text, row.iter().map(|c| (c.text.as_str(), c.tone)), &widths);
        }
        text
    }
}

/// Takes from the widest column, one by one, until the line fits or nothing more can be taken.
fn fit(widths: &mut [usize], available: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(available);
    while excess > 0 {
        let Some(widest) = widths.iter_mut().max().filter(|w| **w > NARROWEST) else {
            return;
        };
        *widest -= 1;
        excess -= 1;
    }
}

fn push_line<'a>(
    text: &mut String,
    cells: impl Iterator<Item = (&'a str, Tone)>,
    widths: &[usize],
) {
    let mut spaces = 0;
    for ((cell, tone), columns) in cells.zip(widths) {
        text.extend(std::iter::repeat_n(' ', spaces));
        let short = width::shorten(cell, *columns);
        spaces = GAP + columns.saturating_sub(width::of(&short));
        match tone {
            Tone::Plain => text.push_str(&short),
            toned => text.push_str(&toned.paint(&short)),
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Layout = Layout { width: None, headers: true };

    fn table() -> Table {
        let mut table = Table::new(["NAME", "READY", "WHY"]);
        table.row([
            "coredns-5d78c9869d-abc12".into(),
            "1/1".into(),
            "its token was replaced".into(),
        ]);
        table.row(["x".into(), Cell::toned("0/1", Tone::Bad)]);
        table
    }

    #[test]
    fn looks_like_kubectl() {
        let plain = anstream::adapter::strip_str(&table().render(WHOLE)).to_string();
        let expected = "\
NAME                       READY   WHY
coredns-5d78c9869d-abc12   1/1     its token was replaced
x                          0/1     <none>
";
        assert_eq!(plain, expected);
    }

    #[test]
    fn without_headers_nothing_is_kept_free_for_them() {
        let text = table().render(Layout { headers: false, width: None });
        assert!(text.starts_with("coredns-5d78c9869d-abc12   1/1   its"), "{text}");
    }

    #[test]
    fn a_narrow_terminal_shortens_the_widest_column() {
        for columns in 30..80 {
            let text = table().render(Layout { width: Some(columns), headers: true });
            for line in anstream::adapter::strip_str(&text).to_string().lines() {
                assert!(width::of(line) <= columns, "{columns}: {line}");
            }
        }
        let text = table().render(Layout { width: Some(46), headers: true });
        assert!(text.contains("coredns-5…9d-abc12   1/1     its token was re…\n"), "{text}");
    }

    #[test]
    fn what_cannot_fit_is_still_printed() {
        let text = table().render(Layout { width: Some(5), headers: true });
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn remote_text_is_cleaned() {
        let mut table = Table::new(["A"]);
        table.row(["\u{1b}[2Jx\ny".into()]);
        assert_eq!(table.render(WHOLE), "A\nx y\n");
    }
}
