//! What those show whom API servers call: webhooks, aggregated APIs, conversions.

use super::endpoints::{Server, endpoints};
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
    let mut sockets: BTreeMap<(String, String, u16), Result<Vec<Server>, String>> = BTreeMap::new();
    let servers = |callee: &Callee, sockets: &mut BTreeMap<_, _>| match &callee.at {
        At::Url { host, port } => Ok(vec![server(callee, host, *port)]),
        At::Service { namespace, name, port } => {
            let key = (namespace.clone(), name.clone(), *port);
            let found = sockets.entry(key).or_insert_with(|| {
                let found = cluster.service_sockets(namespace, name, *port);
                of_service(callee, found)
            });
            found.clone()
        }
    };
    let called = |callee: Callee| {
        let sightings = match servers(&callee, &mut sockets) {
            Ok(servers) => endpoints(&servers, limits, interner),
            Err(why) => vec![Sighting::unknown(nowhere(&callee), serving(&callee), why)],
        };
        let shown = |sighting: &Sighting| sighting.role.part == Part::Serving;
        Called { sightings: sightings.into_iter().filter(shown).collect(), callee }
    };
    callees.into_iter().map(called).collect()
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
        shown: "chain".into(),
    }
}
