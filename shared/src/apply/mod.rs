//! Interprets plans: the only code that changes anything.
//!
//! [`engine`] decides when which step runs, [`journal`] remembers what was meant and what happened, and an
//! [`engine::Interpreter`] turns actions and probes into requests.

pub mod effect;
pub mod engine;
pub mod journal;
pub mod memory;
pub mod outcome;
pub mod recycle;
pub mod state;

#[cfg(test)]
mod engine_tests;
