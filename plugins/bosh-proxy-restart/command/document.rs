//! The JSON document: one format for all commands. Its schema is `docs/schemas/bosh-proxy-restart.schema.json`.

use crate::cycle::Outcome;
use crate::finding::Finding;
use crate::look::{Complaint, Listener, Log, Look, Rival, Seen};
use crate::observe::{Fleet, Sight};
use crate::targets::LeftOut;
use jiff::Timestamp;
use rotation_core::facts::bosh::InstanceName;
use serde::Serialize;

/// The version of the format.
pub(super) const SCHEMA_VERSION: &str = "rotation/proxy-restart/v1";

/// The document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    pub(super) schema_version: &'static str,
    pub(super) tool: &'static str,
    pub(super) tool_version: &'static str,
    /// `restart`, `verify` or `heal`.
    pub(super) command: &'static str,
    pub(super) deployment: &'a str,
    pub(super) director: Option<&'a str>,
    /// From when on a process counts as restarted; of `restart` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<Timestamp>,
    pub(super) dry_run: bool,
    pub(super) exit_code: u8,
    pub(super) interrupted: bool,
    pub(super) took_seconds: f64,
    pub(super) instances: Vec<Item<'a>>,
}

/// An instance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item<'a> {
    pub(super) instance: &'a InstanceName,
    pub(super) index: Option<u32>,
    pub(super) az: &'a str,
    /// `null` where the director shows none.
    pub(super) job: Option<&'a str>,
    pub(super) action: Action,
    /// What was seen before; `null` where it was not reached.
    pub(super) seen: Option<View<'a>>,
    pub(super) findings: &'a [Finding],
    /// What came of it; `null` where nothing was done.
    pub(super) outcome: Option<Result<'a>>,
}

/// What is done with an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Action {
    /// It is looked at.
    Look,
    /// It is restarted.
    Restart,
    /// It is healed.
    Heal,
    /// It is done already.
    None,
    /// It is left alone, by the operator's word.
    LeftAlone,
    /// It stands in the way of everything.
    Refused,
}

/// A look.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View<'a> {
    host: &'a str,
    boot_id: &'a str,
    monit_version: Option<&'a str>,
    monit_state: Option<&'a str>,
    pidfile: &'a str,
    pidfile_pid: Option<u32>,
    processes: Vec<Process<'a>>,
    listeners: &'a [Listener],
    rivals: &'a [Rival],
    logs: &'a [Log],
    complaints: &'a [Complaint],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Process<'a> {
    pid: u32,
    parent_pid: u32,
    age_seconds: u64,
    exe: &'a str,
    on_host: bool,
}

impl<'a> View<'a> {
    fn of(job: &str, look: &'a Look) -> Self {
        let process = |p: &'a crate::look::Process| Process {
            pid: p.id.pid,
            parent_pid: p.parent,
            age_seconds: look.age(p).as_secs(),
            exe: &p.exe,
            on_host: p.on_host,
        };
        Self {
            host: &look.at.host,
            boot_id: &look.at.boot_id,
            monit_version: look.monit.version.as_deref(),
            monit_state: look.state(job).map(|state| state.text.as_str()),
            pidfile: &look.pidfile.path,
            pidfile_pid: look.pidfile.pid,
            processes: look.processes.iter().map(process).collect(),
            listeners: &look.listeners,
            rivals: &look.rivals,
            logs: &look.logs,
            complaints: &look.complaints,
        }
    }
}

/// What came of an instance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Result<'a> {
    class: &'static str,
    why: &'a str,
    changed: bool,
    old_pid: Option<u32>,
    new_pid: Option<u32>,
    took_seconds: f64,
    states: &'a [Seen],
    findings: &'a [Finding],
}

impl<'a> Item<'a> {
    /// One that was asked.
    pub(super) fn seen(sight: &'a Sight, action: Action, outcome: Option<&'a Outcome>) -> Self {
        let target = &sight.target;
        Self {
            instance: &target.name,
            index: target.index,
            az: &target.az,
            job: Some(&target.job.name),
            action,
            seen: sight.look().map(|look| View::of(&target.job.name, look)),
            findings: &sight.findings,
            outcome: outcome.map(|outcome| Result {
                class: outcome.class.word(),
                why: &outcome.why,
                changed: outcome.changed,
                old_pid: outcome.old,
                new_pid: outcome.new,
                took_seconds: outcome.took.as_secs_f64(),
                states: &outcome.states,
                findings: &outcome.findings,
            }),
        }
    }

    /// One that was left out.
    pub(super) fn left_out(left: &'a LeftOut, action: Action) -> Self {
        Self {
            instance: &left.name,
            index: left.index,
            az: &left.az,
            job: None,
            action,
            seen: None,
            findings: std::slice::from_ref(&left.finding),
            outcome: None,
        }
    }
}

impl<'a> Document<'a> {
    /// One without instances.
    pub(super) fn new(command: &'static str, deployment: &'a str, fleet: &'a Fleet) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            tool: crate::TOOL.name,
            tool_version: crate::TOOL.version,
            command,
            deployment,
            director: fleet.environment.as_deref(),
            since: None,
            dry_run: false,
            exit_code: 0,
            interrupted: false,
            took_seconds: 0.0,
            instances: Vec::new(),
        }
    }
}
