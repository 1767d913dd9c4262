//! The lab of BOSH VMs: what its `bosh` prints is what the real one was recorded to print, sick VMs are sick as they
//! are said to be, and nothing is left of any of it. Needs root; without it, all are listed as skipped.

#[path = "bosh/ends.rs"]
mod ends;
#[path = "bosh/recorded.rs"]
mod recorded;
#[path = "bosh/vms.rs"]
mod vms;

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lab::bosh::{Monit, Options, Vms, advice, missing};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// Set for a child of these tests: it brings a lab of this name up and waits to be killed.
pub(crate) const CHILD: &str = "LAB_TEST_CHILD";

type Test = fn(&Vms) -> Result<()>;
type Own = fn() -> Result<()>;

fn main() -> ExitCode {
    if let Some(code) = lab::bosh::play() {
        return code;
    }
    if let Ok(name) = std::env::var(CHILD) {
        return match ends::child(&name) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let arguments = Arguments::from_args();
    let missing = advice(&missing(Monit::Debian));
    let own: [(&str, Own); 6] = [
        ("both_monits_restart_the_job", vms::both_monits),
        ("both_layouts_have_their_job", vms::both_layouts),
        ("every_sickness_is_what_it_says", vms::sicknesses),
        ("the_runbooks_command_takes_a_group_down_together", vms::runbook),
        ("down_leaves_nothing", ends::down),
        ("a_killed_owner_leaves_nothing", ends::sweep),
    ];
    let shared: &'static Shared = Box::leak(Box::default());
    let mut trials = Vec::new();
    for (name, test) in own {
        let missing = missing.clone();
        trials.push(Trial::ignorable_test(name, move || run(missing, test)));
    }
    for (name, test) in recorded::ALL {
        let missing = missing.clone();
        let name = format!("as_recorded::{name}");
        trials.push(Trial::ignorable_test(name, move || run(missing, || shared.with(*test))));
    }
    // The recordings wait for each other anyway: they change what is wrong with one director.
    let threads = arguments.test_threads.or(Some(3));
    let conclusion = libtest_mimic::run(&Arguments { test_threads: threads, ..arguments }, trials);
    shared.end();
    conclusion.exit_code()
}

fn run(missing: Option<String>, test: impl FnOnce() -> Result<()>) -> Result<Completion, Failed> {
    match missing {
        Some(reason) if std::env::var_os("CI").is_some_and(|ci| ci == "true") => {
            Err(format!("skipped, which is a failure with CI=true: {reason}").into())
        }
        Some(reason) => Ok(Completion::ignored_with(reason)),
        None => {
            test().map_err(|error| format!("{error:#}"))?;
            Ok(Completion::Completed)
        }
    }
}

/// The VMs that the recordings are compared on: brought up by the first that needs them, well before each.
#[derive(Default)]
struct Shared(Mutex<Option<Vms>>);

impl Shared {
    fn with(&self, test: Test) -> Result<()> {
        let mut lab = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lab.is_none() {
            *lab = Some(Vms::start(&Options { poll: 2, ..Options::default() })?);
        }
        let lab = lab.as_ref().context("no VMs")?;
        lab.set_faults(|faults| *faults = lab::bosh::Faults::default())?;
        test(lab)
    }

    fn end(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_mins(2);
    while !done()? {
        ensure!(Instant::now() < deadline, "waited two minutes for {what}, in vain");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
