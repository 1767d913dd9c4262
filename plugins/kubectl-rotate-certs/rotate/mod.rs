//! `plan`, `apply`, `status`, `rollback`, `finish`: a running cluster's certificates are replaced.
//!
//! What is to stand in each file at each stage is drawn beforehand, and every file is brought from whatever known stage
//! it is in to the next. So the state is always read from the machines, and each command can be run again.

pub(crate) mod adopt;
pub(crate) mod api;
pub(crate) mod args;
pub(crate) mod chains;
#[cfg(test)]
mod chains_tests;
pub(crate) mod choose;
pub(crate) mod clients;
pub(crate) mod clocks;
pub(crate) mod cluster_file;
pub(crate) mod consumers;
pub(crate) mod document;
pub(crate) mod draw;
pub(crate) mod drive;
pub(crate) mod estimate;
#[cfg(test)]
mod estimate_tests;
pub(crate) mod forecast;
pub(crate) mod gates;
pub(crate) mod generation;
pub(crate) mod groups;
pub(crate) mod journal;
pub(crate) mod lease;
pub(crate) mod needs;
pub(crate) mod notes;
pub(crate) mod objects;
pub(crate) mod offender;
pub(crate) mod old;
pub(crate) mod orders;
pub(crate) mod pods;
pub(crate) mod ports;
pub(crate) mod reach;
pub(crate) mod rewrite;
pub(crate) mod slots;
pub(crate) mod spots;
pub(crate) mod stage;
pub(crate) mod standing;
pub(crate) mod steps;
pub(crate) mod timetable;
pub(crate) mod tokens;
pub(crate) mod window;
pub(crate) mod work;
