//! What people and scripts are told: one stream of events, told three ways, and the text that both kinds read.
//!
//! - [`event`] is the stream. [`human`] tells it to people, [`json`] writes it as JSON lines.
//! - [`screen`] owns stdout and stderr, so that the live display and everything else never overwrite each other.
//! - [`table`] and [`json`] make documents for stdout.
//! - [`page`] makes HTML files.
//! - [`clean`] is applied to whatever another machine said, before it reaches a terminal.
//!
//! Nothing here opens a file, reads a clock or reads the environment: writers, times and widths are handed in.

pub mod clean;
pub mod colour;
pub mod event;
pub mod human;
pub mod json;
pub mod live;
pub mod page;
pub mod screen;
pub mod sentence;
pub mod table;
pub mod width;
