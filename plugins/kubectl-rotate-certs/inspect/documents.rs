//! Documents that are on no machine yet: a Salt pillar, a BOSH manifest with its variables, whatever is YAML or JSON with
//! PEM in it.

mod advice;
mod known;
mod node;
mod read;
mod rows;
mod variables;
mod walk;

pub(crate) use advice::mend;

use super::document_args::DocumentArgs;
use super::host::Looked;
use super::reading::Reading;
use known::Table;
use node::Node;
use rotation_core::cli::failure::Failure;
use rotation_core::plan::certificate::LayoutRow;
use std::collections::HashMap;
use variables::Variables;
use walk::Walk;

/// What the documents hold.
#[derive(Default)]
pub(crate) struct Documents {
    /// Places, and files for the rules of sets.
    pub(crate) looked: Looked,
    /// What belongs together.
    pub(crate) rows: Vec<LayoutRow>,
    /// Each place by its name.
    pub(crate) entries: HashMap<String, Entry>,
}

/// What is known of an entry besides.
pub(crate) struct Entry {
    /// The document that is to be edited.
    pub(crate) document: String,
    /// The layout by which `generate` makes one.
    pub(crate) layout: Option<String>,
    /// What to do, where that is known better than from the kind of a finding.
    pub(crate) next: Option<String>,
}

/// Looks at documents. One that cannot be used is an error: it was named.
pub(crate) fn look(args: &DocumentArgs, reading: &Reading) -> Result<Documents, Failure> {
    if args.document.is_empty() {
        return Ok(Documents::default());
    }
    let table = Table::embedded();
    let documents = read::all(&args.document)?;
    let given = read::all(&args.vars_file)?;
    let mut walk = Walk::new(&table, reading);
    let variables = Variables { files: given };
    for (name, node) in &documents {
        let before = walk.seen();
        walk.document(name, node, &variables)?;
        if walk.seen() == before {
            return Err(nothing(name));
        }
    }
    // What a file gives is judged where it stands, and once.
    let none = Variables::default();
    for (name, node) in &variables.files {
        if documents.iter().all(|(other, _)| other != name) {
            walk.document(name, node, &none)?;
        }
    }
    let manifests: Vec<&Node> = documents.iter().map(|(_, node)| node).collect();
    Ok(walk.finish(&manifests, &variables))
}

fn nothing(name: &str) -> Failure {
    Failure::usage(format!("there is no certificate or key in {name}, nor a variable for one"))
        .with_hint("name the pillar, the manifest or the variables in which they stand; `verify` looks at files of PEM")
}
