//! `kubectl rotate-certs report` and `discover` from outside: the real binary, over rotations of trees of machines' files.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start processes and write files; only the tools themselves are held to their rooms"
)]

mod discover;
mod evidence;
mod rotation;
#[path = "../inspect/world.rs"]
#[expect(dead_code, reason = "what other trees hold is for other tests")]
mod world;
