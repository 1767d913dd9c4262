//! Runs stages: instances side by side within a stage, the journal before each, and a stop at the first failure.

use crate::class::Class;
use crate::cycle::{self, Outcome, Work};
use crate::hosts::Hosts;
use crate::order::Stage;
use rotation_core::facts::bosh::InstanceName;
use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// How often a display that shows durations is told the time.
const PULSE: Duration = Duration::from_millis(250);

/// What happens.
#[derive(Debug)]
pub(crate) enum Happening<'a> {
    /// A stage begins.
    Stage(&'a Stage),
    /// An instance is begun.
    Begun(usize),
    /// An instance is over.
    Over(usize, &'a Outcome),
    /// A stage is over.
    StageOver(&'a Stage),
    /// Nothing new is begun any more.
    Stopping(&'a str),
    /// Nothing, but time passes.
    Tick,
}

/// What the run needs of the world besides the instances.
pub(crate) trait Outside {
    /// Writes down what is about to be changed, durably.
    fn intend(&mut self, instance: &InstanceName) -> io::Result<()>;
    /// Writes down what came of it.
    fn record(&mut self, instance: &InstanceName, outcome: &Outcome) -> io::Result<()>;
    /// Why nothing new may be begun, if so: somebody asked to stop, or a deploy has begun.
    fn obstacle(&mut self) -> Option<Obstacle>;
    /// Somebody asked to stop; asked often.
    fn interrupted(&self) -> bool;
    /// Tells people.
    fn tell(&mut self, happening: Happening<'_>);
}

/// Why nothing new is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Somebody asked to stop.
    Interrupted,
    /// Something else, in words.
    Other(String),
}

/// What became of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// By place.
    pub(crate) outcomes: BTreeMap<usize, Outcome>,
    /// Why it stopped before its end, if it did.
    pub(crate) stopped: Option<String>,
    /// Somebody asked to stop.
    pub(crate) interrupted: bool,
}

/// Runs the stages; `works` are by place.
pub(crate) fn run(
    hosts: &dyn Hosts,
    stages: &[Stage],
    works: &BTreeMap<usize, Work<'_>>,
    max_failures: usize,
    outside: &mut dyn Outside,
) -> Report {
    let mut report = Report::default();
    for stage in stages {
        outside.tell(Happening::Stage(stage));
        run_stage(hosts, stage, works, max_failures, outside, &mut report);
        if let Some(why) = &report.stopped {
            // Who interrupts hears of it at once.
            if !report.interrupted {
                outside.tell(Happening::Stopping(why));
            }
            return report;
        }
        outside.tell(Happening::StageOver(stage));
    }
    report
}

fn run_stage(
    hosts: &dyn Hosts,
    stage: &Stage,
    works: &BTreeMap<usize, Work<'_>>,
    max_failures: usize,
    outside: &mut dyn Outside,
    report: &mut Report,
) {
    let (send, receive) = mpsc::channel::<(usize, Outcome)>();
    std::thread::scope(|scope| {
        let mut next = 0;
        let mut under_way = 0;
        loop {
            while report.stopped.is_none()
                && under_way < stage.at_once.max(1)
                && next < stage.places.len()
            {
                let place = stage.places[next];
                let Some(work) = works.get(&place) else {
                    next += 1;
                    continue;
                };
                if let Some(why) = hindrance(outside, &work.target.name, report) {
                    report.stopped = Some(why);
                    break;
                }
                next += 1;
                under_way += 1;
                outside.tell(Happening::Begun(place));
                let send = send.clone();
                scope.spawn(move || {
                    // The receiver outlives every sender of this scope.
                    let _ = send.send((place, cycle::work(hosts, work)));
                });
            }
            if under_way == 0 {
                return;
            }
            match receive.recv_timeout(PULSE) {
                Ok((place, outcome)) => {
                    under_way -= 1;
                    over(place, outcome, works, max_failures, outside, report);
                }
                Err(RecvTimeoutError::Timeout) => outside.tell(Happening::Tick),
                // This function holds a sender: it cannot be.
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if outside.interrupted() && report.stopped.is_none() {
                let why = "interrupted; what is under way is let finish";
                outside.tell(Happening::Stopping(why));
                report.interrupted = true;
                report.stopped = Some(why.to_owned());
            }
        }
    });
}

/// Why the next instance must not be begun; otherwise its intent is on disk.
fn hindrance(
    outside: &mut dyn Outside,
    instance: &InstanceName,
    report: &mut Report,
) -> Option<String> {
    match outside.obstacle() {
        Some(Obstacle::Interrupted) => {
            outside.tell(Happening::Stopping("interrupted"));
            report.interrupted = true;
            return Some("interrupted".to_owned());
        }
        Some(Obstacle::Other(why)) => return Some(why),
        None => {}
    }
    outside.intend(instance).err().map(|error| format!("the journal cannot be written: {error}"))
}

fn over(
    place: usize,
    outcome: Outcome,
    works: &BTreeMap<usize, Work<'_>>,
    max_failures: usize,
    outside: &mut dyn Outside,
    report: &mut Report,
) {
    let lost = works.get(&place).and_then(|w| outside.record(&w.target.name, &outcome).err());
    outside.tell(Happening::Over(place, &outcome));
    let class = outcome.class;
    report.outcomes.insert(place, outcome);
    let failures = report.outcomes.values().filter(|o| !o.class.is_success()).count();
    let why = match (class.stops_the_run(), failures > max_failures, lost) {
        (true, _, _) => Some(stopper(class).to_owned()),
        (false, true, _) => Some("an instance failed".to_owned()),
        (false, false, Some(error)) => Some(format!("the journal cannot be written: {error}")),
        (false, false, None) => None,
    };
    if report.stopped.is_none() {
        report.stopped = why;
    }
}

fn stopper(class: Class) -> &'static str {
    match class {
        Class::HostKey => "a VM cannot be recognised by its host key",
        Class::Director => "the director or the BOSH CLI failed",
        _ => "an instance failed",
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
