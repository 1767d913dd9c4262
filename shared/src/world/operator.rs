//! Who works here: for locks and journals.

use super::files;
use std::path::Path;

/// `USER@MACHINE`; the number of the user where it has no name.
pub fn name() -> String {
    let id = rustix::process::getuid().as_raw().to_string();
    let accounts = files::read(Path::new("/etc/passwd")).unwrap_or_default();
    let user = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number == id).then(|| name.to_owned())
    });
    let machine = files::read(Path::new("/proc/sys/kernel/hostname")).unwrap_or_default();
    format!("{}@{}", user.unwrap_or(id), machine.trim())
}
