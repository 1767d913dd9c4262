//! `--dry-run`: says what would be done, and lets the server check it where that is asked for.

use super::plan::Made;
use super::report;
use crate::TOOL;
use crate::cli::Args;
use rotation_core::cli::console::Console;
use rotation_core::cli::dry_run::DryRun;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::plan::document::{Action, Plan, Step};
use rotation_core::world::cluster::{Answer, Cluster, Request};

/// Shows the plan; asks the server about each step in `server` mode. Sends no change.
pub(super) fn run(
    args: &Args,
    console: &Console,
    cluster: &Cluster,
    made: &Made,
) -> Result<Exit, Failure> {
    let plan = &made.plan;
    let mut refused = Vec::new();
    if args.dry_run.dry_run == DryRun::Server {
        let version = cluster.version()?;
        if !version.obeys_dry_run() {
            return Err(Failure::refused(format!(
                "the server's version {version} does not know dry runs and would really do it; nothing was changed"
            ))
            .with_hint("use --dry-run=client"));
        }
        refused = check(cluster, plan);
    }
    report::print_plan(args, console, plan)?;
    for line in &refused {
        console.warn(line);
    }
    let suffix = args.dry_run.dry_run.suffix();
    let next = if plan.is_empty() {
        String::new()
    } else {
        format!("; run `{} {} --yes` to do it", TOOL.name, report::targets(args))
    };
    console.note(&format!("nothing was changed{suffix}{next}"));
    let stopped = plan.skipped.iter().any(|s| s.refused);
    Ok(match (plan.is_empty(), stopped) {
        (false, _) => Exit::Findings,
        (true, true) => Exit::Refused,
        (true, false) => Exit::Done,
    })
}

/// Each step's answer that is not a plain yes.
fn check(cluster: &Cluster, plan: &Plan) -> Vec<String> {
    let steps: Vec<(&Step, Request)> =
        plan.steps().filter_map(|s| Some((s, request(s)?))).collect();
    let requests: Vec<Request> = steps.iter().map(|(_, request)| request.clone()).collect();
    let mut lines = Vec::new();
    cluster.act(&requests, &mut |index, answer| {
        let name = steps[index].0.target.kubectl_name();
        let said = match answer {
            Answer::Accepted => return,
            Answer::Gone => "is gone".to_owned(),
            Answer::Replaced => "has been replaced".to_owned(),
            Answer::NamespaceTerminating => "goes with its namespace".to_owned(),
            Answer::Budget { message, .. } => format!("would wait: {message}"),
            Answer::Overloaded { .. } => {
                "was not checked: the server has too much to do".to_owned()
            }
            Answer::TwoBudgets { message }
            | Answer::Forbidden { message }
            | Answer::Unauthorized { message }
            | Answer::Conflict { message }
            | Answer::Invalid { message }
            | Answer::Unknown { message } => format!("would fail: {message}"),
        };
        lines.push(format!("{name} {said}"));
    });
    lines.sort();
    lines
}

fn request(step: &Step) -> Option<Request> {
    let target = step.target.clone();
    let (namespace, name, uid) = (target.namespace, target.name, target.uid);
    match step.action {
        Action::EvictPod { grace_seconds } => {
            Some(Request::Evict { namespace, name, uid, grace_seconds, dry_run: true })
        }
        Action::DeletePod { grace_seconds } => Some(Request::Delete {
            namespace,
            name,
            uid,
            resource_version: None,
            grace_seconds,
            dry_run: true,
        }),
        // Nothing is asked for a pod that goes anyway, or for one whose manifest is only read by a real run.
        Action::AwaitPod | Action::CreatePod { .. } | Action::RestartRollout { .. } => None,
    }
}
