//! The program that is shown: `kubectl-recycle`, compiled by the cargo that runs the demo.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::tell::tell;

const NAME: &str = "kubectl-recycle";

/// How often a long build says that it lives.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Compiles it and returns where it is.
pub(super) fn build() -> Result<PathBuf> {
    let began = Instant::now();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut child = Command::new(&cargo)
        .args(["build", "--quiet", "--bin", NAME, "--message-format=json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&manifest)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", cargo.display()))?;
    let pipe = child.stdout.take().context("cargo has no stdout")?;
    let (mut crates, mut found) = (BTreeSet::new(), None);
    let mut next = began + TELL_EVERY;
    for line in BufReader::new(pipe).lines().map_while(Result::ok) {
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        if message["reason"] != "compiler-artifact" {
            continue;
        }
        crates.insert(message["package_id"].to_string());
        if let Some(path) = message["executable"].as_str().filter(|_| message["target"]["name"] == NAME) {
            found = Some(PathBuf::from(path));
        }
        if Instant::now() >= next {
            next = Instant::now() + TELL_EVERY;
            let secs = began.elapsed().as_secs();
            tell(&format!("compiling {NAME}: {} crates so far, {secs} s", crates.len()));
        }
    }
    let status = child.wait().context("cannot wait for cargo")?;
    ensure!(status.success(), "{NAME} does not compile ({status})");
    let path = found.context("cargo did not say where it put the program")?;
    tell(&format!("{NAME} is compiled: {:.0} s.", began.elapsed().as_secs_f64()));
    Ok(path)
}
