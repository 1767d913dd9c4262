//! Pods as API servers send them in protobuf: half the bytes, and what is not read is stepped over without a look.
//!
//! Numbers of fields are those of `k8s.io/api/core/v1/generated.proto` and `apimachinery/pkg/apis/meta/v1/generated.proto`;
//! they never change. A message that is sent in two parts is the same as in one, so each reader adds to what is there.

use super::{
    Container, ContainerState, ContainerStatus, Driver, EnvFrom, EnvVar, NameRef, Pod, PodMeta,
    PodSpec, PodStatus, Projected, ProjectedSource, RunningState, SecretVolume, ValueFrom, Volume,
    WaitingState,
};
use crate::facts::protobuf::{Damaged, Value, each, first, object};
use crate::facts::wire::{Condition, List, ListMeta, OwnerReference};
use jiff::Timestamp;

const KIND: &str = "PodList";

/// Where the page after this one begins, if there is one.
pub(crate) fn continuation(body: &[u8]) -> Option<&str> {
    let metadata = first(object(body, KIND)?, 1)?.bytes().ok()?;
    first(metadata, 3)?.text().ok().filter(|more| !more.is_empty())
}

/// A list of pods.
pub(crate) fn pods(body: &[u8]) -> Result<List<Pod>, Damaged> {
    list(object(body, KIND).ok_or(Damaged)?)
}

fn list(list: &[u8]) -> Result<List<Pod>, Damaged> {
    let mut read = List { metadata: ListMeta::default(), items: Vec::new() };
    each(list, |number, value| {
        match number {
            1 => each(value.bytes()?, |number, value| {
                match number {
                    2 => value.text()?.clone_into(&mut read.metadata.resource_version),
                    3 => value.text()?.clone_into(&mut read.metadata.more),
                    _ => {}
                }
                Ok(())
            })?,
            2 => read.items.push(pod(value.bytes()?)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(read)
}

/// A message, from nothing.
fn new<'a, T: Default>(
    value: Value<'a>,
    read: impl Fn(&mut T, u64, Value<'a>) -> Result<(), Damaged>,
) -> Result<T, Damaged> {
    let mut message = T::default();
    each(value.bytes()?, |number, value| read(&mut message, number, value))?;
    Ok(message)
}

/// A message that may be there already.
fn add<'a, T: Default>(
    to: &mut Option<T>,
    value: Value<'a>,
    read: impl Fn(&mut T, u64, Value<'a>) -> Result<(), Damaged>,
) -> Result<(), Damaged> {
    let message = to.get_or_insert_default();
    each(value.bytes()?, |number, value| read(message, number, value))
}

fn string(value: Value<'_>) -> Result<String, Damaged> {
    value.text().map(str::to_owned)
}

fn boxed(value: Value<'_>) -> Result<Box<str>, Damaged> {
    value.text().map(Box::from)
}

fn pod(message: &[u8]) -> Result<Pod, Damaged> {
    let mut pod = Pod::default();
    each(message, |number, value| match number {
        1 => each(value.bytes()?, |number, value| metadata(&mut pod.metadata, number, value)),
        2 => each(value.bytes()?, |number, value| spec(&mut pod.spec, number, value)),
        3 => each(value.bytes()?, |number, value| status(&mut pod.status, number, value)),
        _ => Ok(()),
    })?;
    Ok(pod)
}

fn metadata(meta: &mut PodMeta, number: u64, value: Value<'_>) -> Result<(), Damaged> {
    match number {
        1 => meta.name = string(value)?,
        3 => meta.namespace = string(value)?,
        5 => meta.uid = string(value)?,
        8 => meta.creation_timestamp = time(value)?,
        9 => meta.deletion_timestamp = time(value)?,
        11 => {
            let (key, value) = entry(value)?;
            meta.labels.insert(key.into(), value.into());
        }
        12 if entry(value)?.0 == "kubernetes.io/config.mirror" => {
            meta.annotations.mirror = Some(serde::de::IgnoredAny);
        }
        13 => meta.owner_references.push(new(value, owner)?),
        14 => meta.finalizers.push(boxed(value)?),
        _ => {}
    }
    Ok(())
}

/// An entry of a map.
fn entry(value: Value<'_>) -> Result<(&str, &str), Damaged> {
    let mut entry = ("", "");
    each(value.bytes()?, |number, value| {
        match number {
            1 => entry.0 = value.text()?,
            2 => entry.1 = value.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(entry)
}

fn owner(owner: &mut OwnerReference, number: u64, value: Value<'_>) -> Result<(), Damaged> {
    match number {
        1 => owner.kind = string(value)?,
        3 => owner.name = string(value)?,
        4 => owner.uid = string(value)?,
        5 => owner.api_version = string(value)?,
        6 => owner.controller = value.flag()?,
        _ => {}
    }
    Ok(())
}

/// A time; an empty one is none. Whole seconds: that is all that JSON shows.
fn time(value: Value<'_>) -> Result<Option<Timestamp>, Damaged> {
    let message = value.bytes()?;
    if message.is_empty() {
        return Ok(None);
    }
    let seconds = first(message, 1).map_or(Ok(0), Value::number)?;
    Timestamp::from_second(seconds.cast_signed()).map(Some).map_err(|_| Damaged)
}

fn spec(spec: &mut PodSpec, number: u64, value: Value<'_>) -> Result<(), Damaged> {
    match number {
        1 => spec.volumes.extend(volume(value)?),
        2 => spec.containers.push(new(value, container)?),
        4 => spec.termination_grace_period_seconds = u32::try_from(value.number()?).ok(),
        8 => spec.service_account_name = string(value)?,
        10 => spec.node_name = string(value)?,
        11 => spec.host_network = value.flag()?,
        15 => spec.image_pull_secrets.push(new(value, name)?),
        20 => spec.init_containers.push(new(value, container)?),
        34 => spec.ephemeral_containers.push(new(value, |of: &mut Container, number, value| {
            if number == 1 {
                each(value.bytes()?, |number, value| container(of, number, value))?;
            }
            Ok(())
        })?),
        _ => {}
    }
    Ok(())
}

/// A `LocalObjectReference` as first field, and whether it may be absent.
fn reference(optional: u64) -> impl Fn(&mut NameRef, u64, Value<'_>) -> Result<(), Damaged> {
    move |reference, number, value| {
        match number {
            1 => {
                if let Some(name) = first(value.bytes()?, 1) {
                    reference.name = boxed(name)?;
                }
            }
            _ if number == optional => reference.optional = value.flag()?,
            _ => {}
        }
        Ok(())
    }
}

fn container(container: &mut Container, number: u64, value: Value<'_>) -> Result<(), Damaged> {
    match number {
        // Most variables are text, and have no reference in them.
        7 => {
            let mut variable = EnvVar::default();
            each(value.bytes()?, |number, value| match number {
                3 => add(&mut variable.value_from, value, value_from),
                _ => Ok(()),
            })?;
            container.env.extend(variable.value_from.is_some().then_some(variable));
        }
        19 => container.env_from.push(new(value, env_from)?),
        _ => {}
    }
    Ok(())
}

fn env_from(from: &mut EnvFrom, number: u64, value: Value<'_>) -> Result<(), Damaged> {
    match number {
        2 => add(&mut from.config_map_ref, value, reference(2)),
        3 => add(&mut from.secret_ref, value, reference(2)),
        _ => Ok(()),
    }
}

fn value_from(from: &mut ValueFrom, number: u64, value: Value<'_>) -> Result<(), Damaged> {
    match number {
        3 => add(&mut from.config_map_key_ref, value, reference(3)),
        4 => add(&mut from.secret_key_ref, value, reference(3)),
        _ => Ok(()),
    }
}

/// A volume, if it is one of those that are read: most hold nothing that can be stale.
fn volume(value: Value<'_>) -> Result<Option<Volume>, Damaged> {
    let (mut name, mut volume) = ("", None);
    each(value.bytes()?, |number, value| match number {
        1 => value.text().map(|text| name = text),
        2 => each(value.bytes()?, |number, value| source(&mut volume, number, value)),
        _ => Ok(()),
    })?;
    if let Some(Volume { name: of, secret: Some(_), .. }) = &mut volume {
        *of = name.into();
    }
    Ok(volume)
}

fn source(volume: &mut Option<Volume>, number: u64, value: Value<'_>) -> Result<(), Damaged> {
    if !matches!(number, 6 | 8 | 11..=14 | 18 | 19 | 25..=28) {
        return Ok(());
    }
    let volume = volume.get_or_insert_default();
    match number {
        6 => add(&mut volume.secret, value, secret_volume),
        8 => add(&mut volume.iscsi, value, driver(10)),
        11 => add(&mut volume.rbd, value, driver(7)),
        12 => add(&mut volume.flex_volume, value, driver(3)),
        13 => add(&mut volume.cinder, value, driver(4)),
        14 => add(&mut volume.cephfs, value, driver(5)),
        18 => add(&mut volume.azure_file, value, |azure: &mut Driver, number, value| {
            if number == 1 {
                azure.secret_name = Some(boxed(value)?);
            }
            Ok(())
        }),
        19 => add(&mut volume.config_map, value, reference(4)),
        25 => add(&mut volume.scale_io, value, driver(3)),
        26 => add(&mut volume.projected, value, |all: &mut Projected, number, value| {
            if number == 1 {
                all.sources.push(new(value, projected)?);
            }
            Ok(())
        }),
        27 => add(&mut volume.storageos, value, driver(5)),
        _ => add(&mut volume.csi, value, |csi: &mut Driver, number, value| match number {
            5 => add(&mut csi.node_publish_secret_ref, value, name),
            _ => Ok(()),
        }),
    }
}

fn secret_volume(volume: &mut SecretVolume, number: u64, value: Value<'_>) -> Result<(), Damaged> {
    match number {
        1 => volume.secret_name = boxed(value)?,
        4 => volume.optional = value.flag()?,
        _ => {}
    }
    Ok(())
}

fn projected(source: &mut ProjectedSource, number: u64, value: Value<'_>) -> Result<(), Damaged> {
    match number {
        1 => add(&mut source.secret, value, reference(4)),
        3 => add(&mut source.config_map, value, reference(4)),
        4 => {
            source.service_account_token = Some(serde::de::IgnoredAny);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A driver whose `secretRef` has this number.
fn driver(secret: u64) -> impl Fn(&mut Driver, u64, Value<'_>) -> Result<(), Damaged> {
    move |driver, number, value| match number {
        _ if number == secret => add(&mut driver.secret_ref, value, name),
        _ => Ok(()),
    }
}

/// A `LocalObjectReference`.
fn name(reference: &mut NameRef, number: u64, value: Value<'_>) -> Result<(), Damaged> {
    if number == 1 {
        reference.name = boxed(value)?;
    }
    Ok(())
}

fn status(status: &mut PodStatus, number: u64, value: Value<'_>) -> Result<(), Damaged> {
    match number {
        1 => status.phase = string(value)?,
        // The others are not read.
        2 if matches!(first(value.bytes()?, 1), Some(Value::Bytes(b"Ready" | b"PodScheduled"))) => {
            status.conditions.push(new(value, condition)?);
        }
        8 => status.container_statuses.push(new(value, container_status)?),
        10 => status.init_container_statuses.push(new(value, container_status)?),
        _ => {}
    }
    Ok(())
}

fn condition(condition: &mut Condition, number: u64, value: Value<'_>) -> Result<(), Damaged> {
    match number {
        1 => condition.kind = string(value)?,
        2 => condition.status = string(value)?,
        4 => condition.last_transition_time = time(value)?,
        5 => condition.reason = string(value)?,
        6 => condition.message = string(value)?,
        _ => {}
    }
    Ok(())
}

fn container_status(
    status: &mut ContainerStatus,
    number: u64,
    value: Value<'_>,
) -> Result<(), Damaged> {
    match number {
        1 => status.name = boxed(value)?,
        2 => each(value.bytes()?, |number, value| state(&mut status.state, number, value))?,
        5 => status.restart_count = u32::try_from(value.number()?).map_err(|_| Damaged)?,
        _ => {}
    }
    Ok(())
}

fn state(state: &mut ContainerState, number: u64, value: Value<'_>) -> Result<(), Damaged> {
    match number {
        1 => add(&mut state.waiting, value, |waiting: &mut WaitingState, number, value| {
            match number {
                1 => waiting.reason = boxed(value)?,
                2 => waiting.message = boxed(value)?,
                _ => {}
            }
            Ok(())
        }),
        2 => add(&mut state.running, value, |running: &mut RunningState, number, value| {
            if number == 1 {
                running.started_at = time(value)?;
            }
            Ok(())
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &[u8] = include_bytes!("../../../tests/world/pods.pb");

    #[test]
    fn whatever_is_damaged_is_read_or_refused_and_no_more() {
        assert_eq!(pods(RECORDED).expect("whole").items.len(), 4);
        assert_eq!(continuation(RECORDED), None);
        let content = object(RECORDED, KIND).expect("a list of pods");
        for cut in 0..content.len() {
            let items = list(&content[..cut]).map_or(0, |list| list.items.len());
            assert!(items < 4, "{cut}");
            assert!(cut < 30 || pods(&RECORDED[..cut]).is_err(), "{cut}");
        }
        let mut damaged = RECORDED.to_vec();
        for index in 0..damaged.len() {
            let bit = [0x01, 0x04, 0x08, 0x80][index % 4];
            damaged[index] ^= bit;
            let _ = (pods(&damaged), continuation(&damaged));
            damaged[index] ^= bit;
        }
    }

    #[test]
    fn a_message_in_two_parts_is_one() {
        // Two `spec`s with a `hostNetwork` and a `nodeName`.
        let pod = pod(&[0x12, 2, 0x58, 1, 0x12, 4, 0x52, 2, b'n', b'1']).expect("a pod");
        assert!(pod.spec.host_network);
        assert_eq!(pod.spec.node_name, "n1");
    }

    #[test]
    fn no_time_is_none() {
        assert_eq!(time(Value::Bytes(&[])), Ok(None));
        assert_eq!(time(Value::Bytes(&[8, 0, 16, 0])), Ok(Some(Timestamp::UNIX_EPOCH)));
        assert_eq!(
            time(Value::Bytes(&[8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])),
            Err(Damaged)
        );
        assert_eq!(time(Value::Number(1)), Err(Damaged));
    }
}
