//! `report`: the evidence of a rotation, from its directory alone. Nothing is asked of anybody, and nothing is looked at
//! but the plan, the journal and the certificates beside them, so that the same directory gives the same report for ever.

pub(crate) mod account;
pub(crate) mod args;
mod certificates;
pub(crate) mod document;
mod figures;
pub(crate) mod junit;
mod notices;
pub(crate) mod page;
mod read;
pub(crate) mod text;

pub(crate) use read::read;
