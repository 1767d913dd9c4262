//! The command line of `discover`.

use clap::{Args, ValueHint};
use rotation_core::cli::connection::ConnectionArgs;
use rotation_core::facts::duration::parse_go;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  # From the API alone
  kubectl rotate-certs discover > cluster.toml

  # And from the machines: what runs there, and how it is restarted
  kubectl rotate-certs discover --probe --ssh-option User=ubuntu --sudo > cluster.toml

  # Without the API, from machines that are named
  kubectl rotate-certs discover --ssh m1=10.0.0.1 --ssh w1=ubuntu@10.0.0.3 > cluster.toml

  # From copies of their files
  kubectl rotate-certs discover --root m1=copies/m1 --root w1=copies/w1 > cluster.toml

Exit codes:
  0  the draft has no gaps              3  it has some: look at its lines with CHECK
  1  unexpected error                   4  there is no control plane
  2  wrong command line                 130  interrupted";

/// Draft the file of machines, on standard output
///
/// Nothing is changed. Machines and addresses come from the API, or are named by --root and --ssh; what runs on them comes
/// from themselves. The draft can be used as it is; its comments say what is assumed and what should be looked at.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiscoverArgs {
    /// A machine's files, instead of asking the API; once for each
    #[arg(help_heading = "Machines", long, value_name = "NAME=DIR", value_hint = ValueHint::DirPath)]
    pub(crate) root: Vec<String>,

    /// A machine by ssh, instead of asking the API; once for each
    #[arg(help_heading = "Machines", long, value_name = "NAME=HOST", value_hint = ValueHint::Hostname)]
    pub(crate) ssh: Vec<String>,

    /// Look at the machines that the API names, by ssh
    #[arg(help_heading = "Machines", long)]
    pub(crate) probe: bool,

    /// An option of `ssh -o`; looks at the machines as well, and stands in the draft
    #[arg(help_heading = "Machines", long, value_name = "OPTION")]
    pub(crate) ssh_option: Vec<String>,

    /// Read as root on machines that ssh reaches, by `sudo -n`; stands in the draft
    #[arg(help_heading = "Machines", long)]
    pub(crate) sudo: bool,

    /// How long a machine may take by ssh
    #[arg(help_heading = "Machines", long, value_name = "DURATION", default_value = "1m", value_parser = parse_go)]
    pub(crate) ssh_timeout: Duration,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

impl DiscoverArgs {
    /// Whether machines are named, so that no API is asked.
    pub(crate) fn names_machines(&self) -> bool {
        !self.root.is_empty() || !self.ssh.is_empty()
    }

    /// Whether machines are looked at.
    pub(crate) fn looks(&self) -> bool {
        self.names_machines() || self.probe || self.sudo || !self.ssh_option.is_empty()
    }
}
