//! Times as bars on a common axis: when something ends, how long a phase took.
//!
//! Places along a bar are percentages, everything else is in pixels: a bar is as wide as the page gives it room, and
//! nothing in it is distorted.

use super::mark::Mark;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

/// How high one bar is, in pixels.
const HEIGHT: u32 = 20;

/// Steps of an axis, in milliseconds, and how many of them it has at most: on a phone, labels stand side by side.
const TICKS: i128 = 4;
const DAY: i128 = 86_400_000;
const STEPS: [i128; 24] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000, 120_000,
    300_000, 600_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, DAY,
];

/// A common axis of several bars.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The first moment that has a place.
    zero: Timestamp,
    /// Milliseconds behind it, and what stands there; evenly spaced, whatever lies between them.
    ticks: Vec<(i128, String)>,
    /// What of the width lies before the first moment, for what is over.
    before: f64,
}

/// One bar.
#[derive(Clone, Copy, Debug)]
pub struct Bar<'a> {
    /// Where it begins, if not at the axis' first moment.
    pub from: Option<Timestamp>,
    /// Where it ends.
    pub to: Timestamp,
    /// Where it ends at the latest, if its end is none single moment.
    pub latest: Timestamp,
    /// How its end is marked; nothing special without.
    pub mark: Option<Mark>,
    /// What it says, for whoever does not see it.
    pub title: &'a str,
}

impl Axis {
    /// What is to come, the next days as wide as the last years; what is over lies before it.
    pub fn ahead(now: Timestamp, last: Timestamp, is_something_over: bool) -> Self {
        let day = 86_400;
        let all = [
            (0, "now"),
            (day, "1 d"),
            (7 * day, "7 d"),
            (30 * day, "30 d"),
            (90 * day, "90 d"),
            (365 * day, "1 y"),
            (3 * 365 * day, "3 y"),
            (10 * 365 * day, "10 y"),
            (30 * 365 * day, "30 y"),
        ];
        let span = last.duration_since(now).as_secs();
        let needed = all.iter().position(|(seconds, _)| *seconds >= span).unwrap_or(all.len() - 1);
        let ticks = all.iter().take(needed.max(1) + 1);
        Self {
            zero: now,
            ticks: ticks
                .map(|(seconds, label)| (i128::from(*seconds) * 1000, (*label).to_owned()))
                .collect(),
            before: if is_something_over { 8.0 } else { 0.0 },
        }
    }

    /// What went on between two moments, every part of it equally wide.
    pub fn during(from: Timestamp, to: Timestamp) -> Self {
        let span = to.duration_since(from).as_millis().max(1);
        let step = STEPS.iter().find(|step| **step * TICKS >= span);
        // Longer than any command takes: whole days.
        let step = step.copied().unwrap_or_else(|| (span / (TICKS * DAY) + 1) * DAY);
        let last = (span + step - 1) / step;
        let ticks = (0..=last).map(|index| (index * step, lasting(index * step)));
        Self { zero: from, ticks: ticks.collect(), before: 0.0 }
    }

    /// Where a moment stands, in percent of the width.
    pub fn place(&self, at: Timestamp) -> f64 {
        let behind = at.duration_since(self.zero).as_millis();
        if at.duration_since(self.zero) < SignedDuration::ZERO {
            return 0.0;
        }
        let steps = self.ticks.len().saturating_sub(1).max(1);
        #[expect(clippy::cast_precision_loss, reason = "a place on paper")]
        let along = self.ticks.windows(2).enumerate().find(|(_, pair)| behind <= pair[1].0).map_or(
            steps as f64,
            |(index, pair)| {
                let width = (pair[1].0 - pair[0].0) as f64;
                index as f64 + (behind - pair[0].0) as f64 / width
            },
        );
        self.on_page(along)
    }

    /// The numbers along the axis.
    pub fn labels(&self) -> Markup {
        let last = self.ticks.len() - 1;
        html! {
            svg class="track" width="100%" height="18" aria-hidden="true" {
                @for (index, (_, label)) in self.ticks.iter().enumerate() {
                    @let anchor = if index == last { "end" } else if index == 0 && self.before == 0.0 { "start" } else { "middle" };
                    text x=(percent(self.tick(index))) y="13" text-anchor=(anchor) { (label) }
                }
            }
        }
    }

    /// A bar.
    pub fn bar(&self, bar: &Bar<'_>) -> Markup {
        let from = bar.from.map_or_else(|| self.on_page(0.0), |from| self.place(from));
        let (to, latest) = (self.place(bar.to), self.place(bar.latest));
        let class = bar.mark.map_or("", Mark::class);
        html! {
            svg class="track" width="100%" height=(HEIGHT) role="img" {
                title { (super::text::Shown(bar.title)) }
                g class="grid" {
                    @for index in 0..self.ticks.len() {
                        @let x = percent(self.tick(index));
                        line class=[(index == 0).then_some("now")] x1=(x) x2=(x) y1="0" y2=(HEIGHT) {}
                    }
                }
                g class=(class) {
                    line class="bar" x1=(percent(from)) x2=(percent(to)) y1="10" y2="10" {}
                    @if latest > to { line class="until" x1=(percent(to)) x2=(percent(latest)) y1="10" y2="10" {} }
                    (end(bar.mark, to))
                    @if latest > to + 1.5 { (end(bar.mark, latest)) }
                }
            }
        }
    }

    fn tick(&self, index: usize) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a place on paper")]
        self.on_page(index as f64)
    }

    /// From steps of the axis to percents; a dot at either end is seen whole.
    fn on_page(&self, along: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a place on paper")]
        let steps = self.ticks.len().saturating_sub(1).max(1) as f64;
        self.before + along / steps * (100.0 - self.before)
    }
}

/// `0`, `20 ms`, `30 s`, `5 min`, `2 h`: the largest unit in which it is a whole number.
fn lasting(millis: i128) -> String {
    let units = [(DAY, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")];
    let unit = units.iter().find(|(unit, _)| millis % unit == 0 && millis > 0);
    unit.map_or_else(|| "0".to_owned(), |(unit, name)| format!("{} {name}", millis / unit))
}

/// The end of a bar: each mark has a shape of its own.
fn end(mark: Option<Mark>, at: f64) -> Markup {
    let x = percent(at.clamp(1.0, 99.0));
    html! {
        svg class="end" x=(x) y="2" width="16" height="16" overflow="visible" {
            @match mark {
                Some(mark) => { g transform="translate(-8 0)" { (mark.shape().place("", 0.0, 0.0)) } }
                None => { circle cx="0" cy="8" r="4.5" {} }
            }
        }
    }
}

fn percent(share: f64) -> String {
    format!("{share:.1}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(days: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(days * 24)
    }

    #[test]
    fn near_ends_have_as_much_room_as_far_ones() {
        let axis = Axis::ahead(day(0), day(3650), false);
        for (days, expected) in [
            (-5, "0.0%"),
            (0, "0.0%"),
            (1, "14.3%"),
            (7, "28.6%"),
            (30, "42.9%"),
            (365, "71.4%"),
            (3650, "100.0%"),
            (9000, "100.0%"),
        ] {
            assert_eq!(percent(axis.place(day(days))), expected, "{days}");
        }
        let past = Axis::ahead(day(0), day(3650), true);
        assert_eq!(percent(past.place(day(-5))), "0.0%");
        assert_eq!(percent(past.place(day(0))), "8.0%");
        assert_eq!(percent(past.place(day(3650))), "100.0%");
    }

    #[test]
    fn an_axis_is_as_long_as_it_must_be() {
        let labels = |days| Axis::ahead(day(0), day(days), false).labels().into_string();
        assert!(labels(0).contains(">1 d<") && !labels(0).contains(">7 d<"));
        assert!(labels(20).contains(">30 d<") && !labels(20).contains(">90 d<"));
        assert!(labels(99_999).contains(">30 y<"));
    }

    #[test]
    fn a_span_is_divided_evenly() {
        let at = |millis| Timestamp::UNIX_EPOCH + SignedDuration::from_millis(millis);
        for (span, labels) in [
            (0, "0, 1 ms"),
            (7, "0, 2 ms, 4 ms, 6 ms, 8 ms"),
            (1500, "0, 500 ms, 1 s, 1500 ms"),
            (95_000, "0, 30 s, 1 min, 90 s, 2 min"),
            (14_400_000, "0, 1 h, 2 h, 3 h, 4 h"),
            (400 * 86_400_000, "0, 101 d, 202 d, 303 d, 404 d"),
        ] {
            let axis = Axis::during(at(0), at(span));
            let seen: Vec<&str> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
            assert_eq!(seen.join(", "), labels, "{span}");
        }
        let axis = Axis::during(at(500), at(2500));
        for (moment, expected) in [(0, "0.0%"), (500, "0.0%"), (1500, "50.0%"), (2500, "100.0%")] {
            assert_eq!(percent(axis.place(at(moment))), expected, "{moment}");
        }
    }

    #[test]
    fn a_bar_says_what_it_shows() {
        let axis = Axis::ahead(day(0), day(365), false);
        let bar = Bar {
            from: None,
            to: day(30),
            latest: day(90),
            mark: Some(Mark::Warning),
            title: "ends <soon>",
        };
        let drawn = axis.bar(&bar).into_string();
        assert!(drawn.contains("<title>ends &lt;soon&gt;</title>"), "{drawn}");
        assert!(drawn.contains("class=\"until\"") && drawn.contains("#s-triangle"), "{drawn}");
    }
}
