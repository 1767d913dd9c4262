//! How many secrets may be empty at a time, and when the controller manager is taken to be dead.

use super::effect::Expectation;
use crate::facts::duration::human;
use crate::facts::identity::Uid;
use crate::facts::words::count;
use std::collections::HashMap;
use std::time::Duration;

/// A secret that stays empty for longer keeps others from being emptied.
const SLOW: Duration = Duration::from_secs(5);

/// Secrets that are empty at a time, those included for which nobody waits any more.
const AT_ONCE: usize = 16;

/// Secrets that are empty, each since when.
///
/// One that is empty while others, emptied after it, were filled is stuck by itself and holds up nobody, as long as those
/// are few.
#[derive(Debug)]
pub(super) struct Window {
    empty: HashMap<Uid, Empty>,
    /// The version of each, as it was when it was emptied: only what is newer tells of what came then.
    held: HashMap<Uid, Box<str>>,
    /// Allowed, and not yet emptied.
    allowed: usize,
    patience: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Empty {
    since: Duration,
    overtaken: bool,
}

impl Window {
    pub(super) fn new(patience: Duration) -> Self {
        Self { empty: HashMap::new(), held: HashMap::new(), allowed: 0, patience }
    }

    /// What was allowed has been tried.
    pub(super) fn tried(&mut self) {
        self.allowed = 0;
    }

    /// A secret of this version was emptied.
    pub(super) fn emptied(&mut self, uid: Uid, version: &str, now: Duration) {
        self.held.insert(uid.clone(), version.into());
        self.empty.insert(uid, Empty { since: now, overtaken: false });
    }

    /// A secret is shown, of this version, with a token or without. Whether that is news: what was under way when it was
    /// emptied still shows it as it was, and would let another one be emptied too many.
    pub(super) fn shown(&mut self, uid: &Uid, version: &str, has_token: bool) -> bool {
        if self.held.get(uid).is_some_and(|held| !is_newer(version, held)) {
            return false;
        }
        if has_token {
            self.filled(uid);
        }
        true
    }

    fn filled(&mut self, uid: &Uid) {
        let Some(filled) = self.empty.remove(uid) else { return };
        for other in self.empty.values_mut() {
            other.overtaken |= other.since < filled.since;
        }
    }

    /// Whether another one may be emptied.
    pub(super) fn next(&mut self, now: Duration) -> Expectation {
        let full = self.empty.len() + self.allowed >= AT_ONCE;
        let slow = self.empty.values().filter(|empty| full || !empty.overtaken);
        let ages: Vec<Duration> =
            slow.map(|e| now.saturating_sub(e.since)).filter(|age| full || *age > SLOW).collect();
        let Some(oldest) = ages.iter().max() else {
            if full {
                return Expectation::Wait("others to be tried first".to_owned());
            }
            self.allowed += 1;
            return Expectation::Holds;
        };
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

/// Whether a version came after another one of the same object. Versions of Kubernetes are numbers that grow, which it has
/// promised since 1.35 (KEP-5504) and kept before; of what is none, another one is a newer one.
fn is_newer(version: &str, than: &str) -> bool {
    match (version.parse::<u128>(), than.parse::<u128>()) {
        (Ok(version), Ok(than)) => version > than,
        _ => version != than,
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
        window.emptied("a".into(), "9", second(0));
        assert_eq!(window.next(second(5)), Expectation::Holds);
        assert!(matches!(window.next(second(6)), Expectation::Wait(_)));
        assert!(matches!(window.next(second(61)), Expectation::Moved(_)));
        window.filled(&"a".into());
        assert_eq!(window.next(second(62)), Expectation::Holds);
    }

    #[test]
    fn one_that_is_stuck_by_itself_holds_up_nobody() {
        let mut window = Window::new(second(60));
        window.emptied("stuck".into(), "9", second(0));
        window.emptied("b".into(), "9", second(0));
        window.filled(&"b".into());
        window.tried();
        assert!(matches!(window.next(second(6)), Expectation::Wait(_)), "not yet known");
        window.emptied("c".into(), "9", second(1));
        window.filled(&"c".into());
        assert_eq!(window.next(second(600)), Expectation::Holds);
    }

    #[test]
    fn never_more_than_sixteen_whoever_waits_for_them() {
        let mut window = Window::new(second(60));
        for number in 0..AT_ONCE {
            assert_eq!(window.next(second(0)), Expectation::Holds, "{number}");
        }
        assert!(matches!(window.next(second(0)), Expectation::Wait(_)), "one too many");
        for number in 0..AT_ONCE {
            window.emptied(number.to_string().as_str().into(), "9", second(0));
        }
        window.tried();
        // Filled one after the other, as a controller does that dies then.
        for number in 0..4_u8 {
            window.filled(&number.to_string().as_str().into());
            let late = format!("late-{number}");
            assert_eq!(window.next(second(4)), Expectation::Holds);
            window.emptied(late.as_str().into(), "9", second(4));
            window.tried();
        }
        window.filled(&"late-0".into());
        assert_eq!(window.next(second(5)), Expectation::Holds);
        window.emptied("last".into(), "9", second(5));
        window.tried();
        for at in [5, 6, 30] {
            assert!(matches!(window.next(second(at)), Expectation::Wait(_)), "{at}");
        }
        assert!(matches!(window.next(second(61)), Expectation::Moved(_)));
    }

    #[test]
    fn news_from_before_it_was_emptied_fills_nothing() {
        let mut window = Window::new(second(60));
        let uid = Uid::from("a");
        window.emptied("a".into(), "9", second(0));
        for before in ["8", "9"] {
            assert!(!window.shown(&uid, before, true), "under way when it was emptied");
        }
        assert_eq!(window.empty.len(), 1);
        assert!(window.shown(&uid, "10", false));
        assert_eq!(window.empty.len(), 1);
        // The same bytes are a new token where the key has not changed, whether or not it was seen empty.
        assert!(window.shown(&uid, "11", true));
        assert!(window.empty.is_empty());
        window.emptied("a".into(), "11", second(1));
        assert!(window.shown(&uid, "13", true));
        assert!(window.empty.is_empty());
        // Of another server's own kind.
        window.emptied("a".into(), "v-9", second(2));
        assert!(!window.shown(&uid, "v-9", true));
        assert!(window.shown(&uid, "v-10", true));
    }
}
