//! Label selectors: parsed from what a person types or an object holds, and matched here.
//!
//! Matching is done on this side too, because budgets, Services and presets select among pods that are already read.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Labels of an object.
pub type Labels = BTreeMap<Box<str>, Box<str>>;

/// One condition on labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// `key=value`, `key in (a,b)`.
    In(String, Vec<String>),
    /// `key!=value`, `key notin (a,b)`: an absent key matches, as in Kubernetes.
    NotIn(String, Vec<String>),
    /// `key`.
    Exists(String),
    /// `!key`.
    Absent(String),
}

impl Requirement {
    fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::In(key, values) => {
                labels.get(key.as_str()).is_some_and(|v| values.iter().any(|w| **w == **v))
            }
            Self::NotIn(key, values) => {
                labels.get(key.as_str()).is_none_or(|v| values.iter().all(|w| **w != **v))
            }
            Self::Exists(key) => labels.contains_key(key.as_str()),
            Self::Absent(key) => !labels.contains_key(key.as_str()),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In(key, values) if values.len() == 1 => write!(f, "{key}={}", values[0]),
            Self::In(key, values) => write!(f, "{key} in ({})", values.join(",")),
            Self::NotIn(key, values) if values.len() == 1 => write!(f, "{key}!={}", values[0]),
            Self::NotIn(key, values) => write!(f, "{key} notin ({})", values.join(",")),
            Self::Exists(key) => f.write_str(key),
            Self::Absent(key) => write!(f, "!{key}"),
        }
    }
}

/// All conditions at once; none of them selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(pub Vec<Requirement>);

impl Selector {
    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|r| r.matches(labels))
    }

    /// Whether there is no condition at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every pair of the map, as a Service selects.
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let equal =
            |(k, v): (K, V)| Requirement::In(k.as_ref().to_owned(), vec![v.as_ref().to_owned()]);
        Self(pairs.into_iter().map(equal).collect())
    }

    /// Reads a selector as `-l` takes it.
    ///
    /// # Errors
    /// Says which part is not a condition, and what one looks like.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        split_conditions(text)
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(parse_condition)
            .collect::<Result<Vec<_>, _>>()
            .map(Self)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.0.iter().enumerate() {
            write!(f, "{}{requirement}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// A selector that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a label condition ({1}); conditions look like `a=b`, `a!=b`, `a in (x,y)`, `a notin (x,y)`, `a`, `!a`"
)]
pub struct SelectorError(String, &'static str);

/// Splits at commas outside of parentheses.
fn split_conditions(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(text[start..index].trim());
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

fn parse_condition(part: &str) -> Result<Requirement, SelectorError> {
    let fail = |why| SelectorError(part.to_owned(), why);
    if let Some(key) = part.strip_prefix('!') {
        return Ok(Requirement::Absent(key_of(key.trim()).map_err(fail)?));
    }
    if let Some((key, value)) = part.split_once("!=") {
        let value = value_of(value.trim()).map_err(fail)?;
        return Ok(Requirement::NotIn(key_of(key.trim()).map_err(fail)?, vec![value]));
    }
    if let Some((key, value)) = part.split_once('=') {
        let value = value.strip_prefix('=').unwrap_or(value);
        let value = value_of(value.trim()).map_err(fail)?;
        return Ok(Requirement::In(key_of(key.trim()).map_err(fail)?, vec![value]));
    }
    let Some((key, _)) = part.split_once(|c: char| c.is_whitespace() || c == '(') else {
        return Ok(Requirement::Exists(key_of(part).map_err(fail)?));
    };
    let rest = &part[key.len()..];
    let key = key_of(key).map_err(fail)?;
    let (word, list) = rest.trim().split_once('(').ok_or_else(|| fail("no list of values"))?;
    let list = list.trim_end().strip_suffix(')').ok_or_else(|| fail("no closing parenthesis"))?;
    let values =
        list.split(',').map(|v| value_of(v.trim())).collect::<Result<Vec<_>, _>>().map_err(fail)?;
    match word.trim() {
        "in" => Ok(Requirement::In(key, values)),
        "notin" => Ok(Requirement::NotIn(key, values)),
        _ => Err(fail("unknown operator")),
    }
}

/// A label key: an optional DNS prefix, then at most 63 characters that begin and end with a letter or digit.
fn key_of(key: &str) -> Result<String, &'static str> {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    if name.is_empty() {
        return Err("empty key");
    }
    value_of(name).map_err(|_| "not a label key")?;
    Ok(key.to_owned())
}

fn value_of(value: &str) -> Result<String, &'static str> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let ends = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = value.as_bytes();
    if value.len() <= 63
        && bytes.iter().all(|b| inner(*b))
        && ends(bytes.first())
        && ends(bytes.last())
    {
        Ok(value.to_owned())
    } else {
        Err("not a label value")
    }
}

impl Serialize for Selector {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
    }

    #[test]
    fn matches_as_kubernetes_does() {
        let dns = labels(&[("k8s-app", "kube-dns"), ("tier", "")]);
        for (text, expected) in [
            ("", true),
            ("k8s-app=kube-dns", true),
            ("k8s-app == kube-dns", true),
            ("k8s-app=coredns", false),
            ("k8s-app!=coredns", true),
            ("absent!=x", true),
            ("k8s-app in (coredns, kube-dns)", true),
            ("k8s-app in(kube-dns)", true),
            ("k8s-app notin (coredns)", true),
            ("k8s-app notin (kube-dns)", false),
            ("absent notin (x)", true),
            ("k8s-app", true),
            ("!k8s-app", false),
            ("!absent", true),
            ("tier=", true),
            ("k8s-app=kube-dns,tier in (,x),!absent", true),
            ("k8s-app=kube-dns,absent", false),
        ] {
            assert_eq!(Selector::parse(text).expect(text).matches(&dns), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_condition() {
        for text in ["=x", "a in x", "a in (x", "a like (x)", "a=b c", "-a", "a b", "a=x/y", "!"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn prints_what_it_reads() {
        for text in
            ["a=b", "a in (x,y)", "a!=b", "a notin (x,y)", "a", "!a", "a=b,!c,p.io/d in (x,y)"]
        {
            assert_eq!(Selector::parse(text).expect(text).to_string(), text);
        }
    }
}
