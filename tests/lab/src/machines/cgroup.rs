//! Control groups: one of its own for every machine, in each hierarchy that the system has mounted.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The hierarchies of this system.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hierarchies {
    /// Mount point and controllers (`memory`, `cpu,cpuacct`, `name=systemd`); one without controllers is version 2.
    mounted: Vec<(PathBuf, String)>,
}

impl Hierarchies {
    /// Reads what is mounted.
    pub(super) fn read() -> Result<Self> {
        let own =
            fs::read_to_string("/proc/self/cgroup").context("cannot read /proc/self/cgroup")?;
        let mounts =
            fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
        let found = Self::parse(&own, &mounts);
        if found.mounted.is_empty() {
            bail!("no control groups are mounted: run `mount -t cgroup2 cgroup2 /sys/fs/cgroup`");
        }
        Ok(found)
    }

    fn parse(own: &str, mounts: &str) -> Self {
        let mut mounted = Vec::new();
        for line in mounts.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let [_, point, kind, options, ..] = words[..] else {
                continue;
            };
            let options: Vec<_> = options.split(',').collect();
            if kind == "cgroup2" {
                mounted.push((PathBuf::from(point), String::new()));
            } else if kind == "cgroup" {
                let controllers =
                    own.lines().filter_map(|line| line.split(':').nth(1)).find(|names| {
                        !names.is_empty() && names.split(',').all(|name| options.contains(&name))
                    });
                mounted.extend(controllers.map(|names| (PathBuf::from(point), names.to_owned())));
            }
        }
        // Version 2 beside version 1 has no controllers there: then version 1 is what counts.
        if mounted.iter().any(|(_, controllers)| controllers.contains("memory")) {
            mounted.retain(|(_, controllers)| !controllers.is_empty());
        } else {
            mounted.retain(|(_, controllers)| controllers.is_empty());
        }
        mounted.sort();
        mounted.dedup_by(|a, b| a.1 == b.1);
        Self { mounted }
    }

    /// What the machine's first process is told: `v2`, or the hierarchies to mount.
    pub(super) fn describe(&self) -> String {
        let names: Vec<_> = self.mounted.iter().map(|(_, names)| names.as_str()).collect();
        if names == [""] { "v2".to_owned() } else { names.join(" ") }
    }

    /// Makes the group `name` everywhere and returns the files that take a process into it.
    pub(super) fn make(&self, name: &str) -> Result<Vec<PathBuf>> {
        let mut doors = Vec::new();
        for (point, _) in &self.mounted {
            let group = point.join(name);
            fs::create_dir_all(&group)
                .with_context(|| format!("cannot make the control group {}", group.display()))?;
            // A new group of the cpuset controller is empty, and nothing can enter it.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                if let Ok(all) = fs::read_to_string(point.join(file)) {
                    fs::write(group.join(file), all)
                        .with_context(|| format!("cannot set {file} of {}", group.display()))?;
                }
            }
            doors.push(group.join("cgroup.procs"));
        }
        Ok(doors)
    }

    /// Removes the groups whose name begins with `prefix`, waiting until `deadline` for their processes to be gone.
    pub(super) fn remove(&self, prefix: &str, deadline: Instant) -> Result<()> {
        for (point, _) in &self.mounted {
            for group in self.groups_in(point, prefix)? {
                while let Err(error) = remove_tree(&group) {
                    if Instant::now() > deadline {
                        return Err(error).with_context(|| {
                            format!("cannot remove the control group {}", group.display())
                        });
                    }
                    sleep(Duration::from_millis(20));
                }
            }
        }
        Ok(())
    }

    /// The groups whose name begins with `prefix`.
    pub(super) fn groups(&self, prefix: &str) -> Result<Vec<PathBuf>> {
        let mut all = Vec::new();
        for (point, _) in &self.mounted {
            all.extend(self.groups_in(point, prefix)?);
        }
        Ok(all)
    }

    #[expect(clippy::unused_self, reason = "one reader for both callers, beside what they read")]
    fn groups_in(&self, point: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
        let entries =
            fs::read_dir(point).with_context(|| format!("cannot read {}", point.display()))?;
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                found.push(entry.path());
            }
        }
        Ok(found)
    }
}

/// The processes in the control group of a machine and below it.
pub(super) fn processes(prefix: &str, machine: &str) -> Result<Vec<u32>> {
    let name = format!("{prefix}{machine}");
    let all = Hierarchies::read()?;
    let (point, _) = all.mounted.first().context("no control groups")?;
    let mut found = Vec::new();
    let mut folders = vec![point.join(name)];
    while let Some(folder) = folders.pop() {
        let pids = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        found.extend(pids.lines().filter_map(|pid| pid.parse::<u32>().ok()));
        let Ok(entries) = fs::read_dir(&folder) else {
            continue; // it went while we looked
        };
        folders.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()));
    }
    Ok(found)
}

/// A control group is removed from its leaves on; its files go by themselves.
fn remove_tree(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_is_taken_where_it_has_the_controllers() {
        let own = "3:cpu,cpuacct:/\n2:memory:/\n1:name=systemd:/\n0::/\n";
        let mounts = "cgroup /c/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
                      cgroup /c/memory cgroup rw,memory 0 0\n\
                      cgroup /c/systemd cgroup rw,xattr,name=systemd 0 0\n\
                      cgroup2 /c/unified cgroup2 rw 0 0\n";
        assert_eq!(Hierarchies::parse(own, mounts).describe(), "cpu,cpuacct memory name=systemd");
    }

    #[test]
    fn version_2_alone() {
        let found = Hierarchies::parse("0::/x\n", "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n");
        assert_eq!(found.describe(), "v2");
    }
}
