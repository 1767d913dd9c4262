//! The real `ssh -tt`, called as the real `bosh` calls it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::Failed;
use super::args::Ssh;
use crate::bosh::plan::{hex, random};
use crate::process::{Identity, MARK};

/// The files of one call: a key that is used once, and the host keys that agents told.
pub(super) struct Keys {
    private: PathBuf,
    known_hosts: PathBuf,
    pub(super) public: String,
}

impl Keys {
    /// Makes a key under `~/.bosh/tmp`.
    pub(super) fn make(home: &Path) -> Result<Self, Failed> {
        let folder = home.join(".bosh/tmp");
        let said = |error: &dyn std::fmt::Display| format!("mkdir {}: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(|error| said(&error))?;
        let number = hex(&random::<6>().map_err(|error| said(&error))?);
        let private = folder.join(format!("ssh-priv-key{number}"));
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", "", "-f"])
            .arg(&private)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| said(&error))?;
        let public = private.with_extension("pub");
        let text = fs::read_to_string(&public)
            .map_err(|_| format!("ssh-keygen: {}", String::from_utf8_lossy(&made.stderr)))?;
        fs::remove_file(&public).map_err(|error| said(&error))?;
        let known_hosts = folder.join(format!("ssh-known-hosts{number}"));
        Ok(Self { private, known_hosts, public: text.trim().to_owned() })
    }

    pub(super) fn write_known_hosts(&self, hosts: &[Value]) -> Result<(), Failed> {
        use std::io::Write as _;
        let word = |host: &Value, name: &str| host[name].as_str().unwrap_or_default().to_owned();
        let lines: Vec<_> = hosts
            .iter()
            .map(|host| format!("{} {}\n", word(host, "ip"), word(host, "host_public_key")))
            .collect();
        let file =
            fs::File::options().create_new(true).write(true).mode(0o600).open(&self.known_hosts);
        file.and_then(|mut file| file.write_all(lines.concat().as_bytes()))
            .map_err(|error| format!("Writing {}: {error}", self.known_hosts.display()))
    }
}

impl Drop for Keys {
    /// A call that is killed leaves them, as the real one does.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.private);
        let _ = fs::remove_file(&self.known_hosts);
    }
}

/// One `ssh` to be run.
pub(super) struct Session {
    instance: String,
    arguments: Vec<String>,
}

impl Session {
    /// To a host that the director told of.
    pub(super) fn new(host: &Value, user: &str, wanted: &Ssh, keys: &Keys) -> Self {
        let word =
            |name: &str| host[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let mut arguments: Vec<String> = [
            "-tt",
            "-o",
            "ServerAliveInterval=30",
            "-o",
            "ForwardAgent=no",
            "-o",
            "PasswordAuthentication=no",
            "-o",
            "IdentitiesOnly=yes",
        ]
        .map(str::to_owned)
        .to_vec();
        let mut option = |text: String| arguments.extend(["-o".to_owned(), text]);
        option(format!("IdentityFile={}", keys.private.display()));
        option(format!("UserKnownHostsFile={}", keys.known_hosts.display()));
        let gateway = &wanted.gateway;
        let through = gateway.host.clone().or_else(|| word("gateway_host"));
        if let Some(through) = through.filter(|_| !gateway.disable) {
            let user = gateway.user.clone().or_else(|| word("gateway_user"));
            let mut proxy = format!(
                "ProxyCommand=ssh -tt -W %h:%p -l '{}' '{through}' -o ServerAliveInterval=30 -o ForwardAgent=no \
                 -o ClearAllForwardings=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
                user.as_deref().unwrap_or("vcap")
            );
            if let Some(key) = &gateway.key {
                proxy.push_str(
                    " -o PasswordAuthentication=no -o IdentitiesOnly=yes -o IdentityFile=",
                );
                proxy.push_str(key);
            }
            option(proxy);
        }
        arguments.extend(wanted.options.iter().cloned());
        arguments.extend(["-o", "StrictHostKeyChecking=yes", "-l", user, "--"].map(str::to_owned));
        arguments.push(word("ip").unwrap_or_default());
        arguments.extend(wanted.command.iter().cloned());
        let instance =
            format!("{}/{}", word("job").unwrap_or_default(), word("id").unwrap_or_default());
        Self { instance, arguments }
    }

    fn shown(&self) -> String {
        format!("ssh {}", self.arguments.join(" "))
    }
}

/// What one `ssh` came to.
pub(super) struct Ended {
    pub(super) instance: String,
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) code: i32,
    command: String,
    /// Why it did not even begin.
    unstarted: Option<String>,
}

impl Ended {
    /// What is said of one that failed.
    pub(super) fn error(&self) -> Option<String> {
        if let Some(why) = &self.unstarted {
            return Some(format!(
                "Running command: '{}', stdout: '', stderr: '': {why}",
                self.command
            ));
        }
        (self.code != 0).then(|| {
            format!(
                "Running command: '{}', stdout: '', stderr: '': exit status {}",
                self.command, self.code
            )
        })
    }
}

enum News {
    Line(usize, &'static str, String),
    Closed,
}

/// Runs all of them at once; a signal ends them. Says also whether one came.
pub(super) fn run_all(
    dir: &Path,
    sessions: Vec<Session>,
    mut tell: impl FnMut(&str, &str, &str),
) -> (Vec<Ended>, bool) {
    let signalled = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // One that cannot be caught ends this program, as it would have anyway.
        let _ = signal_hook::flag::register(signal, Arc::clone(&signalled));
    }
    let (send, news) = channel();
    let mut open = 0;
    let mut running: Vec<(Option<Child>, Ended)> = Vec::new();
    for (number, session) in sessions.into_iter().enumerate() {
        let command = session.shown();
        let begun = Command::new("ssh")
            .args(&session.arguments)
            // Found by the lab's sweep should this program be killed.
            .env(MARK, dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        let mut ended = Ended {
            instance: session.instance,
            stdout: String::new(),
            stderr: String::new(),
            code: 0,
            command,
            unstarted: None,
        };
        if let Ok(mut child) = begun {
            open += 2;
            read(number, "stdout", child.stdout.take(), &send);
            read(number, "stderr", child.stderr.take(), &send);
            running.push((Some(child), ended));
        } else {
            ended.unstarted = Some("exec: \"ssh\": executable file not found in $PATH".to_owned());
            running.push((None, ended));
        }
    }
    let mut told = false;
    while open > 0 {
        if signalled.load(Ordering::SeqCst) && !told {
            told = true;
            for child in running.iter().filter_map(|(child, _)| child.as_ref()) {
                if let Some(identity) = Identity::of(child.id()) {
                    let _ = identity.signal(Signal::TERM);
                }
            }
        }
        match news.recv_timeout(Duration::from_millis(50)) {
            Ok(News::Line(number, stream, text)) => {
                let ended = &mut running[number].1;
                tell(&ended.instance, stream, text.trim_end_matches(['\r', '\n']));
                let to = if stream == "stdout" { &mut ended.stdout } else { &mut ended.stderr };
                to.push_str(&text);
            }
            Ok(News::Closed) => open -= 1,
            Err(_) => {}
        }
    }
    let finish = |(child, mut ended): (Option<Child>, Ended)| {
        if let Some(mut child) = child {
            ended.code = child.wait().map_or(255, |status| {
                // Go has -1 for one that a signal ended.
                status.code().unwrap_or(if status.signal().is_some() { -1 } else { 255 })
            });
        }
        ended
    };
    (running.into_iter().map(finish).collect(), signalled.load(Ordering::SeqCst))
}

/// Sends what a stream says, line by line, and its end.
fn read(
    number: usize,
    name: &'static str,
    stream: Option<impl std::io::Read + Send + 'static>,
    send: &Sender<News>,
) {
    let send = send.clone();
    std::thread::spawn(move || {
        if let Some(stream) = stream {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line).into_owned();
                if send.send(News::Line(number, name, text)).is_err() {
                    return;
                }
                line.clear();
            }
        }
        let _ = send.send(News::Closed);
    });
}
