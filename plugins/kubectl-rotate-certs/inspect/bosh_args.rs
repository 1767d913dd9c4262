//! The flags of VMs that BOSH made, spelled as `bosh-proxy-restart` and `bosh` spell them.

use clap::{Args, ValueHint};
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::bosh::{Instance, is_word};
use rotation_core::facts::duration::parse_go;
use rotation_core::world::hosts::bosh::{Bosh, Settings};
use rotation_core::world::interrupt::Interrupt;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Which VMs, and how they are reached.
#[derive(Args, Debug)]
pub(crate) struct BoshArgs {
    /// VMs of a BOSH deployment, as your own `bosh ssh` reaches them, 8 at a time: all, or GROUP, GROUP/UUID, GROUP/INDEX
    #[arg(
        help_heading = "BOSH",
        long,
        value_name = "INSTANCE,...",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "*",
        value_delimiter = ','
    )]
    pub(crate) bosh: Vec<Selector>,

    /// Deployment; `BOSH_DEPLOYMENT` by default
    #[arg(help_heading = "BOSH", short, long, value_name = "NAME", requires = "bosh")]
    deployment: Option<String>,

    /// Director: URL or alias
    #[arg(help_heading = "BOSH", short, long, value_name = "URL", requires = "bosh")]
    environment: Option<String>,

    /// CA certificate of the director: path or text
    #[arg(help_heading = "BOSH", long, value_name = "CERT", requires = "bosh")]
    ca_cert: Option<String>,

    /// Client or user; its secret comes from `BOSH_CLIENT_SECRET` or from `bosh log-in`
    #[arg(help_heading = "BOSH", long, value_name = "NAME", requires = "bosh")]
    client: Option<String>,

    /// Config file of the BOSH CLI
    #[arg(help_heading = "BOSH", long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "bosh")]
    config: Option<PathBuf>,

    /// SSH gateway: host
    #[arg(help_heading = "BOSH", long, value_name = "HOST", requires = "bosh")]
    gw_host: Option<String>,

    /// SSH gateway: user
    #[arg(help_heading = "BOSH", long, value_name = "USER", requires = "bosh")]
    gw_user: Option<String>,

    /// SSH gateway: file of the private key
    #[arg(help_heading = "BOSH", long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "bosh")]
    gw_private_key: Option<PathBuf>,

    /// No SSH gateway
    #[arg(help_heading = "BOSH", long, requires = "bosh")]
    gw_disable: bool,

    /// The BOSH CLI; `bosh` on `PATH` by default
    #[arg(help_heading = "BOSH", long, value_name = "PATH", value_hint = ValueHint::ExecutablePath, default_value = "bosh", hide_default_value = true, requires = "bosh")]
    bosh_cli: PathBuf,

    /// Longest wait for an SSH connection to come about
    #[arg(help_heading = "BOSH", long, value_name = "DURATION", default_value = "10s", value_parser = parse_go, requires = "bosh")]
    connect_timeout: Duration,

    /// How long the look at a VM may take
    #[arg(help_heading = "BOSH", long, value_name = "DURATION", default_value = "2m", value_parser = parse_go, requires = "bosh")]
    pub(crate) bosh_timeout: Duration,
}

/// Instances that are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    /// Every one of the deployment.
    All,
    /// Those of a group, or one of it.
    Of {
        /// The group.
        group: String,
        /// A UUID or an index.
        which: Option<String>,
    },
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::All);
        }
        let (group, which) = match text.split_once('/') {
            Some((group, which)) => (group, Some(which)),
            None => (text, None),
        };
        if !is_word(group) || which.is_some_and(|which| !is_word(which)) {
            return Err("it is neither GROUP, nor GROUP/UUID, nor GROUP/INDEX".to_owned());
        }
        Ok(Self::Of { group: group.to_owned(), which: which.map(str::to_owned) })
    }
}

impl Selector {
    /// Whether this instance is meant.
    pub(crate) fn selects(&self, instance: &Instance) -> bool {
        let Self::Of { group, which } = self else { return true };
        *group == instance.name.group
            && which.as_ref().is_none_or(|which| {
                *which == instance.name.id
                    || instance.index.is_some_and(|index| which.parse() == Ok(index))
            })
    }
}

impl BoshArgs {
    /// The door to BOSH.
    pub(crate) fn door(&self, console: &Console, interrupt: Interrupt) -> Result<Bosh, Failure> {
        let mut global = Vec::new();
        add(&mut global, "--environment", self.environment.as_ref());
        add(&mut global, "--ca-cert", self.ca_cert.as_ref());
        add(&mut global, "--client", self.client.as_ref());
        add(&mut global, "--config", self.config.as_ref());
        let mut ssh = Vec::new();
        add(&mut ssh, "--gw-host", self.gw_host.as_ref());
        add(&mut ssh, "--gw-user", self.gw_user.as_ref());
        add(&mut ssh, "--gw-private-key", self.gw_private_key.as_ref());
        if self.gw_disable {
            ssh.push("--gw-disable".into());
        }
        let settings = Settings {
            program: self.bosh_cli.clone().into(),
            deployment: self.named(console)?,
            global,
            ssh,
            connect_seconds: self.connect_timeout.as_secs().max(1),
        };
        Ok(Bosh::new(settings, interrupt))
    }

    fn named(&self, console: &Console) -> Result<String, Failure> {
        let named = self.deployment.as_ref().or(console.environment.bosh_deployment.as_ref());
        let name = named.ok_or_else(|| {
            Failure::usage("no deployment is named").with_hint(
                "name it with -d NAME or BOSH_DEPLOYMENT; run `bosh deployments` to see them",
            )
        })?;
        if !is_word(name) {
            return Err(Failure::usage(format!("`{name}` can be no deployment's name")));
        }
        Ok(name.clone())
    }
}

fn add(list: &mut Vec<OsString>, flag: &str, value: Option<&impl AsRef<std::ffi::OsStr>>) {
    if let Some(value) = value {
        let mut word = OsString::from(format!("{flag}="));
        word.push(value);
        list.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        bosh: BoshArgs,
    }

    fn of(line: &str) -> Result<Vec<Selector>, clap::Error> {
        let words = std::iter::once("x").chain(line.split_whitespace());
        Cli::try_parse_from(words).map(|cli| cli.bosh.bosh)
    }

    #[test]
    fn instances_are_named_as_bosh_names_them() {
        let group = |group: &str, which: Option<&str>| Selector::Of {
            group: group.to_owned(),
            which: which.map(str::to_owned),
        };
        assert_eq!(of("").expect("good"), []);
        assert_eq!(of("--bosh -d k").expect("good"), [Selector::All]);
        assert_eq!(
            of("--bosh=master,minion/0 -d k").expect("good"),
            [group("master", None), group("minion", Some("0"))]
        );
        for line in ["--bosh=a/b/c", "--bosh=-x", "-d k", "--bosh master"] {
            assert!(of(line).is_err(), "{line}");
        }
    }
}
