//! Applies a plan: lock, journal, backup, engine, events.

use super::backup;
use super::plan::Made;
use super::report;
use crate::cli::Args;
use rotation_core::apply::engine::Limits;
use rotation_core::apply::journal::{Entry, Journal as _};
use rotation_core::apply::outcome::Report;
use rotation_core::apply::renew::Renewer;
use rotation_core::apply::state::StateDir;
use rotation_core::apply::tokens::{Keeper, Proofs};
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::narrator::{self, Narrator};
use rotation_core::world::clock::{Clock as _, SystemClock};
use rotation_core::world::cluster::Cluster;
use rotation_core::world::interrupt::Interrupt;
use std::time::Duration;

/// Between two attempts that a budget blocks, as a drain waits.
const RETRY: Duration = Duration::from_secs(5);

/// Where a plan is applied, and what is known of it.
pub(super) struct Stage<'a> {
    /// The cluster.
    pub(super) cluster: &'a Cluster,
    /// The other API servers.
    pub(super) others: &'a [Cluster],
    /// Journals and manifests.
    pub(super) state: &'a StateDir,
    /// Clocks.
    pub(super) clock: &'a SystemClock,
    /// Somebody who asks to stop.
    pub(super) interrupt: &'a Interrupt,
    /// How tokens are proven.
    pub(super) proofs: Proofs,
}

/// Applies the plan. The lock is held by the caller.
pub(super) fn run(
    args: &Args,
    console: &Console,
    stage: Stage<'_>,
    made: &Made,
) -> Result<Report, Failure> {
    let Stage { cluster, others, state, clock, interrupt, proofs } = stage;
    let mut listeners = console.listeners(&args.output)?;
    let now = clock.now();
    let mut journal = state.journal(now)?;
    let mut plan = made.plan.clone();
    let backup = (!args.no_backup).then(|| journal.path().with_extension("backup"));
    let saved = backup::save(cluster, state, &mut plan, backup)?;
    if let Some(path) = &saved.backup {
        console.note(&format!(
            "backup of what is replaced: {} (it holds secrets; remove it when it is no longer needed)",
            path.display()
        ));
    }
    let entry = Entry::run(plan.created_at, &plan, plan.owners(), made.seen.clone());
    journal.append(&[entry]).map_err(|e| {
        Failure::refused(format!(
            "cannot write journal `{}`: {e}; nothing was changed",
            journal.path().display()
        ))
    })?;

    let what = report::what(&plan);
    let place = cluster
        .context()
        .map_or_else(|| cluster.server().to_owned(), |c| format!("{c} ({})", cluster.server()));
    let keeper = Keeper::start(
        cluster,
        others,
        clock,
        interrupt,
        &plan,
        proofs,
        saved.manifests,
        args.timeout,
    )?;
    let mut renewer = Renewer::new(keeper, cluster, clock, interrupt, &plan);
    // All that is told of a run is told by one clock: the server's.
    let now = || cluster.now(clock.now());
    let mut narrator = Narrator::begin(&mut listeners, &plan, &place, &what, now(), clock.uptime());
    let limits = Limits { each: args.timeout, retry: RETRY };
    let report = narrator::apply(&plan, &mut renewer, &mut journal, limits, &mut narrator);
    drop(renewer);
    backup::forget_manifests(&plan, &report);

    let exit = report::exit(&plan, &report);
    // The outcome stands in the entries before; a lost last line only makes the next run say that this one was cut off.
    let _ = journal.append(&[Entry::end(now(), exit.code())]);
    let message = report::sentence(&plan, &report, journal.path());
    narrator.end(now(), clock.uptime(), &plan, &report, exit, &message);
    Ok(report)
}
