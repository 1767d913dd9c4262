//! Which instances are meant, and which of them cannot be: what the director says decides, before any VM is asked.

use crate::finding::{Code, Finding};
use crate::jobs::{Job, Jobs};
use rotation_core::facts::bosh::{Instance, InstanceName, Recorded, is_word};
use std::fmt;
use std::str::FromStr;

/// The groups of the runbook, in its order; the second name is the same group of another release.
const DEFAULT_GROUPS: [&[&str]; 2] = [&["master"], &["minion", "worker"]];

/// `GROUP`, `GROUP/UUID` or `GROUP/INDEX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    /// The group.
    pub(crate) group: String,
    /// Which one of it.
    pub(crate) which: Option<String>,
}

/// A word that selects nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither GROUP, nor GROUP/UUID, nor GROUP/INDEX")]
pub(crate) struct SelectorError(String);

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let (group, which) = match text.split_once('/') {
            Some((group, which)) => (group, Some(which)),
            None => (text, None),
        };
        if is_word(group) && which.is_none_or(is_word) {
            Ok(Self { group: group.to_owned(), which: which.map(str::to_owned) })
        } else {
            Err(SelectorError(text.to_owned()))
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.which {
            Some(which) => write!(f, "{}/{which}", self.group),
            None => f.write_str(&self.group),
        }
    }
}

impl Selector {
    fn selects(&self, name: &InstanceName, index: Option<u32>) -> bool {
        self.group == name.group
            && self.which.as_ref().is_none_or(|which| {
                *which == name.id || which.parse().ok() == index && index.is_some()
            })
    }
}

/// An instance that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its name.
    pub(crate) name: InstanceName,
    /// Its index.
    pub(crate) index: Option<u32>,
    /// Its zone.
    pub(crate) az: String,
    /// Whether it is its group's first.
    pub(crate) bootstrap: bool,
    /// The job on it.
    pub(crate) job: Job,
}

/// An instance that is meant, and that nothing can be done with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Its name.
    pub(crate) name: InstanceName,
    /// Its index.
    pub(crate) index: Option<u32>,
    /// Its zone.
    pub(crate) az: String,
    /// Why.
    pub(crate) finding: Finding,
}

/// What is meant: groups in the order asked for, in each by zone and index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Targets {
    /// To be looked at.
    pub(crate) targets: Vec<Target>,
    /// Left out.
    pub(crate) left_out: Vec<LeftOut>,
}

/// A selection that matches nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetsError {
    #[error("deployment `{deployment}` has no instance `{wanted}`; its groups are {groups}")]
    NoInstance { deployment: String, wanted: String, groups: String },
    #[error("deployment `{deployment}` has no group {wanted}; its groups are {groups}")]
    NoGroups { deployment: String, wanted: String, groups: String },
}

/// Chooses. `job` is `--job`; without it each instance's job is found among the known ones.
pub(crate) fn choose(
    deployment: &str,
    instances: &[Instance],
    selectors: &[Selector],
    jobs: &Jobs,
    job: Option<&str>,
) -> Result<Targets, TargetsError> {
    let mut chosen = Targets::default();
    let mut seen: Vec<&InstanceName> = Vec::new();
    let all_groups = groups(instances.iter().map(|instance| &instance.name));
    for selector in selectors_or_default(deployment, &all_groups, selectors)? {
        let selects = |one: &&Instance| selector.selects(&one.name, one.index);
        let mut matching: Vec<&Instance> = instances.iter().filter(selects).collect();
        if matching.is_empty() {
            return Err(TargetsError::NoInstance {
                deployment: deployment.to_owned(),
                wanted: selector.to_string(),
                groups: list(&all_groups),
            });
        }
        matching.sort_by(|a, b| (&a.az, a.index, &a.name).cmp(&(&b.az, b.index, &b.name)));
        for instance in matching {
            if seen.contains(&&instance.name) {
                continue;
            }
            seen.push(&instance.name);
            match fit(instance, jobs, job) {
                Ok(job) => chosen.targets.push(Target {
                    name: instance.name.clone(),
                    index: instance.index,
                    az: instance.az.clone(),
                    bootstrap: instance.bootstrap,
                    job,
                }),
                Err(finding) => chosen.left_out.push(LeftOut {
                    name: instance.name.clone(),
                    index: instance.index,
                    az: instance.az.clone(),
                    finding,
                }),
            }
        }
    }
    Ok(chosen)
}

/// Which instances will be meant, by the director's record of them, in the same order. What it does not say, how they
/// are and what runs on them, is decided later.
pub(crate) fn likely(recorded: &[Recorded], selectors: &[Selector]) -> Vec<InstanceName> {
    let all_groups = groups(recorded.iter().map(|one| &one.name));
    let mut likely: Vec<InstanceName> = Vec::new();
    for selector in selectors_or_default("", &all_groups, selectors).unwrap_or_default() {
        let selects = |one: &&Recorded| one.has_vm && selector.selects(&one.name, one.index);
        let mut matching: Vec<&Recorded> = recorded.iter().filter(selects).collect();
        matching.sort_by(|a, b| (&a.az, a.index, &a.name).cmp(&(&b.az, b.index, &b.name)));
        for one in matching {
            if !likely.contains(&one.name) {
                likely.push(one.name.clone());
            }
        }
    }
    likely
}

fn selectors_or_default(
    deployment: &str,
    groups: &[&str],
    selectors: &[Selector],
) -> Result<Vec<Selector>, TargetsError> {
    if !selectors.is_empty() {
        return Ok(selectors.to_vec());
    }
    let of = |names: &&[&str]| {
        let there = names.iter().find(|name| groups.contains(name));
        let name = there.ok_or_else(|| TargetsError::NoGroups {
            deployment: deployment.to_owned(),
            wanted: names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" or "),
            groups: list(groups),
        })?;
        Ok(Selector { group: (*name).to_owned(), which: None })
    };
    DEFAULT_GROUPS.iter().map(of).collect()
}

/// The groups of a deployment.
fn groups<'a>(names: impl Iterator<Item = &'a InstanceName>) -> Vec<&'a str> {
    let mut groups: Vec<&str> = names.map(|name| name.group.as_str()).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn list(groups: &[&str]) -> String {
    if groups.is_empty() { "none".to_owned() } else { groups.join(", ") }
}

/// The job of an instance, or why there is nothing to do on it.
fn fit(instance: &Instance, jobs: &Jobs, job: Option<&str>) -> Result<Job, Finding> {
    let no = |code, words: String| Err(Finding::new(code, words));
    if instance.ignore {
        return no(Code::Ignored, "the director is told to ignore it (`bosh ignore`)".to_owned());
    }
    if instance.state != "started" {
        let words =
            format!("the director wants it {}, so nothing should run on it", instance.state);
        return no(Code::Stopped, words);
    }
    if !instance.has_vm {
        let words = "it has no VM: its proxy keeps nothing, but it is not restarted either";
        return no(Code::NoVm, words.to_owned());
    }
    if !instance.is_responsive() {
        return no(Code::UnresponsiveAgent, "its agent does not answer the director".to_owned());
    }
    let found = match job {
        Some(name) => instance.process(name).map(|_| jobs.named(name)),
        None => jobs.on(instance).cloned(),
    };
    found.ok_or_else(|| {
        let wanted =
            job.map_or_else(|| jobs.names().collect::<Vec<_>>().join(" nor "), str::to_owned);
        let has: Vec<&str> = instance.processes.iter().map(|p| p.name.as_str()).collect();
        let why = if has.is_empty() {
            "its agent names no process at all, so it may not have reached monit".to_owned()
        } else {
            format!("monit watches no {wanted} on it; it watches {}", has.join(", "))
        };
        Finding::new(Code::NoJob, why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rotation_core::facts::bosh::ProcessState;

    pub(crate) fn instance(group: &str, index: u32, az: &str) -> Instance {
        let process = |name: &str| ProcessState { name: name.into(), state: "running".into() };
        Instance {
            name: InstanceName { group: group.into(), id: format!("{group}-id-{index}") },
            index: Some(index),
            az: az.into(),
            bootstrap: index == 0,
            state: "started".into(),
            ignore: false,
            process_state: "running".into(),
            has_vm: true,
            processes: vec![process("kubelet"), process("proxy")],
        }
    }

    fn fleet() -> Vec<Instance> {
        vec![
            instance("minion", 2, "z1"),
            instance("minion", 1, "z2"),
            instance("minion", 0, "z1"),
            instance("master", 1, "z2"),
            instance("master", 0, "z1"),
            instance("etcd", 0, "z1"),
        ]
    }

    fn names(selectors: &[&str]) -> Result<Vec<String>, TargetsError> {
        let selectors: Vec<Selector> =
            selectors.iter().map(|s| s.parse().expect("a selector")).collect();
        let chosen = choose("k", &fleet(), &selectors, &Jobs::embedded(), None)?;
        let word = |t: &Target| format!("{}/{}", t.name.group, t.index.unwrap_or(99));
        Ok(chosen.targets.iter().map(word).collect())
    }

    #[test]
    fn masters_first_then_by_zone_and_index() {
        assert_eq!(
            names(&[]).expect("chosen"),
            ["master/0", "master/1", "minion/0", "minion/2", "minion/1"]
        );
        assert_eq!(names(&["minion", "master/1"]).expect("chosen")[3..], ["master/1"]);
        assert_eq!(names(&["minion/minion-id-2", "minion/2"]).expect("chosen"), ["minion/2"]);
    }

    #[test]
    fn what_matches_nothing_is_named() {
        let error = names(&["nosuch"]).expect_err("nothing").to_string();
        assert_eq!(
            error,
            "deployment `k` has no instance `nosuch`; its groups are etcd, master, minion"
        );
        assert!(names(&["minion/7"]).is_err());
        let only = [instance("worker", 0, "z1")];
        let error = choose("k", &only, &[], &Jobs::embedded(), None).expect_err("no master");
        assert!(error.to_string().contains("no group `master`"), "{error}");
        for word in ["", "/", "a/", "a/b/c", "-x", "a b"] {
            assert!(word.parse::<Selector>().is_err(), "{word}");
        }
    }

    #[test]
    fn the_record_tells_beforehand_which_will_be_meant() {
        let record = |has_vm: bool| -> Vec<Recorded> {
            let of = |i: Instance| Recorded { name: i.name, index: i.index, az: i.az, has_vm };
            fleet().into_iter().map(of).collect()
        };
        for words in
            [&[][..], &["minion", "master/1"], &["minion/minion-id-2", "minion/2"], &["etcd"]]
        {
            let selectors: Vec<Selector> =
                words.iter().map(|s| s.parse().expect("a selector")).collect();
            let chosen =
                choose("k", &fleet(), &selectors, &Jobs::embedded(), None).expect("chosen");
            let meant: Vec<_> = chosen.targets.into_iter().map(|target| target.name).collect();
            assert_eq!(likely(&record(true), &selectors), meant, "{words:?}");
            assert_eq!(likely(&record(false), &selectors), [], "nothing runs without a VM");
        }
        let nobody: Selector = "nosuch".parse().expect("a selector");
        assert_eq!(likely(&record(true), &[nobody]), []);
        assert_eq!(likely(&[], &[]), []);
    }

    #[test]
    fn each_reason_to_leave_out_is_said() {
        let changed = |change: fn(&mut Instance)| {
            let mut one = instance("master", 0, "z1");
            change(&mut one);
            let all = [one, instance("minion", 0, "z1")];
            choose("k", &all, &[], &Jobs::embedded(), None).expect("chosen").left_out
        };
        for (change, code) in [
            ((|i| i.ignore = true) as fn(&mut Instance), Code::Ignored),
            (|i| i.state = "stopped".into(), Code::Stopped),
            (|i| i.state = "detached".into(), Code::Stopped),
            (|i| i.has_vm = false, Code::NoVm),
            (|i| i.process_state = "unresponsive agent".into(), Code::UnresponsiveAgent),
            (|i| i.processes.clear(), Code::NoJob),
        ] {
            assert_eq!(changed(change).iter().map(|l| l.finding.code).collect::<Vec<_>>(), [code]);
        }
        let chosen = choose("k", &fleet(), &[], &Jobs::embedded(), Some("nginx")).expect("chosen");
        assert_eq!(chosen.left_out.len(), 5);
        let chosen =
            choose("k", &fleet(), &[], &Jobs::embedded(), Some("kubelet")).expect("chosen");
        assert_eq!(chosen.targets[0].job.pidfile, "sys/run/kubelet/kubelet.pid");
    }
}
