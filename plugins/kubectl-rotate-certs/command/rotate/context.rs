//! What all verbs begin with: the machines, the directory, the plan, the API.

use crate::TOOL;
use crate::rotate::api::Api;
use crate::rotate::args::{ChangeArgs, CommonArgs, WantedArgs, is_file};
use crate::rotate::cluster_file::{self, Cluster};
use crate::rotate::document::Plan;
use crate::rotate::draw::{self, Drawn, Wanted};
use crate::rotate::drive::Drive;
use crate::rotate::work::Work;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::world::beside;
use rotation_core::world::clock::{Clock as _, SystemClock};
use rotation_core::world::hosts::change::Carrier;
use rotation_core::world::hosts::ssh::{self, kept::Kept};
use rotation_core::world::interrupt::Interrupt;
use std::time::Duration;

/// How long a machine may take for a batch of orders: a restart has three minutes, and there may be several.
const BATCH: Duration = Duration::from_mins(15);

/// What all verbs begin with.
pub(super) struct Context<'a> {
    pub(super) console: &'a Console,
    pub(super) cluster: Cluster,
    pub(super) work: Work,
    pub(super) interrupt: Interrupt,
    pub(super) clock: SystemClock,
    pub(super) common: &'a CommonArgs,
    /// Connections to machines, for who asks them again and again; they go with it.
    kept: Option<Kept>,
}

impl<'a> Context<'a> {
    pub(super) fn new(common: &'a CommonArgs, console: &'a Console) -> Result<Self, Failure> {
        let interrupt = Interrupt::listen()
            .map_err(|why| Failure::unexpected(format!("cannot listen for signals: {why}")))?;
        Ok(Self {
            console,
            cluster: cluster_file::read(&common.machines(), BATCH)?,
            work: Work::of(&common.directory()),
            interrupt,
            clock: SystemClock::start(),
            common,
            kept: None,
        })
    }

    /// For a verb that changes the cluster: connections to machines are kept until its end.
    pub(super) fn changing(common: &'a CommonArgs, console: &'a Console) -> Result<Self, Failure> {
        let mut context = Self::new(common, console)?;
        let machines = &mut context.cluster.machines;
        let Some(program) = machines.iter().find_map(|m| Some(m.by_ssh()?.0.program.clone()))
        else {
            return Ok(context);
        };
        let Some(kept) = Kept::new(&program) else { return Ok(context) };
        let options = beside::each(machines, ssh::CONNECTIONS, |machine| {
            machine.by_ssh().map_or_else(Vec::new, |(settings, name)| kept.options(settings, name))
        });
        for (machine, options) in machines.iter_mut().zip(options) {
            if let Carrier::Ssh { settings, .. } = &mut machine.carrier {
                settings.options.extend(options);
            }
        }
        context.kept = Some(kept);
        Ok(context)
    }

    /// The API, unless nobody is to ask it. The directory has to be written before.
    pub(super) fn api(&self) -> Option<Api> {
        if self.common.offline {
            return None;
        }
        let mut connection = self.common.connection.connection(self.console);
        connection.cluster = connection.cluster.filter(|name| !is_file(name));
        Some(Api::new(connection, &self.work))
    }

    /// The plan of the rotation that has begun, without the machines that are gone for ever.
    pub(super) fn begun(&self) -> Result<Option<Plan>, Failure> {
        let Some(mut plan) = self.work.plan()? else { return Ok(None) };
        let gone = |name: &String| self.cluster.gone.contains(name);
        for host in plan.hosts.iter().filter(|host| gone(&host.name)) {
            self.console.warn(&format!(
                "`{}` is left out, since the file of machines says that it is gone for ever",
                host.name
            ));
        }
        plan.hosts.retain(|host| !gone(&host.name));
        Ok(Some(plan))
    }

    /// The same, where there has to be one.
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        self.begun()?.ok_or_else(|| {
            Failure::refused(format!("there is no rotation in `{}`", self.work.path().display()))
                .with_hint(format!(
                    "begin one with `{} apply`, or name its directory with --work",
                    TOOL.name
                ))
        })
    }

    /// A new plan.
    pub(super) fn draw(&self, wanted: &WantedArgs) -> Result<Drawn, Failure> {
        let order = Wanted {
            cluster: &self.cluster,
            strategy: wanted.named(),
            tracks: &wanted.rotate,
            back: wanted.back,
            tool: TOOL,
            now: self.clock.now(),
        };
        draw::draw(&order, &self.interrupt)
    }

    /// Ready to change the cluster, alone.
    pub(super) fn drive<'d>(
        &'d self,
        plan: &'d Plan,
        change: &'d ChangeArgs,
    ) -> Result<Drive<'d>, Failure> {
        let mut drive = Drive {
            plan,
            cluster: &self.cluster,
            work: &self.work,
            locked: self.work.lock()?,
            api: self.api(),
            console: self.console,
            interrupt: &self.interrupt,
            clock: self.clock,
            timeout: change.timeout,
            waived: &change.waive,
            at_once: change.max_in_flight,
            who: rotation_core::world::operator::name(),
            watch: None,
            claim: None,
        };
        drive.claim()?;
        drive.lock()?;
        Ok(drive)
    }
}
