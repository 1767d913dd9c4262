//! What those show whom API servers call: webhooks, aggregated APIs, conversions.

use super::endpoints::{CHAIN, Server, endpoints};
use crate::facts::objects::{At, Called, Callee};
use crate::facts::sighting::{Domain, Interner, Part, Place, Role, Sighting};
use crate::world::cluster::{Cluster, ClusterError};
use crate::world::endpoint::{Limits, Target};
use std::collections::BTreeMap;

/// Looks at all callees; at Services whose pods have addresses that are reached from here.
pub fn callees(
    cluster: &Cluster,
    callees: Vec<Callee>,
    limits: Limits,
    interner: &Interner,
) -> Vec<Called> {
    let mut services: BTreeMap<(String, String, u16), Result<Vec<Server>, String>> =
        BTreeMap::new();
    let mut behind = Vec::new();
    for callee in &callees {
        behind.push(match &callee.at {
            At::Url { host, port } => Ok(vec![server(callee, host, *port)]),
            At::Service { namespace, name, port } => {
                let key = (namespace.clone(), name.clone(), *port);
                let found = services.entry(key).or_insert_with(|| {
                    of_service(callee, cluster.service_sockets(namespace, name, *port))
                });
                found.clone()
            }
        });
    }
    let mut servers: Vec<Server> = Vec::new();
    for server in behind.iter().flatten().flatten() {
        if !servers.contains(server) {
            servers.push(server.clone());
        }
    }
    // All at once: where pods are not reached from here, each costs its limit.
    let shown: BTreeMap<Place, Sighting> = endpoints(&servers, limits, interner)
        .into_iter()
        .filter(|sighting| sighting.role.part == Part::Serving)
        .map(|sighting| (sighting.place.clone(), sighting))
        .collect();
    let called = |(callee, behind): (Callee, Result<Vec<Server>, String>)| {
        let sightings = match behind {
            Ok(servers) => {
                let places = servers.iter().map(|server| server.place(CHAIN));
                places.filter_map(|place| shown.get(&place).cloned()).collect()
            }
            Err(why) => vec![Sighting::unknown(nowhere(&callee), serving(&callee), why)],
        };
        Called { callee, sightings }
    };
    callees.into_iter().zip(behind).map(called).collect()
}

fn of_service(
    callee: &Callee,
    found: Result<Vec<(String, u16)>, ClusterError>,
) -> Result<Vec<Server>, String> {
    match found {
        Ok(found) if found.is_empty() => Err("its Service has no ready endpoint".to_owned()),
        Ok(found) => Ok(found.iter().map(|(host, port)| server(callee, host, *port)).collect()),
        Err(why) => Err(why.to_string()),
    }
}

fn server(callee: &Callee, host: &str, port: u16) -> Server {
    let server_name = (callee.name != host).then(|| callee.name.clone());
    Server {
        name: callee.kind().to_owned(),
        component: callee.component(),
        domain: Domain::Other,
        clients: Domain::Other,
        own: true,
        expected: true,
        target: Target { host: host.to_owned(), port, server_name },
    }
}

fn serving(callee: &Callee) -> Role {
    Role::new(callee.component(), Domain::Other, Part::Serving)
}

fn nowhere(callee: &Callee) -> Place {
    Place::Endpoint {
        server: callee.kind().into(),
        address: callee.name.as_str().into(),
        shown: CHAIN.into(),
    }
}
