//! JUnit's XML, as pipelines read it: of what was found, each file is a test, and fails by its errors and warnings.

use super::report::{Report, place};
use crate::TOOL;
use rotation_core::plan::certificate::{Finding, Severity};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Tests that belong together.
pub(crate) struct Suite {
    pub(crate) name: String,
    pub(crate) cases: Vec<Case>,
}

/// A test.
pub(crate) struct Case {
    pub(crate) class: &'static str,
    pub(crate) name: String,
    /// How long it took, where that is known.
    pub(crate) millis: Option<u64>,
    pub(crate) entries: Vec<Entry>,
}

/// What is said of a test.
pub(crate) enum Entry {
    /// It fails.
    Failure { kind: &'static str, message: String, text: String },
    /// Something worth knowing.
    Out(String),
}

impl Suite {
    /// The document.
    pub(crate) fn render(&self) -> String {
        let fails = |case: &&Case| case.entries.iter().any(|e| matches!(e, Entry::Failure { .. }));
        let failed = self.cases.iter().filter(fails).count();
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let numbers = format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\"", self.cases.len());
        let _ = writeln!(text, "<testsuites {numbers}>");
        let _ = writeln!(text, "  <testsuite name=\"{}\" {numbers}>", escaped(&self.name));
        for case in &self.cases {
            case.render(&mut text);
        }
        text.push_str("  </testsuite>\n</testsuites>\n");
        text
    }
}

impl Case {
    fn render(&self, text: &mut String) {
        let took = self.millis.map(|ms| format!(" time=\"{}.{:03}\"", ms / 1000, ms % 1000));
        let (class, name, took) = (self.class, escaped(&self.name), took.unwrap_or_default());
        let open = format!("    <testcase classname=\"{class}\" name=\"{name}\"{took}");
        if self.entries.is_empty() {
            let _ = writeln!(text, "{open}/>");
            return;
        }
        let _ = writeln!(text, "{open}>");
        for entry in &self.entries {
            let _ = match entry {
                Entry::Failure { kind, message, text: more } => {
                    let (message, more) = (escaped(message), escaped(more));
                    writeln!(
                        text,
                        "      <failure type=\"{kind}\" message=\"{message}\">{more}</failure>"
                    )
                }
                Entry::Out(words) => {
                    writeln!(text, "      <system-out>{}</system-out>", escaped(words))
                }
            };
        }
        text.push_str("    </testcase>\n");
    }
}

/// The document of what was found.
pub(super) fn suites(report: &Report) -> String {
    let mut files: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for file in &report.files {
        files.entry(file).or_default();
    }
    for finding in &report.findings {
        files.entry(place(&finding.place).0).or_default().push(finding);
    }
    let case = |(file, findings): (&str, Vec<&Finding>)| Case {
        class: "certificates",
        name: file.to_owned(),
        millis: None,
        entries: findings.into_iter().map(entry).collect(),
    };
    let cases = files.into_iter().map(case).collect();
    Suite { name: format!("{} {}", TOOL.name, report.verb), cases }.render()
}

fn entry(finding: &Finding) -> Entry {
    let message = format!("{}: {}", finding.place, finding.what);
    if finding.severity() == Severity::Note {
        Entry::Out(format!("{message} [{}]", finding.id()))
    } else {
        Entry::Failure { kind: finding.id(), message, text: finding.fix.clone() }
    }
}

/// Text and attributes of XML 1.0; characters that XML cannot hold become U+FFFD.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\t' | '\n' | '\r' => safe.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::report::tests::report;

    #[test]
    fn files_are_tests() {
        let expected = "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites tests=\"3\" failures=\"1\" errors=\"0\">
  <testsuite name=\"kubectl rotate-certs verify\" tests=\"3\" failures=\"1\" errors=\"0\">
    <testcase classname=\"certificates\" name=\"pki/a b.crt\">
      <system-out>pki/a b.crt: &lt;&amp;&quot;&apos;&gt; \u{fffd}[31m [ski-missing]</system-out>
    </testcase>
    <testcase classname=\"certificates\" name=\"pki/ca.crt\">
      <failure type=\"aki-missing\" message=\"pki/ca.crt:7: it has none\">issue it again: `kubectl rotate-certs generate --layout LAYOUT -o DIR --force-regen` sets this field as it must be</failure>
    </testcase>
    <testcase classname=\"certificates\" name=\"pki/ok.crt\"/>
  </testsuite>
</testsuites>
";
        assert_eq!(suites(&report()), expected);
    }
}
