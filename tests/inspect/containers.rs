//! An etcd in its container: each program that can run `etcdctl` there, and each way in which it cannot be asked.

use crate::world::{Ca, Outcome, Set, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forge::bolt::object;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

/// The container's name, as control groups have it.
const ID: &str = "4f1c2f6f5f6ee9a0b7f2f2a44cf2e4e6e86f9b9d6b1cf6d3b7f1d24e0d7a9b51";
/// Flags of etcd as kubeadm writes them.
const KUBEADM: &str = "etcd --cert-file=/pki/etcd/server.crt --key-file=/pki/etcd/server.key \
                       --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379 \
                       --trusted-ca-file=/pki/etcd/ca.crt";

/// `etcdctl`, as far as it is asked, over a file with keys and values. `api` is what it needs to speak with etcd 3.
const ETCDCTL: &str = r#"
here=$(dirname "$0")
if [ "$1" = env ] && [ "$2" = ETCDCTL_API=3 ]; then three=yes; shift 2; fi
[ "$1" = etcdctl ] || { echo "exec: \"$1\": executable file not found in \$PATH" >&2; exit 127; }
shift
while case $1 in --*) ;; *) false ;; esac; do shift; done
verb=$1 from=$2 to=$3
if [ -e "$here/two" ] && [ -z "$three" ]; then echo "No help topic for '$1'" >&2; exit 3; fi
case $verb in
version) echo 'etcdctl version: 3.3.10'; echo 'API version: 3.3' ;;
get)
    case " $* " in
    *' --keys-only '*)
        echo '"ClusterID" : 7'
        echo '"Revision" : 40'
        awk -v a="$from" 'index($1, a) == 1 { print "\"Key\" : \"" $1 "\""; print "\"Value\" : \"\"" }' "$here/db"
        echo '"More" : false'
        ;;
    *)
        case " $* " in *' --rev='*)
            if [ -e "$here/compacted" ]; then echo 'Error: etcdserver: mvcc: required revision has been compacted' >&2; exit 1; fi ;;
        esac
        if [ -e "$here/half" ]; then printf '{"header":{"revision":40},"kvs":[{"key"'; echo 'Error: context deadline exceeded' >&2; exit 1; fi
        awk -v a="$from" -v b="$to" '
            BEGIN { printf "{\"header\":{\"revision\":40},\"kvs\":[" }
            $1 >= a && $1 < b { printf "%s{\"key\":\"%s\",\"mod_revision\":3,\"value\":\"%s\"}", comma, $2, $3; comma = "," }
            END { print "]}" }' "$here/db"
        ;;
    esac
    ;;
esac
"#;

/// A machine with an etcd among its processes, and programs for containers beside the tool.
struct Master {
    world: World,
}

impl Master {
    fn new() -> Self {
        let world = World::new(&["m1", "n1"]);
        world.node("m1", &Set::new());
        fs::create_dir(world.directory().join("fakes")).unwrap();
        let master = Self { world };
        master.etcd(812, ID, KUBEADM);
        master.stored(&[
            ("secrets", "default/token"),
            ("configmaps", "kube-system/kube-root-ca.crt"),
        ]);
        master
    }

    fn etcd(&self, pid: u32, id: &str, line: &str) {
        self.world.process("m1", pid, 60, line);
        let group = format!("12:cpu:/kubepods/burstable/pod7/{id}\n0::/system.slice/x.service\n");
        self.world.write(&format!("m1:/proc/{pid}/cgroup"), &group);
    }

    fn stored(&self, objects: &[(&str, &str)]) {
        let ca = Ca::new("kubernetes-g2", "20260601000000Z").pem();
        let mut lines = String::new();
        for (kind, name) in objects {
            let key = format!("/registry/{kind}/{name}");
            let (kind, form) =
                if *kind == "secrets" { ("Secret", "Opaque") } else { ("ConfigMap", "") };
            let value = object(kind, "u", &[("ca.crt", ca.as_bytes())], form);
            let (name, value) = (STANDARD.encode(&key), STANDARD.encode(&value));
            writeln!(lines, "{key} {name} {value}").unwrap();
        }
        self.has("db", &lines);
    }

    fn has(&self, name: &str, text: &str) {
        fs::write(self.world.directory().join("fakes").join(name), text).unwrap();
    }

    /// A program that tells what it was told, and then does this.
    fn program(&self, name: &str, does: &str) {
        self.has(name, &format!("#!/bin/sh\necho \"$0 $*\" >>\"$(dirname \"$0\")/log\"\n{does}\n"));
        let path = self.world.directory().join("fakes").join(name);
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }

    fn crictl(&self) {
        self.program(
            "crictl",
            &format!(
                "[ \"$2\" = {ID} ] || exit 1\n[ \"$1\" = exec ] || exit 0\nshift 2\n{ETCDCTL}"
            ),
        );
    }

    fn run(&self, line: &str) -> Outcome {
        let fakes = self.world.directory().join("fakes");
        let path = format!("PATH={}:{}", fakes.display(), std::env::var("PATH").unwrap());
        self.world.run_within(&["env", &path], line)
    }

    /// Places of etcd that are shown.
    fn places(&self) -> Vec<String> {
        let outcome = self.run("inspect --etcd-in-container m1 -o json");
        assert_eq!(outcome.code, 0, "{}", outcome.text());
        let document = outcome.json();
        let places = document["places"].as_array().unwrap().iter();
        let places = places.map(|place| place["place"].as_str().unwrap().to_owned());
        places.filter(|place| place.starts_with("etcd ")).collect()
    }

    /// Words of all calls, without the directory.
    fn log(&self) -> String {
        let fakes = self.world.directory().join("fakes");
        let log = fs::read_to_string(fakes.join("log")).unwrap();
        log.replace(&format!("{}/", fakes.display()), "")
    }

    /// Why nothing can be said.
    fn unknown(&self) -> String {
        let outcome = self.run("check --etcd-in-container m1 -o json");
        assert_eq!(outcome.code, 3, "{}", outcome.text());
        let document = outcome.json();
        let findings = document["findings"].as_array().unwrap();
        let fits = |f: &&serde_json::Value| f["place"] == "etcd at m1#objects";
        let finding = findings.iter().find(fits).unwrap_or_else(|| panic!("{}", outcome.text()));
        assert_eq!(finding["id"], "place-unknown");
        finding["what"].as_str().unwrap().to_owned()
    }
}

const BOTH: [&str; 2] = [
    "etcd on m1:/registry/configmaps/kube-system/kube-root-ca.crt#ca.crt",
    "etcd on m1:/registry/secrets/default/token#ca.crt",
];

#[test]
fn whoever_runs_containers_asks_etcd_with_its_own_certificates() {
    let asks = format!("[ \"$1\" = exec ] || exit 0\nshift 2\n{ETCDCTL}");
    let tasks = format!("[ \"$3\" = tasks ] || exit 0\nshift 7\n{ETCDCTL}");
    for (program, does, call) in [
        ("crictl", &asks, format!("crictl exec {ID} etcdctl")),
        ("docker", &asks, format!("docker exec {ID} etcdctl")),
        ("ctr", &tasks, "ctr -n k8s.io tasks exec --exec-id look-".to_owned()),
    ] {
        let master = Master::new();
        master.program(program, does);
        assert_eq!(master.places(), BOTH, "{program}");
        let log = master.log();
        let flags = "--endpoints=https://127.0.0.1:2379 --cacert=/pki/etcd/ca.crt --cert=/pki/etcd/server.crt \
                     --key=/pki/etcd/server.key get /registry/secrets/ --prefix --keys-only -w fields";
        assert!(log.contains(&call) && log.contains(flags), "{log}");
    }
}

#[test]
fn a_program_that_does_not_know_the_container_is_passed_over() {
    let master = Master::new();
    master.program("crictl", "echo 'no such container' >&2; exit 1");
    master.program("docker", &format!("[ \"$1\" = exec ] || exit 0\nshift 2\n{ETCDCTL}"));
    assert_eq!(master.places(), BOTH);
}

#[test]
fn certificates_and_addresses_are_those_of_the_process() {
    for (line, environment, expected) in [
        (
            "/usr/local/bin/etcd --listen-client-urls https://0.0.0.0:4001 --cert-file /c.crt --key-file /c.key",
            "",
            "etcdctl --endpoints=https://127.0.0.1:4001 --cert=/c.crt --key=/c.key get",
        ),
        (
            "etcd -listen-client-urls=http://127.0.0.1:2379",
            "",
            "etcdctl --endpoints=http://127.0.0.1:2379 get",
        ),
        ("etcd", "", "etcdctl get"),
        (
            "etcd",
            "ETCD_TRUSTED_CA_FILE=/ca.crt\0ETCD_CERT_FILE=/e.crt\0ETCD_KEY_FILE=/e.key\0ETCD_LISTEN_CLIENT_URLS=https://10.0.0.1:2379\0",
            "etcdctl --endpoints=https://10.0.0.1:2379 --cacert=/ca.crt --cert=/e.crt --key=/e.key get",
        ),
    ] {
        let master = Master::new();
        master.crictl();
        master.etcd(812, ID, line);
        master.world.write("m1:/proc/812/environ", environment);
        assert_eq!(master.places(), BOTH, "{line}");
        assert!(master.log().contains(expected), "{expected}: {}", master.log());
    }
    // kubeadm gives etcd a client of its own for its health.
    let master = Master::new();
    master.crictl();
    master.world.write("m1:/proc/812/root/pki/etcd/healthcheck-client.crt", "");
    assert_eq!(master.places(), BOTH);
    let client = "--cert=/pki/etcd/healthcheck-client.crt --key=/pki/etcd/healthcheck-client.key";
    assert!(master.log().contains(client), "{}", master.log());
}

#[test]
fn an_old_etcdctl_is_told_to_speak_with_etcd_3() {
    let master = Master::new();
    master.crictl();
    master.has("two", "");
    assert_eq!(master.places(), BOTH);
    assert!(master.log().contains("env ETCDCTL_API=3 etcdctl --endpoints"), "{}", master.log());
}

#[test]
fn the_etcd_of_events_is_passed_over() {
    let master = Master::new();
    let other = ID.replace('4', "0");
    master.etcd(811, &other, "etcd --listen-client-urls=http://127.0.0.1:4002");
    let empty = "case \"$*\" in *version) echo 'etcdctl version: 3.5.0' ;; *) echo '\"Revision\" : 4' ;; esac; exit 0";
    master.program(
        "crictl",
        &format!("id=$2\n[ \"$1\" = exec ] || exit 0\nshift 2\n[ $id = {ID} ] || {{ {empty}; }}\n{ETCDCTL}"),
    );
    assert_eq!(master.places(), BOTH);
}

#[test]
fn values_come_a_few_at_a_time_and_each_once() {
    let master = Master::new();
    master.crictl();
    let names: Vec<String> = (0..70).map(|n| format!("ns/s{n:02}")).collect();
    let all: Vec<(&str, &str)> = names.iter().map(|name| ("secrets", name.as_str())).collect();
    master.stored(&all);
    assert_eq!(master.places().len(), 70);
    let log = master.log();
    let pages: Vec<&str> = log.lines().filter(|line| line.contains("-w json")).collect();
    assert_eq!(pages.len(), 3, "{log}");
    assert!(
        pages[1].contains("get /registry/secrets/ns/s32 /registry/secrets/ns/s64 -w json --rev=40")
    );
    assert!(pages[2].contains("get /registry/secrets/ns/s64 /registry/secrets0 -w json"), "{log}");
    // What is compacted meanwhile is read as it is by then.
    master.has("compacted", "");
    assert_eq!(master.places().len(), 70);
}

#[test]
fn the_machine_may_be_reached_by_ssh() {
    let master = Master::new();
    // What ssh does at the other end: a shell runs its last argument.
    master.program("ssh", "while [ $# -gt 1 ]; do shift; done\nexec /bin/sh -c \"$1\"");
    let fakes = master.world.directory().join("fakes");
    let path = format!("PATH={}:{}", fakes.display(), std::env::var("PATH").unwrap());
    let line = "inspect --ssh far --etcd-in-container far -o json";
    let outcome = master.world.run_within(&["env", &path], line);
    // This machine has no etcd in a container, or one of somebody else's.
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    assert!(outcome.stdout.contains("etcd at far#objects"), "{}", outcome.text());
    let log = master.log();
    assert!(log.lines().count() == 2 && log.contains("BatchMode=yes"), "{log}");
}

#[test]
fn what_stands_in_the_way_is_said() {
    let permission = "level=fatal msg=\"connect: Permission denied\"";
    let none = "OCI runtime exec failed: exec: \"etcdctl\": executable file not found in $PATH";
    let ends =
        "level=fatal msg=\"execing command in container: command terminated with exit code 1\"";
    let deep = format!(
        "case \"$*\" in inspect*) ;; *version) echo 'etcdctl version: 3.5.0' ;; \
         *) echo 'Error: \x1b[2Jpermission denied' >&2; echo '{ends}' >&2; exit 1 ;; esac"
    );
    for (does, said) in [
        (format!("echo '{permission}' >&2; exit 1"), "connect: Permission denied"),
        (format!("echo '{permission}' >&2; exit 1"), "missing right: run `crictl exec`"),
        (
            format!("[ $1 = inspect ] || {{ echo '{none}' >&2; exit 126; }}"),
            "there is no `etcdctl` of etcd 3",
        ),
        (
            format!("[ $1 = inspect ] || {{ echo '{none}' >&2; exit 126; }}"),
            "executable file not found",
        ),
        (deep, "etcd refused: Error: "),
    ] {
        let master = Master::new();
        master.program("crictl", &does);
        let why = master.unknown();
        assert!(why.contains(said) && !why.contains('\u{1b}'), "{said}: {why}");
    }
    let master = Master::new();
    master.crictl();
    master.has("half", "");
    assert!(master.unknown().contains("etcd refused: Error: context deadline exceeded"));
    master.has("db", "");
    assert!(master.unknown().contains("etcd has nothing below `/registry`"));
    master.world.write("m1:/proc/812/cgroup", "0::/system.slice/etcd.service\n");
    assert!(master.unknown().contains("etcd (PID 812) runs there in no container"));
    master.world.process("m1", 812, 60, "etcdctl watch");
    assert!(master.unknown().contains("no etcd runs there"));
    let outcome = master.run("inspect --etcd-in-container m2");
    assert_eq!(outcome.code, 2, "{}", outcome.text());
    assert!(outcome.stderr.contains("`m2` is no machine that --ssh or --root names"));
}
