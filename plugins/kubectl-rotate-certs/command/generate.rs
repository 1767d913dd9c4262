//! `kubectl rotate-certs generate`: look, compare, make, verify, write, switch, read again.

mod ask;
mod elsewhere;
mod sources;
mod write;

use super::report;
use crate::cli::Format;
use crate::cli::generate::GenerateArgs;
use crate::generate::compare::{Change, lost};
use crate::generate::existing::{Existing, certificates};
use crate::generate::make::{All, interrupted, make};
use crate::generate::{render, set};
use crate::layout::expand::Wanted;
use jiff::Timestamp;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::x509::San;
use rotation_core::tell::json;
use rotation_core::world::clock::{Clock as _, SystemClock};
use rotation_core::world::files;
use rotation_core::world::interrupt::Interrupt;
use std::collections::BTreeSet;
use std::path::Path;

/// A clock before this time was never set: what is made now would be valid then.
const EARLIEST: &str = "2020-01-01T00:00:00Z";

/// Runs the command.
pub(super) fn run(args: &GenerateArgs, console: &Console) -> Result<Exit, Failure> {
    let now = SystemClock::start().now();
    if now < EARLIEST.parse().unwrap_or(Timestamp::MIN) {
        return Err(Failure::refused(format!("this machine's clock says {now}"))
            .with_hint("set the clock: certificates made now would be valid at another time"));
    }
    let generation = id(now);
    let asked = ask::ask(args, console, &generation)?;
    let mut wanted = asked.wanted;
    let directory = match asked.directory.as_str() {
        "" => args.output.clone(),
        below => args.output.join(below),
    };
    let existing = Existing::look(&directory, &wanted)?;
    refuse_existing(args, &directory, &existing, now)?;
    let changes = compare(args, &mut wanted, &existing)?;
    let interrupt = Interrupt::listen()
        .map_err(|why| Failure::unexpected(format!("cannot listen for signals: {why}")))?;
    let person = sources::Asker { console, interrupt: &interrupt };
    let order = sources::order(args, &person, &asked.layout, &wanted, &existing, &directory, now)?;
    let all = make(order, &interrupt)?;
    let replaces = write::current(&directory)?;
    let about = set::About {
        layout: &asked.layout.name,
        generation: &generation,
        made_at: now,
        replaces: replaces.as_deref(),
        changes: &changes,
    };
    let files = render::files(&wanted, &all.items, &existing, &about, now)?;
    report::changes(console, &changes);
    report::warnings(console, &wanted.items, &all);
    if args.dry_run {
        print(args, console, &wanted, &all, &about)?;
        console.note("nothing was written (dry run)");
        return Ok(Exit::Findings);
    }
    let job = write::Job {
        directory: &directory,
        generation: &generation,
        files: &files,
        fixed_names: asked.fixed_names,
        switch: !args.csr_out,
    };
    // From here on the set is finished within a moment, whole, and a second signal ends even that.
    if interrupt.is_asked() {
        return Err(interrupted());
    }
    let done = write::write(&job, |foreign| {
        let unseen = Existing::look(&directory, &wanted)?;
        if foreign || unseen.is_there {
            refuse_existing(args, &directory, &unseen, now)?;
        }
        Ok(())
    })?;
    print(args, console, &wanted, &all, &about)?;
    done.tell(console);
    Ok(Exit::Done)
}

/// A name for a generation: when it was made, and something that is never the same.
fn id(now: Timestamp) -> String {
    let [a, b] = rotation_core::world::keys::random::<2>();
    let stamp = now.strftime("%Y%m%dT%H%M%SZ");
    format!("{stamp}-{a:02x}{b:02x}")
}

fn refuse_existing(
    args: &GenerateArgs,
    directory: &Path,
    existing: &Existing,
    now: Timestamp,
) -> Result<(), Failure> {
    if !existing.is_there || args.force_regen || args.renew_ca || args.dry_run || args.csr_out {
        return Ok(());
    }
    let age = existing.age().map_or_else(String::new, |(made, ends)| {
        let (old, left) = (now.duration_since(made), ends.duration_since(now));
        let left = if left.is_negative() {
            format!("its first certificate expired on {}", report::date(ends))
        } else {
            format!(
                "its first certificate ends in {} days, on {}",
                report::days(left),
                report::date(ends)
            )
        };
        format!(": it was made {} days ago, {left}", report::days(old))
    });
    Err(Failure::refused(format!("there is a set in {} already{age}", directory.display()))
        .with_hint("add --force-regen to make a new one beside it; the old one is kept"))
}

/// How names change, with what was said about them; a loss that nobody spoke of is refused.
fn compare(
    args: &GenerateArgs,
    wanted: &mut Wanted,
    existing: &Existing,
) -> Result<Vec<Change>, Failure> {
    let mut today: Vec<_> = existing.items.iter().map(|old| old.certificate.clone()).collect();
    for (row, path) in &args.compare {
        let at = wanted.items.iter().position(|item| item.id == *row);
        let at =
            at.ok_or_else(|| Failure::usage(format!("`{row}` of --compare is no row here")))?;
        let text = files::read_secret_named(Path::new(path))?;
        let first = certificates(&text).into_iter().next();
        today[at] = Some(
            first.ok_or_else(|| Failure::refused(format!("there is no certificate in {path}")))?,
        );
    }
    if args.renew_ca {
        return Ok(Vec::new());
    }
    if args.keep_sans {
        for (item, today) in wanted.items.iter_mut().zip(&today) {
            let missing = today.as_ref().and_then(|today| Change::of(item, today));
            let known = missing.into_iter().flat_map(|change| change.missing);
            item.sans.extend(known.filter(|san| !matches!(san, San::Other(_))));
            item.sans.sort();
        }
    }
    let pairs = wanted.items.iter().zip(&today);
    let changes: Vec<Change> =
        pairs.filter_map(|(item, today)| Change::of(item, today.as_ref()?)).collect();
    let mut may_go = BTreeSet::new();
    for name in &args.drop_sans {
        // Kinds of names that are never made here are named as they are shown.
        may_go.insert(San::parse(name).unwrap_or_else(|_| San::Other(name.clone())));
    }
    let lost = lost(&changes, &may_go);
    if lost.is_empty() {
        return Ok(changes);
    }
    let words: Vec<String> = lost
        .iter()
        .map(|(id, sans)| format!("`{id}` would lose {}", report::names(sans)))
        .collect();
    Err(Failure::refused(format!(
        "names of today's certificates would be lost: {}",
        words.join("; ")
    ))
    .with_hint("add --keep-sans to keep them, or --drop-san NAME for each that may go"))
}

fn print(
    args: &GenerateArgs,
    console: &Console,
    wanted: &Wanted,
    all: &All,
    about: &set::About<'_>,
) -> Result<(), Failure> {
    let format = match args.format {
        Format::Text => {
            console.table(&report::table(&wanted.items, &all.items), false);
            return Ok(());
        }
        Format::Json => json::Format::Json,
        Format::Yaml => json::Format::Yaml,
    };
    console.document(&set::describe(wanted, &all.items, about), format)
}
