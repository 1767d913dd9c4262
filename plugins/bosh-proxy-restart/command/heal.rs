//! `bosh-proxy-restart heal INSTANCE`: the confirmed repair of a duplicate, and of a lost or foreign pidfile.

use super::document::{Action, Document, Item};
use super::{Tools, apply, words};
use crate::TOOL;
use crate::cli::{Args, HealArgs};
use crate::cycle::{self, Deed, Outcome, Work};
use crate::finding::Finding;
use crate::jobs::Job;
use crate::journal::Entry;
use crate::judge;
use crate::look::{Look, ProcessId};
use crate::observe::{self, Fleet, Sight};
use rotation_core::apply::state::StateDir;
use rotation_core::cli::confirm::confirm_text;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::duration::human;
use rotation_core::facts::exit::Exit;
use rotation_core::tell::clean;
use rotation_core::tell::event::{Counts, Event, EventKind, Listener as _};
use rotation_core::tell::json::Format;
use rotation_core::world::clock::Clock as _;
use std::time::Duration;

/// What healing would do. Pure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HealPlan {
    /// Processes to end: every one of the job, and nothing else.
    pub(super) kill: Vec<ProcessId>,
    /// Whether the pidfile is there and goes.
    pub(super) pidfile: bool,
}

impl HealPlan {
    /// `end PID 90 (17m old) and PID 906 (15s old), remove /x/proxy.pid and start one by monit`.
    pub(super) fn words(&self, look: &Look) -> String {
        let one = |id: &ProcessId| {
            let process = look.processes.iter().chain(&look.pidfile.process).find(|p| p.id == *id);
            let age = process.map(|p| format!(" ({} old)", human(look.age(p)))).unwrap_or_default();
            format!("PID {}{age}", id.pid)
        };
        let kill: Vec<String> = self.kill.iter().map(one).collect();
        let mut parts = Vec::new();
        if !kill.is_empty() {
            parts.push(format!("end {}", kill.join(" and ")));
        }
        if self.pidfile {
            parts.push(format!("remove {}", look.pidfile.path));
        }
        parts.push("start one by monit".to_owned());
        parts.join(", ")
    }
}

/// Decides what to end: nothing where nothing that healing mends is wrong.
pub(super) fn plan(job: &Job, look: &Look) -> Option<HealPlan> {
    let window = judge::Window { from: jiff::Timestamp::MIN, to: jiff::Timestamp::MAX };
    let findings = judge::findings(job, look, window);
    if !findings.iter().any(|finding| finding.code.is_healed()) {
        return None;
    }
    let crowd = judge::crowd(job, look);
    let mut kill: Vec<ProcessId> =
        crowd.rightful.iter().chain(&crowd.strays).map(|process| process.id).collect();
    // A control script that stays beside its program would start another one, or stay for ever.
    if job.wrapper && crowd.rightful.is_some() {
        kill.extend(look.pidfile.process.as_ref().map(|process| process.id));
    }
    kill.sort_unstable();
    kill.dedup();
    Some(HealPlan { kill, pidfile: look.pidfile.pid.is_some() })
}

/// Runs the command.
pub(super) fn run(args: &Args, heal: &HealArgs, console: &Console) -> Result<Exit, Failure> {
    let common = &args.common;
    if heal.instance.which.is_none() {
        return Err(Failure::usage(format!(
            "`{}` is a group; heal works on one instance: GROUP/INDEX or GROUP/UUID",
            heal.instance
        )));
    }
    let tools = Tools::new(common, console)?;
    let fleet = observe::fleet(&tools.bosh, common, std::slice::from_ref(&heal.instance))?;
    if let Some(left) = fleet.left_out.first() {
        let name = words::both_names(&left.name, left.index);
        return Err(Failure::refused(format!(
            "{name}: {}; nothing was changed",
            left.finding.message
        )));
    }
    let Some(target) = fleet.targets.first() else {
        return Err(Failure::refused("no such instance; nothing was changed"));
    };
    let sight = observe::sight(&tools.door(), target, Duration::ZERO)?;
    let name = words::both_names(&target.name, target.index);
    let Some(look) = sight.look() else {
        let why = &sight.findings[0].message;
        return Err(Failure::refused(format!("{name}: {why}; nothing was changed")));
    };
    words::tell_findings(console, std::slice::from_ref(&sight), &[]);
    let Some(plan) = plan(&target.job, look) else {
        return nothing(args, console, &tools, &fleet, &sight);
    };
    refuse(&fleet, &sight, &name)?;
    let words = plan.words(look);
    if args.change.dry_run {
        print(args, console, &tools, &fleet, &sight, None, Exit::Findings)?;
        console.note(&format!("would, on {name}, {words} (dry run)"));
        return Ok(Exit::Findings);
    }
    ask(args, console, &tools, &fleet, &sight, &words)?;
    apply(args, console, &tools, &fleet, &sight, plan)
}

/// What stands in the way of healing, too.
fn refuse(fleet: &Fleet, sight: &Sight, name: &str) -> Result<(), Failure> {
    if let Some(lock) = &fleet.lock {
        return Err(Failure::refused(format!(
            "{}; nothing was changed",
            observe::lock_words(lock)
        )));
    }
    let stands =
        |finding: &&Finding| finding.code.forbids_restart(true) && !finding.code.is_healed();
    match sight.findings.iter().find(stands) {
        Some(finding) => Err(Failure::refused(format!(
            "{name} cannot be healed, nothing was changed: {}",
            finding.message
        ))),
        None => Ok(()),
    }
}

/// Nothing that healing mends is wrong: 0 if nothing is, else 4.
fn nothing(
    args: &Args,
    console: &Console,
    tools: &Tools,
    fleet: &Fleet,
    sight: &Sight,
) -> Result<Exit, Failure> {
    let name = words::both_names(&sight.target.name, sight.target.index);
    let exit = if sight.is_healthy() { Exit::Done } else { Exit::Refused };
    print(args, console, tools, fleet, sight, None, exit)?;
    if exit == Exit::Done {
        console.note(&format!("{name}: nothing to heal"));
        return Ok(exit);
    }
    let why = &sight.findings[0].message;
    Err(Failure::refused(format!("{name}: heal does not mend this, nothing was changed: {why}"))
        .with_hint(format!("look at it: `bosh -d {} ssh {}`", tools.deployment, sight.target.name)))
}

fn ask(
    args: &Args,
    console: &Console,
    tools: &Tools,
    fleet: &Fleet,
    sight: &Sight,
    words: &str,
) -> Result<(), Failure> {
    let name = words::both_names(&sight.target.name, sight.target.index);
    let text = [
        format!("{} is about to heal {}:", TOOL.name, clean::line(&name)),
        format!("  {}", clean::line(words)),
        format!("deployment: {}", clean::line(&tools.deployment)),
        format!("director:   {}", clean::line(words::director(fleet))),
    ]
    .join("\n");
    confirm_text(console, args.change.confirm(), "heal 1 instance", &text, "--dry-run")
}

fn apply(
    args: &Args,
    console: &Console,
    tools: &Tools,
    fleet: &Fleet,
    sight: &Sight,
    plan: HealPlan,
) -> Result<Exit, Failure> {
    let (target, Some(look)) = (&sight.target, sight.look()) else {
        return Err(Failure::unexpected("an instance that was not seen cannot be healed"));
    };
    let mut listeners = console.listeners(&args.common.output())?;
    let mut hear = |kind| {
        listeners.hear(&Event { at: tools.clock.now(), elapsed: tools.clock.uptime(), kind });
    };
    // Its own directory: a heal is no part of a restart that could be gone on with.
    let home = console.environment.state_home()?;
    let state = StateDir::named(&home, "bosh-proxy-heal", &tools.deployment);
    let _lock = state.lock()?;
    let mut journal = state.journal(tools.clock.now())?;
    journal.write(&[Entry::intent(tools.clock.now(), &target.name)]).map_err(|e| {
        Failure::refused(format!("cannot write the journal: {e}; nothing was changed"))
    })?;
    let subject = words::subject(&target.name, &tools.deployment);
    hear(EventKind::RunStarted {
        tool: TOOL.name.to_owned(),
        version: TOOL.version.to_owned(),
        place: format!("{} at {}", tools.deployment, words::director(fleet)),
        what: "heal 1 instance".to_owned(),
        steps: 1,
    });
    let doing = plan.words(look);
    hear(EventKind::StepStarted { subject: subject.clone(), doing });
    let patience = apply::patience(args, &target.job, look, false);
    let work = Work { target, look, deed: Deed::Heal { kill: plan.kill }, patience };
    let outcome = cycle::work(&tools.door(), &work);
    let recorded = journal.write(&[Entry::outcome(tools.clock.now(), &target.name, &outcome)]);
    hear(apply::over(subject, &outcome));
    let report =
        crate::run::Report { outcomes: [(0, outcome)].into(), stopped: None, interrupted: false };
    let exit = apply::exit(1, &report);
    let healed = exit == Exit::Done;
    let counts = Counts { done: healed.into(), failed: (!healed).into(), skipped: 0, left: 0 };
    let mut message = if healed { "healed and proven" } else { "not healed" }.to_owned();
    if let Err(error) = recorded {
        message.extend(["; the journal could not be written: ", &error.to_string()]);
    }
    hear(EventKind::RunEnded { exit: exit.code(), counts, message });
    print(args, console, tools, fleet, sight, report.outcomes.get(&0), exit)?;
    if !args.common.json {
        console.table(&apply::table(std::slice::from_ref(sight), &[], &report), false);
    }
    Ok(exit)
}

fn print(
    args: &Args,
    console: &Console,
    tools: &Tools,
    fleet: &Fleet,
    sight: &Sight,
    outcome: Option<&Outcome>,
    exit: Exit,
) -> Result<(), Failure> {
    if !args.common.json {
        return Ok(());
    }
    let mut document = Document::new("heal", &tools.deployment, fleet);
    document.dry_run = args.change.dry_run;
    document.exit_code = exit.code();
    document.took_seconds = tools.clock.uptime().as_secs_f64();
    let action = match exit {
        Exit::Done if outcome.is_none() => Action::None,
        Exit::Refused if outcome.is_none() => Action::Refused,
        _ => Action::Heal,
    };
    document.instances = vec![Item::seen(sight, action, outcome)];
    console.document(&document, Format::Json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Jobs;
    use crate::records::tests::look;

    const EXE: &str = "/var/vcap/packages/kubernetes/bin/kube-proxy";

    fn line(kind: &str, pid: u32, parent: u32, start: u64, exe: &str, argv: &str) -> String {
        format!("{kind}\t{pid}\t{parent}\tS\t{start}\thost\t{exe}\t{argv}\n")
    }

    fn kills(job: &str, changes: &[(&str, &str)]) -> Option<(Vec<u32>, bool)> {
        let look = look(changes);
        let plan = plan(&Jobs::embedded().named(job), &look)?;
        Some((plan.kill.iter().map(|id| id.pid).collect(), plan.pidfile))
    }

    #[test]
    fn every_proxy_is_ended_and_nothing_else() {
        let argv = format!("{EXE} --master=x");
        let watched = line("pidproc", 138, 1, 509_642, EXE, &argv);
        let proc = line("proc", 138, 1, 509_642, EXE, &argv);
        let twin = format!("{}end\n", line("proc", 906, 1, 518_000, EXE, EXE));
        let pod = format!("{}end\n", line("proc", 77, 1, 5, EXE, EXE).replace("host", "other"));
        let docker = line("pidproc", 79, 1, 5, "/usr/local/bin/docker-proxy", "docker-proxy");
        let lost = ("proxy.pid\t138\t94", "proxy.pid\t-\t-");
        assert_eq!(kills("proxy", &[]), None, "healthy");
        assert_eq!(
            kills("proxy", &[("end\n", &pod)]),
            None,
            "a pod's own proxy is nobody's to end"
        );
        assert_eq!(kills("proxy", &[("end\n", &twin)]), Some((vec![138, 906], true)));
        assert_eq!(kills("proxy", &[lost, (&watched, "")]), Some((vec![138], false)));
        let stranger = ("proxy.pid\t138\t94", "proxy.pid\t79\t94");
        assert_eq!(kills("proxy", &[stranger, (&watched, &docker)]), Some((vec![138], true)));
        let nobody = [stranger, (watched.as_str(), docker.as_str()), (&proc, "")];
        assert_eq!(kills("proxy", &nobody), Some((vec![], true)), "only the pidfile is wrong");
    }

    #[test]
    fn a_wrapper_goes_with_its_child() {
        let argv = format!("{EXE} --master=x");
        let script = "/bin/bash /var/vcap/jobs/kube-proxy/bin/kube_proxy_ctl";
        let wrapper = line("pidproc", 138, 1, 509_642, "/usr/bin/bash", script);
        let both = [line("proc", 77, 1, 400, EXE, EXE), line("proc", 139, 138, 509_700, EXE, EXE)];
        let changes = [
            ("Process 'proxy'                     running", "Process 'kube-proxy'     running"),
            (&*line("pidproc", 138, 1, 509_642, EXE, &argv), &*wrapper),
            (&*line("proc", 138, 1, 509_642, EXE, &argv), &*both.concat()),
        ];
        assert_eq!(kills("kube-proxy", &changes), Some((vec![77, 138, 139], true)));
    }

    #[test]
    fn the_list_is_told() {
        let twin = format!("{}end\n", line("proc", 906, 1, 518_000, EXE, EXE));
        let look = look(&[("end\n", &twin)]);
        let plan = plan(&Jobs::embedded().named("proxy"), &look).expect("sick");
        assert_eq!(
            plan.words(&look),
            "end PID 138 (95s old) and PID 906 (11s old), remove /var/vcap/sys/run/proxy/proxy.pid, start one by monit"
        );
    }
}
