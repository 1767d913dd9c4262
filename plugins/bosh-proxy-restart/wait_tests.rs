//! The wait for a proof, as a shell runs it: against a monit and a clock that follow a script.

use super::*;
use rotation_core::world::exec::{self, Ended, Program};
use std::ffi::OsStr;
use std::time::Duration;

/// What the VM is like from a moment on: hundredths of a second since the restart, monit's word, the pidfile's process.
type Timeline = &'static [(u32, &'static str, u32)];

/// What surrounds the wait on a VM, with time that passes only where something is waited for or looked at. `timeline`
/// has lines of `MOMENT PID WORD`; the start time of a process is its number.
const WORLD: &str = r#"
t=0 begun=0 before=90 want_pid=90:90
say() { echo "$*"; }
clean() { cat; }
now() { echo $((t / 100)); }
sleep() { # in whole seconds, or in hundredths
  case $1 in
  0.??) _h=${1#0.}; t=$((t + ${_h#0})) ;;
  0.?) t=$((t + ${1#0.} * 10)) ;;
  *) t=$((t + $1 * 100)) ;;
  esac
}
at() {
  at_pid=0 at_word= at_since=0
  while read -r _moment _pid _word; do
    if [ "$_moment" -le "$t" ]; then
      [ "$_pid" = "$at_pid" ] || at_since=$_moment
      at_pid=$_pid at_word=$_word
    fi
  done <<END
$timeline
END
}
monit() { :; }
word_of() { at; echo "$at_word"; }
read_pidfile() {
  t=$((t + 5)) looks=$((looks + 1))
  at
  pid=$at_pid
  [ "$pid" != 0 ] || pid=-
  case $at_word in running | OK) runs="$runs $t" ;; esac
}
stat_of() { p_start=$1; }
ticks_left() { at; echo $((min_age * hz + at_since - t)); }
"#;

/// The verdict, when it came in hundredths of a second, and the moments of looks at which monit said that it runs.
fn waits(min_age: u32, limit: u32, timeline: Timeline) -> (String, u32, Vec<u32>) {
    let mut script = String::from("hz=100 looks=0 runs=\n");
    let lines: Vec<String> =
        timeline.iter().map(|(moment, word, pid)| format!("{moment} {pid} {word}")).collect();
    set(&mut script, "timeline", &lines.join("\n"));
    set(&mut script, "min_age", &min_age.to_string());
    set(&mut script, "limit", &limit.to_string());
    script.push_str(WAIT);
    script.push_str(WORLD);
    script.push_str("await_proof >/dev/null\necho $verdict $t $runs\n");
    let program = Program {
        program: OsStr::new("sh"),
        arguments: vec!["-c".into(), script.into()],
        variables: &[],
        input: b"",
        limit: Duration::from_mins(1),
        keep: 10_000,
    };
    let output = exec::run(&program, None).expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        (output.ended, output.stderr.as_slice()),
        (Ended::ByItself(Some(0)), &b""[..]),
        "{said}"
    );
    let mut words = said.split_whitespace();
    let verdict = words.next().expect("a verdict").to_owned();
    let mut moments = words.map(|word| word.parse().expect("a moment"));
    (verdict, moments.next().expect("an end"), moments.collect())
}

/// As it was measured of a stemcell's monit, which looks every ten seconds.
const STEMCELL: Timeline = &[
    (0, "not monitored - restart pending", 90),
    (20, "not monitored - restart pending", 0),
    (110, "not monitored - restart pending", 331),
    (200, "initializing", 331),
    (1210, "running", 331),
];

#[test]
fn a_stemcells_restart_costs_little_more_than_the_age_that_it_must_have_anyway() {
    let (verdict, ended, runs) = waits(12, 120, STEMCELL);
    assert_eq!(verdict, "ok");
    // It is 12 s old after 13.1 s.
    assert!((1310..=1390).contains(&ended), "{ended} {runs:?}");
    assert!(runs.len() >= 3, "{runs:?}");
}

#[test]
fn whatever_the_phase_of_monits_poll_three_looks_must_find_it_running() {
    for late in 0..21 {
        let late = late * 5;
        let timeline: Vec<(u32, &'static str, u32)> = vec![
            (0, "not monitored - restart pending", 0),
            (110, "initializing", 331),
            (1210 + late, "running", 331),
        ];
        let (verdict, ended, runs) = waits(12, 120, timeline.leak());
        assert!(verdict == "ok" && runs.len() >= 3, "{late}: {verdict} {runs:?}");
        assert!(ended <= 1310 + late + 100, "{late}: {ended}");
    }
}

#[test]
fn where_monit_is_content_at_once_the_age_is_the_wait() {
    let timeline: Timeline = &[(0, "OK - restart pending", 90), (30, "OK", 331)];
    let (verdict, ended, runs) = waits(12, 120, timeline);
    assert_eq!(verdict, "ok");
    assert!((1230..=1250).contains(&ended), "{ended}");
    // Once a second, and no more often.
    assert!(runs.windows(2).take(10).all(|two| two[1] - two[0] >= 100), "{runs:?}");
}

#[test]
fn a_job_that_need_not_grow_old_is_watched_for_two_seconds_all_the_same() {
    let (verdict, ended, runs) = waits(0, 60, &[(0, "OK", 331)]);
    assert_eq!((verdict.as_str(), runs.len()), ("ok", 3));
    assert!(ended >= 300 && runs[2] - runs[0] >= 200, "{ended} {runs:?}");
}

#[test]
fn another_process_begins_anew_whatever_monit_says() {
    // It ended and was started again between two looks; monit has seen nothing.
    let timeline: Timeline = &[(0, "OK", 331), (250, "OK", 400)];
    let (verdict, _, runs) = waits(0, 60, timeline);
    let of_the_second = runs.iter().filter(|moment| **moment >= 250).count();
    assert_eq!((verdict.as_str(), of_the_second), ("ok", 3), "{runs:?}");
    // The same, as late as it can be: all looks of the last stretch must be at the process that is old enough.
    let timeline: Timeline =
        &[(0, "initializing", 331), (1210, "running", 331), (1290, "running", 400)];
    let (verdict, ended, _) = waits(12, 120, timeline);
    assert!(verdict == "ok" && ended >= 1290 + 1200, "{ended}");
}

#[test]
fn a_word_that_is_not_running_begins_anew() {
    let timeline: Timeline = &[
        (0, "initializing", 331),
        (1210, "running", 331),
        (1300, "Does not exist", 331),
        (1600, "running", 331),
    ];
    let (verdict, ended, runs) = waits(12, 120, timeline);
    let after = runs.iter().filter(|moment| **moment >= 1600).count();
    assert!(verdict == "ok" && ended >= 1600 && after >= 3, "{ended} {runs:?}");
}

#[test]
fn the_old_process_never_counts_and_what_cannot_succeed_ends_early() {
    assert_eq!(waits(12, 40, &[(0, "running", 90)]).0, "late");
    assert_eq!(waits(12, 40, &[(0, "initializing", 331)]).0, "late");
    let crashing: Timeline = &[(0, "initializing", 331), (500, "x", 332), (1500, "x", 333)];
    let (verdict, ended, _) = waits(12, 120, crashing);
    assert!(verdict == "crashing" && ended < 1700, "{verdict} {ended}");
    let failing: Timeline = &[
        (0, "initializing", 0),
        (900, "Execution failed", 0),
        (1900, "not monitored", 0),
        (2700, "Execution failed", 0),
    ];
    let (verdict, ended, _) = waits(12, 120, failing);
    assert!(verdict == "failing" && ended < 2900, "{verdict} {ended}");
}
