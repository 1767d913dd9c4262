//! Times and sizes of processes.

use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A command in an environment of its own: neither the caller's clusters nor proxies reach into it.
pub(crate) fn command<'a>(
    program: &'a Path,
    home: &'a Path,
) -> impl Fn(&[&str]) -> Command + use<'a> {
    move |arguments| {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin");
        command.env("KUBECONFIG", home.join("config"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// The middle one of several results.
pub(crate) fn median(rounds: usize, mut once: impl FnMut() -> Result<f64>) -> Result<f64> {
    let mut all = (0..rounds).map(|_| once()).collect::<Result<Vec<f64>>>()?;
    all.sort_by(f64::total_cmp);
    Ok(all[all.len() / 2])
}

/// Seconds from the start of a command to its end, which must come with this exit code.
pub(crate) fn time(mut command: Command, code: i32) -> Result<f64> {
    let begun = Instant::now();
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    let took = begun.elapsed().as_secs_f64();
    ensure!(status.code() == Some(code), "{command:?} ended with {status}, not with {code}");
    Ok(took)
}

/// The most memory, in bytes, that a command held at a time: the kernel's own mark, read until it ends.
pub(crate) fn peak(mut command: Command) -> Result<u64> {
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        let status = std::fs::read_to_string(&path).unwrap_or_default();
        let mark = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kilobytes = mark.and_then(|m| m.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0) * 1024);
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(peak)
}

/// How long our `--version` takes.
pub(crate) fn version(home: &Path, rounds: usize) -> Result<f64> {
    let tool = command(Path::new(crate::TOOL), home);
    median(rounds, || time(tool(&["--version"]), 0))
}

/// The size of a file.
pub(crate) fn size(path: &Path) -> Result<u64> {
    let found = std::fs::metadata(path).with_context(|| format!("no {}", path.display()))?;
    Ok(found.len())
}

/// Date, processor and load, as they are now.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or("");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    format!(
        "{}, {cores} cores ({}), Linux {}, load {}",
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
        model.trim_start_matches([' ', '\t', ':']),
        read("/proc/sys/kernel/osrelease").trim(),
        load.split(' ').next().unwrap_or(""),
    )
}
