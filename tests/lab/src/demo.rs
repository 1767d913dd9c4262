//! `cargo demo`: the runbook's command and `kubectl recycle` beside each other, on a cluster of their own.
//!
//! It proves itself: it succeeds only if the runbook's command lost something and ours lost nothing.

mod act;
mod binary;
mod endpoints;
mod form;
mod guard;
mod loss;
mod pods;
mod stage;
mod tell;
mod verdict;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::Args;

use act::{RECYCLE, RUNBOOK};
use form::Form;
use stage::Stage;
use tell::{heading, shown, tell};

/// What `lab demo` is asked for.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Simulated nodes; needs no root. Taken by itself where machines cannot be.
    #[arg(long, conflicts_with = "machines")]
    loopback: bool,
    /// Real machines with kubelets; needs root. Taken by itself where nothing is missing.
    #[arg(long)]
    machines: bool,
    /// The process that does the work, in a lab of this name; without it this is the one that watches over it.
    #[arg(long = "as", hide = true, value_name = "NAME")]
    name: Option<String>,
}

impl Demo {
    /// Runs it; whatever happens, nothing is left running.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let wanted = match (self.loopback, self.machines) {
            (true, _) => Some(Form::Loopback),
            (_, true) => Some(Form::Machines),
            _ => None,
        };
        match &self.name {
            Some(name) => play(name, wanted),
            None => guard::run(wanted),
        }
    }
}

/// The demo itself.
fn play(name: &str, wanted: Option<Form>) -> Result<ExitCode> {
    let began = Instant::now();
    let chosen = form::choose(wanted)?;
    tell(
        "This demo brings a Kubernetes cluster up on this computer, breaks its DNS with the command of a runbook \
         for rotating secrets, does the same work with `kubectl recycle`, and compares. Nothing is installed, and \
         everything is removed at the end, also after Ctrl-C.",
    );
    tell(&chosen.why);
    tell(&chosen.form.how_long()?);

    heading("1 of 4", "get ready");
    let plugin = binary::build()?;
    tell(&format!("The cluster comes up: {}.", chosen.form.up_within()));
    let stage = Stage::set(name, chosen.form, &plugin)?;
    tell(stage.scene());

    heading("2 of 4", "the runbook's command");
    tell("As it stands in the runbook:");
    shown(RUNBOOK);
    let runbook = act::runbook(&stage)?;

    heading("3 of 4", "kubectl recycle");
    tell("The same work, and the node agents of the same runbook with it:");
    shown(RECYCLE);
    let recycle = act::recycle(&stage)?;

    heading("4 of 4", "compare and clean up");
    stage.strike()?;
    tell(&format!(
        "The cluster is gone, and nothing of it is left. All of this took {:.0} s.",
        began.elapsed().as_secs_f64()
    ));
    verdict::table(&runbook, &recycle)?;
    verdict::judge(&runbook, &recycle)?;
    Ok(ExitCode::SUCCESS)
}
