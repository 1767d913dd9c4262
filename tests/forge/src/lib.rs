//! Certificates as they should be, and with any one defect.
//!
//! What makes certificates for people sets each field right and cannot be talked out of it. Here each field is written by
//! hand, so that a test can have exactly one wrong: a [`Draft`] begins good, is changed, and is signed.

pub mod bolt;
pub mod der;
mod draft;
mod key;
mod random;

pub use draft::{Draft, Extension, oid};
pub use key::Key;
pub use random::{Random, rounds};
