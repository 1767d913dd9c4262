//! Looking at a machine's files below a directory.

use rotation_core::facts::host::{FileFault, HOST_FILE_LIMIT, HostSeen};
use rotation_core::world::hosts::local;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

struct Root(TempDir);

impl Root {
    fn new() -> Self {
        Self(TempDir::new().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        path
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn link(&self, name: &str, target: &str) {
        symlink(target, self.path(name)).expect("linked");
    }

    fn look(&self, patterns: &[&str]) -> HostSeen {
        let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        local::look(self.0.path(), &patterns)
    }

    fn fault(&self, path: &str) -> FileFault {
        let mut seen = self.look(&[path]);
        seen.files.remove(path).expect("its entry").content.expect_err("a fault")
    }

    fn text(&self, path: &str) -> String {
        text(&self.look(&[path]), path)
    }
}

fn text(seen: &HostSeen, path: &str) -> String {
    let bytes = seen.files[path].content.as_ref().expect("readable");
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn links_are_followed_as_the_machine_would_and_lead_nowhere_else() {
    let root = Root::new();
    root.write("/usr/local/share/ca.crt", "ca");
    root.link("/etc/ssl/certs/kubernetes.pem", "/usr/local/share/ca.crt");
    root.link("/etc/rel.pem", "../usr/./local/share/ca.crt");
    root.link("/etc/out.pem", "../../../../../../usr/local/share/ca.crt");
    root.link("/dir", "/usr/local");
    root.link("/outside", "/etc/passwd");
    let seen = root.look(&["/etc/ssl/certs/kubernetes.pem", "/dir/share/ca.crt", "/etc/rel.pem"]);
    for path in seen.files.keys() {
        assert_eq!(text(&seen, path), "ca");
    }
    assert_eq!(
        seen.files["/etc/ssl/certs/kubernetes.pem"].link.as_deref(),
        Some("/usr/local/share/ca.crt")
    );
    assert_eq!(seen.files["/dir/share/ca.crt"].link, None, "a directory above it is one");
    // As in a changed root: nothing is above it.
    assert_eq!(root.text("/etc/out.pem"), "ca");
    assert_eq!(root.fault("/outside"), FileFault::Absent);
}

#[test]
fn links_in_a_circle_end() {
    let root = Root::new();
    root.link("/a", "b");
    root.link("/b", "/a");
    root.link("/self/self", "../self");
    assert_eq!(root.fault("/a"), FileFault::Loop);
    assert_eq!(root.fault("/self/self/self/self/x"), FileFault::Absent);
}

#[test]
fn what_is_not_there_and_what_is_no_file() {
    let root = Root::new();
    root.write("/file", "x");
    root.write("/directory/x", "x");
    root.link("/dangling", "/nowhere");
    assert_eq!(root.fault("/nothing/at/all"), FileFault::Absent);
    assert_eq!(root.fault("/file/below"), FileFault::Absent);
    assert_eq!(root.fault("/directory"), FileFault::Directory);
    let seen = root.look(&["/dangling"]);
    assert_eq!(seen.files["/dangling"].link.as_deref(), Some("/nowhere"));
    assert_eq!(seen.files["/dangling"].content.as_ref().err(), Some(&FileFault::Absent));
}

#[test]
fn a_pipe_or_a_socket_keeps_nobody() {
    let root = Root::new();
    let pipe = root.path("/pki/ca.crt");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .expect("a pipe");
    let _socket =
        std::os::unix::net::UnixListener::bind(root.path("/pki/ca.sock")).expect("a socket");
    let since = Instant::now();
    assert_eq!(root.fault("/pki/ca.crt"), FileFault::Special);
    assert_eq!(root.fault("/pki/ca.sock"), FileFault::Special);
    assert!(since.elapsed() < Duration::from_secs(5));
}

/// The root of this machine has devices.
#[test]
fn a_device_is_not_opened() {
    let seen = local::look(Path::new("/"), &["/dev/null".to_owned(), "/dev/zero".to_owned()]);
    for file in seen.files.values() {
        assert_eq!(file.content.as_ref().err(), Some(&FileFault::Special));
    }
}

#[test]
fn a_gigantic_file_is_not_read() {
    let root = Root::new();
    let huge = fs::File::create(root.path("/ca.crt")).expect("made");
    huge.set_len(1 << 40).expect("sparse");
    assert_eq!(root.fault("/ca.crt"), FileFault::TooLarge(1 << 40));
    root.write("/just.crt", &"x".repeat(HOST_FILE_LIMIT));
    assert_eq!(root.text("/just.crt").len(), HOST_FILE_LIMIT);
}

#[test]
fn an_unreadable_file_is_told_as_that() {
    let root = Root::new();
    root.write("/ca.key", "x");
    root.write("/closed/ca.key", "x");
    fs::set_permissions(root.path("/ca.key"), fs::Permissions::from_mode(0o000)).expect("mode");
    fs::set_permissions(root.0.path().join("closed"), fs::Permissions::from_mode(0o000))
        .expect("mode");
    if rustix::process::geteuid().is_root() {
        // The superuser reads everything; the words of a machine where it cannot are the same.
        assert_eq!(root.text("/ca.key"), "x");
    } else {
        assert_eq!(root.fault("/ca.key"), FileFault::Denied);
        assert_eq!(root.fault("/closed/ca.key"), FileFault::Denied);
    }
    fs::set_permissions(root.0.path().join("closed"), fs::Permissions::from_mode(0o700))
        .expect("mode");
}

#[test]
fn patterns_find_what_fits() {
    let root = Root::new();
    for name in ["/net.d/10-calico.conf", "/net.d/calico-kubeconfig", "/net.d/.hidden-kubeconfig"] {
        root.write(name, name);
    }
    root.write("/jobs/a/config/ca.pem", "a");
    root.write("/jobs/b/config/ca.pem", "b");
    root.write("/jobs/c/other/ca.pem", "c");
    root.write("/net.d/new\nline-kubeconfig", "odd");
    let seen = root.look(&["/net.d/*kubeconfig", "/jobs/*/config/*.pem", "/no/*/where"]);
    let paths: Vec<&str> = seen.files.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "/jobs/a/config/ca.pem",
            "/jobs/b/config/ca.pem",
            "/net.d/calico-kubeconfig",
            "/net.d/new\nline-kubeconfig"
        ]
    );
}

/// Inode, size, mode, times (that of the last access as well), content.
fn print_of(directory: &Path, into: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(directory).expect("listed") {
        let path = entry.expect("an entry").path();
        let meta = fs::symlink_metadata(&path).expect("there");
        let times = (meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
        let atime = if meta.is_file() { meta.atime_nsec() } else { 0 };
        let text = format!("{} {} {:o} {times:?} {atime}", meta.ino(), meta.size(), meta.mode());
        into.insert(path.clone(), text);
        if meta.is_dir() {
            print_of(&path, into);
        }
    }
}

#[test]
fn nothing_is_changed_by_looking() {
    let root = Root::new();
    root.write("/pki/ca.crt", "ca");
    root.link("/pki/link.crt", "ca.crt");
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    print_of(root.0.path(), &mut before);
    std::thread::sleep(Duration::from_millis(20));
    root.look(&["/pki/*", "/pki/ca.crt", "/none"]);
    print_of(root.0.path(), &mut after);
    assert_eq!(before, after);
}

#[test]
fn this_process_is_seen_and_when_it_started() {
    let own = std::process::id();
    let found = local::processes(Path::new("/"), |arguments| !arguments.is_empty());
    let process = found.iter().find(|process| process.pid == own).expect("this one");
    let started = process.started.expect("a time");
    let age = jiff::Timestamp::now().duration_since(started);
    assert!(age.as_secs() >= -2 && age.as_secs() < 3600, "{age}");
    assert!(local::processes(Path::new("/no/such"), |_| true).is_empty());
}
