//! A real sshd on this machine, for one test, which ends with it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Debian's place, which is on nobody's `PATH`.
pub(crate) const PROGRAM: &str = "/usr/sbin/sshd";

pub(crate) struct Sshd {
    child: Child,
    port: u16,
    directory: PathBuf,
}

impl Sshd {
    /// Starts one.
    pub(crate) fn start(directory: &Path) -> Self {
        let directory = directory.join("sshd");
        fs::create_dir_all(&directory).unwrap();
        for name in ["host", "user"] {
            keygen(&directory.join(name));
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let own = directory.display();
        fs::copy(directory.join("user.pub"), directory.join("authorized")).unwrap();
        fs::write(
            directory.join("config"),
            format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {own}/host\nAuthorizedKeysFile {own}/authorized\n\
                 StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nPasswordAuthentication no\n\
                 MaxStartups 100\n"
            ),
        )
        .unwrap();
        let run = format!("exec {PROGRAM} -D -e -f {own}/config");
        // As the superuser it wants a directory of its own below /run, which is given to it alone; and so are processes:
        // what else runs on this machine, such as other tests' labs, is none of this one's.
        let mut command = if is_root() {
            let mut command = Command::new("unshare");
            let private = format!("mount -t tmpfs none /run && mkdir -m 755 /run/sshd && {run}");
            let own = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
            command.args(own).args(["sh", "-c", &private]);
            command
        } else {
            let mut command = Command::new("sh");
            command.args(["-c", &run]);
            command
        };
        let log = fs::File::create(directory.join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let sshd = Self { child, port, directory };
        let since = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(sshd.directory.join("log")).unwrap();
            assert!(since.elapsed() < Duration::from_mins(3), "sshd does not listen: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        sshd.know("host");
        sshd
    }

    /// Whose key the client takes for the host's.
    pub(crate) fn know(&self, name: &str) {
        let key = fs::read_to_string(self.directory.join(format!("{name}.pub"))).unwrap();
        let line = format!("[127.0.0.1]:{} {key}", self.port);
        fs::write(self.directory.join("known"), line).unwrap();
    }

    /// Flags by which the tool reaches it.
    pub(crate) fn flags(&self) -> String {
        let own = self.directory.display();
        format!(
            "--ssh-option=Port={} --ssh-option=IdentityFile={own}/user --ssh-option=IdentitiesOnly=yes \
             --ssh-option=UserKnownHostsFile={own}/known --ssh-option=GlobalKnownHostsFile=none \
             --ssh-option=StrictHostKeyChecking=yes",
            self.port
        )
    }

    /// A program beside it, on what is the same machine for it.
    pub(crate) fn beside(&self, program: &str) -> Command {
        if !is_root() {
            return Command::new(program);
        }
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap();
        let mut command = Command::new("nsenter");
        command.args(["--target", children.trim(), "--mount", "--pid", "--", program]);
        command
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
}
