//! When what begins and ends, and until when one may turn back: estimated, relative to the start. Pure.

use super::document::Plan;
use super::estimate::{Pace, Step, Work, restarts, steps};
use super::stage::Stage;
use super::standing::previous;
use rotation_core::facts::duration::human;
use rotation_core::facts::words::count;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// A step with its times.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    /// What is done.
    #[serde(flatten)]
    pub(crate) step: Step,
    /// Seconds after the start.
    pub(crate) begins: f64,
    /// The same.
    pub(crate) ends: f64,
    /// How long a way back to the first stage takes from its end.
    pub(crate) way_back: f64,
}

/// The timetable of `apply`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Timetable {
    /// Its steps.
    pub(crate) rows: Vec<Row>,
    /// Seconds until its end.
    pub(crate) ends: f64,
    /// Seconds that there are, where a window was named.
    pub(crate) window: Option<f64>,
    /// The last moment at which a way back that begins then ends within the window.
    pub(crate) point_of_no_return: Option<f64>,
}

/// From one stage to another, the last one included.
pub(crate) fn draw(
    plan: &Plan,
    from: Stage,
    last: Stage,
    pace: Pace,
    window: Option<Duration>,
) -> Timetable {
    let restarted = restarts(plan);
    let route = plan.route().iter().filter(|stage| **stage > from && **stage <= last);
    let all = route
        .flat_map(|stage| steps(plan, &restarted, previous(plan.route(), *stage), *stage, pace));
    of(all.collect(), window)
}

/// Of these steps, one after the other.
pub(crate) fn of(steps: Vec<Step>, window: Option<Duration>) -> Timetable {
    let (mut now, mut back) = (0.0, 0.0);
    let mut rows = Vec::new();
    for step in steps {
        let begins = now;
        now += step.takes.as_secs_f64();
        // Back goes the same way, but pods trust both by then and stay.
        if !matches!(step.work, Work::Pods { .. }) {
            back += step.takes.as_secs_f64();
        }
        rows.push(Row { step, begins, ends: now, way_back: back });
    }
    let window = window.map(|window| window.as_secs_f64());
    let point_of_no_return = window.map(|window| turning_point(&rows, window));
    Timetable { rows, ends: now, window, point_of_no_return }
}

/// Whoever turns in the midst of a step goes back all of it.
fn turning_point(rows: &[Row], window: f64) -> f64 {
    let within = rows.iter().filter_map(|row| {
        let latest = row.ends.min(window - row.way_back);
        (latest >= row.begins).then_some(latest)
    });
    let after = rows.last().map_or(window, |row| window - row.way_back);
    let done = rows.last().is_none_or(|row| after >= row.ends);
    within.chain(done.then_some(after)).fold(0.0, f64::max)
}

impl Timetable {
    /// Whether it ends in the window, if there is one.
    pub(crate) fn fits(&self) -> bool {
        self.window.is_none_or(|window| self.ends <= window)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for row in &self.rows {
            let _ = writeln!(
                out,
                "  {:>7} {:>7}  {}: {}",
                offset(row.begins),
                offset(row.ends),
                row.step.stage,
                row.step.work.words()
            );
        }
        for line in self.ending() {
            let _ = writeln!(out, "  {line}");
        }
        out
    }

    /// What stands below it.
    pub(crate) fn ending(&self) -> Vec<String> {
        let mut lines = vec![format!("ends at {}", offset(self.ends))];
        if let (Some(window), Some(point)) = (self.window, self.point_of_no_return) {
            lines.push(format!(
                "point of no return at {}: a way back that begins later does not end within the window of {}",
                offset(point),
                long(window)
            ));
            lines.push(if self.fits() {
                format!("{} of the window are left", long(window - self.ends))
            } else {
                format!("it does not fit: {} are missing", long(self.ends - window))
            });
        }
        lines
    }
}

impl Work {
    /// In words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Machines { machines } if machines.len() > 4 => format!(
                "{}, {} and {} between them",
                machines[0],
                machines[machines.len() - 1],
                count(machines.len() - 2, "machine")
            ),
            Self::Machines { machines } => machines.join(", "),
            Self::Gates => "the cluster follows".to_owned(),
            Self::Pods { count: pods } => format!("{} recycled", count(*pods, "pod")),
        }
    }
}

/// `+1:02:03`.
fn offset(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.ceil()).unwrap_or_default().as_secs();
    match whole / 3600 {
        0 => format!("+{}:{:02}", whole / 60, whole % 60),
        hours => format!("+{hours}:{:02}:{:02}", whole / 60 % 60, whole % 60),
    }
}

fn long(seconds: f64) -> String {
    human(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(stage: Stage, work: Work, seconds: u64) -> Step {
        Step { stage, work, takes: Duration::from_secs(seconds) }
    }

    fn machine(stage: Stage, name: &str, seconds: u64) -> Step {
        step(stage, Work::Machines { machines: vec![name.to_owned()] }, seconds)
    }

    fn rolling() -> Vec<Step> {
        vec![
            machine(Stage::Accept, "m1", 100),
            step(Stage::Accept, Work::Gates, 50),
            step(Stage::Sign, Work::Pods { count: 9 }, 600),
            machine(Stage::Switch, "m1", 30),
        ]
    }

    #[test]
    fn the_last_moment_to_turn_back() {
        for (window, point, fits) in [
            // Long enough: whoever waits after the end may turn as long as the way back fits.
            (2000, 1820, true),
            (960, 780, true),
            // Not to its very end.
            (959, 779, true),
            (790, 640, true),
            (780, 630, true),
            // Not even that.
            (779, 629, false),
            (200, 100, false),
            (150, 50, false),
            (99, 0, false),
            (0, 0, false),
        ] {
            let table = of(rolling(), Some(Duration::from_secs(window)));
            let found = table.point_of_no_return.expect("a window");
            assert!((found - f64::from(point)).abs() < 0.01, "{window}: {found}");
            assert_eq!(table.fits(), fits, "{window}");
        }
        let free = of(rolling(), None);
        assert!(free.fits() && free.point_of_no_return.is_none());
        assert!(of(Vec::new(), Some(Duration::ZERO)).fits());
    }

    #[test]
    fn it_is_read_by_people() {
        let table = of(rolling(), Some(Duration::from_hours(3)));
        assert_eq!(
            table.text(),
            "\x20   +0:00   +1:40  accept: m1
\x20   +1:40   +2:30  accept: the cluster follows
\x20   +2:30  +12:30  sign: 9 pods recycled
\x20  +12:30  +13:00  switch: m1
  ends at +13:00
  point of no return at +2:57:00: a way back that begins later does not end within the window of 3h00m
  2h47m of the window are left
"
        );
        let many = Work::Machines { machines: (1..=9).map(|n| format!("w{n}")).collect() };
        assert_eq!(many.words(), "w1, w9 and 7 machines between them");
    }
}
