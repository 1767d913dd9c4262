//! `--dry-run=server`: each change is sent once with `dryRun=All`, and what the server says is told.

use super::failure::Failure;
use crate::world::cluster::{Answer, Cluster, Request};

/// Refuses where the server would really do it.
pub fn demand(cluster: &Cluster) -> Result<(), Failure> {
    let version = cluster.version()?;
    if version.obeys_dry_run() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "the server's version {version} does not know dry runs and would really do it; nothing was changed"
    ))
    .with_hint("use --dry-run=client"))
}

/// Each answer that is not a plain yes, by the name of its target.
pub fn check(cluster: &Cluster, requests: &[(String, Request)]) -> Vec<String> {
    let only: Vec<Request> = requests.iter().map(|(_, request)| request.clone()).collect();
    let mut lines = Vec::new();
    cluster.act(&only, &mut |index, answer| {
        let said = match answer {
            Answer::Accepted => return,
            Answer::Gone => "is gone".to_owned(),
            Answer::Replaced => "has been replaced".to_owned(),
            Answer::NamespaceTerminating => "goes with its namespace".to_owned(),
            Answer::Budget { message, .. } => format!("would wait: {message}"),
            Answer::Overloaded { .. } => {
                "was not checked: the server has too much to do".to_owned()
            }
            Answer::TwoBudgets { message }
            | Answer::Forbidden { message }
            | Answer::Unauthorized { message }
            | Answer::Conflict { message }
            | Answer::Invalid { message }
            | Answer::Unknown { message } => format!("would fail: {message}"),
        };
        lines.push(format!("{} {said}", requests[index].0));
    });
    lines.sort();
    lines
}
