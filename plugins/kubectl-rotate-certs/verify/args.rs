//! The command line of `verify`.

use clap::{Args, ValueEnum, ValueHint};
use jiff::Timestamp;
use rotation_core::facts::x509::San;
use rotation_core::plan::certificate::{Kind, RowKind};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  # A whole set: fields, chains, keys that fit, modes
  kubectl rotate-certs verify /etc/kubernetes

  # Each leaf under the old CA, the new one, and both together, a month from now
  kubectl rotate-certs verify pki --ca old-ca.crt --ca new-ca.crt --ca bundle.crt --at 2026-12-31T00:00:00Z

  # What the API server's certificate must cover
  kubectl rotate-certs verify server.crt --as server --san kubernetes,kubernetes.default,10.254.0.1

  # For a pipeline
  kubectl rotate-certs verify pki --layout kubeadm -o junit > certificates.xml

Exit codes:
  0  nothing was found, or only notes      2  wrong command line
  1  unexpected error                      3  errors or warnings were found

docs/findings.md explains each finding.";

/// Look at certificates, keys and kubeconfig files, and say what is wrong with them
///
/// Nothing is changed and nobody is asked. Directories are looked at as a whole: leaves against the CAs beside them, keys
/// against their certificates. Of a set with generations the one in use is looked at.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    /// Files and directories; `-` reads standard input
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,

    /// A trust bundle under which each leaf must be good; several are tried one by one [default: the set's own CAs]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca: Vec<PathBuf>,

    /// Names and addresses that each server's certificate must cover
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = san)]
    pub(crate) san: Vec<San>,

    /// The same from a file, one a line; `#` begins a comment
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) san_file: Option<PathBuf>,

    /// A server's certificate may have no other names
    #[arg(long)]
    pub(crate) san_only: bool,

    /// What leaves are for, instead of what they say themselves
    #[arg(long = "as", value_name = "KIND", value_enum)]
    pub(crate) purpose: Option<Purpose>,

    /// Judge each file by its row of this layout: a name, or a file
    #[arg(long, value_name = "LAYOUT")]
    pub(crate) layout: Option<String>,

    /// Judge as of this time
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,

    /// Findings that are accepted, by id
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = kind)]
    pub(crate) accept: Vec<Kind>,

    /// Format of the result
    #[arg(help_heading = "Output", short, long, value_name = "FORMAT", value_enum, default_value_t = VerifyFormat::Text)]
    pub(crate) output: VerifyFormat,
}

/// `--as`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Purpose {
    /// They are shown by servers
    Server,
    /// They are shown by clients
    Client,
    /// They are shown by both, as etcd's are
    Peer,
    /// They sign others
    Ca,
}

impl From<Purpose> for RowKind {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Server => Self::Server,
            Purpose::Client => Self::Client,
            Purpose::Peer => Self::Peer,
            Purpose::Ca => Self::Authority,
        }
    }
}

/// `-o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerifyFormat {
    /// For people
    Text,
    /// One document
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit's XML, for pipelines
    Junit,
}

pub(super) fn san(text: &str) -> Result<San, String> {
    San::parse(text).map_err(|why| why.to_string())
}

fn kind(id: &str) -> Result<Kind, String> {
    let known = Kind::ALL.iter().find(|kind| kind.id() == id);
    known.copied().ok_or_else(|| format!("there is no finding `{id}`; docs/findings.md lists them"))
}
