//! Gates: questions that reality answers before the next stage begins. One that cannot be answered does not hold.

use super::api::Api;
use super::cluster_file::{Cluster as Machines, Named, Where};
use super::document::Plan;
use super::ports;
use super::stage::{Stage, Track};
use super::work::Work;
use rotation_core::facts::ca_bundle::CaBundle;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::lease::OF_NODES;
use rotation_core::facts::x509::Certificate;
use rotation_core::world::beside;
use rotation_core::world::clock::{Clock, SystemClock};
use rotation_core::world::cluster::{Cluster, ClusterError, Scope, Thing};
use rotation_core::world::endpoint::{self, Limits, Target};
use rotation_core::world::hosts::change::State;
use rotation_core::world::interrupt::Interrupt;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Between two questions.
const PULSE: Duration = Duration::from_millis(300);
/// Gates that are asked at a time.
const AT_ONCE: usize = 32;
/// How long a server may take to answer.
const PATIENCE: Limits =
    Limits { connect: Duration::from_secs(3), handshake: Duration::from_secs(5) };

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// An API server is ready.
    Ready(SocketAddr),
    /// A server names the CA among those whose clients it accepts, or does not.
    Accepts { server: &'static str, at: SocketAddr, track: Track, new: bool, wanted: bool },
    /// An API server lets in a client of the new CA.
    LetsIn(SocketAddr),
    /// A server shows a certificate of the new CA.
    Shows { server: &'static str, at: SocketAddr, track: Track },
    /// Every namespace publishes the CA file of this stage.
    Published(Stage),
    /// Every token secret has it.
    TokenSecrets(Stage),
    /// The file that new machines join by has it.
    ClusterInfo(Stage),
    /// Aggregated servers are told of the CA, or of the old one no more.
    Aggregation { track: Track, wanted: bool, new: bool },
    /// An API server checks tokens by the key, or does not.
    ChecksTokens { at: SocketAddr, new: bool, wanted: bool },
    /// Every node says that it lives, later than this run began.
    Nodes,
    /// Aggregated APIs answer.
    Apis,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = |new: &bool| if *new { "new" } else { "old" };
        match self {
            Self::Ready(at) => write!(f, "kube-apiserver at {at} is ready"),
            Self::Accepts { server, at, track, new, wanted } => {
                let verb = if *wanted { "accepts" } else { "does not accept" };
                write!(f, "{server} at {at} {verb} clients of the {} {track} CA", which(new))
            }
            Self::LetsIn(at) => {
                write!(f, "kube-apiserver at {at} lets in a client of the new cluster CA")
            }
            Self::Shows { server, at, track } => {
                write!(f, "{server} at {at} shows a certificate of the new {track} CA")
            }
            Self::Published(stage) => {
                write!(f, "every namespace publishes the CA of stage {stage}")
            }
            Self::TokenSecrets(stage) => {
                write!(f, "every token secret has the CA of stage {stage}")
            }
            Self::ClusterInfo(stage) => write!(f, "cluster-info has the CA of stage {stage}"),
            Self::Aggregation { track, wanted, new } => {
                let verb = if *wanted { "told of" } else { "not told any more of" };
                write!(f, "aggregated servers are {verb} the {} {track} CA", which(new))
            }
            Self::ChecksTokens { at, new, wanted } => {
                let verb = if *wanted { "checks" } else { "does not check" };
                write!(f, "kube-apiserver at {at} {verb} tokens by the {} key", which(new))
            }
            Self::Nodes => f.write_str("every node says that it lives"),
            Self::Apis => f.write_str("every API group answers"),
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is so.
    Holds,
    /// It is not, or nobody can say: why.
    Not(String),
}

/// Everything that gates ask.
pub(crate) struct Asker<'a> {
    /// The plan.
    pub(crate) plan: &'a Plan,
    /// The cluster.
    pub(crate) api: &'a Api,
    /// The directory with the new CAs.
    pub(crate) work: &'a Work,
    /// Who may ask to stop.
    pub(crate) interrupt: &'a Interrupt,
    /// Since when nodes must have said that they live, on the server's clock.
    pub(crate) since: jiff::Timestamp,
}

/// The questions after a stage.
pub(crate) fn after(stage: Stage, plan: &Plan, machines: &Machines) -> Vec<Gate> {
    let mut gates = Vec::new();
    let has = |track: Track| plan.track(track).is_some();
    let new_key = plan.strategy.has_new_key();
    // Under one key the old name is the new one.
    let both = stage == Stage::Accept || stage == Stage::Sign;
    let shows = stage >= Stage::Switch && plan.strategy.renews_leaves();
    for machine in &machines.machines {
        let Some(address) = machine.addresses.first().copied() else { continue };
        let at = |server: &str| ports::socket(plan, &machine.name, address, server);
        let accepts = |server: &'static str, track, new, wanted| Gate::Accepts {
            server,
            at: at(server),
            track,
            new,
            wanted,
        };
        let control = machine.place == Where::ControlPlane;
        let api = at("kube-apiserver");
        if control {
            gates.push(Gate::Ready(api));
        }
        if new_key && has(Track::Cluster) {
            let servers = ["kubelet", "kube-apiserver"];
            for server in servers.into_iter().take(if control { 2 } else { 1 }) {
                gates.push(accepts(server, Track::Cluster, true, stage > Stage::Before));
                gates.push(accepts(server, Track::Cluster, false, stage != Stage::Retire));
            }
            if control && both {
                gates.push(Gate::LetsIn(api));
            }
        }
        if control && shows && has(Track::Cluster) {
            let server = "kube-apiserver";
            gates.push(Gate::Shows { server, at: api, track: Track::Cluster });
        }
        let runs_etcd = plan.hosts.iter().any(|host| {
            host.name == machine.name && host.components.iter().any(|c| c.program == "etcd")
        });
        if runs_etcd && has(Track::Etcd) {
            for server in ["etcd", "etcd-peer"] {
                if new_key {
                    gates.push(accepts(server, Track::Etcd, true, stage > Stage::Before));
                    gates.push(accepts(server, Track::Etcd, false, stage != Stage::Retire));
                }
                if shows {
                    gates.push(Gate::Shows { server, at: at(server), track: Track::Etcd });
                }
            }
        }
        if control && has(Track::Tokens) {
            gates.push(Gate::ChecksTokens { at: api, new: true, wanted: stage > Stage::Before });
            gates.push(Gate::ChecksTokens { at: api, new: false, wanted: stage != Stage::Retire });
        }
    }
    if has(Track::Cluster) {
        gates.extend([Gate::Published(stage), Gate::TokenSecrets(stage), Gate::ClusterInfo(stage)]);
    }
    if new_key {
        for track in [Track::Cluster, Track::FrontProxy] {
            if has(track) && stage > Stage::Before {
                gates.push(Gate::Aggregation { track, wanted: true, new: true });
            }
            if has(track) && matches!(stage, Stage::Before | Stage::Retire) {
                let new = stage == Stage::Before;
                gates.push(Gate::Aggregation { track, wanted: false, new });
            }
        }
    }
    gates.extend([Gate::Nodes, Gate::Apis]);
    gates
}

impl Gate {
    /// Whether it waits for what only this tool takes away, once no API server would add it again.
    pub(crate) fn is_of_pruning(&self) -> bool {
        matches!(self, Self::Aggregation { wanted: false, .. })
    }
}

impl Asker<'_> {
    /// Asks again and again until all hold but those that need not, or the time is over; `told` hears of each once it is
    /// decided.
    pub(crate) fn wait(
        &self,
        gates: &[Gate],
        need_not: &dyn Fn(&Gate) -> bool,
        limit: Duration,
        told: &mut dyn FnMut(&Gate, &Verdict, Duration),
    ) -> Vec<(Gate, String)> {
        let clock = SystemClock::start();
        let mut open: Vec<Gate> = gates.to_vec();
        loop {
            let verdicts = beside::each(&open, AT_ONCE, |gate| self.ask(gate));
            let took = clock.uptime();
            let mut left = Vec::new();
            for (gate, verdict) in open.into_iter().zip(verdicts) {
                match verdict {
                    Verdict::Holds => told(&gate, &Verdict::Holds, took),
                    Verdict::Not(why) => left.push((gate, why)),
                }
            }
            let enough = left.iter().all(|(gate, _)| need_not(gate));
            if enough || took >= limit || self.interrupt.is_asked() {
                for (gate, why) in &left {
                    told(gate, &Verdict::Not(why.clone()), took);
                }
                return left;
            }
            open = left.into_iter().map(|(gate, _)| gate).collect();
            self.interrupt.pause(PULSE);
        }
    }

    /// Asks once.
    pub(crate) fn ask(&self, gate: &Gate) -> Verdict {
        match self.answer(gate) {
            Ok(verdict) => verdict,
            Err(why) => Verdict::Not(format!("it cannot be asked: {why}")),
        }
    }

    fn answer(&self, gate: &Gate) -> Result<Verdict, ClusterError> {
        let holds =
            |so: bool, why: &str| if so { Verdict::Holds } else { Verdict::Not(why.to_owned()) };
        Ok(match gate {
            Gate::Ready(at) => {
                self.api.ask(Some(&url(*at)), Cluster::ready)?;
                Verdict::Holds
            }
            Gate::Accepts { at, track, new, wanted, .. } => {
                self.accepts(*at, *track, *new, *wanted)
            }
            Gate::LetsIn(at) => holds(
                !self.api.has_probe() || self.api.lets_probe_in(&url(*at))?,
                "it answers 401 to a client of the new CA",
            ),
            Gate::Shows { at, track, .. } => self.shows(*at, *track),
            Gate::Published(stage) => self.published(*stage)?,
            Gate::TokenSecrets(stage) => self.token_secrets(*stage)?,
            Gate::ClusterInfo(stage) => self.cluster_info(*stage)?,
            Gate::Aggregation { track, wanted, new } => self.aggregation(*track, *wanted, *new)?,
            Gate::ChecksTokens { at, new, wanted } => {
                let keys = self.api.ask(Some(&url(*at)), Cluster::published_key_digests)?;
                let Some(plan) = self.plan.track(Track::Tokens) else { return Ok(Verdict::Holds) };
                let key = if *new { plan.new.key } else { plan.old.key };
                // Before 1.20 none is published.
                let has = keys.is_none_or(|keys| keys.contains(&key) == *wanted);
                holds(has, "its list of keys says otherwise")
            }
            Gate::Nodes => self.nodes()?,
            Gate::Apis => self.apis()?,
        })
    }

    fn new_ca(&self, track: Track, new: bool) -> Option<Certificate> {
        let name = if new { format!("new-{track}.crt") } else { format!("old-{track}.crt") };
        let bytes = rotation_core::world::files::read(&self.work.beside(&name)).ok()?;
        super::old::certificates(bytes.as_bytes()).into_iter().next()
    }

    fn accepts(&self, at: SocketAddr, track: Track, new: bool, wanted: bool) -> Verdict {
        let Some(ca) = self.new_ca(track, new) else {
            return Verdict::Not("the CA's certificate is not beside the plan".to_owned());
        };
        let target = Target { host: at.ip().to_string(), port: at.port(), server_name: None };
        match endpoint::look(&target, PATIENCE) {
            Err(why) => Verdict::Not(why.to_string()),
            Ok(shown) => {
                let Some(asks) = shown.asks else {
                    return Verdict::Not("it asks no client for a certificate".to_owned());
                };
                if asks.names.iter().any(|name| name.der() == ca.subject().der()) == wanted {
                    Verdict::Holds
                } else {
                    let names: Vec<String> = asks.names.iter().map(ToString::to_string).collect();
                    Verdict::Not(format!("it names {}", names.join(", ")))
                }
            }
        }
    }

    fn shows(&self, at: SocketAddr, track: Track) -> Verdict {
        let Some(ca) = self.new_ca(track, true) else {
            return Verdict::Not("the CA's certificate is not beside the plan".to_owned());
        };
        let target = Target { host: at.ip().to_string(), port: at.port(), server_name: None };
        match endpoint::look(&target, PATIENCE) {
            Err(why) => Verdict::Not(why.to_string()),
            Ok(shown) => match shown.chain.first() {
                Some(leaf) if !leaf.is_signed_by(&ca) => {
                    Verdict::Not(format!("it shows one of {}", leaf.issuer()))
                }
                Some(leaf)
                    if leaf.not_before()
                        < self.plan.created_at - jiff::SignedDuration::from_mins(6) =>
                {
                    Verdict::Not("it shows the one from before".to_owned())
                }
                Some(_) => Verdict::Holds,
                None => Verdict::Not("it shows no certificate".to_owned()),
            },
        }
    }

    /// What the controller manager's file of the root CA holds at a stage.
    fn root_ca(&self, stage: Stage) -> Option<Digest> {
        match self.plan.root_ca.get(stage.index())? {
            State::File(digest) => Some(*digest),
            State::Absent | State::Link(_) | State::Other(_) => None,
        }
    }

    fn published(&self, stage: Stage) -> Result<Verdict, ClusterError> {
        let Some(wanted) = self.root_ca(stage) else { return Ok(Verdict::Holds) };
        let maps = self.api.ask(None, |cluster| cluster.root_cas(&Scope::All))?;
        let behind: Vec<&str> =
            maps.iter().filter(|map| map.ca != Some(wanted)).map(|map| &*map.namespace).collect();
        Ok(some_of(&behind, maps.len(), "namespaces"))
    }

    fn token_secrets(&self, stage: Stage) -> Result<Verdict, ClusterError> {
        let Some(wanted) = self.root_ca(stage) else { return Ok(Verdict::Holds) };
        let secrets = self.api.ask(None, |cluster| cluster.account_tokens(&Scope::All, None))?;
        let behind: Vec<String> = secrets
            .iter()
            .filter(|secret| !secret.deleting && secret.ca_digest != Some(wanted))
            .map(|secret| {
                let (namespace, name) = (&secret.secret.namespace, &secret.secret.name);
                // Nobody can write it any more.
                let never = if secret.immutable { " (immutable)" } else { "" };
                format!("{namespace}/{name}{never}")
            })
            .collect();
        let behind: Vec<&str> = behind.iter().map(String::as_str).collect();
        Ok(some_of(&behind, secrets.len(), "token secrets"))
    }

    fn cluster_info(&self, stage: Stage) -> Result<Verdict, ClusterError> {
        let map = self
            .api
            .ask(None, |cluster| cluster.object(Thing::ConfigMap, "kube-public", "cluster-info"))?;
        let text =
            map.as_ref().and_then(|map| map.pointer("/data/kubeconfig")).and_then(|v| v.as_str());
        // Only kubeadm has it.
        let Some(text) = text else { return Ok(Verdict::Holds) };
        let held = super::objects::bundle_of(text);
        let wanted = super::objects::wanted(self.plan, self.work, stage);
        Ok(if held == wanted { Verdict::Holds } else { Verdict::Not(format!("it has {held}")) })
    }

    fn aggregation(&self, track: Track, wanted: bool, new: bool) -> Result<Verdict, ClusterError> {
        let map = self.api.ask(None, |cluster| {
            cluster.object(Thing::ConfigMap, "kube-system", "extension-apiserver-authentication")
        })?;
        let key = if track == Track::FrontProxy {
            "requestheader-client-ca-file"
        } else {
            "client-ca-file"
        };
        let text = map
            .as_ref()
            .and_then(|map| map.pointer(&format!("/data/{key}")))
            .and_then(|v| v.as_str());
        let Some(text) = text else { return Ok(Verdict::Holds) };
        let Some(ca) = self.new_ca(track, new) else {
            return Ok(Verdict::Not("the CA's certificate is not beside the plan".to_owned()));
        };
        let one = CaBundle::of(&rotation_core::facts::x509::encode("CERTIFICATE", ca.der()));
        Ok(if CaBundle::of(text).contains(&one) == wanted {
            Verdict::Holds
        } else {
            Verdict::Not(format!("extension-apiserver-authentication has {}", CaBundle::of(text)))
        })
    }

    fn nodes(&self) -> Result<Verdict, ClusterError> {
        let (leases, nodes) =
            self.api.ask(None, |cluster| Ok((cluster.leases(OF_NODES)?, cluster.nodes()?)))?;
        let late: Vec<&str> = nodes
            .iter()
            .filter(|node| {
                let lease = leases.iter().find(|lease| lease.name == node.name);
                // Before 1.14 there are none.
                lease.is_some_and(|lease| lease.renewed.is_none_or(|at| at < self.since))
            })
            .map(|node| &*node.name)
            .collect();
        Ok(some_of(&late, nodes.len(), "nodes"))
    }

    fn apis(&self) -> Result<Verdict, ClusterError> {
        let silent = self.api.ask(None, Cluster::silent_apis)?;
        Ok(match silent.first() {
            None => Verdict::Holds,
            Some((name, why)) => Verdict::Not(format!("{name} does not: {why}")),
        })
    }
}

/// Where an API server is asked.
pub(crate) fn url(at: SocketAddr) -> String {
    format!("https://{at}")
}

/// Where the API servers of some machines are asked.
pub(crate) fn api_servers<'a>(
    plan: &Plan,
    machines: impl Iterator<Item = &'a Named>,
) -> Vec<SocketAddr> {
    let control = machines.filter(|machine| machine.place == Where::ControlPlane);
    let socket = |machine: &Named| {
        let at = *machine.addresses.first()?;
        Some(ports::socket(plan, &machine.name, at, "kube-apiserver"))
    };
    control.filter_map(socket).collect()
}

fn some_of(behind: &[&str], all: usize, what: &str) -> Verdict {
    if behind.is_empty() {
        return Verdict::Holds;
    }
    let named: Vec<&str> = behind.iter().copied().take(3).collect();
    let more = if behind.len() > named.len() { ", ..." } else { "" };
    Verdict::Not(format!("{} of {all} {what} are behind: {}{more}", behind.len(), named.join(", ")))
}
