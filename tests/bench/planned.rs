//! The plan of a rotation for a large cluster: 1,000 machines' files, 150,000 pods.

use crate::api::{World, serve};
use crate::measure::{command, median, peak, time};
use crate::table::Table;
use crate::tree::{Shape, Trees};
use anyhow::Result;
use std::path::Path;

/// The tool, as it is released.
const CERTS: &str = env!("CARGO_BIN_EXE_kubectl-rotate_certs");
const PODS: usize = 150_000;
/// Changes are pending.
const PENDING: i32 = 3;

pub(crate) fn figures(table: &mut Table, rounds: usize) -> Result<()> {
    let trees = Trees::new(Shape { controls: 3, workers: 997, whole: true });
    let home = tempfile::tempdir()?;
    serve(World::new(PODS), home.path())?;
    let machines = trees.root().join("cluster.toml").display().to_string();
    let tool = command(Path::new(CERTS), home.path());
    let ours = || tool(&["plan", "--strategy", "rolling", "-o", "json", "--hosts", &machines]);
    let needed = median(rounds, || time(ours(), PENDING))?;
    table.time("plan for 1,000 machines and 150,000 pods", needed, None, Some(5.0));
    table.memory("the same, peak memory", peak(ours())?, 256 << 20);
    Ok(())
}
