//! Who made an object: its controller.

use super::identity::Uid;
use serde::{Deserialize, Serialize};

/// The controller of an object: its owner reference with `controller: true`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// API group, empty for the core group.
    pub group: Box<str>,
    /// Kind.
    pub kind: Box<str>,
    /// Name.
    pub name: Box<str>,
    /// Identity.
    pub uid: Uid,
}
