//! SARIF 2.1.0 (OASIS), as code scanning reads it.

use super::report::{Report, place};
use crate::TOOL;
use rotation_core::plan::certificate::{Finding, Kind, Severity};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The log of one run.
pub(super) fn log(report: &Report) -> Value {
    let used: BTreeSet<Kind> = report.findings.iter().map(|f| f.kind).collect();
    let rules: Vec<Value> = used.iter().map(|kind| rule(*kind)).collect();
    let order: Vec<Kind> = used.into_iter().collect();
    let results: Vec<Value> = report.findings.iter().map(|f| result(f, &order)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": TOOL.name, "version": TOOL.version, "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(kind: Kind) -> Value {
    json!({
        "id": kind.id(),
        "shortDescription": {"text": kind.about()},
        "help": {"text": kind.fix()},
        "defaultConfiguration": {"level": level(kind.severity())},
    })
}

fn result(finding: &Finding, rules: &[Kind]) -> Value {
    let (file, line) = place(&finding.place);
    let mut location = json!({"artifactLocation": {"uri": uri(file)}});
    if let Some(line) = line.filter(|line| *line > 0) {
        location["region"] = json!({"startLine": line});
    }
    json!({
        "ruleId": finding.id(),
        "ruleIndex": rules.iter().position(|kind| *kind == finding.kind),
        "level": level(finding.severity()),
        "message": {"text": format!("{}; {}", finding.what, finding.fix)},
        "locations": [{"physicalLocation": location}],
    })
}

fn level(severity: Severity) -> &'static str {
    severity.as_str()
}

/// A path as a relative reference (RFC 3986, 4.2), or with its scheme where it is absolute.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format_octet(byte));
        }
    }
    uri
}

fn format_octet(byte: u8) -> String {
    format!("%{byte:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::report::tests::report;

    #[test]
    fn as_scanners_read_it() {
        let log = log(&report());
        let run = &log["runs"][0];
        assert_eq!(log["version"], "2.1.0");
        assert_eq!(run["tool"]["driver"]["rules"].as_array().map(Vec::len), Some(2));
        let [note, error] = run["results"].as_array().expect("results").as_slice() else {
            panic!("{run:#}")
        };
        assert_eq!(error["ruleId"], "aki-missing");
        assert_eq!(error["level"], "error");
        let index = usize::try_from(error["ruleIndex"].as_u64().expect("a number")).expect("small");
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], "aki-missing");
        let place = &error["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "pki/ca.crt");
        assert_eq!(place["region"]["startLine"], 7);
        let place = &note["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "pki/a%20b.crt");
        assert!(place.get("region").is_none());
    }

    #[test]
    fn absolute_paths_have_a_scheme() {
        assert_eq!(uri("/etc/kubernetes/pki"), "file:///etc/kubernetes/pki");
        assert_eq!(uri("a:b/ü"), "a%3Ab/%C3%BC");
    }
}
