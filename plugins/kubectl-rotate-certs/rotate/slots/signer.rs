//! The controller manager's own files for the CA that signs, for as long as two are trusted.

use super::super::stage::{Stage, Strategy, Track};
use super::{Slot, SlotError, Version, Work};
use rotation_core::facts::sighting::{Part, Role};
use rotation_core::facts::x509::encode;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// How the flag is called under which a controller manager signs, and its key's.
const SIGNING: [(&str, &str); 2] =
    [("cluster-signing-cert-file", "crt"), ("cluster-signing-key-file", "key")];
const MANAGER: &str = "kube-controller-manager";
/// How files are called in which the signing CA stands by itself while both are trusted.
const SIGNER: &str = "rotation-signer";

impl Work<'_> {
    /// Where a rotation that was left half done gave the controller manager files of its own, it signs with the common ones
    /// again at the end, as far as these are known.
    pub(super) fn join(
        &self,
        flags: &BTreeMap<String, String>,
        slots: &mut [Slot],
    ) -> Option<Slot> {
        let rolls = self.strategy == Strategy::Rolling;
        self.pair(Track::Cluster).filter(|pair| rolls && pair.private.is_some())?;
        let domain = Track::Cluster.domain();
        let of = |part: Part| {
            let is = move |role: Role| role.part == part && role.domain == domain;
            self.uses
                .iter()
                .find(move |used| used.program == MANAGER && used.one.role.is_some_and(is))
        };
        let signer = &of(Part::Authority)?.one.path;
        let directory = signer.strip_suffix(&format!("/{SIGNER}.crt"))?;
        let trusted = &of(Part::Trust)?.one.path;
        let stem = trusted.strip_suffix(".crt").filter(|stem| stem.starts_with(directory))?;
        let key = format!("{stem}.key");
        let last = self.keys(self.machine.bytes(&key)?).ok()?;
        let manifest = self.uses.iter().find_map(|used| {
            used.manifest.clone().filter(|_| used.program == MANAGER && used.one.path == *signer)
        });
        let settings = manifest.or_else(|| flags.get(MANAGER).cloned())?;
        let text = std::str::from_utf8(self.machine.bytes(&settings)?).ok()?;
        let [(certificate_flag, _), (key_flag, _)] = SIGNING;
        let joined = point(&point(text, certificate_flag, trusted)?, key_flag, &key)?;
        for slot in slots.iter_mut() {
            if (SIGNING.iter()).any(|(_, end)| slot.path == format!("{directory}/{SIGNER}.{end}")) {
                slot.versions[Stage::Retire.index()] = Version::Absent;
            }
            // It signs for nobody until then.
            if slot.path == key {
                let found = slot.versions[0].clone();
                slot.versions[..Stage::Retire.index()].fill(found);
                slot.versions[Stage::Retire.index()] =
                    Version::File(Zeroizing::new(last.as_bytes().to_vec()));
            }
        }
        let file = |text: &str| Version::File(Zeroizing::new(text.as_bytes().to_vec()));
        let (found, joined) = (file(text), file(&joined));
        Some(Slot {
            path: settings.clone(),
            what: "flags of the controller manager".to_owned(),
            like: settings,
            settings: true,
            versions: vec![found.clone(), found.clone(), found.clone(), found, joined],
        })
    }

    /// Where a controller manager signs with a file that is trusted, too, it gets files of its own for as long as two CAs are
    /// trusted: it takes one certificate, and does not start with two.
    pub(super) fn split(
        &self,
        flags: &BTreeMap<String, String>,
        slots: &[Slot],
    ) -> Result<Vec<Slot>, SlotError> {
        let Some(pair) = self.pair(Track::Cluster).filter(|_| self.strategy == Strategy::Rolling)
        else {
            return Ok(Vec::new());
        };
        let program = MANAGER;
        let signing = self.uses.iter().find(|used| {
            used.program == program
                && used.one.role.is_some_and(|role| role.part == Part::Authority)
                && slots.iter().any(|slot| slot.path == used.one.path)
                && !self.only_signs(&used.one.path)
        });
        let Some(signing) = signing else { return Ok(Vec::new()) };
        let path = signing.one.path.clone();
        let manifest = self.uses.iter().find_map(|used| {
            used.manifest.clone().filter(|_| used.program == program && used.one.path == path)
        });
        let unsplit =
            || SlotError::Unsplit { machine: self.machine.name.clone(), path: path.clone() };
        let settings = manifest.or_else(|| flags.get(program).cloned()).ok_or_else(unsplit)?;
        let text = self
            .machine
            .bytes(&settings)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .ok_or_else(unsplit)?;
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
        let mut split = text.to_owned();
        for (flag, end) in SIGNING {
            split =
                point(&split, flag, &format!("{directory}/{SIGNER}.{end}")).ok_or_else(unsplit)?;
        }
        let key = self.uses.iter().find_map(|used| {
            let role = used.one.role?;
            (used.program == program && role.part == Part::AuthorityKey)
                .then(|| used.one.path.clone())
        });
        let key = key.ok_or_else(unsplit)?;
        let (Some(old_key), Some(new_key), Some(old), Some(new)) =
            (self.machine.bytes(&key), &pair.private, &pair.old.certificate, pair.pem())
        else {
            return Err(unsplit());
        };
        let file = |bytes: &[u8]| Version::File(Zeroizing::new(bytes.to_vec()));
        let old = encode("CERTIFICATE", old.der());
        let stages = |old: Version, new: Version| {
            vec![Version::Absent, old.clone(), old, new, Version::Absent]
        };
        let (before, while_both) = (file(text.as_bytes()), file(split.as_bytes()));
        Ok(vec![
            Slot {
                path: format!("{directory}/{SIGNER}.key"),
                what: "key of the CA that signs".to_owned(),
                like: key,
                settings: false,
                versions: stages(file(old_key), file(new_key.to_pem().as_bytes())),
            },
            Slot {
                path: format!("{directory}/{SIGNER}.crt"),
                what: "the CA that signs".to_owned(),
                like: path,
                settings: false,
                versions: stages(file(old.as_bytes()), file(new.as_bytes())),
            },
            Slot {
                path: settings.clone(),
                what: "flags of the controller manager".to_owned(),
                like: settings,
                settings: true,
                versions: vec![
                    before.clone(),
                    while_both.clone(),
                    while_both.clone(),
                    while_both,
                    before,
                ],
            },
        ])
    }
}

/// A text of flags, with another value for one of them.
fn point(text: &str, flag: &str, value: &str) -> Option<String> {
    let start = text.find(&format!("--{flag}="))? + flag.len() + 3;
    let rest = &text[start..];
    let end = rest
        .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ']' | '\\'))
        .unwrap_or(rest.len());
    Some(format!("{}{value}{}", &text[..start], &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::point;

    #[test]
    fn a_flag_points_elsewhere() {
        let text = "  - --cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt\n  - --x\n";
        assert_eq!(
            point(text, "cluster-signing-cert-file", "/a").as_deref(),
            Some("  - --cluster-signing-cert-file=/a\n  - --x\n")
        );
        assert_eq!(
            point("exec kcm --a=\"/x\" --b=/y", "b", "/z").as_deref(),
            Some("exec kcm --a=\"/x\" --b=/z")
        );
        assert_eq!(point("--a=/x", "b", "/z"), None);
    }
}
