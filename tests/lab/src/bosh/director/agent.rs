//! What the agent on a VM does when its director asks.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::super::faults::HostKey;
use super::super::plan::Instance;
use super::super::{Record, boot, first};
use crate::machines::output;
use crate::process::Identity;

/// The processes of a VM and what they are, by the agent's words, and the instance's own state.
#[derive(Debug)]
pub(super) struct State {
    pub(super) instance: &'static str,
    pub(super) processes: Vec<(String, &'static str)>,
}

/// Reads monit's state, as the agent judges it.
pub(super) fn state(dir: &Path, record: &Record, instance: &Instance) -> Option<State> {
    let inner = first(dir, &instance.vm()).ok()?;
    let text = summary(inner, &instance.vm());
    let mut processes = Vec::new();
    for name in ["kubelet", record.options.layout.job()] {
        if let Some(word) = text.lines().find_map(|line| monit_state(line, name)) {
            processes.push((name.to_owned(), process_state(&word)));
        }
    }
    let has = |word: &str| processes.iter().any(|(_, state)| *state == word);
    let instance = match () {
        // The agent cannot reach monit.
        () if processes.is_empty() => "unknown",
        () if has("starting") => "starting",
        () if has("failing") || has("unknown") => "failing",
        () => "running",
    };
    Some(State { instance, processes })
}

/// What monit says, or nothing. As the agent of a stemcell, which asks a monit that is too busy again.
fn summary(inner: Identity, vm: &str) -> String {
    for _ in 0..3 {
        let begun = Instant::now();
        let mut command = boot::command(inner, "timeout");
        match output(command.args(["10", "/var/vcap/bosh/bin/monit", "summary"])) {
            Ok(text) => return text,
            Err(error) => {
                crate::talk::say(&format!("the agent of {vm} reaches no monit: {error:#}"));
            }
        }
        // One that says nothing for so long is not too busy, but dead.
        if begun.elapsed() > Duration::from_secs(9) {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    String::new()
}

/// Monit's words for a process, from a line of either form of `summary`.
fn monit_state(line: &str, name: &str) -> Option<String> {
    if let Some(rest) = line.strip_prefix(&format!("Process '{name}'")) {
        return Some(rest.trim().to_owned());
    }
    let rest = line.trim_start().strip_prefix(name)?.strip_prefix(' ')?;
    Some(rest.trim().trim_end_matches("Process").trim().to_owned())
}

/// The agent's word for it. What is being restarted right now counts as unknown.
fn process_state(word: &str) -> &'static str {
    match word {
        "running" | "OK" => "running",
        "initializing" | "Initializing" => "starting",
        _ if word.to_lowercase().starts_with("not monitored") || word.ends_with("pending") => {
            "unknown"
        }
        _ => "failing",
    }
}

/// `ssh`: makes an account that may become root, or removes those that match.
pub(super) fn ssh(dir: &Path, instance: &Instance, command: &str, params: &Value) -> Result<()> {
    let inner = first(dir, &instance.vm())?;
    let word = |name: &str| params[name].as_str().unwrap_or_default();
    let mut shell = boot::command(inner, "sh");
    let script = match command {
        "setup" => SETUP,
        "cleanup" => CLEANUP,
        _ => bail!("an agent knows no command {command:?}"),
    };
    let user = match command {
        "setup" => word("user").to_owned(),
        _ => word("user_regex").trim_start_matches('^').to_owned(),
    };
    if !user.starts_with("bosh_") {
        bail!("an agent makes and removes only accounts that begin with bosh_, not {user:?}");
    }
    output(shell.args(["-c", script, "agent", &user, word("public_key").trim()]))?;
    Ok(())
}

const SETUP: &str = r#"set -e
mkdir -p /var/vcap/bosh_ssh
exec 9>/run/lab/accounts
flock 9
useradd --create-home --base-dir /var/vcap/bosh_ssh --shell /bin/bash --user-group \
  --groups vcap,admin,bosh_sudoers,bosh_sshers "$1"
home=/var/vcap/bosh_ssh/$1
mkdir -m 700 "$home/.ssh"
echo "$2" >"$home/.ssh/authorized_keys"
chown -R "$1:$1" "$home/.ssh"
"#;

const CLEANUP: &str = r#"exec 9>/run/lab/accounts
flock 9
grep -o "^$1[^:]*" /etc/passwd | while read -r user; do userdel --remove --force "$user" 2>/dev/null; done
true
"#;

/// The host key that the agent tells.
pub(super) fn host_key(dir: &Path, instance: &Instance, lie: Option<HostKey>) -> Result<String> {
    let path = match lie {
        Some(HostKey::Missing) => return Ok(String::new()),
        Some(HostKey::Wrong) => dir.join("gateway-key.pub"),
        None => boot::root(dir, &instance.vm()).join("etc/ssh/ssh_host_rsa_key.pub"),
    };
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.trim().to_owned())
}
