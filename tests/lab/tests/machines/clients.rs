//! Clients of every kind, while one API server and one kubelet do not answer.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lab::machines::{CLIENTS, Clients, Counted, Kind, Machines, Scope};

use crate::{eventually, note};

/// Programs that hold their connections and do nothing, until this is dropped.
struct Frozen<'a>(&'a Machines, &'static [(&'static str, &'static str)]);

impl<'a> Frozen<'a> {
    fn new(lab: &'a Machines, programs: &'static [(&'static str, &'static str)]) -> Result<Self> {
        let frozen = Self(lab, programs);
        for (machine, program) in programs {
            let output = lab.exec(machine, &["pkill", "-STOP", "-x", program])?;
            ensure!(output.status.success(), "no {program} on {machine}: {output:?}");
        }
        Ok(frozen)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        for (machine, program) in self.1 {
            let _ = self.0.exec(machine, &["pkill", "-CONT", "-x", program]);
        }
    }
}

pub(crate) fn count_what_fails(lab: &Machines) -> Result<()> {
    let began = Instant::now();
    let clients = Clients::start(lab, Scope::Extended)?;
    note(&format!("{:5.1} s each client has an answer", began.elapsed().as_secs_f64()));
    let running = clients.read()?.running();
    // Pods are replaced, and nothing that they counted is lost.
    let before = clients.read()?.kind(Kind::Fresh).requests;
    lab.kubectl_text(&["-n", CLIENTS, "delete", "pods", "-l", "app=fresh"])?;
    eventually("clients in the new pods", Duration::from_mins(1), || {
        let counted = clients.read()?;
        Ok(counted.running_of(Kind::Fresh) == 2 && counted.running() == running)
    })?;
    let quiet = clients.settle()?;
    note(&format!("quiet\n{}", quiet.table()));
    ensure!(quiet.kind(Kind::Fresh).requests > before, "requests of pods before are gone");
    for kind in Kind::ALL {
        let tally = quiet.kind(kind);
        ensure!(tally.requests > 0 && tally.failed == 0, "{}\n{tally:?}", kind.name());
    }

    let frozen = Frozen::new(lab, &[("control-1", "kube-apiserver"), ("worker-2", "kubelet")])?;
    // Patience is 5 s, and the scraper asks every 2 s: what it asked first has failed before this ends.
    std::thread::sleep(Duration::from_secs(8));
    drop(frozen);
    let counted = clients.settle()?.since(&quiet);
    note(&format!("frozen\n{}", counted.targets()));
    only(&counted, Kind::Address, &["10.77.0.11:6443/kept", "10.77.0.11:6443/new"])?;
    only(&counted, Kind::Scrape, &["10.77.0.11:6443", "10.77.0.22:10250"])?;
    only(&counted, Kind::Aggregated, &["10.77.0.11:6443"])?;
    only(&counted, Kind::Webhook, &["10.77.0.11:6443"])?;
    // Who knows all addresses had an answer each time, a little later.
    let failover = counted.kind(Kind::Failover);
    ensure!(failover.requests > 50 && failover.failed == 0, "failover: {failover:?}");
    // Neither the Service nor the balancer knows at once, and each third connection goes there.
    for kind in [Kind::Fresh, Kind::Reload, Kind::Kubeconfig] {
        let tally = counted.kind(kind);
        ensure!(tally.failed > 0 && tally.failed < tally.requests, "{}: {tally:?}", kind.name());
    }
    let gap = counted.target(Kind::Address, "10.77.0.11:6443/kept").gap;
    ensure!(gap > Duration::from_secs(6), "the API server was frozen, and the gap is {gap:?}");
    Ok(())
}

/// Exactly these targets of a kind failed, and each of them did.
fn only(counted: &Counted, kind: Kind, failing: &[&str]) -> Result<()> {
    let rows = counted.rows().filter(|row| row.0 == kind && row.2.failed > 0);
    let failed: Vec<&str> = rows.map(|row| row.1).collect();
    ensure!(failed == failing, "{}: {failed:?} failed, not {failing:?}", kind.name());
    Ok(())
}
