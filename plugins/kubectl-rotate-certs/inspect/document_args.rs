//! The flags of documents that are on no machine yet.

use clap::{Args, ValueHint};
use std::path::PathBuf;

/// Documents, and what their variables stand for.
#[derive(Args, Debug)]
pub(crate) struct DocumentArgs {
    /// A document from which certificates are deployed: a Salt pillar, a BOSH manifest or its variables, other YAML with
    /// PEM in it
    #[arg(help_heading = "Sources", long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) document: Vec<PathBuf>,

    /// What `((variables))` of the documents stand for, as `bosh deploy -l` takes it; the last one wins
    #[arg(help_heading = "Sources", long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "document")]
    pub(crate) vars_file: Vec<PathBuf>,
}
