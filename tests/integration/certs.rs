//! `kubectl rotate-certs generate` from outside: what it makes, judged by others; what it refuses; what no fault breaks.

mod faults;
mod judges;
mod machines;
mod names;
mod refusals;
mod running;
mod sets;
mod shop;

use crate::harness::Case;

pub(crate) fn cases() -> Vec<Case> {
    let groups = [
        sets::cases(),
        names::cases(),
        refusals::cases(),
        faults::cases(),
        judges::cases(),
        running::cases(),
        machines::cases(),
    ];
    groups.into_iter().flatten().collect()
}
