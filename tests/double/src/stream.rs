//! Watches.

use crate::respond::date;
use crate::store::Event;
use crate::{Api, select};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// A watch as it was asked for.
pub(crate) struct Watch {
    pub(crate) resource: String,
    pub(crate) namespace: Option<String>,
    pub(crate) labels: String,
    pub(crate) fields: String,
    pub(crate) from: u64,
    pub(crate) limit: Duration,
    pub(crate) bookmarks: bool,
}

impl Watch {
    /// Sends events until the time is over, the version expires, or the server stops.
    pub(crate) fn run(mut self, api: &Api, out: &mut impl Write) -> io::Result<()> {
        head(out)?;
        let end = Instant::now() + self.limit;
        loop {
            let (lines, expired) = self.pending(api, end);
            for line in lines {
                chunk(out, &line)?;
            }
            if expired {
                let object =
                    crate::fault::status(410, "Expired", "too old resource version", &json!({}));
                chunk(out, &json!({ "type": "ERROR", "object": object }).to_string())?;
                break;
            }
            if api.is_stopped() || Instant::now() >= end {
                break;
            }
        }
        if self.bookmarks {
            let object = json!({ "kind": "Bookmark", "metadata": { "resourceVersion": self.from.to_string() } });
            chunk(out, &json!({ "type": "BOOKMARK", "object": object }).to_string())?;
        }
        crate::stream::end(out)
    }

    /// Waits a moment for events; their lines, and whether the version has expired.
    fn pending(&mut self, api: &Api, end: Instant) -> (Vec<String>, bool) {
        let mut contents = api.0.store.lock();
        if contents.version <= self.from {
            let left = end.saturating_duration_since(Instant::now());
            contents = api.0.store.wait(contents, left.min(Duration::from_millis(200)));
        }
        if self.from < contents.oldest {
            return (Vec::new(), true);
        }
        let new = contents.events.iter().filter(|e| e.version > self.from);
        let lines = new.filter_map(|event| self.line(event)).collect();
        self.from = contents.version;
        (lines, false)
    }

    fn line(&self, event: &Event) -> Option<String> {
        let inside = |object: &Value| {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
            self.namespace.as_deref().is_none_or(|wanted| wanted == namespace)
                && select::selected(object, &self.labels, &self.fields)
        };
        if event.resource != self.resource {
            return None;
        }
        let was = event.before.as_ref().is_some_and(inside);
        // Leaving the selection looks like a deletion, and entering it like a creation.
        let kind = match (event.kind, was, inside(&event.object)) {
            ("DELETED", true, _) | ("MODIFIED", true, false) => "DELETED",
            ("ADDED", _, true) | ("MODIFIED", false, true) => "ADDED",
            ("MODIFIED", true, true) => "MODIFIED",
            _ => return None,
        };
        Some(json!({ "type": kind, "object": event.object }).to_string())
    }
}

pub(crate) fn head(out: &mut impl Write) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nDate: {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        date()
    );
    out.write_all(head.as_bytes())?;
    out.flush()
}

pub(crate) fn chunk(out: &mut impl Write, line: &str) -> io::Result<()> {
    out.write_all(format!("{:x}\r\n{line}\n\r\n", line.len() + 1).as_bytes())?;
    out.flush()
}

pub(crate) fn end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"0\r\n\r\n")?;
    out.flush()
}
