//! `discover`: a draft of the file of machines, from the API, from the machines themselves, or from both. Reads only.

pub(crate) mod args;
pub(crate) mod candidates;
pub(crate) mod consumers;
pub(crate) mod draft;
pub(crate) mod probe;
mod supervision;
