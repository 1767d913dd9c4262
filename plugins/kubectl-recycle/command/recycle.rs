//! `kubectl recycle`: look, decide, ask, act, prove.

use super::{apply, check, dry_run, plan, report};
use crate::TOOL;
use crate::cli::Args;
use crate::observe::pods_ahead;
use rotation_core::apply::state::StateDir;
use rotation_core::cli::confirm::{Question, confirm};
use rotation_core::cli::console::Console;
use rotation_core::cli::dry_run::DryRun;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::output::OutputFormat;
use rotation_core::facts::exit::Exit;
use rotation_core::plan::document::{Action, Plan, Step};
use rotation_core::world::beside::both;
use rotation_core::world::clock::SystemClock;
use rotation_core::world::cluster::Cluster;

/// Every output that the command has.
const OUTPUTS: [OutputFormat; 4] =
    [OutputFormat::Name, OutputFormat::Wide, OutputFormat::Json, OutputFormat::Yaml];

/// Runs the command.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    args.output.among(&OUTPUTS, &TOOL, "")?;
    // What is wrong with the command line is said before anything is read or asked.
    if args.plan.is_none() {
        args.request("default")?;
    }
    let clock = SystemClock::start();
    let cluster = Cluster::connect(&args.connection.connection(console))?;
    let state_home = console.environment.state_home()?;
    let state = |identity| StateDir::of(&state_home, "recycle", identity);
    let (made, state) = if let Some(path) = &args.plan {
        let identity = cluster.identity()?;
        (plan::read(path, &identity)?, state(&identity))
    } else {
        let request = args.request(cluster.default_namespace())?;
        let (identity, pods_ahead) = both(|| cluster.identity(), || pods_ahead(&cluster, &request));
        let identity = identity.map_err(|error| check::explain(&cluster, &request, error))?;
        let state = state(&identity);
        let asked = plan::Asked { request, pods_ahead };
        (plan::make(asked, &cluster, &identity, &state, console, &clock)?, state)
    };
    let plan = &made.plan;
    for note in &plan.notes {
        console.note(&format!("note: {note}"));
    }
    if args.dry_run.dry_run != DryRun::None {
        return dry_run::run(args, console, &cluster, &made);
    }
    if let Some(exit) = refused_or_empty(args, console, &made)? {
        return Ok(exit);
    }
    check::rights(&cluster, plan)?;
    ask(args, console, &cluster, plan)?;
    let report = apply::run(args, console, &cluster, &state, &made, &clock)?;
    report::print(args, console, plan, &report)?;
    Ok(report::exit(plan, &report))
}

/// What ends the command before anything is changed.
fn refused_or_empty(
    args: &Args,
    console: &Console,
    made: &plan::Made,
) -> Result<Option<Exit>, Failure> {
    let plan = &made.plan;
    let refused: Vec<_> = plan.skipped.iter().filter(|s| s.refused).collect();
    if !refused.is_empty() && (made.explicit || plan.is_empty()) {
        let list: Vec<String> = refused.iter().map(|s| report::skipped_words(s)).collect();
        let hint =
            format!("run `{} {} --dry-run` to see what could be", TOOL.name, report::targets(args));
        return Err(Failure::refused(format!(
            "{} cannot be recycled, nothing was changed: {}",
            report::things(refused.iter().map(|s| &s.target)),
            list.join("; ")
        ))
        .with_hint(hint));
    }
    if !plan.is_empty() {
        return Ok(None);
    }
    for skipped in &plan.skipped {
        console.note(&format!("left alone: {}", report::skipped_words(skipped)));
    }
    console.note("nothing to recycle");
    report::print_nothing(args, console, plan)?;
    Ok(Some(Exit::Done))
}

fn ask(args: &Args, console: &Console, cluster: &Cluster, plan: &Plan) -> Result<(), Failure> {
    let words = |step: &Step| {
        let node = step.node.as_ref().map(|n| format!(" on {n}")).unwrap_or_default();
        let target = &step.target;
        format!("{} ({}){node}: {}", target.kubectl_name(), target.namespace, step.reason)
    };
    let is_again = |step: &&Step| matches!(step.action, Action::CreatePod { .. });
    let targets: Vec<String> = plan.steps().filter(|s| !is_again(s)).map(words).collect();
    let mut namespaces: Vec<&str> = plan.steps().map(|s| s.target.namespace.as_str()).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let left = plan.skipped.iter().filter(|s| s.refused);
    let notes: Vec<String> =
        left.map(|s| format!("left alone: {}", report::skipped_words(s))).collect();
    let pods = plan.steps().all(|s| s.target.kind == "Pod");
    let question = Question {
        verb: "recycle",
        noun: if pods { "pod" } else { "workload" },
        targets: &targets,
        notes: &notes,
        look: Some("--dry-run"),
        context: cluster.context(),
        server: cluster.server(),
        namespace: match namespaces.as_slice() {
            [one] => Some(one),
            _ => None,
        },
    };
    confirm(console, args.confirm, &question)
}
