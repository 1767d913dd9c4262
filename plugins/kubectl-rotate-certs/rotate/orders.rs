//! What a machine is told to do so that it comes to a stage: files first, then restarts, then what nobody needs any more.

use super::document::{ComponentPlan, FilePlan, HostPlan};
use super::stage::Stage;
use rotation_core::facts::credential::Digest;
use rotation_core::world::hosts::change::{Order, State, Way};

/// Seconds until a component must run again.
const RESTART: u64 = 180;

/// What a file is to hold, by its digest.
pub(crate) type Content = (Digest, zeroize::Zeroizing<Vec<u8>>);

/// A component that is restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Restart<'a> {
    /// Which.
    pub(crate) component: &'a ComponentPlan,
    /// How.
    pub(crate) way: Way,
}

/// Files that are not yet as they are to be, in the order in which they are written; those that go come last.
pub(crate) fn files<'a>(host: &'a HostPlan, seen: &[State], to: Stage) -> Vec<&'a FilePlan> {
    let mut due: Vec<&FilePlan> = host
        .files
        .iter()
        .zip(seen)
        .filter(|(file, state)| file.at(to) != *state)
        .map(|(file, _)| file)
        .collect();
    // A certificate comes right after its key: whoever looks in between finds one pair that does not fit, and not all.
    due.sort_by_key(|file| {
        let goes = *file.at(to) == State::Absent;
        (rank(file, to), stem(&file.path), is_key(&file.path) == goes)
    });
    due
}

fn is_key(path: &str) -> bool {
    std::path::Path::new(path).extension().is_some_and(|end| end == "key")
        || path.ends_with("-key.pem")
}

/// What a certificate and its key have in common.
fn stem(path: &str) -> &str {
    let ends = ["-key.pem", ".key", ".crt", ".pem"];
    ends.iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path)
}

fn rank(file: &FilePlan, to: Stage) -> u8 {
    match file.at(to) {
        State::Absent => 9,
        // A file that is read by nobody yet.
        State::File(_) if *file.at(Stage::Before) == State::Absent => u8::from(!is_key(&file.path)),
        // The controller manager must not meet two CAs in the file by which it signs: it is told of the other file before
        // the second CA comes, and of this one after it went.
        State::File(_) if file.settings && to == Stage::Accept => 2,
        State::File(_) if file.settings => 7,
        // A server that sees a new certificate takes the key that stands beside it in that moment.
        State::File(_) => 3,
        State::Link(_) => 6,
        State::Other(_) => 8,
    }
}

/// Components that have to be restarted between two stages. The machine leaves out those that started after their files
/// had changed.
pub(crate) fn restarts(host: &HostPlan, from: Stage, to: Stage) -> Vec<Restart<'_>> {
    let all = host.components.iter();
    all.filter_map(|component| {
        let way = component.restart(&host.files, from, to)?;
        Some(Restart { component, way })
    })
    .collect()
}

/// The orders for files; `content` gives what a file is to hold.
pub(crate) fn write<'a, E>(
    files: &[&'a FilePlan],
    to: Stage,
    contents: &'a [Content],
    missing: impl Fn(&FilePlan) -> E,
) -> Result<Vec<Order<'a>>, E> {
    let mut orders = Vec::new();
    for file in files {
        // What stands there must be one of the versions that we know.
        let mut before: Vec<State> = Vec::new();
        for version in &file.versions {
            if version != file.at(to) && !before.contains(version) {
                before.push(version.clone());
            }
        }
        orders.push(match file.at(to) {
            State::Absent => Order::Remove { path: &file.path, before },
            State::Link(target) => Order::Link { path: &file.path, target, before },
            State::File(digest) => {
                let content = contents.iter().find(|(known, _)| known == digest);
                let (_, content) = content.ok_or_else(|| missing(file))?;
                Order::Put {
                    path: &file.path,
                    mode: &file.mode,
                    owner: &file.owner,
                    before,
                    content,
                }
            }
            State::Other(_) => return Err(missing(file)),
        });
    }
    Ok(orders)
}

/// The orders for restarts.
pub(crate) fn restart<'a>(restarts: &'a [Restart<'a>]) -> Vec<Order<'a>> {
    let all = restarts.iter();
    all.map(|one| {
        let mut files: Vec<&str> = one.component.files.iter().map(String::as_str).collect();
        files.extend(one.component.manifest.as_deref());
        Order::Restart { program: &one.component.program, way: &one.way, limit: RESTART, files }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, settings: bool, versions: [&str; 5]) -> FilePlan {
        let state = |word: &str| match word {
            "-" => State::Absent,
            word if word.starts_with('>') => State::Link(word[1..].to_owned()),
            word => State::File(Digest::of(word.as_bytes())),
        };
        FilePlan {
            path: path.to_owned(),
            what: String::new(),
            mode: "600".to_owned(),
            owner: "0:0".to_owned(),
            settings,
            versions: versions.map(state).to_vec(),
        }
    }

    fn host() -> HostPlan {
        HostPlan {
            name: "m1".to_owned(),
            control_plane: true,
            files: vec![
                file("/manifests/kcm.yaml", true, ["a", "b", "b", "b", "a"]),
                file("/pki/ca.crt", false, ["o", "on", "on", "on", "n"]),
                file("/pki/ca.key", false, ["o", "o", "o", "o", "n"]),
                file("/pki/rotation-signer.crt", false, ["-", "o", "o", "n", "-"]),
                file("/pki/rotation-signer.key", false, ["-", "o", "o", "n", "-"]),
                file("/pki/current.pem", false, [">a", ">a", ">a", ">b", ">b"]),
            ],
            components: vec![ComponentPlan {
                program: "kube-controller-manager".to_owned(),
                way: Way::Kill,
                files: vec!["/pki/ca.crt".to_owned()],
                manifest: Some("/manifests/kcm.yaml".to_owned()),
            }],
            ports: std::collections::BTreeMap::new(),
        }
    }

    fn paths(host: &HostPlan, from: Stage, to: Stage) -> Vec<String> {
        let seen: Vec<State> = host.files.iter().map(|file| file.at(from).clone()).collect();
        let name = |file: &&FilePlan| file.path.rsplit('/').next().unwrap_or_default().to_owned();
        files(host, &seen, to).iter().map(name).collect()
    }

    #[test]
    fn files_are_written_in_the_order_that_breaks_nobody() {
        let host = host();
        assert_eq!(
            paths(&host, Stage::Before, Stage::Accept),
            ["rotation-signer.key", "rotation-signer.crt", "kcm.yaml", "ca.crt"]
        );
        assert_eq!(
            paths(&host, Stage::Sign, Stage::Switch),
            ["rotation-signer.key", "rotation-signer.crt", "current.pem"]
        );
        assert_eq!(
            paths(&host, Stage::Switch, Stage::Retire),
            ["ca.key", "ca.crt", "kcm.yaml", "rotation-signer.crt", "rotation-signer.key"]
        );
        assert_eq!(
            paths(&host, Stage::Accept, Stage::Before),
            ["ca.crt", "kcm.yaml", "rotation-signer.crt", "rotation-signer.key"]
        );
        assert!(paths(&host, Stage::Accept, Stage::Accept).is_empty());
    }

    #[test]
    fn who_is_restarted_and_how() {
        let host = host();
        let ways = |from, to| -> Vec<Way> {
            restarts(&host, from, to).into_iter().map(|restart| restart.way).collect()
        };
        assert_eq!(ways(Stage::Before, Stage::Accept), [Way::Wait], "its manifest says so");
        assert!(ways(Stage::Sign, Stage::Switch).is_empty());
        assert_eq!(ways(Stage::Switch, Stage::Retire), [Way::Wait]);
    }
}
