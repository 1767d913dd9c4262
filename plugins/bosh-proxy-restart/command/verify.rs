//! `bosh-proxy-restart verify`: the runbook's three questions for every instance. Changes nothing.

use super::document::{Action, Document, Item};
use super::{Tools, words};
use crate::TOOL;
use crate::cli::{Args, VerifyArgs};
use crate::finding::Finding;
use crate::observe::{self, Fleet, Sight};
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::words::count;
use rotation_core::tell::event::{Counts, Event, EventKind, Listener as _};
use rotation_core::tell::json::Format;
use rotation_core::world::clock::Clock as _;

/// Runs the command.
pub(super) fn run(args: &Args, verify: &VerifyArgs, console: &Console) -> Result<Exit, Failure> {
    let common = &args.common;
    let tools = Tools::new(common, console)?;
    let mut log = console.log(&common.output())?;
    let (fleet, sights) = observe::survey(tools.door(), common, &verify.instances, |_| Ok(()))?;
    let exit = exit(&sights, &fleet, verify.strict);
    for kind in events(&tools, &fleet, &sights, exit) {
        log.hear(&Event { at: tools.clock.now(), elapsed: tools.clock.uptime(), kind });
    }
    if common.json {
        let mut document = Document::new("verify", &tools.deployment, &fleet);
        let seen = sights.iter().map(|sight| Item::seen(sight, Action::Look, None));
        let left = fleet.left_out.iter().map(|left| Item::left_out(left, Action::LeftAlone));
        document.instances = seen.chain(left).collect();
        document.exit_code = exit.code();
        document.took_seconds = tools.clock.uptime().as_secs_f64();
        console.document(&document, Format::Json)?;
    } else {
        console.table(&words::table(&sights, &fleet.left_out), false);
    }
    words::tell_findings(console, &sights, &fleet.left_out);
    if let Some(lock) = &fleet.lock {
        console.warn(&format!("{}: what is seen may change", observe::lock_words(lock)));
    }
    console.note(&sentence(&sights, &fleet));
    if let Some(sick) = sights.iter().find(|s| s.findings.iter().any(|f| f.code.is_healed())) {
        let target = &sick.target;
        let name = words::short(&target.name, target.index);
        let flags = common.for_hint(&tools.deployment);
        console.note(&format!("hint: run `{} heal {name}{flags} --dry-run`", TOOL.name));
    }
    Ok(exit)
}

fn exit(sights: &[Sight], fleet: &Fleet, strict: bool) -> Exit {
    let left = fleet.left_out.iter().map(|left| &left.finding);
    let all: Vec<&Finding> = sights.iter().flat_map(|s| &s.findings).chain(left).collect();
    if all.iter().any(|finding| strict || finding.is_error()) { Exit::Findings } else { Exit::Done }
}

fn sentence(sights: &[Sight], fleet: &Fleet) -> String {
    let all = sights.len() + fleet.left_out.len();
    let healthy = sights.iter().filter(|sight| sight.is_healthy()).count();
    format!("{healthy} of {} healthy", count(all, "instance"))
}

/// The same for the log file: one step for each instance.
fn events(tools: &Tools, fleet: &Fleet, sights: &[Sight], exit: Exit) -> Vec<EventKind> {
    let all = sights.len() + fleet.left_out.len();
    let mut events = vec![EventKind::RunStarted {
        tool: TOOL.name.to_owned(),
        version: TOOL.version.to_owned(),
        place: format!("{} of {}", tools.deployment, words::director(fleet)),
        what: format!("verify {}", count(all, "instance")),
        steps: all,
    }];
    let mut counts = Counts::default();
    for sight in sights {
        let subject = words::subject(&sight.target.name, &tools.deployment);
        for finding in &sight.findings {
            let message = format!("{subject}: {}: {}", words::code(finding), finding.message);
            events.push(EventKind::Warning { message });
        }
        if sight.is_healthy() {
            counts.done += 1;
            let pid = sight.look().and_then(words::watched).map(|p| p.id.pid.to_string());
            events.push(EventKind::StepDone {
                subject,
                outcome: "healthy".to_owned(),
                old: pid,
                new: None,
                node: None,
                proof: None,
                took: std::time::Duration::ZERO,
            });
        } else {
            counts.failed += 1;
            let worst = &sight.findings[0];
            events.push(EventKind::StepFailed {
                subject,
                reason: words::code(worst),
                message: worst.message.clone(),
                hint: None,
                changed: false,
            });
        }
    }
    for left in &fleet.left_out {
        counts.skipped += 1;
        events.push(EventKind::StepSkipped {
            subject: words::subject(&left.name, &tools.deployment),
            reason: words::code(&left.finding),
            message: left.finding.message.clone(),
        });
    }
    events.push(EventKind::RunEnded {
        exit: exit.code(),
        counts,
        message: sentence(sights, fleet),
    });
    events
}
