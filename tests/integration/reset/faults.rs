//! What can be wrong before and while tokens are renewed.

use super::sandbox;
use crate::harness::accounts::{self, World};
use crate::harness::sandbox::{RESET, Sandbox};
use crate::harness::{Case, cases, until};
use double::tls::{Authority, Wanted};
use double::{Api, Fault, Setup};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        each_missing_right_is_named_and_nothing_is_changed;
        without_the_right_to_ask_nothing_is_guessed;
        a_canary_that_is_refused_stops_everything;
        one_of_two_api_servers_that_refuses_stops_everything;
        two_api_servers_are_both_asked;
        a_controller_manager_that_is_stopped_is_noticed_before_anything_is_emptied;
        a_slow_controller_manager_is_waited_for;
        a_controller_manager_that_dies_is_given_no_more_secrets;
        another_ca_than_is_published_stops_everything;
        wrong_expectations_of_the_ca;
        a_secret_that_is_never_filled_is_listed;
        what_somebody_else_does_meanwhile;
        an_account_that_is_deleted_meanwhile;
        orphans_foreigners_and_what_is_going_are_left_alone;
        an_account_with_several_secrets;
        what_the_cleaner_made_invalid_is_renewed_by_name;
        a_refill_with_the_same_bytes_is_seen_however_late;
        the_commands_own_credential_is_never_reset;
        the_api_server_comes_back_with_another_certificate;
        a_watch_that_expires_is_begun_anew;
        servers_before_1_21;
        a_lost_answer_is_looked_after;
    ]
}

fn each_missing_right_is_named_and_nothing_is_changed() {
    for (verb, resource, words) in [
        ("list", "secrets", "list secrets"),
        ("list", "serviceaccounts", "list serviceaccounts"),
        ("list", "pods", "list pods"),
        ("patch", "secrets", "patch secrets"),
        ("get", "secrets", "get secrets"),
        ("create", "secrets", "create secrets"),
        ("delete", "secrets", "delete secrets"),
        ("create", "serviceaccounts", "create serviceaccounts"),
        ("delete", "serviceaccounts", "delete serviceaccounts"),
        ("create", "pods/eviction", "create pods/eviction"),
        ("delete", "pods", "delete pods"),
        ("list", "nodes", "list nodes"),
    ] {
        let world = accounts::start();
        world.rotate();
        world.api.deny(verb, resource);
        let sandbox = sandbox(&world);
        let outcome = sandbox.run("--yes");
        outcome.exits(4).says(&format!("cannot {words}")).says("nothing was changed");
        assert!(world.api.changes().is_empty(), "{verb} {resource}: {:?}", world.api.changes());
        assert!(!sandbox.state().exists(), "{verb} {resource}");
    }
}

fn without_the_right_to_ask_nothing_is_guessed() {
    let world = accounts::start();
    world.rotate();
    world.api.deny("create", "tokenreviews");
    let sandbox = sandbox(&world);
    sandbox.run("--yes").exits(4).says("whether it works is not known").says("--all renews it");
    assert!(world.api.changes().is_empty());
    sandbox.run("check").exits(3).says("--sa-public-key");
    let outcome = sandbox.run("--all --yes");
    outcome.exits(0).says("cannot be asked about tokens");
    assert_eq!(world.keys(), ["new", "new", "new", "new"], "{}", outcome.text());
}

fn a_canary_that_is_refused_stops_everything() {
    let world = accounts::start();
    world.rotate();
    // Of the two only the controller manager has the new key.
    world.api.accept(&["another"]);
    let (before, pods) = (world.keys(), world.uids("pods"));
    let outcome = sandbox(&world).run("--yes");
    outcome.exits(4).says("refuses the token that the controller manager has just signed");
    assert_eq!((world.keys(), world.uids("pods")), (before, pods));
    assert!(world.changes().is_empty(), "{:?}", world.changes());
    // It is taken away all the same.
    assert!(!world.api.all("serviceaccounts").iter().any(|a| a.to_string().contains("canary")));
}

fn two_servers(world: &World) -> Api {
    let other = world.api.sibling();
    world.api.put(json!({"apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"namespace": "default", "name": "kubernetes"},
        "subsets": [
            {"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": world.api.port()}]},
            {"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": other.port()}]}]}));
    other
}

fn one_of_two_api_servers_that_refuses_stops_everything() {
    for named in [false, true] {
        let world = accounts::start();
        world.rotate();
        let other = two_servers(&world);
        other.accept(&["old"]);
        let before = world.keys();
        let line = if named {
            format!("--yes --server {} --server {}", world.api.url(), other.url())
        } else {
            "--yes".to_owned()
        };
        let outcome = sandbox(&world).run(&line);
        outcome.exits(4).says(&format!("the API server {} refuses the token", other.url()));
        assert_eq!(world.keys(), before);
        assert!(world.changes().is_empty(), "{:?}", world.changes());
    }
}

fn two_api_servers_are_both_asked() {
    let world = accounts::start();
    let other = two_servers(&world);
    // Only the other one has dropped the old key.
    world.controller.change(|c| "new".clone_into(&mut c.key));
    other.accept(&["new"]);
    let sandbox = sandbox(&world);
    sandbox.run("check").exits(3).says("nothing was changed");
    let outcome = sandbox.run("--yes");
    outcome.exits(0).says("all 2 API servers accept");
    assert_eq!(world.keys(), ["new", "new", "new", "new"]);
    // One that cannot be reached from here is said, where Kubernetes names it, and an error, where the operator does.
    other.stop();
    sandbox.run("--yes").exits(0).says("cannot be asked from here");
    let both = format!("--yes --server {} --server {}", world.api.url(), other.url());
    sandbox.run(&both).exits(1);
}

fn a_controller_manager_that_is_stopped_is_noticed_before_anything_is_emptied() {
    let world = accounts::start();
    world.rotate();
    world.controller.change(|c| c.stopped = true);
    let before = world.keys();
    let outcome = sandbox(&world).run("--yes --timeout 2s");
    outcome.exits(4).says("did not fill the canary's token within").says("nothing was reset");
    assert_eq!(world.keys(), before);
    assert!(world.changes().is_empty(), "{:?}", world.changes());
    assert!(!world.api.all("serviceaccounts").iter().any(|a| a.to_string().contains("canary")));
}

fn a_slow_controller_manager_is_waited_for() {
    let world = accounts::start();
    world.rotate();
    world.controller.change(|c| c.delay = Duration::from_millis(700));
    sandbox(&world).run("--yes").exits(0);
    assert_eq!(world.keys(), ["new", "new", "new", "new"]);
}

fn a_controller_manager_that_dies_is_given_no_more_secrets() {
    let world = accounts::start();
    for number in 0..40 {
        accounts::put_token(&world.api, "default", "default", &format!("many-{number:02}"));
    }
    until("they are filled", || {
        (0..40).all(|n| world.token("default", &format!("many-{n:02}")).is_some())
    });
    world.rotate();
    let dying = world.controller.clone();
    let api = world.api.clone();
    // After the canary, with the first secrets emptied.
    std::thread::spawn(move || {
        while api.count("PATCH", "/api/v1/namespaces/default/secrets/many") == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        dying.change(|c| c.stopped = true);
    });
    // Each takes its time, so that some are still empty when it dies.
    world.controller.change(|c| c.delay = Duration::from_millis(100));
    let outcome = sandbox(&world).run("-n default --recycle none --yes --timeout 7s");
    outcome.exits(5);
    let empty = |n: &u32| world.token("default", &format!("many-{n:02}")).is_none();
    let emptied = (0..40).filter(empty).count();
    assert!(emptied <= 16, "{emptied} are empty:\n{}", outcome.text());
    outcome.says("nothing more is emptied").says("not proven");
    // It comes back, and fills what is empty; the next run does the rest.
    world.controller.change(|c| c.stopped = false);
    sandbox(&world).run("-n default --recycle none --yes").exits(0);
    assert!((0..40).all(|n| world.key("default", &format!("many-{n:02}")) == "new"));
}

fn another_ca_than_is_published_stops_everything() {
    let world = accounts::start();
    world.rotate();
    // A second controller manager with another CA: the one publishes, the other fills.
    world.api.change("configmaps", "kube-system", "kube-root-ca.crt", |map| {
        map["immutable"] = true.into();
    });
    world.controller.change(|c| c.ca = Authority::new("kubernetes").pem());
    let before = world.keys();
    let outcome = sandbox(&world).run("--yes");
    outcome
        .exits(4)
        .says("the controller manager writes the CA")
        .says("is expected; nothing was reset");
    assert_eq!(world.keys(), before);
    assert!(world.changes().is_empty(), "{:?}", world.changes());
}

fn wrong_expectations_of_the_ca() {
    let world = accounts::start();
    world.rotate();
    let sandbox = sandbox(&world);
    let other = Authority::new("kubernetes");
    let leaf = other.issue("kube-apiserver", &Wanted::server(&["localhost"])).pem();
    for (what, text, code, words) in [
        ("no PEM", "words".to_owned(), 2, "it holds no certificate in PEM form"),
        ("a leaf", leaf, 2, "`CN=kube-apiserver` in it is no CA"),
        // The one that is expected is never published, and nobody waits for it.
        ("another CA", other.pem(), 4, "publishes another CA than is expected"),
        (
            "two of which one is published",
            format!("{}{}", world.ca, other.pem()),
            4,
            "publishes only a part",
        ),
        ("none at all", String::new(), 2, "it holds no certificate"),
    ] {
        std::fs::write(sandbox.path("ca.crt"), text).unwrap();
        let outcome = sandbox.run("--yes --expect-ca ca.crt");
        assert_eq!(outcome.code, Some(code), "{what}: {}", outcome.text());
        outcome.says(words);
        assert!(world.api.changes().is_empty(), "{what}");
    }
    sandbox.run("--yes --expect-ca missing.crt").exits(1).says("missing.crt");
    std::fs::write(sandbox.path("ca.crt"), &world.ca).unwrap();
    sandbox.run("--yes --expect-ca ca.crt").exits(0);
}

fn a_secret_that_is_never_filled_is_listed() {
    let world = accounts::start();
    world.rotate();
    world.controller.change(|c| _ = c.stuck.insert("deployer-by-hand".to_owned()));
    let pods = world.uids("pods");
    let sandbox = sandbox(&world);
    let outcome = sandbox.run("--yes --timeout 3s");
    outcome.exits(6).says("not proven: secret/deployer-by-hand (default)");
    assert_eq!(world.keys(), ["new", "none", "new", "new"]);
    // The pod that uses it is left alone: a new one would be no better.
    outcome.says("its token secret `deployer-by-hand` was not renewed");
    assert_eq!(world.uids("pods").intersection(&pods).count(), 1, "{}", outcome.text());
    world.controller.change(|c| c.stuck.clear());
    sandbox.run("--yes").exits(0);
    assert_eq!(world.keys(), ["new", "new", "new", "new"]);
    assert!(world.uids("pods").is_disjoint(&pods));
}

const SECRET: &str = "/api/v1/namespaces/default/secrets/deployer-by-hand";

fn status(code: u16, reason: &str, message: &str) -> String {
    json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message,
        "details": {"name": "deployer-by-hand", "kind": "secrets"}})
    .to_string()
}

fn what_somebody_else_does_meanwhile() {
    let conflict = status(
        409,
        "Conflict",
        "the object has been modified; please apply your changes to the latest version",
    );
    let uid = status(
        409,
        "Conflict",
        "Precondition failed: UID in precondition: a, UID in object meta: b",
    );
    let gone = status(404, "NotFound", "secrets \"deployer-by-hand\" not found");
    let immutable =
        status(422, "Invalid", "data: Forbidden: field is immutable when `immutable` is set");
    for (what, answer, times, code, words) in [
        ("edited", (409, &conflict), 1, 0, ""),
        ("edited all the time", (409, &conflict), 99, 5, "Conflict"),
        ("made again", (409, &uid), 1, 5, "by somebody else meanwhile"),
        ("deleted", (404, &gone), 1, 5, "by somebody else meanwhile"),
        ("made immutable", (422, &immutable), 1, 5, "the next run replaces it"),
    ] {
        let world = accounts::start();
        world.rotate();
        world.api.fault(Fault::on("PATCH", SECRET).answer(answer.0, answer.1).times(times));
        let outcome = sandbox(&world).run("--yes --timeout 20s");
        assert_eq!(outcome.code, Some(code), "{what}: {}", outcome.text());
        outcome.says(words);
        // The others are done all the same.
        let others = [0, 2, 3].map(|n| world.keys()[n].clone());
        assert_eq!(others, ["new", "new", "new"], "{what}");
    }
}

fn an_account_that_is_deleted_meanwhile() {
    let world = accounts::start();
    world.rotate();
    world.controller.change(|c| c.delay = Duration::from_millis(300));
    let api = world.api.clone();
    std::thread::spawn(move || {
        while api.count("PATCH", SECRET) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        api.remove("serviceaccounts", "default", "deployer");
    });
    let outcome = sandbox(&world).run("-n default --yes --timeout 20s");
    outcome.exits(5).says("deleted").says("meanwhile");
    assert_eq!(world.key("default", "default-token-aaaaa"), "new");
}

fn orphans_foreigners_and_what_is_going_are_left_alone() {
    let world = accounts::start();
    world.rotate();
    world.controller.change(|c| c.stopped = true);
    world.api.remove("serviceaccounts", "kube-system", "canal");
    world.api.change("secrets", "default", "deployer-by-hand", |secret| {
        secret["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "x/v1", "kind": "Vault", "name": "v", "uid": "v"}]);
    });
    {
        let name = "going";
        world.api.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
            "status": {"phase": "Terminating"}}));
        world.api.put(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": name, "name": "default"}}));
        accounts::put_token(&world.api, name, "default", "default-token-ddddd");
    }
    let sandbox = sandbox(&world);
    let document = sandbox.run("check -A -o json").json();
    let state = |name: &str| -> Value {
        let rows = document["secrets"].as_array().unwrap();
        rows.iter().find(|r| r["target"]["name"] == name).unwrap()["state"].clone()
    };
    assert_eq!(state("canal-token-ccccc"), "orphan");
    assert_eq!(state("deployer-by-hand"), "foreign");
    assert_eq!(state("default-token-ddddd"), "terminating");
    assert_eq!(state("default-token-aaaaa"), "staleToken");
    let dry = sandbox.run("-A --dry-run");
    dry.exits(3)
        .says("its account `canal` is gone")
        .says("it belongs to Vault `v`")
        .says("on its way out");
    assert_eq!(sandbox.run("-A --dry-run -o name --recycle none").stdout.lines().count(), 2);
    assert!(
        sandbox.run("-A --dry-run -o name --allow foreign").stdout.contains("deployer-by-hand")
    );
}

fn an_account_with_several_secrets() {
    let world = accounts::start();
    for name in ["default-token-eeeee", "second"] {
        accounts::put_token(&world.api, "default", "default", name);
    }
    until("they are filled", || world.token("default", "second").is_some());
    world.api.change("serviceaccounts", "default", "default", |account| {
        account["secrets"] = json!([{"name": "default-token-aaaaa"}, {"name": "default-token-eeeee"}, {"name": "registry"}]);
    });
    world.rotate();
    sandbox(&world).run("--yes").exits(0);
    for name in ["default-token-aaaaa", "default-token-eeeee", "second"] {
        assert_eq!(world.key("default", name), "new");
    }
    let account = world.api.get("serviceaccounts", "default", "default").unwrap();
    assert_eq!(account["secrets"].as_array().map(Vec::len), Some(3));
}

fn what_the_cleaner_made_invalid_is_renewed_by_name() {
    let world = accounts::start();
    let invalid = "kubernetes.io/legacy-token-invalid-since";
    world.api.change("secrets", "default", "deployer-by-hand", |secret| {
        secret["metadata"]["labels"][invalid] = "2026-01-01".into();
    });
    let sandbox = sandbox(&world);
    sandbox.run("--yes").exits(0).says("made it invalid on 2026-01-01");
    assert!(world.changes().is_empty());
    sandbox.run("check").exits(3);
    sandbox.run("deployer-by-hand --yes").exits(0);
    let secret = world.api.get("secrets", "default", "deployer-by-hand").unwrap();
    assert!(secret["metadata"]["labels"][invalid].is_null());
    assert!(world.accepts(&world.token("default", "deployer-by-hand").unwrap()));
}

fn a_refill_with_the_same_bytes_is_seen_however_late() {
    let world = accounts::start();
    world.api.change("secrets", "default", "deployer-by-hand", |secret| {
        secret["metadata"]["labels"]["kubernetes.io/legacy-token-invalid-since"] =
            "2026-01-01".into();
    });
    let sandbox = sandbox(&world);
    // Who follows the secrets lists them for the first time when it was emptied and filled already: by the same key, so with
    // the same token.
    let lists = "/api/v1/namespaces/default/secrets";
    let before = sandbox.run("deployer-by-hand --recycle none --dry-run");
    before.exits(3);
    let looked = world.api.count("GET", lists);
    world.api.fault(Fault::on("GET", lists).after(looked + 1).delay(Duration::from_secs(2)));
    sandbox.run("deployer-by-hand --recycle none --yes --timeout 20s").exits(0);
    assert_eq!(world.key("default", "deployer-by-hand"), "old");
}

fn the_commands_own_credential_is_never_reset() {
    let world = accounts::start();
    let token = world.token("default", "deployer-by-hand").unwrap();
    world.rotate();
    let config = double::kubeconfig(&world.api.url(), "", &format!("token: {token}"));
    let outcome = Sandbox::with(&config).of(RESET).run("--yes");
    outcome.exits(5).says("it is the credential that this command itself uses");
    assert_eq!(world.keys(), ["new", "old", "new", "new"]);
    outcome.never_says(&token);
}

fn the_api_server_comes_back_with_another_certificate() {
    let authority = Authority::new("kubernetes");
    let world = accounts::fill(Setup::default().tls(&authority.localhost()));
    world.rotate();
    let config = |sandbox: &Sandbox| {
        std::fs::write(sandbox.path("ca.pem"), authority.pem()).unwrap();
        let text = double::kubeconfig(&world.api.url(), "certificate-authority: ca.pem", "");
        std::fs::write(sandbox.path("kubeconfig"), text).unwrap();
    };
    let sandbox = Sandbox::with("").of(RESET);
    config(&sandbox);
    // The first secret is emptied, and the server goes away.
    world.controller.change(|c| _ = c.stuck.insert("canal-token-ccccc".to_owned()));
    let mut running = sandbox.start("--yes --recycle none --timeout 1m");
    running.wait_for("canal-token-ccccc (kube-system): emptied");
    let reborn = world.api.reborn(Setup::default().tls(&authority.localhost()));
    let controller = reborn.controller(double::tokens::Controller {
        key: "new".to_owned(),
        ca: world.ca.clone(),
        delay: Duration::ZERO,
        stopped: false,
        publishes: true,
        generates: false,
        stuck: std::collections::BTreeSet::new(),
    });
    let outcome = running.end();
    outcome.exits(0);
    controller.change(|c| c.stopped = true);
    assert_eq!(world.keys(), ["new", "new", "new", "new"], "{}", outcome.text());
}

fn a_watch_that_expires_is_begun_anew() {
    let world = accounts::start();
    world.rotate();
    world.controller.change(|c| c.delay = Duration::from_millis(200));
    let gone = r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}"#;
    for namespace in ["default", "kube-system"] {
        let secrets = format!("/api/v1/namespaces/{namespace}/secrets");
        world.api.fault(Fault::on("GET", &secrets).query("watch=").lines(&[gone]).times(2));
        world.api.fault(Fault::on("GET", &secrets).query("watch=").status(410));
    }
    sandbox(&world).run("--yes").exits(0);
    // Nor where nothing can be watched at all.
    let world = accounts::start();
    world.rotate();
    world.api.deny("watch", "secrets");
    world.api.deny("watch", "pods");
    sandbox(&world).run("--yes").exits(0);
    assert_eq!(world.keys(), ["new", "new", "new", "new"]);
}

/// No projected tokens, no published CA, no `policy/v1`; a pod is refused while its account lists no token.
fn servers_before_1_21() {
    let setup = Setup::default()
        .version("1", "10+", "v1.10.13")
        .without("policy/v1")
        .with("policy/v1beta1");
    let world = accounts::fill(setup);
    world.controller.change(|c| (c.publishes, c.generates) = (false, true));
    for namespace in ["default", "kube-system"] {
        world.api.remove("configmaps", namespace, "kube-root-ca.crt");
    }
    until("every account has one", || {
        let accounts = world.api.all("serviceaccounts");
        accounts.iter().all(|a| a["secrets"].as_array().is_some_and(|s| !s.is_empty()))
    });
    let refused = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counting = std::sync::Arc::clone(&refused);
    let count = std::sync::atomic::AtomicUsize::new(100);
    world.api.when_gone(move |api, gone| {
        if gone["kind"] != "Pod" {
            return;
        }
        let namespace = gone["metadata"]["namespace"].as_str().unwrap_or_default();
        let accounts = api.all("serviceaccounts");
        let ready =
            accounts.iter().filter(|a| a["metadata"]["namespace"] == namespace).all(|account| {
                account["secrets"].as_array().into_iter().flatten().any(|entry| {
                    let name = entry["name"].as_str().unwrap_or_default();
                    api.get("secrets", namespace, name)
                        .is_some_and(|s| s["data"]["token"].is_string())
                })
            });
        if !ready {
            counting.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        crate::harness::world::again(
            api,
            gone,
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst),
        );
    });
    world.rotate();
    let pods = world.uids("pods");
    let sandbox = sandbox(&world);
    sandbox.run("--dry-run=server").exits(4).says("does not know dry runs");
    let outcome = sandbox.run("--yes");
    outcome.exits(0);
    assert_eq!(world.keys(), ["new", "new", "new", "new"]);
    assert!(world.uids("pods").is_disjoint(&pods));
    assert_eq!(
        refused.load(std::sync::atomic::Ordering::SeqCst),
        0,
        "no pod went while its account had no token"
    );
}

fn a_lost_answer_is_looked_after() {
    let world = accounts::start();
    world.rotate();
    world.api.fault(Fault::on("PATCH", SECRET).act_and_hang_up());
    world.api.fault(Fault::on("PATCH", "/api/v1/namespaces/kube-system/secrets/canal").hang_up());
    sandbox(&world).run("--yes").exits(0);
    assert_eq!(world.keys(), ["new", "new", "new", "new"]);
}
