//! Stages against scripted instances: the order of journal and change, and every way to stop.

use super::*;
use crate::cycle::Deed;
use crate::jobs::Jobs;
use crate::look::Look;
use crate::records::tests::{HEALTHY, look};
use crate::script::Patience;
use crate::targets::Target;
use jiff::Timestamp;
use rotation_core::world::hosts::bosh::{BoshError, Reach};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// Instances that restart well, unless they are among the bad ones.
struct Fleet {
    bad: BTreeSet<String>,
    key: BTreeSet<String>,
    under_way: Mutex<(usize, usize)>,
}

impl Hosts for Fleet {
    fn ssh(&self, name: &InstanceName, _: &str, _: Duration, _: bool) -> Result<Reach, BoshError> {
        {
            let mut under_way = self.under_way.lock().expect("whole");
            under_way.0 += 1;
            under_way.1 = under_way.1.max(under_way.0);
        }
        std::thread::yield_now();
        self.under_way.lock().expect("whole").0 -= 1;
        if self.key.contains(&name.id) {
            return Ok(Reach::HostKey("another".to_owned()));
        }
        let before = HEALTHY.replace("end\n", "");
        let after = before.replace("phase\tbefore", "phase\tafter").replace("\t138\t", "\t331\t");
        let after = after.replace("\t138\n", "\t331\n").replace("509642", "517500");
        let verdict = if self.bad.contains(&name.id) { "late" } else { "ok" };
        Ok(Reach::Said(format!(
            "{before}phase\trestart\nrestart-rc\t0\t\n{after}verdict\t{verdict}\t14\nend\n"
        )))
    }

    fn pause(&self, _: Duration) -> bool {
        false
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_795_314_765).expect("a time")
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// Writes everything down; stops, fails or finds an obstacle after so many intents.
#[derive(Default)]
struct Paper {
    lines: Vec<String>,
    intents: usize,
    interrupt_after: Option<usize>,
    deploy_after: Option<usize>,
    full_after: Option<usize>,
}

impl Outside for Paper {
    fn intend(&mut self, instance: &InstanceName) -> io::Result<()> {
        if self.full_after == Some(self.intents) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.intents += 1;
        self.lines.push(format!("intent {}", instance.id));
        Ok(())
    }

    fn record(&mut self, instance: &InstanceName, outcome: &Outcome) -> io::Result<()> {
        self.lines.push(format!("{} {}", outcome.class.word(), instance.id));
        Ok(())
    }

    fn obstacle(&mut self) -> Option<Obstacle> {
        if self.interrupted() {
            return Some(Obstacle::Interrupted);
        }
        let locked = self.deploy_after == Some(self.intents);
        locked.then(|| Obstacle::Other("a deploy".to_owned()))
    }

    fn interrupted(&self) -> bool {
        self.interrupt_after.is_some_and(|after| self.intents >= after)
    }

    fn tell(&mut self, _: Happening<'_>) {}
}

fn targets() -> Vec<Target> {
    let target = |i: u32| Target {
        name: InstanceName { group: "minion".into(), id: i.to_string() },
        index: Some(i),
        az: "z1".into(),
        bootstrap: i == 0,
        job: Jobs::embedded().named("proxy"),
    };
    (0..4).map(target).collect()
}

fn works<'a>(targets: &'a [Target], look: &'a Look) -> BTreeMap<usize, Work<'a>> {
    let patience = Patience { min_age: 12, limit: 120 };
    let deed = || Deed::Restart { start_stopped: false };
    let work = |target| Work { target, look, deed: deed(), patience };
    targets.iter().map(work).enumerate().collect()
}

fn stage(places: &[usize], at_once: usize) -> Stage {
    Stage { name: "minion".into(), places: places.to_vec(), at_once, canary: false }
}

fn does(bad: &[&str], key: &[&str], max_failures: usize, mut paper: Paper) -> (Report, Paper) {
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    let fleet = Fleet { bad: set(bad), key: set(key), under_way: Mutex::default() };
    let (targets, look) = (targets(), look(&[]));
    let stages = [stage(&[0], 1), stage(&[1, 2, 3], 1)];
    let report = run(&fleet, &stages, &works(&targets, &look), max_failures, &mut paper);
    assert_eq!(fleet.under_way.lock().expect("whole").1.max(1), 1, "one at a time");
    (report, paper)
}

#[test]
fn one_after_the_other_each_written_down_before_and_after() {
    let (report, paper) = does(&[], &[], 0, Paper::default());
    assert_eq!(
        paper.lines,
        ["intent 0", "ok 0", "intent 1", "ok 1", "intent 2", "ok 2", "intent 3", "ok 3"]
    );
    assert_eq!((report.stopped, report.interrupted, report.outcomes.len()), (None, false, 4));
}

#[test]
fn the_first_failure_stops_unless_more_are_put_up_with() {
    let (report, _) = does(&["1"], &[], 0, Paper::default());
    assert_eq!((report.outcomes.len(), report.stopped.as_deref()), (2, Some("an instance failed")));
    let (report, _) = does(&["1"], &[], 1, Paper::default());
    assert_eq!((report.outcomes.len(), report.stopped), (4, None));
}

#[test]
fn a_wrong_host_key_stops_whatever_is_put_up_with() {
    let (report, _) = does(&[], &["1"], 9, Paper::default());
    assert_eq!(report.outcomes.len(), 2);
    assert!(report.stopped.is_some_and(|why| why.contains("host key")));
}

#[test]
fn nothing_is_begun_after_an_interrupt_a_deploy_or_a_full_disk() {
    let stopped = |paper: Paper| {
        let (report, _) = does(&[], &[], 0, paper);
        (report.outcomes.len(), report.interrupted, report.stopped.unwrap_or_default())
    };
    let (done, interrupted, _) = stopped(Paper { interrupt_after: Some(2), ..Paper::default() });
    assert_eq!((done, interrupted), (2, true), "what was under way is let finish");
    let (done, interrupted, why) = stopped(Paper { deploy_after: Some(3), ..Paper::default() });
    assert_eq!((done, interrupted, why.as_str()), (3, false, "a deploy"));
    let (done, _, why) = stopped(Paper { full_after: Some(1), ..Paper::default() });
    assert!(done == 1 && why.starts_with("the journal cannot be written"), "{why}");
}

#[test]
fn as_many_at_a_time_as_allowed() {
    let fleet = Fleet { bad: BTreeSet::new(), key: BTreeSet::new(), under_way: Mutex::default() };
    let (targets, look) = (targets(), look(&[]));
    let mut paper = Paper::default();
    let report = run(&fleet, &[stage(&[0, 1, 2, 3], 4)], &works(&targets, &look), 0, &mut paper);
    assert_eq!(report.outcomes.len(), 4);
    assert_eq!(&paper.lines[..4], ["intent 0", "intent 1", "intent 2", "intent 3"]);
}
