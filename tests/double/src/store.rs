//! Objects in memory, with versions and a history that watches follow.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Resource, namespace, name.
pub(crate) type Key = (String, String, String);

#[derive(Clone)]
pub(crate) struct Event {
    pub(crate) version: u64,
    pub(crate) kind: &'static str,
    pub(crate) resource: String,
    pub(crate) before: Option<Value>,
    pub(crate) object: Value,
}

pub(crate) struct Contents {
    pub(crate) objects: BTreeMap<Key, Value>,
    pub(crate) events: Vec<Event>,
    pub(crate) version: u64,
    /// Nothing older than this can be asked for.
    pub(crate) oldest: u64,
}

pub(crate) struct Store {
    contents: Mutex<Contents>,
    changed: Condvar,
}

impl Default for Store {
    fn default() -> Self {
        let store = Self {
            contents: Mutex::new(Contents {
                objects: BTreeMap::new(),
                events: Vec::new(),
                version: 100,
                oldest: 0,
            }),
            changed: Condvar::new(),
        };
        for name in ["default", "kube-system"] {
            store.put(json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": { "name": name, "uid": format!("uid-of-{name}") },
            }));
        }
        store
    }
}

impl Store {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, for so long at most.
    pub(crate) fn wait<'a>(
        &self,
        contents: MutexGuard<'a, Contents>,
        limit: Duration,
    ) -> MutexGuard<'a, Contents> {
        self.changed.wait_timeout(contents, limit).unwrap_or_else(PoisonError::into_inner).0
    }

    pub(crate) fn put(&self, mut object: Value) -> String {
        let mut contents = self.lock();
        contents.version += 1;
        let version = contents.version;
        let resource = resource_of(&object);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let key = (
            resource.clone(),
            text(&object["metadata"]["namespace"]),
            text(&object["metadata"]["name"]),
        );
        let before = contents.objects.get(&key).cloned();
        let meta = object["metadata"].as_object_mut().expect("objects have metadata");
        meta.insert("resourceVersion".to_owned(), version.to_string().into());
        let old = |field: &str| before.as_ref().map(|b| b["metadata"][field].clone());
        if !meta.contains_key("uid") {
            let uid = old("uid").unwrap_or_else(|| format!("uid-{version}").into());
            meta.insert("uid".to_owned(), uid);
        }
        if !meta.contains_key("creationTimestamp") {
            let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            meta.insert(
                "creationTimestamp".to_owned(),
                old("creationTimestamp").unwrap_or_else(|| now.into()),
            );
        }
        let uid = text(&object["metadata"]["uid"]);
        contents.events.push(Event {
            version,
            kind: if before.is_some() { "MODIFIED" } else { "ADDED" },
            resource,
            before,
            object: object.clone(),
        });
        contents.objects.insert(key, object);
        drop(contents);
        self.changed.notify_all();
        uid
    }

    pub(crate) fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        self.lock().objects.get(&key).cloned()
    }

    pub(crate) fn all(&self, resource: &str) -> Vec<Value> {
        let contents = self.lock();
        let of_it = contents.objects.iter().filter(|(key, _)| key.0 == resource);
        of_it.map(|(_, object)| object.clone()).collect()
    }

    pub(crate) fn remove(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        let mut contents = self.lock();
        let mut object = contents.objects.remove(&key)?;
        contents.version += 1;
        let version = contents.version;
        let before = Some(object.clone());
        object["metadata"]["resourceVersion"] = version.to_string().into();
        contents.events.push(Event {
            version,
            kind: "DELETED",
            resource: resource.to_owned(),
            before,
            object: object.clone(),
        });
        drop(contents);
        self.changed.notify_all();
        Some(object)
    }

    pub(crate) fn compact(&self) {
        let mut contents = self.lock();
        contents.version += 1;
        contents.oldest = contents.version;
        contents.events.clear();
        drop(contents);
        self.changed.notify_all();
    }

    /// Wakes watches, so that they notice the end of the server.
    pub(crate) fn wake(&self) {
        self.changed.notify_all();
    }
}

/// `apps/deployments` for a Deployment of `apps/v1`; `pods` for a Pod.
pub(crate) fn resource_of(object: &Value) -> String {
    let kind = object["kind"].as_str().expect("objects have a kind").to_lowercase();
    let plural = match kind.as_str() {
        "endpoints" => kind,
        _ if kind.ends_with('y') => format!("{}ies", &kind[..kind.len() - 1]),
        _ if kind.ends_with('s') => format!("{kind}es"),
        _ => format!("{kind}s"),
    };
    match object["apiVersion"].as_str().unwrap_or("v1").split_once('/') {
        Some((group, _)) => format!("{group}/{plural}"),
        None => plural,
    }
}
