//! Kubernetes' JSON as far as it is read: what all kinds of objects have in common.
//!
//! Lists of these structs are parsed three times faster than the full types and keep a tenth of their memory. Every
//! field is optional: a field that an old server does not send is absent, not an error.

use super::identity::Uid;
use super::owner::Owner;
use super::selector::{Labels, Requirement, Selector};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// A list of anything, page by page.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct List<T> {
    /// Continuation and version.
    #[serde(default)]
    pub metadata: ListMeta,
    /// Required, or the answer of a proxy that is no API server would pass for an empty cluster.
    #[serde(deserialize_with = "null_as_default")]
    pub items: Vec<T>,
}

/// `metadata` of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListMeta {
    /// The version to watch from.
    pub resource_version: String,
    /// More pages follow.
    #[serde(rename = "continue", deserialize_with = "null_as_default")]
    pub more: String,
}

/// `metadata` of an object.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Identity.
    pub uid: String,
    /// Version.
    pub resource_version: String,
    /// Generation of the spec.
    pub generation: i64,
    /// When it was made.
    pub creation_timestamp: Option<Timestamp>,
    /// When it is to be gone.
    pub deletion_timestamp: Option<Timestamp>,
    /// Labels.
    #[serde(deserialize_with = "null_as_default")]
    pub labels: Labels,
    /// Annotations.
    #[serde(deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
    /// Finalizers.
    #[serde(deserialize_with = "null_as_default")]
    pub finalizers: Vec<Box<str>>,
    /// Owners.
    #[serde(deserialize_with = "null_as_default")]
    pub owner_references: Vec<OwnerReference>,
    /// Who wrote which fields when.
    #[serde(deserialize_with = "null_as_default")]
    pub managed_fields: Vec<ManagedFields>,
}

/// One writer of an object.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ManagedFields {
    /// The writer.
    pub manager: String,
    /// Its last change; too old on some servers, never too new.
    pub time: Option<Timestamp>,
    /// Which fields are its.
    #[serde(rename = "fieldsV1")]
    pub fields: Option<OwnedFields>,
}

impl ManagedFields {
    /// Whether it can have written `data`; a writer whose fields nobody recorded can have.
    ///
    /// API servers write a label into each token secret on each day on which its token is used (since 1.26).
    pub fn can_be_of_data(&self) -> bool {
        self.fields.as_ref().is_none_or(|fields| fields.data.is_some())
    }
}

/// The fields of one writer, as far as anybody asks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct OwnedFields {
    #[serde(rename = "f:data")]
    data: Option<serde::de::IgnoredAny>,
}

/// An owner reference.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Identity.
    pub uid: String,
    /// Whether it is the one controller.
    #[serde(deserialize_with = "null_as_default")]
    pub controller: bool,
}

impl Meta {
    /// The newest write of `data` that its writers' records show; too old on some servers, never too new.
    pub fn data_written(&self) -> Option<Timestamp> {
        let records = self.managed_fields.iter().filter(|record| record.can_be_of_data());
        records.filter_map(|record| record.time).max()
    }

    /// The controller, if there is one.
    pub fn controller(&self) -> Option<Owner> {
        self.owner_references.iter().find(|o| o.controller).map(|o| Owner {
            group: o.api_version.split_once('/').map_or("", |(group, _)| group).into(),
            kind: o.kind.as_str().into(),
            name: o.name.as_str().into(),
            uid: Uid::from(o.uid.as_str()),
        })
    }
}

/// A condition, of a pod or a node.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Reason.
    pub reason: String,
    /// Message.
    pub message: String,
    /// Since when.
    pub last_transition_time: Option<Timestamp>,
}

/// `matchLabels` and `matchExpressions`.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    #[serde(deserialize_with = "null_as_default")]
    match_labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "null_as_default")]
    match_expressions: Vec<MatchExpression>,
}

/// One `matchExpressions` entry, of a label selector or a node selector.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct MatchExpression {
    /// Key.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`; nodes also `Gt`, `Lt`.
    pub operator: String,
    /// Values.
    #[serde(deserialize_with = "null_as_default")]
    pub values: Vec<String>,
}

impl LabelSelector {
    /// As a selector; an operator that is not known selects nothing rather than everything.
    pub fn selector(&self) -> Selector {
        let mut selector = Selector::from_pairs(&self.match_labels);
        for expression in &self.match_expressions {
            let MatchExpression { key, operator, values } = expression.clone();
            selector.0.push(match operator.as_str() {
                "In" => Requirement::In(key, values),
                "NotIn" => Requirement::NotIn(key, values),
                "Exists" => Requirement::Exists(key),
                "DoesNotExist" => Requirement::Absent(key),
                _ => Requirement::In(key, Vec::new()),
            });
        }
        selector
    }
}

/// Text that is wiped when it is let go.
#[derive(Default)]
pub struct Wiped(pub zeroize::Zeroizing<String>);

impl<'de> Deserialize<'de> for Wiped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(zeroize::Zeroizing::new(text)))
    }
}

/// Go writes empty maps and lists as `null` at times.
pub fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_operator_selects_nothing() {
        let selector: LabelSelector = serde_json::from_str(
            r#"{"matchLabels":null,"matchExpressions":[{"key":"a","operator":"Near","values":["b"]}]}"#,
        )
        .expect("selector");
        assert!(!selector.selector().matches(&Labels::default()));
    }
}
