//! What the lab says while it works: one plain line on stderr, never on stdout, which is data.

use std::io::Write as _;

/// Says one line. A closed stderr is no reason to stop a cluster.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "lab: {text}");
}
