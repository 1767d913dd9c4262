//! How long it took, and for what.

use super::account::{Account, Move, Run};
use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// Sums over a rotation. Times are milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    /// From the first command's begin to the last one's end.
    pub(crate) total: u64,
    /// While a command ran.
    pub(crate) at_work: u64,
    /// While components were restarted on some machine, with the files that were written for them.
    pub(crate) restarting: u64,
    /// While files alone were written.
    pub(crate) writing: u64,
    /// Until the cluster had followed: the longest gate of each group that was asked side by side.
    pub(crate) propagation: u64,
    /// While pods were recycled.
    pub(crate) pods: u64,
    /// Files that were written or removed.
    pub(crate) files: usize,
    /// Components that were to be restarted; those that had started after their files changed were left alone.
    pub(crate) restarts: usize,
    /// Gates that were asked.
    pub(crate) gates: usize,
    /// Those that were let go.
    pub(crate) waived: usize,
}

/// The sums.
pub(crate) fn of(account: &Account) -> Figures {
    let mut figures = Figures {
        total: account.span().map_or(0, |(from, to)| between(from, to)),
        ..Figures::default()
    };
    for run in &account.runs {
        let done = || run.moves.iter().filter(|one| one.took.is_some());
        figures.at_work += between(run.begun, run.last);
        figures.restarting += covered(done().filter(|one| !one.restarts.is_empty()));
        figures.writing += covered(done().filter(|one| one.restarts.is_empty()));
        figures.propagation += waited(run);
        figures.pods += recycling(run);
        figures.files += done().map(|one| one.files.len()).sum::<usize>();
        figures.restarts += done().map(|one| one.restarts.len()).sum::<usize>();
        figures.gates += run.gates.len();
        figures.waived += run.gates.iter().filter(|gate| gate.is_waived()).count();
    }
    figures
}

fn waited(run: &Run) -> u64 {
    let longest = |batch: &[super::account::Asked]| batch.iter().map(|one| one.took).max();
    run.batches().filter_map(longest).map(millis).sum()
}

/// Milliseconds between what is written of pods, one after the other.
fn recycling(run: &Run) -> u64 {
    let of_pods = |text: &str| text.starts_with("about to recycle ") || text.starts_with("step ");
    let pairs = run.changed.iter().zip(run.changed.iter().skip(1));
    let both = pairs.filter(|((_, one), (_, next))| of_pods(one) && of_pods(next));
    both.map(|((from, _), (to, _))| between(*from, *to)).sum()
}

/// Milliseconds in which at least one of these was under way: machines are changed side by side.
fn covered<'a>(moves: impl Iterator<Item = &'a Move>) -> u64 {
    let mut spans: Vec<(Timestamp, Timestamp)> =
        moves.filter_map(|one| Some((one.begun, one.ended()?))).collect();
    spans.sort();
    let mut sum = 0;
    let mut until: Option<Timestamp> = None;
    for (from, to) in spans {
        let from = until.map_or(from, |until| from.max(until));
        if to > from {
            sum += between(from, to);
        }
        until = Some(until.map_or(to, |until| until.max(to)));
    }
    sum
}

/// Milliseconds between two moments.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

/// As milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::read::tests::{TROUBLED, account};
    use jiff::SignedDuration;

    #[test]
    fn what_goes_on_side_by_side_is_counted_once() {
        // Each line is 10 s after the one before; m1 is restarted for 2 s and 3 s, w1 gets files for 1 s.
        let figures = of(&account(TROUBLED));
        let expected = Figures {
            total: 160_000,
            at_work: 40_000 + 60_000 + 40_000,
            restarting: 5000,
            writing: 1000,
            propagation: 5000 + 700,
            pods: 0,
            files: 6,
            restarts: 2,
            gates: 3,
            waived: 1,
        };
        assert_eq!(figures, expected);
        let mut troubled = account(TROUBLED);
        let at = |second| troubled.runs[0].begun + SignedDuration::from_secs(second);
        troubled.runs[0].changed = vec![
            (at(1), "configmap kube-public/cluster-info changed".to_owned()),
            (at(5), "about to recycle pod/a in default".to_owned()),
            (at(8), "step 1.1.1: recycled, now b".to_owned()),
            (at(20), "configmap kube-public/cluster-info changed".to_owned()),
        ];
        assert_eq!(of(&troubled).pods, 3000);
        // 10 s apart, each for 15 s: five of them are the same.
        let both = "begin apply;intent m1 accept;done m1 accept 15000;intent m1 sign;done m1 sign 5000;\
                    begin apply;intent m1 accept;intent m1 switch;done m1 accept 15000;done m1 switch 15000;end 0 switch";
        assert_eq!(of(&account(both)).restarting, 15_000 + 5000 + 25_000);
    }
}
