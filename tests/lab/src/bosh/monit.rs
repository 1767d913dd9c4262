//! A double of monit 5.2.5, which every stemcell has and no registry: its states, its texts, its timing. It is held to
//! what the real one was recorded to do.
//!
//! One program is the daemon (`-I`) and the client that asks it through port 2822, as monit itself is.

mod client;
mod config;
mod daemon;
mod engine;
#[cfg(test)]
mod recorded;
mod service;
mod text;

use std::process::ExitCode;

/// Where the control file is, on the VM.
pub(super) const CONTROL_FILE: &str = "/var/vcap/bosh/etc/monitrc";
/// Where the daemon listens, on the VM.
const ADDRESS: &str = "127.0.0.1:2822";

/// `monit-actual`.
pub(super) fn run() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    client::run(&words)
}
