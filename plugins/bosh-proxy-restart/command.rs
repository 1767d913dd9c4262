//! What the tool does, command by command.

mod apply;
mod document;
mod heal;
mod restart;
#[cfg(test)]
mod schemas;
mod verify;
mod words;

use crate::cli::{Args, CommonArgs, Verb};
use rotation_core::cli::completion;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::world::clock::SystemClock;
use rotation_core::world::hosts::bosh::Bosh;
use rotation_core::world::interrupt::Interrupt;

/// Runs the command that was typed.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the way in of every tool takes its arguments by value"
)]
pub(crate) fn run(args: Args, console: &Console) -> Result<Exit, Failure> {
    match &args.verb {
        None => restart::run(&args, console),
        Some(Verb::Verify(verify)) => verify::run(&args, verify, console),
        Some(Verb::Heal(heal)) => heal::run(&args, heal, console),
        Some(Verb::Completion(completion)) => completion::run(*completion, console),
    }
}

/// What every command works with.
struct Tools {
    bosh: Bosh,
    interrupt: Interrupt,
    clock: SystemClock,
    deployment: String,
}

impl Tools {
    /// What is wrong with the command line is said before anything is run.
    fn new(common: &CommonArgs, console: &Console) -> Result<Self, Failure> {
        let clock = SystemClock::start();
        let deployment = common.deployment(&console.environment)?;
        common.all_jobs()?;
        let interrupt = Interrupt::listen()
            .map_err(|e| Failure::unexpected(format!("cannot listen to signals: {e}")))?;
        let bosh = common.bosh(deployment.clone(), interrupt.clone());
        Ok(Self { bosh, interrupt, clock, deployment })
    }

    fn door(&self) -> crate::hosts::Door<'_> {
        crate::hosts::Door { bosh: &self.bosh, interrupt: &self.interrupt, clock: &self.clock }
    }
}
