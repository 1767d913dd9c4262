//! `cargo demo`: the runbook's command and `kubectl recycle` beside each other, on a cluster of their own; and on
//! machines the cluster's CAs replaced by `kubectl rotate-certs`.
//!
//! It proves itself: it succeeds only if the runbook's command lost something and ours lost nothing.

mod act;
mod binary;
mod endpoints;
mod form;
mod guard;
mod loss;
mod pods;
mod rotation;
mod stage;
mod tell;
mod verdict;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::Args;

use act::{RECYCLE, RUNBOOK};
use form::Form;
use stage::{Lab, Stage};
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
         for rotating secrets, does the same work with `kubectl recycle`, and compares. On machines it then replaces \
         the cluster's CAs under way. Nothing is installed, and everything is removed at the end, also after Ctrl-C.",
    );
    tell(&chosen.why);
    tell(&chosen.form.how_long()?);

    let parts = if chosen.form == Form::Machines { 5 } else { 4 };
    let part = |number: u8, what: &str| heading(&format!("{number} of {parts}"), what);
    part(1, "get ready");
    let wanted: &[_] = match chosen.form {
        Form::Loopback => &[binary::RECYCLE],
        Form::Machines => &[binary::RECYCLE, binary::CERTS],
    };
    let programs = binary::build(wanted)?;
    tell(&format!("The cluster comes up: {}.", chosen.form.up_within()));
    let stage = Stage::set(name, chosen.form, &programs)?;
    tell(stage.scene());

    part(2, "the runbook's command");
    tell("As it stands in the runbook:");
    shown(RUNBOOK);
    let runbook = act::runbook(&stage)?;

    part(3, "kubectl recycle");
    tell("The same work, and the node agents of the same runbook with it:");
    shown(RECYCLE);
    let recycle = act::recycle(&stage)?;

    let rotated = if let Lab::Machines(lab) = &stage.lab {
        part(4, "kubectl rotate-certs");
        Some(rotation::rotate(&stage, lab, &rotation::page(&programs))?)
    } else {
        None
    };

    part(parts, "compare and clean up");
    stage.strike()?;
    tell(&format!(
        "The cluster is gone, and nothing of it is left. All of this took {:.0} s.",
        began.elapsed().as_secs_f64()
    ));
    verdict::table(&runbook, &recycle)?;
    if let Some(rotated) = &rotated {
        rotation::table(rotated)?;
        rotation::judge(rotated)?;
    }
    verdict::judge(&runbook, &recycle)?;
    Ok(ExitCode::SUCCESS)
}
