//! `kubectl reset-sa-secrets`: what it does where everything goes well.

pub(crate) mod faults;
pub(crate) mod interrupts;
pub(crate) mod promises;
pub(crate) mod replacing;

use crate::harness::accounts::{self, World};
use crate::harness::sandbox::{RESET, Sandbox};
use crate::harness::{Case, cases};
use serde_json::json;
use snapbox::str;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        where_everything_works_nothing_is_changed;
        after_the_key_was_replaced_every_token_and_every_pod_works_again;
        check_says_which_tokens_are_stale_and_who_uses_them;
        a_changed_ca_alone_empties_nothing;
        a_plan_is_made_now_and_applied_later;
        names_accounts_labels_and_namespaces_narrow_it;
        pods_are_left_or_listed_on_request;
        an_older_key_that_is_still_accepted_is_found_by_the_new_one;
    ]
}

/// A sandbox for the tool and a world.
pub(crate) fn sandbox(world: &World) -> Sandbox {
    Sandbox::with(&world.api.kubeconfig()).of(RESET)
}

fn where_everything_works_nothing_is_changed() {
    let world = accounts::start();
    // Younger than their secrets.
    let sandbox = sandbox(&world);
    sandbox.run("--yes").is(str![[r#"
exit 0
--- stdout
--- stderr
note: left alone, since they hold no token: 1 bootstrap token (bootstrap.kubernetes.io/token), 1 Helm release (helm.sh/release.v1), 1 pull secret (kubernetes.io/dockerconfigjson), 1 TLS key (kubernetes.io/tls)
nothing to reset: every token works

"#]]);
    sandbox.run("check").exits(0);
    assert!(world.api.changes().is_empty(), "{:?}", world.api.changes());
    assert!(!sandbox.state().exists());
}

fn after_the_key_was_replaced_every_token_and_every_pod_works_again() {
    let world = accounts::start();
    let (pods, secrets) = (world.uids("pods"), world.uids("secrets"));
    world.rotate();
    let sandbox = sandbox(&world);
    let outcome = sandbox.run("--yes");
    outcome.exits(0);
    assert_eq!(world.keys(), ["new", "new", "new", "new"]);
    assert_eq!(world.uids("secrets"), secrets, "under the same names and identities");
    let after = world.uids("pods");
    assert!(after.len() == pods.len() && after.is_disjoint(&pods), "{}", outcome.text());
    // What is not the controller's stays.
    let secret = world.api.get("secrets", "default", "deployer-by-hand").unwrap();
    assert_eq!(
        (&secret["data"]["extra"], &secret["metadata"]["labels"]["team"]),
        (&json!("ZXh0cmE="), &json!("a"))
    );
    // The canary is gone, with what it left.
    assert!(!world.api.all("serviceaccounts").iter().any(|a| a.to_string().contains("canary")));
    // kube-system first, tokens before pods, the network before all other pods.
    let phases: Vec<String> =
        outcome.lines(" step").iter().map(|l| l.replace("[CLOCK] ", "")).collect();
    assert_eq!(
        phases,
        [
            "tokens-kube-system: 2 steps",
            "tokens: 2 steps",
            "network: 2 steps",
            "workloads: 2 steps"
        ]
    );
    outcome.says("4 token secrets proven to work, 4 pods recycled and Ready");
    world.api.forget();
    sandbox.run("--yes").exits(0).says("nothing to reset");
    assert!(world.api.changes().is_empty(), "{:?}", world.changes());
}

fn check_says_which_tokens_are_stale_and_who_uses_them() {
    let world = accounts::start();
    world.rotate();
    let sandbox = sandbox(&world);
    sandbox.run("check").is(str![[r#"
exit 3
--- stdout
NAMESPACE  SECRET  ACCOUNT  STATE  PODS  REASON
kube-system  canal-token-[ID]  canal  staleToken  2  the API server refuses its token
kube-system  default-token-[ID]  default  staleToken  0  the API server refuses its token
default  default-token-aaaaa  default  staleToken  1  the API server refuses its token
default  deployer-by-hand  deployer  staleToken  1  the API server refuses its token
--- stderr
not looked at: 1 bootstrap token (bootstrap.kubernetes.io/token)
not looked at: 1 Helm release (helm.sh/release.v1)
not looked at: 1 pull secret (kubernetes.io/dockerconfigjson)
not looked at: 1 TLS key (kubernetes.io/tls)
nothing was changed

"#]]);
    let document = sandbox.run("check -o json").json();
    assert_eq!(document["schemaVersion"], "rotation/token-check/v1");
    let rows = document["secrets"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|r| r["target"]["name"] == name).unwrap();
    assert_eq!(row("canal-token-ccccc")["pods"], json!(["canal-node-1", "canal-node-2"]));
    assert_eq!(row("canal-token-ccccc")["madeBy"], "automatic");
    assert_eq!(row("deployer-by-hand")["madeBy"], "byHand");
    assert_eq!(row("deployer-by-hand")["keyId"], "old");
    assert_eq!(sandbox.run("check -o name").stdout.lines().count(), 4);
    assert!(world.api.changes().is_empty());
    assert!(!sandbox.state().exists());
}

fn a_changed_ca_alone_empties_nothing() {
    let world = accounts::start();
    let before = world.keys();
    let new = double::tls::Authority::new("kubernetes").pem();
    // Slow enough to be met at work.
    world.controller.change(|c| {
        c.ca.clone_from(&new);
        c.delay = std::time::Duration::from_millis(150);
    });
    let sandbox = sandbox(&world);
    std::fs::write(sandbox.path("new.crt"), &new).unwrap();
    crate::harness::until("the new CA is published", || {
        world.api.get("configmaps", "kube-system", "kube-root-ca.crt").unwrap()["data"]["ca.crt"]
            == new.as_str()
    });
    let secrets = world.uids("secrets");
    sandbox.run("--yes --expect-ca new.crt --recycle none").exits(0);
    assert_eq!(world.keys(), before);
    assert_eq!(world.uids("secrets"), secrets);
    assert!(world.changes().is_empty(), "{:?}", world.changes());
    let document = sandbox.run("check -o json --expect-ca new.crt");
    document.exits(0);
    assert!(document.json()["secrets"].as_array().unwrap().iter().all(|s| s["state"] == "fresh"));
}

fn a_plan_is_made_now_and_applied_later() {
    let world = accounts::start();
    world.rotate();
    let sandbox = sandbox(&world);
    let dry = sandbox.run("--dry-run -o json");
    dry.exits(3);
    let plan = dry.json();
    assert_eq!(plan["schemaVersion"], "rotation/plan/v1");
    assert_eq!(plan.pointer("/phases/0/waves/0/steps/0/action/do"), Some(&json!("refillToken")));
    assert!(
        plan.pointer("/phases/0/waves/0/steps/1/replaces")
            .unwrap()
            .as_str()
            .unwrap()
            .contains("grep")
    );
    std::fs::write(sandbox.path("plan.json"), dry.stdout).unwrap();
    // One that comes later is none of the plan's.
    accounts::put_token(&world.api, "default", "default", "later");
    crate::harness::until("it is filled", || world.token("default", "later").is_some());
    world.controller.change(|c| "newer".clone_into(&mut c.key));
    world.api.accept(&["newer"]);
    sandbox.run("-f plan.json --yes").exits(0);
    assert_eq!(world.keys(), ["newer", "newer", "newer", "newer"]);
    assert_eq!(world.key("default", "later"), "new");
    // Applied once more there is nothing left of it.
    world.api.forget();
    sandbox.run("-f plan.json --yes").exits(0).says("already");
    assert!(world.changes().iter().all(|c| !c.contains("secrets/")), "{:?}", world.changes());
    sandbox.run("-f plan.json default-token-aaaaa --yes").exits(2);
}

fn names_accounts_labels_and_namespaces_narrow_it() {
    for (line, renewed) in [
        ("deployer-by-hand", [false, true, false, false]),
        ("--service-account canal", [false, false, false, true]),
        ("-n default", [true, true, false, false]),
        ("-A", [true, true, true, true]),
        ("-l team=a -n kube-system", [false, false, true, true]),
    ] {
        let world = accounts::start();
        world.rotate();
        sandbox(&world).run(&format!("{line} --yes")).exits(0);
        assert_eq!(world.keys().map(|key| key == "new"), renewed, "{line}");
    }
    let world = accounts::start();
    let sandbox = sandbox(&world);
    for (line, words) in [
        ("nobody --yes", "there is no secret/nobody in kube-system, default"),
        ("--service-account nobody --yes", "there is no serviceaccount/nobody"),
        ("-n nowhere --yes", "there is no namespace nowhere"),
        ("web-tls --yes", "it is of type kubernetes.io/tls"),
    ] {
        sandbox.run(line).exits(4).says(words);
    }
    assert!(world.api.changes().is_empty());
}

fn pods_are_left_or_listed_on_request() {
    for recycle in ["none", "list"] {
        let world = accounts::start();
        world.rotate();
        let pods = world.uids("pods");
        let outcome = sandbox(&world).run(&format!("--yes --recycle {recycle}"));
        outcome.exits(0);
        assert_eq!(world.uids("pods"), pods);
        assert_eq!(
            outcome.stderr.contains("pod/canal-node-1"),
            recycle == "list",
            "{}",
            outcome.text()
        );
    }
}

fn an_older_key_that_is_still_accepted_is_found_by_the_new_one() {
    let world = accounts::start();
    let sandbox = sandbox(&world);
    // Real keys: only their owner can sign with them, so that the double's tokens are all by another one.
    let key = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\nq9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n-----END PUBLIC KEY-----\n";
    std::fs::write(sandbox.path("sa.pub"), key).unwrap();
    let document = sandbox.run("check --sa-public-key sa.pub -o json");
    document.exits(3);
    assert_eq!(document.json()["secrets"][0]["state"], "otherKey");
    sandbox.run("check").exits(0);
    for (text, words) in [
        ("words", "it holds no public key"),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "it holds a private key",
        ),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "neither RSA nor"),
    ] {
        std::fs::write(sandbox.path("sa.pub"), text).unwrap();
        sandbox.run("check --sa-public-key sa.pub").exits(2).says(words);
    }
}
