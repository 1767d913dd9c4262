//! `((variables))` of BOSH manifests, and the files that give them.

use super::node::Node;
use rotation_core::facts::x509::San;
use rotation_core::plan::certificate::RowKind;
use zeroize::Zeroizing;

/// A reference: `((name))`, or `((name.key))` for a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    /// The variable, without what stands behind its first full stop.
    pub(super) variable: &'a str,
    /// The rest: keys below each other.
    pub(super) keys: &'a str,
}

impl<'a> Reference<'a> {
    /// Reads what stands between the brackets; a leading `!` is old and means nothing.
    fn parse(text: &'a str) -> Option<Self> {
        let name = text.strip_prefix('!').unwrap_or(text);
        let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '.');
        if name.is_empty() || !name.chars().all(good) {
            return None;
        }
        let (variable, keys) = name.split_once('.').unwrap_or((name, ""));
        Some(Self { variable, keys })
    }

    /// The pointer of what is meant, in the file that gives it.
    pub(super) fn pointer(&self) -> String {
        let keys = self.keys.split('.').filter(|key| !key.is_empty());
        keys.fold(format!("/{}", self.variable.replace('/', "~1")), |pointer, key| {
            format!("{pointer}/{key}")
        })
    }
}

/// The only reference of a text that is nothing else.
pub(super) fn whole(text: &str) -> Option<Reference<'_>> {
    Reference::parse(text.trim().strip_prefix("((")?.strip_suffix("))")?)
}

/// All references of a text.
pub(super) fn references(text: &str) -> Vec<Reference<'_>> {
    pieces(text).into_iter().filter_map(|(_, reference)| reference).collect()
}

/// A text cut at its references: what stands before each, and the reference.
fn pieces(text: &str) -> Vec<(&str, Option<Reference<'_>>)> {
    let (mut pieces, mut rest, mut from) = (Vec::new(), text, 0);
    while let Some(at) = rest[from..].find("((").map(|at| at + from) {
        let inside = rest[at + 2..].split_once("))");
        match inside.and_then(|(name, _)| Some((name, Reference::parse(name)?))) {
            Some((name, reference)) => {
                pieces.push((&rest[..at], Some(reference)));
                (rest, from) = (&rest[at + name.len() + 4..], 0);
            }
            None => from = at + 2,
        }
    }
    pieces.push((rest, None));
    pieces
}

/// What the files give, as they were named; the last one wins, as for `bosh`.
#[derive(Default)]
pub(super) struct Variables {
    /// Name of the file, and what it holds.
    pub(super) files: Vec<(String, Node)>,
}

impl Variables {
    /// The file and the value of a reference.
    pub(super) fn get(&self, reference: Reference<'_>) -> Option<(&str, &Node)> {
        let mut files = self.files.iter().rev();
        let (file, variable) =
            files.find_map(|(file, node)| Some((file, node.entry(reference.variable)?)))?;
        let mut keys = reference.keys.split('.').filter(|key| !key.is_empty());
        let value = keys.try_fold(variable, |node, key| node.entry(key))?;
        Some((file, value))
    }

    /// A text with its references replaced; the error is the first one that nothing gives.
    pub(super) fn fill<'a>(&self, text: &'a str) -> Result<Zeroizing<String>, Reference<'a>> {
        let mut filled = Zeroizing::new(String::new());
        for (before, reference) in pieces(text) {
            filled.push_str(before);
            let Some(reference) = reference else { continue };
            match self.get(reference) {
                Some((_, Node::Text(value))) => filled.push_str(value),
                // Numbers and such hold no certificate.
                Some(_) => {}
                None => return Err(reference),
            }
        }
        Ok(filled)
    }
}

/// What a manifest says about a certificate among its variables.
pub(super) struct Declared {
    /// The variable's name.
    pub(super) name: String,
    /// The variable of the CA that is to sign it.
    pub(super) ca: Option<String>,
    /// What it is for, where that is said.
    pub(super) kind: Option<RowKind>,
    /// Names that it is to have.
    pub(super) names: Vec<San>,
}

/// The certificates and keys among a manifest's variables.
pub(super) fn declared(manifest: &Node, variables: &Variables) -> Vec<Declared> {
    let Some(list) = manifest.entry("variables") else { return Vec::new() };
    let text = |node: &Node, key: &str| node.entry(key).and_then(Node::text).map(str::to_owned);
    let of_element = |node: &Node| {
        let name = text(node, "name")?;
        let kind = text(node, "type")?;
        if !matches!(kind.as_str(), "certificate" | "rsa") {
            return None;
        }
        let Some(options) = node.entry("options") else {
            return Some(Declared { name, ca: None, kind: None, names: Vec::new() });
        };
        let names = options.entry("alternative_names").map(Node::elements).unwrap_or_default();
        let names = names.iter().filter_map(Node::text).filter_map(|name| {
            // A name that is a variable itself, and not given, is not asked for.
            San::parse(variables.fill(name).ok()?.trim()).ok()
        });
        let names = names.collect();
        Some(Declared { name, ca: text(options, "ca"), kind: purpose(options), names })
    };
    list.elements().iter().filter_map(of_element).collect()
}

fn purpose(options: &Node) -> Option<RowKind> {
    let usages = options.entry("extended_key_usage").map(Node::elements).unwrap_or_default();
    let has = |usage: &str| usages.iter().any(|node| node.text() == Some(usage));
    match (has("server_auth"), has("client_auth")) {
        (true, true) => Some(RowKind::Peer),
        (true, false) => Some(RowKind::Server),
        (false, true) => Some(RowKind::Client),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_bosh_reads_them() {
        let reference = |variable, keys| Reference { variable, keys };
        assert_eq!(whole("((a.b))"), Some(reference("a", "b")));
        assert_eq!(whole(" ((!/d/e/a))\n"), Some(reference("/d/e/a", "")));
        assert_eq!(whole("((a)) ((b))"), None);
        assert_eq!(whole("((a b))"), None);
        assert_eq!(references("x ((( ((a.b)) ((c d)) ((e"), [reference("a", "b")]);
        assert_eq!(reference("/d/a", "b.c").pointer(), "/~1d~1a/b/c");
    }

    #[test]
    fn the_last_file_gives_a_value() {
        let parse = |text: &str| Node::parse(text).unwrap_or_else(|_| panic!("{text}"));
        let files = ["a: {b: old, n: 1}\nonly: x\n", "a: {b: new}\n"];
        let files = files.into_iter().map(|text| (text[..5].to_owned(), parse(text))).collect();
        let variables = Variables { files };
        let fill = |text| variables.fill(text).map(|text| text.to_string());
        assert_eq!(fill("-((a.b))-((only))-"), Ok("-new-x-".to_owned()));
        assert_eq!(
            fill("((a.n))"),
            Err(Reference { variable: "a", keys: "n" }),
            "maps do not melt"
        );
        assert_eq!(fill("((a.c))"), Err(Reference { variable: "a", keys: "c" }));
    }
}
