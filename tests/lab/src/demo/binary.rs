//! The programs that are shown, compiled by the cargo that runs the demo.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::tell::tell;

/// The pods' tool.
pub(super) const RECYCLE: &str = "kubectl-recycle";
/// The certificates' tool.
pub(super) const CERTS: &str = "kubectl-rotate_certs";

/// How often a long build says that it lives.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Compiles them and returns the folder in which they are.
pub(super) fn build(names: &[&str]) -> Result<PathBuf> {
    let began = Instant::now();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    // What `cargo run` tells the lab about itself makes build scripts (ring's) believe that something changed.
    for (name, _) in std::env::vars_os() {
        let about = |prefix: &str| name.as_encoded_bytes().starts_with(prefix.as_bytes());
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| about(prefix)) {
            command.env_remove(&name);
        }
    }
    let mut child = command
        .args(["build", "--quiet", "--message-format=json-render-diagnostics"])
        .args(names.iter().flat_map(|name| ["--bin", name]))
        .arg("--manifest-path")
        .arg(&manifest)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", cargo.display()))?;
    let pipe = child.stdout.take().context("cargo has no stdout")?;
    let (send, messages) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    let all = dependencies(&cargo, &manifest).map_or(String::new(), |all| format!(" of {all}"));
    let (mut crates, mut found) = (BTreeSet::new(), None);
    let mut next = began + TELL_EVERY;
    loop {
        match messages.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some((package, program)) = artifact(&line, names) {
                    crates.insert(package);
                    found = program.or(found);
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() >= next {
            next += TELL_EVERY;
            let secs = began.elapsed().as_secs();
            tell(&format!(
                "compiling {}: {}{all} crates, {secs} s",
                names.join(" and "),
                crates.len()
            ));
        }
    }
    let _ = reader.join();
    let status = child.wait().context("cannot wait for cargo")?;
    let said = names.join(" and ");
    ensure!(status.success(), "{said}: it does not compile ({status})");
    let path = found.context("cargo did not say where it put the program")?;
    tell(&format!("{said}: compiled in {:.0} s.", began.elapsed().as_secs_f64()));
    Ok(path.parent().context("a program is in no folder")?.to_owned())
}

/// The package of a message about something compiled, and the path of a program if that is what was compiled.
fn artifact(line: &str, names: &[&str]) -> Option<(String, Option<PathBuf>)> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let is_named = || names.iter().any(|name| message["target"]["name"] == *name);
    let program = message["executable"].as_str().filter(|_| is_named());
    Some((message["package_id"].as_str()?.to_owned(), program.map(PathBuf::from)))
}

/// How many packages there are to compile; `None` where cargo does not say.
fn dependencies(cargo: &OsStr, manifest: &Path) -> Option<usize> {
    let output = Command::new(cargo)
        .args(["tree", "--quiet", "--edges", "normal,build", "--prefix", "none", "--no-dedupe"])
        .args(["--format", "{p}", "--manifest-path"])
        .arg(manifest)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.lines().collect::<BTreeSet<_>>().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_told_from_libraries_and_from_other_messages() {
        let program = r#"{"reason":"compiler-artifact","package_id":"p","target":{"name":"kubectl-recycle"},"executable":"/x"}"#;
        assert_eq!(
            artifact(program, &[RECYCLE]),
            Some(("p".to_owned(), Some(PathBuf::from("/x"))))
        );
        let library = r#"{"reason":"compiler-artifact","package_id":"q","target":{"name":"q"},"executable":null}"#;
        assert_eq!(artifact(library, &[RECYCLE]), Some(("q".to_owned(), None)));
        assert_eq!(artifact(r#"{"reason":"build-finished","success":true}"#, &[RECYCLE]), None);
        assert_eq!(artifact("no JSON", &[RECYCLE]), None);
    }
}
