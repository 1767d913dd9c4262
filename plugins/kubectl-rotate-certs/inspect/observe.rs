//! Looks at all sources that were named. Reads only.

use super::args::SourceArgs;
use super::beyond::{self, Found};
use super::flags::Programs;
use super::host::{self, Looked};
use super::places::Places;
use super::reading::Reading;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::host::{HostSeen, Invocation, Misled};
use rotation_core::facts::mounts;
use rotation_core::facts::sighting::{Content, Host, Interner, Sighting, read};
use rotation_core::facts::x509::KeyPart;
use rotation_core::plan::certificate::SetFile;
use rotation_core::plan::inventory::{Beyond, Matrix, Named};
use rotation_core::world::beside;
use rotation_core::world::hosts::local;
use rotation_core::world::hosts::ssh::{self, SshError};
use rotation_core::world::interrupt::Interrupt;
use rotation_core::world::survey;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How often named files may name further ones: a process a kubeconfig, and that a certificate.
const ROUNDS: usize = 3;

/// What was gathered.
pub(crate) struct Gathered {
    /// All places.
    pub(crate) matrix: Matrix,
    /// All components.
    pub(crate) told: Vec<Invocation>,
    /// Links that lead elsewhere than they should.
    pub(crate) misled: Vec<Misled>,
    /// Files as sets are judged, where that is wanted.
    pub(crate) files: Vec<SetFile>,
    /// Machines with the seconds that their clocks are ahead.
    pub(crate) clocks: Vec<(String, i64)>,
    /// What only sources beyond files know.
    pub(crate) beyond: Beyond,
    /// Names of machines.
    pub(crate) hosts: Vec<Host>,
}

/// A machine, and how it is looked at.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    host: Host,
    way: Way,
}

/// How a machine is looked at.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// Its files lie below a directory.
    Root(PathBuf),
    /// By ssh, under this name.
    Ssh(String),
}

/// What every machine is asked for, and how it is read.
struct Asked<'a> {
    layouts: &'a [Places],
    programs: &'a Programs,
    patterns: &'a [String],
    ssh: ssh::Settings,
    interrupt: Interrupt,
}

/// Looks everywhere.
pub(crate) fn gather(
    args: &SourceArgs,
    console: &Console,
    judged: bool,
) -> Result<Gathered, Failure> {
    let machines = machines(args)?;
    if machines.is_empty() && !args.beyond.any() {
        return Err(Failure::usage("there is nothing to look at: name a source").with_hint(
            "`--root /` looks at this machine, `--objects --live` at the cluster of your kubeconfig",
        ));
    }
    let layouts = layouts(&args.places)?;
    let programs = Programs::embedded();
    let reading = Reading::default();
    let named = Named { old: keys(&args.old)?, new: keys(&args.new)? };
    let mut patterns = host::patterns(&layouts);
    patterns.extend(mounts::PATTERNS.map(str::to_owned));
    let asked = Asked {
        layouts: &layouts,
        programs: &programs,
        patterns: &patterns,
        ssh: ssh::Settings {
            program: "ssh".into(),
            options: args.ssh_option.clone(),
            sudo: args.sudo,
            limit: args.ssh_timeout,
        },
        interrupt: interrupt(args)?,
    };
    let (near, far): (Vec<Machine>, Vec<Machine>) =
        machines.into_iter().partition(|machine| matches!(machine.way, Way::Root(_)));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let look = |machine: &Machine| -> Result<(Looked, HostSeen), Failure> {
        let seen = match &machine.way {
            Way::Root(directory) => Ok(asked.root(directory)),
            Way::Ssh(name) => asked.machine(name)?,
        };
        Ok(match seen {
            Ok(mut seen) => {
                let looked =
                    host::interpret(&machine.host, &seen, &layouts, &programs, &reading, judged);
                seen.files.retain(|path, _| mounts::is_mount(path));
                (looked, seen)
            }
            Err(why) => (host::unreachable(&machine.host, &why), HostSeen::default()),
        })
    };
    let mut looked = beside::each(&near, processors, look);
    looked.extend(beside::each(&far, ssh::CONNECTIONS, look));
    let hosts: Vec<Host> = near.into_iter().chain(far).map(|machine| machine.host).collect();
    let (looked, seen): (Vec<Looked>, Vec<HostSeen>) =
        looked.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let machines: Vec<(&Host, HostSeen)> = hosts.iter().zip(seen).collect();
    let found = beyond::gather(&args.beyond, &machines, &reading.interner, console)?;
    let clocks = machines
        .iter()
        .filter_map(|(host, seen)| Some((host.name().to_owned(), seen.clock_ahead?)))
        .collect();
    Ok(put_together(looked, found, clocks, hosts, &named))
}

fn put_together(
    all: Vec<Looked>,
    found: Found,
    clocks: Vec<(String, i64)>,
    hosts: Vec<Host>,
    named: &Named,
) -> Gathered {
    let mut sightings: Vec<Sighting> = found.sightings;
    let (mut told, mut misled, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for looked in all {
        sightings.extend(looked.sightings);
        told.extend(looked.told);
        misled.extend(looked.misled);
        files.extend(looked.files);
    }
    let matrix = Matrix::of(sightings, named);
    Gathered { matrix, told, misled, files, clocks, beyond: found.beyond, hosts }
}

/// Trees are read in a moment, and Ctrl-C ends the tool; children of ssh are ended first.
fn interrupt(args: &SourceArgs) -> Result<Interrupt, Failure> {
    if args.ssh.is_empty() {
        return Ok(Interrupt::never());
    }
    Interrupt::listen()
        .map_err(|why| Failure::unexpected(format!("cannot listen for signals: {why}")))
}

impl Asked<'_> {
    /// A tree, and what its files name.
    fn root(&self, directory: &Path) -> HostSeen {
        let mut seen = local::look(directory, self.patterns);
        seen.processes = local::processes(directory, |arguments| self.programs.knows(arguments));
        for _ in 0..ROUNDS {
            let more = host::mentioned(&seen, self.layouts, self.programs);
            if more.is_empty() {
                break;
            }
            seen.files.extend(local::look(directory, &more).files);
        }
        seen
    }

    /// A machine by ssh; what is wrong with it alone is the inner error.
    fn machine(&self, name: &str) -> Result<Result<HostSeen, String>, Failure> {
        if self.interrupt.is_asked() {
            return Err(interrupted());
        }
        let programs = self.programs.names();
        match ssh::look(&self.ssh, name, self.patterns, &programs, &self.interrupt) {
            Ok(seen) => Ok(Ok(seen)),
            Err(SshError::Machine(why)) => Ok(Err(why)),
            Err(SshError::Stopped) => Err(interrupted()),
            Err(SshError::Exec(why)) => Err(Failure::unexpected(why.to_string())
                .with_hint("--ssh runs your own `ssh`: install OpenSSH's client")),
        }
    }
}

fn interrupted() -> Failure {
    Failure::unexpected("interrupted: nothing was shown, and nothing was changed")
        .with_exit(Exit::Interrupted)
}

/// All machines that are named, each once.
fn machines(args: &SourceArgs) -> Result<Vec<Machine>, Failure> {
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

/// The places that are asked for; all that come along, where none is.
fn layouts(words: &[String]) -> Result<Vec<Places>, Failure> {
    if words.is_empty() {
        return Ok(Places::names().into_iter().filter_map(Places::embedded).collect());
    }
    words.iter().map(|word| layout(word)).collect()
}

fn layout(word: &str) -> Result<Places, Failure> {
    if let Some(places) = Places::embedded(word) {
        return Ok(places);
    }
    let text = rotation_core::world::files::read_named(Path::new(word)).map_err(|why| {
        let known = Places::names().join(", ");
        Failure::from(why)
            .with_exit(Exit::Usage)
            .with_hint(format!("name a file, or one of {known}"))
    })?;
    Places::parse(&text)
        .map_err(|why| Failure::usage(format!("cannot use the places of `{word}`: {why}")))
}

/// The keys of a generation that is named by files.
fn keys(paths: &[PathBuf]) -> Result<Vec<rotation_core::facts::credential::Digest>, Failure> {
    let mut keys = Vec::new();
    for file in survey::survey(paths)?.files {
        let path = file.path.display();
        let bytes =
            file.bytes.map_err(|why| Failure::unexpected(format!("cannot read {path}: {why}")))?;
        let held = read(&bytes, &Interner::default());
        let private = held.keys.iter().filter_map(|key| match key {
            KeyPart::Public(digest) => Some(*digest),
            KeyPart::Encrypted | KeyPart::Unknown | KeyPart::Unreadable => None,
        });
        let before = keys.len();
        keys.extend(held.certificates.iter().map(|certificate| certificate.key_digest()));
        keys.extend(held.public_keys.iter().copied().chain(private));
        if keys.len() == before {
            let message = format!("there is no certificate or key in {path}");
            return Err(Failure::usage(message)
                .with_hint("--old and --new name the CA's certificate, or the key for tokens"));
        }
    }
    Ok(keys)
}

impl Gathered {
    /// Whether nothing at all was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.matrix.rows.is_empty()
    }

    /// Private keys that were seen.
    pub(crate) fn keys(&self) -> usize {
        let held = self.matrix.rows.iter().filter_map(|row| row.sighting.content.held());
        held.map(|held| held.keys.len()).sum()
    }

    /// Places where nobody could look.
    pub(crate) fn unknown(&self) -> usize {
        let unknown = |content: &Content| matches!(content, Content::Unknown(_));
        self.matrix.rows.iter().filter(|row| unknown(&row.sighting.content)).count()
    }
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
        machines(&Cli::parse_from(words).sources)
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
}
