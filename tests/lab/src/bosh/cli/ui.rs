//! What is printed: one JSON document, lines on a terminal, or bare rows elsewhere.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

/// A table: its name, and columns as `(key, title)` in the order in which people see them.
pub(super) struct Table {
    pub(super) content: &'static str,
    pub(super) columns: Vec<(&'static str, &'static str)>,
    /// One text for each column.
    pub(super) rows: Vec<Vec<String>>,
}

/// A table in the document; keys are in the alphabet's order there.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown {
    content: &'static str,
    header: BTreeMap<&'static str, &'static str>,
    rows: Vec<BTreeMap<&'static str, String>>,
    notes: Option<Vec<String>>,
}

/// The document; what is empty is null.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    tables: Option<Vec<Shown>>,
    blocks: Option<Vec<String>>,
    lines: Option<Vec<String>>,
}

/// Collects, or prints at once.
#[derive(Default)]
pub(super) struct Ui {
    json: bool,
    terminal: bool,
    document: Document,
}

impl Ui {
    pub(super) fn new(json: bool, tty: bool) -> Self {
        Self { json, terminal: tty || io::stdout().is_terminal(), ..Self::default() }
    }

    /// Something said on the way: for people and in the document.
    pub(super) fn line(&mut self, text: &str) {
        if self.json {
            self.document.lines.get_or_insert_default().push(text.to_owned());
        } else if self.terminal {
            out(&format!("{text}\n"));
        }
    }

    /// Something that is the output itself.
    pub(super) fn block(&mut self, text: &str) {
        if self.json {
            self.document.blocks.get_or_insert_default().push(text.to_owned());
        } else {
            out(text);
        }
    }

    /// A table.
    pub(super) fn table(&mut self, table: Table) {
        let Table { content, columns, rows } = table;
        if self.json {
            let keys: Vec<&'static str> = columns.iter().map(|(key, _)| *key).collect();
            let shown = Shown {
                content,
                header: columns.into_iter().collect(),
                rows: rows.into_iter().map(|row| keys.iter().copied().zip(row).collect()).collect(),
                notes: None,
            };
            self.document.tables.get_or_insert_default().push(shown);
            return;
        }
        let mut all = Vec::new();
        if self.terminal {
            all.push(columns.iter().map(|(_, title)| (*title).to_owned()).collect());
        }
        all.extend(rows);
        let width = |column: usize| {
            all.iter().map(|row: &Vec<String>| row[column].len()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns.len()).map(width).collect();
        for row in &all {
            // Several addresses stand below each other for people; bare rows are for programs.
            let cells = row.iter().zip(&widths).map(|(cell, width)| {
                let cell = cell.replace('\n', ",");
                if self.terminal { format!("{cell:width$}  ") } else { format!("{cell}\t") }
            });
            out(&format!("{}\n", cells.collect::<String>()));
        }
    }

    /// The end of the call.
    pub(super) fn end(mut self, result: Result<(), String>) -> ExitCode {
        let code = u8::from(result.is_err());
        if !self.json {
            match result {
                Ok(()) if self.terminal => out("\nSucceeded\n"),
                Ok(()) => {}
                Err(text) => {
                    out("\n");
                    say(&format!("{text}\nExit code 1\n"));
                }
            }
            return ExitCode::from(code);
        }
        match result {
            Ok(()) => self.line("Succeeded"),
            Err(text) => {
                self.line(&text);
                self.line("Exit code 1");
            }
        }
        out(&pretty(&self.document));
        ExitCode::from(code)
    }
}

/// As Go writes it: four blanks, and what could be HTML as an escape.
fn pretty(document: &Document) -> String {
    let mut bytes = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    document
        .serialize(&mut Serializer::with_formatter(&mut bytes, formatter))
        .expect("texts in memory can be written");
    let text = String::from_utf8(bytes).expect("JSON is UTF-8");
    text.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

/// A command line that cannot be understood.
pub(super) fn refuse(text: &str) -> ExitCode {
    out("\n");
    say(&format!("{text}\nExit code 1\n"));
    ExitCode::FAILURE
}

/// Whoever closed stdout has read enough.
fn out(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

fn say(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
