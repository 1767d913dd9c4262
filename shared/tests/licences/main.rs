//! Every dependency has a licence of the list in `deny.toml`, and comes from the public registry or this repository.
//!
//! `cargo deny` checks more where it is installed; this needs cargo alone.
#![expect(clippy::disallowed_methods, reason = "a test asks cargo and reads the repository")]

mod expression;

use expression::allowed;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

/// `licenses.allow` of `deny.toml`.
fn list() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let file: toml::Table = toml::from_str(&text).expect("deny.toml is TOML");
    let list = file["licenses"]["allow"].as_array().expect("a list");
    list.iter().map(|name| name.as_str().expect("text").to_owned()).collect()
}

/// What cargo knows: of all platforms, or of this one where the others' packages were never fetched.
fn packages() -> Vec<Value> {
    let ask = |more: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--offline", "--locked", "--format-version", "1"])
            .args(more)
            .current_dir(root())
            .output()
            .expect("cargo runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(output.stdout) } else { Err(text) }
    };
    let version = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let version = String::from_utf8(version.stdout).expect("text");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let known = ask(&[]).or_else(|_| ask(&["--filter-platform", host])).expect("cargo answers");
    let known: Value = serde_json::from_slice(&known).expect("JSON");
    known["packages"].as_array().expect("packages").clone()
}

#[test]
fn every_licence_is_on_the_list() {
    let list = list();
    let packages = packages();
    assert!(packages.len() > 50, "only {} packages", packages.len());
    let used = packages.iter().filter_map(|package| {
        let licence = package["license"].as_str().unwrap_or("none");
        (!allowed(licence, &list)).then(|| format!("{} ({licence})", package["id"]))
    });
    let used: Vec<String> = used.collect();
    assert!(used.is_empty(), "not on the list of deny.toml: {}", used.join(", "));
}

#[test]
fn every_source_is_the_registry_or_this_repository() {
    let text = std::fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let lock: toml::Table = toml::from_str(&text).expect("Cargo.lock is TOML");
    for package in lock["package"].as_array().expect("packages") {
        let source = package.get("source").and_then(toml::Value::as_str);
        assert!(source.is_none_or(|s| s == REGISTRY), "{package}");
    }
    for package in packages().iter().filter(|p| p["source"].is_null()) {
        let path = Path::new(package["manifest_path"].as_str().expect("a path"));
        assert!(path.starts_with(root()), "{} lies outside", path.display());
    }
}
