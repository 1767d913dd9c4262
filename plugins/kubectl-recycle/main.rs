//! `kubectl recycle`: recreates the pods that hold stale credentials, and waits until they are really back.

mod cli;
mod command;
mod observe;
mod pick;
mod request;
mod target;

use rotation_core::cli::{Tool, exit};
use std::process::ExitCode;

/// What the tool is called, here and in audit logs.
pub(crate) const TOOL: Tool =
    Tool { name: "kubectl recycle", file: "kubectl-recycle", version: env!("CARGO_PKG_VERSION") };

fn main() -> ExitCode {
    exit::main::<cli::Args>(TOOL, command::run)
}
