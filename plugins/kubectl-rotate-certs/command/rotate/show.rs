//! A plan, printed.

use super::outlook::Outlook;
use crate::TOOL;
use crate::rotate::args::PlanFormat;
use crate::rotate::document::{HostPlan, Plan};
use crate::rotate::orders;
use crate::rotate::stage::Stage;
use crate::rotate::standing::previous;
use rotation_core::cli::failure::Failure;
use rotation_core::world::hosts::change::{State, Way};
use serde::Serialize;
use std::fmt::Write as _;

/// The document: the plan, and what it comes to.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    outlook: Option<&'a Outlook>,
}

/// The plan in a form, with what it comes to.
pub(super) fn plan(
    plan: &Plan,
    outlook: Option<&Outlook>,
    format: PlanFormat,
    machines: &str,
) -> Result<String, Failure> {
    let below = |words: fn(&Outlook, &Plan) -> String| {
        outlook.map(|outlook| words(outlook, plan)).unwrap_or_default()
    };
    Ok(match format {
        PlanFormat::Text => text(plan) + &below(Outlook::text),
        PlanFormat::Json => {
            let mut text = serde_json::to_string_pretty(&Document { plan, outlook })
                .map_err(|why| Failure::unexpected(why.to_string()))?;
            text.push('\n');
            text
        }
        PlanFormat::Sh => sh(plan, machines),
        PlanFormat::Markdown => markdown(plan) + &below(Outlook::markdown),
    })
}

fn short(state: &State) -> String {
    match state {
        State::Absent => "-".to_owned(),
        State::File(digest) => digest.to_string()[..8].to_owned(),
        State::Link(target) => format!("-> {target}"),
        State::Other(what) => what.clone(),
    }
}

/// Stages with what is changed and restarted in each.
fn phases(plan: &Plan) -> Vec<(Stage, Vec<String>)> {
    plan.route()
        .iter()
        .map(|stage| {
            let before = previous(plan.route(), *stage);
            let hosts = plan.hosts.iter().map(|host| of_host(host, before, *stage));
            (*stage, hosts.flatten().collect())
        })
        .collect()
}

fn of_host(host: &HostPlan, from: Stage, to: Stage) -> Vec<String> {
    let seen: Vec<State> = host.files.iter().map(|file| file.at(from).clone()).collect();
    let mut lines: Vec<String> = orders::files(host, &seen, to)
        .into_iter()
        .map(|file| {
            format!(
                "{}: {}: {} becomes {} ({})",
                host.name,
                file.path,
                short(file.at(from)),
                short(file.at(to)),
                file.what
            )
        })
        .collect();
    lines.extend(orders::restarts(host, from, to).into_iter().map(|restart| {
        let how = match &restart.way {
            Way::Kill => "ended, and started by its supervisor",
            Way::Wait => "started anew by its manifest",
            Way::Run(command) | Way::Tell(command) => command,
        };
        format!("{}: restart {}: {how}", host.name, restart.component.program)
    }));
    lines
}

fn text(plan: &Plan) -> String {
    let mut out = format!("rotation {}, {}\n", plan.id, plan.strategy.as_str());
    for one in &plan.tracks {
        let name = |subject: &str, key: String| {
            if subject.is_empty() { format!("key {}", &key[..8]) } else { subject.to_owned() }
        };
        let _ = writeln!(
            out,
            "  {}: {} becomes {}",
            one.track,
            name(&one.old.subject, one.old.key.to_string()),
            name(&one.new.subject, one.new.key.to_string())
        );
    }
    for note in &plan.notes {
        let _ = writeln!(out, "  note: {note}");
    }
    for (stage, lines) in phases(plan) {
        let _ = writeln!(out, "\nstage {stage}: {}", stage.about());
        for line in &lines {
            let _ = writeln!(out, "  {line}");
        }
        if lines.is_empty() {
            let _ = writeln!(out, "  nothing changes");
        }
    }
    out
}

fn sh(plan: &Plan, machines: &str) -> String {
    let mut out = format!(
        "#!/bin/sh\n# Rotation {}, {}: stage by stage. Each line can be run again; stop wherever one fails.\nset -eu\n",
        plan.id,
        plan.strategy.as_str()
    );
    let quoted = format!("'{}'", machines.replace('\'', "'\\''"));
    for stage in plan.route() {
        let last = *stage == Stage::Retire && plan.strategy.has_new_key() && plan.route().len() > 1;
        let _ = writeln!(out, "\n# {stage}: {}", stage.about());
        if last {
            let _ = writeln!(out, "{} finish --hosts {quoted} --yes", TOOL.name);
        } else {
            let _ = writeln!(out, "{} apply --hosts {quoted} --until {stage} --yes", TOOL.name);
        }
        let _ = writeln!(out, "{} status --hosts {quoted} || [ $? -eq 3 ]", TOOL.name);
    }
    out
}

fn markdown(plan: &Plan) -> String {
    let mut out = format!("# Rotation {} ({})\n\n", plan.id, plan.strategy.as_str());
    let _ = writeln!(out, "| what | old | new |\n| --- | --- | --- |");
    for one in &plan.tracks {
        let _ = writeln!(
            out,
            "| {} | {} `{}` | {} `{}` |",
            one.track,
            one.old.subject,
            &one.old.fingerprint.to_string()[..16],
            one.new.subject,
            &one.new.fingerprint.to_string()[..16]
        );
    }
    for note in &plan.notes {
        let _ = writeln!(out, "\n> {note}");
    }
    for (stage, lines) in phases(plan) {
        let _ = writeln!(out, "\n## {stage}: {}\n", stage.about());
        for line in &lines {
            let _ = writeln!(out, "- {line}");
        }
        if lines.is_empty() {
            let _ = writeln!(out, "Nothing changes.");
        }
    }
    out
}
