//! A directory of its own, the tool in it, and what OpenSSL makes for it.

use crate::harness::outcome::Outcome;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The tool.
pub(crate) const CERTS: &str = env!("CARGO_BIN_EXE_kubectl-rotate_certs");

/// Where one test works.
pub(crate) struct Shop {
    dir: TempDir,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The tool, with nothing of the caller's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(CERTS);
        command.args(arguments);
        self.prepare(&mut command);
        command
    }

    pub(crate) fn prepare(&self, command: &mut Command) {
        command
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
    }

    /// Runs `generate`; words are split at spaces.
    pub(crate) fn generate(&self, line: &str) -> Outcome {
        let mut words = vec!["generate"];
        words.extend(line.split_whitespace());
        self.outcome(&mut self.command(&words))
    }

    pub(crate) fn outcome(&self, command: &mut Command) -> Outcome {
        Outcome::new(&command.output().unwrap(), self.dir.path().display().to_string())
    }

    /// Runs a program of the machine; it has to succeed.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> String {
        let (good, text) = self.try_run(line);
        assert!(good, "{line}:\n{text}");
        text
    }

    /// Runs a program of the machine: whether it succeeded, and what it said.
    pub(crate) fn try_run(&self, line: &str) -> (bool, String) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        self.prepare(&mut command);
        let output =
            command.env("PATH", "/usr/local/go/bin:/usr/bin:/bin:/usr/sbin").output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// A CA of somebody else's making: `NAME.crt` and `NAME.key`.
    pub(crate) fn openssl_ca(&self, name: &str, key: &str, more: &str) {
        self.run(&format!("openssl genpkey {key} -out {name}.key"));
        self.run(&format!(
            "openssl req -x509 -new -key {name}.key -out {name}.crt -days 3650 -subj /O=Ops/CN=master-bosh {more}"
        ));
    }

    /// The usual CA: RSA of 2048 bits.
    pub(crate) fn bosh_ca(&self) {
        self.openssl_ca("bosh", RSA, CA);
    }

    /// The generation in use.
    pub(crate) fn current(&self, set: &str) -> String {
        let target = fs::read_link(self.path(set).join("current")).unwrap();
        target.file_name().unwrap().to_string_lossy().into_owned()
    }
}

/// Words for `openssl genpkey`.
pub(crate) const RSA: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
/// The same for a curve: quicker.
pub(crate) const EC: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
/// Extensions of a good CA.
pub(crate) const CA: &str = "-addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature";

/// Mode bits of a file.
pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Facts of a certificate in OpenSSL's words.
pub(crate) fn shown(shop: &Shop, path: &str) -> String {
    shop.run(&format!("openssl x509 -noout -text -in {path}"))
}

/// SHA-256 of the public key, by OpenSSL.
pub(crate) fn public_key(shop: &Shop, path: &str) -> String {
    shop.run(&format!("openssl x509 -noout -pubkey -in {path}"))
}
