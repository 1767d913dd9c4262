//! Cases, what they need, and the end of a run: what was skipped is listed, labs are taken down.

pub(crate) mod accounts;
pub(crate) mod api;
pub(crate) mod labs;
pub(crate) mod outcome;
pub(crate) mod sandbox;
pub(crate) mod vms;
pub(crate) mod world;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a case needs of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    /// The rights of root.
    Root,
    /// A program, and the Debian package that it is in.
    Program(&'static str, &'static str),
    /// An sshd, which is on the path of the superuser alone.
    Sshd,
    /// VMs as BOSH makes them.
    Vms,
    /// Machines with real kubelets.
    Machines,
}

impl Need {
    /// Why it is not met.
    fn missing(self) -> Option<String> {
        match self {
            Self::Root => {
                (!rustix::process::geteuid().is_root()).then(|| "it needs root".to_owned())
            }
            Self::Sshd => (!Path::new(crate::inspecting::sshd::PROGRAM).exists())
                .then(|| "there is no sshd: run `apt-get install --yes openssh-server`".to_owned()),
            Self::Vms => lab::bosh::advice(&lab::bosh::missing(lab::bosh::Monit::Debian)),
            Self::Machines => lab::machines::advice(&lab::machines::missing()),
            Self::Program(program, package) => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                let found = std::env::split_paths(&path).any(|d| d.join(program).is_file());
                (!found).then(|| {
                    format!("there is no `{program}`: run `apt-get install --yes {package}`")
                })
            }
        }
    }
}

/// One test.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) needs: &'static [Need],
    pub(crate) run: fn(),
}

/// The functions of this module as cases; what one needs stands behind it.
macro_rules! cases {
    ($($name:ident $(: $($need:expr),+)?);* $(;)?) => {
        vec![$(crate::harness::Case {
            module: module_path!(),
            name: stringify!($name),
            needs: &[$($($need),+)?],
            run: $name,
        }),*]
    };
}
pub(crate) use cases;

static SKIPPED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

impl Case {
    fn on_machines(self) -> bool {
        self.needs.iter().any(|need| matches!(need, Need::Machines))
    }

    fn trial(self) -> Trial {
        let module = self.module.split_once("::").map_or("", |(_, inner)| inner);
        let name = format!("{module}::{}", self.name);
        Trial::ignorable_test(name.clone(), move || {
            let Some(reason) = self.needs.iter().find_map(|need| need.missing()) else {
                let one = || MACHINES.lock().unwrap_or_else(PoisonError::into_inner);
                let _alone = self.on_machines().then(one);
                (self.run)();
                return Ok(Completion::Completed);
            };
            if std::env::var("CI").is_ok_and(|ci| ci == "true") {
                return Err(Failed::from(format!(
                    "skipped, which CI=true does not allow: {reason}"
                )));
            }
            let mut skipped = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
            skipped.push((name, reason.clone()));
            Ok(Completion::ignored_with(reason))
        })
    }
}

/// Machines with kubelets need the processors: one such case at a time.
static MACHINES: Mutex<()> = Mutex::new(());

/// Runs all cases. Most of them wait for a cluster, not for a processor. Those on machines take longest and are begun first;
/// each that waits for another one of them holds a thread, and so keeps the processors for the one that runs.
pub(crate) fn run<const N: usize>(groups: [Vec<Case>; N]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut cases: Vec<Case> = groups.into_iter().flatten().collect();
    cases.sort_by_key(|case| !case.on_machines());
    let on_machines = cases.iter().filter(|case| case.on_machines()).count();
    arguments.test_threads.get_or_insert(processors * 2 + on_machines.min(processors));
    let trials = cases.into_iter().map(Case::trial).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    labs::take_down();
    let mut skipped = std::mem::take(&mut *SKIPPED.lock().unwrap_or_else(PoisonError::into_inner));
    skipped.sort();
    for (name, reason) in skipped {
        eprintln!("skipped: {name}: {reason}");
    }
    conclusion.exit_code()
}

/// Asks until it holds; a limit that a loaded machine keeps.
pub(crate) fn until(what: &str, holds: impl FnMut() -> bool) {
    within(Duration::from_mins(3), what, holds);
}

/// Asks until it holds, for so long.
pub(crate) fn within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < end, "waited {limit:?}, and not yet: {what}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Every file below a directory.
pub(crate) fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![dir.to_path_buf()];
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                waiting.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}
