//! The door to an etcd that runs in a container: `etcdctl` in that container is asked, by whatever runs containers on its
//! machine, with etcd's own certificates.
//!
//! One script for the machine's POSIX shell, by ssh or here, which reads and writes nothing. It asks for keys first, and
//! then for values, a few at a time: neither etcd nor anybody else holds all of them at once.

mod answer;

use super::KINDS;
use crate::facts::exit::{Exit, Fault};
use crate::tell::clean;
use crate::world::exec::{self, Ended, Output, Program};
use crate::world::hosts::ssh::{self, Settings};
use crate::world::interrupt::Interrupt;
use crate::world::snapshot::Stored;
use answer::Answer;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Values that are asked for at a time: each can have more than a megabyte.
const PAGE: usize = 32;
/// Bytes of complaints that are kept.
const KEEP: usize = 64 << 10;
/// How long this machine may say nothing.
const PATIENCE: Duration = Duration::from_mins(1);
/// What runs on the machine.
const SCRIPT: &str = include_str!("container/ask.sh");

/// How a machine is reached.
#[derive(Clone, Copy, Debug)]
pub enum Way<'a> {
    /// It is this one, whose processes are shown below this directory.
    Here(&'a Path),
    /// By ssh, under this name.
    Ssh(&'a Settings, &'a str),
}

/// An etcd in a container.
#[derive(Clone, Copy, Debug)]
pub struct InContainer<'a> {
    /// The machine's name for people.
    pub machine: &'a str,
    /// How it is reached.
    pub way: Way<'a>,
    /// `--etcd-prefix` of the API servers, where it is not `/registry`.
    pub prefix: Option<&'a str>,
}

impl fmt::Display for InContainer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "etcd on {}", self.machine)
    }
}

/// Why it could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// The program by which the machine is reached.
    #[error(transparent)]
    Exec(#[from] exec::ExecError),
    /// Somebody asked to stop.
    #[error("interrupted")]
    Stopped,
    /// The machine.
    #[error("{0}")]
    Machine(String),
    /// It has none.
    #[error("no etcd runs there")]
    NoEtcd,
    /// It runs by itself.
    #[error("etcd (PID {0}) runs there in no container: name it by --etcd https://HOST:2379")]
    Bare(String),
    /// Nobody there can run anything in the container.
    #[error("none of crictl, docker and ctr is there to run `etcdctl` in etcd's container")]
    NoRuntime,
    /// Whoever is there does not, in their own words.
    #[error("etcd's container cannot be reached: {0}")]
    Runtime(String),
    /// There is none in the container, or one that does not know etcd 3.
    #[error("there is no `etcdctl` of etcd 3 in etcd's container: {0}")]
    NoEtcdctl(String),
    /// etcd, or its `etcdctl`, refused.
    #[error("etcd refused: {0}")]
    Refused(String),
    /// No API server writes there.
    #[error(
        "etcd has nothing below `{0}`: --etcd-prefix names what API servers begin their keys with"
    )]
    Empty(String),
}

impl ContainerError {
    /// The right that is missing, where that is the reason.
    pub fn right(&self) -> Option<&'static str> {
        match self {
            Self::Runtime(why) if why.to_lowercase().contains("permission denied") => {
                Some("run `crictl exec` or `docker exec`")
            }
            _ => None,
        }
    }
}

impl Fault for ContainerError {
    fn exit(&self) -> Exit {
        match self {
            Self::Stopped => Exit::Interrupted,
            _ => Exit::Unexpected,
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::Exec(_))
            .then(|| "--ssh runs your own `ssh`: install OpenSSH's client".to_owned())
    }
}

/// Gives the Secrets and `ConfigMaps` that are stored. Some may have been given before a fault.
pub fn read_in_container(
    asked: &InContainer<'_>,
    interrupt: &Interrupt,
    each: impl FnMut(Stored),
) -> Result<(), ContainerError> {
    let mark = ssh::mark();
    let prefix = asked.prefix.unwrap_or("/registry").trim_end_matches('/');
    let (name, arguments, limit): (OsString, _, _) = match asked.way {
        Way::Here(root) => {
            let script = script(&root.to_string_lossy(), prefix, &mark);
            ("/bin/sh".into(), vec!["-c".into(), script.into()], PATIENCE)
        }
        Way::Ssh(settings, machine) => {
            let script = script("", prefix, &mark);
            let arguments = ssh::arguments(settings, machine, &script);
            (settings.program.clone(), arguments, settings.limit)
        }
    };
    let program =
        Program { program: &name, arguments, variables: &[], input: b"", limit, keep: KEEP };
    let mut answer = Answer::new(&mark, each);
    let output = exec::stream(&program, Some(interrupt), |piece| answer.take(piece))?;
    match output.ended {
        Ended::Stopped { .. } if interrupt.is_asked() => return Err(ContainerError::Stopped),
        Ended::OutOfTime { .. } => {
            let seconds = limit.as_secs();
            return Err(ContainerError::Machine(format!("it said nothing for {seconds} s")));
        }
        Ended::Stopped { .. } | Ended::ByItself(_) => {}
    }
    answer.end(|broken| broken_in(asked.way, &output, broken))
}

/// What is wrong with an answer that did not come whole.
fn broken_in(way: Way<'_>, output: &Output, broken: &str) -> String {
    match way {
        Way::Ssh(..) => ssh::reason(output, broken),
        Way::Here(_) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let line = stderr.lines().rev().find(|line| !line.trim().is_empty());
            line.map_or_else(
                || broken.to_owned(),
                |l| format!("{broken}: {}", clean::line(l.trim())),
            )
        }
    }
}

fn script(root: &str, prefix: &str, mark: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let script = SCRIPT
        .replace("@MARK@", mark)
        .replace("@PAGE@", &PAGE.to_string())
        .replace("@KINDS@", &KINDS.join(" "));
    let root = root.trim_end_matches('/');
    format!("root={}\nprefix={}\n{script}", quoted(root), quoted(prefix))
}
