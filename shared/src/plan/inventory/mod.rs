//! What was seen at all places, as one matrix: pure.
//!
//! Generations of a CA are its keys, in the order of their dates, in each [`Domain`](crate::facts::sighting::Domain) by
//! itself. A place's state says which of them it belongs to; the states of a domain say how far a rotation is.

mod beyond;
mod generations;
mod issuers;
mod judge;
mod matrix;
mod phase;
mod state;
#[cfg(test)]
mod tests;

pub use beyond::{Beyond, judge_beyond};
pub use generations::{Age, Generation, Generations, Named};
pub use judge::{Limits, Whole, dates, judge};
pub use matrix::{Matrix, Row, Shown};
pub use phase::{Phase, Progress};
pub use state::State;
