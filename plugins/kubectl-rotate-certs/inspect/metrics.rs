//! Figures as OpenMetrics has them; node-exporter's textfile collector reads the same.

use super::observe::Gathered;
use jiff::Timestamp;
use rotation_core::plan::certificate::{Finding, Severity};
use rotation_core::plan::inventory::{Phase, State};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Every figure.
pub(crate) fn of(
    gathered: &Gathered,
    findings: &[Finding],
    waived: usize,
    at: Timestamp,
) -> String {
    let mut text = String::new();
    let mut family = |name: &str, unit: &str, help: &str, samples: Vec<(String, i64)>| {
        let _ = writeln!(text, "# TYPE {name} gauge");
        if !unit.is_empty() {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(text, "# HELP {name} {help}");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    family(
        "rotation_certificate_not_after_timestamp_seconds",
        "seconds",
        "When a certificate at a place ends.",
        ends(gathered),
    );
    family("rotation_places", "", "Places by domain and state.", places(gathered));
    family(
        "rotation_phase",
        "",
        "1 for the phase that a domain's rotation is in.",
        phases(gathered),
    );
    family("rotation_findings", "", "Findings by severity.", severities(findings));
    family("rotation_finding", "", "Findings by id.", ids(findings));
    family(
        "rotation_waived_findings",
        "",
        "Findings that are excepted.",
        vec![(String::new(), count(waived))],
    );
    family(
        "rotation_check_timestamp_seconds",
        "seconds",
        "As of when all of this was judged.",
        vec![(String::new(), at.as_second())],
    );
    text.push_str("# EOF\n");
    text
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn ends(gathered: &Gathered) -> Vec<(String, i64)> {
    let rows = gathered.matrix.rows.iter();
    rows.filter_map(|row| {
        let until = row.until?;
        let labels = labels(&[
            ("place", &row.sighting.place.to_string()),
            ("domain", row.sighting.role.domain.as_str()),
            ("role", &row.sighting.role.to_string()),
        ]);
        Some((labels, until.as_second()))
    })
    .collect::<BTreeMap<_, _>>()
    .into_iter()
    .collect()
}

fn places(gathered: &Gathered) -> Vec<(String, i64)> {
    let mut numbers: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for row in &gathered.matrix.rows {
        *numbers.entry((row.sighting.role.domain.as_str(), row.state.as_str())).or_default() += 1;
    }
    // What can come and go is there at zero, so that an alert sees it come.
    for (domain, _) in gathered.matrix.generations.domains() {
        for state in [State::Absent, State::Unknown, State::Old, State::Other] {
            numbers.entry((domain.as_str(), state.as_str())).or_default();
        }
    }
    let labelled =
        |((domain, state), number)| (labels(&[("domain", domain), ("state", state)]), number);
    numbers.into_iter().map(labelled).collect()
}

fn phases(gathered: &Gathered) -> Vec<(String, i64)> {
    const ALL: [Phase; 7] = [
        Phase::Settled,
        Phase::Accepting,
        Phase::Accepted,
        Phase::Switching,
        Phase::Switched,
        Phase::Retiring,
        Phase::Torn,
    ];
    let progress = gathered.matrix.progress();
    let samples = progress.iter().flat_map(|one| {
        ALL.iter().map(|phase| {
            let labels = labels(&[("domain", one.domain.as_str()), ("phase", phase.as_str())]);
            (labels, i64::from(*phase == one.phase))
        })
    });
    samples.collect()
}

fn severities(findings: &[Finding]) -> Vec<(String, i64)> {
    let all = [Severity::Error, Severity::Warning, Severity::Note];
    let number = |severity| count(findings.iter().filter(|f| f.severity() == severity).count());
    all.iter().map(|s| (labels(&[("severity", s.as_str())]), number(*s))).collect()
}

fn ids(findings: &[Finding]) -> Vec<(String, i64)> {
    let mut numbers: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for finding in findings {
        *numbers.entry((finding.id(), finding.severity().as_str())).or_default() += 1;
    }
    let labelled =
        |((id, severity), number)| (labels(&[("id", id), ("severity", severity)]), number);
    numbers.into_iter().map(labelled).collect()
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

/// A label's value: what would end it is escaped, what a terminal would obey is replaced.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c if rotation_core::tell::clean::is_hidden(c) => text.push('\u{fffd}'),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_end_where_they_should() {
        let line = labels(&[("place", "a\"b\\c\nd\u{1b}[31m")]);
        assert_eq!(line, "{place=\"a\\\"b\\\\c\\nd\u{fffd}[31m\"}");
    }
}
