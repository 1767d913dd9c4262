//! The stages of a rotation, and the CAs and keys that go through them.

use clap::ValueEnum;
use rotation_core::facts::sighting::Domain;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What stands in all files.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// As it was found.
    Before,
    /// Everybody who trusts the old generation trusts the new one as well.
    Accept,
    /// Tokens are signed by the new key.
    Sign,
    /// Everybody presents the new generation.
    Switch,
    /// The old generation is trusted nowhere.
    Retire,
}

impl Stage {
    /// All, in order.
    pub(crate) const ALL: [Self; 5] =
        [Self::Before, Self::Accept, Self::Sign, Self::Switch, Self::Retire];

    /// Its place in the order.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// As it is printed and typed.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Accept => "accept",
            Self::Sign => "sign",
            Self::Switch => "switch",
            Self::Retire => "retire",
        }
    }

    /// What it means, in words.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Before => "as it was found",
            Self::Accept => "old and new are trusted",
            Self::Sign => "tokens are signed by the new key",
            Self::Switch => "everybody presents the new generation",
            Self::Retire => "the old generation is trusted nowhere",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A CA, or the key that signs tokens: each is rotated by itself, all of them at once.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Track {
    /// The cluster's CA.
    Cluster,
    /// The CA of the aggregation layer's proxy.
    FrontProxy,
    /// etcd's CA.
    Etcd,
    /// The key that signs tokens of service accounts.
    Tokens,
}

impl Track {
    /// Under which its places stand in an inventory.
    pub(crate) fn domain(self) -> Domain {
        match self {
            Self::Cluster => Domain::Cluster,
            Self::FrontProxy => Domain::FrontProxy,
            Self::Etcd => Domain::Etcd,
            Self::Tokens => Domain::Tokens,
        }
    }

    /// As it is printed and typed.
    pub(crate) fn as_str(self) -> &'static str {
        self.domain().as_str()
    }
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How certificates are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strategy {
    /// New leaves under the CA of today.
    Renew,
    /// The CA of today with new dates, under its own key and name.
    RenewCa,
    /// A new CA; both are trusted in between.
    Rolling,
    /// A new CA at once, in an outage.
    Window,
    /// Certificates have expired: new dates for all that needs them, without asking the API.
    Recover,
}

impl Strategy {
    /// As it is printed and typed.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Renew => "renew",
            Self::RenewCa => "renew-ca",
            Self::Rolling => "rolling",
            Self::Window => "window",
            Self::Recover => "recover",
        }
    }

    /// The stages that it goes through.
    pub(crate) fn route(self) -> &'static [Stage] {
        match self {
            Self::Renew => &[Stage::Switch],
            Self::RenewCa | Self::Window | Self::Recover => &[Stage::Retire],
            Self::Rolling => &[Stage::Accept, Stage::Sign, Stage::Switch, Stage::Retire],
        }
    }

    /// Whether there is a new CA with a key of its own.
    pub(crate) fn has_new_key(self) -> bool {
        matches!(self, Self::Rolling | Self::Window)
    }

    /// Whether leaves are issued anew.
    pub(crate) fn renews_leaves(self) -> bool {
        !matches!(self, Self::RenewCa)
    }
}
