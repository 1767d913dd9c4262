//! What came of reaching one VM: by the words of ssh, the CLI and our own marks.

use super::answer::{Row, field};
use super::fault::shown;
use super::frame::{self, Broken};

/// What came of one `bosh ssh` to one instance. Closed: whoever asks decides about each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The script ran, and this is what it said.
    Said(String),
    /// No connection came about: the script did not run. Asking again is harmless.
    Unreachable(String),
    /// The VM showed another key than the one its agent told the director: nobody knows who answers there.
    HostKey(String),
    /// The VM's agent did not make the account: the script did not run.
    Agent(String),
    /// There is no such instance, or it has no VM.
    Gone(String),
    /// The connection broke, or took too long: whether the script ran, and how far, is not known.
    Lost(String),
    /// The VM answered, but not with what the script says: sudo refused, or the output was damaged.
    Garbled(String),
}

/// Words of ssh before there is a connection. After the last of them nothing of ours has run.
const NOT_CONNECTED: [&str; 7] = [
    "ssh: connect to host",
    "kex_exchange_identification",
    "ssh_exchange_identification",
    "banner exchange",
    "Permission denied (",
    "Could not resolve hostname",
    "stdio forwarding failed",
];

/// Judges the row of an instance. The error field comes first: a process that could not be started has the code 0.
pub(super) fn of(row: &Row, mark: &str, limit: usize) -> Reach {
    let (stdout, stderr) = (field(row, "stdout"), field(row, "stderr"));
    let code = field(row, "exit_code");
    let broken = match frame::read(stdout, mark, limit) {
        Ok(text) => return Reach::Said(text.to_string()),
        Err(broken) => broken,
    };
    let (clean_err, clean_out) = (talk(stderr), talk(stdout));
    let said = if clean_err.is_empty() { &clean_out } else { &clean_err };
    if stderr.contains("Host key verification failed.") {
        return Reach::HostKey(host_key(stderr));
    }
    if code == "255" && NOT_CONNECTED.iter().any(|words| stderr.contains(words)) {
        return Reach::Unreachable(shown(said));
    }
    if code == "255" {
        return Reach::Lost(shown(if said.is_empty() { "the connection ended" } else { said }));
    }
    if code == "0" && !field(row, "error").is_empty() {
        return Reach::Unreachable(shown("ssh could not be started on this machine"));
    }
    match broken {
        Broken::Damaged => Reach::Garbled("what came back was damaged on its way".to_owned()),
        Broken::NoEnd => {
            let both = [clean_out, clean_err].join(" ");
            Reach::Garbled(shown(&format!("exit code {code}: {}", both.trim())))
        }
    }
}

/// A stream without what is said at each login: the banner is unknown, but the closing words are ssh's own.
fn talk(stream: &str) -> String {
    let noise = |line: &&str| {
        line.is_empty()
            || line.starts_with("Connection to ")
            || line.starts_with("Warning: Permanently")
    };
    let lines: Vec<&str> = stream.lines().map(str::trim).filter(|line| !noise(line)).collect();
    // What went wrong stands last; a banner stands first.
    lines[lines.len().saturating_sub(3)..].join("; ")
}

/// One sentence for both texts of ssh. Its advice, to edit the CLI's temporary file, is not passed on.
fn host_key(stderr: &str) -> String {
    if stderr.contains("IDENTIFICATION HAS CHANGED") {
        "the VM shows another host key than the one that its agent reported".to_owned()
    } else {
        "the agent reported no host key that ssh can use, so the VM cannot be recognised".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Answer;
    use super::*;

    /// What the rows of a recording come to, in order, shortened.
    fn rows(document: &str) -> Vec<String> {
        let answer = Answer::read(document).expect("a document");
        let rows = answer.rows("results").expect("results");
        rows.iter().map(|row| format!("{:?}", of(row, "none", frame::LIMIT))).collect()
    }

    #[test]
    fn what_the_real_ssh_says_is_told_apart() {
        macro_rules! recorded {
            ($name:literal) => {
                rows(include_str!(concat!(
                    "../../../../../tests/fixtures/bosh/ssh-",
                    $name,
                    ".json"
                )))
            };
        }
        let first = |rows: Vec<String>, kind: &str| {
            let odd: Vec<&String> =
                rows.iter().filter(|r| !r.starts_with("Garbled(\"exit code 0")).collect();
            assert!(!odd.is_empty() && odd.iter().all(|r| r.starts_with(kind)), "{kind}: {odd:?}");
            odd[0].clone()
        };
        assert_eq!(
            first(recorded!("no-route"), "Unreachable"),
            "Unreachable(\"ssh: connect to host 192.0.2.99 port 22: No route to host\")"
        );
        first(recorded!("refused"), "Unreachable");
        first(recorded!("timeout"), "Unreachable");
        first(recorded!("hung-sshd"), "Unreachable");
        first(recorded!("gateway-maxstartups"), "Unreachable");
        let key = first(recorded!("wrong-host-key"), "HostKey");
        assert!(key.contains("another host key") && !key.contains("ssh-keygen"), "{key}");
        let key = first(recorded!("no-host-key"), "HostKey");
        assert!(key.contains("no host key"), "{key}");
        first(recorded!("terminated"), "Lost");
        assert_eq!(
            first(recorded!("one-fails"), "Garbled"),
            "Garbled(\"exit code 7: Unauthorized use is strictly prohibited. All access and activity; is subject to logging and monitoring.\")"
        );
    }

    #[test]
    fn an_ssh_that_did_not_start_is_no_success() {
        let row: Row =
            [("exit_code", "0"), ("error", "Running command: ...: executable file not found")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into();
        assert!(matches!(of(&row, "m", frame::LIMIT), Reach::Unreachable(_)));
    }
}
