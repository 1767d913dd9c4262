//! Lists, page by page: only what the caller keeps stays in memory.

use super::ask::{Asker, Reply};
use super::fault::ClusterError;
use super::query::Listing;
use crate::facts::wire::List;
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
    mut each: impl FnMut(Part<T>),
) -> Result<(String, Option<Timestamp>), ClusterError> {
    let mut restarts = 0;
    let mut more = String::new();
    let mut first = None;
    let mut page = fetch(asker, listing, &more).await;
    loop {
        let reply = match page {
            Ok(reply) => reply,
            // The server keeps old versions for minutes only.
            Err(ClusterError::Api { code: 410, .. }) if !more.is_empty() && restarts < 3 => {
                restarts += 1;
                more.clear();
                first = None;
                each(Part::Again);
                page = fetch(asker, listing, &more).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let date = reply.date;
        let expected = continuation(&reply.body).map(str::to_owned);
        let from = path(listing, &more);
        let (list, ahead) = match &expected {
            None => (read(asker, &from, &reply.body), None),
            Some(more) => {
                let (list, ahead) =
                    join(beside(asker, from, reply.body), fetch(asker, listing, more)).await;
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
            _ => fetch(asker, listing, &more).await,
        };
    }
}

fn path(listing: &Listing, more: &str) -> String {
    if more.is_empty() {
        return listing.asking(&format!("limit={PAGE}"));
    }
    listing.asking(&format!("limit={PAGE}&continue={}", super::query::encode(more)))
}

async fn fetch(asker: &Asker, listing: &Listing, more: &str) -> Result<Reply, ClusterError> {
    asker.get(&path(listing, more)).await
}

fn read<T: Wire>(asker: &Asker, path: &str, body: &[u8]) -> Result<List<T>, ClusterError> {
    read_json(body).map_err(|e| asker.misread(path, body, &e))
}

/// Once in the program for each kind of object.
#[inline(never)]
fn read_json<T: Wire>(body: &[u8]) -> serde_json::Result<List<T>> {
    serde_json::from_slice(body)
}

/// Reads a page on another thread.
async fn beside<T: Wire>(
    asker: &Asker,
    path: String,
    body: bytes::Bytes,
) -> Result<List<T>, ClusterError> {
    let reading = tokio::task::spawn_blocking(move || read_json(&body));
    match reading.await {
        Ok(list) => list.map_err(|e| asker.unreadable(&path, &e)),
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// Where the next page begins, if the page says so before its objects, as API servers do.
fn continuation(body: &[u8]) -> Option<&str> {
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
    pages(asker, listing, |part| match part {
        Part::Again => all.clear(),
        Part::Items(items) => all.extend(items.into_iter().map(&read)),
    })
    .await?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::continuation;

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
            assert_eq!(continuation(body.as_bytes()), expected, "{body}");
        }
    }
}
