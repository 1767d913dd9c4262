//! How many columns of a terminal a text takes, and how it is made to take fewer.

use std::borrow::Cow;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of a text without styles.
pub fn of(text: &str) -> usize {
    text.width()
}

/// At most `columns` wide; `…` marks what was cut.
///
/// A sentence loses its end. A name loses its middle: names of pods differ at the end.
pub fn shorten(text: &str, columns: usize) -> Cow<'_, str> {
    if of(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let keep = columns - 1;
    let tail = if text.contains(' ') { 0 } else { keep / 2 };
    let head = take(text.chars(), keep - tail);
    let mut end: Vec<char> = take(text.chars().rev(), tail).chars().collect();
    end.reverse();
    Cow::Owned(format!("{head}…{}", end.into_iter().collect::<String>()))
}

/// Filled with spaces up to `columns`.
pub fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(of(text));
    format!("{text}{:missing$}", "")
}

fn take(chars: impl Iterator<Item = char>, columns: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= columns
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_both_ends_and_sentences_their_begin() {
        for (text, columns, expected) in [
            ("short", 5, "short"),
            ("coredns-5d78c9869d-abc12", 13, "coredn…-abc12"),
            ("image cannot be pulled", 10, "image can…"),
            ("世界世界", 5, "世…界"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            let short = shorten(text, columns);
            assert_eq!(short, expected, "{text} to {columns}");
            assert!(of(&short) <= columns);
        }
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(of("世界"), 4);
        assert_eq!(pad("世", 4), "世  ");
    }
}
