//! Nothing of a lab ever dials an address outside 127.0.0.0/8.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lab::loopback::{Loopback, Options};
use lab::{process, world};

/// The other end of a line of `/proc/net/{tcp,udp}[6]`, and the socket's inode; none for a listener.
fn remote(line: &str) -> Option<(IpAddr, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, port) = fields.get(2)?.split_once(':')?;
    if u16::from_str_radix(port, 16).ok()? == 0 {
        return None;
    }
    // Words of 32 bits, each as this machine stores it.
    let words: Option<Vec<u8>> = (0..address.len() / 8)
        .map(|n| u32::from_str_radix(&address[8 * n..8 * n + 8], 16).ok())
        .collect::<Option<Vec<u32>>>()
        .map(|words| words.into_iter().flat_map(u32::to_ne_bytes).collect());
    let bytes = words?;
    let address = if let Ok(four) = <[u8; 4]>::try_from(&bytes[..]) {
        IpAddr::V4(Ipv4Addr::from(four))
    } else {
        Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).ok()?).to_canonical()
    };
    Some((address, fields.get(9)?.parse().ok()?))
}

/// The sockets that a process holds.
fn sockets(pid: u32) -> BTreeSet<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return BTreeSet::new();
    };
    let inode = |path: &Path| {
        let link = fs::read_link(path).ok()?;
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    entries.filter_map(|entry| inode(&entry.ok()?.path())).collect()
}

/// How many connections of the lab there are now, and those that lead outside.
fn look(dir: &Path) -> (usize, Vec<IpAddr>) {
    let mut connections = Vec::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let text = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        connections.extend(text.lines().skip(1).filter_map(remote));
    }
    let mut ours = BTreeSet::new();
    for record in process::records(dir).unwrap_or_default() {
        ours.extend(sockets(record.identity.pid));
    }
    connections.retain(|(_, inode)| ours.contains(inode));
    let outside =
        connections.iter().map(|(address, _)| *address).filter(|address| !address.is_loopback());
    (connections.len(), outside.collect())
}

#[test]
fn nothing_leaves_the_machine() {
    let name = format!("t-dial-{}", std::process::id());
    let dir = process::root().unwrap().join(&name);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let (mut seen, mut outside) = (0, BTreeSet::new());
            while !done.load(Ordering::Relaxed) {
                let (count, found) = look(&dir);
                seen += count;
                outside.extend(found);
                std::thread::sleep(Duration::from_millis(5));
            }
            (seen, outside)
        });
        let options = Options { api_servers: 2, nodes: 3, name: Some(name), ..Options::default() };
        let lab = Loopback::start(&options);
        let used = lab.as_ref().map(|lab| {
            lab.apply(&world::runbooks()).unwrap();
            std::thread::sleep(Duration::from_secs(4));
        });
        done.store(true, Ordering::Relaxed);
        let (seen, outside) = watcher.join().unwrap();
        assert!(used.is_ok(), "{:#}", lab.unwrap_err());
        let lab = lab.unwrap();
        assert!(seen > 100, "the watcher saw only {seen} connections: it does not see");
        assert_eq!(outside, BTreeSet::new());

        // An attempt that fails at once is too quick to be seen, but not to be logged.
        for log in fs::read_dir(lab.dir().join("log")).unwrap().flatten() {
            let text = fs::read_to_string(log.path()).unwrap();
            let dialled: Vec<&str> = text
                .lines()
                .filter(|line| line.contains("dial tcp") || line.contains("dial udp"))
                .filter(|line| !line.contains("dial tcp 127."))
                .collect();
            assert_eq!(dialled, Vec::<&str>::new(), "{}", log.path().display());
        }
        for file in fs::read_dir(lab.dir()).unwrap().flatten() {
            if file.path().extension().is_some_and(|kind| kind == "conf") {
                let text = fs::read_to_string(file.path()).unwrap();
                let server = text.lines().find(|line| line.contains("server:")).unwrap();
                assert!(server.contains("https://127."), "{}: {server}", file.path().display());
            }
        }
    });
}

#[test]
fn addresses_are_read_as_the_kernel_writes_them() {
    let line = "0: 0100007F:1F90 0A0200C0:0016 02 0:0 00:0 0 0 0 4242 1";
    assert_eq!(remote(line), Some((IpAddr::from([192, 0, 2, 10]), 4242)));
    let mapped = "0: 00000000000000000000000000000000:1 0000000000000000FFFF00000100007F:0016 01 0:0 00:0 0 0 0 7 1";
    assert_eq!(remote(mapped), Some((IpAddr::from([127, 0, 0, 1]), 7)));
    assert_eq!(remote("0: 0100007F:1F90 00000000:0000 0A 0:0 00:0 0 0 0 4242 1"), None);
}
