//! Changes: a few requests with bytes of our own, each sent once, each answer told apart.

use super::answer::Answer;
use super::ask::{AT_ONCE, Asker};
use super::fault::ClusterError;
use super::query::{collection, encode};
use crate::facts::identity::Uid;
use crate::facts::workload::WorkloadKind;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Kinds of objects that are created, changed or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A pod.
    Pod,
    /// A secret.
    Secret,
    /// A service account.
    ServiceAccount,
    /// A config map.
    ConfigMap,
    /// A lease.
    Lease,
}

impl Thing {
    /// Resource name in URLs and in access rules.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Pod => "pods",
            Self::Secret => "secrets",
            Self::ServiceAccount => "serviceaccounts",
            Self::ConfigMap => "configmaps",
            Self::Lease => "leases",
        }
    }

    fn collection(self, namespace: &str) -> String {
        let prefix = match self {
            Self::Lease => "/apis/coordination.k8s.io/v1",
            Self::Pod | Self::Secret | Self::ServiceAccount | Self::ConfigMap => "/api/v1",
        };
        collection(prefix, Some(namespace), self.plural())
    }

    /// Where one of them stands.
    pub(super) fn path(self, namespace: &str, name: &str) -> String {
        format!("{}/{}", self.collection(namespace), encode(name))
    }
}

/// A change to ask for. What is destroyed is named by its UID.
#[derive(Clone, Debug)]
pub enum Request {
    /// Evict a pod: budgets are honoured.
    Evict {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// Identity: a pod of the same name with another UID is left alone.
        uid: Uid,
        /// Grace other than the pod's own.
        grace_seconds: Option<u32>,
        /// Only let the server check.
        dry_run: bool,
    },
    /// Delete: budgets are not asked.
    Delete {
        /// Of which kind.
        thing: Thing,
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// Identity.
        uid: Uid,
        /// State on which the decision rests, where it rests on one; refused below 1.14.
        resource_version: Option<String>,
        /// Grace other than the pod's own.
        grace_seconds: Option<u32>,
        /// Only let the server check.
        dry_run: bool,
    },
    /// Change the annotation of the template that `kubectl rollout restart` changes.
    RestartRollout {
        /// Kind.
        kind: WorkloadKind,
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// Identity.
        uid: Uid,
        /// State on which the decision rests.
        resource_version: String,
        /// The time to write.
        at: Timestamp,
        /// Only let the server check.
        dry_run: bool,
    },
    /// Create.
    Create {
        /// Of which kind.
        thing: Thing,
        /// Namespace.
        namespace: String,
        /// The object.
        manifest: Value,
        /// Only let the server check.
        dry_run: bool,
    },
    /// Merge a change into an object (RFC 7396) that is still the one that was seen, in the state in which it was seen.
    Merge {
        /// Of which kind.
        thing: Thing,
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// Identity.
        uid: Uid,
        /// State on which the decision rests.
        resource_version: String,
        /// What changes; `null` takes a key away.
        change: Value,
        /// Only let the server check.
        dry_run: bool,
    },
}

/// A request as it goes out.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn outgoing(&self) -> Outgoing {
        let pod = |namespace: &str, name: &str| {
            format!("{}/{}", collection("/api/v1", Some(namespace), "pods"), encode(name))
        };
        let dry = |dry_run: bool, then: &str| match (dry_run, then) {
            (false, "") => String::new(),
            (false, then) => format!("?{then}"),
            (true, "") => "?dryRun=All".to_owned(),
            (true, then) => format!("?{then}&dryRun=All"),
        };
        match self {
            Self::Evict { namespace, name, uid, grace_seconds, dry_run } => Outgoing {
                method: Method::POST,
                path: format!("{}/eviction", pod(namespace, name)),
                content_type: "application/json",
                // No version and no kind: each server fills in its own. `deleteOptions` always, or old servers kill
                // without grace.
                body: json!({
                    "metadata": { "name": name, "namespace": namespace },
                    "deleteOptions": delete_options(uid, None, *grace_seconds, *dry_run),
                })
                .to_string()
                .into_bytes(),
            },
            Self::Delete {
                thing,
                namespace,
                name,
                uid,
                resource_version,
                grace_seconds,
                dry_run,
            } => {
                let mut options =
                    delete_options(uid, resource_version.as_deref(), *grace_seconds, *dry_run);
                options["apiVersion"] = "v1".into();
                options["kind"] = "DeleteOptions".into();
                Outgoing {
                    method: Method::DELETE,
                    path: format!("{}/{}", thing.collection(namespace), encode(name)),
                    content_type: "application/json",
                    body: options.to_string().into_bytes(),
                }
            }
            Self::RestartRollout { kind, namespace, name, uid, resource_version, at, dry_run } => {
                let prefix = super::read::prefix(*kind);
                Outgoing {
                    method: Method::PATCH,
                    path: format!(
                        "{}/{}{}",
                        collection(&prefix, Some(namespace), kind.plural()),
                        encode(name),
                        dry(*dry_run, "fieldManager=kubectl-rollout")
                    ),
                    content_type: "application/strategic-merge-patch+json",
                    body: json!({
                        "metadata": { "uid": uid, "resourceVersion": resource_version },
                        "spec": { "template": { "metadata": { "annotations": {
                            "kubectl.kubernetes.io/restartedAt": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                        }}}},
                    })
                    .to_string()
                    .into_bytes(),
                }
            }
            Self::Create { thing, namespace, manifest, dry_run } => Outgoing {
                method: Method::POST,
                path: thing.collection(namespace) + &dry(*dry_run, ""),
                content_type: "application/json",
                body: manifest.to_string().into_bytes(),
            },
            Self::Merge { thing, namespace, name, uid, resource_version, change, dry_run } => {
                let mut body = change.clone();
                body["metadata"]["uid"] = json!(uid);
                body["metadata"]["resourceVersion"] = json!(resource_version);
                Outgoing {
                    method: Method::PATCH,
                    path: format!(
                        "{}/{}{}",
                        thing.collection(namespace),
                        encode(name),
                        dry(*dry_run, "")
                    ),
                    content_type: "application/merge-patch+json",
                    body: body.to_string().into_bytes(),
                }
            }
        }
    }
}

fn delete_options(
    uid: &Uid,
    resource_version: Option<&str>,
    grace_seconds: Option<u32>,
    dry_run: bool,
) -> Value {
    let mut options = json!({ "preconditions": { "uid": uid } });
    if let Some(version) = resource_version {
        options["preconditions"]["resourceVersion"] = version.into();
    }
    if let Some(seconds) = grace_seconds {
        options["gracePeriodSeconds"] = seconds.into();
    }
    if dry_run {
        options["dryRun"] = json!(["All"]);
    }
    options
}

/// Creates one object; the answer is the object.
pub(super) async fn create(
    asker: &Asker,
    thing: Thing,
    namespace: &str,
    manifest: &Value,
) -> Result<Value, ClusterError> {
    let path = thing.collection(namespace);
    let body = manifest.to_string().into_bytes();
    let reply = asker.once(Method::POST, &path, Some("application/json"), body).await?;
    if reply.status.is_success() {
        asker.parse(&path, &reply.body)
    } else {
        Err(asker.refused(&path, &reply))
    }
}

/// Merges a change into an object in the state in which it was read; `false` where it has changed since.
pub(super) async fn merge(
    asker: &Asker,
    thing: Thing,
    object: &Value,
    change: &Value,
) -> Result<bool, ClusterError> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let request = Request::Merge {
        thing,
        namespace: text("/metadata/namespace").to_owned(),
        name: text("/metadata/name").to_owned(),
        uid: Uid::from(text("/metadata/uid")),
        resource_version: text("/metadata/resourceVersion").to_owned(),
        change: change.clone(),
        dry_run: false,
    };
    let Outgoing { method, path, content_type, body } = request.outgoing();
    let reply = asker.once(method, &path, Some(content_type), body).await?;
    match reply.status.as_u16() {
        409 => Ok(false),
        _ if reply.status.is_success() => Ok(true),
        _ => Err(asker.refused(&path, &reply)),
    }
}

/// Sends the requests, a few at a time, each once; half as many at a time once the server says that it is overloaded.
pub(super) async fn all(asker: &Asker, requests: &[Request], each: &mut dyn FnMut(usize, Answer)) {
    let mut room = AT_ONCE;
    let mut waiting = requests.iter().enumerate();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < room {
            let Some((index, request)) = waiting.next() else {
                break;
            };
            running.push(async move { (index, one(asker, request).await) });
        }
        let Some((index, answer)) = running.next().await else {
            return;
        };
        if matches!(answer, Answer::Overloaded { .. }) {
            room = (room / 2).max(1);
        }
        each(index, answer);
    }
}

async fn one(asker: &Asker, request: &Request) -> Answer {
    let Outgoing { method, path, content_type, body } = request.outgoing();
    match asker.once(method, &path, Some(content_type), body).await {
        Ok(reply) => Answer::read(request, &reply),
        Err(error) => Answer::Unknown { message: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(request: &Request) -> (Method, String, String) {
        let Outgoing { method, path, body, .. } = request.outgoing();
        (method, path, String::from_utf8(body).expect("text"))
    }

    #[test]
    fn an_eviction_works_on_every_version() {
        let mut request = Request::Evict {
            namespace: "kube-system".to_owned(),
            name: "coredns-1".to_owned(),
            uid: "u-1".into(),
            grace_seconds: None,
            dry_run: false,
        };
        assert_eq!(
            bytes(&request),
            (
                Method::POST,
                "/api/v1/namespaces/kube-system/pods/coredns-1/eviction".to_owned(),
                r#"{"deleteOptions":{"preconditions":{"uid":"u-1"}},"metadata":{"name":"coredns-1","namespace":"kube-system"}}"#.to_owned()
            )
        );
        let Request::Evict { grace_seconds, dry_run, .. } = &mut request else { unreachable!() };
        (*grace_seconds, *dry_run) = (Some(0), true);
        let (.., body) = bytes(&request);
        assert_eq!(
            body,
            r#"{"deleteOptions":{"dryRun":["All"],"gracePeriodSeconds":0,"preconditions":{"uid":"u-1"}},"metadata":{"name":"coredns-1","namespace":"kube-system"}}"#
        );
    }

    #[test]
    fn a_delete_carries_the_uid() {
        let mut request = Request::Delete {
            thing: Thing::Pod,
            namespace: "n".to_owned(),
            name: "p".to_owned(),
            uid: "u-1".into(),
            resource_version: None,
            grace_seconds: None,
            dry_run: false,
        };
        assert_eq!(
            bytes(&request),
            (
                Method::DELETE,
                "/api/v1/namespaces/n/pods/p".to_owned(),
                r#"{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u-1"}}"#
                    .to_owned()
            )
        );
        if let Request::Delete { resource_version, .. } = &mut request {
            *resource_version = Some("7".to_owned());
        }
        assert!(
            bytes(&request).2.contains(r#""preconditions":{"resourceVersion":"7","uid":"u-1"}"#)
        );
    }

    #[test]
    fn a_merge_is_bound_to_what_was_seen() {
        let request = Request::Merge {
            thing: Thing::Secret,
            namespace: "n".to_owned(),
            name: "s".to_owned(),
            uid: "u".into(),
            resource_version: "7".to_owned(),
            change: json!({"data": {"token": null}}),
            dry_run: true,
        };
        let (method, path, body) = bytes(&request);
        assert_eq!(
            (method, path.as_str(), body.as_str()),
            (
                Method::PATCH,
                "/api/v1/namespaces/n/secrets/s?dryRun=All",
                r#"{"data":{"token":null},"metadata":{"resourceVersion":"7","uid":"u"}}"#
            )
        );
    }

    #[test]
    fn a_restart_writes_kubectls_key_under_guard() {
        let request = Request::RestartRollout {
            kind: WorkloadKind::DaemonSet,
            namespace: "n".to_owned(),
            name: "d".to_owned(),
            uid: "u".into(),
            resource_version: "9".to_owned(),
            at: "2026-01-02T03:04:05.678Z".parse().expect("time"),
            dry_run: true,
        };
        let (method, path, body) = bytes(&request);
        assert_eq!(
            (method, path.as_str()),
            (
                Method::PATCH,
                "/apis/apps/v1/namespaces/n/daemonsets/d?fieldManager=kubectl-rollout&dryRun=All"
            )
        );
        assert_eq!(
            body,
            r#"{"metadata":{"resourceVersion":"9","uid":"u"},"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-01-02T03:04:05Z"}}}}}"#
        );
    }
}
