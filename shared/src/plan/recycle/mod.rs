//! Recycling pods: which ones, by which means, in which order, and when a replacement is really there.
//!
//! [`plan::draw`] puts it together; [`choice`] decides about one pod, [`order`] about their sequence and pace,
//! [`replacement`] judges whether a wait is over.

pub mod choice;
pub mod options;
pub mod order;
pub mod place;
pub mod plan;
pub mod pods;
pub mod presets;
pub mod replacement;
pub mod rollout;
pub mod scene;

#[cfg(test)]
mod tests;
