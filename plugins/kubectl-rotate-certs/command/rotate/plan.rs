//! `plan`: everything is looked at, and nothing is changed.

use super::context::Context;
use super::show;
use crate::rotate::args::PlanArgs;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;

/// Draws a plan, or shows the one of a rotation that has begun.
pub(crate) fn run(args: &PlanArgs, console: &Console) -> Result<Exit, Failure> {
    let context = Context::new(&args.common, console)?;
    let machines = args.common.machines().display().to_string();
    if let Some(plan) = context.work.plan()? {
        console.note(&format!(
            "this is the plan of the rotation in `{}`; another one needs another directory (--work)",
            context.work.path().display()
        ));
        console.data(&show::plan(&plan, args.output, &machines)?);
        return Ok(Exit::Findings);
    }
    let drawn = context.draw(&args.wanted)?;
    console.data(&show::plan(&drawn.plan, args.output, &machines)?);
    if args.write {
        context.work.save(&drawn)?;
        console.note(&format!(
            "written to `{}`; nothing else was changed",
            context.work.path().display()
        ));
    }
    Ok(Exit::Findings)
}
