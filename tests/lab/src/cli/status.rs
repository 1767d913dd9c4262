//! What runs: one line for each process of each lab.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::labs;
use crate::loopback::Settings;
use crate::machines;
use crate::process::{self, Owner};

const COLUMNS: [&str; 6] = ["LAB", "KUBERNETES", "COMPONENT", "PID", "MEMORY", "ADDRESS"];

/// A table for people; columns are separated by at least two spaces.
pub(super) fn table() -> Result<String> {
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    for dir in labs::all()? {
        rows.extend(lab(&dir)?);
    }
    if rows.len() == 1 {
        return Ok("no lab runs here: start one with `cargo lab up`\n".to_owned());
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    Ok(text)
}

fn lab(dir: &Path) -> Result<Vec<[String; 6]>> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let settings = Settings::read(dir).ok();
    let kubernetes = settings
        .as_ref()
        .map_or_else(|| "-".to_owned(), |settings| settings.kubernetes.to_string());
    let owner = match process::owner(dir) {
        Some(Owner::Detached) => String::new(),
        Some(owner @ Owner::Process(who)) if owner.lives() => format!(" (of process {})", who.pid),
        _ => " (owner gone: swept at the next start)".to_owned(),
    };
    let records = process::records(dir)?;
    let rows = records.iter().map(|record| {
        let alive = record.identity.alive();
        let machine = machines::status(dir, &record.name, record.identity);
        [
            format!("{name}{owner}"),
            kubernetes.clone(),
            record.name.clone(),
            if alive { record.identity.pid.to_string() } else { "ended".to_owned() },
            match &machine {
                Some((_, kib)) => Some(format!("{} MiB", kib / 1024)),
                None => alive.then(|| memory(record.identity.pid)).flatten(),
            }
            .unwrap_or_else(|| "-".to_owned()),
            settings
                .as_ref()
                .and_then(|settings| settings.address_of(&record.name))
                .or(machine.map(|(address, _)| address))
                .unwrap_or_else(|| "-".to_owned()),
        ]
    });
    let mut rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        let nothing = "-".to_owned();
        rows.push([
            format!("{name}{owner}"),
            kubernetes,
            "nothing runs".to_owned(),
            nothing.clone(),
            nothing.clone(),
            nothing,
        ]);
    }
    Ok(rows)
}

/// What a process holds in memory.
fn memory(pid: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(format!("{} MiB", kib / 1024))
}
