//! Which pods use the secrets, and which of them are recycled. Pure.

use crate::decide::{Decided, Renewal};
use crate::inventory::Inventory;
use crate::request::{Recycle, Request};
use rotation_core::facts::account::AccountToken;
use rotation_core::facts::ca_bundle::CaBundle;
use rotation_core::facts::identity::Uid;
use rotation_core::facts::pod::{Pod, SecretUse};
use rotation_core::plan::document::Probe;
use rotation_core::plan::recycle::place::{Known, Services, guards, order};
use rotation_core::plan::recycle::scene::{Scene, Selection};
use rotation_core::plan::staleness::{Evidence, judge};
use std::collections::HashMap;

/// Namespace and name of a secret.
type Name = (String, String);

/// Pods by the secrets that they name.
#[derive(Debug, Default)]
pub(crate) struct Users(HashMap<Name, Vec<User>>);

/// A pod that names a secret.
#[derive(Clone, Debug)]
pub(crate) struct User {
    /// The pod's name.
    pub(crate) pod: Box<str>,
    /// Its template names the secret; otherwise admission put it there.
    by_name: bool,
}

impl Users {
    /// Looks through the scene's pods.
    pub(crate) fn of(scene: &Scene) -> Self {
        let mut users: HashMap<Name, Vec<User>> = HashMap::new();
        for pod in scene.pods.iter().filter(|p| !p.is_finished()) {
            for (name, injected) in named(pod) {
                let key = (pod.namespace.to_string(), name.to_owned());
                let user = User { pod: pod.name.clone(), by_name: !injected };
                let list = users.entry(key).or_default();
                if list.last().is_none_or(|last| last.pod != user.pod) {
                    list.push(user);
                }
            }
        }
        Self(users)
    }

    /// Pods that name it.
    pub(crate) fn all(&self, secret: &AccountToken) -> &[User] {
        let key = (secret.secret.namespace.clone(), secret.secret.name.clone());
        self.0.get(&key).map_or(&[], Vec::as_slice)
    }

    /// How many of them by their template.
    pub(crate) fn by_name(&self, secret: &AccountToken) -> usize {
        self.all(secret).iter().filter(|user| user.by_name).count()
    }
}

/// Secrets that a pod holds the content of, and whether admission put each there. A pull secret is read at pull only.
pub(crate) fn named(pod: &Pod) -> impl Iterator<Item = (&str, bool)> {
    let held = pod.shape.secrets.iter().filter(|s| s.used_as != SecretUse::Pull);
    held.map(|s| (&*s.name, s.injected))
}

/// What must hold before each pod goes: its new tokens work.
pub(crate) type Conditions = HashMap<Uid, Vec<Probe>>;

/// Selects the pods that hold an outdated token, or will; `lost` secrets are made again first of all.
pub(crate) fn select(
    inventory: &Inventory,
    services: &Services,
    decided: &[Decided<'_>],
    lost: &[Name],
    request: &Request,
) -> (HashMap<Uid, Selection>, Conditions) {
    let mut selected = HashMap::new();
    let mut conditions = Conditions::new();
    if request.recycle == Recycle::None {
        return (selected, conditions);
    }
    let renewed: HashMap<(&str, &str), &Decided<'_>> = decided
        .iter()
        .filter(|d| d.renewal.is_some())
        .map(|d| ((d.secret.secret.namespace.as_str(), d.secret.secret.name.as_str()), d))
        .collect();
    let credentials = inventory.credentials();
    let ca = inventory.expected_ca(request).cloned().unwrap_or_default();
    for pod in inventory.scene.pods.iter().filter(|p| !p.is_finished()) {
        let hits: Vec<(&Decided<'_>, bool)> = named(pod)
            .filter_map(|(name, injected)| {
                Some((*renewed.get(&(&*pod.namespace, name))?, injected))
            })
            .collect();
        // Its template names a secret that will be gone: a new pod could not start.
        let dead = |(d, injected): &(&Decided<'_>, bool)| {
            !injected && matches!(d.renewal, Some(Renewal::Beside { .. }))
        };
        if hits.iter().any(dead) {
            continue;
        }
        let again: Vec<&Name> = lost
            .iter()
            .filter(|(ns, name)| **ns == *pod.namespace && named(pod).any(|(n, _)| *n == **name))
            .collect();
        let reason = match (hits.first(), again.first()) {
            (Some((decided, _)), _) => reason(decided),
            (None, Some((_, name))) => format!("its token secret `{name}` is made again"),
            (None, None) => {
                let uses = named(pod).any(|(name, _)| {
                    credentials.tokens.contains_key(&(Box::from(&*pod.namespace), name.into()))
                        || credentials.missing.contains(&(Box::from(&*pod.namespace), name.into()))
                });
                match judge(pod, &credentials) {
                    Evidence::Stale(why) if uses => why.to_string(),
                    Evidence::Stale(_) | Evidence::Fresh(_) | Evidence::Unknown(_) => continue,
                }
            }
        };
        let known = Known::of(&inventory.scene, pod);
        let order = order(pod, &known, &request.presets, services);
        let selection = Selection { reason, order, explicit: false, replaces: None };
        selected.insert(pod.uid.clone(), selection);
        let made_again = again.iter().map(|(namespace, name)| Probe::TokenWorks {
            namespace: namespace.clone(),
            secret: name.clone(),
            other_than: None,
            ca: CaBundle::default(),
        });
        let probes = hits.iter().filter_map(|(decided, _)| condition(decided, &ca));
        let probes = probes.chain(made_again).collect();
        conditions.insert(pod.uid.clone(), probes);
    }
    (selected, conditions)
}

fn reason(decided: &Decided<'_>) -> String {
    let name = &decided.secret.secret.name;
    match &decided.renewal {
        Some(Renewal::Beside { name: new }) => {
            format!("its token secret `{name}` is replaced by `{new}`")
        }
        Some(Renewal::Await) => format!("its token secret `{name}` gets another content"),
        Some(Renewal::Refill { .. } | Renewal::InPlace) | None => {
            format!("its token secret `{name}` is renewed")
        }
    }
}

fn condition(decided: &Decided<'_>, ca: &CaBundle) -> Option<Probe> {
    let secret = decided.secret;
    let before = secret.token.as_ref().map(|t| t.digest);
    let (name, other_than) = match decided.renewal.as_ref()? {
        Renewal::Beside { name } => (name.clone(), None),
        Renewal::Refill { .. } => (secret.secret.name.clone(), before),
        Renewal::Await | Renewal::InPlace => (secret.secret.name.clone(), None),
    };
    Some(Probe::TokenWorks {
        namespace: secret.secret.namespace.clone(),
        secret: name,
        other_than,
        ca: ca.clone(),
    })
}

/// Puts the guards of Services into the scene.
pub(crate) fn guard(scene: &mut Scene, request: &Request, services: &Services) {
    scene.guards = guards(&request.presets, services);
}
