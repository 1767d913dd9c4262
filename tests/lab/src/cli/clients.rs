//! The verbs for clients on a lab of machines.

use anyhow::Result;
use clap::{Args, Subcommand};

use super::{Named, out};
use crate::machines::{Clients, Counted, Machines, Scope};
use crate::talk::say;

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Start clients of every kind; they run until they are stopped.
    Start(Start),
    /// Say what they have counted since they were started: requests, failures, the longest gap.
    Read(Read),
    /// Stop them, and say what they counted in all.
    Stop(Read),
}

#[derive(Debug, Args)]
pub(super) struct Start {
    #[command(flatten)]
    named: Named,
    /// An aggregated API server and an admission webhook too, and clients of both.
    #[arg(long)]
    extended: bool,
}

#[derive(Debug, Args)]
pub(super) struct Read {
    #[command(flatten)]
    named: Named,
    /// A row for each target instead of one for each kind.
    #[arg(long)]
    targets: bool,
    /// JSON instead of a table.
    #[arg(long, conflicts_with = "targets")]
    json: bool,
}

impl Verb {
    pub(super) fn run(&self) -> Result<()> {
        match self {
            Self::Start(start) => {
                let name = &start.named.name;
                let scope = if start.extended { Scope::Extended } else { Scope::Core };
                Clients::start(&Machines::open(name)?, scope)?.leave();
                say(&format!("what they count: cargo lab clients read --name {name}"));
                Ok(())
            }
            Self::Read(read) => {
                read.show(&Clients::open(&Machines::open(&read.named.name)?).read()?)
            }
            Self::Stop(read) => {
                read.show(&Clients::open(&Machines::open(&read.named.name)?).stop()?)
            }
        }
    }
}

impl Read {
    fn show(&self, counted: &Counted) -> Result<()> {
        out(&if self.json {
            format!("{:#}\n", counted.json())
        } else if self.targets {
            counted.targets()
        } else {
            counted.table()
        })
    }
}
