//! What a service-account token says of itself (RFC 7519), without believing it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::fmt;

/// Header and payload, as far as they are read. No part of the signature is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `alg`: `RS256`, `ES256`, ...
    pub algorithm: String,
    /// `kid`: base64url of the SHA-256 of the public key's DER; old controller managers write none.
    pub key_id: Option<String>,
    /// `sub`: `system:serviceaccount:NAMESPACE:NAME`.
    pub subject: String,
    /// The namespace of the secret.
    pub namespace: Option<String>,
    /// The secret that the token stands in; none for tokens that a kubelet asked for.
    pub secret: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Header {
    alg: String,
    kid: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Payload {
    sub: String,
    #[serde(rename = "kubernetes.io/serviceaccount/namespace")]
    namespace: Option<String>,
    #[serde(rename = "kubernetes.io/serviceaccount/secret.name")]
    secret: Option<String>,
}

impl Claims {
    /// Reads a token; `None` for what is none.
    pub fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || signature.is_empty() {
            return None;
        }
        let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let payload: Payload =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        Some(Self {
            algorithm: header.alg,
            key_id: header.kid.filter(|kid| !kid.is_empty()),
            subject: payload.sub,
            namespace: payload.namespace,
            secret: payload.secret,
        })
    }
}

/// A key's name, short enough for a line.
pub fn short(key_id: &str) -> impl fmt::Display {
    key_id.chars().take(8).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn reads_what_controller_managers_write() {
        let payload = r#"{"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"ns",
            "kubernetes.io/serviceaccount/secret.name":"default-token-x","sub":"system:serviceaccount:ns:default"}"#;
        let read = Claims::read(&token(r#"{"alg":"RS256","kid":"k"}"#, payload)).expect("a token");
        assert_eq!(
            (read.algorithm.as_str(), read.key_id.as_deref(), read.secret.as_deref()),
            ("RS256", Some("k"), Some("default-token-x"))
        );
        assert_eq!(read.subject, "system:serviceaccount:ns:default");
        // Before 1.13 there was no key's name, and an empty one is none.
        for header in [r#"{"alg":"RS256"}"#, r#"{"alg":"RS256","kid":""}"#] {
            assert_eq!(Claims::read(&token(header, "{}")).expect("a token").key_id, None);
        }
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let good = token("{}", "{}");
        for text in ["", "a.b", "a.b.c", &good.replace('.', " "), &format!("{good}.x"), "e30.e30."]
        {
            assert_eq!(Claims::read(text), None, "{text}");
        }
    }
}
