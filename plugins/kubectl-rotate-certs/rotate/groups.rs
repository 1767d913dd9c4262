//! Which machines are brought to a stage together, and which one after the other. Pure.

use super::document::{HostPlan, Plan};
use super::notes::SERVERS;
use super::orders::{self, Restart};
use super::stage::{Stage, Strategy};

/// The control plane one by one, who leads last; where none of its servers restarts, those who do not lead at once. Others
/// as many at a time as are allowed.
pub(crate) fn of<'a>(
    plan: &'a Plan,
    leader: Option<&str>,
    at_once: usize,
    from: Stage,
    to: Stage,
) -> Vec<Vec<&'a HostPlan>> {
    let (mut control, others): (Vec<&HostPlan>, Vec<&HostPlan>) =
        plan.hosts.iter().partition(|host| host.control_plane);
    control.sort_by_key(|host| Some(host.name.as_str()) == leader);
    let serves = |restart: &Restart<'_>| SERVERS.contains(&restart.component.program.as_str());
    let all_at_once = matches!(plan.strategy, Strategy::Window | Strategy::Recover);
    let quiet = !control.iter().any(|host| orders::restarts(host, from, to).iter().any(serves));
    let mut groups: Vec<Vec<&HostPlan>> = if all_at_once {
        vec![control]
    } else if quiet && control.len() > 1 {
        let last = control.split_off(control.len() - 1);
        vec![control, last]
    } else {
        control.into_iter().map(|host| vec![host]).collect()
    };
    groups.extend(others.chunks(at_once.max(1)).map(<[&HostPlan]>::to_vec));
    groups
}
