//! A double of `bosh`, version 7: the commands that a tool for running deployments uses, with their output, their exit
//! codes (0 and 1, no others) and their bad manners. It is held to what the real one was recorded to print.

mod args;
mod session;
mod show;
mod ssh;
mod ui;
mod wire;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use args::{Args, Verb};
use ui::Ui;
use wire::Director;

use super::{net, role};

/// A call that failed: what the real one says of it.
type Failed = String;

/// Runs as `bosh`; `program` is the path that it was called by, inside the lab's directory.
pub(super) fn run(program: &Path) -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let args = match Args::parse(&words, |name| std::env::var(name).ok()) {
        Ok(args) => args,
        // In plain text, `--json` or not.
        Err(text) => return ui::refuse(&text),
    };
    let mut ui = Ui::new(args.json, args.tty);
    if args.verb == Verb::Version {
        ui.block("version 7.9.0-lab\n");
        return ui.end(Ok(()));
    }
    let result = role::lab(program)
        .and_then(|dir| net::enter(&dir).map(|()| dir))
        .map_err(|error| format!("{error:#}"))
        .and_then(|dir| command(&dir, &args, &mut ui));
    ui.end(result)
}

fn command(dir: &Path, args: &Args, ui: &mut Ui) -> Result<(), Failed> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let home = PathBuf::from(home.ok_or("$HOME is not defined")?);
    let Some(environment) = &args.environment else {
        return Err("Expected non-empty Director URL".to_owned());
    };
    let needs_deployment = matches!(args.verb, Verb::Ssh(_));
    if needs_deployment && args.deployment.is_none() {
        return Err("Expected non-empty deployment name".to_owned());
    }
    let director = Director::new(environment, args)?;
    director.get("/info", "Fetching info")?;
    let user = match &args.client {
        Some(client) => format!("client '{client}'"),
        None => "anonymous user".to_owned(),
    };
    ui.line(&format!("Using environment '{}' as {user}", director.url()));
    if let (Some(deployment), true) = (&args.deployment, needs_deployment) {
        ui.line(&format!("Using deployment '{deployment}'"));
    }
    match &args.verb {
        Verb::Version => Ok(()),
        Verb::Deployments => show::deployments(&director, ui),
        Verb::Locks => show::locks(&director, ui),
        Verb::Instances { processes, details, failing } => {
            show::instances(&director, args, ui, [*processes, *details, *failing])
        }
        Verb::Vms => show::vms(&director, args, ui),
        Verb::Curl(path) => {
            ui.block(&director.get(path, "Executing HTTP request")?);
            Ok(())
        }
        Verb::Ssh(wanted) => ssh::run(dir, &home, &director, args, wanted, ui),
    }
}
