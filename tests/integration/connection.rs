//! The way to the API server: kubeconfigs, servers that are away, strange or old, and rights.

use crate::harness::labs::{self, Lab};
use crate::harness::sandbox::Sandbox;
use crate::harness::{Case, cases, until, world};
use double::{Api, Fault};
use lab::loopback::{Authority, Component};
use lab::world::awkward;
use serde_json::{Value, json};
use snapbox::str;
use std::fs;
use std::path::Path;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        kubeconfigs_that_cannot_be_used_are_named;
        several_kubeconfigs_are_merged_and_paths_are_relative_to_their_file;
        an_api_server_that_is_down_is_an_error_without_success_words;
        an_old_server_without_dry_runs_is_not_asked_for_one;
        a_server_without_the_current_policy_group_is_served;
        a_server_that_has_just_come_back_may_forbid_what_it_allows;
        an_api_server_killed_in_the_middle_is_waited_for;
        an_api_server_frozen_in_the_middle_is_waited_for;
        a_certificate_of_an_unknown_authority_is_refused;
        each_missing_right_is_listed_before_anything_is_done;
        denied_rights_send_nothing;
    ]
}

fn kubeconfigs_that_cannot_be_used_are_named() {
    let api = world::start();
    let sandbox = Sandbox::with(&api.kubeconfig());
    let good = api.kubeconfig();
    for (what, text, line, words) in [
        ("broken", "a: [b", "dns --yes", "kubeconfig"),
        ("another document", "apiVersion: v1\nkind: Pod\n", "dns --yes", "kubeconfig"),
        ("no such context", good.as_str(), "dns --yes --context nowhere", "nowhere"),
        ("no such cluster", good.as_str(), "dns --yes --cluster nowhere", "nowhere"),
        ("no such user", good.as_str(), "dns --yes --user nobody", "nobody"),
        ("no such file", good.as_str(), "dns --yes --kubeconfig missing.conf", "missing.conf"),
        (
            "dangling",
            &good.replace("current-context: double", "current-context: gone"),
            "dns --yes",
            "gone",
        ),
        (
            "an auth provider that kubectl has dropped",
            &good.replace("    {}\n", "    auth-provider: {name: gcp}\n"),
            "dns --yes",
            "auth provider `gcp`",
        ),
    ] {
        fs::write(sandbox.path("kubeconfig"), text).unwrap();
        let outcome = sandbox.run(line);
        outcome.exits(1).says(words).never_says("recycled");
        assert!(api.requests().is_empty(), "{what}: {}", outcome.text());
    }
    // Empty and missing, with nothing else to go by.
    fs::write(sandbox.path("kubeconfig"), "").unwrap();
    sandbox.run("dns --yes").is(str![[r#"
exit 1
--- stdout
--- stderr
error: no context in [HOME]/kubeconfig
hint: pass another file with --kubeconfig, or the address with --server

"#]]);
    fs::remove_file(sandbox.path("kubeconfig")).unwrap();
    sandbox.run("dns --yes").is(str![[r#"
exit 1
--- stdout
--- stderr
error: no kubeconfig found: KUBECONFIG names [HOME]/kubeconfig, which does not exist
hint: pass --kubeconfig FILE, or set KUBECONFIG

"#]]);
    assert!(!sandbox.state().exists());
}

fn several_kubeconfigs_are_merged_and_paths_are_relative_to_their_file() {
    let lab = labs::current();
    let sandbox = Sandbox::new(&lab.kubeconfig);
    let text = fs::read_to_string(&lab.kubeconfig).unwrap();
    // The authority in a file of its own, beside the kubeconfig and not where the tool runs.
    let folder = sandbox.path("elsewhere");
    fs::create_dir(&folder).unwrap();
    let line = text.lines().find(|line| line.contains("certificate-authority-data:")).unwrap();
    fs::copy(lab.kubeconfig.parent().unwrap().join("pki/ca.crt"), folder.join("ca.crt")).unwrap();
    fs::write(folder.join("config"), text.replace(line, "    certificate-authority: ca.crt"))
        .unwrap();
    let first = sandbox.path("first");
    fs::write(&first, "apiVersion: v1\nkind: Config\ncurrent-context: kubernetes-admin@lab\n")
        .unwrap();
    for variable in [
        folder.join("config").display().to_string(),
        format!("{}:{}", first.display(), folder.join("config").display()),
        format!("{}::elsewhere/config:/no/such/file", first.display()),
    ] {
        let mut command = sandbox.command(&["presets"]);
        let outcome = sandbox.outcome(command.env("KUBECONFIG", &variable));
        assert!(
            outcome.stdout.contains("kube-system/deployment.apps/kube-dns"),
            "{variable}: {}",
            outcome.text()
        );
    }
    let outcome = sandbox.run("presets --kubeconfig elsewhere/config");
    outcome.exits(0);
}

fn an_api_server_that_is_down_is_an_error_without_success_words() {
    let api = world::start();
    let sandbox = Sandbox::with(&api.kubeconfig());
    api.stop();
    for line in ["dns --yes", "dns --dry-run", "presets", "stale -A --yes", "-f plan.json --yes"] {
        fs::write(sandbox.path("plan.json"), "{}").unwrap();
        let outcome = sandbox.run(line);
        outcome.exits(1).never_says("recycled").never_says("nothing to recycle");
        assert!(outcome.stdout.is_empty(), "{line}: {}", outcome.text());
    }
    sandbox.run("dns --yes").is(str![[r#"
exit 1
--- stdout
--- stderr
error: cannot reach the API server [SERVER]: connection refused
hint: check that the API server runs, and the address and port in the kubeconfig

"#]]);
}

fn an_old_server_without_dry_runs_is_not_asked_for_one() {
    let setup = || Api::setup().without("policy/v1").with("policy/v1beta1");
    for (minor, git, code) in [("10+", "v1.10.13", 4), ("12", "v1.12.10", 4), ("13", "v1.13.12", 3)]
    {
        let api = world::fill(setup().version("1", minor, git));
        let sandbox = Sandbox::with(&api.kubeconfig());
        let outcome = sandbox.run("dns --dry-run=server --yes");
        outcome.exits(code);
        if code == 4 {
            outcome.says("does not know dry runs and would really do it");
            assert!(api.changes().is_empty());
        }
        sandbox.run("dns --dry-run --yes").exits(3);
    }
}

fn a_server_without_the_current_policy_group_is_served() {
    let api = world::fill(
        Api::setup().without("policy/v1").with("policy/v1beta1").version("1", "15", "v1.15.12"),
    );
    let sandbox = Sandbox::with(&api.kubeconfig());
    sandbox.run("dns --yes").exits(0);
    assert_eq!(api.count("POST", "/api/v1/namespaces/kube-system/pods/coredns"), 2);
    assert!(api.count("GET", "/apis/policy/v1beta1/") > 0);
}

/// Until a restarted API server has read its roles it forbids everything to everybody.
fn a_server_that_has_just_come_back_may_forbid_what_it_allows() {
    let eviction = || Fault::on("POST", "/api/v1/namespaces/kube-system/pods");
    let api = world::start();
    api.fault(eviction().hang_up());
    api.fault(eviction().answer(
        403,
        json!({"kind": "Status", "status": "Failure", "reason": "Forbidden", "message": "not yet", "code": 403}).to_string(),
    ));
    let sandbox = Sandbox::with(&api.kubeconfig());
    sandbox.run("dns --yes").exits(0).says("which has only just come back: not yet");
    // Without that it is final, and said at once.
    let api = world::start();
    api.fault(eviction().status(403).always());
    let outcome = Sandbox::with(&api.kubeconfig()).run("dns --yes");
    assert!(outcome.code == Some(4) || outcome.code == Some(5), "{}", outcome.text());
    assert_eq!(api.count("POST", "/api/v1/namespaces/kube-system/pods"), 1);
}

/// A run on the rough lab that waits for slow pods, and is disturbed meanwhile.
fn disturbed(
    namespace: &str,
    disturb: impl FnOnce(&Lab, &lab::loopback::Loopback),
) -> crate::harness::outcome::Outcome {
    let (lab, rough) = labs::rough();
    lab.namespace(namespace, &awkward::slow_to_be_ready(2));
    lab.api.wait_ready(namespace, "app=slow-to-be-ready", 3);
    let before = lab.api.uids(namespace, "app=slow-to-be-ready");
    let sandbox = Sandbox::new(&lab.kubeconfig);
    let mut running = sandbox
        .start(&format!("deploy/slow-to-be-ready -n {namespace} --yes --request-timeout 5s"));
    running.wait_for("evicted");
    disturb(lab, &rough);
    let outcome = running.end();
    outcome.exits(0);
    let after = lab.api.uids(namespace, "app=slow-to-be-ready");
    assert!(
        after.len() == 3 && before.iter().all(|uid| !after.contains(uid)),
        "{}",
        outcome.text()
    );
    outcome
}

fn an_api_server_killed_in_the_middle_is_waited_for() {
    let outcome = disturbed("killed", |_, rough| {
        rough.kill(Component::ApiServer(0)).unwrap();
        std::thread::sleep(std::time::Duration::from_secs(3));
        rough.start_component(Component::ApiServer(0)).unwrap();
        rough.wait_api_server(0).unwrap();
    });
    outcome.says("connection to the server lost").says("connection to the server is back");
}

fn an_api_server_frozen_in_the_middle_is_waited_for() {
    disturbed("frozen", |_, rough| {
        rough.freeze(Component::ApiServer(0)).unwrap();
        std::thread::sleep(std::time::Duration::from_secs(7));
        rough.thaw(Component::ApiServer(0)).unwrap();
    });
}

fn a_certificate_of_an_unknown_authority_is_refused() {
    let (lab, rough) = labs::rough();
    let spare = rough.spare_pki("foreign", Authority::New).unwrap();
    let flag = |flag: &str, file: &str| format!("--{flag}={}", spare.join(file).display());
    let flags =
        [flag("tls-cert-file", "apiserver.crt"), flag("tls-private-key-file", "apiserver.key")];
    rough.kill(Component::ApiServer(0)).unwrap();
    rough.set_flags(Component::ApiServer(0), &[&flags[0], &flags[1]]).unwrap();
    rough.start_component(Component::ApiServer(0)).unwrap();
    let sandbox = Sandbox::new(&lab.kubeconfig);
    until("the foreign certificate is seen", || {
        sandbox.run("presets").stderr.contains("certificate")
    });
    sandbox.run("kube-proxy --yes").is(str![[r#"
exit 1
--- stdout
--- stderr
error: cannot reach the API server [SERVER]: its certificate was issued by a CA of the same name as the trusted one, but with another key
hint: the cluster's CA was made anew under the same name; pass the new CA with --certificate-authority FILE

"#]]);
    // During a rotation the new authority is right as well.
    let ca = spare.join("ca.crt").display().to_string();
    let with = |file: &Path| sandbox.run(&format!("presets --extra-ca {}", file.display()));
    until("the server answers who trusts it", || with(Path::new(&ca)).code == Some(0));
    rough.restart_with(Component::ApiServer(0), &[]).unwrap();
    sandbox.run("presets").exits(0);
}

/// What a run of `dns kube2iam` needs; the whole role is in the documentation.
const RIGHTS: &[(&str, &str, &str)] = &[
    ("", "namespaces", "get"),
    ("", "pods", "list"),
    ("", "pods", "watch"),
    ("", "pods", "delete"),
    ("", "pods/eviction", "create"),
    ("", "services", "get"),
    ("", "endpoints", "get"),
    ("", "nodes", "list"),
    ("", "configmaps", "list"),
    ("", "configmaps", "get"),
    ("", "events", "list"),
    ("apps", "deployments", "list"),
    ("apps", "replicasets", "list"),
    ("apps", "daemonsets", "list"),
    ("policy", "poddisruptionbudgets", "list"),
];

fn each_missing_right_is_listed_before_anything_is_done() {
    let lab = labs::current();
    let _world = lab.world();
    let mut said = String::new();
    let all: Vec<Option<usize>> = (0..RIGHTS.len()).map(Some).chain([None]).collect();
    for missing in all {
        let name = missing.map_or("nothing-missing".to_owned(), |n| format!("without-{n}"));
        let rules: Vec<Value> = RIGHTS
            .iter()
            .enumerate()
            .filter(|(n, _)| Some(*n) != missing)
            .map(|(_, (group, resource, verb))| json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]}))
            .collect();
        let api = "/apis/rbac.authorization.k8s.io/v1";
        lab.api.post(
            &format!("{api}/clusterroles"),
            &json!({"metadata": {"name": name}, "rules": rules}),
        );
        lab.api.post(
            &format!("{api}/clusterrolebindings"),
            &json!({"metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}]}),
        );
        let before = lab.all();
        let sandbox = Sandbox::new(&lab.kubeconfig);
        let line = format!("dns kube2iam --yes --all --as {name}");
        let mut outcome = sandbox.run(&line);
        // Rights take effect after a moment.
        until("the role is seen", || {
            let seen = missing.is_some() || outcome.code == Some(0) || outcome.code == Some(5);
            if !seen {
                outcome = sandbox.run(&line);
            }
            seen
        });
        let changed = lab.all().iter().filter(|p| !before.iter().any(|b| b.uid == p.uid)).count();
        let what = missing.map_or("-".to_owned(), |n| format!("{} {}", RIGHTS[n].2, RIGHTS[n].1));
        let first = outcome
            .stderr
            .lines()
            .find(|l| l.starts_with("error") || l.starts_with("Error"))
            .unwrap_or("");
        let code = outcome.code.unwrap_or(-1);
        said.extend([format!("{what}: exit {code}, {changed} changed: {first}\n")]);
    }
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(said, str![[r#"
get namespaces: exit 4, 0 changed: error: a right is missing, nothing was changed: cannot get namespaces in kube-system
list pods: exit 4, 0 changed: error: a right is missing, nothing was changed: cannot list pods in default, kube-system, openshift-dns
watch pods: exit 0, 5 changed: 
delete pods: exit 4, 0 changed: error: a right is missing, nothing was changed: cannot delete pods in default
create pods/eviction: exit 4, 0 changed: error: a right is missing, nothing was changed: cannot create pods/eviction in kube-system
get services: exit 4, 0 changed: error: a right is missing, nothing was changed: cannot get services in default, kube-system, openshift-dns
get endpoints: exit 4, 0 changed: error: a right is missing, nothing was changed: cannot get endpoints in kube-system
list nodes: exit 4, 0 changed: error: a right is missing, nothing was changed: cannot list nodes
list configmaps: exit 0, 5 changed: 
get configmaps: exit 0, 5 changed: 
list events: exit 0, 5 changed: 
list deployments: exit 4, 0 changed: error: a right is missing, nothing was changed: cannot list deployments.apps in default, kube-system, openshift-dns
list replicasets: exit 4, 0 changed: error: a right is missing, nothing was changed: cannot list replicasets.apps in default, kube-system, openshift-dns
list daemonsets: exit 4, 0 changed: error: a right is missing, nothing was changed: cannot list daemonsets.apps in default, kube-system, openshift-dns
list poddisruptionbudgets: exit 4, 0 changed: error: a right is missing, nothing was changed: cannot list poddisruptionbudgets.policy in default, kube-system, openshift-dns
-: exit 0, 5 changed: 

"#]]);
}

fn denied_rights_send_nothing() {
    let api = world::start();
    api.deny("create", "pods/eviction");
    api.deny("delete", "pods");
    let sandbox = Sandbox::with(&api.kubeconfig());
    sandbox.run("dns kube2iam --yes").is(str![[r#"
exit 4
--- stdout
--- stderr
error: 2 rights are missing, nothing was changed: cannot create pods/eviction in kube-system; cannot delete pods in default
hint: ask for these rights, or use --as, another context, or -n for one namespace; docs/rbac.yaml has the whole role

"#]]);
    assert!(api.changes().is_empty());
    assert!(!sandbox.state().exists());
}
