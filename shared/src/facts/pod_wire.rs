//! A pod as the API sends it, as far as it is read, and its conversion into facts.

pub(crate) mod protobuf;

use super::identity::Uid;
use super::pod::{Interner, Pod as PodFacts, PodPhase, PodShape, SecretRef, SecretUse, Trouble};
use super::selector::Labels;
use super::wire::{Condition, Meta, OwnerReference, null_as_default};
use jiff::Timestamp;
use serde::Deserialize;

/// A pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// Metadata.
    pub metadata: PodMeta,
    /// Spec.
    pub spec: PodSpec,
    /// Status.
    pub status: PodStatus,
}

/// `metadata` of a pod: no managed fields, which are a third of its bytes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodMeta {
    name: String,
    namespace: String,
    uid: String,
    creation_timestamp: Option<Timestamp>,
    deletion_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "null_as_default")]
    labels: Labels,
    #[serde(deserialize_with = "null_as_default")]
    annotations: PodAnnotations,
    #[serde(deserialize_with = "null_as_default")]
    finalizers: Vec<Box<str>>,
    #[serde(deserialize_with = "null_as_default")]
    owner_references: Vec<OwnerReference>,
}

impl PodMeta {
    /// Identity.
    pub fn uid(&self) -> &str {
        &self.uid
    }
}

/// The one annotation that is read.
#[derive(Debug, Default, Deserialize)]
struct PodAnnotations {
    #[serde(rename = "kubernetes.io/config.mirror")]
    mirror: Option<serde::de::IgnoredAny>,
}

/// `spec` of a pod.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    node_name: String,
    service_account_name: String,
    #[serde(deserialize_with = "null_as_default")]
    host_network: bool,
    termination_grace_period_seconds: Option<u32>,
    #[serde(deserialize_with = "null_as_default")]
    image_pull_secrets: Vec<NameRef>,
    #[serde(deserialize_with = "null_as_default")]
    volumes: Vec<Volume>,
    #[serde(deserialize_with = "null_as_default")]
    containers: Vec<Container>,
    #[serde(deserialize_with = "null_as_default")]
    init_containers: Vec<Container>,
    #[serde(deserialize_with = "null_as_default")]
    ephemeral_containers: Vec<Container>,
}

/// A reference by name, or by name and whether it may be absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NameRef {
    name: Box<str>,
    #[serde(deserialize_with = "null_as_default")]
    optional: bool,
}

/// A secret volume spells it `secretName`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SecretVolume {
    secret_name: Box<str>,
    #[serde(deserialize_with = "null_as_default")]
    optional: bool,
}

/// A volume driver with credentials.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Driver {
    secret_ref: Option<NameRef>,
    secret_name: Option<Box<str>>,
    node_publish_secret_ref: Option<NameRef>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_field_names, reason = "the fields are Kubernetes' own names")]
struct Volume {
    name: Box<str>,
    secret: Option<SecretVolume>,
    config_map: Option<NameRef>,
    projected: Option<Projected>,
    azure_file: Option<Driver>,
    cephfs: Option<Driver>,
    cinder: Option<Driver>,
    flex_volume: Option<Driver>,
    rbd: Option<Driver>,
    #[serde(rename = "scaleIO")]
    scale_io: Option<Driver>,
    iscsi: Option<Driver>,
    storageos: Option<Driver>,
    csi: Option<Driver>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Projected {
    #[serde(deserialize_with = "null_as_default")]
    sources: Vec<ProjectedSource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ProjectedSource {
    secret: Option<NameRef>,
    config_map: Option<NameRef>,
    service_account_token: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    #[serde(deserialize_with = "null_as_default")]
    env: Vec<EnvVar>,
    #[serde(deserialize_with = "null_as_default")]
    env_from: Vec<EnvFrom>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct EnvVar {
    value_from: Option<ValueFrom>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ValueFrom {
    secret_key_ref: Option<NameRef>,
    config_map_key_ref: Option<NameRef>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct EnvFrom {
    secret_ref: Option<NameRef>,
    config_map_ref: Option<NameRef>,
}

/// `status` of a pod.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    phase: String,
    #[serde(deserialize_with = "null_as_default")]
    conditions: Vec<Condition>,
    #[serde(deserialize_with = "null_as_default")]
    init_container_statuses: Vec<ContainerStatus>,
    #[serde(deserialize_with = "null_as_default")]
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerStatus {
    name: Box<str>,
    restart_count: u32,
    #[serde(deserialize_with = "null_as_default")]
    state: ContainerState,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerState {
    running: Option<RunningState>,
    waiting: Option<WaitingState>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RunningState {
    started_at: Option<Timestamp>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WaitingState {
    reason: Box<str>,
    message: Box<str>,
}

/// Waiting reasons that waiting does not mend.
const HOPELESS: [&str; 8] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

impl PodFacts {
    /// Converts what the API sent; `None` for an object without name or UID, which no server sends.
    pub fn read(pod: Pod, interner: &mut Interner) -> Option<Self> {
        facts(pod, interner)
    }
}

fn facts(pod: Pod, interner: &mut Interner) -> Option<PodFacts> {
    let Pod { metadata, spec, status } = pod;
    if metadata.name.is_empty() || metadata.uid.is_empty() {
        return None;
    }
    let owner =
        Meta { owner_references: metadata.owner_references, ..Meta::default() }.controller();
    let ready = |c: &&Condition| c.kind == "Ready" && c.status == "True";
    let created = metadata.creation_timestamp.unwrap_or(Timestamp::UNIX_EPOCH);
    Some(PodFacts {
        namespace: interner.text(&metadata.namespace),
        name: metadata.name.into_boxed_str(),
        uid: Uid(metadata.uid.into()),
        node: (!spec.node_name.is_empty()).then(|| interner.text(&spec.node_name)),
        created,
        deleting: metadata.deletion_timestamp,
        phase: match status.phase.as_str() {
            "Running" => PodPhase::Running,
            "Succeeded" => PodPhase::Succeeded,
            "Failed" => PodPhase::Failed,
            _ => PodPhase::Pending,
        },
        ready_since: status
            .conditions
            .iter()
            .find(ready)
            .map(|c| c.last_transition_time.unwrap_or(created)),
        oldest_start: status
            .container_statuses
            .iter()
            .filter_map(|c| c.state.running.as_ref()?.started_at)
            .min(),
        owner: owner.map(|o| interner.owner(o)),
        mirror: metadata.annotations.mirror.is_some(),
        finalizers: metadata.finalizers.into_boxed_slice(),
        labels: interner.labels(metadata.labels),
        trouble: trouble(&status).map(Box::new),
        shape: interner.shape(shape(spec)),
    })
}

fn trouble(status: &PodStatus) -> Option<Trouble> {
    let waiting =
        status.init_container_statuses.iter().chain(&status.container_statuses).find_map(|c| {
            let waiting = c.state.waiting.as_ref()?;
            HOPELESS.contains(&&*waiting.reason).then(|| Trouble {
                reason: waiting.reason.clone(),
                container: c.name.clone(),
                message: waiting.message.clone(),
                restarts: c.restart_count,
            })
        });
    let unschedulable = || {
        let condition = status.conditions.iter().find(|c| {
            c.kind == "PodScheduled" && c.status == "False" && c.reason == "Unschedulable"
        })?;
        Some(Trouble {
            reason: "Unschedulable".into(),
            container: "".into(),
            message: condition.message.as_str().into(),
            restarts: 0,
        })
    };
    waiting.or_else(unschedulable)
}

/// Collects what a spec names, kind of reference by kind of reference.
#[derive(Default)]
struct References {
    secrets: Vec<SecretRef>,
    config_maps: Vec<Box<str>>,
    bound_token: bool,
}

impl References {
    fn secret(&mut self, name: Box<str>, used_as: SecretUse, optional: bool) {
        if !name.is_empty() {
            self.secrets.push(SecretRef { name, used_as, optional, injected: false });
        }
    }

    fn named(&mut self, reference: Option<NameRef>, used_as: SecretUse) {
        if let Some(NameRef { name, optional }) = reference {
            self.secret(name, used_as, optional);
        }
    }

    fn config_map(&mut self, reference: Option<NameRef>) {
        self.config_maps.extend(reference.map(|r| r.name));
    }

    fn container(&mut self, Container { env, env_from }: Container) {
        for ValueFrom { secret_key_ref, config_map_key_ref } in
            env.into_iter().filter_map(|e| e.value_from)
        {
            self.named(secret_key_ref, SecretUse::Environment);
            self.config_map(config_map_key_ref);
        }
        for EnvFrom { secret_ref, config_map_ref } in env_from {
            self.named(secret_ref, SecretUse::Environment);
            self.config_map(config_map_ref);
        }
    }

    fn volume(&mut self, volume: Volume) {
        let Volume {
            name,
            secret,
            config_map,
            projected,
            azure_file,
            cephfs,
            cinder,
            flex_volume,
            rbd,
            scale_io,
            iscsi,
            storageos,
            csi,
        } = volume;
        if let Some(SecretVolume { secret_name, optional }) = secret {
            // Admission calls the volume as the secret.
            let injected = name == secret_name;
            self.secret(secret_name, SecretUse::Volume, optional);
            if let Some(last) = self.secrets.last_mut() {
                last.injected = injected;
            }
        }
        self.config_map(config_map);
        for ProjectedSource { secret, config_map, service_account_token } in
            projected.unwrap_or_default().sources
        {
            self.named(secret, SecretUse::Projected);
            self.config_map(config_map);
            self.bound_token |= service_account_token.is_some();
        }
        let drivers =
            [azure_file, cephfs, cinder, flex_volume, rbd, scale_io, iscsi, storageos, csi];
        for Driver { secret_ref, secret_name, node_publish_secret_ref } in
            drivers.into_iter().flatten()
        {
            let named = secret_ref.into_iter().chain(node_publish_secret_ref).map(|r| r.name);
            for name in named.chain(secret_name) {
                self.secret(name, SecretUse::Driver, false);
            }
        }
    }
}

fn shape(spec: PodSpec) -> PodShape {
    let mut references = References::default();
    for pull in spec.image_pull_secrets {
        references.secret(pull.name, SecretUse::Pull, true);
    }
    let containers = spec.init_containers.into_iter().chain(spec.containers);
    containers.chain(spec.ephemeral_containers).for_each(|c| references.container(c));
    spec.volumes.into_iter().for_each(|v| references.volume(v));

    let References { mut secrets, mut config_maps, bound_token } = references;
    secrets.sort_by(|a, b| (&a.name, a.used_as).cmp(&(&b.name, b.used_as)));
    secrets.dedup();
    config_maps.sort();
    config_maps.dedup();
    let account = spec.service_account_name;
    PodShape {
        service_account: if account.is_empty() { "default".into() } else { account.into() },
        host_network: spec.host_network,
        grace_seconds: spec.termination_grace_period_seconds.unwrap_or(30),
        bound_token,
        secrets: secrets.into_boxed_slice(),
        config_maps: config_maps.into_boxed_slice(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> PodFacts {
        let pod: Pod = serde_json::from_str(json).expect("a pod");
        PodFacts::read(pod, &mut Interner::default()).expect("complete")
    }

    #[test]
    fn every_kind_of_secret_reference_is_seen() {
        let pod = read(
            r#"{"metadata":{"name":"p","uid":"u","labels":null,"ownerReferences":null},"spec":{
            "imagePullSecrets":[{"name":"pull"}],
            "initContainers":[{"env":[{"valueFrom":{"secretKeyRef":{"name":"init-env","key":"k"}}}]}],
            "containers":[{"envFrom":[{"secretRef":{"name":"env-from","optional":true}}],
                           "env":[{"name":"X","value":"1"},{"valueFrom":{"configMapKeyRef":{"name":"cm-env"}}}]}],
            "ephemeralContainers":[{"env":[{"valueFrom":{"secretKeyRef":{"name":"ephemeral"}}}]}],
            "volumes":[
              {"secret":{"secretName":"vol","name":"not-this"}},
              {"configMap":{"name":"cm-vol"}},
              {"projected":{"sources":[{"secret":{"name":"proj"}},{"serviceAccountToken":{"path":"token"}},
                                       {"configMap":{"name":"kube-root-ca.crt"}}]}},
              {"azureFile":{"secretName":"azure"}},{"cephfs":{"secretRef":{"name":"ceph"}}},
              {"cinder":{"secretRef":{"name":"cinder"}}},{"flexVolume":{"secretRef":{"name":"flex"}}},
              {"rbd":{"secretRef":{"name":"rbd"}}},{"scaleIO":{"secretRef":{"name":"scale"}}},
              {"iscsi":{"secretRef":{"name":"iscsi"}}},{"storageos":{"secretRef":{"name":"storageos"}}},
              {"csi":{"nodePublishSecretRef":{"name":"csi"}}},{"emptyDir":{}}]}}"#,
        );
        let names: Vec<&str> = pod.shape.secrets.iter().map(|s| &*s.name).collect();
        assert_eq!(
            names,
            [
                "azure",
                "ceph",
                "cinder",
                "csi",
                "env-from",
                "ephemeral",
                "flex",
                "init-env",
                "iscsi",
                "proj",
                "pull",
                "rbd",
                "scale",
                "storageos",
                "vol"
            ]
        );
        assert!(pod.shape.secrets.iter().find(|s| &*s.name == "env-from").expect("seen").optional);
        assert!(pod.shape.bound_token && pod.shape.mounts_root_ca());
        assert_eq!(pod.shape.config_maps.len(), 3);
        assert_eq!(&*pod.shape.service_account, "default");
    }

    #[test]
    fn status_is_read() {
        let pod = read(
            r#"{"metadata":{"name":"p","uid":"u","creationTimestamp":"2026-01-01T00:00:00Z",
                 "annotations":{"kubernetes.io/config.mirror":"x"},
                 "ownerReferences":[{"kind":"Other","name":"o","uid":"1"},
                   {"apiVersion":"apps/v1","kind":"DaemonSet","name":"ds","uid":"2","controller":true}]},
                "spec":{"nodeName":"n"},
                "status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:09Z"}],
                 "containerStatuses":[{"name":"b","restartCount":0,"state":{"running":{"startedAt":"2026-01-01T00:00:08Z"}}},
                                      {"name":"a","restartCount":0,"state":{"running":{"startedAt":"2026-01-01T00:00:05Z"}}}]}}"#,
        );
        assert!(pod.mirror && pod.is_ready());
        let owner = pod.owner.expect("controller");
        assert_eq!((&*owner.group, &*owner.kind, &*owner.name), ("apps", "DaemonSet", "ds"));
        assert_eq!(pod.oldest_start, Some("2026-01-01T00:00:05Z".parse().expect("time")));
    }

    #[test]
    fn hopeless_waiting_is_told_apart() {
        for (reason, hopeless) in
            [("CrashLoopBackOff", true), ("ImagePullBackOff", true), ("ContainerCreating", false)]
        {
            let json = format!(
                r#"{{"metadata":{{"name":"p","uid":"u"}},"status":{{"containerStatuses":[
                   {{"name":"c","restartCount":4,"state":{{"waiting":{{"reason":"{reason}","message":"m"}}}}}}]}}}}"#
            );
            let trouble = read(&json).trouble;
            assert_eq!(trouble.is_some(), hopeless, "{reason}");
        }
    }
}
