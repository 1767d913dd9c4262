//! The command line.

use crate::jobs::Jobs;
use crate::targets::Selector;
use clap::{Args as ArgGroup, Parser, Subcommand, ValueHint};
use jiff::Timestamp;
use rotation_core::cli::complete::{Ask, Candidate};
use rotation_core::cli::completion::CompletionArgs;
use rotation_core::cli::confirm::ConfirmArgs;
use rotation_core::cli::console::Style;
use rotation_core::cli::environment::Environment;
use rotation_core::cli::exit::CommandLine;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::output::{OutputArgs, OutputFormat};
use rotation_core::facts::bosh::is_word;
use rotation_core::facts::duration::parse_go;
use rotation_core::facts::pace::Pace;
use rotation_core::tell::colour::When;
use rotation_core::world::files;
use rotation_core::world::hosts::bosh::{Bosh, Settings};
use rotation_core::world::interrupt::Interrupt;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  # For the runbook's two lines: masters, then minions, one at a time, each proven before the next
  bosh-proxy-restart -d kubernetes

  # The runbook's three questions, for every instance; changes nothing
  bosh-proxy-restart verify -d kubernetes

  # One instance with two proxies: end both, start one, prove it
  bosh-proxy-restart heal minion/0 -d kubernetes

  # In a script: no question, an exit code to trust, a record for the maintenance window
  bosh-proxy-restart -d kubernetes --yes --log-file restart.log

Exit codes:
  0  done, or nothing to do        4  refused: nothing (more) was changed
  1  director, login, or a bug     5  partly done: run it again
  2  wrong command line            6  done, but not proven in time
  3  verify: findings; --dry-run: changes pending    130  interrupted: run it again

It is no `bosh restart`: no lifecycle script runs, no other process is touched, and nothing is converged.";

/// Restart a monit job across the VMs of a BOSH deployment, one proven step at a time
///
/// Replaces `bosh ssh GROUP -c "sudo /var/vcap/bosh/bin/monit restart proxy"`. Uses your own `bosh` (version 7) with
/// its environment; needs no Kubernetes API.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES, subcommand_negates_reqs = true, args_conflicts_with_subcommands = false)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,

    /// GROUP, GROUP/UUID or GROUP/INDEX; `master`, then `minion` (or `worker`) by default
    #[arg(value_name = "INSTANCE")]
    pub(crate) instances: Vec<Selector>,

    #[command(flatten)]
    pub(crate) change: ChangeArgs,

    /// Canaries in each group: restarted first, one by one, and watched for longer
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) canary: usize,

    /// Instances of one group and one zone at a time: a number or a percentage of the group
    #[arg(long, value_name = "N|N%", default_value = "1")]
    pub(crate) max_in_flight: Pace,

    /// Failed instances that are put up with before nothing more is begun
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) max_failures: usize,

    /// Processes that started after this time are done already; the start of the last unfinished run by default
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,

    /// Also what an unfinished run has restarted already
    #[arg(long, conflicts_with = "since")]
    pub(crate) all: bool,

    /// Also start what somebody has stopped with monit
    #[arg(long)]
    pub(crate) start_stopped: bool,

    /// Go on without instances that would be a reason to refuse: no-vm, unresponsive, ignored, stopped, no-job, sick, unreachable; or although the deployment is locked: locked
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = Allowance::parse)]
    pub(crate) allow: Vec<Allowance>,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What else the tool does.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Answer the runbook's three questions for every instance; changes nothing
    Verify(VerifyArgs),
    /// Make one proxy of several, or mend a lost or foreign pidfile, on one instance
    Heal(HealArgs),
    /// Completion for shells
    Completion(CompletionArgs),
}

/// `verify`.
#[derive(ArgGroup, Debug)]
pub(crate) struct VerifyArgs {
    /// GROUP, GROUP/UUID or GROUP/INDEX; `master`, then `minion` (or `worker`) by default
    #[arg(value_name = "INSTANCE")]
    pub(crate) instances: Vec<Selector>,

    /// Warnings are findings, too
    #[arg(long)]
    pub(crate) strict: bool,
}

/// `heal`.
#[derive(ArgGroup, Debug)]
pub(crate) struct HealArgs {
    /// GROUP/UUID or GROUP/INDEX
    #[arg(value_name = "INSTANCE")]
    pub(crate) instance: Selector,
}

/// Flags of what changes something.
#[derive(ArgGroup, Debug)]
pub(crate) struct ChangeArgs {
    /// Change nothing: look, and show what would be done
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,

    /// Do not ask before changing anything
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,

    /// Longest wait for one instance; what its monitrc allows, and at least 2m, by default
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_go)]
    pub(crate) timeout: Option<Duration>,
}

impl ChangeArgs {
    /// Whether to ask.
    pub(crate) fn confirm(&self) -> ConfirmArgs {
        ConfirmArgs { yes: self.yes }
    }
}

/// Flags of every command.
#[derive(ArgGroup, Debug)]
pub(crate) struct CommonArgs {
    /// The monit job; the first known one of the instance by default: proxy, kube-proxy
    #[arg(long, global = true, value_name = "NAME", value_parser = job_name)]
    pub(crate) job: Option<String>,

    /// More jobs: a TOML file of `[[job]]` tables, as docs/bosh-proxy-restart.md describes them
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) jobs: Option<PathBuf>,

    /// Print one JSON document on stdout
    #[arg(help_heading = "Output", long, global = true)]
    pub(crate) json: bool,

    /// Tell failures and warnings only
    #[arg(help_heading = "Output", short, long, global = true)]
    pub(crate) quiet: bool,

    /// Colours: auto, always or never; `NO_COLOR` is honoured
    #[arg(
        help_heading = "Output",
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub(crate) color: When,

    /// Append each event as a line of JSON to this file
    #[arg(help_heading = "Output", long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) log_file: Option<PathBuf>,

    /// Deployment; `BOSH_DEPLOYMENT` by default
    #[arg(help_heading = "BOSH", short, long, global = true, value_name = "NAME")]
    pub(crate) deployment: Option<String>,

    /// Director: URL or alias
    #[arg(help_heading = "BOSH", short, long, global = true, value_name = "URL")]
    pub(crate) environment: Option<String>,

    /// CA certificate of the director: path or text
    #[arg(help_heading = "BOSH", long, global = true, value_name = "CERT")]
    pub(crate) ca_cert: Option<String>,

    /// Client or user; its secret comes from `BOSH_CLIENT_SECRET` or from `bosh log-in`
    #[arg(help_heading = "BOSH", long, global = true, value_name = "NAME")]
    pub(crate) client: Option<String>,

    /// Config file of the BOSH CLI
    #[arg(help_heading = "BOSH", long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// SSH gateway: host
    #[arg(help_heading = "BOSH", long, global = true, value_name = "HOST")]
    pub(crate) gw_host: Option<String>,

    /// SSH gateway: user
    #[arg(help_heading = "BOSH", long, global = true, value_name = "USER")]
    pub(crate) gw_user: Option<String>,

    /// SSH gateway: file of the private key
    #[arg(help_heading = "BOSH", long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) gw_private_key: Option<PathBuf>,

    /// No SSH gateway
    #[arg(help_heading = "BOSH", long, global = true)]
    pub(crate) gw_disable: bool,

    /// The BOSH CLI; `bosh` on `PATH` by default
    #[arg(help_heading = "BOSH", long, global = true, value_name = "PATH", value_hint = ValueHint::ExecutablePath, default_value = "bosh", hide_default_value = true)]
    pub(crate) bosh: PathBuf,

    /// Longest wait for an SSH connection to come about
    #[arg(help_heading = "BOSH", long, global = true, value_name = "DURATION", default_value = "10s", value_parser = parse_go)]
    pub(crate) connect_timeout: Duration,
}

/// A reason to refuse that the operator knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    NoVm,
    Unresponsive,
    Ignored,
    Stopped,
    NoJob,
    Sick,
    Unreachable,
    Locked,
}

impl Allowance {
    /// Each with its word.
    pub(crate) const WORDS: [(Self, &'static str); 8] = [
        (Self::NoVm, "no-vm"),
        (Self::Unresponsive, "unresponsive"),
        (Self::Ignored, "ignored"),
        (Self::Stopped, "stopped"),
        (Self::NoJob, "no-job"),
        (Self::Sick, "sick"),
        (Self::Unreachable, "unreachable"),
        (Self::Locked, "locked"),
    ];

    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(known, _)| *known == self).map_or("", |(_, word)| word)
    }

    fn parse(text: &str) -> Result<Self, String> {
        Self::WORDS.iter().find(|(_, word)| *word == text).map(|(known, _)| *known).ok_or_else(
            || {
                let known: Vec<&str> = Self::WORDS.iter().map(|(_, word)| *word).collect();
                format!("it is one of {}", known.join(", "))
            },
        )
    }
}

fn job_name(text: &str) -> Result<String, String> {
    let fault = "a job's name has letters, digits, `-`, `_` and `.` only";
    if is_word(text) { Ok(text.to_owned()) } else { Err(fault.to_owned()) }
}

impl CommandLine for Args {
    fn style(&self) -> Style {
        Style { color: self.common.color, quiet: self.common.quiet }
    }

    fn values(ask: &Ask<'_>, _: &Environment) -> Vec<Candidate> {
        match ask.argument {
            "job" => {
                Jobs::embedded().iter().map(|job| Candidate::new(&*job.name, &*job.about)).collect()
            }
            "allow" => Allowance::WORDS.iter().map(|(_, word)| Candidate::new(*word, "")).collect(),
            "instances" | "instance" => {
                ["master", "minion", "worker"].map(|group| Candidate::new(group, "")).to_vec()
            }
            _ => Vec::new(),
        }
    }
}

impl CommonArgs {
    /// The deployment, which the CLI does not demand for every command.
    pub(crate) fn deployment(&self, environment: &Environment) -> Result<String, Failure> {
        let named = self.deployment.clone().or_else(|| environment.bosh_deployment.clone());
        let name = named.ok_or_else(|| {
            Failure::usage("no deployment is named").with_hint(
                "name it with -d NAME or BOSH_DEPLOYMENT; run `bosh deployments` to see them",
            )
        })?;
        if is_word(&name) {
            Ok(name)
        } else {
            Err(Failure::usage(format!("`{name}` can be no deployment's name")))
        }
    }

    /// The embedded jobs and the operator's.
    pub(crate) fn all_jobs(&self) -> Result<Jobs, Failure> {
        let mut jobs = Jobs::embedded();
        if let Some(path) = &self.jobs {
            let text = files::read_named(path)?;
            let more = Jobs::parse(&text).map_err(|why| {
                Failure::usage(format!("cannot use jobs file `{}`: {why}", path.display()))
            })?;
            jobs.put_first(more);
        }
        Ok(jobs)
    }

    /// The door to BOSH.
    pub(crate) fn bosh(&self, deployment: String, interrupt: Interrupt) -> Bosh {
        let mut global = Vec::new();
        let add = |list: &mut Vec<OsString>, flag: &str, value: Option<OsString>| {
            if let Some(value) = value {
                let mut word = OsString::from(format!("{flag}="));
                word.push(value);
                list.push(word);
            }
        };
        add(&mut global, "--environment", self.environment.clone().map(Into::into));
        add(&mut global, "--ca-cert", self.ca_cert.clone().map(Into::into));
        add(&mut global, "--client", self.client.clone().map(Into::into));
        add(&mut global, "--config", self.config.clone().map(Into::into));
        let mut ssh = Vec::new();
        add(&mut ssh, "--gw-host", self.gw_host.clone().map(Into::into));
        add(&mut ssh, "--gw-user", self.gw_user.clone().map(Into::into));
        add(&mut ssh, "--gw-private-key", self.gw_private_key.clone().map(Into::into));
        if self.gw_disable {
            ssh.push("--gw-disable".into());
        }
        let settings = Settings {
            program: self.bosh.clone().into(),
            deployment,
            global,
            ssh,
            connect_seconds: self.connect_timeout.as_secs().max(1),
        };
        Bosh::new(settings, interrupt)
    }

    /// How results are printed, in the terms of all tools.
    pub(crate) fn output(&self) -> OutputArgs {
        OutputArgs {
            output: self.json.then_some(OutputFormat::Json),
            quiet: self.quiet,
            color: self.color,
            log_file: self.log_file.clone(),
            ..OutputArgs::default()
        }
    }

    /// The flags that say where and what, for hints that are commands.
    pub(crate) fn for_hint(&self, deployment: &str) -> String {
        let mut words = String::new();
        let mut flag = |flag: &str, value: Option<String>| {
            words.extend(value.map(|value| format!(" {flag} {value}")));
        };
        flag("-e", self.environment.clone());
        flag("-d", Some(deployment.to_owned()));
        flag("--job", self.job.clone());
        flag("--jobs", self.jobs.as_ref().map(|path| path.display().to_string()));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
        let args =
            Args::try_parse_from(["x", "master", "minion/0", "-d", "k", "--allow", "no-vm,sick"]);
        let args = args.expect("parsed");
        assert_eq!(args.instances.len(), 2);
        assert_eq!(args.allow, [Allowance::NoVm, Allowance::Sick]);
        for line in [
            "x --job a;b",
            "x --allow everything",
            "x master/0/1",
            "x heal",
            "x --max-in-flight 0",
            "x --dry-run=server",
            "x --client-secret s",
        ] {
            assert!(Args::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
        let verify =
            Args::try_parse_from(["x", "verify", "minion", "-d", "k", "--json"]).expect("parsed");
        assert!(matches!(verify.verb, Some(Verb::Verify(v)) if v.instances.len() == 1));
    }
}
