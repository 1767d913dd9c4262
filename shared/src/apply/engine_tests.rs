//! The engine against a scripted world: pace, order, failures, interrupts, and a stop after every journal entry.

use super::effect::{Effect, Expectation, Verified};
use super::engine::{Happening, Interpreter, Limits, apply};
use super::journal::{Entry, Event, Journal};
use super::outcome::{Outcome, Proof, Report};
use crate::facts::exit::Exit;
use crate::facts::identity::{ClusterIdentity, ObjectRef};
use crate::plan::document::{Action, Phase, Plan, Probe, SCHEMA_VERSION, Step, Wave};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

/// A world in which every pod takes two ticks to be replaced, unless it is scripted otherwise.
#[derive(Default)]
struct World {
    ticks: u64,
    /// Replaced pods, and the tick at which their replacement is Ready.
    replaced: BTreeMap<String, u64>,
    /// Attempts, in order.
    acted: Vec<String>,
    /// Never Ready again.
    crash: BTreeSet<String>,
    /// Blocked for so many attempts.
    blocked: BTreeMap<String, u32>,
    /// Never Ready, without a reason.
    silent: BTreeSet<String>,
    /// Interrupted at this tick.
    interrupt_at: Option<u64>,
    most_away: usize,
}

impl World {
    fn away(&self) -> usize {
        self.replaced.values().filter(|ready| **ready > self.ticks).count()
    }
}

impl Interpreter for World {
    fn expect(&mut self, _: &Step) -> Expectation {
        Expectation::Holds
    }

    fn act(&mut self, steps: &[&Step]) -> Vec<Effect> {
        let act = |step: &&Step| {
            let name = step.target.name.clone();
            if let Some(left) = self.blocked.get_mut(&name).filter(|left| **left > 0) {
                *left -= 1;
                return Effect::Blocked { by: "budget `b`".into(), retry_after: None };
            }
            if self.replaced.contains_key(&name) {
                // The step is bound to a UID, and an object of that UID is not there any more.
                return Effect::Made;
            }
            self.acted.push(name.clone());
            let never = self.crash.contains(&name) || self.silent.contains(&name);
            self.replaced.insert(name, if never { u64::MAX } else { self.ticks + 2 });
            self.most_away = self.most_away.max(self.away());
            Effect::Made
        };
        steps.iter().map(act).collect()
    }

    fn verify(&mut self, step: &Step) -> Verified {
        match self.replaced.get(&step.target.name) {
            Some(ready) if *ready <= self.ticks => Verified::Holds(Proof::default()),
            Some(_) if self.crash.contains(&step.target.name) => {
                Verified::Never { reason: "CrashLoopBackOff".into(), message: "it crashes".into() }
            }
            Some(_) | None => Verified::Waiting("it to be Ready".into()),
        }
    }

    fn wait(&mut self, _: Duration) {
        self.ticks += 1;
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.ticks)
    }

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn interrupted(&self) -> bool {
        self.interrupt_at.is_some_and(|at| self.ticks >= at)
    }
}

/// A journal that dies after so many entries, as the process may.
struct Paper {
    entries: Vec<Entry>,
    room: usize,
}

impl Journal for Paper {
    fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        for entry in entries {
            if self.entries.len() == self.room {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"));
            }
            self.entries.push(entry.clone());
        }
        Ok(())
    }
}

/// Name, pace and pods of a wave.
type WaveData<'a> = (&'a str, u32, &'a [&'a str]);

fn plan(phases: &[&[WaveData<'_>]]) -> Plan {
    let step = |id: String, name: &str| Step {
        id,
        target: ObjectRef {
            kind: "Pod".into(),
            namespace: "ns".into(),
            name: name.into(),
            uid: name.into(),
        },
        node: None,
        reason: "test".into(),
        expect: vec![],
        action: Action::EvictPod { grace_seconds: None },
        verify: vec![Probe::Gone],
        undo: "none".into(),
        replaces: None,
    };
    let wave = |p: usize, w: usize, (name, pace, pods): &WaveData<'_>| Wave {
        name: (*name).to_owned(),
        max_unavailable: *pace,
        max_failures: 1,
        steps: pods.iter().enumerate().map(|(s, pod)| step(format!("{p}.{w}.{s}"), pod)).collect(),
    };
    let phase = |(p, waves): (usize, &&[WaveData<'_>])| Phase {
        name: format!("phase-{p}"),
        waves: waves.iter().enumerate().map(|(w, data)| wave(p, w, data)).collect(),
    };
    Plan {
        schema_version: SCHEMA_VERSION.into(),
        tool: "test".into(),
        tool_version: "0".into(),
        created_at: Timestamp::UNIX_EPOCH,
        cluster: ClusterIdentity { uid: "c".into(), server: "s".into() },
        phases: phases.iter().enumerate().map(phase).collect(),
        skipped: vec![],
        notes: vec![],
    }
}

const LIMITS: Limits = Limits { each: Duration::from_secs(20), retry: Duration::from_secs(5) };

fn run(plan: &Plan, world: &mut World, room: usize) -> (Report, Vec<Entry>, Vec<String>) {
    let mut paper = Paper { entries: vec![], room };
    let mut told = vec![];
    let report = apply(plan, world, &mut paper, LIMITS, &mut |h| {
        told.push(words(&h));
    });
    (report, paper.entries, told)
}

fn words(happening: &Happening<'_>) -> String {
    match happening {
        Happening::Phase(phase) => format!("phase {}", phase.name),
        Happening::Begun(step) => format!("begun {}", step.target.name),
        Happening::Made(step) => format!("made {}", step.target.name),
        Happening::Waiting(step, what) => format!("{} waits {what}", step.target.name),
        Happening::Blocked(step, by, since) => {
            format!("{} blocked by {by} for {since:?}", step.target.name)
        }
        Happening::Over(step, outcome) => {
            format!("over {} {}", step.target.name, outcome.is_failure())
        }
        Happening::Stopping(why) => format!("stopping {why}"),
    }
}

#[test]
fn one_at_a_time_in_the_plans_order() {
    let plan = plan(&[&[("dns", 1, &["a", "b", "c"])]]);
    let mut world = World::default();
    let (report, ..) = run(&plan, &mut world, usize::MAX);
    assert_eq!(report.exit(&plan), Exit::Done);
    assert_eq!(world.acted, ["a", "b", "c"]);
    assert_eq!(world.most_away, 1);
}

#[test]
fn waves_run_side_by_side_and_phases_one_after_the_other() {
    let plan = plan(&[&[("x", 2, &["a", "b", "c"]), ("y", 1, &["d"])], &[("z", 1, &["e"])]]);
    let mut world = World::default();
    let (report, ..) = run(&plan, &mut world, usize::MAX);
    assert_eq!(report.exit(&plan), Exit::Done);
    assert_eq!(world.acted, ["a", "b", "d", "c", "e"]);
    assert_eq!(world.most_away, 3);
}

#[test]
fn a_failed_step_stops_its_wave_and_the_later_phases_but_not_its_neighbours() {
    let plan = plan(&[&[("x", 1, &["a", "b"]), ("y", 1, &["c", "d"])], &[("z", 1, &["e"])]]);
    let mut world = World { crash: ["a".to_owned()].into(), ..World::default() };
    let (report, _, told) = run(&plan, &mut world, usize::MAX);
    assert_eq!(report.exit(&plan), Exit::Partly);
    assert_eq!(world.acted, ["a", "c", "d"]);
    assert!(told.contains(&"stopping phase `phase-0` failed: x".to_owned()), "{told:?}");
    assert!(matches!(&report.outcomes["0.0.1"], Outcome::NotBegun { .. }));
    assert!(matches!(&report.outcomes["1.0.0"], Outcome::NotBegun { .. }));
}

#[test]
fn a_block_is_asked_again_until_it_lifts_or_the_time_is_up() {
    let plan = plan(&[&[("x", 1, &["a"])]]);
    let mut world = World { blocked: [("a".to_owned(), 2)].into(), ..World::default() };
    let (report, ..) = run(&plan, &mut world, usize::MAX);
    assert_eq!(report.exit(&plan), Exit::Done);

    let mut world = World { blocked: [("a".to_owned(), u32::MAX)].into(), ..World::default() };
    let (report, _, told) = run(&plan, &mut world, usize::MAX);
    assert_eq!(report.exit(&plan), Exit::Refused, "nothing was changed");
    assert_eq!(report.outcomes["0.0.0"], Outcome::Blocked { by: "budget `b`".into() });
    assert!(world.acted.is_empty());
    assert!(told.iter().any(|t| t.contains("blocked by budget `b`")));
}

#[test]
fn what_is_never_ready_is_unproven_in_the_end() {
    let plan = plan(&[&[("x", 1, &["a"])]]);
    let mut world = World { silent: ["a".to_owned()].into(), ..World::default() };
    let (report, ..) = run(&plan, &mut world, usize::MAX);
    assert_eq!(report.exit(&plan), Exit::Unproven);
}

#[test]
fn what_is_done_already_is_not_done_again() {
    let plan = plan(&[&[("x", 1, &["a", "b"])]]);
    let mut world = World { replaced: [("a".to_owned(), 0)].into(), ..World::default() };
    let (report, entries, _) = run(&plan, &mut world, usize::MAX);
    assert_eq!(report.exit(&plan), Exit::Done);
    assert_eq!(world.acted, ["b"]);
    assert!(matches!(&report.outcomes["0.0.0"], Outcome::Done { changed: false, .. }));
    assert!(
        !entries.iter().any(|e| matches!(&e.event, Event::Intent { step, .. } if step == "0.0.0"))
    );
}

#[test]
fn an_interrupt_begins_nothing_more_and_says_what_is_under_way() {
    let plan = plan(&[&[("x", 1, &["a", "b"])], &[("y", 1, &["c"])]]);
    let mut world = World { interrupt_at: Some(1), ..World::default() };
    let (report, ..) = run(&plan, &mut world, usize::MAX);
    assert_eq!(report.exit(&plan), Exit::Interrupted);
    assert_eq!(world.acted, ["a"]);
    assert_eq!(report.outcomes["0.0.0"], Outcome::UnderWay { changed: true });
    assert!(matches!(&report.outcomes["1.0.0"], Outcome::NotBegun { .. }));
}

#[test]
fn the_intent_is_on_paper_before_the_effect() {
    let plan = plan(&[&[("x", 2, &["a", "b"])]]);
    let mut world = World::default();
    let (report, entries, _) = run(&plan, &mut world, 1);
    assert!(world.acted.is_empty(), "the second intent did not fit, so neither was done");
    assert_eq!(entries.len(), 1);
    assert_eq!(report.exit(&plan), Exit::Refused);
    assert!(report.journal_lost.expect("said").contains("no space left"));
}

#[test]
fn stopped_after_any_journal_entry_a_second_run_converges() {
    let plan = plan(&[&[("x", 2, &["a", "b", "c"]), ("y", 1, &["d"])], &[("z", 1, &["e"])]]);
    let whole = run(&plan, &mut World::default(), usize::MAX).1.len();
    assert!(whole >= 15, "{whole}");
    for room in 0..=whole {
        let mut world = World::default();
        run(&plan, &mut world, room);
        let (report, ..) = run(&plan, &mut world, usize::MAX);
        assert_eq!(report.exit(&plan), Exit::Done, "stopped after {room} entries");
        let mut acted = world.acted.clone();
        acted.sort();
        assert_eq!(acted, ["a", "b", "c", "d", "e"], "stopped after {room} entries: each once");
    }
}
