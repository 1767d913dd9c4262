//! The comparison, and whether it shows what it is meant to show.

use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::act::Seen;
use super::loss::Loss;
use crate::talk::aligned;

/// Prints the table to stdout.
pub(super) fn table(runbook: &Seen, recycle: &Seen) -> Result<()> {
    let text = format!("\n{}", aligned(&rows(runbook, recycle)));
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}

type Row = [String; 3];

fn rows(runbook: &Seen, recycle: &Seen) -> Vec<Row> {
    let row =
        |what: &str, of: &dyn Fn(&Seen) -> String| [what.to_owned(), of(runbook), of(recycle)];
    let mut rows = vec![["", "RUNBOOK", "KUBECTL RECYCLE"].map(str::to_owned)];
    match runbook.loss {
        Loss::Lookups(_) => {
            rows.push(row("lookups that failed", &|seen| match seen.loss {
                Loss::Lookups(tally) => format!("{} of {}", tally.failed, tally.lookups),
                Loss::Endpoints { .. } => "-".to_owned(),
            }));
            rows.push(row("lookups that had to be repeated", &|seen| match seen.loss {
                Loss::Lookups(tally) => tally.slow.to_string(),
                Loss::Endpoints { .. } => "-".to_owned(),
            }));
            rows.push(row("longest time between two answers", &|seen| match seen.loss {
                Loss::Lookups(tally) => seconds(tally.gap),
                Loss::Endpoints { .. } => "-".to_owned(),
            }));
        }
        Loss::Endpoints { .. } => {
            rows.push(row("time without a Ready DNS server", &|seen| match seen.loss {
                Loss::Endpoints { without, .. } => seconds(without),
                Loss::Lookups(_) => "-".to_owned(),
            }));
            rows.push(row("longest of it at a stretch", &|seen| match seen.loss {
                Loss::Endpoints { longest, .. } => seconds(longest),
                Loss::Lookups(_) => "-".to_owned(),
            }));
        }
    }
    rows.push(row("kube-dns-autoscaler", &|seen| {
        if seen.autoscaler { "deleted" } else { "left alone" }.to_owned()
    }));
    rows.push(row("replacements Ready when it ended", &|seen| {
        format!("{} of {}", seen.replaced.0, seen.replaced.1)
    }));
    rows.push(row("ended after", &|seen| seconds(seen.took)));
    rows.push(row("exit code", &Seen::exit));
    rows.push(row("exit code tells the truth", &|seen| {
        if seen.truthful() { "yes" } else { "no" }.to_owned()
    }));
    rows
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// An error unless the runbook's command lost something and ours did its work and lost nothing.
pub(super) fn judge(runbook: &Seen, recycle: &Seen) -> Result<()> {
    let mut wrong = Vec::new();
    if !runbook.loss.any() {
        wrong.push("the runbook's command lost nothing this time, so nothing is compared");
    }
    if recycle.loss.any() {
        wrong.push("names were lost during kubectl recycle");
    }
    if recycle.autoscaler {
        wrong.push("kubectl recycle touched kube-dns-autoscaler");
    }
    if recycle.code != Some(0) || !recycle.waited() {
        wrong.push("kubectl recycle did not recreate everything");
    }
    if !wrong.is_empty() {
        bail!("the demo did not show what it is to show: {}", wrong.join("; "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machines::Tally;

    fn bad(loss: Loss) -> Seen {
        Seen {
            code: Some(0),
            took: Duration::from_millis(2300),
            replaced: (0, 2),
            autoscaler: true,
            well_after: Duration::from_secs(4),
            loss,
        }
    }

    fn good(loss: Loss) -> Seen {
        Seen { replaced: (8, 8), autoscaler: false, ..bad(loss) }
    }

    const GONE: Loss =
        Loss::Endpoints { without: Duration::from_millis(3100), longest: Duration::from_secs(3) };
    const NONE: Loss = Loss::Endpoints { without: Duration::ZERO, longest: Duration::ZERO };

    #[test]
    fn the_table_is_narrow_and_says_what_differs() {
        let table = aligned(&rows(&bad(GONE), &good(NONE)));
        assert_eq!(
            table,
            "                                  RUNBOOK  KUBECTL RECYCLE
time without a Ready DNS server   3.1 s    0.0 s
longest of it at a stretch        3.0 s    0.0 s
kube-dns-autoscaler               deleted  left alone
replacements Ready when it ended  0 of 2   8 of 8
ended after                       2.3 s    2.3 s
exit code                         0        0
exit code tells the truth         no       yes
"
        );
        let many = Loss::Lookups(Tally {
            lookups: 123_456,
            failed: 123_456,
            slow: 123_456,
            gap: Duration::from_secs(1000),
        });
        assert!(aligned(&rows(&bad(many), &good(many))).lines().all(|line| line.len() <= 80));
    }

    #[test]
    fn it_proves_itself() {
        judge(&bad(GONE), &good(NONE)).unwrap();
        for (runbook, recycle) in [
            (bad(NONE), good(NONE)),
            (bad(GONE), good(GONE)),
            (bad(GONE), bad(NONE)),
            (bad(GONE), Seen { code: Some(4), ..good(NONE) }),
            (bad(GONE), Seen { code: None, ..good(NONE) }),
        ] {
            judge(&runbook, &recycle).unwrap_err();
        }
    }
}
