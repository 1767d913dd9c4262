//! Results: what was planned, what was done, what is left; as a table, as names, as one document.

use crate::cli::Args;
use clap::ValueEnum as _;
use rotation_core::apply::outcome::{Outcome, Report};
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::output::OutputFormat;
use rotation_core::cli::result::{self, action, quoted};
pub(super) use rotation_core::cli::result::{exit, lines, skipped_words};
use rotation_core::facts::duration::human;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::identity::{ObjectRef, Uid};
use rotation_core::facts::words::{count, time};
use rotation_core::plan::document::{Plan, Probe, Step};
use rotation_core::tell::table::{Cell, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// The version of the result's format.
const SCHEMA_VERSION: &str = "rotation/recycle-result/v1";

/// One sentence for the end of a run.
pub(super) fn sentence(plan: &Plan, report: &Report, journal: &Path) -> String {
    let all = things(plan.steps().map(|s| &s.target));
    let is_done = |s: &Step| matches!(report.of(s), Some(Outcome::Done { .. }));
    let open: BTreeSet<&Uid> =
        plan.steps().filter(|s| !is_done(s)).map(|s| &s.target.uid).collect();
    let done: BTreeSet<&Uid> =
        plan.steps().map(|s| &s.target.uid).filter(|uid| !open.contains(uid)).collect();
    let done = done.len();
    let left = things(plan.skipped.iter().filter(|s| s.refused).map(|s| &s.target));
    let took = human(report.took);
    let mut text = match exit(plan, report) {
        Exit::Done => return format!("{} in {took}", came_of(plan)),
        Exit::Interrupted => format!("interrupted after {took}: {done} of {all} done"),
        Exit::Unproven if !report.unproven.is_empty() => report.unproven.join("; "),
        Exit::Unproven => {
            format!("{all} recycled, and not every replacement was seen to be Ready in time")
        }
        Exit::Refused => "nothing was changed".to_owned(),
        Exit::Unexpected | Exit::Usage | Exit::Findings | Exit::Partly => {
            format!("{done} of {all} done in {took}")
        }
    };
    if plan.skipped.iter().any(|s| s.refused) {
        text.extend([", ", &left, " left alone"]);
    }
    if let Some(lost) = &report.journal_lost {
        text.extend(["; the journal cannot be written: ", lost]);
    }
    let next = match exit(plan, report) {
        Exit::Interrupted | Exit::Partly | Exit::Unproven => {
            "; run the same command again to go on"
        }
        Exit::Done | Exit::Unexpected | Exit::Usage | Exit::Findings | Exit::Refused => "",
    };
    text + &format!("{next} (journal {})", journal.display())
}

/// What came of a run in which everything was proven. Of a pod that nobody is sure to make again, only that it is gone.
fn came_of(plan: &Plan) -> String {
    let back = |step: &&Step| !step.verify.contains(&Probe::Gone);
    let back: BTreeSet<&Uid> = plan.steps().filter(back).map(|s| &s.target.uid).collect();
    let (back, gone): (Vec<_>, Vec<_>) =
        plan.steps().map(|s| &s.target).partition(|target| back.contains(&target.uid));
    let words = |targets: Vec<&ObjectRef>, what: &str| {
        (!targets.is_empty()).then(|| format!("{} {what}", things(targets.into_iter())))
    };
    let parts =
        [words(back, "recycled and Ready"), words(gone, "gone, with no replacement to wait for")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `3 pods`, or `2 workloads` where those are rolled out. One that is deleted and created again is one.
pub(super) fn things<'a>(targets: impl Iterator<Item = &'a ObjectRef>) -> String {
    let all: BTreeMap<&Uid, &str> = targets.map(|t| (&t.uid, t.kind.as_str())).collect();
    let pods = all.values().all(|kind| *kind == "Pod");
    count(all.len(), if pods { "pod" } else { "workload" })
}

/// Prints the result of a run.
pub(super) fn print(
    args: &Args,
    console: &Console,
    plan: &Plan,
    report: &Report,
) -> Result<(), Failure> {
    let format = args.output.output;
    if let Some(format) = format.and_then(OutputFormat::document) {
        let exit = exit(plan, report);
        return result::document(console, SCHEMA_VERSION, plan, report, exit, format);
    }
    if format == Some(OutputFormat::Name) {
        let done = plan.steps().filter(|s| matches!(report.of(s), Some(Outcome::Done { .. })));
        console.data(&lines(done.map(|s| s.target.kubectl_name())));
        return Ok(());
    }
    let wide = format == Some(OutputFormat::Wide);
    let mut table = if wide {
        Table::new(["NAMESPACE", "POD", "RESULT", "REPLACEMENT", "NODE", "TIME", "REASON"])
    } else {
        Table::new(["NAMESPACE", "POD", "RESULT", "REPLACEMENT", "TIME"])
    };
    for step in plan.steps() {
        let (result, replacement, time) = words(report.of(step));
        let mut cells: Vec<Cell> =
            [step.target.namespace.as_str(), step.target.name.as_str(), &result, &replacement]
                .into_iter()
                .map(Cell::from)
                .collect();
        if wide {
            cells.push(Cell::from(step.node.as_deref().unwrap_or("")));
        }
        cells.push(Cell::from(time.as_str()));
        if wide {
            cells.push(Cell::from(step.reason.as_str()));
        }
        table.row(cells);
    }
    console.table(&table, args.output.no_headers);
    Ok(())
}

fn words(outcome: Option<&Outcome>) -> (String, String, String) {
    let plain = |word: &str| (word.to_owned(), String::new(), String::new());
    match outcome {
        Some(Outcome::Done { proof, millis, changed }) => {
            let new = proof.replacement.clone().or_else(|| proof.note.clone()).unwrap_or_default();
            let word = if *changed { "recycled" } else { "already done" };
            (word.to_owned(), new, human(Duration::from_millis(*millis)))
        }
        Some(Outcome::Failed { reason, .. }) => plain(&format!("failed: {reason}")),
        Some(Outcome::Unproven { .. }) => plain("not proven"),
        Some(Outcome::Blocked { .. }) => plain("blocked"),
        Some(Outcome::UnderWay { .. }) => plain("under way"),
        Some(Outcome::NotBegun { .. }) | None => plain("not begun"),
    }
}

/// Prints that there was nothing to do, in the format that a script expects.
pub(super) fn print_nothing(args: &Args, console: &Console, plan: &Plan) -> Result<(), Failure> {
    match args.output.output.and_then(OutputFormat::document) {
        Some(_) => print(args, console, plan, &Report::default()),
        None => Ok(()),
    }
}

/// Prints a plan: the document for `-f`, names, or a table.
pub(super) fn print_plan(args: &Args, console: &Console, plan: &Plan) -> Result<(), Failure> {
    let format = args.output.output;
    if let Some(format) = format.and_then(OutputFormat::document) {
        return console.document(plan, format);
    }
    if format == Some(OutputFormat::Name) {
        console.data(&lines(plan.steps().map(|s| s.target.kubectl_name())));
        return Ok(());
    }
    let wide = format == Some(OutputFormat::Wide);
    let mut table = if wide {
        Table::new(["PHASE", "NAMESPACE", "NAME", "NODE", "ACTION", "WORKLOAD", "REASON"])
    } else {
        Table::new(["PHASE", "NAMESPACE", "NAME", "ACTION", "REASON"])
    };
    for phase in &plan.phases {
        for wave in &phase.waves {
            for step in &wave.steps {
                let mut cells = vec![
                    phase.name.as_str(),
                    step.target.namespace.as_str(),
                    step.target.name.as_str(),
                ];
                if wide {
                    cells.push(step.node.as_deref().unwrap_or(""));
                }
                cells.push(action(&step.action));
                if wide {
                    cells.push(wave.name.as_str());
                }
                cells.push(step.reason.as_str());
                table.row(cells.into_iter().map(Cell::from));
            }
        }
    }
    if !table.is_empty() {
        console.table(&table, args.output.no_headers);
    }
    for skipped in &plan.skipped {
        let word = if skipped.refused { "refused" } else { "left alone" };
        console.note(&format!("{word}: {}", skipped_words(skipped)));
    }
    if plan.is_empty() {
        console.note("nothing to recycle");
    }
    Ok(())
}

/// The words that say what was meant and how, for hints that are commands.
pub(super) fn targets(args: &Args) -> String {
    let mut words = args.targets.clone();
    let mut flag = |flag: &str, value: Option<String>| {
        words.extend(value.map(|value| format!("{flag} {}", quoted(&value))));
    };
    flag("-f", args.plan.as_ref().map(|p| p.display().to_string()));
    flag("-l", args.selection.selector.as_ref().map(ToString::to_string));
    flag("--node", args.node.clone());
    flag("--since", args.since.map(time));
    flag("--presets", args.presets.as_ref().map(|p| p.display().to_string()));
    let strategy = args.strategy.to_possible_value().map(|v| v.get_name().to_owned());
    flag("--strategy", strategy.filter(|name| name != "auto"));
    let allowed: Vec<&str> = args.allow.iter().map(|a| a.word()).collect();
    flag("--allow", (!allowed.is_empty()).then(|| allowed.join(",")));
    flag("--max-unavailable", args.max_unavailable.map(|pace| pace.to_string()));
    words.extend(args.selection.all_namespaces.then(|| "-A".to_owned()));
    words.extend(args.all.then(|| "--all".to_owned()));
    format!("{}{}", words.join(" "), args.connection.for_hint())
}
