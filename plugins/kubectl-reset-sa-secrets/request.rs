//! What is asked for, valid by making.

use rotation_core::facts::account::AccountToken;
use rotation_core::facts::ca_bundle::CaBundle;
use rotation_core::facts::selector::Selector;
use rotation_core::facts::signing_key::PublicKeys;
use rotation_core::plan::recycle::options::Options;
use rotation_core::plan::recycle::presets::Presets;
use rotation_core::world::cluster::Scope;
use std::collections::BTreeSet;

/// The runbooks' scope.
pub(crate) const USUAL: [&str; 2] = ["kube-system", "default"];

/// How secrets are renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Refill; replace what cannot be refilled.
    Auto,
    /// Only refill.
    Refill,
    /// Only replace.
    Replace,
}

/// What becomes of the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recycle {
    /// Those that hold an outdated token are recycled.
    Stale,
    /// They are listed, and left alone.
    List,
    /// They are not even looked at.
    None,
}

/// What would be left alone otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Allow {
    /// Secrets that an operator or a platform takes care of.
    Foreign,
    /// Tokens that the cleaner of unused tokens made invalid.
    Invalid,
    /// A revocation after which pods name a secret that is gone.
    DeadNames,
}

impl Allow {
    /// All, with the word for the command line.
    pub(crate) const WORDS: [(Self, &str); 3] =
        [(Self::Foreign, "foreign"), (Self::Invalid, "invalid"), (Self::DeadNames, "dead-names")];
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Where.
    pub(crate) scope: Scope,
    /// These secrets; empty is all.
    pub(crate) names: Vec<String>,
    /// Secrets with these labels.
    pub(crate) labels: Option<Selector>,
    /// Secrets of these accounts; empty is all.
    pub(crate) accounts: Vec<String>,
    /// How.
    pub(crate) mode: Mode,
    /// The old tokens must be refused afterwards.
    pub(crate) revoke: bool,
    /// Also tokens that work, or of which nothing is known.
    pub(crate) all: bool,
    /// What becomes of the pods.
    pub(crate) recycle: Recycle,
    /// The CA that must be published.
    pub(crate) expect_ca: Option<CaBundle>,
    /// Keys that tokens must be signed with.
    pub(crate) keys: PublicKeys,
    /// What would be left alone.
    pub(crate) allow: BTreeSet<Allow>,
    /// How pods are recycled.
    pub(crate) options: Options,
    /// Their order.
    pub(crate) presets: Presets,
}

impl Request {
    /// Whether a secret is meant.
    pub(crate) fn means(&self, secret: &AccountToken) -> bool {
        let name = &secret.secret.name;
        let named = self.names.is_empty() || self.names.contains(name);
        let labelled = self.labels.as_ref().is_none_or(|l| l.matches(&secret.labels));
        let of_account =
            self.accounts.is_empty() || self.accounts.iter().any(|a| **a == *secret.account);
        named && labelled && of_account
    }

    /// Whether only some of the secrets of the scope are meant.
    pub(crate) fn narrows(&self) -> bool {
        !self.names.is_empty() || self.labels.is_some() || !self.accounts.is_empty()
    }

    /// Whether the operator names it on the command line.
    pub(crate) fn allows(&self, what: Allow) -> bool {
        self.allow.contains(&what)
    }
}
