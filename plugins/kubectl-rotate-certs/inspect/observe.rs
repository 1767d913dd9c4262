//! Looks at all sources that were named. Reads only.

use super::args::SourceArgs;
use super::beyond::{self, Found, Inside};
use super::bosh::{self, Deployment};
use super::documents::{self, Documents, Entry};
use super::flags::Programs;
use super::host::{self, Looked};
use super::machines::{self, Machine, Way};
use super::places::Places;
use super::reading::Reading;
use super::tree;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::bosh::InstanceName;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::host::{HostSeen, Invocation, Misled};
use rotation_core::facts::mounts;
use rotation_core::facts::sighting::{Content, Host, Interner, Sighting, read};
use rotation_core::facts::x509::KeyPart;
use rotation_core::plan::certificate::{LayoutRow, SetFile};
use rotation_core::plan::inventory::{Beyond, Matrix, Named};
use rotation_core::world::beside;
use rotation_core::world::hosts::bosh::{BoshError, CONNECTIONS};
use rotation_core::world::hosts::ssh::{self, SshError};
use rotation_core::world::interrupt::Interrupt;
use rotation_core::world::survey;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// What belongs together in documents.
    pub(crate) rows: Vec<LayoutRow>,
    /// Entries of documents, by their places.
    pub(crate) entries: HashMap<String, Entry>,
}

/// What every machine is asked for, and how it is read.
struct Asked<'a> {
    layouts: &'a [Places],
    programs: &'a Programs,
    patterns: &'a [String],
    ssh: ssh::Settings,
    bosh: Option<&'a Deployment>,
    bosh_limit: Duration,
    interrupt: Interrupt,
}

/// Looks everywhere.
pub(crate) fn gather(
    args: &SourceArgs,
    console: &Console,
    judged: bool,
    interrupt: &Interrupt,
) -> Result<Gathered, Failure> {
    let deployment = bosh::deployment(&args.bosh, console, interrupt)?;
    let vms = deployment.as_ref().map(|deployment| deployment.vms.as_slice()).unwrap_or_default();
    let machines = machines::named(args, vms)?;
    let others = args.beyond.any() || !args.documents.document.is_empty();
    if machines.is_empty() && !others {
        return Err(Failure::usage("there is nothing to look at: name a source").with_hint(
            "`--root /` looks at this machine, `--objects --live` at the cluster of your kubeconfig",
        ));
    }
    let containers = machines::containers(&args.beyond.etcd_in_container, &machines)?;
    let layouts = layouts(&args.places)?;
    let programs = Programs::embedded();
    let reading = Reading::default();
    let documents = documents::look(&args.documents, &reading)?;
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
        bosh: deployment.as_ref(),
        bosh_limit: args.bosh.bosh_timeout,
        interrupt: interrupt.clone(),
    };
    let (near, far): (Vec<Machine>, Vec<Machine>) =
        machines.into_iter().partition(|machine| matches!(machine.way, Way::Root(_)));
    let (by_ssh, by_bosh): (Vec<Machine>, Vec<Machine>) =
        far.into_iter().partition(|machine| matches!(machine.way, Way::Ssh(_)));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let look = |machine: &Machine| -> Result<(Looked, HostSeen), Failure> {
        let seen = match &machine.way {
            Way::Root(directory) => Ok(asked.root(directory)),
            Way::Ssh(name) => asked.machine(name)?,
            Way::Bosh(name) => asked.vm(name)?,
            Way::NoVm => Err("it has no VM".to_owned()),
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
    let any = !(near.is_empty() && by_ssh.is_empty() && by_bosh.is_empty());
    let inside = Inside { containers: &containers, ssh: &asked.ssh, interrupt };
    // Neither waits for the other.
    let (looked, found) = beside::both(
        || {
            let mut looked = beside::each(&near, processors, look);
            looked.extend(beside::each(&by_ssh, ssh::CONNECTIONS, look));
            looked.extend(beside::each(&by_bosh, CONNECTIONS, look));
            looked
        },
        || beyond::gather(&args.beyond, any, &inside, &reading.interner, console),
    );
    let (looked, seen): (Vec<Looked>, Vec<HostSeen>) =
        looked.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let mut found = found?;
    let all = near.into_iter().chain(by_ssh).chain(by_bosh);
    let hosts: Vec<Host> = all.map(|machine| machine.host).collect();
    let machines: Vec<(&Host, HostSeen)> = hosts.iter().zip(seen).collect();
    found.mounts(&machines, &reading.interner);
    let clocks = machines
        .iter()
        .filter_map(|(host, seen)| Some((host.name().to_owned(), seen.clock_ahead?)))
        .collect();
    Ok(put_together(looked, found, documents, clocks, hosts, &named))
}

fn put_together(
    all: Vec<Looked>,
    found: Found,
    documents: Documents,
    clocks: Vec<(String, i64)>,
    hosts: Vec<Host>,
    named: &Named,
) -> Gathered {
    let mut sightings: Vec<Sighting> = found.sightings;
    let (mut told, mut misled, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for looked in all.into_iter().chain([documents.looked]) {
        sightings.extend(looked.sightings);
        told.extend(looked.told);
        misled.extend(looked.misled);
        files.extend(looked.files);
    }
    let matrix = Matrix::of(sightings, named);
    let (rows, entries) = (documents.rows, documents.entries);
    Gathered { matrix, told, misled, files, clocks, beyond: found.beyond, hosts, rows, entries }
}

/// Trees are read in a moment, and Ctrl-C ends the tool; children are ended first, and who watches ends between two looks.
pub(crate) fn interrupt(args: &SourceArgs, watches: bool) -> Result<Interrupt, Failure> {
    let none = args.ssh.is_empty() && args.beyond.etcd_in_container.is_empty();
    if !watches && none && args.bosh.bosh.is_empty() {
        return Ok(Interrupt::never());
    }
    Interrupt::listen()
        .map_err(|why| Failure::unexpected(format!("cannot listen for signals: {why}")))
}

impl Asked<'_> {
    fn root(&self, directory: &Path) -> HostSeen {
        tree::look(directory, self.patterns, self.layouts, self.programs)
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

    /// A VM by bosh; what is wrong with it alone is the inner error.
    fn vm(&self, name: &InstanceName) -> Result<Result<HostSeen, String>, Failure> {
        if self.interrupt.is_asked() {
            return Err(interrupted());
        }
        let Some(deployment) = self.bosh else {
            return Ok(Err("no deployment is named".to_owned()));
        };
        let programs = self.programs.names();
        match deployment.door.look(name, self.patterns, &programs, self.bosh_limit) {
            Ok(seen) => Ok(seen),
            Err(BoshError::Stopped) => Err(interrupted()),
            Err(why) => Err(bosh::failure(why)),
        }
    }
}

pub(super) fn interrupted() -> Failure {
    Failure::unexpected("interrupted: nothing was shown, and nothing was changed")
        .with_exit(Exit::Interrupted)
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
