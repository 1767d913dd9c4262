//! Where a pod belongs: the preset that knows it gives it its place in the order, and Services that must keep answering
//! guard their pods, whatever way those were selected in.

use super::order::Order;
use super::presets::{Preset, Presets};
use super::scene::{Guard, Maker, Scene};
use crate::facts::identity::Uid;
use crate::facts::pod::Pod;
use crate::facts::selector::Selector;
use crate::facts::service::Service;
use crate::facts::workload::{Workload, WorkloadKind};
use std::collections::HashMap;

/// Services by namespace and name.
pub type Services = HashMap<(String, String), Service>;

/// The controllers of a pod, as far as they are known.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The pod's own controller.
    pub direct: Option<&'a Workload>,
    /// The one at the top.
    pub top: Option<&'a Workload>,
    /// Its name, also where only the pod names it.
    pub top_name: Option<&'a str>,
    /// Its identity, also where only the pod names it.
    pub top_uid: Option<&'a Uid>,
}

impl<'a> Known<'a> {
    /// Of this pod.
    pub fn of(scene: &'a Scene, pod: &'a Pod) -> Self {
        match scene.maker(pod) {
            Maker::Known { direct, top } => Self {
                direct: Some(direct),
                top: Some(top),
                top_name: Some(&top.name),
                top_uid: Some(&top.uid),
            },
            Maker::Foreign(owner) | Maker::Gone(owner) => Self {
                direct: None,
                top: None,
                top_name: Some(&owner.name),
                top_uid: Some(&owner.uid),
            },
            Maker::Nobody => Self { direct: None, top: None, top_name: None, top_uid: None },
        }
    }

    fn kind(&self) -> Option<WorkloadKind> {
        self.top.map(|w| w.kind)
    }
}

/// How a preset finds a pod, in words, if it does.
pub fn by_preset(
    preset: &Preset,
    pod: &Pod,
    known: &Known<'_>,
    services: &Services,
) -> Option<String> {
    let service = service_of(preset, &pod.namespace, services);
    preset.finds(pod, known.top_name, service).map(|found| found.words())
}

fn service_of<'a>(
    preset: &Preset,
    namespace: &str,
    services: &'a Services,
) -> Option<&'a Selector> {
    let key = (namespace.to_owned(), preset.service.clone()?);
    services.get(&key)?.selector.as_ref()
}

/// A preset that knows a pod gives it its place, also where it was selected in another way.
pub fn order(pod: &Pod, known: &Known<'_>, presets: &Presets, services: &Services) -> Order {
    presets
        .iter()
        .find(|preset| by_preset(preset, pod, known, services).is_some())
        .map_or_else(|| Order::of_kind(known.kind()), |preset| preset.order_of(known.top_name))
}

/// Services that must keep answering, whatever way their pods are selected in.
pub fn guards(presets: &Presets, services: &Services) -> Vec<Guard> {
    let mut guards = Vec::new();
    for preset in presets.iter().filter(|p| p.keep_ready > 0) {
        for namespace in &preset.namespaces {
            let key = preset.service.clone().map(|service| (namespace.clone(), service));
            let service = key.and_then(|key| services.get(&key));
            if let Some((service, selector)) = service.and_then(|s| Some((s, s.selector.clone()?)))
            {
                guards.push(Guard {
                    name: format!("{namespace}/{}", service.name),
                    namespace: namespace.as_str().into(),
                    selector,
                    keep_ready: preset.keep_ready,
                    service: Some(service.name.to_string()),
                });
                continue;
            }
            // Without the Service each label stands for a set of pods of its own.
            guards.extend(preset.labels.iter().map(|selector| Guard {
                name: format!("{namespace}/{selector}"),
                namespace: namespace.as_str().into(),
                selector: selector.clone(),
                keep_ready: preset.keep_ready,
                service: None,
            }));
        }
    }
    guards
}
