//! What was not read, why, and which right is missing: silence is never taken for health.

use super::Page;
use super::fold::{Folds, NAMES, Noun, how_many, who};
use rotation_core::facts::sighting::Content;
use rotation_core::tell::page::text::{Path, Shown, count};
use rotation_core::tell::page::{Markup, html};
use std::collections::BTreeMap;

/// Rows that a page shows.
const ROWS: usize = 100;

/// Where, why, and the right that is missing.
type Reason = (String, String, String);

/// The section; nothing where all was read.
pub(super) fn section(page: &Page<'_>, folds: &Folds) -> Markup {
    let mut reasons: BTreeMap<Reason, (Noun, Vec<String>)> = BTreeMap::new();
    for row in &page.gathered.matrix.rows {
        let sighting = &row.sighting;
        let (why, right) = match &sighting.content {
            Content::Unknown(unknown) => {
                (unknown.why.to_string(), unknown.right.as_deref().unwrap_or_default().to_owned())
            }
            Content::Sealed { provider, key } => {
                (format!("it is encrypted by {provider} with key {key}"), String::new())
            }
            Content::Held(_) | Content::Absent => continue,
        };
        let spot = folds.spot(&sighting.place);
        let place = sighting.place.to_string();
        let key = (spot.in_general(&why, &place), spot.in_general(&right, &place));
        let entry =
            reasons.entry((spot.family, key.0, key.1)).or_insert_with(|| (spot.noun, Vec::new()));
        entry.1.push(spot.member);
    }
    html! {
        @if !reasons.is_empty() {
            section id="unread" aria-labelledby="h-unread" {
                h2 id="h-unread" { "What was not read" }
                ul class="unread" {
                    @for ((family, why, right), (noun, members)) in reasons.iter().take(ROWS) {
                        li {
                            span class="name" { (Path(family)) }
                            @if *noun != Noun::Place && members.iter().any(|member| !member.is_empty()) {
                                span class="on" {
                                    " on " (Shown(&who(members.iter().map(String::as_str), NAMES)))
                                    @if let Some(told) = how_many(members.len(), *noun) { " (" (told) ")" }
                                }
                            }
                            ": " (Shown(why))
                            @if !right.is_empty() { "; missing right: " code { (Shown(right)) } }
                        }
                    }
                    @if reasons.len() > ROWS { li { (count(reasons.len() - ROWS, "reason")) " more" } }
                }
            }
        }
    }
}
