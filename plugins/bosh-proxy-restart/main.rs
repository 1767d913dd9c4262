//! `bosh-proxy-restart`: restarts a monit job across BOSH VMs, one proven step at a time.

mod class;
mod cli;
mod command;
mod cycle;
mod early;
mod finding;
mod hosts;
mod jobs;
mod journal;
mod judge;
mod live;
mod look;
mod monit;
mod monitrc;
mod observe;
mod order;
mod records;
mod resume;
mod run;
mod script;
mod targets;

use rotation_core::cli::{Tool, exit};
use std::process::ExitCode;

/// What the tool is called. The BOSH CLI has no plugins: the name of the file is the command.
pub(crate) const TOOL: Tool = Tool {
    name: "bosh-proxy-restart",
    file: "bosh-proxy-restart",
    version: env!("CARGO_PKG_VERSION"),
};

fn main() -> ExitCode {
    exit::main::<cli::Args>(TOOL, command::run)
}
