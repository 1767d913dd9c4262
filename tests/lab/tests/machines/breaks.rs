//! What is broken on purpose is broken, and is as before when it is mended.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::machines::{Break, Machines};

use crate::eventually;

const WORKER: &str = "worker-2";
const PLANE: &str = "control-3";

/// What a shell on a machine says.
fn shell(lab: &Machines, machine: &str, line: &str) -> Result<String> {
    let output = lab.exec(machine, &["sh", "-c", line])?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether the sshd of a machine says who it is.
fn answers(lab: &Machines, address: &str) -> Result<bool> {
    let line = format!("exec 3<>/dev/tcp/{address}/22 && head -c 4 <&3");
    let output = lab.at_desk("timeout")?.args(["1", "bash", "-c", &line]).output()?;
    Ok(output.stdout == b"SSH-")
}

/// Whether the API server of the last control plane is asked without a fault; else what kubectl says.
fn asked(lab: &Machines) -> Result<Result<(), String>> {
    let config = lab.desk_kubeconfig();
    let mut command = lab.at_desk(lab.program("kubectl"))?;
    command.arg("--kubeconfig").arg(config).args(["--server", "https://10.77.0.13:6443"]);
    let output = command.args(["get", "--raw=/readyz"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(if output.status.success() { Ok(()) } else { Err(said) })
}

/// Sums of all files below a directory.
fn sums(lab: &Machines, machine: &str, directory: &str) -> Result<String> {
    let line = format!("find {directory} -type f | sort | xargs sha256sum");
    let sums = shell(lab, machine, &line)?;
    ensure!(sums.lines().count() > 1, "{directory} of {machine}: {sums}");
    Ok(sums)
}

pub(crate) fn what_is_broken_is_mended(lab: &Machines) -> Result<()> {
    let pki = "/etc/kubernetes/pki/apiserver.crt";
    let before = (sums(lab, PLANE, "/etc/kubernetes")?, sums(lab, WORKER, "/etc/kubernetes")?);
    let same = |what: &str| -> Result<()> {
        let now = (sums(lab, PLANE, "/etc/kubernetes")?, sums(lab, WORKER, "/etc/kubernetes")?);
        ensure!(now == before, "after {what} was mended: {now:?}, not {before:?}");
        Ok(())
    };

    let expire = Break::named("expire")?;
    let said = expire.seed(lab, PLANE, &["2 days ago", "1 day ago", pki])?;
    ensure!(said.trim() == pki, "{said}");
    eventually("a certificate that has ended", Duration::from_secs(30), || {
        Ok(asked(lab)?.is_err_and(|why| why.contains("expired")))
    })?;
    expire.mend(lab, PLANE)?;
    same("expire")?;
    eventually("the certificate from before", Duration::from_secs(30), || Ok(asked(lab)?.is_ok()))?;
    // A worker is lent the CA's key, and does not keep it.
    let own = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    expire.seed(lab, WORKER, &["2 days ago", "1 hour", own])?;
    let ends = shell(lab, WORKER, &format!("openssl x509 -noout -checkend 3700 -in {own}"))?;
    ensure!(ends.contains("will expire"), "{ends}");
    expire.mend(lab, WORKER)?;
    let root = lab.root_of(WORKER)?;
    ensure!(!root.join("root/authorities").exists(), "the worker has the CA's key");

    let half = Break::named("half-finish")?;
    let said = half.seed(lab, WORKER, &[])?;
    ensure!(said.lines().count() == 2 && said.contains("/pki/ca.crt"), "{said}");
    let again = half.seed(lab, WORKER, &[]).map_err(|why| format!("{why:#}"));
    ensure!(again.as_ref().is_err_and(|why| why.contains("mend it first")), "{again:?}");
    half.mend(lab, WORKER)?;
    same("half-finish")?;

    let fill = Break::named("fill-disk")?;
    fill.seed(lab, WORKER, &["/etc/kubernetes"])?;
    let line = "echo more >/etc/kubernetes/more || df --output=avail /etc/kubernetes | tail -n 1";
    ensure!(shell(lab, WORKER, line)? == "0", "there is room");
    shell(lab, WORKER, "rm /etc/kubernetes/more")?;
    fill.mend(lab, WORKER)?;
    same("fill-disk")?;

    let skew = Break::named("skew-clock")?;
    if Path::new("/usr/bin/faketime").exists() {
        skew.seed(lab, WORKER, &["-7200"])?;
        let difference = || -> Result<i64> {
            let (there, here) = (lab.exec(WORKER, &["date", "+%s"])?, jiff::Timestamp::now());
            let there: i64 = String::from_utf8(there.stdout)?.trim().parse()?;
            Ok((there - here.as_second()) / 60)
        };
        ensure!((-121..=-119).contains(&difference()?), "{} minutes", difference()?);
        skew.mend(lab, WORKER)?;
        ensure!((-1..=1).contains(&difference()?), "{} minutes", difference()?);
    }

    let address =
        lab.machines().iter().find(|one| one.name == WORKER).context("a worker")?.address();
    for name in ["stop-host", "cut"] {
        let one = Break::named(name)?;
        ensure!(answers(lab, &address)?, "{name}: sshd does not answer from the start");
        one.seed(lab, WORKER, &[])?;
        ensure!(!answers(lab, &address)?, "{name}: sshd answers");
        one.mend(lab, WORKER)?;
        eventually("sshd", Duration::from_secs(30), || answers(lab, &address))?;
    }
    for one in Break::all() {
        one.mend(lab, WORKER).with_context(|| format!("{}, once more", one.name))?;
    }
    same("everything once more")
}
