//! A directory with a good set in it, and the tool run there with nothing else in its environment.

use forge::{Draft, Key};
use snapbox::data::Inline;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const TOOL: &str = env!("CARGO_BIN_EXE_kubectl-rotate_certs");
/// When everything is valid, whatever this machine's clock says.
const NOW: &str = "2026-12-01T00:00:00Z";

/// Where the tool runs.
pub(crate) struct Place {
    dir: TempDir,
    ca_key: Key,
    ca: Draft,
    server_key: Key,
}

/// What a run came to.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn text(&self) -> String {
        format!("exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }

    #[track_caller]
    pub(crate) fn is(&self, expected: Inline) {
        // What is typed has backslashes that are no paths.
        let assert = snapbox::Assert::new().action_env("SNAPSHOTS").normalize_paths(false);
        assert.eq(self.text(), expected);
    }
}

impl Place {
    /// A CA, a server and a client below `pki`.
    pub(crate) fn good() -> Self {
        let (ca_key, server_key, client_key) = (Key::new(), Key::new(), Key::new());
        let ca = Draft::root("kubernetes-ca-g1", &ca_key);
        let client = Draft::client("system:kube-scheduler", &[], &client_key, &ca);
        let place = Self { dir: tempfile::tempdir().unwrap(), ca_key, ca, server_key };
        place.write("pki/ca.crt", &place.ca.pem(&place.ca_key));
        place.write("pki/client.crt", &client.pem(&place.ca_key));
        place.write("pki/ca.key", &place.ca_key.pem());
        place.write("pki/server.key", &place.server_key.pem());
        place.write("pki/client.key", &client_key.pem());
        place.server(|_| ());
        place.mode("pki", 0o700);
        place
    }

    /// Writes the server's certificate, changed.
    pub(crate) fn server(&self, change: impl Fn(&mut Draft)) {
        let names = ["api.example.com", "10.0.0.1"];
        let mut draft = Draft::server("kube-apiserver", &names, &self.server_key, &self.ca);
        change(&mut draft);
        self.write("pki/server.crt", &draft.pem(&self.ca_key));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file with the mode that it should have.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        self.mode(
            name,
            if [".key", ".conf"].iter().any(|ending| name.ends_with(ending)) {
                0o600
            } else {
                0o644
            },
        );
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::create_dir_all(self.path(to).parent().unwrap()).unwrap();
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(crate) fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    /// Runs `verify`; words are split at spaces.
    pub(crate) fn run(&self, line: &str) -> Outcome {
        self.run_at(line, NOW)
    }

    pub(crate) fn run_at(&self, line: &str, at: &str) -> Outcome {
        self.start(line, at, "")
    }

    pub(crate) fn run_with(&self, line: &str, input: &str) -> Outcome {
        self.start(line, NOW, input)
    }

    /// Runs any verb, by this machine's clock.
    pub(crate) fn tool(&self, line: &str) -> Outcome {
        self.begin(line.split_whitespace(), "")
    }

    fn start(&self, line: &str, at: &str, input: &str) -> Outcome {
        self.begin(["verify", "--at", at].into_iter().chain(line.split_whitespace()), input)
    }

    fn begin<'a>(&self, words: impl Iterator<Item = &'a str>, input: &str) -> Outcome {
        let mut child = Command::new(TOOL)
            .args(words)
            .env_clear()
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Who does not read its input has closed it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Outcome {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
