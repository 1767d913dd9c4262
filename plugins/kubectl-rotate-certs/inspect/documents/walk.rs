//! Every entry of a document that holds something, or should.

use super::known::{ANYTHING, Known, Table};
use super::node::Node;
use super::read::{is_template, template};
use super::rows;
use super::variables::{Reference, Variables, references, whole};
use super::{Documents, Entry};
use crate::inspect::reading::Reading;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::sighting::{Content, Place, Role, Sighting};
use rotation_core::plan::certificate::{Contents, SetFile};
use std::collections::HashSet;

/// Values below each other; beyond that there is nothing to look at.
const DEPTH: usize = 48;

/// What is gathered on the way.
pub(super) struct Walk<'a> {
    table: &'a Table,
    reading: &'a Reading,
    documents: Documents,
    /// Pointers of all texts, by document: what is there, whatever it holds.
    there: HashSet<String>,
    /// Values that stand in the documents themselves: document and pointer.
    own: Vec<(String, String)>,
}

/// Where the walk is.
struct At<'a> {
    name: &'a str,
    variables: &'a Variables,
    /// The declared variables of the document, by name.
    declared: &'a HashSet<String>,
    /// Where the deployment is called something.
    deployment: &'a str,
}

impl<'a> Walk<'a> {
    pub(super) fn new(table: &'a Table, reading: &'a Reading) -> Self {
        let documents = Documents::default();
        Self { table, reading, documents, there: HashSet::new(), own: Vec::new() }
    }

    /// How many places there are.
    pub(super) fn seen(&self) -> usize {
        self.documents.looked.sightings.len()
    }

    /// Walks through one document.
    pub(super) fn document(
        &mut self,
        name: &str,
        node: &Node,
        variables: &Variables,
    ) -> Result<(), Failure> {
        let declared = super::variables::declared(node, variables);
        let declared = declared.into_iter().map(|declared| declared.name).collect();
        let deployment = node.entry("name").and_then(Node::text).unwrap_or("DEPLOYMENT");
        let at = At { name, variables, declared: &declared, deployment };
        self.node(&at, node, &mut String::new(), None, 0)
    }

    /// Judges what belongs together.
    pub(super) fn finish(mut self, manifests: &[&Node], variables: &Variables) -> Documents {
        self.missing();
        let own = std::mem::take(&mut self.own);
        self.documents.rows =
            rows::of(&own, &self.documents.looked.files, self.table, manifests, variables);
        self.documents
    }

    /// `via` is what a variable is called whose value this is.
    fn node(
        &mut self,
        at: &At<'_>,
        node: &Node,
        pointer: &mut String,
        via: Option<&str>,
        depth: usize,
    ) -> Result<(), Failure> {
        if depth > DEPTH {
            return Ok(());
        }
        match node {
            Node::Text(text) => self.text(at, text, pointer, via, depth),
            Node::Braces if self.role(pointer, via).is_some() => Err(template(at.name)),
            Node::Map(_) | Node::List(_) | Node::Braces | Node::Other => {
                for (part, below) in node.below() {
                    let length = pointer.len();
                    pointer.push('/');
                    pointer.push_str(&part);
                    let via = via.map(|via| format!("{via}/{part}"));
                    self.node(at, below, pointer, via.as_deref(), depth + 1)?;
                    pointer.truncate(length);
                }
                Ok(())
            }
        }
    }

    fn text(
        &mut self,
        at: &At<'_>,
        text: &str,
        pointer: &mut String,
        via: Option<&str>,
        depth: usize,
    ) -> Result<(), Failure> {
        self.there.insert(format!("{}#{pointer}", at.name));
        // What a file gives is taken as it is.
        if via.is_some() || references(text).is_empty() {
            return self.value(at, pointer, text, via);
        }
        if let Some(reference) = whole(text) {
            if let Some((_, node)) = at.variables.get(reference) {
                return self.node(at, node, pointer, Some(&reference.pointer()), depth + 1);
            }
            self.unresolved(at, pointer, reference);
            return Ok(());
        }
        let via = references(text).first().map(Reference::pointer);
        match at.variables.fill(text) {
            Ok(filled) => self.value(at, pointer, &filled, via.as_deref()),
            Err(reference) => {
                self.unresolved(at, pointer, reference);
                Ok(())
            }
        }
    }

    /// By where it stands, else by the variable that it comes from.
    fn role(&self, pointer: &str, via: Option<&str>) -> Option<Role> {
        let known = self.table.at(pointer).or_else(|| self.table.at(via?))?;
        Some(known.role())
    }

    fn value(
        &mut self,
        at: &At<'_>,
        pointer: &str,
        text: &str,
        via: Option<&str>,
    ) -> Result<(), Failure> {
        let role = self.role(pointer, via);
        if role.is_none() && !text.contains("-----BEGIN ") {
            return Ok(());
        }
        if role.is_some() && is_template(text) {
            return Err(template(at.name));
        }
        let role = role.unwrap_or(ANYTHING);
        let place = self.place(at, pointer, None);
        if via.is_none() {
            let path = place.to_string();
            // A document holds every CA by right.
            let contents =
                Contents { document: true, ..Contents::expected(&path, text.as_bytes()) };
            self.documents.looked.files.push(SetFile { path, mode: None, owner: None, contents });
            self.own.push((at.name.to_owned(), pointer.to_owned()));
        }
        let held = self.reading.held(text.as_bytes());
        self.documents.looked.sightings.push(Sighting::new(place, role, Content::Held(held)));
        Ok(())
    }

    /// A variable that nothing gives, where a certificate or a key is wanted.
    fn unresolved(&mut self, at: &At<'_>, pointer: &str, reference: Reference<'_>) {
        let target = reference.pointer();
        let role = self.role(pointer, Some(&target));
        let wanted = role.is_some()
            || self.table.below(pointer).is_some()
            || self.table.below(&target).is_some()
            || at.declared.contains(reference.variable);
        if !wanted {
            return;
        }
        let variable = reference.variable;
        let full = if variable.starts_with('/') {
            variable.to_owned()
        } else {
            format!("/DIRECTOR/{}/{variable}", at.deployment)
        };
        let next = format!(
            "write what `credhub get -n {full}` shows to a file below `{variable}:`, and name it by --vars-file"
        );
        let place = self.place(at, pointer, Some(next.clone()));
        let why = format!("no --vars-file gives `{variable}`; {next}");
        let role = role.unwrap_or(ANYTHING);
        self.documents.looked.sightings.push(Sighting::unknown(place, role, why));
    }

    /// What must be beside something that is there.
    fn missing(&mut self) {
        for (name, pointer) in &self.own {
            let Some(known) = self.table.at(pointer) else { continue };
            let Some((parent, _)) = pointer.rsplit_once('/') else { continue };
            for beside in &known.beside {
                let pointer = format!("{parent}/{beside}");
                let text = format!("{name}#{pointer}");
                let Some(role) = self.table.at(&pointer).map(Known::role) else {
                    continue;
                };
                // Once, whatever asks for it.
                if !self.there.insert(text.clone()) {
                    continue;
                }
                let place = Place::Entry {
                    document: name.as_str().into(),
                    pointer: pointer.as_str().into(),
                };
                let (document, layout) = (name.clone(), Some(known.layout.clone()));
                self.documents.entries.insert(text, Entry { document, layout, next: None });
                self.documents.looked.sightings.push(Sighting::absent(place, role));
            }
        }
    }

    fn place(&mut self, at: &At<'_>, pointer: &str, next: Option<String>) -> Place {
        let place = Place::Entry { document: at.name.into(), pointer: pointer.into() };
        let layout = self.table.at(pointer).map(|known| known.layout.clone());
        let entry = Entry { document: at.name.to_owned(), layout, next };
        self.documents.entries.insert(place.to_string(), entry);
        place
    }
}
