//! In which state each token secret is. Pure.

use crate::inventory::{Inventory, Judged};
use crate::request::{Allow, Request};
use rotation_core::facts::account::{Account, AccountToken};
use rotation_core::facts::jwt::short;
use rotation_core::facts::signing_key::Signer;
use serde::Serialize;

/// The state of a token secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Everything about it is as it should be.
    Fresh,
    /// The controller manager has not filled it, or a run that was cut off has emptied it.
    Empty,
    /// The token works, and its CA is another one than is published: the controller manager mends that.
    OldCa,
    /// An API server refuses the token.
    Refused(String),
    /// The token is signed with another key than it should be.
    OtherKey(String),
    /// The cleaner of unused tokens lets it be refused since that day.
    Invalid(String),
    /// Its account is gone, or is another one of that name.
    Orphan(String),
    /// Somebody else takes care of it.
    Foreign(String),
    /// It, or its namespace, is on its way out.
    Going(String),
    /// Nobody could be asked.
    Unknown(String),
}

impl State {
    /// A stable word for scripts.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Empty => "empty",
            Self::OldCa => "staleCa",
            Self::Refused(_) => "staleToken",
            Self::OtherKey(_) => "otherKey",
            Self::Invalid(_) => "invalid",
            Self::Orphan(_) => "orphan",
            Self::Foreign(_) => "foreign",
            Self::Going(_) => "terminating",
            Self::Unknown(_) => "unknown",
        }
    }

    /// In words.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Fresh => "the token is accepted".to_owned(),
            Self::Empty => "it holds no token".to_owned(),
            Self::OldCa => "its ca.crt is not the one that is published".to_owned(),
            Self::Invalid(since) => {
                format!("nobody used it for long, and Kubernetes made it invalid on {since}")
            }
            Self::Refused(why)
            | Self::OtherKey(why)
            | Self::Orphan(why)
            | Self::Foreign(why)
            | Self::Going(why)
            | Self::Unknown(why) => why.clone(),
        }
    }

    /// Whether somebody has to do something about it.
    pub(crate) fn is_finding(&self) -> bool {
        match self {
            Self::Fresh | Self::Foreign(_) | Self::Going(_) => false,
            Self::Empty
            | Self::OldCa
            | Self::Refused(_)
            | Self::OtherKey(_)
            | Self::Invalid(_)
            | Self::Orphan(_)
            | Self::Unknown(_) => true,
        }
    }
}

/// Who made a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Origin {
    /// The controller manager, which listed it in its account.
    Automatic,
    /// Somebody, by a manifest.
    ByHand,
}

/// Who made it: what the controller manager makes is listed in its account and bears a name of its making.
pub(crate) fn origin(secret: &AccountToken, account: Option<&Account>) -> Origin {
    let name = &*secret.secret.name;
    let made = name.strip_prefix(&*secret.account).and_then(|rest| rest.strip_prefix("-token-"));
    let listed = account.is_some_and(|a| a.secrets.iter().any(|s| **s == *name));
    if listed && made.is_some_and(|tail| tail.len() == 5) {
        Origin::Automatic
    } else {
        Origin::ByHand
    }
}

/// Classifies one secret.
pub(crate) fn classify(secret: &AccountToken, inventory: &Inventory, request: &Request) -> State {
    let namespace = &secret.secret.namespace;
    if inventory.terminating.contains(namespace) {
        return State::Going("its namespace is on its way out".to_owned());
    }
    if secret.deleting {
        return State::Going("it is being deleted".to_owned());
    }
    if let Some(keeper) = secret.keeper.as_ref().filter(|_| !request.allows(Allow::Foreign)) {
        return State::Foreign(format!("it belongs to {keeper}"));
    }
    let account = inventory.account(secret);
    match (account, &secret.account_uid) {
        (None, _) => {
            return State::Orphan(format!(
                "its account `{}` is gone: the controller manager deletes it",
                secret.account
            ));
        }
        (Some(account), Some(uid)) if account.uid != *uid => {
            return State::Orphan(format!(
                "its account `{}` was made again since: the controller manager deletes it",
                secret.account
            ));
        }
        (Some(_), _) => {}
    }
    let meant = request.allows(Allow::Invalid) || request.names.contains(&secret.secret.name);
    if let Some(since) = secret.invalid_since().filter(|_| !meant) {
        return State::Invalid(since.to_owned());
    }
    let Some(token) = &secret.token else { return State::Empty };
    if !request.keys.is_empty() {
        match request.keys.signer(token) {
            Signer::These => {}
            Signer::Another => {
                let key = token.key_id().map(|k| format!(" ({})", short(k))).unwrap_or_default();
                return State::OtherKey(format!(
                    "it is signed with another key{key} than --sa-public-key names"
                ));
            }
            Signer::Unclear => {
                return State::Unknown("its signature cannot be checked here".to_owned());
            }
        }
    }
    match inventory.judged.get(&token.digest) {
        Some(Judged::Refused(why)) => return State::Refused(why.clone()),
        Some(Judged::Accepted) => {}
        // The key that the operator names has verified it.
        Some(Judged::Unknown(_)) | None if !request.keys.is_empty() => {}
        Some(Judged::Unknown(why)) => return State::Unknown(why.clone()),
        None => return State::Unknown("it was not asked about".to_owned()),
    }
    match inventory.expected_ca(request) {
        Some(expected) if *expected != secret.ca => State::OldCa,
        _ => State::Fresh,
    }
}
