//! `kubectl rotate-certs plan`, `apply`, `status`, `rollback` and `finish` from outside: the real binary over trees of the
//! files of a kubeadm cluster's machines. No process runs in a tree, and nobody asks an API.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start processes and write files; only the tools themselves are held to their rooms"
)]
#![expect(
    clippy::needless_raw_string_hashes,
    reason = "literals are written by SNAPSHOTS=overwrite, in its own way"
)]

mod adopt;
mod api;
mod choice;
mod consumers;
mod ends;
mod faults;
mod gates;
mod kills;
mod pki;
mod planned;
mod promises;
mod rollback;
mod rolling;
mod run;
mod snapshot;
mod strategies;
mod tree;
mod unreachable;
