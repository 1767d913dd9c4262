//! Results: what was planned, what was done, what is left; as a table, as names, as one document.

use crate::TOOL;
use crate::cli::Args;
use rotation_core::apply::outcome::{Outcome, Report};
use rotation_core::cli::console::Console;
use rotation_core::cli::dry_run::DryRun;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::output::OutputFormat;
use rotation_core::cli::result::{self, dry_exit, lines, quoted};
pub(super) use rotation_core::cli::result::{action, skipped_words};
use rotation_core::cli::server_check;
use rotation_core::facts::account::INVALID_SINCE;
use rotation_core::facts::duration::human;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::words::count;
use rotation_core::plan::document::{Action, Plan, Probe, Step};
use rotation_core::tell::table::{Cell, Table};
use rotation_core::world::cluster::{Cluster, Request, Thing};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// The version of the result's format.
pub(super) const SCHEMA_VERSION: &str = "rotation/reset-result/v1";

fn is_token(step: &Step) -> bool {
    step.target.kind == "Secret"
}

/// `reset 3 token secrets and recycle 2 pods`.
pub(super) fn what(plan: &Plan) -> String {
    let secrets: BTreeSet<_> =
        plan.steps().filter(|s| is_token(s)).map(|s| &s.target.uid).collect();
    let pods: BTreeSet<_> = plan.steps().filter(|s| !is_token(s)).map(|s| &s.target.uid).collect();
    let mut parts = Vec::new();
    if !secrets.is_empty() {
        parts.push(format!("reset {}", count(secrets.len(), "token secret")));
    }
    if !pods.is_empty() {
        parts.push(format!("recycle {}", count(pods.len(), "pod")));
    }
    parts.join(" and ")
}

/// The exit code of a run.
///
/// A pod that was left alone because its token was not proven in time is a consequence, and no failure of its own.
pub(super) fn exit(plan: &Plan, report: &Report) -> Exit {
    let exit = result::exit(plan, report);
    if exit != Exit::Partly {
        return exit;
    }
    let unproven: BTreeSet<(&str, &str)> = plan
        .steps()
        .filter(|s| matches!(report.of(s), Some(Outcome::Unproven { .. })))
        .flat_map(tokens_of)
        .collect();
    let excused = |step: &Step| match report.of(step) {
        Some(Outcome::Done { .. } | Outcome::Unproven { .. }) => true,
        Some(Outcome::Failed { reason, changed: false, .. }) => {
            reason == "Moved"
                && step.target.kind != "Secret"
                && expected(step).any(|name| unproven.contains(&name))
        }
        _ => false,
    };
    let left = plan.skipped.iter().any(|s| s.refused);
    if !unproven.is_empty() && !left && plan.steps().all(excused) { Exit::Unproven } else { exit }
}

/// Secrets whose work a step proves.
fn tokens_of(step: &Step) -> Vec<(&str, &str)> {
    step.verify.iter().filter_map(token_of).collect()
}

/// Secrets that a step rests on.
fn expected(step: &Step) -> impl Iterator<Item = (&str, &str)> {
    step.expect.iter().filter_map(token_of)
}

fn token_of(probe: &Probe) -> Option<(&str, &str)> {
    match probe {
        Probe::TokenWorks { namespace, secret, .. } => Some((namespace, secret)),
        Probe::OthersReady { .. }
        | Probe::Gone
        | Probe::Replaced { .. }
        | Probe::Recreated
        | Probe::RolledOut
        | Probe::EndpointsReady { .. }
        | Probe::AccountLists { .. }
        | Probe::TokenRefused => None,
    }
}

/// One sentence for the end of a run.
pub(super) fn sentence(plan: &Plan, report: &Report, journal: &Path) -> String {
    let took = human(report.took);
    let is_done = |s: &&Step| matches!(report.of(s), Some(Outcome::Done { .. }));
    let targets = |steps: &mut dyn Iterator<Item = &Step>| -> BTreeSet<String> {
        steps.map(|s| s.target.uid.to_string()).collect()
    };
    let open = targets(&mut plan.steps().filter(|s| !is_done(s)));
    let count_of = |tokens: bool| {
        let all = targets(&mut plan.steps().filter(|s| is_token(s) == tokens));
        (all.iter().filter(|uid| !open.contains(*uid)).count(), all.len())
    };
    let part = |(done, all): (usize, usize), noun: &str| match (done == all, all) {
        (_, 0) => None,
        (true, _) => Some(count(all, noun)),
        (false, _) => Some(format!("{done} of {}", count(all, noun))),
    };
    let secrets = part(count_of(true), "token secret").map(|p| format!("{p} proven to work"));
    let pods = part(count_of(false), "pod").map(|p| format!("{p} recycled and Ready"));
    let parts: Vec<String> = secrets.into_iter().chain(pods).collect();
    let mut text = format!("{} in {took}", parts.join(", "));
    let exit = exit(plan, report);
    if exit == Exit::Interrupted {
        text = format!("interrupted: {text}");
    }
    let unfilled: Vec<String> = plan
        .steps()
        .filter(|s| is_token(s) && matches!(report.of(s), Some(Outcome::Unproven { .. })))
        .map(|s| format!("{} ({})", s.target.kubectl_name(), s.target.namespace))
        .collect();
    if !unfilled.is_empty() {
        text = format!("{text}; not proven: {}", unfilled.join(", "));
    }
    let left = plan.skipped.iter().filter(|s| s.refused).count();
    if left > 0 {
        text = format!("{text}; {left} left alone");
    }
    if let Some(lost) = &report.journal_lost {
        text = format!("{text}; the journal cannot be written: {lost}");
    }
    match exit {
        Exit::Done => text,
        Exit::Interrupted | Exit::Partly | Exit::Unproven => {
            format!("{text}; run the same command again to go on (journal {})", journal.display())
        }
        Exit::Unexpected | Exit::Usage | Exit::Findings | Exit::Refused => {
            format!("{text} (journal {})", journal.display())
        }
    }
}

/// Prints the result of a run.
pub(super) fn print(
    args: &Args,
    console: &Console,
    plan: &Plan,
    report: &Report,
) -> Result<(), Failure> {
    let format = args.output.output;
    if let Some(format) = format.and_then(OutputFormat::document) {
        let exit = exit(plan, report);
        return result::document(console, SCHEMA_VERSION, plan, report, exit, format);
    }
    if format == Some(OutputFormat::Name) {
        let done = plan.steps().filter(|s| matches!(report.of(s), Some(Outcome::Done { .. })));
        let names: BTreeSet<String> = done.map(|s| s.target.kubectl_name()).collect();
        console.data(&lines(names.into_iter()));
        return Ok(());
    }
    let wide = format == Some(OutputFormat::Wide);
    let mut table = if wide {
        Table::new(["NAMESPACE", "NAME", "ACTION", "RESULT", "BY", "TIME", "REASON"])
    } else {
        Table::new(["NAMESPACE", "NAME", "ACTION", "RESULT", "BY", "TIME"])
    };
    for step in plan.steps() {
        let (result, by, time) = words(report.of(step));
        let name = step.target.kubectl_name();
        let mut cells =
            vec![step.target.namespace.as_str(), &name, action(&step.action), &result, &by, &time];
        if wide {
            cells.push(&step.reason);
        }
        table.row(cells.into_iter().map(Cell::from));
    }
    console.table(&table, args.output.no_headers);
    Ok(())
}

fn words(outcome: Option<&Outcome>) -> (String, String, String) {
    let plain = |word: &str| (word.to_owned(), String::new(), String::new());
    match outcome {
        Some(Outcome::Done { proof, millis, changed }) => {
            let new = proof.replacement.clone().or_else(|| proof.note.clone()).unwrap_or_default();
            let word = if *changed { "done" } else { "already done" };
            (word.to_owned(), new, human(Duration::from_millis(*millis)))
        }
        Some(Outcome::Failed { reason, .. }) => plain(&format!("failed: {reason}")),
        Some(Outcome::Unproven { .. }) => plain("not proven"),
        Some(Outcome::Blocked { .. }) => plain("blocked"),
        Some(Outcome::UnderWay { .. }) => plain("under way"),
        Some(Outcome::NotBegun { .. }) | None => plain("not begun"),
    }
}

/// Prints that there was nothing to do, in the format that a script expects.
pub(super) fn print_nothing(args: &Args, console: &Console, plan: &Plan) -> Result<(), Failure> {
    match args.output.output.and_then(OutputFormat::document) {
        Some(_) => print(args, console, plan, &Report::default()),
        None => Ok(()),
    }
}

/// Shows the plan; asks the server about each step in `server` mode. Sends no change.
pub(super) fn dry_run(
    args: &Args,
    console: &Console,
    cluster: &Cluster,
    plan: &Plan,
) -> Result<Exit, Failure> {
    let mut refused = Vec::new();
    if args.dry_run.dry_run == DryRun::Server {
        server_check::demand(cluster)?;
        let named = |step: &Step| Some((step.target.kubectl_name(), request(cluster, step)?));
        let requests: Vec<(String, Request)> = plan.steps().filter_map(named).collect();
        refused = server_check::check(cluster, &requests);
    }
    print_plan(args, console, plan)?;
    for line in &refused {
        console.warn(line);
    }
    let suffix = args.dry_run.dry_run.suffix();
    let next = if plan.is_empty() {
        String::new()
    } else {
        format!("; run `{}{} --yes` to do it", TOOL.name, again(args))
    };
    console.note(&format!("nothing was changed{suffix}{next}"));
    Ok(dry_exit(plan))
}

/// What a step would send, for the server to check. Creations are left out: what is created is read by a real run only.
fn request(cluster: &Cluster, step: &Step) -> Option<Request> {
    let target = step.target.clone();
    let (namespace, name, uid) = (target.namespace, target.name, target.uid);
    let deletion = |thing| Request::Delete {
        thing,
        namespace: namespace.clone(),
        name: name.clone(),
        uid: uid.clone(),
        resource_version: None,
        grace_seconds: None,
        dry_run: true,
    };
    match &step.action {
        Action::RefillToken { revive, .. } => {
            let found = cluster.account_token(&namespace, &name).ok().flatten()?;
            let mut change = json!({ "data": { "token": null } });
            if *revive {
                change["metadata"]["labels"][INVALID_SINCE] = serde_json::Value::Null;
            }
            Some(Request::Merge {
                thing: Thing::Secret,
                namespace,
                name,
                uid,
                resource_version: found.resource_version.to_string(),
                change,
                dry_run: true,
            })
        }
        Action::DeleteSecret => Some(deletion(Thing::Secret)),
        Action::DeletePod { .. } => Some(deletion(Thing::Pod)),
        Action::EvictPod { grace_seconds } => Some(Request::Evict {
            namespace,
            name,
            uid,
            grace_seconds: *grace_seconds,
            dry_run: true,
        }),
        Action::AwaitToken
        | Action::CreateToken { .. }
        | Action::RepointAccount { .. }
        | Action::AwaitPod
        | Action::CreatePod { .. }
        | Action::RestartRollout { .. } => None,
    }
}

/// Prints a plan: the document for `-f`, names, or a table.
fn print_plan(args: &Args, console: &Console, plan: &Plan) -> Result<(), Failure> {
    let format = args.output.output;
    if let Some(format) = format.and_then(OutputFormat::document) {
        return console.document(plan, format);
    }
    if format == Some(OutputFormat::Name) {
        let names: BTreeSet<String> = plan.steps().map(|s| s.target.kubectl_name()).collect();
        console.data(&lines(names.into_iter()));
        return Ok(());
    }
    let mut table = Table::new(["PHASE", "NAMESPACE", "NAME", "ACTION", "REASON"]);
    for phase in &plan.phases {
        for step in phase.waves.iter().flat_map(|w| &w.steps) {
            let name = step.target.kubectl_name();
            let cells = [
                phase.name.as_str(),
                step.target.namespace.as_str(),
                &name,
                action(&step.action),
                step.reason.as_str(),
            ];
            table.row(cells.into_iter().map(Cell::from));
        }
    }
    if !table.is_empty() {
        console.table(&table, args.output.no_headers);
    }
    for skipped in &plan.skipped {
        let word = if skipped.refused { "refused" } else { "left alone" };
        console.note(&format!("{word}: {}", skipped_words(skipped)));
    }
    if plan.is_empty() {
        console.note("nothing to reset");
    }
    Ok(())
}

/// The words that say where was looked, for hints that are commands.
pub(super) fn scope(args: &Args) -> String {
    let all = if args.what.selection.all_namespaces { " -A" } else { "" };
    format!("{all}{}", args.connection.for_hint())
}

/// The words that say what was meant and how, for hints that are commands.
fn again(args: &Args) -> String {
    let mut words: Vec<String> = args.what.names.clone();
    let mut flag = |flag: &str, value: Option<String>| {
        words.extend(value.map(|value| format!("{flag} {}", quoted(&value))));
    };
    let path = |p: &std::path::PathBuf| p.display().to_string();
    flag("-f", args.plan.as_ref().map(path));
    flag("-l", args.what.selection.selector.as_ref().map(ToString::to_string));
    for account in &args.what.service_account {
        flag("--service-account", Some(account.clone()));
    }
    flag("--expect-ca", args.what.expect_ca.as_ref().map(path));
    for key in &args.what.sa_public_key {
        flag("--sa-public-key", Some(path(key)));
    }
    let word = |value: Option<clap::builder::PossibleValue>| value.map(|v| v.get_name().to_owned());
    let mode = word(clap::ValueEnum::to_possible_value(&args.mode));
    flag("--mode", mode.filter(|m| m != "auto"));
    let recycle = word(clap::ValueEnum::to_possible_value(&args.recycle));
    flag("--recycle", recycle.filter(|r| r != "stale"));
    flag("--max-unavailable", args.max_unavailable.map(|pace| pace.to_string()));
    words.extend(args.what.all.then(|| "--all".to_owned()));
    words.extend(args.revoke.then(|| "--revoke".to_owned()));
    let space = if words.is_empty() { "" } else { " " };
    format!("{space}{}{}", words.join(" "), scope(args))
}
