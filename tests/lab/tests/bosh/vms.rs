//! The VMs themselves: their monit, their layout, and the ways in which they can be sick.

use anyhow::{Result, ensure};
use clap::ValueEnum as _;
use lab::bosh::{Layout, Monit, Options, Sickness, Vms, down_together};

use crate::eventually;

fn start(minions: u8, layout: Layout, monit: Monit) -> Result<Vms> {
    Vms::start(&Options { masters: 0, minions, layout, monit, poll: 2, ..Options::default() })
}

/// A restart by monit's own command: another process, and only one.
fn restarts(lab: &Vms, vm: &str) -> Result<()> {
    let before = lab.proxies(vm)?;
    ensure!(before.len() == 1, "{before:?}");
    let job = lab.options().layout.job();
    lab.sh(vm, &format!("/var/vcap/bosh/bin/monit restart {job}"))?;
    eventually("another proxy that monit calls running", || {
        let now = lab.proxies(vm)?;
        let said = lab.monit_says(vm)?;
        let fine = said.contains("running") || said.contains("OK") && !said.contains("pending");
        Ok(fine && now.len() == 1 && now != before)
    })
}

pub(crate) fn both_monits() -> Result<()> {
    let lab = start(1, Layout::Gov, Monit::Stemcell)?;
    ensure!(lab.sh("minion-0", "/var/vcap/bosh/bin/monit summary")?.contains("Monit daemon 5.2.5"));
    restarts(&lab, "minion-0")?;
    // The stemcells' monit never looks further than the pidfile; today's knows its child.
    lab.make_sick("minion-0", Sickness::PidfileLost)?;
    eventually("a second proxy", || Ok(lab.proxies("minion-0")?.len() == 2))?;
    let lab = start(1, Layout::Gov, Monit::Debian)?;
    let said = lab.sh("minion-0", "/var/vcap/bosh/bin/monit summary")?;
    ensure!(said.contains("Service Name"), "{said}");
    restarts(&lab, "minion-0")
}

pub(crate) fn both_layouts() -> Result<()> {
    let lab = start(1, Layout::Cfcr, Monit::Stemcell)?;
    restarts(&lab, "minion-0")?;
    // The pidfile names the control script, whose child the proxy is.
    let wrapper = lab.read("minion-0", Layout::Cfcr.pidfile())?;
    let proxy = lab.proxies("minion-0")?[0].to_string();
    ensure!(wrapper.trim() != proxy, "{wrapper}");
    let parent = lab.sh("minion-0", &format!("ps -o ppid= {proxy}"))?;
    ensure!(parent.trim() == wrapper.trim(), "{parent} {wrapper}");
    let lab = start(1, Layout::Cfcr, Monit::Debian)?;
    restarts(&lab, "minion-0")
}

/// What is seen on a VM that was made sick in one way.
fn shows(lab: &Vms, vm: &str, how: Sickness) -> Result<()> {
    let proxies = || lab.proxies(vm);
    let pidfile = || lab.sh(vm, "cat /var/vcap/sys/run/proxy/proxy.pid 2>/dev/null || true");
    let says = |word: &str| eventually(word, || Ok(lab.monit_says(vm)?.contains(word)));
    let holds = |script: &str| eventually(script, || Ok(lab.sh(vm, script).is_ok()));
    match how {
        Sickness::Twin | Sickness::PidfileLost => {
            eventually("two proxies", || Ok(proxies()?.len() == 2))?;
            holds("grep -q 'address already in use' /var/vcap/sys/log/proxy/kube-proxy.stderr.log")
        }
        Sickness::PidfileEmpty => eventually("two proxies", || Ok(proxies()?.len() == 2)),
        Sickness::PidfileStranger => {
            let named = pidfile()?;
            ensure!(!proxies()?.iter().any(|pid| pid.to_string() == named.trim()), "{named}");
            says("running")
        }
        Sickness::PidRecycled => {
            ensure!(proxies()?.is_empty());
            says("running")
        }
        Sickness::IgnoresTerm => {
            let before = proxies()?;
            lab.sh(vm, &format!("kill {}; sleep 1", before[0]))?;
            ensure!(proxies()? == before, "it ended");
            says("running")
        }
        Sickness::PortTaken | Sickness::PortTakenBriefly => {
            lab.sh(vm, "/var/vcap/bosh/bin/monit restart proxy")?;
            holds("grep -q 'metrics server failed' /var/vcap/sys/log/proxy/kube-proxy.stderr.log")
        }
        Sickness::Unmonitored => {
            says("not monitored")?;
            ensure!(proxies()?.len() == 1);
            Ok(())
        }
        Sickness::Stopped => {
            ensure!(proxies()?.is_empty());
            says("not monitored")
        }
        Sickness::MonitDown => says("the monit daemon is not running"),
        Sickness::MonitHung => says("cannot read status"),
        Sickness::ActionPending => says("restart pending"),
        Sickness::JobUnknown => {
            let said = lab.sh(vm, "/var/vcap/bosh/bin/monit restart proxy 2>&1 || true")?;
            ensure!(said.contains("There is no service by that name"), "{said}");
            Ok(())
        }
        Sickness::ClockOff => {
            let there: i64 = lab.sh(vm, "date +%s")?.trim().parse()?;
            let here = jiff::Timestamp::now().as_second();
            ensure!((3500..3700).contains(&(there - here)), "{}", there - here);
            Ok(())
        }
        Sickness::DiskFull => {
            ensure!(
                lab.sh(vm, "echo x >/var/vcap/sys/log/x && sync && [ -s /var/vcap/sys/log/x ]")
                    .is_err()
            );
            Ok(())
        }
        Sickness::LeftoverAccount => holds("id bosh_0123456789abcde"),
        Sickness::SlowStart8
        | Sickness::SlowStart60
        | Sickness::ExitsAtStart
        | Sickness::CrashLoop => {
            lab.sh(vm, "/var/vcap/bosh/bin/monit restart proxy")?;
            eventually("no proxy", || Ok(proxies()?.is_empty()))
        }
        // These are seen through `bosh`, in the recordings.
        Sickness::NoVm
        | Sickness::Ignored
        | Sickness::SilentAgent
        | Sickness::RefusingAgent
        | Sickness::WrongHostKey
        | Sickness::NoHostKey
        | Sickness::Refused
        | Sickness::HungSshd
        | Sickness::BlackHole
        | Sickness::NoRoute
        | Sickness::Noise => Ok(()),
    }
}

pub(crate) fn sicknesses() -> Result<()> {
    let all = Sickness::value_variants();
    let lab = start(u8::try_from(all.len())?, Layout::Gov, Monit::Stemcell)?;
    let failures: Vec<String> = std::thread::scope(|scope| {
        let each: Vec<_> = all
            .iter()
            .enumerate()
            .map(|(number, how)| {
                let lab = &lab;
                scope.spawn(move || {
                    let vm = format!("minion-{number}");
                    let seen = lab.make_sick(&vm, *how).and_then(|()| shows(lab, &vm, *how));
                    seen.err().map(|error| format!("{how:?}: {error:#}"))
                })
            })
            .collect();
        each.into_iter()
            .filter_map(|one| one.join().unwrap_or(Some("panicked".to_owned())))
            .collect()
    });
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// Why all of this is there.
pub(crate) fn runbook() -> Result<()> {
    let lab = start(3, Layout::Gov, Monit::Stemcell)?;
    for vm in ["minion-0", "minion-1", "minion-2"] {
        // On a busy machine the first could be up again before the last one's turn.
        lab.set_knob(vm, "start-delay", Some("10"))?;
    }
    let mut command = std::process::Command::new(lab.bosh());
    command
        .args(["ssh", "minion", "-c", "sudo /var/vcap/bosh/bin/monit restart proxy"])
        .env_clear()
        .envs(lab.environment())
        .env("HOME", lab.dir())
        .env("PATH", "/usr/bin:/bin");
    let ended = command.output()?;
    ensure!(ended.status.success(), "{ended:?}");
    eventually("all proxies up again", || {
        let changes = lab.record()?;
        Ok(changes.len() >= 9 && changes.iter().rev().take(3).all(|change| change.up))
    })?;
    let most = down_together(&lab.record()?);
    ensure!(most["minion"] == 3, "{most:?}");
    Ok(())
}
