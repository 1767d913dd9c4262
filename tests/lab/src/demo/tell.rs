//! What the demo says: plain lines on stderr, at most 80 columns.

use std::io::{self, Write as _};

const COLUMNS: usize = 80;

/// Says a paragraph.
pub(super) fn tell(text: &str) {
    line(&wrapped(text, COLUMNS));
}

/// Begins a part.
pub(super) fn heading(number: &str, what: &str) {
    line(&format!("\n== {number}: {what}\n"));
}

/// Shows a command; a long pipeline takes a line for each part.
pub(super) fn shown(command: &str) {
    let text = if command.len() > COLUMNS - 8 {
        command.replace(" | ", " |\n          ")
    } else {
        command.to_owned()
    };
    line(&format!("\n    $ {text}\n"));
}

/// A closed stderr is no reason to stop.
fn line(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn wrapped(text: &str, columns: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is a line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.len() + 1 + word.len() <= columns {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_before_the_edge() {
        assert_eq!(wrapped("one two three", 7), "one two\nthree");
        assert_eq!(wrapped("one  \n two", 80), "one two");
        assert_eq!(wrapped("unbreakable x", 4), "unbreakable\nx");
        assert_eq!(wrapped("", 4), "");
    }
}
