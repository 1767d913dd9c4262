//! What one should know of a plan before anything is changed.

use super::document::Plan;
use super::generation::{Generation, Pair};
use super::orders;
use super::standing::previous;

/// Servers whose restart is seen by whoever asks the API.
pub(crate) const SERVERS: [&str; 2] = ["etcd", "kube-apiserver"];

/// Whether a CA's key is on no machine.
pub(crate) fn is_kept_elsewhere(pair: &Pair) -> bool {
    pair.old.certificate.is_some() && pair.old.private.is_none()
}

/// Of the new generation.
pub(crate) fn of_generation(made: &Generation) -> Vec<String> {
    let elsewhere = made.pairs.iter().filter(|pair| is_kept_elsewhere(pair)).map(|pair| {
        let track = pair.old.track;
        format!(
            "the key of the {track} CA is on no machine; the new one will stand in the directory of the rotation alone, as \
             new-{track}.key: keep it"
        )
    });
    let keyless = made.keyless.iter().map(|leaf| {
        format!(
            "{leaf} stays as it is, since its key is on no machine: it ends with the old generation"
        )
    });
    elsewhere.chain(keyless).collect()
}

/// That no other API server answers while the only one restarts.
pub(crate) fn only_server(plan: &Plan) -> Option<String> {
    let mut control = plan.hosts.iter().filter(|host| host.control_plane);
    let (host, None) = (control.next()?, control.next()) else { return None };
    let stages: Vec<&str> = plan
        .route()
        .iter()
        .filter(|stage| {
            let restarts = orders::restarts(host, previous(plan.route(), **stage), **stage);
            restarts.iter().any(|one| SERVERS.contains(&one.component.program.as_str()))
        })
        .map(|stage| stage.as_str())
        .collect();
    (!stages.is_empty()).then(|| {
        format!(
            "`{}` runs the only API server, which is away while it or its etcd restarts, at {}: nobody else answers then",
            host.name,
            stages.join(" and at ")
        )
    })
}
