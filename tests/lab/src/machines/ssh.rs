//! Machines as operators reach them: a real sshd on each, and a desk in their network.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Machine, Machines, run};

/// What each machine's sshd is told. Its users are the machine's own, and keys the only way in.
const SETTINGS: &str = "HostKey /etc/ssh/host
AuthorizedKeysFile /root/.ssh/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
MaxStartups 100
MaxSessions 100
";

fn folder(lab: &Path) -> PathBuf {
    lab.join("ssh")
}

/// Makes the operator's key.
pub(super) fn make_key(lab: &Path) -> Result<()> {
    let folder = folder(lab);
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    keygen(&folder.join("operator"))
}

/// Gives a machine its key and lets the operator in.
pub(super) fn furnish(lab: &Path, root: &Path, machine: &Machine) -> Result<()> {
    let folder = folder(lab);
    let (settings, home) = (root.join("etc/ssh"), root.join("root/.ssh"));
    for made in [&settings, &home] {
        fs::create_dir_all(made)?;
        fs::set_permissions(made, fs::Permissions::from_mode(0o700))?;
    }
    keygen(&settings.join("host"))?;
    fs::write(settings.join("sshd_config"), SETTINGS)?;
    fs::copy(folder.join("operator.pub"), home.join("authorized_keys"))?;
    let key = fs::read_to_string(settings.join("host.pub"))?;
    let mut known = fs::File::options().create(true).append(true).open(folder.join("known"))?;
    write!(known, "{},{} {key}", machine.name, machine.address())?;
    Ok(())
}

fn keygen(path: &Path) -> Result<()> {
    let mut command = Command::new("ssh-keygen");
    run::output(command.args(["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f"]).arg(path))
        .map(drop)
}

impl Machines {
    /// A program of this computer, with this computer's files, in the machines' network: there each machine and each
    /// API server is reached by its own address.
    pub fn at_desk(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.switch()?.to_string(), "--net", "--"]).arg(program);
        Ok(command)
    }

    /// A kubeconfig of the cluster's administrator, for the desk.
    pub fn desk_kubeconfig(&self) -> PathBuf {
        self.dir().join("desk.conf")
    }

    /// Options of `ssh -o` that let the desk reach each machine by its address.
    pub fn ssh_options(&self) -> Vec<String> {
        let folder = folder(self.dir());
        vec![
            "User=root".to_owned(),
            format!("IdentityFile={}", folder.join("operator").display()),
            "IdentitiesOnly=yes".to_owned(),
            format!("UserKnownHostsFile={}", folder.join("known").display()),
            "GlobalKnownHostsFile=none".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
        ]
    }
}
