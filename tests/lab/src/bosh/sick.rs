//! Ways in which a VM can be sick, each by one word.

use std::fs::File;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::ValueEnum;
use rustix::fs::{FlockOperation, flock};

use super::faults::{Faults, HostKey, InstanceFaults};
use super::plan::{BLACK_HOLE, NOBODY};
use super::{Vms, boot, needs, net, proxy};
use crate::process::Processes;

/// One way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sickness {
    /// A second proxy runs.
    Twin,
    /// The pidfile is gone while the proxy runs.
    PidfileLost,
    /// The pidfile is empty while the proxy runs.
    PidfileEmpty,
    /// The pidfile names another program's process.
    PidfileStranger,
    /// The proxy is gone, and its PID is another program's process now.
    PidRecycled,
    /// Later proxies exit at their start.
    ExitsAtStart,
    /// Later proxies exit after two seconds.
    CrashLoop,
    /// The running proxy, and later ones, ignore TERM.
    IgnoresTerm,
    /// The next start takes 8 seconds.
    SlowStart8,
    /// The next start takes 60 seconds.
    SlowStart60,
    /// Another program takes the metrics port as soon as the proxy lets go, and keeps it.
    PortTaken,
    /// The same, for some seconds.
    PortTakenBriefly,
    /// Monit does not look at the job.
    Unmonitored,
    /// Somebody stopped the job.
    Stopped,
    /// Monit does not run.
    MonitDown,
    /// Monit runs and does not answer.
    MonitHung,
    /// A restart is under way, and takes the better part of a minute.
    ActionPending,
    /// Monit does not know the job.
    JobUnknown,
    /// The instance has no VM.
    NoVm,
    /// The director is told to ignore it.
    Ignored,
    /// Its agent does not answer.
    SilentAgent,
    /// Its agent fails to set up ssh.
    RefusingAgent,
    /// Its agent tells a host key that is not its sshd's.
    WrongHostKey,
    /// Its agent tells no host key.
    NoHostKey,
    /// Its sshd is down.
    Refused,
    /// Its sshd takes connections and says nothing.
    HungSshd,
    /// Packets to it vanish.
    BlackHole,
    /// There is no way to it.
    NoRoute,
    /// Its shell, its motd and its sudo talk besides.
    Noise,
    /// Its clock is an hour ahead.
    ClockOff,
    /// The disk that jobs write to is full.
    DiskFull,
    /// An account of an earlier `bosh ssh` was never removed.
    LeftoverAccount,
}

impl Vms {
    /// Changes what is wrong with the director, the agents and addresses.
    pub fn set_faults(&self, change: impl FnOnce(&mut Faults)) -> Result<()> {
        // One after the other, whoever it is: each changes what the last one left.
        let path = self.dir().join("faults.lock");
        let lock =
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        flock(&lock, FlockOperation::LockExclusive).context("cannot lock the lab's faults")?;
        let mut faults = Faults::read(self.dir())?;
        change(&mut faults);
        faults.write(self.dir())
    }

    /// Makes a VM sick.
    pub fn make_sick(&self, vm: &str, how: Sickness) -> Result<()> {
        let layout = self.options().layout;
        let (pidfile, logs) = (layout.pidfile(), layout.logs());
        let monit = "/var/vcap/bosh/bin/monit";
        let job = layout.job();
        let fault = |change: fn(&mut InstanceFaults)| {
            self.instance(vm)?;
            self.set_faults(|faults| change(faults.instances.entry(vm.to_owned()).or_default()))
        };
        let script = match how {
            Sickness::Twin => format!(
                "setsid --fork bash -c 'exec /var/vcap/packages/kubernetes/bin/kube-proxy --master=192.0.2.11:8080' \
                 >>{logs}/kube-proxy.stdout.log 2>>{logs}/kube-proxy.stderr.log </dev/null"
            ),
            Sickness::PidfileLost => format!("rm {pidfile}"),
            Sickness::PidfileEmpty => format!(": >{pidfile}"),
            Sickness::PidfileStranger => {
                // At once: a pidfile that is empty for a moment makes monit start another proxy.
                format!("{STRANGER} >{pidfile}.new; mv {pidfile}.new {pidfile}")
            }
            Sickness::PidRecycled => format!(
                "pid=$(cat {pidfile}); kill -9 $pid; while [ -e /proc/$pid ]; do :; done; \
                 for try in 1 2 3 4 5; do echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid; \
                 setsid /usr/local/bin/docker-proxy 1000000 >/dev/null 2>&1 </dev/null & \
                 [ $! = $pid ] && exit; kill $!; done; echo \"the kernel gave $!, not $pid\" >&2; exit 1"
            ),
            Sickness::ExitsAtStart => return self.set_knob(vm, "exit-at-start", Some("")),
            Sickness::CrashLoop => return self.set_knob(vm, "exit-after", Some("2")),
            Sickness::IgnoresTerm => {
                self.set_knob(vm, "ignore-term", Some(""))?;
                // One that is deaf from its start, under the same monit, which sees nothing but another PID.
                return self.replace_proxy(vm);
            }
            Sickness::SlowStart8 => return self.set_knob(vm, "start-delay", Some("8")),
            Sickness::SlowStart60 => return self.set_knob(vm, "start-delay", Some("60")),
            Sickness::PortTaken => hold("127.0.0.1:10249", 1_000_000),
            Sickness::PortTakenBriefly => hold("127.0.0.1:10249", 4),
            Sickness::Unmonitored => format!("{monit} unmonitor {job}"),
            Sickness::Stopped => format!(
                "{monit} stop {job}; while [ -e {pidfile} ]; do sleep 0.1; done; \
                 while {monit} summary | grep pending; do sleep 0.1; done"
            ),
            Sickness::MonitDown => return self.set_service(vm, "monit", false),
            Sickness::MonitHung => "kill -STOP $(cat /run/lab/monit.pid)".to_owned(),
            Sickness::ActionPending => {
                self.set_knob(vm, "start-delay", Some("40"))?;
                format!("{monit} restart {job}; while [ -e {pidfile} ]; do sleep 0.1; done")
            }
            Sickness::JobUnknown => {
                "rm /var/vcap/monit/job/0001_proxy.monitrc; kill -9 $(cat /run/lab/monit.pid); \
                 until /var/vcap/bosh/bin/monit summary | grep -q kubelet; do sleep 0.1; done"
                    .to_owned()
            }
            Sickness::NoVm => return fault(|fault| fault.without_vm = true),
            Sickness::Ignored => return fault(|fault| fault.ignored = true),
            Sickness::SilentAgent => return fault(|fault| fault.silent_agent = true),
            Sickness::RefusingAgent => return fault(|fault| fault.refusing_agent = true),
            Sickness::WrongHostKey => return fault(|fault| fault.host_key = Some(HostKey::Wrong)),
            Sickness::NoHostKey => return fault(|fault| fault.host_key = Some(HostKey::Missing)),
            Sickness::Refused => return self.set_service(vm, "sshd", false),
            Sickness::HungSshd => "kill -STOP $(cat /run/lab/sshd.pid)".to_owned(),
            Sickness::BlackHole => {
                return fault(|fault| fault.address = Some(BLACK_HOLE.to_owned()));
            }
            Sickness::NoRoute => return fault(|fault| fault.address = Some(NOBODY.to_owned())),
            Sickness::Noise => {
                let root = boot::root(self.dir(), vm);
                boot::write(&root, "/etc/bash.bashrc", 0o644, NOISE)?;
                boot::write(&root, "/etc/hosts", 0o644, "127.0.0.1 localhost\n")?;
                boot::write(
                    &root,
                    "/etc/motd",
                    0o644,
                    "Last patched on a Tuesday. \u{1b}[5mDo not panic.\u{1b}[0m\n",
                )?;
                return boot::write(&root, "/etc/issue.net", 0o644, BANNER);
            }
            Sickness::ClockOff => {
                let library = needs::clock()
                    .map_err(|missing| anyhow!(needs::advice(&[missing]).unwrap_or_default()))?;
                // Whoever asks for the time; a library in every process of the VM would be a sickness of its own.
                format!(
                    "printf '#!/bin/sh\\nexec env LD_PRELOAD={library} FAKETIME=+3600s /usr/bin/date \"$@\"\\n' \
                     >/usr/local/bin/date; chmod 755 /usr/local/bin/date"
                )
            }
            Sickness::DiskFull => {
                "cat /dev/zero >/var/vcap/data/filler 2>/dev/null; [ -s /var/vcap/data/filler ]"
                    .to_owned()
            }
            Sickness::LeftoverAccount => "useradd --create-home --base-dir /var/vcap/bosh_ssh \
                --groups bosh_sudoers,bosh_sshers bosh_0123456789abcde; \
                touch -d '3 days ago' /var/vcap/bosh_ssh/bosh_0123456789abcde"
                .to_owned(),
        };
        self.sh(vm, &script).map(drop).with_context(|| format!("cannot make {vm} sick: {how:?}"))
    }

    /// Makes a VM well again where that is one step: knobs, faults, services. Strays, pidfiles and accounts stay.
    pub fn make_well(&self, vm: &str) -> Result<()> {
        self.instance(vm)?;
        self.set_faults(|faults| drop(faults.instances.remove(vm)))?;
        for knob in ["exit-at-start", "exit-after", "ignore-term", "start-delay"] {
            self.set_knob(vm, knob, None)?;
        }
        self.sh(
            vm,
            "kill -CONT $(cat /run/lab/sshd.pid /run/lab/monit.pid 2>/dev/null) 2>/dev/null; \
                     pkill -9 -x port-holder; rm -f /var/vcap/data/filler /usr/local/bin/date",
        )
        .or_else(|error| {
            if error.to_string().contains("failed (exit") { Ok(String::new()) } else { Err(error) }
        })?;
        for service in ["sshd", "monit"] {
            self.set_service(vm, service, true)?;
        }
        Ok(())
    }

    /// Ends every ssh session on a VM from its side, as a link that breaks; what runs there is not asked.
    pub fn break_sessions(&self, vm: &str) -> Result<()> {
        // Those with a terminal; the listener has none.
        self.sh(vm, "pkill -9 -f '^sshd: bosh_' || [ $? = 1 ]").map(drop)
    }

    /// Pulls a VM's cable, or puts it in again.
    pub fn plug(&self, vm: &str, plugged: bool) -> Result<()> {
        let switch = Processes::open(self.dir())?.find(net::SWITCH)?.context("no switch")?;
        net::plug(switch.identity, self.instance(vm)?, plugged)
    }

    /// Has the gateway refuse every new connection, as one that is overloaded, until it is let go again.
    pub fn overload_gateway(&self, overloaded: bool) -> Result<()> {
        let startups = if overloaded { "MaxStartups 1:100:1\n" } else { "MaxStartups 10:30:100\n" };
        let settings = include_str!("vm/sshd_config").replace("MaxStartups 10:30:100\n", startups);
        let root = boot::root(self.dir(), super::plan::GATEWAY);
        boot::write(&root, "/etc/ssh/sshd_config", 0o644, &settings)?;
        let gateway = super::plan::GATEWAY;
        self.restart_service(gateway, "sshd")?;
        // One that says nothing takes the only place.
        let holder = if overloaded {
            "setsid --fork bash -c 'echo $$ >/run/lab/holder.pid; exec sleep 1000 <>/dev/tcp/127.0.0.1/22' \
             >/dev/null 2>&1 </dev/null; \
             until ss -tnH state established dport = :22 | grep -q .; do sleep 0.05; done"
        } else {
            "kill $(cat /run/lab/holder.pid)"
        };
        self.sh(gateway, holder).map(drop)
    }

    /// Rotates the proxy's logs, as logrotate does it on a stemcell (copytruncate), or by renaming them.
    pub fn rotate_logs(&self, vm: &str, truncate: bool) -> Result<()> {
        let logs = self.options().layout.logs();
        let step = if truncate { "cp $l $l.1 && : >$l" } else { "mv $l $l.1 && : >$l" };
        self.sh(vm, &format!("for l in {logs}/*.log; do {step}; done")).map(drop)
    }

    /// Ends a service of a VM, and waits until it is there again.
    pub fn restart_service(&self, vm: &str, service: &str) -> Result<()> {
        let script = format!(
            "old=$(cat /run/lab/{service}.pid); kill -9 \"$old\"; \
             until new=$(cat /run/lab/{service}.pid 2>/dev/null) && [ -n \"$new\" ] && [ \"$new\" != \"$old\" ]; \
             do sleep 0.05; done"
        );
        self.sh(vm, &script)?;
        if service == "sshd" {
            let inner = super::first(self.dir(), vm)?;
            crate::machines::wait(std::time::Duration::from_secs(10), "sshd", || {
                Ok(boot::listens(inner, 22))
            })?;
        }
        Ok(())
    }

    /// Ends the proxy behind monit's back and starts another by the job's own script; returns when monit is content.
    pub fn replace_proxy(&self, vm: &str) -> Result<()> {
        let layout = self.options().layout;
        let (pidfile, control) = (layout.pidfile(), layout.control());
        let before = self.proxies(vm)?;
        if before.len() != 1 {
            bail!("{vm} has {} proxies, not one", before.len());
        }
        // Monit is frozen meanwhile: it would start another one.
        let script = format!(
            "monit=$(cat /run/lab/monit.pid); kill -STOP $monit; kill -9 {} $(cat {pidfile}); rm -f {pidfile}; \
             setsid --fork {control} start; until [ -s {pidfile} ]; do sleep 0.02; done; kill -CONT $monit",
            before[0]
        );
        self.sh(vm, &script)?;
        let inner = super::first(self.dir(), vm)?;
        crate::machines::wait(std::time::Duration::from_secs(20), "another proxy", || {
            let says = self.monit_says(vm)?;
            let content =
                says.ends_with("running") || says.contains(" OK  ") && !says.contains("pending");
            Ok(content && boot::listens(inner, 10256) && self.proxies(vm)? != before)
        })
    }
}

/// Prints the PID of a process that is no proxy.
const STRANGER: &str = "pgrep -x docker-proxy | head -1";

const BANNER: &str = "Unauthorized use is strictly prohibited. All access and activity\n\
                      is subject to logging and monitoring.\nBEGIN 0 \u{1b}[31mred\u{1b}[0m END proxy running OK\n";

/// Said by every shell that sshd starts.
const NOISE: &str = "echo 'Welcome! Process proxy running; BEGIN 0'\n\
                     echo 'bash: warning: setlocale: LC_ALL: cannot change locale (en_US.UTF-8)' >&2\n";

/// Starts the program that holds a port. It waits for the port to become free.
fn hold(address: &str, seconds: u32) -> String {
    let folder = proxy::KNOBS;
    format!(
        "[ -d {folder} ] && setsid --fork /usr/local/bin/port-holder {address} {seconds} >/dev/null 2>&1 </dev/null"
    )
}
