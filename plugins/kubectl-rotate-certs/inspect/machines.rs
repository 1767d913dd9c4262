//! Which machines are looked at, and how each is reached.

use super::args::SourceArgs;
use super::bosh::Vm;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::bosh::InstanceName;
use rotation_core::facts::sighting::Host;
use rotation_core::world::hosts::local;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A machine, and how it is looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) host: Host,
    pub(super) way: Way,
}

/// How a machine is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Its files lie below a directory.
    Root(PathBuf),
    /// By ssh, under this name.
    Ssh(String),
    /// By `bosh ssh`, under this name.
    Bosh(InstanceName),
    /// It was named, and has no VM.
    NoVm,
}

/// All machines that are named, each once.
pub(super) fn named(args: &SourceArgs, vms: &[Vm]) -> Result<Vec<Machine>, Failure> {
    let mut machines = roots(&args.root)?;
    for word in &args.ssh {
        let (name, machine) = match word.split_once('=') {
            Some((name, machine)) if is_name(name) => (name, machine),
            _ => (word.as_str(), word.as_str()),
        };
        if machine.is_empty() || machine.starts_with('-') {
            return Err(Failure::usage(format!("`{word}` is no name of a machine")));
        }
        machines.push(Machine { host: Host::named(name), way: Way::Ssh(machine.to_owned()) });
    }
    machines.extend(vms.iter().map(|vm| Machine {
        host: Host::named(&vm.shown),
        way: if vm.there { Way::Bosh(vm.name.clone()) } else { Way::NoVm },
    }));
    let nameless = machines.iter().any(|machine| machine.host == Host::only());
    if nameless && machines.len() > 1 {
        return Err(Failure::usage(
            "with several machines each --root needs a name: --root m1=DIR",
        ));
    }
    let mut names = BTreeSet::new();
    match machines.iter().find(|machine| !names.insert(machine.host.name())) {
        Some(twice) => {
            Err(Failure::usage(format!("two machines are named `{}`", twice.host.name())))
        }
        None => Ok(machines),
    }
}

/// A machine whose etcd is asked in its container.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Container {
    /// Its name for people.
    pub(super) machine: String,
    pub(super) way: Way,
}

/// The machines that are named for their etcd, as `--ssh` or `--root` name them.
pub(super) fn containers(
    words: &[String],
    machines: &[Machine],
) -> Result<Vec<Container>, Failure> {
    let is_named = |word: &str, machine: &Machine| {
        machine.host.name() == word
            || match &machine.way {
                Way::Root(directory) => directory.as_os_str() == word,
                Way::Ssh(name) => name == word,
                Way::Bosh(_) | Way::NoVm => false,
            }
    };
    let mut found: Vec<Container> = Vec::new();
    for word in words {
        let machine = machines.iter().find(|machine| is_named(word, machine));
        let way = machine.map(|machine| &machine.way);
        let (Some(machine), Some(Way::Root(_) | Way::Ssh(_))) = (machine, way) else {
            return Err(Failure::usage(format!(
                "`{word}` is no machine that --ssh or --root names"
            ))
            .with_hint("`--ssh m1 --etcd-in-container m1` asks the etcd in its container on m1"));
        };
        let name = if machine.host == Host::only() { "localhost" } else { machine.host.name() };
        let container = Container { machine: name.to_owned(), way: machine.way.clone() };
        if !found.contains(&container) {
            found.push(container);
        }
    }
    Ok(found)
}

/// `DIR`, or `NAME=DIR` for each of several.
fn roots(words: &[String]) -> Result<Vec<Machine>, Failure> {
    let mut roots = Vec::new();
    for word in words {
        let (host, directory) = match word.split_once('=') {
            Some((name, directory)) if is_name(name) => (Host::named(name), directory),
            _ => (Host::only(), word.as_str()),
        };
        if let Err(why) = local::directory(Path::new(directory)) {
            let message = format!("cannot look at {directory}: {why}");
            return Err(Failure::unexpected(message)
                .with_hint("name a directory that is there, as a user who may read it"));
        }
        roots.push(Machine { host, way: Way::Root(directory.into()) });
    }
    Ok(roots)
}

fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.chars().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        sources: SourceArgs,
    }

    fn of(line: &str) -> Result<Vec<Machine>, Failure> {
        let words = std::iter::once("x").chain(line.split_whitespace());
        named(&Cli::parse_from(words).sources, &[])
    }

    #[test]
    fn several_machines_have_names() {
        let named = of("--root m1=/ --root m2=/usr --ssh w1 --ssh w2=u@10.0.0.2").expect("good");
        assert_eq!(named[1], Machine { host: Host::named("m2"), way: Way::Root("/usr".into()) });
        assert_eq!(named[2], Machine { host: Host::named("w1"), way: Way::Ssh("w1".into()) });
        assert_eq!(
            named[3],
            Machine { host: Host::named("w2"), way: Way::Ssh("u@10.0.0.2".into()) }
        );
        assert_eq!(of("--root /").expect("good")[0].host, Host::only());
        for (line, word) in [
            ("--root / --root /usr", "needs a name"),
            ("--root / --ssh w1", "needs a name"),
            ("--root m1=/ --root m1=/usr", "named `m1`"),
            ("--root m1=/ --ssh m1", "named `m1`"),
            ("--ssh w1=-oProxyCommand=x", "no name"),
            ("--root /no/such/directory", "cannot look at"),
            ("--root m1=/etc/passwd", "cannot look at"),
        ] {
            let why = of(line).expect_err("refused").to_string();
            assert!(why.contains(word), "{line}: {why}");
        }
    }

    #[test]
    fn an_etcd_in_its_container_is_named_as_its_machine_is() {
        let machines = of("--root m1=/ --ssh w1 --ssh w2=u@10.0.0.2").expect("good");
        let only = of("--root /").expect("good");
        let bosh = [Machine { host: Host::named("master/0"), way: Way::NoVm }];
        let named = |words: &str, machines: &[Machine]| {
            let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            let found = containers(&words, machines).map_err(|why| why.to_string());
            found.map(|found| found.into_iter().map(|one| one.machine).collect::<Vec<_>>())
        };
        assert_eq!(named("m1", &machines), Ok(vec!["m1".to_owned()]));
        assert_eq!(
            named("u@10.0.0.2 w2 w1", &machines),
            Ok(vec!["w2".to_owned(), "w1".to_owned()])
        );
        assert_eq!(named("/", &only), Ok(vec!["localhost".to_owned()]));
        for (word, machines) in [("m3", &machines[..]), ("master/0", &bosh), ("m1", &[])] {
            let why = named(word, machines).expect_err("refused");
            assert_eq!(why, format!("`{word}` is no machine that --ssh or --root names"));
        }
    }
}
