//! Many names in few words: those that count on are told by the first and the last.

use super::text::number;
use std::cmp::Ordering;

/// From how many names on a run is told by its ends.
const RUN: usize = 3;

/// A piece of a name: digits, or what stands between digits.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Digits(&'a str),
    Text(&'a str),
}

/// `m1 to m1000`, `db, m1 and m2`; of more than `most` pieces the rest is counted.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>, most: usize) -> String {
    let names = sorted(names);
    let mut pieces: Vec<(String, usize)> = Vec::new();
    let mut rest = names.as_slice();
    while let Some(first) = rest.first() {
        let length = run(rest);
        let (told, covered) = if length >= RUN {
            (format!("{first} to {}", rest[length - 1]), length)
        } else {
            ((*first).to_owned(), 1)
        };
        pieces.push((told, covered));
        rest = &rest[covered..];
    }
    // One more costs no more room than to say that there is one more.
    if pieces.len() > most + 1 {
        let left: usize = pieces.drain(most..).map(|(_, covered)| covered).sum();
        pieces.push((format!("{} more", number(left)), left));
    }
    let told: Vec<String> = pieces.into_iter().map(|(told, _)| told).collect();
    match told.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// Each name once, as people sort: `m2` before `m10`.
pub fn sorted<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_by(|a, b| compare(a, b));
    names.dedup();
    names
}

/// As people sort: digits by the number that they are.
pub fn compare(one: &str, other: &str) -> Ordering {
    let (one_pieces, other_pieces) = (pieces(one), pieces(other));
    for (a, b) in one_pieces.iter().zip(&other_pieces) {
        let order = match (a, b) {
            (Piece::Digits(a), Piece::Digits(b)) => {
                let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
                a.len().cmp(&b.len()).then(a.cmp(b))
            }
            (Piece::Text(a), Piece::Text(b)) => a.cmp(b),
            (Piece::Digits(_), Piece::Text(_)) => Ordering::Less,
            (Piece::Text(_), Piece::Digits(_)) => Ordering::Greater,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    one_pieces.len().cmp(&other_pieces.len()).then(one.cmp(other))
}

/// How many of these names, from the first one on, count on at one and the same piece.
fn run(names: &[&str]) -> usize {
    let mut at = None;
    let counts_on = names.windows(2).take_while(|pair| {
        let here = step(pair[0], pair[1]);
        let goes_on = here.is_some() && (at.is_none() || here == at);
        at = here;
        goes_on
    });
    1 + counts_on.count()
}

/// The piece by which the next name is the one after this one; `None` where it is not.
fn step(name: &str, next: &str) -> Option<usize> {
    let (name, next) = (pieces(name), pieces(next));
    if name.len() != next.len() {
        return None;
    }
    let mut differing = name.iter().zip(&next).enumerate().filter(|(_, (a, b))| a != b);
    let (index, (Piece::Digits(a), Piece::Digits(b))) = differing.next()? else { return None };
    let is_padded = |digits: &str| digits.starts_with('0') && digits.len() > 1;
    let fits = a.len() == b.len() || !(is_padded(a) || is_padded(b));
    let follows = a.parse::<u64>().ok()?.checked_add(1)? == b.parse::<u64>().ok()?;
    (differing.next().is_none() && fits && follows).then_some(index)
}

fn pieces(name: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        pieces.push(if is_digit { Piece::Digits(piece) } else { Piece::Text(piece) });
        rest = tail;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_count_on_are_told_by_their_ends() {
        for (names, expected) in [
            ("", ""),
            ("m1", "m1"),
            ("m2 m1", "m1 and m2"),
            ("m1 m2 m3", "m1 to m3"),
            ("m9 m10 m11 m2", "m2 and m9 to m11"),
            ("m1 m2 m4 m5 m6 db", "db, m1, m2 and m4 to m6"),
            ("m08 m09 m10", "m08 to m10"),
            ("m8 m09 m10", "m8, m09 and m10"),
            ("10.0.0.1 10.0.0.2 10.0.0.3 10.0.1.4", "10.0.0.1 to 10.0.0.3 and 10.0.1.4"),
            (
                "ip-10-1-7.ec2.x ip-10-1-8.ec2.x ip-10-1-9.ec2.x",
                "ip-10-1-7.ec2.x to ip-10-1-9.ec2.x",
            ),
            ("a1b1 a2b2 a3b3", "a1b1, a2b2 and a3b3"),
            ("m1 m1 m1", "m1"),
            ("b c a", "a, b and c"),
            ("a b c d e f", "a, b, c, d and 2 more"),
            ("a b c d e", "a, b, c, d and e"),
            (
                "99999999999999999999 99999999999999999998",
                "99999999999999999998 and 99999999999999999999",
            ),
        ] {
            assert_eq!(list(names.split_whitespace(), 4), expected, "{names}");
        }
        let many: Vec<String> = (1..=1000).map(|n| format!("m{n:04}")).collect();
        assert_eq!(list(many.iter().map(String::as_str), 4), "m0001 to m1000");
        let without: Vec<&str> =
            many.iter().map(String::as_str).filter(|n| *n != "m0500").collect();
        assert_eq!(list(without, 4), "m0001 to m0499 and m0501 to m1000");
    }
}
