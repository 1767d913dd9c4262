//! The door to machines by ssh: the operator's own `ssh`, which knows their keys, jump hosts and host keys.
//!
//! One connection for each machine, and one script for its POSIX shell, which reads and writes nothing. What it says comes
//! back as base64 between two marks that nobody can guess.

pub(super) mod answer;
pub mod kept;

use crate::facts::host::{HOST_FILE_LIMIT, HostSeen};
use crate::tell::clean;
use crate::world::clock::{Clock as _, SystemClock};
use crate::world::exec::{self, Ended, Output, Program};
use crate::world::interrupt::Interrupt;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;
use zeroize::Zeroizing;

/// Machines at once.
pub const CONNECTIONS: usize = 32;
/// Bytes of an answer that are read.
const KEEP: usize = 64 << 20;
/// What runs on the machine.
const SCRIPT: &str = include_str!("ssh/look.sh");

/// How machines are reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Path, or name on `PATH`.
    pub program: OsString,
    /// Options as `ssh -o` takes them.
    pub options: Vec<String>,
    /// Whether the script runs as root by `sudo -n`.
    pub sudo: bool,
    /// How long a machine may take.
    pub limit: Duration,
}

/// Why a machine could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// The program, and so every machine.
    #[error(transparent)]
    Exec(#[from] exec::ExecError),
    /// Somebody asked to stop.
    #[error("interrupted")]
    Stopped,
    /// This machine alone.
    #[error("{0}")]
    Machine(String),
}

/// Looks at files by patterns, at what those name, and at processes of these programs.
pub fn look(
    settings: &Settings,
    machine: &str,
    patterns: &[String],
    programs: &[&str],
    interrupt: &Interrupt,
) -> Result<HostSeen, SshError> {
    let mark = mark();
    let program = Program {
        program: OsStr::new(&settings.program),
        arguments: arguments(settings, machine, &script(patterns, programs, &mark)),
        variables: &[],
        input: b"",
        limit: settings.limit,
        keep: KEEP,
    };
    let mut output = exec::run(&program, Some(interrupt))?;
    // Keys are among what was read.
    let stdout = Zeroizing::new(std::mem::take(&mut output.stdout));
    let now = SystemClock::start().now().as_second();
    match output.ended {
        Ended::Stopped { .. } => return Err(SshError::Stopped),
        Ended::OutOfTime { .. } => {
            let limit = settings.limit.as_secs();
            return Err(SshError::Machine(format!("it did not answer within {limit} s")));
        }
        Ended::ByItself(_) => {}
    }
    let stdout = Zeroizing::new(String::from_utf8_lossy(&stdout).into_owned());
    let (mut seen, clock) = answer::read(&stdout, &mark)
        .map_err(|broken| SshError::Machine(reason(&output, &broken.to_string())))?;
    seen.clock_ahead = clock.map(|clock| clock.saturating_sub(now));
    Ok(seen)
}

/// Arguments of `ssh` with which a script runs on a machine.
pub(in crate::world) fn arguments(
    settings: &Settings,
    machine: &str,
    script: &str,
) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["-T".into()];
    // The operator's own options come first: ssh takes the first one of a kind.
    let own = settings.options.iter().map(String::as_str);
    let ours = [
        "BatchMode=yes",
        "ConnectTimeout=10",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "ForwardAgent=no",
        "ForwardX11=no",
        "ClearAllForwardings=yes",
    ];
    for option in own.chain(ours) {
        words.push("-o".into());
        words.push(option.into());
    }
    words.push("--".into());
    words.push(machine.into());
    let sudo = if settings.sudo { "sudo -n " } else { "" };
    let encoded = STANDARD.encode(script);
    words.push(format!("{sudo}/bin/sh -c \"$(echo {encoded} | base64 -d)\"").into());
    words
}

/// What looks at a machine, whoever carries it there.
pub(super) fn script(patterns: &[String], programs: &[&str], mark: &str) -> String {
    let quoted = patterns.join("\n").replace('\'', "'\\''");
    let anywhere: Vec<String> = programs.iter().map(|name| format!("*{name}*")).collect();
    let script = SCRIPT
        .replace("@MARK@", mark)
        .replace("@PROGRAMS@", &programs.join(" | "))
        .replace("@ANYWHERE@", &anywhere.join(" | "));
    format!("patterns='{quoted}'\nlimit={HOST_FILE_LIMIT}\n{script}")
}

/// What ssh said, in words that say what to do; else what is wrong with the answer.
pub(in crate::world) fn reason(output: &Output, broken: &str) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let has = |words: &str| stderr.contains(words);
    if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        return "its host key is another one than the known one: somebody replaced the machine, or sits between; \
                compare the key, then run `ssh-keygen -R HOST`"
            .to_owned();
    }
    if has("Host key verification failed") {
        return "its host key is not known: log in once with `ssh`, and compare it".to_owned();
    }
    if has("Permission denied (") {
        return "it takes none of the keys that ssh has: load one into the agent, or name it by --ssh-option \
                IdentityFile=FILE"
            .to_owned();
    }
    if has("sudo:") {
        return "`sudo -n` is not allowed there without a password: log in as root, or allow it"
            .to_owned();
    }
    let line = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let line = clean::line(line.trim().trim_start_matches("ssh: "));
    // ssh's own code: nothing was run.
    match (line.is_empty(), output.ended == Ended::ByItself(Some(255))) {
        (true, _) => broken.to_owned(),
        (false, true) => line.into_owned(),
        (false, false) => format!("{broken}: {line}"),
    }
}

/// A mark that nobody on the machine can write by chance.
pub(in crate::world) fn mark() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{random:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_becomes_what_to_do() {
        for (stderr, word) in [
            (
                "@@@\nWARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nHost key verification failed.\n",
                "ssh-keygen -R",
            ),
            ("No ED25519 host key is known\nHost key verification failed.\n", "log in once"),
            ("u@h: Permission denied (publickey).\n", "IdentityFile"),
            ("sudo: a password is required\n", "without a password"),
            (
                "ssh: connect to host h port 22: Connection refused\n",
                "connect to host h port 22: Connection refused",
            ),
            ("\u{1b}[2Jodd\n", "odd"),
            ("", "b"),
        ] {
            let output = Output {
                ended: Ended::ByItself(Some(255)),
                stdout: Vec::new(),
                stderr: stderr.as_bytes().to_vec(),
            };
            let said = reason(&output, "b");
            assert!(said.contains(word) && !said.contains('\u{1b}'), "{stderr}: {said}");
        }
    }
}
