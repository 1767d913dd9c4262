//! Reads side by side: what does not need the other's answer does not wait for it.

use std::panic::resume_unwind;
use std::thread;

/// Does both at the same time, and returns when both are done.
pub fn both<A: Send, B>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (one.join().unwrap_or_else(|panic| resume_unwind(panic)), other)
    })
}

#[cfg(test)]
mod tests {
    use super::both;
    use std::sync::Barrier;

    #[test]
    fn neither_waits_for_the_other_to_end() {
        let meeting = Barrier::new(2);
        let met = both(|| meeting.wait().is_leader(), || meeting.wait().is_leader());
        assert!(met.0 ^ met.1);
    }
}
