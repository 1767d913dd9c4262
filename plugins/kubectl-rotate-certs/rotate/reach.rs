//! The machines, how each is reached, and what stands on them.

use super::cluster_file::{Named, Where};
use crate::inspect::flags::Programs;
use crate::inspect::host::{self, Looked};
use crate::inspect::places::Places;
use crate::inspect::reading::Reading;
use crate::inspect::tree;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::host::{FileFault, HostSeen};
use rotation_core::facts::sighting::Host;
use rotation_core::world::beside;
use rotation_core::world::hosts::change::Carrier;
use rotation_core::world::hosts::local;
use rotation_core::world::hosts::ssh::{self, SshError};
use rotation_core::world::interrupt::Interrupt;
use std::path::Path;
use std::time::Duration;

/// A machine that does not answer is asked so often.
const TRIES: u8 = 3;
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// A machine, looked at.
pub(crate) struct Machine {
    /// Its name.
    pub(crate) name: String,
    /// Its files.
    pub(crate) seen: HostSeen,
    /// What they are for.
    pub(crate) looked: Looked,
}

impl Machine {
    /// The content of a file.
    pub(crate) fn bytes(&self, path: &str) -> Option<&[u8]> {
        self.seen.files.get(path)?.content.as_ref().ok().map(|bytes| bytes.as_slice())
    }
}

/// Looks at every machine; one that cannot be looked at ends it.
pub(crate) fn look(named: &[Named], interrupt: &Interrupt) -> Result<Vec<Machine>, Failure> {
    let layouts: Vec<Places> = Places::names().into_iter().filter_map(Places::embedded).collect();
    let programs = Programs::embedded();
    let patterns = host::patterns(&layouts);
    let reading = Reading::default();
    let one = |named: &Named| -> Result<Machine, Failure> {
        // Of a machine that is none of the cluster only the files that are named.
        let mut patterns = match named.place {
            Where::Outside => Vec::new(),
            Where::ControlPlane | Where::Worker => patterns.clone(),
        };
        patterns.extend(named.more.iter().cloned());
        let seen = match &named.carrier {
            Carrier::Here { root, .. } => {
                Ok(here(root, named.place, &patterns, &layouts, &programs))
            }
            Carrier::Ssh { settings, machine } => {
                let mut tries = TRIES;
                loop {
                    match ssh::look(settings, machine, &patterns, &programs.names(), interrupt) {
                        Err(SshError::Machine(_)) if tries > 1 && !interrupt.pause(PAUSE) => {
                            tries -= 1;
                        }
                        other => break other,
                    }
                }
            }
        }
        .map_err(|why| unreachable(&named.name, &why))?;
        readable(&named.name, &seen)?;
        let host = Host::named(&named.name);
        let looked = host::interpret(&host, &seen, &layouts, &programs, &reading, false);
        Ok(Machine { name: named.name.clone(), seen, looked })
    };
    beside::each(named, ssh::CONNECTIONS, one).into_iter().collect()
}

fn here(
    root: &Path,
    place: Where,
    patterns: &[String],
    layouts: &[Places],
    programs: &Programs,
) -> HostSeen {
    match place {
        // What else runs where a consumer's file stands is none of the cluster's.
        Where::Outside => local::look(root, patterns),
        Where::ControlPlane | Where::Worker => tree::look(root, patterns, layouts, programs),
    }
}

/// What cannot be read would be left out, and break with the old generation's end.
fn readable(name: &str, seen: &HostSeen) -> Result<(), Failure> {
    let unread = seen.files.iter().find_map(|(path, file)| match &file.content {
        Err(why @ (FileFault::Denied | FileFault::TooLarge(_) | FileFault::Other(_))) => {
            Some((path, why))
        }
        Ok(_)
        | Err(FileFault::Absent | FileFault::Directory | FileFault::Special | FileFault::Loop) => {
            None
        }
    });
    let Some((path, why)) = unread else { return Ok(()) };
    Err(Failure::refused(format!("cannot read `{path}` on `{name}`: {why}"))
        .with_hint(
            "read it as root: by `sudo` where it is a directory here, by `ssh = \"root@MACHINE\"` or `sudo = true` in \
             `[ssh]` elsewhere",
        ))
}

fn unreachable(name: &str, why: &SshError) -> Failure {
    match why {
        SshError::Stopped => {
            Failure::unexpected("interrupted: nothing was changed").with_exit(Exit::Interrupted)
        }
        SshError::Exec(_) => Failure::unexpected(why.to_string())
            .with_hint("machines are reached by your own `ssh`: install OpenSSH's client"),
        SshError::Machine(_) => Failure::refused(format!("cannot look at `{name}`: {why}"))
            .with_hint("every machine must be reached before anything is changed"),
    }
}
