//! JUnit's XML: each gate, each machine's way to a stage and each command is a test, and so is the journal itself.

use super::account::{Account, Asked, Ending};
use super::figures::{between, millis};
use super::notices::{self, Kind, Weight};
use crate::TOOL;
use crate::verify::junit::{Case, Entry, Suite};
use std::collections::BTreeMap;

/// The document.
pub(crate) fn of(account: &Account) -> String {
    let mut cases = vec![journal(account)];
    for (index, run) in account.runs.iter().enumerate() {
        let name = format!("command {} {}", index + 1, run.verb);
        let mut entries = Vec::new();
        // What was gone on from later is over.
        let is_last = index + 1 == account.runs.len();
        let words = match run.ending() {
            Ending::Done => None,
            Ending::Failed(code) => Some(format!("code {code}: {}", notices::words(code))),
            Ending::Killed => Some("it was killed".to_owned()),
            Ending::Open => Some("no end is written".to_owned()),
        };
        if let Some(words) = words {
            entries.push(entry(is_last, "command", words));
        }
        cases.push(Case {
            class: "commands",
            name,
            millis: Some(between(run.begun, run.last)),
            entries,
        });
        for one in &run.moves {
            let later = account.runs[index + 1..].iter().flat_map(|run| &run.moves);
            let again = later.filter(|o| o.host == one.host).any(|other| other.took.is_some());
            let entries = match one.took {
                Some(_) => Vec::new(),
                None => vec![entry(!again, "machine", "no end is written".to_owned())],
            };
            cases.push(Case {
                class: "machines",
                name: format!("command {}: {} to {}", index + 1, one.host, one.stage),
                millis: one.took.map(millis),
                entries,
            });
        }
    }
    // The last answer is the one that counts.
    let mut gates: BTreeMap<(usize, &str), &Asked> = BTreeMap::new();
    for asked in account.runs.iter().flat_map(|run| &run.gates) {
        gates.insert((asked.stage.index(), &asked.gate), asked);
    }
    cases.extend(gates.into_values().map(gate));
    Suite { name: format!("{} report {}", TOOL.name, account.plan.id), cases }.render()
}

fn journal(account: &Account) -> Case {
    let notices = notices::of(account).into_iter();
    let about = |kind| matches!(kind, Kind::Damage | Kind::OtherRotation | Kind::TornLine);
    let entries = notices
        .filter(|one| about(one.kind))
        .map(|one| entry(one.severity == Weight::Error, "journal", one.what))
        .collect();
    Case { class: "journal", name: "the journal is whole".to_owned(), millis: None, entries }
}

fn gate(asked: &Asked) -> Case {
    let entries = if asked.holds() {
        Vec::new()
    } else {
        let words = format!("{}: {}", asked.verdict, asked.message);
        vec![entry(!asked.is_waived(), "gate", words)]
    };
    Case {
        class: "gates",
        name: format!("{}: {}", asked.stage, asked.gate),
        millis: Some(millis(asked.took)),
        entries,
    }
}

fn entry(fails: bool, kind: &'static str, words: String) -> Entry {
    if fails {
        Entry::Failure { kind, message: words, text: String::new() }
    } else {
        Entry::Out(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::read::tests::{TROUBLED, account};

    #[test]
    fn what_was_mended_later_fails_no_pipeline() {
        let text = of(&account(TROUBLED));
        // Two ways of each machine, three commands, two gates, one journal.
        assert!(text.contains("tests=\"10\" failures=\"0\""), "{text}");
        assert!(text.contains("<system-out>waived: m</system-out>"), "{text}");
        assert!(text.contains("name=\"accept: Nodes\" time=\"0.700\"/>"), "{text}");
        let failed = of(&account("begin apply;gate Nodes fails 5000;end 5 before"));
        assert!(failed.contains("tests=\"3\" failures=\"2\""), "{failed}");
        assert!(
            failed.contains("<failure type=\"gate\" message=\"fails: m\"></failure>"),
            "{failed}"
        );
    }
}
