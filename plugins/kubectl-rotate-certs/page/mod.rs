//! The page of `inspect --html` and `check --html`: what was seen, for people who were not there.
//!
//! A function of what was gathered: nothing is read and nothing is written here. Its length is bounded whatever was
//! seen: what many machines have in common is told once ([`fold`]), and each list has an end.

mod ends;
mod findings;
mod fold;
mod head;
mod picture;
mod places;
#[cfg(test)]
mod tests;
mod trust;
mod unread;

use crate::TOOL;
use crate::inspect::observe::Gathered;
use crate::inspect::waivers::Waived;
use fold::Folds;
use jiff::Timestamp;
use rotation_core::plan::certificate::Finding;
use rotation_core::plan::inventory::Limits;
use rotation_core::tell::page::{frame, html};

/// What a page is made of.
pub(crate) struct Page<'a> {
    /// The command that looked: `inspect`, `check`.
    pub(crate) verb: &'static str,
    /// As of when.
    pub(crate) at: Timestamp,
    /// What was seen.
    pub(crate) gathered: &'a Gathered,
    /// What is wrong with it.
    pub(crate) findings: &'a [Finding],
    /// What an exception left out.
    pub(crate) waived: &'a [Waived],
    /// What counts as soon.
    pub(crate) limits: Limits,
}

/// The page.
pub(crate) fn of(page: &Page<'_>) -> String {
    let folds = Folds::of(page.gathered);
    let body = html! {
        (head::head(page))
        main {
            (findings::section(page, &folds))
            (trust::section(page, &folds))
            (ends::section(page, &folds))
            (places::section(page, &folds))
            (unread::section(page, &folds))
        }
        (head::foot(page))
    };
    let generator = format!("{} {}", TOOL.name, TOOL.version);
    frame::document(&head::title(page), &generator, &body)
}
