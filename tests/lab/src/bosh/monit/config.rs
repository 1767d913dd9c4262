//! The control file, as far as stemcells and the lab's jobs use it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::service::{Service, Watch};

/// What a control file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Config {
    /// How long monit waits between two looks.
    pub(super) poll: Duration,
    /// Where it writes what it does.
    pub(super) log: Option<PathBuf>,
    pub(super) services: Vec<Service>,
}

/// Reads a control file and what it includes.
pub(super) fn read(path: &Path) -> Result<Config> {
    let mut config = Config { poll: Duration::from_mins(1), log: None, services: Vec::new() };
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    for pattern in parse(&text, &mut config)? {
        let folder = Path::new(&pattern).parent().unwrap_or(Path::new("/"));
        let mut files: Vec<_> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
        files.retain(|file| file.extension().is_some_and(|kind| kind == "monitrc"));
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            parse(&text, &mut config)?;
        }
    }
    Ok(config)
}

/// Adds what one file says; returns what it includes.
fn parse(text: &str, config: &mut Config) -> Result<Vec<String>> {
    let mut words = tokens(text).into_iter().peekable();
    let mut includes = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "include" => includes.extend(words.next()),
            "set" => match words.next().as_deref() {
                Some("daemon") => {
                    let seconds = words.next().and_then(|word| word.parse().ok());
                    config.poll = Duration::from_secs(seconds.context("set daemon: no number")?);
                }
                Some("logfile") => config.log = words.next().map(PathBuf::from),
                _ => {}
            },
            "check" => {
                let Some("process") = words.next().as_deref() else { continue };
                config.services.push(service(words.next().context("check process: no name")?));
            }
            "pidfile" => {
                if let (Some(service), Some(path)) = (config.services.last_mut(), words.next()) {
                    service.pidfile = path.into();
                }
            }
            verb @ ("start" | "stop") => {
                let Some(service) = config.services.last_mut() else { continue };
                words.next_if(|word| word == "program");
                words.next_if(|word| word == "=");
                let line = words.next().context("a program without a name")?;
                let command: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
                let mut timeout = None;
                if words.next_if(|word| word == "with").is_some() {
                    words.next_if(|word| word == "timeout");
                    timeout = words.next().and_then(|word| word.parse().ok());
                }
                if command.is_empty() {
                    bail!("the {verb} program of {} has no name", service.name);
                }
                let timeout = Duration::from_secs(timeout.unwrap_or(30));
                if verb == "start" {
                    (service.start, service.start_timeout) = (command, timeout);
                } else {
                    (service.stop, service.stop_timeout) = (command, timeout);
                }
            }
            _ => {}
        }
    }
    Ok(includes)
}

fn service(name: String) -> Service {
    Service {
        name,
        pidfile: PathBuf::new(),
        start: Vec::new(),
        stop: Vec::new(),
        start_timeout: Duration::from_secs(30),
        stop_timeout: Duration::from_secs(30),
        watch: Watch::Fresh,
        pending: None,
        pid: None,
        execution_failed: false,
        does_not_exist: false,
        pid_changed: false,
    }
}

/// Words, and texts in quotes as one word each.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
        for (number, part) in line.split('"').enumerate() {
            if number % 2 == 1 {
                found.push(part.to_owned());
            } else {
                found.extend(part.split_whitespace().map(str::to_owned));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_as_releases_write_it() {
        let mut config = Config { poll: Duration::ZERO, log: None, services: Vec::new() };
        let text = "set daemon 10\nset logfile /l # not this\ninclude /x/*.monitrc\n\
                    check process proxy with pidfile /p.pid\n  start program \"/ctl start\" with timeout 60 seconds\n\
                    stop program \"/ctl stop\"\n  group vcap\n";
        assert_eq!(parse(text, &mut config).unwrap(), ["/x/*.monitrc"]);
        assert_eq!((config.poll, config.log), (Duration::from_secs(10), Some("/l".into())));
        let service = &config.services[0];
        assert_eq!(service.pidfile, Path::new("/p.pid"));
        assert_eq!(service.start, ["/ctl", "start"]);
        assert_eq!(service.start_timeout, Duration::from_mins(1));
        assert_eq!(service.stop_timeout, Duration::from_secs(30));
    }
}
