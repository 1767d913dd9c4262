//! Looks at all sources that were named. Reads only.

use super::args::SourceArgs;
use super::beyond::{self, Found};
use super::flags::Programs;
use super::host::{self, Looked};
use super::places::Places;
use super::reading::Reading;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::host::{HostSeen, Invocation, Misled};
use rotation_core::facts::sighting::{Content, Host, Interner, Sighting, read};
use rotation_core::facts::x509::KeyPart;
use rotation_core::plan::certificate::SetFile;
use rotation_core::plan::inventory::{Beyond, Matrix, Named};
use rotation_core::world::survey;
use rotation_core::world::{beside, hosts::local};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How often named files may name further ones: a process a kubeconfig, and that a certificate.
const ROUNDS: usize = 3;

/// What was gathered.
pub(crate) struct Gathered {
    /// All places.
    pub(crate) matrix: Matrix,
    /// All components.
    pub(crate) told: Vec<Invocation>,
    /// Links that lead elsewhere than they should.
    pub(crate) misled: Vec<Misled>,
    /// Files as sets are judged, where that is wanted.
    pub(crate) files: Vec<SetFile>,
    /// Machines with the seconds that their clocks are ahead.
    pub(crate) clocks: Vec<(String, i64)>,
    /// What only sources beyond files know.
    pub(crate) beyond: Beyond,
    /// Names of machines.
    pub(crate) hosts: Vec<Host>,
}

/// A tree of files with the name of its machine.
#[derive(Debug, PartialEq, Eq)]
struct Root {
    host: Host,
    directory: PathBuf,
}

/// Looks everywhere.
pub(crate) fn gather(
    args: &SourceArgs,
    console: &Console,
    judged: bool,
) -> Result<Gathered, Failure> {
    let roots = roots(&args.root)?;
    if roots.is_empty() && !args.beyond.any() {
        return Err(Failure::usage("there is nothing to look at: name a source").with_hint(
            "`--root /` looks at this machine, `--objects --live` at the cluster of your kubeconfig",
        ));
    }
    let layouts = layouts(&args.places)?;
    let programs = Programs::embedded();
    let reading = Reading::default();
    let named = Named { old: keys(&args.old)?, new: keys(&args.new)? };
    let patterns = host::patterns(&layouts);
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let looked = beside::each(&roots, at_once, |root| {
        let seen = look(&root.directory, &patterns, &layouts, &programs);
        host::interpret(&root.host, &seen, &layouts, &programs, &reading, judged)
    });
    let places: Vec<_> = roots.iter().map(|root| (&root.host, &*root.directory)).collect();
    let found = beyond::gather(&args.beyond, &places, &reading.interner, console)?;
    let hosts = roots.into_iter().map(|root| root.host).collect();
    Ok(put_together(looked, found, hosts, &named))
}

fn put_together(looked: Vec<Looked>, found: Found, hosts: Vec<Host>, named: &Named) -> Gathered {
    let mut sightings: Vec<Sighting> = found.sightings;
    let (mut told, mut misled, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for one in looked {
        sightings.extend(one.sightings);
        told.extend(one.told);
        misled.extend(one.misled);
        files.extend(one.files);
    }
    Gathered {
        matrix: Matrix::of(sightings, named),
        told,
        misled,
        files,
        clocks: Vec::new(),
        beyond: found.beyond,
        hosts,
    }
}

/// A tree, and what its files name.
fn look(
    directory: &Path,
    patterns: &[String],
    layouts: &[Places],
    programs: &Programs,
) -> HostSeen {
    let mut seen = local::look(directory, patterns);
    seen.processes = local::processes(directory, |arguments| programs.knows(arguments));
    for _ in 0..ROUNDS {
        let more = host::mentioned(&seen, layouts, programs);
        if more.is_empty() {
            break;
        }
        seen.files.extend(local::look(directory, &more).files);
    }
    seen
}

/// `DIR`, or `NAME=DIR` for each of several.
fn roots(words: &[String]) -> Result<Vec<Root>, Failure> {
    let mut roots = Vec::new();
    for word in words {
        let (host, directory) = match word.split_once('=') {
            Some((name, directory)) if is_name(name) => (Host::named(name), directory),
            _ => (Host::only(), word.as_str()),
        };
        roots.push(Root { host, directory: directory.into() });
    }
    let nameless = roots.iter().filter(|root| root.host == Host::only()).count();
    if nameless > 1 || (nameless == 1 && roots.len() > 1) {
        return Err(Failure::usage("several --root need names: --root m1=DIR --root m2=DIR"));
    }
    let mut names = BTreeSet::new();
    for root in &roots {
        if !names.insert(root.host.name()) {
            return Err(Failure::usage(format!("two --root are named `{}`", root.host.name())));
        }
        if let Err(why) = local::directory(&root.directory) {
            let message = format!("cannot look at {}: {why}", root.directory.display());
            return Err(Failure::unexpected(message)
                .with_hint("name a directory that is there, as a user who may read it"));
        }
    }
    Ok(roots)
}

fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.chars().all(good)
}

/// The places that are asked for; all that come along, where none is.
fn layouts(words: &[String]) -> Result<Vec<Places>, Failure> {
    if words.is_empty() {
        return Ok(Places::names().into_iter().filter_map(Places::embedded).collect());
    }
    words.iter().map(|word| layout(word)).collect()
}

fn layout(word: &str) -> Result<Places, Failure> {
    if let Some(places) = Places::embedded(word) {
        return Ok(places);
    }
    let text = rotation_core::world::files::read_named(Path::new(word)).map_err(|why| {
        let known = Places::names().join(", ");
        Failure::from(why)
            .with_exit(Exit::Usage)
            .with_hint(format!("name a file, or one of {known}"))
    })?;
    Places::parse(&text)
        .map_err(|why| Failure::usage(format!("cannot use the places of `{word}`: {why}")))
}

/// The keys of a generation that is named by files.
fn keys(paths: &[PathBuf]) -> Result<Vec<rotation_core::facts::credential::Digest>, Failure> {
    let mut keys = Vec::new();
    for file in survey::survey(paths)?.files {
        let path = file.path.display();
        let bytes =
            file.bytes.map_err(|why| Failure::unexpected(format!("cannot read {path}: {why}")))?;
        let held = read(&bytes, &Interner::default());
        let private = held.keys.iter().filter_map(|key| match key {
            KeyPart::Public(digest) => Some(*digest),
            KeyPart::Encrypted | KeyPart::Unknown | KeyPart::Unreadable => None,
        });
        let before = keys.len();
        keys.extend(held.certificates.iter().map(|certificate| certificate.key_digest()));
        keys.extend(held.public_keys.iter().copied().chain(private));
        if keys.len() == before {
            let message = format!("there is no certificate or key in {path}");
            return Err(Failure::usage(message)
                .with_hint("--old and --new name the CA's certificate, or the key for tokens"));
        }
    }
    Ok(keys)
}

impl Gathered {
    /// Whether nothing at all was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.matrix.rows.is_empty()
    }

    /// Private keys that were seen.
    pub(crate) fn keys(&self) -> usize {
        let held = self.matrix.rows.iter().filter_map(|row| row.sighting.content.held());
        held.map(|held| held.keys.len()).sum()
    }

    /// Places where nobody could look.
    pub(crate) fn unknown(&self) -> usize {
        let unknown = |content: &Content| matches!(content, Content::Unknown(_));
        self.matrix.rows.iter().filter(|row| unknown(&row.sighting.content)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_roots_have_names() {
        let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let named = roots(&words(&["m1=/", "m2=/usr"])).expect("good");
        assert_eq!(named[1], Root { host: Host::named("m2"), directory: "/usr".into() });
        assert_eq!(roots(&words(&["/"])).expect("good")[0].host, Host::only());
        for (list, word) in [
            (&["/", "/usr"][..], "need names"),
            (&["m1=/", "/usr"], "need names"),
            (&["m1=/", "m1=/usr"], "named `m1`"),
            (&["/no/such/directory"], "cannot look at"),
            (&["m1=/etc/passwd"], "cannot look at"),
        ] {
            let why = roots(&words(list)).expect_err("refused").to_string();
            assert!(why.contains(word), "{list:?}: {why}");
        }
    }
}
