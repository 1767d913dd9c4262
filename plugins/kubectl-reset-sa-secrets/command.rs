//! What the tool does, command by command.

mod apply;
mod backup;
mod check;
mod leftover;
mod plan;
mod report;
mod reset;
mod restore;
mod rights;
mod servers;

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
        Some(Verb::Completion(args)) => completion::run(*args, console),
        Some(Verb::Check(what)) => check::run(&args, what, console),
        Some(Verb::Restore { backup, confirm }) => restore::run(&args, backup, *confirm, console),
        None => reset::run(&args, console),
    }
}
