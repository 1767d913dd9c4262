//! Certificates and chains that others made, with their verdicts: BetterTLS, x509-limbo, and rustls-webpki's test data.
//!
//! They are read in place from the directory that the variable `ROTATION_CORPORA` names. Without it these tests are listed as
//! skipped: nobody needs the corpora to use or to build the tools.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test reads its data, its clock and its environment, and says what it skipped"
)]

mod cases;
mod certificates;
mod limbo;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::path::PathBuf;
use std::process::ExitCode;

type Test = fn() -> anyhow::Result<()>;

/// The variable that names the directory.
const VARIABLE: &str = "ROTATION_CORPORA";

fn main() -> ExitCode {
    let tests: [(&str, Test); 4] = [
        ("better_tls", limbo::better_tls),
        ("limbo", limbo::limbo),
        ("certificates", certificates::all_are_parsed_or_refused),
        ("mutations", certificates::mutations_are_parsed_or_refused),
    ];
    let trials = tests.map(|(name, test)| {
        Trial::ignorable_test(name, move || {
            if directory().is_none() {
                let reason = format!("{VARIABLE} names no directory with the corpora");
                eprintln!("skipped: corpora::{name}: {reason}");
                return Ok(Completion::ignored_with(reason));
            }
            test().map(|()| Completion::Completed).map_err(|e| Failed::from(format!("{e:#}")))
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().collect()).exit_code()
}

/// Where the corpora are.
fn directory() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).map(PathBuf::from).filter(|path| path.is_dir())
}

/// A file of the corpora.
fn file(name: &str) -> anyhow::Result<Vec<u8>> {
    let path = directory().unwrap_or_default().join(name);
    std::fs::read(&path).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))
}
