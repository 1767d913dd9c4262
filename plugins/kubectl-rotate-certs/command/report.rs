//! What was made, for people.

use crate::generate::compare::Change;
use crate::generate::make::{All, Made};
use crate::layout::expand::Item;
use jiff::{SignedDuration, Timestamp};
use rotation_core::cli::console::Console;
use rotation_core::facts::x509::San;
use rotation_core::tell::table::{Cell, Table};

/// Names of one certificate that a line shows; a subnet has hundreds.
const NAMES: usize = 6;

/// The table of a set.
pub(super) fn table(items: &[Item], made: &[Made]) -> Table {
    let mut table = Table::new(["NAME", "KIND", "HOW", "KEY", "UNTIL", "SIGNED BY"]);
    for (item, made) in items.iter().zip(made) {
        let certificate = made.certificate.as_ref();
        let key = made.key.as_ref().map(|key| key.kind().to_string());
        let key = key.or_else(|| certificate.map(|c| c.key().to_string())).unwrap_or_default();
        let until = certificate.map(|c| date(c.not_after())).unwrap_or_default();
        let signer = match item.signer.and_then(|at| items.get(at)) {
            Some(signer) => signer.id.clone(),
            None if certificate.is_some_and(|c| !c.is_self_issued()) => "another CA".to_owned(),
            None if certificate.is_some() => "itself".to_owned(),
            None => String::new(),
        };
        table.row([
            Cell::from(&item.id),
            Cell::from(crate::generate::set::kind_word(item.kind)),
            Cell::from(made.how),
            Cell::from(key),
            Cell::from(until),
            Cell::from(signer),
        ]);
    }
    table
}

/// A day, as people say it.
pub(super) fn date(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// Whole days; what is less counts as none.
pub(super) fn days(span: SignedDuration) -> i64 {
    span.as_secs() / 86_400
}

/// Names, shortened.
pub(super) fn names(sans: &[San]) -> String {
    let mut words: Vec<String> = sans.iter().take(NAMES).map(ToString::to_string).collect();
    if sans.len() > NAMES {
        words.push(format!("and {} more", sans.len() - NAMES));
    }
    words.join(", ")
}

/// How names change.
pub(super) fn changes(console: &Console, changes: &[Change]) {
    for change in changes {
        if !change.added.is_empty() {
            console.note(&format!("`{}` gets names: {}", change.id, names(&change.added)));
        }
        if !change.missing.is_empty() {
            console.note(&format!("`{}` loses names: {}", change.id, names(&change.missing)));
        }
    }
}

/// What stops nothing and should be known.
pub(super) fn warnings(console: &Console, items: &[Item], all: &All) {
    for (item, made) in items.iter().zip(&all.items) {
        if made.is_cut
            && let Some(certificate) = &made.certificate
        {
            console.warn(&format!(
                "`{}` ends on {} with its CA, earlier than asked for",
                item.id,
                date(certificate.not_after())
            ));
        }
    }
    for finding in &all.findings {
        console.warn(&format!("{}: {} ({})", finding.place, finding.what, finding.id()));
    }
}
