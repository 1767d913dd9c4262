//! `kubectl rotate-certs inspect` and `check` from outside: the real binary over trees of machines' files.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start processes and write files; only the tools themselves are held to their rooms"
)]
#![expect(
    clippy::needless_raw_string_hashes,
    reason = "literals are written by SNAPSHOTS=overwrite, in its own way"
)]

mod beyond;
mod containers;
mod documents;
mod faults;
mod matrix;
mod mixed;
mod mixups;
mod outputs;
mod page;
mod watch;
mod world;
