//! The command line of `report`.

use clap::{Args, ValueEnum, ValueHint};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  # What was done, by whom, when, and what was replaced by what
  kubectl rotate-certs report

  # For a change ticket, or for an auditor, years later
  kubectl rotate-certs report --work archive/rotation-2026 --html rotation.html

  # For a pipeline
  kubectl rotate-certs report -o junit > rotation.xml

Exit codes:
  0  the journal is whole               3  the journal is damaged, or of another rotation
  1  unexpected error                   4  there is no rotation in this directory
  2  wrong command line";

/// Tell a rotation from its directory: what was replaced, by whom, when, and what the cluster answered
///
/// Nobody is asked and nothing is changed: the plan and the journal are enough. Each line of the journal carries the digest
/// of the line before it, so that what somebody changed afterwards is seen.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReportArgs {
    /// Directory of the rotation [default: `rotation` beside the machines' file]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) work: Option<PathBuf>,

    /// The machines' file, beside which the directory lies; it is not read [default: cluster.toml]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "work")]
    pub(crate) hosts: Option<PathBuf>,

    /// Format of the result
    #[arg(help_heading = "Output", short, long, value_name = "FORMAT", value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) output: ReportFormat,

    /// Write one HTML page besides: what was replaced, the time line, every gate
    #[arg(help_heading = "Output", long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,
}

/// `-o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people
    Text,
    /// One document
    Json,
    /// JUnit's XML, for pipelines
    Junit,
}

impl ReportArgs {
    /// The directory of the rotation.
    pub(crate) fn directory(&self) -> PathBuf {
        let beside = || {
            let machines = self.hosts.as_deref().unwrap_or(Path::new(""));
            machines.parent().unwrap_or(Path::new("")).join("rotation")
        };
        self.work.clone().unwrap_or_else(beside)
    }
}
