//! The door to a running etcd: its own gateway is asked for what API servers stored, as `etcdctl get --prefix` does.
//!
//! Only ranges are read. All pages are of one revision, so that what is seen was there at one moment.

mod access;
mod answer;
mod container;
mod fault;

pub use access::EtcdAccess;
pub use container::{ContainerError, InContainer, Way, read_in_container};
pub use fault::EtcdError;

use super::snapshot::Stored;
use crate::facts::wire::null_as_default;
use access::{Asker, Reply};
use answer::Range;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

/// Values of one answer: each can have more than a megabyte.
const PAGE: u32 = 16;
/// Where the gateway stands: since 3.4, in 3.3, before that.
const PATHS: [&str; 3] = ["/v3/kv/range", "/v3beta/kv/range", "/v3alpha/kv/range"];
/// What is read, below the prefix of the API servers.
const KINDS: [&str; 2] = ["secrets", "configmaps"];
/// gRPC's code for a revision that is compacted.
const OUT_OF_RANGE: u32 = 11;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    #[serde(deserialize_with = "null_as_default")]
    message: String,
    #[serde(deserialize_with = "null_as_default")]
    error: String,
    code: u32,
}

/// Gives the Secrets and ConfigMaps that are stored.
pub fn read(access: &EtcdAccess, mut each: impl FnMut(Stored)) -> Result<(), EtcdError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| EtcdError::Material("this process".to_owned(), super::words(&why)))?;
    let result = runtime.block_on(async {
        let asker = Asker::new(access)?;
        let mut path = None;
        for kind in KINDS {
            all(&asker, &mut path, &format!("{}/{kind}/", access.prefix()), &mut each).await?;
        }
        Ok(())
    });
    // A name that is still being looked up must not hold up the end of the program.
    runtime.shutdown_background();
    result
}

async fn all(
    asker: &Asker,
    path: &mut Option<&'static str>,
    prefix: &str,
    each: &mut impl FnMut(Stored),
) -> Result<(), EtcdError> {
    let mut from = prefix.as_bytes().to_vec();
    let end = after(prefix);
    let mut revision = String::new();
    loop {
        let body = json!({
            "key": STANDARD.encode(&from),
            "range_end": STANDARD.encode(&end),
            "limit": PAGE.to_string(),
            "revision": if revision.is_empty() { "0" } else { &revision },
        });
        let reply = ask(asker, path, &body.to_string()).await?;
        let range = match range(asker, &reply) {
            // It was compacted meanwhile: what comes now is of a later moment, which is no fault.
            Err(EtcdError::Refused { code: OUT_OF_RANGE, .. }) if !revision.is_empty() => {
                revision.clear();
                continue;
            }
            range => range?,
        };
        if revision.is_empty() {
            revision = range.header.revision.to_string();
        }
        let more = range.more;
        let last = range.each(each).map_err(|_| asker.unreadable())?;
        from = last.unwrap_or(from);
        if !more {
            return Ok(());
        }
        from.push(0);
    }
}

/// Asks at the place where this version has its gateway.
async fn ask(
    asker: &Asker,
    path: &mut Option<&'static str>,
    body: &str,
) -> Result<Reply, EtcdError> {
    if let Some(path) = path {
        return asker.post(path, body).await;
    }
    let mut last = None;
    for candidate in PATHS {
        let reply = asker.post(candidate, body).await?;
        if reply.status != 404 {
            *path = Some(candidate);
            return Ok(reply);
        }
        last = Some(reply);
    }
    last.ok_or_else(|| asker.unreadable())
}

fn range(asker: &Asker, reply: &Reply) -> Result<Range, EtcdError> {
    if reply.status == 200 {
        return serde_json::from_slice(&reply.body).map_err(|_| asker.unreadable());
    }
    let refusal: Refusal = serde_json::from_slice(&reply.body).unwrap_or_default();
    let words = if refusal.message.is_empty() { refusal.error } else { refusal.message };
    let words = if words.is_empty() { format!("status {}", reply.status) } else { words };
    Err(asker.refused(refusal.code, words))
}

/// The first key behind all that begin so.
fn after(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    // A prefix of ours ends with a slash.
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}
