//! The verbs for a lab of machines.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use clap::Args;

use super::Named;
use crate::machines::{self, Machines, MixUp, MixUps, Options};
use crate::talk::say;
use crate::world;

/// `lab up --machines`: the path of the kubeconfig.
pub(super) fn up(options: &Options, world: bool) -> Result<PathBuf> {
    let name = &options.name;
    let lab = Machines::start(options)?;
    if world {
        lab.apply(&world::addons())?;
    }
    let names: Vec<_> = lab.machines().iter().map(|machine| machine.name.as_str()).collect();
    say(&format!("machines: {}", names.join(", ")));
    say(&format!(
        "on one of them: cargo lab exec --name {name} --machine {} -- kubeadm certs check-expiration",
        names[0]
    ));
    if options.supervised {
        say(&format!(
            "services of one: cargo lab exec --name {name} --machine {} -- sh -c 'sv status /etc/service/*'",
            names[0]
        ));
    }
    Ok(lab.kubeconfig())
}

/// `lab logs --machine`: the paths of its logs, or what is in the one called `component`.
pub(super) fn logs(name: &str, machine: &str, component: Option<&str>) -> Result<String> {
    let logs = Machines::open(name)?.logs(machine)?;
    let Some(component) = component else {
        let paths: Vec<_> = logs.iter().map(|path| path.display().to_string()).collect();
        return Ok(format!("{}\n", paths.join("\n")));
    };
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let Some(path) = logs.iter().find(|path| stem(path) == component) else {
        let names: Vec<_> = logs.iter().map(|path| stem(path)).collect();
        bail!("{machine} has no log called {component:?}: there is {}", names.join(", "));
    };
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// `lab exec --machine`: becomes the command on the machine.
pub(super) fn exec(name: &str, machine: &str, words: &[OsString]) -> Result<()> {
    let (program, arguments) = words.split_first().context("no command")?;
    let error = Machines::open(name)?.command_on(machine, program)?.args(arguments).exec();
    Err(error).with_context(|| format!("cannot run {} on {machine}", program.display()))
}

/// `lab exec --desk`: becomes the command in the machines' network, as the administrator.
pub(super) fn at_desk(name: &str, words: &[OsString]) -> Result<()> {
    let (program, arguments) = words.split_first().context("no command")?;
    let lab = Machines::open(name)?;
    let mut command = lab.at_desk(program)?;
    let error = command.args(arguments).env("KUBECONFIG", lab.desk_kubeconfig()).exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}

#[derive(Debug, Args)]
pub(super) struct MixUpArgs {
    #[command(flatten)]
    named: Named,
    /// Which; without one, all are listed with what `kubectl rotate-certs check` says of them.
    mix_up: Option<String>,
    /// Put it right again.
    #[arg(long, requires = "mix_up")]
    mend: bool,
}

/// `lab mix-up`.
pub(super) fn mix_up(arguments: &MixUpArgs) -> Result<String> {
    let Some(name) = &arguments.mix_up else {
        let line = |one: MixUp| {
            format!("{}\n  {}\n  {} at {}\n", one.name, one.about, one.finding, one.place)
        };
        return Ok(MixUp::all().into_iter().map(line).collect());
    };
    let mixup = MixUp::named(name)?;
    let lab = Machines::open(&arguments.named.name)?;
    let mixups = MixUps::prepare(&lab)?;
    if arguments.mend {
        mixups.mend(&mixup)?;
        say(&format!("{name} is put right"));
    } else {
        mixups.seed(&mixup)?;
        say(&format!("{}: {}", mixup.machine, mixup.about));
        say(&format!(
            "put it right: cargo lab mix-up --name {} {name} --mend",
            arguments.named.name
        ));
    }
    Ok(String::new())
}

/// `lab packages`: what `apt-get install` would have to be given.
pub(super) fn packages() -> String {
    let mut all = machines::missing();
    all.extend(machines::missing_for_tests());
    all.extend(crate::bosh::all_missing());
    let missing = machines::packages(&all);
    missing.iter().flat_map(|package| [*package, "\n"]).collect()
}
