//! What did not go straight on: kills, stops, gates that failed or were waived, ways back, damage.

use super::account::{Account, Asked, Ending, Run};
use jiff::Timestamp;
use rotation_core::facts::words::count;
use serde::Serialize;

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The journal cannot be believed from some line on.
    Damage,
    /// The journal is another rotation's.
    OtherRotation,
    /// The last line was torn off in the middle of a write.
    TornLine,
    /// A command has no end.
    Killed,
    /// A command did not do what it was to do.
    Failed,
    /// Why a command stopped.
    Stopped,
    /// A machine's way to a stage has no end.
    Unfinished,
    /// A gate that did not hold.
    GateFailed,
    /// A gate that somebody let go.
    Waived,
    /// Machines went back.
    Rollback,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Weight {
    /// It stands in the way still, or the report cannot be believed.
    Error,
    /// It is over; somebody should know of it.
    Warning,
    /// Worth knowing.
    Note,
}

/// Something that did not go straight on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notice {
    pub(crate) kind: Kind,
    pub(crate) severity: Weight,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<Timestamp>,
    pub(crate) what: String,
}

/// All of it, in the order in which it happened.
pub(crate) fn of(account: &Account) -> Vec<Notice> {
    let mut notices = Vec::new();
    trust(account, &mut notices);
    for (index, run) in account.runs.iter().enumerate() {
        of_run(account, index, run, &mut notices);
    }
    notices
}

fn trust(account: &Account, notices: &mut Vec<Notice>) {
    let journal = &account.journal;
    let mut say = |kind, severity, what| notices.push(Notice { kind, severity, at: None, what });
    if let Some(damage) = &journal.damage {
        let rest = journal.lines.saturating_sub(journal.entries);
        say(
            Kind::Damage,
            Weight::Error,
            format!(
                "the journal was changed or damaged: {damage}; {} from there on not believed and not told",
                if rest == 1 {
                    "1 line is".to_owned()
                } else {
                    format!("{} are", count(rest, "line"))
                }
            ),
        );
    }
    if let Some(other) = &journal.other {
        let own = &account.plan.id;
        let what = format!("the journal speaks of rotation {other}, and the plan is that of {own}");
        say(Kind::OtherRotation, Weight::Error, what);
    }
    if journal.torn {
        let what = "the last line of the journal is not whole: a kill in the middle of a write, before anything was done";
        say(Kind::TornLine, Weight::Note, what.to_owned());
    }
}

fn of_run(account: &Account, index: usize, run: &Run, notices: &mut Vec<Notice>) {
    let is_last = index + 1 == account.runs.len();
    let over = if is_last { Weight::Error } else { Weight::Warning };
    let name = format!("{} (command {})", run.verb, index + 1);
    let mut say =
        |kind, severity, at, what| notices.push(Notice { kind, severity, at: Some(at), what });
    for gate in run.gates.iter().filter(|gate| !gate.holds()) {
        if gate.is_waived() {
            let what =
                format!("waived after stage {}: {}: {}", gate.stage, gate.gate, gate.message);
            say(Kind::Waived, Weight::Warning, gate.at, what);
            continue;
        }
        let later = account.runs[index..].iter().flat_map(|run| &run.gates);
        let mut held = later.filter(|other| other.gate == gate.gate && other.holds());
        let held: Option<&Asked> = held.rfind(|other| other.at > gate.at);
        let after = held.map_or(String::new(), |held| {
            format!("; it held at {}", rotation_core::facts::words::time(held.at))
        });
        let weight = if held.is_some() { Weight::Warning } else { Weight::Error };
        let what = format!(
            "{} after stage {}: {}: {}{after}",
            gate.verdict, gate.stage, gate.gate, gate.message
        );
        say(Kind::GateFailed, weight, gate.at, what);
    }
    for (at, why) in &run.stops {
        say(Kind::Stopped, over, *at, format!("{name} stopped: {why}"));
    }
    if is_last && account.journal.damage.is_some() {
        // Its end may stand where nothing is believed.
        return;
    }
    for one in run.moves.iter().filter(|one| one.took.is_none()) {
        let later = account.runs[index + 1..].iter().flat_map(|run| &run.moves);
        let again = later.filter(|other| other.host == one.host).any(|other| other.took.is_some());
        let after = if again { "; it was brought to an end later" } else { "" };
        let weight = if again { Weight::Warning } else { Weight::Error };
        let what = format!(
            "{} was on its way to stage {}, and no end is written{after}",
            one.host, one.stage
        );
        say(Kind::Unfinished, weight, one.begun, what);
    }
    match run.ending() {
        Ending::Done => {}
        Ending::Failed(code) => {
            say(
                Kind::Failed,
                over,
                run.last,
                format!("{name} ended with code {code}: {}", words(code)),
            );
        }
        Ending::Killed => {
            let what = format!("{name} has no end: it was killed, or its machine went down");
            say(Kind::Killed, Weight::Warning, run.last, what);
        }
        Ending::Open => {
            let what = format!("{name} has no end: it runs still, or was killed");
            say(Kind::Killed, Weight::Error, run.last, what);
        }
    }
    if run.is_rollback() {
        let to = match run.end {
            Some((_, stage)) => format!(" to stage {stage}"),
            None => String::new(),
        };
        say(Kind::Rollback, Weight::Note, run.begun, format!("{name} went back{to}"));
    }
}

/// What an exit code means.
pub(crate) fn words(code: u8) -> &'static str {
    match code {
        0 => "done",
        2 => "wrong command line",
        3 => "findings",
        4 => "refused",
        5 => "partly done",
        6 => "done, but not proven in time",
        130 => "interrupted",
        _ => "unexpected error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::read::tests::{TROUBLED, account};

    #[test]
    fn each_thing_that_went_wrong_is_told_once_and_by_its_weight() {
        use Kind as K;
        use Weight as W;
        let kinds = |words: &str| -> Vec<(Kind, Weight)> {
            of(&account(words)).into_iter().map(|one| (one.kind, one.severity)).collect()
        };
        assert_eq!(
            kinds(TROUBLED),
            [
                (K::Unfinished, W::Warning),
                (K::Killed, W::Warning),
                (K::GateFailed, W::Warning),
                (K::Waived, W::Warning),
                (K::Stopped, W::Warning),
                (K::Failed, W::Warning),
            ]
        );
        assert_eq!(kinds("begin apply;end 0 switch"), []);
        assert_eq!(
            kinds("begin apply;intent m1 accept"),
            [(K::Unfinished, W::Error), (K::Killed, W::Error)]
        );
        assert_eq!(kinds("begin rollback;end 0 before"), [(K::Rollback, W::Note)]);
        assert_eq!(
            kinds("begin apply;gate A fails 1;stopped A;end 5 accept"),
            [(K::GateFailed, W::Error), (K::Stopped, W::Error), (K::Failed, W::Error)]
        );
    }
}
