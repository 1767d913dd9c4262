//! The doors to the world: each the only place that uses what it wraps.

pub mod beside;
pub mod clock;
pub mod cluster;
pub mod dns;
pub mod files;
pub mod generation;
pub mod interrupt;
pub mod keys;
pub mod survey;
