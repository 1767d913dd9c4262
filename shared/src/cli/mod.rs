//! What every binary looks like: flags, environment, errors, exit codes, questions, completion.
//!
//! A tool calls [`exit::main`], the only way in and out: it reads the environment, parses the command line, runs the
//! command, prints its error and ends with its exit code. Flags are groups to flatten into the tool's own arguments.

pub mod complete;
pub mod completion;
pub mod confirm;
pub mod connection;
pub mod console;
pub mod dry_run;
pub mod environment;
pub mod exit;
pub mod failure;
pub mod install;
pub mod log_file;
pub mod narrator;
pub mod output;
pub mod passphrase;
pub mod plan_file;
pub mod result;
pub mod rights;
pub mod selection;
pub mod server_check;

/// Which binary this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tool {
    /// As people type it: `kubectl recycle`.
    pub name: &'static str,
    /// Its file: `kubectl-recycle`.
    pub file: &'static str,
    /// Its version.
    pub version: &'static str,
}

impl Tool {
    /// The name under which audit logs of the API server show it.
    pub fn user_agent(&self) -> String {
        format!("{}/{}", self.file, self.version)
    }
}
