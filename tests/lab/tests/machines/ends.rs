//! How labs of machines end: nothing is left, whoever ends them.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lab::labs;
use lab::machines::{self, Machines, Options};
use lab::process::MARK;

use crate::{CHILD, name, note};

/// What a small lab is made of, while it runs.
fn small(name: &str) -> Options {
    Options { name: name.to_owned(), control_planes: 1, workers: 1, ..Options::default() }
}

pub(crate) fn down(lab: Machines) -> Result<()> {
    let dir = lab.dir().to_owned();
    ensure!(marked(&dir).len() > 5, "nothing carries the lab's mark");
    ensure!(!machines::control_groups(&dir)?.is_empty());
    let networks = networks(&dir);
    ensure!(networks.len() == 6, "five machines and their switch have {networks:?}");
    let began = Instant::now();
    lab.down()?;
    note(&format!("down in {:.1} s", began.elapsed().as_secs_f64()));
    nothing_left(&dir, &networks)
}

pub(crate) fn sweep() -> Result<()> {
    let name = name("sweep");
    let mut child = Command::new(std::env::current_exe()?)
        .env(CHILD, &name)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the child")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
    ensure!(line.trim() == "up", "the child said {line:?}");
    let dir = labs::find(&name)?;
    child.kill()?;
    child.wait()?;
    ensure!(marked(&dir).len() > 5, "the lab died with its owner, without a sweep");
    let networks = networks(&dir);
    let began = Instant::now();
    labs::sweep()?;
    note(&format!("swept in {:.1} s", began.elapsed().as_secs_f64()));
    nothing_left(&dir, &networks)
}

pub(crate) fn child(name: &str) -> Result<()> {
    let lab = Machines::start(&small(name))?;
    writeln!(std::io::stdout(), "up")?;
    std::thread::sleep(Duration::from_mins(2));
    drop(lab);
    Ok(())
}

/// The processes of this computer that belong to the lab in `dir`, as folders of `/proc`.
fn marked(dir: &Path) -> Vec<PathBuf> {
    let mark = format!("{MARK}={}", dir.display());
    let carries = |process: &PathBuf| {
        std::fs::read(process.join("environ"))
            .is_ok_and(|text| text.split(|byte| *byte == 0).any(|one| one == mark.as_bytes()))
    };
    processes().filter(carries).collect()
}

/// Their network namespaces, but for this computer's own.
fn networks(dir: &Path) -> BTreeSet<PathBuf> {
    let own = network(Path::new("/proc/self"));
    let all = marked(dir);
    all.iter()
        .filter_map(|process| network(process))
        .filter(|one| Some(one) != own.as_ref())
        .collect()
}

fn network(process: &Path) -> Option<PathBuf> {
    std::fs::read_link(process.join("ns/net")).ok()
}

fn processes() -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir("/proc").expect("/proc is there");
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}

fn nothing_left(dir: &Path, networks: &BTreeSet<PathBuf>) -> Result<()> {
    ensure!(marked(dir).is_empty(), "processes are left");
    ensure!(!dir.exists(), "{} is left", dir.display());
    let groups = machines::control_groups(dir)?;
    ensure!(groups.is_empty(), "control groups are left: {groups:?}");
    let text = dir.to_string_lossy();
    for process in processes() {
        // A process that still held one of the machines' namespaces would show their mounts.
        let mounts = std::fs::read_to_string(process.join("mountinfo")).unwrap_or_default();
        ensure!(!mounts.contains(&*text), "{} has mounts of the lab", process.display());
        let held = network(&process).is_some_and(|one| networks.contains(&one));
        ensure!(!held, "{} is in a network of the lab", process.display());
    }
    Ok(())
}
