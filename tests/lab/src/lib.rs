//! A real Kubernetes for tests and for the demo.
//!
//! The components are compiled from source once ([`components`]) and run as processes of this machine alone:
//! nothing is installed, no image is pulled, and whatever dies leaves nothing running ([`process`]).

pub mod components;
pub mod machines;
pub mod process;
mod talk;
