//! Files: durable, private, and clear about what is wrong.

use rotation_core::facts::exit::{Exit, Fault as _};
use rotation_core::world::files::{self, AppendFile, FileError, Lock};
use std::error::Error as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use tempfile::TempDir;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("there").mode() & 0o7777
}

fn say(error: &FileError) -> String {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    format!("{error}: {cause} | {}", error.hint().unwrap_or_default())
}

fn listing(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    entries.map(|e| e.expect("entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn what_is_made_is_private_from_the_first_moment() {
    let dir = TempDir::new().expect("a directory");
    let inner = dir.path().join("a/b");
    files::private_directory(&inner).expect("made");
    files::private_directory(&inner).expect("it may be there");
    assert_eq!((mode(&inner), mode(&dir.path().join("a"))), (0o700, 0o700));
    let file = inner.join("f");
    files::replace(&file, b"one").expect("written");
    assert_eq!(mode(&file), 0o600);
    files::create_new(&inner.join("g"), b"x").expect("written");
    assert_eq!(mode(&inner.join("g")), 0o600);
    drop(AppendFile::open(&inner.join("h")).expect("opened"));
    assert_eq!(mode(&inner.join("h")), 0o600);
}

#[test]
fn a_replacement_leaves_nothing_beside_it() {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("f");
    files::replace(&file, b"one").expect("written");
    let before = std::fs::metadata(&file).expect("there").ino();
    files::replace(&file, b"two").expect("written");
    assert_eq!(files::read(&file).expect("read"), "two");
    assert_ne!(std::fs::metadata(&file).expect("there").ino(), before, "a new file in its place");
    assert_eq!(listing(dir.path()), ["f"]);
    assert!(files::create_new(&file, b"three").is_err());
    assert_eq!(files::read_if_there(&dir.path().join("none")).expect("fine"), None);
}

#[test]
fn appends_are_read_back_and_torn_lines_are_cut() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("journal");
    let mut file = AppendFile::open(&path).expect("opened");
    file.append(b"one\n").expect("written");
    file.append(b"two\nthr").expect("written");
    assert_eq!(file.read().expect("read"), "one\ntwo\nthr");
    drop(file);
    let mut file = AppendFile::open(&path).expect("opened");
    file.cut_torn_line().expect("cut");
    file.append(b"three\n").expect("written");
    assert_eq!(file.read().expect("read"), "one\ntwo\nthree\n");
}

#[test]
fn symbolic_links_are_refused() {
    let dir = TempDir::new().expect("a directory");
    let target = dir.path().join("precious");
    std::fs::write(&target, "old").expect("written");
    let link = dir.path().join("link");
    symlink(&target, &link).expect("linked");
    let errors = [
        files::replace(&link, b"new").expect_err("a link"),
        AppendFile::open(&link).expect_err("a link"),
        Lock::take(&link).expect_err("a link"),
        files::create_new(&link, b"new").expect_err("a link"),
    ];
    for error in &errors[..3] {
        assert!(say(error).contains("symbolic link"), "{}", say(error));
        assert_eq!(error.path(), link);
    }
    let dangling = dir.path().join("dangling");
    symlink(dir.path().join("elsewhere"), &dangling).expect("linked");
    assert!(AppendFile::open(&dangling).is_err());
    assert!(!dir.path().join("elsewhere").exists());
    let link_to_dir = dir.path().join("dirlink");
    symlink(dir.path(), &link_to_dir).expect("linked");
    assert!(files::private_directory(&link_to_dir).is_err());
    assert_eq!(std::fs::read_to_string(&target).expect("read"), "old");
}

#[test]
fn a_lock_names_its_holder() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("lock");
    let held = Lock::take(&path).expect("free");
    let error = Lock::take(&path).expect_err("held");
    let me = format!("process {} is using it", std::process::id());
    assert!(error.is_locked() && say(&error).contains(&me), "{}", say(&error));
    assert_eq!(error.exit(), Exit::Refused);
    drop(held);
    drop(Lock::take(&path).expect("free again"));

    let journal = dir.path().join("journal");
    let file = AppendFile::open(&journal).expect("free");
    let error = AppendFile::open(&journal).expect_err("held");
    assert!(error.is_locked() && say(&error).contains(&me), "{}", say(&error));
    drop(file);
}

#[test]
fn errors_name_the_path_and_the_reason() {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("written");
    let below = file.join("below");
    for error in [
        files::replace(&below, b"").expect_err("no directory"),
        files::private_directory(&below).expect_err("no directory"),
        AppendFile::open(&below).expect_err("no directory"),
    ] {
        let said = say(&error);
        assert!(said.contains("file/below") && said.contains("Not a directory"), "{said}");
    }
    let error = files::read(&dir.path().join("none")).expect_err("absent");
    assert!(error.is_not_found(), "{}", say(&error));
    let error = AppendFile::open(dir.path()).expect_err("a directory");
    assert!(say(&error).contains("directory"), "{}", say(&error));
    let error = files::replace(Path::new("/proc/none"), b"").expect_err("no place for files");
    assert!(say(&error).contains("/proc/none"), "{}", say(&error));
    assert!(files::replace(Path::new("/"), b"").is_err());
}

const PLACE: &str = "ROTATION_TEST_SMALL_DISK";

/// Runs on a small disk of its own, see below.
#[test]
fn the_child_on_a_small_disk() {
    let Some(place) = std::env::var_os(PLACE) else {
        return;
    };
    let place = Path::new(&place);
    if !place.join("journal").exists() {
        let mut file = AppendFile::open(&place.join("journal")).expect("opened");
        file.append(b"first\n").expect("there is room");
        let error = file.append(&vec![b'x'; 300_000]).expect_err("there is no room");
        assert!(
            say(&error).contains("No space left") && say(&error).contains("make room"),
            "{error:?}"
        );
        assert_eq!(file.read().expect("read"), "first\n", "nothing half written stays");
        files::replace(&place.join("f"), b"old").expect("there is room");
        let error = files::replace(&place.join("f"), &vec![b'x'; 300_000]).expect_err("no room");
        assert!(say(&error).contains("No space left"), "{error:?}");
        assert_eq!(files::read(&place.join("f")).expect("read"), "old");
        assert_eq!(listing(place).len(), 2);
        return;
    }
    for error in [
        files::replace(&place.join("f"), b"new").expect_err("read-only"),
        AppendFile::open(&place.join("journal")).expect_err("read-only"),
        files::private_directory(&place.join("d")).expect_err("read-only"),
    ] {
        assert!(say(&error).contains("Read-only file system"), "{error:?}");
        assert!(say(&error).contains("can be written"), "{error:?}");
    }
}

#[test]
fn a_full_and_a_read_only_disk_are_said_to_be_so() {
    let dir = TempDir::new().expect("a directory");
    let run = "\"$0\" --exact files::the_child_on_a_small_disk";
    let script = format!(
        "mount -t tmpfs -o size=128k small \"${PLACE}\" || exit 77; {run} && mount -o remount,ro \"${PLACE}\" && {run}"
    );
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .arg(std::env::current_exe().expect("a path"))
        .env(PLACE, dir.path())
        .output();
    match output {
        Ok(output) if output.status.success() => {}
        // No namespaces for this user here.
        Ok(output) if output.status.code() == Some(77) || output.stderr.starts_with(b"unshare") => {
        }
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stdout)),
        Err(_) => {}
    }
}
