//! `kubectl rotate-certs`: makes a new generation of certificates, right in every field, verifies any, and finds
//! every place where one lives.

mod cli;
mod command;
mod discover;
mod generate;
mod inspect;
mod issue;
mod layout;
mod observe;
mod page;
mod report;
mod rotate;
mod verify;

use rotation_core::cli::{Tool, exit};
use std::process::ExitCode;

/// What the tool is called, here and in audit logs.
pub(crate) const TOOL: Tool = Tool {
    name: "kubectl rotate-certs",
    file: "kubectl-rotate_certs",
    version: env!("CARGO_PKG_VERSION"),
};

fn main() -> ExitCode {
    exit::main::<cli::Args>(TOOL, command::run)
}
