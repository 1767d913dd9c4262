//! Connections that are kept: who asks a machine once more goes through the one that is there.
//!
//! It is OpenSSH's own way (`ControlMaster`): the first call leaves a process behind that holds the connection. It is ended
//! with the verb, and ends by itself soon after the last call where the tool was killed. A connection that is dead is noticed
//! by `ServerAliveInterval`, and the next call makes a new one. More than half of a short call is its key exchange.
//!
//! Operators who keep connections themselves (`ControlPath` in their configuration) keep theirs: behind it may stand a
//! second factor that nobody types twice.

use super::{CONNECTIONS, Settings};
use crate::world::beside;
use crate::world::exec::{self, Ended, Program};
use crate::world::files;
use crate::world::keys::random;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

/// Seconds for which a connection is kept that nobody uses, as while pods are recycled.
const IDLE: u8 = 60;
/// Octets of a socket's path on Linux and BSD (`sun_path`), the last one of them zero.
const PATH: usize = 104;
/// What ssh puts behind the directory: a digest of 40 letters (`%C`), and for the moment of its making a dot and 16 more.
const NAME: usize = 1 + 40 + 17;
/// How long ssh may take for what it does on this machine alone.
const LOCAL: Duration = Duration::from_secs(10);
/// Bytes of its answer that are read.
const KEEP: usize = 1 << 20;

/// A directory for their sockets, for as long as it is wanted.
#[derive(Debug)]
pub struct Kept {
    directory: PathBuf,
    /// The program that made them, and ends them.
    program: OsString,
}

impl Kept {
    /// A new one, for its owner alone; `None` where the directory for temporary files takes none, or has too long a name for
    /// sockets: then each call connects anew.
    pub fn new(program: &OsStr) -> Option<Self> {
        let [a, b, c, d] = random::<4>();
        let name = format!("rotation-{a:02x}{b:02x}{c:02x}{d:02x}");
        let directory = std::env::temp_dir().join(name);
        if directory.as_os_str().len() + NAME >= PATH || directory.as_os_str().to_str().is_none() {
            return None;
        }
        files::new_private_directory(&directory).ok()?;
        Some(Self { directory, program: program.to_owned() })
    }

    /// Options that keep the connections to a machine, as `ssh -o` takes them; none where its operator does so already, or
    /// has an ssh that does not say.
    pub fn options(&self, settings: &Settings, machine: &str) -> Vec<String> {
        if !says_nothing_of_its_own(settings, machine) {
            return Vec::new();
        }
        // A percent sign begins a word of ssh's own.
        let path = self.directory.display().to_string().replace('%', "%%");
        vec![
            "ControlMaster=auto".to_owned(),
            format!("ControlPath={path}/%C"),
            format!("ControlPersist={IDLE}"),
        ]
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        beside::each(&files::names(&self.directory), CONNECTIONS, |socket| {
            let mut path = OsString::from("ControlPath=");
            path.push(self.directory.join(socket).as_os_str());
            let arguments = ["-O", "exit", "-o"].map(OsString::from).into_iter().chain([path]);
            // Whom it would connect to does not matter: the socket is named.
            let arguments = arguments.chain(["--".into(), "kept".into()]).collect();
            // One that does not end now ends by itself.
            let _ = exec::run(&locally(&self.program, arguments), None);
        });
        files::remove_directory(&self.directory);
    }
}

/// Whether the configuration that holds for a machine leaves open how connections to it are kept.
fn says_nothing_of_its_own(settings: &Settings, machine: &str) -> bool {
    let options = settings.options.iter().flat_map(|option| ["-o".into(), option.into()]);
    let arguments = [OsString::from("-G")].into_iter().chain(options);
    let arguments = arguments.chain(["--".into(), machine.into()]).collect();
    let Ok(output) = exec::run(&locally(&settings.program, arguments), None) else { return false };
    output.ended == Ended::ByItself(Some(0))
        && leaves_it_open(&String::from_utf8_lossy(&output.stdout))
}

/// The same, by what `ssh -G` prints: a path only where there is one.
fn leaves_it_open(configuration: &str) -> bool {
    let value = |key: &str| {
        let lines = configuration.lines().filter_map(|line| line.split_once(' '));
        lines.filter(|(name, _)| *name == key).map(|(_, value)| value.trim()).next()
    };
    value("controlmaster") == Some("false") && value("controlpath").is_none_or(|p| p == "none")
}

fn locally(program: &OsStr, arguments: Vec<OsString>) -> Program<'_> {
    Program { program, arguments, variables: &[], input: b"", limit: LOCAL, keep: KEEP }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(program: &str) -> Settings {
        Settings {
            program: program.into(),
            options: vec!["User=root".to_owned()],
            sudo: false,
            limit: LOCAL,
        }
    }

    #[test]
    fn its_directory_is_for_the_owner_and_goes_with_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let kept = Kept::new(OsStr::new("ssh")).expect("made");
        let path = kept.directory.clone();
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o700);
        drop(kept);
        assert!(!path.exists());
    }

    #[test]
    fn what_the_operator_keeps_is_left_alone() {
        let open = "user root\ncontrolmaster false\ncontrolpersist no\n";
        for (configuration, is_open) in [
            (open, true),
            ("controlmaster false\ncontrolpath none\n", true),
            ("controlmaster auto\ncontrolpath /run/%C\n", false),
            ("controlmaster false\ncontrolpath /run/%C\n", false),
            ("controlmaster ask\n", false),
            ("no ssh of ours\n", false),
            ("", false),
        ] {
            assert_eq!(leaves_it_open(configuration), is_open, "{configuration:?}");
        }
    }

    #[test]
    fn a_program_that_is_no_openssh_is_asked_for_nothing_it_does_not_know() {
        let kept = Kept::new(OsStr::new("ssh")).expect("made");
        for program in ["false", "echo", "/no/such/program"] {
            assert!(kept.options(&settings(program), "m1").is_empty(), "{program}");
        }
    }
}
