//! Lists, page by page: only what the caller keeps stays in memory.

use super::ask::{Asker, Reply};
use super::fault::ClusterError;
use super::query::Listing;
use crate::facts::wire::List;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Objects per page: the size that kubectl uses.
const PAGE: usize = 500;

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

/// What a page brings.
pub(super) enum Part<T> {
    /// The pages so far have expired; everything is sent once more from the start.
    Again,
    /// The next objects.
    Items(Vec<T>),
}

/// Lists a collection and returns its version and the server's time.
pub(super) async fn pages<T: DeserializeOwned>(
    asker: &Asker,
    listing: &Listing,
    mut each: impl FnMut(Part<T>),
) -> Result<(String, Option<Timestamp>), ClusterError> {
    let mut more = String::new();
    let mut restarts = 0;
    let mut first = Version::default();
    loop {
        let path = if more.is_empty() {
            listing.asking(&format!("limit={PAGE}"))
        } else {
            let more = super::query::encode(&more);
            listing.asking(&format!("limit={PAGE}&continue={more}"))
        };
        let reply: Reply = match asker.get(&path).await {
            Ok(reply) => reply,
            // The server keeps old versions for minutes only.
            Err(ClusterError::Api { code: 410, .. }) if !more.is_empty() && restarts < 3 => {
                restarts += 1;
                more.clear();
                each(Part::Again);
                continue;
            }
            Err(error) => return Err(error),
        };
        let List { metadata, items } = asker.parse::<List<T>>(&path, &reply.body)?;
        drop(reply.body);
        if more.is_empty() {
            first = Version { version: metadata.resource_version, date: reply.date };
        }
        each(Part::Items(items));
        more = metadata.more;
        if more.is_empty() {
            return Ok((first.version, first.date));
        }
    }
}

#[derive(Default)]
struct Version {
    version: String,
    date: Option<Timestamp>,
}

/// A whole list in memory, for kinds of which a cluster has few: what is read of each object, not the object.
pub(super) async fn whole<T: DeserializeOwned, F>(
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
