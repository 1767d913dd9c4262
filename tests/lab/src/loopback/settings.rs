//! What a loopback lab is made of, as it is asked for and as it is recorded.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::ports::{self, Block};

/// Which Kubernetes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Generation {
    /// Today's.
    #[default]
    Current,
    /// One that makes token secrets by itself.
    Old,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "1.36",
            Self::Old => "old",
        })
    }
}

impl FromStr for Generation {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "1.36" | "current" => Ok(Self::Current),
            "old" | "1.24" => Ok(Self::Old),
            _ => bail!(
                "no Kubernetes {text:?} here: 1.36, or old (1.24, which makes token secrets by itself)"
            ),
        }
    }
}

/// One of the processes of a loopback lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// The store.
    Etcd,
    /// An API server, counted from 0.
    ApiServer(u32),
    /// The controller manager.
    ControllerManager,
    /// The scheduler.
    Scheduler,
    /// What plays the nodes and their pods.
    Kwok,
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Etcd => f.write_str("etcd"),
            Self::ApiServer(0) => f.write_str("kube-apiserver"),
            Self::ApiServer(n) => write!(f, "kube-apiserver-{}", n + 1),
            Self::ControllerManager => f.write_str("kube-controller-manager"),
            Self::Scheduler => f.write_str("kube-scheduler"),
            Self::Kwok => f.write_str("kwok"),
        }
    }
}

/// What to bring up. `Options::default()` is one API server, two nodes, today's generation, gone when dropped.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a part that one may leave out, or not")]
pub struct Options {
    /// Which Kubernetes.
    pub kubernetes: Generation,
    /// How many simulated nodes, called `node-0` and so on.
    pub nodes: u32,
    /// How many API servers, each with an address of its own, on one etcd.
    pub api_servers: u32,
    /// Whether anything plays the nodes; without it they never become Ready and no pod runs.
    pub kwok: bool,
    /// Whether pods are scheduled.
    pub scheduler: bool,
    /// Lifts the client limits of the controller manager and scheduler, which cost seconds. Off where a test
    /// measures what the controllers' own limits allow.
    pub fast_controllers: bool,
    /// More flags for every API server. A flag replaces those of the same name.
    pub api_server_flags: Vec<String>,
    /// More flags for the controller manager.
    pub controller_manager_flags: Vec<String>,
    /// More flags for the scheduler.
    pub scheduler_flags: Vec<String>,
    /// The lab's name; by default one that no other lab has.
    pub name: Option<String>,
    /// Lives on when its handle is dropped and its maker ends.
    pub detached: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kubernetes: Generation::Current,
            nodes: 2,
            api_servers: 1,
            kwok: true,
            scheduler: true,
            fast_controllers: true,
            api_server_flags: Vec::new(),
            controller_manager_flags: Vec::new(),
            scheduler_flags: Vec::new(),
            name: None,
            detached: false,
        }
    }
}

impl Options {
    pub(super) fn check(&self) -> Result<()> {
        ensure!(
            (1..=9).contains(&self.api_servers),
            "{} API servers make no lab: use 1 to 9",
            self.api_servers
        );
        ensure!(
            self.nodes <= 5000,
            "{} nodes are more than the lab was tried with: use at most 5000",
            self.nodes
        );
        Ok(())
    }
}

/// What is recorded of a running lab, so that another process can stop, start and restart its parts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Which Kubernetes.
    pub kubernetes: Generation,
    /// Its addresses.
    pub block: Block,
    /// How many API servers.
    pub api_servers: u32,
    /// How many nodes it was made with.
    pub nodes: u32,
    /// Whether anything plays the nodes.
    pub kwok: bool,
    /// Whether pods are scheduled.
    pub scheduler: bool,
    /// Whether client limits are lifted.
    pub fast_controllers: bool,
    /// Flags beside the lab's own, by component.
    pub flags: BTreeMap<String, Vec<String>>,
    /// When it was made.
    pub made: jiff::Timestamp,
}

impl Settings {
    pub(super) fn new(options: &Options, block: Block) -> Self {
        let mut flags = BTreeMap::new();
        for n in 0..options.api_servers {
            flags.insert(Component::ApiServer(n).to_string(), options.api_server_flags.clone());
        }
        flags.insert(
            Component::ControllerManager.to_string(),
            options.controller_manager_flags.clone(),
        );
        flags.insert(Component::Scheduler.to_string(), options.scheduler_flags.clone());
        Self {
            kubernetes: options.kubernetes,
            block,
            api_servers: options.api_servers,
            nodes: options.nodes,
            kwok: options.kwok,
            scheduler: options.scheduler,
            fast_controllers: options.fast_controllers,
            flags,
            made: jiff::Timestamp::now(),
        }
    }

    /// Reads what is recorded in a lab's directory.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("lab.json");
        let text =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text)
            .with_context(|| format!("cannot understand {}", path.display()))
    }

    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        crate::process::write_json(&dir.join("lab.json"), self)
    }

    /// The components of this lab, in the order in which they start.
    pub fn components(&self) -> Vec<Component> {
        let mut all = vec![Component::Etcd];
        all.extend((0..self.api_servers).map(Component::ApiServer));
        all.push(Component::ControllerManager);
        if self.scheduler {
            all.push(Component::Scheduler);
        }
        if self.kwok {
            all.push(Component::Kwok);
        }
        all
    }

    /// Where the component called `name` listens.
    pub fn address_of(&self, name: &str) -> Option<String> {
        let component =
            self.components().into_iter().find(|component| component.to_string() == name)?;
        let (member, port) = match component {
            Component::Etcd => (0, ports::ETCD),
            Component::ApiServer(n) => (n, ports::API),
            Component::ControllerManager => (0, ports::CONTROLLER_MANAGER),
            Component::Scheduler => (0, ports::SCHEDULER),
            Component::Kwok => (0, ports::KWOK),
        };
        Some(format!("{}:{port}", self.block.member(member)))
    }

    /// The URL of every API server.
    pub fn servers(&self) -> Vec<String> {
        (0..self.api_servers)
            .map(|n| format!("https://{}:{}", self.block.member(n), ports::API))
            .collect()
    }
}
