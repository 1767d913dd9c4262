//! The table that lives on a terminal while a run is under way: one row for each instance, and how long it takes.

use rotation_core::facts::duration::human;
use rotation_core::tell::event::{Event, EventKind, Listener, Subject};
use rotation_core::tell::screen::Screen;
use rotation_core::tell::sentence::{self, Weight};
use rotation_core::tell::table::{Cell, Layout, Table};
use std::time::Duration;

/// Rows that are drawn; a display that is higher than the terminal could not be taken away again.
const SHOWN: usize = 14;

/// One instance.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// As events name it.
    pub(crate) subject: Subject,
    /// As one types it.
    pub(crate) name: String,
    /// Its zone.
    pub(crate) az: String,
    /// What runs before.
    pub(crate) old: String,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Waiting,
    UnderWay { since: Duration },
    Over { word: String, new: String, took: Duration },
}

impl Row {
    /// One that is not begun.
    pub(crate) fn new(subject: Subject, name: String, az: String, old: Option<u32>) -> Self {
        let old = old.map(|pid| pid.to_string()).unwrap_or_default();
        Self { subject, name, az, old, state: State::Waiting }
    }
}

/// Tells people by a table.
pub(crate) struct LiveTable {
    screen: Screen,
    rows: Vec<Row>,
    what: String,
    elapsed: Duration,
}

impl LiveTable {
    /// A table of these rows.
    pub(crate) fn new(screen: Screen, rows: Vec<Row>) -> Self {
        Self { screen, rows, what: String::new(), elapsed: Duration::ZERO }
    }

    fn set(&mut self, subject: &Subject, state: State) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.subject == *subject) {
            row.state = state;
        }
    }

    /// The lines as they should be; none before a run and after it.
    fn lines(&self) -> Vec<String> {
        if self.what.is_empty() {
            return Vec::new();
        }
        let over = self.rows.iter().filter(|row| matches!(row.state, State::Over { .. })).count();
        let mut lines =
            vec![format!("[{over}/{}] {}, {}", self.rows.len(), self.what, human(self.elapsed))];
        // What is over goes first where there is no room for all.
        let first = self.rows.iter().position(|row| !matches!(row.state, State::Over { .. }));
        let from = first.unwrap_or(0).min(self.rows.len().saturating_sub(SHOWN));
        let mut table = Table::new(["INSTANCE", "AZ", "STATE", "PID", "TIME"]);
        for row in self.rows.iter().skip(from).take(SHOWN) {
            table.row(self.cells(row));
        }
        let text = table.render(Layout { width: None, headers: true });
        lines.extend(text.lines().map(str::to_owned));
        if let Some(more) = self.rows.len().checked_sub(from + SHOWN).filter(|more| *more > 0) {
            lines.push(format!("and {more} more"));
        }
        lines
    }

    fn cells(&self, row: &Row) -> Vec<Cell> {
        let (state, pid, time) = match &row.state {
            State::Waiting => ("waiting".to_owned(), row.old.clone(), "-".to_owned()),
            State::UnderWay { since } => {
                let time = human(self.elapsed.saturating_sub(*since));
                ("restarting".to_owned(), format!("{} -> ...", row.old), time)
            }
            State::Over { word, new, took } => {
                (word.clone(), format!("{} -> {new}", row.old), human(*took))
            }
        };
        let az = if row.az.is_empty() { "-" } else { &row.az };
        [&row.name, az, &state, &pid, &time].into_iter().map(Cell::from).collect()
    }
}

impl Listener for LiveTable {
    fn hear(&mut self, event: &Event) {
        self.elapsed = event.elapsed;
        match &event.kind {
            EventKind::RunStarted { what, .. } => self.what.clone_from(what),
            EventKind::StepStarted { subject, .. } => {
                self.set(subject, State::UnderWay { since: event.elapsed });
            }
            EventKind::StepDone { subject, new, took, .. } => {
                let new = new.clone().unwrap_or_default();
                self.set(subject, State::Over { word: "proven".to_owned(), new, took: *took });
            }
            EventKind::StepFailed { subject, reason, .. } => {
                let (word, new) = (format!("failed: {reason}"), "?".to_owned());
                self.set(subject, State::Over { word, new, took: Duration::ZERO });
            }
            EventKind::RunEnded { .. } => self.what.clear(),
            _ => {}
        }
        let said = sentence::of(&event.kind);
        // The table shows what goes well; it is gone after the run, when the result is printed.
        if said.weight == Weight::Serious || matches!(event.kind, EventKind::RunEnded { .. }) {
            self.screen.line_above(&said.tone.paint(&said.text), self.lines());
        } else {
            self.screen.live(self.lines());
        }
    }

    fn tick(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
        self.screen.live(self.lines());
    }
}

impl Drop for LiveTable {
    fn drop(&mut self) {
        // A run that ends without its last event must not leave the table behind.
        self.screen.live(Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn subject(index: usize) -> Subject {
        Subject::new(format!("minion/{index}"), "k")
    }

    fn table(rows: usize) -> LiveTable {
        let row = |i| Row::new(subject(i), format!("minion/{i}"), "z1".into(), Some(138));
        LiveTable::new(Screen::nowhere(), (0..rows).map(row).collect())
    }

    fn hear(table: &mut LiveTable, seconds: u64, kind: EventKind) {
        let elapsed = Duration::from_secs(seconds);
        table.hear(&Event { at: Timestamp::UNIX_EPOCH, elapsed, kind });
    }

    fn started() -> EventKind {
        EventKind::RunStarted {
            tool: "t".into(),
            version: "0".into(),
            place: "k".into(),
            what: "restart 2 proxy jobs".into(),
            steps: 2,
        }
    }

    fn done(index: usize) -> EventKind {
        EventKind::StepDone {
            subject: subject(index),
            outcome: "PID 138 is replaced".into(),
            old: Some("138".into()),
            new: Some("331".into()),
            node: None,
            proof: None,
            took: Duration::from_secs(14),
        }
    }

    #[test]
    fn each_instance_is_shown_from_begin_to_end() {
        let mut table = table(2);
        assert!(table.lines().is_empty());
        hear(&mut table, 1, started());
        hear(&mut table, 1, EventKind::StepStarted { subject: subject(0), doing: "x".into() });
        hear(&mut table, 15, done(0));
        hear(&mut table, 15, EventKind::StepStarted { subject: subject(1), doing: "x".into() });
        table.tick(Duration::from_secs(18));
        assert_eq!(
            table.lines(),
            [
                "[1/2] restart 2 proxy jobs, 18s",
                "INSTANCE   AZ   STATE        PID          TIME",
                "minion/0   z1   proven       138 -> 331   14s",
                "minion/1   z1   restarting   138 -> ...   3.0s",
            ]
        );
        let ended = EventKind::RunEnded {
            exit: 0,
            counts: rotation_core::tell::event::Counts::default(),
            message: "x".into(),
        };
        hear(&mut table, 40, ended);
        assert!(table.lines().is_empty());
    }

    #[test]
    fn many_are_cut_and_what_is_under_way_stays_in_sight() {
        let mut table = table(40);
        hear(&mut table, 0, started());
        assert_eq!(table.lines().len(), 1 + 1 + SHOWN + 1);
        for index in 0..39 {
            hear(&mut table, 1, done(index));
        }
        hear(&mut table, 1, EventKind::StepStarted { subject: subject(39), doing: "x".into() });
        let lines = table.lines();
        assert!(lines.last().is_some_and(|l| l.starts_with("minion/39")), "{lines:?}");
    }
}
