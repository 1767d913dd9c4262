//! A tree of files, looked at as the machine that it is of, with what its files name.

use super::flags::Programs;
use super::host;
use super::places::Places;
use rotation_core::facts::host::HostSeen;
use rotation_core::world::hosts::local;
use std::collections::BTreeMap;
use std::path::Path;

/// How often named files may name further ones: a process a kubeconfig, and that a certificate.
const ROUNDS: usize = 3;

/// Looks at it.
pub(crate) fn look(
    root: &Path,
    patterns: &[String],
    layouts: &[Places],
    programs: &Programs,
) -> HostSeen {
    let mut seen = local::look(root, patterns);
    seen.processes = local::processes(root, |arguments| programs.knows(arguments));
    let mut read = BTreeMap::new();
    for _ in 0..ROUNDS {
        let more = host::mentioned(&seen, layouts, programs, &mut read);
        if more.is_empty() {
            break;
        }
        seen.files.extend(local::look(root, &more).files);
    }
    seen
}
