//! The scripts that run on a VM: the files of `remote/`, with what they need to know in front.

use crate::jobs::Job;
use crate::look::ProcessId;
use std::fmt::Write as _;

const LOOK: &str = include_str!("remote/look.sh");
const WAIT: &str = include_str!("remote/wait.sh");
const VERIFY: &str = include_str!("remote/verify.sh");
const WHICH: &str = include_str!("remote/which.sh");
const RESTART: &str = include_str!("remote/restart.sh");
const HEAL: &str = include_str!("remote/heal.sh");

/// Where everything of BOSH stands on a VM.
pub(crate) const VCAP: &str = "/var/vcap";

/// What a change is bound to: the VM as it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The process that the pidfile names.
    pub(crate) pidfile: Option<ProcessId>,
    /// The processes of the job, in the order that they were listed.
    pub(crate) processes: Vec<ProcessId>,
}

/// How long a restart may take, and when it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// How old the new process must be, in seconds.
    pub(crate) min_age: u64,
    /// When waiting ends, in seconds.
    pub(crate) limit: u64,
}

/// Positions in logs, and when they were taken, by the VM's clock in seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// `INODE:SIZE:PATH` each.
    pub(crate) logs: Vec<String>,
    /// Seconds since 1970.
    pub(crate) at: u64,
}

/// Looks once; waits so many seconds for a restart that is under way.
pub(crate) fn verify(job: &Job, marks: &Marks, patience: u64) -> String {
    let mut head = head(job, marks);
    set(&mut head, "patience", &patience.to_string());
    [&head, LOOK, VERIFY].concat()
}

/// Looks once at the first of these jobs that the VM has, and says which it was; at none, if it has none.
pub(crate) fn verify_first<'a>(jobs: impl Iterator<Item = &'a Job>) -> String {
    let mut text = String::new();
    set(&mut text, "vcap", VCAP);
    set(&mut text, "patience", "0");
    text.extend([LOOK, WHICH]);
    for job in jobs {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "if has '{}'; then", job.name);
        text.extend([&head(job, &Marks::default()), VERIFY, "exit 0\nfi\n"]);
    }
    text.push_str("say end\n");
    text
}

/// Restarts, if the VM is as expected.
pub(crate) fn restart(
    job: &Job,
    expected: &Expected,
    start_stopped: bool,
    patience: Patience,
) -> String {
    let mut head = head(job, &Marks::default());
    changing(&mut head, expected, patience);
    set(&mut head, "allow_stopped", if start_stopped { "1" } else { "0" });
    [&head, LOOK, WAIT, RESTART].concat()
}

/// Ends these processes and has monit start one, if the VM is as expected.
pub(crate) fn heal(
    job: &Job,
    expected: &Expected,
    kill: &[ProcessId],
    patience: Patience,
) -> String {
    let mut head = head(job, &Marks::default());
    changing(&mut head, expected, patience);
    set(&mut head, "kill_list", &list(kill));
    [&head, LOOK, WAIT, HEAL].concat()
}

fn head(job: &Job, marks: &Marks) -> String {
    let mut text = String::new();
    let ports: Vec<String> = job.ports.iter().map(ToString::to_string).collect();
    set(&mut text, "vcap", VCAP);
    set(&mut text, "job", &job.name);
    set(&mut text, "job_re", &job.name.replace('.', "\\."));
    set(&mut text, "exes", &job.executables.join(" "));
    set(&mut text, "pidfile_default", &format!("{VCAP}/{}", job.pidfile));
    set(&mut text, "ports", &ports.join(" "));
    set(&mut text, "logs", &job.logs.join(" "));
    set(&mut text, "marks", &marks.logs.join("\n"));
    set(&mut text, "marks_at", &marks.at.to_string());
    text
}

fn changing(text: &mut String, expected: &Expected, patience: Patience) {
    let pidfile = expected.pidfile.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let processes = list(&expected.processes);
    set(text, "want_pid", &pidfile);
    set(text, "want_procs", if processes.is_empty() { "-" } else { &processes });
    set(text, "min_age", &patience.min_age.to_string());
    set(text, "limit", &patience.limit.to_string());
}

fn list(ids: &[ProcessId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// `name='value'`, whatever the value is.
fn set(text: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{name}='{}'", value.replace('\'', "'\\''"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_values() {
        let mut text = String::new();
        set(&mut text, "a", "it's $(id) `id` \"x\"\nb");
        assert_eq!(text, "a='it'\\''s $(id) `id` \"x\"\nb'\n");
    }

    #[test]
    fn what_is_expected_stands_in_front() {
        let id = |pid, start| ProcessId { pid, start };
        let expected =
            Expected { pidfile: Some(id(906, 5)), processes: vec![id(90, 1), id(906, 5)] };
        let job = crate::jobs::Jobs::embedded().named("proxy");
        let patience = Patience { min_age: 12, limit: 120 };
        let text = heal(&job, &expected, &[id(90, 1)], patience);
        for line in
            ["want_pid='906:5'", "want_procs='90:1 906:5'", "kill_list='90:1'", "limit='120'"]
        {
            assert!(text.contains(&format!("\n{line}\n")), "{line}");
        }
        let nothing = Expected { pidfile: None, processes: vec![] };
        let text = restart(&job, &nothing, true, patience);
        assert!(
            text.contains("\nwant_pid='-'\nwant_procs='-'\n")
                && text.contains("\nallow_stopped='1'\n")
        );
    }

    #[test]
    fn a_script_is_no_longer_than_one_argument_may_be() {
        // 128 KiB, of which base64 takes a third, twice.
        let job = crate::jobs::Jobs::embedded().named("proxy");
        let patience = Patience { min_age: 12, limit: 120 };
        let expected = Expected { pidfile: None, processes: vec![] };
        assert!(heal(&job, &expected, &[], patience).len() < 40_000);
    }
}

#[cfg(test)]
#[path = "wait_tests.rs"]
mod wait_tests;
