//! What was seen: secrets, accounts, what the API servers say of the tokens, who uses them.

use crate::request::Request;
use jiff::Timestamp;
use rotation_core::apply::memory::Memory;
use rotation_core::facts::account::{Account, AccountToken, OtherSecret};
use rotation_core::facts::ca_bundle::CaBundle;
use rotation_core::facts::credential::{Digest, SecretName, TokenSecret};
use rotation_core::facts::jwt::Claims;
use rotation_core::facts::signing_key::PublicKeys;
use rotation_core::plan::recycle::scene::Scene;
use rotation_core::plan::staleness::{CredentialKey, Credentials};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What was learnt of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// Every API server that was asked accepts it, or a known key verifies it.
    Accepted,
    /// One does not.
    Refused(String),
    /// Nobody could be asked.
    Unknown(String),
}

/// What was seen.
#[derive(Default)]
pub(crate) struct Inventory {
    /// Token secrets that are meant.
    pub(crate) secrets: Vec<AccountToken>,
    /// Every token secret of the scope, by namespace and name.
    pub(crate) known: HashSet<(String, String)>,
    /// Accounts by namespace and name.
    pub(crate) accounts: HashMap<(Box<str>, Box<str>), Account>,
    /// Secrets of other types.
    pub(crate) others: Vec<OtherSecret>,
    /// Namespaces that are going.
    pub(crate) terminating: BTreeSet<String>,
    /// What was learnt of each token.
    pub(crate) judged: HashMap<Digest, Judged>,
    /// The CA that the controller manager publishes; `None` below 1.20.
    pub(crate) published: Option<CaBundle>,
    /// Keys to verify tokens with where nobody may be asked.
    pub(crate) keys: PublicKeys,
    /// Tokens could be asked about.
    pub(crate) may_review: bool,
    /// The credential of this command.
    pub(crate) own: Option<Claims>,
    /// Pods that name one of the secrets, with what decisions about them need.
    pub(crate) scene: Scene,
    /// Token secrets that pods name and that are not there.
    pub(crate) missing: Vec<SecretName>,
    /// Pods whose tokens their kubelets fetch.
    pub(crate) bound: usize,
    /// What earlier runs knew.
    pub(crate) memory: Memory,
    /// The API server's time.
    pub(crate) now: Timestamp,
}

impl Inventory {
    /// The account of a secret.
    pub(crate) fn account(&self, secret: &AccountToken) -> Option<&Account> {
        let key = (secret.secret.namespace.as_str().into(), secret.account.clone());
        self.accounts.get(&key)
    }

    /// Whether a secret holds the credential that this command uses.
    pub(crate) fn is_own(&self, secret: &AccountToken) -> bool {
        self.own.as_ref().is_some_and(|own| {
            own.namespace.as_ref() == Some(&secret.secret.namespace)
                && own.secret.as_ref() == Some(&secret.secret.name)
        })
    }

    /// The CA that secrets should carry: the operator's word, else what is published.
    pub(crate) fn expected_ca<'a>(&'a self, request: &'a Request) -> Option<&'a CaBundle> {
        request.expect_ca.as_ref().or(self.published.as_ref()).filter(|ca| !ca.is_empty())
    }

    /// What the cluster hands out, as staleness looks at it.
    pub(crate) fn credentials(&self) -> Credentials {
        let tokens = self.secrets.iter().map(|s| {
            let key: SecretName =
                (s.secret.namespace.as_str().into(), s.secret.name.as_str().into());
            let fact = TokenSecret {
                namespace: key.0.clone(),
                name: key.1.clone(),
                uid: s.secret.uid.clone(),
                created: s.created,
                written: s.written,
                token: s.token.as_ref().map(|t| t.digest),
                ca: s.ca_digest,
            };
            (key, fact)
        });
        // Kubernetes' dates have whole seconds: what was made in a run's first second may be that run's own.
        let whole = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
        let seen = self.memory.seen_before().into_iter();
        Credentials {
            tokens: tokens.collect(),
            missing: self.missing.iter().cloned().collect(),
            seen_before: seen.map(|(key, (digest, at))| (key, (digest, whole(at)))).collect(),
            ..Credentials::default()
        }
    }

    /// Digests of the tokens, for the journal.
    pub(crate) fn digests(&self) -> Vec<(CredentialKey, Digest)> {
        let digest = |s: &AccountToken| {
            let (namespace, name) =
                (s.secret.namespace.as_str().into(), s.secret.name.as_str().into());
            Some((CredentialKey::Token { namespace, name }, s.token.as_ref()?.digest))
        };
        let mut digests: Vec<_> = self.secrets.iter().filter_map(digest).collect();
        digests.sort_by(|a, b| a.0.cmp(&b.0));
        digests
    }
}
