//! JUnit's XML, as pipelines read it: each file is a test, and fails by its errors and warnings.

use super::report::{Report, place};
use crate::TOOL;
use rotation_core::plan::certificate::{Finding, Severity};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The document.
pub(super) fn suites(report: &Report) -> String {
    let mut files: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for file in &report.files {
        files.entry(file).or_default();
    }
    for finding in &report.findings {
        files.entry(place(&finding.place).0).or_default().push(finding);
    }
    let failed = files.values().filter(|findings| findings.iter().any(|f| fails(f))).count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let numbers = format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\"", files.len());
    let _ = writeln!(text, "<testsuites {numbers}>");
    let _ =
        writeln!(text, "  <testsuite name=\"{} {}\" {numbers}>", escaped(TOOL.name), report.verb);
    for (file, findings) in files {
        let name = escaped(file);
        if findings.is_empty() {
            let _ = writeln!(text, "    <testcase classname=\"certificates\" name=\"{name}\"/>");
            continue;
        }
        let _ = writeln!(text, "    <testcase classname=\"certificates\" name=\"{name}\">");
        for finding in findings {
            let _ = writeln!(text, "{}", entry(finding));
        }
        text.push_str("    </testcase>\n");
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

fn fails(finding: &Finding) -> bool {
    finding.severity() != Severity::Note
}

fn entry(finding: &Finding) -> String {
    let what = format!("{}: {}", finding.place, finding.what);
    if fails(finding) {
        let (id, what, fix) = (finding.id(), escaped(&what), escaped(&finding.fix));
        format!("      <failure type=\"{id}\" message=\"{what}\">{fix}</failure>")
    } else {
        format!("      <system-out>{} [{}]</system-out>", escaped(&what), finding.id())
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
