//! Reads plans that were made before.

use super::failure::Failure;
use crate::facts::identity::ClusterIdentity;
use crate::plan::document::{Plan, SCHEMA_VERSION};
use crate::world::files;
use std::path::Path;

/// Reads a plan that this tool made for this cluster.
pub fn read(path: &Path, tool: &str, identity: &ClusterIdentity) -> Result<Plan, Failure> {
    let text = files::read_named(path)?;
    let name = path.display();
    let unusable = |why: String| Failure::usage(format!("cannot use plan `{name}`: {why}"));
    let schema: Schema =
        serde_json::from_str(&text).map_err(|e| unusable(format!("it is no plan: {e}")))?;
    if schema.schema_version != SCHEMA_VERSION {
        return Err(unusable(format!(
            "its schemaVersion is `{}`, this version of the tool reads `{SCHEMA_VERSION}`",
            schema.schema_version
        )));
    }
    let plan: Plan = serde_json::from_str(&text).map_err(|e| unusable(e.to_string()))?;
    if plan.tool != tool {
        return Err(unusable(format!("`{}` made it", plan.tool)));
    }
    if !plan.cluster.is_same_cluster(identity) {
        return Err(Failure::refused(format!(
            "plan `{name}` was made for another cluster ({}); nothing was changed",
            plan.cluster.server
        ))
        .with_hint("pass --context or --kubeconfig of the cluster that the plan is for"));
    }
    Ok(plan)
}

/// Enough of any version to say which it is.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Schema {
    schema_version: String,
}
