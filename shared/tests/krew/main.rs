//! The manifests of `krew/` meet what krew and its index demand, in a parser that knows no field more than they do: krew
//! itself passes over a misspelt one.
#![expect(clippy::disallowed_methods, reason = "a test reads the files that it is about")]

use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ARCHES: [(&str, &[&str]); 3] = [
    ("linux", &["386", "amd64", "arm", "arm64", "ppc64le"]),
    ("darwin", &["386", "amd64", "arm64"]),
    ("windows", &["386", "amd64", "arm64"]),
];

/// What a release is made for.
const EXPECTED: [(&str, &str); 4] =
    [("linux", "amd64"), ("linux", "arm64"), ("darwin", "amd64"), ("darwin", "arm64")];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Manifest {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    version: String,
    homepage: String,
    short_description: String,
    description: String,
    #[serde(default)]
    caveats: String,
    platforms: Vec<Platform>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Platform {
    selector: Selector,
    uri: String,
    sha256: String,
    files: Vec<File>,
    bin: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Selector {
    match_labels: Labels,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Labels {
    os: String,
    arch: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    from: String,
    to: String,
}

/// Everything that is wrong with a manifest in a file of this name.
fn faults(file: &Path, text: &str) -> Vec<String> {
    let manifest: Manifest = match serde_saphyr::from_str(text) {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("it cannot be read: {error}")],
    };
    let Manifest { api_version, kind, metadata: Metadata { name }, spec } = manifest;
    let mut faults = Vec::new();
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            faults.push(what.to_owned());
        }
    };
    demand(api_version == "krew.googlecontainertools.github.com/v1alpha2", "apiVersion");
    demand(kind == "Plugin", "kind");
    demand(
        file.file_name() == Some(format!("{name}.yaml").as_ref()),
        "the file's name is NAME.yaml",
    );
    let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    demand(!name.is_empty() && name.chars().all(kebab), "the name is lower-case kebab");
    let Spec { version, homepage, short_description, description, caveats, platforms } = spec;
    demand(is_version(&version), "the version is `v` and three numbers");
    demand(homepage.starts_with("https://"), "homepage");
    let brief = !short_description.is_empty() && short_description.len() <= 50;
    demand(brief && !short_description.contains('\n'), "shortDescription: one line, 50 characters");
    demand(!short_description.ends_with('.'), "shortDescription has no full stop");
    demand(description.lines().all(|line| line.len() <= 80), "description is wrapped at 80");
    demand(!description.contains("kubectl "), "description has no examples of use");
    demand(caveats.lines().all(|line| line.len() <= 80), "caveats are wrapped at 80");
    let mut seen = BTreeSet::new();
    for Platform { selector, uri, sha256, files, bin } in platforms {
        let Labels { os, arch } = selector.match_labels;
        let known = ARCHES.iter().any(|(o, arches)| *o == os && arches.contains(&arch.as_str()));
        demand(known, "a platform that krew has");
        demand(seen.insert((os.clone(), arch.clone())), "no two selectors match one platform");
        let file = if os == "windows" { ".exe" } else { "" };
        let archive = format!("kubectl-{name}-{version}-{os}-{arch}.tar.gz");
        let end = format!("/releases/download/{version}/{archive}");
        demand(uri.starts_with("https://") && uri.ends_with(&end), "the archive's name");
        demand(!uri.contains(".."), "no `..` in an address");
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        demand(sha256.len() == 64 && sha256.chars().all(hex), "sha256: 64 lower-case digits");
        // The name on disk: kubectl looks for the underscore form.
        let program = format!("kubectl-{}{file}", name.replace('-', "_"));
        demand(bin == program, "bin is what kubectl looks for");
        demand(files.iter().any(|f| f.from == program && f.to == "."), "the program is extracted");
        demand(files.iter().any(|f| f.from == "LICENSE" && f.to == "."), "LICENSE is extracted");
        let clean = |f: &File| !f.from.contains("..") && !f.to.contains("..") && f.to != "./";
        demand(files.iter().all(clean), "clean paths");
    }
    for (os, arch) in EXPECTED {
        let there = seen.contains(&(os.to_owned(), arch.to_owned()));
        demand(there, &format!("a platform {os}/{arch}"));
    }
    // Without quotes a sum of digits alone is a number.
    let unquoted = |line: &str| {
        line.trim().strip_prefix("sha256:").is_some_and(|sum| !sum.trim().starts_with('"'))
    };
    demand(!text.lines().any(unquoted), "sha256 is quoted");
    faults
}

fn is_version(text: &str) -> bool {
    let numbers: Option<Vec<&str>> = text.strip_prefix('v').map(|rest| rest.split('.').collect());
    let number = |n: &&str| n.parse::<u32>().is_ok_and(|value| value.to_string() == **n);
    numbers.is_some_and(|n| n.len() == 3 && n.iter().all(number))
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../krew")
}

fn manifests() -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(directory()).expect("krew/");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("text");
            (path, text)
        })
        .collect()
}

#[test]
fn every_manifest_is_sound() {
    let manifests = manifests();
    assert!(!manifests.is_empty());
    for (path, text) in manifests {
        assert_eq!(faults(&path, &text), Vec::<String>::new(), "{}", path.display());
        let version = format!("version: v{}", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&version), "{} is of another version", path.display());
    }
}

#[test]
fn each_fault_is_found() {
    let path = directory().join("recycle.yaml");
    let text = std::fs::read_to_string(&path).expect("the manifest");
    for (from, to, found) in [
        ("version: v0.1.0", "version: 0.1.0", "the version"),
        ("version: v0.1.0", "version: v0.1", "the version"),
        ("kind: Plugin", "kind: plugin", "kind"),
        ("  name: recycle", "  name: Recycle", "lower-case kebab"),
        ("  name: recycle", "  name: other", "NAME.yaml"),
        ("shortDescription:", "shortDescripton:", "cannot be read"),
        ("arch: arm64", "arch: amd64", "no two selectors"),
        ("os: darwin", "os: plan9", "a platform that krew has"),
        ("\"0000", "\"000", "64 lower-case"),
        ("\"0000", "\"A000", "64 lower-case"),
        ("from: LICENSE", "from: NOTICE", "LICENSE is extracted"),
        ("to: .\n", "to: ./\n", "clean paths"),
        ("bin: kubectl-recycle", "bin: recycle", "bin is"),
        ("linux-arm64.tar.gz", "linux-arm64.tar.xz", "the archive's name"),
    ] {
        let broken = text.replace(from, to);
        assert_ne!(broken, text, "`{from}` is not in it");
        let faults = faults(&path, &broken);
        assert!(faults.iter().any(|f| f.contains(found)), "{from}: {faults:?}");
    }
    let unquoted = text.replace(&format!("\"{}\"", "0".repeat(64)), &"0".repeat(64));
    assert!(!faults(&path, &unquoted).is_empty());
}
