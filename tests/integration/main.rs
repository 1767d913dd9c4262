//! The tools from outside: the real binaries against real control planes and VMs, and against an API double for what a
//! real one shows rarely. Exit code, stdout and stderr are compared together.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests start processes, write files and wait; only the tools themselves are held to their rooms"
)]
#![expect(
    clippy::needless_raw_string_hashes,
    reason = "literals are written by SNAPSHOTS=overwrite, in its own way"
)]

mod awkward;
mod bosh;
mod certs;
mod connection;
mod doors;
mod faults;
mod harness;
mod inspecting;
mod interrupts;
#[path = "../inspect/mixed.rs"]
mod mixed;
mod nodes;
mod pages;
mod promises;
mod reset;
mod reset_on_lab;
mod rotating;
#[path = "../report/rotation.rs"]
mod rotation;
mod runbook;
mod stale;
#[path = "../inspect/world.rs"]
#[expect(dead_code, reason = "what is not seen by ssh is for the tests of files")]
mod trees;
mod words;

use std::process::ExitCode;
use trees as world;

fn main() -> ExitCode {
    if let Some(code) = lab::bosh::play() {
        return code;
    }
    harness::run([
        faults::cases(),
        stale::cases(),
        nodes::cases(),
        words::cases(),
        connection::cases(),
        interrupts::cases(),
        awkward::cases(),
        promises::cases(),
        rotating::cases(),
        runbook::cases(),
        reset::cases(),
        reset::faults::cases(),
        reset::replacing::cases(),
        reset::promises::cases(),
        reset::interrupts::cases(),
        reset_on_lab::cases(),
        bosh::cases(),
        certs::cases(),
        doors::cases(),
        inspecting::cases(),
        pages::cases(),
    ])
}
