//! The key that signs the tokens of service accounts, and the keys that API servers accept.
//!
//! The controller manager signs what is in token secrets, each API server what `TokenRequest` gives out; each API
//! server accepts the keys of its own command line. All read their files once, so every change here restarts.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::settings::Component;
use super::{Loopback, pki};

const SIGNS_SECRETS: &str = "--service-account-private-key-file";
const SIGNS_REQUESTS: &str = "--service-account-signing-key-file";
const ACCEPTED: &str = "--service-account-key-file";

/// A key pair (RSA) that signs tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    folder: PathBuf,
}

/// What becomes of the tokens of the key before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldTokens {
    /// API servers go on accepting them: the old key is their second one.
    Accepted,
    /// API servers refuse them.
    Refused,
}

impl OldTokens {
    /// For a person.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        }
    }
}

impl SigningKey {
    /// The private key's file.
    pub fn private(&self) -> PathBuf {
        self.folder.join("sa.key")
    }

    /// The public key's file.
    pub fn public(&self) -> PathBuf {
        self.folder.join("sa.pub")
    }
}

impl Loopback {
    /// The key with which the controller manager signs now.
    pub fn signing_key(&self) -> SigningKey {
        let folder = self
            .flags_named(Component::ControllerManager, SIGNS_SECRETS)
            .pop()
            .and_then(|file| Some(Path::new(&file).parent()?.to_path_buf()));
        SigningKey { folder: folder.unwrap_or_else(|| self.pki()) }
    }

    /// Makes a key called `name`, and puts it to no use.
    pub fn new_signing_key(&self, name: &str) -> Result<SigningKey> {
        let folder = pki::signing_key(&self.kubeadm(), &self.settings(), self.dir(), name)?;
        Ok(SigningKey { folder })
    }

    /// Lets API server `n` accept exactly these keys, and sign with the first: it is restarted. With different keys
    /// for different servers a token works on some of them only.
    pub fn accept_keys(&self, n: u32, keys: &[&SigningKey]) -> Result<()> {
        self.set_accepted(n, keys)?;
        self.restart(Component::ApiServer(n))?;
        self.wait_api_server(n)
    }

    /// Lets the controller manager sign with this key: it is restarted. Tokens that are there stay as they are.
    pub fn sign_with(&self, key: &SigningKey) -> Result<()> {
        let flag = format!("{SIGNS_SECRETS}={}", key.private().display());
        self.also_flags(Component::ControllerManager, &[&flag])?;
        self.restart(Component::ControllerManager)?;
        self.wait_controller_manager()
    }

    /// A new signing key called `name` for the whole control plane, all of which is restarted at once, as in the
    /// runbooks. No token secret is touched.
    pub fn rotate_signing_key(&self, name: &str, old: OldTokens) -> Result<SigningKey> {
        let before = self.signing_key();
        let key = self.new_signing_key(name)?;
        let accepted = match old {
            OldTokens::Accepted => vec![&key, &before],
            OldTokens::Refused => vec![&key],
        };
        self.rotate_to(&accepted)?;
        Ok(key)
    }

    /// Lets the whole control plane sign with the first of these keys and accept all of them.
    pub fn rotate_to(&self, keys: &[&SigningKey]) -> Result<()> {
        let first = keys.first().context("a control plane needs a signing key")?;
        let servers: Vec<u32> = (0..self.settings().api_servers).collect();
        // Together: each takes seconds, and nothing else of the cluster has to go on meanwhile.
        for &n in &servers {
            self.set_accepted(n, keys)?;
            self.restart(Component::ApiServer(n))?;
        }
        for &n in &servers {
            self.wait_api_server(n)?;
        }
        self.sign_with(first)
    }

    fn set_accepted(&self, n: u32, keys: &[&SigningKey]) -> Result<()> {
        let first = keys.first().context("an API server needs a key")?;
        let mut flags = vec![format!("{SIGNS_REQUESTS}={}", first.private().display())];
        flags.extend(keys.iter().map(|key| format!("{ACCEPTED}={}", key.public().display())));
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        self.also_flags(Component::ApiServer(n), &flags)
    }
}
