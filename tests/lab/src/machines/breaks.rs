//! What is broken on a chosen machine, on purpose, and mended again. The lines that do it are data, as those of mix-ups.

use std::fs;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::mixups::run_on;
use super::{Machines, MixUps, net};

/// One thing that can be broken.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Break {
    /// What it is called: `expire`.
    pub name: String,
    /// What it is, in a sentence.
    pub about: String,
    /// What breaks it: lines for the machine's shell, with arguments.
    seed: String,
    /// What mends it.
    mend: String,
    /// Whether the lines are for `ip` on the switch.
    #[serde(default)]
    on_switch: bool,
    /// Whether it needs another generation of everything.
    #[serde(default)]
    other: bool,
    /// Whether the machine is lent the keys of the cluster's CAs.
    #[serde(default)]
    lends: bool,
}

#[derive(Deserialize)]
struct Table {
    #[serde(rename = "break")]
    breaks: Vec<Break>,
}

/// Where a machine finds the keys that it is lent, for as long as the lines run.
const LENT: &str = "root/authorities";
/// The CAs of a cluster.
const AUTHORITIES: [&str; 3] = ["ca", "front-proxy-ca", "etcd/ca"];

impl Break {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let table: Table =
            toml::from_str(include_str!("breaks.toml")).expect("a test reads the table");
        table.breaks
    }

    /// The one of this name.
    pub fn named(name: &str) -> Result<Self> {
        let all = Self::all();
        let known = all.iter().map(|one| one.name.clone()).collect::<Vec<_>>().join(", ");
        let found = all.into_iter().find(|one| one.name == name);
        found.with_context(|| {
            format!("nothing that is called {name} can be broken: there are {known}")
        })
    }

    /// Breaks it on a machine; gives back what is to be said of it.
    pub fn seed(&self, lab: &Machines, machine: &str, arguments: &[&str]) -> Result<String> {
        if self.other {
            MixUps::prepare(lab)?;
        }
        if self.lends {
            lend(lab, machine)?;
        }
        self.run(lab, machine, &self.seed, arguments)
            .with_context(|| format!("cannot break {machine}: {}", self.name))
    }

    /// Mends it, also where it is not broken.
    pub fn mend(&self, lab: &Machines, machine: &str) -> Result<String> {
        self.run(lab, machine, &self.mend, &[])
            .with_context(|| format!("cannot mend {machine}: {}", self.name))
    }

    fn run(
        &self,
        lab: &Machines,
        machine: &str,
        lines: &str,
        arguments: &[&str],
    ) -> Result<String> {
        if self.on_switch {
            let port = lab.machine(machine)?.port();
            let switch = lab.identity(net::SWITCH_PROCESS)?;
            net::batch(switch, &format!("{}\n", lines.replace("PORT", &port)))?;
            return Ok(String::new());
        }
        run_on(lab, machine, lines, &self.name, arguments)
    }
}

/// Gives a machine without CA keys those of a control plane.
fn lend(lab: &Machines, machine: &str) -> Result<()> {
    let keeps = |name: &str| -> Result<_> { Ok(lab.root_of(name)?.join("etc/kubernetes/pki")) };
    if keeps(machine)?.join("ca.key").exists() {
        return Ok(());
    }
    let Some(first) = lab.machines().first() else { bail!("no machines") };
    let (from, to) = (keeps(&first.name)?, lab.root_of(machine)?.join(LENT));
    fs::create_dir_all(to.join("etcd")).with_context(|| format!("cannot make {}", to.display()))?;
    for name in AUTHORITIES {
        for end in ["crt", "key"] {
            let file = format!("{name}.{end}");
            fs::copy(from.join(&file), to.join(&file))
                .with_context(|| format!("cannot lend {machine} {file}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_is_there_once_and_can_be_mended() {
        let all = Break::all();
        let names: BTreeSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        for one in &all {
            assert!(!one.seed.is_empty() && !one.mend.is_empty(), "{}", one.name);
            assert!(Break::named(&one.name).is_ok());
        }
        let why = Break::named("none").unwrap_err().to_string();
        assert!(why.contains("expire, half-finish"), "{why}");
    }
}
