//! Evidence: pods that hold an outdated credential, each with its reason.

use crate::harness::labs;
use crate::harness::sandbox::Sandbox;
use crate::harness::{Case, cases, until};
use lab::loopback::{Authority, Component};
use lab::world::awkward;
use serde_json::json;
use snapbox::str;
use std::time::Duration;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_changed_root_ca_makes_pods_stale_until_they_are_new;
        a_deleted_token_makes_pods_stale_on_the_old_generation;
        a_token_made_again_under_its_name_makes_pods_stale;
    ]
}

fn a_changed_root_ca_makes_pods_stale_until_they_are_new() {
    let (lab, rough) = labs::rough();
    lab.namespace("stale-ca", &awkward::replica_set());
    lab.api.wait_ready("stale-ca", "app=lone", 2);
    let before = lab.api.uids("stale-ca", "app=lone");
    let sandbox = Sandbox::new(&lab.kubeconfig);
    let ca =
        || lab.api.get("/api/v1/namespaces/stale-ca/configmaps/kube-root-ca.crt")["data"].clone();
    let old = ca();
    // Times have whole seconds.
    std::thread::sleep(Duration::from_secs(2));
    let spare = rough.spare_pki("root", Authority::New).unwrap();
    let flag = format!("--root-ca-file={}", spare.join("ca.crt").display());
    rough.restart_with(Component::ControllerManager, &[&flag]).unwrap();
    until("the new CA is published", || ca() != old);

    let dry = sandbox.run("stale -n stale-ca --dry-run");
    let outcome = sandbox.run("stale -n stale-ca --yes");
    let again = sandbox.run("stale -n stale-ca --yes");
    let after = lab.api.uids("stale-ca", "app=lone");
    rough.restart_with(Component::ControllerManager, &[]).unwrap();
    until("the CA is as it was", || ca() == old);

    dry.is(str![[r#"
exit 3
--- stdout
PHASE  NAMESPACE  NAME  ACTION  REASON
workloads  stale-ca  lone-[ID]  evict  the root CA was written at [TIME], after the pod started
workloads  stale-ca  lone-[ID]  evict  the root CA was written at [TIME], after the pod started
--- stderr
nothing was changed (dry run); run `kubectl recycle stale --namespace stale-ca --yes` to do it

"#]]);
    outcome.exits(0);
    assert!(
        after.len() == 2 && before.iter().all(|uid| !after.contains(uid)),
        "{}",
        outcome.text()
    );
    again.exits(0).says("nothing to recycle");
}

fn a_deleted_token_makes_pods_stale_on_the_old_generation() {
    let lab = labs::old();
    lab.namespace("tokens", "");
    let token = || {
        let list = lab.api.get("/api/v1/namespaces/tokens/secrets");
        let names = list["items"].as_array().into_iter().flatten();
        let names = names.filter_map(|s| s["metadata"]["name"].as_str().map(str::to_owned));
        names.into_iter().find(|name| name.starts_with("default-token-"))
    };
    until("the account has its token", || token().is_some());
    let first = token().unwrap();
    lab.apply(&lab::world::mounting("app", "tokens", &first));
    lab.api.wait_ready("tokens", "app=app", 1);
    let sandbox = Sandbox::new(&lab.kubeconfig);
    sandbox.run("stale -n tokens --yes").exits(0).says("nothing to recycle");
    lab.api.delete(&format!("/api/v1/namespaces/tokens/secrets/{first}"));
    until("there is another token", || token().is_some_and(|name| name != first));
    let before = lab.api.uids("tokens", "app=app");
    sandbox.run("stale -n tokens --dry-run -o wide").is(str![[r#"
exit 3
--- stdout
PHASE  NAMESPACE  NAME  NODE  ACTION  WORKLOAD  REASON
workloads  tokens  app-[ID]  node-[..]  evict  tokens/app (Deployment)  its token secret `default-token-[ID]` no longer exists
--- stderr
nothing was changed (dry run); run `kubectl recycle stale --namespace tokens --yes` to do it

"#]]);
    sandbox.run("stale -n tokens --yes").exits(0);
    assert!(lab.api.uids("tokens", "app=app").iter().all(|uid| !before.contains(uid)));
}

fn a_token_made_again_under_its_name_makes_pods_stale() {
    for (lab, namespace) in [(labs::current(), "legacy"), (labs::old(), "legacy")] {
        lab.namespace(namespace, "");
        let secrets = format!("/api/v1/namespaces/{namespace}/secrets");
        let make = || {
            lab.api.post(
                &secrets,
                &json!({"type": "kubernetes.io/service-account-token", "metadata": {"name": "legacy",
                    "annotations": {"kubernetes.io/service-account.name": "default"}}}),
            );
            until("the token is filled in", || {
                lab.api.get(&format!("{secrets}/legacy"))["data"]["token"].is_string()
            });
        };
        make();
        lab.apply(&lab::world::mounting("app", namespace, "legacy"));
        lab.api.wait_ready(namespace, "app=app", 1);
        let sandbox = Sandbox::new(&lab.kubeconfig);
        sandbox.run(&format!("stale -n {namespace} --yes")).exits(0).says("nothing to recycle");
        let before = lab.api.uids(namespace, "app=app");
        std::thread::sleep(Duration::from_secs(2));
        lab.api.delete(&format!("{secrets}/legacy"));
        make();
        sandbox.run(&format!("stale -n {namespace} --dry-run")).is(str![[r#"
exit 3
--- stdout
PHASE  NAMESPACE  NAME  ACTION  REASON
workloads  legacy  app-[ID]  evict  token secret `legacy` was written at [TIME], after the pod started
--- stderr
nothing was changed (dry run); run `kubectl recycle stale --namespace legacy --yes` to do it

"#]]);
        sandbox.run(&format!("stale -n {namespace} --yes")).exits(0);
        let after = lab.api.uids(namespace, "app=app");
        assert!(after.len() == 1 && before != after);
        sandbox.run(&format!("stale -n {namespace} --yes")).exits(0).says("nothing to recycle");
    }
}
