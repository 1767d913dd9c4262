//! A proxy that treats its ports as kube-proxy of the runbook's age does: it binds three of them, does not die of one
//! that is taken, says so in klog's form, and tries again every five seconds for ever.
//!
//! Files in [`KNOBS`] make it sick; each is read at the start, so that a proxy that runs stays as it is.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use jiff::Timestamp;

/// The folder of the files that make a proxy sick, on the VM.
pub(super) const KNOBS: &str = "/var/vcap/lab/proxy";

/// How often a proxy tries again to bind what it could not.
const RETRY: Duration = Duration::from_secs(5);

/// What it listens on: the address, and where kube-proxy says what about one that is taken.
const PORTS: [(&str, &str, &str); 3] = [
    (
        "127.0.0.1:10249",
        "server.go:480",
        "starting metrics server failed: listen tcp ADDRESS: bind: address already in use",
    ),
    (
        "0.0.0.0:10256",
        "healthcheck.go:317",
        "Failed to start node healthz on ADDRESS: listen tcp ADDRESS: bind: address already in use",
    ),
    (
        "0.0.0.0:30080",
        "proxier.go:1051",
        "can't open \"nodePort for default/web:http\" (:30080/tcp), skipping this nodePort: listen tcp :30080: bind: address already in use",
    ),
];

/// Runs until it is killed, or until a knob ends it.
pub(super) fn run() -> Result<ExitCode> {
    let knob = |name: &str| fs::read_to_string(Path::new(KNOBS).join(name)).ok();
    let began = Instant::now();
    let after = knob("exit-after").and_then(|text| text.trim().parse().ok());
    // Under a control script that waits for its child, monit's TERM comes to the group and to this process alike.
    if knob("ignore-term").is_some() {
        let ignored = std::sync::Arc::default();
        signal_hook::flag::register(signal_hook::consts::SIGTERM, ignored)
            .context("cannot ignore SIGTERM")?;
    }
    log('I', "server.go:225", "Version: v1.7.7");
    if knob("exit-at-start").is_some() {
        log('F', "server.go:360", "unable to create proxier: the lab wants it so");
        return Ok(ExitCode::FAILURE);
    }
    let mut open: Vec<TcpListener> = Vec::new();
    let mut missing: Vec<usize> = (0..PORTS.len()).collect();
    let mut next = Instant::now();
    loop {
        if !missing.is_empty() && Instant::now() >= next {
            missing.retain(|number| {
                let (address, place, complaint) = PORTS[*number];
                let Ok(listener) = TcpListener::bind(address) else {
                    log('E', place, &complaint.replace("ADDRESS", address));
                    return true;
                };
                open.push(listener);
                false
            });
            next = Instant::now() + RETRY;
        }
        if after.is_some_and(|seconds| began.elapsed() >= Duration::from_secs(seconds)) {
            log('F', "server.go:400", "exiting: the lab wants it so");
            return Ok(ExitCode::FAILURE);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Takes a port that a proxy wants as soon as it is free, and holds it: `port-holder ADDRESS SECONDS`.
pub(super) fn hold() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let address = words.next().context("which address?")?;
    let seconds = words.next().and_then(|word| word.parse().ok()).context("how many seconds?")?;
    // The proxy that has it may be about to end.
    let listener = loop {
        match TcpListener::bind(&address) {
            Ok(listener) => break listener,
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    std::thread::sleep(Duration::from_secs(seconds));
    drop(listener);
    Ok(())
}

/// One line as klog writes it: severity and date, time, PID, place.
fn log(severity: char, place: &str, text: &str) {
    let now = Timestamp::now();
    let line = format!(
        "{severity}{} {:>7} {place}] {text}\n",
        now.strftime("%m%d %H:%M:%S.%6f"),
        std::process::id()
    );
    // A disk that is full does not stop a proxy.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}
