//! The daemon: its rounds, and the port through which it is asked.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use super::engine::{Board, World, round};
use super::service::Action;
use super::{ADDRESS, config, text};

/// Runs until it is killed.
pub(super) fn run(control_file: &Path) -> Result<()> {
    let config = config::read(control_file)?;
    let board = Board::new(config.services);
    let listener = TcpListener::bind(ADDRESS).with_context(|| format!("cannot bind {ADDRESS}"))?;
    let (wake, woken) = channel();
    let (shared, began) = (board.clone(), Instant::now());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes in the middle is no matter of the daemon.
            let _ = answer(&stream, &shared, began, &wake);
        }
    });
    let mut vm = Vm { log: config.log, direct: false };
    loop {
        round(&board, &mut vm);
        idle(config.poll, &woken, &mut vm);
    }
}

/// Waits for the next round; somebody who asks for an action wakes it.
fn idle(poll: Duration, woken: &Receiver<()>, vm: &mut Vm) {
    if woken.recv_timeout(poll).is_ok() {
        while woken.try_recv().is_ok() {}
        vm.log("info", "Awakened by User defined signal 1");
    }
}

/// One request: `GET /summary`, `GET /status`, or `POST /NAME?action=WORD`.
fn answer(mut stream: &TcpStream, board: &Board, began: Instant, wake: &Sender<()>) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut line = String::new();
    BufReader::new(stream).take(1000).read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (code, body) = match (method, target) {
        ("GET", "/summary") => (200, text::summary(&board.lock(), began.elapsed())),
        ("GET", "/status") => (200, text::status(&board.lock(), began.elapsed(), Timestamp::now())),
        ("POST", _) => {
            let asked = target.trim_start_matches('/').split_once("?action=");
            let asked = asked.and_then(|(name, word)| Some((name, Action::from_word(word)?)));
            match asked.map(|(name, action)| board.ask(name, action)) {
                Some(Ok(())) => {
                    wake.send(())?;
                    (200, String::new())
                }
                Some(Err(reason)) => (404, reason.to_owned()),
                None => (404, "There is no service by that name".to_owned()),
            }
        }
        _ => (404, String::new()),
    };
    write!(stream, "HTTP/1.0 {code} -\r\nConnection: close\r\n\r\n{body}")?;
    Ok(())
}

/// The VM that monit runs on.
pub(super) struct Vm {
    pub(super) log: Option<PathBuf>,
    /// Whether there is no daemon: the client does it itself, and says so.
    pub(super) direct: bool,
}

impl World for Vm {
    fn sleep(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn alive(&self, pid: u32) -> bool {
        Path::new("/proc").join(pid.to_string()).exists()
    }

    fn read_pid(&self, pidfile: &Path) -> Option<u32> {
        fs::read_to_string(pidfile).ok()?.split_whitespace().next()?.parse().ok()
    }

    fn spawn(&mut self, command: &[String]) {
        // Twice removed, so that it belongs to the first process and not to monit.
        let started = Command::new("setsid")
            .arg("--fork")
            .args(command)
            .env_clear()
            .env("PATH", "/bin:/usr/bin:/sbin:/usr/sbin")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .status();
        if let Err(error) = started {
            self.log("error", &format!("cannot start {}: {error}", command[0]));
        }
    }

    fn log(&mut self, severity: &str, text: &str) {
        if self.direct {
            let _ = writeln!(std::io::stdout().lock(), "{text}");
            return;
        }
        let now = Timestamp::now().strftime("%b %e %H:%M:%S");
        let line = format!("[UTC {now}] {severity:<8} : {text}\n");
        let file =
            self.log.as_ref().map(|path| File::options().create(true).append(true).open(path));
        if let Some(Ok(mut file)) = file {
            // A full disk does not stop monit.
            let _ = file.write_all(line.as_bytes());
        }
    }
}
