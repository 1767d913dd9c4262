//! The result: what was looked at, and what was found.

use super::{junit, sarif};
use crate::TOOL;
use crate::verify::args::VerifyFormat;
use jiff::Timestamp;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::words::count;
use rotation_core::plan::certificate::{Finding, Severity};
use rotation_core::tell::clean;
use rotation_core::tell::json::{self, DocumentError, Format};
use rotation_core::tell::table::Tone;
use serde::Serialize;

/// The version of the document.
const SCHEMA_VERSION: &str = "rotation/certificate-findings/v1";

/// What was looked at, and what was found.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The command that looked: `verify`.
    pub(crate) verb: &'static str,
    /// As of when.
    pub(crate) at: Timestamp,
    /// Files that hold something.
    pub(crate) files: Vec<String>,
    /// Certificates, each counted once.
    pub(crate) certificates: usize,
    /// Private keys, each file's own.
    pub(crate) keys: usize,
    /// What was found, sorted by place.
    pub(crate) findings: Vec<Finding>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: &'static str,
    tool: &'static str,
    tool_version: &'static str,
    at: Timestamp,
    files: usize,
    certificates: usize,
    keys: usize,
    findings: Vec<Item<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    id: &'static str,
    severity: Severity,
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    what: &'a str,
    fix: &'a str,
}

impl Report {
    /// 3 where there is an error or a warning; notes change nothing.
    pub(crate) fn exit(&self) -> Exit {
        let clean = self.findings.iter().all(|f| f.severity() == Severity::Note);
        if clean { Exit::Done } else { Exit::Findings }
    }

    /// What is printed on stdout.
    pub(crate) fn render(&self, format: VerifyFormat) -> Result<String, DocumentError> {
        match format {
            VerifyFormat::Text => Ok(self.text(true)),
            VerifyFormat::Json => json::document(&self.document(), Format::Json),
            VerifyFormat::Sarif => self.sarif(),
            VerifyFormat::Junit => Ok(self.junit()),
        }
    }

    /// SARIF 2.1.0.
    pub(crate) fn sarif(&self) -> Result<String, DocumentError> {
        json::document(&sarif::log(self), Format::Json)
    }

    /// JUnit's XML.
    pub(crate) fn junit(&self) -> String {
        junit::suites(self)
    }

    /// How many findings there are of each severity.
    pub(crate) fn numbers(&self) -> String {
        let number = |severity| self.findings.iter().filter(|f| f.severity() == severity).count();
        let (errors, warnings, notes) =
            (number(Severity::Error), number(Severity::Warning), number(Severity::Note));
        if errors + warnings + notes == 0 {
            return "nothing was found".to_owned();
        }
        format!(
            "{}, {}, {}",
            count(errors, "error"),
            count(warnings, "warning"),
            count(notes, "note")
        )
    }

    /// One sentence about all of it, for stderr.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} and {} in {}: {}",
            count(self.certificates, "certificate"),
            count(self.keys, "private key"),
            count(self.files.len(), "file"),
            self.numbers()
        )
    }

    /// Each finding, and what to do, for people; notes where they are wanted.
    pub(crate) fn text(&self, notes: bool) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let severity = finding.severity();
            if severity == Severity::Note && !notes {
                continue;
            }
            let tone = match severity {
                Severity::Error => Tone::Bad,
                Severity::Warning => Tone::Warning,
                Severity::Note => Tone::Faint,
            };
            let line = format!(
                "{}: {}: {} [{}]\n    {}\n",
                clean::line(&finding.place),
                tone.paint(severity.as_str()),
                clean::line(&finding.what),
                finding.id(),
                clean::line(&finding.fix)
            );
            text.push_str(&line);
        }
        text
    }

    fn document(&self) -> Document<'_> {
        let items = self.findings.iter().map(|finding| {
            let (file, line) = place(&finding.place);
            Item {
                id: finding.id(),
                severity: finding.severity(),
                file,
                line,
                what: &finding.what,
                fix: &finding.fix,
            }
        });
        Document {
            schema_version: SCHEMA_VERSION,
            tool: TOOL.name,
            tool_version: TOOL.version,
            at: self.at,
            files: self.files.len(),
            certificates: self.certificates,
            keys: self.keys,
            findings: items.collect(),
        }
    }
}

/// File and line of a place.
pub(crate) fn place(place: &str) -> (&str, Option<u64>) {
    match place.rsplit_once(':') {
        Some((file, line)) if !file.is_empty() => match line.parse() {
            Ok(line) => (file, Some(line)),
            Err(_) => (place, None),
        },
        _ => (place, None),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rotation_core::plan::certificate::Kind;

    /// An error with a line, and a note with text that must be escaped.
    pub(crate) fn report() -> Report {
        Report {
            verb: "verify",
            at: Timestamp::UNIX_EPOCH,
            files: vec!["pki/a b.crt".into(), "pki/ca.crt".into(), "pki/ok.crt".into()],
            certificates: 3,
            keys: 1,
            findings: vec![
                Finding::new(Kind::SkiMissing, "pki/a b.crt", "<&\"'> \u{1b}[31m"),
                Finding::new(Kind::AkiMissing, "pki/ca.crt:7", "it has none"),
            ],
        }
    }

    #[test]
    fn the_exit_code_is_that_of_the_worst() {
        let mut report = report();
        assert_eq!(report.exit(), Exit::Findings);
        report.findings.pop();
        assert_eq!(report.exit(), Exit::Done);
    }

    #[test]
    fn text_is_one_finding_and_what_to_do() {
        let styled = report().text(true);
        // Two for each severity that is coloured, and none of what somebody wrote into a certificate.
        assert_eq!(styled.matches('\u{1b}').count(), 4, "{styled:?}");
        let lines: Vec<String> =
            styled.lines().map(|line| format!("{}\n", clean::line(line))).collect();
        let text = lines.concat();
        assert!(text.contains("pki/ca.crt:7: error: it has none [aki-missing]\n"), "{text}");
        assert!(text.contains("\n    issue it again"), "{text}");
        assert_eq!(
            report().summary(),
            "3 certificates and 1 private key in 3 files: 1 error, 0 warnings, 1 note"
        );
    }

    #[test]
    fn a_place_is_a_file_and_maybe_a_line() {
        assert_eq!(place("a/b.crt:12"), ("a/b.crt", Some(12)));
        assert_eq!(place("a:b/c.crt"), ("a:b/c.crt", None));
        assert_eq!(place(":1"), (":1", None));
    }
}
