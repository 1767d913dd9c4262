//! One request as `-v 6` shows it: never its headers or bodies, which hold tokens and secrets.

use std::sync::Arc;
use std::time::Duration;

/// A request that was answered, or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTrace {
    /// `GET`.
    pub method: String,
    /// Path and query, without the server.
    pub path: String,
    /// HTTP status; `None` without an answer.
    pub status: Option<u16>,
    /// From sending to the answer's head.
    pub took: Duration,
}

/// Who is told of each request.
pub type TraceSink = Arc<dyn Fn(&RequestTrace) + Send + Sync>;
