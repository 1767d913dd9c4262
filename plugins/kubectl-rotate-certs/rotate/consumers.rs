//! Who uses the cluster from outside: files that are renewed with all others, and people who have to be told.

use super::cluster_file::{Named, Where};
use super::document::{ComponentPlan, FilePlan};
use super::reach::Machine;
use crate::layout::hosts::Consumer as Written;
use rotation_core::cli::failure::Failure;
use rotation_core::world::hosts::change::{Carrier, Way};
use std::collections::BTreeMap;
use std::time::Duration;

/// How a consumer that stands on this machine is called.
pub(crate) const HERE: &str = "this-machine";

/// A consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Consumer {
    /// Its name.
    pub(crate) name: String,
    /// The machine on which its files stand; none where nobody can reach it.
    pub(crate) machine: Option<String>,
    /// Its files.
    pub(crate) files: Vec<String>,
    /// What is run once they have changed.
    pub(crate) restart: Option<String>,
    /// Whom to tell.
    pub(crate) who: Option<String>,
}

/// Reads one, and lets its machine be looked at for its files.
pub(super) fn read(
    written: &Written,
    machines: &mut Vec<Named>,
    limit: Duration,
) -> Result<Consumer, String> {
    let (name, files) = (written.name.clone(), written.files());
    let consumer = |machine| Consumer {
        name: name.clone(),
        machine,
        files: files.clone(),
        restart: written.restart.clone(),
        who: written.who.clone(),
    };
    if written.manual {
        if !files.is_empty() || written.restart.is_some() || written.host.is_some() {
            return Err(format!("consumer `{name}` is one that nobody can reach, and names files"));
        }
        return Ok(consumer(None));
    }
    if files.is_empty() {
        return Err(format!(
            "consumer `{name}` names no file; `manual = true` is for whom nobody can reach"
        ));
    }
    if written.key.is_some() && written.certificate.is_none() {
        return Err(format!("consumer `{name}` has a key without a certificate"));
    }
    if let Some(path) = files.iter().find(|path| !path.starts_with('/')) {
        return Err(format!("`{path}` of consumer `{name}` is no absolute path"));
    }
    let host = written.host.as_deref().unwrap_or(HERE);
    if written.host.is_none() && !machines.iter().any(|machine| machine.name == HERE) {
        machines.push(Named {
            name: HERE.to_owned(),
            place: Where::Outside,
            carrier: Carrier::Here { root: "/".into(), limit },
            addresses: Vec::new(),
            more: Vec::new(),
            flags: BTreeMap::new(),
        });
    }
    let machine = machines.iter_mut().find(|machine| machine.name == host);
    let Some(machine) = machine else {
        return Err(format!("consumer `{name}` is on `{host}`, which is no host"));
    };
    machine.more.extend(files.iter().cloned());
    Ok(consumer(Some(host.to_owned())))
}

impl Consumer {
    /// How it is called where components are: one word.
    pub(crate) fn program(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        format!("consumer-{}", self.name.chars().map(plain).collect::<String>())
    }

    /// Who is to be told, and what.
    fn instruction(&self) -> String {
        let who = self.who.as_deref().unwrap_or("somebody");
        format!(
            "nobody can reach consumer `{}`: after stage accept, and before stage switch, {who} has to let it trust \
             new-cluster.crt of the rotation's directory beside the CA of today; after stage switch, to give it a certificate \
             of the new CA, where it shows one; `finish` asks for `--renewed '{}'`",
            self.name, self.name
        )
    }
}

/// What a plan says of them.
pub(super) fn notes(consumers: &[Consumer]) -> impl Iterator<Item = String> {
    consumers.iter().filter(|one| one.machine.is_none()).map(Consumer::instruction)
}

/// Those on a machine that are to be told of files of the plan. A file that is not there is a slip of the pen.
pub(super) fn components(
    consumers: &[Consumer],
    machine: &Machine,
    files: &[FilePlan],
) -> Result<Vec<ComponentPlan>, Failure> {
    let here = consumers.iter().filter(|one| one.machine.as_deref() == Some(&machine.name));
    let mut components = Vec::new();
    for consumer in here {
        let missing = consumer.files.iter().find(|path| machine.bytes(path).is_none());
        if let Some(path) = missing {
            return Err(Failure::refused(format!(
                "`{path}` of consumer `{}` is not there on `{}`",
                consumer.name, machine.name
            ))
            .with_hint("correct its path in the file of machines, or take the consumer out"));
        }
        let planned = |path: &&String| files.iter().any(|file| file.path == **path);
        let files: Vec<String> = consumer.files.iter().filter(planned).cloned().collect();
        if let Some(command) = consumer.restart.clone().filter(|_| !files.is_empty()) {
            let (program, way) = (consumer.program(), Way::Tell(command));
            components.push(ComponentPlan { program, way, files, manifest: None });
        }
    }
    Ok(components)
}
