//! The command `monit`: asks the daemon, or does without one.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::daemon::{self, Vm};
use super::engine::{Board, round};
use super::service::Action;
use super::{ADDRESS, CONTROL_FILE, config};

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs with these arguments.
pub(super) fn run(words: &[String]) -> ExitCode {
    let mut control_file = PathBuf::from(CONTROL_FILE);
    let mut foreground = false;
    let mut rest = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-c" => control_file = words.next().map(PathBuf::from).unwrap_or_default(),
            "-I" => foreground = true,
            "-V" => {
                print("This is Monit version 5.2.5\n");
                return ExitCode::SUCCESS;
            }
            _ => rest.push(word.as_str()),
        }
    }
    let me = rustix::process::geteuid().as_raw();
    if std::fs::metadata(&control_file).is_ok_and(|data| data.uid() != me) {
        return fail(&format!(
            "The control file '{}' must be owned by you.",
            control_file.display()
        ));
    }
    match rest.as_slice() {
        [] if foreground => match daemon::run(&control_file) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("{error:#}")),
        },
        [verb @ ("summary" | "status"), ..] => show(verb),
        [verb, rest @ ..] => match (Action::from_word(verb), rest.first()) {
            (Some(action), Some(name)) => ask(name, action, &control_file),
            (Some(_), None) => {
                fail(&format!("please specify the configured service name or 'all' after {verb}"))
            }
            (None, _) => {
                fail(&format!("invalid argument -- {verb}  (-h will show valid arguments)"))
            }
        },
        [] => fail("invalid argument --   (-h will show valid arguments)"),
    }
}

/// `summary` and `status`. Both end with 0 also where there is nothing to show.
fn show(verb: &str) -> ExitCode {
    match request("GET", &format!("/{verb}")) {
        Ok((_, body)) => print(&body),
        Err(ErrorKind::ConnectionRefused) => {
            say("no status available -- the monit daemon is not running");
        }
        Err(_) => say("cannot read status from the monit daemon"),
    }
    ExitCode::SUCCESS
}

fn ask(name: &str, action: Action, control_file: &Path) -> ExitCode {
    match request("POST", &format!("/{name}?action={}", action.word())) {
        Ok((200, _)) => ExitCode::SUCCESS,
        Ok((_, reason)) => fail(&format!("action failed -- {reason}")),
        Err(ErrorKind::ConnectionRefused) => alone(name, action, control_file),
        // Not among the recordings: the real one's words are not known.
        Err(_) => fail("action failed -- cannot read from the monit daemon"),
    }
}

/// Without a daemon the client does it itself, in the foreground, and waits.
fn alone(name: &str, action: Action, control_file: &Path) -> ExitCode {
    let config = match config::read(control_file) {
        Ok(config) => config,
        Err(error) => return fail(&format!("{error:#}")),
    };
    let services = config.services.into_iter().filter(|one| name == "all" || one.name == name);
    let board = Board::new(services.collect());
    if let Err(reason) = board.ask(name, action) {
        return fail(&format!("action failed -- {reason}"));
    }
    round(&board, &mut Vm { log: config.log, direct: true });
    ExitCode::SUCCESS
}

fn request(method: &str, target: &str) -> Result<(u16, String), ErrorKind> {
    let kind = |error: std::io::Error| error.kind();
    let mut stream = TcpStream::connect(ADDRESS).map_err(kind)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(kind)?;
    write!(stream, "{method} {target} HTTP/1.0\r\n\r\n").map_err(kind)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(kind)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(ErrorKind::InvalidData)?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((code.ok_or(ErrorKind::InvalidData)?, body.to_owned()))
}

fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "monit-actual: {text}");
}

fn fail(text: &str) -> ExitCode {
    say(text);
    ExitCode::FAILURE
}
