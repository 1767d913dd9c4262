//! Words for people: numbers with their nouns, times.

use jiff::Timestamp;

/// A time of day in whole seconds, as Kubernetes writes it.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `1 pod`, `2 pods`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("{number} {noun}") } else { format!("{number} {noun}s") }
}
