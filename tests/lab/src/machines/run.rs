//! Short commands: run to their end, with an error that says what they said.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

/// Runs a command and returns its standard output; anything but success is an error with its last lines.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", name(command)))?;
    checked(command, &output)
}

/// Runs a command that reads `input`.
pub(crate) fn fed(command: &mut Command, input: &str) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", name(command)))?;
    // Inputs here are smaller than a pipe, or read to their end before anything is said.
    let mut pipe = child.stdin.take().context("no pipe")?;
    let written = pipe.write_all(input.as_bytes());
    drop(pipe);
    let output =
        child.wait_with_output().with_context(|| format!("cannot wait for {}", name(command)))?;
    let said = checked(command, &output)?;
    written.with_context(|| format!("{} did not read its input", name(command)))?;
    Ok(said)
}

fn checked(command: &Command, output: &Output) -> Result<String> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = said.trim().lines().collect();
        let last = lines[lines.len().saturating_sub(15)..].join("\n");
        bail!("{} failed ({}): {last}", name(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as a person would type it.
fn name(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|word| word.to_string_lossy()));
    words.join(" ")
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
