//! `kubectl reset-sa-secrets`: renews the tokens of service accounts, and proves that each one works.

mod cli;
mod command;
mod decide;
mod draw;
mod inventory;
mod observe;
mod pods;
mod request;
mod state;

use rotation_core::cli::{Tool, exit};
use rotation_core::world::secrecy;
use std::process::ExitCode;

/// What the tool is called, here and in audit logs.
pub(crate) const TOOL: Tool = Tool {
    name: "kubectl reset-sa-secrets",
    file: "kubectl-reset_sa_secrets",
    version: env!("CARGO_PKG_VERSION"),
};

fn main() -> ExitCode {
    secrecy::no_core_dump();
    exit::main::<cli::Args>(TOOL, command::run)
}
