//! Room for what watches files. The kernel counts inotify instances by user and allows root 128; five machines with
//! what runs in them take about 100, and whoever finds none left (kube-proxy, say) ends and ends again.

use std::fs;

use crate::talk::say;

const LIMIT: &str = "/proc/sys/fs/inotify/max_user_instances";

/// Room for several clusters beside each other.
const ENOUGH: u32 = 1024;

/// Raises the kernel's limit until the next boot if it is low. Where it may not be changed, what there is must do.
pub(super) fn make_room() {
    let Some(limit) = read().filter(|limit| *limit < ENOUGH) else {
        return;
    };
    let name = "fs.inotify.max_user_instances";
    match fs::write(LIMIT, ENOUGH.to_string()) {
        Ok(()) => say(&format!("{name} is {ENOUGH} now, until the next boot: {limit} are few")),
        Err(error) => say(&format!("{name} is {limit}, which may be too few: {error}")),
    }
}

fn read() -> Option<u32> {
    fs::read_to_string(LIMIT).ok()?.trim().parse().ok()
}
