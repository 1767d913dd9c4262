//! Texts with holes: `{api-server-fqdn}` is filled with what the command line said.

use std::collections::BTreeMap;

/// What holes are filled with: each name with its values, none, one or many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Values(BTreeMap<String, Vec<String>>);

/// Why a text cannot be filled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    /// A brace without its other half.
    #[error("`{0}` has a brace that is not closed")]
    Brace(String),
    /// A name that nothing knows.
    #[error("`{{{0}}}` stands for nothing that is known")]
    Unknown(String),
    /// A list in the middle of a text, or nothing where there must be something.
    #[error("`{{{name}}}` stands for {count} values, and one is needed")]
    NotOne {
        /// The name.
        name: String,
        /// How many there are.
        count: usize,
    },
}

impl Values {
    /// Sets what a name stands for.
    pub(crate) fn set(&mut self, name: &str, values: Vec<String>) {
        self.0.insert(name.to_owned(), values);
    }

    /// What a name stands for.
    pub(crate) fn get(&self, name: &str) -> &[String] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Fills a text whose holes have one value each.
    pub(crate) fn fill(&self, text: &str) -> Result<String, TemplateError> {
        let mut filled = String::new();
        for part in parts(text)? {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Hole(name) => match self.0.get(name).map(Vec::as_slice) {
                    None => return Err(TemplateError::Unknown(name.to_owned())),
                    Some([one]) => filled.push_str(one),
                    Some(all) => {
                        let (name, count) = (name.to_owned(), all.len());
                        return Err(TemplateError::NotOne { name, count });
                    }
                },
            }
        }
        Ok(filled)
    }

    /// Fills a text that is nothing but one hole with each of its values, any other with one.
    pub(crate) fn fill_list(&self, text: &str) -> Result<Vec<String>, TemplateError> {
        if let [Part::Hole(name)] = parts(text)?.as_slice() {
            let values = self.0.get(*name);
            return values.cloned().ok_or_else(|| TemplateError::Unknown((*name).to_owned()));
        }
        Ok(vec![self.fill(text)?])
    }
}

enum Part<'a> {
    Text(&'a str),
    Hole(&'a str),
}

/// The names of a text's holes.
pub(crate) fn holes(text: &str) -> Result<Vec<&str>, TemplateError> {
    let names = parts(text)?.into_iter().filter_map(|part| match part {
        Part::Hole(name) => Some(name),
        Part::Text(_) => None,
    });
    Ok(names.collect())
}

fn parts(text: &str) -> Result<Vec<Part<'_>>, TemplateError> {
    let broken = || TemplateError::Brace(text.to_owned());
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').ok_or_else(broken)?;
        if before.contains('}') || name.contains('{') {
            return Err(broken());
        }
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        parts.push(Part::Hole(name));
        rest = behind;
    }
    if rest.contains('}') {
        return Err(broken());
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_or_it_is_said_why_not() {
        let mut values = Values::default();
        values.set("one", vec!["1".into()]);
        values.set("many", vec!["a".into(), "b".into()]);
        values.set("none", vec![]);
        let one = |text: &str| values.fill(text).map_err(|why| why.to_string());
        assert_eq!(one("x-{one}-{one}"), Ok("x-1-1".into()));
        assert_eq!(one("plain"), Ok("plain".into()));
        assert_eq!(one(""), Ok(String::new()));
        assert_eq!(one("{many}"), Err("`{many}` stands for 2 values, and one is needed".into()));
        assert_eq!(one("{none}"), Err("`{none}` stands for 0 values, and one is needed".into()));
        assert_eq!(one("{what}"), Err("`{what}` stands for nothing that is known".into()));
        for broken in ["{one", "one}", "{{one}}", "}{"] {
            assert!(one(broken).is_err(), "{broken}");
        }
        let list = |text: &str| values.fill_list(text);
        assert_eq!(list("{many}"), Ok(vec!["a".into(), "b".into()]));
        assert_eq!(list("{none}"), Ok(vec![]));
        assert_eq!(list("{one}.svc"), Ok(vec!["1.svc".into()]));
    }
}
