//! Large clusters, from a server in this process that sends as fast as it can.

use crate::api::{World, serve};
use crate::measure::{command, median, peak, time};
use crate::table::Table;
use anyhow::Result;
use std::path::Path;

/// 5,000 pods.
pub(crate) fn large(table: &mut Table, rounds: usize) -> Result<()> {
    figures(table, "5,000 pods", 5_000, (rounds, rounds.min(5)), (0.07, 25))
}

/// 150,000 pods on 5,000 nodes.
pub(crate) fn huge(table: &mut Table, rounds: usize) -> Result<()> {
    figures(table, "150,000 pods on 5,000 nodes", 150_000, (rounds, 1), (5.0, 64))
}

fn figures(
    table: &mut Table,
    name: &str,
    pods: usize,
    (rounds, peer_rounds): (usize, usize),
    (seconds, mebibytes): (f64, u64),
) -> Result<()> {
    let home = tempfile::tempdir()?;
    serve(World::new(pods), home.path())?;
    let tool = command(Path::new(crate::TOOL), home.path());
    let kubectl = lab::components::ensure(lab::components::Set::Current)?.join("kubectl");
    let kubectl = command(&kubectl, home.path());
    let peer = || kubectl(&["get", "pods", "-A", "-o", "name"]);
    let (slow, fat) = (median(peer_rounds, || time(peer(), 0))?, peak(peer())?);
    for (words, beside) in [(&["stale", "-A"][..], true), (&["dns"], false)] {
        let ours = || tool(&[words, &["--dry-run"]].concat());
        let what = words.join(" ");
        let needed = median(rounds, || time(ours(), 3))?;
        let (what, slow) = if beside {
            (format!("{name}: {what}; peer: kubectl get pods -A"), Some(slow))
        } else {
            (format!("{name}: {what}"), None)
        };
        table.time(&what, needed, slow, Some(seconds));
        table.bytes("the same, peak memory", peak(ours())?, fat, mebibytes << 20);
    }
    Ok(())
}
