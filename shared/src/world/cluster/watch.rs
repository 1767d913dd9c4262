//! One watch: opened where the last one ended, guarded against silence, and told apart by how it ends.

use super::ask::{Asker, Form, status_of};
use super::fault::ClusterError;
use super::query::Listing;
use futures_util::StreamExt as _;
use http::Method;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long the server is asked to keep a watch open.
const OPEN: Duration = Duration::from_secs(30);

/// How long a watch may be silent: a little longer than it may be open.
const SILENCE: Duration = Duration::from_secs(45);

/// One event.
pub(super) enum Event<T> {
    /// An object as it is now.
    Now(T),
    /// An object's last state.
    Gone(T),
}

/// How a watch ended.
pub(super) enum End {
    /// The server closed it in good order; the next one starts at this version.
    Closed(String),
    /// The version has expired, or nothing certain is known: list again.
    Expired,
    /// The server does not let us watch.
    Refused,
    /// The connection failed, or the server did; the next one starts at this version.
    Failed(String, ClusterError),
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    object: Box<serde_json::value::RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Versioned {
    metadata: Version,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Version {
    resource_version: String,
}

/// Watches from a version until the watch ends. `opened` is told once the server agrees, `each` every event.
pub(super) async fn watch<T: DeserializeOwned>(
    asker: &Asker,
    listing: &Listing,
    mut version: String,
    opened: impl FnOnce(),
    mut each: impl FnMut(Event<T>),
) -> End {
    let path = listing.asking(&format!(
        "watch=1&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={}",
        OPEN.as_secs(),
        super::query::encode(&version)
    ));
    let limit = asker.limit();
    // Newer servers compress watches in a way that is not decoded here.
    let form = Form { encoding: Some("identity"), ..Form::default() };
    let head = asker.send(Method::GET, &path, None, Vec::new(), form);
    let response = match tokio::time::timeout(limit, head).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return End::Failed(version, error),
        Err(_) => {
            let server = asker.server();
            return End::Failed(version, ClusterError::TimedOut { server, limit });
        }
    };
    asker.note_time(response.headers());
    let status = response.status().as_u16();
    if status != 200 {
        return match status {
            410 => End::Expired,
            400 | 403 | 404 | 405 | 406 | 422 => End::Refused,
            _ => {
                let body = response.into_body();
                let body = tokio::time::timeout(limit, body.collect_bytes()).await;
                let body = body.ok().and_then(Result::ok).unwrap_or_default();
                End::Failed(version, unwell(status, &body))
            }
        };
    }
    opened();
    let mut body = response.into_body().into_data_stream();
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let chunk = match tokio::time::timeout(SILENCE, body.next()).await {
            // Half a line at the end is the trace of a broken connection: what it said is asked for again.
            Ok(None) => return End::Closed(version),
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => return End::Failed(version, asker.broken(&error)),
            Err(_) => {
                let server = asker.server();
                return End::Failed(version, ClusterError::TimedOut { server, limit: SILENCE });
            }
        };
        let mut chunk = &chunk[..];
        while let Some(end) = chunk.iter().position(|b| *b == b'\n') {
            rest.extend_from_slice(&chunk[..end]);
            chunk = &chunk[end + 1..];
            let understood = line(&rest, &mut version, &mut each);
            rest.clear();
            if !understood {
                return End::Expired;
            }
        }
        rest.extend_from_slice(chunk);
    }
}

/// Reads one line; `false` for anything that is not known to be harmless.
fn line<T: DeserializeOwned>(
    text: &[u8],
    version: &mut String,
    each: &mut impl FnMut(Event<T>),
) -> bool {
    if text.trim_ascii().is_empty() {
        return true;
    }
    let Ok(Line { kind, object }) = serde_json::from_slice(text) else {
        return false;
    };
    let Ok(Versioned { metadata }) = serde_json::from_str(object.get()) else {
        return false;
    };
    if matches!(kind.as_str(), "ADDED" | "MODIFIED" | "DELETED") {
        let Ok(object) = serde_json::from_str::<T>(object.get()) else {
            return false;
        };
        each(if kind == "DELETED" { Event::Gone(object) } else { Event::Now(object) });
    } else if kind != "BOOKMARK" {
        return false;
    }
    if !metadata.resource_version.is_empty() {
        *version = metadata.resource_version;
    }
    true
}

fn unwell(code: u16, body: &[u8]) -> ClusterError {
    let status = status_of(body).unwrap_or_default();
    ClusterError::Api {
        code,
        reason: status.reason,
        message: if status.message.is_empty() {
            format!("the watch ended with status {code}")
        } else {
            status.message
        },
    }
}
