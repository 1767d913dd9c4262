//! How one knows that a token works, that its account lists it, and that an old one is refused.

use super::{ASK_AGAIN, Keeper};
use crate::apply::effect::Verified;
use crate::apply::outcome::Proof;
use crate::facts::account::Account;
use crate::facts::ca_bundle::CaBundle;
use crate::facts::credential::Digest;
use crate::facts::held::HeldToken;
use crate::facts::identity::Uid;
use crate::facts::signing_key::Signer;
use crate::plan::document::{Action, Step};
use crate::world::cluster::Review;
use std::time::Duration;

/// A controller manager takes a deleted secret off its account's list, also where one of that name is there again.
const UNLISTED_WITHIN: Duration = Duration::from_secs(3);

impl Keeper<'_> {
    /// Asks every API server about tokens that nobody has accepted yet.
    pub(super) fn judge(&mut self, tokens: Vec<HeldToken>) {
        let now = self.clock.uptime();
        let due = |token: &HeldToken| match self.judged.get(&token.digest) {
            None => true,
            Some((_, None)) => false,
            Some((at, Some(_))) => now.saturating_sub(*at) >= ASK_AGAIN,
        };
        let tokens: Vec<HeldToken> = tokens.into_iter().filter(due).collect();
        if tokens.is_empty() {
            return;
        }
        let mut why: Vec<Option<String>> = tokens.iter().map(|_| None).collect();
        if self.proofs.may_review {
            for server in std::iter::once(self.cluster).chain(self.others) {
                for (why, answer) in why.iter_mut().zip(server.review(&tokens)) {
                    let refusal = match answer {
                        Ok(Review::Accepted { .. }) => continue,
                        Ok(Review::Refused { .. }) => {
                            format!("the API server {} to accept it", server.server())
                        }
                        Err(error) => {
                            format!(
                                "the API server {} to say whether it accepts it: {error}",
                                server.server()
                            )
                        }
                    };
                    why.get_or_insert(refusal);
                }
            }
        } else if !self.proofs.keys.is_empty() {
            for (why, token) in why.iter_mut().zip(&tokens) {
                if self.proofs.keys.signer(token) != Signer::These {
                    *why = Some("it to be signed with a key that is known".to_owned());
                }
            }
        }
        for (token, why) in tokens.iter().zip(why) {
            self.judged.insert(token.digest, (now, why));
        }
    }

    pub(super) fn works(
        &mut self,
        namespace: &str,
        name: &str,
        other_than: Option<Digest>,
        ca: &CaBundle,
    ) -> Verified {
        let Some(secret) = self.get(namespace, name) else {
            return Verified::Waiting("the secret to be there".to_owned());
        };
        let Some(token) = secret.token.clone() else {
            return Verified::Waiting("the controller manager to fill it".to_owned());
        };
        let same = other_than == Some(token.digest);
        if same && !self.emptied.contains(&secret.secret.uid) {
            return Verified::Waiting("it to hold another token".to_owned());
        }
        let expected = if ca.is_empty() { self.proofs.ca.as_ref() } else { Some(ca) };
        if let Some(expected) = expected.filter(|expected| **expected != secret.ca) {
            return Verified::Waiting(format!(
                "the controller manager to write the CA {expected}, it holds {}",
                secret.ca
            ));
        }
        let digest = token.digest;
        self.judge(vec![token]);
        match self.judged.get(&digest) {
            Some((_, None)) => {
                let note = same
                    .then(|| "the same token again: the signing key has not changed".to_owned());
                Verified::Holds(Proof { note, ..Proof::default() })
            }
            Some((_, Some(why))) => Verified::Waiting(why.clone()),
            None => Verified::Waiting("an answer of the API servers".to_owned()),
        }
    }

    /// Where a secret is made again under its name, the old one proves nothing of the new one.
    pub(super) fn too_early(&self, step: &Step) -> Option<Verified> {
        let in_place = match &step.action {
            Action::CreateToken { name, .. } => *name == step.target.name,
            Action::RepointAccount { to, .. } => *to == step.target.name,
            Action::RefillToken { .. }
            | Action::AwaitToken
            | Action::DeleteSecret
            | Action::EvictPod { .. }
            | Action::DeletePod { .. }
            | Action::AwaitPod
            | Action::CreatePod { .. }
            | Action::RestartRollout { .. } => false,
        };
        if !in_place {
            return None;
        }
        if self.target(step).is_some() {
            return Some(Verified::Waiting("the old one to be gone".to_owned()));
        }
        let since = self.deleted.get(&step.target.uid)?;
        let young = self.clock.uptime().saturating_sub(*since) < UNLISTED_WITHIN;
        (young && matches!(step.action, Action::RepointAccount { .. })).then(|| {
            let what = "the controller manager to take the old one off its account's list";
            Verified::Waiting(what.to_owned())
        })
    }

    pub(super) fn account(&mut self, namespace: &str, name: &str) -> Option<Account> {
        let key = (namespace.to_owned(), name.to_owned());
        let now = self.clock.uptime();
        if let Some((at, account)) = self.accounts.get(&key)
            && now.saturating_sub(*at) < ASK_AGAIN
        {
            return account.clone();
        }
        // What cannot be read now is read again in a moment.
        let account = self.cluster.account(namespace, name).ok().flatten();
        self.accounts.insert(key, (now, account.clone()));
        account
    }

    pub(super) fn lists(&mut self, step: &Step, account: &str, secret: &str) -> Verified {
        let namespace = &step.target.namespace;
        let Some(found) = self.account(namespace, account) else {
            return Verified::Waiting(format!("account `{account}` to be readable"));
        };
        let names = |list: &[Box<str>], name: &str| list.iter().any(|n| **n == *name);
        let old = &step.target.name;
        let names_old =
            old != secret && (names(&found.secrets, old) || names(&found.pull_secrets, old));
        if names(&found.secrets, secret) && !names_old {
            Verified::Holds(Proof::default())
        } else {
            Verified::Waiting(format!("account `{account}` to list it"))
        }
    }

    pub(super) fn token_refused(&mut self, uid: &Uid) -> Verified {
        let Some(old) = self.before.get(uid).cloned() else {
            let note = Some(
                "whether the old token is refused is not known: it is no longer at hand".to_owned(),
            );
            return Verified::Holds(Proof { note, ..Proof::default() });
        };
        if !self.proofs.may_review {
            let note = Some("whether the old token is refused could not be asked".to_owned());
            return Verified::Holds(Proof { note, ..Proof::default() });
        }
        // A question of its own: an acceptance of before says nothing now.
        let now = self.clock.uptime();
        let waiting = |server: &str| {
            Verified::Waiting(format!(
                "the API server {server} to refuse the old token, which it remembers for ten seconds"
            ))
        };
        if let Some((at, Some(server))) = self.judged.get(&old_key(&old))
            && now.saturating_sub(*at) < ASK_AGAIN
        {
            return waiting(server);
        }
        for server in std::iter::once(self.cluster).chain(self.others) {
            let answer = server.review(std::slice::from_ref(&old)).into_iter().next();
            if !matches!(answer, Some(Ok(Review::Refused { .. }))) {
                let name = server.server().to_owned();
                self.judged.insert(old_key(&old), (now, Some(name.clone())));
                return waiting(&name);
            }
        }
        let note = Some("the old token is refused".to_owned());
        Verified::Holds(Proof { note, ..Proof::default() })
    }
}

/// The key under which refusals of an old token are remembered: not the one of its acceptance.
fn old_key(token: &HeldToken) -> Digest {
    Digest::of(format!("refused {}", token.digest).as_bytes())
}
