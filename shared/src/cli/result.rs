//! Results of plans that were applied, as documents and in words that tools share.

use super::console::Console;
use super::failure::Failure;
use crate::apply::outcome::{Outcome, Report};
use crate::facts::exit::Exit;
use crate::facts::identity::{ClusterIdentity, ObjectRef};
use crate::plan::document::{Action, Plan, Skipped};
use crate::tell::json::Format;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: &'static str,
    tool: &'a str,
    tool_version: &'a str,
    cluster: &'a ClusterIdentity,
    exit_code: u8,
    interrupted: bool,
    took_seconds: f64,
    steps: Vec<StepResult<'a>>,
    skipped: &'a [Skipped],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StepResult<'a> {
    id: &'a str,
    target: &'a ObjectRef,
    node: Option<&'a str>,
    reason: &'a str,
    outcome: Option<&'a Outcome>,
}

/// Prints the result of a run as one document.
pub fn document(
    console: &Console,
    schema_version: &'static str,
    plan: &Plan,
    report: &Report,
    exit: Exit,
    format: Format,
) -> Result<(), Failure> {
    let steps = plan
        .steps()
        .map(|step| StepResult {
            id: &step.id,
            target: &step.target,
            node: step.node.as_deref(),
            reason: &step.reason,
            outcome: report.of(step),
        })
        .collect();
    let document = Document {
        schema_version,
        tool: &plan.tool,
        tool_version: &plan.tool_version,
        cluster: &plan.cluster,
        exit_code: exit.code(),
        interrupted: report.interrupted,
        took_seconds: report.took.as_secs_f64(),
        steps,
        skipped: &plan.skipped,
    };
    console.document(&document, format)
}

/// The exit code of a run: what was meant and left alone is no success.
pub fn exit(plan: &Plan, report: &Report) -> Exit {
    let exit = report.exit(plan);
    let left = plan.skipped.iter().any(|s| s.refused);
    let changed = report.outcomes.values().any(Outcome::changed);
    match exit {
        Exit::Done if left && changed => Exit::Partly,
        Exit::Done if left => Exit::Refused,
        exit => exit,
    }
}

/// The exit code of a plan that nobody applies.
pub fn dry_exit(plan: &Plan) -> Exit {
    let stopped = plan.skipped.iter().any(|s| s.refused);
    match (plan.is_empty(), stopped) {
        (false, _) => Exit::Findings,
        (true, true) => Exit::Refused,
        (true, false) => Exit::Done,
    }
}

/// What a step does, in a word for tables.
pub fn action(action: &Action) -> &'static str {
    match action {
        Action::EvictPod { .. } => "evict",
        Action::DeletePod { .. } | Action::DeleteSecret => "delete",
        Action::AwaitPod | Action::AwaitToken => "wait",
        Action::CreatePod { .. } | Action::CreateToken { .. } => "create",
        Action::RestartRollout { .. } => "roll out",
        Action::RefillToken { .. } => "refill",
        Action::RepointAccount { .. } => "repoint",
    }
}

/// One text, each part on a line of its own.
pub fn lines(parts: impl Iterator<Item = String>) -> String {
    parts.flat_map(|part| [part, "\n".to_owned()]).collect()
}

/// `pod/x (ns): why`.
pub fn skipped_words(skipped: &Skipped) -> String {
    let Skipped { target, message, .. } = skipped;
    format!("{} ({}): {message}", target.kubectl_name(), target.namespace)
}

/// As a shell takes it for one word.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,%@+".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
