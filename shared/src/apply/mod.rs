//! Interprets plans: the only code that changes anything.
//!
//! [`engine`] decides when which step runs, [`journal`] remembers what was meant and what happened, and an
//! [`engine::Interpreter`] turns actions and probes into requests.

mod answers;
pub mod canary;
pub mod effect;
pub mod engine;
pub mod journal;
pub mod memory;
pub mod outcome;
pub mod recycle;
pub mod renew;
pub mod rights;
pub mod state;
pub mod tokens;
mod window;

#[cfg(test)]
mod engine_tests;
