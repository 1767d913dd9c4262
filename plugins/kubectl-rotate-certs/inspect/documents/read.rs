//! Documents as they lie there. Templates are refused: only their renderer knows what they hold.

use super::node::Node;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::x509::FILE_LIMIT;
use rotation_core::world::survey;
use std::path::PathBuf;

/// Names and contents.
pub(super) fn all(paths: &[PathBuf]) -> Result<Vec<(String, Node)>, Failure> {
    paths.iter().map(one).collect()
}

fn one(path: &PathBuf) -> Result<(String, Node), Failure> {
    let name = path.display().to_string();
    let files = survey::survey(std::slice::from_ref(path))?.files;
    let Some(file) = files.into_iter().find(|file| file.named) else {
        return Err(Failure::usage(format!("{name} is a directory"))
            .with_hint("name each document by itself; machines' files are for --root"));
    };
    let bytes =
        file.bytes.map_err(|why| Failure::unexpected(format!("cannot read {name}: {why}")))?;
    if bytes.len() > FILE_LIMIT {
        return Err(Failure::usage(format!("{name} has more than {FILE_LIMIT} bytes")));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::usage(format!("{name} is no text in UTF-8")))?;
    let templated = is_template(text);
    if templated && path.extension().is_some_and(|ending| ending == "sls") {
        return Err(template(&name));
    }
    match Node::parse(text) {
        Ok(node) => Ok((name, node)),
        Err(_) if templated => Err(template(&name)),
        Err(line) => {
            let at = line.map(|line| format!(", at line {line}")).unwrap_or_default();
            Err(Failure::usage(format!("{name} is no YAML or JSON{at}")).with_hint(
                "documents are pillars, manifests and variables; files of PEM are for `verify`",
            ))
        }
    }
}

/// Whether there is Jinja in a text.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{%") || text.contains("{{")
}

/// Nobody but Salt knows what a template will hold.
pub(super) fn template(name: &str) -> Failure {
    Failure::usage(format!("{name} is a template: what it will hold, only its renderer knows")).with_hint(
        "name the fragment `pillar.sls` that `generate --layout salt` wrote, or the pillar as a minion gets it: \
         `salt-run pillar.show_pillar MINION --out=yaml > pillar.yml`",
    )
}
