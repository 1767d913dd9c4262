//! A Lease in the API, beside the marks on the machines: whoever works elsewhere on the same cluster is told before anything
//! is changed. It is renewed while a command runs and given back at its end; after a kill it runs out.

use super::api::Api;
use jiff::{SignedDuration, Timestamp};
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::words::time;
use rotation_core::world::clock::{Clock as _, SystemClock};
use rotation_core::world::cluster::{Cluster, ClusterError, Thing};
use rotation_core::world::interrupt::Interrupt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "kubernetes-rotation";
/// Names the plan, so that its holder's own next command is told from another rotation.
const PLAN: &str = "rotation-tools/plan";
/// How long it lasts after a kill. API servers restart in less.
const LASTS: SignedDuration = SignedDuration::from_secs(60);
const RENEWED_EVERY: Duration = Duration::from_secs(15);
/// Somebody else may write it in the same moment.
const TRIES: usize = 5;

/// Who holds it, and for what.
#[derive(Clone, Debug)]
struct Holder {
    who: String,
    plan: String,
}

/// The Lease, while it is ours.
pub(crate) struct Claim {
    api: Api,
    holder: Holder,
    end: Interrupt,
    lost: Arc<AtomicBool>,
    renewing: Option<JoinHandle<()>>,
}

/// What a Lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// Nobody holds it.
    Free,
    /// We do.
    Ours,
    /// Somebody else does.
    Theirs { who: String, since: Timestamp, until: Timestamp },
    /// Somebody else did, and does not renew it any more.
    Expired { who: String, at: Timestamp },
}

/// Takes it, with a word where it was somebody else's before; `None` where the API has none for us, which is told.
pub(crate) fn take(
    api: &Api,
    who: &str,
    plan: &str,
    console: &Console,
    clock: SystemClock,
) -> Result<Option<Claim>, Failure> {
    let holder = Holder { who: who.to_owned(), plan: plan.to_owned() };
    match api.ask(None, |cluster| attempt(cluster, &holder, clock)) {
        Ok(Found::Theirs { who, since, until }) => Err(refusal(&who, since, until)),
        Ok(found) => {
            if let Found::Expired { who, at } = found {
                console.note(&format!(
                    "lease {NAMESPACE}/{NAME} is taken over from {who}, who has not renewed it since {}",
                    time(at)
                ));
            }
            Ok(Some(Claim::begin(api, holder, clock)))
        }
        Err(why) => {
            console.note(&format!(
                "no lease {NAMESPACE}/{NAME} is taken, the marks on the machines keep others away: {why}"
            ));
            Ok(None)
        }
    }
}

fn refusal(who: &str, since: Timestamp, until: Timestamp) -> Failure {
    Failure::refused(format!(
        "another rotation of this cluster is at work, by {who} since {}; nothing was changed",
        time(since)
    ))
    .with_hint(format!(
        "wait until it has ended, or ask {who}; if it was killed, its lease is over at {} unless it is renewed: run the \
         command again then",
        time(until)
    ))
}

/// Takes it where it may be taken; says what was found before.
fn attempt(cluster: &Cluster, holder: &Holder, clock: SystemClock) -> Result<Found, ClusterError> {
    for _ in 0..TRIES {
        let seen = cluster.object(Thing::Lease, NAMESPACE, NAME)?;
        let now = cluster.now(clock.now());
        let Some(lease) = seen else {
            match cluster.create(Thing::Lease, NAMESPACE, &fresh(holder, now)) {
                Ok(_) => return Ok(Found::Free),
                Err(ClusterError::Api { code: 409, .. }) => continue,
                Err(why) => return Err(why),
            }
        };
        let found = judge(&lease, holder, now);
        if matches!(found, Found::Theirs { .. })
            || cluster.merge(Thing::Lease, &lease, &taken(&lease, &found, holder, now))?
        {
            return Ok(found);
        }
    }
    let (reason, message) = ("Conflict", "somebody else writes it all the time");
    Err(ClusterError::Api { code: 409, reason: reason.to_owned(), message: message.to_owned() })
}

fn judge(lease: &Value, ours: &Holder, now: Timestamp) -> Found {
    let text = |pointer: &str| lease.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let date = |pointer: &str| text(pointer).parse::<Timestamp>().ok();
    let who = text("/spec/holderIdentity").to_owned();
    if who.is_empty() {
        return Found::Free;
    }
    let plan = lease.pointer("/metadata/annotations").and_then(|all| all.get(PLAN));
    if who == ours.who && plan.and_then(Value::as_str) == Some(ours.plan.as_str()) {
        return Found::Ours;
    }
    let acquired = date("/spec/acquireTime");
    let at = date("/spec/renewTime").or(acquired).unwrap_or(Timestamp::UNIX_EPOCH);
    let lasts = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_i64);
    let lasts = lasts.map_or(LASTS, SignedDuration::from_secs);
    let until = at.checked_add(lasts).unwrap_or(Timestamp::MAX);
    if until > now {
        Found::Theirs { who, since: acquired.unwrap_or(at), until }
    } else {
        Found::Expired { who, at }
    }
}

/// As `MicroTime` is written.
fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

fn fresh(holder: &Holder, now: Timestamp) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": NAME, "namespace": NAMESPACE, "annotations": { PLAN: holder.plan },
        },
        "spec": {
            "holderIdentity": holder.who, "leaseDurationSeconds": LASTS.as_secs(),
            "acquireTime": date(now), "renewTime": date(now), "leaseTransitions": 0,
        },
    })
}

fn taken(lease: &Value, found: &Found, holder: &Holder, now: Timestamp) -> Value {
    let mut spec = json!({ "renewTime": date(now) });
    if *found != Found::Ours {
        let transitions = lease.pointer("/spec/leaseTransitions").and_then(Value::as_i64);
        spec["holderIdentity"] = holder.who.clone().into();
        spec["leaseDurationSeconds"] = LASTS.as_secs().into();
        spec["acquireTime"] = date(now).into();
        spec["leaseTransitions"] = transitions.unwrap_or(0).saturating_add(1).into();
    }
    json!({ "metadata": { "annotations": { PLAN: holder.plan } }, "spec": spec })
}

/// Writes something into it as long as it is ours; `false` where it is not any more.
fn while_ours(
    cluster: &Cluster,
    holder: &Holder,
    clock: SystemClock,
    change: &dyn Fn(Timestamp) -> Value,
) -> Result<bool, ClusterError> {
    for _ in 0..TRIES {
        let Some(lease) = cluster.object(Thing::Lease, NAMESPACE, NAME)? else { return Ok(false) };
        let now = cluster.now(clock.now());
        if judge(&lease, holder, now) != Found::Ours {
            return Ok(false);
        }
        if cluster.merge(Thing::Lease, &lease, &change(now))? {
            return Ok(true);
        }
    }
    Ok(true)
}

impl Claim {
    fn begin(api: &Api, holder: Holder, clock: SystemClock) -> Self {
        let (end, lost) = (Interrupt::never(), Arc::new(AtomicBool::new(false)));
        let keeper = (api.clone(), holder.clone(), end.clone(), Arc::clone(&lost));
        let keep = move || {
            let (api, holder, end, lost) = keeper;
            let renewed = |now: Timestamp| json!({ "spec": { "renewTime": date(now) } });
            while !end.pause(RENEWED_EVERY) {
                // While API servers restart nobody can take it either: it is tried again.
                let ours = api.ask(None, |c| while_ours(c, &holder, clock, &renewed));
                if matches!(ours, Ok(false)) {
                    lost.store(true, Ordering::SeqCst);
                    return;
                }
            }
        };
        // Without it the lease runs out in the middle, and the marks on the machines keep others away.
        let renewing = std::thread::Builder::new().name("lease".to_owned()).spawn(keep).ok();
        Self { api: api.clone(), holder, end, lost, renewing }
    }

    /// Whether somebody else has it now: then no further machine is begun.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Claim {
    /// Gives it back, however the command ends.
    fn drop(&mut self) {
        self.end.ask();
        if let Some(renewing) = self.renewing.take() {
            let _ = renewing.join();
        }
        if !self.is_lost() {
            let given = |_: Timestamp| json!({ "spec": { "holderIdentity": "" } });
            let clock = SystemClock::start();
            // Where it cannot be given back it runs out.
            let _ = self.api.ask(None, |c| while_ours(c, &self.holder, clock, &given));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_a_lease_is() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).expect("a time");
        let holder = |who: &str, plan: &str| Holder { who: who.to_owned(), plan: plan.to_owned() };
        let ann = holder("ann@desk", "p1");
        let lease = fresh(&ann, at(0));
        let theirs = Found::Theirs { who: "ann@desk".to_owned(), since: at(0), until: at(60) };
        let expired = Found::Expired { who: "ann@desk".to_owned(), at: at(0) };
        for (who, plan, now, expected) in [
            ("ann@desk", "p1", 5, Found::Ours),
            ("ann@desk", "p1", 500, Found::Ours),
            ("ann@desk", "p2", 5, theirs.clone()),
            ("bob@desk", "p1", 59, theirs),
            ("bob@desk", "p1", 60, expired),
        ] {
            assert_eq!(judge(&lease, &holder(who, plan), at(now)), expected, "{who} {plan} {now}");
        }
        let mut given = lease.clone();
        given["spec"]["holderIdentity"] = "".into();
        assert_eq!(judge(&given, &ann, at(0)), Found::Free);
        // What somebody wrote by hand, without dates, keeps nobody away.
        let bare = json!({ "spec": { "holderIdentity": "eve" } });
        assert!(matches!(judge(&bare, &ann, at(0)), Found::Expired { .. }));
        let again = taken(&lease, &Found::Ours, &ann, at(9));
        assert_eq!(again["spec"], json!({ "renewTime": date(at(9)) }), "its beginning stays");
        let over = taken(&lease, &Found::Free, &ann, at(9));
        assert_eq!(over["spec"]["leaseTransitions"], 1);
        assert_eq!(over["spec"]["acquireTime"], date(at(9)));
    }

    #[test]
    fn it_is_renewed_as_long_as_it_is_ours() {
        let api = double::Setup::default().with("coordination.k8s.io/v1").start();
        let connection = rotation_core::world::cluster::Connection {
            server: Some(api.url()),
            ..rotation_core::world::cluster::Connection::default()
        };
        let cluster = Cluster::connect(&connection).expect("a server");
        let clock = SystemClock::start();
        let holder = |who: &str| Holder { who: who.to_owned(), plan: "p1".to_owned() };
        let renew = |who: &str| {
            let change = |_: Timestamp| json!({ "spec": { "renewTime": format!("by {who}") } });
            while_ours(&cluster, &holder(who), clock, &change).expect("an answer")
        };
        assert!(!renew("ann"), "there is none yet");
        assert_eq!(attempt(&cluster, &holder("ann"), clock).expect("taken"), Found::Free);
        assert!(renew("ann") && !renew("bob"));
        let lease = api.get("coordination.k8s.io/leases", NAMESPACE, NAME).expect("a lease");
        assert_eq!(lease["spec"]["renewTime"], "by ann");
        let lost = |lease: &mut Value| lease["spec"]["holderIdentity"] = "bob".into();
        api.change("coordination.k8s.io/leases", NAMESPACE, NAME, lost);
        assert!(!renew("ann"), "somebody has taken it over");
        api.stop();
    }
}
