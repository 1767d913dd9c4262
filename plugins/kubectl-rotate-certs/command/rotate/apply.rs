//! `apply`: through the stages, or on from where it stopped.

use super::context::Context;
use super::outlook::{Asked, Outlook};
use super::plan::does_not_fit;
use super::proof::{self, Moment};
use super::show;
use crate::TOOL;
use crate::rotate::args::{ApplyArgs, ChangeArgs, PlanFormat};
use crate::rotate::document::Plan;
use crate::rotate::drive::Drive;
use crate::rotate::journal::Event;
use crate::rotate::stage::{Stage, Strategy};
use crate::rotate::standing::previous;
use crate::rotate::tokens;
use crate::rotate::window::{Over, Watch, Window, stopped};
use rotation_core::cli::confirm::confirm_text;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::words::time;
use rotation_core::world::clock::Clock as _;
use std::path::Path;
use std::time::Duration;

/// Applies.
pub(crate) fn run(args: &ApplyArgs, console: &Console) -> Result<Exit, Failure> {
    let mut context = Context::changing(&args.common, console)?;
    if let Some(named) = &args.plan {
        let directory =
            if named.is_dir() { named.as_path() } else { named.parent().unwrap_or(Path::new("")) };
        context.work = crate::rotate::work::Work::of(directory);
        context.plan()?;
    }
    let plan = if let Some(plan) = context.begun()? {
        fits(args, &plan)?;
        plan
    } else {
        fresh(args, &context)?
    };
    let last = args.until.unwrap_or_else(|| last_of(plan.strategy));
    if last > last_of(plan.strategy) && plan.route().contains(&last) {
        return Err(Failure::refused(format!("stage {last} is not reached without a proof"))
            .with_hint(format!(
                "prove that nobody needs the old generation, and drop it, with `{} finish`",
                TOOL.name
            )));
    }
    let mut drive = context.drive(&plan, &args.change)?;
    begin(&mut drive, "apply")?;
    let result = schedule(args, &context, &mut drive, &plan, last)
        .and_then(|()| through(&mut drive, &plan, last, &args.change));
    end(&mut drive, &plan, &result)?;
    let reached = result?;
    if reached == plan.end() {
        drive.unlock();
    }
    next(console, &plan, reached);
    Ok(Exit::Done)
}

/// A new plan, once it was agreed to.
fn fresh(args: &ApplyArgs, context: &Context<'_>) -> Result<Plan, Failure> {
    let drawn = context.draw(&args.wanted)?;
    no_outage_unasked(args, &drawn.plan)?;
    // What nobody is asked about is not worked out, and a window is looked at before anything is written.
    let shown = !args.change.confirm.yes || args.window.is_some();
    let asked = asked(args, &drawn.plan, Stage::Before, args.window);
    let outlook = shown.then(|| Outlook::of(context, &drawn.plan, asked)).transpose()?;
    if let Some(outlook) = outlook.as_ref().filter(|outlook| !outlook.timetable.fits()) {
        return Err(does_not_fit(&outlook.timetable));
    }
    let machines = args.common.machines().display().to_string();
    let text = show::plan(&drawn.plan, outlook.as_ref(), PlanFormat::Text, &machines)?;
    let verb = "apply a rotation of certificates";
    let look = format!("`{} plan`", TOOL.name);
    confirm_text(context.console, args.change.confirm, verb, &text, &look)?;
    context.work.save(&drawn)?;
    Ok(drawn.plan)
}

fn asked(args: &ApplyArgs, plan: &Plan, from: Stage, window: Option<Duration>) -> Asked {
    let last = args.until.unwrap_or_else(|| last_of(plan.strategy));
    let (at_once, keep_pods) = (args.change.max_in_flight, args.change.keep_pods);
    Asked { from, last, window, at_once, keep_pods }
}

/// Opens the window, or goes on with the one that the journal knows, and says when what begins and ends.
fn schedule(
    args: &ApplyArgs,
    context: &Context<'_>,
    drive: &mut Drive<'_>,
    plan: &Plan,
    last: Stage,
) -> Result<(), Failure> {
    let known = Window::of(&context.work.history()?.entries, last_of(plan.strategy));
    let now = context.clock.now();
    let window = match Window::choose(args.window, known, now) {
        Ok(Some(window)) => window,
        Ok(None) => return Ok(()),
        Err(Over(until)) => {
            let why = format!("stopped part-way: the window ended at {}", time(until));
            return Err(stopped(&why, now));
        }
    };
    if args.window.is_some() {
        drive.note(Event::Window { begin: window.begin, until: window.until })?;
    }
    let standing = drive.look()?;
    let begun = !standing.is_at(Stage::Before);
    let from = standing.reached(plan.route()).unwrap_or(Stage::Before).min(last);
    let left = window.left(now);
    let outlook = Outlook::of(context, plan, asked(args, plan, from, Some(left)))?;
    let console = context.console;
    console.note(&format!("the window ends at {}", time(window.until)));
    for line in outlook.timetable.text().lines() {
        console.note(line);
    }
    if !outlook.timetable.fits() && !begun {
        drive.unlock();
        return Err(does_not_fit(&outlook.timetable));
    }
    let restarted = crate::rotate::estimate::restarts(plan);
    drive.watch = Some(Watch::new(window, restarted, outlook.pods_take(), begun));
    Ok(())
}

/// An outage is taken by whoever asked for it, never by default.
fn no_outage_unasked(args: &ApplyArgs, plan: &Plan) -> Result<(), Failure> {
    if plan.strategy != Strategy::Window || args.wanted.strategy.is_some() {
        return Ok(());
    }
    Err(Failure::refused(format!("without an outage this is not possible: {}", plan.notes.join("; ")))
        .with_hint(
            "mend what stands in the way, or accept that no API server answers for a while: --strategy window, or --strategy \
             auto",
        ))
}

/// How far `apply` goes: the old generation is never dropped by it where both are trusted.
pub(super) fn last_of(strategy: Strategy) -> Stage {
    match strategy {
        Strategy::Rolling | Strategy::Renew => Stage::Switch,
        Strategy::RenewCa | Strategy::Window | Strategy::Recover => Stage::Retire,
    }
}

/// A rotation that has begun is what it is.
fn fits(args: &ApplyArgs, plan: &Plan) -> Result<(), Failure> {
    let strategy = args.wanted.named().is_none_or(|strategy| strategy == plan.strategy);
    let tracks = args.wanted.rotate.iter().all(|track| plan.track(*track).is_some());
    if strategy && tracks {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "the rotation that has begun is another one: {}",
        plan.strategy.as_str()
    ))
    .with_hint(format!(
        "go on with it without these flags, or go back first with `{} rollback`",
        TOOL.name
    )))
}

pub(super) fn begin(drive: &mut Drive<'_>, verb: &str) -> Result<(), Failure> {
    let event = Event::Begin {
        verb: verb.to_owned(),
        plan: drive.plan.id.clone(),
        strategy: drive.plan.strategy,
        who: drive.who.clone(),
        tool_version: TOOL.version.to_owned(),
    };
    drive.note(event)
}

pub(super) fn end(
    drive: &mut Drive<'_>,
    plan: &Plan,
    result: &Result<Stage, Failure>,
) -> Result<(), Failure> {
    let (exit, stage) = match result {
        Ok(stage) => (Exit::Done, *stage),
        Err(why) => {
            let standing = drive.look().ok();
            let reached = standing.and_then(|standing| standing.reached(plan.route()));
            (why.exit(), reached.unwrap_or(Stage::Before))
        }
    };
    drive.note(Event::End { exit: exit.code(), stage })
}

/// Goes on to the last stage that is wanted; says which one was reached.
fn through(
    drive: &mut Drive<'_>,
    plan: &Plan,
    last: Stage,
    keep: &ChangeArgs,
) -> Result<Stage, Failure> {
    let standing = drive.look()?;
    let furthest = standing.furthest(plan.route());
    if furthest > last_of(plan.strategy) && !standing.is_at(furthest) {
        return Err(Failure::refused("the old generation is dropped on some machines already")
            .with_hint(format!(
                "go on with `{0} finish`, or back with `{0} rollback`",
                TOOL.name
            )));
    }
    // Of stages with the same files the first: whoever was stopped by its gates has not asked them all.
    let mut reached = standing.came_to(plan.route()).unwrap_or_else(|| {
        // In the middle of a move: what lies before the furthest machine was reached by all.
        previous(plan.route(), furthest)
    });
    let mut seen = Some(standing);
    for stage in plan.route() {
        let again = *stage == reached && reached != Stage::Before;
        if *stage > last || (*stage < reached && !again) {
            continue;
        }
        drive.bring(previous(plan.route(), *stage), *stage, seen.take())?;
        // Before servers show the new generation; and once more, for who went on from a later stage.
        // Where the CA is exchanged at once, they come after it.
        if matches!(stage, Stage::Sign | Stage::Switch | Stage::Retire) {
            if !keep.keep_secrets {
                tokens::renew(drive)?;
            }
            if !keep.keep_pods {
                proof::refresh(drive)?;
            }
        }
        let keeps = keep.keep_pods || keep.keep_secrets;
        if *stage == Stage::Retire && plan.strategy.has_new_key() && !keeps {
            proof::prove(drive, Moment::Exchanged)?;
        }
        reached = *stage;
    }
    drive.stands_at(reached)?;
    Ok(reached)
}

fn next(console: &Console, plan: &Plan, reached: Stage) {
    let tool = TOOL.name;
    console.note(&match reached {
        stage if stage == plan.end() => "done: every machine is at its last stage".to_owned(),
        Stage::Switch => format!(
            "everybody presents the new generation, and the old one is still trusted; go on with `{tool} finish`, or back with \
             `{tool} rollback`"
        ),
        stage => format!("stage {stage} is reached; go on with `{tool} apply`, or back with `{tool} rollback`"),
    });
}
