//! `kubectl reset-sa-secrets` on real control planes whose signing key or root CA was changed, and what programs
//! inside pods see of it; beside it the runbook's own commands, on a lab that is the same.

use crate::harness::sandbox::{RESET, Sandbox};
use crate::harness::{Case, cases, files, until};
use lab::loopback::{
    Answer, Client, Component, Credential, Generation, Inside, Loopback, OldTokens, Options, Pace,
    Reads, Roots, TokenSecret,
};
use lab::world::tokens;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        on_the_old_generation_every_pod_works_again_and_after_the_runbook_some_do_not;
        on_todays_generation_every_pod_works_again_and_after_the_runbook_some_do_not;
        a_new_ca_deletes_nothing_and_a_leaked_token_is_revoked;
        what_cannot_work_is_refused_and_what_is_slow_is_waited_for;
    ]
}

/// The runbook's section "Recreating Kubernetes secrets and daemonset-managed pods", as it is written.
const RUNBOOK: &str = r#"
kubectl delete secret $(kubectl get secrets | grep "default-token" | awk '{print $1}')
for pod in $(kubectl get pod | grep "kube2iam" | awk '{print $1}'); do kubectl delete pod ${pod}; done

kubectl --namespace kube-system delete secret $(kubectl --namespace kube-system get secrets | grep "default-token" | awk '{print $1}')
for pod in $(kubectl --namespace kube-system get pod | grep "fluentd-cloudwatch" | awk '{print $1}'); do kubectl --namespace kube-system delete pod ${pod}; done
"#;

/// These labs are rough: one test at a time has its own.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sandbox(lab: &Loopback) -> Sandbox {
    Sandbox::new(&lab.kubeconfig()).of(RESET)
}

/// Pods with a token secret, and what they hear.
fn answers(inside: &Inside<'_>, reads: Reads) -> Vec<(Client, Answer)> {
    let mut all = inside.ask(0, reads).unwrap();
    all.retain(|(client, _)| !matches!(client.credential, Credential::Projected(_)));
    assert!(!all.is_empty(), "no pod uses a token secret");
    all
}

/// Those that do not work, without what differs from run to run.
fn broken(inside: &Inside<'_>) -> BTreeSet<(String, Answer)> {
    let all = answers(inside, Reads::Once).into_iter();
    let bad = all.filter(|(_, answer)| *answer != Answer::Accepted);
    bad.map(|(client, answer)| {
        // The workload's name: DaemonSets put one part behind it, Deployments two.
        let pod = client.pod.split('-').take(2).collect::<Vec<_>>().join("-");
        (format!("{}/{pod}", client.namespace), answer)
    })
    .collect()
}

/// What names a secret for good: nobody deleted it or made it again.
fn identities(secrets: &[TokenSecret]) -> BTreeSet<(String, String, String)> {
    secrets.iter().map(|s| (s.namespace.clone(), s.name.clone(), s.uid.clone())).collect()
}

fn names(secrets: &[TokenSecret]) -> Vec<String> {
    secrets.iter().map(|secret| format!("{}/{}", secret.namespace, secret.name)).collect()
}

/// No byte of a token in what the tool wrote: its output, journals, plans, backups' names.
fn assert_no_token(lab: &Loopback, before: &[TokenSecret], sandbox: &Sandbox, said: &str) {
    let now = lab.token_secrets(None).unwrap();
    let written: Vec<String> = files(&sandbox.state())
        .iter()
        .filter(|path| path.is_file())
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .collect();
    for secret in before.iter().chain(&now).filter(|secret| !secret.token.is_empty()) {
        // The signature: header and claims begin the same in all tokens.
        let signature = secret.token.rsplit('.').next().unwrap_or_default();
        let found = said.contains(signature) || written.iter().any(|text| text.contains(signature));
        assert!(!found, "the token of {secret:?} is in what the tool wrote");
    }
}

/// Two labs that are the same: the signing key of both was changed under pods that mount token secrets.
fn rotated_twins(kubernetes: Generation) -> (Loopback, Loopback) {
    let make = || {
        let lab = Loopback::start(&Options { kubernetes, nodes: 2, ..Options::default() }).unwrap();
        lab.use_token_secrets().unwrap();
        lab
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(make);
        (make(), other.join().unwrap())
    })
}

fn ours_and_the_runbooks(kubernetes: Generation) {
    let _alone = alone();
    let (ours, theirs) = rotated_twins(kubernetes);
    let (mut inside, mut there) = (Inside::begin(&ours).unwrap(), Inside::begin(&theirs).unwrap());
    for twin in [&inside, &there] {
        assert_eq!(broken(twin), BTreeSet::new(), "something is broken before anything happened");
    }
    for lab in [&ours, &theirs] {
        lab.rotate_signing_key("next", OldTokens::Refused).unwrap();
    }
    for twin in [&mut inside, &mut there] {
        twin.look().unwrap();
        let all = answers(twin, Reads::Again);
        assert!(all.iter().all(|(_, answer)| *answer == Answer::Refused), "{all:?}");
    }

    // The runbook: some come back, the others are as dead as before.
    let lines = theirs.client().shell(RUNBOOK).output().unwrap();
    let said = String::from_utf8_lossy(&lines.stderr).into_owned();
    assert!(lines.status.success(), "the runbook's commands fail here: {said}");
    until("the runbook's pods are back", || {
        theirs.wait_pods_ready("default", "name=kube2iam", 2).is_ok()
            && theirs.wait_pods_ready("kube-system", "k8s-app=fluentd-logging", 2).is_ok()
    });
    there.look().unwrap();
    let after_the_runbook = broken(&there);
    for pod in ["kube-system/canal", "kube-system/kube-proxy", "kube-system/kube-dns"] {
        let dead = after_the_runbook
            .iter()
            .any(|(name, answer)| name.starts_with(pod) && *answer == Answer::Refused);
        assert!(dead, "{pod} works after the runbook's commands: {after_the_runbook:?}");
    }
    assert!(!theirs.refused_token_secrets().unwrap().is_empty());

    // Ours: what is stale is said first, then all of it works, under the same names.
    let sandbox = sandbox(&ours);
    let before = ours.token_secrets(None).unwrap();
    let check = sandbox.run("check -A");
    check.exits(3);
    assert_eq!(ours.token_secrets(None).unwrap(), before, "check changed something");
    let outcome = sandbox.run("-A --yes");
    outcome.exits(0);
    let refused = ours.refused_token_secrets().unwrap();
    assert_eq!(names(&refused), Vec::<String>::new(), "{}", outcome.text());
    let after = ours.token_secrets(None).unwrap();
    assert_eq!(identities(&after), identities(&before), "a secret was deleted or made again");
    inside.look().unwrap();
    assert_eq!(broken(&inside), BTreeSet::new(), "{}", outcome.text());
    assert_no_token(&ours, &before, &sandbox, &format!("{}{}", outcome.text(), check.text()));

    // A second run has nothing to do, and does nothing.
    let pods: Vec<String> = inside.clients().iter().map(|client| client.uid.clone()).collect();
    sandbox.run("-A --yes").exits(0);
    sandbox.run("check -A").exits(0);
    assert_eq!(ours.token_secrets(None).unwrap(), after);
    inside.look().unwrap();
    let now: Vec<String> = inside.clients().iter().map(|client| client.uid.clone()).collect();
    assert_eq!(now, pods, "the second run recycled pods");
}

fn on_the_old_generation_every_pod_works_again_and_after_the_runbook_some_do_not() {
    ours_and_the_runbooks(Generation::Old);
}

fn on_todays_generation_every_pod_works_again_and_after_the_runbook_some_do_not() {
    ours_and_the_runbooks(Generation::Current);
}

fn a_new_ca_deletes_nothing_and_a_leaked_token_is_revoked() {
    let _alone = alone();
    let lab = Loopback::start(&Options { nodes: 2, ..Options::default() }).unwrap();
    // Before anybody reads a kubeconfig: all trust both CAs then.
    let ca = lab.second_ca("next").unwrap();
    lab.use_token_secrets().unwrap();
    let sandbox = sandbox(&lab);
    let mut inside = Inside::begin(&lab).unwrap();
    let before = lab.token_secrets(None).unwrap();

    // The controller manager was not restarted yet: what is expected is not published.
    let expect = |roots| format!("-A --yes --expect-ca {}", ca.file(roots).display());
    sandbox.run(&expect(Roots::New)).exits(4);
    assert_eq!(lab.token_secrets(None).unwrap(), before);

    lab.rotate_ca(&ca, Roots::New).unwrap();
    inside.look().unwrap();
    let lost = answers(&inside, Reads::Once);
    assert!(lost.iter().all(|(_, answer)| *answer == Answer::Untrusted), "{lost:?}");
    let outcome = sandbox.run(&expect(Roots::New));
    outcome.exits(0);
    let after = lab.token_secrets(None).unwrap();
    assert_eq!(identities(&after), identities(&before), "{}", outcome.text());
    let wanted = std::fs::read_to_string(ca.file(Roots::New)).unwrap();
    for (new, old) in after.iter().zip(&before) {
        assert_eq!(new.token, old.token, "{new:?}: a token that works was renewed");
        assert_eq!(new.ca, wanted, "{new:?}");
    }
    inside.look().unwrap();
    assert_eq!(broken(&inside), BTreeSet::new(), "{}", outcome.text());

    // A leaked token, under a key that did not change: the old bytes are refused afterwards. Its pods' templates name
    // the secret of another account for good, so that one is left alone.
    let of_pods = lab.wait_token_secret("kube-system", "canal").unwrap();
    sandbox.run(&format!("-n kube-system {} --revoke --yes", of_pods.name)).exits(4);
    assert_eq!(lab.ask_as(0, &of_pods.token, &of_pods.ca).unwrap(), Answer::Accepted);
    lab.apply(&tokens::typed("default", "kube2iam", "leaked")).unwrap();
    let leaked = lab.wait_token_secret("default", "kube2iam").unwrap();
    assert_eq!(lab.ask_as(0, &leaked.token, &leaked.ca).unwrap(), Answer::Accepted);
    let outcome = sandbox.run("-n default leaked --revoke --yes");
    outcome.exits(0);
    assert_eq!(lab.ask_as(0, &leaked.token, &leaked.ca).unwrap(), Answer::Refused);
    let next = lab.wait_token_secret("default", "kube2iam").unwrap();
    assert_ne!((next.name.as_str(), &next.token), ("leaked", &leaked.token));
    assert_eq!(lab.ask_as(0, &next.token, &next.ca).unwrap(), Answer::Accepted);
    assert_no_token(&lab, &before, &sandbox, &outcome.text());
}

fn what_cannot_work_is_refused_and_what_is_slow_is_waited_for() {
    let _alone = alone();
    let lab = Loopback::start(&Options { api_servers: 2, nodes: 1, ..Options::default() }).unwrap();
    lab.many_token_namespaces(300).unwrap();
    let sandbox = sandbox(&lab);
    let servers = lab.servers();
    let all = format!("-A --yes --server {} --server {}", servers[0], servers[1]);
    let first = lab.signing_key();
    let next = lab.new_signing_key("next").unwrap();

    // Both servers must accept what is signed: one does not.
    lab.accept_keys(0, &[&next]).unwrap();
    let before = lab.token_secrets(None).unwrap();
    assert_eq!(before.len(), 300);
    let refused = sandbox.run(&all);
    refused.exits(4);
    assert_eq!(lab.token_secrets(None).unwrap(), before, "{}", refused.text());

    // Nobody would fill what is emptied: nothing is.
    lab.rotate_to(&[&next]).unwrap();
    lab.stop(Component::ControllerManager).unwrap();
    let refused = sandbox.run(&format!("{all} --timeout 5s"));
    refused.exits(4);
    assert_eq!(lab.token_secrets(None).unwrap(), before, "{}", refused.text());

    // Told not to try, it says which secret was never filled; another run does the rest, however slow.
    let one = sandbox.run("-n team-000 --no-canary --timeout 3s --yes");
    one.exits(6).says("default-token");
    lab.start_component(Component::ControllerManager).unwrap();
    lab.pace_controllers(Pace { qps: 4.0, burst: 4 }).unwrap();
    sandbox.run("-n team-000 --yes").exits(0);

    // All the rest of 300 at the lab's own pace.
    lab.pace_controllers(Pace::FAST).unwrap();
    let outcome = sandbox.run(&all);
    outcome.exits(0);
    assert_eq!(names(&lab.refused_token_secrets().unwrap()), Vec::<String>::new());
    assert_eq!(identities(&lab.token_secrets(None).unwrap()), identities(&before));
    assert_ne!(first, next);
}
