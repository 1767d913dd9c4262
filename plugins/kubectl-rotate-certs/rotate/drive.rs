//! Brings the cluster from stage to stage: machine by machine, each proven before the next, intent written down before and
//! outcome after.

use super::api::Api;
use super::cluster_file::{Cluster, Named, Where};
use super::document::{HostPlan, Plan};
use super::draw::failed;
use super::gates::{self, Asker, Gate, Verdict};
use super::journal::Event;
use super::lease::{self, Claim};
use super::objects;
use super::orders;
use super::stage::Stage;
use super::standing::{self, Standing};
use super::window::Watch;
use super::work::{Locked, Work};
use jiff::Timestamp;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::world::beside;
use rotation_core::world::clock::{Clock as _, SystemClock};
use rotation_core::world::hosts::change::{self, ChangeError, Did, Order, State};
use rotation_core::world::interrupt::Interrupt;
use std::time::Duration;

/// Controllers that take turns by a lease.
const LEADING: [&str; 2] = ["kube-controller-manager", "kube-scheduler"];

/// Everything that is needed to change the cluster.
pub(crate) struct Drive<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) cluster: &'a Cluster,
    pub(crate) work: &'a Work,
    pub(crate) locked: Locked,
    /// The cluster's API; `None` where nobody is to ask it.
    pub(crate) api: Option<Api>,
    pub(crate) console: &'a Console,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) clock: SystemClock,
    /// How long gates are waited for.
    pub(crate) timeout: Duration,
    /// Gates that need not hold, by a part of their words.
    pub(crate) waived: &'a [String],
    /// Machines without a control plane that are changed at a time.
    pub(crate) at_once: usize,
    /// Who and from where.
    pub(crate) who: String,
    /// The window, where there is one.
    pub(crate) watch: Option<Watch>,
    /// The Lease in the API, while it is ours.
    pub(crate) claim: Option<Claim>,
}

impl Drive<'_> {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn note(&mut self, event: Event) -> Result<(), Failure> {
        let now = self.now();
        self.locked.note(now, event)
    }

    fn say(&self, text: &str) {
        let at = self.now().strftime("%H:%M:%S");
        self.console.note(&format!("{at} {text}"));
    }

    /// Where all stand; refused where that cannot be said.
    pub(crate) fn look(&self) -> Result<Standing, Failure> {
        let standing = standing::look(self.cluster, self.plan, self.interrupt);
        let unknown = standing.unknown();
        if !unknown.is_empty() {
            return Err(Failure::refused(format!("cannot look at {}", unknown.join("; "))).with_hint(
                "every machine must be reached: run the command again when it is; if it is gone for ever, write `gone = true` \
                 at its [[host]]",
            ));
        }
        let changed = standing.changed();
        if !changed.is_empty() {
            return Err(Failure::refused(format!(
                "somebody else changed {}: it is at no stage of this rotation",
                changed.join(", ")
            ))
            .with_hint("put it back as it was at one of its stages, from a backup or from the directory of the rotation"));
        }
        Ok(standing)
    }

    /// Looks at all machines once more at the very end: every file of the plan, those of consumers as well, is at its stage.
    pub(crate) fn stands_at(&mut self, stage: Stage) -> Result<(), Failure> {
        let standing = self.look()?;
        let behind = standing.behind(self.plan, stage);
        let Some(first) = behind.first() else { return Ok(()) };
        let why = match behind.len() {
            1 => format!("{first} is not at stage {stage} any more"),
            n => format!("{first} and {} more files are not at stage {stage} any more", n - 1),
        };
        self.note(Event::Stopped { why: why.clone() })?;
        Err(Failure::refused(why)
            .with_exit(Exit::Partly)
            .with_hint("somebody else writes there: find out who, then run the command again"))
    }

    /// A machine of the cluster; one that only has a consumer's file belongs to others as well.
    fn member(&self, host: &HostPlan) -> Option<&Named> {
        self.cluster.machine(&host.name).filter(|named| named.place != Where::Outside)
    }

    /// Machines that came after the plan was made.
    pub(crate) fn strangers(&self) -> Vec<&str> {
        let known = |name: &str| self.plan.hosts.iter().any(|host| host.name == name);
        let names = self.cluster.machines.iter().map(|machine| machine.name.as_str());
        names.filter(|name| !known(name)).collect()
    }

    /// Says in the API that this rotation is at work.
    pub(crate) fn claim(&mut self) -> Result<(), Failure> {
        // Certificates have expired: whoever would be asked cannot be believed to answer.
        let recovers = self.plan.strategy == super::stage::Strategy::Recover;
        if let Some(api) = self.api.as_ref().filter(|_| !recovers) {
            self.claim = lease::take(api, &self.who, &self.plan.id, self.console, self.clock)?;
        }
        Ok(())
    }

    /// Whether the next step may be begun.
    pub(crate) fn may_go_on(&self) -> Result<(), Failure> {
        if self.interrupt.is_asked() {
            return Err(self.stopped());
        }
        if self.claim.as_ref().is_some_and(Claim::is_lost) {
            return Err(Failure::refused("another rotation has taken the lease of this one over")
                .with_exit(Exit::Partly)
                .with_hint("`kubectl -n kube-system get lease kubernetes-rotation -o yaml` says whose it is"));
        }
        Ok(())
    }

    /// Says on every machine that this rotation works there.
    pub(crate) fn lock(&self) -> Result<(), Failure> {
        let words = format!(
            "by {} since {}",
            self.who,
            self.plan.created_at.strftime("%Y-%m-%d %H:%M:%SZ")
        );
        let id = self.plan.id.as_str();
        let lock = |host: &HostPlan| -> Result<bool, Failure> {
            let Some(named) = self.member(host) else { return Ok(false) };
            let order = Order::Lock { id, words: &words };
            let did = change::carry(&named.carrier, &[order], self.interrupt).map_err(|why| {
                let failure = failed(&host.name, &why);
                if why.is_locked() {
                    return failure.with_hint(
                        "another rotation works there: let it end or roll it back; if its directory is lost, remove \
                         /run/kubernetes-rotation.lock on each machine",
                    );
                }
                failure
            })?;
            Ok(did == [Did::Made])
        };
        let connections = rotation_core::world::hosts::ssh::CONNECTIONS;
        let locked = beside::each(&self.plan.hosts, connections, lock);
        let Some(at) = locked.iter().position(Result::is_err) else { return Ok(()) };
        // Whoever may not begin leaves no marks that would stop others.
        let ours = self.plan.hosts.iter().zip(&locked);
        let ours: Vec<&HostPlan> =
            ours.filter(|(_, locked)| matches!(locked, Ok(true))).map(|(host, _)| host).collect();
        beside::each(&ours, connections, |host| {
            if let Some(named) = self.cluster.machine(&host.name) {
                let _ = change::carry(&named.carrier, &[Order::Unlock { id }], self.interrupt);
            }
        });
        locked.into_iter().nth(at).map_or(Ok(()), |failed| failed.map(drop))
    }

    /// Gives the machines free, without what a killed command left beside their files.
    pub(crate) fn unlock(&self) {
        let id = self.plan.id.as_str();
        let unlock = |host: &HostPlan| {
            let Some(named) = self.member(host) else { return };
            let mut orders: Vec<Order<'_>> =
                host.files.iter().map(|file| Order::Tidy { path: &file.path }).collect();
            orders.push(Order::Unlock { id });
            if let Err(why) = change::carry(&named.carrier, &orders, self.interrupt) {
                // A mark that stays is told by name to whoever comes next, and goes with the next start of the machine.
                self.console.warn(&format!("`{}` is not given free: {why}", host.name));
            }
        };
        beside::each(&self.plan.hosts, rotation_core::world::hosts::ssh::CONNECTIONS, unlock);
    }

    /// Brings every machine to a stage, and asks the gates behind it. Who has just looked where they stand says so.
    pub(crate) fn bring(
        &mut self,
        from: Stage,
        to: Stage,
        seen: Option<Standing>,
    ) -> Result<(), Failure> {
        let standing = seen.map_or_else(|| self.look(), Ok)?;
        let nothing = |host: &HostPlan| host.files.iter().all(|file| file.at(from) == file.at(to));
        if from != to && self.plan.hosts.iter().all(nothing) {
            return Ok(());
        }
        self.has_contents(&standing, to)?;
        self.note(Event::Phase { stage: to })?;
        self.say(&format!("stage {to}: {}", to.about()));
        let since = self.server_time();
        for group in self.groups(from, to) {
            let group: Vec<HostPlan> = group.into_iter().filter(|host| !nothing(host)).collect();
            self.may_go_on()?;
            let names: Vec<&str> = group.iter().map(|host| host.name.as_str()).collect();
            let (estimated, begun) = (self.estimate(&group, to), self.clock.uptime());
            self.in_time(&format!("stage {to} on {}", names.join(", ")), estimated)?;
            self.group(&group, &standing, from, to)?;
            self.measured(estimated, self.clock.uptime().saturating_sub(begun));
        }
        self.objects(to)?;
        let gates = gates::after(to, self.plan, self.cluster);
        let (pruned, first): (Vec<Gate>, Vec<Gate>) =
            gates.into_iter().partition(Gate::is_of_pruning);
        self.gates(&first, to, since)?;
        if !pruned.is_empty() {
            self.prune(to)?;
            self.gates(&pruned, to, since)?;
        }
        self.tell_left(to);
        Ok(())
    }

    /// Machines that are brought to a stage together.
    fn groups(&self, from: Stage, to: Stage) -> Vec<Vec<HostPlan>> {
        let leader = self.api.as_ref().and_then(|api| objects::leader(api, LEADING[0]));
        let groups = super::groups::of(self.plan, leader.as_deref(), self.at_once, from, to);
        groups.into_iter().map(|group| group.into_iter().cloned().collect()).collect()
    }

    fn group(
        &mut self,
        group: &[HostPlan],
        standing: &Standing,
        from: Stage,
        to: Stage,
    ) -> Result<(), Failure> {
        for host in group {
            let seen = standing.host(&host.name).map(|one| one.seen.as_slice()).unwrap_or_default();
            let files = orders::files(host, seen, to);
            let restarts = orders::restarts(host, from, to);
            self.note(Event::Intent {
                stage: to,
                host: host.name.clone(),
                files: files.iter().map(|file| file.path.clone()).collect(),
                restarts: restarts.iter().map(|one| one.component.program.clone()).collect(),
            })?;
        }
        let begun = self.clock.uptime();
        let one = |host: &HostPlan| self.host(host, standing, from, to);
        let done = beside::each(group, group.len().max(1), one);
        for (host, result) in group.iter().zip(done) {
            let words = result?;
            let took = self.clock.uptime().saturating_sub(begun);
            self.say(&format!("{}: {words} ({:.1} s)", host.name, took.as_secs_f64()));
            self.note(Event::Done {
                stage: to,
                host: host.name.clone(),
                took: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            })?;
        }
        let machines = group.iter().filter_map(|host| self.cluster.machine(&host.name));
        let servers = gates::api_servers(self.plan, machines);
        let ready: Vec<Gate> = servers.into_iter().map(Gate::Ready).collect();
        self.gates(&ready, to, Timestamp::UNIX_EPOCH)
    }

    /// One machine: files, then restarts.
    fn host(
        &self,
        host: &HostPlan,
        standing: &Standing,
        from: Stage,
        to: Stage,
    ) -> Result<String, Failure> {
        let named = self.named(host)?;
        let seen = standing.host(&host.name).map(|one| one.seen.as_slice()).unwrap_or_default();
        let files = orders::files(host, seen, to);
        let restarts = orders::restarts(host, from, to);
        let (stay, go): (Vec<_>, Vec<_>) =
            files.iter().copied().partition(|file| *file.at(to) != State::Absent);
        let contents = self.contents(&stay, to)?;
        let missing = |file: &super::document::FilePlan| {
            Failure::unexpected(format!("nothing is known of what `{}` is to hold", file.path))
        };
        let mut orders = orders::write(&stay, to, &contents, missing)?;
        orders.extend(orders::restart(&restarts));
        orders.extend(orders::write(&go, to, &contents, missing)?);
        let did = change::carry(&named.carrier, &orders, self.interrupt)
            .map_err(|why| self.broken(host, &why))?;
        let mut words = vec![format!("{} files", files.len())];
        for restart in restarts.iter().zip(&did[stay.len()..]) {
            let (restart, did) = restart;
            if *did == Did::Made {
                words.push(format!("{} restarted", restart.component.program));
                self.release(&restart.component.program, &host.name);
            }
        }
        Ok(words.join(", "))
    }

    /// What is to be written is looked at before the first machine is changed, not when its turn comes.
    fn has_contents(&self, standing: &Standing, to: Stage) -> Result<(), Failure> {
        for host in &self.plan.hosts {
            let seen = standing.host(&host.name).map(|one| one.seen.as_slice()).unwrap_or_default();
            self.contents(&orders::files(host, seen, to), to)?;
        }
        Ok(())
    }

    fn named(&self, host: &HostPlan) -> Result<&Named, Failure> {
        self.cluster.machine(&host.name).ok_or_else(|| {
            Failure::refused(format!("`{}` is not in the file of machines any more", host.name))
                .with_hint("name the file with which the rotation began")
        })
    }

    fn contents(
        &self,
        files: &[&super::document::FilePlan],
        to: Stage,
    ) -> Result<Vec<orders::Content>, Failure> {
        let mut contents = Vec::new();
        for file in files {
            if let State::File(digest) = file.at(to) {
                contents.push((*digest, self.work.content(digest)?));
            }
        }
        Ok(contents)
    }

    /// Nobody else takes a lease whose holder has just ended, for as long as it lasts.
    fn release(&self, program: &str, host: &str) {
        if let Some(api) = self.api.as_ref().filter(|_| LEADING.contains(&program)) {
            // It runs out by itself.
            let _ = objects::release(api, program, host);
        }
    }

    fn broken(&self, host: &HostPlan, why: &ChangeError) -> Failure {
        let failure = failed(&host.name, why);
        if matches!(why, ChangeError::Stopped) {
            return failure;
        }
        failure.with_exit(Exit::Partly).with_hint(format!(
            "the cluster works with what is done; look at `{}`, then run `{} apply` again, or `{} rollback`",
            host.name, self.console.tool.name, self.console.tool.name
        ))
    }

    fn objects(&mut self, to: Stage) -> Result<(), Failure> {
        let Some(api) = self.api.clone() else { return Ok(()) };
        if objects::cluster_info(&api, self.plan, self.work, to)? {
            let what = "configmap kube-public/cluster-info changed";
            self.say(what);
            self.note(Event::Changed { what: what.to_owned() })?;
        }
        Ok(())
    }

    fn prune(&mut self, to: Stage) -> Result<(), Failure> {
        let Some(api) = self.api.clone() else { return Ok(()) };
        if objects::prune(&api, self.plan, to)? {
            let what = "configmap kube-system/extension-apiserver-authentication changed";
            self.say(what);
            self.note(Event::Changed { what: what.to_owned() })?;
        }
        Ok(())
    }

    fn server_time(&self) -> Timestamp {
        let now = self.now();
        let Some(api) = &self.api else { return now };
        api.ask(None, |cluster| {
            cluster.version()?;
            Ok(cluster.now(now))
        })
        .unwrap_or(now)
    }

    /// Asks gates until they hold.
    pub(crate) fn gates(
        &mut self,
        gates: &[Gate],
        stage: Stage,
        since: Timestamp,
    ) -> Result<(), Failure> {
        let Some(api) = self.api.clone() else { return Ok(()) };
        if gates.is_empty() {
            return Ok(());
        }
        let asker =
            Asker { plan: self.plan, api: &api, work: self.work, interrupt: self.interrupt, since };
        let mut events = Vec::new();
        let open = asker.wait(
            gates,
            &|gate| self.is_waived(gate),
            self.patience(),
            &mut |gate, verdict, took| {
                let waived = self.is_waived(gate);
                let (word, message) = match verdict {
                    Verdict::Holds => ("holds", String::new()),
                    Verdict::Not(why) if waived => ("waived", why.clone()),
                    Verdict::Not(why) => ("fails", why.clone()),
                };
                events.push(Event::Gate {
                    stage,
                    gate: gate.to_string(),
                    verdict: word.to_owned(),
                    message,
                    took: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                });
            },
        );
        for event in events {
            self.note(event)?;
        }
        if self.interrupt.is_asked() {
            return Err(self.stopped());
        }
        let open: Vec<&(Gate, String)> =
            open.iter().filter(|(gate, _)| !self.is_waived(gate)).collect();
        if gates.len() > 3 {
            self.say(&format!("{} of {} gates hold", gates.len() - open.len(), gates.len()));
        }
        if open.is_empty() {
            return Ok(());
        }
        for (gate, why) in &open {
            self.console.warn(&format!("not so: {gate}: {why}"));
        }
        let (gate, _) = open[0];
        let why =
            format!("{} of {} gates after stage {stage} do not hold", open.len(), gates.len());
        self.note(Event::Stopped { why: why.clone() })?;
        Err(Failure::refused(why).with_exit(Exit::Partly).with_hint(format!(
            "mend what they name and run `{tool} apply` again, go back with `{tool} rollback`, or waive one that you have \
             looked at yourself: --waive '{gate}'",
            tool = self.console.tool.name
        )))
    }

    fn is_waived(&self, gate: &Gate) -> bool {
        let text = gate.to_string();
        self.waived.iter().any(|word| !word.is_empty() && text.contains(word.as_str()))
    }

    fn stopped(&self) -> Failure {
        Failure::unexpected(
            "interrupted: every file is whole, and the cluster works with what is done",
        )
        .with_exit(Exit::Interrupted)
        .with_hint(format!(
            "go on with `{0} apply`, or back with `{0} rollback`",
            self.console.tool.name
        ))
    }
}
