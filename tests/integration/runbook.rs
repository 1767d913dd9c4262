//! What the runbooks do by hand, on both generations: presets, names, and what must not be touched.

use crate::harness::api::Watcher;
use crate::harness::labs::{self, Lab};
use crate::harness::sandbox::Sandbox;
use crate::harness::{Case, cases};
use snapbox::str;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        dns_is_never_away_and_its_autoscaler_is_untouched;
        dns_is_never_away_on_the_old_generation;
    ]
}

fn dns(lab: &Lab) -> crate::harness::outcome::Outcome {
    let sandbox = Sandbox::new(&lab.kubeconfig);
    let before = lab.api.uids("kube-system", "k8s-app=kube-dns");
    let autoscaler = lab.api.uids("kube-system", "k8s-app=kube-dns-autoscaler");
    let watcher = Watcher::of_endpoints(&lab.api, "kube-system", "kube-dns");
    let outcome = sandbox.run("dns --yes");
    let (least, seen) = watcher.least();
    let after = lab.api.uids("kube-system", "k8s-app=kube-dns");
    assert!(
        after.len() == 2 && after.iter().all(|uid| !before.contains(uid)),
        "{}",
        outcome.text()
    );
    assert_eq!(least, 1, "one was away at a time, in {seen} changes");
    assert_eq!(lab.api.uids("kube-system", "k8s-app=kube-dns-autoscaler"), autoscaler);
    sandbox.run("dns --yes").exits(0).says("nothing to recycle");
    assert_eq!(lab.api.uids("kube-system", "k8s-app=kube-dns"), after);
    outcome
}

fn dns_is_never_away_and_its_autoscaler_is_untouched() {
    dns(labs::current()).is(str![]);
}

fn dns_is_never_away_on_the_old_generation() {
    dns(labs::old()).is(str![]);
}
