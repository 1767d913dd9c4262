//! The documents name everything that the code has words for, and link to nothing that is not there.
#![expect(clippy::disallowed_methods, reason = "a test reads the files that it is about")]

use rotation_core::cli::environment::VARIABLES;
use rotation_core::facts::exit::Exit;
use rotation_core::plan::certificate::Kind;
use rotation_core::plan::recycle::options::Allowance;
use rotation_core::plan::recycle::order::Order;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect(path)
}

#[test]
fn the_reference_names_every_word() {
    let text = read("docs/recycle.md");
    let quoted = |word: &str| text.contains(&format!("`{word}`"));
    let of_tokens = read("docs/reset-sa-secrets.md");
    let bosh = read("docs/bosh-proxy-restart.md");
    for (variable, _) in VARIABLES {
        let named = quoted(variable) || bosh.contains(&format!("`{variable}`"));
        assert!(named, "variable {variable}");
    }
    for (_, word) in Allowance::WORDS {
        assert!(quoted(word), "--allow {word}");
    }
    for order in Order::ALL {
        assert!(quoted(order.name()), "phase {}", order.name());
    }
    let schema: Value = serde_json::from_str(&read("docs/schemas/plan.schema.json")).expect("JSON");
    let reasons = schema.pointer("/$defs/skipped/properties/reason/enum").expect("reasons");
    for reason in reasons.as_array().expect("a list") {
        let reason = reason.as_str().expect("text");
        let known = quoted(reason) || of_tokens.contains(&format!("`{reason}`"));
        assert!(known, "reason {reason}");
    }
}

#[test]
fn every_table_of_exit_codes_is_whole() {
    for path in [
        "README.md",
        "docs/recycle.md",
        "docs/reset-sa-secrets.md",
        "docs/bosh-proxy-restart.md",
        "docs/design.md",
    ] {
        let text = read(path);
        for exit in Exit::ALL {
            assert!(text.contains(&format!("\n| {} | ", exit.code())), "{path}: {exit:?}");
        }
    }
}

#[test]
fn each_finding_is_explained_as_the_code_has_it() {
    let text = read("docs/findings.md");
    let cell = |text: &str| text.replace('|', "\\|");
    for kind in Kind::ALL {
        let (id, severity) = (kind.id(), kind.severity().as_str());
        let row =
            format!("| `{id}` | {severity} | {} | {} |\n", cell(kind.about()), cell(kind.fix()));
        assert!(text.contains(&row), "docs/findings.md lacks this row:\n{row}");
    }
    let rows = text.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, Kind::ALL.len(), "docs/findings.md explains what there is not, or twice");
}

#[test]
fn every_link_leads_somewhere() {
    for path in [
        "README.md",
        "docs/recycle.md",
        "docs/reset-sa-secrets.md",
        "docs/bosh-proxy-restart.md",
        "docs/design.md",
        "docs/runbooks.md",
        "docs/rotate-certs.md",
        "docs/findings.md",
    ] {
        let text = read(path);
        let base = root().join(path);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for (link, _) in links {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { base.clone() } else { base.with_file_name(file) };
            assert!(target.exists(), "{path} links to {link}");
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&target).expect("text");
                let mut headings = text.lines().filter_map(|l| l.strip_prefix('#'));
                assert!(headings.any(|h| slug(h) == anchor), "{path} links to {link}");
            }
        }
    }
}

/// The anchor that a heading gets.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
