//! Which monit jobs are known, and what of each must be known to prove that it runs once. Data: `jobs.toml`.

use rotation_core::facts::bosh::{Instance, is_word};
use serde::Deserialize;

const EMBEDDED: &str = include_str!("jobs.toml");

/// What must be known of a job.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Job {
    /// Monit's name for it.
    pub(crate) name: String,
    /// What it is, for people.
    #[serde(default)]
    pub(crate) about: String,
    /// Base names of its program. Empty: only what the pidfile leads to.
    #[serde(default)]
    pub(crate) executables: Vec<String>,
    /// Its pidfile below `/var/vcap`, where its monitrc names none.
    pub(crate) pidfile: String,
    /// The pidfile names a control script, and the program is its child.
    #[serde(default)]
    pub(crate) wrapper: bool,
    /// Ports that it must hold, and nobody else.
    #[serde(default)]
    pub(crate) ports: Vec<u16>,
    /// Its logs, as patterns below `/var/vcap/sys/log`.
    #[serde(default)]
    pub(crate) logs: Vec<String>,
    /// How old a new process must be to count as one that stays, in seconds.
    pub(crate) min_age_seconds: u64,
}

/// The jobs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Jobs {
    #[serde(rename = "job")]
    jobs: Vec<Job>,
}

/// A file of jobs that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobsError {
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    #[error("job `{job}`: {what}")]
    Unfit { job: String, what: &'static str },
}

impl Jobs {
    /// Those that come with the tool.
    pub(crate) fn embedded() -> Self {
        Self::parse(EMBEDDED).expect("jobs.toml is tested")
    }

    /// Reads a file.
    pub(crate) fn parse(text: &str) -> Result<Self, JobsError> {
        let jobs: Self = toml::from_str(text)?;
        for job in &jobs.jobs {
            job.check()?;
        }
        Ok(jobs)
    }

    /// Puts these in front of the known ones: a job of the same name is replaced.
    pub(crate) fn put_first(&mut self, mut others: Self) {
        self.jobs.retain(|job| others.jobs.iter().all(|other| other.name != job.name));
        others.jobs.append(&mut self.jobs);
        *self = others;
    }

    /// The job of this name; one that is not known is guessed from its name.
    pub(crate) fn named(&self, name: &str) -> Job {
        self.jobs.iter().find(|job| job.name == name).cloned().unwrap_or_else(|| guessed(name))
    }

    /// The first known job that this instance has.
    pub(crate) fn on(&self, instance: &Instance) -> Option<&Job> {
        self.jobs.iter().find(|job| instance.process(&job.name).is_some())
    }

    /// Their names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.jobs.iter().map(|job| job.name.as_str())
    }

    /// All.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter()
    }
}

/// What BOSH's conventions say of a job of which only the name is known.
fn guessed(name: &str) -> Job {
    Job {
        name: name.to_owned(),
        about: String::new(),
        executables: Vec::new(),
        pidfile: format!("sys/run/{name}/{name}.pid"),
        wrapper: false,
        ports: Vec::new(),
        logs: vec![format!("{name}/*.log"), format!("{name}_ctl*.log")],
        min_age_seconds: 12,
    }
}

impl Job {
    /// Whether its program is known by name, so that every process of that name counts.
    pub(crate) fn is_known(&self) -> bool {
        !self.executables.is_empty()
    }

    /// Everything becomes part of a script that runs as root: only what a name, a path or a pattern is made of.
    fn check(&self) -> Result<(), JobsError> {
        let unfit = |what| Err(JobsError::Unfit { job: self.name.clone(), what });
        let is_path = |path: &String, glob: bool| {
            let inside =
                |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c) || (glob && c == '*');
            !path.is_empty()
                && path.chars().all(inside)
                && !path.starts_with('/')
                && !path.contains("..")
        };
        if !is_word(&self.name) {
            return unfit("its name has other characters than letters, digits, `-`, `_` and `.`");
        }
        if !self.executables.iter().all(|name| is_word(name)) {
            return unfit("an executable is a base name");
        }
        if !is_path(&self.pidfile, false) || !self.logs.iter().all(|log| is_path(log, true)) {
            return unfit("paths stand below /var/vcap, without `..`; only logs may have `*`");
        }
        if self.min_age_seconds > 600 {
            return unfit("min_age_seconds is at most 600");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_ones_are_sound_and_distinct() {
        let jobs = Jobs::embedded();
        let mut names: Vec<&str> = jobs.names().collect();
        assert_eq!(names, ["proxy", "kube-proxy"]);
        names.dedup();
        assert_eq!(names.len(), 2);
        for job in jobs.iter() {
            assert!(job.is_known() && !job.about.is_empty() && !job.logs.is_empty(), "{job:?}");
            assert!(job.min_age_seconds >= 12, "two retries of the proxy");
        }
    }

    #[test]
    fn what_could_break_out_of_a_script_is_refused() {
        let of = |name: &str, pidfile: &str, log: &str, exe: &str| {
            Jobs::parse(&format!(
                "[[job]]\nname = {name:?}\npidfile = {pidfile:?}\nlogs = [{log:?}]\nexecutables = [{exe:?}]\nmin_age_seconds = 12\n"
            ))
        };
        assert!(of("a", "run/a.pid", "a/*.log", "a").is_ok());
        for (name, pidfile, log, exe) in [
            ("a b", "run/a.pid", "a/*.log", "a"),
            ("a'", "run/a.pid", "a/*.log", "a"),
            ("a", "/run/a.pid", "a/*.log", "a"),
            ("a", "../a.pid", "a/*.log", "a"),
            ("a", "run/*.pid", "a/*.log", "a"),
            ("a", "run/a.pid", "$(id)", "a"),
            ("a", "run/a.pid", "a/*.log", "/bin/a"),
        ] {
            assert!(of(name, pidfile, log, exe).is_err(), "{name} {pidfile} {log} {exe}");
        }
        assert!(Jobs::parse("[[job]]\nname = \"a\"\npidfiel = \"x\"\n").is_err());
    }

    #[test]
    fn a_file_comes_first_and_a_name_alone_is_enough() {
        let mut jobs = Jobs::embedded();
        let more = "[[job]]\nname = \"proxy\"\npidfile = \"sys/run/x.pid\"\nmin_age_seconds = 5\n";
        jobs.put_first(Jobs::parse(more).expect("sound"));
        assert_eq!(jobs.named("proxy").pidfile, "sys/run/x.pid");
        assert_eq!(jobs.names().collect::<Vec<_>>(), ["proxy", "kube-proxy"]);
        assert_eq!(jobs.named("nginx").pidfile, "sys/run/nginx/nginx.pid");
    }
}
