//! What monit says: the summaries of 5.2.5, which stemcells carry, and of newer ones. Only fields are read: words such
//! as `OK` stand in many places.

use serde::Serialize;

/// Monit's state of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MonitState {
    /// As monit writes it: `running`, `not monitored - restart pending`.
    pub(crate) text: String,
}

/// What a state means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The pidfile's process exists; no more than that.
    Running,
    /// It was started, and not looked at yet.
    Initializing,
    /// Nobody looks after it: somebody stopped it, or monit is in the middle of starting it.
    NotMonitored,
    /// An action is under way.
    Pending,
    /// Anything else is trouble.
    Trouble,
}

impl MonitState {
    /// What it means.
    pub(crate) fn meaning(&self) -> Meaning {
        let text = self.text.to_ascii_lowercase();
        if text.contains(" - ") {
            return Meaning::Pending;
        }
        match text.as_str() {
            "running" | "ok" => Meaning::Running,
            "initializing" => Meaning::Initializing,
            "not monitored" => Meaning::NotMonitored,
            _ => Meaning::Trouble,
        }
    }
}

/// A summary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Monit's version; `None` where there is no header, whatever the exit code was.
    pub(crate) version: Option<String>,
    /// State by job, in monit's order.
    pub(crate) processes: Vec<(String, MonitState)>,
    /// The first line where there is no header: what monit says instead.
    pub(crate) instead: Option<String>,
}

impl Summary {
    /// Reads the lines.
    pub(crate) fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut summary = Self::default();
        for line in lines {
            let line = line.trim_end();
            if summary.version.is_none() {
                summary.version = header(line);
                if summary.version.is_none() && !line.trim().is_empty() {
                    summary.instead.get_or_insert_with(|| line.trim().to_owned());
                }
            } else if let Some((name, state)) = old_line(line).or_else(|| table_line(line)) {
                let state = MonitState { text: state.to_owned() };
                summary.processes.push((name.to_owned(), state));
            }
        }
        if summary.version.is_some() {
            summary.instead = None;
        }
        summary
    }

    /// The state of one job.
    pub(crate) fn of(&self, job: &str) -> Option<&MonitState> {
        self.processes.iter().find(|(name, _)| name == job).map(|(_, state)| state)
    }
}

/// `The Monit daemon 5.2.5 uptime: 0m`, `Monit 5.33.0 uptime: 0m`.
fn header(line: &str) -> Option<String> {
    let rest = line.trim_start().strip_prefix("The Monit daemon ");
    let rest = rest.or_else(|| line.trim_start().strip_prefix("Monit "))?;
    let (version, _) = rest.split_once(" uptime:")?;
    let is_version = version.starts_with(|c: char| c.is_ascii_digit()) && version.len() < 20;
    is_version.then(|| version.to_owned())
}

/// `Process 'proxy'                     running`: the quotes are found, since long names push the state to the right.
fn old_line(line: &str) -> Option<(&str, &str)> {
    let (name, state) = line.strip_prefix("Process '")?.split_once('\'')?;
    Some((name, state.trim())).filter(|(_, state)| !state.is_empty())
}

/// ` proxy                            OK                          Process`: the last word says what it is.
fn table_line(line: &str) -> Option<(&str, &str)> {
    let (name, state) =
        line.trim().strip_suffix("Process")?.trim_end().split_once(char::is_whitespace)?;
    Some((name, state.trim())).filter(|(_, state)| !state.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recorded_state_is_read_and_understood() {
        for (line, text, meaning) in [
            ("Process 'proxy'                     running", "running", Meaning::Running),
            (
                "Process 'proxy'                     initializing",
                "initializing",
                Meaning::Initializing,
            ),
            (
                "Process 'proxy'                     not monitored",
                "not monitored",
                Meaning::NotMonitored,
            ),
            (
                "Process 'proxy'                     not monitored - restart pending",
                "not monitored - restart pending",
                Meaning::Pending,
            ),
            (
                "Process 'proxy'                     Does not exist",
                "Does not exist",
                Meaning::Trouble,
            ),
            (
                "Process 'proxy'                     Execution failed",
                "Execution failed",
                Meaning::Trouble,
            ),
            (
                " proxy                            OK                          Process       ",
                "OK",
                Meaning::Running,
            ),
            (
                " proxy                            OK - restart pending        Process       ",
                "OK - restart pending",
                Meaning::Pending,
            ),
            (
                " proxy                            Initializing - restart ...  Process       ",
                "Initializing - restart ...",
                Meaning::Pending,
            ),
            (
                " proxy                            Not monitored               Process       ",
                "Not monitored",
                Meaning::NotMonitored,
            ),
            (
                " proxy                            Execution failed | Does...  Process       ",
                "Execution failed | Does...",
                Meaning::Trouble,
            ),
        ] {
            let summary = Summary::read(["Monit 5.33.0 uptime: 0m", line]);
            let state = summary.of("proxy").expect(line);
            assert_eq!((state.text.as_str(), state.meaning()), (text, meaning), "{line}");
        }
    }

    #[test]
    fn whole_recorded_summaries() {
        let old = include_str!("../../tests/fixtures/bosh/monit-5.2.5-basics.txt");
        let summary =
            Summary::read(old.lines().skip_while(|l| !l.starts_with("The Monit")).take(5));
        assert_eq!(summary.version.as_deref(), Some("5.2.5"));
        let names: Vec<&str> = summary.processes.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["kubelet", "proxy"], "the system is no process");
        let new = include_str!("../../tests/fixtures/bosh/monit-5.33-basics.txt");
        let table = new.lines().skip(1).take(5).map(|l| l.trim_end_matches('$'));
        let summary = Summary::read(table);
        assert_eq!(summary.version.as_deref(), Some("5.33.0"));
        let names: Vec<&str> = summary.processes.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["kubelet", "proxy"]);
    }

    #[test]
    fn without_a_header_nothing_is_believed() {
        for text in [
            "monit-actual: no status available -- the monit daemon is not running",
            "monit-actual: cannot read status from the monit daemon",
            "Process 'proxy'                     running",
            "",
        ] {
            let summary = Summary::read(text.lines());
            assert_eq!(summary.version, None);
            assert!(summary.of("proxy").is_none());
            assert_eq!(summary.instead.unwrap_or_default(), text);
        }
    }

    #[test]
    fn near_names_are_other_names() {
        let lines = [
            "The Monit daemon 5.2.5 uptime: 0m",
            "Process 'kube-proxy'  running",
            "Process 'proxy_ctl' x",
        ];
        assert!(Summary::read(lines).of("proxy").is_none());
    }
}
