//! Pages for people: one HTML file that needs nothing else, to be read, printed and attached to a ticket.
//!
//! - [`frame`] is the document: no script, nothing from outside, and a policy that says so to the browser.
//! - [`text`] is how whatever somebody else wrote gets into a page: escaped, visible, bounded.
//! - [`mark`] has the shapes that stand beside each colour, so that no meaning rests on a colour.
//! - [`names`] folds a thousand names that count on into two.
//! - [`track`] draws times as bars on a common axis.
//!
//! All of it is pure: a page is a function of what was seen.

pub mod frame;
pub mod mark;
pub mod names;
pub mod text;
pub mod track;

pub use maud::{Markup, PreEscaped, Render, html};
