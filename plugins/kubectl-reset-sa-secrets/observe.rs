//! Looks at the cluster, as far as the request needs it. Changes nothing.

use crate::inventory::{Inventory, Judged};
use crate::pods::named;
use crate::request::{Recycle, Request};
use jiff::Timestamp;
use rotation_core::apply::memory::Memory;
use rotation_core::facts::held::HeldToken;
use rotation_core::facts::pod::{Interner, Pod};
use rotation_core::facts::signing_key::Signer;
use rotation_core::look::{pods, tokens};
use rotation_core::plan::recycle::place::Services;
use rotation_core::plan::recycle::scene::Scene;
use rotation_core::world::beside::both;
use rotation_core::world::cluster::{Access, Cluster, ClusterError, PodQuery, Review, Scope};
use std::collections::BTreeSet;

/// What was seen.
pub(crate) struct Observed {
    /// Secrets, accounts, pods.
    pub(crate) inventory: Inventory,
    /// Services that guard pods.
    pub(crate) services: Services,
    /// Namespaces of the request that are not there.
    pub(crate) absent: Vec<String>,
}

/// Looks. `others` are the API servers beside the first one, `lost` the secrets that a run before has left out.
pub(crate) fn observe(
    cluster: &Cluster,
    others: &[Cluster],
    request: &Request,
    memory: Memory,
    lost: &[(String, String)],
    local_time: Timestamp,
) -> Result<Observed, ClusterError> {
    let scope = &request.scope;
    let mut inventory = Inventory { memory, own: cluster.own_claims(), ..Inventory::default() };
    // Who may not read namespaces does without: what is in one that is going goes by itself.
    let states = match cluster.namespace_states(scope) {
        Err(error) if error.is_forbidden() => None,
        other => Some(other?),
    };
    let going = states.iter().flatten().filter(|s| s.terminating);
    inventory.terminating = going.map(|s| s.name.clone()).collect();
    let absent = match (scope, &states) {
        (Scope::These(names), Some(states)) => {
            let there = |name: &&String| states.iter().any(|s| s.name == **name);
            names.iter().filter(|name| !there(name)).cloned().collect()
        }
        (Scope::These(_) | Scope::All, _) => Vec::new(),
    };

    let ((secrets, accounts), (others_of_types, services)) = both(
        || both(|| cluster.account_tokens(scope, None), || cluster.accounts(scope)),
        || {
            both(
                || cluster.other_secrets(scope, request.labels.as_ref()),
                || pods::services(cluster, &request.presets, scope),
            )
        },
    );
    let (secrets, services) = (secrets?, services?);
    inventory.accounts =
        accounts?.into_iter().map(|a| ((a.namespace.clone(), a.name.clone()), a)).collect();
    inventory.others = others_of_types?;
    let name = |s: &rotation_core::facts::account::AccountToken| {
        (s.secret.namespace.clone(), s.secret.name.clone())
    };
    inventory.known = secrets.iter().map(name).chain(lost.iter().cloned()).collect();
    inventory.secrets = secrets.into_iter().filter(|s| request.means(s)).collect();
    inventory.published = published(cluster, scope)?;

    judge(cluster, others, request, &mut inventory)?;
    if request.recycle != Recycle::None {
        read_pods(cluster, request, &services, &mut inventory)?;
    }
    inventory.now = cluster.now(local_time);
    Ok(Observed { inventory, services, absent })
}

/// What the controller manager publishes: in kube-system, else where the request looks.
fn published(
    cluster: &Cluster,
    scope: &Scope,
) -> Result<Option<rotation_core::facts::ca_bundle::CaBundle>, ClusterError> {
    let elsewhere = match scope {
        Scope::These(names) => names.iter().map(String::as_str).find(|n| *n != "kube-system"),
        Scope::All => None,
    };
    match cluster.published_ca("kube-system") {
        Err(error) if error.is_forbidden() => match elsewhere {
            Some(namespace) => cluster
                .published_ca(namespace)
                .or_else(|e| if e.is_forbidden() { Ok(None) } else { Err(e) }),
            None => Ok(None),
        },
        other => other,
    }
}

/// Asks every API server about every token, or verifies their signatures where nobody may be asked.
fn judge(
    cluster: &Cluster,
    others: &[Cluster],
    request: &Request,
    inventory: &mut Inventory,
) -> Result<(), ClusterError> {
    inventory.may_review = cluster.denied(&[Access::token_review()])?.is_empty();
    let tokens: Vec<HeldToken> = inventory.secrets.iter().filter_map(|s| s.token.clone()).collect();
    if inventory.may_review {
        for server in std::iter::once(cluster).chain(others) {
            for (token, answer) in tokens.iter().zip(server.review(&tokens)) {
                let judged = match answer {
                    Ok(Review::Accepted { .. }) => Judged::Accepted,
                    Ok(Review::Refused { .. }) if others.is_empty() => {
                        Judged::Refused("the API server refuses its token".to_owned())
                    }
                    Ok(Review::Refused { .. }) => Judged::Refused(format!(
                        "the API server {} refuses its token",
                        server.server()
                    )),
                    Err(error) => {
                        Judged::Unknown(format!("{} could not be asked: {error}", server.server()))
                    }
                };
                let known = inventory.judged.entry(token.digest).or_insert(Judged::Accepted);
                // A refusal by one server outweighs what others say.
                match (&*known, &judged) {
                    (Judged::Refused(_), _) | (Judged::Unknown(_), Judged::Accepted) => {}
                    _ => *known = judged,
                }
            }
        }
        return Ok(());
    }
    inventory.keys = if request.keys.is_empty() {
        cluster.published_keys()?.unwrap_or_default()
    } else {
        request.keys.clone()
    };
    for token in tokens {
        let judged = if inventory.keys.is_empty() {
            Judged::Unknown(
                "nobody may be asked (no right to create tokenreviews), and no key is known (--sa-public-key)"
                    .to_owned(),
            )
        } else {
            match inventory.keys.signer(&token) {
                Signer::These => Judged::Accepted,
                Signer::Another => {
                    Judged::Refused("its signature is by none of the API servers' keys".to_owned())
                }
                Signer::Unclear => {
                    Judged::Unknown("its signature cannot be checked here".to_owned())
                }
            }
        };
        inventory.judged.insert(token.digest, judged);
    }
    Ok(())
}

/// Pods that name a token secret, and those that a decision about them needs: of a large cluster only a few are kept.
fn read_pods(
    cluster: &Cluster,
    request: &Request,
    services: &Services,
    inventory: &mut Inventory,
) -> Result<(), ClusterError> {
    let known: BTreeSet<&(String, String)> = inventory.known.iter().collect();
    let is_token =
        |namespace: &str, name: &str| known.contains(&(namespace.to_owned(), name.to_owned()));
    let uses = |pod: &Pod| named(pod).any(|(name, _)| is_token(&pod.namespace, name));
    let absent = |pod: &Pod| tokens::candidates(pod).any(|name| !is_token(&pod.namespace, name));
    let guarded = |pod: &Pod| {
        services.iter().any(|((namespace, _), service)| {
            **namespace == *pod.namespace
                && service.selector.as_ref().is_some_and(|s| s.matches(&pod.labels))
        })
    };
    let ordered = |pod: &Pod| pod.owner.as_ref().is_some_and(|o| &*o.kind == "StatefulSet");
    let query = PodQuery { namespaces: request.scope.clone(), labels: None, fields: None };
    let (mut kept, mut bound) = (Vec::new(), 0);
    cluster.pods(&query, &mut Interner::default(), &mut |pod: Pod| {
        bound += usize::from(pod.shape.bound_token && !pod.is_finished());
        if uses(&pod) || absent(&pod) || guarded(&pod) || ordered(&pod) {
            kept.push(pod);
        }
    })?;
    // Where only some secrets are meant, pods of other ones are not.
    let missing = if request.narrows() {
        Vec::new()
    } else {
        tokens::missing(cluster, kept.iter(), &is_token)?
    };
    let mut scene = Scene { pods: kept, ..Scene::default() };
    let namespaces: BTreeSet<String> = scene.pods.iter().map(|p| p.namespace.to_string()).collect();
    if !namespaces.is_empty() {
        let kinds = pods::kinds_of(&scene.pods);
        scene.workloads = pods::workloads(cluster, &kinds, &pods::narrow(namespaces))?;
    }
    inventory.bound = bound;
    inventory.missing = missing;
    inventory.scene = scene;
    Ok(())
}
