//! The door by which files of machines are replaced and their components restarted.
//!
//! A batch of orders is one connection and one script for a POSIX shell. The orders, with what the files are to hold, come
//! on its standard input, so that no key stands in an argument. Each order says what it expects to find: what somebody
//! else has changed in between is left alone, and what is already as it shall be is not touched.

mod answer;
mod here;
mod order;

pub use answer::{Came, Client, Did, Looked};
pub use order::{Order, State, Way};

use super::ssh::{self, SshError};
use crate::world::exec::{self, Ended, Program};
use crate::world::interrupt::Interrupt;
use answer::Answer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// What runs on the machine.
const SCRIPT: &str = include_str!("change.sh");
/// Bytes of an answer that are read.
const KEEP: usize = 4 << 20;
/// A machine that does not answer is asked so often: connections break, and orders can be given twice.
const TRIES: u8 = 3;
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// How a machine is reached.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// By the operator's own ssh.
    Ssh {
        /// Program, options, sudo, time limit.
        settings: ssh::Settings,
        /// The name that ssh is given.
        machine: String,
    },
    /// This machine itself, or a tree of files of another one, in which no process runs.
    Here {
        /// `/`, or the tree.
        root: PathBuf,
        /// How long a batch may take.
        limit: Duration,
    },
}

/// Why a batch of orders was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The program, and so every machine.
    #[error(transparent)]
    Exec(#[from] exec::ExecError),
    /// Somebody asked to stop; what was under way was let finish, or is not known.
    #[error("interrupted")]
    Stopped,
    /// The machine did not answer, or not to the end: what it did of the orders is not known.
    #[error("{0}")]
    Unreachable(String),
    /// An order was refused there; those before it were carried out.
    #[error("{why}")]
    Order {
        /// Which, from 0 on.
        index: usize,
        /// Why, in the machine's words.
        why: String,
    },
}

impl ChangeError {
    /// Whether the machine found something that nobody of us wrote.
    pub fn is_changed(&self) -> bool {
        matches!(self, Self::Order { why, .. } if why.starts_with("changed "))
    }

    /// Whether another rotation works there.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Order { why, .. } if why.starts_with("locked "))
    }
}

/// Carries out orders one after the other, until one fails.
pub fn carry(
    carrier: &Carrier,
    orders: &[Order<'_>],
    interrupt: &Interrupt,
) -> Result<Vec<Did>, ChangeError> {
    let mut tries = TRIES;
    let Answer { did, failed } = loop {
        match send(carrier, orders, interrupt) {
            // What was done of the orders is found done.
            Err(ChangeError::Unreachable(_)) if tries > 1 && !interrupt.pause(PAUSE) => tries -= 1,
            other => break other?,
        }
    };
    match failed {
        Some((index, why)) => Err(ChangeError::Order { index, why }),
        None => Ok(did),
    }
}

/// What stands at some paths; reads only.
pub fn look(
    carrier: &Carrier,
    paths: &[&str],
    interrupt: &Interrupt,
) -> Result<Vec<Looked>, ChangeError> {
    if let Carrier::Here { root, .. } = carrier {
        return Ok(paths.iter().map(|path| here::look(root, path)).collect());
    }
    let orders: Vec<Order<'_>> = paths.iter().map(|path| Order::Look { path }).collect();
    carry(carrier, &orders, interrupt)?
        .into_iter()
        .map(|did| match did {
            Did::Looked(looked) => Ok(looked),
            Did::Made | Did::Same | Did::Skipped | Did::Clients(_) => {
                Err(ChangeError::Unreachable("its answer is damaged".to_owned()))
            }
        })
        .collect()
}

/// Who came to the API servers of a machine with a client certificate since then, as their audit logs say; reads only.
/// `None` where no audit log is written that names certificates.
pub fn clients(
    carrier: &Carrier,
    since: &str,
    interrupt: &Interrupt,
) -> Result<Option<Came>, ChangeError> {
    match carry(carrier, &[Order::Clients { since }], interrupt)?.pop() {
        Some(Did::Clients(came)) => Ok(came),
        // In a tree of files no server runs.
        Some(Did::Skipped) => Ok(None),
        _ => Err(ChangeError::Unreachable("its answer is damaged".to_owned())),
    }
}

fn send(
    carrier: &Carrier,
    orders: &[Order<'_>],
    interrupt: &Interrupt,
) -> Result<Answer, ChangeError> {
    let mark = ssh::mark();
    let mut input = Zeroizing::new(String::new());
    for order in orders {
        order.write(&mut input);
    }
    let (program, arguments, limit) = call(carrier, &mark);
    let program = Program {
        program: &program,
        arguments,
        variables: &[],
        input: input.as_bytes(),
        limit,
        keep: KEEP,
    };
    // A batch is let finish: it is short, and what is begun there is better ended than guessed at.
    let output = exec::run(&program, None)?;
    let text = String::from_utf8_lossy(&output.stdout);
    if let Ended::OutOfTime { .. } = output.ended {
        let limit = limit.as_secs();
        return Err(ChangeError::Unreachable(format!("it did not answer within {limit} s")));
    }
    match answer::read(&text, &mark, orders.len()) {
        Ok(answer) => Ok(answer),
        Err(_) if interrupt.is_asked() => Err(ChangeError::Stopped),
        Err(broken) => {
            let why = ssh::reason(&output, broken);
            Err(ChangeError::Unreachable(why))
        }
    }
}

fn call(carrier: &Carrier, mark: &str) -> (OsString, Vec<OsString>, Duration) {
    let script = |root: &str| {
        let quoted = root.replace('\'', "'\\''");
        SCRIPT.replace("@ROOT@", &quoted).replace("@MARK@", mark)
    };
    match carrier {
        Carrier::Ssh { settings, machine } => {
            let arguments = ssh::arguments(settings, machine, &script(""));
            (settings.program.clone(), arguments, settings.limit)
        }
        Carrier::Here { root, limit } => {
            let root = root.display().to_string();
            let encoded = STANDARD.encode(script(root.trim_end_matches('/')));
            let words = format!("eval \"$(echo {encoded} | base64 -d)\"");
            (OsStr::new("/bin/sh").to_owned(), vec!["-c".into(), words.into()], *limit)
        }
    }
}

impl From<SshError> for ChangeError {
    fn from(why: SshError) -> Self {
        match why {
            SshError::Exec(why) => Self::Exec(why),
            SshError::Stopped => Self::Stopped,
            SshError::Machine(why) => Self::Unreachable(why),
        }
    }
}

#[cfg(test)]
mod tests;
