//! Signals reach a process of our own: this test binary, started again.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROLE: &str = "ROTATION_TEST_INTERRUPTED_CHILD";

/// What the child does: listens, says so, and waits.
#[test]
fn the_child() {
    use rotation_core::world::interrupt::Interrupt;
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let interrupt = Interrupt::listen().expect("listening");
    eprintln!("ready");
    let asked = interrupt.pause(Duration::from_secs(20));
    eprintln!("asked {asked}");
    std::thread::sleep(Duration::from_secs(20));
}

fn child(before: &str) -> (Child, impl Iterator<Item = String>) {
    let me = std::env::current_exe().expect("a path");
    let script = format!("{before} exec \"$0\" --exact interrupting::the_child --nocapture");
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .arg(me)
        .env(ROLE, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let errors = BufReader::new(child.stderr.take().expect("piped"));
    let lines = errors.lines().map_while(Result::ok);
    (child, lines)
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{signal} {}", child.id())).status();
    assert!(sent.expect("sent").success());
}

#[test]
fn the_first_asks_and_the_second_ends_at_once() {
    for signal in ["INT", "TERM", "HUP"] {
        let (mut child, mut lines) = child("");
        assert!(lines.any(|l| l == "ready"));
        let begun = Instant::now();
        send(signal, &child);
        assert!(lines.any(|l| l == "asked true"), "{signal}");
        send(signal, &child);
        let status = child.wait().expect("ended");
        assert_eq!(status.code(), Some(130), "{signal}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn what_the_parent_ignores_stays_ignored() {
    let (mut child, mut lines) = child("trap '' HUP;");
    assert!(lines.any(|l| l == "ready"));
    send("HUP", &child);
    send("HUP", &child);
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().expect("looked").is_none(), "nohup keeps it alive");
    send("TERM", &child);
    assert!(lines.any(|l| l == "asked true"));
    send("TERM", &child);
    assert_eq!(child.wait().expect("ended").code(), Some(130));
}
