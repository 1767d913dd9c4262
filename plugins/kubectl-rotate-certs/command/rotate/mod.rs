//! The verbs that rotate a running cluster.

pub(super) mod apply;
mod came;
mod context;
pub(super) mod discover;
pub(super) mod finish;
mod outlook;
pub(super) mod plan;
mod proof;
pub(super) mod report;
pub(super) mod rollback;
mod show;
pub(super) mod status;
