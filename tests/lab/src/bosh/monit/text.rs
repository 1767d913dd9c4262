//! The texts of `summary` and `status`.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use jiff::Timestamp;

use super::service::{Service, Watch};

/// `Monit daemon ... uptime`, with the blank that the real one leaves at the end of the line.
fn header(uptime: Duration) -> String {
    format!("The Monit daemon 5.2.5 uptime: {} \n\n", minutes(uptime))
}

/// Minutes, and hours and days where there are any.
fn minutes(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}m"),
        (0, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h {minutes}m"),
    }
}

/// `monit summary`.
pub(super) fn summary(services: &[Service], uptime: Duration) -> String {
    let mut text = header(uptime);
    for service in services {
        let _ = writeln!(text, "{:<35} {}", format!("Process '{}'", service.name), service.state());
    }
    let _ = writeln!(text, "{:<35} running", "System 'system_localhost'");
    text
}

/// `monit status`, whatever name is given with it.
pub(super) fn status(services: &[Service], uptime: Duration, now: Timestamp) -> String {
    let mut text = header(uptime);
    let collected = now.strftime("%a %b %e %H:%M:%S %Y").to_string();
    for service in services {
        let _ = writeln!(text, "Process '{}'", service.name);
        line(&mut text, "status", &service.state());
        line(&mut text, "monitoring status", service.monitoring());
        let running = service.watch == Watch::Yes && service.state() == "running";
        if let Some(pid) = service.pid.filter(|_| running) {
            process(&mut text, pid);
        }
        line(&mut text, "data collected", &collected);
        text.push('\n');
    }
    text.push_str("System 'system_localhost'\n");
    line(&mut text, "status", "running");
    line(&mut text, "monitoring status", "monitored");
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<_> = load.split(' ').take(3).map(|one| format!("[{one}]")).collect();
    line(&mut text, "load average", &load.join(" "));
    line(&mut text, "cpu", "0.0%us 0.0%sy 0.0%wa");
    line(&mut text, "memory usage", "0 kB [0.0%]");
    line(&mut text, "swap usage", "0 kB [0.0%]");
    line(&mut text, "data collected", &collected);
    text.push('\n');
    text
}

/// What monit tells of a process that runs.
fn process(text: &mut String, pid: u32) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
        line.split_whitespace().next().unwrap_or("0").to_owned()
    };
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default().split_whitespace().count();
    line(text, "pid", &pid.to_string());
    line(text, "parent pid", &field("PPid:"));
    line(text, "uptime", &format!("{} ", minutes(age(pid).unwrap_or_default())));
    line(text, "children", &children.to_string());
    line(text, "memory kilobytes", &field("VmRSS:"));
    line(text, "memory kilobytes total", &field("VmRSS:"));
    for what in ["memory percent", "memory percent total", "cpu percent", "cpu percent total"] {
        line(text, what, "0.0%");
    }
}

fn age(pid: u32) -> Option<Duration> {
    // 100 ticks a second on every Linux.
    let started = Duration::from_millis(crate::process::Identity::of(pid)?.started * 10);
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split(' ').next()?.parse().ok()?;
    Duration::from_secs_f64(uptime).checked_sub(started)
}

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<33} {value}");
}
