//! What a monitrc says of one job: its pidfile, and how long its start and its stop may take.

/// What monit is to do for a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct JobConfig {
    /// The pidfile.
    pub(crate) pidfile: Option<String>,
    /// Seconds that the start program may take; monit's own default is 30.
    pub(crate) start_seconds: Option<u64>,
    /// Seconds that the stop program may take.
    pub(crate) stop_seconds: Option<u64>,
}

impl JobConfig {
    /// Reads the lines from `check process NAME` up to the next check.
    pub(crate) fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut config = Self::default();
        // Which program the words belong to: a time limit may stand on the next line.
        let mut program = None;
        for line in lines {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            for (at, word) in words.iter().enumerate() {
                let next = words.get(at + 1).copied();
                match (word.to_ascii_lowercase().as_str(), next) {
                    ("pidfile", Some(path)) => {
                        config.pidfile.get_or_insert_with(|| path.trim_matches('"').to_owned());
                    }
                    ("start", Some(_)) => program = Some(true),
                    ("stop", Some(_)) => program = Some(false),
                    // `if failed port 80 timeout 5 seconds` has a time limit of its own.
                    ("if" | "depends" | "group" | "every", _) => program = None,
                    ("timeout", Some(number)) => {
                        let seconds = number.parse().ok();
                        match program {
                            Some(true) => config.start_seconds = config.start_seconds.or(seconds),
                            Some(false) => config.stop_seconds = config.stop_seconds.or(seconds),
                            None => {}
                        }
                    }
                    _ => {}
                }
            }
        }
        config
    }

    /// Seconds that an honest restart can take: stop, start, and two looks of monit.
    pub(crate) fn longest_restart(&self, poll: Option<u64>) -> u64 {
        let (start, stop) = (self.start_seconds.unwrap_or(30), self.stop_seconds.unwrap_or(30));
        start + stop + 2 * poll.unwrap_or(10) + 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_or_many() {
        let many = r#"check process proxy
  with pidfile /var/vcap/sys/run/proxy/proxy.pid
  start program "/var/vcap/jobs/x/bin/proxy_ctl start"
    with timeout 60 seconds
  stop program "/var/vcap/jobs/x/bin/proxy_ctl stop" with timeout 35 seconds
  if failed port 10256 timeout 5 seconds for 3 cycles then restart
  group vcap"#;
        let one = r#"check process proxy with pidfile "/var/vcap/sys/run/proxy/proxy.pid" start program "/x start" timeout 60 seconds stop program "/x stop" timeout 35 seconds"#;
        for text in [many, one] {
            let config = JobConfig::read(text.lines());
            assert_eq!(config.pidfile.as_deref(), Some("/var/vcap/sys/run/proxy/proxy.pid"));
            assert_eq!((config.start_seconds, config.stop_seconds), (Some(60), Some(35)), "{text}");
            assert_eq!(config.longest_restart(Some(10)), 125);
        }
        assert_eq!(JobConfig::read([]).longest_restart(None), 90);
    }
}
