//! Looks at everything before anything is changed: the director, its locks, each VM.

use crate::TOOL;
use crate::cli::CommonArgs;
use crate::early;
use crate::finding::{Code, Finding};
use crate::hosts::{self, Asked, Door, Hosts, Looked, NotReached};
use crate::jobs::Job;
use crate::judge;
use crate::look::Look;
use crate::script::Marks;
use crate::targets::{self, LeftOut, Selector, Target, TargetsError};
use rotation_core::cli::failure::Failure;
use rotation_core::facts::bosh::DirectorLock;
use rotation_core::world::beside::{both, each};
use rotation_core::world::hosts::bosh::{Bosh, BoshError, CONNECTIONS};
use std::time::Duration;

/// What the director says.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    /// The director, as the CLI names it.
    pub(crate) environment: Option<String>,
    /// What is meant.
    pub(crate) targets: Vec<Target>,
    /// What is meant and cannot be looked at.
    pub(crate) left_out: Vec<LeftOut>,
    /// Who holds the deployment, if somebody does.
    pub(crate) lock: Option<DirectorLock>,
}

/// An instance that was asked.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    /// Which.
    pub(crate) target: Target,
    /// What was seen; `None` where it could not be reached.
    pub(crate) looked: Option<Looked>,
    /// What is wrong, errors first.
    pub(crate) findings: Vec<Finding>,
}

impl Sight {
    /// What was seen.
    pub(crate) fn look(&self) -> Option<&Look> {
        self.looked.as_ref().map(|looked| &looked.look)
    }

    /// Whether nothing is wrong with it.
    pub(crate) fn is_healthy(&self) -> bool {
        self.looked.is_some() && !self.findings.iter().any(Finding::is_error)
    }
}

/// Asks the director and looks at what is meant, both at the same time as far as that goes. `allowed` says, when the
/// director has answered, whether there is anything to look for.
pub(crate) fn survey(
    door: Door<'_>,
    common: &CommonArgs,
    selectors: &[Selector],
    allowed: impl FnOnce(&Fleet) -> Result<(), Failure>,
) -> Result<(Fleet, Vec<Sight>), Failure> {
    let jobs = common.all_jobs()?;
    let jobs: Vec<Job> = match &common.job {
        Some(name) => vec![jobs.named(name)],
        None => jobs.iter().cloned().collect(),
    };
    early::beside(door, selectors, &jobs, |ahead| {
        let fleet = fleet(door.bosh, common, selectors)?;
        ahead.close();
        let silent = |left: &&LeftOut| left.finding.code == Code::UnresponsiveAgent;
        for left in fleet.left_out.iter().filter(silent) {
            ahead.give_up(&left.name);
        }
        allowed(&fleet)?;
        let sights = sights(ahead, &fleet.targets)?;
        Ok((fleet, sights))
    })
}

/// Asks the director.
pub(crate) fn fleet(
    bosh: &Bosh,
    common: &CommonArgs,
    selectors: &[Selector],
) -> Result<Fleet, Failure> {
    let jobs = common.all_jobs()?;
    let (deployment, locks) = both(|| bosh.instances(), || bosh.locks());
    let deployment = deployment?;
    let lock = deployment_lock(bosh, locks?);
    let name = bosh.deployment();
    let chosen =
        targets::choose(name, &deployment.instances, selectors, &jobs, common.job.as_deref());
    let chosen = chosen.map_err(|error| {
        let hint = match &error {
            TargetsError::NoInstance { .. } => {
                format!("run `bosh -d {name} instances --ps` to see what there is")
            }
            TargetsError::NoGroups { .. } => {
                format!("name the groups: `{} GROUP... -d {name}`", TOOL.name)
            }
        };
        Failure::refused(error.to_string()).with_hint(hint)
    })?;
    Ok(Fleet {
        environment: deployment.environment,
        targets: chosen.targets,
        left_out: chosen.left_out,
        lock,
    })
}

/// The lock on this deployment.
pub(crate) fn deployment_lock(bosh: &Bosh, locks: Vec<DirectorLock>) -> Option<DirectorLock> {
    locks.into_iter().find(|lock| lock.kind == "deployment" && lock.resource == bosh.deployment())
}

/// `task 42 holds deployment kubernetes`.
pub(crate) fn lock_words(lock: &DirectorLock) -> String {
    if lock.task.is_empty() {
        format!("deployment `{}` is locked by a task of the director", lock.resource)
    } else {
        format!("deployment `{}` is locked by task {} of the director", lock.resource, lock.task)
    }
}

/// Looks at every target, a few at a time.
fn sights(hosts: &dyn Hosts, targets: &[Target]) -> Result<Vec<Sight>, BoshError> {
    let looked = each(targets, CONNECTIONS, |target| sight(hosts, target, Duration::ZERO));
    looked.into_iter().collect()
}

/// Looks at one target; waits so long for a restart that is under way on it.
pub(crate) fn sight(
    hosts: &dyn Hosts,
    target: &Target,
    patience: Duration,
) -> Result<Sight, BoshError> {
    let looked = hosts::look(hosts, target, &Marks::default(), patience)?;
    let target = target.clone();
    Ok(match looked {
        Ok(looked) => {
            let mut findings = judge::findings(&target.job, &looked.look, looked.window);
            if looked.busy {
                let words = "another run of this tool is at work on it";
                findings.push(Finding::new(Code::Busy, words));
            }
            Sight { target, looked: Some(looked), findings }
        }
        Err(asked) => Sight { target, looked: None, findings: vec![not_seen(asked)] },
    })
}

/// The finding for an instance that could not be looked at.
fn not_seen(asked: Asked) -> Finding {
    match asked {
        Asked::NotReached(NotReached::Unreachable(why)) => {
            Finding::new(Code::Unreachable, format!("it cannot be reached: {why}"))
        }
        Asked::NotReached(NotReached::HostKey(why)) => Finding::new(Code::HostKey, why),
        Asked::NotReached(NotReached::Agent(why)) => Finding::new(Code::UnresponsiveAgent, why),
        Asked::Unknown(why) => {
            Finding::new(Code::Garbled, format!("it gave no answer that can be read: {why}"))
        }
        Asked::Session(..) => Finding::new(Code::Garbled, "it saw nothing"),
    }
}
