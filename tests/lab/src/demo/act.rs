//! The two acts: a command, what it did, and what was lost meanwhile.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::loss::{Loss, Prober};
use super::pods::{self, Group};
use super::stage::Stage;
use super::tell::tell;

/// The runbook's own words.
pub(super) const RUNBOOK: &str = "kubectl get pods --namespace kube-system | grep kube-dns | awk '{ print $1 }' | \
     xargs kubectl delete pods --namespace kube-system";

/// Ours.
pub(super) const RECYCLE: &str = "kubectl recycle dns kube2iam fluentd --yes";

/// What was seen of a command.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Its exit code; `None` where a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) took: Duration,
    /// How many Ready replacements there were when it ended, and how many there should have been.
    pub(super) replaced: (usize, usize),
    /// Whether it touched the autoscaler.
    pub(super) autoscaler: bool,
    /// How long it took after its end until all was well.
    pub(super) well_after: Duration,
    pub(super) loss: Loss,
}

impl Seen {
    /// Whether it ended when its work was done.
    pub(super) const fn waited(&self) -> bool {
        self.replaced.0 == self.replaced.1
    }

    /// Whether its exit code says so.
    pub(super) fn truthful(&self) -> bool {
        (self.code == Some(0)) == self.waited()
    }

    pub(super) fn exit(&self) -> String {
        self.code.map_or_else(|| "none, a signal".to_owned(), |code| code.to_string())
    }
}

/// The runbook's command.
pub(super) fn runbook(stage: &Stage) -> Result<Seen> {
    let seen = act(stage, RUNBOOK, &[Group::Dns])?;
    tell(&seen.loss.sentence());
    if seen.autoscaler {
        tell("It deleted kube-dns-autoscaler too, which has nothing to do with it.");
    }
    tell(&format!(
        "It ended after {:.1} s with exit code {}, and {} of {} DNS servers were Ready then. All was well again \
         {:.1} s later.",
        seen.took.as_secs_f64(),
        seen.exit(),
        seen.replaced.0,
        seen.replaced.1,
        seen.well_after.as_secs_f64(),
    ));
    Ok(seen)
}

/// Our command.
pub(super) fn recycle(stage: &Stage) -> Result<Seen> {
    let seen = act(stage, RECYCLE, &[Group::Dns, Group::Agent])?;
    tell(&seen.loss.sentence());
    tell(&format!(
        "It ended after {:.1} s with exit code {}, and {} of {} replacements were Ready then. {}",
        seen.took.as_secs_f64(),
        seen.exit(),
        seen.replaced.0,
        seen.replaced.1,
        if seen.autoscaler {
            "It deleted kube-dns-autoscaler too."
        } else {
            "It left kube-dns-autoscaler alone."
        }
    ));
    Ok(seen)
}

fn act(stage: &Stage, line: &str, meant: &[Group]) -> Result<Seen> {
    let before = stage.wait_well()?;
    let prober = Prober::start(&stage.lab)?;
    let (status, took) = stage.bash(line)?;
    let ended = Instant::now();
    let after = stage.pods()?;
    tell("");
    tell("Waiting until all is well and all that was asked is answered.");
    stage.wait_well()?;
    let well_after = ended.elapsed();
    let loss = prober.stop()?;
    Ok(Seen {
        code: status.code(),
        took,
        replaced: pods::replaced(&before, &after, meant),
        autoscaler: pods::touched(&before, &after, Group::Autoscaler),
        well_after,
        loss,
    })
}
