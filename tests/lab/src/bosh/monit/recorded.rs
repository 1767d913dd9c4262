//! The engine against what monit 5.2.5 itself was recorded to do: the same states in the same order, each within a
//! second and a bit, over simulated time.

use std::path::Path;
use std::time::Duration;

use super::engine::{Board, World, round};
use super::service::{Action, Service, Watch};

const TICK: Duration = Duration::from_millis(50);
const POLL: Duration = Duration::from_secs(10);
/// Recordings were taken about once a second, on a machine that did other things besides.
const TOLERANCE: f64 = 1.3;

/// How the recorded proxy behaved.
#[derive(Clone, Copy, Debug, Default)]
struct Proxy {
    /// What a start comes to: it runs, it exits at once, or it exits after so long.
    lives: Option<Duration>,
    /// Whether it takes a stop 26 seconds.
    deaf: bool,
    /// Whether somebody removed the pidfile.
    lost: bool,
}

/// A VM in simulated time: one proxy, its pidfile, and what was seen of its state.
struct Simulation {
    board: Board,
    now: Duration,
    proxy: Proxy,
    running: Vec<(u32, Option<Duration>)>,
    pidfile: Option<u32>,
    next: u32,
    stopping: Option<Duration>,
    seen: Vec<(f64, String)>,
}

impl Simulation {
    fn new(proxy: Proxy) -> Self {
        let service = Service {
            name: "proxy".to_owned(),
            pidfile: "/p".into(),
            start: vec!["start".to_owned()],
            stop: vec!["stop".to_owned()],
            start_timeout: Duration::from_mins(1),
            stop_timeout: Duration::from_secs(30),
            watch: Watch::Yes,
            pending: None,
            pid: Some(100),
            execution_failed: false,
            does_not_exist: false,
            pid_changed: false,
        };
        Self {
            board: Board::new(vec![service]),
            now: Duration::ZERO,
            proxy,
            running: vec![(100, None)],
            pidfile: (!proxy.lost).then_some(100),
            next: 101,
            stopping: None,
            seen: Vec::new(),
        }
    }

    fn note(&mut self) {
        let state = self.board.lock()[0].state();
        if self.seen.last().is_none_or(|(_, last)| *last != state) {
            self.seen.push((self.now.as_secs_f64(), state));
        }
    }

    /// Rounds until the time is over; an action that was asked for wakes it at the beginning.
    fn run(mut self, limit: Duration) -> Vec<(f64, String)> {
        let board = self.board.clone();
        self.note();
        while self.now < limit {
            round(&board, &mut self);
            self.note();
            self.sleep(POLL);
        }
        self.seen
    }
}

impl World for Simulation {
    fn sleep(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += TICK;
            let now = self.now;
            self.running.retain(|(_, end)| end.is_none_or(|end| now < end));
            if self.stopping.is_some_and(|end| now >= end) {
                let pid = self.pidfile.take();
                self.running.retain(|(one, _)| Some(*one) != pid);
                self.stopping = None;
            }
            self.note();
        }
    }

    fn alive(&self, pid: u32) -> bool {
        self.running.iter().any(|(one, _)| *one == pid)
    }

    fn read_pid(&self, _: &Path) -> Option<u32> {
        self.pidfile
    }

    fn spawn(&mut self, command: &[String]) {
        if command[0] == "stop" {
            let takes = if self.proxy.deaf { 25.5 } else { 0.15 };
            self.stopping = Some(self.now + Duration::from_secs_f64(takes));
            return;
        }
        self.pidfile = Some(self.next);
        let end = self.proxy.lives.map(|lives| self.now + lives);
        self.running.push((self.next, end));
        self.next += 1;
    }

    fn log(&mut self, _: &str, _: &str) {}
}

/// The states that a recording shows below a heading, each with the second in which it was first seen.
fn recorded(text: &str, heading: &str) -> Vec<(f64, String)> {
    let begin = text.find(heading).expect("the heading is there") + heading.len();
    let mut seen: Vec<(f64, String)> = Vec::new();
    for line in text[begin..].lines().skip(1) {
        let Some((time, state)) = line.split_once("Process 'proxy'") else {
            if line.starts_with("#####") || line.starts_with("--") {
                break;
            }
            continue;
        };
        let (Ok(time), Some((state, _))) = (time.trim().parse(), state.split_once(';')) else {
            if seen.is_empty() {
                continue;
            }
            break;
        };
        if seen.last().is_none_or(|(_, last)| last != state.trim()) {
            seen.push((time, state.trim().to_owned()));
        }
    }
    seen
}

#[track_caller]
fn agree(ours: &[(f64, String)], theirs: &[(f64, String)]) {
    assert!(theirs.len() > 1, "nothing was recorded: {theirs:?}");
    for (number, (when, what)) in theirs.iter().enumerate() {
        let (at, state) = ours.get(number).unwrap_or_else(|| panic!("{ours:?}\n{theirs:?}"));
        assert!(
            state == what && (at - when).abs() <= TOLERANCE,
            "number {number}:\nours   {ours:?}\ntheirs {theirs:?}"
        );
    }
}

fn asked(proxy: Proxy, action: Action, set: impl FnOnce(&mut Service)) -> Vec<(f64, String)> {
    let simulation = Simulation::new(proxy);
    set(&mut simulation.board.lock()[0]);
    simulation.board.ask("proxy", action).unwrap();
    let seen = simulation.run(Duration::from_secs(90));
    // The first is what it was before anybody looked.
    seen
}

const BASICS: &str = include_str!("../../../../fixtures/bosh/monit-5.2.5-basics.txt");
const KILLED: &str = include_str!("../../../../fixtures/bosh/monit-5.2.5-killed.txt");
const LOST: &str = include_str!("../../../../fixtures/bosh/monit-5.2.5-pidfile-lost.txt");
const FAILS_60: &str = include_str!("../../../../fixtures/bosh/monit-5.2.5-start-fails-60s.txt");
const FAILS_8: &str = include_str!("../../../../fixtures/bosh/monit-5.2.5-start-fails-8s.txt");
const STOPPED: &str = include_str!("../../../../fixtures/bosh/monit-5.2.5-stop-unmonitor.txt");
const DEAF: &str = include_str!("../../../../fixtures/bosh/monit-5.2.5-term-ignored.txt");

/// Without the moment between being asked and beginning, which the recordings never caught.
fn begun(seen: Vec<(f64, String)>) -> Vec<(f64, String)> {
    seen.into_iter().skip_while(|(_, state)| state.starts_with("running - ")).collect()
}

#[test]
fn a_restart() {
    let ours = begun(asked(Proxy::default(), Action::Restart, |_| {}));
    agree(&ours, &recorded(BASICS, "##### A normal restart"));
}

#[test]
fn a_lost_pidfile_makes_a_second_process() {
    let lost = Proxy { lost: true, ..Proxy::default() };
    let ours = begun(asked(lost, Action::Restart, |_| {}));
    agree(&ours, &recorded(LOST, "##### C pidfile removed while running, then restart"));
}

#[test]
fn a_process_that_ignores_term() {
    let deaf = Proxy { deaf: true, ..Proxy::default() };
    let ours = begun(asked(deaf, Action::Restart, |_| {}));
    agree(&ours, &recorded(DEAF, "-- now the running copy ignores TERM"));
}

#[test]
fn a_start_that_fails() {
    let dies = Proxy { lives: Some(Duration::ZERO), ..Proxy::default() };
    let ours = begun(asked(dies, Action::Restart, |_| {}));
    agree(&ours, &recorded(FAILS_60, "start timeout 60"));
    let eight = |service: &mut Service| service.start_timeout = Duration::from_secs(8);
    let ours = begun(asked(dies, Action::Restart, eight));
    agree(&ours, &recorded(FAILS_8, "rc=0"));
}

#[test]
fn a_crash_loop() {
    let dies = Proxy { lives: Some(Duration::from_secs(2)), ..Proxy::default() };
    let ours = begun(asked(dies, Action::Restart, |_| {}));
    agree(&ours, &recorded(KILLED, "-- crash loop"));
}

#[test]
fn one_that_was_killed() {
    let mut simulation = Simulation::new(Proxy::default());
    // The recording began 1.7 s after a look.
    simulation.sleep(Duration::from_millis(1650));
    simulation.running.clear();
    let board = simulation.board.clone();
    simulation.now = Duration::ZERO;
    simulation.seen.clear();
    simulation.note();
    simulation.sleep(Duration::from_millis(8300));
    while simulation.now < Duration::from_secs(25) {
        round(&board, &mut simulation);
        simulation.note();
        simulation.sleep(POLL);
    }
    agree(&simulation.seen, &recorded(KILLED, "K killed -9 by hand (does not exist)"));
}

#[test]
fn stop_restart_and_unmonitor() {
    let ours = begun(asked(Proxy::default(), Action::Stop, |_| {}));
    agree(&ours, &recorded(STOPPED, "##### [minion/1] G stop / unmonitor"));
    let stopped = asked(Proxy { lost: true, ..Proxy::default() }, Action::Restart, |service| {
        service.watch = Watch::No;
    });
    agree(&stopped, &recorded(STOPPED, "-- restart of a stopped (not monitored) one"));
}

#[test]
fn a_second_action_is_refused() {
    let simulation = Simulation::new(Proxy::default());
    simulation.board.ask("proxy", Action::Restart).unwrap();
    let again = simulation.board.ask("proxy", Action::Restart).unwrap_err();
    let unknown = simulation.board.ask("nosuch", Action::Restart).unwrap_err();
    for reason in [again, unknown] {
        assert!(BASICS.contains(&format!("monit-actual: action failed -- {reason}\n")), "{reason}");
    }
}

#[test]
fn the_texts() {
    let simulation = Simulation::new(Proxy::default());
    let mut services = simulation.board.lock().clone();
    services.insert(0, Service { name: "kubelet".to_owned(), ..services[0].clone() });
    let summary = super::text::summary(&services, Duration::ZERO);
    let end = BASICS.find("rc=0").unwrap();
    let begin = BASICS.find("The Monit").unwrap();
    assert_eq!(summary.trim_end(), BASICS[begin..end].trim_end());
    let status = super::text::status(&services, Duration::ZERO, jiff::Timestamp::UNIX_EPOCH);
    for line in [
        "Process 'proxy'\n  status                            running\n  monitoring status                 monitored\n",
        "System 'system_localhost'\n  status                            running\n",
    ] {
        assert!(status.contains(line) && BASICS.contains(line), "{status}");
    }
}
