//! Which cluster: machines with kubelets where they can be, otherwise simulated nodes; and why.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::components::{self, Set};
use crate::machines;

/// The form of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Simulated nodes.
    Loopback,
    /// Machines with kubelets.
    Machines,
}

/// A form and the reason for it.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) form: Form,
    pub(super) why: String,
}

/// What five machines take, with a margin.
const MEMORY_MIB: u64 = 4096;

impl Form {
    pub(super) const fn flag(self) -> &'static str {
        match self {
            Self::Loopback => "--loopback",
            Self::Machines => "--machines",
        }
    }

    /// How long the cluster takes to come up on a computer with little else to do.
    pub(super) const fn up_within(self) -> &'static str {
        match self {
            Self::Loopback => "about 10 s",
            Self::Machines => "about a minute",
        }
    }

    /// How long the demo will take, as far as that can be known.
    pub(super) fn how_long(self) -> Result<String> {
        let (run, sets): (_, &[_]) = match self {
            Self::Loopback => ("half a minute", &[(Set::Current, 600)]),
            Self::Machines => {
                ("five to six minutes", &[(Set::Current, 600), (Set::Node, 100), (Set::Tools, 80)])
            }
        };
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut seconds = 0;
        for (set, of_one_processor) in sets {
            if !components::compiled(*set)? {
                seconds += of_one_processor / processors;
            }
        }
        Ok(if seconds == 0 {
            format!("It takes {run}; Kubernetes is compiled already.")
        } else {
            format!(
                "It takes {run}, and before that, this once, Kubernetes is compiled: about {} on the {processors} \
                 processors of this computer.",
                minutes(seconds)
            )
        })
    }
}

fn minutes(seconds: usize) -> String {
    match seconds.div_ceil(60) {
        1 => "a minute".to_owned(),
        many => format!("{many} minutes"),
    }
}

/// Takes what is asked for; otherwise the machines, unless something speaks against them.
pub(super) fn choose(wanted: Option<Form>) -> Result<Chosen> {
    let against = machines::advice(&machines::missing());
    let machines =
        "The cluster: five machines on this computer, each with a kubelet and containers.";
    let loopback =
        "The cluster: a real control plane with simulated nodes, whose pods run no programs";
    let chosen = |form, why: String| Ok(Chosen { form, why });
    match wanted {
        Some(Form::Loopback) => chosen(Form::Loopback, format!("{loopback}, as asked.")),
        Some(Form::Machines) => match against {
            Some(advice) => bail!(advice),
            None => chosen(Form::Machines, machines.to_owned()),
        },
        None => match against.or_else(cannot) {
            Some(reason) => chosen(Form::Loopback, format!("{loopback}, because {reason}.")),
            None => chosen(Form::Machines, machines.to_owned()),
        },
    }
}

/// What root may lack, in a container for example.
fn cannot() -> Option<String> {
    let namespaces = Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "true"])
        .stdin(Stdio::null())
        .output();
    match namespaces {
        Ok(output) if output.status.success() => {}
        _ => return Some("machines need namespaces, and this root may not make them".to_owned()),
    }
    let memory = available_mib(&fs::read_to_string("/proc/meminfo").ok()?)?;
    (memory < MEMORY_MIB).then(|| {
        format!("machines need {MEMORY_MIB} MiB of memory, and {memory} MiB are available")
    })
}

fn available_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        let text = "MemTotal:       24000000 kB\nMemAvailable:    8388608 kB\n";
        assert_eq!(available_mib(text), Some(8192));
        assert_eq!(available_mib("MemTotal: 1 kB"), None);
    }

    #[test]
    fn minutes_are_rounded_up() {
        assert_eq!(minutes(50), "a minute");
        assert_eq!(minutes(300), "5 minutes");
        assert_eq!(minutes(301), "6 minutes");
    }
}
