//! The door to time.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the door: the clocks are read here and nowhere else"
)]

use jiff::Timestamp;
use std::time::{Duration, Instant};

/// What time it is, twice: for people, and for measuring.
pub trait Clock: Send + Sync {
    /// The time of day by this machine; it can be wrong and it can jump.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment; it never jumps. Waits are measured with it.
    fn uptime(&self) -> Duration;
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Begins to measure now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn uptime(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_never_goes_back() {
        let clock = SystemClock::start();
        let first = clock.uptime();
        assert!(clock.uptime() >= first);
        assert!(clock.now() > "2024-01-01T00:00:00Z".parse().expect("a time"));
    }
}
