//! Reads the records that a script prints. They come from a VM: nothing in them is believed to be well formed.

use crate::look::{
    Account, Complaint, Disk, HostTime, Listener, Log, Look, Pidfile, Process, ProcessId, Rival,
    Seen, Session, Verdict,
};
use crate::monit::Summary;
use crate::monitrc::JobConfig;
use rotation_core::tell::clean;
use std::time::Duration;

/// The version of the records that is understood.
const VERSION: &str = "1";
/// Lines that are no records and are kept.
const NOISE: usize = 20;

/// What cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordsError {
    #[error("the script on the VM did not come to its end")]
    Cut,
    #[error("record {0} of the script on the VM cannot be read")]
    Broken(usize),
}

/// Where records of a look go.
#[derive(Default)]
struct Draft {
    look: Look,
    monit: Vec<String>,
    rc: Vec<String>,
}

impl Draft {
    fn finish(mut self) -> Look {
        self.look.monit = Summary::read(self.monit.iter().map(String::as_str));
        if !self.rc.is_empty() {
            self.look.config = Some(JobConfig::read(self.rc.iter().map(String::as_str)));
        }
        self.look
    }
}

/// Reads the output of one script.
pub(crate) fn read(text: &str) -> Result<Session, RecordsError> {
    let mut session = Session::default();
    let mut draft: Option<(bool, Draft)> = None;
    let mut ended = false;
    for (index, line) in text.lines().enumerate() {
        let fields: Vec<String> =
            line.split('\t').map(|field| clean::bounded(field, 400).into_owned()).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let broken = || RecordsError::Broken(index + 1);
        match fields.as_slice() {
            ["phase", phase] => {
                keep(&mut session, draft.take());
                match *phase {
                    "before" => draft = Some((false, Draft::default())),
                    "after" => draft = Some((true, Draft::default())),
                    "restart" | "heal" => session.begun = true,
                    _ => return Err(broken()),
                }
            }
            ["job", name] => session.job = Some((*name).to_owned()),
            ["busy"] => session.busy = true,
            ["end"] => ended = true,
            ["verdict", word, why @ ..] => {
                let verdict = verdict(word).ok_or_else(broken)?;
                session.verdict = Some((verdict, why.join(" ")));
            }
            ["restart-rc", code, said] => {
                session.restart = Some((code.parse().map_err(|_| broken())?, (*said).to_owned()));
            }
            ["step", word, code, what] => {
                let code = code.parse().map_err(|_| broken())?;
                session.steps.push(((*word).to_owned(), code, (*what).to_owned()));
            }
            ["state", second, state, pid] => session.states.push(Seen {
                second: second.parse().map_err(|_| broken())?,
                state: (*state).to_owned(),
                pid: pid.parse().ok(),
            }),
            fields => match &mut draft {
                Some((_, draft)) if is_of_look(fields) => {
                    of_look(draft, fields).ok_or_else(broken)?;
                }
                _ if line.trim().is_empty() => {}
                _ if session.noise.len() < NOISE => {
                    session.noise.push(clean::bounded(line, 200).into_owned());
                }
                _ => {}
            },
        }
    }
    keep(&mut session, draft);
    if ended { Ok(session) } else { Err(RecordsError::Cut) }
}

fn keep(session: &mut Session, draft: Option<(bool, Draft)>) {
    match draft {
        Some((true, draft)) => session.after = Some(draft.finish()),
        Some((false, draft)) => session.before = Some(draft.finish()),
        None => {}
    }
}

fn verdict(word: &str) -> Option<Verdict> {
    Some(match word {
        "locked" => Verdict::Locked,
        "moved" => Verdict::Moved,
        "refused" => Verdict::Refused,
        "ok" => Verdict::Ok,
        "late" => Verdict::Late,
        "crashing" => Verdict::Crashing,
        "failing" => Verdict::Failing,
        "stuck" => Verdict::Stuck,
        "survived" => Verdict::Survived,
        _ => return None,
    })
}

const OF_LOOK: [&str; 20] = [
    "probe",
    "no-monit",
    "monit-rc",
    "monit",
    "rcname",
    "rcline",
    "poll",
    "pidfile",
    "pidproc",
    "proc",
    "listen",
    "rival",
    "log",
    "logkind",
    "logfirst",
    "loglast",
    "disk",
    "account",
    "more",
    "monit-pid",
];

fn is_of_look(fields: &[&str]) -> bool {
    fields.len() > 1 && OF_LOOK.contains(&fields[0])
}

/// Takes a record into a look; `None` if it cannot be read.
fn of_look(draft: &mut Draft, fields: &[&str]) -> Option<()> {
    let look = &mut draft.look;
    match fields {
        ["probe", version, epoch, uptime, boot_id, host, hz] => {
            if *version != VERSION {
                return None;
            }
            look.at = HostTime {
                epoch: epoch.parse().ok()?,
                uptime: seconds(uptime)?,
                boot_id: (*boot_id).to_owned(),
                host: host.trim().to_owned(),
                hz: hz.parse().ok()?,
            };
        }
        ["no-monit", path] => look.no_monit = Some((*path).to_owned()),
        ["monit-rc", _, _] => {}
        ["monit", line] => draft.monit.push((*line).to_owned()),
        ["rcname", name] => look.known_jobs.push(name.trim().to_owned()),
        ["rcline", line] => draft.rc.push((*line).to_owned()),
        ["poll", seconds] => look.poll = seconds.parse().ok(),
        ["pidfile", path, pid, _age] => {
            let process = look.pidfile.process.take();
            look.pidfile = Pidfile { path: (*path).to_owned(), pid: pid.parse().ok(), process };
        }
        ["pidproc", rest @ ..] => look.pidfile.process = Some(process(rest)?),
        ["proc", rest @ ..] => look.processes.push(process(rest)?),
        ["listen", _, port, pid] => {
            let listener = Listener { port: port.parse().ok()?, pid: pid.parse().ok()? };
            // IPv4 and IPv6 of one port are one port.
            if !look.listeners.contains(&listener) {
                look.listeners.push(listener);
            }
        }
        ["rival", _, port, pid, exe] => {
            let (port, pid) = (port.parse().ok()?, pid.parse().ok());
            look.rivals.push(Rival { port, pid, exe: (*exe).to_owned() });
        }
        ["log", mark, how, _] => {
            let path = mark.splitn(3, ':').nth(2)?.to_owned();
            let how = (*how).to_owned();
            look.logs.push(Log { path, how, first: None, last: None, mark: (*mark).to_owned() });
        }
        ["logkind", path, count, text] => {
            let (pid, text) = complainer(text);
            look.complaints.push(Complaint {
                log: (*path).to_owned(),
                pid,
                text: text.to_owned(),
                count: count.parse().ok()?,
            });
        }
        ["logfirst", path, line] => log(look, path)?.first = Some((*line).to_owned()),
        ["loglast", path, line] => log(look, path)?.last = Some((*line).to_owned()),
        ["disk", directory, mount, used, free] => look.disks.push(Disk {
            directory: (*directory).to_owned(),
            mount: (*mount).to_owned(),
            used: used.trim_end_matches('%').parse().ok()?,
            free_kib: free.parse().ok()?,
        }),
        // A clock that was set back makes an account of the future: it is new.
        ["account", name, age] => look.accounts.push(Account {
            name: (*name).to_owned(),
            age: Duration::from_secs(age.parse::<i64>().ok()?.max(0).unsigned_abs()),
        }),
        ["more", what, count] => look.more.push(format!("{count} records of {what}")),
        _ => return None,
    }
    Some(())
}

fn log<'a>(look: &'a mut Look, path: &str) -> Option<&'a mut Log> {
    look.logs.iter_mut().find(|log| log.path == path)
}

/// `PID PPID STATE START NAMESPACE EXE ARGV`.
fn process(fields: &[&str]) -> Option<Process> {
    let [pid, parent, state, start, namespace, exe, argv] = fields else { return None };
    Some(Process {
        id: ProcessId { pid: pid.parse().ok()?, start: start.parse().ok()? },
        parent: parent.parse().ok()?,
        state: state.chars().next()?,
        on_host: *namespace == "host",
        exe: (*exe).to_owned(),
        argv: argv.trim().to_owned(),
    })
}

/// `[906] server.go:480] starting ...`: the process that speaks, and what it says.
fn complainer(text: &str) -> (Option<u32>, &str) {
    let split = text.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    match split.and_then(|(pid, rest)| Some((pid.parse().ok()?, rest))) {
        Some((pid, rest)) => (Some(pid), rest),
        None => (None, text),
    }
}

/// `4821.17`, as `/proc/uptime` has it.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A healthy VM, as the script prints it.
    pub(crate) const HEALTHY: &str = "phase\tbefore\n\
        probe\t1\t1795314765\t5191.42\tcc4bef3c\tminion-0\t100\n\
        monit-rc\tsummary\t0\n\
        monit\tThe Monit daemon 5.2.5 uptime: 1m\n\
        monit\t\n\
        monit\tProcess 'kubelet'                   running\n\
        monit\tProcess 'proxy'                     running\n\
        rcname\tkubelet\nrcname\tproxy\n\
        rcline\tcheck process proxy\n\
        rcline\t  with pidfile /var/vcap/sys/run/proxy/proxy.pid\n\
        rcline\t  start program \"/x start\" with timeout 60 seconds\n\
        poll\t10\n\
        pidfile\t/var/vcap/sys/run/proxy/proxy.pid\t138\t94\n\
        pidproc\t138\t1\tS\t509642\thost\t/var/vcap/packages/kubernetes/bin/kube-proxy\t/var/vcap/packages/kubernetes/bin/kube-proxy --master=x\n\
        proc\t138\t1\tS\t509642\thost\t/var/vcap/packages/kubernetes/bin/kube-proxy\t/var/vcap/packages/kubernetes/bin/kube-proxy --master=x\n\
        listen\ttcp\t10256\t138\nlisten\ttcp\t10249\t138\nlisten\ttcp\t30080\t138\nlisten\ttcp6\t30080\t138\n\
        log\t118:612:/var/vcap/sys/log/proxy/kube-proxy.stderr.log\tliving\t0\n\
        disk\t/var/vcap/data\t/var/vcap/data\t34%\t63475580\n\
        end\n";

    /// The healthy VM with lines replaced or, by an empty text, taken out.
    pub(crate) fn look(changes: &[(&str, &str)]) -> Look {
        let mut text = HEALTHY.to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "`{from}` is not in it");
            text = text.replace(from, to);
        }
        read(&text).expect("records").before.expect("a look")
    }

    #[test]
    fn a_look_is_read_whole() {
        let look = look(&[]);
        assert_eq!(look.state("proxy").map(|s| s.text.as_str()), Some("running"));
        assert_eq!(look.known_jobs, ["kubelet", "proxy"]);
        assert_eq!(look.config.as_ref().and_then(|c| c.start_seconds), Some(60));
        assert_eq!(look.pidfile.process.as_ref().map(|p| p.id), Some(look.processes[0].id));
        assert_eq!(look.age(&look.processes[0]), Duration::from_secs(95));
        assert_eq!(look.listeners.len(), 3, "both families of one port are one");
        assert_eq!(look.marks().logs, ["118:612:/var/vcap/sys/log/proxy/kube-proxy.stderr.log"]);
        assert_eq!(look.disks[0].used, 34);
    }

    #[test]
    fn complaints_know_who_complains() {
        let kind = "logkind\t/var/vcap/sys/log/proxy/kube-proxy.stderr.log\t3\t[906] server.go:480] starting metrics server failed: listen tcp 127.0.0.1:10249: bind: address already in use\nend\n";
        let look = look(&[("end\n", kind)]);
        let complaint = &look.complaints[0];
        assert_eq!((complaint.pid, complaint.count), (Some(906), 3));
        assert!(complaint.text.starts_with("server.go:480] starting"));
    }

    #[test]
    fn what_is_cut_or_broken_is_an_error_and_noise_is_kept() {
        let whole = HEALTHY;
        assert_eq!(read(whole.trim_end_matches("end\n")), Err(RecordsError::Cut));
        assert_eq!(read(""), Err(RecordsError::Cut));
        assert_eq!(
            read("phase\tbefore\nprobe\t9\t1\t1\tb\th\t100\nend\n"),
            Err(RecordsError::Broken(2))
        );
        assert_eq!(read("phase\tbefore\nproc\tx\nend\n"), Err(RecordsError::Broken(2)));
        let noisy = read(&format!("df: /x: gone\u{1b}[2J\n{whole}")).expect("records");
        assert_eq!(noisy.noise, ["df: /x: gone"]);
    }

    #[test]
    fn a_whole_restart() {
        let after = HEALTHY
            .replace("phase\tbefore", "phase\tafter")
            .replace("138", "331")
            .replace("end\n", "");
        let before = HEALTHY.replace("end\n", "");
        let text = format!(
            "{before}phase\trestart\nrestart-rc\t0\t\nstate\t1\tnot monitored - restart pending\t138\n\
             state\t13\trunning\t331\n{after}verdict\tok\t15\nend\n"
        );
        let session = read(&text).expect("records");
        assert!(session.begun && session.restart == Some((0, String::new())));
        assert_eq!(session.states.len(), 2);
        assert_eq!(session.verdict, Some((Verdict::Ok, "15".to_owned())));
        assert_eq!(session.after.expect("a second look").pidfile.pid, Some(331));
    }

    /// Whatever bytes come, reading ends, and what is kept is clean.
    #[test]
    fn no_input_breaks_the_reader() {
        let mut state = 1_u64;
        for _ in 0..2000 {
            let mut text = HEALTHY.as_bytes().to_vec();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = usize::try_from(state >> 33).expect("small") % text.len();
                text[at] = u8::try_from(state >> 56).expect("a byte");
            }
            let read = read(&String::from_utf8_lossy(&text));
            if let Ok(Session { before: Some(look), .. }) = read {
                assert!(!format!("{look:?}").contains('\u{1b}'));
            }
        }
    }
}
