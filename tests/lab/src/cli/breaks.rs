//! The verbs that break machines on purpose, and mend them.

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};

use super::Named;
use crate::machines::{Break, Machines};
use crate::talk::say;

/// What is broken.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Certificates end: the same CA, key and names, with dates that are over, or soon will be.
    ///
    /// Without --file, all of the machine that a CA of the cluster signed, those in kubeconfig files and the kubelet's
    /// among them; no CA. A file of a CA is renewed under its own key. Only files change: a component that reads its
    /// files once goes on with what it has until it is restarted.
    #[command(after_help = "Examples:
  cargo lab break expire control-1
  cargo lab break expire control-1 --file /etc/kubernetes/pki/apiserver.crt --in 30s
  cargo lab break expire --all
  cargo lab mend expire")]
    Expire(Expire),
    /// A rotation by hand was left in the middle: the next CA stands in some files of one machine only.
    ///
    /// On a control plane: a bundle in ca.crt, the API server's certificate and the scheduler's kubeconfig by the next
    /// CA. On a worker: the next CA alone in ca.crt, a bundle in kubelet.conf.
    #[command(
        after_help = "Example: cargo lab break half-finish control-1; cargo lab mend half-finish control-1"
    )]
    HalfFinish(On),
    /// The machine's cable is out: nothing reaches it, and it reaches nothing. Its programs run on.
    #[command(after_help = "Example: cargo lab break cut worker-1; cargo lab mend cut worker-1")]
    Cut(On),
    /// The machine hangs: each of its processes is frozen, those in pods too.
    ///
    /// Its kernel lives: connections are made, and nobody answers. One that nobody can reach at all is `cut`.
    #[command(
        after_help = "Example: cargo lab break stop-host worker-1; cargo lab mend stop-host worker-1"
    )]
    StopHost(On),
    /// A directory is on a file system without a free byte.
    ///
    /// It is a copy of the directory on a small tmpfs. What is written there meanwhile, where something was removed to
    /// make room, is kept when it is mended. Containers that run already see the directory as it was.
    #[command(
        after_help = "Example: cargo lab break fill-disk control-1 /etc/kubernetes; cargo lab mend fill-disk control-1"
    )]
    FillDisk(FillDisk),
    /// The clock that programs read is wrong.
    ///
    /// Skewed is what dynamically linked programs read that start from now on: `date`, openssl, `touch`. Not skewed:
    /// programs that run already, containers, and static ones, which means all of Kubernetes, etcd and containerd; nor the
    /// times of files and processes, which are the kernel's. Nobody gets in by ssh meanwhile, where sshd starts itself anew
    /// for each connection: its filter of system calls ends it. One that was started before with -r lets in.
    #[command(
        after_help = "Example: cargo lab break skew-clock worker-1 -- -1h; cargo lab mend skew-clock worker-1"
    )]
    SkewClock(SkewClock),
}

#[derive(Debug, Args)]
pub(super) struct On {
    #[command(flatten)]
    named: Named,
    /// On which machine, e.g. control-1.
    machine: String,
}

#[derive(Debug, Args)]
pub(super) struct Expire {
    #[command(flatten)]
    named: Named,
    /// On which machine, e.g. control-1.
    #[arg(required_unless_present = "all")]
    machine: Option<String>,
    /// On all machines.
    #[arg(long, conflicts_with = "machine")]
    all: bool,
    /// A certificate, a kubeconfig, or a file with both; may be given several times.
    #[arg(long, value_name = "PATH")]
    file: Vec<String>,
    /// When they end, e.g. 30s, 10m, 2h; without it, they ended yesterday.
    #[arg(long = "in", value_name = "TIME", value_parser = seconds)]
    ends: Option<i64>,
}

#[derive(Debug, Args)]
pub(super) struct FillDisk {
    #[command(flatten)]
    on: On,
    /// Which directory.
    #[arg(default_value = "/etc/kubernetes")]
    path: String,
}

#[derive(Debug, Args)]
pub(super) struct SkewClock {
    #[command(flatten)]
    on: On,
    /// By how much, e.g. +1h, -10m, +400d.
    #[arg(value_name = "TIME", value_parser = seconds, allow_hyphen_values = true)]
    offset: i64,
}

#[derive(Debug, Args)]
pub(super) struct Mend {
    #[command(flatten)]
    named: Named,
    /// What was broken: expire, half-finish, cut, stop-host, fill-disk, skew-clock. Without it, whatever is.
    what: Option<String>,
    /// On which machine; without it, on all.
    machine: Option<String>,
}

impl Verb {
    pub(super) fn run(&self) -> Result<()> {
        match self {
            Self::Expire(expire) => expire.run(),
            Self::HalfFinish(on) => on.seed("half-finish", &[]),
            Self::Cut(on) => on.seed("cut", &[]),
            Self::StopHost(on) => on.seed("stop-host", &[]),
            Self::FillDisk(fill) => fill.on.seed("fill-disk", &[&fill.path]),
            Self::SkewClock(skew) => skew.on.seed("skew-clock", &[&format!("{:+}", skew.offset)]),
        }
    }
}

impl On {
    fn seed(&self, what: &str, arguments: &[&str]) -> Result<()> {
        seed(&Machines::open(&self.named.name)?, &self.named.name, what, &self.machine, arguments)
    }
}

impl Expire {
    fn run(&self) -> Result<()> {
        let name = &self.named.name;
        let lab = Machines::open(name)?;
        let until = match self.ends {
            Some(seconds) => format!("{seconds} seconds"),
            None => "1 day ago".to_owned(),
        };
        let mut arguments = vec!["30 days ago", &until];
        arguments.extend(self.file.iter().map(String::as_str));
        let all = lab.machines().iter().map(|machine| &machine.name);
        let chosen = all.filter(|one| self.all || Some(*one) == self.machine.as_ref());
        let chosen: Vec<&String> = chosen.collect();
        match (&*chosen, &self.machine) {
            // Which names there are is said where it is looked for.
            ([], Some(unknown)) => seed(&lab, name, "expire", unknown, &arguments),
            _ => chosen
                .into_iter()
                .try_for_each(|machine| seed(&lab, name, "expire", machine, &arguments)),
        }
    }
}

impl Mend {
    pub(super) fn run(&self) -> Result<()> {
        let lab = Machines::open(&self.named.name)?;
        let all = match &self.what {
            Some(what) => vec![Break::named(what)?],
            // What was in the way of others comes last in the table.
            None => Break::all().into_iter().rev().collect(),
        };
        let machines: Vec<&str> = match &self.machine {
            Some(machine) => vec![machine],
            None => lab.machines().iter().map(|machine| machine.name.as_str()).collect(),
        };
        for one in &all {
            for machine in &machines {
                tell(machine, &one.mend(&lab, machine)?);
            }
        }
        let what = self.what.as_deref().unwrap_or("whatever was broken");
        say(&format!("{what} is mended on {}", machines.join(", ")));
        Ok(())
    }
}

fn seed(lab: &Machines, name: &str, what: &str, machine: &str, arguments: &[&str]) -> Result<()> {
    let one = Break::named(what)?;
    tell(machine, &one.seed(lab, machine, arguments)?);
    say(&format!("{machine}: {}", one.about));
    say(&format!("mend it: cargo lab mend --name {name} {what} {machine}"));
    Ok(())
}

fn tell(machine: &str, said: &str) {
    said.lines().for_each(|line| say(&format!("{machine}: {line}")));
}

/// A time with a unit, in seconds: `30s`, `+1h`, `-10m`.
fn seconds(text: &str) -> Result<i64> {
    let wrong = || format!("`{text}` is no time: it is a number with s, m, h or d, as 30s or -1h");
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => bail!(wrong()),
    };
    let number: i64 = text[..text.len() - 1].parse().with_context(wrong)?;
    number.checked_mul(unit).with_context(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_units() {
        for (text, wanted) in [
            ("30s", Some(30)),
            ("+1h", Some(3_600)),
            ("-10m", Some(-600)),
            ("400d", Some(34_560_000)),
            ("30", None),
            ("h", None),
            ("", None),
            ("1h30m", None),
            ("1ü", None),
            ("9223372036854775807d", None),
        ] {
            assert_eq!(seconds(text).ok(), wanted, "{text}");
        }
    }
}
