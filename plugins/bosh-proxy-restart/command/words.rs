//! What people are told about instances, in one place.

use crate::finding::{Finding, Severity};
use crate::look::{Look, Process};
use crate::observe::{Fleet, Sight};
use crate::targets::{LeftOut, Target};
use rotation_core::cli::console::Console;
use rotation_core::facts::bosh::InstanceName;
use rotation_core::facts::duration::human;
use rotation_core::tell::clean;
use rotation_core::tell::event::Subject;
use rotation_core::tell::table::{Cell, Table, Tone};

/// `minion/0c785995-4df2-4524-9a6e-590f4375a24d (kubernetes)`, as events name it.
pub(super) fn subject(name: &InstanceName, deployment: &str) -> Subject {
    Subject::new(name.to_string(), deployment)
}

/// As one types it: `minion/0`, else by UUID.
pub(super) fn short(name: &InstanceName, index: Option<u32>) -> String {
    index.map_or_else(|| name.to_string(), |index| format!("{}/{index}", name.group))
}

/// `minion/0 (0c785995-...)`: what one types, and what the director knows.
pub(super) fn both_names(name: &InstanceName, index: Option<u32>) -> String {
    match index {
        Some(index) => format!("{}/{index} ({})", name.group, name.id),
        None => name.to_string(),
    }
}

/// Who does the job.
pub(super) fn watched(look: &Look) -> Option<&Process> {
    look.pidfile.process.as_ref()
}

/// The director, in words.
pub(super) fn director(fleet: &Fleet) -> &str {
    fleet.environment.as_deref().unwrap_or("the director of BOSH_ENVIRONMENT")
}

/// The findings, one a line, on stderr: warnings and errors with the instance that they are of.
pub(super) fn tell_findings(console: &Console, sights: &[Sight], left_out: &[LeftOut]) {
    let of_sights = sights.iter().flat_map(|sight| {
        let Target { name, index, .. } = &sight.target;
        sight.findings.iter().map(move |finding| (name, *index, finding))
    });
    let of_left = left_out.iter().map(|left| (&left.name, left.index, &left.finding));
    for (name, index, finding) in of_sights.chain(of_left) {
        tell_finding(console, name, index, finding);
    }
}

fn tell_finding(console: &Console, name: &InstanceName, index: Option<u32>, finding: &Finding) {
    let (word, tone) = match finding.severity {
        Severity::Error => ("finding", Tone::Bad),
        Severity::Warning => ("warning", Tone::Warning),
    };
    let text = format!("{}: {}: {}", short(name, index), code(finding), finding.message);
    console.screen.line(&format!("{} {}", tone.paint(&format!("{word}:")), clean::line(&text)));
}

/// The code's word.
pub(super) fn code(finding: &Finding) -> String {
    serde_json::to_value(finding.code)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// The three questions as a table.
pub(super) fn table(sights: &[Sight], left_out: &[LeftOut]) -> Table {
    let mut table = Table::new([
        "INSTANCE",
        "INDEX",
        "AZ",
        "JOB",
        "MONIT",
        "PROCESSES",
        "PID",
        "AGE",
        "PORTS",
        "LOG",
        "RESULT",
    ]);
    for sight in sights {
        let Target { name, index, az, job, .. } = &sight.target;
        let mut cells = vec![
            Cell::from(name.to_string()),
            Cell::from(index.map(|i| i.to_string()).unwrap_or_default()),
            Cell::from(az),
            Cell::from(&job.name),
        ];
        match sight.look() {
            Some(look) => cells.extend(seen(&job.name, look)),
            None => cells.extend((0..6).map(|_| Cell::from("-"))),
        }
        cells.push(result(&sight.findings));
        table.row(cells);
    }
    for left in left_out {
        let mut cells = vec![
            Cell::from(left.name.to_string()),
            Cell::from(left.index.map(|i| i.to_string()).unwrap_or_default()),
            Cell::from(&left.az),
        ];
        cells.extend((0..7).map(|_| Cell::from("-")));
        cells.push(result(std::slice::from_ref(&left.finding)));
        table.row(cells);
    }
    table
}

/// Monit, processes, PID, age, ports, lines in the log.
fn seen(job: &str, look: &Look) -> Vec<Cell> {
    let state = look.state(job).map_or("-", |state| state.text.as_str());
    let ours = look.processes.iter().filter(|p| p.on_host && p.is_of_bosh()).count();
    let process = watched(look);
    let mut ports: Vec<u16> = look.listeners.iter().map(|l| l.port).collect();
    ports.sort_unstable();
    ports.dedup();
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let lines: u32 = look.complaints.iter().map(|c| c.count).sum();
    vec![
        Cell::from(state),
        Cell::from(ours.to_string()),
        Cell::from(process.map(|p| p.id.pid.to_string()).unwrap_or_default()),
        Cell::from(process.map(|p| human(look.age(p))).unwrap_or_default()),
        Cell::from(ports.join(",")),
        Cell::from(lines.to_string()),
    ]
}

/// `ok`, or the codes, the worst first.
pub(super) fn result(findings: &[Finding]) -> Cell {
    if findings.is_empty() {
        return Cell::toned("ok", Tone::Good);
    }
    let bad = findings.iter().any(Finding::is_error);
    let words: Vec<String> = findings.iter().map(code).collect();
    Cell::toned(words.join(","), if bad { Tone::Bad } else { Tone::Warning })
}
