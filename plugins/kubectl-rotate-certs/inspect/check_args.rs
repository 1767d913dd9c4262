//! The command line of `check`.

use super::args::{PageArgs, SourceArgs};
use clap::{Args, ValueEnum, ValueHint};
use jiff::SignedDuration;
use rotation_core::plan::certificate::Severity;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  # This machine, from cron: nothing is said unless something is found
  kubectl rotate-certs check --root / --quiet

  # Copies of three machines' files, for a pipeline
  kubectl rotate-certs check --root m1=copies/m1 --root m2=copies/m2 --root m3=copies/m3 -o junit > places.xml

  # For node-exporter
  kubectl rotate-certs check --root / --quiet --textfile /var/lib/node_exporter/certificates.prom

Exit codes:
  0  nothing was found, or notes       3  findings, from --fail-on upwards
  1  unexpected error                  4  there was nothing to look at
  2  wrong command line

docs/findings.md explains each finding.";

/// Look at every place, and say what is wrong: torn rotations, places that lag behind, dates, keys, modes
///
/// Nothing is changed. What cannot be read is a finding by itself.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) sources: SourceArgs,

    /// What ends within this time is a warning
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = days)]
    pub(crate) warn: SignedDuration,

    /// What ends within this time is an error
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = days)]
    pub(crate) critical: SignedDuration,

    /// From which severity on the exit code is 3
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t = FailOn::Warning)]
    pub(crate) fail_on: FailOn,

    /// Show notes too, which are worth knowing and ask for nothing
    #[arg(help_heading = "Output", long)]
    pub(crate) notes: bool,

    /// Look again and again, this long after each look, and tell what came and what went
    #[arg(long, value_name = "DURATION", value_parser = pause, conflicts_with_all = ["at", "html"])]
    pub(crate) watch: Option<Duration>,

    /// Exceptions: each with an id, a place, a last day and a reason
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) waivers: Option<PathBuf>,

    /// Write the figures for node-exporter's textfile collector besides
    #[arg(help_heading = "Output", long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) textfile: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) page: PageArgs,

    /// Format of the result
    #[arg(help_heading = "Output", short, long, value_name = "FORMAT", value_enum, default_value_t = CheckFormat::Text)]
    pub(crate) output: CheckFormat,
}

impl CheckArgs {
    /// Whether notes are told.
    pub(crate) fn shows_notes(&self) -> bool {
        self.notes || self.fail_on.counts(Severity::Note)
    }
}

/// `--fail-on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Errors alone
    Error,
    /// Errors and warnings
    Warning,
    /// Anything
    Note,
}

impl FailOn {
    /// Whether a finding of this severity counts.
    pub(crate) fn counts(self, severity: Severity) -> bool {
        match severity {
            Severity::Error => true,
            Severity::Warning => self != Self::Error,
            Severity::Note => self == Self::Note,
        }
    }
}

/// `-o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people
    Text,
    /// One document
    Json,
    /// JUnit's XML, for pipelines
    Junit,
    /// Figures, for Prometheus
    Openmetrics,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// What machines and API servers bear.
fn pause(text: &str) -> Result<Duration, String> {
    let pause = rotation_core::facts::duration::parse_go(text)
        .map_err(|_| format!("`{text}` is not a duration; durations look like `5m`, `30s`"))?;
    if pause < Duration::from_secs(1) {
        return Err("looks are at least `1s` apart".to_owned());
    }
    Ok(pause)
}

/// Days, as people count what is left of certificates, or a duration of Go.
fn days(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("`{text}` is not a duration; durations look like `30d`, `36h`");
    if let Some(number) = text.strip_suffix('d') {
        let days: u32 = number.parse().map_err(|_| wrong())?;
        return Ok(SignedDuration::from_hours(i64::from(days) * 24));
    }
    let duration = rotation_core::facts::duration::parse_go(text).map_err(|_| wrong())?;
    SignedDuration::try_from(duration).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        check: CheckArgs,
    }

    #[test]
    fn days_and_durations() {
        for (text, hours) in [("30d", 720), ("0d", 0), ("36h", 36), ("0", 0)] {
            assert_eq!(days(text), Ok(SignedDuration::from_hours(hours)), "{text}");
        }
        for text in ["", "d", "-1d", "1.5d", "30", "99999999999d"] {
            assert!(days(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_are_the_usual_ones_unless_they_are_given() {
        use rotation_core::plan::inventory::Limits;
        let cli = Cli::parse_from(["check"]).check;
        assert_eq!((cli.warn, cli.critical), (Limits::USUAL.warn, Limits::USUAL.critical));
    }

    #[test]
    fn each_threshold_counts_what_is_as_bad_or_worse() {
        for (fail_on, counted) in [(FailOn::Error, 1), (FailOn::Warning, 2), (FailOn::Note, 3)] {
            let all = [Severity::Error, Severity::Warning, Severity::Note];
            assert_eq!(all.iter().filter(|s| fail_on.counts(**s)).count(), counted);
        }
    }
}
