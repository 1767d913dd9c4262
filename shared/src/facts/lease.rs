//! Leases: who says that it lives, and since when it has not.

use super::wire::{Meta, null_as_default};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// Where kubelets renew theirs.
pub const OF_NODES: &str = "kube-node-lease";
/// Where the controller manager and the scheduler renew theirs.
pub const OF_SYSTEM: &str = "kube-system";

/// A Lease (`coordination.k8s.io/v1`, since 1.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Namespace.
    pub namespace: Box<str>,
    /// Name: of the node, or of the component.
    pub name: Box<str>,
    /// Who holds it; empty where somebody gave it back.
    pub holder: Box<str>,
    /// When it was renewed last.
    pub renewed: Option<Timestamp>,
    /// How long it lasts: 40 s for nodes, 15 s for controllers.
    pub lasts: SignedDuration,
}

/// A listed Lease.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LeaseWire {
    metadata: Meta,
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(deserialize_with = "null_as_default")]
    holder_identity: String,
    #[serde(deserialize_with = "null_as_default")]
    lease_duration_seconds: i64,
    renew_time: Option<Timestamp>,
}

impl Lease {
    /// What is read of a listed Lease.
    pub fn read(wire: LeaseWire) -> Self {
        let LeaseWire { metadata, spec } = wire;
        Self {
            namespace: metadata.namespace.into(),
            name: metadata.name.into(),
            holder: spec.holder_identity.into(),
            renewed: spec.renew_time,
            lasts: SignedDuration::from_secs(spec.lease_duration_seconds),
        }
    }

    /// Whether a kubelet, the controller manager or the scheduler should renew it, and for how long it has not, beyond
    /// the time that it lasts. `now` is the server's time of day.
    pub fn overdue(&self, now: Timestamp) -> Option<SignedDuration> {
        let ours = match &*self.namespace {
            OF_NODES => true,
            OF_SYSTEM => matches!(&*self.name, "kube-controller-manager" | "kube-scheduler"),
            _ => false,
        };
        let since = now.duration_since(self.renewed?);
        (ours && !self.holder.is_empty() && since > self.lasts).then_some(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_overdue_once_it_has_run_out() {
        let lease = |namespace: &str, name: &str, holder: &str| {
            let text = format!(
                r#"{{"metadata":{{"namespace":"{namespace}","name":"{name}"}},"spec":{{"holderIdentity":"{holder}",
                "leaseDurationSeconds":40,"renewTime":"2026-11-29T12:00:00.123456Z"}}}}"#
            );
            Lease::read(serde_json::from_str(&text).expect("a lease"))
        };
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let (soon, late) = (at("2026-11-29T12:00:40Z"), at("2026-11-29T12:02:00Z"));
        assert_eq!(lease(OF_NODES, "n1", "n1").overdue(soon), None);
        let since = lease(OF_NODES, "n1", "n1").overdue(late).expect("overdue");
        assert_eq!(since.as_secs(), 119);
        assert!(lease(OF_SYSTEM, "kube-scheduler", "m1_x").overdue(late).is_some());
        // Somebody else's, one that was given back, and one that nobody ever renewed.
        assert_eq!(lease(OF_SYSTEM, "apiserver-x", "a").overdue(late), None);
        assert_eq!(lease("default", "kube-scheduler", "a").overdue(late), None);
        assert_eq!(lease(OF_NODES, "n1", "").overdue(late), None);
        assert_eq!(Lease::read(LeaseWire::default()).overdue(late), None);
    }
}
