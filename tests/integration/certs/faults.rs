//! The writer under fault: full, read-only, foreign, linked, two at once, killed at each of its calls.

use super::sets::two;
use super::shop::{CERTS, Shop, mode};
use crate::harness::{Case, Need, cases, until};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_link_in_the_way;
        something_else_in_the_way;
        a_directory_of_somebody_else: Need::Root;
        a_directory_that_others_can_write_to;
        two_at_the_same_time;
        interrupted_while_keys_are_made;
        no_space: Need::Root;
        read_only: Need::Root;
        killed_at_every_call: Need::Program("strace", "strace");
        refused_at_every_call: Need::Program("strace", "strace");
        a_power_cut: Need::Root, Need::Program("xfs_io", "xfsprogs"), Need::Program("mkfs.ext4", "e2fsprogs");
    ]
}

const LINE: &str = "--layout two.toml -o out";

fn shop() -> Shop {
    let shop = Shop::new();
    shop.write("two.toml", &two("ecdsa-p256"));
    shop
}

fn a_link_in_the_way() {
    let shop = shop();
    fs::create_dir(shop.path("victim")).unwrap();
    symlink(shop.path("victim"), shop.path("out")).unwrap();
    shop.generate(LINE).exits(1).says("is a symbolic link, and those are not followed here");
    assert_eq!(fs::read_dir(shop.path("victim")).unwrap().count(), 0);
    fs::remove_file(shop.path("out")).unwrap();
    fs::create_dir(shop.path("out")).unwrap();
    symlink(shop.path("victim"), shop.path("out/generations")).unwrap();
    shop.generate(LINE).exits(4).says("out/generations is a symbolic link");
    fs::remove_file(shop.path("out/generations")).unwrap();
    // A fixed name that leads elsewhere: neither followed nor replaced.
    shop.write("victim/file", "precious");
    symlink(shop.path("victim/file"), shop.path("out/leaf.key")).unwrap();
    shop.generate(&format!("{LINE} --force-regen"))
        .exits(4)
        .says("out/leaf.key is in the way: a link that was not made here");
    assert_eq!(shop.text("victim/file"), "precious");
    assert!(!shop.path("out/current").exists());
}

fn something_else_in_the_way() {
    let shop = shop();
    fs::create_dir_all(shop.path("out/ca.crt")).unwrap();
    shop.generate(&format!("{LINE} --force-regen"))
        .exits(4)
        .says("out/ca.crt is in the way: it is a directory");
    fs::remove_dir(shop.path("out/ca.crt")).unwrap();
    shop.write("out/current", "x");
    shop.generate(LINE).exits(4).says("out/current is in the way");
}

fn a_directory_of_somebody_else() {
    let shop = shop();
    fs::create_dir(shop.path("out")).unwrap();
    shop.run("chown 65534 out");
    shop.generate(LINE)
        .exits(4)
        .says("belongs to user 65534, and this is user 0")
        .says("hint: run `chown`");
    assert_eq!(fs::read_dir(shop.path("out")).unwrap().count(), 0);
}

fn a_directory_that_others_can_write_to() {
    let shop = shop();
    fs::create_dir(shop.path("out")).unwrap();
    fs::set_permissions(shop.path("out"), fs::Permissions::from_mode(0o777)).unwrap();
    shop.generate(LINE)
        .exits(4)
        .says("others than its owner can write to out (mode 0777)")
        .says("chmod go-w");
}

fn two_at_the_same_time() {
    let shop = shop();
    let start = || {
        let mut command = shop.command(&["generate", "--layout", "two.toml", "-o", "out"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut all: Vec<_> = (0..6).map(|_| start()).collect();
    let codes: Vec<_> = all.iter_mut().map(|child| child.wait().unwrap().code().unwrap()).collect();
    // One makes the set. The others met its lock, or the set: refused, and nothing of theirs is left.
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| matches!(code, 0 | 4)), "{codes:?}");
    assert_eq!(fs::read_dir(shop.path("out/generations")).unwrap().count(), 1);
    whole(&shop).expect("the set");
}

fn interrupted_while_keys_are_made() {
    let shop = Shop::new();
    let line = "generate --layout kubeadm --node-name m1 --advertise-address 10.0.0.1 --key-type rsa-4096 -o out";
    let mut command = shop.command(&line.split(' ').collect::<Vec<_>>());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    until("it listens", || {
        let text = fs::read_to_string(&status).unwrap();
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        u64::from_str_radix(caught, 16).unwrap() & (1 << 1) != 0
    });
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted; nothing was changed"), "{said}");
    assert!(!shop.path("out").exists());
}

/// Whether what the fixed names show is one whole set: key and certificate belong together, the CA signed it.
fn whole(shop: &Shop) -> Result<(), String> {
    let must = |line: &str| {
        let (good, text) = shop.try_run(line);
        if good { Ok(text) } else { Err(format!("{line}: {text}")) }
    };
    must("openssl verify -x509_strict -CAfile out/ca.crt out/leaf.crt")?;
    for name in ["ca", "leaf"] {
        let public = must(&format!("openssl pkey -in out/{name}.key -pubout"))?;
        let shown = must(&format!("openssl x509 -noout -pubkey -in out/{name}.crt"))?;
        if public != shown {
            return Err(format!("{name}.key does not belong to {name}.crt"));
        }
        if mode(&shop.path(&format!("out/{name}.key"))) != 0o600 {
            return Err(format!("{name}.key can be read by others"));
        }
    }
    Ok(())
}

/// Where the set lies on a file system of its own.
struct Mounted<'a>(&'a Shop);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = self.0.try_run("umount -l out");
    }
}

fn no_space() {
    let shop = shop();
    fs::create_dir(shop.path("out")).unwrap();
    shop.run("mount -t tmpfs -o size=16k,mode=700 tmpfs out");
    let _mounted = Mounted(&shop);
    shop.generate(LINE).exits(1).says("No space left on device").says("hint: make room there");
    assert!(!shop.path("out/current").exists() && !shop.path("out/leaf.key").exists());
    shop.run("mount -o remount,size=4m out");
    shop.generate(LINE).exits(0);
    whole(&shop).expect("the next run makes it");
    assert!(
        !super::super::harness::files(&shop.path("out"))
            .iter()
            .any(|p| p.to_string_lossy().contains(".new-"))
    );
}

fn read_only() {
    let shop = shop();
    fs::create_dir(shop.path("out")).unwrap();
    shop.run("mount -t tmpfs -o ro,mode=700 tmpfs out");
    let _mounted = Mounted(&shop);
    shop.generate(LINE)
        .exits(1)
        .says("Read-only file system")
        .says("hint: choose a place that can be written");
}

/// The calls by which the writer changes files.
const CALLS: [&str; 9] = [
    "mkdir,mkdirat",
    "openat",
    "write",
    "fchmod",
    "fsync",
    "rename,renameat,renameat2",
    "symlinkat",
    "unlinkat",
    "ftruncate",
];

/// How often a run makes each of these calls; the order of threads does not matter, since keys are made in memory.
fn counted(shop: &Shop) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for calls in CALLS {
        let log = shop.path("strace.log");
        traced(shop, &format!("-e trace={calls}"), &log);
        let made = fs::read_to_string(&log).unwrap();
        counts.insert(
            calls,
            made.lines().filter(|line| line.contains('(') && !line.contains("resumed")).count(),
        );
        restore(shop);
    }
    counts
}

fn traced(shop: &Shop, how: &str, log: &std::path::Path) -> Option<i32> {
    let mut command = Command::new("strace");
    shop.prepare(&mut command);
    command.args(["-f", "-o"]).arg(log).args(how.split(' '));
    command.args([CERTS, "generate", "--layout", "two.toml", "--force-regen", "-o", "out"]);
    let output = command.output().unwrap();
    output.status.code()
}

/// The set as it was before the fault.
fn restore(shop: &Shop) {
    let _ = fs::remove_dir_all(shop.path("out"));
    shop.run("cp -a before out");
}

/// Each call once: a fault there, then what is seen, then the next run.
fn at_every_call(fault: &str, unharmed: &[i32]) {
    let shop = shop();
    shop.generate("--layout two.toml -o before").exits(0);
    restore(&shop);
    let old = shop.text("out/leaf.crt");
    let counts = counted(&shop);
    assert!(counts["rename,renameat,renameat2"] >= 2 && counts["fsync"] >= 8, "{counts:?}");
    let mut tried = 0;
    for (calls, count) in counts {
        for n in 1..=count {
            restore(&shop);
            let log = shop.path("strace.log");
            let how = format!("-e trace={calls} -e inject={calls}:{fault}:when={n}");
            let code = traced(&shop, &how, &log);
            whole(&shop).unwrap_or_else(|why| panic!("{calls} {n} ({code:?}): {why}"));
            let now = shop.text("out/leaf.crt");
            // What was acknowledged is there.
            assert!(code != Some(0) || now != old, "{calls} {n}: it said that it was done");
            assert!(code.is_none_or(|code| unharmed.contains(&code)), "{calls} {n}: exit {code:?}");
            shop.generate("--layout two.toml --force-regen -o out").exits(0);
            whole(&shop).unwrap_or_else(|why| panic!("{calls} {n}, the next run: {why}"));
            let left = fs::read_dir(shop.path("out/generations")).unwrap().flatten();
            assert!(
                !left.into_iter().any(|e| e.file_name().to_string_lossy().starts_with('.')),
                "{calls} {n}: unfinished"
            );
            tried += 1;
        }
    }
    assert!(tried >= 40, "{tried}");
}

fn killed_at_every_call() {
    at_every_call("signal=KILL", &[0, 1, 137]);
}

fn refused_at_every_call() {
    at_every_call("error=EIO", &[0, 1, 4, 127]);
}

/// The file system is shut down without writing its log, as a power cut would, right after the tool said 0.
fn a_power_cut() {
    let shop = shop();
    let script = format!(
        "set -e\nmount --make-rprivate /\ntruncate -s 64m disk\nmkfs.ext4 -q disk\nmkdir -p out\n\
         mount -o loop disk out\nchmod 700 out\nrmdir out/lost+found\n\
         {CERTS} generate --layout two.toml -o out\n\
         {CERTS} generate --layout two.toml --force-regen -o out\n\
         readlink out/current > said\nxfs_io -x -c shutdown out\numount out\n\
         mount -o loop disk out\nreadlink out/current > found\ncp -aL out/ca.crt out/leaf.crt out/leaf.key .\numount out\n"
    );
    shop.write("cut.sh", &script);
    shop.run("unshare -m sh cut.sh");
    assert_eq!(shop.text("said"), shop.text("found"));
    shop.run("openssl verify -x509_strict -CAfile ca.crt leaf.crt");
    let key = shop.run("openssl pkey -in leaf.key -pubout");
    assert_eq!(key, shop.run("openssl x509 -noout -pubkey -in leaf.crt"));
}
