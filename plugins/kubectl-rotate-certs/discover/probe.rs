//! What a machine says of itself: which components it has, who starts them, where their flags stand.

use super::supervision::{self, Supervisor};
use crate::inspect::flags::Programs;
use crate::inspect::host::{self, Looked};
use crate::inspect::places::Places;
use crate::inspect::reading::Reading;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::host::{HostSeen, Invocation};
use rotation_core::facts::sighting::{Content, Host};
use rotation_core::world::hosts::local;
use rotation_core::world::hosts::ssh::{self, SshError};
use rotation_core::world::interrupt::Interrupt;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

/// Files in which a controller manager may be told its flags, where it has no manifest.
const FLAG_FILES: [&str; 14] = [
    "/etc/systemd/system/*controller-manager*",
    "/etc/systemd/system/*controller-manager*/*.conf",
    "/lib/systemd/system/*controller-manager*",
    "/usr/lib/systemd/system/*controller-manager*",
    "/etc/default/*controller-manager*",
    "/etc/sysconfig/*controller-manager*",
    "/etc/kubernetes/*controller-manager*",
    "/etc/sv/*controller-manager*/run",
    "/etc/service/*controller-manager*/run",
    "/etc/monit/conf.d/*",
    "/var/vcap/jobs/*/bin/*controller-manager*",
    "/var/vcap/jobs/kube-controller-manager/bin/*",
    "/var/vcap/jobs/kube-controller-manager/config/*",
    "/opt/kubernetes/cfg/*controller-manager*",
];
/// The flags that a rotation may have to change.
const SIGNING: [&str; 2] = ["cluster-signing-cert-file", "cluster-signing-key-file"];
const CONTROLLER_MANAGER: &str = "kube-controller-manager";

/// What a machine says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Probe {
    /// Its components, and who starts each.
    pub(crate) components: Vec<(String, Supervisor)>,
    /// The file in which the controller manager's flags stand.
    pub(crate) flags: Option<String>,
    /// Whether it has a controller manager whose flags stand nowhere that is known.
    pub(crate) flags_missing: bool,
    /// Its own addresses, as its components are told them.
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether it runs an API server, or has what one needs.
    pub(crate) control_plane: bool,
    /// Fingerprints of all certificates on it.
    pub(crate) certificates: BTreeSet<[u8; 32]>,
}

/// Looks at files by patterns; processes are those of components.
pub(crate) type Look<'a> = dyn Fn(&[String]) -> Result<HostSeen, SshError> + 'a;

/// Looks by ssh.
pub(crate) fn by_ssh<'a>(
    settings: &'a ssh::Settings,
    machine: &'a str,
    interrupt: &'a Interrupt,
) -> impl Fn(&[String]) -> Result<HostSeen, SshError> + 'a {
    move |patterns| {
        let programs = Programs::embedded();
        ssh::look(settings, machine, patterns, &programs.names(), interrupt)
    }
}

/// Looks below a directory.
pub(crate) fn by_root(root: &Path) -> impl Fn(&[String]) -> Result<HostSeen, SshError> {
    move |patterns| {
        let programs = Programs::embedded();
        let mut seen = local::look(root, patterns);
        seen.processes = local::processes(root, |arguments| programs.knows(arguments));
        Ok(seen)
    }
}

/// Asks a machine: once for files and processes, once for the processes' control groups.
pub(crate) fn probe(name: &str, look: &Look<'_>) -> Result<Probe, SshError> {
    let layouts: Vec<Places> = Places::names().into_iter().filter_map(Places::embedded).collect();
    let programs = Programs::embedded();
    let mut patterns = host::patterns(&layouts);
    patterns.extend(supervision::PATTERNS.iter().chain(&FLAG_FILES).map(|text| (*text).to_owned()));
    patterns.sort();
    patterns.dedup();
    let seen = look(&patterns)?;
    let groups: Vec<String> =
        seen.processes.iter().map(|process| format!("/proc/{}/cgroup", process.pid)).collect();
    let groups = if groups.is_empty() { HostSeen::default() } else { look(&groups)? };
    let host = Host::named(name);
    let looked = host::interpret(&host, &seen, &layouts, &programs, &Reading::default(), false);
    Ok(of(&seen, &groups, &looked, &programs))
}

fn of(seen: &HostSeen, groups: &HostSeen, looked: &Looked, programs: &Programs) -> Probe {
    let mut components: BTreeMap<&str, Supervisor> = BTreeMap::new();
    for told in &looked.told {
        let program = told.component.as_str();
        match manifest(told) {
            Some(path) => {
                components.insert(program, Supervisor::StaticPod(path));
            }
            None => {
                components.entry(program).or_insert_with(|| supervision::of(program, None, seen));
            }
        }
    }
    for process in &seen.processes {
        let Some(told) = programs.invocation(&process.arguments) else { continue };
        let group = groups.files.get(&format!("/proc/{}/cgroup", process.pid));
        let group = group.and_then(|file| file.content.as_ref().ok());
        let group = group.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let program = told.component.as_str();
        if !matches!(components.get(program), Some(Supervisor::StaticPod(_))) {
            components.insert(program, supervision::of(program, group.as_deref(), seen));
        }
    }
    let controller = components.get(CONTROLLER_MANAGER);
    let by_manifest = matches!(controller, Some(Supervisor::StaticPod(_)));
    let flags = if by_manifest { None } else { flags(seen) };
    let serves =
        |role: &rotation_core::facts::sighting::Role| role.component.as_str() == "kube-apiserver";
    let has = looked.sightings.iter().filter(|one| matches!(one.content, Content::Held(_)));
    let certificates = has.clone().filter_map(|one| one.content.held());
    Probe {
        flags_missing: controller.is_some() && !by_manifest && flags.is_none(),
        flags,
        addresses: addresses(&looked.told),
        control_plane: components.contains_key("kube-apiserver")
            || has.clone().any(|one| serves(&one.role)),
        certificates: certificates
            .flat_map(|held| held.certificates.iter().map(|one| *one.fingerprint().as_bytes()))
            .collect(),
        components: components.into_iter().map(|(name, by)| (name.to_owned(), by)).collect(),
    }
}

fn manifest(told: &Invocation) -> Option<String> {
    let path = told.place.split_once(':').map_or(told.place.as_str(), |(_, path)| path);
    path.contains("/manifests/").then(|| path.to_owned())
}

/// The file in which the flags stand: one with the flags that sign before one with any.
fn flags(seen: &HostSeen) -> Option<String> {
    let texts = || {
        seen.files.iter().filter_map(|(path, file)| {
            let text = std::str::from_utf8(file.content.as_ref().ok()?).ok()?;
            Some((path, text))
        })
    };
    let has = |text: &str, flag: &str| text.contains(&format!("--{flag}="));
    let signing = texts().find(|(_, text)| SIGNING.iter().all(|flag| has(text, flag)));
    let other = || texts().find(|(_, text)| has(text, "service-account-private-key-file"));
    signing.or_else(other).map(|(path, _)| path.clone())
}

/// Where components say that the machine is.
fn addresses(told: &[Invocation]) -> Vec<IpAddr> {
    const FLAGS: [&str; 5] = [
        "advertise-address",
        "node-ip",
        "advertise-client-urls",
        "initial-advertise-peer-urls",
        "listen-client-urls",
    ];
    let mut addresses = Vec::new();
    for flag in FLAGS {
        for value in told.iter().filter_map(|one| one.value(flag)) {
            for word in value.split(',') {
                let word = word.split_once("://").map_or(word, |(_, rest)| rest);
                let host = word.rsplit_once(':').filter(|(host, _)| !host.contains(':'));
                let host = host.map_or(word, |(host, _)| host);
                let host = host.trim_start_matches('[').split(']').next().unwrap_or_default();
                let address = host.parse::<IpAddr>().ok();
                let own = address.filter(|at| !at.is_loopback() && !at.is_unspecified());
                addresses.extend(own.filter(|at| !addresses.contains(at)));
            }
        }
    }
    addresses
}

/// A digest as a key.
pub(crate) fn key(digest: Digest) -> [u8; 32] {
    *digest.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rotation_core::facts::sighting::Component;

    #[test]
    fn components_say_where_they_are() {
        let told = |name: &str, value: &str| Invocation {
            place: String::new(),
            component: Component::Etcd,
            settings: vec![(name.to_owned(), value.to_owned())],
            files: Vec::new(),
        };
        for (name, value, expected) in [
            ("listen-client-urls", "https://127.0.0.1:2379,https://10.0.0.1:2379", "10.0.0.1"),
            ("advertise-address", "10.0.0.1", "10.0.0.1"),
            ("node-ip", "fd00::1", "fd00::1"),
            ("initial-advertise-peer-urls", "https://[fd00::1]:2380", "fd00::1"),
            ("listen-client-urls", "https://0.0.0.0:2379,https://m1:2379", ""),
            ("bind-address", "10.0.0.1", ""),
        ] {
            let seen: Vec<String> =
                addresses(&[told(name, value)]).iter().map(ToString::to_string).collect();
            assert_eq!(seen.join(","), expected, "{name} {value}");
        }
    }
}
