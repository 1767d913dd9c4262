//! What a server says of its version, and the little that is concluded from it.
//!
//! Behaviour is probed wherever it can be: gates can be flipped, and builds without stamps report an empty minor.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Major and minor version of an API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServerVersion {
    /// Major, 1 for every Kubernetes so far.
    pub major: u32,
    /// Minor.
    pub minor: u32,
}

/// The part of `GET /version` that is read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VersionInfo {
    /// `1`, or empty.
    pub major: String,
    /// `33`, `10+`, or empty.
    pub minor: String,
    /// `v1.33.0+k3s1`, `v1.23.13-eks-...`.
    pub git_version: String,
}

impl VersionInfo {
    /// The version, from the numbers or, where they are empty, from `gitVersion`.
    pub fn version(&self) -> Option<ServerVersion> {
        let digits = |text: &str| -> Option<u32> {
            let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            text[..end].parse().ok()
        };
        let (git_major, git_minor) = self
            .git_version
            .trim_start_matches('v')
            .split_once('.')
            .map_or((None, None), |(major, rest)| (digits(major), digits(rest)));
        Some(ServerVersion {
            major: digits(&self.major).or(git_major)?,
            minor: digits(&self.minor).or(git_minor)?,
        })
    }
}

impl ServerVersion {
    /// Whether `dryRun` on a write is known to be obeyed.
    ///
    /// 1.10 and 1.11 ignore the unknown field: the "dry" delete would be real. It is on by default from 1.13.
    pub fn obeys_dry_run(self) -> bool {
        self >= Self { major: 1, minor: 13 }
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_met() {
        for (major, minor, git, expected) in [
            ("1", "33", "v1.33.0", Some((1, 33))),
            ("1", "10+", "v1.10.13-gke.1", Some((1, 10))),
            ("", "", "v1.23.13-eks-fb459a0", Some((1, 23))),
            ("1", "", "v1.33.0+k3s1", Some((1, 33))),
            ("", "", "", None),
            ("1", "", "garbage", None),
        ] {
            let info =
                VersionInfo { major: major.into(), minor: minor.into(), git_version: git.into() };
            let version = info.version().map(|v| (v.major, v.minor));
            assert_eq!(version, expected, "{major} {minor} {git}");
        }
    }

    #[test]
    fn dry_run_below_1_13_would_act() {
        assert!(!ServerVersion { major: 1, minor: 11 }.obeys_dry_run());
        assert!(ServerVersion { major: 1, minor: 13 }.obeys_dry_run());
    }
}
