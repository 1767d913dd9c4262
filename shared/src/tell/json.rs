//! Documents for stdout, and events as JSON lines for a log file.

use super::clean;
use super::event::{Event, Listener};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write;

/// A format for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON, indented.
    Json,
    /// YAML.
    Yaml,
}

/// A document that cannot be written down: a bug, since our own documents have string keys and finite numbers.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the document as {0}: {1}")]
pub struct DocumentError(&'static str, String);

/// The text of a document, with its line feed at the end.
pub fn document<T: Serialize>(value: &T, format: Format) -> Result<String, DocumentError> {
    let mut text = match format {
        Format::Json => escaped(
            &serde_json::to_string_pretty(value)
                .map_err(|e| DocumentError("JSON", e.to_string()))?,
        ),
        Format::Yaml => {
            let yaml =
                serde_saphyr::to_string(value).map_err(|e| DocumentError("YAML", e.to_string()))?;
            // JSON is YAML too, and says everything in plain sight.
            if yaml.chars().any(|c| c != '\n' && clean::is_hidden(c)) {
                return document(value, Format::Json);
            }
            yaml
        }
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// JSON in which whatever a terminal might obey is written as `\u....`: the same document, harmless to look at.
///
/// Such characters can stand in strings only, JSON's own are plain ASCII.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && clean::is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text
}

/// Events as JSON lines.
pub struct Lines<W> {
    writer: W,
    failed: bool,
}

impl<W: Write> Lines<W> {
    /// Writes to this file.
    pub fn new(writer: W) -> Self {
        Self { writer, failed: false }
    }
}

impl<W: Write> Listener for Lines<W> {
    /// One write for each event, so that lines of two runs into one file never mix. A log that cannot be written does
    /// not stop a change that is under way; nothing more is written after that, so that no line is ever half.
    fn hear(&mut self, event: &Event) {
        if self.failed {
            return;
        }
        let Ok(line) = serde_json::to_string(event) else {
            return;
        };
        let line = format!("{}\n", escaped(&line));
        let written = self.writer.write_all(line.as_bytes()).and_then(|()| self.writer.flush());
        self.failed = written.is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::all;
    use super::*;
    use jiff::Timestamp;
    use std::time::Duration;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document {
        schema_version: &'static str,
        items: Vec<&'static str>,
        nothing: Option<u8>,
        number: u64,
        holds: bool,
    }

    const DOCUMENT: Document = Document {
        schema_version: "test/v1",
        items: vec![],
        nothing: None,
        number: 3,
        holds: true,
    };

    #[test]
    fn json_is_indented_and_ends_with_a_line_feed() {
        let text = document(&DOCUMENT, Format::Json).expect("json");
        assert_eq!(
            text,
            "{\n  \"schemaVersion\": \"test/v1\",\n  \"items\": [],\n  \"nothing\": null,\n  \"number\": 3,\n  \"holds\": true\n}\n"
        );
    }

    #[test]
    fn yaml_says_the_same() {
        let text = document(&DOCUMENT, Format::Yaml).expect("yaml");
        assert_eq!(
            text,
            "schemaVersion: test/v1\nitems: []\nnothing: null\nnumber: 3\nholds: true\n"
        );
    }

    #[test]
    fn a_terminal_that_shows_a_document_obeys_nothing_in_it() {
        let nasty = [
            "\u{1b}[2J",
            "\u{9b}31m",
            "a\u{202e}b",
            "tag\u{e0041}",
            "two\nlines",
            "true",
            "0x1f",
            "",
        ];
        let json = document(&nasty, Format::Json).expect("json");
        assert!(!json.chars().any(|c| c != '\n' && clean::is_hidden(c)), "{json:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).expect("the same"), nasty);
        let yaml = document(&nasty, Format::Yaml).expect("yaml");
        assert!(!yaml.chars().any(|c| c != '\n' && clean::is_hidden(c)), "{yaml:?}");
    }

    #[test]
    fn each_event_is_a_line() {
        let mut file = Vec::new();
        let mut lines = Lines::new(&mut file);
        for (kind, _) in all() {
            lines.hear(&Event { at: Timestamp::UNIX_EPOCH, elapsed: Duration::ZERO, kind });
        }
        let text = String::from_utf8(file).expect("text");
        assert_eq!(text.lines().count(), all().len());
        for line in text.lines() {
            serde_json::from_str::<Event>(line).expect("an event");
        }
    }
}
