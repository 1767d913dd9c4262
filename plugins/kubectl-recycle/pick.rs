//! Which of the pods that were seen are meant, and why. Pure.

use crate::request::{Place, Request, Select};
use crate::target::Target;
use jiff::Timestamp;
use rotation_core::apply::memory::Memory;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::pod::Pod;
use rotation_core::facts::selector::Selector;
use rotation_core::facts::words::time;
use rotation_core::facts::workload::Workload;
use rotation_core::plan::document::{SkipReason, Skipped};
use rotation_core::plan::recycle::place::{Known, Services, by_preset, guards, order};
use rotation_core::plan::recycle::presets::Preset;
use rotation_core::plan::recycle::scene::{Scene, Selection};
use rotation_core::plan::staleness::{CredentialKey, Credentials, Evidence, judge, started_before};
use std::collections::{BTreeSet, HashMap};

/// What the decision looks at beside the scene.
#[derive(Debug, Default)]
pub(crate) struct Background {
    /// Services that presets name.
    pub(crate) services: Services,
    /// What the cluster hands out.
    pub(crate) credentials: Credentials,
    /// What earlier runs knew.
    pub(crate) memory: Memory,
    /// The API server's time.
    pub(crate) now: Timestamp,
}

impl Background {
    /// Digests of what is handed out now.
    pub(crate) fn digests(&self) -> HashMap<CredentialKey, Digest> {
        let roots = self.credentials.root_cas.values().filter_map(|root| {
            Some((CredentialKey::RootCa { namespace: root.namespace.clone() }, root.ca?))
        });
        let tokens = self.credentials.tokens.values().filter_map(|secret| {
            let (namespace, name) = (secret.namespace.clone(), secret.name.clone());
            Some((CredentialKey::Token { namespace, name }, secret.token?))
        });
        roots.chain(tokens).collect()
    }
}

/// What came of the selection, beside the scene's selected pods.
#[derive(Debug, Default)]
pub(crate) struct Picked {
    /// Pods that are meant and need nothing.
    pub(crate) left: Vec<Skipped>,
    /// Targets that match nothing.
    pub(crate) missing: Vec<String>,
}

/// Selects among the scene's pods.
pub(crate) fn pick(scene: &mut Scene, background: &Background, request: &Request) -> Picked {
    scene.guards = guards(&request.presets, &background.services);
    let mut picked = Picked::default();
    let mut found: BTreeSet<usize> = BTreeSet::new();
    let mut selected = HashMap::new();
    let digests = background.digests();
    for pod in &scene.pods {
        let known = Known::of(scene, pod);
        let reason = match &request.select {
            Select::Named(targets) => {
                let hits = targets.iter().enumerate().filter_map(|(index, target)| {
                    Some((index, target, named(target, pod, &known, background, request)?))
                });
                let hits: Vec<_> = hits.collect();
                found.extend(hits.iter().map(|(index, ..)| *index));
                let Some((_, target, how)) = hits.into_iter().next() else { continue };
                let replaces = match target {
                    Target::Preset(name) => {
                        request.presets.get(name).and_then(|p| p.replaces.clone())
                    }
                    Target::Workload(..) | Target::Pod(_) | Target::Stale => None,
                };
                Reason { words: how, explicit: matches!(target, Target::Pod(_)), replaces }
            }
            Select::Matching { labels, node } => {
                let labelled = labels.as_ref().is_none_or(|s| s.matches(&pod.labels));
                let there = node.as_ref().is_none_or(|n| pod.node.as_deref() == Some(n));
                if !labelled || !there {
                    continue;
                }
                Reason::plain(matching_words(labels.as_ref(), node.as_deref()))
            }
            Select::Stale => match judge(pod, &background.credentials) {
                Evidence::Stale(why) => Reason::plain(why.to_string()),
                Evidence::Unknown(why) if request.all => Reason::plain(why),
                Evidence::Unknown(why) => {
                    let message = format!("{why}; --all recycles it too");
                    picked.left.push(left(pod, SkipReason::Unknown, message));
                    continue;
                }
                Evidence::Fresh(_) => continue,
            },
        };
        if !request.all
            && let Some(message) = fresh(pod, &known, background, request, &digests)
        {
            picked.left.push(left(pod, SkipReason::Fresh, message));
            continue;
        }
        let Reason { words, explicit, replaces } = reason;
        let order = order(pod, &known, &request.presets, &background.services);
        selected.insert(pod.uid.clone(), Selection { reason: words, order, explicit, replaces });
    }
    if let Select::Matching { labels, node } = &request.select
        && selected.is_empty()
        && picked.left.is_empty()
    {
        let words = matching_words(labels.as_ref(), node.as_deref());
        picked.missing.push(format!("pod {words}"));
    }
    scene.selected = selected;
    if let Select::Named(targets) = &request.select {
        let absent = |(index, target): (usize, &Target)| {
            let empty = !found.contains(&index) && !exists(target, scene, request);
            empty.then(|| target.words())
        };
        picked.missing = targets.iter().enumerate().filter_map(absent).collect();
    }
    picked
}

struct Reason {
    words: String,
    explicit: bool,
    replaces: Option<String>,
}

impl Reason {
    fn plain(words: String) -> Self {
        Self { words, explicit: false, replaces: None }
    }
}

/// How a target names a pod, if it does.
fn named(
    target: &Target,
    pod: &Pod,
    known: &Known<'_>,
    background: &Background,
    request: &Request,
) -> Option<String> {
    match target {
        Target::Preset(name) => {
            let preset = request.presets.get(name)?;
            if !in_place_of_preset(pod, request) {
                return None;
            }
            let found = by_preset(preset, pod, known, &background.services)?;
            Some(format!("preset {name}, {found}"))
        }
        Target::Workload(kind, name) => {
            let is = |w: &&Workload| w.kind == *kind && *w.name == **name;
            let hit = known.direct.filter(is).or(known.top.filter(is))?;
            in_place(pod, request).then(|| format!("pod of {}", hit.reference().kubectl_name()))
        }
        Target::Pod(name) => {
            (*pod.name == **name && in_place(pod, request)).then(|| "named".to_owned())
        }
        Target::Stale => None,
    }
}

fn in_place(pod: &Pod, request: &Request) -> bool {
    match &request.place {
        Place::Everywhere => true,
        Place::Namespace { name, .. } => **name == *pod.namespace,
    }
}

/// A preset looks in its own namespaces, unless `-n` names one.
fn in_place_of_preset(pod: &Pod, request: &Request) -> bool {
    match &request.place {
        Place::Namespace { name, given: true } => **name == *pod.namespace,
        Place::Namespace { given: false, .. } | Place::Everywhere => true,
    }
}

fn matching_words(labels: Option<&Selector>, node: Option<&str>) -> String {
    match (labels, node) {
        (Some(labels), Some(node)) => format!("labelled `{labels}`, on node `{node}`"),
        (Some(labels), None) => format!("labelled `{labels}`"),
        (None, Some(node)) => format!("on node `{node}`"),
        (None, None) => "selected".to_owned(),
    }
}

/// Why a pod that is meant needs nothing.
///
/// The operator's word on when credentials changed outweighs the memory of earlier runs, and so does evidence: `stale`
/// never gets here with a pod that it cannot prove anything against.
fn fresh(
    pod: &Pod,
    known: &Known<'_>,
    background: &Background,
    request: &Request,
    digests: &HashMap<CredentialKey, Digest>,
) -> Option<String> {
    if request.select == Select::Stale {
        return None;
    }
    if let Some(since) = request.since {
        return (!started_before(pod, since)).then(|| format!("started after {}", time(since)));
    }
    let run = background.memory.made(pod, known.top_uid?, background.now, digests)?;
    Some(format!(
        "created at {}, by the run of {}; --all recycles it again",
        time(pod.created),
        time(run.at)
    ))
}

/// A workload without pods is there, and has nothing to recycle.
fn exists(target: &Target, scene: &Scene, request: &Request) -> bool {
    match target {
        Target::Workload(kind, name) => scene.workloads.values().any(|w| {
            w.kind == *kind
                && *w.name == **name
                && match &request.place {
                    Place::Everywhere => true,
                    Place::Namespace { name, .. } => **name == *w.namespace,
                }
        }),
        Target::Preset(_) | Target::Pod(_) | Target::Stale => false,
    }
}

fn left(pod: &Pod, reason: SkipReason, message: String) -> Skipped {
    Skipped { target: pod.reference(), reason, message, refused: false }
}

/// Pods of a preset, each with the workload at the top, as `namespace/kind/name`.
pub(crate) fn of_preset<'a>(
    preset: &'a Preset,
    scene: &'a Scene,
    background: &'a Background,
) -> impl Iterator<Item = (&'a Pod, String)> {
    scene.pods.iter().filter_map(move |pod| {
        let known = Known::of(scene, pod);
        by_preset(preset, pod, &known, &background.services)?;
        let workload = match known.top {
            Some(top) => format!("{}/{}", top.namespace, top.reference().kubectl_name()),
            None if pod.mirror => format!("{} (static pods)", pod.namespace),
            None => format!("{}/pod/{}", pod.namespace, pod.name),
        };
        Some((pod, workload))
    })
}
