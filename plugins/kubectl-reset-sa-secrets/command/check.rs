//! `kubectl reset-sa-secrets check`: which tokens are stale, why, and who uses them. Changes nothing.

use super::plan::{Place, look};
use super::{rights, servers};
use crate::TOOL;
use crate::cli::{Args, WhatArgs};
use crate::decide::decide;
use crate::draw::what_it_is;
use crate::observe::Observed;
use crate::pods::Users;
use crate::state::{Origin, State};
use rotation_core::apply::state::StateDir;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::output::OutputFormat;
use rotation_core::cli::result::lines;
use rotation_core::facts::ca_bundle::CaBundle;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::identity::{ClusterIdentity, ObjectRef};
use rotation_core::tell::table::{Cell, Table};
use rotation_core::world::clock::SystemClock;
use rotation_core::world::cluster::Cluster;
use serde::Serialize;
use std::collections::BTreeMap;

/// The version of the document's format.
pub(super) const SCHEMA_VERSION: &str = "rotation/token-check/v1";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: &'static str,
    tool: &'static str,
    tool_version: &'static str,
    cluster: &'a ClusterIdentity,
    api_servers: Vec<String>,
    published_ca: Option<&'a CaBundle>,
    secrets: &'a [Row<'a>],
    other_types: &'a BTreeMap<&'a str, usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    target: &'a ObjectRef,
    account: &'a str,
    state: &'static str,
    reason: String,
    made_by: Origin,
    immutable: bool,
    key_id: Option<&'a str>,
    ca: &'a CaBundle,
    last_used: Option<&'a str>,
    pods: Vec<String>,
    finding: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args, what: &WhatArgs, console: &Console) -> Result<Exit, Failure> {
    let known = [OutputFormat::Name, OutputFormat::Wide, OutputFormat::Json, OutputFormat::Yaml];
    let format = args.output.among(&known, &TOOL, "check")?;
    let request = what.request(&args.connection)?;
    let clock = SystemClock::start();
    let cluster = Cluster::connect(&args.connection.connection(console))?;
    let identity =
        cluster.identity().map_err(|error| rights::explain(&cluster, &request, error))?;
    let others = servers::others(args, console, &cluster, &identity)?;
    let state = StateDir::of(&console.environment.state_home()?, "reset-sa-secrets", &identity);
    let place = Place { cluster: &cluster, others: &others, identity: &identity, state: &state };
    let Observed { inventory, .. } = look(&place, &request, &[], console, &clock)?;
    let users = Users::of(&inventory.scene);
    let decided = decide(&inventory, &request, &users);
    let rows: Vec<Row<'_>> = decided
        .iter()
        .map(|d| Row {
            target: &d.secret.secret,
            account: &d.secret.account,
            state: d.state.word(),
            reason: reason(&d.state, d.secret.immutable),
            made_by: d.origin,
            immutable: d.secret.immutable,
            key_id: d.secret.token.as_ref().and_then(|t| t.key_id()),
            ca: &d.secret.ca,
            last_used: d.secret.last_used(),
            pods: users.all(d.secret).iter().map(|u| u.pod.to_string()).collect(),
            finding: d.state.is_finding(),
        })
        .collect();
    let mut types: BTreeMap<&str, usize> = BTreeMap::new();
    for other in &inventory.others {
        *types.entry(other.kind.as_str()).or_default() += 1;
    }
    let expected = request.expect_ca.as_ref().zip(inventory.published.as_ref());
    let other_ca = expected.filter(|(expected, published)| expected != published);
    if let Some((expected, published)) = other_ca {
        console.warn(&format!(
            "the controller manager publishes the CA {published}, expected is {expected}"
        ));
    }
    let findings = rows.iter().any(|row| row.finding) || other_ca.is_some();
    let exit = if findings { Exit::Findings } else { Exit::Done };
    if let Some(format) = format.and_then(OutputFormat::document) {
        let servers = std::iter::once(&cluster).chain(&others);
        let document = Document {
            schema_version: SCHEMA_VERSION,
            tool: TOOL.name,
            tool_version: TOOL.version,
            cluster: &identity,
            api_servers: servers.map(|s| s.server().to_owned()).collect(),
            published_ca: inventory.published.as_ref(),
            secrets: &rows,
            other_types: &types,
        };
        console.document(&document, format)?;
        return Ok(exit);
    }
    if format == Some(OutputFormat::Name) {
        console.data(&lines(rows.iter().filter(|r| r.finding).map(|r| r.target.kubectl_name())));
        return Ok(exit);
    }
    table(args, console, &rows, format == Some(OutputFormat::Wide));
    for (kind, number) in &types {
        console.note(&format!("not looked at: {number} {}", what_it_is(kind)));
    }
    if !inventory.may_review && inventory.keys.is_empty() {
        console.note("note: without the right to create tokenreviews, --sa-public-key tells which tokens are stale");
    }
    console.note(if findings {
        "nothing was changed"
    } else {
        "every token works; nothing was changed"
    });
    Ok(exit)
}

fn reason(state: &State, immutable: bool) -> String {
    let reason = state.reason();
    if immutable && state.is_finding() {
        return format!("{reason}; it is immutable, so that only another secret mends that");
    }
    reason
}

fn table(args: &Args, console: &Console, rows: &[Row<'_>], wide: bool) {
    let mut table = if wide {
        Table::new([
            "NAMESPACE",
            "SECRET",
            "ACCOUNT",
            "STATE",
            "PODS",
            "MADE BY",
            "LAST USED",
            "KEY",
            "CA",
            "REASON",
        ])
    } else {
        Table::new(["NAMESPACE", "SECRET", "ACCOUNT", "STATE", "PODS", "REASON"])
    };
    for row in rows {
        let pods = if wide { row.pods.join(", ") } else { row.pods.len().to_string() };
        let made_by = match row.made_by {
            Origin::Automatic => "controller",
            Origin::ByHand => "hand",
        };
        let ca = row.ca.to_string();
        let mut cells = vec![
            row.target.namespace.as_str(),
            row.target.name.as_str(),
            row.account,
            row.state,
            &pods,
        ];
        if wide {
            cells.extend([
                made_by,
                row.last_used.unwrap_or(""),
                row.key_id.map_or("", |k| k.get(..8).unwrap_or(k)),
                &ca,
            ]);
        }
        cells.push(&row.reason);
        table.row(cells.into_iter().map(Cell::from));
    }
    if !table.is_empty() {
        console.table(&table, args.output.no_headers);
    }
}
