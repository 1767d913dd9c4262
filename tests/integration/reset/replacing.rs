//! Replacements: of what cannot be refilled, on request, and to revoke; backups and what is put back from them.

use super::sandbox;
use crate::harness::accounts::{self, World};
use crate::harness::sandbox::Sandbox;
use crate::harness::{Case, cases, files, until};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        an_immutable_secret_is_replaced_under_its_name;
        the_new_one_is_made_first_where_nobody_names_the_old_one;
        revoked_tokens_are_refused_afterwards;
        a_revocation_leaves_no_dead_name_behind_unasked;
        with_another_key_a_refill_revokes;
        refill_alone_leaves_what_is_immutable;
        a_backup_brings_back_what_was_replaced;
        a_backup_of_another_cluster_or_of_nothing_is_refused;
        without_a_backup_no_token_is_kept;
    ]
}

fn backups(sandbox: &Sandbox) -> Vec<PathBuf> {
    let mut all = files(&sandbox.state());
    all.retain(|path| path.extension().is_some_and(|e| e == "backup"));
    all
}

fn listed(world: &World, namespace: &str, account: &str) -> Vec<String> {
    let account = world.api.get("serviceaccounts", namespace, account).unwrap();
    let names = account["secrets"].as_array().into_iter().flatten();
    names.filter_map(|s| s["name"].as_str().map(str::to_owned)).collect()
}

fn an_immutable_secret_is_replaced_under_its_name() {
    let world = accounts::start();
    world.api.change("secrets", "default", "deployer-by-hand", |s| s["immutable"] = true.into());
    let before = world.api.get("secrets", "default", "deployer-by-hand").unwrap();
    world.rotate();
    let sandbox = sandbox(&world);
    let outcome = sandbox.run("--yes");
    outcome.exits(0).says("backup of what is replaced");
    let after = world.api.get("secrets", "default", "deployer-by-hand").unwrap();
    assert_ne!(before["metadata"]["uid"], after["metadata"]["uid"]);
    assert_eq!(world.keys(), ["new", "new", "new", "new"]);
    assert_eq!(
        (&after["data"]["extra"], &after["metadata"]["labels"]["team"]),
        (&json!("ZXh0cmE="), &json!("a"))
    );
    assert!(after["immutable"].is_null(), "the controller manager could not fill it");
    // The manifest is needed no more; the backup is the operator's.
    assert!(!files(&sandbox.state()).iter().any(|p| p.to_string_lossy().contains("secret-")));
    let [backup] = <[PathBuf; 1]>::try_from(backups(&sandbox)).unwrap();
    assert_eq!(std::fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    sandbox.run("--yes").exits(0).says("nothing to reset");
}

fn the_new_one_is_made_first_where_nobody_names_the_old_one() {
    let world = accounts::start();
    world.api.change("secrets", "default", "default-token-aaaaa", |s| s["immutable"] = true.into());
    world.api.change("serviceaccounts", "default", "default", |a| {
        a["secrets"] = json!([{"name": "default-token-aaaaa"}, {"name": "registry"}]);
        a["imagePullSecrets"] = json!([{"name": "registry"}, {"name": "default-token-aaaaa"}]);
    });
    world.rotate();
    let outcome = sandbox(&world).run("-n default --yes");
    outcome.exits(0);
    assert!(world.api.get("secrets", "default", "default-token-aaaaa").is_none());
    let names = listed(&world, "default", "default");
    let [new, registry] = <[String; 2]>::try_from(names).unwrap();
    assert!(new.starts_with("default-token-") && registry == "registry");
    assert_eq!(world.key("default", &new), "new");
    let account = world.api.get("serviceaccounts", "default", "default").unwrap();
    assert_eq!(account["imagePullSecrets"], json!([{"name": "registry"}, {"name": new}]));
    // Made, listed, and only then the old one goes; every delete carries its UID.
    let changes: Vec<String> = world.changes();
    let at = |words: &str| changes.iter().position(|c| c.starts_with(words)).unwrap();
    let made = at("POST /api/v1/namespaces/default/secrets");
    let put = at("PATCH /api/v1/namespaces/default/serviceaccounts/default");
    let gone = at("DELETE /api/v1/namespaces/default/secrets/default-token-aaaaa");
    assert!(made < put && put < gone, "{changes:?}");
}

fn revoked_tokens_are_refused_afterwards() {
    let world = accounts::start();
    let old = world.token("default", "default-token-aaaaa").unwrap();
    assert!(world.accepts(&old));
    let sandbox = sandbox(&world);
    let outcome = sandbox.run("default-token-aaaaa --revoke --yes");
    outcome.exits(0).says("the old token is refused").never_says(&old);
    assert!(!world.accepts(&old));
    let [new] = <[String; 1]>::try_from(listed(&world, "default", "default")).unwrap();
    assert!(world.accepts(&world.token("default", &new).unwrap()));
    // What was made just now can have leaked as well: another revocation is another one.
    let newer = world.token("default", &new).unwrap();
    sandbox.run("--service-account default -n default --revoke --yes").exits(0);
    assert!(!world.accepts(&newer));
}

fn a_revocation_leaves_no_dead_name_behind_unasked() {
    let world = accounts::start();
    let old = world.token("default", "deployer-by-hand").unwrap();
    let sandbox = sandbox(&world);
    sandbox.run("deployer-by-hand --revoke --yes").exits(4).says("--allow dead-names");
    assert!(world.api.changes().is_empty());
    let outcome = sandbox.run("deployer-by-hand --revoke --yes --allow dead-names");
    outcome.exits(0).says("name it in their templates");
    assert!(!world.accepts(&old));
    // Its pod would not come back.
    assert!(world.api.get("pods", "default", "ci-1").is_some());
    sandbox.run("--revoke --mode refill --yes").exits(2).says("--mode refill makes none");
}

fn with_another_key_a_refill_revokes() {
    let world = accounts::start();
    let old = world.token("default", "deployer-by-hand").unwrap();
    let secrets = world.uids("secrets");
    world.rotate();
    sandbox(&world).run("--revoke --yes -n default").exits(0).says("the old token is refused");
    assert!(!world.accepts(&old));
    assert_eq!(world.uids("secrets"), secrets, "nothing had to be replaced");
}

fn refill_alone_leaves_what_is_immutable() {
    let world = accounts::start();
    world.api.change("secrets", "default", "deployer-by-hand", |s| s["immutable"] = true.into());
    world.rotate();
    let outcome = sandbox(&world).run("--mode refill --yes");
    outcome.exits(5).says("it is immutable and cannot be refilled");
    assert_eq!(world.keys(), ["new", "old", "new", "new"]);
    // The other way round: the runbook's own.
    let world = accounts::start();
    world.rotate();
    let before = world.uids("secrets");
    let outcome = sandbox(&world).run("--mode replace --yes -n default");
    outcome.exits(0);
    let kept = world.uids("secrets").intersection(&before).count();
    assert_eq!(kept, before.len() - 2, "{}", outcome.text());
    assert_eq!(world.key("default", "deployer-by-hand"), "new");
}

fn a_backup_brings_back_what_was_replaced() {
    let world = accounts::start();
    let old = world.token("default", "default-token-aaaaa").unwrap();
    let sandbox = sandbox(&world);
    sandbox.run("default-token-aaaaa --revoke --yes").exits(0);
    assert!(!world.accepts(&old));
    let [backup] = <[PathBuf; 1]>::try_from(backups(&sandbox)).unwrap();
    let restore = format!("restore {}", backup.display());
    sandbox.run(&restore).exits(4).says("--yes");
    let outcome = sandbox.run(&format!("{restore} --yes"));
    outcome.exits(0).says("1 secret restored").never_says(&old);
    assert_eq!(world.token("default", "default-token-aaaaa").as_deref(), Some(&*old));
    assert!(world.accepts(&old), "the key is the same");
    assert!(listed(&world, "default", "default").contains(&"default-token-aaaaa".to_owned()));
    sandbox.run(&format!("{restore} --yes")).exits(0).says("is there already");
    // Its account is another one by now.
    world.api.remove("secrets", "default", "default-token-aaaaa");
    world.api.remove("serviceaccounts", "default", "default");
    world.api.put(json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"namespace": "default", "name": "default", "uid": "another"}}));
    sandbox.run(&format!("{restore} --yes")).exits(4).says("was made again since");
}

fn a_backup_of_another_cluster_or_of_nothing_is_refused() {
    let world = accounts::start();
    let sandbox = sandbox(&world);
    let backup = |uid: &str, version: &str| {
        json!({"schemaVersion": version, "cluster": {"uid": uid, "server": "s"}, "secrets": []})
            .to_string()
    };
    for (text, code, words) in [
        ("hunter2".to_owned(), 2, "it is none"),
        (backup("uid-of-kube-system", "rotation/token-backup/v9"), 2, "schemaVersion"),
        (backup("another", "rotation/token-backup/v1"), 4, "of another cluster"),
        (backup("uid-of-kube-system", "rotation/token-backup/v1"), 0, "nothing was restored"),
    ] {
        std::fs::write(sandbox.path("b.backup"), text).unwrap();
        let outcome = sandbox.run("restore b.backup --yes");
        assert_eq!(outcome.code, Some(code), "{}", outcome.text());
        outcome.says(words).never_says("hunter2");
    }
    assert!(world.api.changes().is_empty());
}

fn without_a_backup_no_token_is_kept() {
    let world = accounts::start();
    let old = world.token("default", "default-token-aaaaa").unwrap();
    let sandbox = sandbox(&world);
    let outcome = sandbox.run("default-token-aaaaa --revoke --yes --no-backup");
    outcome.exits(0).never_says("backup");
    for path in files(&sandbox.state()).iter().filter(|p| p.is_file()) {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(!text.contains(&old) && !text.contains("ZXh0cmE="), "{}", path.display());
    }
    until("it is gone", || world.api.get("secrets", "default", "default-token-aaaaa").is_none());
    let value: Value = sandbox.run("check -o json").json();
    assert!(value["secrets"].as_array().is_some());
}
