//! Text of others in a page.

use crate::tell::clean::is_hidden;
use maud::{Escaper, Markup, Render, html};
use std::fmt::Write as _;

/// Characters that one text may have: names of files have 255 at most, a path with its machine seldom more.
const LIMIT: usize = 400;

/// Text that somebody else wrote: escaped for HTML, and what cannot be seen is shown as its code point.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl Render for Shown<'_> {
    fn render_to(&self, page: &mut String) {
        let mut escaper = Escaper::new(page);
        for (index, c) in self.0.chars().enumerate() {
            // Nothing that is written into a string fails.
            let _ = match c {
                _ if index == LIMIT => {
                    let _ = escaper.write_char('…');
                    return;
                }
                c if is_hidden(c) => write!(escaper, "\\u{{{:x}}}", u32::from(c)),
                c => escaper.write_char(c),
            };
        }
    }
}

/// The name of a place, which may be broken into lines behind each of its parts.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a>(pub &'a str);

impl Render for Path<'_> {
    fn render(&self) -> Markup {
        // Whoever has more parts than any file is told as a whole.
        let is_usual = self.0.len() <= LIMIT;
        html! {
            @if is_usual {
                @for part in self.0.split_inclusive(['/', '#']) { (Shown(part)) wbr; }
            } @else { (Shown(self.0)) }
        }
    }
}

/// A sentence in which commands stand between backticks, as in all texts of the tools.
#[derive(Clone, Copy, Debug)]
pub struct Sentence<'a>(pub &'a str);

impl Render for Sentence<'_> {
    fn render(&self) -> Markup {
        let pieces = self.0.split('`').enumerate();
        // An odd number of them is somebody else's name, not our sentence.
        let paired = self.0.matches('`').count().is_multiple_of(2);
        html! {
            @if paired {
                @for (index, piece) in pieces {
                    @if index % 2 == 1 { code { (Shown(piece)) } } @else { (Shown(piece)) }
                }
            } @else { (Shown(self.0)) }
        }
    }
}

/// `1,000`: more than four digits are not read at a glance.
pub fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 place`, `1,000 places`.
pub fn count(amount: usize, noun: &str) -> String {
    let ending = match noun {
        _ if amount == 1 => noun.to_owned(),
        _ if noun.ends_with("ss") => format!("{noun}es"),
        _ => format!("{noun}s"),
    };
    format!("{} {ending}", number(amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_writes_markup() {
        for (text, expected) in [
            ("plain", "plain"),
            ("Grüße 世界", "Grüße 世界"),
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("\" onload=\"x", "&quot; onload=&quot;x"),
            ("a&b", "a&amp;b"),
            ("line\nfeed\u{1b}[2J\0", "line\\u{a}feed\\u{1b}[2J\\u{0}"),
            ("abc\u{202e}txt", "abc\\u{202e}txt"),
        ] {
            assert_eq!(Shown(text).render().into_string(), expected, "{text:?}");
        }
        let long = Shown(&"x".repeat(10_000)).render().into_string();
        assert_eq!(long.chars().count(), LIMIT + 1);
        assert!(long.ends_with("x…"));
    }

    #[test]
    fn commands_are_set_apart() {
        for (text, expected) in [
            ("run `chmod 600 <a>` now", "run <code>chmod 600 &lt;a&gt;</code> now"),
            ("a name with ` in it", "a name with ` in it"),
            ("", ""),
        ] {
            assert_eq!(Sentence(text).render().into_string(), expected);
        }
    }

    #[test]
    fn paths_break_behind_their_parts() {
        let broken = Path("/etc/a<b>#x").render().into_string();
        assert_eq!(broken, "/<wbr>etc/<wbr>a&lt;b&gt;#<wbr>x<wbr>");
        assert!(Path(&"/".repeat(9000)).render().into_string().len() < 1000);
    }

    #[test]
    fn numbers_are_read_at_a_glance() {
        for (amount, expected) in
            [(0, "0 places"), (1, "1 place"), (999, "999 places"), (1_234_567, "1,234,567 places")]
        {
            assert_eq!(count(amount, "place"), expected);
        }
        assert_eq!(count(2, "address"), "2 addresses");
    }
}
