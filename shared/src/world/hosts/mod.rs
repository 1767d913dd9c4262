//! The doors to hosts, one for each way to reach them.

pub mod bosh;
pub mod change;
pub mod local;
pub mod ssh;
