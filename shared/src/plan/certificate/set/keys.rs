//! Whether keys and certificates belong together.

use super::files::parent;
use super::{Member, Scene, SetFile};
use crate::facts::credential::Digest;
use crate::facts::x509::KeyPart;
use crate::plan::certificate::{Finding, Kind};
use std::collections::{HashMap, HashSet};

pub(super) fn check(scene: &Scene<'_>, members: &[Member<'_>], findings: &mut Vec<Finding>) {
    let mut misfits = HashSet::new();
    let mut stems: HashMap<&str, Vec<&SetFile>> = HashMap::new();
    for file in scene.files {
        stems.entry(stem(&file.path)).or_default().push(file);
    }
    for file in scene.files.iter().filter(|f| digests(f).next().is_some()) {
        pair(scene, file, &stems, &mut misfits, findings);
    }
    let keys: HashSet<Digest> = scene.files.iter().flat_map(digests).collect();
    let known: HashSet<Digest> = members
        .iter()
        .map(|m| m.certificate.key_digest())
        .chain(scene.files.iter().flat_map(|f| f.contents.public_keys.iter().map(|k| k.value)))
        .chain(
            scene
                .files
                .iter()
                .flat_map(|f| f.contents.requests.iter().map(|r| r.value.key_digest())),
        )
        .collect();
    orphans(scene, &known, &misfits, findings);
    missing(scene, members, &keys, &misfits, findings);
    shared(scene, members, findings);
}

/// The public parts of a file's keys.
fn digests(file: &SetFile) -> impl Iterator<Item = Digest> {
    file.contents.keys.iter().filter_map(|key| match key.value {
        KeyPart::Public(digest) => Some(digest),
        KeyPart::Encrypted | KeyPart::Unknown | KeyPart::Unreadable => None,
    })
}

/// `server.crt`, `server.pem`, `server.pub` and `server-cert.pem` belong to `server.key` and `server-key.pem`.
fn stem(path: &str) -> &str {
    const ENDINGS: [&str; 9] =
        ["-key.pem", "_key.pem", "-cert.pem", "_cert.pem", ".crt", ".cert", ".key", ".pem", ".pub"];
    ENDINGS.iter().find_map(|ending| path.strip_suffix(ending)).unwrap_or(path)
}

/// A key beside its certificate or its public key: in one file, or in two of one name.
fn pair<'a>(
    scene: &Scene<'a>,
    file: &'a SetFile,
    stems: &HashMap<&str, Vec<&'a SetFile>>,
    misfits: &mut HashSet<&'a str>,
    findings: &mut Vec<Finding>,
) {
    let keys: Vec<Digest> = digests(file).collect();
    let row = super::layout::certificate_of_key(scene.rows, &file.path);
    let places: Vec<&SetFile> = if !file.contents.certificates.is_empty() {
        vec![file]
    } else if let Some(path) = row {
        let there = stems.get(stem(&path)).map(Vec::as_slice).unwrap_or_default();
        there.iter().copied().filter(|other| other.path == path).collect()
    } else {
        let same = stems.get(stem(&file.path)).map(Vec::as_slice).unwrap_or_default();
        same.iter().copied().filter(|other| other.path != file.path).collect()
    };
    for other in places {
        let certificates = &other.contents.certificates;
        if !certificates.is_empty()
            && !certificates.iter().any(|c| keys.contains(&c.value.key_digest()))
        {
            let what = format!(
                "the key is not that of {} in {}",
                certificates[0].value.subject(),
                other.path
            );
            findings.push(Finding::new(Kind::KeyDoesNotFit, &file.path, what));
            misfits.insert(file.path.as_str());
            misfits.insert(other.path.as_str());
        }
        let public = &other.contents.public_keys;
        if !public.is_empty() && !public.iter().any(|k| keys.contains(&k.value)) {
            let what = format!("it is not the public part of {}", file.path);
            findings.push(Finding::new(Kind::PublicKeyDoesNotFit, &other.path, what));
            misfits.insert(file.path.as_str());
        }
    }
}

fn orphans(
    scene: &Scene<'_>,
    known: &HashSet<Digest>,
    misfits: &HashSet<&str>,
    findings: &mut Vec<Finding>,
) {
    // A key that is looked at alone has nothing that it could fit.
    if scene.files.len() < 2 {
        return;
    }
    for file in scene.files.iter().filter(|f| !misfits.contains(f.path.as_str())) {
        for digest in digests(file).filter(|digest| !known.contains(digest)) {
            let what = format!("the key whose public part is sha256:{digest} fits nothing here");
            findings.push(Finding::new(Kind::KeyWithoutCertificate, &file.path, what));
        }
    }
}

/// A leaf in a directory of keys has its key there; a CA's key may be kept elsewhere.
fn missing(
    scene: &Scene<'_>,
    members: &[Member<'_>],
    keys: &HashSet<Digest>,
    misfits: &HashSet<&str>,
    findings: &mut Vec<Finding>,
) {
    // Beside a key of which nothing is seen, nothing can be missed.
    let unseen: HashSet<&str> = scene
        .files
        .iter()
        .filter(|f| f.contents.keys.iter().any(|k| !matches!(k.value, KeyPart::Public(_))))
        .map(|f| stem(&f.path))
        .collect();
    let places: HashSet<&str> = scene
        .files
        .iter()
        .filter(|f| !f.contents.keys.is_empty())
        .map(|f| parent(&f.path))
        .collect();
    for member in members.iter().filter(|m| !m.certificate.is_ca()) {
        let path = member.file.path.as_str();
        let alone =
            member.file.contents.certificates.iter().filter(|c| !c.value.is_ca()).count() == 1;
        let expected = alone
            && places.contains(parent(path))
            && !misfits.contains(path)
            && !unseen.contains(stem(path));
        if expected && !keys.contains(&member.certificate.key_digest()) {
            let what = format!("the key of {} is nowhere in the set", member.certificate.subject());
            findings.push(Finding::new(Kind::KeyMissing, member.place, what));
        }
    }
}

fn shared(scene: &Scene<'_>, members: &[Member<'_>], findings: &mut Vec<Finding>) {
    let mut by_key: HashMap<Digest, Vec<&Member<'_>>> = HashMap::new();
    for member in members {
        let bearers = by_key.entry(member.certificate.key_digest()).or_default();
        let differs = |other: &&&Member<'_>| {
            other.certificate.subject() != member.certificate.subject()
                || other.certificate.is_ca() != member.certificate.is_ca()
        };
        if let Some(other) = bearers.iter().find(differs) {
            let (own, theirs) = (member.certificate.subject(), other.certificate.subject());
            let what = format!("{own} has the key of {theirs} in {}", other.place);
            findings.push(Finding::new(Kind::KeyShared, member.place, what));
        }
        bearers.push(member);
    }
    for file in scene.files {
        for public in &file.contents.public_keys {
            for member in by_key.get(&public.value).map(Vec::as_slice).unwrap_or_default() {
                let what = format!(
                    "the key of {} is the one in {}",
                    member.certificate.subject(),
                    public.place
                );
                findings.push(Finding::new(Kind::KeySignsTokens, member.place, what));
            }
        }
    }
}
