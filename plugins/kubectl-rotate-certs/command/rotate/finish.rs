//! `finish`: the proof, and then the drop.

use super::apply::{begin, end};
use super::context::Context;
use super::proof::{self, Moment};
use crate::TOOL;
use crate::rotate::args::FinishArgs;
use crate::rotate::document::Plan;
use crate::rotate::drive::Drive;
use crate::rotate::journal::Event;
use crate::rotate::stage::{Stage, Strategy};
use rotation_core::cli::confirm::confirm_text;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;

/// Proves, and drops.
pub(crate) fn run(args: &FinishArgs, console: &Console) -> Result<Exit, Failure> {
    let context = Context::changing(&args.common, console)?;
    let plan = context.plan()?;
    if plan.strategy != Strategy::Rolling {
        console.note(&format!(
            "a rotation of strategy {} has nothing to drop",
            plan.strategy.as_str()
        ));
        return Ok(Exit::Done);
    }
    if !args.prove {
        let text = format!(
            "rotation {}: the old generation is dropped once nobody needs it; there is no way back\n",
            plan.id
        );
        confirm_text(console, args.change.confirm, "drop the old generation", &text, "--prove")?;
    }
    let mut drive = context.drive(&plan, &args.change)?;
    begin(&mut drive, if args.prove { "prove" } else { "finish" })?;
    let result = finish(&mut drive, &plan, args);
    end(&mut drive, &plan, &result)?;
    let reached = result?;
    if reached == Stage::Retire && !args.prove {
        drive.unlock();
        console.note("done: the old generation is trusted nowhere");
    } else {
        console.note(&format!(
            "proven: nobody needs the old generation; drop it with `{} finish`",
            TOOL.name
        ));
    }
    Ok(Exit::Done)
}

fn finish(drive: &mut Drive<'_>, plan: &Plan, args: &FinishArgs) -> Result<Stage, Failure> {
    told(drive, &args.renewed)?;
    let standing = drive.look()?;
    let begun = standing.furthest(plan.route()) == Stage::Retire;
    if !begun && !standing.is_at(Stage::Switch) {
        return Err(Failure::refused("not every machine presents the new generation yet")
            .with_hint(format!("go on with `{} apply`", TOOL.name)));
    }
    // Where some machines have dropped the old generation already, what came since may need it on the others.
    proof::prove(drive, if begun { Moment::Dropping } else { Moment::Before })?;
    if args.prove {
        return Ok(if begun { Stage::Retire } else { Stage::Switch });
    }
    if let Some(stranger) = drive.strangers().first() {
        return Err(Failure::refused(format!(
            "`{stranger}` is in the file of machines, and this rotation does not know it: it may need the old generation"
        ))
        .with_hint("take it out of the file once its certificates are of the new generation"));
    }
    drive.bring(Stage::Switch, Stage::Retire, None)?;
    drive.stands_at(Stage::Retire)?;
    proof::forget(drive, args.recycle_pods)?;
    Ok(Stage::Retire)
}

/// What the operator says of consumers that nobody can reach.
fn told(drive: &mut Drive<'_>, renewed: &[String]) -> Result<(), Failure> {
    let manual = drive.cluster.consumers.iter().filter(|one| one.machine.is_none());
    let names: Vec<&str> = manual.map(|one| one.name.as_str()).collect();
    if let Some(name) = renewed.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(Failure::refused(format!(
            "the file of machines has no consumer `{name}` with `manual = true`"
        )));
    }
    for name in renewed {
        let who = drive.who.clone();
        drive.note(Event::Gate {
            stage: Stage::Switch,
            gate: proof::has_new(name),
            verdict: "holds".to_owned(),
            message: format!("says {who}"),
            took: 0,
        })?;
    }
    Ok(())
}
