//! The last act, on machines: the cluster's CAs are replaced while clients of every kind count what fails.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::stage::Stage;
use super::tell::{shown, tell};
use crate::machines::{ALONE, CLIENTS, Clients, Counted, Kind, Machines, Scope};

const APPLY: &str = "kubectl rotate-certs apply --rotate cluster,front-proxy --yes";
const FINISH: &str = "kubectl rotate-certs finish --yes";
const REPORT: &str = "kubectl rotate-certs report --html evidence.html";
/// The exit code of what was refused before anything was changed.
const REFUSED: i32 = 4;
/// A kubelet restarts three times: whoever asks it by its own port just then is refused.
const KUBELET: &str = ":10250";

/// What was seen.
#[derive(Clone, Debug)]
pub(super) struct Rotated {
    /// Exit codes of `apply`, of the first and of the second `finish`.
    codes: [Option<i32>; 3],
    took: Duration,
    counted: Counted,
}

/// Rotates; the evidence is copied to `page`.
pub(super) fn rotate(stage: &Stage, lab: &Machines, page: &Path) -> Result<Rotated> {
    let folder = lab.dir().join("rotate");
    fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(folder.join("cluster.toml"), lab.cluster_file())?;
    let run = |line: &str| -> Result<Option<i32>> {
        shown(line);
        Ok(stage.at_desk(lab, &folder, line)?.code())
    };
    tell(
        "Pods and programs at the operator's desk ask every API server and every kubelet, as clients of every kind \
         do: some read the CA once, some for each request. Only `retry` and `failover` try a second time.",
    );
    let clients = Clients::start(lab, Scope::Core)?;
    let began = Instant::now();
    let apply = run(APPLY)?;
    tell(
        "Old and new CA are trusted now, and everybody shows certificates of the new one. Before the old one is \
         dropped it is proven that nobody needs it:",
    );
    let first = run(FINISH)?;
    tell("One pod has read the CA when it started, and nobody would make it again. So:");
    let alone = format!("kubectl recycle pod/{ALONE} -n {CLIENTS} --allow bare --yes");
    run(&alone)?;
    let second = run(FINISH)?;
    let took = began.elapsed();
    run(REPORT)?;
    let counted = clients.stop()?;
    fs::copy(folder.join("evidence.html"), page)
        .with_context(|| format!("cannot write {}", page.display()))?;
    tell(&format!("The evidence of all that, for a browser: {}", page.display()));
    Ok(Rotated { codes: [apply, first, second], took, counted })
}

/// Where the page goes: beside what cargo builds.
pub(super) fn page(programs: &Path) -> PathBuf {
    programs.parent().unwrap_or(programs).join("evidence.html")
}

/// Prints the table to stdout.
pub(super) fn table(rotated: &Rotated) -> Result<()> {
    let text = format!(
        "\nclients while the CAs of the cluster and of the front proxy were replaced, in {:.0} s:\n\n{}",
        rotated.took.as_secs_f64(),
        rotated.counted.table()
    );
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}

/// An error unless the CAs were replaced, the one pod was named, and no request failed that could succeed.
pub(super) fn judge(rotated: &Rotated) -> Result<()> {
    let [apply, first, second] = rotated.codes;
    if apply != Some(0) || second != Some(0) {
        bail!("the rotation did not come to its end: apply {apply:?}, finish {second:?}");
    }
    if first != Some(REFUSED) {
        bail!("a pod that reads its CA once was not waited for: finish ended with {first:?}");
    }
    let failed = rotated.counted.rows().filter(|(kind, target, tally)| {
        tally.failed > 0 && !(*kind == Kind::Scrape && target.ends_with(KUBELET))
    });
    let failed: Vec<String> = failed
        .map(|(kind, target, tally)| format!("{} {target}: {}", kind.name(), tally.failed))
        .collect();
    if !failed.is_empty() {
        bail!(
            "requests failed during the rotation (where there was no answer within 5 s, this computer may be busy with \
             something else): {}",
            failed.join(", ")
        );
    }
    Ok(())
}
