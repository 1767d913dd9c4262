//! The commands that only list.

use serde_json::Value;

use super::Failed;
use super::args::Args;
use super::ui::{Table, Ui};
use super::wire::Director;

pub(super) fn deployments(director: &Director, ui: &mut Ui) -> Result<(), Failed> {
    let all = list(&director.get("/deployments", "Finding deployments")?)?;
    let versions = |list: &Value| {
        let each = list.as_array().into_iter().flatten();
        let each = each.map(|one| format!("{}/{}", text(&one["name"]), text(&one["version"])));
        each.collect::<Vec<_>>().join("\n")
    };
    let row = |one: &Value| {
        vec![
            text(&one["name"]),
            versions(&one["releases"]),
            versions(&one["stemcells"]),
            String::new(),
        ]
    };
    ui.table(Table {
        content: "deployments",
        columns: vec![
            ("name", "Name"),
            ("release_s", "Release(s)"),
            ("stemcell_s", "Stemcell(s)"),
            ("team_s", "Team(s)"),
        ],
        rows: all.iter().map(row).collect(),
    });
    Ok(())
}

pub(super) fn locks(director: &Director, ui: &mut Ui) -> Result<(), Failed> {
    let all = list(&director.get("/locks", "Finding locks")?)?;
    let row = |one: &Value| {
        let words = one["resource"].as_array().into_iter().flatten().map(text);
        let seconds = text(&one["timeout"]).parse::<f64>().unwrap_or(0.0);
        #[expect(clippy::cast_possible_truncation, reason = "a time in whole seconds")]
        let expires = jiff::Timestamp::from_second(seconds as i64).unwrap_or_default();
        vec![
            text(&one["type"]),
            words.collect::<Vec<_>>().join(":"),
            text(&one["task_id"]),
            expires.strftime("%a %b %e %H:%M:%S UTC %Y").to_string(),
        ]
    };
    ui.table(Table {
        content: "locks",
        columns: vec![
            ("type", "Type"),
            ("resource", "Resource"),
            ("task_id", "Task ID"),
            ("expires_at", "Expires at"),
        ],
        rows: all.iter().map(row).collect(),
    });
    Ok(())
}

/// `[--ps, --details, --failing]`.
pub(super) fn instances(
    director: &Director,
    args: &Args,
    ui: &mut Ui,
    [processes, details, failing]: [bool; 3],
) -> Result<(), Failed> {
    for deployment in chosen(director, args)? {
        let path = format!("/deployments/{deployment}/instances?format=full");
        let doing = format!("Listing deployment '{deployment}' instances infos");
        let text_of = director.task(("GET", &path, ""), &doing, ui)?;
        let mut all = lines(&text_of)?;
        all.sort_by_key(name);
        let mut columns = vec![("instance", "Instance")];
        if processes {
            columns.push(("process", "Process"));
        }
        columns.extend([
            ("process_state", "Process State"),
            ("az", "AZ"),
            ("ips", "IPs"),
            ("deployment", "Deployment"),
        ]);
        if details {
            columns.extend([
                ("state", "State"),
                ("vm_cid", "VM CID"),
                ("vm_type", "VM Type"),
                ("disk_cids", "Disk CIDs"),
                ("agent_id", "Agent ID"),
                ("index", "Index"),
                ("bootstrap", "Bootstrap"),
                ("ignore", "Ignore"),
            ]);
        }
        let mut rows = Vec::new();
        for one in &all {
            let healthy = text(&one["job_state"]) == "running";
            if failing && healthy {
                continue;
            }
            rows.push(columns.iter().map(|(key, _)| cell(one, key, &deployment)).collect());
            let each = one["processes"].as_array().into_iter().flatten();
            for process in each.filter(|_| processes) {
                let value = |key: &str| match key {
                    "instance" => name(one),
                    "process" => text(&process["name"]),
                    "process_state" => text(&process["state"]),
                    _ => String::new(),
                };
                rows.push(columns.iter().map(|(key, _)| value(key)).collect());
            }
        }
        ui.table(Table { content: "instances", columns, rows });
    }
    Ok(())
}

pub(super) fn vms(director: &Director, args: &Args, ui: &mut Ui) -> Result<(), Failed> {
    for deployment in chosen(director, args)? {
        let path = format!("/deployments/{deployment}/vms?format=full");
        let doing = format!("Listing deployment '{deployment}' vms infos");
        let mut all = lines(&director.task(("GET", &path, ""), &doing, ui)?)?;
        all.sort_by_key(name);
        let columns = vec![
            ("instance", "Instance"),
            ("process_state", "Process State"),
            ("az", "AZ"),
            ("ips", "IPs"),
            ("vm_cid", "VM CID"),
            ("vm_type", "VM Type"),
            ("active", "Active"),
            ("stemcell", "Stemcell"),
        ];
        let rows = all
            .iter()
            .map(|one| columns.iter().map(|(key, _)| cell(one, key, &deployment)).collect())
            .collect();
        ui.table(Table { content: "vms", columns, rows });
    }
    Ok(())
}

/// The deployment that was named, or all.
fn chosen(director: &Director, args: &Args) -> Result<Vec<String>, Failed> {
    if let Some(deployment) = &args.deployment {
        return Ok(vec![deployment.clone()]);
    }
    let all = list(&director.get("/deployments", "Finding deployments")?)?;
    Ok(all.iter().map(|one| text(&one["name"])).collect())
}

fn name(one: &Value) -> String {
    format!("{}/{}", text(&one["job_name"]), text(&one["id"]))
}

fn cell(one: &Value, column: &str, deployment: &str) -> String {
    match column {
        "instance" => name(one),
        "process_state" => text(&one["job_state"]),
        "deployment" => deployment.to_owned(),
        "process" => String::new(),
        "stemcell" => {
            format!("{}/{}", text(&one["stemcell"]["name"]), text(&one["stemcell"]["version"]))
        }
        other => text(&one[other]),
    }
}

/// Every cell is a text; several are joined by line feeds.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

fn list(body: &str) -> Result<Vec<Value>, Failed> {
    serde_json::from_str(body).map_err(|error| format!("Unmarshaling Director response: {error}"))
}

fn lines(body: &str) -> Result<Vec<Value>, Failed> {
    let each = body.lines().filter(|line| !line.is_empty()).map(serde_json::from_str);
    each.collect::<Result<_, _>>()
        .map_err(|error| format!("Unmarshaling Director response: {error}"))
}
