//! The live display: how far a run is, what is under way, and what waits for what and for how long.

use super::clean;
use super::event::{Event, EventKind, Subject};
use crate::facts::duration::human;
use std::time::Duration;

/// Steps under way that are shown by name; more are counted.
const SHOWN: usize = 6;

/// What is known of the run.
#[derive(Debug, Default)]
pub struct Live {
    what: String,
    phase: String,
    steps: usize,
    over: usize,
    failed: usize,
    lost: Option<(String, Duration)>,
    under_way: Vec<Row>,
    elapsed: Duration,
}

#[derive(Debug)]
struct Row {
    subject: Subject,
    words: String,
    since: Duration,
}

impl Live {
    /// Takes in what happened.
    pub fn hear(&mut self, event: &Event) {
        self.elapsed = event.elapsed;
        match &event.kind {
            EventKind::RunStarted { what, steps, tool: _, version: _, place: _ } => {
                *self = Self { what: what.clone(), steps: *steps, ..Self::default() };
            }
            EventKind::PhaseStarted { phase, steps: _ } => self.phase.clone_from(phase),
            EventKind::PhaseEnded { .. } => self.phase.clear(),
            EventKind::StepStarted { subject, doing } => {
                self.row(subject, doing.clone(), event.elapsed);
            }
            EventKind::StepChanged { subject, done } => {
                self.row(subject, done.clone(), event.elapsed);
            }
            EventKind::StepWaiting { subject, waiting_for, since } => {
                let begun = event.elapsed.saturating_sub(*since);
                self.row(subject, format!("waiting for {waiting_for}"), begun);
            }
            EventKind::StepBlocked { subject, by, since } => {
                let begun = event.elapsed.saturating_sub(*since);
                self.row(subject, format!("blocked by {by}"), begun);
            }
            EventKind::StepDone { subject, .. } => self.end(subject),
            EventKind::StepFailed { subject, .. } => {
                self.end(subject);
                self.failed += 1;
            }
            EventKind::StepSkipped { subject, .. } => {
                self.under_way.retain(|row| row.subject != *subject);
            }
            EventKind::ConnectionLost { cause } => {
                self.lost = Some((cause.clone(), event.elapsed));
            }
            EventKind::ConnectionBack { .. } => self.lost = None,
            EventKind::RunEnded { .. } => *self = Self::default(),
            EventKind::Note { .. } | EventKind::Warning { .. } | EventKind::Stopping { .. } => {}
        }
    }

    /// Takes in how much time has passed.
    pub fn tick(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
    }

    /// The lines to draw; none before a run and after it.
    pub fn lines(&self) -> Vec<String> {
        if self.what.is_empty() {
            return Vec::new();
        }
        let failed =
            if self.failed == 0 { String::new() } else { format!(", {} failed", self.failed) };
        let phase =
            if self.phase.is_empty() { String::new() } else { format!(", phase {}", self.phase) };
        let mut lines = vec![format!(
            "[{}/{}{failed}] {}{phase}, {}",
            self.over,
            self.steps,
            self.what,
            human(self.elapsed)
        )];
        if let Some((cause, since)) = &self.lost {
            let duration = human(self.elapsed.saturating_sub(*since));
            lines.push(format!("  no connection for {duration}: {cause}"));
        }
        for row in self.under_way.iter().take(SHOWN) {
            let duration = human(self.elapsed.saturating_sub(row.since));
            // The duration stands in front: the end of a line is what a narrow terminal cuts.
            lines.push(format!("  {duration:>6}  {}: {}", row.subject, row.words));
        }
        if let Some(more) = self.under_way.len().checked_sub(SHOWN).filter(|n| *n > 0) {
            lines.push(format!("          and {more} more"));
        }
        for line in &mut lines {
            let leading = line.len() - line.trim_start().len();
            *line = format!("{:leading$}{}", "", clean::line(line.trim_start()));
        }
        lines
    }

    fn row(&mut self, subject: &Subject, words: String, since: Duration) {
        match self.under_way.iter_mut().find(|row| row.subject == *subject) {
            Some(row) => {
                row.words = words;
                row.since = since;
            }
            None => self.under_way.push(Row { subject: subject.clone(), words, since }),
        }
    }

    fn end(&mut self, subject: &Subject) {
        self.under_way.retain(|row| row.subject != *subject);
        self.over += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::all;
    use super::*;
    use jiff::Timestamp;

    fn event(seconds: u64, kind: EventKind) -> Event {
        Event { at: Timestamp::UNIX_EPOCH, elapsed: Duration::from_secs(seconds), kind }
    }

    #[test]
    fn shows_how_far_it_is_and_what_waits() {
        let mut live = Live::default();
        assert!(live.lines().is_empty());
        for (kind, _) in all().into_iter().take(6) {
            live.hear(&event(10, kind));
        }
        live.tick(Duration::from_secs(20));
        assert_eq!(
            live.lines(),
            [
                "[0/2] recycle 2 pods, 20s",
                "     11s  pod/coredns-abc (kube-system): waiting for its replacement to be Ready",
            ]
        );
        live.hear(&event(21, EventKind::ConnectionLost { cause: "refused".into() }));
        live.tick(Duration::from_secs(25));
        assert_eq!(live.lines()[1], "  no connection for 4.0s: refused");
        for (kind, _) in all().into_iter().skip(7) {
            live.hear(&event(26, kind));
        }
        assert!(live.lines().is_empty(), "over");
    }

    #[test]
    fn many_steps_are_counted() {
        let mut live = Live::default();
        live.hear(&event(0, all().swap_remove(0).0));
        for number in 0..10 {
            let subject = Subject::new(format!("pod/{number}"), "");
            live.hear(&event(1, EventKind::StepStarted { subject, doing: "evicting".into() }));
        }
        let lines = live.lines();
        assert_eq!(lines.len(), 1 + SHOWN + 1);
        assert!(lines[SHOWN + 1].ends_with("and 4 more"));
    }
}
