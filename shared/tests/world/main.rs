//! The doors against a server in this process, and against this machine's files and signals.
#![expect(clippy::disallowed_methods, reason = "tests make the world that the doors look at")]

mod acting;
mod beyond;
mod connecting;
mod endpoints;
mod feeding;
mod files;
mod interrupting;
mod listing;
mod looking;
mod secrecy;
mod setup;
mod sighting;
mod trusting;
