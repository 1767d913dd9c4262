//! `discover`: a draft of the file of machines. Reads only.

use crate::TOOL;
use crate::discover::args::DiscoverArgs;
use crate::discover::candidates::{self, Candidate, Way};
use crate::discover::draft::{self, Draft};
use crate::discover::{consumers, probe};
use crate::layout::hosts::Hosts;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::{Exit, Fault as _};
use rotation_core::facts::words::count;
use rotation_core::world::beside;
use rotation_core::world::cluster::{Cluster, ClusterError};
use rotation_core::world::hosts::ssh::{self, CONNECTIONS, SshError};
use rotation_core::world::interrupt::Interrupt;
use rotation_core::world::operator;

/// Drafts.
pub(crate) fn run(args: &DiscoverArgs, console: &Console) -> Result<Exit, Failure> {
    let interrupt = Interrupt::listen()
        .map_err(|why| Failure::unexpected(format!("cannot listen for signals: {why}")))?;
    let (mut machines, from) = if args.names_machines() {
        (candidates::named(args)?, "machines that were named".to_owned())
    } else {
        let cluster = Cluster::connect(&args.connection.connection(console)).map_err(advised)?;
        let machines = candidates::of_cluster(&cluster)?;
        (machines, format!("the API at {}", cluster.server()))
    };
    if args.looks() {
        look(&mut machines, args, &interrupt)?;
    }
    if !machines.iter().any(|machine| machine.control_plane) {
        for machine in &machines {
            if let Some(Err(why)) = &machine.probe {
                console.warn(&format!("cannot look at `{}`: {why}", machine.name));
            }
        }
        return Err(Failure::refused("no machine runs a control plane, as far as was seen").with_hint(
            "name the machines that do: `--ssh NAME=HOST` or `--root NAME=DIR` for each, with --sudo where only root may read",
        ));
    }
    machines.sort_by_key(|machine| !machine.control_plane);
    let consumers = consumers_of(args, &machines, console);
    let draft = Draft {
        from: &from,
        machines: &machines,
        ssh_options: &args.ssh_option,
        sudo: args.sudo,
        consumers: &consumers,
    };
    let (text, gaps) = draft::text(&draft);
    Hosts::parse(&text).map_err(|why| {
        Failure::refused(format!("of these machines no file can be made: {why}"))
            .with_hint("name each machine as its node is called: `--ssh NAME=HOST`")
    })?;
    console.data(&text);
    if gaps == 0 {
        return Ok(Exit::Done);
    }
    console.warn(&format!("{} to look at: the lines with CHECK", count(gaps, "place")));
    Ok(Exit::Findings)
}

fn advised(why: ClusterError) -> Failure {
    if why.hint().is_some() {
        return why.into();
    }
    Failure::from(why).with_hint(format!(
        "without the API, name the machines: `{} discover --ssh NAME=HOST`, once for each",
        TOOL.name
    ))
}

/// Asks each machine; one that does not answer is in the draft with the reason.
fn look(
    machines: &mut [Candidate],
    args: &DiscoverArgs,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let settings = ssh::Settings {
        program: "ssh".into(),
        options: args.ssh_option.clone(),
        sudo: args.sudo,
        limit: args.ssh_timeout,
    };
    let seen = beside::each(machines, CONNECTIONS, |machine| one(machine, &settings, interrupt));
    for (machine, seen) in machines.iter_mut().zip(seen) {
        let (way, seen) = seen?;
        machine.way = way;
        if let Ok(probe) = &seen {
            if probe.control_plane && !machine.control_plane && !args.names_machines() {
                machine.checks.push(
                    "no label says that it runs the control plane; an API server runs there"
                        .to_owned(),
                );
            }
            machine.control_plane |= probe.control_plane;
        }
        machine.probe = Some(seen);
    }
    Ok(())
}

type Seen = (Way, Result<probe::Probe, String>);

fn one(
    machine: &Candidate,
    settings: &ssh::Settings,
    interrupt: &Interrupt,
) -> Result<Seen, Failure> {
    let name = machine.name.as_str();
    let by_ssh = |host: &str| probe::probe(name, &probe::by_ssh(settings, host, interrupt));
    let (way, seen) = match &machine.way {
        Way::Root(root) => (machine.way.clone(), probe::probe(name, &probe::by_root(root))),
        Way::Ssh(host) => (machine.way.clone(), by_ssh(host)),
        Way::Address => {
            let address = machine.addresses.first().map(ToString::to_string);
            let first = by_ssh(address.as_deref().unwrap_or(name));
            match first {
                // Where addresses are reached from inside alone, ssh may know the machine by its name.
                Err(SshError::Machine(_)) if address.is_some() => match by_ssh(name) {
                    Ok(seen) => (Way::Ssh(name.to_owned()), Ok(seen)),
                    Err(SshError::Machine(_)) => (Way::Address, first),
                    Err(why) => (Way::Address, Err(why)),
                },
                other => (Way::Address, other),
            }
        }
    };
    match seen {
        Ok(probe) => Ok((way, Ok(probe))),
        Err(SshError::Machine(why)) => Ok((way, Err(why))),
        Err(SshError::Stopped) => {
            Err(Failure::unexpected("interrupted: nothing was changed")
                .with_exit(Exit::Interrupted))
        }
        Err(why @ SshError::Exec(_)) => Err(Failure::unexpected(why.to_string())
            .with_hint("machines are reached by your own `ssh`: install OpenSSH's client")),
    }
}

/// The operator's own files. Without the API only those that trust a CA of these machines: others are of other clusters.
fn consumers_of(
    args: &DiscoverArgs,
    machines: &[Candidate],
    console: &Console,
) -> Vec<(String, Option<String>)> {
    let here = operator::name();
    let here = here.rsplit_once('@').map_or("", |(_, machine)| machine);
    let host = machines.iter().find(|machine| machine.name == here).map(|one| one.name.clone());
    let known = |own: &consumers::Own| {
        let mut probes = machines.iter().filter_map(|one| one.probe.as_ref()?.as_ref().ok());
        !args.names_machines()
            || probes.any(|probe| !probe.certificates.is_disjoint(&own.authorities))
    };
    let own = consumers::own(args.connection.kubeconfig.as_deref(), console).into_iter();
    own.filter(known).map(|own| (own.path.display().to_string(), host.clone())).collect()
}
