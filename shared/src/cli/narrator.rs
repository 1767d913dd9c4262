//! Turns what the engine tells into events.

use crate::apply::effect::{Effect, Expectation, Remark, Verified};
use crate::apply::engine::{self, Happening, Interpreter, Limits};
use crate::apply::journal::Journal;
use crate::apply::outcome::{Outcome, Report};
use crate::facts::exit::Exit;
use crate::plan::document::{Action, Plan, Step};
use crate::tell::event::{Counts, Event, EventKind, Listener, Subject};
use jiff::Timestamp;
use std::cell::RefCell;
use std::time::Duration;

/// Tells a run to a listener.
pub struct Narrator<'a> {
    listener: &'a mut dyn Listener,
    begun: Duration,
    phase: Option<String>,
    lost_at: Option<Duration>,
}

impl<'a> Narrator<'a> {
    /// A run begins; `uptime` is the engine's clock.
    pub fn begin(
        listener: &'a mut dyn Listener,
        plan: &Plan,
        place: &str,
        what: &str,
        now: Timestamp,
        uptime: Duration,
    ) -> Self {
        let mut narrator = Self { listener, begun: uptime, phase: None, lost_at: None };
        let kind = EventKind::RunStarted {
            tool: plan.tool.clone(),
            version: plan.tool_version.clone(),
            place: place.to_owned(),
            what: what.to_owned(),
            steps: plan.steps().count(),
        };
        narrator.event(now, uptime, kind);
        for skipped in &plan.skipped {
            let subject = Subject::new(skipped.target.kubectl_name(), &*skipped.target.namespace);
            let reason = serde_json::to_value(skipped.reason)
                .ok()
                .and_then(|word| word.as_str().map(str::to_owned))
                .unwrap_or_default();
            let message = skipped.message.clone();
            narrator.event(now, uptime, EventKind::StepSkipped { subject, reason, message });
        }
        narrator
    }

    /// The engine told something.
    pub fn hear(&mut self, now: Timestamp, uptime: Duration, happening: &Happening<'_>) {
        let kind = match happening {
            Happening::Phase(phase) => {
                self.end_phase(now, uptime);
                self.phase = Some(phase.name.clone());
                let steps = phase.waves.iter().map(|wave| wave.steps.len()).sum();
                EventKind::PhaseStarted { phase: phase.name.clone(), steps }
            }
            Happening::Begun(step) => EventKind::StepStarted {
                subject: subject(step),
                doing: doing(&step.action).to_owned(),
            },
            Happening::Made(step) => EventKind::StepChanged {
                subject: subject(step),
                done: done(&step.action).to_owned(),
            },
            Happening::Waiting(step, what) => EventKind::StepWaiting {
                subject: subject(step),
                waiting_for: (*what).to_owned(),
                since: Duration::ZERO,
            },
            Happening::Blocked(step, by, since) => EventKind::StepBlocked {
                subject: subject(step),
                by: (*by).to_owned(),
                since: *since,
            },
            Happening::Over(step, outcome) => over(step, outcome),
            Happening::Stopping(why) => EventKind::Stopping { message: (*why).to_owned() },
        };
        self.event(now, uptime, kind);
    }

    /// Nothing happened: what shows durations may redraw.
    pub fn tick(&mut self, uptime: Duration) {
        self.listener.tick(uptime.saturating_sub(self.begun));
    }

    fn remark(&mut self, now: Timestamp, uptime: Duration, remark: Remark) {
        let kind = match remark {
            Remark::Lost(cause) => {
                self.lost_at.get_or_insert(uptime);
                EventKind::ConnectionLost { cause }
            }
            Remark::Back => {
                let since = self.lost_at.take().unwrap_or(uptime);
                EventKind::ConnectionBack { after: uptime.saturating_sub(since) }
            }
        };
        self.event(now, uptime, kind);
    }

    /// Something else happened.
    pub fn event(&mut self, now: Timestamp, uptime: Duration, kind: EventKind) {
        let elapsed = uptime.saturating_sub(self.begun);
        self.listener.hear(&Event { at: now, elapsed, kind });
    }

    /// The run is over.
    pub fn end(
        &mut self,
        now: Timestamp,
        uptime: Duration,
        plan: &Plan,
        report: &Report,
        exit: Exit,
        message: &str,
    ) {
        self.end_phase(now, uptime);
        let kind = EventKind::RunEnded {
            exit: exit.code(),
            counts: counts(plan, report),
            message: message.to_owned(),
        };
        self.event(now, uptime, kind);
    }

    fn end_phase(&mut self, now: Timestamp, uptime: Duration) {
        if let Some(phase) = self.phase.take() {
            self.event(now, uptime, EventKind::PhaseEnded { phase });
        }
    }
}

/// Applies a plan and tells it: what happens, and between that how time goes by.
pub fn apply(
    plan: &Plan,
    interpreter: &mut dyn Interpreter,
    journal: &mut dyn Journal,
    limits: Limits,
    narrator: &mut Narrator<'_>,
) -> Report {
    let narrator = RefCell::new(narrator);
    let clock = RefCell::new((interpreter.now(), interpreter.elapsed()));
    let mut told = Told { interpreter, narrator: &narrator, clock: &clock };
    engine::apply(plan, &mut told, journal, limits, &mut |happening| {
        let (now, uptime) = *clock.borrow();
        narrator.borrow_mut().hear(now, uptime, &happening);
    })
}

/// An interpreter that lets the narrator hear of time, and remembers which time the engine saw last: the engine holds
/// the interpreter, so that nobody else can ask it for the time of a happening.
struct Told<'t, 'n> {
    interpreter: &'t mut dyn Interpreter,
    narrator: &'t RefCell<&'t mut Narrator<'n>>,
    clock: &'t RefCell<(Timestamp, Duration)>,
}

impl Interpreter for Told<'_, '_> {
    fn expect(&mut self, step: &Step) -> Expectation {
        self.interpreter.expect(step)
    }

    fn act(&mut self, steps: &[&Step]) -> Vec<Effect> {
        self.interpreter.act(steps)
    }

    fn verify(&mut self, step: &Step) -> Verified {
        self.interpreter.verify(step)
    }

    fn wait(&mut self, limit: Duration) {
        self.interpreter.wait(limit);
        let uptime = self.elapsed();
        let now = self.interpreter.now();
        let mut narrator = self.narrator.borrow_mut();
        for remark in self.interpreter.remarks() {
            narrator.remark(now, uptime, remark);
        }
        narrator.tick(uptime);
    }

    fn elapsed(&self) -> Duration {
        let uptime = self.interpreter.elapsed();
        *self.clock.borrow_mut() = (self.interpreter.now(), uptime);
        uptime
    }

    fn now(&self) -> Timestamp {
        self.interpreter.now()
    }

    fn interrupted(&self) -> bool {
        self.interpreter.interrupted()
    }
}

/// How the steps ended.
pub fn counts(plan: &Plan, report: &Report) -> Counts {
    let mut counts = Counts { skipped: plan.skipped.len(), ..Counts::default() };
    for step in plan.steps() {
        let count = match report.of(step) {
            Some(Outcome::Done { .. }) => &mut counts.done,
            Some(Outcome::Failed { .. } | Outcome::Unproven { .. } | Outcome::Blocked { .. }) => {
                &mut counts.failed
            }
            Some(Outcome::UnderWay { .. } | Outcome::NotBegun { .. }) | None => &mut counts.left,
        };
        *count += 1;
    }
    counts
}

fn subject(step: &Step) -> Subject {
    Subject::new(step.target.kubectl_name(), &*step.target.namespace)
}

fn doing(action: &Action) -> &'static str {
    match action {
        Action::EvictPod { .. } => "to be evicted",
        Action::DeletePod { .. } | Action::DeleteSecret => "to be deleted",
        Action::AwaitPod => "on its way out already",
        Action::CreatePod { .. } => "to be created again",
        Action::RestartRollout { .. } => "to be rolled out",
        Action::RefillToken { .. } => "to be filled again",
        Action::AwaitToken => "left to the controller manager",
        Action::CreateToken { .. } => "to be created anew",
        Action::RepointAccount { .. } => "to be replaced in the lists of its account",
    }
}

fn done(action: &Action) -> &'static str {
    match action {
        Action::EvictPod { .. } => "evicted",
        Action::DeletePod { .. } | Action::DeleteSecret => "deleted",
        Action::AwaitPod => "on its way out",
        Action::CreatePod { .. } => "created again",
        Action::RestartRollout { .. } => "roll-out begun",
        Action::RefillToken { .. } => "emptied",
        Action::AwaitToken => "waited for",
        Action::CreateToken { .. } => "created anew",
        Action::RepointAccount { .. } => "replaced in the lists of its account",
    }
}

fn over(step: &Step, outcome: &Outcome) -> EventKind {
    let failed = |reason: &str, message: String, changed: bool| EventKind::StepFailed {
        subject: subject(step),
        reason: reason.to_owned(),
        message,
        hint: None,
        changed,
    };
    match outcome {
        Outcome::Done { proof, millis, changed } => {
            let word = match (&step.action, &proof.replacement) {
                (Action::RestartRollout { .. }, _) => "rolled out",
                (Action::RefillToken { .. } | Action::AwaitToken, _) => "works",
                (Action::CreateToken { .. }, _) => "made anew, and works",
                (Action::RepointAccount { .. }, _) => "replaced in the lists of its account",
                (_, Some(_)) => "replaced",
                (_, None) => "gone",
            };
            let before = if *changed { "" } else { "already " };
            let note = proof.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
            EventKind::StepDone {
                subject: subject(step),
                outcome: format!("{before}{word}{note}"),
                old: Some(step.target.name.clone()),
                new: proof.replacement.clone(),
                node: proof.node.clone().or_else(|| step.node.clone()),
                proof: proof.replacement.as_ref().map(|_| "Ready".to_owned()),
                took: Duration::from_millis(*millis),
            }
        }
        Outcome::Failed { reason, message, changed } => failed(reason, message.clone(), *changed),
        Outcome::Unproven { waiting_for } => {
            failed("Unproven", format!("not seen in time: {waiting_for}"), true)
        }
        Outcome::Blocked { by } => {
            failed("Blocked", format!("blocked by {by} for too long"), false)
        }
        Outcome::UnderWay { changed } => {
            let message =
                if *changed { "changed, and not looked after any more" } else { "not changed" };
            EventKind::StepSkipped {
                subject: subject(step),
                reason: "interrupted".to_owned(),
                message: message.to_owned(),
            }
        }
        Outcome::NotBegun { why } => EventKind::StepSkipped {
            subject: subject(step),
            reason: "notBegun".to_owned(),
            message: why.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::journal::Entry;
    use crate::apply::outcome::Proof;
    use crate::facts::identity::{ClusterIdentity, ObjectRef};
    use crate::plan::document::{self, Phase, SkipReason, Skipped, Wave};
    use crate::tell::sentence;

    fn step(action: Action) -> Step {
        Step {
            id: "1".into(),
            target: ObjectRef {
                kind: "Pod".into(),
                namespace: "kube-system".into(),
                name: "coredns-abc".into(),
                uid: "u".into(),
            },
            node: Some("n1".into()),
            reason: String::new(),
            expect: vec![],
            action,
            verify: vec![],
            undo: String::new(),
            replaces: None,
        }
    }

    #[test]
    fn every_outcome_has_its_words() {
        let proof =
            |name: Option<&str>| Proof { replacement: name.map(str::to_owned), ..Proof::default() };
        let evict = || Action::EvictPod { grace_seconds: None };
        for (action, outcome, expected) in [
            (
                evict(),
                Outcome::Done { proof: proof(Some("coredns-xyz")), millis: 4200, changed: true },
                "replaced by coredns-xyz on node n1, Ready after 4.2s",
            ),
            (
                evict(),
                Outcome::Done { proof: proof(Some("coredns-xyz")), millis: 0, changed: false },
                "already replaced by coredns-xyz on node n1",
            ),
            (
                Action::RestartRollout { resource_version: "1".into() },
                Outcome::Done { proof: proof(None), millis: 61_000, changed: true },
                "rolled out on node n1, after 61s",
            ),
            (
                evict(),
                Outcome::Failed {
                    reason: "Quota".into(),
                    message: "no room".into(),
                    changed: true,
                },
                "failed (Quota): no room",
            ),
            (
                evict(),
                Outcome::Unproven { waiting_for: "a Ready pod".into() },
                "failed (Unproven): not seen in time: a Ready pod",
            ),
            (
                evict(),
                Outcome::Blocked { by: "budget b".into() },
                "failed (Blocked): blocked by budget b for too long",
            ),
            (evict(), Outcome::UnderWay { changed: false }, "skipped (interrupted): not changed"),
            (evict(), Outcome::NotBegun { why: "w".into() }, "skipped (notBegun): w"),
        ] {
            let text = sentence::of(&over(&step(action), &outcome)).text;
            assert_eq!(text, format!("pod/coredns-abc (kube-system): {expected}"));
        }
    }

    /// A world in which every change works at the second look.
    struct Slow(Duration, bool);

    impl Interpreter for Slow {
        fn expect(&mut self, _: &Step) -> Expectation {
            Expectation::Holds
        }

        fn act(&mut self, steps: &[&Step]) -> Vec<Effect> {
            self.1 = true;
            steps.iter().map(|_| Effect::Made).collect()
        }

        fn verify(&mut self, _: &Step) -> Verified {
            if self.1 && self.0 >= Duration::from_secs(5) {
                Verified::Holds(Proof::default())
            } else {
                Verified::Waiting("the pod to go".to_owned())
            }
        }

        fn wait(&mut self, _: Duration) {
            self.0 += Duration::from_secs(3);
        }

        fn elapsed(&self) -> Duration {
            self.0
        }

        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn interrupted(&self) -> bool {
            false
        }
    }

    struct NoJournal;

    impl Journal for NoJournal {
        fn append(&mut self, _: &[Entry]) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Writes down what it hears.
    #[derive(Default)]
    struct Heard(Vec<String>);

    impl Listener for Heard {
        fn hear(&mut self, event: &Event) {
            let seconds = event.elapsed.as_secs();
            self.0.push(format!("{seconds} {}", sentence::of(&event.kind).text));
        }

        fn tick(&mut self, elapsed: Duration) {
            self.0.push(format!("{} tick", elapsed.as_secs()));
        }
    }

    #[test]
    fn a_run_is_told_from_begin_to_end() {
        let step = step(Action::DeletePod { grace_seconds: None });
        let wave = Wave {
            name: "dns".into(),
            max_unavailable: 1,
            max_failures: 1,
            steps: vec![step.clone()],
        };
        let plan = Plan {
            schema_version: document::SCHEMA_VERSION.into(),
            tool: "kubectl x".into(),
            tool_version: "1".into(),
            created_at: Timestamp::UNIX_EPOCH,
            cluster: ClusterIdentity { uid: "c".into(), server: "https://api".into() },
            phases: vec![Phase { name: "dns".into(), waves: vec![wave] }],
            skipped: vec![Skipped {
                target: step.target,
                reason: SkipReason::LastReady,
                message: "the only one".into(),
                refused: false,
            }],
            notes: vec![],
        };
        let mut world = Slow(Duration::ZERO, false);
        let mut heard = Heard::default();
        let limits = Limits { each: Duration::from_mins(1), retry: Duration::from_secs(5) };
        let now = Timestamp::UNIX_EPOCH;
        let mut narrator =
            Narrator::begin(&mut heard, &plan, "https://api", "recycle 1 pod", now, Duration::ZERO);
        let report = apply(&plan, &mut world, &mut NoJournal, limits, &mut narrator);
        assert_eq!(report.exit(&plan), Exit::Done);
        narrator.end(now, world.elapsed(), &plan, &report, Exit::Done, "1 pod is recycled");
        assert_eq!(counts(&plan, &report), Counts { done: 1, skipped: 1, ..Counts::default() });
        assert_eq!(
            heard.0,
            [
                "0 kubectl x: recycle 1 pod of https://api",
                "0 pod/coredns-abc (kube-system): skipped (lastReady): the only one",
                "0 dns: 1 step",
                "0 pod/coredns-abc (kube-system): to be deleted",
                "0 pod/coredns-abc (kube-system): deleted",
                "3 tick",
                "3 pod/coredns-abc (kube-system): waiting for the pod to go",
                "6 tick",
                "6 pod/coredns-abc (kube-system): gone on node n1, after 6.0s",
                "6 dns: over",
                "6 1 pod is recycled",
            ]
        );
    }
}
