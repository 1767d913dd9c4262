//! What the `bosh` CLI prints with `--json`: tables of strings, blocks and lines, each of which may be null.

use serde::Deserialize;
use std::collections::BTreeMap;
use zeroize::Zeroize;

/// One row: every value is a string.
pub(super) type Row = BTreeMap<String, String>;

/// A document of the CLI. It stands on stdout even when the CLI fails.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
    #[serde(default)]
    tables: Option<Vec<Table>>,
    #[serde(default)]
    blocks: Option<Vec<String>>,
    #[serde(default)]
    lines: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Table {
    #[serde(default)]
    content: String,
    #[serde(default)]
    rows: Option<Vec<Row>>,
}

impl Answer {
    /// Reads stdout. Warnings that stand before the document are passed over.
    pub(super) fn read(stdout: &str) -> Option<Self> {
        let starts = stdout.match_indices('{').map(|(at, _)| at);
        // The document begins a line; at most a few lines of something else come before it.
        let mut begins = starts.filter(|at| *at == 0 || stdout[..*at].ends_with('\n')).take(20);
        begins.find_map(|at| {
            let mut documents =
                serde_json::Deserializer::from_str(&stdout[at..]).into_iter::<Self>();
            documents.next()?.ok().filter(Self::says_something)
        })
    }

    fn says_something(&self) -> bool {
        self.tables.is_some() || self.blocks.is_some() || self.lines.is_some()
    }

    /// The rows of the table of this content; `None` without such a table.
    pub(super) fn rows(&self, content: &str) -> Option<&[Row]> {
        let table = self.tables.as_ref()?.iter().find(|table| table.content == content)?;
        Some(table.rows.as_deref().unwrap_or_default())
    }

    /// What it says besides tables, for reading what went wrong.
    pub(super) fn talk(&self) -> impl Iterator<Item = &str> {
        let blocks = self.blocks.iter().flatten();
        blocks.chain(self.lines.iter().flatten()).map(String::as_str)
    }

    /// The environment, as the CLI names it: `https://10.0.0.6:25555`.
    pub(super) fn environment(&self) -> Option<&str> {
        let line = self.talk().find_map(|line| line.strip_prefix("Using environment '"))?;
        line.split_once('\'').map(|(name, _)| name)
    }
}

/// What machines said may hold their keys.
impl Drop for Table {
    fn drop(&mut self) {
        let rows = self.rows.iter_mut().flatten();
        rows.flat_map(|row| row.values_mut()).for_each(Zeroize::zeroize);
    }
}

/// A field of a row; empty where the row has none.
pub(super) fn field<'a>(row: &'a Row, name: &str) -> &'a str {
    row.get(name).map(String::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_found_behind_warnings_and_garbage_is_none() {
        let document = r#"{"Tables":[{"Content":"results","Rows":null}],"Blocks":null,"Lines":["Using environment 'https://a:1' as client 'c'"]}"#;
        for before in ["", "WARNING: old\n", "{not json}\n", "[WARN] {x}\n\n"] {
            let answer = Answer::read(&format!("{before}{document}\n")).expect(before);
            assert_eq!(answer.rows("results").map(<[Row]>::len), Some(0));
            assert_eq!(answer.rows("vms").map(<[Row]>::len), None);
            assert_eq!(answer.environment(), Some("https://a:1"));
        }
        for garbage in ["", "\n", "garbage", "{}", "null", "[]", "{\"Tables\":3}", "<html>{</html>"]
        {
            assert!(Answer::read(garbage).is_none(), "{garbage}");
        }
    }
}
