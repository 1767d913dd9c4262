//! `bosh-proxy-restart` from outside: VMs with a real sshd, over real ssh, through a double of `bosh` that is held to
//! recordings of the real one.

mod cli;
mod early;
mod healthy;
mod interrupted;
mod restarts;
mod sick;
mod way;

use crate::harness::Case;

pub(crate) fn cases() -> Vec<Case> {
    [
        // Those that take longest begin first.
        healthy::cases(),
        restarts::cases(),
        interrupted::cases(),
        sick::cases(),
        way::cases(),
        early::cases(),
        cli::cases(),
    ]
    .concat()
}
