//! Service accounts' volumes of pods, as kubelets lay them out: what lies there against what the API would give, and
//! which containers started before it changed.
//!
//! ```text
//! /var/lib/kubelet/pods/UID/volumes/kubernetes.io~projected/VOLUME/ca.crt   since 1.21, beside a token that is renewed
//! /var/lib/kubelet/pods/UID/volumes/kubernetes.io~secret/VOLUME/ca.crt      a token secret
//! ```
//!
//! A kubelet writes all files of a volume anew when one of them changes. In projected volumes the token changes every
//! hour, so that the time of `ca.crt` there says nothing of the CA: when that changed, only the API knows.

use super::host::{FileFault, FileSeen, HostSeen};
use super::sighting::{
    Component, Content, Domain, Host, Interner, Part, Place, Reader, Role, Sighting,
};
use super::wire::{Meta, null_as_default};
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::HashMap;

/// Files to look at on each host.
pub const PATTERNS: [&str; 4] = [
    "/var/lib/kubelet/pods/*/volumes/kubernetes.io~projected/*/ca.crt",
    "/var/lib/kubelet/pods/*/volumes/kubernetes.io~projected/*/token",
    "/var/lib/kubelet/pods/*/volumes/kubernetes.io~secret/*/ca.crt",
    "/var/lib/kubelet/pods/*/volumes/kubernetes.io~secret/*/token",
];

const ROOT_CA: &str = "kube-root-ca.crt";
const PROJECTED: &str = "kubernetes.io~projected";
const SECRET: &str = "kubernetes.io~secret";

/// A pod, as far as its service account's volumes are concerned.
#[derive(Clone, Debug, Default)]
pub struct PodMounts {
    /// Namespace.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
    /// Identity, which is the name of its directory.
    pub uid: Box<str>,
    /// Volumes that hold a CA or a token, by name.
    pub volumes: HashMap<Box<str>, Source>,
    /// Its containers that run.
    pub containers: Vec<Running>,
}

/// Where a volume's CA comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The root CA of the namespace.
    Root,
    /// A secret, by name.
    Secret(Box<str>),
}

/// A container that runs.
#[derive(Clone, Debug)]
pub struct Running {
    /// Name.
    pub name: Box<str>,
    /// Since when, by the node's clock.
    pub started: Option<Timestamp>,
    /// Volumes that it mounts.
    pub mounts: Vec<Box<str>>,
}

/// A listed pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct MountsWire {
    metadata: Meta,
    spec: Spec,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    #[serde(deserialize_with = "null_as_default")]
    volumes: Vec<Volume>,
    #[serde(deserialize_with = "null_as_default")]
    containers: Vec<Container>,
    /// Those that go on running beside the others are among them.
    #[serde(deserialize_with = "null_as_default")]
    init_containers: Vec<Container>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Volume {
    name: Box<str>,
    secret: Option<SecretSource>,
    projected: Option<Projected>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SecretSource {
    secret_name: Box<str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Projected {
    #[serde(deserialize_with = "null_as_default")]
    sources: Vec<ProjectedSource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ProjectedSource {
    config_map: Option<Named>,
    secret: Option<Named>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: Box<str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    name: Box<str>,
    #[serde(deserialize_with = "null_as_default")]
    volume_mounts: Vec<Named>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    #[serde(deserialize_with = "null_as_default")]
    container_statuses: Vec<ContainerStatus>,
    #[serde(deserialize_with = "null_as_default")]
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerStatus {
    name: Box<str>,
    state: State,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    running: Option<Since>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Since {
    started_at: Option<Timestamp>,
}

impl Volume {
    fn source(self) -> Option<Source> {
        if let Some(secret) = self.secret {
            return Some(Source::Secret(secret.secret_name));
        }
        self.projected?.sources.into_iter().find_map(|source| {
            let root = source.config_map.is_some_and(|map| &*map.name == ROOT_CA);
            let secret = source.secret.map(|secret| Source::Secret(secret.name));
            root.then_some(Source::Root).or(secret)
        })
    }
}

impl MountsWire {
    /// As facts; `None` for a pod without any such volume.
    pub fn mounts(self) -> Option<PodMounts> {
        let Self { metadata, spec, status } = self;
        let volumes = spec.volumes.into_iter();
        let volumes: HashMap<Box<str>, Source> =
            volumes.filter_map(|v| Some((v.name.clone(), v.source()?))).collect();
        let statuses = status.container_statuses.iter().chain(&status.init_container_statuses);
        let running: HashMap<&str, Option<Timestamp>> = statuses
            .filter_map(|s| Some((&*s.name, s.state.running.as_ref()?.started_at)))
            .collect();
        let all = spec.containers.into_iter().chain(spec.init_containers);
        let containers = all.filter_map(|container| {
            let started = *running.get(&*container.name)?;
            let mounts = container.volume_mounts.into_iter().map(|mount| mount.name).collect();
            Some(Running { name: container.name, started, mounts })
        });
        (!volumes.is_empty()).then(|| PodMounts {
            namespace: metadata.namespace.into(),
            name: metadata.name.into(),
            uid: metadata.uid.into(),
            containers: containers.collect(),
            volumes,
        })
    }
}

/// What the API says of the objects that volumes come from: by namespace, name and field.
#[derive(Debug, Default)]
pub struct Published<'a>(HashMap<[&'a str; 3], &'a Sighting>);

impl<'a> Published<'a> {
    /// Takes what is needed of an inventory of objects.
    pub fn of(sightings: impl IntoIterator<Item = &'a Sighting>) -> Self {
        let mut all = HashMap::new();
        for sighting in sightings {
            if let Place::Object { kind, namespace, name, field } = &sighting.place
                && (&**kind == "secret" || &**name == ROOT_CA)
            {
                all.insert([&**namespace, &**name, &**field], sighting);
            }
        }
        Self(all)
    }

    fn of_volume(&self, pod: &PodMounts, source: &Source, field: &str) -> Option<&'a Sighting> {
        let name = match source {
            // Tokens of projected volumes are made for each pod by itself.
            Source::Root if field == "token" => return None,
            Source::Root => ROOT_CA,
            Source::Secret(name) => name,
        };
        self.0.get(&[&*pod.namespace, name, field]).copied()
    }
}

/// What was seen of a host's volumes.
#[derive(Debug, Default)]
pub struct MountsSeen {
    /// The volumes.
    pub sightings: Vec<Sighting>,
    /// Those that hold something else than the object that they come from: the mount, and the object's field.
    pub behind: Vec<(Place, Place)>,
}

/// The volumes that lie on a host; pods that the API does not know have their UID for a name.
pub fn of_host(
    host: &Host,
    seen: &HostSeen,
    pods: &[PodMounts],
    published: &Published<'_>,
    interner: &Interner,
) -> MountsSeen {
    let by_uid: HashMap<&str, &PodMounts> = pods.iter().map(|pod| (&*pod.uid, pod)).collect();
    let mut all = MountsSeen::default();
    for (path, file) in &seen.files {
        let Some(Path { uid, kind, volume, name }) = Path::of(path) else { continue };
        let pod = by_uid.get(uid).copied();
        let source = pod.and_then(|pod| pod.volumes.get(volume));
        // Any volume can have a file of this name; of those that the API knows, only these are meant.
        if matches!(file.content, Err(FileFault::Absent)) || (pod.is_some() && source.is_none()) {
            continue;
        }
        let place = Place::Mount {
            host: host.clone(),
            namespace: pod.map(|pod| pod.namespace.clone()).unwrap_or_default(),
            pod: pod.map_or(uid.into(), |pod| pod.name.clone()),
            volume: volume.into(),
            file: name.into(),
        };
        let object =
            pod.zip(source).and_then(|(pod, source)| published.of_volume(pod, source, name));
        // Only the API knows which secrets are token secrets; without it those with a token beside the CA are.
        let token_beside = || {
            let token = format!("{}token", path.strip_suffix(name).unwrap_or(path));
            seen.files.get(&token).is_some_and(FileSeen::is_there)
        };
        let of_account = match object {
            Some(object) => object.role.component == Component::Pods,
            None => kind == PROJECTED || token_beside(),
        };
        let mut sighting = sighting(place, file, role(name, of_account), interner);
        if let Some(object) = object
            && differ(&sighting, object)
        {
            all.behind.push((sighting.place.clone(), object.place.clone()));
        }
        // What lies here cannot have changed after the file was written, nor before the object was.
        let changed = object.and_then(|object| object.modified);
        sighting.modified = match (kind, changed, file.modified) {
            (_, Some(object), Some(file)) => Some(object.min(file)),
            (SECRET, None, file) => file,
            (_, object, None) => object,
            (_, None, Some(_)) => None,
        };
        if of_account && sighting.modified.is_some() {
            sighting.readers = pod.map(|pod| readers(pod, volume)).unwrap_or_default();
        }
        all.sightings.push(sighting);
    }
    all
}

/// Whether both are known and do not hold the same.
fn differ(mount: &Sighting, object: &Sighting) -> bool {
    let (Some(mount), Some(object)) = (mount.content.held(), object.content.held()) else {
        return false;
    };
    mount.is_different_from(object)
}

fn role(name: &str, of_account: bool) -> Role {
    if !of_account {
        return Role::new(Component::Other, Domain::Other, Part::Anything);
    }
    let (domain, part) = match name {
        "token" => (Domain::Tokens, Part::Token),
        _ => (Domain::Cluster, Part::Trust),
    };
    Role::new(Component::Pods, domain, part)
}

fn sighting(place: Place, file: &FileSeen, role: Role, interner: &Interner) -> Sighting {
    match &file.content {
        Ok(bytes) => Sighting::new(place, role, Content::read(bytes, interner)),
        Err(FileFault::Denied) => {
            let right = "read /var/lib/kubelet/pods, as root";
            Sighting::forbidden(place, role, FileFault::Denied.to_string(), right)
        }
        Err(fault) => Sighting::unknown(place, role, fault.to_string()),
    }
}

fn readers(pod: &PodMounts, volume: &str) -> Vec<Reader> {
    let mounting = pod.containers.iter().filter(|c| c.mounts.iter().any(|name| **name == *volume));
    let reader = |container: &Running| Reader {
        name: format!("container {}", container.name).into(),
        started: container.started,
        reloads: false,
        mend: Some(format!("kubectl recycle pod/{} -n {}", pod.name, pod.namespace).into()),
    };
    mounting.map(reader).collect()
}

/// Whether a path is one of a volume that may be a service account's.
pub fn is_mount(path: &str) -> bool {
    Path::of(path).is_some()
}

/// A path below a kubelet's directory, taken apart.
struct Path<'a> {
    uid: &'a str,
    kind: &'a str,
    volume: &'a str,
    name: &'a str,
}

impl<'a> Path<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let rest = path.strip_prefix("/var/lib/kubelet/pods/")?;
        let mut parts = rest.split('/');
        let uid = parts.next()?;
        (parts.next()? == "volumes").then_some(())?;
        let (kind, volume, name) = (parts.next()?, parts.next()?, parts.next()?);
        let known = matches!(kind, PROJECTED | SECRET) && parts.next().is_none();
        known.then_some(Self { uid, kind, volume, name })
    }
}
