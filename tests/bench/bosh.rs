//! Figures of `bosh-proxy-restart` on VMs over real ssh, beside one round trip of `bosh ssh`, beside what monit needs by
//! itself, and beside the runbook's way.

use crate::measure::{median, size, time};
use crate::table::Table;
use anyhow::{Context as _, Result, ensure};
use lab::bosh::{Options, Vms};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// The tool, as it is released.
const TOOL: &str = env!("CARGO_BIN_EXE_bosh-proxy-restart");

/// What the runbook has one look at on each VM.
const LOOK: &str = "sudo /var/vcap/bosh/bin/monit summary; ps -ef | grep proxy; \
                    sudo tail -n 50 /var/vcap/sys/log/proxy/kube-proxy.stderr.log";

/// On the VM itself, without any ssh: monit's restart, until the new process is as old as the proof demands.
const ALONE: &str = r#"pidfile=/var/vcap/sys/run/proxy/proxy.pid
monit=/var/vcap/bosh/bin/monit
old=$(cat $pidfile)
$monit restart proxy
while :; do
  pid=$(cat $pidfile 2>/dev/null)
  if [ -n "$pid" ] && [ "$pid" != "$old" ] && [ -e /proc/$pid ] &&
    [ "$(ps -o etimes= -p "$pid")" -ge 12 ] && $monit summary | grep -q "^Process 'proxy' *running"; then exit; fi
  sleep 0.1
done"#;

/// All of it, on five VMs whose monit looks every ten seconds, as a stemcell's does.
pub(crate) fn figures(table: &mut Table, rounds: usize) -> Result<()> {
    let lab = Vms::start(&Options::default())?;
    let home = tempfile::tempdir()?;
    let command = |program: &Path, words: &[&str]| -> Result<Command> {
        let mut command = Command::new(program);
        let bosh = lab.bosh();
        let folder = bosh.parent().context("bosh is in no folder")?.display().to_string();
        command.args(words).env_clear().envs(lab.environment()).env("HOME", home.path());
        command.env("PATH", format!("{folder}:/usr/bin:/bin"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    };
    let tool = |words: &[&str]| command(Path::new(TOOL), words);
    let bosh = |words: &[&str]| command(&lab.bosh(), words);

    let megabytes = size(Path::new(TOOL))?;
    table.bytes("bosh-proxy-restart: size of the binary", megabytes, megabytes, 8_000_000);
    let start = median(rounds * 4, || time(tool(&["--version"])?, 0))?;
    table.time("bosh-proxy-restart --version", start, None, Some(0.003));

    let trip = || time(bosh(&["ssh", "minion/0", "-r", "--json", "-c", "true"])?, 0);
    let group = || time(bosh(&["ssh", "minion", "-r", "--json", "-c", LOOK])?, 0);
    let verify = || time(tool(&["verify"])?, 0);
    trip()?;
    let (ours, peer) = (median(rounds, verify)?, median(rounds, trip)?);
    table.within("verify of 5 VMs; peer: one `bosh ssh` to one of them", ours, peer, Some(1.5));
    table.within(
        "the same; peer: `bosh ssh` to a group of three",
        ours,
        median(rounds, group)?,
        None,
    );
    // What nobody can do without who looks at each instance by itself: the list, and a session that does nothing.
    let least = median(rounds, || {
        let begun = Instant::now();
        time(bosh(&["instances", "--ps", "--details", "--json"])?, 0)?;
        let sessions: Vec<Child> = lab
            .instances()
            .iter()
            .map(|one| Ok(bosh(&["ssh", &one.name(), "-r", "--json", "-c", "true"])?.spawn()?))
            .collect::<Result<_>>()?;
        for mut session in sessions {
            ensure!(session.wait()?.success(), "a session failed");
        }
        Ok(begun.elapsed().as_secs_f64())
    })?;
    table.within(
        "the same; peer: `bosh instances`, then `bosh ssh -c true` to all five at once",
        ours,
        least,
        None,
    );
    let each = median(rounds.min(3), || {
        let begun = Instant::now();
        for instance in lab.instances() {
            time(bosh(&["ssh", &instance.name(), "-r", "--json", "-c", LOOK])?, 0)?;
        }
        Ok(begun.elapsed().as_secs_f64())
    })?;
    table.within("the same; peer: the runbook's look, one VM after the other", ours, each, None);

    let alone = median(rounds.min(3), || {
        let begun = Instant::now();
        let ended = lab.exec("minion-0", &["bash", "-c", ALONE])?;
        ensure!(ended.status.success(), "{ended:?}");
        Ok(begun.elapsed().as_secs_f64())
    })?;
    let restart = ["minion/0", "--canary", "0", "--yes", "--all"];
    let ours = median(rounds.min(3), || time(tool(&restart)?, 0))?;
    table.time(
        "restart of one VM, above what monit and the proof's age need",
        ours - alone,
        None,
        Some(2.0),
    );
    table.within("the same as a whole; peer: monit on the VM itself", ours, alone, None);

    let begun = Instant::now();
    time(tool(&["--canary", "0", "--yes", "--all"])?, 0)?;
    let all = begun.elapsed();
    let each = (all / u32::try_from(lab.instances().len())?).as_secs_f64();
    table.time("each of five restarts, above the same", each - alone, None, Some(2.0));
    let all = all.as_secs_f64();
    let begun = Instant::now();
    for group in ["master", "minion"] {
        let line = "sudo /var/vcap/bosh/bin/monit restart proxy";
        time(bosh(&["ssh", group, "-c", line])?, 0)?;
    }
    for instance in lab.instances() {
        time(bosh(&["ssh", &instance.name(), "-r", "--json", "-c", LOOK])?, 0)?;
    }
    let runbook = begun.elapsed().as_secs_f64();
    table.within(
        "5 VMs one by one, each proven; peer: the runbook's way, each group down at once, nothing proven",
        all,
        runbook,
        None,
    );
    lab.down()
}
