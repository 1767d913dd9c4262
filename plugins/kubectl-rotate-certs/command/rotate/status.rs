//! `status`: where a rotation stands. Reads only.

use super::context::Context;
use crate::TOOL;
use crate::cli::Format;
use crate::rotate::args::StatusArgs;
use crate::rotate::document::Plan;
use crate::rotate::stage::Stage;
use crate::rotate::standing::{self, HostStanding, Standing};
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use serde::Serialize;
use std::fmt::Write as _;

/// What is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: &'static str,
    plan: &'a str,
    strategy: &'static str,
    /// The last stage that all machines have reached; none in the middle of a move.
    stage: Option<Stage>,
    next: String,
    #[serde(flatten)]
    standing: &'a Standing,
}

/// Looks once, or again and again.
pub(crate) fn run(args: &StatusArgs, console: &Console) -> Result<Exit, Failure> {
    let context = Context::new(&args.common, console)?;
    let plan = context.plan()?;
    loop {
        let standing = standing::look(&context.cluster, &plan, &context.interrupt);
        let reached = standing.reached(plan.route());
        let next = next(&plan, &standing, reached);
        let exit = if reached == Some(plan.end()) || reached == Some(Stage::Before) {
            Exit::Done
        } else {
            Exit::Findings
        };
        match args.output {
            Format::Text => console.data(&text(&plan, &standing, reached, &next)),
            Format::Json | Format::Yaml => {
                let document = Document {
                    schema_version: "rotation/certificates-status/v1",
                    plan: &plan.id,
                    strategy: plan.strategy.as_str(),
                    stage: reached,
                    next,
                    standing: &standing,
                };
                let format = if args.output == Format::Json {
                    rotation_core::tell::json::Format::Json
                } else {
                    rotation_core::tell::json::Format::Yaml
                };
                console.document(&document, format)?;
            }
        }
        match args.watch {
            Some(every) if !context.interrupt.pause(every) => {}
            Some(_) | None => return Ok(exit),
        }
    }
}

fn next(plan: &Plan, standing: &Standing, reached: Option<Stage>) -> String {
    let tool = TOOL.name;
    if !standing.unknown().is_empty() {
        return "make every machine reachable, then look again".to_owned();
    }
    if !standing.changed().is_empty() {
        return "put back what somebody else changed, then look again".to_owned();
    }
    match reached {
        Some(stage) if stage == plan.end() => "nothing: the rotation is complete".to_owned(),
        Some(Stage::Switch) => format!("{tool} finish"),
        Some(_) => format!("{tool} apply"),
        None if standing.furthest(plan.route()) == Stage::Retire => format!("{tool} finish"),
        None => format!("{tool} apply, or {tool} rollback"),
    }
}

fn text(plan: &Plan, standing: &Standing, reached: Option<Stage>, next: &str) -> String {
    let width = standing.hosts.iter().map(|host| host.host.len()).max().unwrap_or_default();
    let mut out = format!("rotation {}, {}\n", plan.id, plan.strategy.as_str());
    for host in &standing.hosts {
        let _ = writeln!(out, "{:width$}  {}", host.host, of_host(plan, host));
    }
    let stage = reached.map_or("between two stages".to_owned(), |stage| {
        format!("stage {stage}: {}", stage.about())
    });
    let _ = writeln!(out, "{stage}\nnext: {next}");
    out
}

fn of_host(plan: &Plan, host: &HostStanding) -> String {
    if let Some(why) = &host.unknown {
        return format!("unknown: {why}");
    }
    if !host.changed.is_empty() {
        return format!("changed by somebody else: {}", host.changed.join(", "));
    }
    let last =
        plan.route().iter().rev().chain([&Stage::Before]).find(|stage| host.stages.contains(stage));
    if let Some(stage) = last {
        return stage.to_string();
    }
    let count =
        |stage: &Stage| format!("{} of {} files at {stage}", host.files[stage.index()], host.of);
    let counts: Vec<String> = plan.route().iter().map(count).collect();
    format!("in the middle: {}", counts.join(", "))
}
