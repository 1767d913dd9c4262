//! `rollback`: the same machine, backwards.

use super::apply::{begin, end};
use super::context::Context;
use crate::TOOL;
use crate::rotate::args::RollbackArgs;
use crate::rotate::document::Plan;
use crate::rotate::drive::Drive;
use crate::rotate::stage::Stage;
use crate::rotate::standing::previous;
use rotation_core::cli::confirm::confirm_text;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;

/// Goes back.
pub(crate) fn run(args: &RollbackArgs, console: &Console) -> Result<Exit, Failure> {
    let context = Context::changing(&args.common, console)?;
    let plan = context.plan()?;
    let text =
        format!("rotation {} goes back to stage {}: {}\n", plan.id, args.to, args.to.about());
    let look = format!("`{} status`", TOOL.name);
    confirm_text(console, args.change.confirm, "go back", &text, &look)?;
    let mut drive = context.drive(&plan, &args.change)?;
    begin(&mut drive, "rollback")?;
    let result = back(&mut drive, &plan, args.to);
    end(&mut drive, &plan, &result)?;
    let reached = result?;
    if reached == Stage::Before {
        drive.unlock();
        console.note("every file is what it was; the plan and the new keys are kept");
    } else {
        console.note(&format!("stage {reached} is reached; go on with `{} apply`", TOOL.name));
    }
    Ok(Exit::Done)
}

fn back(drive: &mut Drive<'_>, plan: &Plan, to: Stage) -> Result<Stage, Failure> {
    let standing = drive.look()?;
    let retired = plan.strategy.has_new_key() && plan.route().len() > 1;
    if retired && standing.is_at(Stage::Retire) {
        return Err(Failure::refused("the old generation is retired: nobody trusts it any more")
            .with_hint("a way back would be a rotation of its own"));
    }
    let mut at = standing.furthest(plan.route());
    if at == Stage::Before && !standing.is_at(Stage::Before) {
        at = plan.route().first().copied().unwrap_or(Stage::Before);
    }
    if at <= to {
        return Ok(at.min(to));
    }
    let mut seen = Some(standing);
    while at > to {
        let lower = previous(plan.route(), at).max(to);
        drive.bring(at, lower, seen.take())?;
        at = lower;
    }
    Ok(at)
}
