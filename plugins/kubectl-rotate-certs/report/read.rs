//! Reads the directory of a rotation. What a newer version wrote down is told by its name, and is no damage.

use super::account::{Account, Asked, Move, Run, Trust};
use super::certificates;
use crate::TOOL;
use crate::rotate::document::Plan;
use crate::rotate::journal::Event;
use crate::rotate::work::Work;
use jiff::Timestamp;
use rotation_core::apply::journal::{History, read as read_chain};
use rotation_core::cli::failure::Failure;
use rotation_core::facts::credential::Digest;
use rotation_core::world::files;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// An entry, as far as this version knows it.
#[derive(Deserialize)]
struct Entry {
    at: Timestamp,
    event: Told,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    Known(Event),
    Newer(Value),
}

/// Everything that the directory tells.
pub(crate) fn read(work: &Work) -> Result<Account, Failure> {
    let plan = work.plan()?.ok_or_else(|| {
        Failure::refused(format!("there is no rotation in `{}`", work.path().display()))
            .with_hint(format!("name its directory: `{} report --work DIR`", TOOL.name))
    })?;
    let bytes = files::read_secret_if_there(&work.beside("journal.jsonl"))?;
    let bytes: &[u8] = bytes.as_deref().map_or(&[], |bytes| bytes);
    // What is no text cannot have the digest that the next line speaks of.
    let text = String::from_utf8_lossy(bytes);
    let certificates = certificates::renewed(work, &plan);
    Ok(Account { certificates, ..of(plan, &text, Digest::of(bytes)) })
}

fn of(plan: Plan, text: &str, digest: Digest) -> Account {
    let History { entries, damage } = read_chain::<Entry>(text);
    let mut journal = Trust {
        entries: entries.len(),
        lines: text.lines().count(),
        torn: damage.is_none() && !text.is_empty() && !text.ends_with('\n'),
        damage,
        other: None,
        digest,
    };
    let mut reader = Reader::default();
    for Entry { at, event } in entries {
        if let Told::Known(Event::Begin { plan: named, .. }) = &event
            && *named != plan.id
        {
            journal.other.get_or_insert_with(|| named.clone());
        }
        reader.take(at, event);
    }
    Account { plan, certificates: Vec::new(), runs: reader.runs, journal }
}

#[derive(Default)]
struct Reader {
    runs: Vec<Run>,
    batch: usize,
}

impl Reader {
    fn take(&mut self, at: Timestamp, told: Told) {
        let event = match told {
            Told::Known(event) => event,
            Told::Newer(value) => {
                let kind = value.get("kind").and_then(Value::as_str).unwrap_or("something");
                let what = format!("{kind}, of which this version knows nothing");
                return self.with(at, |run| run.changed.push((at, what)));
            }
        };
        if !matches!(event, Event::Gate { .. }) {
            self.batch += 1;
        }
        let batch = self.batch;
        match event {
            Event::Begin { verb, who, tool_version, .. } => {
                if let Some(before) = self.runs.last_mut() {
                    before.followed = true;
                }
                self.runs.push(run(verb, who, tool_version, at));
            }
            Event::Intent { stage, host, files, restarts } => self.with(at, |run| {
                run.moves.push(Move { stage, host, begun: at, took: None, files, restarts });
            }),
            Event::Done { stage, host, took } => self.with(at, |run| {
                let of = |one: &&mut Move| one.host == host && one.stage == stage;
                if let Some(one) = run.moves.iter_mut().rev().find(of) {
                    one.took = Some(Duration::from_millis(took));
                }
            }),
            Event::Gate { stage, gate, verdict, message, took } => self.with(at, |run| {
                let took = Duration::from_millis(took);
                run.gates.push(Asked { stage, gate, verdict, message, took, at, batch });
            }),
            Event::Changed { what } => self.with(at, |run| run.changed.push((at, what))),
            Event::Stopped { why } => self.with(at, |run| run.stops.push((at, why))),
            Event::End { exit, stage } => self.with(at, |run| run.end = Some((exit, stage))),
            // That a stage begins is seen by its machines.
            Event::Phase { .. } => self.with(at, |_| {}),
            Event::Window { begin, until } => {
                self.with(at, |run| run.window = Some((begin, until)));
            }
        }
    }

    /// The command that is under way; one whose begin is lost gets one.
    fn with(&mut self, at: Timestamp, change: impl FnOnce(&mut Run)) {
        if self.runs.is_empty() {
            self.runs.push(run("unknown".to_owned(), String::new(), String::new(), at));
        }
        if let Some(run) = self.runs.last_mut() {
            run.last = run.last.max(at);
            change(run);
        }
    }
}

fn run(verb: String, who: String, tool_version: String, at: Timestamp) -> Run {
    Run {
        verb,
        who,
        tool_version,
        begun: at,
        last: at,
        end: None,
        followed: false,
        window: None,
        moves: Vec::new(),
        gates: Vec::new(),
        changed: Vec::new(),
        stops: Vec::new(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::report::account::{Ending, State};
    use crate::report::notices;
    use crate::rotate::document::{FilePlan, HostPlan, SCHEMA_VERSION};
    use crate::rotate::stage::{Stage, Strategy};
    use rotation_core::apply::journal::Chain;
    use rotation_core::world::hosts::change;
    use serde_json::json;

    /// Two machines, the second one without anything to change after `accept`.
    fn plan() -> Plan {
        let file = |words: [&str; 5]| FilePlan {
            path: "/pki/ca.crt".to_owned(),
            what: "CA".to_owned(),
            mode: "644".to_owned(),
            owner: "0:0".to_owned(),
            settings: false,
            versions: words.map(|word| change::State::File(Digest::of(word.as_bytes()))).to_vec(),
        };
        let host = |name: &str, words| HostPlan {
            name: name.to_owned(),
            control_plane: name == "m1",
            files: vec![file(words)],
            components: Vec::new(),
            ports: std::collections::BTreeMap::new(),
        };
        Plan {
            schema_version: SCHEMA_VERSION.to_owned(),
            id: "p".to_owned(),
            tool: "t".to_owned(),
            tool_version: "0".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
            strategy: Strategy::Rolling,
            notes: Vec::new(),
            tracks: Vec::new(),
            root_ca: Vec::new(),
            checked: Vec::new(),
            hosts: vec![
                host("m1", ["o", "on", "on", "sw", "n"]),
                host("w1", ["o", "on", "on", "on", "n"]),
            ],
        }
    }

    /// A journal of words: `begin VERB`, `intent HOST STAGE`, `done HOST STAGE MS`, `gate WORD VERDICT MS`, `end CODE STAGE`.
    fn lines(words: &str) -> String {
        let mut chain = Chain::default();
        let mut text = String::new();
        for (second, line) in words.split(';').enumerate() {
            let word: Vec<&str> = line.split_whitespace().collect();
            let number = |at: usize| word[at].parse::<u64>().expect("a number");
            let event = match word[0] {
                "begin" => {
                    json!({"kind": "begin", "verb": word[1], "plan": "p", "strategy": "rolling", "who": "ann@desk",
                                  "toolVersion": "1"})
                }
                "intent" => {
                    json!({"kind": "intent", "host": word[1], "stage": word[2], "files": ["/a", "/b"],
                                   "restarts": if word[1] == "m1" { vec!["etcd"] } else { vec![] }})
                }
                "done" => {
                    json!({"kind": "done", "host": word[1], "stage": word[2], "took": number(3)})
                }
                "gate" => {
                    json!({"kind": "gate", "stage": "accept", "gate": word[1], "verdict": word[2], "message": "m",
                                 "took": number(3)})
                }
                "window" => {
                    let after = |seconds: u64| {
                        Timestamp::from_second(i64::try_from(seconds).expect("few")).expect("early")
                    };
                    json!({"kind": "window", "begin": after(number(1)), "until": after(number(2))})
                }
                "stopped" => json!({"kind": "stopped", "why": word[1]}),
                "end" => json!({"kind": "end", "exit": number(1), "stage": word[2]}),
                kind => json!({"kind": kind, "stage": "accept"}),
            };
            let at =
                Timestamp::from_second(i64::try_from(second).expect("few") * 10).expect("early");
            text += &chain.lines(&[json!({"at": at, "event": event})]).expect("lines");
        }
        text
    }

    pub(in crate::report) fn account(words: &str) -> Account {
        let text = lines(words);
        of(plan(), &text, Digest::of(text.as_bytes()))
    }

    /// An apply that was killed on `w1`, one that a gate stopped, and one that reached `switch`.
    pub(in crate::report) const TROUBLED: &str = "begin apply;phase;intent m1 accept;intent w1 accept;done m1 accept 2000;\
         begin apply;intent w1 accept;done w1 accept 1000;gate Nodes fails 5000;gate Shows waived 30;stopped Nodes;\
         end 5 accept;begin apply;gate Nodes holds 700;intent m1 switch;done m1 switch 3000;end 0 switch";

    #[test]
    fn how_far_it_is_and_how_each_command_ended() {
        use Ending::{Done, Failed, Killed, Open};
        let back = "begin apply;intent m1 accept;intent w1 accept;done m1 accept 1;done w1 accept 1;end 0 accept;\
                    begin rollback;intent m1 before;intent w1 before;done m1 before 1;done w1 before 1;end 0 before";
        for (words, state, endings) in [
            ("begin apply;end 4 before", State::NotBegun, vec![Failed(4)]),
            ("begin apply;intent m1 accept", State::Between, vec![Open]),
            (
                "begin apply;intent m1 accept;done m1 accept 5;end 5 before",
                State::Between,
                vec![Failed(5)],
            ),
            // Both are at `accept`; the end was not seen by whoever wrote it.
            (
                "begin apply;intent m1 accept;intent w1 accept;done m1 accept 5;done w1 accept 5;end 1 before",
                State::At(Stage::Sign),
                vec![Failed(1)],
            ),
            (TROUBLED, State::At(Stage::Switch), vec![Killed, Failed(5), Done]),
            (back, State::Back, vec![Done, Done]),
            (
                "begin finish;intent m1 retire;done m1 retire 9;end 0 retire",
                State::Complete,
                vec![Done],
            ),
        ] {
            let account = account(words);
            let seen: Vec<Ending> = account.runs.iter().map(Run::ending).collect();
            assert_eq!((account.state(), seen), (state, endings), "{words}");
            assert!(account.is_whole() && !account.journal.torn);
        }
    }

    #[test]
    fn what_newer_versions_wrote_is_told_and_no_damage() {
        let account = account("begin apply;teleported;end 0 switch");
        assert!(account.is_whole());
        assert!(account.runs[0].changed[0].1.starts_with("teleported, of which"));
    }

    #[test]
    fn what_somebody_changed_is_damage_and_what_a_kill_tore_is_not() {
        let text = lines(TROUBLED);
        let told = |text: &str| of(plan(), text, Digest::of(text.as_bytes()));
        let changed = told(&text.replacen("\"waived\"", "\"holds\"", 1));
        let damage = changed.journal.damage.clone().expect("damage");
        assert!(damage.starts_with("line 11 does not follow"), "{damage}");
        assert!(!changed.is_whole());
        let said: Vec<String> = notices::of(&changed).into_iter().map(|n| n.what).collect();
        assert!(said[0].contains("line 11"), "{said:?}");
        assert!(
            !said.iter().any(|what| what.contains("command 2")),
            "nothing is said of its end: {said:?}"
        );
        assert_eq!(changed.state(), State::Unknown);
        let torn = told(&text[..text.len() - 20]);
        assert!(torn.is_whole() && torn.journal.torn);
        let mut other = plan();
        other.id = "q".to_owned();
        let other = of(other, &text, Digest::of(b""));
        assert_eq!(other.journal.other.as_deref(), Some("p"));
        assert!(!other.is_whole());
        assert_eq!(told("").state(), State::NotBegun);
    }
}
