//! What is done already: by the machines themselves, compared with what ran before. Pure.

use crate::journal::{Before, Entry, Event};
use crate::observe::Sight;
use jiff::{SignedDuration, Timestamp};
use rotation_core::apply::journal::History;
use std::collections::HashMap;
use std::time::Duration;

/// How long an unfinished run is gone on with: the runbook's maintenance window.
const SAME_WINDOW: SignedDuration = SignedDuration::from_hours(3);

/// From when on a process counts as new.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Since {
    /// This run begins anew: nothing is done yet.
    Now(Timestamp),
    /// The operator's word.
    Given(Timestamp),
    /// An earlier run did not come to its end.
    Unfinished {
        /// When it began.
        at: Timestamp,
        /// What ran then, by instance.
        before: HashMap<String, Before>,
    },
}

impl Since {
    /// The time.
    pub(crate) fn at(&self) -> Timestamp {
        match self {
            Self::Now(at) | Self::Given(at) | Self::Unfinished { at, .. } => *at,
        }
    }

    /// The last unfinished run in these journals, newest first.
    pub(crate) fn last_unfinished(histories: &[History<Entry>], now: Timestamp) -> Option<Self> {
        let runs: Vec<Past<'_>> = histories.iter().filter_map(Past::of).collect();
        let last = runs.iter().max_by_key(|run| run.at)?;
        let in_window = now.duration_since(last.since) <= SAME_WINDOW;
        if last.exit == Some(0) || !in_window || last.since > now {
            return None;
        }
        // Runs that went on with one another share their begin; what ran before the first of them counts.
        let mut before = HashMap::new();
        let mut chain: Vec<&Past<'_>> = runs.iter().filter(|r| r.since == last.since).collect();
        chain.sort_by_key(|run| run.at);
        for one in chain.iter().flat_map(|run| run.before) {
            before.entry(one.instance.clone()).or_insert_with(|| one.clone());
        }
        Some(Self::Unfinished { at: last.since, before })
    }

    /// Whether an instance is done: healthy, with a process that is newer, and old enough to be believed.
    pub(crate) fn is_done(&self, sight: &Sight) -> bool {
        sight.is_healthy() && self.is_new(sight) && self.unproven_for(sight).is_none()
    }

    /// How much longer a new process must be watched before it can be believed; `None` where nothing is to be waited for.
    pub(crate) fn unproven_for(&self, sight: &Sight) -> Option<Duration> {
        let look = sight.look().filter(|_| self.is_new(sight))?;
        let age = look.pidfile.process.as_ref().map(|process| look.age(process))?;
        let wanted = Duration::from_secs(sight.target.job.min_age_seconds);
        wanted.checked_sub(age).filter(|left| !left.is_zero())
    }

    /// Whether its process is newer.
    fn is_new(&self, sight: &Sight) -> bool {
        let Some(looked) = &sight.looked else { return false };
        let look = &looked.look;
        let Some(process) = &look.pidfile.process else { return false };
        match self {
            Self::Now(_) => false,
            Self::Given(at) => {
                // By its age, since clocks of two machines cannot be compared. In doubt it is older: a restart too many
                // costs little.
                let age = look.age(process) + Duration::from_secs(1);
                let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
                looked.window.from.checked_sub(age).is_ok_and(|started| started >= *at)
            }
            Self::Unfinished { before, .. } => {
                let name = sight.target.name.to_string();
                before.get(&name).is_some_and(|before| {
                    let now = Before::of(
                        &sight.target.name,
                        &sight.target.job.name,
                        &look.at.boot_id,
                        Some(process.id),
                    );
                    before.job == now.job && *before != now
                })
            }
        }
    }
}

/// One earlier run.
struct Past<'a> {
    at: Timestamp,
    since: Timestamp,
    before: &'a [Before],
    exit: Option<u8>,
}

impl<'a> Past<'a> {
    fn of(history: &'a History<Entry>) -> Option<Self> {
        let mut run: Option<Self> = None;
        for entry in &history.entries {
            match (&entry.event, &mut run) {
                (Event::Run { since, before, .. }, None) => {
                    run = Some(Self { at: entry.at, since: *since, before, exit: None });
                }
                (Event::End { exit }, Some(run)) => run.exit = Some(*exit),
                (
                    Event::Run { .. }
                    | Event::Intent { .. }
                    | Event::Outcome { .. }
                    | Event::End { .. },
                    _,
                ) => {}
            }
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::Looked;
    use crate::jobs::Jobs;
    use crate::judge::Window;
    use crate::records::tests::look;
    use crate::targets::Target;
    use rotation_core::facts::bosh::InstanceName;

    fn time(text: &str) -> Timestamp {
        format!("2026-01-01T{text}Z").parse().expect("a time")
    }

    fn sight(at: &str, changes: &[(&str, &str)]) -> Sight {
        let name = InstanceName { group: "master".into(), id: "a".into() };
        let job = Jobs::embedded().named("proxy");
        let target = Target { name, index: Some(0), az: "z1".into(), bootstrap: true, job };
        let window = Window { from: time(at), to: time(at) };
        Sight {
            target,
            looked: Some(Looked { look: look(changes), busy: false, window }),
            findings: vec![],
        }
    }

    fn run(at: &str, since: &str, process: &str, exit: Option<u8>) -> History<Entry> {
        let before = Before {
            instance: "master/a".into(),
            job: "proxy".into(),
            boot_id: "cc4bef3c".into(),
            process: Some(process.into()),
        };
        let event = Event::Run {
            schema_version: String::new(),
            tool: String::new(),
            tool_version: String::new(),
            deployment: "k".into(),
            since: time(since),
            before: vec![before],
        };
        let mut entries = vec![Entry { at: time(at), event }];
        entries.extend(exit.map(|exit| Entry::end(time(at), exit)));
        History { entries, damage: None }
    }

    #[test]
    fn only_what_did_not_end_well_and_not_long_ago_is_gone_on_with() {
        let now = time("12:00:00");
        let last = |runs: &[History<Entry>]| Since::last_unfinished(runs, now).map(|s| s.at());
        assert_eq!(last(&[]), None);
        assert_eq!(last(&[run("11:00:00", "11:00:00", "1:1", None)]), Some(time("11:00:00")));
        assert_eq!(last(&[run("11:00:00", "11:00:00", "1:1", Some(5))]), Some(time("11:00:00")));
        assert_eq!(last(&[run("11:00:00", "11:00:00", "1:1", Some(0))]), None);
        assert_eq!(last(&[run("08:59:00", "08:59:00", "1:1", None)]), None, "another window");
        let both =
            [run("11:30:00", "11:00:00", "2:2", Some(0)), run("11:00:00", "11:00:00", "1:1", None)];
        assert_eq!(last(&both), None, "it was finished");
    }

    #[test]
    fn another_process_than_before_the_first_run_is_done() {
        let now = time("12:00:00");
        let runs = [
            run("11:30:00", "11:00:00", "2:2", None),
            run("11:00:00", "11:00:00", "138:509642", None),
        ];
        let since = Since::last_unfinished(&runs, now).expect("unfinished");
        assert!(!since.is_done(&sight("11:59:00", &[])), "it still runs");
        let anew = [("509642", "517000")];
        assert!(since.is_done(&sight("11:59:00", &anew)));
        assert!(since.is_done(&sight("11:59:00", &[("cc4bef3c", "another-boot")])));
        let mut sick = sight("11:59:00", &anew);
        sick.findings = vec![crate::finding::Finding::new(crate::finding::Code::Duplicate, "two")];
        assert!(!since.is_done(&sick));
        // 5 s old: it may be in a crash loop.
        let young = sight("11:59:00", &[("509642", "518642")]);
        assert!(!since.is_done(&young));
        assert_eq!(since.unproven_for(&young), Some(Duration::from_secs(7)));
        assert_eq!(since.unproven_for(&sight("11:59:00", &anew)), None);
        let mut other = sight("11:59:00", &anew);
        other.target.name.id = "b".into();
        assert!(!since.is_done(&other), "the first run did not look at it");
        assert!(!Since::Now(now).is_done(&sight("11:59:00", &anew)));
    }

    #[test]
    fn a_given_time_is_compared_with_the_process_s_age() {
        // The process was 95 s old when it was looked at, at noon.
        let given = |text: &str| Since::Given(time(text)).is_done(&sight("12:00:00", &[]));
        assert!(given("11:58:00") && given("11:58:24"));
        assert!(!given("11:58:25") && !given("11:59:00"), "in doubt it is older");
    }
}
