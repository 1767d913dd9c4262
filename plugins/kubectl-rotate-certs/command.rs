//! What the tool does, command by command.

mod check;
mod generate;
mod inspect;
mod page;
mod report;
mod rotate;
mod verify;
mod watch;

use crate::cli::{Args, Verb};
use rotation_core::cli::completion;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;

/// Runs the command that was typed.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the way in of every tool takes its arguments by value"
)]
pub(crate) fn run(args: Args, console: &Console) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::Generate(generate) => generate::run(generate, console),
        Verb::Verify(verify) => verify::run(verify, console),
        Verb::Check(check) => check::run(check, console),
        Verb::Inspect(inspect) => inspect::run(inspect, console),
        Verb::Discover(discover) => rotate::discover::run(discover, console),
        Verb::Plan(plan) => rotate::plan::run(plan, console),
        Verb::Apply(apply) => rotate::apply::run(apply, console),
        Verb::Status(status) => rotate::status::run(status, console),
        Verb::Rollback(rollback) => rotate::rollback::run(rollback, console),
        Verb::Finish(finish) => rotate::finish::run(finish, console),
        Verb::Report(report) => rotate::report::run(report, console),
        Verb::Completion(args) => completion::run(*args, console),
    }
}
