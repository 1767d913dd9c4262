//! How each set of programs is compiled: packages, flags, and the links under which one program answers to
//! several names.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::Set;

/// One call of the Go compiler.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// What it makes, for a person.
    pub(super) what: &'static str,
    pub(super) packages: &'static [&'static str],
    /// Where the programs go, relative to the set's directory; a trailing slash means a folder.
    pub(super) output: &'static str,
    pub(super) ldflags: String,
    pub(super) tags: &'static str,
    /// Needs a C compiler and libseccomp.
    pub(super) cgo: bool,
    /// Names that lead to the program `output`.
    pub(super) links: &'static [&'static str],
    /// The program the links lead to.
    pub(super) target: &'static str,
}

/// kwok's own stages, files of its module: the binary has none in it.
pub(super) const STAGES: &[(&str, &str)] = &[
    ("node-initialize.yaml", "node/fast/node-initialize.yaml"),
    ("node-heartbeat.yaml", "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml"),
    ("pod-ready.yaml", "pod/fast/pod-ready.yaml"),
    ("pod-complete.yaml", "pod/fast/pod-complete.yaml"),
    ("pod-delete.yaml", "pod/fast/pod-delete.yaml"),
];

pub(super) fn steps(set: Set, sources: &Path) -> Result<Vec<Step>> {
    let small = || "-s -w".to_owned();
    Ok(match set {
        Set::Current => vec![Step {
            what: "Kubernetes, etcd, kwok and CoreDNS",
            packages: &["./kubelab", "./kubectl", "./coredns", "./labpod"],
            output: "./",
            ldflags: stamped(sources)?,
            links: &[
                "etcd",
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kube-proxy",
                "kubelet",
                "kubeadm",
                "kwok",
            ],
            target: "kubelab",
            ..Step::default()
        }],
        Set::Old => vec![Step {
            what: "the old generation's control plane",
            packages: &["."],
            output: "kubelab-old",
            // This generation's dependencies reach into the runtime by name, which Go forbids by default now.
            ldflags: format!("{} -checklinkname=0", stamped(sources)?),
            links: &["kube-apiserver", "kube-controller-manager", "kube-scheduler"],
            target: "kubelab-old",
            ..Step::default()
        }],
        Set::Node => vec![
            // First, because it is the one that can lack something of the system.
            Step {
                what: "runc",
                packages: &["github.com/opencontainers/runc"],
                output: "runc",
                ldflags: format!("{} -linkmode external -extldflags -static", small()),
                // The kubelet asks for seccomp in every pod sandbox.
                tags: "seccomp netgo osusergo",
                cgo: true,
                ..Step::default()
            },
            Step {
                what: "containerd",
                packages: &[
                    "github.com/containerd/containerd/v2/cmd/containerd",
                    "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
                    "github.com/containerd/containerd/v2/cmd/ctr",
                ],
                output: "./",
                ldflags: small(),
                ..Step::default()
            },
            Step {
                what: "the network plug-ins",
                packages: &[
                    "github.com/containernetworking/plugins/plugins/ipam/host-local",
                    "github.com/containernetworking/plugins/plugins/main/ptp",
                    "github.com/containernetworking/plugins/plugins/main/loopback",
                ],
                output: "cni/",
                ldflags: small(),
                ..Step::default()
            },
        ],
        Set::Tools => vec![Step {
            what: "crictl and etcdctl",
            packages: &["sigs.k8s.io/cri-tools/cmd/crictl", "go.etcd.io/etcd/etcdctl/v3"],
            output: "./",
            ldflags: small(),
            ..Step::default()
        }],
    })
}

/// Linker flags with the version that the module pins: without them a server reports an empty one.
fn stamped(sources: &Path) -> Result<String> {
    let file = sources.join("go.mod");
    let text = fs::read_to_string(&file).with_context(|| {
        format!(
            "the lab's Go sources are not at {}: build the lab in its clone again",
            sources.display()
        )
    })?;
    let version = pinned(&text, "k8s.io/kubernetes")
        .with_context(|| format!("{} pins no k8s.io/kubernetes", file.display()))?;
    let minor = version.split('.').nth(1).unwrap_or_default();
    let component = "-X k8s.io/component-base/version";
    Ok(format!(
        "-s -w {component}.gitVersion={version} {component}.gitMajor=1 {component}.gitMinor={minor} \
         -X k8s.io/client-go/pkg/version.gitVersion={version}"
    ))
}

/// The version that a `go.mod` requires of `module`.
pub(super) fn pinned<'a>(text: &'a str, module: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word == "require");
        (words.next() == Some(module)).then(|| words.next()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_is_pinned_and_stamped() {
        for set in [Set::Current, Set::Old, Set::Node, Set::Tools] {
            let steps = steps(set, &set.sources()).unwrap();
            assert!(
                steps
                    .iter()
                    .all(|step| !step.packages.is_empty() && step.ldflags.starts_with("-s -w"))
            );
        }
        let old = &steps(Set::Old, &Set::Old.sources()).unwrap()[0].ldflags;
        assert!(old.contains("gitVersion=v1.24.") && old.contains("gitMinor=24"), "{old}");
    }

    #[test]
    fn pinned_reads_both_forms_of_require() {
        assert_eq!(pinned("require a/b v1.2.3\n", "a/b"), Some("v1.2.3"));
        assert_eq!(pinned("require (\n\ta/b v1.2.3 // indirect\n)\n", "a/b"), Some("v1.2.3"));
        assert_eq!(pinned("replace a/bc => a/b v1\n", "a/b"), None);
    }
}
