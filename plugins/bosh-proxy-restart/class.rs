//! What a restart came to, by class: closed words for scripts.

use crate::finding::{Code, Finding};
use crate::jobs::Job;
use crate::judge::{self, Window};
use crate::look::{Look, ProcessId, Session, Verdict};
use serde::Serialize;
use std::time::Duration;

/// The class of an outcome. Closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    /// Restarted, alone, and it stayed.
    Ok,
    /// The same, and something is worth a look.
    Warn,
    /// It was sick before and was not touched.
    UnhealthyBefore,
    /// Monit did not restart it, or the old process is still there.
    NotRestarted,
    /// It was not running, or not for long enough, in time.
    NotRunning,
    /// More than one runs.
    Duplicate,
    /// It complains about its ports, or does not hold them.
    BindErrors,
    /// The VM cannot be reached.
    Unreachable,
    /// The VM shows a wrong host key.
    HostKey,
    /// The VM's agent does not answer the director.
    Agent,
    /// The director or the CLI failed.
    Director,
    /// What came back could not be read.
    Garbled,
}

impl Class {
    /// All, for tables in tests.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 12] = [
        Self::Ok,
        Self::Warn,
        Self::UnhealthyBefore,
        Self::NotRestarted,
        Self::NotRunning,
        Self::Duplicate,
        Self::BindErrors,
        Self::Unreachable,
        Self::HostKey,
        Self::Agent,
        Self::Director,
        Self::Garbled,
    ];

    /// As it is written in documents.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::UnhealthyBefore => "unhealthy-before",
            Self::NotRestarted => "not-restarted",
            Self::NotRunning => "not-running",
            Self::Duplicate => "duplicate",
            Self::BindErrors => "bind-errors",
            Self::Unreachable => "unreachable",
            Self::HostKey => "host-key",
            Self::Agent => "agent",
            Self::Director => "director",
            Self::Garbled => "garbled",
        }
    }

    /// Whether the restart is proven.
    pub(crate) fn is_success(self) -> bool {
        matches!(self, Self::Ok | Self::Warn)
    }

    /// Whether nothing more may be begun, whatever `--max-failures` says.
    pub(crate) fn stops_the_run(self) -> bool {
        matches!(self, Self::HostKey | Self::Director)
    }
}

/// What a session of the restart script comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    /// It is decided.
    Over {
        /// How.
        class: Class,
        /// Why, in words; empty for a plain success.
        why: String,
        /// The time passed before it was proven, and nothing speaks against it.
        late: bool,
    },
    /// Nothing was done: another action is in progress, or another run is at work on the VM.
    Busy(String),
    /// Nothing was done: the VM is not as it was looked at.
    Moved(String),
}

/// What a look alone comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecondLook {
    /// It tells as much as a session.
    Told(Conclusion),
    /// It was restarted, nothing speaks against it, and it must be watched for so long before it counts.
    Young(Duration),
}

/// Judges a session. `before` is the process that was to be replaced.
pub(crate) fn conclude(
    job: &Job,
    session: &Session,
    before: Option<ProcessId>,
    window: Window,
) -> Conclusion {
    let over = |class: Class, why: String| Conclusion::Over { class, why, late: false };
    let Some((verdict, why)) = &session.verdict else {
        return over(Class::Garbled, "the script on the VM gave no verdict".to_owned());
    };
    match verdict {
        Verdict::Locked => {
            return Conclusion::Busy("another restart is at work on the VM".to_owned());
        }
        Verdict::Moved => return Conclusion::Moved(why.clone()),
        Verdict::Refused => {
            let said = session.restart.as_ref().map(|(_, said)| said.as_str()).unwrap_or_default();
            if said.contains("in progress") {
                return Conclusion::Busy(format!("monit says: {said}"));
            }
            return over(Class::NotRestarted, format!("monit refused: {said}"));
        }
        Verdict::Stuck => return over(Class::NotRestarted, why.clone()),
        Verdict::Survived => {
            return over(Class::Duplicate, format!("a process did not end: PID {why}"));
        }
        Verdict::Ok | Verdict::Late | Verdict::Crashing | Verdict::Failing => {}
    }
    let Some(after) = &session.after else {
        return over(Class::Garbled, "the script on the VM did not look again".to_owned());
    };
    let findings = judge::findings(job, after, window);
    if let Some((class, why)) = failure(&findings) {
        let told = match verdict {
            Verdict::Crashing => format!("it ends soon after each start; {why}"),
            Verdict::Failing => format!("monit failed to start it twice; {why}"),
            Verdict::Late => format!("not in time; {why}"),
            _ => why,
        };
        return over(class, told);
    }
    let now = after.pidfile.process.as_ref().map(|p| p.id);
    if now.is_some() && now == before {
        let states = states(session);
        return over(Class::NotRestarted, format!("the old process is still there{states}"));
    }
    match verdict {
        Verdict::Ok => proven(&findings),
        Verdict::Crashing => over(Class::NotRunning, "it ends soon after each start".to_owned()),
        Verdict::Failing => over(Class::NotRunning, "monit failed to start it twice".to_owned()),
        Verdict::Late
        | Verdict::Locked
        | Verdict::Moved
        | Verdict::Refused
        | Verdict::Stuck
        | Verdict::Survived => Conclusion::Over {
            class: Class::NotRunning,
            why: format!("not proven in time{}", states(session)),
            late: true,
        },
    }
}

/// Judges a look alone, after the session that should have told was lost.
pub(crate) fn conclude_look(
    job: &Job,
    look: &Look,
    before: Option<ProcessId>,
    min_age: Duration,
    window: Window,
) -> SecondLook {
    let findings = judge::findings(job, look, window);
    let now = look.pidfile.process.as_ref();
    let over = |class, why, late| SecondLook::Told(Conclusion::Over { class, why, late });
    if let Some((class, why)) = failure(&findings) {
        return over(class, why, false);
    }
    if now.map(|p| p.id) == before && before.is_some() {
        return SecondLook::Told(Conclusion::Moved("the restart did not take".to_owned()));
    }
    let Some(process) = now else {
        let why = "monit says `running`, and no process is known".to_owned();
        return over(Class::NotRunning, why, true);
    };
    match min_age.checked_sub(look.age(process)).filter(|left| !left.is_zero()) {
        None => SecondLook::Told(proven(&findings)),
        Some(left) => SecondLook::Young(left),
    }
}

fn proven(findings: &[Finding]) -> Conclusion {
    let why: Vec<&str> = findings.iter().map(|f| f.message.as_str()).collect();
    let class = if why.is_empty() { Class::Ok } else { Class::Warn };
    Conclusion::Over { class, why: why.join("; "), late: false }
}

/// The class of the first error.
fn failure(findings: &[Finding]) -> Option<(Class, String)> {
    let class_of = |code: Code| match code {
        Code::Duplicate => Class::Duplicate,
        Code::BindErrors | Code::PortsTaken | Code::PortsMissing => Class::BindErrors,
        _ => Class::NotRunning,
    };
    // Two processes explain all else.
    let worst = findings.iter().find(|f| f.code == Code::Duplicate);
    let worst = worst.or_else(|| findings.iter().find(|f| f.is_error()))?;
    Some((class_of(worst.code), worst.message.clone()))
}

/// `; seen: not monitored - restart pending, initializing`.
fn states(session: &Session) -> String {
    let mut seen: Vec<&str> = session.states.iter().map(|s| s.state.as_str()).collect();
    seen.dedup();
    let last = &seen[seen.len().saturating_sub(4)..];
    if last.is_empty() { String::new() } else { format!("; monit said {}", last.join(", then ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Jobs;
    use crate::records;
    use crate::records::tests::HEALTHY;
    use jiff::Timestamp;

    fn window() -> Window {
        let at = Timestamp::from_second(1_795_314_765).expect("a time");
        Window { from: at, to: at }
    }

    const OLD: ProcessId = ProcessId { pid: 138, start: 509_642 };

    /// A session that ends so, with the second look changed.
    fn session(verdict: &str, changes: &[(&str, &str)]) -> Session {
        let mut after = HEALTHY.replace("phase\tbefore", "phase\tafter").replace("138\t", "331\t");
        after =
            after.replace("\t138\n", "\t331\n").replace("509642", "518000").replace("end\n", "");
        for (from, to) in changes {
            assert!(after.contains(from), "`{from}` is not in it");
            after = after.replace(from, to);
        }
        let before = HEALTHY.replace("end\n", "");
        let text = format!(
            "{before}phase\trestart\nrestart-rc\t0\t\nstate\t2\tinitializing\t331\n{after}verdict\t{verdict}\nend\n"
        );
        records::read(&text).expect("records")
    }

    fn class(verdict: &str, changes: &[(&str, &str)]) -> (Class, bool) {
        let job = Jobs::embedded().named("proxy");
        match conclude(&job, &session(verdict, changes), Some(OLD), window()) {
            Conclusion::Over { class, late, .. } => (class, late),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_word_for_each() {
        for class in Class::ALL {
            let json = serde_json::to_string(&class).expect("a word");
            assert_eq!(json, format!("\"{}\"", class.word()));
        }
    }

    #[test]
    fn the_second_look_decides_and_not_the_script() {
        let exe = "/var/vcap/packages/kubernetes/bin/kube-proxy";
        let twin = format!("proc\t90\t1\tS\t5\thost\t{exe}\t{exe}\ndisk\t");
        let state = "Process 'proxy'                     running";
        let pid = "proxy.pid\t331\t94";
        let new = format!("pidproc\t331\t1\tS\t518000\thost\t{exe}\t{exe} --master=x\n");
        let newproc = format!("proc\t331\t1\tS\t518000\thost\t{exe}\t{exe} --master=x\n");
        let same = |line: &str| line.replace("331", "138").replace("518000", "509642");
        let (old, oldproc) = (same(&new), same(&newproc));
        for (what, verdict, changes, expected) in [
            ("well", "ok\t14", vec![], (Class::Ok, false)),
            ("a twin", "ok\t14", vec![("disk\t", twin.as_str())], (Class::Duplicate, false)),
            ("late", "late\t120", vec![], (Class::NotRunning, true)),
            (
                "late and down",
                "late\t120",
                vec![(state, "Process 'proxy' Does not exist")],
                (Class::NotRunning, false),
            ),
            ("crashes", "crashing\t24", vec![], (Class::NotRunning, false)),
            ("fails", "failing\t45", vec![], (Class::NotRunning, false)),
            (
                "a port is gone",
                "ok\t14",
                vec![("listen\ttcp\t10249\t331\n", "rival\ttcp\t10249\t-\t\n")],
                (Class::BindErrors, false),
            ),
            (
                "still the old one",
                "late\t120",
                vec![(pid, "proxy.pid\t138\t94"), (&new, &old), (&newproc, &oldproc)],
                (Class::NotRestarted, false),
            ),
            ("rotated", "ok\t14", vec![("living", "truncated")], (Class::Warn, false)),
        ] {
            let changes: Vec<(&str, &str)> = changes;
            assert_eq!(class(verdict, &changes), expected, "{what}");
        }
    }

    #[test]
    fn what_was_not_begun_is_not_over() {
        let job = Jobs::embedded().named("proxy");
        let read = |text: &str| records::read(text).expect("records");
        let of = |text: &str| conclude(&job, &read(text), Some(OLD), window());
        assert!(matches!(of("verdict\tlocked\nend\n"), Conclusion::Busy(_)));
        assert!(
            matches!(of("verdict\tmoved\tit is not\nend\n"), Conclusion::Moved(why) if why == "it is not")
        );
        let busy = "phase\trestart\nrestart-rc\t1\tmonit: action failed -- Other action already in progress -- please try again later\nverdict\trefused\nend\n";
        assert!(matches!(of(busy), Conclusion::Busy(_)));
        let refused = "phase\trestart\nrestart-rc\t1\tmonit: action failed -- There is no service by that name\nverdict\trefused\nend\n";
        assert!(matches!(of(refused), Conclusion::Over { class: Class::NotRestarted, .. }));
        assert!(matches!(of("end\n"), Conclusion::Over { class: Class::Garbled, .. }));
    }
}
