//! `bosh-proxy-restart`: look, decide, ask, restart, prove.

use super::apply::{self, Planned};
use super::document::{Action, Document, Item};
use super::{Tools, heal, words};
use crate::TOOL;
use crate::cli::{Allowance, Args};
use crate::finding::{Code, Finding};
use crate::journal::Entry;
use crate::observe::{self, Fleet, Sight};
use crate::order::{self, Place, Stage};
use crate::resume::Since;
use crate::targets::LeftOut;
use rotation_core::apply::state::StateDir;
use rotation_core::cli::confirm::confirm_text;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::duration::human;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::words::{count, time};
use rotation_core::tell::clean;
use rotation_core::tell::json::Format;
use rotation_core::tell::table::{Cell, Table};
use rotation_core::world::clock::Clock as _;
use rotation_core::world::hosts::bosh::{BoshError, CONNECTIONS};
use std::time::Duration;

/// How long a restart that is under way is waited for: the shortest limit of one.
const UNDER_WAY: Duration = Duration::from_mins(2);

/// Runs the command.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    let common = &args.common;
    let tools = Tools::new(common, console)?;
    let state = StateDir::named(
        &console.environment.state_home()?,
        "bosh-proxy-restart",
        &tools.deployment,
    );
    let started = tools.clock.now();
    let since = since(args, console, &state, started);
    let allowed = |fleet: &Fleet| {
        if args.change.dry_run {
            return Ok(());
        }
        refuse_locked(args, fleet)?;
        refuse(args, console, &tools.deployment, fleet, &[])
    };
    let (fleet, sights) = observe::survey(tools.door(), common, &args.instances, allowed)?;
    let sights = settle(console, &tools, sights, &since)?;
    let plan = Plan::make(args, &fleet, sights, since);
    if args.change.dry_run {
        return dry_run(args, console, &tools, &fleet, &plan);
    }
    refuse(args, console, &tools.deployment, &fleet, &plan.refused())?;
    plan.tell(console, &fleet);
    if plan.stages.is_empty() {
        console.note("nothing to restart");
        if common.json {
            print_json(args, console, &tools, &fleet, &plan, None, Exit::Done)?;
        }
        return Ok(Exit::Done);
    }
    ask(args, console, &tools, &fleet, &plan)?;
    let at = time(plan.since.at());
    console.note(&format!("to go on with this restart from another machine: --since {at}"));
    let planned = Planned {
        stages: &plan.stages,
        sights: &plan.sights,
        done: &plan.done,
        since: plan.since.at(),
        what: format!("restart {}", count(plan.places().count(), "proxy job")),
    };
    let (report, exit) = apply::run(args, console, &tools, &fleet, &state, &planned)?;
    if common.json {
        print_json(args, console, &tools, &fleet, &plan, Some(&report), exit)?;
    } else {
        console.table(&apply::table(&plan.sights, &plan.done, &report), false);
    }
    Ok(exit)
}

/// What an earlier run left under way on a VM is let come to its end, so that it can be judged and is not done twice.
fn settle(
    console: &Console,
    tools: &Tools,
    mut sights: Vec<Sight>,
    since: &Since,
) -> Result<Vec<Sight>, Failure> {
    for sight in &mut sights {
        let busy = sight.findings.iter().any(|finding| finding.code == Code::Busy);
        let young = since.unproven_for(sight);
        if !busy && young.is_none() {
            continue;
        }
        let name = words::short(&sight.target.name, sight.target.index);
        console.note(&format!(
            "{name}: a restart is under way, or has just been made: waiting for it"
        ));
        if tools.interrupt.pause(young.unwrap_or_default()) {
            return Err(BoshError::Stopped.into());
        }
        *sight = observe::sight(&tools.door(), &sight.target, UNDER_WAY)?;
    }
    Ok(sights)
}

/// What is to be done.
struct Plan {
    sights: Vec<Sight>,
    /// Indices of sights that need nothing any more.
    done: Vec<usize>,
    /// Indices of sights that are left alone, by the operator's word.
    left: Vec<usize>,
    stages: Vec<Stage>,
    since: Since,
    start_stopped: bool,
}

impl Plan {
    fn make(args: &Args, fleet: &Fleet, sights: Vec<Sight>, since: Since) -> Self {
        let start_stopped = args.start_stopped;
        let forbidden = |sight: &Sight| blocker(sight, start_stopped).is_some();
        let done: Vec<usize> = (0..sights.len()).filter(|i| since.is_done(&sights[*i])).collect();
        let left: Vec<usize> =
            (0..sights.len()).filter(|i| forbidden(&sights[*i]) && !done.contains(i)).collect();
        let places: Vec<Place> = fleet
            .targets
            .iter()
            .map(|t| Place { name: t.name.clone(), az: t.az.clone(), bootstrap: t.bootstrap })
            .collect();
        let options = order::Options {
            canaries: args.canary,
            max_in_flight: args.max_in_flight,
            connections: CONNECTIONS,
        };
        let mut stages = order::stages(&places, &done, &options);
        for stage in &mut stages {
            stage.places.retain(|place| !left.contains(place));
        }
        stages.retain(|stage| !stage.places.is_empty());
        Self { sights, done, left, stages, since, start_stopped }
    }

    fn places(&self) -> impl Iterator<Item = usize> {
        self.stages.iter().flat_map(|stage| stage.places.iter().copied())
    }

    /// Sights that stand in the way, each with why.
    fn refused(&self) -> Vec<(&Sight, &Finding)> {
        let blocked = |i: &usize| {
            let sight = &self.sights[*i];
            Some((sight, blocker(sight, self.start_stopped)?))
        };
        self.left.iter().filter_map(blocked).collect()
    }

    fn tell(&self, console: &Console, fleet: &Fleet) {
        if let Since::Unfinished { at, .. } = &self.since {
            let at = time(*at);
            console
                .note(&format!("going on with the restart that began at {at}; --all begins anew"));
        }
        for left in &fleet.left_out {
            let name = words::short(&left.name, left.index);
            console.note(&format!("left alone: {name}: {}", left.finding.message));
        }
        for (sight, finding) in self.refused() {
            let name = words::short(&sight.target.name, sight.target.index);
            console.note(&format!("left alone: {name}: {}", finding.message));
        }
        for sight in self.done.iter().map(|i| &self.sights[*i]) {
            console.note(&format!(
                "done already: {}: {}",
                words::short(&sight.target.name, sight.target.index),
                age(sight)
            ));
        }
    }
}

/// `PID 331, 95s old`.
fn age(sight: &Sight) -> String {
    let process = sight.look().and_then(|look| Some((look, words::watched(look)?)));
    process.map_or_else(
        || "nothing runs".to_owned(),
        |(look, p)| format!("PID {}, {} old", p.id.pid, human(look.age(p))),
    )
}

/// Why a sight must not be restarted.
fn blocker(sight: &Sight, start_stopped: bool) -> Option<&Finding> {
    sight.findings.iter().find(|finding| finding.code.forbids_restart(start_stopped))
}

fn since(args: &Args, console: &Console, state: &StateDir, now: jiff::Timestamp) -> Since {
    if let Some(since) = args.since {
        return Since::Given(since);
    }
    if args.all {
        return Since::Now(now);
    }
    let (histories, doubts) = state.histories::<Entry>();
    for doubt in doubts {
        console.warn(&doubt);
    }
    Since::last_unfinished(&histories, now).unwrap_or(Since::Now(now))
}

fn refuse_locked(args: &Args, fleet: &Fleet) -> Result<(), Failure> {
    match &fleet.lock {
        Some(lock) if !args.allow.contains(&Allowance::Locked) => {
            let words = observe::lock_words(lock);
            let task = if lock.task.is_empty() { "--recent" } else { &lock.task };
            Err(Failure::refused(format!("{words}; nothing was changed")).with_hint(format!(
                "run `bosh task {task}` and wait for its end, or go on all the same with --allow locked"
            )))
        }
        Some(_) | None => Ok(()),
    }
}

/// Which word of `--allow` goes on without an instance.
fn allowance(code: Code) -> Allowance {
    match code {
        Code::NoVm => Allowance::NoVm,
        Code::UnresponsiveAgent => Allowance::Unresponsive,
        Code::Ignored => Allowance::Ignored,
        Code::Stopped => Allowance::Stopped,
        Code::NoJob => Allowance::NoJob,
        Code::Unreachable | Code::HostKey | Code::Garbled => Allowance::Unreachable,
        _ => Allowance::Sick,
    }
}

/// Refuses, if there is an instance that cannot be restarted and that the operator has not allowed to be left alone.
fn refuse(
    args: &Args,
    console: &Console,
    deployment: &str,
    fleet: &Fleet,
    blocked: &[(&Sight, &Finding)],
) -> Result<(), Failure> {
    let left =
        fleet.left_out.iter().map(|LeftOut { name, index, finding, .. }| (name, *index, finding));
    let seen = blocked.iter().map(|(sight, f)| (&sight.target.name, sight.target.index, *f));
    let refused: Vec<_> =
        left.chain(seen).filter(|(_, _, f)| !args.allow.contains(&allowance(f.code))).collect();
    let Some((_, _, first)) = refused.first() else { return Ok(()) };
    let list: Vec<String> = refused
        .iter()
        .map(|(name, index, f)| format!("{}: {}", words::both_names(name, *index), f.message))
        .collect();
    let mut allow: Vec<&str> = refused.iter().map(|(_, _, f)| allowance(f.code).word()).collect();
    allow.sort_unstable();
    allow.dedup();
    let flags = args.common.for_hint(deployment);
    let without = format!("go on without with --allow {}", allow.join(","));
    let sick = blocked.iter().find(|(_, finding)| finding.code.is_healed());
    let hint = match sick {
        Some((sight, _)) => {
            if let Some(look) = sight.look()
                && let Some(heal) = heal::plan(&sight.target.job, look)
            {
                let name = words::short(&sight.target.name, sight.target.index);
                console.note(&format!("heal would, on {name}, {}", heal.words(look)));
            }
            let name = words::short(&sight.target.name, sight.target.index);
            format!("run `{} heal {name}{flags}`, or {without}", TOOL.name)
        }
        None if first.code == Code::NotMonitored => {
            format!("start what was stopped with --start-stopped, or {without}")
        }
        None => format!("run `{} verify{flags}`, or {without}", TOOL.name),
    };
    Err(Failure::refused(format!(
        "{} cannot be restarted, nothing was changed: {}",
        count(refused.len(), "instance"),
        list.join("; ")
    ))
    .with_hint(hint))
}

fn ask(
    args: &Args,
    console: &Console,
    tools: &Tools,
    fleet: &Fleet,
    plan: &Plan,
) -> Result<(), Failure> {
    let summary = format!("restart {}", count(plan.places().count(), "proxy job"));
    let mut lines = vec![format!("{} is about to {summary}, in this order:", TOOL.name)];
    for stage in &plan.stages {
        for place in &stage.places {
            let sight = &plan.sights[*place];
            let target = &sight.target;
            let name = words::both_names(&target.name, target.index);
            let state = sight.look().and_then(|look| look.state(&target.job.name));
            let state = state.map_or("not known", |state| state.text.as_str());
            let line =
                format!("{}: {name}: {} ({state}, {})", stage.name, target.job.name, age(sight));
            lines.push(format!("  {}", clean::line(&line)));
        }
    }
    lines.push(format!("deployment: {}", clean::line(&tools.deployment)));
    lines.push(format!("director:   {}", clean::line(words::director(fleet))));
    confirm_text(console, args.change.confirm(), &summary, &lines.join("\n"), "--dry-run")
}

/// Shows what would be done: 3 if something would be, 4 if it would be refused.
fn dry_run(
    args: &Args,
    console: &Console,
    tools: &Tools,
    fleet: &Fleet,
    plan: &Plan,
) -> Result<Exit, Failure> {
    let exit = if plan.stages.is_empty() { Exit::Done } else { Exit::Findings };
    let refusal = refuse_locked(args, fleet)
        .and_then(|()| refuse(args, console, &tools.deployment, fleet, &plan.refused()));
    if args.common.json {
        let exit = refusal.as_ref().err().map_or(exit, Failure::exit);
        print_json(args, console, tools, fleet, plan, None, exit)?;
    } else {
        console.table(&plan_table(args, fleet, plan), false);
    }
    refusal?;
    let flags = args.common.for_hint(&tools.deployment);
    console.note(&match exit {
        Exit::Done => "nothing to restart (dry run)".to_owned(),
        _ => format!("nothing was changed (dry run); run `{}{flags} --yes` to do it", TOOL.name),
    });
    Ok(exit)
}

fn plan_table(args: &Args, fleet: &Fleet, plan: &Plan) -> Table {
    let mut table =
        Table::new(["STAGE", "INSTANCE", "INDEX", "AZ", "JOB", "STATE", "PID", "ACTION"]);
    let mut row = |stage: &str, sight: &Sight, action: &str| {
        let target = &sight.target;
        let state = sight.look().and_then(|look| look.state(&target.job.name));
        let pid = sight.look().and_then(words::watched).map(|p| p.id.pid.to_string());
        table.row([
            Cell::from(stage),
            Cell::from(target.name.to_string()),
            Cell::from(target.index.map(|i| i.to_string()).unwrap_or_default()),
            Cell::from(&target.az),
            Cell::from(&target.job.name),
            Cell::from(state.map_or("", |s| s.text.as_str())),
            Cell::from(pid.unwrap_or_default()),
            Cell::from(action),
        ]);
    };
    for stage in &plan.stages {
        for place in &stage.places {
            row(&stage.name, &plan.sights[*place], "restart");
        }
    }
    for place in &plan.done {
        row("", &plan.sights[*place], "none: done already");
    }
    for (sight, finding) in plan.refused() {
        let allowed = args.allow.contains(&allowance(finding.code));
        let word = if allowed { "none" } else { "refused" };
        row("", sight, &format!("{word}: {}", words::code(finding)));
    }
    for left in &fleet.left_out {
        let allowed = args.allow.contains(&allowance(left.finding.code));
        let word = if allowed { "none" } else { "refused" };
        table.row([
            Cell::from(""),
            Cell::from(left.name.to_string()),
            Cell::from(left.index.map(|i| i.to_string()).unwrap_or_default()),
            Cell::from(&left.az),
            Cell::from(""),
            Cell::from(""),
            Cell::from(""),
            Cell::from(format!("{word}: {}", words::code(&left.finding))),
        ]);
    }
    table
}

fn print_json(
    args: &Args,
    console: &Console,
    tools: &Tools,
    fleet: &Fleet,
    plan: &Plan,
    report: Option<&crate::run::Report>,
    exit: Exit,
) -> Result<(), Failure> {
    let mut document = Document::new("restart", &tools.deployment, fleet);
    document.since = Some(plan.since.at());
    document.dry_run = args.change.dry_run;
    document.exit_code = exit.code();
    document.interrupted = report.is_some_and(|report| report.interrupted);
    document.took_seconds = tools.clock.uptime().as_secs_f64();
    let by_word = |code: Code| {
        if args.allow.contains(&allowance(code)) { Action::LeftAlone } else { Action::Refused }
    };
    for (index, sight) in plan.sights.iter().enumerate() {
        let action = if plan.done.contains(&index) {
            Action::None
        } else if let Some(finding) = blocker(sight, plan.start_stopped) {
            by_word(finding.code)
        } else {
            Action::Restart
        };
        let outcome = report.and_then(|report| report.outcomes.get(&index));
        document.instances.push(Item::seen(sight, action, outcome));
    }
    for left in &fleet.left_out {
        document.instances.push(Item::left_out(left, by_word(left.finding.code)));
    }
    console.document(&document, Format::Json)
}
