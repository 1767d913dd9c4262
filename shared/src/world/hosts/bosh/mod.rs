//! The door to BOSH: the operator's own `bosh` CLI, which knows their credentials, gateways and proxies.
//!
//! The CLI is given its environment untouched and, beside what the operator said, `--json` and `--non-interactive` only.
//! Its exit code is 0 or 1 and says nothing about single instances, so it is not looked at: rows are. Each `bosh ssh` is
//! for one instance by its UUID: a group at once loses hosts behind a gateway, leaves out instances without a VM, and
//! runs nothing at all if one agent is silent.

mod answer;
mod fault;
mod frame;
mod instances;
mod look;
mod permits;
mod reach;
mod recorded;

pub use fault::{BoshError, DirectorFault};
pub use reach::Reach;

use crate::facts::bosh::{DirectorLock, Instance, InstanceName, Recorded};
use crate::world::exec::{self, Ended, Output, Program};
use crate::world::interrupt::Interrupt;
use answer::Answer;
use permits::Permits;
use std::ffi::OsString;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;
use zeroize::{Zeroize as _, Zeroizing};

/// Connections at once: a gateway's sshd begins to drop them at ten (`MaxStartups 10:30:100`).
pub const CONNECTIONS: usize = 8;

/// How long a reading call may take. The director waits 5 s for each agent that is silent.
const READ_LIMIT: Duration = Duration::from_mins(3);
/// Beside the script's own time: the director's task for the account (45 s for a silent agent) and the connection.
const SSH_EXTRA: Duration = Duration::from_secs(90);
/// Bytes of the CLI's answer that are read; a row of `instances` takes 500, a VM's files some 100,000.
const KEEP: usize = 16 * 1024 * 1024;

/// Which CLI, and what it is told about where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Path, or name on `PATH`.
    pub program: OsString,
    /// The deployment.
    pub deployment: String,
    /// Flags that the CLI takes with every command, as the operator gave them: `--environment=prod`.
    pub global: Vec<OsString>,
    /// Flags of `bosh ssh` alone: gateways.
    pub ssh: Vec<OsString>,
    /// Seconds that a connection may take to come about.
    pub connect_seconds: u64,
}

/// The door.
#[derive(Clone, Debug)]
pub struct Bosh {
    settings: Settings,
    interrupt: Interrupt,
    /// Of all clones together.
    connections: Arc<Permits>,
}

/// The instances of the deployment, and what the CLI calls the director.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The environment in the CLI's words: `https://10.0.0.6:25555`.
    pub environment: Option<String>,
    /// Every instance, those without a VM too.
    pub instances: Vec<Instance>,
}

impl Bosh {
    /// Opens the door; nothing is run yet. Reading calls end when somebody asks `interrupt` to stop.
    pub fn new(settings: Settings, interrupt: Interrupt) -> Self {
        Self { settings, interrupt, connections: Arc::new(Permits::new(CONNECTIONS)) }
    }

    /// The same door, whose reading calls and looks end when this one is asked to stop.
    #[must_use]
    pub fn stopped_by(&self, interrupt: Interrupt) -> Self {
        Self { interrupt, ..self.clone() }
    }

    /// The deployment's name.
    pub fn deployment(&self) -> &str {
        &self.settings.deployment
    }

    /// `bosh instances --ps --details`.
    pub fn instances(&self) -> Result<Deployment, BoshError> {
        let words = ["instances", "--ps", "--details"].map(OsString::from).to_vec();
        let answer = self.read("instances", words)?;
        let rows = answer.rows("instances").ok_or_else(|| fault::director(&answer))?;
        let instances = instances::read(rows).map_err(|what| self.strange(&what))?;
        Ok(Deployment { environment: answer.environment().map(fault::shown), instances })
    }

    /// Which instances the director has on record. It answers at once, since it asks no agent and makes no task of it,
    /// and so says nothing of how they are.
    pub fn recorded(&self) -> Result<Vec<Recorded>, BoshError> {
        let path = format!("/deployments/{}/instances", self.settings.deployment);
        let answer = self.read("curl", vec!["curl".into(), path.into()])?;
        recorded::read(answer.talk()).ok_or_else(|| fault::director(&answer))
    }

    /// `bosh locks`: what deploys, or does anything else that excludes a deploy.
    pub fn locks(&self) -> Result<Vec<DirectorLock>, BoshError> {
        let answer = self.read("locks", vec!["locks".into()])?;
        let rows = answer.rows("locks").ok_or_else(|| fault::director(&answer))?;
        Ok(instances::locks(rows))
    }

    /// Runs a script for a POSIX shell on one instance, as root, and returns what it said.
    ///
    /// `limit` is the longest that the script itself may take. A script that only looks ends when somebody asks to stop
    /// (`stoppable`); one that changes something is let finish. The error is the CLI's or the director's, and concerns
    /// every instance.
    pub fn ssh(
        &self,
        instance: &InstanceName,
        script: &str,
        limit: Duration,
        stoppable: bool,
    ) -> Result<Reach, BoshError> {
        self.session(instance, script, limit, stoppable, frame::LIMIT)
    }

    /// The same for a script that says up to so many bytes.
    fn session(
        &self,
        instance: &InstanceName,
        script: &str,
        limit: Duration,
        stoppable: bool,
        bytes: usize,
    ) -> Result<Reach, BoshError> {
        let mark = mark();
        let mut words: Vec<OsString> = vec!["ssh".into(), instance.to_string().into()];
        words.extend(["--results".into()]);
        // As `--opts -oX` in two words the CLI refuses it. `-tt` and strict host keys are its own.
        let connect = self.settings.connect_seconds;
        words.push(format!("--opts=-oConnectTimeout={connect}").into());
        words.push("--opts=-oServerAliveCountMax=3".into());
        words.extend(self.settings.ssh.iter().cloned());
        words.push("--command".into());
        words.push(frame::command(script, &mark, bytes).into());
        let stop = stoppable.then_some(&self.interrupt);
        let _one = self.connections.one();
        let mut output = self.run(words, limit + SSH_EXTRA, stop)?;
        // Keys may be among what was read.
        let stdout = Zeroizing::new(String::from_utf8_lossy(&output.stdout).into_owned());
        output.stdout.zeroize();
        if let Ended::Stopped { .. } = output.ended {
            return Err(BoshError::Stopped);
        }
        let Some(answer) = Answer::read(&stdout) else {
            return match output.ended {
                Ended::OutOfTime { killed } => Ok(Reach::Lost(out_of_time(killed))),
                Ended::ByItself(None) => Ok(Reach::Lost("the BOSH CLI was killed".to_owned())),
                Ended::ByItself(Some(_)) | Ended::Stopped { .. } => {
                    Err(self.said(&output.stderr, &stdout))
                }
            };
        };
        if let Some(row) = answer.rows("results").and_then(|rows| row_of(rows, instance)) {
            let reach = reach::of(row, &mark, bytes);
            return Ok(match (output.ended, reach) {
                (Ended::OutOfTime { killed }, Reach::Lost(_) | Reach::Garbled(_)) => {
                    Reach::Lost(out_of_time(killed))
                }
                (_, reach) => reach,
            });
        }
        let error = fault::director(&answer);
        match &error {
            BoshError::Director { kind: DirectorFault::Agent, message } => {
                Ok(Reach::Agent(message.clone()))
            }
            BoshError::Director { kind: DirectorFault::NoInstance, message } => {
                Ok(Reach::Gone(message.clone()))
            }
            _ if matches!(output.ended, Ended::OutOfTime { .. }) => {
                Ok(Reach::Lost(out_of_time(false)))
            }
            _ => Err(error),
        }
    }

    fn read(&self, verb: &'static str, words: Vec<OsString>) -> Result<Answer, BoshError> {
        let output = self.run(words, READ_LIMIT, Some(&self.interrupt))?;
        match output.ended {
            Ended::Stopped { .. } => return Err(BoshError::Stopped),
            Ended::OutOfTime { killed } => {
                return Err(BoshError::TooLong {
                    program: self.program(),
                    verb,
                    limit: READ_LIMIT,
                    killed: if killed { ", and did not heed SIGTERM" } else { "" },
                });
            }
            Ended::ByItself(_) => {}
        }
        let stdout = String::from_utf8_lossy(&output.stdout);
        Answer::read(&stdout).ok_or_else(|| self.said(&output.stderr, &stdout))
    }

    fn run(
        &self,
        words: Vec<OsString>,
        limit: Duration,
        stop: Option<&Interrupt>,
    ) -> Result<Output, BoshError> {
        let Settings { program, deployment, global, .. } = &self.settings;
        let mut arguments: Vec<OsString> = vec!["--json".into(), "--non-interactive".into()];
        arguments.push(format!("--deployment={deployment}").into());
        arguments.extend(global.iter().cloned());
        arguments.extend(words);
        let program = Program {
            program,
            arguments,
            variables: &[("BOSH_NON_INTERACTIVE", "true")],
            input: b"",
            limit,
            keep: KEEP,
        };
        exec::run(&program, stop).map_err(BoshError::Exec)
    }

    fn program(&self) -> String {
        self.settings.program.to_string_lossy().into_owned()
    }

    /// No document came: what was said instead.
    fn said(&self, stderr: &[u8], stdout: &str) -> BoshError {
        let stderr = String::from_utf8_lossy(stderr);
        self.strange(if stderr.trim().is_empty() { stdout.trim() } else { stderr.trim() })
    }

    fn strange(&self, said: &str) -> BoshError {
        BoshError::Strange { program: self.program(), said: fault::shown(said) }
    }
}

/// The row of this instance; the CLI answers with UUIDs, whatever was asked for.
fn row_of<'a>(rows: &'a [answer::Row], instance: &InstanceName) -> Option<&'a answer::Row> {
    let name = instance.to_string();
    rows.iter().find(|row| answer::field(row, "instance") == name)
}

fn out_of_time(killed: bool) -> String {
    if killed {
        "it took too long and was ended; the BOSH CLI did not heed SIGTERM, so accounts that it made may be left on \
         the VM"
            .to_owned()
    } else {
        "it took too long and was ended".to_owned()
    }
}

/// A mark that nobody on the VM's terminal can write by chance.
fn mark() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{random:016x}")
}
