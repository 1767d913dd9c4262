//! What earlier runs on this machine knew: a fold over their journals.
//!
//! It answers two questions: which pods did a run just make, so that a second run after an interruption leaves them
//! alone; and which credentials did a run see, so that a change since then is noticed. Without journals both answers are
//! "not known", and the world alone decides.

use super::journal::{Event, History};
use super::outcome::Outcome;
use crate::facts::credential::Digest;
use crate::facts::identity::{ClusterIdentity, Uid};
use crate::facts::pod::Pod;
use crate::plan::staleness::CredentialKey;
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};

/// How long a run's pods are taken to be this rotation's: the length of the runbooks' maintenance window.
///
/// Afterwards a named workload is recycled again, since what the operator wants to renew may be nothing that the cluster
/// shows, such as a proxy's certificate. Recycling once too often costs a restart, once too few an outage.
pub const SAME_WINDOW: SignedDuration = SignedDuration::from_hours(3);

/// One earlier run.
#[derive(Clone, Debug, PartialEq)]
pub struct PastRun {
    /// When it began, by the API server's clock.
    pub at: Timestamp,
    /// The cluster.
    pub cluster: ClusterIdentity,
    /// Workloads whose pods it recycled.
    pub owners: HashSet<Uid>,
    /// What it was to change, or left alone.
    pub targets: HashSet<Uid>,
    /// Pods that it saw replace others.
    pub made: HashSet<Uid>,
    /// Credentials that it saw.
    pub seen: HashMap<CredentialKey, Digest>,
    /// Steps in its plan.
    pub steps: usize,
    /// Steps that were proven.
    pub done: usize,
    /// Whether it came to its end.
    pub ended: bool,
    /// Its exit code, if it did.
    pub exit: Option<u8>,
}

impl PastRun {
    /// The run of one journal; `None` where the journal holds none.
    pub fn of(history: &History) -> Option<Self> {
        let mut run: Option<Self> = None;
        for entry in &history.entries {
            match (&entry.event, &mut run) {
                (Event::Run { cluster, steps, owners, targets, seen, .. }, _) => {
                    run = Some(Self {
                        at: entry.at,
                        cluster: cluster.clone(),
                        owners: owners.iter().cloned().collect(),
                        targets: targets.iter().cloned().collect(),
                        made: HashSet::new(),
                        seen: seen.iter().map(|s| (s.key.clone(), s.digest)).collect(),
                        steps: *steps,
                        done: 0,
                        ended: false,
                        exit: None,
                    });
                }
                (Event::Outcome { outcome: Outcome::Done { proof, .. }, .. }, Some(run)) => {
                    run.done += 1;
                    run.made.extend(proof.replacement_uid.as_deref().map(Uid::from));
                }
                (Event::End { exit }, Some(run)) => {
                    run.ended = true;
                    run.exit = Some(*exit);
                }
                (
                    Event::Outcome { .. }
                    | Event::End { .. }
                    | Event::Intent { .. }
                    | Event::Effect { .. },
                    _,
                ) => {}
            }
        }
        run
    }
}

/// All earlier runs for one cluster.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Newest first.
    runs: Vec<PastRun>,
}

impl Memory {
    /// Keeps the runs of this cluster.
    pub fn new(mut runs: Vec<PastRun>, cluster: &ClusterIdentity) -> Self {
        runs.retain(|r| r.cluster.is_same_cluster(cluster));
        runs.sort_by_key(|r| std::cmp::Reverse(r.at));
        Self { runs }
    }

    /// The digests that were seen last, and when.
    pub fn seen_before(&self) -> HashMap<CredentialKey, (Digest, Timestamp)> {
        let mut seen = HashMap::new();
        for run in &self.runs {
            for (key, digest) in &run.seen {
                seen.entry(key.clone()).or_insert((*digest, run.at));
            }
        }
        seen
    }

    /// The run of this maintenance window that made the controller `owner` create this pod.
    ///
    /// Either the run saw it, or it is younger than the run. Kubernetes' dates have whole seconds: of the pods of the
    /// run's first second those are younger that it did not see.
    ///
    /// Not if credentials that the run saw have changed since: then the pod may hold the old ones.
    pub fn made(
        &self,
        pod: &Pod,
        owner: &Uid,
        now: Timestamp,
        credentials: &HashMap<CredentialKey, Digest>,
    ) -> Option<&PastRun> {
        self.runs.iter().find(|run| {
            let unchanged = |(key, digest): (&CredentialKey, &Digest)| {
                credentials.get(key).is_none_or(|now| now == digest)
            };
            let since = Timestamp::from_second(run.at.as_second()).unwrap_or(run.at);
            let by_date = run.owners.contains(owner)
                && pod.created >= since
                && !run.targets.contains(&pod.uid);
            now.duration_since(run.at) <= SAME_WINDOW
                && (by_date || run.made.contains(&pod.uid))
                && run.seen.iter().all(unchanged)
        })
    }

    /// The newest runs of this maintenance window, down to the last one that did all it was to do: what they began is
    /// gone on with.
    pub fn unfinished(&self, now: Timestamp) -> impl Iterator<Item = &PastRun> {
        self.runs
            .iter()
            .take_while(move |run| now.duration_since(run.at) <= SAME_WINDOW && run.exit != Some(0))
    }

    /// The newest run, if it was cut off before its end and in this window.
    pub fn cut_off(&self, now: Timestamp) -> Option<&PastRun> {
        self.runs.first().filter(|r| !r.ended && now.duration_since(r.at) <= SAME_WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::journal::{Chain, Entry, Seen, read};
    use crate::facts::pod::Interner;

    fn at(time: &str) -> Timestamp {
        format!("2026-01-01T{time}Z").parse().expect("time")
    }

    fn key() -> CredentialKey {
        CredentialKey::RootCa { namespace: "ns".into() }
    }

    fn cluster() -> ClusterIdentity {
        ClusterIdentity { uid: "c".into(), server: "s".into() }
    }

    fn run(began: &str) -> PastRun {
        PastRun {
            at: at(began),
            cluster: cluster(),
            owners: ["deploy".into()].into(),
            targets: HashSet::new(),
            made: HashSet::new(),
            seen: [(key(), Digest::of(b"ca"))].into(),
            steps: 2,
            done: 1,
            ended: false,
            exit: None,
        }
    }

    fn pod(created: &str) -> Pod {
        let json = format!(
            r#"{{"metadata":{{"namespace":"ns","name":"p","uid":"u","creationTimestamp":"2026-01-01T{created}Z"}}}}"#
        );
        Pod::read(serde_json::from_str(&json).expect("json"), &mut Interner::default())
            .expect("pod")
    }

    #[test]
    fn a_runs_own_pods_are_known_for_one_window() {
        let memory = Memory::new(vec![run("12:00:00")], &cluster());
        let same = [(key(), Digest::of(b"ca"))].into();
        let other = [(key(), Digest::of(b"new"))].into();
        for (what, created, owner, now, credentials, known) in [
            ("made by it", "12:00:01", "deploy", "12:05:00", &same, true),
            ("older", "11:59:59", "deploy", "12:05:00", &same, false),
            ("of another workload", "12:00:01", "x", "12:05:00", &same, false),
            ("in another window", "12:00:01", "deploy", "15:00:01", &same, false),
            ("but the CA has changed since", "12:00:01", "deploy", "12:05:00", &other, false),
        ] {
            let made = memory.made(&pod(created), &owner.into(), at(now), credentials);
            assert_eq!(made.is_some(), known, "{what}");
        }
        // Created in the second in which the run began: it was made by the run, unless the run was to change it.
        let late = PastRun { at: at("12:00:00.5"), ..run("12:00:00") };
        let victim = PastRun { targets: ["u".into()].into(), ..late.clone() };
        for (run, known) in [(late, true), (victim, false)] {
            let memory = Memory::new(vec![run], &cluster());
            let made = memory.made(&pod("12:00:00"), &"deploy".into(), at("12:05:00"), &same);
            assert_eq!(made.is_some(), known);
        }
        // What the run saw counts, whatever the dates say.
        let saw = PastRun { made: ["u".into()].into(), ..run("12:00:00") };
        let memory = Memory::new(vec![saw], &cluster());
        assert!(memory.made(&pod("11:59:59"), &"deploy".into(), at("12:05:00"), &same).is_some());
    }

    #[test]
    fn the_newest_word_on_a_credential_counts() {
        let newer = PastRun { seen: [(key(), Digest::of(b"new"))].into(), ..run("13:00:00") };
        let memory = Memory::new(vec![run("12:00:00"), newer], &cluster());
        assert_eq!(memory.seen_before()[&key()], (Digest::of(b"new"), at("13:00:00")));
    }

    #[test]
    fn what_is_gone_on_with_ends_at_the_last_success() {
        let with =
            |began: &str, exit: Option<u8>| PastRun { ended: exit.is_some(), exit, ..run(began) };
        let runs = vec![
            with("12:00:00", Some(5)),
            with("12:10:00", Some(0)),
            with("12:20:00", Some(6)),
            with("12:30:00", None),
        ];
        let memory = Memory::new(runs, &cluster());
        let began = |now: &str| memory.unfinished(at(now)).map(|r| r.at).collect::<Vec<_>>();
        assert_eq!(began("12:40:00"), [at("12:30:00"), at("12:20:00")]);
        assert_eq!(began("15:25:00"), [at("12:30:00")]);
        assert!(began("16:00:00").is_empty());
    }

    #[test]
    fn another_clusters_runs_are_nothing_to_us() {
        let foreign = PastRun {
            cluster: ClusterIdentity { uid: "d".into(), server: "s".into() },
            ..run("12:00:00")
        };
        let memory = Memory::new(vec![foreign], &cluster());
        assert!(memory.seen_before().is_empty() && memory.cut_off(at("12:01:00")).is_none());
    }

    #[test]
    fn a_run_is_folded_from_its_journal() {
        let event = |event| Entry { at: at("12:00:00"), event };
        let started = Event::Run {
            schema_version: "x".into(),
            tool: "t".into(),
            tool_version: "0".into(),
            cluster: cluster(),
            plan: "p".into(),
            steps: 2,
            owners: vec!["deploy".into()],
            targets: vec![],
            seen: vec![Seen { key: key(), digest: Digest::of(b"ca") }],
        };
        let done = Outcome::Done {
            proof: crate::apply::outcome::Proof::default(),
            millis: 1,
            changed: true,
        };
        let outcome = Event::Outcome { step: "1".into(), outcome: done };
        let text = Chain::default().lines(&[event(started), event(outcome)]).expect("lines");
        let folded = PastRun::of(&read(&text)).expect("a run");
        assert_eq!(folded, run("12:00:00"));
        assert!(Memory::new(vec![folded], &cluster()).cut_off(at("12:01:00")).is_some());
    }
}
