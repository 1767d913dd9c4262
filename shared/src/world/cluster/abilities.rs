//! What the server offers and what we may do: asked, not concluded from its version.

use super::ask::Asker;
use super::fault::ClusterError;
use crate::facts::wire::null_as_default;
use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// A version of the API group `policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum PolicyVersion {
    /// `policy/v1beta1`.
    V1Beta1,
    /// `policy/v1`.
    V1,
}

impl PolicyVersion {
    /// As it stands in paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1Beta1 => "v1beta1",
            Self::V1 => "v1",
        }
    }
}

/// What the server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Abilities {
    /// The version of evictions; `None` where pods can only be deleted.
    pub eviction: Option<PolicyVersion>,
    /// The version of disruption budgets; `None` where there are none.
    pub budgets: Option<PolicyVersion>,
    /// Tokens can be asked for (`serviceaccounts/token`).
    pub token_requests: bool,
}

/// A permission to ask about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// `get`, `list`, `watch`, `create`, `delete`, `patch`.
    pub verb: String,
    /// API group, empty for the core group.
    pub group: String,
    /// Resource, for example `pods`.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Namespace; `None` is all of them.
    pub namespace: Option<String>,
}

impl Access {
    /// The right to ask an API server about a token.
    pub fn token_review() -> Self {
        Self {
            verb: "create".to_owned(),
            group: "authentication.k8s.io".to_owned(),
            resource: "tokenreviews".to_owned(),
            subresource: String::new(),
            namespace: None,
        }
    }

    /// As `kubectl auth can-i` takes it.
    pub fn describe(&self) -> String {
        let mut text = format!("{} {}", self.verb, self.resource);
        if !self.group.is_empty() {
            text = format!("{text}.{}", self.group);
        }
        if !self.subresource.is_empty() {
            text = format!("{text}/{}", self.subresource);
        }
        match &self.namespace {
            Some(namespace) => format!("{text} in namespace {namespace}"),
            None => format!("{text} in all namespaces"),
        }
    }
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default, deserialize_with = "null_as_default")]
    resources: Vec<Resource>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resource {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct Groups {
    #[serde(default, deserialize_with = "null_as_default")]
    groups: Vec<Group>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Group {
    name: String,
    #[serde(deserialize_with = "null_as_default")]
    versions: Vec<Version>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Version {
    version: String,
}

pub(super) async fn abilities(asker: &Asker) -> Result<Abilities, ClusterError> {
    let (core, groups) =
        futures_util::try_join!(asker.json::<Resources>("/api/v1"), asker.json::<Groups>("/apis"))?;
    let policy = groups.groups.iter().find(|g| g.name == "policy");
    let serves =
        |version: &str| policy.is_some_and(|g| g.versions.iter().any(|v| v.version == version));
    let newest = if serves("v1") {
        // 1.21 and 1.22 know `policy/v1` with budgets.
        Some(PolicyVersion::V1)
    } else if serves("v1beta1") {
        Some(PolicyVersion::V1Beta1)
    } else {
        None
    };
    let eviction = core.resources.iter().find(|r| r.name == "pods/eviction");
    Ok(Abilities {
        eviction: eviction
            .map(|r| if r.version == "v1" { PolicyVersion::V1 } else { PolicyVersion::V1Beta1 }),
        budgets: newest,
        token_requests: core.resources.iter().any(|r| r.name == "serviceaccounts/token"),
    })
}

#[derive(Deserialize)]
struct Review {
    #[serde(default)]
    status: ReviewStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReviewStatus {
    allowed: bool,
}

/// Those of the permissions that we lack.
pub(super) async fn denied(asker: &Asker, wanted: &[Access]) -> Result<Vec<Access>, ClusterError> {
    const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let once: BTreeSet<&Access> = wanted.iter().collect();
    let ask = |access: &Access| {
        let access = access.clone();
        async move {
            let body = json!({
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": { "resourceAttributes": {
                    "verb": access.verb,
                    "group": access.group,
                    "resource": access.resource,
                    "subresource": access.subresource,
                    "namespace": access.namespace.as_deref().unwrap_or(""),
                }},
            });
            let reply = asker.review(PATH, body.to_string().into_bytes()).await?;
            let review: Review = asker.parse(PATH, &reply.body)?;
            Ok((!review.status.allowed).then_some(access))
        }
    };
    let questions = once.into_iter().map(ask).collect::<Vec<_>>();
    let answers: Vec<Option<Access>> =
        futures_util::stream::iter(questions).buffered(8).try_collect().await?;
    Ok(answers.into_iter().flatten().collect())
}
