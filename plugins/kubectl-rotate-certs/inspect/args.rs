//! The command line of `inspect`, and what `check` has in common with it.

use super::beyond_args::BeyondArgs;
use super::bosh_args::BoshArgs;
use super::document_args::DocumentArgs;
use clap::{Args, ValueEnum, ValueHint};
use jiff::Timestamp;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  # This machine: its files, and what its processes use
  sudo kubectl rotate-certs inspect --root /

  # Copies of three machines' files
  kubectl rotate-certs inspect --root m1=copies/m1 --root m2=copies/m2 --root w1=copies/w1

  # Machines as ssh reaches them
  kubectl rotate-certs inspect --ssh m1 --ssh m2 --ssh w1=ubuntu@10.0.0.3 --sudo

  # VMs of a BOSH deployment, as `bosh ssh` reaches them
  kubectl rotate-certs inspect --bosh=master,minion -d kubernetes

  # The cluster beside them: its objects, and what its servers show now
  kubectl rotate-certs inspect --objects --live

  # What etcd stores, as its own container can say
  kubectl rotate-certs inspect --ssh m1 --sudo --etcd-in-container m1

  # Before a deploy, in a pipeline
  kubectl rotate-certs inspect --document manifest.yml --vars-file vars.yml

  # One page with all of it, for a change ticket
  kubectl rotate-certs inspect --root m1=copies/m1 --root w1=copies/w1 --html certificates.html

  # Which places hold the CA that is to go
  kubectl rotate-certs inspect --root / --old old-ca.crt --new new-ca.crt -o wide

Exit codes:
  0  done                        2  wrong command line
  1  unexpected error            4  nothing was found at all
                                 130  interrupted";

/// Show every place where a certificate, a key or a token lives, and to which generation it belongs
///
/// Nothing is changed. What cannot be read is shown as unknown, with the reason. Generations are the keys of each CA, by
/// their dates, unless --old and --new name them.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(crate) sources: SourceArgs,

    /// Format of the result
    #[arg(help_heading = "Output", short, long, value_name = "FORMAT", value_enum, default_value_t = InspectFormat::Table)]
    pub(crate) output: InspectFormat,

    /// Print tables without headers
    #[arg(help_heading = "Output", long)]
    pub(crate) no_headers: bool,

    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// A page besides.
#[derive(Args, Debug)]
pub(crate) struct PageArgs {
    /// Write one HTML page besides: findings, who trusts whom, when what ends, every place
    #[arg(help_heading = "Output", long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,
}

/// Where is looked, and what is known beforehand.
#[derive(Args, Debug)]
pub(crate) struct SourceArgs {
    /// A machine's files: `/` for this one, or a directory with a copy; several with names
    #[arg(help_heading = "Sources", long, value_name = "[NAME=]DIR", value_hint = ValueHint::DirPath)]
    pub(crate) root: Vec<String>,

    /// A machine by ssh, as your own `ssh` reaches it; 32 at a time
    #[arg(help_heading = "Sources", long, value_name = "[NAME=]HOST", value_hint = ValueHint::Hostname)]
    pub(crate) ssh: Vec<String>,

    /// An option of `ssh -o`, such as `IdentityFile=FILE`
    #[arg(help_heading = "Sources", long, value_name = "OPTION", requires = "ssh")]
    pub(crate) ssh_option: Vec<String>,

    /// Read as root on machines that ssh reaches, by `sudo -n`
    #[arg(help_heading = "Sources", long, requires = "ssh")]
    pub(crate) sudo: bool,

    /// How long a machine may take by ssh
    #[arg(help_heading = "Sources", long, value_name = "DURATION", default_value = "1m", requires = "ssh", value_parser = rotation_core::facts::duration::parse_go)]
    pub(crate) ssh_timeout: std::time::Duration,

    #[command(flatten)]
    pub(crate) bosh: BoshArgs,

    #[command(flatten)]
    pub(crate) documents: DocumentArgs,

    #[command(flatten)]
    pub(crate) beyond: BeyondArgs,

    /// Look at these places alone: names of what comes along, or files [default: all that come along]
    #[arg(help_heading = "Sources", long, value_name = "PLACES", value_delimiter = ',')]
    pub(crate) places: Vec<String>,

    /// Certificates or public keys that are the old generation
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) old: Vec<PathBuf>,

    /// Certificates or public keys that are the new generation
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) new: Vec<PathBuf>,

    /// Judge as of this time
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
}

/// `-o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InspectFormat {
    /// Places, certificates and generations, in 80 columns
    Table,
    /// The same with keys, names, times and who uses each place
    Wide,
    /// One document
    Json,
    /// The same document as YAML
    Yaml,
}
