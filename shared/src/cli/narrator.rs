//! Turns what the engine tells into events.

use crate::apply::engine::Happening;
use crate::apply::outcome::{Outcome, Report};
use crate::facts::exit::Exit;
use crate::plan::document::{Action, Plan, Step};
use crate::tell::event::{Counts, Event, EventKind, Listener, Subject};
use jiff::Timestamp;
use std::time::Duration;

/// Tells a run to a listener.
pub struct Narrator<'a> {
    listener: &'a mut dyn Listener,
    begun: Duration,
    phase: Option<String>,
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
        let mut narrator = Self { listener, begun: uptime, phase: None };
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

    /// Something else happened.
    pub fn event(&mut self, now: Timestamp, uptime: Duration, kind: EventKind) {
        let elapsed = uptime.saturating_sub(self.begun);
        self.listener.hear(&Event { at: now, elapsed, kind });
    }

    /// The run is over.
    pub fn end(
        mut self,
        now: Timestamp,
        uptime: Duration,
        plan: &Plan,
        report: &Report,
        message: &str,
    ) -> Exit {
        self.end_phase(now, uptime);
        let exit = report.exit(plan);
        let kind = EventKind::RunEnded {
            exit: exit.code(),
            counts: counts(plan, report),
            message: message.to_owned(),
        };
        self.event(now, uptime, kind);
        exit
    }

    fn end_phase(&mut self, now: Timestamp, uptime: Duration) {
        if let Some(phase) = self.phase.take() {
            self.event(now, uptime, EventKind::PhaseEnded { phase });
        }
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
        Action::DeletePod { .. } => "to be deleted",
        Action::AwaitPod => "on its way out already",
        Action::CreatePod { .. } => "to be created again",
        Action::RestartRollout { .. } => "to be rolled out",
    }
}

fn done(action: &Action) -> &'static str {
    match action {
        Action::EvictPod { .. } => "evicted",
        Action::DeletePod { .. } => "deleted",
        Action::AwaitPod => "on its way out",
        Action::CreatePod { .. } => "created again",
        Action::RestartRollout { .. } => "roll-out begun",
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
                node: step.node.clone(),
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
    use crate::apply::outcome::Proof;
    use crate::facts::identity::ObjectRef;
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
}
