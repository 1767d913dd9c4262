//! Text that only the doors may look at: tools hold it and pass it on, and cannot print it.

use super::credential::Digest;
use super::jwt::Claims;
use secrecy::{ExposeSecret as _, SecretString};
use std::fmt;

/// A token: what it says of itself and its digest are open, its text is not.
///
/// Wiped from memory when it is dropped.
#[derive(Clone)]
pub struct HeldToken {
    text: SecretString,
    /// SHA-256 of its base64 form, as staleness compares it.
    pub digest: Digest,
    /// What it says of itself; `None` for what is no JSON web token.
    pub claims: Option<Claims>,
}

impl HeldToken {
    /// Takes a token, and the digest of its base64 form.
    pub fn new(text: String, digest: Digest) -> Self {
        let claims = Claims::read(&text);
        Self { text: SecretString::from(text), digest, claims }
    }

    /// The name of the key that it claims to be signed with.
    pub fn key_id(&self) -> Option<&str> {
        self.claims.as_ref()?.key_id.as_deref()
    }

    /// The text, for the doors of this crate alone.
    pub(crate) fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

impl fmt::Debug for HeldToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldToken").field("digest", &self.digest).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_never_printed() {
        let token = HeldToken::new("aaa.bbb.hunter2".to_owned(), Digest::of(b"x"));
        let said = format!("{token:?} {:?}", token.clone());
        assert!(!said.contains("hunter2") && said.contains("sha256:"), "{said}");
    }
}
