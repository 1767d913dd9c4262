//! What the director knows, in the form in which it tells it.

use serde_json::{Value, json};

use super::agent::State;
use super::task::Failure;
use crate::bosh::faults::InstanceFaults;
use crate::bosh::plan::{DEPLOYMENT, Instance};

const STEMCELL: (&str, &str) = ("bosh-warden-boshlite-ubuntu-jammy-go_agent", "1.719");

pub(super) fn deployments() -> Value {
    json!([{
        "name": DEPLOYMENT, "cloud_config": "none", "teams": [],
        "releases": [{"name": "kubernetes", "version": "107"}],
        "stemcells": [{"name": STEMCELL.0, "version": STEMCELL.1}],
    }])
}

pub(super) fn locks(locked: bool) -> Value {
    if !locked {
        return json!([]);
    }
    // Until the end of this century; nobody waits for it.
    json!([{"type": "deployment", "resource": [DEPLOYMENT], "timeout": "4102444800.0", "task_id": "7"}])
}

/// One instance; `state` is missing where there is no VM, or its agent is silent.
pub(super) fn instance(one: &Instance, fault: &InstanceFaults, state: Option<&State>) -> Value {
    let has_vm = !fault.without_vm;
    let or_null = |text: String| if has_vm { json!(text) } else { Value::Null };
    let processes: Vec<Value> = state
        .into_iter()
        .flat_map(|state| &state.processes)
        .map(|(name, state)| json!({"name": name, "state": state}))
        .collect();
    let job_state = match state {
        Some(state) => json!(state.instance),
        None if has_vm => json!("unresponsive agent"),
        None => Value::Null,
    };
    let address = fault.address.clone().unwrap_or_else(|| one.address.clone());
    json!({
        "agent_id": or_null(one.agent.clone()), "job_name": one.group, "index": one.index, "id": one.id,
        "az": one.az, "bootstrap": one.index == 0, "ignore": fault.ignored,
        "state": if has_vm { "started" } else { "detached" }, "job_state": job_state,
        "ips": if has_vm { json!([address]) } else { json!([]) }, "dns": [],
        "vm_cid": or_null(format!("vm-{}", &one.id[..8])), "vm_type": format!("kubernetes_{}", one.group),
        "disk_cid": null, "disk_cids": [], "resource_pool": null, "resurrection_paused": false,
        "active": has_vm, "processes": processes, "vitals": {},
        "stemcell": {"name": STEMCELL.0, "version": STEMCELL.1, "api_version": 3},
    })
}

/// One instance as it is on record.
pub(super) fn recorded(one: &Instance, fault: &InstanceFaults) -> Value {
    let has_vm = !fault.without_vm;
    let address = fault.address.clone().unwrap_or_else(|| one.address.clone());
    json!({
        "agent_id": has_vm.then_some(&one.agent), "cid": has_vm.then(|| format!("vm-{}", &one.id[..8])),
        "job": one.group, "index": one.index, "id": one.id, "az": one.az,
        "ips": if has_vm { json!([address]) } else { json!([]) }, "expects_vm": has_vm,
    })
}

/// The instances that a filter means: `{"job", "indexes", "ids"}`.
pub(super) fn chosen<'a>(
    all: &'a [Instance],
    target: &Value,
) -> Result<Vec<&'a Instance>, Failure> {
    let job = target["job"].as_str().filter(|job| !job.is_empty());
    let list = |name: &str| -> Vec<String> {
        let words = target[name].as_array().into_iter().flatten();
        words.map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect()
    };
    let (indexes, ids) = (list("indexes"), list("ids"));
    let fits = |one: &&Instance| {
        job.is_none_or(|job| one.group == job)
            && (indexes.is_empty() && ids.is_empty()
                || indexes.contains(&one.index.to_string())
                || ids.contains(&one.id))
    };
    let found: Vec<_> = all.iter().filter(fits).collect();
    if found.is_empty() {
        let job = job.unwrap_or_default();
        let which = match (ids.first(), indexes.first()) {
            (Some(id), _) => format!(", uuid: \"{id}\""),
            (_, Some(index)) => format!(", index: {index}"),
            _ => String::new(),
        };
        let message = format!("No instances matched {{job: \"{job}\"{which}, deployment_id: 1}}");
        return Err(Failure::new(70014, &message));
    }
    Ok(found)
}
