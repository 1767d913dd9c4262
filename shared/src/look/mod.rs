//! What several tools read of a cluster before they decide: facts put together into what decisions look at.
//!
//! Changes nothing. What one tool alone reads stays in that tool.

pub mod places;
pub mod pods;
pub mod tokens;
