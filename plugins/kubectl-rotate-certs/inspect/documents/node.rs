//! YAML or JSON of which texts alone matter. They are wiped when they are let go.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use zeroize::Zeroizing;

/// A value of a document.
pub(super) enum Node {
    Text(Zeroizing<String>),
    Map(Vec<(String, Self)>),
    List(Vec<Self>),
    /// A map whose key is a map: what `{{ ... }}` is to a parser of YAML.
    Braces,
    Other,
}

impl Node {
    /// Parses a document; the error is the line at which it is none. The parser's own words are not told: they may hold
    /// a piece of the document, and with it of a key.
    pub(super) fn parse(text: &str) -> Result<Self, Option<u64>> {
        serde_saphyr::from_str(text).map_err(|why| why.location().map(|at| at.line()))
    }

    /// An entry of a map.
    pub(super) fn entry(&self, name: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(key, _)| key == name).map(|(_, node)| node)
    }

    pub(super) fn text(&self) -> Option<&str> {
        let Self::Text(text) = self else { return None };
        Some(text)
    }

    /// The elements of a list.
    pub(super) fn elements(&self) -> &[Self] {
        let Self::List(list) = self else { return &[] };
        list
    }

    /// What is below a value, each with its part of a pointer: an element that has a name of its own goes by that, as in
    /// BOSH's operations.
    pub(super) fn below(&self) -> Vec<(String, &Self)> {
        match self {
            Self::Map(entries) => entries.iter().map(|(key, node)| (escaped(key), node)).collect(),
            Self::List(list) => {
                let name = |node: &Self| node.entry("name").and_then(Self::text).map(str::to_owned);
                let names: Vec<Option<String>> = list.iter().map(name).collect();
                let alone =
                    |name: &Option<String>| names.iter().filter(|n| *n == name).count() == 1;
                let part = |(index, name): (usize, &Option<String>)| match name {
                    Some(text) if alone(name) => format!("name={}", escaped(text)),
                    _ => index.to_string(),
                };
                names.iter().enumerate().map(part).zip(list).collect()
            }
            Self::Text(_) | Self::Braces | Self::Other => Vec::new(),
        }
    }
}

/// RFC 6901, section 3.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(Zeroizing::new(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let (mut entries, mut braces) = (Vec::new(), false);
        while let Some(key) = map.next_key::<Node>()? {
            match key {
                Node::Text(key) => entries.push((key.to_string(), map.next_value()?)),
                Node::Map(_) | Node::List(_) | Node::Braces | Node::Other => {
                    braces |= matches!(key, Node::Map(_) | Node::Braces);
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(if braces { Node::Braces } else { Node::Map(entries) })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_go_by_their_names_where_these_are_alone() {
        let node = Node::parse(
            "l: [{name: a/b}, {name: c}, {name: c}, x, 1.5, ~, [y]]\n1: y\nbig: 99999999999999999999\n",
        )
        .unwrap_or_else(|line| panic!("line {line:?}"));
        let list = node.entry("l").expect("a list");
        let parts: Vec<String> = list.below().into_iter().map(|(part, _)| part).collect();
        assert_eq!(parts, ["name=a~1b", "1", "2", "3", "4", "5", "6"]);
        assert_eq!(list.elements()[3].text(), Some("x"));
    }

    #[test]
    fn braces_and_what_is_no_yaml() {
        let node = Node::parse("a: {{ x }}\n").unwrap_or_else(|line| panic!("line {line:?}"));
        assert!(matches!(node.entry("a"), Some(Node::Braces)));
        assert!(matches!(Node::parse("a: b\nc: [d\n"), Err(Some(2..))));
    }
}
