//! Lists, page by page: only what the caller keeps stays in memory.

use super::ask::{Asker, Reply};
use super::fault::ClusterError;
use super::query::Listing;
use crate::facts::wire::List;
use crate::facts::{pod_wire, protobuf};
use futures_util::future::join;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Objects per page: the size that kubectl uses.
const PAGE: usize = 500;

/// A list's metadata is within its first bytes.
const HEAD: usize = 4096;

/// As of when a list is true, and from where a watch can follow it.
#[derive(Clone, Debug, Default)]
pub struct ListVersion {
    /// `resourceVersion` by namespace; the empty name stands for all namespaces.
    pub(super) versions: BTreeMap<String, String>,
    /// The list was begun anew in between, so that its first part may be older than its version.
    pub(super) mixed: bool,
    /// The server's time when it answered.
    pub date: Option<Timestamp>,
}

/// What can be read on a thread of its own.
pub(super) trait Wire: DeserializeOwned + Send + 'static {}

impl<T: DeserializeOwned + Send + 'static> Wire for T {}

/// In which form pages are asked for, and how they are read.
pub(super) struct Reading<T> {
    accept: &'static str,
    read: fn(&[u8]) -> Result<List<T>, Unfit>,
    continuation: fn(&[u8]) -> Option<&str>,
}

impl<T> Clone for Reading<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Reading<T> {}

/// Why a page could not be read.
pub(super) enum Unfit {
    /// It is no JSON, or not such a list.
    Json(serde_json::Error),
    /// It is protobuf, and not such a list.
    Protobuf,
}

/// JSON, as every server has it.
pub(super) fn json<T: Wire>() -> Reading<T> {
    Reading { accept: "application/json", read: read_json, continuation: json_continuation }
}

/// Pods, of which there are many: in protobuf where the server has it.
pub(super) fn pods() -> Reading<pod_wire::Pod> {
    Reading {
        accept: "application/vnd.kubernetes.protobuf, application/json",
        read: |body| {
            if protobuf::is(body) {
                pod_wire::protobuf::pods(body).map_err(|_| Unfit::Protobuf)
            } else {
                read_json(body)
            }
        },
        continuation: |body| {
            if protobuf::is(body) {
                pod_wire::protobuf::continuation(body)
            } else {
                json_continuation(body)
            }
        },
    }
}

/// What a page brings.
pub(super) enum Part<T> {
    /// The pages so far have expired; everything is sent once more from the start.
    Again,
    /// The next objects.
    Items(Vec<T>),
}

/// Lists a collection and returns its version and the server's time.
///
/// While a page is read on a thread of its own, the next one already comes in.
pub(super) async fn pages<T: Wire>(
    asker: &Asker,
    listing: &Listing,
    reading: Reading<T>,
    mut each: impl FnMut(Part<T>),
) -> Result<(String, Option<Timestamp>), ClusterError> {
    let mut restarts = 0;
    let mut more = String::new();
    let mut first = None;
    let mut page = fetch(asker, listing, &reading, &more).await;
    loop {
        let reply = match page {
            Ok(reply) => reply,
            // The server keeps old versions for minutes only.
            Err(ClusterError::Api { code: 410, .. }) if !more.is_empty() && restarts < 3 => {
                restarts += 1;
                more.clear();
                first = None;
                each(Part::Again);
                page = fetch(asker, listing, &reading, &more).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let date = reply.date;
        let expected = (reading.continuation)(&reply.body).map(str::to_owned);
        let from = path(listing, &more);
        let (list, ahead) = match &expected {
            None => (read(asker, &from, &reply.body, &reading), None),
            Some(more) => {
                let (list, ahead) = join(
                    beside(asker, from, reply.body, reading),
                    fetch(asker, listing, &reading, more),
                )
                .await;
                (list, Some(ahead))
            }
        };
        let List { metadata, items } = list?;
        let (version, date) = first.get_or_insert((metadata.resource_version, date)).clone();
        each(Part::Items(items));
        more = metadata.more;
        if more.is_empty() {
            return Ok((version, date));
        }
        page = match ahead {
            Some(ahead) if expected.as_deref() == Some(more.as_str()) => ahead,
            _ => fetch(asker, listing, &reading, &more).await,
        };
    }
}

fn path(listing: &Listing, more: &str) -> String {
    if more.is_empty() {
        return listing.asking(&format!("limit={PAGE}"));
    }
    listing.asking(&format!("limit={PAGE}&continue={}", super::query::encode(more)))
}

async fn fetch<T>(
    asker: &Asker,
    listing: &Listing,
    reading: &Reading<T>,
    more: &str,
) -> Result<Reply, ClusterError> {
    asker.get_as(&path(listing, more), reading.accept).await
}

fn read<T: Wire>(
    asker: &Asker,
    path: &str,
    body: &[u8],
    reading: &Reading<T>,
) -> Result<List<T>, ClusterError> {
    (reading.read)(body).map_err(|unfit| match unfit {
        Unfit::Json(error) => asker.misread(path, body, &error),
        Unfit::Protobuf => asker.damaged(path),
    })
}

/// Once in the program for each kind of object.
#[inline(never)]
fn read_json<T: Wire>(body: &[u8]) -> Result<List<T>, Unfit> {
    serde_json::from_slice(body).map_err(Unfit::Json)
}

/// Reads a page on another thread.
async fn beside<T: Wire>(
    asker: &Asker,
    path: String,
    body: bytes::Bytes,
    reading: Reading<T>,
) -> Result<List<T>, ClusterError> {
    let page = tokio::task::spawn_blocking(move || (reading.read)(&body));
    match page.await {
        Ok(list) => list.map_err(|unfit| match unfit {
            Unfit::Json(error) => asker.unreadable(&path, &error),
            Unfit::Protobuf => asker.damaged(&path),
        }),
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// Where the next page begins, if the page says so before its objects, as API servers do.
fn json_continuation(body: &[u8]) -> Option<&str> {
    const ITEMS: &[u8] = b"\"items\":";
    let head = &body[..body.len().min(HEAD)];
    let end = head.windows(ITEMS.len()).position(|bytes| bytes == ITEMS)?;
    let (_, after) = std::str::from_utf8(&head[..end]).ok()?.split_once("\"continue\":\"")?;
    let (token, _) = after.split_once('"')?;
    // An escape would have to be read like the rest.
    (!token.is_empty() && !token.contains('\\')).then_some(token)
}

/// A whole list in memory, for kinds of which a cluster has few: what is read of each object, not the object.
pub(super) async fn whole<T: Wire, F>(
    asker: &Asker,
    listing: &Listing,
    read: impl Fn(T) -> F,
) -> Result<Vec<F>, ClusterError> {
    let mut all = Vec::new();
    pages(asker, listing, json(), |part| match part {
        Part::Again => all.clear(),
        Part::Items(items) => all.extend(items.into_iter().map(&read)),
    })
    .await?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::json_continuation;

    #[test]
    fn the_next_page_is_known_from_the_head_of_this_one() {
        for (body, expected) in [
            (
                r#"{"kind":"PodList","metadata":{"resourceVersion":"1","continue":"eyJ2","remainingItemCount":3},"items":[{}]}"#,
                Some("eyJ2"),
            ),
            (
                r#"{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"\"continue\":\"x\""}}]}"#,
                None,
            ),
            (r#"{"metadata":{"continue":""},"items":[]}"#, None),
            (r#"{"metadata":{"continue":"a\u003db"},"items":[]}"#, None),
            (r#"{"items":[],"metadata":{"continue":"eyJ2"}}"#, None),
            (r#"{"metadata":{"continue":"eyJ2"#, None),
            ("", None),
        ] {
            assert_eq!(json_continuation(body.as_bytes()), expected, "{body}");
        }
    }
}
