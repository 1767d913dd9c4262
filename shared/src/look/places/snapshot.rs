//! What a snapshot of etcd, or a running one, holds, as sightings of the same fields that the API shows.

use crate::facts::etcd::{Encoding, Sealed, StoredKey, StoredKind, StoredValue};
use crate::facts::objects::{Fields, Named, of_config_map, of_secret};
use crate::facts::sighting::{Component, Content, Domain, Interner, Part, Place, Role, Sighting};
use crate::world::etcd::{self, ContainerError, EtcdAccess, EtcdError, InContainer};
use crate::world::interrupt::Interrupt;
use crate::world::snapshot::{self, SnapshotError, Stored};
use std::collections::BTreeMap;
use std::path::Path;

const ANYTHING: Role = Role::new(Component::Other, Domain::Other, Part::Anything);

/// What was read of a snapshot.
#[derive(Debug, Default)]
pub struct Read {
    /// Fields that hold something, and values that could not be read.
    pub sightings: Vec<Sighting>,
    /// Whether its checksum was there, and fitted.
    pub checked: bool,
    /// How many Secrets anybody can read who has the file.
    pub open_secrets: usize,
    /// How many are encrypted, by provider and key name.
    pub sealed_secrets: BTreeMap<(String, String), usize>,
    /// How many objects are stored in which form.
    pub encodings: BTreeMap<Encoding, usize>,
}

/// Reads a snapshot. Of encrypted objects it is seen that they are there, and nothing else.
pub fn snapshot(path: &Path, interner: &Interner) -> Result<Read, SnapshotError> {
    let mut read = Read::default();
    let source = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    read.checked = snapshot::read(path, |stored| read.take(&source, stored, interner))?.checked;
    Ok(read)
}

/// Asks a running etcd.
pub fn etcd(access: &EtcdAccess, interner: &Interner) -> Result<Read, EtcdError> {
    let mut read = Read::default();
    let source = access.endpoint.trim_start_matches("https://").trim_end_matches('/');
    etcd::read(access, |stored| read.take(source, stored, interner))?;
    Ok(read)
}

/// Asks a running etcd in its container.
pub fn etcd_in_container(
    asked: &InContainer<'_>,
    interrupt: &Interrupt,
    interner: &Interner,
) -> Result<Read, ContainerError> {
    let mut read = Read::default();
    let source = asked.to_string();
    etcd::read_in_container(asked, interrupt, |stored| read.take(&source, stored, interner))?;
    Ok(read)
}

impl Read {
    fn take(&mut self, source: &str, stored: Stored, interner: &Interner) {
        let Stored { key, value, .. } = stored;
        let place = |field: &str| place(source, &key, field);
        match value {
            StoredValue::Open { encoding, kind, data, .. } => {
                *self.encodings.entry(encoding).or_default() += 1;
                self.open_secrets += usize::from(key.kind == StoredKind::Secret);
                let (namespace, name) = (&*key.namespace, &*key.name);
                let named = Named { namespace, name, kind: &kind, written: None };
                let likely = data.into_iter().filter(|(_, value)| Content::is_likely_in(value));
                let fields = Fields(likely.collect());
                self.sightings.extend(match key.kind {
                    StoredKind::Secret => of_secret(named, &fields, interner, place),
                    StoredKind::ConfigMap => of_config_map(named, &fields, interner, place),
                });
            }
            StoredValue::Sealed(sealed) => self.sealed(source, key.kind, sealed),
            StoredValue::Unreadable(why) => {
                self.sightings.push(Sighting::unknown(place(""), ANYTHING, why));
            }
        }
    }
}

impl Read {
    /// All that one key encrypts is one place: what is in it nobody can see here, one by one or together.
    fn sealed(&mut self, source: &str, kind: StoredKind, Sealed { provider, key }: Sealed) {
        let place = Place::EtcdKey {
            source: source.into(),
            key: format!("/registry/{}/*", kind.plural()).into(),
            field: format!("{provider}:{key}").into(),
        };
        if !self.sightings.iter().rev().any(|sighting| sighting.place == place) {
            let (provider, key) = (provider.as_str().into(), key.as_str().into());
            self.sightings.push(Sighting::new(place, ANYTHING, Content::Sealed { provider, key }));
        }
        if kind == StoredKind::Secret {
            *self.sealed_secrets.entry((provider, key)).or_default() += 1;
        }
    }
}

fn place(source: &str, key: &StoredKey, field: &str) -> Place {
    Place::EtcdKey { source: source.into(), key: key.to_string().into(), field: field.into() }
}
