//! Files as files: what was seen while reading, duplicates, modes, owners.

use super::{Scene, SetFile};
use crate::plan::certificate::{Finding, Kind};
use std::collections::HashSet;

/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;
/// Permission bits to change something, of everybody but the owner.
const OTHERS_WRITE: u32 = 0o022;

pub(super) fn check(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for file in scene.files {
        findings.extend(file.contents.findings.iter().cloned());
        if !file.contents.document {
            duplicates(file, findings);
        }
        mode(file, scene.user, findings);
    }
    for directory in scene.directories {
        let holds_keys = scene
            .files
            .iter()
            .any(|file| !file.contents.keys.is_empty() && parent(&file.path) == directory.path);
        if holds_keys && directory.mode & OTHERS_WRITE != 0 {
            let what = format!("its mode is {:04o}, and private keys are in it", directory.mode);
            findings.push(Finding::new(Kind::DirectoryMode, &directory.path, what));
        }
    }
}

fn duplicates(file: &SetFile, findings: &mut Vec<Finding>) {
    let mut seen = HashSet::new();
    for found in &file.contents.certificates {
        if !seen.insert(found.value.der()) {
            let what = format!("{} stands above already", found.value.subject());
            findings.push(Finding::new(Kind::CertificateDuplicate, &found.place, what));
        }
    }
}

fn mode(file: &SetFile, user: u32, findings: &mut Vec<Finding>) {
    let contents = &file.contents;
    if contents.is_empty() {
        return;
    }
    let secret = !contents.keys.is_empty();
    if let Some(mode) = file.mode {
        if secret && mode & OTHERS != 0 {
            findings.push(Finding::new(
                Kind::KeyMode,
                &file.path,
                format!("its mode is {mode:04o}"),
            ));
        } else if mode & OTHERS_WRITE != 0 {
            findings.push(Finding::new(
                Kind::CertificateMode,
                &file.path,
                format!("its mode is {mode:04o}"),
            ));
        }
    }
    if let Some(owner) = file.owner.filter(|owner| *owner != 0 && *owner != user) {
        findings.push(Finding::new(
            Kind::FileOwner,
            &file.path,
            format!("it belongs to user {owner}"),
        ));
    }
    if secret && !contents.certificates.is_empty() && !contents.kubeconfig {
        let what = "certificate and private key are both in it";
        findings.push(Finding::new(Kind::KeyBesideCertificate, &file.path, what));
    }
}

/// The directory of a path.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(parent, _)| parent)
}
