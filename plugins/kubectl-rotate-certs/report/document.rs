//! The JSON document. Its schema is `docs/schemas/certificates-report.schema.json`.

use super::account::{Account, Asked, Ending, Move, Named, Renewed, Run, State};
use super::figures::{self, Figures, between, millis};
use super::notices::{self, Notice};
use crate::TOOL;
use crate::rotate::document::TrackPlan;
use crate::rotate::stage::{Stage, Strategy};
use jiff::Timestamp;
use rotation_core::facts::credential::Digest;
use serde::Serialize;

/// The version of the document.
const SCHEMA_VERSION: &str = "rotation/certificates-report/v1";

/// The document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    schema_version: &'static str,
    tool: &'static str,
    tool_version: &'static str,
    rotation: Rotation<'a>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    begun: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Timestamp>,
    replaced: &'a [TrackPlan],
    certificates: Vec<Exchanged<'a>>,
    machines: Vec<Machine<'a>>,
    commands: Vec<Command<'a>>,
    notices: Vec<Notice>,
    figures: Figures,
    journal: Journal<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rotation<'a> {
    id: &'a str,
    strategy: Strategy,
    planned_at: Timestamp,
    planned_by_version: &'a str,
    route: &'static [Stage],
    notes: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Exchanged<'a> {
    host: &'a str,
    path: &'a str,
    what: &'a str,
    old: Vec<Certificate<'a>>,
    new: Vec<Certificate<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Certificate<'a> {
    subject: &'a str,
    fingerprint: Digest,
    not_after: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Machine<'a> {
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Command<'a> {
    number: usize,
    verb: &'a str,
    who: &'a str,
    tool_version: &'a str,
    ending: &'static str,
    begun: Timestamp,
    last: Timestamp,
    took: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Span>,
    machines: Vec<Brought<'a>>,
    gates: Vec<Question<'a>>,
    changed: Vec<Told<'a>>,
    stopped: Vec<Told<'a>>,
}

/// A window.
#[derive(Serialize)]
struct Span {
    begin: Timestamp,
    until: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Brought<'a> {
    stage: Stage,
    host: &'a str,
    begun: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    took: Option<u64>,
    files: &'a [String],
    restarts: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    stage: Stage,
    gate: &'a str,
    verdict: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    answered: Timestamp,
    took: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    at: Timestamp,
    what: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Journal<'a> {
    whole: bool,
    entries: usize,
    lines: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<&'a str>,
    torn: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_rotation: Option<&'a str>,
    sha256: Digest,
}

/// The document of a rotation.
pub(crate) fn of(account: &Account) -> Document<'_> {
    let plan = &account.plan;
    let (state, last) = word(account);
    let journal = &account.journal;
    Document {
        schema_version: SCHEMA_VERSION,
        tool: TOOL.name,
        tool_version: TOOL.version,
        rotation: Rotation {
            id: &plan.id,
            strategy: plan.strategy,
            planned_at: plan.created_at,
            planned_by_version: &plan.tool_version,
            route: plan.route(),
            notes: &plan.notes,
        },
        state,
        stage: last,
        begun: account.span().map(|(from, _)| from),
        ended: account.span().map(|(_, to)| to),
        replaced: &plan.tracks,
        certificates: account.certificates.iter().map(exchanged).collect(),
        machines: account
            .machines()
            .into_iter()
            .map(|(host, stage)| Machine { host, stage })
            .collect(),
        commands: account.runs.iter().enumerate().map(|(at, run)| command(at + 1, run)).collect(),
        notices: notices::of(account),
        figures: figures::of(account),
        journal: Journal {
            whole: account.is_whole(),
            entries: journal.entries,
            lines: journal.lines,
            damage: journal.damage.as_deref(),
            torn: journal.torn,
            other_rotation: journal.other.as_deref(),
            sha256: journal.digest,
        },
    }
}

/// How far it is, as a stable word, and the stage that all machines have.
pub(crate) fn word(account: &Account) -> (&'static str, Option<Stage>) {
    match account.state() {
        State::NotBegun => ("not-begun", Some(Stage::Before)),
        State::Complete => ("complete", Some(account.plan.end())),
        State::Back => ("rolled-back", Some(Stage::Before)),
        State::At(stage) => ("under-way", Some(stage)),
        State::Between => ("between", None),
        State::Unknown => ("unknown", None),
    }
}

/// How a command came out, as a stable word.
pub(crate) fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Done => "done",
        Ending::Failed(_) => "failed",
        Ending::Killed => "killed",
        Ending::Open => "open",
    }
}

fn exchanged(one: &Renewed) -> Exchanged<'_> {
    Exchanged {
        host: &one.host,
        path: &one.path,
        what: &one.what,
        old: one.old.iter().map(certificate).collect(),
        new: one.new.iter().map(certificate).collect(),
    }
}

fn certificate(one: &Named) -> Certificate<'_> {
    Certificate { subject: &one.subject, fingerprint: one.fingerprint, not_after: one.not_after }
}

fn command(number: usize, run: &Run) -> Command<'_> {
    Command {
        number,
        verb: &run.verb,
        who: &run.who,
        tool_version: &run.tool_version,
        ending: ending(run.ending()),
        begun: run.begun,
        last: run.last,
        took: between(run.begun, run.last),
        exit: run.end.map(|(code, _)| code),
        stage: run.end.map(|(_, stage)| stage),
        window: run.window.map(|(begin, until)| Span { begin, until }),
        machines: run.moves.iter().map(brought).collect(),
        gates: run.gates.iter().map(gate).collect(),
        changed: run.changed.iter().map(|(at, what)| Told { at: *at, what }).collect(),
        stopped: run.stops.iter().map(|(at, what)| Told { at: *at, what }).collect(),
    }
}

fn brought(one: &Move) -> Brought<'_> {
    Brought {
        stage: one.stage,
        host: &one.host,
        begun: one.begun,
        took: one.took.map(millis),
        files: &one.files,
        restarts: &one.restarts,
    }
}

fn gate(one: &Asked) -> Question<'_> {
    Question {
        stage: one.stage,
        gate: &one.gate,
        verdict: &one.verdict,
        message: &one.message,
        answered: one.at,
        took: millis(one.took),
    }
}
