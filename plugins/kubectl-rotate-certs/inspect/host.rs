//! What was seen of a machine, as sightings: files by their places, components by what they name.

use super::flags::{Programs, Use};
use super::kubeconfig::{self, Piece, Source};
use super::places::{Form, Machine, Places, Wanted};
use super::reading::Reading;
use rotation_core::facts::host::{FileFault, FileSeen, HostSeen, Invocation, Misled, fits};
use rotation_core::facts::sighting::{
    Component, Content, Domain, Held, Host, Part, Place, Reader, Role, Sighting, Token, Unknown,
};
use rotation_core::plan::certificate::{Contents, SetFile};
use std::collections::BTreeMap;

/// Why nothing is said of a file that is named, and of which the machine was not asked.
const NOT_ASKED: &str = "it is named where nobody looked for names";

/// A machine, looked at.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// What was seen at its places.
    pub(crate) sightings: Vec<Sighting>,
    /// Its components.
    pub(crate) told: Vec<Invocation>,
    /// Links that lead elsewhere than they should.
    pub(crate) misled: Vec<Misled>,
    /// Files as sets are judged, where that is wanted.
    pub(crate) files: Vec<SetFile>,
}

/// Which files are asked for first: marks, and the files of all machines.
pub(crate) fn patterns(layouts: &[Places]) -> Vec<String> {
    let machines = || layouts.iter().flat_map(|places| &places.machines);
    let marks = machines().flat_map(|machine| machine.marks.iter().cloned());
    let files = machines().flat_map(|machine| machine.files.iter().map(|file| file.path.clone()));
    let mut patterns: Vec<String> = marks.chain(files).collect();
    patterns.sort();
    patterns.dedup();
    patterns
}

/// Which further files those name that were seen: kubeconfigs, manifests, settings, processes. `read` keeps what each
/// kubeconfig names, for whoever asks again.
pub(crate) fn mentioned(
    seen: &HostSeen,
    layouts: &[Places],
    programs: &Programs,
    read: &mut BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let mut paths = Vec::new();
    let mut kubeconfigs = Vec::new();
    for (path, wanted) in forms(seen, layouts) {
        let Some(bytes) = bytes(seen, path) else { continue };
        match wanted.form {
            Form::Pem => {}
            Form::Kubeconfig => kubeconfigs.push(path.to_owned()),
            Form::Manifest | Form::KubeletConfig => {
                for invocation in invocations(wanted.form, bytes, programs).unwrap_or_default() {
                    named(&programs.uses(&invocation), &mut paths, &mut kubeconfigs);
                }
            }
        }
    }
    for process in &seen.processes {
        if let Some(invocation) = programs.invocation(&process.arguments) {
            named(&programs.uses(&invocation), &mut paths, &mut kubeconfigs);
        }
    }
    for path in kubeconfigs {
        match bytes(seen, &path) {
            Some(bytes) => {
                let named = read.entry(path).or_insert_with_key(|path| files_of(path, bytes));
                paths.extend(named.iter().cloned());
            }
            None => paths.push(path),
        }
    }
    paths.retain(|path| !seen.files.contains_key(path) && !path.contains('*'));
    paths.sort();
    paths.dedup();
    paths
}

/// Files that a kubeconfig names.
fn files_of(path: &str, bytes: &[u8]) -> Vec<String> {
    let pieces = kubeconfig::read(path, bytes).unwrap_or_default();
    let file = |piece: Piece| match piece.source {
        Source::File(path) => Some(path),
        Source::Here(_) | Source::Damaged | Source::Program => None,
    };
    pieces.into_iter().filter_map(file).collect()
}

fn named(uses: &[Use], paths: &mut Vec<String>, kubeconfigs: &mut Vec<String>) {
    for one in uses {
        let list = if one.role.is_some() { &mut *paths } else { &mut *kubeconfigs };
        list.push(one.path.clone());
    }
}

/// Files with a form of their own.
fn forms<'a>(
    seen: &'a HostSeen,
    layouts: &'a [Places],
) -> impl Iterator<Item = (&'a str, &'a Wanted)> {
    let wanted = layouts.iter().flat_map(|p| &p.machines).flat_map(|machine| &machine.files);
    wanted.filter(|wanted| wanted.form != Form::Pem).flat_map(move |wanted| {
        let paths = seen.files.keys().filter(move |path| fits(&wanted.path, path));
        paths.map(move |path| (path.as_str(), wanted))
    })
}

fn bytes<'a>(seen: &'a HostSeen, path: &str) -> Option<&'a [u8]> {
    seen.files.get(path)?.content.as_ref().ok().map(|bytes| bytes.as_slice())
}

fn invocations(form: Form, bytes: &[u8], programs: &Programs) -> Option<Vec<Invocation>> {
    match form {
        Form::Manifest => programs.manifest(bytes),
        Form::KubeletConfig => Programs::kubelet_config(bytes).map(|one| vec![one]),
        Form::Pem | Form::Kubeconfig => None,
    }
}

/// Makes sightings of what was seen.
pub(crate) fn interpret(
    host: &Host,
    seen: &HostSeen,
    layouts: &[Places],
    programs: &Programs,
    reading: &Reading,
    judged: bool,
) -> Looked {
    let mut work = Work {
        host,
        seen,
        programs,
        reading,
        judged,
        rows: BTreeMap::new(),
        readers: BTreeMap::new(),
        looked: Looked::default(),
    };
    for machine in layouts.iter().flat_map(|places| &places.machines) {
        if work.is(machine) {
            for wanted in &machine.files {
                work.wanted(wanted);
            }
        }
    }
    work.processes();
    work.finish()
}

/// A machine of which nothing was seen.
pub(crate) fn unreachable(host: &Host, why: &str) -> Looked {
    let role = Role::new(Component::Other, Domain::Other, Part::Anything);
    let place = Place::file(host, "/");
    Looked { sightings: vec![Sighting::unknown(place, role, why)], ..Looked::default() }
}

struct Work<'a> {
    host: &'a Host,
    seen: &'a HostSeen,
    programs: &'a Programs,
    reading: &'a Reading,
    /// Whether files are judged as well.
    judged: bool,
    /// Rows that are made, by path; a path can be looked at for two reasons.
    rows: BTreeMap<String, Vec<Role>>,
    readers: BTreeMap<String, Vec<Reader>>,
    looked: Looked,
}

impl Work<'_> {
    /// A mark that cannot be looked at may be there.
    fn is(&self, machine: &Machine) -> bool {
        machine.marks.iter().any(|mark| self.seen.files.get(mark).is_some_and(FileSeen::is_there))
    }

    fn wanted(&mut self, wanted: &Wanted) {
        let found: Vec<String> = if wanted.path.contains('*') {
            let fitting = self.seen.files.iter().filter(|(path, file)| {
                (fits(&wanted.path, path) && file.is_there()) || **path == wanted.path
            });
            fitting.map(|(path, _)| path.clone()).collect()
        } else {
            let there = self.seen.files.get(&wanted.path).is_some_and(FileSeen::is_there);
            if there { vec![wanted.path.clone()] } else { Vec::new() }
        };
        if found.is_empty() && wanted.required {
            let role = match wanted.form {
                Form::Pem => wanted.is.role(),
                Form::Kubeconfig | Form::Manifest | Form::KubeletConfig => {
                    Role::new(wanted.is.component, Domain::Cluster, Part::Client)
                }
            };
            if self.claim(&wanted.path, role) {
                let place = Place::file(self.host, &wanted.path);
                self.looked.sightings.push(Sighting::absent(place, role));
            }
        }
        for path in found {
            match wanted.form {
                Form::Pem => self.file(&path, wanted.is.role()),
                Form::Kubeconfig => self.kubeconfig(&path, wanted.is.component, wanted.clients),
                Form::Manifest | Form::KubeletConfig => self.told(&path, wanted.form),
            }
            if let Some(expected) = &wanted.link {
                self.link(&path, expected);
            }
        }
    }

    /// Whether a path may have a row for this role: another one only for the keys of tokens, which can be a server's.
    fn claim(&mut self, path: &str, role: Role) -> bool {
        let roles = self.rows.entry(path.to_owned()).or_default();
        let of_tokens = |role: &Role| role.domain == Domain::Tokens;
        let taken = roles.iter().any(|other| of_tokens(other) == of_tokens(&role));
        if taken || (role.part == Part::Anything && !roles.is_empty()) {
            return false;
        }
        roles.push(role);
        true
    }

    fn file(&mut self, path: &str, role: Role) {
        if !self.claim(path, role) {
            return;
        }
        let place = Place::file(self.host, path);
        let Some(file) = self.seen.files.get(path) else {
            return self.looked.sightings.push(Sighting::unknown(place, role, NOT_ASKED));
        };
        let content = match &file.content {
            Ok(bytes) if role.part == Part::Token => {
                let text = String::from_utf8_lossy(bytes);
                Content::Held(Held { tokens: vec![Token::read(&text)], ..Held::default() })
            }
            Ok(bytes) => {
                self.judge(path, role, file, bytes);
                Content::Held(self.reading.held(bytes))
            }
            Err(fault) => fault_content(fault, path),
        };
        let mut sighting = Sighting::new(place, role, content);
        sighting.modified = file.modified;
        sighting.link = file.link.as_deref().map(Into::into);
        self.looked.sightings.push(sighting);
    }

    /// Keeps a file for the rules that look at files. What has a CA of its own by right is none of this set.
    fn judge(&mut self, path: &str, role: Role, file: &FileSeen, bytes: &[u8]) {
        let counts = role.part != Part::Bundle && role.domain != Domain::Other;
        let again = self.rows.get(path).is_some_and(|roles| roles.len() > 1);
        if !self.judged || !counts || again {
            return;
        }
        let place = Place::file(self.host, path).to_string();
        self.looked.files.push(SetFile {
            mode: file.mode.map(|mode| mode_that_counts(path, mode)),
            owner: file.user,
            contents: Contents::expected(&place, bytes),
            path: place,
        });
    }

    fn kubeconfig(&mut self, path: &str, component: Component, clients: bool) {
        let whole = Role::new(component, Domain::Cluster, Part::Client);
        if !self.claim(path, whole) {
            return;
        }
        let place = Place::file(self.host, path);
        let file = self.seen.files.get(path);
        let pieces = match file.map(|file| &file.content) {
            None => {
                let sighting = Sighting::unknown(place, whole, NOT_ASKED);
                return self.looked.sightings.push(sighting);
            }
            Some(Err(fault)) => {
                let sighting = Sighting::new(place, whole, fault_content(fault, path));
                return self.looked.sightings.push(sighting);
            }
            Some(Ok(bytes)) => {
                if let Some(file) = file {
                    self.judge(path, whole, file, bytes);
                }
                kubeconfig::read(path, bytes)
            }
        };
        let Some(pieces) = pieces else {
            let why = "it is no YAML of a kubeconfig";
            return self.looked.sightings.push(Sighting::unknown(place, whole, why));
        };
        for piece in pieces {
            self.piece(path, component, clients, piece);
        }
    }

    fn piece(&mut self, path: &str, component: Component, clients: bool, piece: Piece) {
        let domain = match piece.part {
            Part::Token => Domain::Tokens,
            Part::Client | Part::ClientKey if clients => Domain::Clients,
            _ => Domain::Cluster,
        };
        let role = Role::new(component, domain, piece.part);
        let held = match piece.source {
            Source::File(named) => return self.file(&named, role),
            // Nothing is asked, so there is nothing to show.
            Source::Program => return,
            Source::Damaged => Held::default(),
            Source::Here(bytes) if piece.part == Part::Token => {
                let text = String::from_utf8_lossy(&bytes);
                Held { tokens: vec![Token::read(&text)], ..Held::default() }
            }
            Source::Here(bytes) => self.reading.held(&bytes),
        };
        let place = Place::entry_of_file(self.host, path, &piece.entry);
        let mut sighting = Sighting::new(place, role, Content::Held(held));
        sighting.modified = self.seen.files.get(path).and_then(|file| file.modified);
        self.looked.sightings.push(sighting);
    }

    /// A manifest or a configuration: what it says, and the files that it names.
    fn told(&mut self, path: &str, form: Form) {
        let place = Place::file(self.host, path);
        let role = Role::new(Component::Other, Domain::Other, Part::Anything);
        let Some(file) = self.seen.files.get(path) else { return };
        let read = match &file.content {
            Ok(bytes) => invocations(form, bytes, self.programs),
            Err(fault) => {
                let content = fault_content(fault, path);
                return self.looked.sightings.push(Sighting::new(place, role, content));
            }
        };
        let Some(read) = read else {
            return self.looked.sightings.push(Sighting::unknown(place, role, "it is no YAML"));
        };
        for invocation in read {
            self.uses(place.to_string(), invocation);
        }
    }

    /// The files that a component names have rows, whatever the layouts say.
    fn uses(&mut self, place: String, invocation: Invocation) {
        let uses = self.programs.uses(&invocation);
        for one in &uses {
            match one.role {
                Some(role) => self.file(&one.path, role),
                None => self.kubeconfig(&one.path, invocation.component, false),
            }
        }
        let files = uses.into_iter().map(|one| one.path).collect();
        self.looked.told.push(Invocation { place, files, ..invocation });
    }

    fn processes(&mut self) {
        for process in &self.seen.processes {
            let Some(invocation) = self.programs.invocation(&process.arguments) else { continue };
            let name = format!("{} (PID {})", invocation.component.as_str(), process.pid);
            for one in self.programs.uses(&invocation) {
                let reader = Reader {
                    name: name.as_str().into(),
                    started: process.started,
                    reloads: one.reloads,
                    mend: None,
                };
                self.readers.entry(one.path).or_default().push(reader);
            }
            let host = self.host.name();
            let place = if host.is_empty() { name } else { format!("{host}:{name}") };
            self.uses(place, invocation);
        }
    }

    fn link(&mut self, path: &str, expected: &str) {
        let Some(file) = self.seen.files.get(path) else { return };
        let leads = file.link.as_deref();
        if leads.is_none_or(|leads| kubeconfig::beside(path, leads) != expected) {
            let place = Place::file(self.host, path).to_string();
            let (leads, expected) = (leads.map(str::to_owned), expected.to_owned());
            self.looked.misled.push(Misled { place, leads, expected });
        }
    }

    fn finish(mut self) -> Looked {
        for sighting in &mut self.looked.sightings {
            if let Place::File { path, .. } = &sighting.place
                && let Some(readers) = self.readers.get(&**path)
            {
                sighting.readers.clone_from(readers);
            }
        }
        self.looked
    }
}

/// Jobs of BOSH read their files by a group of their own, which has nobody else in it.
fn mode_that_counts(path: &str, mode: u32) -> u32 {
    if path.starts_with("/var/vcap/") { mode & !0o040 } else { mode }
}

fn fault_content(fault: &FileFault, path: &str) -> Content {
    match fault {
        FileFault::Absent => Content::Absent,
        FileFault::Denied => Content::Unknown(Unknown {
            why: fault.to_string().into(),
            right: Some(format!("read {path}").into()),
        }),
        other => Content::Unknown(Unknown { why: other.to_string().into(), right: None }),
    }
}
