//! Restarts what was decided: lock, journal, stages, events, and the exit code.

use super::{Tools, words};
use crate::TOOL;
use crate::class::Class;
use crate::cli::{Allowance, Args};
use crate::cycle::{Deed, Outcome, Work};
use crate::finding::Severity;
use crate::jobs::Job;
use crate::journal::{Before, Entry, Event, SCHEMA_VERSION};
use crate::live::{LiveTable, Row};
use crate::look::Look;
use crate::observe::{self, Fleet, Sight};
use crate::order::Stage;
use crate::run::{self, Happening, Obstacle, Outside, Report};
use crate::script::Patience;
use jiff::Timestamp;
use rotation_core::apply::state::{FileJournal, StateDir};
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::bosh::InstanceName;
use rotation_core::facts::duration::human;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::words::count;
use rotation_core::tell::event::{
    Counts, Event as Told, EventKind, Listener as _, Listeners, Subject,
};
use rotation_core::tell::human::Manner;
use rotation_core::tell::table::{Cell, Table, Tone};
use rotation_core::world::clock::Clock as _;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// How old a canary's process must be to be believed, in seconds.
const CANARY_AGE: u64 = 30;
/// The shortest limit of one restart, in seconds: the worst honest case measured took 98.
const SHORTEST_LIMIT: u64 = 120;
/// The director's locks are not asked for again within so short a time.
const LOCKS_FRESH: Duration = Duration::from_secs(3);

/// What is to be done.
pub(super) struct Planned<'a> {
    /// In which order.
    pub(super) stages: &'a [Stage],
    /// What was seen, by place.
    pub(super) sights: &'a [Sight],
    /// Places that are done already.
    pub(super) done: &'a [usize],
    /// When the restart as a whole began.
    pub(super) since: Timestamp,
    /// In words.
    pub(super) what: String,
}

/// How long a restart may take.
pub(super) fn patience(args: &Args, job: &Job, look: &Look, canary: bool) -> Patience {
    let min_age = if canary { job.min_age_seconds.max(CANARY_AGE) } else { job.min_age_seconds };
    let honest = look.config.clone().unwrap_or_default().longest_restart(look.poll);
    let limit = match args.change.timeout {
        Some(given) => given.as_secs(),
        None => honest.max(SHORTEST_LIMIT) + min_age,
    };
    // A limit that is shorter than the proof could never be met.
    Patience { min_age, limit: limit.max(min_age + 5) }
}

/// Does it.
pub(super) fn run(
    args: &Args,
    console: &Console,
    tools: &Tools,
    fleet: &Fleet,
    state: &StateDir,
    planned: &Planned<'_>,
) -> Result<(Report, Exit), Failure> {
    let listeners = listeners(args, console, tools, planned)?;
    let _lock = state.lock()?;
    let mut journal = state.journal(tools.clock.now())?;
    let begin = Entry { at: tools.clock.now(), event: begin(tools, planned) };
    journal.write(&[begin]).map_err(|e| {
        Failure::refused(format!(
            "cannot write journal `{}`: {e}; nothing was changed",
            journal.path().display()
        ))
    })?;
    let mut works = BTreeMap::new();
    for stage in planned.stages {
        for place in &stage.places {
            let sight = &planned.sights[*place];
            let Some(look) = sight.look() else { continue };
            let patience = patience(args, &sight.target.job, look, stage.canary);
            let deed = Deed::Restart { start_stopped: args.start_stopped };
            works.insert(*place, Work { target: &sight.target, look, deed, patience });
        }
    }
    let steps = works.len();
    let mut outside =
        Live { args, tools, planned, listeners, journal, locks_at: tools.clock.uptime() };
    outside.hear(EventKind::RunStarted {
        tool: TOOL.name.to_owned(),
        version: TOOL.version.to_owned(),
        place: format!("{} at {}", tools.deployment, words::director(fleet)),
        what: planned.what.clone(),
        steps,
    });
    let report = run::run(&tools.door(), planned.stages, &works, args.max_failures, &mut outside);
    let exit = exit(steps, &report);
    // What was done stands in the entries before; a lost last line only makes the next run go on with this one.
    let _ = outside.journal.write(&[Entry::end(tools.clock.now(), exit.code())]);
    let message = sentence(steps, &report, exit, outside.journal.path());
    let counts = counts(steps, planned, &report);
    outside.hear(EventKind::RunEnded { exit: exit.code(), counts, message });
    Ok((report, exit))
}

/// The log file, and people: by a table where a terminal shows it.
fn listeners(
    args: &Args,
    console: &Console,
    tools: &Tools,
    planned: &Planned<'_>,
) -> Result<Listeners, Failure> {
    if console.manner != Manner::Live {
        return console.listeners(&args.common.output());
    }
    let places = planned.stages.iter().flat_map(|stage| &stage.places);
    let rows = places.map(|place| {
        let sight = &planned.sights[*place];
        let target = &sight.target;
        let subject = words::subject(&target.name, &tools.deployment);
        let name = words::short(&target.name, target.index);
        let old = sight.look().and_then(words::watched).map(|process| process.id.pid);
        Row::new(subject, name, target.az.clone(), old)
    });
    let mut listeners = console.log(&args.common.output())?;
    listeners.0.push(Box::new(LiveTable::new(console.screen.clone(), rows.collect())));
    Ok(listeners)
}

fn begin(tools: &Tools, planned: &Planned<'_>) -> Event {
    let before = |sight: &Sight| {
        let look = sight.look()?;
        let process = look.pidfile.process.as_ref().map(|p| p.id);
        Some(Before::of(&sight.target.name, &sight.target.job.name, &look.at.boot_id, process))
    };
    Event::Run {
        schema_version: SCHEMA_VERSION.to_owned(),
        tool: TOOL.name.to_owned(),
        tool_version: TOOL.version.to_owned(),
        deployment: tools.deployment.clone(),
        since: planned.since,
        before: planned.sights.iter().filter_map(before).collect(),
    }
}

/// The exit code: what a runbook does next. `planned` instances were to be restarted.
pub(super) fn exit(planned: usize, report: &Report) -> Exit {
    let outcomes: Vec<&Outcome> = report.outcomes.values().collect();
    let succeeded = outcomes.iter().filter(|o| o.class.is_success()).count();
    if succeeded == planned {
        return Exit::Done;
    }
    if report.interrupted {
        return Exit::Interrupted;
    }
    let failed: Vec<&&Outcome> = outcomes.iter().filter(|o| !o.class.is_success()).collect();
    let all_begun = outcomes.len() == planned;
    if all_begun && failed.iter().all(|o| o.late) {
        return Exit::Unproven;
    }
    if outcomes.iter().any(|o| o.changed) {
        return Exit::Partly;
    }
    if failed.iter().any(|o| o.class == Class::Director) {
        return Exit::Unexpected;
    }
    Exit::Refused
}

fn counts(planned: usize, plan: &Planned<'_>, report: &Report) -> Counts {
    let done = report.outcomes.values().filter(|o| o.class.is_success()).count();
    let failed = report.outcomes.len() - done;
    Counts { done, failed, skipped: plan.done.len(), left: planned - report.outcomes.len() }
}

fn sentence(planned: usize, report: &Report, exit: Exit, journal: &std::path::Path) -> String {
    let done = report.outcomes.values().filter(|o| o.class.is_success()).count();
    let all = count(planned, "proxy job");
    let warned = report.outcomes.values().filter(|o| o.class == Class::Warn).count();
    let text = match exit {
        Exit::Done if warned > 0 => {
            format!("{all} restarted and proven, {warned} of them with warnings")
        }
        Exit::Done => format!("{all} restarted and proven"),
        Exit::Interrupted => format!("interrupted: {done} of {all} restarted and proven"),
        Exit::Refused => "nothing was changed".to_owned(),
        Exit::Unproven => format!("{done} of {all} proven in time"),
        Exit::Unexpected | Exit::Usage | Exit::Findings | Exit::Partly => {
            format!("{done} of {all} restarted and proven")
        }
    };
    let stopped = report.stopped.as_ref().filter(|_| !report.interrupted);
    let why = stopped.map(|why| format!(" ({why})")).unwrap_or_default();
    let next = match exit {
        Exit::Interrupted | Exit::Partly => {
            "; when that is mended, run the same command again: it goes on with the rest"
        }
        Exit::Unproven => "; run `verify`",
        Exit::Done | Exit::Unexpected | Exit::Usage | Exit::Findings | Exit::Refused => "",
    };
    format!("{text}{why}{next} (journal {})", journal.display())
}

/// The world around a run.
struct Live<'a> {
    args: &'a Args,
    tools: &'a Tools,
    planned: &'a Planned<'a>,
    listeners: Listeners,
    journal: FileJournal,
    locks_at: Duration,
}

impl Live<'_> {
    fn hear(&mut self, kind: EventKind) {
        let clock = &self.tools.clock;
        self.listeners.hear(&Told { at: clock.now(), elapsed: clock.uptime(), kind });
    }

    fn subject(&self, place: usize) -> Subject {
        words::subject(&self.planned.sights[place].target.name, &self.tools.deployment)
    }
}

impl Outside for Live<'_> {
    fn intend(&mut self, instance: &InstanceName) -> io::Result<()> {
        self.journal.write(&[Entry::intent(self.tools.clock.now(), instance)])
    }

    fn record(&mut self, instance: &InstanceName, outcome: &Outcome) -> io::Result<()> {
        self.journal.write(&[Entry::outcome(self.tools.clock.now(), instance, outcome)])
    }

    /// A deploy that begins in the middle would restart the same processes.
    fn obstacle(&mut self) -> Option<Obstacle> {
        if self.tools.interrupt.is_asked() {
            return Some(Obstacle::Interrupted);
        }
        let fresh = self.tools.clock.uptime().saturating_sub(self.locks_at) < LOCKS_FRESH;
        if fresh || self.args.allow.contains(&Allowance::Locked) {
            return None;
        }
        let locks = self.tools.bosh.locks();
        self.locks_at = self.tools.clock.uptime();
        match locks {
            Ok(locks) => observe::deployment_lock(&self.tools.bosh, locks)
                .map(|lock| Obstacle::Other(observe::lock_words(&lock))),
            Err(_) if self.tools.interrupt.is_asked() => Some(Obstacle::Interrupted),
            Err(error) => {
                Some(Obstacle::Other(format!("the director's locks are not known: {error}")))
            }
        }
    }

    fn interrupted(&self) -> bool {
        self.tools.interrupt.is_asked()
    }

    fn tell(&mut self, happening: Happening<'_>) {
        match happening {
            Happening::Tick => self.listeners.tick(self.tools.clock.uptime()),
            Happening::Stage(stage) => self.hear(EventKind::PhaseStarted {
                phase: stage.name.clone(),
                steps: stage.places.len(),
            }),
            Happening::StageOver(stage) => {
                self.hear(EventKind::PhaseEnded { phase: stage.name.clone() });
            }
            Happening::Begun(place) => {
                let subject = self.subject(place);
                let job = &self.planned.sights[place].target.job.name;
                let doing = format!("restarting {job} and watching it");
                self.hear(EventKind::StepStarted { subject, doing });
            }
            Happening::Over(place, outcome) => {
                let subject = self.subject(place);
                for finding in outcome.findings.iter().filter(|f| f.severity == Severity::Warning) {
                    let message = format!("{subject}: {}", finding.message);
                    self.hear(EventKind::Warning { message });
                }
                self.hear(over(subject, outcome));
            }
            Happening::Stopping(why) => self.hear(EventKind::Stopping { message: why.to_owned() }),
        }
    }
}

/// What people are told of an instance that is over.
pub(super) fn over(subject: Subject, outcome: &Outcome) -> EventKind {
    if outcome.class.is_success() {
        let old = outcome.old.map(|pid| pid.to_string());
        let replaced = match &old {
            Some(old) => format!("PID {old} is replaced"),
            None => "started".to_owned(),
        };
        return EventKind::StepDone {
            subject,
            outcome: replaced,
            old,
            new: outcome.new.map(|pid| pid.to_string()),
            node: None,
            proof: Some("proven".to_owned()),
            took: outcome.took,
        };
    }
    let hint = hint(&subject, outcome.class);
    EventKind::StepFailed {
        subject,
        reason: outcome.class.word().to_owned(),
        message: outcome.why.clone(),
        hint,
        changed: outcome.changed,
    }
}

/// What a person does next about an instance.
fn hint(subject: &Subject, class: Class) -> Option<String> {
    let name = &subject.name;
    let deployment = subject.scope.as_deref().unwrap_or_default();
    match class {
        Class::Duplicate => Some(format!("run `{} heal {name} -d {deployment}`", TOOL.name)),
        Class::NotRunning | Class::BindErrors | Class::UnhealthyBefore => {
            Some(format!("run `{} verify {name} -d {deployment}`", TOOL.name))
        }
        Class::HostKey => Some(format!(
            "run `bosh -d {deployment} instances --details`: is {name} where the director thinks it is?"
        )),
        Class::Ok
        | Class::Warn
        | Class::NotRestarted
        | Class::Unreachable
        | Class::Agent
        | Class::Director
        | Class::Garbled => None,
    }
}

/// The result of a run as a table.
pub(super) fn table(sights: &[Sight], done: &[usize], report: &Report) -> Table {
    let mut table =
        Table::new(["INSTANCE", "INDEX", "AZ", "JOB", "RESULT", "OLD PID", "NEW PID", "TIME"]);
    for (place, sight) in sights.iter().enumerate() {
        let target = &sight.target;
        let pid = |pid: Option<u32>| Cell::from(pid.map(|pid| pid.to_string()).unwrap_or_default());
        let now = sight.look().and_then(words::watched).map(|p| p.id.pid);
        let mut cells = vec![
            Cell::from(target.name.to_string()),
            Cell::from(target.index.map(|i| i.to_string()).unwrap_or_default()),
            Cell::from(&target.az),
            Cell::from(&target.job.name),
        ];
        match report.outcomes.get(&place) {
            Some(outcome) => {
                let tone = match outcome.class {
                    Class::Ok => Tone::Good,
                    Class::Warn => Tone::Warning,
                    _ => Tone::Bad,
                };
                cells.push(Cell::toned(outcome.class.word(), tone));
                cells.extend([pid(outcome.old), pid(outcome.new)]);
                cells.push(Cell::from(human(outcome.took)));
            }
            None if done.contains(&place) => {
                cells.push(Cell::from("done already"));
                cells.extend([pid(None), pid(now), Cell::from("")]);
            }
            None => {
                cells.push(Cell::toned("not begun", Tone::Faint));
                cells.extend([pid(now), pid(None), Cell::from("")]);
            }
        }
        table.row(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(class: Class, changed: bool, late: bool) -> Outcome {
        Outcome {
            class,
            why: String::new(),
            late,
            changed,
            old: Some(1),
            new: Some(2),
            states: vec![],
            findings: vec![],
            took: Duration::from_secs(14),
        }
    }

    #[test]
    fn each_end_has_its_code() {
        let ok = || outcome(Class::Ok, true, false);
        let cases: Vec<(&str, Vec<Outcome>, usize, bool, Exit)> = vec![
            ("all", vec![ok(), outcome(Class::Warn, true, false)], 2, false, Exit::Done),
            ("all, and then Ctrl-C", vec![ok()], 1, true, Exit::Done),
            ("Ctrl-C", vec![ok()], 2, true, Exit::Interrupted),
            (
                "a failure",
                vec![ok(), outcome(Class::NotRunning, true, false)],
                3,
                false,
                Exit::Partly,
            ),
            (
                "the last is late",
                vec![ok(), outcome(Class::NotRunning, true, true)],
                2,
                false,
                Exit::Unproven,
            ),
            (
                "one is late, more would follow",
                vec![outcome(Class::NotRunning, true, true)],
                2,
                false,
                Exit::Partly,
            ),
            (
                "the first cannot be reached",
                vec![outcome(Class::Unreachable, false, false)],
                2,
                false,
                Exit::Refused,
            ),
            (
                "the director fails at once",
                vec![outcome(Class::Director, false, false)],
                2,
                false,
                Exit::Unexpected,
            ),
            (
                "the director fails later",
                vec![ok(), outcome(Class::Director, false, false)],
                3,
                false,
                Exit::Partly,
            ),
            ("nothing was begun", vec![], 2, false, Exit::Refused),
        ];
        for (what, outcomes, planned, interrupted, expected) in cases {
            let outcomes = outcomes.into_iter().enumerate().collect();
            let report = Report { outcomes, stopped: None, interrupted };
            assert_eq!(exit(planned, &report), expected, "{what}");
        }
    }
}
