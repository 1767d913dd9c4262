//! What is done about each token secret, or why it is left alone. Pure.

use crate::inventory::Inventory;
use crate::pods::Users;
use crate::request::{Allow, Mode, Request};
use crate::state::{Origin, State, classify, origin};
use rotation_core::facts::account::AccountToken;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::words::time;
use rotation_core::plan::document::{SkipReason, Skipped};
use rotation_core::plan::staleness::CredentialKey;

/// How a secret is renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// Emptied, and filled again by the controller manager.
    Refill {
        /// Also the mark of the cleaner of unused tokens goes.
        revive: bool,
    },
    /// The controller manager does it by itself.
    Await,
    /// A new secret of another name is made first, then this one goes.
    Beside {
        /// The new one's name.
        name: String,
    },
    /// This one goes, and another one is made under its name.
    InPlace,
}

/// One secret, and what is done about it.
#[derive(Debug)]
pub(crate) struct Decided<'a> {
    /// The secret.
    pub(crate) secret: &'a AccountToken,
    /// Its state.
    pub(crate) state: State,
    /// Who made it.
    pub(crate) origin: Origin,
    /// What is done.
    pub(crate) renewal: Option<Renewal>,
    /// Why it is renewed, or left.
    pub(crate) reason: String,
    /// Why it is left alone, where that is worth saying.
    pub(crate) left: Option<Skipped>,
}

/// Decides about every secret that is meant, kube-system first, then by namespace and name.
pub(crate) fn decide<'a>(
    inventory: &'a Inventory,
    request: &Request,
    users: &Users,
) -> Vec<Decided<'a>> {
    let mut decided: Vec<Decided<'a>> =
        inventory.secrets.iter().map(|secret| one(secret, inventory, request, users)).collect();
    decided.sort_by(|a, b| place(a.secret).cmp(&place(b.secret)));
    decided
}

fn place(secret: &AccountToken) -> (bool, bool, &str, &str) {
    let namespace = secret.secret.namespace.as_str();
    (namespace != "kube-system", namespace != "default", namespace, &secret.secret.name)
}

/// What comes of one secret: renewed how, or left why.
enum Way {
    Renew(Renewal),
    Leave,
    Refuse(SkipReason, String),
    Remark(SkipReason, String),
}

fn one<'a>(
    secret: &'a AccountToken,
    inventory: &'a Inventory,
    request: &Request,
    users: &Users,
) -> Decided<'a> {
    let state = classify(secret, inventory, request);
    let origin = if superseded(secret, inventory) {
        // The account lists the new one already.
        Origin::Automatic
    } else {
        origin(secret, inventory.account(secret))
    };
    let mut reason = state.reason();
    let mut way = way(secret, &state, origin, inventory, request, users);
    if let Way::Renew(renewal) = &way
        && *renewal != Renewal::Await
        && inventory.is_own(secret)
    {
        way = Way::Refuse(
            SkipReason::OwnCredential,
            format!(
                "{reason}, and it is the credential that this command itself uses: use another one"
            ),
        );
    }
    if matches!(way, Way::Renew(_))
        && matches!(state, State::Fresh | State::OldCa)
        && request.revoke
    {
        "to be revoked".clone_into(&mut reason);
    }
    let left = |reason: SkipReason, message: &str, refused: bool| {
        Some(Skipped {
            target: secret.secret.clone(),
            reason,
            message: message.to_owned(),
            refused,
        })
    };
    let (renewal, left) = match way {
        Way::Renew(renewal) => (Some(renewal), None),
        Way::Leave => (None, None),
        Way::Refuse(why, message) => {
            let left = left(why, &message, true);
            reason = message;
            (None, left)
        }
        Way::Remark(why, message) => {
            let left = left(why, &message, false);
            reason = message;
            (None, left)
        }
    };
    Decided { secret, state, origin, renewal, reason, left }
}

fn way(
    secret: &AccountToken,
    state: &State,
    origin: Origin,
    inventory: &Inventory,
    request: &Request,
    users: &Users,
) -> Way {
    let renew = |same_key: bool| renew(secret, same_key, origin, request, users);
    match state {
        State::Going(why) => Way::Remark(SkipReason::Terminating, why.clone()),
        State::Orphan(why) => Way::Remark(SkipReason::Orphan, why.clone()),
        State::Foreign(why) => Way::Remark(
            SkipReason::Foreign,
            format!("{why}, which renews it in its own way; `--allow foreign` does it here"),
        ),
        State::Invalid(_) => Way::Remark(
            SkipReason::Invalid,
            format!("{}; `--allow invalid`, or its name, renews it", state.reason()),
        ),
        State::Fresh | State::OldCa if request.revoke => {
            match renewed_by_us(secret, inventory).filter(|_| !request.all) {
                Some(why) => Way::Remark(SkipReason::Fresh, why),
                None => renew(true),
            }
        }
        State::Fresh if request.all => renew(true),
        State::Fresh => Way::Leave,
        State::OldCa | State::Empty if secret.immutable => renew(false),
        State::OldCa | State::Empty => Way::Renew(Renewal::Await),
        State::Refused(_) | State::OtherKey(_) => renew(false),
        State::Unknown(_) if request.all || request.revoke => renew(true),
        State::Unknown(why) => Way::Refuse(
            SkipReason::Unknown,
            format!("whether it works is not known: {why}; --all renews it all the same"),
        ),
    }
}

/// `same_key`: the token may be signed with the key that a new one will be signed with.
fn renew(
    secret: &AccountToken,
    same_key: bool,
    origin: Origin,
    request: &Request,
    users: &Users,
) -> Way {
    let named = users.by_name(secret);
    let beside = || Way::Renew(Renewal::Beside { name: another_name(secret) });
    if request.revoke && same_key {
        // Under one key and one name the controller manager writes the same bytes again.
        if named > 0 && !request.allows(Allow::DeadNames) {
            let message = format!(
                "only a secret of another name revokes its token, and {named} of its pods name this one: let their \
                 templates name another secret first, or `--allow dead-names` leaves them without"
            );
            return Way::Refuse(SkipReason::DeadName, message);
        }
        return beside();
    }
    let replace = || match origin {
        Origin::Automatic if named == 0 => beside(),
        Origin::Automatic | Origin::ByHand => Way::Renew(Renewal::InPlace),
    };
    match request.mode {
        Mode::Auto | Mode::Replace if secret.immutable => replace(),
        Mode::Replace => replace(),
        Mode::Refill if secret.immutable => Way::Refuse(
            SkipReason::Immutable,
            "it is immutable and cannot be refilled; `--mode auto` replaces it".to_owned(),
        ),
        // What holds nothing needs no emptying.
        Mode::Auto | Mode::Refill if secret.token.is_none() => Way::Renew(Renewal::Await),
        Mode::Auto | Mode::Refill => {
            Way::Renew(Renewal::Refill { revive: secret.invalid_since().is_some() })
        }
    }
}

/// Why a token that is to be revoked has been renewed already, by the run that this one goes on with.
fn renewed_by_us(secret: &AccountToken, inventory: &Inventory) -> Option<String> {
    let (namespace, name) =
        (secret.secret.namespace.as_str().into(), secret.secret.name.as_str().into());
    let key = CredentialKey::Token { namespace, name };
    let digest = secret.token.as_ref()?.digest;
    let run = inventory.memory.unfinished(inventory.now).find(|run| {
        // Kubernetes' dates have whole seconds.
        let made = secret.replaces && secret.created.as_second() >= run.at.as_second();
        made || run.seen.get(&key).is_some_and(|seen| *seen != digest)
    })?;
    Some(format!(
        "the run of {}, which did not do all, has renewed it; --all does it again",
        time(run.at)
    ))
}

/// Whether a run that was cut off has made the secret that takes this one's place.
fn superseded(secret: &AccountToken, inventory: &Inventory) -> bool {
    inventory.known.contains(&(secret.secret.namespace.clone(), another_name(secret)))
}

/// A name for the secret that takes this one's place: the same each time, so that a run that goes on finds it.
fn another_name(secret: &AccountToken) -> String {
    // Kubernetes' own letters for names, which form no words.
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let digest = Digest::of(secret.secret.uid.as_str().as_bytes()).to_string();
    let tail = digest.as_bytes().chunks(2).take(5).map(|pair| {
        let number = pair.iter().fold(0_usize, |sum, b| sum * 16 + usize::from(*b));
        char::from(LETTERS[number % LETTERS.len()])
    });
    let mut stem = secret.account.to_string();
    // At most 253 characters in all.
    stem.truncate(240);
    format!("{stem}-token-{}", tail.collect::<String>())
}
