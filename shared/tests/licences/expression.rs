//! SPDX licence expressions, as far as `Cargo.toml` files use them.

use std::collections::BTreeSet;

/// Whether a list allows an expression: one side of each `OR`, both sides of each `AND`. `/` is an old `OR`.
pub(crate) fn allowed(expression: &str, list: &BTreeSet<String>) -> bool {
    let text = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = Words { all: text.split_whitespace().collect(), at: 0, list };
    let verdict = words.any();
    verdict && words.at == words.all.len()
}

struct Words<'a> {
    all: Vec<&'a str>,
    at: usize,
    list: &'a BTreeSet<String>,
}

impl Words<'_> {
    fn next_is(&mut self, word: &str) -> bool {
        let is = self.all.get(self.at) == Some(&word);
        self.at += usize::from(is);
        is
    }

    fn any(&mut self) -> bool {
        let mut verdict = self.all();
        while self.next_is("OR") {
            verdict |= self.all();
        }
        verdict
    }

    fn all(&mut self) -> bool {
        let mut verdict = self.one();
        while self.next_is("AND") {
            verdict &= self.one();
        }
        verdict
    }

    fn one(&mut self) -> bool {
        if self.next_is("(") {
            return self.any() & self.next_is(")");
        }
        let Some(name) = self.all.get(self.at) else { return false };
        let mut name = (*name).to_owned();
        self.at += 1;
        if self.next_is("WITH") {
            let exception = self.all.get(self.at).copied().unwrap_or_default();
            self.at += 1;
            name = format!("{name} WITH {exception}");
        }
        self.list.contains(&name)
    }
}

#[test]
fn expressions() {
    let list = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("none", false),
        ("", false),
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0 OR MIT", true),
        ("MIT/GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("MIT AND Apache-2.0", true),
        ("GPL-3.0 OR MIT AND Apache-2.0", true),
        ("(GPL-3.0 OR MIT) AND Apache-2.0", true),
        ("(GPL-3.0 OR MIT) AND ISC", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("MIT WITH LLVM-exception", false),
        ("GPL-2.0 WITH LLVM-exception OR MIT", true),
        ("MIT GPL-3.0", false),
        ("(MIT", false),
    ] {
        assert_eq!(allowed(expression, &list), expected, "{expression}");
    }
}
