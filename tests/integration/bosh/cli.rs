//! `bosh` itself: missing, no program, too old, talking nonsense, silent. No VM is needed for that.

use crate::harness::sandbox::Sandbox;
use crate::harness::{Case, cases};
use std::fs;
use std::path::Path;
use std::process::Command;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        no_bosh_at_all;
        a_bosh_that_is_no_program;
        a_bosh_that_is_too_old;
        a_bosh_that_prints_garbage;
        a_bosh_that_hangs;
    ]
}

/// The tool with this script as its `bosh`; without one there is none.
fn with(script: Option<(&str, u32)>, line: &str) -> (Sandbox, Command) {
    let sandbox = Sandbox::new(Path::new(""));
    let folder = sandbox.path("bin");
    fs::create_dir(&folder).unwrap();
    if let Some((text, mode)) = script {
        // By another process: no other test's child may have it open to write when it is run.
        let (source, path) = (sandbox.path("bosh.script"), folder.join("bosh"));
        fs::write(&source, text).unwrap();
        let mut install = Command::new("install");
        install.args(["-m", &format!("{mode:o}")]).args([source, path]);
        assert!(install.status().unwrap().success());
    }
    let mut command = Command::new(crate::harness::vms::TOOL);
    sandbox.prepare(&mut command);
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    command.env("BOSH_ENVIRONMENT", "https://192.0.2.1").env("BOSH_DEPLOYMENT", "kubernetes");
    command.args(line.split_whitespace());
    (sandbox, command)
}

fn no_bosh_at_all() {
    let (sandbox, mut command) = with(None, "--yes");
    let outcome = sandbox.outcome(&mut command);
    outcome.exits(1).says("bosh").says("hint: ");
}

fn a_bosh_that_is_no_program() {
    let (sandbox, mut command) = with(Some(("not for running\n", 0o644)), "--yes");
    sandbox.outcome(&mut command).exits(1).says("bosh");
}

fn a_bosh_that_is_too_old() {
    // Version 1 was written in Ruby and knows none of these flags.
    let old = "#!/bin/sh\necho 'invalid option: --json' >&2\nexit 1\n";
    let (sandbox, mut command) = with(Some((old, 0o755)), "--yes");
    sandbox.outcome(&mut command).exits(1).says("bosh");
}

fn a_bosh_that_prints_garbage() {
    let garbage =
        "#!/bin/sh\nprintf '\\033[2J{\"Tables\": [{\"Rows\": 7'; head -c 100000 /dev/urandom\n";
    let (sandbox, mut command) = with(Some((garbage, 0o755)), "--yes");
    let outcome = sandbox.outcome(&mut command);
    outcome.exits(1);
    assert!(!outcome.text().contains('\u{1b}'), "an escape came through");
    assert!(outcome.text().len() < 20_000, "{} bytes", outcome.text().len());
}

fn a_bosh_that_hangs() {
    let hangs = "#!/bin/sh\nexec sleep 600\n";
    let (sandbox, command) = with(Some((hangs, 0o755)), "verify");
    let running = sandbox.begin(command);
    crate::harness::until("bosh was called", || {
        let children = format!("/proc/{0}/task/{0}/children", running.pid());
        fs::read_to_string(children).is_ok_and(|text| !text.trim().is_empty())
    });
    // A person who has seen enough ends both.
    running.signal(rustix::process::Signal::INT);
    running.end().exits(130);
}
