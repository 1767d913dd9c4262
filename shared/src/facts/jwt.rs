//! What a service-account token says of itself (RFC 7519), without believing it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use std::fmt;

/// Header and payload, as far as they are read. No part of the signature is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `alg`: `RS256`, `ES256`, ...
    pub algorithm: String,
    /// `kid`: base64url of the SHA-256 of the public key's DER; old controller managers write none.
    pub key_id: Option<String>,
    /// `iss`: who says that it made it.
    pub issuer: String,
    /// `sub`: `system:serviceaccount:NAMESPACE:NAME`.
    pub subject: String,
    /// `iat`: since when it is valid; token secrets have none.
    pub issued: Option<Timestamp>,
    /// `exp`: until when it is valid; token secrets are valid for ever.
    pub expires: Option<Timestamp>,
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
    iss: Option<String>,
    sub: String,
    // Numbers of any form (RFC 7519, 2): a date that nobody can read must not hide the rest.
    iat: Option<serde_json::Number>,
    exp: Option<serde_json::Number>,
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
            issuer: payload.iss.unwrap_or_default(),
            subject: payload.sub,
            issued: payload.iat.as_ref().and_then(date),
            expires: payload.exp.as_ref().and_then(date),
            namespace: payload.namespace,
            secret: payload.secret,
        })
    }
}

fn date(seconds: &serde_json::Number) -> Option<Timestamp> {
    if let Some(whole) = seconds.as_i64() {
        return Timestamp::from_second(whole).ok();
    }
    let span = jiff::SignedDuration::try_from_secs_f64(seconds.as_f64()?).ok()?;
    Timestamp::from_second(span.as_secs()).ok()
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
        assert_eq!(read.issuer, "kubernetes/serviceaccount");
        assert_eq!((read.issued, read.expires), (None, None));
        // Before 1.13 there was no key's name, and an empty one is none.
        for header in [r#"{"alg":"RS256"}"#, r#"{"alg":"RS256","kid":""}"#] {
            assert_eq!(Claims::read(&token(header, "{}")).expect("a token").key_id, None);
        }
    }

    #[test]
    fn bound_tokens_have_dates() {
        let payload =
            r#"{"iss":"https://kubernetes.default.svc","iat":1700000000,"exp":1700003600.5}"#;
        let read = Claims::read(&token("{}", payload)).expect("a token");
        assert_eq!(read.issued, Timestamp::from_second(1_700_000_000).ok());
        assert_eq!(read.expires, Timestamp::from_second(1_700_003_600).ok());
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
