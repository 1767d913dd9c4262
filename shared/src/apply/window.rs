//! How many secrets may be empty at a time, and when the controller manager is taken to be dead.

use super::effect::Expectation;
use crate::facts::duration::human;
use crate::facts::identity::Uid;
use crate::facts::words::count;
use std::collections::HashMap;
use std::time::Duration;

/// A secret that stays empty for longer keeps others from being emptied.
const SLOW: Duration = Duration::from_secs(5);

/// Secrets that are empty, each since when.
///
/// The plan's pace limits their number; this limits what happens when they stay empty. One that is empty while others,
/// emptied after it, were filled is stuck by itself and holds up nobody.
#[derive(Debug)]
pub(super) struct Window {
    empty: HashMap<Uid, Empty>,
    patience: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Empty {
    since: Duration,
    overtaken: bool,
}

impl Window {
    pub(super) fn new(patience: Duration) -> Self {
        Self { empty: HashMap::new(), patience }
    }

    /// A secret was emptied.
    pub(super) fn emptied(&mut self, uid: Uid, now: Duration) {
        self.empty.insert(uid, Empty { since: now, overtaken: false });
    }

    /// A secret holds a token.
    pub(super) fn filled(&mut self, uid: &Uid) {
        let Some(filled) = self.empty.remove(uid) else { return };
        for other in self.empty.values_mut() {
            other.overtaken |= other.since < filled.since;
        }
    }

    /// Whether another one may be emptied.
    pub(super) fn next(&self, now: Duration) -> Expectation {
        let slow = self.empty.values().filter(|empty| !empty.overtaken);
        let ages: Vec<Duration> =
            slow.map(|e| now.saturating_sub(e.since)).filter(|age| *age > SLOW).collect();
        let Some(oldest) = ages.iter().max() else { return Expectation::Holds };
        let secrets = count(ages.len(), "secret");
        if *oldest > self.patience {
            return Expectation::Moved(format!(
                "the controller manager has not filled {secrets} for {}: nothing more is emptied",
                human(*oldest)
            ));
        }
        Expectation::Wait(format!("the controller manager to fill {secrets} that it lets wait"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_slow_controller_is_not_given_more_and_a_dead_one_nothing() {
        let mut window = Window::new(second(60));
        assert_eq!(window.next(second(0)), Expectation::Holds);
        window.emptied("a".into(), second(0));
        assert_eq!(window.next(second(5)), Expectation::Holds);
        assert!(matches!(window.next(second(6)), Expectation::Wait(_)));
        assert!(matches!(window.next(second(61)), Expectation::Moved(_)));
        window.filled(&"a".into());
        assert_eq!(window.next(second(62)), Expectation::Holds);
    }

    #[test]
    fn one_that_is_stuck_by_itself_holds_up_nobody() {
        let mut window = Window::new(second(60));
        window.emptied("stuck".into(), second(0));
        window.emptied("b".into(), second(0));
        window.filled(&"b".into());
        assert!(matches!(window.next(second(6)), Expectation::Wait(_)), "not yet known");
        window.emptied("c".into(), second(1));
        window.filled(&"c".into());
        assert_eq!(window.next(second(600)), Expectation::Holds);
    }
}
