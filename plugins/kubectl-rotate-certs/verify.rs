//! `verify`: what is asked, the rows of a layout as rules, and the result in each format.

pub(crate) mod args;
#[cfg(test)]
mod fuzz;
pub(crate) mod junit;
mod report;
pub(crate) mod rows;
mod sarif;

pub(crate) use report::{Report, place};
