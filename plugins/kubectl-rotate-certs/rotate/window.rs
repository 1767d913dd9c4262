//! A maintenance window: until when a rotation must have come to a stage where it may rest.
//!
//! Its end stands in the journal, so that a kill and another command do not move it. A step that would not end in time is
//! not begun; how long steps take is estimated, and measured from the first one on.

use super::document::HostPlan;
use super::drive::Drive;
use super::estimate::{self, Restarted};
use super::journal::Event;
use super::stage::Stage;
use super::work::Entry;
use jiff::{SignedDuration, Timestamp};
use rotation_core::cli::failure::Failure;
use rotation_core::facts::duration::human;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::words::time;
use rotation_core::world::clock::Clock as _;
use std::time::Duration;

/// From when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its begin.
    pub(crate) begin: Timestamp,
    /// Its end.
    pub(crate) until: Timestamp,
}

/// The window is over, and no other one was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Over(pub(crate) Timestamp);

impl Window {
    /// The window in which a rotation is. One that has come to its end, or gone back, is in none.
    pub(crate) fn of(history: &[Entry], last: Stage) -> Option<Self> {
        let mut found = None;
        for entry in history {
            match &entry.event {
                Event::Window { begin, until } => {
                    found = Some(Self { begin: *begin, until: *until });
                }
                Event::End { exit, stage } => {
                    let rests = *stage == Stage::Before || (*exit == 0 && *stage >= last);
                    found = found.filter(|_| !rests);
                }
                _ => {}
            }
        }
        found
    }

    /// The window that counts: one that has not ended keeps its begin, also under another length.
    pub(crate) fn choose(
        asked: Option<Duration>,
        known: Option<Self>,
        now: Timestamp,
    ) -> Result<Option<Self>, Over> {
        let known_ends = known.map(|window| window.until);
        let running = known.filter(|window| now < window.until);
        match (asked, running, known_ends) {
            (None, None, Some(until)) => Err(Over(until)),
            (None, running, _) => Ok(running),
            (Some(length), running, _) => {
                let begin = running.map_or(now, |window| window.begin);
                Ok(Some(Self { begin, until: after(begin, length) }))
            }
        }
    }

    /// What is left of it.
    pub(crate) fn left(&self, now: Timestamp) -> Duration {
        Duration::try_from(self.until.duration_since(now)).unwrap_or_default()
    }
}

fn after(begin: Timestamp, length: Duration) -> Timestamp {
    let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
    begin.checked_add(length).unwrap_or(Timestamp::MAX)
}

/// A window, and how fast it goes.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The window.
    pub(crate) window: Window,
    /// What the plan restarts.
    pub(crate) restarted: Vec<Restarted>,
    /// How long pods take, at this stage.
    pub(crate) pods: Duration,
    /// Whether anything was changed already.
    pub(crate) begun: bool,
    estimated: Duration,
    took: Duration,
}

impl Watch {
    /// From now on.
    pub(crate) fn new(
        window: Window,
        restarted: Vec<Restarted>,
        pods: Duration,
        begun: bool,
    ) -> Self {
        let none = Duration::ZERO;
        Self { window, restarted, pods, begun, estimated: none, took: none }
    }

    /// A step has ended.
    pub(crate) fn measured(&mut self, estimated: Duration, took: Duration) {
        self.estimated += estimated;
        self.took += took;
    }

    /// What a step needs by what was measured; never less than what was estimated.
    pub(crate) fn needs(&self, estimated: Duration) -> Duration {
        if self.estimated.is_zero() || self.took <= self.estimated {
            return estimated;
        }
        estimated.mul_f64(self.took.as_secs_f64() / self.estimated.as_secs_f64())
    }

    /// Whether a step that begins now ends in time.
    pub(crate) fn allows(&self, now: Timestamp, estimated: Duration) -> bool {
        self.needs(estimated) <= self.window.left(now)
    }
}

impl Drive<'_> {
    /// How long gates may be waited for.
    pub(crate) fn patience(&self) -> Duration {
        let left = self.watch.as_ref().map(|watch| watch.window.left(self.clock.now()));
        left.map_or(self.timeout, |left| self.timeout.min(left))
    }

    /// How long machines are estimated to take together.
    pub(crate) fn estimate(&self, group: &[HostPlan], to: Stage) -> Duration {
        let Some(watch) = &self.watch else { return Duration::ZERO };
        let each = group.iter().map(|host| estimate::machine(host, &watch.restarted, to));
        each.max().unwrap_or_default()
    }

    /// Does not let a step begin that would not end in time.
    pub(crate) fn in_time(&mut self, what: &str, estimated: Duration) -> Result<(), Failure> {
        let now = self.clock.now();
        let Some(watch) = &self.watch else { return Ok(()) };
        if watch.allows(now, estimated) {
            return Ok(());
        }
        let why = format!(
            "{what} takes about {}, and {} are left of the window, which ends at {}",
            human(watch.needs(estimated)),
            human(watch.window.left(now)),
            time(watch.window.until)
        );
        let (begun, since) = (watch.begun, watch.window.begin);
        self.note(Event::Stopped { why: why.clone() })?;
        if !begun {
            self.unlock();
            return Err(Failure::refused(format!("nothing was changed: {why}"))
                .with_hint("name a longer window, or rotate less at a time: --rotate, --until"));
        }
        Err(stopped(&format!("stopped part-way: {why}"), since))
    }

    /// A step has ended: what follows is judged by how long it took.
    pub(crate) fn measured(&mut self, estimated: Duration, took: Duration) {
        if let Some(watch) = &mut self.watch {
            watch.begun = true;
            watch.measured(estimated, took);
        }
    }

    /// Says what is left after a stage.
    pub(crate) fn tell_left(&self, stage: Stage) {
        if let Some(watch) = &self.watch {
            self.console.note(&format!(
                "stage {stage} is reached; {} are left of the window, which ends at {}",
                human(watch.window.left(self.clock.now())),
                time(watch.window.until)
            ));
        }
    }
}

/// Part-way, with both ways on.
pub(crate) fn stopped(why: &str, begin: Timestamp) -> Failure {
    Failure::refused(why.to_owned()).with_exit(Exit::Partly).with_hint(format!(
        "the cluster works with what is done; go on with a longer window, counted from {}: `kubectl rotate-certs apply \
         --window DURATION`, or go back with `kubectl rotate-certs rollback`",
        time(begin)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn window(begin: i64, until: i64) -> Window {
        Window { begin: at(begin), until: at(until) }
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_window_keeps_its_begin_until_it_is_over() {
        let known = Some(window(100, 200));
        for (asked, known, now, expected) in [
            (None, None, 150, Ok(None)),
            (Some(60), None, 150, Ok(Some(window(150, 210)))),
            // Another command, after a kill.
            (None, known, 150, Ok(known)),
            (Some(100), known, 150, Ok(known)),
            // A longer one, and a shorter one.
            (Some(300), known, 150, Ok(Some(window(100, 400)))),
            (Some(10), known, 150, Ok(Some(window(100, 110)))),
            // The next night.
            (None, known, 200, Err(Over(at(200)))),
            (Some(60), known, 5000, Ok(Some(window(5000, 5060)))),
        ] {
            assert_eq!(
                Window::choose(asked.map(seconds), known, at(now)),
                expected,
                "{asked:?} at {now}"
            );
        }
        assert_eq!(
            Window::choose(Some(Duration::MAX), None, at(0)).map(|w| w.map(|w| w.until)),
            Ok(Some(Timestamp::MAX))
        );
    }

    #[test]
    fn it_is_read_from_the_journal() {
        let entry = |event| Entry { at: at(1), event };
        let opens = |begin, until| entry(Event::Window { begin: at(begin), until: at(until) });
        let ends = |exit, stage| entry(Event::End { exit, stage });
        let last = Stage::Switch;
        for (history, expected) in [
            (vec![], None),
            // Killed: there is no end.
            (vec![opens(1, 9)], Some(window(1, 9))),
            (vec![opens(1, 9), ends(5, Stage::Accept)], Some(window(1, 9))),
            (vec![opens(1, 9), ends(0, Stage::Accept)], Some(window(1, 9))),
            (vec![opens(1, 9), ends(5, Stage::Accept), opens(1, 20)], Some(window(1, 20))),
            // Done, gone back, or never begun.
            (vec![opens(1, 9), ends(0, Stage::Switch)], None),
            (vec![opens(1, 9), ends(0, Stage::Before)], None),
            (vec![opens(1, 9), ends(4, Stage::Before)], None),
        ] {
            assert_eq!(Window::of(&history, last), expected, "{history:?}");
        }
    }

    #[test]
    fn what_was_measured_counts_where_it_is_slower() {
        let mut watch = Watch::new(window(0, 100), Vec::new(), Duration::ZERO, false);
        assert!(watch.allows(at(40), seconds(60)) && !watch.allows(at(41), seconds(60)));
        watch.measured(seconds(10), seconds(2));
        assert!(watch.allows(at(40), seconds(60)), "faster than estimated");
        watch.measured(seconds(10), seconds(38));
        assert_eq!(watch.needs(seconds(30)), seconds(60), "half as fast");
        assert!(watch.allows(at(40), seconds(30)) && !watch.allows(at(40), seconds(31)));
        assert!(!watch.allows(at(101), seconds(1)), "over");
    }
}
