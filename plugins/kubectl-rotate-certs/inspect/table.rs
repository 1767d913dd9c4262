//! The matrix for people.

use super::observe::Gathered;
use jiff::{SignedDuration, Timestamp};
use rotation_core::facts::sighting::{Content, Part, Sighting};
use rotation_core::facts::words::{count, time};
use rotation_core::facts::x509::Certificate;
use rotation_core::plan::inventory::{Age, Generation, Phase, Row, State};
use rotation_core::tell::clean;
use rotation_core::tell::table::{Cell, Table, Tone};
use std::fmt::Write as _;

/// Digits of a key's digest that people compare.
const DIGITS: usize = 12;
/// What ends within this time is shown as a warning.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// One row for each place.
pub(crate) fn places(gathered: &Gathered, at: Timestamp, wide: bool) -> Table {
    let mut table = if wide {
        Table::new(["PLACE", "ROLE", "IS", "UNTIL", "KEY", "SUBJECT", "CHANGED", "USED BY"])
    } else {
        Table::new(["PLACE", "ROLE", "IS", "UNTIL"])
    };
    for row in &gathered.matrix.rows {
        let sighting = &row.sighting;
        let mut cells = vec![
            Cell::from(sighting.place.to_string()),
            Cell::from(sighting.role.to_string()),
            Cell::toned(row.state.as_str(), tone(row.state)),
            until(row.until, at),
        ];
        if wide {
            let (key, subject) = first(gathered, row);
            let readers: Vec<&str> = sighting.readers.iter().map(|r| &*r.name).collect();
            cells.extend([
                Cell::from(key),
                Cell::from(subject),
                Cell::from(sighting.modified.map(time).unwrap_or_default()),
                Cell::from(readers.join(", ")),
            ]);
        }
        table.row(cells);
    }
    table
}

/// One line for each certificate, what ends first first.
pub(crate) fn certificates(gathered: &Gathered, at: Timestamp, wide: bool) -> Table {
    let mut table = Table::new(["CERTIFICATE", "SIGNED BY", "UNTIL", "PLACES"]);
    for shown in &gathered.matrix.certificates {
        let certificate = &shown.certificate;
        let places = if wide {
            let names = shown.rows.iter().filter_map(|index| gathered.matrix.rows.get(*index));
            names.map(|row| row.sighting.place.to_string()).collect::<Vec<_>>().join(", ")
        } else {
            shown.rows.len().to_string()
        };
        table.row([
            Cell::from(certificate.subject().to_string()),
            Cell::from(signer(certificate)),
            until(Some(certificate.not_after()), at),
            Cell::from(places),
        ]);
    }
    table
}

fn signer(certificate: &Certificate) -> String {
    if certificate.is_self_issued() {
        "itself".to_owned()
    } else {
        certificate.issuer().to_string()
    }
}

/// The generations of each domain, and how far a rotation is.
pub(crate) fn generations(gathered: &Gathered) -> String {
    let mut text = String::new();
    for progress in gathered.matrix.progress() {
        let list = gathered.matrix.generations.of_domain(progress.domain);
        let several = list.len() > 1;
        for generation in list {
            let line = format!(
                "{}: {} {}\n",
                progress.domain.as_str(),
                age(generation.age),
                clean::line(&name(generation))
            );
            text.push_str(&line);
        }
        if several {
            let [old, both, new] = progress.verifiers;
            let [shown_old, shown_new] = progress.presenters;
            let line = format!(
                "{}: {}: {} old, {both} both, {new} new; {} old, {shown_new} new\n",
                progress.domain.as_str(),
                Tone::Warning.paint(progress.phase.as_str()),
                count_of("trust", old),
                count_of("shown", shown_old),
            );
            text.push_str(&line);
            if progress.phase != Phase::Settled {
                let domain = progress.domain.as_str();
                let _ = writeln!(text, "{domain}: next: {}", progress.next());
            }
        }
    }
    text
}

fn age(age: Age) -> &'static str {
    match age {
        Age::Current => "current",
        Age::Old => "old",
        Age::New => "new",
    }
}

fn count_of(word: &str, number: usize) -> String {
    format!("{word} {number}")
}

fn name(generation: &Generation) -> String {
    let subject = match &generation.certificate {
        Some(certificate) => certificate.subject().to_string(),
        None => "a key".to_owned(),
    };
    let since = generation.since.map(|at| format!(", since {}", date(at))).unwrap_or_default();
    format!("{subject}, key {}{since}", short(&generation.key.to_string()))
}

/// Places where nobody could look, and why; links that lead elsewhere; processes that are older than their files.
pub(crate) fn remarks(gathered: &Gathered) -> String {
    let mut text = String::new();
    let mut say = |line: String| {
        text.push_str(&clean::line(&line));
        text.push('\n');
    };
    for row in &gathered.matrix.rows {
        let place = &row.sighting.place;
        match &row.sighting.content {
            Content::Unknown(unknown) => {
                let right = unknown.right.as_ref();
                let right = right.map(|right| format!(" (missing right: {right})"));
                say(format!("unknown: {place}: {}{}", unknown.why, right.unwrap_or_default()));
            }
            Content::Sealed { provider, key } => {
                say(format!("unknown: {place}: it is encrypted by {provider} with key {key}"));
            }
            Content::Held(_) | Content::Absent => {}
        }
        for reader in row.sighting.stale_readers() {
            say(format!("older than the file: {place}: {}", started(reader.started, &reader.name)));
        }
    }
    for link in &gathered.misled {
        let is = match &link.leads {
            Some(leads) => format!("it leads to {leads}"),
            None => "it is no link".to_owned(),
        };
        say(format!("no link to {}: {}: {is}", link.expected, link.place));
    }
    text
}

fn started(at: Option<Timestamp>, name: &str) -> String {
    at.map_or_else(|| name.to_owned(), |at| format!("{name}, started {}", time(at)))
}

/// One sentence about all of it, for stderr.
pub(crate) fn summary(gathered: &Gathered) -> String {
    let mut text = format!(
        "{}, {} and {}",
        count(gathered.matrix.rows.len(), "place"),
        count(gathered.matrix.certificates.len(), "certificate"),
        count(gathered.keys(), "private key"),
    );
    if gathered.hosts.len() > 1 {
        let _ = write!(text, " on {}", count(gathered.hosts.len(), "machine"));
    }
    let unknown = gathered.unknown();
    if unknown > 0 {
        let _ = write!(text, "; {unknown} could not be read");
    }
    text
}

fn tone(state: State) -> Tone {
    match state {
        State::Current | State::Own => Tone::Plain,
        State::New => Tone::Good,
        State::Old | State::Both => Tone::Warning,
        State::Other | State::Absent | State::Unknown => Tone::Bad,
    }
}

fn until(until: Option<Timestamp>, at: Timestamp) -> Cell {
    let Some(until) = until else { return Cell::from("") };
    let tone = match until.duration_since(at) {
        left if left < SignedDuration::ZERO => Tone::Bad,
        left if left < SOON => Tone::Warning,
        _ => Tone::Plain,
    };
    Cell::toned(date(until), tone)
}

/// A day, as people say it.
fn date(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// The key and the subject of what a place holds first; of a bundle, of what the domain knows.
fn first(gathered: &Gathered, row: &Row) -> (String, String) {
    let Some(held) = row.sighting.content.held() else { return Default::default() };
    let known = |c: &&std::sync::Arc<Certificate>| {
        let age = gathered.matrix.generations.age(row.sighting.role.domain, c.key_digest());
        row.sighting.role.part != Part::Bundle || age.is_some()
    };
    if let Some(certificate) = held.certificates.iter().find(known) {
        let key = short(&certificate.key_digest().to_string());
        return (key, certificate.subject().to_string());
    }
    (key_of(&row.sighting), String::new())
}

fn key_of(sighting: &Sighting) -> String {
    use rotation_core::facts::x509::KeyPart;
    let Some(held) = sighting.content.held() else { return String::new() };
    match (held.keys.first(), held.public_keys.first(), held.tokens.first()) {
        (Some(KeyPart::Public(digest)), _, _) | (None, Some(digest), _) => {
            short(&digest.to_string())
        }
        (Some(KeyPart::Encrypted), _, _) => "encrypted".to_owned(),
        (Some(KeyPart::Unknown | KeyPart::Unreadable), _, _) => "not read".to_owned(),
        (None, None, Some(token)) => {
            let claims = token.claims.as_ref();
            claims.and_then(|claims| claims.key_id.as_deref()).map(short).unwrap_or_default()
        }
        (None, None, None) => String::new(),
    }
}

fn short(digest: &str) -> String {
    digest.chars().take(DIGITS).collect()
}
