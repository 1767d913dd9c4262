//! Does a pod hold an outdated credential? Decided by evidence, without trusting a node's clock.
//!
//! Content is compared where content was seen before; otherwise the API server's own dates are. A write that the
//! server recorded proves a change; a write that it did not record proves nothing, since older servers forget some.

use crate::facts::credential::{Digest, RootCa, SecretName, TokenSecret};
use crate::facts::pod::{Pod, SecretUse};
use crate::facts::words::time;
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// Between a change of a ConfigMap or Secret and the new file in a running pod: 60 s to 90 s for the kubelet's
/// periodic sync, and what it takes to notice the change. A container started later has read the new file.
pub const PROPAGATION: SignedDuration = SignedDuration::from_secs(150);

/// Nodes stamp `startedAt` with their own clocks.
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// What the cluster hands out, and what is known of its past.
#[derive(Debug, Default)]
pub struct Credentials {
    /// `kube-root-ca.crt` by namespace.
    pub root_cas: HashMap<Box<str>, RootCa>,
    /// Token secrets by namespace and name.
    pub tokens: HashMap<SecretName, TokenSecret>,
    /// Token secrets that pods name and that are not there.
    pub missing: HashSet<SecretName>,
    /// Digests seen by an earlier run, and when.
    pub seen_before: HashMap<CredentialKey, (Digest, Timestamp)>,
    /// `--since`: the operator knows when credentials changed.
    pub since: Option<Timestamp>,
    /// The newest start of a controller manager: a root CA cannot have changed since.
    pub controller_manager_started: Option<Timestamp>,
}

/// What a digest was taken of.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub enum CredentialKey {
    /// The root CA of a namespace.
    RootCa {
        /// Namespace.
        namespace: Box<str>,
    },
    /// Token and CA of a token secret.
    Token {
        /// Namespace.
        namespace: Box<str>,
        /// Name.
        name: Box<str>,
    },
}

/// What is known of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It holds something outdated.
    Stale(Stale),
    /// It holds nothing outdated.
    Fresh(Fresh),
    /// Nothing proves either.
    Unknown(String),
}

/// Why a pod is stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Its spec names a token secret that is gone: no restart brings it back.
    MissingSecret(Box<str>),
    /// A token secret was written after its oldest container started.
    SecretWritten(Box<str>, Timestamp),
    /// A token secret has other content than an earlier run saw.
    SecretChanged(Box<str>, Timestamp),
    /// The namespace's root CA was written after its oldest container started.
    RootCaWritten(Timestamp),
    /// The namespace's root CA has other content than an earlier run saw.
    RootCaChanged(Timestamp),
    /// Older than the time that the operator gave.
    Since(Timestamp),
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingSecret(name) => write!(f, "its token secret `{name}` no longer exists"),
            Self::SecretWritten(name, at) => {
                write!(
                    f,
                    "token secret `{name}` was written at {}, after the pod started",
                    time(*at)
                )
            }
            Self::SecretChanged(name, at) => {
                write!(f, "token secret `{name}` has changed since {}", time(*at))
            }
            Self::RootCaWritten(at) => {
                write!(f, "the root CA was written at {}, after the pod started", time(*at))
            }
            Self::RootCaChanged(at) => write!(f, "the root CA has changed since {}", time(*at)),
            Self::Since(at) => write!(f, "started before {}", time(*at)),
        }
    }
}

/// Why a pod is fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// No token and no root CA in it.
    NoCredential,
    /// Everything it holds is older than its containers.
    StartedLater,
}

impl fmt::Display for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCredential => "it holds no cluster credential",
            Self::StartedLater => "nothing that it holds has changed since it started",
        })
    }
}

/// Judges one pod.
pub fn judge(pod: &Pod, credentials: &Credentials) -> Evidence {
    let in_namespace = |name: &str| (Box::from(&*pod.namespace), Box::from(name));
    let named = || pod.shape.secrets.iter().filter(|s| s.used_as != SecretUse::Pull);

    if let Some(gone) = named().find(|s| credentials.missing.contains(&in_namespace(&s.name))) {
        return Evidence::Stale(Stale::MissingSecret(gone.name.clone()));
    }
    let tokens: Vec<&TokenSecret> =
        named().filter_map(|s| credentials.tokens.get(&in_namespace(&s.name))).collect();
    if tokens.is_empty() && !pod.shape.bound_token && !pod.shape.mounts_root_ca() {
        return Evidence::Fresh(Fresh::NoCredential);
    }
    let stale = tokens.iter().find_map(|t| stale_token(pod, t, credentials));
    if let Some(stale) = stale.or_else(|| stale_root_ca(pod, credentials)) {
        return Evidence::Stale(stale);
    }
    if let Some(since) = credentials.since.filter(|since| started_before(pod, *since)) {
        return Evidence::Stale(Stale::Since(since));
    }
    match credentials.controller_manager_started {
        // The write may be one of those that the server did not record.
        Some(start) if started_before(pod, start) => Evidence::Unknown(format!(
            "the controller manager started at {}, after the pod, and may have changed the root CA",
            time(start)
        )),
        _ => Evidence::Fresh(Fresh::StartedLater),
    }
}

fn stale_token(pod: &Pod, secret: &TokenSecret, credentials: &Credentials) -> Option<Stale> {
    let key =
        CredentialKey::Token { namespace: secret.namespace.clone(), name: secret.name.clone() };
    if let Some(seen) = changed_since(&key, secret.token, pod, credentials) {
        return Some(Stale::SecretChanged(secret.name.clone(), seen));
    }
    let written = secret.written.map_or(secret.created, |w| w.max(secret.created));
    started_before(pod, written).then(|| Stale::SecretWritten(secret.name.clone(), written))
}

fn stale_root_ca(pod: &Pod, credentials: &Credentials) -> Option<Stale> {
    if !pod.shape.mounts_root_ca() {
        return None;
    }
    let root_ca = credentials.root_cas.get(&*pod.namespace)?;
    let key = CredentialKey::RootCa { namespace: root_ca.namespace.clone() };
    if let Some(seen) = changed_since(&key, root_ca.ca, pod, credentials) {
        return Some(Stale::RootCaChanged(seen));
    }
    let written = root_ca.written.map_or(root_ca.created, |w| w.max(root_ca.created));
    started_before(pod, written).then_some(Stale::RootCaWritten(written))
}

/// An earlier run saw other content, and the pod is older than that run: it may have read what was there then.
fn changed_since(
    key: &CredentialKey,
    now: Option<Digest>,
    pod: &Pod,
    credentials: &Credentials,
) -> Option<Timestamp> {
    let (digest, seen) = credentials.seen_before.get(key)?;
    (now != Some(*digest) && pod.created < *seen).then_some(*seen)
}

/// Whether the pod may have read what was there before `change`.
///
/// A pod made after the change reads the new content: both dates are the API server's. In an older pod only a container
/// that started after the kubelet had brought the new file counts, by a clock that may be off.
pub fn started_before(pod: &Pod, change: Timestamp) -> bool {
    if pod.created >= change {
        return false;
    }
    let safe = change.checked_add(PROPAGATION + CLOCK_SKEW).unwrap_or(Timestamp::MAX);
    pod.oldest_start.is_none_or(|start| start < safe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::pod::Interner;

    const CHANGE: &str = "2026-01-01T12:00:00Z";

    fn at(time: &str) -> Timestamp {
        format!("2026-01-01T{time}Z").parse().expect("time")
    }

    /// A pod with what it mounts, its creation and its container's start.
    fn pod(volumes: &str, created: &str, started: &str) -> Pod {
        let json = format!(
            r#"{{"metadata":{{"namespace":"ns","name":"p","uid":"u","creationTimestamp":"2026-01-01T{created}Z"}},
                "spec":{{"volumes":{volumes}}},
                "status":{{"phase":"Running","containerStatuses":[{{"name":"c","restartCount":0,
                  "state":{{"running":{{"startedAt":"2026-01-01T{started}Z"}}}}}}]}}}}"#
        );
        Pod::read(serde_json::from_str(&json).expect("json"), &mut Interner::default())
            .expect("pod")
    }

    const PROJECTED: &str = r#"[{"projected":{"sources":[{"serviceAccountToken":{"path":"token"}},{"configMap":{"name":"kube-root-ca.crt"}}]}}]"#;
    const SECRET: &str = r#"[{"secret":{"secretName":"default-token-abcde"}}]"#;

    fn root_ca(written: &str, content: &str) -> Credentials {
        let mut credentials = Credentials::default();
        credentials.root_cas.insert(
            "ns".into(),
            RootCa {
                namespace: "ns".into(),
                uid: "r".into(),
                created: at("00:00:00"),
                written: Some(at(written)),
                ca: Some(Digest::of(content.as_bytes())),
            },
        );
        credentials
    }

    fn token(created: &str, content: &str) -> Credentials {
        let mut credentials = Credentials::default();
        credentials.tokens.insert(
            ("ns".into(), "default-token-abcde".into()),
            TokenSecret {
                namespace: "ns".into(),
                name: "default-token-abcde".into(),
                uid: "t".into(),
                created: at(created),
                written: None,
                token: Some(Digest::of(content.as_bytes())),
                ca: None,
            },
        );
        credentials
    }

    #[test]
    fn by_the_servers_dates() {
        let changed = || root_ca("12:00:00", "new");
        for (what, volumes, created, started, credentials, stale) in [
            ("older than the change", PROJECTED, "11:00:00", "11:00:05", changed(), true),
            ("made after the change", PROJECTED, "12:00:01", "12:00:02", changed(), false),
            ("restarted long after", PROJECTED, "11:00:00", "12:03:01", changed(), false),
            (
                "restarted while files may be old",
                PROJECTED,
                "11:00:00",
                "12:02:29",
                changed(),
                true,
            ),
            (
                "restarted, but by a clock that may be off",
                PROJECTED,
                "11:00:00",
                "12:02:55",
                changed(),
                true,
            ),
            ("no credential", r#"[{"emptyDir":{}}]"#, "11:00:00", "11:00:05", changed(), false),
            (
                "secret made again under the same name",
                SECRET,
                "11:00:00",
                "11:00:05",
                token("12:00:00", "t"),
                true,
            ),
            (
                "secret older than the pod",
                SECRET,
                "11:00:00",
                "11:00:05",
                token("10:00:00", "t"),
                false,
            ),
        ] {
            let evidence = judge(&pod(volumes, created, started), &credentials);
            assert_eq!(matches!(evidence, Evidence::Stale(_)), stale, "{what}: {evidence:?}");
        }
    }

    #[test]
    fn a_missing_token_secret_is_certain() {
        let mut credentials = token("10:00:00", "t");
        credentials.tokens.clear();
        credentials.missing.insert(("ns".into(), "default-token-abcde".into()));
        let evidence = judge(&pod(SECRET, "11:00:00", "11:00:05"), &credentials);
        assert_eq!(evidence, Evidence::Stale(Stale::MissingSecret("default-token-abcde".into())));
    }

    #[test]
    fn a_missing_pull_secret_is_nobodys_credential() {
        let mut credentials = Credentials::default();
        credentials.missing.insert(("ns".into(), "default-token-abcde".into()));
        let json = r#"{"metadata":{"namespace":"ns","name":"p","uid":"u"},"spec":{"imagePullSecrets":[{"name":"default-token-abcde"}]}}"#;
        let pod = Pod::read(serde_json::from_str(json).expect("json"), &mut Interner::default())
            .expect("pod");
        assert_eq!(judge(&pod, &credentials), Evidence::Fresh(Fresh::NoCredential));
    }

    #[test]
    fn managed_fields_older_than_the_change_are_not_believed_to_mean_fresh() {
        // The server's record stayed at the old time although the content differs from what an earlier run saw.
        let mut credentials = root_ca("00:00:00", "new");
        let key = CredentialKey::RootCa { namespace: "ns".into() };
        credentials.seen_before.insert(key.clone(), (Digest::of(b"old"), at("11:30:00")));
        let old = pod(PROJECTED, "11:00:00", "11:00:05");
        assert_eq!(
            judge(&old, &credentials),
            Evidence::Stale(Stale::RootCaChanged(at("11:30:00")))
        );
        credentials.seen_before.insert(key, (Digest::of(b"new"), at("11:30:00")));
        assert_eq!(judge(&old, &credentials), Evidence::Fresh(Fresh::StartedLater));
    }

    #[test]
    fn the_controller_managers_start_makes_it_unknown_and_the_operators_word_makes_it_stale() {
        let mut credentials = root_ca("00:00:00", "x");
        let old = pod(PROJECTED, "11:00:00", "11:00:05");
        credentials.controller_manager_started = Some(CHANGE.parse().expect("time"));
        assert!(matches!(judge(&old, &credentials), Evidence::Unknown(_)));
        credentials.since = Some(CHANGE.parse().expect("time"));
        assert!(matches!(judge(&old, &credentials), Evidence::Stale(Stale::Since(_))));
        let new = pod(PROJECTED, "12:00:01", "12:00:02");
        assert_eq!(judge(&new, &credentials), Evidence::Fresh(Fresh::StartedLater));
    }
}
