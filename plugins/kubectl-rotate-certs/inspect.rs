//! `inspect` and `check`: where certificates, keys and tokens live, by places that are data.

pub(crate) mod args;
mod beyond;
mod beyond_args;
mod bosh;
mod bosh_args;
pub(crate) mod check_args;
pub(crate) mod check_document;
pub(crate) mod document;
mod document_args;
mod documents;
pub(crate) mod flags;
pub(crate) mod host;
pub(crate) mod judged;
mod kubeconfig;
mod machines;
pub(crate) mod metrics;
pub(crate) mod observe;
pub(crate) mod places;
pub(crate) mod reading;
pub(crate) mod table;
pub(crate) mod tree;
pub(crate) mod waivers;
