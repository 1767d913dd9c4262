//! Looks at the sources beyond machines' files. Reads only.

use super::beyond_args::BeyondArgs;
use super::machines::{Container, Way};
use super::observe::interrupted;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::host::HostSeen;
use rotation_core::facts::lease;
use rotation_core::facts::mounts::{self, PodMounts, Published};
use rotation_core::facts::objects::Callee;
use rotation_core::facts::sighting::{
    Component, Domain, Held, Host, Interner, Part, Place, Role, Sighting,
};
use rotation_core::look::places::{self, Server};
use rotation_core::plan::inventory::Beyond;
use rotation_core::world::beside;
use rotation_core::world::clock::{Clock as _, SystemClock};
use rotation_core::world::cluster::{Cluster, ClusterError, Connection, Scope};
use rotation_core::world::endpoint::Limits;
use rotation_core::world::etcd::{
    ContainerError, EtcdAccess, EtcdError, InContainer, Way as Reach,
};
use rotation_core::world::hosts::ssh::Settings;
use rotation_core::world::interrupt::Interrupt;
use std::collections::HashSet;
use std::time::Duration;

const API: Role = Role::new(Component::ApiServer, Domain::Other, Part::Anything);
const ETCD: Role = Role::new(Component::Etcd, Domain::Other, Part::Anything);
const TOKEN_KEYS: Role = Role::new(Component::ApiServer, Domain::Tokens, Part::TokenVerifier);

/// API servers that are asked at a time.
const AT_ONCE: usize = 8;
/// How long an address that only Kubernetes names may take: it may not be reachable from here at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Places.
    pub(crate) sightings: Vec<Sighting>,
    /// What only these sources know.
    pub(crate) beyond: Beyond,
    /// What pods mount.
    pods: Vec<PodMounts>,
}

/// Machines whose etcd is asked in its container, and what it takes to come to them.
pub(crate) struct Inside<'a> {
    pub(super) containers: &'a [Container],
    pub(super) ssh: &'a Settings,
    pub(super) interrupt: &'a Interrupt,
}

/// Looks at everything that is named; at what pods mount, too, where machines are looked at.
pub(crate) fn gather(
    args: &BeyondArgs,
    machines: bool,
    inside: &Inside<'_>,
    interner: &Interner,
    console: &Console,
) -> Result<Found, Failure> {
    let mut found = Found::default();
    let mut called: Vec<Callee> = Vec::new();
    let asked = args.asks_cluster().then(|| args.connection.connection(console));
    let cluster = asked.map(|connection| Cluster::connect(&connection)).transpose()?;
    let cluster = cluster.as_ref().filter(|cluster| found.reaches(cluster));
    let scope = scope(args);
    if let Some(cluster) = cluster.filter(|_| args.objects) {
        let objects = cluster.sightings(&scope, interner);
        found.sightings.extend(objects.sightings);
        called = objects.callees;
        found.sightings.extend(token_keys(cluster));
        found.leases(cluster);
        if machines {
            found.pods = found.pods(cluster, &scope);
        }
    }
    let mut servers = args.endpoint.clone();
    if let Some(cluster) = cluster.filter(|_| args.live) {
        match places::servers(cluster) {
            Ok(known) => servers.extend(known),
            Err(why) => found.unknown(cluster, "servers", "list nodes, get endpoints", &why),
        }
        found.beyond.called = places::callees(cluster, called, Limits::default(), interner);
    }
    let of_service = cluster.map(service_names).unwrap_or_default();
    found.beyond.names = servers.iter().filter_map(|server| names(server, &of_service)).collect();
    found.sightings.extend(places::endpoints(&servers, Limits::default(), interner));
    if cluster.is_some() && args.objects {
        found.token_keys_of_others(&servers, &args.connection.connection(console));
    }
    let of_called = found.beyond.called.iter().flat_map(|called| called.sightings.clone());
    found.sightings.extend(of_called.collect::<Vec<_>>());
    for path in &args.etcd_snapshot {
        found.stored(path.display().to_string(), places::snapshot(path, interner)?);
    }
    for access in args.etcds() {
        found.etcd(&access, interner)?;
    }
    for container in inside.containers {
        found.etcd_in(container, inside, args.etcd_prefix.as_deref(), interner)?;
    }
    // A server can be named twice, by a person and by the API.
    let mut met = HashSet::new();
    found.sightings.retain(|sighting| met.insert((sighting.place.clone(), sighting.role)));
    Ok(found)
}

fn unknown(place: Place, role: Role, right: &str, why: &ClusterError) -> Sighting {
    match why {
        ClusterError::Api { code: 401 | 403, .. } => {
            Sighting::forbidden(place, role, why.to_string(), right)
        }
        _ => Sighting::unknown(place, role, why.to_string()),
    }
}

/// The keys by which an API server checks tokens: without them no token can be said to be good. Before 1.20 none is
/// published.
fn token_keys(cluster: &Cluster) -> Option<Sighting> {
    let place = api(cluster.server(), "token keys");
    match cluster.published_key_digests() {
        Ok(keys) => {
            let held = Held { public_keys: keys?, ..Held::default() };
            Some(Sighting::new(place, TOKEN_KEYS, held.into()))
        }
        Err(why) => Some(unknown(place, TOKEN_KEYS, "get /openid/v1/jwks", &why)),
    }
}

/// Names under which pods reach an API server.
fn service_names(cluster: &Cluster) -> Vec<String> {
    let names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    // Who may not read it is not told so here: it is a help.
    let service = cluster.service("default", "kubernetes").ok().flatten();
    let address = service.map(|service| service.cluster_ip.to_string());
    names.map(str::to_owned).into_iter().chain(address).collect()
}

/// Names under which a server is reached, where it must bear them.
fn names(server: &Server, of_service: &[String]) -> Option<(Place, Vec<String>)> {
    let mut names = vec![server.target.host.clone()];
    match server.component {
        Component::ApiServer => names.extend(of_service.iter().cloned()),
        Component::Etcd | Component::Kubelet => {}
        // The others have certificates of their own for names of their own, unless somebody gives them one.
        _ => return None,
    }
    Some((server.chain(), names))
}

/// What an etcd stores, where nobody could look.
fn objects(address: &str) -> Place {
    Place::Endpoint { server: "etcd".into(), address: address.into(), shown: "objects".into() }
}

/// Something that the API server shows.
fn api(server: &str, what: &str) -> Place {
    Place::Endpoint {
        server: "kube-apiserver".into(),
        address: server.trim_start_matches("https://").into(),
        shown: what.into(),
    }
}

fn scope(args: &BeyondArgs) -> Scope {
    match args.connection.namespace.as_deref().filter(|namespace| !namespace.is_empty()) {
        Some(namespace) => Scope::one(namespace),
        None => Scope::All,
    }
}

impl Found {
    /// Whether there is an API server; why not is one unknown place, instead of one for each kind.
    fn reaches(&mut self, cluster: &Cluster) -> bool {
        match cluster.version() {
            // Who may not ask for the version may be allowed other things.
            Ok(_) | Err(ClusterError::Api { .. }) => true,
            Err(why) => {
                self.unknown(cluster, "objects", "", &why);
                false
            }
        }
    }

    fn unknown(&mut self, cluster: &Cluster, what: &str, right: &str, why: &ClusterError) {
        self.sightings.push(unknown(api(cluster.server(), what), API, right, why));
    }

    /// Who does not say any more that it lives.
    fn leases(&mut self, cluster: &Cluster) {
        for namespace in [lease::OF_NODES, lease::OF_SYSTEM] {
            let leases = match cluster.leases(namespace) {
                Ok(leases) => leases,
                Err(why) => {
                    let right = format!("list leases in namespace {namespace}");
                    self.unknown(cluster, &format!("leases of {namespace}"), &right, &why);
                    continue;
                }
            };
            let now = cluster.now(SystemClock::start().now());
            for lease in leases {
                let Some(since) = lease.overdue(now) else { continue };
                let place = Place::Object {
                    kind: "lease".into(),
                    namespace: lease.namespace,
                    name: lease.name,
                    field: "renewTime".into(),
                };
                self.beyond.overdue.push((place, lease.holder.into(), since.as_secs()));
            }
        }
    }

    /// Keys are per process: each API server that shows a certificate is asked by itself.
    fn token_keys_of_others(&mut self, servers: &[Server], connection: &Connection) {
        let shows: HashSet<&Place> = self
            .sightings
            .iter()
            .filter(|s| s.content.held().is_some())
            .map(|s| &s.place)
            .collect();
        let servers: Vec<&Server> = servers
            .iter()
            .filter(|s| s.component == Component::ApiServer && shows.contains(&s.chain()))
            .collect();
        let limit = connection.request_timeout.map_or(PATIENCE, |limit| limit.min(PATIENCE));
        let ask = |server: &&Server| {
            let to = Connection {
                server: Some(format!("https://{}", server.address())),
                request_timeout: Some(limit),
                ..connection.clone()
            };
            match Cluster::connect(&to) {
                Ok(other) => token_keys(&other),
                Err(why) => {
                    let place = api(&server.address(), "token keys");
                    Some(unknown(place, TOKEN_KEYS, "", &why))
                }
            }
        };
        let asked = beside::each(&servers, AT_ONCE, ask);
        self.sightings.extend(asked.into_iter().flatten());
    }

    fn pods(&mut self, cluster: &Cluster, scope: &Scope) -> Vec<PodMounts> {
        cluster.pod_mounts(scope).unwrap_or_else(|why| {
            self.unknown(cluster, "pods", "list pods", &why);
            Vec::new()
        })
    }

    fn stored(&mut self, source: String, read: places::Read) {
        self.sightings.extend(read.sightings);
        let sealed = read.sealed_secrets.values().sum();
        self.beyond.stored.push((source, read.open_secrets, sealed));
    }

    /// One that does not answer, or not to us, is an unknown place; what is wrong with the flags ends the look.
    fn etcd(&mut self, access: &EtcdAccess, interner: &Interner) -> Result<(), Failure> {
        match places::etcd(access, interner) {
            Ok(read) => self.stored(access.endpoint.clone(), read),
            Err(why @ (EtcdError::Address(_) | EtcdError::Material(..))) => return Err(why.into()),
            Err(why) => {
                let place = objects(access.endpoint.trim_start_matches("https://"));
                self.sightings.push(Sighting::unknown(place, ETCD, why.to_string()));
            }
        }
        Ok(())
    }

    /// One that cannot be asked is an unknown place; a tool that is not there ends the look.
    fn etcd_in(
        &mut self,
        container: &Container,
        inside: &Inside<'_>,
        prefix: Option<&str>,
        interner: &Interner,
    ) -> Result<(), Failure> {
        let way = match &container.way {
            Way::Root(directory) => Reach::Here(directory),
            Way::Ssh(name) => Reach::Ssh(inside.ssh, name),
            Way::Bosh(_) | Way::NoVm => return Ok(()),
        };
        let asked = InContainer { machine: &container.machine, way, prefix };
        match places::etcd_in_container(&asked, inside.interrupt, interner) {
            Ok(read) => self.stored(asked.to_string(), read),
            Err(ContainerError::Stopped) => return Err(interrupted()),
            Err(why @ ContainerError::Exec(_)) => return Err(why.into()),
            Err(why) => {
                let place = objects(&container.machine);
                self.sightings.push(match why.right() {
                    Some(right) => Sighting::forbidden(place, ETCD, why.to_string(), right),
                    None => Sighting::unknown(place, ETCD, why.to_string()),
                });
            }
        }
        Ok(())
    }

    /// Looks at the pods' volumes of the machines.
    pub(super) fn mounts(&mut self, machines: &[(&Host, HostSeen)], interner: &Interner) {
        let published = Published::of(&self.sightings);
        let of_machine = |(host, seen): &(&Host, HostSeen)| {
            mounts::of_host(host, seen, &self.pods, &published, interner)
        };
        let seen: Vec<_> = machines.iter().map(of_machine).collect();
        for one in seen {
            self.sightings.extend(one.sightings);
            self.beyond.behind.extend(one.behind);
        }
    }
}
