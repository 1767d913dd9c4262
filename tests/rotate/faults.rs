//! What goes wrong between the stages: each is refused by name, with advice, and breaks nothing.

use crate::pki;
use crate::snapshot::Snapshot;
use crate::tree::{Ca, SMALL, Set, Shape, Trees};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

const CA: &str = "m1:/etc/kubernetes/pki/ca.crt";

fn planned() -> Trees {
    let trees = Trees::new(SMALL);
    trees.run("plan --write").ends(3, &["written to `rotation`"]);
    trees
}

fn work(trees: &Trees, name: &str) -> PathBuf {
    trees.root().join("rotation").join(name)
}

/// What stands on the machines but for the mark that a rotation works there.
fn files(trees: &Trees) -> Snapshot {
    let mut seen = trees.look();
    seen.0.retain(|place, _| !place.ends_with("/run/kubernetes-rotation.lock"));
    seen
}

#[track_caller]
fn refused(trees: &Trees, line: &str, words: &[&str]) {
    let before = files(trees);
    trees.run(line).ends(4, words);
    files(trees).is(&before, line);
}

#[test]
fn a_file_that_somebody_changed_is_named_and_left_alone() {
    let trees = planned();
    trees.run("apply --until accept").ends(0, &[]);
    let good = trees.text(CA);
    trees.write(CA, &format!("{good}# mine\n"));
    let words = ["somebody else changed m1:/etc/kubernetes/pki/ca.crt", "put it back"];
    refused(&trees, "apply", &words);
    refused(&trees, "rollback", &words);
    trees.run("status").ends(
        3,
        &["m1  changed by somebody else: /etc/kubernetes/pki/ca.crt", "put back what somebody"],
    );
    trees.write(CA, &good);
    trees.run("apply").ends(0, &["finish"]);
}

#[test]
fn plans_that_cannot_be_used() {
    let trees = planned();
    let path = work(&trees, "plan.json");
    let good = fs::read_to_string(&path).unwrap();
    let newer = good.replacen("certificates-plan/v1", "certificates-plan/v9", 1);
    for (text, words) in [
        (newer.as_str(), ["certificates-plan/v9", "put it back from a copy"]),
        (&good[..good.len() / 2], ["cannot use `rotation/plan.json`", "put it back from a copy"]),
        ("{}", ["version ``", "put it back from a copy"]),
        ("", ["cannot use `rotation/plan.json`", "put it back from a copy"]),
    ] {
        fs::write(&path, text).unwrap();
        for line in ["apply", "rollback", "finish", "plan"] {
            refused(&trees, line, &words);
        }
    }
    fs::write(&path, &good).unwrap();
    trees.run("apply").ends(0, &["finish"]);
}

#[test]
fn contents_that_are_missing_or_damaged_are_found_before_anything_is_changed() {
    let trees = planned();
    let plan: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(work(&trees, "plan.json")).unwrap()).unwrap();
    // The last machine's last file: those before it would have been written.
    let file = plan["hosts"][1]["files"].as_array().unwrap().iter().find(|file| {
        file["versions"][1]["file"].is_string() && file["versions"][1] != file["versions"][0]
    });
    let digest = file.unwrap()["versions"][1]["file"].as_str().unwrap().to_owned();
    let path = work(&trees, "contents").join(&digest);
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[1..]).unwrap();
    refused(&trees, "apply", &[&digest, "is not what the plan says", "put the directory back"]);
    fs::remove_file(&path).unwrap();
    refused(&trees, "apply", &[&digest, "is not there"]);
    fs::write(&path, &good).unwrap();
    trees.run("apply").ends(0, &["finish"]);
}

#[test]
fn a_torn_or_lost_journal_stops_nobody() {
    let trees = planned();
    trees.run("apply --until accept").ends(0, &[]);
    let path = work(&trees, "journal.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() - 20]).unwrap();
    trees.run("apply").ends(0, &["finish"]);
    fs::remove_file(&path).unwrap();
    trees.run("rollback").ends(0, &["every file is what it was"]);
}

#[test]
fn with_the_directory_lost_there_is_nothing_to_go_on_with() {
    let trees = planned();
    trees.run("apply --until accept").ends(0, &[]);
    fs::remove_dir_all(trees.root().join("rotation")).unwrap();
    for line in ["rollback", "finish", "status"] {
        refused(&trees, line, &["there is no rotation in `rotation`", "--work"]);
    }
}

#[test]
fn another_rotation_on_the_same_machines_is_refused() {
    use base64::Engine as _;
    let trees = planned();
    let words = base64::engine::general_purpose::STANDARD.encode("by ann@desk since noon");
    trees.write("w1:/run/kubernetes-rotation.lock", &format!("20261101T000000Z-aaaa {words}\n"));
    let words = ["`w1`: locked by ann@desk since noon", "let it end or roll it back"];
    // A rotation that may not begin leaves no marks of its own.
    let marked = trees.look();
    refused(&trees, "apply", &words);
    refused(&trees, "apply --work other --strategy renew", &words);
    trees.look().is(&marked, "refused");
    trees.run("status").ends(0, &["stage before"]);
    fs::remove_file(trees.path("w1:/run/kubernetes-rotation.lock")).unwrap();
    trees.run("apply").ends(0, &["finish"]);
    refused(
        &trees,
        "apply --work third --strategy renew",
        &["two generations of the cluster CA are in use"],
    );
}

#[test]
fn two_at_once_are_told_apart() {
    let trees = planned();
    let mut first = crate::run::spawn(&trees, "apply");
    let journal = work(&trees, "journal.jsonl");
    while fs::metadata(&journal).map_or(0, |meta| meta.len()) == 0 {
        assert!(first.try_wait().unwrap().is_none(), "it ended before it began");
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    let second = trees.run("apply");
    let first = first.wait().unwrap();
    assert_eq!(first.code(), Some(0));
    if second.code != 0 {
        second.ends(
            4,
            &["`apply` is at work on this rotation, by ", " since ", "wait until it has ended"],
        );
    }
    trees.run("apply").ends(0, &["finish"]);
}

#[test]
fn files_of_machines_that_do_not_fit_the_plan() {
    let trees = planned();
    trees.run("apply --until accept").ends(0, &[]);
    let hosts = trees.hosts.clone();
    trees.name(&hosts[..1], None);
    refused(&trees, "apply", &["cannot look at w1: it is not in the file of machines any more"]);
    trees.run("status").ends(3, &["w1  unknown"]);
    // Gone for ever, and said to be: it is not waited for, and not written.
    trees.name(&hosts, None);
    let text = fs::read_to_string(trees.root().join("cluster.toml")).unwrap();
    let gone = trees.copy();
    gone.file("cluster.toml", &text.replace("root = \"w1\"", "root = \"w1\"\ngone = true"));
    fs::rename(gone.root().join("w1"), gone.root().join("elsewhere")).unwrap();
    let words = ["`w1` is left out, since the file of machines says that it is gone for ever"];
    gone.run("apply").ends(0, &words);
    gone.run("finish").ends(0, &["the old generation is trusted nowhere"]);
    gone.run("status").ends(0, &words);
    assert!(!gone.root().join("w1").exists());
    // Each machine's name at the other's root.
    trees.name(&hosts, None);
    let text = fs::read_to_string(trees.root().join("cluster.toml")).unwrap();
    let swapped =
        text.replace("root = \"m1\"", "root = \"x\"").replace("root = \"w1\"", "root = \"m1\"");
    trees.file("cluster.toml", &swapped.replace("root = \"x\"", "root = \"w1\""));
    refused(&trees, "apply", &["somebody else changed"]);
    trees.file("cluster.toml", "[[host]]\nname = 3\n");
    let before = files(&trees);
    trees.run("apply").ends(2, &["cannot use `cluster.toml`"]);
    fs::remove_file(trees.root().join("cluster.toml")).unwrap();
    trees.run("apply").ends(2, &["cluster.toml", "kubectl rotate-certs discover"]);
    files(&trees).is(&before, "nothing was changed");
    // A machine that joined meanwhile.
    trees.file("cluster.toml", &text);
    trees.run("apply").ends(0, &["finish"]);
    fs::create_dir_all(trees.root().join("w9/run")).unwrap();
    trees.file(
        "cluster.toml",
        &format!("{text}[[host]]\nname = \"w9\"\naddresses = [\"10.0.0.99\"]\nroot = \"w9\"\n"),
    );
    refused(
        &trees,
        "finish",
        &["`w9` is in the file of machines, and this rotation does not know it"],
    );
}

#[test]
fn what_cannot_be_read_is_not_left_out() {
    let trees = Trees::new(SMALL);
    let key = "m1:/etc/kubernetes/pki/apiserver.key";
    if rustix::process::geteuid().is_root() {
        let tool = trees.root().join("tool");
        assert!(Command::new("cp").arg(crate::run::TOOL).arg(&tool).status().unwrap().success());
        let run = Command::new("chown").args(["-R", "65534:65534"]).arg(trees.root()).status();
        assert!(run.unwrap().success());
        std::os::unix::fs::chown(trees.path(key), Some(0), Some(0)).unwrap();
        let before = trees.look();
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
        let mut command = Command::new(nobody[0]);
        crate::run::bare(
            command.args(&nobody[1..]).arg(tool).args(crate::run::words("apply")),
            &trees,
        );
        let outcome = crate::run::outcome(&mut command);
        outcome.ends(
            4,
            &[
                "cannot read `/etc/kubernetes/pki/apiserver.key` on `m1`",
                "permission denied",
                "sudo = true",
            ],
        );
        trees.look().is(&before, "unreadable");
    } else {
        fs::set_permissions(trees.path(key), fs::Permissions::from_mode(0o000)).unwrap();
        refused(
            &trees,
            "apply",
            &["cannot read `/etc/kubernetes/pki/apiserver.key` on `m1`", "sudo = true"],
        );
    }
}

/// With mounts of its own, where that is allowed.
fn mounted(trees: &Trees, mount: &str, line: &str) -> Option<crate::run::Outcome> {
    let able = Command::new("unshare").args(["-m", "true"]).output();
    if !able.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let script = format!("{mount} && exec \"$0\" \"$@\"");
    Some(trees.run_by(&["unshare", "-m", "sh", "-c", &script], line))
}

#[test]
fn a_machine_that_cannot_be_written_is_named_and_the_rest_goes_on_later() {
    let trees = planned();
    let before = files(&trees);
    // Its lock can be written, its certificates cannot.
    let mount = "mount --bind w1/etc w1/etc && mount -o remount,ro,bind w1/etc";
    let Some(outcome) = mounted(&trees, mount, "apply") else { return };
    outcome.ends(5, &["`w1`: cannot write", "apply` again, or `kubectl rotate-certs rollback`"]);
    trees.run("status").ends(3, &["between two stages", "rollback"]);
    let copy = trees.copy();
    trees.run("apply").ends(0, &["finish"]);
    copy.run("rollback").ends(0, &[]);
    files(&copy).is(&before, "read-only and back");
}

#[test]
fn a_full_disk_leaves_every_file_whole() {
    let trees = planned();
    let before = files(&trees);
    let mount = "mkdir full && mount -t tmpfs -o size=300k none full && cp -a w1/. full && mount --move full w1 && \
                 { dd if=/dev/zero of=w1/fill bs=1k 2>/dev/null; true; }";
    let Some(outcome) = mounted(&trees, mount, "apply") else { return };
    outcome.ends(4, &["`w1`: cannot lock"]);
    let mount = "mkdir -p full && mount -t tmpfs -o size=300k none full && cp -a w1/. full && mount --move full w1 && \
                 mkdir -p w1/run && touch w1/room && { dd if=/dev/zero of=w1/fill bs=1k 2>/dev/null; true; } && \
                 truncate -s -4096 w1/fill";
    let outcome = mounted(&trees, mount, "apply").unwrap();
    outcome.ends(5, &["`w1`: ", "apply` again"]);
    pki::all(&trees.look(), "full");
    trees.run("rollback").ends(0, &[]);
    files(&trees).is(&before, "full and back");
}

#[test]
fn a_directory_of_the_rotation_that_cannot_be_written_stops_before_the_first_machine() {
    let trees = Trees::new(SMALL);
    let before = trees.look();
    let mount = "mkdir rotation && mount -t tmpfs -o size=16k none rotation";
    let Some(outcome) = mounted(&trees, mount, "apply") else { return };
    outcome.ends(1, &["make room there"]);
    trees.look().is(&before, "nowhere to write");
    let mount = "mount --bind . . && mount -o remount,ro,bind . && cd \"$PWD\"";
    let outcome = mounted(&trees, mount, "apply --work other").unwrap();
    assert_ne!(outcome.code, 0, "{}", outcome.text());
    trees.look().is(&before, "read-only");
}

#[test]
fn cas_of_one_name_are_told_apart_by_their_keys() {
    let set = Set { front: Ca::new("kubernetes"), etcd: Ca::new("kubernetes"), ..Set::new() };
    let trees = Trees::of(Shape { whole: true, ..SMALL }, &set);
    let before = trees.look();
    trees.run("apply").ends(0, &[]);
    trees.run("finish").ends(0, &[]);
    let after = trees.look();
    let all = pki::all(&after, "one name");
    assert_eq!(pki::unpaired(&all), Vec::<String>::new());
    for (ca, leaf) in
        [("ca", "apiserver"), ("etcd/ca", "etcd/server"), ("front-proxy-ca", "front-proxy-client")]
    {
        let at = |name: &str| format!("m1:/etc/kubernetes/pki/{name}.crt");
        let (ca, old) = (pki::authority(&after, &at(ca)), pki::authority(&before, &at(ca)));
        let leaf = pki::authority(&after, &at(leaf));
        assert!(leaf.is_signed_by(&ca) && !leaf.is_signed_by(&old));
    }
    let names: Vec<String> = ["ca", "etcd/ca", "front-proxy-ca"]
        .map(|ca| {
            pki::authority(&after, &format!("m1:/etc/kubernetes/pki/{ca}.crt"))
                .subject()
                .to_string()
        })
        .to_vec();
    assert!(names[0] != names[1] && names[1] != names[2] && names[0] != names[2], "{names:?}");
}

#[test]
fn a_serving_key_that_signs_tokens_is_kept() {
    let trees = Trees::new(SMALL);
    let serving = trees.sign_by_serving_key();
    let place = format!("m1:{serving}");
    let (key, certificate) =
        (trees.read(&place), trees.read("m1:/etc/kubernetes/pki/apiserver.crt"));
    refused(
        &trees,
        "apply --rotate cluster,tokens",
        &["signs tokens as well", "leave `tokens` out"],
    );
    trees.run("apply").ends(0, &[]);
    trees.run("finish").ends(0, &[]);
    assert_eq!(trees.read(&place), key, "every token stays valid");
    assert_ne!(trees.read("m1:/etc/kubernetes/pki/apiserver.crt"), certificate);
    assert_eq!(pki::unpaired(&pki::all(&trees.look(), "kept")), Vec::<String>::new());
}

#[test]
fn a_controller_manager_without_a_manifest_needs_the_file_of_its_flags() {
    let trees = Trees::new(SMALL);
    let manifest = "m1:/etc/kubernetes/manifests/kube-controller-manager.yaml";
    fs::remove_file(trees.path(manifest)).unwrap();
    let flags = "--cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt --cluster-signing-key-file=/etc/kubernetes/pki/ca.key \
                 --root-ca-file=/etc/kubernetes/pki/ca.crt";
    let line: String = format!("kube-controller-manager {flags}")
        .split_whitespace()
        .flat_map(|word| [word, "\0"])
        .collect();
    trees.write("m1:/proc/4711/cmdline", &line);
    trees.write(
        "m1:/proc/4711/stat",
        "4711 (kube-controller) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 0 0\n",
    );
    trees.write("m1:/proc/stat", "btime 1793491200\n");
    let unit = "m1:/etc/systemd/system/kcm.env";
    trees.write(unit, &format!("ARGS=\"{flags}\"\n"));
    refused(
        &trees,
        "apply",
        &[
            "nothing says where its flags stand",
            "flags = { kube-controller-manager = \"FILE\" }",
            "--strategy window",
        ],
    );
    let text = fs::read_to_string(trees.root().join("cluster.toml")).unwrap();
    let told = text.replacen(
        "root = \"m1\"\n",
        "root = \"m1\"\nflags = { kube-controller-manager = \"/etc/systemd/system/kcm.env\" }\n",
        1,
    );
    trees.file("cluster.toml", &told);
    let before = trees.read(unit);
    trees.run("apply").ends(0, &[]);
    assert!(
        trees
            .text(unit)
            .contains("--cluster-signing-cert-file=/etc/kubernetes/pki/rotation-signer.crt")
    );
    trees.run("finish").ends(0, &[]);
    assert_eq!(trees.read(unit), before);
    assert!(!trees.path("m1:/etc/kubernetes/pki/rotation-signer.key").exists());
}

#[test]
fn without_the_key_of_the_ca() {
    let trees = Trees::new(SMALL);
    fs::remove_file(trees.path("m1:/etc/kubernetes/pki/ca.key")).unwrap();
    let manifest = "m1:/etc/kubernetes/manifests/kube-controller-manager.yaml";
    let text = trees.text(manifest);
    let unsigned: String =
        text.split_inclusive('\n').filter(|line| !line.contains("cluster-signing-")).collect();
    trees.write(manifest, &unsigned);
    for strategy in ["renew", "renew-ca", "recover"] {
        refused(
            &trees,
            &format!("apply --strategy {strategy}"),
            &["the key of the cluster CA is on no machine", "rolling"],
        );
    }
    trees
        .run("plan")
        .ends(3, &["note: the key of the cluster CA is on no machine", "new-cluster.key: keep it"]);
    trees.run("apply").ends(0, &[]);
    trees.run("finish").ends(0, &[]);
    let key = fs::read(work(&trees, "new-cluster.key")).unwrap();
    let held = pki::Held::read(&key).unwrap();
    assert_eq!(
        held.keys[0],
        pki::authority(&trees.look(), CA).key_digest(),
        "the new CA's key is not lost"
    );
    assert_eq!(
        fs::metadata(work(&trees, "new-cluster.key")).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn a_certificate_whose_key_is_elsewhere_is_told() {
    let set = Set::new();
    let trees = Trees::of(SMALL, &set);
    fs::remove_file(trees.path("m1:/etc/kubernetes/pki/apiserver.key")).unwrap();
    trees.run("plan").ends(
        3,
        &["note: CN=kube-apiserver in m1:/etc/kubernetes/pki/apiserver.crt stays as it is"],
    );
}

#[test]
fn the_old_generation_is_not_dropped_without_its_proof() {
    let trees = planned();
    refused(
        &trees,
        "apply --until retire",
        &["stage retire is not reached without a proof", "finish"],
    );
    refused(&trees, "finish", &["not every machine presents the new generation yet", "apply"]);
    trees.run("apply").ends(0, &[]);
    let before = files(&trees);
    trees.run("finish --prove").ends(0, &["proven", "finish"]);
    files(&trees).is(&before, "only proven");
}

#[test]
fn who_cannot_be_asked_is_told_what_to_look_at() {
    let trees = Trees::new(SMALL);
    let before = trees.look();
    let unasked = |verb: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-rotate_certs"));
        crate::run::outcome(crate::run::bare(&mut command, &trees).args([verb, "--offline"]))
    };
    unasked("apply")
        .ends(4, &["no --yes", "look at what would be done with `kubectl rotate-certs plan`"]);
    trees.look().is(&before, "nobody agreed");
    trees.run("apply --until accept").ends(0, &[]);
    unasked("rollback").ends(4, &["done with `kubectl rotate-certs status`"]);
    unasked("finish").ends(4, &["done with --prove"]);
}
