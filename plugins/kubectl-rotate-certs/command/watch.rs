//! `check --watch`: looks again and again, and tells what came and what went.

use super::check::Look;
use crate::inspect::check_args::{CheckArgs, CheckFormat};
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::words::time;
use rotation_core::plan::certificate::{Finding, Kind, Severity};
use rotation_core::tell::clean;
use rotation_core::world::clock::{Clock as _, SystemClock};
use rotation_core::world::interrupt::Interrupt;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

/// Goes on until somebody asks to stop. A look that fails is told, and the next one is taken all the same.
pub(super) fn run(
    args: &CheckArgs,
    console: &Console,
    interrupt: &Interrupt,
    pause: Duration,
    first: Look,
) -> Result<Exit, Failure> {
    let mut last = first.findings;
    console.note(&format!("the next look is in {} s; Ctrl-C ends this", pause.as_secs()));
    while !interrupt.pause(pause) {
        let look = match Look::take(args, console, interrupt) {
            Ok(look) => look,
            Err(_) if interrupt.is_asked() => break,
            Err(why) => {
                console.note(&format!("{}: {why}", time(SystemClock::start().now())));
                continue;
            }
        };
        look.publish(args)?;
        let (came, gone) = difference(&last, &look.findings);
        if !(came.is_empty() && gone.is_empty()) {
            let text = match args.output {
                CheckFormat::Json => look.document()?,
                _ => told(&look, came, &gone, args.shows_notes()),
            };
            console.data(&text);
        }
        last = look.findings;
    }
    Ok(Exit::Interrupted)
}

/// A finding is the same one wherever and whatever it is, though days and PIDs in its words change.
fn identity(finding: &Finding) -> (&str, Kind) {
    (&finding.place, finding.kind)
}

/// What is new, and what is there no more.
fn difference(before: &[Finding], now: &[Finding]) -> (Vec<Finding>, Vec<Finding>) {
    let only = |these: &[Finding], those: &[Finding]| {
        let known: BTreeSet<_> = those.iter().map(identity).collect();
        these.iter().filter(|finding| !known.contains(&identity(finding))).cloned().collect()
    };
    (only(now, before), only(before, now))
}

fn told(look: &Look, came: Vec<Finding>, gone: &[Finding], notes: bool) -> String {
    let mut text = look.report(came).text(notes);
    for finding in gone.iter().filter(|finding| notes || finding.severity() != Severity::Note) {
        let _ = writeln!(text, "{}: gone [{}]", clean::line(&finding.place), finding.id());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_and_what_went() {
        let finding = |kind, place: &str, what: &str| Finding::new(kind, place, what);
        let before = [
            finding(Kind::ExpiresSoon, "/a", "in 30 days"),
            finding(Kind::KeyMode, "/b", "its mode is 0644"),
        ];
        let now = [
            finding(Kind::ExpiresSoon, "/a", "in 29 days"),
            finding(Kind::KeyMode, "/c", "its mode is 0644"),
        ];
        let (came, gone) = difference(&before, &now);
        assert_eq!((came.len(), came[0].place.as_str()), (1, "/c"));
        assert_eq!((gone.len(), gone[0].place.as_str()), (1, "/b"));
    }
}
