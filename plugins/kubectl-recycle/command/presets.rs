//! `kubectl recycle presets`: what each preset matches here and now.

use super::report;
use crate::TOOL;
use crate::cli::Args;
use crate::observe::{observe, pods_ahead};
use crate::request::{Place, Request, Select};
use crate::target::Target;
use rotation_core::apply::memory::Memory;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::output::OutputFormat;
use rotation_core::facts::exit::Exit;
use rotation_core::plan::recycle::options::Options;
use rotation_core::plan::recycle::presets::Preset;
use rotation_core::tell::table::{Cell, Table};
use rotation_core::world::clock::{Clock as _, SystemClock};
use rotation_core::world::cluster::Cluster;
use serde::Serialize;

const SCHEMA_VERSION: &str = "rotation/recycle-presets/v1";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: &'static str,
    presets: Vec<Row<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    #[serde(rename = "definition")]
    preset: &'a Preset,
    pods: usize,
    ready: usize,
    workloads: Vec<String>,
}

/// Runs the command.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    let known = [OutputFormat::Name, OutputFormat::Wide, OutputFormat::Json, OutputFormat::Yaml];
    let format = args.output.among(&known, &TOOL, "presets")?;
    let presets = args.all_presets()?;
    if format == Some(OutputFormat::Name) {
        console.data(&report::lines(presets.iter().map(|p| p.name.clone())));
        return Ok(Exit::Done);
    }
    let cluster = Cluster::connect(&args.connection.connection(console))?;
    let clock = SystemClock::start();
    let request = Request {
        select: Select::Named(presets.iter().map(|p| Target::Preset(p.name.clone())).collect()),
        place: Place::Namespace {
            name: cluster.default_namespace().to_owned(),
            given: args.connection.namespace.is_some(),
        },
        options: Options::default(),
        since: None,
        all: true,
        ignore_not_found: true,
        presets: presets.clone(),
    };
    let ahead = pods_ahead(&cluster, &request);
    let observed = observe(&cluster, &request, ahead, Memory::default(), clock.now())?;
    let rows: Vec<Row<'_>> = presets
        .iter()
        .map(|preset| {
            let mut row = Row { preset, pods: 0, ready: 0, workloads: Vec::new() };
            for (pod, workload) in
                crate::pick::of_preset(preset, &observed.scene, &observed.background)
            {
                row.pods += 1;
                row.ready += usize::from(pod.is_ready());
                if !row.workloads.contains(&workload) {
                    row.workloads.push(workload);
                }
            }
            row.workloads.sort();
            row
        })
        .collect();
    if let Some(format) = format.and_then(OutputFormat::document) {
        console.document(&Document { schema_version: SCHEMA_VERSION, presets: rows }, format)?;
        return Ok(Exit::Done);
    }
    let wide = format == Some(OutputFormat::Wide);
    let mut table = if wide {
        Table::new(["PRESET", "PODS", "READY", "ORDER", "MATCHES", "ABOUT"])
    } else {
        Table::new(["PRESET", "PODS", "READY", "MATCHES"])
    };
    for row in &rows {
        let matches =
            if row.workloads.is_empty() { "-".to_owned() } else { row.workloads.join(", ") };
        let (pods, ready) = (row.pods.to_string(), row.ready.to_string());
        let mut cells = vec![
            Cell::from(row.preset.name.as_str()),
            Cell::from(pods.as_str()),
            Cell::from(ready.as_str()),
        ];
        if wide {
            cells.push(Cell::from(row.preset.order.name()));
        }
        cells.push(Cell::from(matches.as_str()));
        if wide {
            cells.push(Cell::from(row.preset.about.as_str()));
        }
        table.row(cells);
    }
    console.table(&table, args.output.no_headers);
    Ok(Exit::Done)
}
