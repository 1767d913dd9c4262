//! What a journal tells, put together: commands, and in each of them machines, gates and stops.

use crate::rotate::document::Plan;
use crate::rotate::stage::Stage;
use jiff::Timestamp;
use rotation_core::facts::credential::Digest;
use std::time::Duration;

/// A rotation, told.
pub(crate) struct Account {
    /// What was planned.
    pub(crate) plan: Plan,
    /// What stands in files instead of what, by machine.
    pub(crate) certificates: Vec<Renewed>,
    /// The commands that changed something, or wanted to.
    pub(crate) runs: Vec<Run>,
    /// Whether all of it can be believed.
    pub(crate) journal: Trust,
}

/// Certificates of a file that go, and those that come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Renewed {
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) what: String,
    pub(crate) old: Vec<Named>,
    pub(crate) new: Vec<Named>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) subject: String,
    pub(crate) fingerprint: Digest,
    pub(crate) not_after: Timestamp,
}

/// Whether a journal can be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trust {
    /// Entries that follow one from the other.
    pub(crate) entries: usize,
    /// Lines that are there.
    pub(crate) lines: usize,
    /// Where and why reading stopped, if it did.
    pub(crate) damage: Option<String>,
    /// Whether the last line was torn off by a kill in the middle of a write: nothing was done before it was complete.
    pub(crate) torn: bool,
    /// The rotation of which the journal speaks, if it is another one than the plan's.
    pub(crate) other: Option<String>,
    /// SHA-256 of the journal: what pins its last line.
    pub(crate) digest: Digest,
}

/// A command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) verb: String,
    pub(crate) who: String,
    pub(crate) tool_version: String,
    pub(crate) begun: Timestamp,
    /// Its last entry.
    pub(crate) last: Timestamp,
    /// How it ended, and the stage that all machines had reached; `None` where nothing is written of an end.
    pub(crate) end: Option<(u8, Stage)>,
    /// Whether another command came after it.
    pub(crate) followed: bool,
    /// From when to when it had time, where it had a window.
    pub(crate) window: Option<(Timestamp, Timestamp)>,
    pub(crate) moves: Vec<Move>,
    pub(crate) gates: Vec<Asked>,
    /// What was changed through the API, and whatever a newer version wrote down.
    pub(crate) changed: Vec<(Timestamp, String)>,
    /// Why it stopped.
    pub(crate) stops: Vec<(Timestamp, String)>,
}

/// A machine that is brought to a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) stage: Stage,
    pub(crate) host: String,
    pub(crate) begun: Timestamp,
    /// How long it took; `None` where nothing is written of its end.
    pub(crate) took: Option<Duration>,
    pub(crate) files: Vec<String>,
    pub(crate) restarts: Vec<String>,
}

/// A gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) stage: Stage,
    pub(crate) gate: String,
    /// `holds`, `fails`, `waived`.
    pub(crate) verdict: String,
    pub(crate) message: String,
    pub(crate) took: Duration,
    /// When all of them were answered.
    pub(crate) at: Timestamp,
    /// Gates that were asked side by side have the same number.
    pub(crate) batch: usize,
}

/// How a command came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It did what it was to do.
    Done,
    /// It said that it did not.
    Failed(u8),
    /// It was ended from outside, and another one came after it.
    Killed,
    /// No end is written: it runs still, or was ended from outside.
    Open,
}

/// How far a rotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing has begun.
    NotBegun,
    /// All machines are at the last stage.
    Complete,
    /// All machines are as they were found.
    Back,
    /// All machines are at this stage.
    At(Stage),
    /// Machines are at different stages, or in the middle of one.
    Between,
    /// Nobody can say: the journal is damaged.
    Unknown,
}

impl Asked {
    /// Whether it held.
    pub(crate) fn holds(&self) -> bool {
        self.verdict == "holds"
    }

    /// Whether somebody let it go.
    pub(crate) fn is_waived(&self) -> bool {
        self.verdict == "waived"
    }
}

impl Move {
    /// When it was over, as far as that is known.
    pub(crate) fn ended(&self) -> Option<Timestamp> {
        let took = i64::try_from(self.took?.as_millis()).ok()?;
        self.begun.checked_add(jiff::SignedDuration::from_millis(took)).ok()
    }
}

impl Run {
    /// How it came out.
    pub(crate) fn ending(&self) -> Ending {
        match self.end {
            Some((0, _)) => Ending::Done,
            Some((code, _)) => Ending::Failed(code),
            None if self.followed => Ending::Killed,
            None => Ending::Open,
        }
    }

    /// Whether it went back.
    pub(crate) fn is_rollback(&self) -> bool {
        self.verb == "rollback"
    }

    /// Gates that were asked side by side.
    pub(crate) fn batches(&self) -> impl Iterator<Item = &[Asked]> {
        self.gates.chunk_by(|one, other| one.batch == other.batch)
    }

    /// Stages in the order in which they were gone through, each with its machines; a stage comes again where it was tried
    /// again.
    pub(crate) fn by_stage(&self) -> impl Iterator<Item = &[Move]> {
        self.moves.chunk_by(|one, other| one.stage == other.stage)
    }
}

impl Account {
    /// Whether the evidence is whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.journal.damage.is_none() && self.journal.other.is_none()
    }

    /// From when to when.
    pub(crate) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.runs.first()?.begun, self.runs.last()?.last))
    }

    /// Each machine's stage as the journal has it; none in the middle of a move.
    pub(crate) fn machines(&self) -> Vec<(&str, Option<Stage>)> {
        let all = self.plan.hosts.iter();
        all.map(|host| {
            let last = self.runs.iter().flat_map(|run| &run.moves).rfind(|m| m.host == host.name);
            let stage = match last {
                None => Some(Stage::Before),
                Some(one) => one.took.map(|_| one.stage),
            };
            (host.name.as_str(), stage)
        })
        .collect()
    }

    /// How far it is. A machine that has nothing to change between two stages is at both.
    pub(crate) fn state(&self) -> State {
        if self.journal.damage.is_some() {
            return State::Unknown;
        }
        let Some(last) = self.runs.last() else { return State::NotBegun };
        let reached = match last.end {
            Some((0, stage)) => Some(stage),
            _ => self.reached(),
        };
        match reached {
            Some(stage) if stage == self.plan.end() => State::Complete,
            Some(Stage::Before) if self.runs.iter().any(|run| !run.moves.is_empty()) => State::Back,
            Some(Stage::Before) => State::NotBegun,
            Some(stage) => State::At(stage),
            None => State::Between,
        }
    }

    fn reached(&self) -> Option<Stage> {
        let machines = self.machines();
        let is_at = |stage: Stage| {
            self.plan.hosts.iter().zip(&machines).all(|(host, (_, at))| {
                at.is_some_and(|at| host.files.iter().all(|file| file.at(at) == file.at(stage)))
            })
        };
        let mut stages = vec![Stage::Before];
        stages.extend(self.plan.route());
        stages.into_iter().rev().find(|stage| is_at(*stage))
    }
}
