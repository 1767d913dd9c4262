//! Makes text of another machine fit for a terminal.
//!
//! A pod's message, a node's name or an admission webhook's answer can hold escape sequences that rewrite the screen,
//! or direction marks that make one name look like another. Sequences are dropped, line breaks become spaces, and what
//! else cannot be seen becomes U+FFFD, so that tampering shows. The length is bounded.

use std::borrow::Cow;

/// Characters that one message may have.
pub const LIMIT: usize = 2000;

/// What stands for a character that must not be shown.
const REPLACED: char = '\u{fffd}';

/// One line of at most [`LIMIT`] characters.
pub fn line(text: &str) -> Cow<'_, str> {
    bounded(text, LIMIT)
}

/// One line of at most `limit` characters; `…` marks what was cut.
pub fn bounded(text: &str, limit: usize) -> Cow<'_, str> {
    // No character is shorter than a byte: most text needs neither a copy nor a count.
    if !text.chars().any(is_hidden) && text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len().min(limit * 4));
    let mut left = limit;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let shown = match c {
            '\u{1b}' => {
                skip_escape(&mut rest);
                continue;
            }
            '\u{9b}' => {
                skip_control_sequence(&mut rest);
                continue;
            }
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => {
                skip_string(&mut rest);
                continue;
            }
            '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
            c if is_hidden(c) => REPLACED,
            c => c,
        };
        if shown == ' ' && (cleaned.is_empty() || cleaned.ends_with(' ')) && c != ' ' {
            continue;
        }
        if left == 0 {
            cleaned.pop();
            cleaned.push('…');
            return Cow::Owned(cleaned);
        }
        left -= 1;
        cleaned.push(shown);
    }
    cleaned.truncate(cleaned.trim_end().len());
    Cow::Owned(cleaned)
}

/// Whether a character controls the terminal or the direction of text, or takes no room.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// After ESC: a control sequence, a string up to its end, or one more character.
fn skip_escape(rest: &mut std::str::Chars<'_>) {
    let mut ahead = rest.clone();
    match ahead.next() {
        Some('[') => {
            *rest = ahead;
            skip_control_sequence(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            *rest = ahead;
            skip_string(rest);
        }
        Some(' '..='/') => {
            *rest = ahead;
            rest.next();
        }
        Some('0'..='~') => *rest = ahead,
        Some(_) | None => {}
    }
}

/// Parameters and intermediates, then one final character. What breaks the form ends it, and is kept.
fn skip_control_sequence(rest: &mut std::str::Chars<'_>) {
    let mut ahead = rest.clone();
    while let Some(c) = ahead.next() {
        match c {
            ' '..='?' => *rest = ahead.clone(),
            '@'..='~' => {
                *rest = ahead;
                return;
            }
            _ => return,
        }
    }
}

/// A title or another string for the terminal: up to BEL, ST or the end of the line, so that a missing end hides
/// little.
fn skip_string(rest: &mut std::str::Chars<'_>) {
    let mut ahead = rest.clone();
    while let Some(c) = ahead.next() {
        match c {
            '\n' | '\r' => return,
            '\u{7}' | '\u{9c}' => {
                *rest = ahead;
                return;
            }
            '\u{1b}' => {
                if ahead.clone().next() == Some('\\') {
                    ahead.next();
                    *rest = ahead;
                }
                return;
            }
            _ => *rest = ahead.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_gone() {
        for (text, expected) in [
            ("plain text", "plain text"),
            ("Grüße, 世界", "Grüße, 世界"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}[2J\u{1b}[1;1Hgone", "gone"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}]0;never ended\nnext", "next"),
            ("\u{1b}Pdevice\u{1b}\\text", "text"),
            ("\u{1b}c reset", " reset"),
            ("\u{1b}(Bset", "set"),
            ("\u{9b}31mred", "red"),
            ("\u{9d}0;title\u{9c}text", "text"),
            ("\u{1b}[3\u{1b}[31mtwice", "twice"),
            ("\u{1b}", ""),
            ("\u{1b}[", ""),
            ("over\rwritten", "over written"),
            ("two\r\nlines\n", "two lines"),
            ("a\tb\u{2028}c", "a b c"),
            ("bell\u{7}", "bell\u{fffd}"),
            ("back\u{8}space\u{7f}", "back\u{fffd}space\u{fffd}"),
            ("nul\0", "nul\u{fffd}"),
            ("c1\u{80}\u{9f}rest", "c1\u{fffd}"),
            ("abc\u{202e}txt.exe\u{202c}", "abc\u{fffd}txt.exe\u{fffd}"),
            ("\u{2066}iso\u{2069}", "\u{fffd}iso\u{fffd}"),
            ("zero\u{200b}width\u{feff}", "zero\u{fffd}width\u{fffd}"),
            ("soft\u{ad}hyphen", "soft\u{fffd}hyphen"),
            ("tag\u{e0041}", "tag\u{fffd}"),
        ] {
            assert_eq!(line(text), expected, "{text:?}");
        }
    }

    #[test]
    fn no_single_character_survives_that_should_not() {
        for c in ('\0'..='\u{10ffff}').filter(|c| is_hidden(*c)) {
            let text = format!("a{c}b");
            assert!(!line(&text).chars().any(is_hidden), "{c:?}");
        }
    }

    #[test]
    fn the_length_is_bounded() {
        assert_eq!(bounded("abcdef", 6), "abcdef");
        assert_eq!(bounded("abcdefg", 6), "abcde…");
        assert_eq!(bounded("ééé", 3), "ééé");
        assert_eq!(bounded("\u{1b}[31mabcdef", 6), "abcdef");
        let long = "x".repeat(LIMIT * 10);
        assert_eq!(line(&long).chars().count(), LIMIT);
    }

    #[test]
    fn what_is_clean_is_not_copied() {
        assert!(matches!(line("clean"), Cow::Borrowed(_)));
    }
}
