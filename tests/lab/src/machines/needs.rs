//! What the system must have for machines: asked before anything is started.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Something that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The process has not the rights of root.
    Root,
    /// A program or library of a Debian package.
    Package {
        /// What is looked for.
        what: &'static str,
        /// The package that has it.
        package: &'static str,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("not root"),
            Self::Package { what, .. } => write!(f, "{what} is not installed"),
        }
    }
}

/// Programs and the Debian packages that have them.
const PROGRAMS: [(&str, &str); 12] = [
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("mount", "mount"),
    ("pivot_root", "util-linux"),
    ("hostname", "hostname"),
    ("ip", "iproute2"),
    ("xtables-nft-multi", "iptables"),
    ("ldd", "libc-bin"),
    ("pkg-config", "pkg-config"),
    ("sshd", "openssh-server"),
    ("ssh-keygen", "openssh-client"),
];

/// What judges and faults of tests need, and no machine does: others' verifiers, a browser, calls that fail,
/// power cuts.
const JUDGES: [(&str, &str); 10] = [
    ("certtool", "gnutls-bin"),
    ("chromium", "chromium"),
    ("certutil", "libnss3-tools"),
    ("faketime", "faketime"),
    ("mkfs.ext4", "e2fsprogs"),
    ("openssl", "openssl"),
    ("script", "bsdutils"),
    ("strace", "strace"),
    ("xfs_io", "xfsprogs"),
    ("losetup", "mount"),
];

/// What is missing for the tests besides: without it they are skipped, and listed.
pub fn missing_for_tests() -> Vec<Missing> {
    let gone = JUDGES.iter().filter(|(what, _)| find(what).is_none());
    gone.map(|(what, package)| Missing::Package { what, package }).collect()
}

/// What is missing for machines whose components run under a supervisor.
pub(super) fn missing_for_supervision() -> Vec<Missing> {
    let gone = ["runsvdir", "sv"].into_iter().filter(|what| find(what).is_none());
    gone.map(|what| Missing::Package { what, package: "runit" }).collect()
}

/// All that is missing on this system, in a fixed order; machines can be started when it is empty.
pub fn missing() -> Vec<Missing> {
    let mut missing = Vec::new();
    if !rustix::process::geteuid().is_root() {
        missing.push(Missing::Root);
    }
    for (what, package) in PROGRAMS {
        if find(what).is_none() {
            missing.push(Missing::Package { what, package });
        }
    }
    // gcc links runc with libseccomp; Go would say so only after minutes.
    if find("gcc").is_none() && find("cc").is_none() {
        missing.push(Missing::Package { what: "gcc", package: "gcc" });
    }
    let library = Command::new("pkg-config")
        .args(["--exists", "libseccomp"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !library.is_ok_and(|status| status.success()) {
        missing.push(Missing::Package { what: "libseccomp's header", package: "libseccomp-dev" });
    }
    missing
}

/// What is missing and what to type, in one sentence; `None` when nothing is.
pub fn advice(missing: &[Missing]) -> Option<String> {
    if missing.is_empty() {
        return None;
    }
    let what: Vec<_> = missing.iter().map(ToString::to_string).collect();
    let packages = packages(missing);
    let mut steps = Vec::new();
    if !packages.is_empty() {
        steps.push(format!("run `apt-get install {}`", packages.join(" ")));
    }
    if missing.contains(&Missing::Root) {
        steps.push("run it as root".to_owned());
    }
    Some(format!("machines need more than is here: {}: {}", what.join(", "), steps.join(", then ")))
}

/// The Debian packages that have what is missing, each once.
pub fn packages(missing: &[Missing]) -> Vec<&'static str> {
    let mut packages: Vec<_> = missing
        .iter()
        .filter_map(|one| match one {
            Missing::Package { package, .. } => Some(*package),
            Missing::Root => None,
        })
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Where a program is; the system's administrative folders count, though they are not on every PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_command_for_all_that_is_missing() {
        let gone = |what, package| Missing::Package { what, package };
        let all =
            [Missing::Root, gone("nft", "nftables"), gone("ip", "iproute2"), gone("x", "nftables")];
        assert_eq!(
            advice(&all).unwrap(),
            "machines need more than is here: not root, nft is not installed, ip is not installed, \
             x is not installed: run `apt-get install iproute2 nftables`, then run it as root"
        );
        assert_eq!(advice(&[]), None);
    }
}
