//! Where a rotation stands: read from the files on the machines, and from nothing else.

use super::cluster_file::Cluster;
use super::document::{HostPlan, Plan};
use super::stage::Stage;
use rotation_core::world::beside;
use rotation_core::world::hosts::change::{self, ChangeError, State};
use rotation_core::world::hosts::ssh::CONNECTIONS;
use rotation_core::world::interrupt::Interrupt;
use serde::Serialize;

/// Where a machine stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HostStanding {
    /// Its name.
    pub(crate) host: String,
    /// Stages at which every file would be as it is. Several, where nothing changes in between; none in the middle of a
    /// move.
    pub(crate) stages: Vec<Stage>,
    /// Files that are as they are at each stage, in the order of [`Stage::ALL`].
    pub(crate) files: Vec<usize>,
    /// All files of it.
    pub(crate) of: usize,
    /// Files that nobody of us wrote.
    pub(crate) changed: Vec<String>,
    /// Why it could not be looked at.
    pub(crate) unknown: Option<String>,
    /// Stages of each file that was seen, in order.
    #[serde(skip)]
    pub(crate) stages_of_files: Vec<Vec<Stage>>,
    /// What stands at each file of the plan, in its order.
    #[serde(skip)]
    pub(crate) seen: Vec<State>,
}

/// Where all stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Standing {
    /// Each machine.
    pub(crate) hosts: Vec<HostStanding>,
}

/// Looks at every machine.
pub(crate) fn look(cluster: &Cluster, plan: &Plan, interrupt: &Interrupt) -> Standing {
    let one = |host: &HostPlan| {
        let paths: Vec<&str> = host.files.iter().map(|file| file.path.as_str()).collect();
        let seen = match cluster.machine(&host.name) {
            None => Err("it is not in the file of machines any more".to_owned()),
            Some(named) => change::look(&named.carrier, &paths, interrupt)
                .map(|looked| looked.into_iter().map(|one| one.state).collect())
                .map_err(|why: ChangeError| why.to_string()),
        };
        standing(host, seen)
    };
    Standing { hosts: beside::each(&plan.hosts, CONNECTIONS, one) }
}

fn standing(host: &HostPlan, seen: Result<Vec<State>, String>) -> HostStanding {
    let blank = HostStanding {
        host: host.name.clone(),
        stages: Vec::new(),
        files: vec![0; Stage::ALL.len()],
        of: host.files.len(),
        changed: Vec::new(),
        unknown: None,
        stages_of_files: Vec::new(),
        seen: Vec::new(),
    };
    let seen = match seen {
        Ok(seen) => seen,
        Err(why) => return HostStanding { unknown: Some(why), ..blank },
    };
    let mut standing = blank;
    for (file, state) in host.files.iter().zip(&seen) {
        let stages = file.stages_of(state);
        if stages.is_empty() {
            standing.changed.push(file.path.clone());
        }
        for stage in &stages {
            standing.files[stage.index()] += 1;
        }
        standing.stages_of_files.push(stages);
    }
    let whole = |stage: &Stage| standing.files[stage.index()] == standing.of;
    standing.stages = Stage::ALL.into_iter().filter(whole).collect();
    standing.seen = seen;
    standing
}

impl Standing {
    /// A machine.
    pub(crate) fn host(&self, name: &str) -> Option<&HostStanding> {
        self.hosts.iter().find(|host| host.host == name)
    }

    /// Whether every machine is at a stage.
    pub(crate) fn is_at(&self, stage: Stage) -> bool {
        self.hosts.iter().all(|host| host.stages.contains(&stage))
    }

    /// The last stage of a route that all machines have reached.
    pub(crate) fn reached(&self, route: &[Stage]) -> Option<Stage> {
        let mut stages = vec![Stage::Before];
        stages.extend(route);
        stages.into_iter().rev().find(|stage| self.is_at(*stage))
    }

    /// The first stage of a route that all machines have reached and are at: the next ones may change nothing.
    pub(crate) fn came_to(&self, route: &[Stage]) -> Option<Stage> {
        let mut stages = [Stage::Before].into_iter().chain(route.iter().copied());
        stages.find(|stage| self.is_at(*stage))
    }

    /// The stage that the furthest file has been brought to: one that stands in no earlier stage as it is proves it.
    pub(crate) fn furthest(&self, route: &[Stage]) -> Stage {
        let all = self.hosts.iter().flat_map(|host| &host.stages_of_files);
        let earliest = |stages: &Vec<Stage>| {
            let on_the_way = |stage: &&Stage| **stage == Stage::Before || route.contains(stage);
            stages.iter().find(on_the_way).copied()
        };
        all.filter_map(earliest).max().unwrap_or(Stage::Before)
    }

    /// Files that nobody of us wrote, with their machines.
    pub(crate) fn changed(&self) -> Vec<String> {
        let all = self.hosts.iter();
        all.flat_map(|host| host.changed.iter().map(move |path| format!("{}:{path}", host.host)))
            .collect()
    }

    /// Files that are not as they are to be at a stage, with their machines.
    pub(crate) fn behind(&self, plan: &Plan, stage: Stage) -> Vec<String> {
        let of_host = |host: &HostPlan| {
            let seen = self.host(&host.name).map(|one| one.seen.as_slice()).unwrap_or_default();
            let files = host.files.iter().zip(seen).filter(|(file, seen)| file.at(stage) != *seen);
            files.map(|(file, _)| format!("{}:{}", host.name, file.path)).collect::<Vec<_>>()
        };
        plan.hosts.iter().flat_map(of_host).collect()
    }

    /// Machines that could not be looked at, with the reason.
    pub(crate) fn unknown(&self) -> Vec<String> {
        let all = self.hosts.iter();
        all.filter_map(|host| Some(format!("{}: {}", host.host, host.unknown.as_ref()?))).collect()
    }
}

/// The stage before another one.
pub(crate) fn previous(route: &[Stage], stage: Stage) -> Stage {
    let at = route.iter().position(|one| *one == stage).unwrap_or_default();
    at.checked_sub(1).and_then(|at| route.get(at)).copied().unwrap_or(Stage::Before)
}
