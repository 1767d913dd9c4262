//! Pure decisions: facts in, plan out.
//!
//! Nothing here asks or changes anything. A plan is data: it can be printed, kept, compared and applied later, and a
//! dry run is simply a plan that nobody applies.

pub mod certificate;
pub mod document;
pub mod inventory;
pub mod recycle;
pub mod staleness;
pub mod tokens;
