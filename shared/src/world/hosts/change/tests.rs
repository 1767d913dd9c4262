#![expect(
    clippy::disallowed_methods,
    reason = "tests look at what was written, and play those who write beside it"
)]

use super::*;
use crate::facts::credential::Digest;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn carry(&self, orders: &[Order<'_>]) -> Result<Vec<Did>, ChangeError> {
        let limit = Duration::from_mins(1);
        let carrier = Carrier::Here { root: self.0.path().to_owned(), limit };
        carry(&carrier, orders, &Interrupt::never())
    }

    fn owner() -> String {
        format!("{}:{}", rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw())
    }
}

fn put<'a>(owner: &'a str, before: State, content: &'a [u8]) -> Order<'a> {
    Order::Put { path: "/a b'c", mode: "640", owner, before: vec![before], content }
}

#[test]
fn a_file_is_put_once_and_what_others_wrote_is_left_alone() {
    let (tree, owner) = (Tree::new(), Tree::owner());
    let path = tree.0.path().join("a b'c");
    let first = State::File(Digest::of(b"one\n"));
    let did = tree.carry(&[put(&owner, State::Absent, b"one\n")]).expect("put");
    assert_eq!(did, [Did::Made]);
    assert_eq!(fs::read(&path).expect("a file"), b"one\n");
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o7777, 0o640);
    assert_eq!(tree.carry(&[put(&owner, State::Absent, b"one\n")]).expect("again"), [Did::Same]);
    assert_eq!(tree.carry(&[put(&owner, first.clone(), b"two")]).expect("next"), [Did::Made]);
    fs::write(&path, "somebody").expect("written");
    let why = tree.carry(&[put(&owner, first, b"three")]).expect_err("refused");
    assert!(why.is_changed() && why.to_string().contains("a b'c"), "{why}");
    assert_eq!(fs::read(&path).expect("a file"), b"somebody");
    assert_eq!(
        fs::read_dir(tree.0.path()).expect("a directory").count(),
        1,
        "nothing is left beside"
    );
}

#[test]
fn orders_end_with_the_first_that_fails() {
    let (tree, owner) = (Tree::new(), Tree::owner());
    let orders = [
        Order::Look { path: "/gone" },
        Order::Put {
            path: "/no/such/x",
            mode: "600",
            owner: &owner,
            before: vec![State::Absent],
            content: b"x",
        },
        put(&owner, State::Absent, b"later"),
    ];
    let why = tree.carry(&orders).expect_err("refused");
    assert!(matches!(why, ChangeError::Order { index: 1, .. }), "{why:?}");
    assert!(!tree.0.path().join("a b'c").exists());
}

#[test]
fn links_lead_elsewhere_and_files_go() {
    let tree = Tree::new();
    fs::write(tree.0.path().join("new"), "x").expect("written");
    symlink("old", tree.0.path().join("current")).expect("linked");
    let before = || vec![State::Link("old".to_owned())];
    let link = Order::Link { path: "/current", target: "new", before: before() };
    assert_eq!(tree.carry(std::slice::from_ref(&link)).expect("linked"), [Did::Made]);
    assert_eq!(fs::read_link(tree.0.path().join("current")).expect("a link"), PathBuf::from("new"));
    assert_eq!(tree.carry(&[link]).expect("again"), [Did::Same]);
    let file = State::File(Digest::of(b"x"));
    let remove = || Order::Remove { path: "/new", before: vec![file.clone()] };
    assert_eq!(tree.carry(&[remove()]).expect("gone"), [Did::Made]);
    assert_eq!(tree.carry(&[remove()]).expect("again"), [Did::Same]);
}

#[test]
fn what_stands_where_a_file_should_is_not_followed() {
    let (tree, owner) = (Tree::new(), Tree::owner());
    let victim = tree.0.path().join("victim");
    fs::write(&victim, "mine").expect("written");
    symlink("victim", tree.0.path().join("a b'c")).expect("linked");
    // Where the file is written first somebody has put a link.
    symlink("victim", tree.0.path().join(".a b'c.rotation")).expect("linked");
    let why = tree.carry(&[put(&owner, State::Absent, b"x")]).expect_err("refused");
    assert!(why.is_changed(), "{why}");
    assert_eq!(fs::read(&victim).expect("a file"), b"mine");
}

#[test]
fn without_a_shell_the_same_is_seen() {
    let tree = Tree::new();
    let at = |name: &str| tree.0.path().join(name);
    fs::write(at("file"), "some\n").expect("written");
    fs::write(at("a b'c"), "").expect("written");
    fs::set_permissions(at("file"), fs::Permissions::from_mode(0o640)).expect("changed");
    fs::create_dir(at("directory")).expect("made");
    symlink("file", at("link")).expect("a link");
    symlink("/nowhere", at("broken")).expect("a link");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("a FIFO");
    let paths =
        ["/file", "/a b'c", "/directory", "/link", "/broken", "/fifo", "/gone", "/file/below"];
    let orders = paths.map(|path| Order::Look { path });
    let by_shell = tree.carry(&orders).expect("looked");
    let carrier = Carrier::Here { root: tree.0.path().to_owned(), limit: Duration::from_secs(1) };
    let seen = look(&carrier, &paths, &Interrupt::never()).expect("looked");
    assert_eq!(seen.into_iter().map(Did::Looked).collect::<Vec<_>>(), by_shell);
}

#[test]
fn one_rotation_at_a_time() {
    let tree = Tree::new();
    let lock = |id| Order::Lock { id, words: "by ann since noon" };
    assert_eq!(tree.carry(&[lock("r1")]).expect("locked"), [Did::Made]);
    assert_eq!(tree.carry(&[lock("r1")]).expect("again"), [Did::Same]);
    let why = tree.carry(&[lock("r2")]).expect_err("refused");
    assert!(why.is_locked() && why.to_string().contains("by ann since noon"), "{why}");
    tree.carry(&[Order::Unlock { id: "r2" }, Order::Unlock { id: "r1" }]).expect("unlocked");
    assert_eq!(tree.carry(&[lock("r2")]).expect("free"), [Did::Made]);
}

#[test]
fn who_has_no_process_is_told_once_for_each_content() {
    let tree = Tree::new();
    let (file, count) = (tree.0.path().join("ca b.crt"), tree.0.path().join("count"));
    let way = Way::Tell(format!("echo told >>'{}'", count.display()));
    let path = file.display().to_string();
    let program = format!("consumer-test-{}", std::process::id());
    let carrier = Carrier::Here { root: "/".into(), limit: Duration::from_mins(1) };
    let tell = |way: &Way| {
        let files = vec![path.as_str()];
        let order = Order::Restart { program: &program, way, limit: 1, files };
        carry(&carrier, &[order], &Interrupt::never())
    };
    let times = || fs::read_to_string(&count).unwrap_or_default().lines().count();
    fs::write(&file, "one").expect("written");
    assert_eq!(tell(&way).expect("told"), [Did::Made]);
    assert_eq!(times(), 1);
    // Whoever may not write where that is noted tells it again.
    let noted = PathBuf::from("/run/kubernetes-rotation.told").join(&program);
    let again = if noted.is_file() { (Did::Same, 1) } else { (Did::Made, 2) };
    assert_eq!((tell(&way).expect("again"), times()), (vec![again.0], again.1));
    fs::write(&file, "two").expect("written");
    assert_eq!((tell(&way).expect("changed"), times()), (vec![Did::Made], again.1 + 1));
    fs::write(&file, "three").expect("written");
    let why = tell(&Way::Tell("exit 7".to_owned())).expect_err("it failed");
    assert!(why.to_string().contains("ended with 7"), "{why}");
    let _ = fs::remove_file(noted);
    let _ = fs::remove_dir("/run/kubernetes-rotation.told");
}

#[test]
fn no_content_stands_in_an_argument() {
    let carrier = Carrier::Here { root: "/".into(), limit: Duration::from_secs(1) };
    let (_, arguments, _) = call(&carrier, "m");
    let all: Vec<_> = arguments.iter().map(|a| a.to_string_lossy()).collect();
    assert!(!all.join(" ").contains(&STANDARD.encode("one\n")));
}

#[test]
fn damaged_answers_are_not_believed() {
    for text in ["", "B x\nE x\n", "B m\n", "B m\nO 1 made\n", "B m\nE m\n", "B m\nO 1 odd\nE m\n"]
    {
        assert!(answer::read(text, "m", 1).is_err(), "{text:?}");
    }
    assert!(answer::read("motd\nB m\nC 1\nO 1 made\nE m\n", "m", 1).is_ok());
}

/// What a supervisor's command does, what it ends with, and what comes of it.
#[test]
fn a_restart_is_believed_when_the_program_runs_anew() {
    let tree = Tree::new();
    // Its name is nobody else's, and a kernel keeps fifteen letters of it.
    let program = format!("rest{}", std::process::id());
    let copy = tree.0.path().join(&program);
    fs::copy("/bin/sleep", &copy).expect("a copy");
    let copy = copy.display();
    // A file of tomorrow is newer than any process.
    let file = tree.0.path().join("file");
    let tomorrow = std::time::SystemTime::now() + Duration::from_hours(24);
    fs::File::create(&file).and_then(|file| file.set_modified(tomorrow)).expect("a file");
    let file = file.display().to_string();
    let restarted = |command: &str, limit| {
        let mut old = std::process::Command::new("/bin/sh")
            .args(["-c", &format!("exec {copy} 60")])
            .spawn()
            .expect("a process");
        while fs::read_to_string(format!("/proc/{}/comm", old.id())).expect("it runs").trim()
            != program
        {
            std::thread::yield_now();
        }
        let reaper = std::thread::spawn(move || old.wait());
        let way = Way::Run(command.to_owned());
        let order = Order::Restart { program: &program, way: &way, limit, files: vec![&file] };
        let carrier = Carrier::Here { root: "/".into(), limit: Duration::from_mins(1) };
        let did = carry(&carrier, &[order], &Interrupt::never());
        let ended = std::process::Command::new("pkill").args(["-x", &program]).status();
        assert!(ended.is_ok_and(|ended| ended.success()), "none runs");
        reaper.join().expect("a reaper").expect("it has ended");
        did
    };
    let anew = format!("pkill -x {program}; {copy} 60 &");
    assert_eq!(restarted(&anew, 30).expect("made"), [Did::Made]);
    assert_eq!(restarted(&format!("{anew} exit 1"), 30).expect("made"), [Did::Made]);
    for (command, why) in [
        ("exit 1", "ended with 1, and"),
        ("no-such-supervisor", "ended with 127"),
        ("true", "did not come back within 1 s"),
    ] {
        let said = restarted(command, 1).expect_err(command).to_string();
        assert!(said.contains(why), "{command}: {said}");
    }
}

/// An event of an audit log, as an API server writes it.
fn event(time: &str, id: &str, user: &str, from: &str) -> String {
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a","stage":"ResponseComplete","requestURI":"/api","verb":"get","user":{{"username":"{user}","groups":["g"],"extra":{{"authentication.kubernetes.io/credential-id":["X509SHA256={id}"]}}}},"sourceIPs":["{from}"],"userAgent":"x \"user\":{{\"username\":\"nobody\"","requestReceivedTimestamp":"{time}","stageTimestamp":"{time}"}}"#
    )
}

#[test]
fn audit_logs_tell_who_came_since_then() {
    let folder = tempfile::tempdir().expect("a directory");
    let log = folder.path().join("audit.log");
    let (old, new) = ("a".repeat(64), "b".repeat(64));
    let at = |second: u8| format!("2026-11-30T08:00:{second:02}.5Z");
    let lines = [
        event(&at(1), &old, "early", "10.0.0.1"),
        event(&at(30), &old, "ann", "10.0.0.2"),
        event(&at(31), &old, "ann", "10.0.0.2"),
        event(&at(29), &new, "bob", "::1"),
        // By a token, and half a line at the end.
        event(&at(40), "", "tok", "10.0.0.3").replace("X509SHA256=", "JTI="),
        r#"{"kind":"Event","user":{"username":"c"#.to_owned(),
    ];
    fs::write(&log, lines.join("\n")).expect("written");
    // A process of that name, as the machine's own shell sees it; others on this computer write no such log.
    let program = folder.path().join("kube-apiserver");
    fs::copy("/bin/bash", &program).expect("a program");
    let mut server = std::process::Command::new(&program)
        .args(["-c", "echo up; read -r _", "kube-apiserver", "--audit-log-path"])
        .arg(&log)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a server");
    let mut up = [0; 3];
    let out = server.stdout.as_mut().expect("its output");
    std::io::Read::read_exact(out, &mut up).expect("it is up");
    let carrier = Carrier::Here { root: "/".into(), limit: Duration::from_mins(1) };
    let seen = clients(&carrier, "2026-11-30T08:00:29", &Interrupt::never());
    drop(server.stdin.take());
    server.wait().expect("it ended");
    let Came { read_from, clients: mut seen } = seen.expect("read").expect("a log");
    // Servers of labs on this computer may write theirs.
    assert!(read_from >= at(1), "{read_from}");
    seen.retain(|client| [&old, &new].contains(&&client.certificate));
    seen.sort();
    let client = |certificate: &String, user: &str, from: &str, first, last| Client {
        certificate: certificate.clone(),
        user: user.to_owned(),
        from: from.to_owned(),
        first: at(first),
        last: at(last),
    };
    assert_eq!(seen, [client(&old, "ann", "10.0.0.2", 30, 31), client(&new, "bob", "::1", 29, 29)]);
    // In a tree of files no server runs.
    let limit = Duration::from_mins(1);
    let tree = Carrier::Here { root: folder.path().to_owned(), limit };
    assert_eq!(clients(&tree, "2026", &Interrupt::never()).expect("asked"), None);
}
