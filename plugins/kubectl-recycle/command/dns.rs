//! After DNS pods were recycled: does DNS answer?
//!
//! Ready endpoints are looked at in any case. A name is asked for as well where the Service's address means the cluster's
//! DNS: on one of its nodes, where the runbook runs its command, or where `--resolve` says so. Anywhere else that address
//! may belong to somebody else's network, and nothing is sent there.

use rotation_core::apply::outcome::{Outcome, Report};
use rotation_core::cli::console::Console;
use rotation_core::plan::document::{Plan, Probe, Step};
use rotation_core::plan::recycle::order::Order;
use rotation_core::world::cluster::Cluster;
use rotation_core::world::dns::{Heard, NAME, ask};
use rotation_core::world::files;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;

/// Where Linux keeps this machine's name.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";
const PORT: u16 = 53;
/// Tries before a server that answered is called silent: more than a resolver makes, so that one lost packet is none.
const TRIES: u16 = 5;

/// DNS Services of the plan, and whether each answered before anything was changed.
pub(super) struct DnsCheck {
    name: String,
    services: Vec<(String, IpAddr, Heard)>,
    /// Why no name is asked for; `None` where one is.
    endpoints_only: Option<&'static str>,
}

impl DnsCheck {
    /// Asks before the first change, so that silence afterwards can be told from an address that leads nowhere.
    pub(super) fn before(cluster: &Cluster, plan: &Plan, resolve: Option<&str>) -> Self {
        let name = resolve.unwrap_or(NAME);
        let probes = dns_steps(plan).flat_map(|s| &s.verify);
        let services: BTreeSet<(&str, &str)> = probes
            .filter_map(|probe| match probe {
                Probe::EndpointsReady { namespace, service, .. } => {
                    Some((namespace.as_str(), service.as_str()))
                }
                Probe::OthersReady { .. }
                | Probe::Gone
                | Probe::Replaced { .. }
                | Probe::Recreated
                | Probe::RolledOut
                | Probe::TokenWorks { .. }
                | Probe::AccountLists { .. }
                | Probe::TokenRefused => None,
            })
            .collect();
        if services.is_empty() || (resolve.is_none() && !is_a_node(cluster)) {
            let why = "this machine is no node of the cluster";
            let endpoints_only = (!services.is_empty()).then_some(why);
            return Self { name: name.to_owned(), services: Vec::new(), endpoints_only };
        }
        let asked = services.into_iter().filter_map(|(namespace, service)| {
            // A Service that cannot be read has shown its endpoints all the same.
            let found = cluster.service(namespace, service).ok().flatten()?;
            let address: IpAddr = found.cluster_ip.parse().ok()?;
            Some((format!("{namespace}/{service}"), address, ask(address, PORT, name, 1)))
        });
        let services = asked.collect();
        Self { name: name.to_owned(), services, endpoints_only: None }
    }

    /// Asks again, and says what does not hold.
    ///
    /// Only after every DNS step was proven: what failed is said already, and its endpoints were not seen.
    pub(super) fn after(self, console: &Console, plan: &Plan, report: &Report) -> Option<String> {
        let proven = |step: &Step| matches!(report.of(step), Some(Outcome::Done { .. }));
        if !dns_steps(plan).all(proven) {
            return None;
        }
        if let Some(why) = self.endpoints_only {
            console.note(&format!(
                "DNS has Ready endpoints; it was not asked for a name, since {why} (--resolve asks from here)"
            ));
        }
        self.services.into_iter().find_map(|(service, address, before)| {
            let now = ask(address, PORT, &self.name, TRIES);
            if matches!(now, Heard::Answer { .. }) {
                console.note(&format!("DNS answers at {address} ({service})"));
                return None;
            }
            let before = match before {
                Heard::Answer { .. } => "answered before",
                Heard::Failure { .. } | Heard::Silence => "did not answer before either",
            };
            Some(format!(
                "DNS at {address} ({service}) does not answer for `{}`; it {before}",
                self.name
            ))
        })
    }
}

fn dns_steps(plan: &Plan) -> impl Iterator<Item = &Step> {
    let dns = plan.phases.iter().filter(|p| p.name == Order::Dns.name());
    dns.flat_map(|p| &p.waves).flat_map(|w| &w.steps)
}

/// Whether this machine bears the name of a node. What cannot be read is no.
fn is_a_node(cluster: &Cluster) -> bool {
    let Ok(host) = files::read(Path::new(HOST_NAME)) else { return false };
    let host = host.trim().to_ascii_lowercase();
    cluster.nodes().is_ok_and(|nodes| nodes.iter().any(|node| *node.name == *host))
}
