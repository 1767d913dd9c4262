//! Machines by ssh: a real sshd, and the ways in which machines do not answer.

use super::sshd::{Sshd, keygen};
use crate::harness::{Case, Need, cases, until};
use crate::trees::{Outcome, Set, TOOL, World};
use std::net::TcpListener;
use std::process::{Command, Stdio};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_machine_by_ssh_is_as_it_is_from_inside: Need::Sshd;
        machines_that_do_not_answer_are_unknown_and_the_others_are_shown: Need::Sshd;
        a_changed_host_key_and_keys_that_are_not_taken: Need::Sshd;
        what_a_host_says_is_no_command_for_a_terminal: Need::Sshd;
        ctrl_c_ends_the_connections: Need::Program("ssh", "openssh-client");
    ]
}

/// Files of this machine below a directory, as the places of a layout of their own.
fn places(world: &World, set: &Set) {
    world.write("m1:/pki/ca.crt", &set.cluster.pem());
    let key = forge::Key::new();
    world.pair("m1:/pki/server", &set.cluster.server("s", &key), &key);
    world.link("m1:/pki/link.crt", "ca.crt");
    world.write(
        "m1:/admin.conf",
        "kind: Config\nclusters:\n- name: k\n  cluster: {certificate-authority: ROOT/pki/named.crt}\n"
            .replace("ROOT", &world.directory().join("m1").display().to_string())
            .as_str(),
    );
    world.write("m1:/pki/named.crt", &set.cluster.pem());
    world.write(
        "m1:/net.d/a b-kubeconfig",
        "kind: Config\nusers:\n- name: u\n  user: {token: abc}\n",
    );
    let root = world.directory().join("m1");
    let root = root.display();
    world.file(
        "places.toml",
        &format!(
            "about = \"x\"\n[[machine]]\nname = \"m\"\nmarks = [\"{root}/pki\"]\nfiles = [\n  \
             {{ path = \"{root}/pki/ca.crt\", is = \"authority cluster authority\", required = true }},\n  \
             {{ path = \"{root}/pki/server.crt\", is = \"kube-apiserver cluster serving\", required = true }},\n  \
             {{ path = \"{root}/pki/server.key\", is = \"kube-apiserver cluster serving-key\", required = true }},\n  \
             {{ path = \"{root}/pki/link.crt\", is = \"system cluster trust\", required = true }},\n  \
             {{ path = \"{root}/pki/none.crt\", is = \"kubelet cluster trust\", required = true }},\n  \
             {{ path = \"{root}/pki/pipe.crt\", is = \"kubelet cluster trust\" }},\n  \
             {{ path = \"{root}/pki/huge.crt\", is = \"kubelet cluster trust\" }},\n  \
             {{ path = \"{root}/pki/loop.crt\", is = \"kubelet cluster trust\", required = true }},\n  \
             {{ path = \"{root}/admin.conf\", is = \"admin\", form = \"kubeconfig\" }},\n  \
             {{ path = \"{root}/net.d/*kubeconfig\", is = \"cni\", form = \"kubeconfig\" }},\n]\n"
        ),
    );
}

fn run(world: &World, line: &str) -> Outcome {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    world.tool(&words)
}

/// What ssh sees is what a local look sees, but for the clock.
fn a_machine_by_ssh_is_as_it_is_from_inside() {
    let world = World::new(&["m1"]);
    places(&world, &Set::new());
    let sshd = Sshd::start(&world.directory());
    let pipe = world.path("m1:/pki/pipe.crt");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let huge = std::fs::File::create(world.path("m1:/pki/huge.crt")).unwrap();
    huge.set_len(1 << 33).unwrap();
    world.link("m1:/pki/loop.crt", "loop.crt");
    // A component that runs here, as far as its command line goes.
    let flag = format!("--client-ca-file={}", world.directory().join("m1/pki/ca.crt").display());
    let mut kubelet = sshd
        .beside("bash")
        .args(["-c", "exec -a /usr/bin/kubelet sh -c 'read line' kubelet \"$0\"", &flag])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let places = world.directory().join("places.toml");
    let at = format!("--at 2026-12-01T00:00:00Z --places {} -o json", places.display());
    let words =
        |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    let reader = |outcome: &Outcome| {
        let places = outcome.json()["places"].as_array().unwrap().clone();
        let ca = places.iter().find(|p| p["part"] == "authority").unwrap();
        (ca["readers"][0]["name"].clone(), ca["readers"][0]["started"].is_string())
    };
    let near = || {
        let line = words(&format!("inspect --root m1=/ {at}"));
        world.outcome(sshd.beside(TOOL).args(line))
    };
    until("the component runs", || reader(&near()).1);
    let far = run(&world, &format!("inspect --ssh m1=127.0.0.1 {} {at}", sshd.flags()));
    let near = near();
    assert_eq!((far.code, near.code), (0, 0), "{}{}", far.text(), near.text());
    drop(kubelet.stdin.take());
    kubelet.wait().unwrap();
    let (name, started) = reader(&far);
    assert!(name.as_str().unwrap().starts_with("kubelet (PID ") && started, "{}", far.text());
    let (far, near) = (far.json(), near.json());
    for list in ["components", "places", "certificates"] {
        assert_eq!(far[list], near[list], "{list}");
    }
    let places = far["places"].as_array().unwrap();
    let state = |end: &str| {
        let place = places.iter().find(|p| p["place"].as_str().unwrap().ends_with(end));
        place.unwrap_or_else(|| panic!("{end}: {far:#}"))["state"].as_str().unwrap().to_owned()
    };
    for (end, expected) in [
        ("/pki/ca.crt", "current"),
        ("/pki/link.crt", "current"),
        ("/pki/named.crt", "current"),
        ("/pki/server.key", "current"),
        ("/pki/none.crt", "absent"),
        ("/pki/pipe.crt", "unknown"),
        ("/pki/huge.crt", "unknown"),
        ("/pki/loop.crt", "unknown"),
        // No key that checks it was seen.
        ("/net.d/a b-kubeconfig#token", "unknown"),
    ] {
        assert_eq!(state(end), expected, "{end}");
    }
}

/// What is said of a machine that was not seen.
#[track_caller]
fn unknown(outcome: &Outcome, machine: &str, said: &str) {
    assert_eq!(outcome.code, 3, "{}", outcome.text());
    let document = outcome.json();
    let findings = document["findings"].as_array().unwrap();
    let place = format!("{machine}:/");
    let finding =
        findings.iter().find(|f| f["place"] == place.as_str() && f["id"] == "place-unknown");
    let what = finding.unwrap_or_else(|| panic!("{}", outcome.text()))["what"].as_str().unwrap();
    assert!(what.contains(said), "{what}");
}

fn machines_that_do_not_answer_are_unknown_and_the_others_are_shown() {
    let world = World::new(&["m1"]);
    places(&world, &Set::new());
    let sshd = Sshd::start(&world.directory());
    // Who listens and never says a word.
    let silent = TcpListener::bind(("127.0.0.3", sshd.port())).unwrap();
    let line = format!(
        "check --ssh m1=127.0.0.1 --ssh closed=127.0.0.2 --ssh mute=127.0.0.3 {} --places places.toml \
         --at 2026-12-01T00:00:00Z --ssh-timeout 20s -o json",
        sshd.flags()
    );
    let outcome = run(&world, &line);
    unknown(&outcome, "closed", "Connection refused");
    unknown(&outcome, "mute", "timed out");
    assert_eq!(outcome.json()["unknown"], 2, "{}", outcome.text());
    // Where less time is given than ssh takes by itself.
    let line = format!(
        "check --ssh mute=127.0.0.3 {} --places places.toml --at 2026-12-01T00:00:00Z \
         --ssh-timeout 2s -o json",
        sshd.flags()
    );
    unknown(&run(&world, &line), "mute", "did not answer within 2 s");
    drop(silent);
}

fn a_changed_host_key_and_keys_that_are_not_taken() {
    let world = World::new(&["m1"]);
    places(&world, &Set::new());
    let sshd = Sshd::start(&world.directory());
    let line = |flags: &str| {
        format!(
            "check --ssh m1=127.0.0.1 {flags} --places places.toml --at 2026-12-01T00:00:00Z -o json"
        )
    };
    keygen(&sshd.directory().join("other"));
    let flags = sshd.flags().replace("/user", "/other");
    unknown(&run(&world, &line(&flags)), "m1", "none of the keys that ssh has");
    sshd.know("other");
    unknown(&run(&world, &line(&sshd.flags())), "m1", "its host key is another one");
    std::fs::write(sshd.directory().join("known"), "").unwrap();
    unknown(&run(&world, &line(&sshd.flags())), "m1", "its host key is not known");
}

fn what_a_host_says_is_no_command_for_a_terminal() {
    let world = World::new(&["m1"]);
    places(&world, &Set::new());
    let sshd = Sshd::start(&world.directory());
    let key = std::fs::read_to_string(sshd.directory().join("user.pub")).unwrap();
    let says = r"printf '\\033[2JB 1\\n'; printf '\\033]0;evil\\007' >&2";
    std::fs::write(sshd.directory().join("authorized"), format!("command=\"{says}\" {key}"))
        .unwrap();
    for format in ["-o json", "-o text"] {
        let line =
            format!("check --ssh m1=127.0.0.1 {} --places places.toml {format}", sshd.flags());
        let outcome = run(&world, &line);
        assert_eq!(outcome.code, 3, "{}", outcome.text());
        assert!(
            outcome.stdout.contains("its shell did not run what it was told"),
            "{}",
            outcome.text()
        );
        assert!(
            !outcome.text().contains('\u{1b}') && !outcome.text().contains('\u{7}'),
            "{:?}",
            outcome.text()
        );
    }
}

fn ctrl_c_ends_the_connections() {
    let world = World::new(&["m1"]);
    places(&world, &Set::new());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let line =
        format!("inspect --ssh mute=127.0.0.1 --ssh-option=Port={port} --places places.toml");
    let child = Command::new(TOOL)
        .args(line.split_whitespace())
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .current_dir(world.directory())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It is connected as soon as somebody can be accepted.
    let connection = silent.accept().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty());
    drop(connection);
}
