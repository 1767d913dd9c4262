//! The door to child processes: a time limit for each, an end that lets it clean up, and bounded output.
//!
//! A child gets the environment of this process, and no standard input but what it is handed: secrets go this way only. It runs in a process group of its own, so that
//! Ctrl-C on the terminal reaches this process alone, which then decides; a second Ctrl-C ends the children too.
//!
//! `std` and not a library: what matters here is which signal a child gets after how long, what is kept of its output,
//! and that no error ever carries its arguments.

mod stream;

pub use stream::stream;

use super::clock::{Clock as _, SystemClock};
use super::interrupt::Interrupt;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a child gets to clean up between SIGTERM and SIGKILL.
pub const GRACE: Duration = Duration::from_secs(15);
/// The longest time between two looks at a child that says nothing.
const PULSE: Duration = Duration::from_millis(50);
/// After its end: how long its output is waited for, which a process that it left behind may hold open.
const DRAIN: Duration = Duration::from_secs(2);

/// A program to run.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    /// A path, or a name that is looked for on `PATH`.
    pub program: &'a OsStr,
    /// Its arguments. Everybody on this machine can see them: no secrets.
    pub arguments: Vec<OsString>,
    /// Variables beside those of this process.
    pub variables: &'a [(&'a str, &'a str)],
    /// What it reads on its standard input; nobody else sees it.
    pub input: &'a [u8],
    /// How long it may take; then it is ended.
    pub limit: Duration,
    /// Bytes of each stream that are kept; the rest is read and dropped.
    pub keep: usize,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code; `None` after a signal from somebody else.
    ByItself(Option<i32>),
    /// By us, after its time limit.
    OutOfTime {
        /// It did not heed SIGTERM: what it would have cleaned up stays.
        killed: bool,
    },
    /// By us, since somebody asked to stop, or had enough of its output.
    Stopped {
        /// It did not heed SIGTERM.
        killed: bool,
    },
}

/// What a child said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub ended: Ended,
    /// Its standard output, as much as was kept.
    pub stdout: Vec<u8>,
    /// Its standard error, as much as was kept.
    pub stderr: Vec<u8>,
}

/// A program that could not be run. Its arguments are not told.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// There is none.
    #[error("there is no program `{0}`")]
    NotFound(String),
    /// It may not be run, or is no program.
    #[error("`{0}` cannot be run")]
    NotExecutable(String, #[source] io::Error),
    /// The system refuses.
    #[error("cannot run `{0}`")]
    System(String, #[source] io::Error),
}

/// Children that run, for [`end_all`].
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Runs a program to its end. With `stop`, it is ended when somebody asks to stop; without, it is let finish.
pub fn run(program: &Program<'_>, stop: Option<&Interrupt>) -> Result<Output, ExecError> {
    let mut running = Running::start(program, stop)?;
    feed(running.child.stdin.take(), program.input);
    let (wake, woken) = mpsc::channel();
    let stdout = reader(running.child.stdout.take(), program.keep, wake.clone());
    let stderr = reader(running.child.stderr.take(), program.keep, wake);
    let mut streams_open = 2_u8;
    let status = loop {
        match woken.recv_timeout(PULSE) {
            Ok(()) => streams_open = streams_open.saturating_sub(1),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => pause(PULSE / 10),
        }
        if let Some(status) = running.turn(false)? {
            break status;
        }
    };
    let drained = running.elapsed();
    while streams_open > 0 && running.elapsed().saturating_sub(drained) < DRAIN {
        match woken.recv_timeout(PULSE) {
            Ok(()) => streams_open -= 1,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok(Output { ended: running.ended(status), stdout: take(&stdout), stderr: take(&stderr) })
}

/// A child that runs, and how it is brought to its end.
struct Running<'a> {
    child: Child,
    program: &'a Program<'a>,
    stop: Option<&'a Interrupt>,
    clock: SystemClock,
    /// From when on its time counts.
    heard: Duration,
    /// Since when it is asked to end, and whether it is not wanted any more.
    ending: Option<(Duration, bool)>,
    killed: bool,
}

impl<'a> Running<'a> {
    fn start(program: &'a Program<'a>, stop: Option<&'a Interrupt>) -> Result<Self, ExecError> {
        let child = spawn(program)?;
        let clock = SystemClock::start();
        let heard = Duration::ZERO;
        Ok(Self { child, program, stop, clock, heard, ending: None, killed: false })
    }

    fn elapsed(&self) -> Duration {
        self.clock.uptime()
    }

    /// Takes its status if it has ended; else asks it to end where its time is over or nobody wants it any more.
    fn turn(&mut self, enough: bool) -> Result<Option<ExitStatus>, ExecError> {
        if let Some(status) = reap(&mut self.child, self.program)? {
            return Ok(Some(status));
        }
        let unwanted = enough || self.stop.is_some_and(Interrupt::is_asked);
        match self.ending {
            None if unwanted || self.elapsed().saturating_sub(self.heard) >= self.program.limit => {
                signal(&self.child, Signal::TERM);
                self.ending = Some((self.elapsed(), unwanted));
            }
            Some((since, _)) if !self.killed && self.elapsed().saturating_sub(since) >= GRACE => {
                signal_group(self.child.id(), Signal::KILL);
                self.killed = true;
            }
            None | Some(_) => {}
        }
        Ok(None)
    }

    fn ended(&self, status: ExitStatus) -> Ended {
        let killed = self.killed;
        match self.ending {
            None => Ended::ByItself(status.code()),
            Some((_, true)) => Ended::Stopped { killed },
            Some((_, false)) => Ended::OutOfTime { killed },
        }
    }
}

/// Asks every child that runs to end, without waiting for it.
pub(crate) fn end_all() {
    for pid in running().iter() {
        if let Some(pid) = pid_of(*pid) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

fn spawn(program: &Program<'_>) -> Result<Child, ExecError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the door: processes are started here and nowhere else"
    )]
    let mut command = Command::new(program.program);
    command
        .args(&program.arguments)
        .envs(program.variables.iter().copied())
        .stdin(if program.input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut running = running();
    let child = command.spawn().map_err(|error| {
        let name = program.program.to_string_lossy().into_owned();
        match error.kind() {
            ErrorKind::NotFound => ExecError::NotFound(name),
            ErrorKind::PermissionDenied => ExecError::NotExecutable(name, error),
            _ if error.raw_os_error() == Some(libc::ENOEXEC) => {
                ExecError::NotExecutable(name, error)
            }
            _ => ExecError::System(name, error),
        }
    })?;
    running.insert(child.id());
    Ok(child)
}

/// Takes the child's status if it has ended. Its number is free for others from then on, so it is forgotten at once.
fn reap(child: &mut Child, program: &Program<'_>) -> Result<Option<ExitStatus>, ExecError> {
    let mut running = running();
    let status = child.try_wait().map_err(|error| {
        ExecError::System(program.program.to_string_lossy().into_owned(), error)
    })?;
    if status.is_some() {
        running.remove(&child.id());
    }
    Ok(status)
}

fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pid_of(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

/// A signal to the child alone: it ends what it started in its own way. It has not been waited for, so its number is
/// still its own; that it may have ended by now is no error.
fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = pid_of(child.id()) {
        let _ = kill_process(pid, signal);
    }
}

fn signal_group(id: u32, signal: Signal) {
    if let Some(pid) = pid_of(id) {
        let _ = kill_process_group(pid, signal);
    }
}

fn pause(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "a door waits for its child")]
    std::thread::sleep(duration);
}

/// Writes to a child beside everything else. One that ends without reading it all has its reasons, and says them.
fn feed(stdin: Option<impl Write + Send + 'static>, input: &[u8]) {
    let Some(mut stdin) = stdin else { return };
    let input = Zeroizing::new(input.to_vec());
    std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
}

type Kept = Arc<Mutex<Vec<u8>>>;

fn take(kept: &Kept) -> Vec<u8> {
    std::mem::take(&mut kept.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Reads a stream to its end, keeps its begin, and says when it is over.
fn reader(stream: Option<impl Read + Send + 'static>, keep: usize, over: Sender<()>) -> Kept {
    let kept = Kept::default();
    let Some(mut stream) = stream else { return kept };
    let shared = Arc::clone(&kept);
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    let mut kept = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    let room = keep.saturating_sub(kept.len()).min(length);
                    kept.extend_from_slice(&buffer[..room]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // The other side may be gone: it waits no longer than it wants to.
        let _ = over.send(());
    });
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Program<'static> {
        Program {
            program: OsStr::new("sh"),
            arguments: vec!["-c".into(), script.into()],
            variables: &[("ROTATION_TEST", "here")],
            input: b"",
            limit,
            keep: 1000,
        }
    }

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn what_it_says_is_kept_and_how_it_ends_is_known() {
        let output =
            run(&sh("echo out $ROTATION_TEST; echo err >&2; exit 7", LONG), None).expect("ran");
        assert_eq!(output.ended, Ended::ByItself(Some(7)));
        assert_eq!(output.stdout, b"out here\n");
        assert_eq!(output.stderr, b"err\n");
        let output = run(&sh("kill -9 $$", LONG), None).expect("ran");
        assert_eq!(output.ended, Ended::ByItself(None));
    }

    #[test]
    fn it_reads_what_it_is_handed_and_nothing_else() {
        let output = run(&sh("cat; echo over", LONG), None).expect("ran");
        assert_eq!(output.stdout, b"over\n");
        let handed = Program { input: b"in\n", ..sh("cat; echo over", LONG) };
        assert_eq!(run(&handed, None).expect("ran").stdout, b"in\nover\n");
        let much = vec![b'x'; 1 << 20];
        let unread = Program { input: &much, ..sh("echo over", LONG) };
        assert_eq!(run(&unread, None).expect("ran").stdout, b"over\n");
    }

    #[test]
    fn much_is_read_and_little_is_kept() {
        let output = run(&sh("head -c 1000000 /dev/zero; echo end >&2", LONG), None).expect("ran");
        assert_eq!((output.stdout.len(), output.stderr.as_slice()), (1000, &b"end\n"[..]));
    }

    #[test]
    fn after_its_time_it_may_clean_up() {
        let script = "trap 'echo cleaned; exit 3' TERM; echo up; while :; do sleep 0.01; done";
        let output = run(&sh(script, Duration::from_millis(300)), None).expect("ran");
        assert_eq!(output.ended, Ended::OutOfTime { killed: false });
        assert_eq!(String::from_utf8_lossy(&output.stdout), "up\ncleaned\n");
    }

    #[test]
    fn it_ends_when_somebody_asks() {
        let interrupt = Interrupt::never();
        interrupt.ask();
        let output = run(&sh("exec sleep 60", LONG), Some(&interrupt)).expect("ran");
        assert_eq!(output.ended, Ended::Stopped { killed: false });
    }

    #[test]
    fn what_it_leaves_behind_is_not_waited_for() {
        let output = run(&sh("sleep 5 & echo done", LONG), None).expect("ran");
        assert_eq!((output.ended, output.stdout), (Ended::ByItself(Some(0)), b"done\n".to_vec()));
    }

    #[test]
    fn what_cannot_be_run_is_told_apart_and_never_with_its_arguments() {
        let directory = tempfile::tempdir().expect("a directory");
        let named = |name: &OsStr| {
            let program = Program { program: name, ..sh("secret", LONG) };
            run(&program, None).expect_err("it cannot be run")
        };
        let missing = named(OsStr::new("no-such-program"));
        assert_eq!(missing.to_string(), "there is no program `no-such-program`");
        let error = named(directory.path().as_os_str());
        assert!(matches!(error, ExecError::NotExecutable(..)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}
