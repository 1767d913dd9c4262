//! What clients count: a line of one, and the sums of all.

use std::collections::BTreeMap;
use std::time::Duration;

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A pod that reads CA and token when it starts, and keeps its connection.
    Once,
    /// A pod that reads CA and token when it starts, and makes a new connection for each request.
    Fresh,
    /// A pod that reads CA and token for each request, over a new connection.
    Reload,
    /// A pod that reads the token for each request and the CA for each connection, keeps its connection, and asks a second
    /// time after 200 ms where that broke or could not be made, as controllers do.
    Retry,
    /// A pod that changes a config map, over a new connection with what it reads then.
    Write,
    /// A pod that hears of the changes: requests are watches opened, failures those that broke or did not open, the
    /// gap is silence.
    Watch,
    /// A pod that reads metrics of every API server and every kubelet, with its token.
    Scrape,
    /// At the desk, as kubectl does it: kubeconfig and connection are new each time, the server is the balancer.
    Kubeconfig,
    /// At the desk, each API server by its own address, over a connection that is kept and over new ones.
    Address,
    /// At the desk, all API servers by their own addresses, over connections that are kept: each request goes on to the
    /// next one where the connection fails, the server has an error of its own, or nothing is heard within its share of
    /// the 5 s. It has failed when none has answered.
    Failover,
    /// At the desk: what the aggregated API server says, through each API server.
    Aggregated,
    /// At the desk: a config map that the admission webhook is asked about, through each API server; it is not kept.
    Webhook,
}

impl Kind {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 12] = [
        Self::Once,
        Self::Fresh,
        Self::Reload,
        Self::Retry,
        Self::Write,
        Self::Watch,
        Self::Scrape,
        Self::Kubeconfig,
        Self::Address,
        Self::Failover,
        Self::Aggregated,
        Self::Webhook,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Fresh => "fresh",
            Self::Reload => "reload",
            Self::Retry => "retry",
            Self::Write => "write",
            Self::Watch => "watch",
            Self::Scrape => "scrape",
            Self::Kubeconfig => "kubeconfig",
            Self::Address => "address",
            Self::Failover => "failover",
            Self::Aggregated => "aggregated",
            Self::Webhook => "webhook",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that have ended, one way or the other.
    pub requests: u64,
    /// Those that failed: no answer within 5 s, an error of the connection, or a status of 300 and more. Watches that
    /// broke count here, but are no requests.
    pub failed: u64,
    /// The longest time between two answers to one process from one target, or since the last one.
    pub gap: Duration,
    /// The last error in a few words.
    pub error: Option<String>,
}

impl Tally {
    /// Requests that were answered; for watches less those that broke.
    pub fn succeeded(&self) -> u64 {
        self.requests.saturating_sub(self.failed)
    }

    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.gap = self.gap.max(other.gap);
        self.error = other.error.or_else(|| self.error.take());
    }
}

/// A line of a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) target: String,
    pub(super) tally: Tally,
}

impl Line {
    pub(super) fn read(line: &str) -> Option<Self> {
        let (numbers, error) = match line.split_once(" error=") {
            Some((numbers, error)) => (numbers, Some(error.to_owned())),
            None => (line, None),
        };
        let word = |name: &str| {
            numbers.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let number = |name: &str| word(name)?.parse::<u64>().ok();
        Some(Self {
            kind: Kind::named(word("kind")?)?,
            target: word("target")?.to_owned(),
            tally: Tally {
                requests: number("requests")?,
                failed: number("failed")?,
                gap: Duration::from_millis(number("gap_ms")?),
                error,
            },
        })
    }
}

/// The sums of all clients, by kind and target.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    rows: BTreeMap<(Kind, String), Tally>,
    running: BTreeMap<Kind, usize>,
}

impl Counted {
    pub(super) fn add(&mut self, line: Line) {
        self.rows.entry((line.kind, line.target)).or_default().add(line.tally);
    }

    pub(super) fn runs(&mut self, kind: Kind) {
        *self.running.entry(kind).or_default() += 1;
    }

    /// How many processes have written within the last seconds.
    pub fn running(&self) -> usize {
        self.running.values().sum()
    }

    /// How many of one kind.
    pub fn running_of(&self, kind: Kind) -> usize {
        self.running.get(&kind).copied().unwrap_or_default()
    }

    /// Each target of each kind: `service`; `10.77.0.11:6443/new`.
    pub fn rows(&self) -> impl Iterator<Item = (Kind, &str, &Tally)> {
        self.rows.iter().map(|((kind, target), tally)| (*kind, target.as_str(), tally))
    }

    /// The sum of one kind.
    pub fn kind(&self, kind: Kind) -> Tally {
        self.sum(|one, _| one == kind)
    }

    /// The sum of one kind's targets that begin so.
    pub fn target(&self, kind: Kind, begins: &str) -> Tally {
        self.sum(|one, target| one == kind && target.starts_with(begins))
    }

    /// The sum of all.
    pub fn all(&self) -> Tally {
        self.sum(|_, _| true)
    }

    fn sum(&self, wanted: impl Fn(Kind, &str) -> bool) -> Tally {
        let mut sum = Tally::default();
        for (_, _, tally) in self.rows().filter(|(kind, target, _)| wanted(*kind, target)) {
            sum.add(tally.clone());
        }
        sum
    }

    /// What was counted after `earlier`. Gaps and errors are those of all the time, as they cannot be told apart.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut later = self.clone();
        for (key, tally) in &mut later.rows {
            if let Some(before) = earlier.rows.get(key) {
                tally.requests = tally.requests.saturating_sub(before.requests);
                tally.failed = tally.failed.saturating_sub(before.failed);
            }
        }
        later
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(requests: u64, failed: u64, gap: u64, error: Option<&str>) -> Tally {
        let gap = Duration::from_millis(gap);
        Tally { requests, failed, gap, error: error.map(str::to_owned) }
    }

    #[test]
    fn lines() {
        let read = |line: &str| Line::read(line).map(|line| (line.kind, line.target, line.tally));
        let numbers = "2026-01-01T00:00:00.000Z kind=address target=10.77.0.11:6443/new requests=12 failed=1 gap_ms=50";
        for (line, wanted) in [
            (numbers.to_owned(), Some(tally(12, 1, 50, None))),
            // An error may hold anything, and is never taken for a number.
            (
                format!("{numbers} error=dial: failed=9 error=x"),
                Some(tally(12, 1, 50, Some("dial: failed=9 error=x"))),
            ),
            ("T kind=address target=a first=dial: connection refused".to_owned(), None),
            ("T kind=nobody target=a requests=1 failed=0 gap_ms=1".to_owned(), None),
            ("T kind=once target=a requests=1 failed=0 gap_ms=".to_owned(), None),
        ] {
            let wanted =
                wanted.map(|tally| (Kind::Address, "10.77.0.11:6443/new".to_owned(), tally));
            assert_eq!(read(&line), wanted, "{line}");
        }
    }

    #[test]
    fn sums_by_kind_target_and_time() {
        let line = |kind, target: &str, tally| Line { kind, target: target.to_owned(), tally };
        let mut counted = Counted::default();
        counted.add(line(Kind::Address, "11/new", tally(10, 0, 50, None)));
        counted.add(line(Kind::Address, "11/kept", tally(20, 3, 70, Some("refused"))));
        counted.add(line(Kind::Address, "12/new", tally(5, 0, 60, None)));
        counted.add(line(Kind::Once, "service", tally(1, 0, 9, None)));
        let before = counted.clone();
        counted.add(line(Kind::Address, "12/new", tally(2, 1, 80, Some("401"))));
        assert_eq!(counted.kind(Kind::Address), tally(37, 4, 80, Some("401")));
        assert_eq!(counted.target(Kind::Address, "11"), tally(30, 3, 70, Some("refused")));
        assert_eq!(counted.all().requests, 38);
        let since = counted.since(&before);
        assert_eq!(
            (since.all().requests, since.all().failed, since.kind(Kind::Once).requests),
            (2, 1, 0)
        );
    }
}
