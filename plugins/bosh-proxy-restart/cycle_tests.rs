//! One instance against a scripted network: what is sent, how often, and what is believed.

use super::*;
use crate::jobs::Jobs;
use crate::records::tests::{HEALTHY, look};
use jiff::Timestamp;
use rotation_core::facts::bosh::InstanceName;
use rotation_core::world::hosts::bosh::{DirectorFault, Reach};
use std::collections::VecDeque;
use std::sync::Mutex;

/// What an answer is.
type Answer = Result<Reach, BoshError>;

/// Answers in order, and remembers which kind of script was sent.
struct Scripted {
    answers: Mutex<VecDeque<Answer>>,
    sent: Mutex<Vec<&'static str>>,
    /// Whether somebody asks to stop at the first wait.
    stops: bool,
}

impl Hosts for Scripted {
    fn ssh(
        &self,
        _: &InstanceName,
        script: &str,
        _: Duration,
        stoppable: bool,
    ) -> Result<Reach, BoshError> {
        let kind = if script.contains("say phase restart") {
            "restart"
        } else if script.contains("say phase heal") {
            "heal"
        } else {
            "look"
        };
        assert_eq!(stoppable, kind == "look", "only looks end when somebody asks to stop");
        self.sent.lock().expect("one thread").push(kind);
        self.answers.lock().expect("one thread").pop_front().expect("an answer for each script")
    }

    fn pause(&self, _: Duration) -> bool {
        self.stops
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_795_314_765).expect("a time")
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// The VM with another proxy.
fn anew(text: &str) -> String {
    text.replace("\t138\t", "\t331\t").replace("\t138\n", "\t331\n").replace("509642", "517500")
}

fn said(text: impl Into<String>) -> Reach {
    Reach::Said(text.into())
}

fn lost() -> Reach {
    Reach::Lost("the connection ended".to_owned())
}

fn unreachable() -> Reach {
    Reach::Unreachable("ssh: connect to host x port 22: Connection refused".to_owned())
}

/// A restart that worked.
fn restarted() -> Reach {
    let before = HEALTHY.replace("end\n", "");
    let after = anew(&HEALTHY.replace("phase\tbefore", "phase\tafter").replace("end\n", ""));
    said(format!(
        "{before}phase\trestart\nrestart-rc\t0\t\nstate\t13\trunning\t331\n{after}verdict\tok\t14\nend\n"
    ))
}

fn unlike(why: &str) -> Reach {
    said(format!("{}verdict\tmoved\t{why}\nend\n", HEALTHY.replace("end\n", "")))
}

fn does(deed: Deed, answers: Vec<Reach>) -> (Outcome, Vec<&'static str>) {
    answered(deed, answers.into_iter().map(Ok).collect(), false)
}

/// The same, and somebody asks to stop at the first wait.
fn stopping(answers: Vec<Reach>) -> (Outcome, Vec<&'static str>) {
    answered(Deed::Restart { start_stopped: false }, answers.into_iter().map(Ok).collect(), true)
}

fn answered(deed: Deed, answers: VecDeque<Answer>, stops: bool) -> (Outcome, Vec<&'static str>) {
    let hosts = Scripted { answers: Mutex::new(answers), sent: Mutex::default(), stops };
    let name = InstanceName { group: "minion".into(), id: "a".into() };
    let job = Jobs::embedded().named("proxy");
    let target = Target { name, index: Some(0), az: "z1".into(), bootstrap: false, job };
    let look = look(&[]);
    let patience = Patience { min_age: 12, limit: 120 };
    let outcome = work(&hosts, &Work { target: &target, look: &look, deed, patience });
    assert!(hosts.answers.lock().expect("one thread").is_empty(), "everything was asked for");
    (outcome, hosts.sent.into_inner().expect("one thread"))
}

fn restart(answers: Vec<Reach>) -> (Class, bool, Vec<&'static str>) {
    let (outcome, sent) = does(Deed::Restart { start_stopped: false }, answers);
    (outcome.class, outcome.changed, sent)
}

#[test]
fn a_good_one_needs_one_script() {
    let (outcome, sent) = does(Deed::Restart { start_stopped: false }, vec![restarted()]);
    assert_eq!((outcome.class, outcome.old, outcome.new), (Class::Ok, Some(138), Some(331)));
    assert_eq!((sent, outcome.changed), (vec!["restart"], true));
}

#[test]
fn only_what_did_not_run_is_sent_again() {
    let again = restart(vec![unreachable(), unreachable(), restarted()]);
    assert_eq!(again, (Class::Ok, true, vec!["restart"; 3]));
    let never = restart(vec![unreachable(), unreachable(), unreachable()]);
    assert_eq!(never, (Class::Unreachable, false, vec!["restart"; 3]));
    let key = restart(vec![Reach::HostKey("another".into())]);
    assert_eq!(key, (Class::HostKey, false, vec!["restart"]));
    let agent = || Reach::Agent("Timed out sending".into());
    assert_eq!(restart(vec![agent(), agent()]), (Class::Agent, false, vec!["restart"; 2]));
}

#[test]
fn after_a_lost_connection_the_vm_is_asked_before_anything_else() {
    let took = restart(vec![lost(), said(anew(HEALTHY))]);
    assert_eq!(took, (Class::Warn, true, vec!["restart", "look"]));
    // It did not take: only now a second restart may be sent.
    let did_not = restart(vec![lost(), said(HEALTHY), said(HEALTHY), restarted()]);
    assert_eq!(did_not, (Class::Ok, true, vec!["restart", "look", "look", "restart"]));
    // Nobody knows, and nothing more is sent.
    let dark = restart(vec![lost(), unreachable(), unreachable(), unreachable()]);
    assert_eq!(dark, (Class::Unreachable, true, vec!["restart", "look", "look", "look"]));
    let broken = anew(HEALTHY).replace("running", "Does not exist");
    assert_eq!(
        restart(vec![lost(), said(broken)]),
        (Class::NotRunning, true, vec!["restart", "look"])
    );
}

#[test]
fn what_a_second_look_finds_too_young_is_watched_on() {
    // 11.42 s old where 12 s are wanted: the script that would have waited was cut off with its connection.
    let young = || said(anew(HEALTHY).replace("517500", "518000"));
    let grown = || said(anew(HEALTHY).replace("517500", "518000").replace("5191.42", "5192.10"));
    assert_eq!(
        restart(vec![lost(), young(), grown()]),
        (Class::Warn, true, vec!["restart", "look", "look"])
    );
    // It died in the meantime.
    let dead = anew(HEALTHY).replace("running", "Does not exist");
    assert_eq!(
        restart(vec![lost(), young(), said(dead)]),
        (Class::NotRunning, true, vec!["restart", "look", "look"])
    );
    assert_eq!(
        restart(vec![lost(), young(), unreachable(), unreachable(), unreachable()]).0,
        Class::Unreachable
    );
}

#[test]
fn what_never_grows_old_is_late() {
    let (outcome, sent) = stopping(vec![lost(), said(anew(HEALTHY).replace("517500", "518000"))]);
    assert_eq!(
        (outcome.class, outcome.late, sent),
        (Class::NotRunning, true, vec!["restart", "look"])
    );
    assert!(outcome.why.contains("too young"), "{}", outcome.why);
}

#[test]
fn a_damaged_answer_is_a_lost_one() {
    let cut = HEALTHY.replace("end\n", "phase\trestart\n");
    assert_eq!(
        restart(vec![said(cut), said(anew(HEALTHY))]),
        (Class::Warn, true, vec!["restart", "look"])
    );
    let garbled = Reach::Garbled("damaged".into());
    assert_eq!(restart(vec![garbled, said(anew(HEALTHY))]).0, Class::Warn);
}

#[test]
fn a_vm_that_has_moved_is_judged_again() {
    // Monit itself has started another one since: it is not done to twice.
    let (outcome, sent) = does(
        Deed::Restart { start_stopped: false },
        vec![unlike("another process"), said(anew(HEALTHY))],
    );
    assert_eq!((outcome.class, outcome.changed), (Class::Warn, false));
    assert_eq!(sent, ["restart", "look"]);
    let twin =
        "proc\t906\t1\tS\t518000\thost\t/var/vcap/packages/kubernetes/bin/kube-proxy\tx\nend\n";
    let sick = HEALTHY.replace("end\n", twin);
    assert_eq!(
        restart(vec![unlike("two"), said(sick)]),
        (Class::UnhealthyBefore, false, vec!["restart", "look"])
    );
    assert_eq!(
        restart(vec![unlike("a blink"), said(HEALTHY), restarted()]),
        (Class::Ok, true, vec!["restart", "look", "restart"])
    );
}

#[test]
fn what_is_busy_is_waited_for_and_not_for_ever() {
    let locked = || said("verdict\tlocked\nend\n");
    assert_eq!(
        restart(vec![locked(), said(HEALTHY), restarted()]),
        (Class::Ok, true, vec!["restart", "look", "restart"])
    );
    let (class, changed, _) =
        restart(vec![locked(), said(HEALTHY), locked(), said(HEALTHY), locked()]);
    assert_eq!((class, changed), (Class::NotRestarted, false));
}

#[test]
fn the_director_s_failure_is_its_own_class() {
    let message = "401".to_owned();
    let error = BoshError::Director { kind: DirectorFault::Credentials, message };
    let (outcome, sent) =
        answered(Deed::Restart { start_stopped: false }, VecDeque::from([Err(error)]), false);
    assert_eq!((outcome.class, outcome.changed, sent), (Class::Director, false, vec!["restart"]));
}

#[test]
fn a_heal_is_never_sent_twice_to_a_vm_that_has_moved() {
    let heal = || Deed::Heal { kill: vec![ProcessId { pid: 138, start: 509_642 }] };
    let (outcome, sent) = does(heal(), vec![unlike("gone"), said(HEALTHY)]);
    assert_eq!((outcome.class, sent), (Class::UnhealthyBefore, vec!["heal", "look"]));
    let (outcome, sent) = does(heal(), vec![lost(), said(anew(HEALTHY))]);
    assert_eq!((outcome.class, sent), (Class::Warn, vec!["heal", "look"]));
}
