//! What goes wrong with certificates on machines, on purpose: one place each, put right again afterwards.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::kubeadm;
use super::plan::Role;
use super::{Machine, Machines, run};

/// One thing that is wrong, as data.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MixUp {
    /// What it is called: `worker-trusts-another-ca`.
    pub name: String,
    /// What it is, in a sentence.
    pub about: String,
    /// The machine where it is made.
    pub machine: String,
    /// Files that are changed; they are put back afterwards.
    #[serde(default)]
    pub files: Vec<String>,
    /// What makes it: lines for the machine's shell. `$OTHER` is a directory with another generation of everything.
    pub seed: String,
    /// What else puts it right.
    #[serde(default)]
    pub mend: String,
    /// The finding by which it is known.
    pub finding: String,
    /// The place of that finding.
    pub place: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Table {
    mix_up: Vec<MixUp>,
}

/// Where a machine keeps what it had before.
const WHOLE: &str = "/root/whole";
/// Where a machine keeps another generation of its certificates.
const OTHER: &str = "/root/other";
/// Words for seeds: files appear whole, and kubectl is the administrator's.
const PRELUDE: &str = include_str!("prelude.sh");
/// For openssl: Debian's own file is not on the machines.
const OPENSSL: &str = "[req]
distinguished_name=name
[name]
[ca]
default_ca=lab
[lab]
new_certs_dir=/root/issued
database=/root/issued/index
serial=/root/issued/serial
default_md=sha256
policy=any
x509_extensions=client
[again]
new_certs_dir=/root/expire/issued
database=/root/expire/issued/index
serial=/root/expire/issued/serial
default_md=sha256
policy=any
copy_extensions=copyall
[any]
organizationName=optional
commonName=supplied
[client]
basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature
extendedKeyUsage=clientAuth
authorityKeyIdentifier=keyid
subjectKeyIdentifier=hash
";

/// All that the lab knows to make wrong, on one cluster.
#[derive(Debug)]
pub struct MixUps<'a>(&'a Machines);

impl MixUp {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let table: Table =
            toml::from_str(include_str!("mixups.toml")).expect("a test reads the table");
        table.mix_up
    }

    /// The one of this name.
    pub fn named(name: &str) -> Result<Self> {
        let all = Self::all();
        let known = all.iter().map(|one| one.name.clone()).collect::<Vec<_>>().join(", ");
        let found = all.into_iter().find(|one| one.name == name);
        found.with_context(|| format!("no mix-up is called {name}: there are {known}"))
    }
}

impl<'a> MixUps<'a> {
    /// Prepares a cluster once: what it has is kept, and another generation of everything is made beside it.
    pub fn prepare(lab: &'a Machines) -> Result<Self> {
        let this = Self(lab);
        let (first, others) = lab.machines().split_first().context("no machines")?;
        if lab.root_of(&first.name)?.join(WHOLE.trim_start_matches('/')).exists() {
            return Ok(this);
        }
        this.make_other(first)?;
        for machine in others {
            let (from, to) = (lab.root_of(&first.name)?, lab.root_of(&machine.name)?);
            let at = OTHER.trim_start_matches('/');
            fs::create_dir_all(to.join(at).join("etcd"))?;
            for name in ["ca", "front-proxy-ca", "etcd/ca"] {
                for end in ["crt", "key"] {
                    let file = format!("{at}/{name}.{end}");
                    fs::copy(from.join(&file), to.join(&file))
                        .with_context(|| format!("cannot give {} {file}", machine.name))?;
                }
            }
            this.make_other(machine)?;
        }
        for machine in lab.machines() {
            this.run(
                &machine.name,
                &format!(
                    "mkdir -p {WHOLE}/etc {WHOLE}/var/lib/kubelet && cp -a /etc/kubernetes {WHOLE}/etc/ && \
                     cp -a /var/lib/kubelet/pki /var/lib/kubelet/config.yaml {WHOLE}/var/lib/kubelet/"
                ),
            )?;
        }
        Ok(this)
    }

    /// Makes it wrong.
    pub fn seed(&self, mixup: &MixUp) -> Result<()> {
        self.run(&mixup.machine, &mixup.seed)
            .with_context(|| format!("cannot make the mix-up {}", mixup.name))
    }

    /// Puts it right.
    pub fn mend(&self, mixup: &MixUp) -> Result<()> {
        let mut script = String::new();
        for file in &mixup.files {
            let _ = writeln!(script, "put {WHOLE}{file} {file}");
        }
        script += &mixup.mend;
        self.run(&mixup.machine, &script)
            .with_context(|| format!("cannot put the mix-up {} right", mixup.name))
    }

    /// A whole generation as kubeadm makes it, under CAs that are there or new ones.
    fn make_other(&self, machine: &Machine) -> Result<()> {
        let root = self.0.root_of(&machine.name)?;
        fs::write(root.join("etc/lab/other.yaml"), kubeadm::another_set(machine, OTHER)?)
            .context("cannot write kubeadm's configuration")?;
        let phase = match machine.role {
            Role::ControlPlane => "kubeadm init phase certs all --config /etc/lab/other.yaml",
            Role::Worker => "true",
        };
        let configs = "kubeadm init phase kubeconfig all --kubeconfig-dir /root/other --config /etc/lab/other.yaml";
        self.run(&machine.name, &format!("{phase} >/dev/null\n{configs} >/dev/null"))
    }

    fn run(&self, machine: &str, script: &str) -> Result<()> {
        if !self.0.machines().iter().any(|one| one.name == machine) {
            bail!("there is no machine {machine} in this lab");
        }
        run_on(self.0, machine, script, "mix-up", &[]).map(drop)
    }
}

/// Runs lines on a machine with the words of the prelude, for the thing called `what`. Gives back what they said.
pub(super) fn run_on(
    lab: &Machines,
    machine: &str,
    lines: &str,
    what: &str,
    arguments: &[&str],
) -> Result<String> {
    fs::write(lab.root_of(machine)?.join("root/openssl.cnf"), OPENSSL)
        .context("cannot write openssl's configuration")?;
    // By standard input, as an error tells the whole command; what the lines run finds that empty.
    let script = format!("what={what}\n{PRELUDE}{{\n{lines}\n}} </dev/null\n");
    let mut command = lab.command_on(machine, "sh")?;
    run::fed(command.args(["-s", "--"]).args(arguments), &script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_is_there_once_and_is_put_right() {
        let all = MixUp::all();
        assert!(all.len() >= 25, "{}", all.len());
        let names: BTreeSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        for one in &all {
            assert!(!one.files.is_empty() || !one.mend.is_empty(), "{}", one.name);
            assert!(MixUp::named(&one.name).is_ok());
        }
        let why = MixUp::named("none").unwrap_err().to_string();
        assert!(why.contains(&all[0].name), "{why}");
    }
}
