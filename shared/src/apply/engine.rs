//! The engine: phases one after the other, waves side by side, each at its pace; journal before effect.
//!
//! Crash-only: nothing here needs to run for the next run to converge. A step whose proof holds already is done, and a
//! step is bound to an identity, so that a second run never does a thing twice to the wrong object.

use super::effect::{Effect, Expectation, Remark, Verified};
use super::journal::{Entry, Journal};
use super::outcome::{Outcome, Report};
use crate::facts::words;
use crate::plan::document::{Phase, Plan, Step, Wave};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Turns actions and probes into requests. One implementation for each kind of world, and a scripted one for tests.
pub trait Interpreter {
    /// May the step's change be made now?
    fn expect(&mut self, step: &Step) -> Expectation;
    /// Makes the changes, side by side; one effect for each step, in order.
    fn act(&mut self, steps: &[&Step]) -> Vec<Effect>;
    /// Does what should follow hold?
    fn verify(&mut self, step: &Step) -> Verified;
    /// Returns when something has changed in the world, or after `limit`.
    fn wait(&mut self, limit: Duration);
    /// A clock that only goes forward.
    fn elapsed(&self) -> Duration;
    /// The time to write down.
    fn now(&self) -> Timestamp;
    /// Somebody asked to stop.
    fn interrupted(&self) -> bool;
    /// What happened to the connection since the last call.
    fn remarks(&mut self) -> Vec<Remark> {
        Vec::new()
    }
}

/// How long is waited.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a change to become possible, and again for its proof.
    pub each: Duration,
    /// Between two attempts that something blocks, where the server names no time.
    pub retry: Duration,
}

/// What the engine tells while it works.
#[derive(Clone, Debug)]
pub enum Happening<'a> {
    /// A phase begins.
    Phase(&'a Phase),
    /// A step begins.
    Begun(&'a Step),
    /// The change was made.
    Made(&'a Step),
    /// It waits, for something else than before.
    Waiting(&'a Step, &'a str),
    /// Its change is blocked, for so long already.
    Blocked(&'a Step, &'a str, Duration),
    /// It is over.
    Over(&'a Step, &'a Outcome),
    /// Nothing new is begun any more, and why.
    Stopping(&'a str),
}

/// Between two looks at a step that something blocks the operator hears of it at most this often.
const REPEAT: Duration = Duration::from_secs(30);
/// A wait shorter than this is no news: every pod goes, ends and comes back.
const WORTH_TELLING: Duration = Duration::from_secs(2);
/// The longest time without looking.
const PULSE: Duration = Duration::from_secs(1);

/// A step that was begun.
struct Running<'a> {
    step: &'a Step,
    begun: Duration,
    stage: Stage,
    /// What it waits for.
    said: String,
    /// Since when.
    said_at: Duration,
    /// When the operator heard of it.
    told_at: Option<Duration>,
}

enum Stage {
    /// The change is still to be made, not before this time.
    ToDo { not_before: Duration, blocked: bool },
    /// The change was made at this time.
    Made { at: Duration },
    /// It is decided without waiting.
    Over(Outcome),
}

/// Applies a plan. Returns when every step is over, or when nothing more may be begun and what is under way is over.
pub fn apply(
    plan: &Plan,
    interpreter: &mut dyn Interpreter,
    journal: &mut dyn Journal,
    limits: Limits,
    tell: &mut dyn FnMut(Happening<'_>),
) -> Report {
    let mut run = Run { interpreter, journal, limits, tell, report: Report::default() };
    let started = run.interpreter.elapsed();
    let mut stop: Option<String> = None;
    for phase in &plan.phases {
        if stop.is_none() {
            (run.tell)(Happening::Phase(phase));
            stop = run.phase(phase);
            if let Some(why) = &stop {
                (run.tell)(Happening::Stopping(why));
            }
        }
        if let Some(why) = &stop {
            for step in phase.waves.iter().flat_map(|w| &w.steps) {
                let not_begun = || Outcome::NotBegun { why: why.clone() };
                run.report.outcomes.entry(step.id.clone()).or_insert_with(not_begun);
            }
        }
    }
    run.report.took = run.interpreter.elapsed().saturating_sub(started);
    run.report
}

struct Run<'r, 'j> {
    interpreter: &'r mut dyn Interpreter,
    journal: &'r mut (dyn Journal + 'j),
    limits: Limits,
    tell: &'r mut dyn FnMut(Happening<'_>),
    report: Report,
}

/// A wave while its phase runs.
struct WaveRun<'a> {
    wave: &'a Wave,
    next: usize,
    running: Vec<Running<'a>>,
    failures: u32,
}

impl<'a> WaveRun<'a> {
    fn may_begin(&self) -> bool {
        self.failures < self.wave.max_failures
            && self.running.len() < self.wave.max_unavailable.max(1) as usize
            && self.next < self.wave.steps.len()
    }

    fn begin(&mut self, now: Duration) -> &'a Step {
        let step = &self.wave.steps[self.next];
        self.next += 1;
        let stage = Stage::ToDo { not_before: now, blocked: false };
        self.running.push(Running {
            step,
            begun: now,
            stage,
            said: String::new(),
            said_at: now,
            told_at: None,
        });
        step
    }
}

impl Run<'_, '_> {
    /// Runs a phase; says why later phases must not begin, if they must not.
    fn phase(&mut self, phase: &Phase) -> Option<String> {
        let begin = |wave| WaveRun { wave, next: 0, running: Vec::new(), failures: 0 };
        let mut waves: Vec<WaveRun<'_>> = phase.waves.iter().map(begin).collect();
        loop {
            if self.interpreter.interrupted() {
                return Some(self.interrupt(&waves));
            }
            if self.report.journal_lost.is_none() {
                for wave in &mut waves {
                    while wave.may_begin() {
                        let step = wave.begin(self.interpreter.elapsed());
                        (self.tell)(Happening::Begun(step));
                    }
                }
            }
            self.attempt(&mut waves);
            let progressed = self.look(&mut waves);
            if waves.iter().all(|w| {
                w.running.is_empty() && !(w.may_begin() && self.report.journal_lost.is_none())
            }) {
                break;
            }
            if !progressed {
                let pause = self.until_next(&waves);
                self.interpreter.wait(pause);
            }
        }
        if let Some(lost) = &self.report.journal_lost {
            return Some(format!("the journal cannot be written: {lost}"));
        }
        let stopped: Vec<&str> = waves
            .iter()
            .filter(|w| w.failures >= w.wave.max_failures)
            .map(|w| w.wave.name.as_str())
            .collect();
        for wave in &waves {
            for step in &wave.wave.steps[wave.next..] {
                let why =
                    format!("{} failed before it", words::count(wave.failures as usize, "step"));
                self.report.outcomes.insert(step.id.clone(), Outcome::NotBegun { why });
            }
        }
        (!stopped.is_empty())
            .then(|| format!("phase `{}` failed: {}", phase.name, stopped.join(", ")))
    }

    /// Makes every change that may be made now.
    fn attempt(&mut self, waves: &mut [WaveRun<'_>]) {
        let now = self.interpreter.elapsed();
        let mut due: Vec<(usize, usize)> = Vec::new();
        for (w, wave) in waves.iter_mut().enumerate() {
            for (r, running) in wave.running.iter_mut().enumerate() {
                let Stage::ToDo { not_before, .. } = running.stage else {
                    continue;
                };
                if not_before > now {
                    continue;
                }
                // What holds already was done by somebody else, or by a run before this one.
                if let Verified::Holds(proof) = self.interpreter.verify(running.step) {
                    running.stage = Stage::Over(Outcome::Done { proof, millis: 0, changed: false });
                    continue;
                }
                match self.interpreter.expect(running.step) {
                    Expectation::Holds => due.push((w, r)),
                    Expectation::Wait(what) => say(self.tell, running, now, &what, false),
                    Expectation::Moved(message) => {
                        let reason = "Moved".to_owned();
                        running.stage =
                            Stage::Over(Outcome::Failed { reason, message, changed: false });
                    }
                }
            }
        }
        if due.is_empty() {
            return;
        }
        let steps: Vec<&Step> = due.iter().map(|(w, r)| waves[*w].running[*r].step).collect();
        let at = self.interpreter.now();
        let intents: Vec<Entry> = steps.iter().map(|s| Entry::intent(at, s)).collect();
        if let Err(error) = self.journal.append(&intents) {
            // What cannot be written down is not done: a later run would not know of it.
            self.report.journal_lost = Some(error.to_string());
            for (w, r) in due.into_iter().rev() {
                let lost = waves[w].running.remove(r);
                let why = "the journal cannot be written".to_owned();
                self.report.outcomes.insert(lost.step.id.clone(), Outcome::NotBegun { why });
            }
            return;
        }
        let effects = self.interpreter.act(&steps);
        let at = self.interpreter.now();
        let now = self.interpreter.elapsed();
        let mut entries = Vec::with_capacity(effects.len());
        for ((w, r), effect) in due.into_iter().zip(effects) {
            let running = &mut waves[w].running[r];
            entries.push(Entry::effect(at, running.step, &effect));
            match effect {
                Effect::Made => {
                    running.stage = Stage::Made { at: now };
                    (self.tell)(Happening::Made(running.step));
                }
                Effect::Blocked { by, retry_after } => {
                    let not_before = now + retry_after.unwrap_or(self.limits.retry);
                    running.stage = Stage::ToDo { not_before, blocked: true };
                    say(self.tell, running, now, &by, true);
                }
                Effect::Unclear(message) => {
                    running.stage = Stage::ToDo { not_before: now + PULSE, blocked: false };
                    say(self.tell, running, now, &message, false);
                }
                Effect::Refused { reason, message } => {
                    running.stage =
                        Stage::Over(Outcome::Failed { reason, message, changed: false });
                }
            }
        }
        self.note(&entries);
    }

    /// Looks which steps are over. Says whether any is.
    fn look(&mut self, waves: &mut [WaveRun<'_>]) -> bool {
        let now = self.interpreter.elapsed();
        let mut entries = Vec::new();
        for wave in waves {
            let mut r = 0;
            while r < wave.running.len() {
                let Some(outcome) = self.outcome(&mut wave.running[r], now) else {
                    r += 1;
                    continue;
                };
                let step = wave.running.remove(r).step;
                wave.failures += u32::from(outcome.is_failure());
                (self.tell)(Happening::Over(step, &outcome));
                entries.push(Entry::outcome(self.interpreter.now(), step, &outcome));
                self.report.outcomes.insert(step.id.clone(), outcome);
            }
        }
        self.note(&entries);
        !entries.is_empty()
    }

    fn outcome(&mut self, running: &mut Running<'_>, now: Duration) -> Option<Outcome> {
        let (since, changed) = match &running.stage {
            Stage::Over(outcome) => return Some(outcome.clone()),
            Stage::ToDo { .. } => (running.begun, false),
            Stage::Made { at } => (*at, true),
        };
        // Before the change is made, nothing has to hold yet.
        let mut waiting_for = String::new();
        if changed {
            match self.interpreter.verify(running.step) {
                Verified::Holds(proof) => {
                    let millis = now.saturating_sub(running.begun).as_millis();
                    let millis = u64::try_from(millis).unwrap_or(u64::MAX);
                    return Some(Outcome::Done { proof, millis, changed });
                }
                Verified::Never { reason, message } => {
                    return Some(Outcome::Failed { reason, message, changed });
                }
                Verified::Waiting(what) => waiting_for = what,
            }
        }
        if now.saturating_sub(since) > self.limits.each {
            return Some(if changed {
                Outcome::Unproven { waiting_for }
            } else {
                Outcome::Blocked { by: std::mem::take(&mut running.said) }
            });
        }
        if changed {
            say(self.tell, running, now, &waiting_for, false);
        }
        None
    }

    /// Outcomes are written after the fact: losing one loses history, not the ability to go on.
    fn note(&mut self, entries: &[Entry]) {
        if entries.is_empty() || self.report.journal_lost.is_some() {
            return;
        }
        if let Err(error) = self.journal.append(entries) {
            self.report.journal_lost = Some(error.to_string());
        }
    }

    fn interrupt(&mut self, waves: &[WaveRun<'_>]) -> String {
        self.report.interrupted = true;
        let at = self.interpreter.now();
        let mut entries = Vec::new();
        let mut outcomes: BTreeMap<String, Outcome> = BTreeMap::new();
        for running in waves.iter().flat_map(|w| &w.running) {
            let changed = matches!(running.stage, Stage::Made { .. });
            let outcome = Outcome::UnderWay { changed };
            (self.tell)(Happening::Over(running.step, &outcome));
            entries.push(Entry::outcome(at, running.step, &outcome));
            outcomes.insert(running.step.id.clone(), outcome);
        }
        self.note(&entries);
        self.report.outcomes.extend(outcomes);
        "interrupted".to_owned()
    }

    fn until_next(&self, waves: &[WaveRun<'_>]) -> Duration {
        let now = self.interpreter.elapsed();
        waves
            .iter()
            .flat_map(|w| &w.running)
            .filter_map(|r| match &r.stage {
                Stage::ToDo { not_before, blocked: true } => Some(not_before.saturating_sub(now)),
                Stage::ToDo { .. } | Stage::Made { .. } | Stage::Over(_) => None,
            })
            .fold(PULSE, Duration::min)
            .max(Duration::from_millis(5))
    }
}

/// Remembers what a step waits for, and tells it: a block at once and then now and again, a wait once it has lasted.
fn say(
    tell: &mut dyn FnMut(Happening<'_>),
    running: &mut Running<'_>,
    now: Duration,
    what: &str,
    blocked: bool,
) {
    if running.said != what {
        what.clone_into(&mut running.said);
        running.said_at = now;
        running.told_at = None;
    }
    let due = match running.told_at {
        None => blocked || now.saturating_sub(running.said_at) >= WORTH_TELLING,
        Some(at) => blocked && now.saturating_sub(at) >= REPEAT,
    };
    if !due {
        return;
    }
    running.told_at = Some(now);
    if blocked {
        tell(Happening::Blocked(running.step, what, now.saturating_sub(running.begun)));
    } else {
        tell(Happening::Waiting(running.step, what));
    }
}
