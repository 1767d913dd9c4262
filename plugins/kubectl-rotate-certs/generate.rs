//! A new generation, step by step: what is there, what may not be lost, what is made, what is written.

pub(crate) mod compare;
pub(crate) mod existing;
pub(crate) mod make;
pub(crate) mod render;
pub(crate) mod set;
mod yaml;
