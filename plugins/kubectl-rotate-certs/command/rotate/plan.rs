//! `plan`: everything is looked at, and nothing is changed.

use super::context::Context;
use super::outlook::{Asked, Outlook};
use super::show;
use crate::rotate::args::{PlanArgs, PlanFormat};
use crate::rotate::document::Plan;
use crate::rotate::timetable::Timetable;
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
        return tell(args, &context, &plan, &machines);
    }
    let drawn = context.draw(&args.wanted)?;
    let told = tell(args, &context, &drawn.plan, &machines)?;
    if args.write {
        context.work.save(&drawn)?;
        console.note(&format!(
            "written to `{}`; nothing else was changed",
            context.work.path().display()
        ));
    }
    Ok(told)
}

/// Prints it; refused where it does not fit into the window.
fn tell(
    args: &PlanArgs,
    context: &Context<'_>,
    plan: &Plan,
    machines: &str,
) -> Result<Exit, Failure> {
    // A runbook needs no outlook.
    let wanted = args.output != PlanFormat::Sh || args.window.is_some();
    let asked = Asked::all(plan, args.window);
    let outlook = wanted.then(|| Outlook::of(context, plan, asked)).transpose()?;
    context.console.data(&show::plan(plan, outlook.as_ref(), args.output, machines)?);
    match outlook {
        Some(outlook) if !outlook.timetable.fits() => Err(does_not_fit(&outlook.timetable)),
        _ => Ok(Exit::Findings),
    }
}

/// Why it is not begun.
pub(super) fn does_not_fit(timetable: &Timetable) -> Failure {
    let why = timetable.ending().join("; ");
    Failure::refused(format!(
        "the rotation does not fit into the window, and nothing was changed: {why}"
    ))
    .with_hint("name a longer window, or rotate less at a time: --rotate, --until")
}
