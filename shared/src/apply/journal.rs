//! The journal: what was meant before, what happened after. One JSON line for each entry, on disk before the effect.
//!
//! Each line carries the digest of the line before it, so that a damaged journal is seen and not believed. Losing it
//! loses history, not the ability to go on: the state is always read from the world.

use super::effect::Effect;
use super::outcome::Outcome;
use crate::facts::credential::Digest;
use crate::facts::identity::{ClusterIdentity, ObjectRef, Uid};
use crate::plan::document::{Plan, Step};
use crate::plan::staleness::CredentialKey;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;

/// The version of the format that is written.
pub const SCHEMA_VERSION: &str = "rotation/journal/v1";

/// Where entries are kept.
pub trait Journal {
    /// Writes entries, durably, before it returns.
    fn append(&mut self, entries: &[Entry]) -> io::Result<()>;
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// A run begins.
    Run {
        /// Format.
        schema_version: String,
        /// Tool.
        tool: String,
        /// Its version.
        tool_version: String,
        /// Cluster.
        cluster: ClusterIdentity,
        /// SHA-256 of the plan.
        plan: String,
        /// Steps in it.
        steps: usize,
        /// Controllers whose pods it recycles.
        owners: Vec<Uid>,
        /// Pods and workloads that it changes or leaves alone: what has the same owner and is not among them came later.
        #[serde(default)]
        targets: Vec<Uid>,
        /// Digests of the credentials that were handed out at that time.
        seen: Vec<Seen>,
    },
    /// A change is about to be made.
    Intent {
        /// Step.
        step: String,
        /// To what.
        target: ObjectRef,
    },
    /// What the attempt came to.
    Effect {
        /// Step.
        step: String,
        /// A stable word: `made`, `blocked`, `refused`, `unclear`.
        effect: String,
        /// In words.
        message: String,
    },
    /// A step is over.
    Outcome {
        /// Step.
        step: String,
        /// What became of it.
        outcome: Outcome,
    },
    /// The run is over.
    End {
        /// Exit code.
        exit: u8,
    },
}

/// A credential's digest at the time of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Of what.
    pub key: CredentialKey,
    /// SHA-256, hexadecimal.
    pub digest: Digest,
}

impl Entry {
    /// The first entry of a run.
    pub fn run(at: Timestamp, plan: &Plan, owners: Vec<Uid>, seen: Vec<Seen>) -> Self {
        let left = plan.skipped.iter().map(|s| &s.target);
        let event = Event::Run {
            schema_version: SCHEMA_VERSION.to_owned(),
            tool: plan.tool.clone(),
            tool_version: plan.tool_version.clone(),
            cluster: plan.cluster.clone(),
            plan: plan.digest().to_string(),
            steps: plan.steps().count(),
            owners,
            targets: plan.steps().map(|s| &s.target).chain(left).map(|t| t.uid.clone()).collect(),
            seen,
        };
        Self { at, event }
    }

    /// Before a change.
    pub fn intent(at: Timestamp, step: &Step) -> Self {
        Self { at, event: Event::Intent { step: step.id.clone(), target: step.target.clone() } }
    }

    /// After an attempt.
    pub fn effect(at: Timestamp, step: &Step, effect: &Effect) -> Self {
        let (word, message) = match effect {
            Effect::Made => ("made", String::new()),
            Effect::Blocked { by, .. } => ("blocked", by.clone()),
            Effect::Refused { message, .. } => ("refused", message.clone()),
            Effect::Unclear(message) => ("unclear", message.clone()),
        };
        let event = Event::Effect { step: step.id.clone(), effect: word.to_owned(), message };
        Self { at, event }
    }

    /// When a step is over.
    pub fn outcome(at: Timestamp, step: &Step, outcome: &Outcome) -> Self {
        Self { at, event: Event::Outcome { step: step.id.clone(), outcome: outcome.clone() } }
    }

    /// When the run is over.
    pub fn end(at: Timestamp, exit: u8) -> Self {
        Self { at, event: Event::End { exit } }
    }
}

/// A line as it stands in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line<E> {
    /// The digest of the line before; empty in the first.
    previous: String,
    entry: E,
}

/// Turns entries into lines, each bound to the one before.
#[derive(Debug, Default)]
pub struct Chain {
    previous: String,
}

impl Chain {
    /// Goes on behind the lines that are there.
    pub fn after(text: &str) -> Self {
        let last = text.lines().last();
        Self { previous: last.map(short_digest).unwrap_or_default() }
    }

    /// The lines of these entries, each with its line feed.
    pub fn lines<E: Serialize>(&mut self, entries: &[E]) -> io::Result<String> {
        let mut text = String::new();
        for entry in entries {
            let line = Line { previous: self.previous.clone(), entry };
            let line = serde_json::to_string(&line).map_err(io::Error::other)?;
            self.previous = short_digest(&line);
            text.push_str(&line);
            text.push('\n');
        }
        Ok(text)
    }
}

fn short_digest(line: &str) -> String {
    let mut digest = Digest::of(line.as_bytes()).to_string();
    digest.truncate(16);
    digest
}

/// A journal as far as it can be believed. Tools that apply no plan have entries of their own.
#[derive(Debug)]
pub struct History<E = Entry> {
    /// Entries, in order.
    pub entries: Vec<E>,
    /// Where and why reading stopped, if it did.
    pub damage: Option<String>,
}

/// Reads a journal.
///
/// A last line without its line feed is the trace of a kill in the middle of a write: it is left out without complaint,
/// since nothing was done before a line was complete.
pub fn read<E: DeserializeOwned>(text: &str) -> History<E> {
    let mut history = History { entries: Vec::new(), damage: None };
    let mut previous = String::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let Some(line) = line.strip_suffix('\n') else {
            break;
        };
        let number = index + 1;
        let parsed = match serde_json::from_str::<Line<E>>(line) {
            Ok(parsed) => parsed,
            Err(error) => {
                history.damage = Some(format!("line {number} cannot be read: {error}"));
                break;
            }
        };
        if parsed.previous != previous {
            history.damage = Some(format!("line {number} does not follow the line before it"));
            break;
        }
        previous = short_digest(line);
        history.entries.push(parsed.entry);
    }
    history
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let at = Timestamp::UNIX_EPOCH;
        let event = |exit| Event::End { exit };
        vec![
            Entry { at, event: event(1) },
            Entry { at, event: event(2) },
            Entry { at, event: event(3) },
        ]
    }

    #[test]
    fn reads_what_it_writes() {
        let mut chain = Chain::default();
        let mut text = chain.lines(&entries()[..1]).expect("lines");
        text += &chain.lines(&entries()[1..]).expect("lines");
        let history: History = read(&text);
        assert_eq!((history.entries, history.damage), (entries(), None));
    }

    #[test]
    fn a_torn_last_line_is_left_out_and_a_changed_one_is_named() {
        let text = Chain::default().lines(&entries()).expect("lines");
        let torn = &text[..text.len() - 9];
        let history: History = read(torn);
        assert_eq!((history.entries.len(), history.damage), (2, None));

        let changed = text.replacen("\"exit\":2", "\"exit\":9", 1);
        let history: History = read(&changed);
        assert_eq!(history.entries.len(), 2);
        assert_eq!(history.damage.as_deref(), Some("line 3 does not follow the line before it"));

        let history: History = read(&format!("{{}}\n{text}"));
        assert!(
            history.entries.is_empty() && history.damage.expect("damage").starts_with("line 1")
        );
    }

    /// Frozen: journals of every released version must parse for ever.
    #[test]
    fn version_1_parses_for_ever() {
        let text = r#"{"previous":"","entry":{"at":"2026-01-01T00:00:00Z","event":{"kind":"run","schemaVersion":"rotation/journal/v1","tool":"kubectl recycle","toolVersion":"0.1.0","cluster":{"uid":"c","server":"s"},"plan":"d","steps":1,"owners":["o"],"seen":[{"key":{"rootCa":{"namespace":"default"}},"digest":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}}}
"#;
        let history: History = read(text);
        assert_eq!((history.entries.len(), history.damage), (1, None));
    }
}
