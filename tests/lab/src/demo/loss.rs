//! What names lost during an act, as far as the form can tell.

use std::time::Duration;

use anyhow::Result;

use super::endpoints::Watch;
use super::stage::Lab;
use crate::machines::{Probers, Tally};

/// The name that is looked up: the cluster's own API server.
const API: &str = "kubernetes.default.svc.cluster.local";

/// What was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Lookups of pods.
    Lookups(Tally),
    /// Time without a Ready endpoint, in all and at a stretch.
    Endpoints { without: Duration, longest: Duration },
}

impl Loss {
    pub(super) const fn any(&self) -> bool {
        match self {
            Self::Lookups(tally) => tally.failed > 0,
            Self::Endpoints { without, .. } => !without.is_zero(),
        }
    }

    /// In a sentence.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Lookups(tally) if tally.failed == 0 => {
                format!("None of {} lookups failed.", tally.lookups)
            }
            Self::Lookups(tally) => format!(
                "{} of {} lookups failed; for {:.1} s none succeeded.",
                tally.failed,
                tally.lookups,
                tally.gap.as_secs_f64()
            ),
            Self::Endpoints { without, .. } if without.is_zero() => {
                "The Service kube-dns had a Ready endpoint at every moment.".to_owned()
            }
            Self::Endpoints { without, .. } => format!(
                "The Service kube-dns had no Ready endpoint for {:.1} s: no name resolved.",
                without.as_secs_f64()
            ),
        }
    }
}

/// What measures it.
#[derive(Debug)]
pub(super) enum Prober<'a> {
    Lookups(Probers<'a>),
    Endpoints(Watch),
}

impl<'a> Prober<'a> {
    /// Starts measuring.
    pub(super) fn start(lab: &'a Lab) -> Result<Self> {
        Ok(match lab {
            Lab::Loopback(lab) => Self::Endpoints(Watch::start(&lab.client())?),
            Lab::Machines(lab) => Self::Lookups(Probers::start(lab, &[API])?),
        })
    }

    /// Waits for what is under way, and stops.
    pub(super) fn stop(self) -> Result<Loss> {
        Ok(match self {
            Self::Lookups(probers) => Loss::Lookups(probers.stop()?),
            Self::Endpoints(watch) => {
                let (without, longest) = watch.stop()?;
                Loss::Endpoints { without, longest }
            }
        })
    }
}
