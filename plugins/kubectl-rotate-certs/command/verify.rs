//! `verify`: look at files, judge them, tell.

use crate::layout::Layout;
use crate::verify::args::VerifyArgs;
use crate::verify::{Report, rows};
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::x509::San;
use rotation_core::plan::certificate::{
    Contents, LayoutRow, Pool, Scene, SetDirectory, SetFile, judge,
};
use rotation_core::world::clock::{Clock as _, SystemClock};
use rotation_core::world::files;
use rotation_core::world::survey::{self, Surveyed};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Endings of files that say that they hold a certificate or a key.
const ENDINGS: [&str; 9] =
    [".crt", ".cert", ".cer", ".pem", ".key", ".pub", ".csr", ".der", ".kubeconfig"];

/// Runs the command.
pub(super) fn run(args: &VerifyArgs, console: &Console) -> Result<Exit, Failure> {
    let names = names(args)?;
    if args.san_only && names.is_empty() {
        return Err(Failure::usage(
            "--san-only says nothing without names: add --san or --san-file",
        ));
    }
    let rows = layout(args)?;
    let pools = args.ca.iter().map(|path| pool(path)).collect::<Result<Vec<_>, _>>()?;
    let survey = survey::survey(&args.paths)?;
    let files: Vec<SetFile> = survey.files.iter().filter_map(read).collect();
    let directories: Vec<SetDirectory> = survey
        .directories
        .iter()
        .map(|(path, owner)| SetDirectory { path: shown(path), mode: owner.mode })
        .collect();
    let at = args.at.unwrap_or_else(|| SystemClock::start().now());
    let mut findings = judge(&Scene {
        files: &files,
        directories: &directories,
        pools: &pools,
        names: &names,
        names_only: args.san_only,
        purpose: args.purpose.map(Into::into),
        rows: &rows,
        at,
        user: survey::user(),
    });
    findings.retain(|finding| !args.accept.contains(&finding.kind));
    let report = report(at, &files, findings);
    if report.files.is_empty() {
        let paths: Vec<String> = args.paths.iter().map(|path| shown(path)).collect();
        return Err(Failure::refused(format!(
            "there is no certificate, key or kubeconfig in {}",
            paths.join(", ")
        )));
    }
    let text = report.render(args.output).map_err(|why| Failure::unexpected(why.to_string()))?;
    console.data(&text);
    console.note(&report.summary());
    Ok(report.exit())
}

fn report(
    at: jiff::Timestamp,
    files: &[SetFile],
    findings: Vec<rotation_core::plan::certificate::Finding>,
) -> Report {
    let certificates: HashSet<&[u8]> =
        files.iter().flat_map(|f| &f.contents.certificates).map(|c| c.value.der()).collect();
    Report {
        verb: "verify",
        at,
        files: files.iter().map(|file| file.path.clone()).collect(),
        certificates: certificates.len(),
        keys: files.iter().map(|file| file.contents.keys.len()).sum(),
        findings,
    }
}

/// A file that holds something, or was to.
fn read(surveyed: &Surveyed) -> Option<SetFile> {
    let path = shown(&surveyed.path);
    let promises = surveyed.named || ENDINGS.iter().any(|ending| path.ends_with(ending));
    let contents = match &surveyed.bytes {
        Ok(bytes) if promises => Contents::expected(&path, bytes),
        Ok(bytes) => Contents::read(&path, bytes),
        Err(why) => Contents::unreadable(&path, why),
    };
    let says_something = !contents.is_empty() || promises || surveyed.bytes.is_err();
    says_something.then(|| SetFile {
        mode: surveyed.owner.map(|owner| owner.mode),
        owner: surveyed.owner.map(|owner| owner.user),
        contents,
        path,
    })
}

/// A bundle. One that holds nothing would find every chain broken, so it is refused.
fn pool(path: &Path) -> Result<Pool, Failure> {
    let survey = survey::survey(&[path.to_owned()])?;
    let mut certificates = Vec::new();
    for file in &survey.files {
        let name = shown(&file.path);
        let bytes = file
            .bytes
            .as_ref()
            .map_err(|why| Failure::unexpected(format!("cannot read {name}: {why}")))?;
        let contents = Contents::read(&name, bytes);
        certificates.extend(contents.certificates.into_iter().map(|placed| placed.value));
    }
    if certificates.is_empty() {
        let message = format!("there is no certificate in {}, which --ca names", path.display());
        return Err(
            Failure::usage(message).with_hint("name a file with the certificates of CAs, in PEM")
        );
    }
    Ok(Pool { name: shown(path), certificates })
}

fn names(args: &VerifyArgs) -> Result<Vec<San>, Failure> {
    let mut names = args.san.clone();
    if let Some(path) = &args.san_file {
        let text = files::read_named(path)?;
        for (index, line) in text.lines().enumerate() {
            let name = line.split('#').next().unwrap_or_default().trim();
            if name.is_empty() {
                continue;
            }
            let parsed = San::parse(name).map_err(|why| {
                Failure::usage(format!("{}, line {}: {why}", path.display(), index + 1))
            })?;
            names.push(parsed);
        }
    }
    Ok(names)
}

fn layout(args: &VerifyArgs) -> Result<Vec<LayoutRow>, Failure> {
    let Some(word) = &args.layout else { return Ok(Vec::new()) };
    if let Some(layout) = Layout::embedded(word) {
        return Ok(rows::of(&layout));
    }
    let text = files::read_named(&PathBuf::from(word)).map_err(|why| {
        let known = Layout::names().join(", ");
        Failure::from(why)
            .with_exit(Exit::Usage)
            .with_hint(format!("name a file, or one of {known}"))
    })?;
    let layout = Layout::parse(word, &text)
        .map_err(|why| Failure::usage(format!("cannot use layout `{word}`: {why}")))?;
    Ok(rows::of(&layout))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
