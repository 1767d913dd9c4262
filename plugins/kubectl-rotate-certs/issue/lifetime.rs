//! From when to when a certificate is valid.

use crate::layout::Kind;
use jiff::{SignedDuration, Timestamp};
use rotation_core::facts::x509::Certificate;

/// Clocks differ: as kubeadm does it, what is made now is valid since then.
pub(crate) const BACK_DATED: SignedDuration = SignedDuration::from_mins(5);
/// Days that can be asked for: a century.
pub(crate) const MOST_DAYS: u16 = 36_500;
const DAY: i64 = 86_400;

/// How long certificates are to be valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes {
    /// What time it is.
    pub(crate) now: Timestamp,
    /// Days of an authority.
    pub(crate) authority_days: u16,
    /// Days of all others.
    pub(crate) leaf_days: u16,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// Whether it ends with its CA, earlier than asked for.
    pub(super) is_cut: bool,
}

impl Lifetimes {
    fn days(&self, kind: Kind) -> u16 {
        if kind == Kind::Authority { self.authority_days } else { self.leaf_days }
    }

    /// The longest time between its two dates, where it may begin with the certificate before it.
    pub(super) fn longest(&self, kind: Kind, since: Option<Timestamp>) -> SignedDuration {
        let before = since.map_or(BACK_DATED, |since| self.now.duration_since(since));
        SignedDuration::from_secs(DAY * i64::from(self.days(kind))) + before.max(BACK_DATED)
    }

    /// Never before and never after its CA; whole seconds, which is all that a certificate can say.
    pub(super) fn of(
        &self,
        kind: Kind,
        issuer: Option<&Certificate>,
        since: Option<Timestamp>,
    ) -> Validity {
        let whole = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
        let days = SignedDuration::from_secs(DAY * i64::from(self.days(kind)));
        let mut from = whole(self.now.saturating_sub(BACK_DATED).unwrap_or(self.now));
        from = since.map_or(from, |since| from.min(since));
        let mut until = whole(self.now.saturating_add(days).unwrap_or(Timestamp::MAX));
        let mut is_cut = false;
        if let Some(issuer) = issuer {
            from = from.max(issuer.not_before());
            is_cut = issuer.not_after() < until;
            until = until.min(issuer.not_after());
        }
        Validity { from, until, is_cut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_dated_and_of_whole_seconds() {
        let now: Timestamp = "2026-11-27T12:00:00.7Z".parse().expect("a time");
        let lifetimes = Lifetimes { now, authority_days: 3650, leaf_days: 365 };
        let leaf = lifetimes.of(Kind::Server, None, None);
        assert_eq!(leaf.from.to_string(), "2026-11-27T11:55:00Z");
        assert_eq!(leaf.until.to_string(), "2027-11-27T12:00:00Z");
        assert!(leaf.until.duration_since(leaf.from) <= lifetimes.longest(Kind::Server, None));
        let authority = lifetimes.of(Kind::Authority, None, None);
        assert_eq!(authority.until.to_string(), "2036-11-24T12:00:00Z");
        // A CA that is renewed begins with the one before it.
        let since: Timestamp = "2020-01-01T00:00:00Z".parse().expect("a time");
        let renewed = lifetimes.of(Kind::Authority, None, Some(since));
        assert_eq!((renewed.from, renewed.until), (since, authority.until));
        let most = lifetimes.longest(Kind::Authority, Some(since));
        assert!(renewed.until.duration_since(renewed.from) <= most);
    }
}
