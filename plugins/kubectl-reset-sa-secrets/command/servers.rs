//! The API servers that must accept a new token: keys are per process, so each one is asked by itself.

use crate::cli::Args;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::identity::ClusterIdentity;
use rotation_core::world::cluster::{Cluster, Connection};
use std::time::Duration;

/// How long an address that only Kubernetes names may take: it may not be reachable from here at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// The API servers beside the one that everything else is asked of.
///
/// Those that the operator names must be reached. Those that `default/kubernetes` lists are asked where they can be.
pub(super) fn others(
    args: &Args,
    console: &Console,
    cluster: &Cluster,
    identity: &ClusterIdentity,
) -> Result<Vec<Cluster>, Failure> {
    let connection = args.connection.connection(console);
    let mut others = Vec::new();
    if args.connection.server.len() > 1 {
        for server in &args.connection.server[1..] {
            let to = Connection { server: Some(server.clone()), ..connection.clone() };
            let other = Cluster::connect(&to)?;
            let seen = other
                .identity()
                .map_err(|e| Failure::from(e).while_trying(&format!("ask {server}")))?;
            if !seen.is_same_cluster(identity) {
                return Err(Failure::refused(format!(
                    "{server} is an API server of another cluster; nothing was changed"
                )));
            }
            others.push(other);
        }
        return Ok(others);
    }
    // Who may not read them asks one server only, and is told so.
    let listed = match cluster.api_servers() {
        Ok(listed) => listed,
        Err(error) if error.is_forbidden() => {
            console.note("note: the addresses of the API servers cannot be read: only one of them is asked about tokens");
            return Ok(others);
        }
        Err(error) => return Err(error.into()),
    };
    if listed.len() < 2 {
        return Ok(others);
    }
    for server in listed.iter().filter(|server| *server != cluster.server()) {
        let to = Connection {
            server: Some(server.clone()),
            request_timeout: Some(connection.request_timeout.map_or(PATIENCE, |t| t.min(PATIENCE))),
            ..connection.clone()
        };
        let reached = Cluster::connect(&to).and_then(|other| Ok((other.identity()?, other)));
        match reached {
            Ok((seen, other)) if seen.is_same_cluster(identity) => others.push(other),
            Ok(_) => console.warn(&format!("{server} is an API server of another cluster, and is not asked")),
            Err(error) => console.warn(&format!(
                "the API server {server} cannot be asked from here whether it accepts tokens: {error}"
            )),
        }
    }
    Ok(others)
}
