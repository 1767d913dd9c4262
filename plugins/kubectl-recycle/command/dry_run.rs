//! `--dry-run`: says what would be done, and lets the server check it where that is asked for.

use super::plan::Made;
use super::report;
use crate::TOOL;
use crate::cli::Args;
use rotation_core::cli::console::Console;
use rotation_core::cli::dry_run::DryRun;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::result::dry_exit;
use rotation_core::cli::server_check;
use rotation_core::facts::exit::Exit;
use rotation_core::plan::document::{Action, Plan, Step};
use rotation_core::world::cluster::{Cluster, Request, Thing};

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
        server_check::demand(cluster)?;
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
    Ok(dry_exit(plan))
}

/// Each step's answer that is not a plain yes.
fn check(cluster: &Cluster, plan: &Plan) -> Vec<String> {
    let named = |step: &Step| Some((step.target.kubectl_name(), request(step)?));
    let requests: Vec<(String, Request)> = plan.steps().filter_map(named).collect();
    server_check::check(cluster, &requests)
}

fn request(step: &Step) -> Option<Request> {
    let target = step.target.clone();
    let (namespace, name, uid) = (target.namespace, target.name, target.uid);
    match step.action {
        Action::EvictPod { grace_seconds } => {
            Some(Request::Evict { namespace, name, uid, grace_seconds, dry_run: true })
        }
        Action::DeletePod { grace_seconds } => Some(Request::Delete {
            thing: Thing::Pod,
            namespace,
            name,
            uid,
            resource_version: None,
            grace_seconds,
            dry_run: true,
        }),
        // Nothing is asked for a pod that goes anyway, or for one whose manifest is only read by a real run.
        // Tokens are in no plan of this tool.
        Action::AwaitPod
        | Action::CreatePod { .. }
        | Action::RestartRollout { .. }
        | Action::RefillToken { .. }
        | Action::AwaitToken
        | Action::CreateToken { .. }
        | Action::RepointAccount { .. }
        | Action::DeleteSecret => None,
    }
}
