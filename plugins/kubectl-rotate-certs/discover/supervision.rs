//! Who starts a component again when it ends. Pure.

use rotation_core::facts::host::HostSeen;

/// Who starts a component again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Supervisor {
    /// The kubelet, by this manifest.
    StaticPod(String),
    /// A pod of the API.
    Pod,
    /// A unit of systemd.
    Systemd(String),
    /// A service of runit.
    Runit(String),
    /// A process of monit, and where `monit` is.
    Monit(&'static str, String),
    /// Nobody that is known.
    Unknown,
}

/// Files that tell it, besides those in which flags stand.
pub(super) const PATTERNS: [&str; 18] = [
    "/etc/systemd/system/kube*.service",
    "/etc/systemd/system/etcd*.service",
    "/lib/systemd/system/kube*.service",
    "/lib/systemd/system/etcd*.service",
    "/usr/lib/systemd/system/kube*.service",
    "/usr/lib/systemd/system/etcd*.service",
    "/etc/service/kube*/run",
    "/etc/service/etcd*/run",
    "/etc/sv/kube*/run",
    "/etc/sv/etcd*/run",
    "/var/vcap/monit/job/*",
    "/var/vcap/jobs/*/monit",
    "/etc/monit/conf.d/*",
    "/etc/monit/conf-enabled/*",
    "/etc/monit.d/*",
    "/etc/monitrc",
    "/etc/monit/monitrc",
    "/etc/systemd/system/k8s*.service",
];

/// Units that only start others.
const NOT_ITSELF: [&str; 8] =
    ["runit", "runsvdir", "monit", "containerd", "docker", "crio", "ssh", "bosh-agent"];

impl Supervisor {
    /// In words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::StaticPod(path) => format!("static pod, {path}"),
            Self::Pod => "pod".to_owned(),
            Self::Systemd(unit) => format!("systemd, {unit}"),
            Self::Runit(service) => format!("runit, {service}"),
            Self::Monit(_, name) => format!("monit, {name}"),
            Self::Unknown => "nobody says by whom it is started".to_owned(),
        }
    }

    /// What restarts it; nothing where a kubelet does.
    pub(crate) fn restart(&self) -> Option<String> {
        match self {
            Self::StaticPod(_) | Self::Pod | Self::Unknown => None,
            Self::Systemd(unit) => Some(format!("systemctl restart {unit}")),
            // `sv restart` waits 7 s; an API server that was told to end waits for its watches, a minute long.
            Self::Runit(service) => Some(format!("sv -w 2 force-restart {service}")),
            Self::Monit(monit, name) => Some(format!("{monit} restart {name}")),
        }
    }
}

/// Who starts a program again, by the control group of its process and by files; the group of a process is the better
/// witness.
pub(super) fn of(program: &str, group: Option<&str>, seen: &HostSeen) -> Supervisor {
    let group = group.unwrap_or_default();
    if group.contains("kubepods") {
        return Supervisor::Pod;
    }
    if let Some(unit) = unit(group) {
        return Supervisor::Systemd(unit.to_owned());
    }
    let files = || seen.files.iter().filter(|(_, file)| file.content.is_ok());
    let service = files().find_map(|(path, _)| {
        let service = path.strip_suffix("/run")?.rsplit('/').next()?;
        let is_of_runit = path.starts_with("/etc/service/") || path.starts_with("/etc/sv/");
        (is_of_runit && is_of(service, program)).then(|| service.to_owned())
    });
    if let Some(service) = service {
        return Supervisor::Runit(service);
    }
    for (path, file) in files().filter(|(path, _)| path.contains("monit")) {
        let Ok(bytes) = &file.content else { continue };
        let text = String::from_utf8_lossy(bytes);
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("check process "));
        let mut names = names.filter_map(|rest| rest.split_whitespace().next());
        if let Some(name) = names.find(|name| is_of(name.trim_matches('"'), program)) {
            let monit =
                if path.starts_with("/var/vcap/") { "/var/vcap/bosh/bin/monit" } else { "monit" };
            return Supervisor::Monit(monit, name.trim_matches('"').to_owned());
        }
    }
    let unit = files().find_map(|(path, _)| {
        let (directory, unit) = path.rsplit_once('/')?;
        let name = unit.strip_suffix(".service")?;
        (directory.ends_with("/systemd/system") && is_of(name, program)).then(|| unit.to_owned())
    });
    unit.map_or(Supervisor::Unknown, Supervisor::Systemd)
}

/// The unit in a process' control group, where it is the process' own.
fn unit(group: &str) -> Option<&str> {
    let parts =
        group.lines().filter_map(|line| line.splitn(3, ':').nth(2)).flat_map(|p| p.rsplit('/'));
    let mut units = parts.filter(|part| part.ends_with(".service"));
    units.find(|unit| {
        let name = unit.trim_end_matches(".service");
        !NOT_ITSELF.contains(&name)
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b))
    })
}

/// `kube-apiserver`, `kubernetes-apiserver` and `k8s-apiserver` are all one.
fn is_of(name: &str, program: &str) -> bool {
    let safe = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let ending = program.strip_prefix("kube-").map(|rest| format!("-{rest}"));
    safe && (name == program || ending.is_some_and(|ending| name.ends_with(&ending)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rotation_core::facts::host::FileSeen;

    fn seen(files: &[(&str, &str)]) -> HostSeen {
        let mut seen = HostSeen::default();
        for (path, text) in files {
            let file = FileSeen {
                link: None,
                mode: None,
                user: None,
                modified: None,
                content: Ok(text.as_bytes().to_vec().into()),
            };
            seen.files.insert((*path).to_owned(), file);
        }
        seen
    }

    #[test]
    fn who_starts_it_again() {
        let runit = [("/etc/sv/kube-apiserver/run", "exec")];
        let monit = [(
            "/var/vcap/jobs/kubernetes-master/monit",
            "check process kubernetes-apiserver\n  with pidfile /x",
        )];
        let unit = [("/etc/systemd/system/kube-apiserver.service", "[Unit]")];
        let evil = [("/etc/monit.d/x", "check process $(reboot)-apiserver\n")];
        for (group, files, expected) in [
            (Some("0::/kubepods/burstable/podx/y\n"), &runit[..], None),
            (
                Some("0::/system.slice/k8s-api.service\n"),
                &runit[..],
                Some("systemctl restart k8s-api.service"),
            ),
            (
                Some("1:name=systemd:/system.slice/runit.service\n"),
                &runit[..],
                Some("sv -w 2 force-restart kube-apiserver"),
            ),
            (
                Some("0::/\n"),
                &monit[..],
                Some("/var/vcap/bosh/bin/monit restart kubernetes-apiserver"),
            ),
            (None, &unit[..], Some("systemctl restart kube-apiserver.service")),
            (Some("0::/user.slice/session-1.scope\n"), &[][..], None),
            (None, &evil[..], None),
        ] {
            let found = of("kube-apiserver", group, &seen(files));
            assert_eq!(found.restart().as_deref(), expected, "{group:?} {files:?}");
        }
    }
}
