//! Judges a look: the runbook's three questions and what else tells trouble. Pure.

use crate::finding::{Code, Finding};
use crate::jobs::Job;
use crate::look::{Complaint, Look, Process};
use crate::monit::Meaning;
use crate::script::Expected;
use jiff::{SignedDuration, Timestamp};
use rotation_core::facts::duration::human;
use rotation_core::facts::words::count;
use std::collections::BTreeSet;
use std::time::Duration;

/// Clocks that differ by less are one clock.
const CLOCK_DOUBT: SignedDuration = SignedDuration::from_secs(5);
/// Accounts are removed after the CLI has gone: younger ones may still be somebody's.
const ACCOUNT_AGE: Duration = Duration::from_mins(10);

/// When a look was, by this machine: the script ran at some moment in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Before it was sent.
    pub(crate) from: Timestamp,
    /// After its answer came.
    pub(crate) to: Timestamp,
}

/// The processes of a job, sorted by right.
#[derive(Debug, Default)]
pub(crate) struct Crowd<'a> {
    /// The one that monit watches, or its child where a control script stays in between.
    pub(crate) rightful: Option<&'a Process>,
    /// Others that do the same work: rivals for the ports.
    pub(crate) strays: Vec<&'a Process>,
    /// Of the same name, but in a container or outside `/var/vcap`.
    pub(crate) namesakes: Vec<&'a Process>,
}

/// Sorts the processes.
pub(crate) fn crowd<'a>(job: &Job, look: &'a Look) -> Crowd<'a> {
    let mut crowd = Crowd::default();
    let watched = look.pidfile.process.as_ref().filter(|p| is_ours(job, p));
    let (ours, others): (Vec<_>, Vec<_>) =
        look.processes.iter().partition(|p| p.on_host && p.is_of_bosh());
    crowd.namesakes = others;
    crowd.rightful = ours.iter().copied().find(|process| match watched {
        Some(watched) if job.wrapper => {
            process.parent == watched.id.pid || process.id == watched.id
        }
        Some(watched) => process.id == watched.id,
        None => false,
    });
    // Workers that a program starts of itself are the program.
    let mut family: BTreeSet<u32> = crowd.rightful.iter().map(|p| p.id.pid).collect();
    loop {
        let before = family.len();
        let children = ours.iter().filter(|p| family.contains(&p.parent)).map(|p| p.id.pid);
        family.extend(children.collect::<Vec<_>>());
        if family.len() == before {
            break;
        }
    }
    let same_program = |p: &&Process| {
        job.is_known()
            || watched.is_some_and(|watched| p.exe == watched.exe && p.argv == watched.argv)
    };
    crowd.strays =
        ours.into_iter().filter(|p| !family.contains(&p.id.pid)).filter(same_program).collect();
    crowd
}

/// Whether the process that the pidfile names may be this job: a program of BOSH, or a control script of one.
fn is_ours(job: &Job, process: &Process) -> bool {
    if job.wrapper && process.argv.contains("/var/vcap/jobs/") {
        return true;
    }
    let named = job.executables.iter().any(|name| name == process.base());
    process.is_of_bosh() && (!job.is_known() || named)
}

/// What a change of this VM is bound to.
pub(crate) fn expected(look: &Look) -> Expected {
    Expected {
        pidfile: look.pidfile.process.as_ref().map(|p| p.id),
        processes: look
            .processes
            .iter()
            .filter(|p| p.on_host && p.is_of_bosh())
            .map(|p| p.id)
            .collect(),
    }
}

/// Everything that is wrong, errors first.
pub(crate) fn findings(job: &Job, look: &Look, window: Window) -> Vec<Finding> {
    let mut all = Vec::new();
    let crowd = crowd(job, look);
    monit(job, look, &mut all);
    processes(job, look, &crowd, &mut all);
    if look.monit.version.is_some() && crowd.rightful.is_some() {
        ports(job, look, &crowd, &mut all);
    }
    logs(look, &crowd, &mut all);
    machine(look, window, &mut all);
    all.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    all
}

/// Is monit content?
fn monit(job: &Job, look: &Look, all: &mut Vec<Finding>) {
    if let Some(path) = &look.no_monit {
        all.push(Finding::new(Code::MonitAway, format!("there is no {path} on the VM")));
        return;
    }
    if look.monit.version.is_none() {
        let said = look.monit.instead.as_deref().unwrap_or("nothing");
        all.push(Finding::new(Code::MonitAway, format!("monit gives no summary: {said}")));
        return;
    }
    let name = &job.name;
    let Some(state) = look.state(name) else {
        let known: Vec<&str> = look.monit.processes.iter().map(|(name, _)| name.as_str()).collect();
        let known = known.join(", ");
        let words = format!("monit knows no job `{name}`; it knows {known}");
        all.push(Finding::new(Code::UnknownJob, words));
        return;
    };
    let text = &state.text;
    match state.meaning() {
        Meaning::Running => {}
        Meaning::Initializing => {
            let words = "monit has started it and not looked at it yet (initializing)";
            all.push(Finding::new(Code::Starting, words));
        }
        Meaning::Pending => {
            all.push(Finding::new(Code::ActionPending, format!("monit says `{text}`")));
        }
        Meaning::NotMonitored => {
            let words = format!("monit says `{text}`: somebody stopped it, or monit gave up");
            all.push(Finding::new(Code::NotMonitored, words));
        }
        Meaning::Trouble => {
            all.push(Finding::new(Code::NotRunning, format!("monit says `{text}`")));
        }
    }
}

/// Are there several, and is the pidfile right?
fn processes(job: &Job, look: &Look, crowd: &Crowd<'_>, all: &mut Vec<Finding>) {
    let path = &look.pidfile.path;
    let running = crowd.rightful.iter().chain(&crowd.strays).count();
    match (look.pidfile.pid, &look.pidfile.process) {
        (None, _) if running > 0 => {
            let words = format!(
                "{path} is missing or empty, and the job runs as {}: monit would start another one beside it",
                list(look, crowd.strays.iter().copied())
            );
            all.push(Finding::new(Code::PidfileLost, words));
        }
        (Some(pid), Some(process)) if !is_ours(job, process) => {
            let exe = &process.exe;
            let words = format!(
                "{path} names PID {pid}, which is {exe} and not the job: a restart would kill it"
            );
            all.push(Finding::new(Code::PidfileStranger, words));
        }
        (Some(pid), None) => {
            let words = format!("{path} names PID {pid}, and there is no such process");
            all.push(Finding::new(Code::PidfileStale, words));
        }
        (None, _) if meaning(job, look) == Some(Meaning::Running) => {
            let words = format!("monit says `running`, and {path} is missing or empty");
            all.push(Finding::new(Code::PidfileStale, words));
        }
        (None | Some(_), _) => {}
    }
    let watched = look.pidfile.process.as_ref().is_some_and(|p| is_ours(job, p));
    if job.wrapper && watched && crowd.rightful.is_none() {
        let words = "the control script runs, and the program that it should have started does not";
        all.push(Finding::new(Code::NotRunning, words));
    }
    let too_many = if crowd.rightful.is_some() { !crowd.strays.is_empty() } else { running > 1 };
    if too_many {
        let everyone = crowd.rightful.iter().chain(&crowd.strays).copied();
        let words = format!("it runs {running} times: {}", list(look, everyone));
        all.push(Finding::new(Code::Duplicate, words));
    }
    if !crowd.namesakes.is_empty() {
        let words = format!(
            "a process of the same name runs in a container or outside /var/vcap: {}",
            list(look, crowd.namesakes.iter().copied())
        );
        all.push(Finding::new(Code::Namesake, words));
    }
}

fn meaning(job: &Job, look: &Look) -> Option<Meaning> {
    look.state(&job.name).map(crate::monit::MonitState::meaning)
}

/// `PID 90 (17m12s old, holds 10249, 10256), PID 906 (15s old, in the pidfile)`.
fn list<'a>(look: &Look, processes: impl Iterator<Item = &'a Process>) -> String {
    let one = |process: &Process| {
        let pid = process.id.pid;
        let mut words = vec![format!("{} old", human(look.age(process)))];
        if look.pidfile.pid == Some(pid) {
            words.push("in the pidfile".to_owned());
        }
        let held = look.listeners.iter().filter(|l| l.pid == pid).map(|l| l.port);
        let held: BTreeSet<u16> = held.collect();
        if !held.is_empty() {
            words.push(format!("holds {}", ports_list(held.iter().copied())));
        }
        if !process.on_host || !process.is_of_bosh() {
            words.push(process.exe.clone());
        }
        format!("PID {pid} ({})", words.join(", "))
    };
    processes.map(one).collect::<Vec<_>>().join(", ")
}

fn ports_list(ports: impl Iterator<Item = u16>) -> String {
    ports.map(|port| port.to_string()).collect::<Vec<_>>().join(", ")
}

/// Who holds the ports?
fn ports(job: &Job, look: &Look, crowd: &Crowd<'_>, all: &mut Vec<Finding>) {
    let rivals: Vec<String> = look
        .rivals
        .iter()
        .map(|rival| match rival.pid {
            Some(pid) => format!("{} by PID {pid} ({})", rival.port, rival.exe),
            None => format!("{} by a process that was not found", rival.port),
        })
        .collect();
    if !rivals.is_empty() {
        let words = format!("somebody else holds its ports: {}", rivals.join(", "));
        all.push(Finding::new(Code::PortsTaken, words));
    }
    // What a stray holds is the stray's finding.
    let taken = |port: u16| {
        look.listeners.iter().any(|l| l.port == port) || look.rivals.iter().any(|r| r.port == port)
    };
    let missing: Vec<u16> = job.ports.iter().copied().filter(|port| !taken(*port)).collect();
    // A young process may still be on its way.
    let old = crowd.rightful.is_some_and(|p| look.age(p).as_secs() >= job.min_age_seconds);
    if !missing.is_empty() && old {
        let words = format!("nobody listens on {}", ports_list(missing.into_iter()));
        all.push(Finding::new(Code::PortsMissing, words));
    }
}

/// Do the logs complain?
fn logs(look: &Look, crowd: &Crowd<'_>, all: &mut Vec<Finding>) {
    let (binds, others): (Vec<&Complaint>, Vec<&Complaint>) =
        look.complaints.iter().partition(|complaint| is_bind(&complaint.text));
    let (past, standing): (Vec<_>, Vec<_>) =
        binds.into_iter().partition(|complaint| is_over(look, crowd, complaint));
    for (code, complaints) in [(Code::BindErrors, standing), (Code::BindErrorsPast, past)] {
        if complaints.is_empty() {
            continue;
        }
        let all_of_them: u32 = complaints.iter().map(|c| c.count).sum();
        let worst = complaints[0];
        let who = worst.pid.map(|pid| format!("PID {pid}: ")).unwrap_or_default();
        let log = look.logs.iter().find(|log| log.path == worst.log);
        let last = log.and_then(|log| log.last.as_deref()).map(first_words).unwrap_or_default();
        let end = if code == Code::BindErrors { "" } else { "; it holds its ports now" };
        let words = format!(
            "{} about binding in {}: {who}{} ({} times){last}{end}",
            count(all_of_them as usize, "line"),
            worst.log,
            worst.text,
            worst.count,
        );
        all.push(Finding::new(code, words));
    }
    if let Some(complaint) = others.first() {
        let words = format!("{}: {} ({} times)", complaint.log, complaint.text, complaint.count);
        all.push(Finding::new(Code::ControlScript, words));
    }
    let moved: Vec<&str> = look
        .logs
        .iter()
        .filter(|log| matches!(log.how.as_str(), "rotated" | "truncated"))
        .map(|log| log.path.as_str())
        .collect();
    if !moved.is_empty() {
        let words =
            format!("rotated in the meantime, and read from both parts: {}", moved.join(", "));
        all.push(Finding::new(Code::LogsMoved, words));
    }
}

/// `, last E1122 02:12:21.394330`: the time of a klog line.
fn first_words(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().take(2).collect();
    match words.as_slice() {
        [day, time] if day.len() == 5 && time.contains(':') => format!(", last {day} {time}"),
        _ => String::new(),
    }
}

/// About listeners and binding, as the runbook has it.
fn is_bind(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["address already in use", "bind:", "failed to bind", "failed to listen", "nodeport"]
        .iter()
        .any(|words| text.contains(words))
}

/// Whether a complaint has come to nothing: the port that it names is the rightful process's now, and no stray goes on
/// complaining. One that names no port is taken for a hand-over if it came once.
fn is_over(look: &Look, crowd: &Crowd<'_>, complaint: &Complaint) -> bool {
    let Some(rightful) = crowd.rightful else { return false };
    if crowd.strays.iter().any(|stray| complaint.pid == Some(stray.id.pid)) {
        return false;
    }
    match port_of(&complaint.text) {
        Some(port) => look.listeners.iter().any(|l| l.port == port && l.pid == rightful.id.pid),
        None => complaint.count <= 1,
    }
}

/// `listen tcp 0.0.0.0:10256: bind: ...`, `listen tcp :30080: bind: ...`: the port.
fn port_of(text: &str) -> Option<u16> {
    let before = text.split(": bind:").next().filter(|before| before.len() < text.len())?;
    before.rsplit(':').next()?.parse().ok()
}

/// The VM itself.
fn machine(look: &Look, window: Window, all: &mut Vec<Finding>) {
    let mut mounts = BTreeSet::new();
    for disk in look.disks.iter().filter(|disk| mounts.insert(disk.mount.as_str())) {
        let words =
            format!("{} is used by {}%, {} KiB are free", disk.directory, disk.used, disk.free_kib);
        if disk.used >= 100 || disk.free_kib < 1024 {
            let words = format!("{words}: a start could not write its pidfile");
            all.push(Finding::new(Code::DiskFull, words));
        } else if disk.used >= 95 {
            all.push(Finding::new(Code::DiskAlmostFull, words));
        }
    }
    let off = clock_off(look, window);
    if off.abs() > CLOCK_DOUBT {
        let side = if off.is_negative() { "behind" } else { "ahead" };
        let words = format!("the VM's clock is {} {side}", human(off.unsigned_abs()));
        all.push(Finding::new(Code::ClockOff, words));
    }
    let old: Vec<&str> = look
        .accounts
        .iter()
        .filter(|account| account.age > ACCOUNT_AGE)
        .map(|account| account.name.as_str())
        .collect();
    if !old.is_empty() {
        let words = format!(
            "{} of `bosh ssh` left, with sudo: {}",
            count(old.len(), "account"),
            old.join(", ")
        );
        all.push(Finding::new(Code::LeftoverAccounts, words));
    }
    if !look.more.is_empty() {
        let words = format!("not everything was listed: {}", look.more.join(", "));
        all.push(Finding::new(Code::Unlisted, words));
    }
}

/// How far the VM's clock is off; zero where it may have been right at some moment of the window.
fn clock_off(look: &Look, window: Window) -> SignedDuration {
    let epoch = i64::try_from(look.at.epoch).unwrap_or(i64::MAX);
    let Ok(theirs) = Timestamp::from_second(epoch) else {
        return SignedDuration::MAX;
    };
    if theirs < window.from {
        theirs.duration_since(window.from)
    } else if theirs > window.to {
        theirs.duration_since(window.to)
    } else {
        SignedDuration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Jobs;
    use crate::records::tests::look;

    fn window(at: i64) -> Window {
        let at = Timestamp::from_second(at).expect("a time");
        Window { from: at, to: at + SignedDuration::from_secs(2) }
    }

    /// When the healthy VM was looked at.
    const AT: i64 = 1_795_314_765;
    const EXE: &str = "/var/vcap/packages/kubernetes/bin/kube-proxy";

    fn codes(job: &str, changes: &[(&str, &str)]) -> Vec<Code> {
        let job = Jobs::embedded().named(job);
        findings(&job, &look(changes), window(AT)).iter().map(|f| f.code).collect()
    }

    fn process(kind: &str, pid: u32, parent: u32, start: u64, exe: &str) -> String {
        format!("{kind}\t{pid}\t{parent}\tS\t{start}\thost\t{exe}\t{exe} --master=x\n")
    }

    /// What it is, what is changed on the healthy VM, and what is found.
    type Trouble<'a> = (&'a str, Vec<(&'a str, &'a str)>, Vec<Code>);

    #[test]
    fn each_trouble_has_its_code() {
        let twin = process("proc", 906, 1, 518_000, EXE);
        let two = format!("{twin}end\n");
        let pidproc = process("pidproc", 138, 1, 509_642, EXE);
        let docker = process("pidproc", 79, 1, 5, "/usr/local/bin/docker-proxy");
        let log = "/var/vcap/sys/log/proxy/kube-proxy.stderr.log";
        let kind = |count: u32, text: &str| format!("logkind\t{log}\t{count}\t[138] {text}\nend\n");
        let metrics = "server.go:480] starting metrics server failed: listen tcp 127.0.0.1:10249: bind: address already in use";
        let node_port = "proxier.go:1051] can't open \"nodePort for default/web:http\" (:30080/tcp), skipping this nodePort: listen tcp :31000: bind: address already in use";
        let state = "Process 'proxy'                     running";
        let (once, thrice, node_port) = (kind(1, metrics), kind(3, metrics), kind(1, node_port));
        let killed = format!("logkind\t{log}\t1\tKill timed out, using kill -9 on 194...\nend\n");
        let stray = kind(1, metrics).replace("[138]", "[906]");
        let pod = format!("{}end\n", twin.replace("host", "other"));
        let cases: Vec<Trouble<'_>> = vec![
            ("healthy", vec![], vec![]),
            ("twin", vec![("end\n", &two)], vec![Code::Duplicate]),
            (
                "pidfile lost",
                vec![("proxy.pid\t138\t94", "proxy.pid\t-\t-"), (&pidproc, "")],
                vec![Code::PidfileLost],
            ),
            (
                "pidfile lost, two run",
                vec![("proxy.pid\t138\t94", "proxy.pid\t-\t-"), (&pidproc, ""), ("end\n", &two)],
                vec![Code::PidfileLost, Code::Duplicate],
            ),
            (
                "stranger",
                vec![("proxy.pid\t138\t94", "proxy.pid\t79\t94"), (&pidproc, &docker)],
                vec![Code::PidfileStranger],
            ),
            (
                "stale",
                vec![("proxy.pid\t138\t94", "proxy.pid\t79\t94"), (&pidproc, "")],
                vec![Code::PidfileStale],
            ),
            ("initializing", vec![(state, "Process 'proxy'  initializing")], vec![Code::Starting]),
            ("stopped", vec![(state, "Process 'proxy'  not monitored")], vec![Code::NotMonitored]),
            (
                "pending",
                vec![(state, "Process 'proxy'  not monitored - restart pending")],
                vec![Code::ActionPending],
            ),
            ("failed", vec![(state, "Process 'proxy'  Execution failed")], vec![Code::NotRunning]),
            ("unknown", vec![(state, "")], vec![Code::UnknownJob]),
            (
                "daemon down",
                vec![(
                    "The Monit daemon 5.2.5 uptime: 1m",
                    "monit: no status available -- the monit daemon is not running",
                )],
                vec![Code::MonitAway],
            ),
            ("past", vec![("end\n", &once)], vec![Code::BindErrorsPast]),
            ("over, though repeated", vec![("end\n", &thrice)], vec![Code::BindErrorsPast]),
            ("standing", vec![("end\n", &node_port)], vec![Code::BindErrors]),
            (
                "a stray's",
                vec![("end\n", &two), ("end\n", &stray)],
                vec![Code::Duplicate, Code::BindErrors],
            ),
            ("killed", vec![("end\n", &killed)], vec![Code::ControlScript]),
            (
                "port taken",
                vec![("listen\ttcp\t10249\t138\n", "rival\ttcp\t10249\t55\t/usr/bin/nc\n")],
                vec![Code::PortsTaken],
            ),
            ("port missing", vec![("listen\ttcp\t10249\t138\n", "")], vec![Code::PortsMissing]),
            ("disk full", vec![("34%\t63475580", "100%\t0")], vec![Code::DiskFull]),
            ("disk", vec![("34%\t63475580", "97%\t100000")], vec![Code::DiskAlmostFull]),
            ("clock", vec![("1795314765", "1795318365")], vec![Code::ClockOff]),
            (
                "accounts",
                vec![("end\n", "account\tbosh_0a\t90000\nend\n")],
                vec![Code::LeftoverAccounts],
            ),
            ("a young account", vec![("end\n", "account\tbosh_0a\t20\nend\n")], vec![]),
            ("rotated", vec![("living", "truncated")], vec![Code::LogsMoved]),
            ("in a pod", vec![("end\n", &pod)], vec![Code::Namesake]),
            ("docker-proxy is none", vec![("end\n", "listen\ttcp\t22\t79\nend\n")], vec![]),
        ];
        for (what, changes, expected) in cases {
            assert_eq!(codes("proxy", &changes), expected, "{what}");
        }
    }

    #[test]
    fn a_wrapper_s_child_is_the_proxy_and_an_orphan_is_a_stray() {
        let state = "Process 'proxy'                     running";
        let wrapper = "pidproc\t138\t1\tS\t509642\thost\t/usr/bin/bash\t/bin/bash /var/vcap/jobs/kube-proxy/bin/kube_proxy_ctl\n";
        let pidproc = process("pidproc", 138, 1, 509_642, EXE);
        let proc = process("proc", 138, 1, 509_642, EXE);
        let child = process("proc", 139, 138, 509_700, EXE);
        let orphan = process("proc", 77, 1, 400, EXE);
        let both = format!("{orphan}{child}");
        for (what, processes, expected) in [
            ("healthy", child.as_str(), vec![]),
            ("an orphan beside it", &both, vec![Code::Duplicate]),
            ("only the script", "", vec![Code::NotRunning]),
        ] {
            let changes = [
                (state, "Process 'kube-proxy'                running"),
                (pidproc.as_str(), wrapper),
                (proc.as_str(), processes),
            ];
            assert_eq!(codes("kube-proxy", &changes), expected, "{what}");
        }
        // The same script is a stranger where the pidfile should name the proxy itself.
        assert_eq!(codes("proxy", &[(pidproc.as_str(), wrapper)]), [Code::PidfileStranger]);
    }

    #[test]
    fn the_evidence_is_told() {
        let twin = format!("{}end\n", process("proc", 906, 1, 518_000, EXE));
        let job = Jobs::embedded().named("proxy");
        let found = findings(&job, &look(&[("end\n", &twin)]), window(AT));
        assert_eq!(
            found[0].message,
            "it runs 2 times: PID 138 (95s old, in the pidfile, holds 10249, 10256, 30080), PID 906 (11s old)"
        );
    }

    #[test]
    fn every_code_has_a_word_and_one_reading() {
        let words: BTreeSet<String> =
            Code::ALL.iter().map(|code| serde_json::to_string(code).expect("a word")).collect();
        assert_eq!(words.len(), Code::ALL.len());
        // What heal mends is never restarted over.
        assert!(Code::ALL.iter().all(|code| !code.is_healed() || code.forbids_restart(true)));
    }
}
