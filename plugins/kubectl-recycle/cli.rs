//! The command line.

use crate::request::{Place, Request, SelectError, select};
use crate::target::{Target, TargetError};
use clap::{Parser, Subcommand, ValueEnum, ValueHint};
use jiff::Timestamp;
use rotation_core::cli::complete::{Ask, Candidate};
use rotation_core::cli::completion::CompletionArgs;
use rotation_core::cli::confirm::ConfirmArgs;
use rotation_core::cli::connection::ConnectionArgs;
use rotation_core::cli::console::Style;
use rotation_core::cli::dry_run::DryRunArgs;
use rotation_core::cli::environment::Environment;
use rotation_core::cli::exit::CommandLine;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::output::OutputArgs;
use rotation_core::cli::selection::SelectionArgs;
use rotation_core::facts::duration::parse_go;
use rotation_core::facts::pace::Pace;
use rotation_core::plan::recycle::options::{Allowance, Options, Strategy};
use rotation_core::plan::recycle::presets::Presets;
use rotation_core::world::files;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  # For the runbook's grep and xargs: new DNS pods, one at a time
  kubectl recycle dns

  # In a script: presets in their order, no question, an exit code to trust
  kubectl recycle dns kube2iam fluentd --yes

  # What would be done, and why
  kubectl recycle stale -A --dry-run

  # A plan now, the change later: only the pods that the plan names
  kubectl recycle canal --dry-run -o json > plan.json
  kubectl recycle -f plan.json --yes

Exit codes:
  0  done, or nothing to do        4  refused: nothing (more) was changed
  1  unexpected error              5  partly done: run it again
  2  wrong command line            6  done, but not seen to be Ready in time
  3  --dry-run: changes pending    130  interrupted: run it again

Flags stand behind `recycle`: kubectl takes none before a plugin's name.";

/// Recreate pods that hold stale credentials, and wait until they are really back
///
/// Targets are presets (see `kubectl recycle presets`), KIND/NAME (daemonset, deployment, statefulset, replicaset,
/// replicationcontroller, pod), or `stale` for every pod that holds an outdated credential.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,

    /// Presets, KIND/NAME, or `stale`
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    /// Pods on this node, in all namespaces unless -n names one
    #[arg(help_heading = "Selection", long, value_name = "NODE")]
    pub(crate) node: Option<String>,

    /// Also pods that are fresh, or not known to be stale
    #[arg(help_heading = "Selection", long)]
    pub(crate) all: bool,

    /// Credentials changed at this time: pods started after it are fresh
    #[arg(help_heading = "Selection", long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,

    /// A target that matches nothing is no error
    #[arg(help_heading = "Selection", long)]
    pub(crate) ignore_not_found: bool,

    /// More presets: a TOML file of `[[preset]]` tables, as docs/recycle.md describes them
    #[arg(help_heading = "Selection", long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) presets: Option<PathBuf>,

    /// Apply this plan instead of making one; `-` reads it from standard input
    #[arg(short = 'f', long = "filename", value_name = "PLAN", value_hint = ValueHint::FilePath, conflicts_with_all = ["targets", "node", "selector", "all", "since"])]
    pub(crate) plan: Option<PathBuf>,

    /// How pods are made to go
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) strategy: StrategyArg,

    /// Pods of one workload that may be away at once: a number or a percentage
    #[arg(long, value_name = "N|N%")]
    pub(crate) max_unavailable: Option<Pace>,

    /// Failed pods after which a workload is left, and later phases are not begun
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_failures: u32,

    /// Seconds that a pod gets to end; the pod's own by default
    #[arg(long, value_name = "SECONDS")]
    pub(crate) grace_period: Option<u32>,

    /// What would be refused otherwise: bare, jobs, unfit, unreachable, last-ready, unready-over-budget, over-budget, control-plane
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = allowance, hide_possible_values = true)]
    pub(crate) allow: Vec<Allowance>,

    /// Longest wait for one pod: for its budget, and again for its replacement
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_go)]
    pub(crate) timeout: Duration,

    /// After DNS pods: ask the DNS Service for this name from here, too; on a node of the cluster that is done anyway
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "kubernetes.default.svc.cluster.local")]
    pub(crate) resolve: Option<String>,

    #[command(flatten)]
    pub(crate) dry_run: DryRunArgs,

    #[command(flatten)]
    pub(crate) confirm: ConfirmArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// What else the tool does.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// What each preset matches here and now
    Presets,
    /// Completion for shells and for kubectl
    Completion(CompletionArgs),
}

/// `--strategy`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum StrategyArg {
    /// Delete DaemonSet pods, evict all others
    Auto,
    /// Evict: budgets are honoured
    Evict,
    /// Delete: budgets are ignored
    Delete,
    /// Touch the workload's template, as `kubectl rollout restart` does
    Rollout,
}

fn allowance(word: &str) -> Result<Allowance, String> {
    Allowance::WORDS
        .iter()
        .find(|(_, known)| *known == word)
        .map(|(allowance, _)| *allowance)
        .ok_or_else(|| {
            let known: Vec<&str> = Allowance::WORDS.iter().map(|(_, word)| *word).collect();
            format!("it is one of {}", known.join(", "))
        })
}

impl CommandLine for Args {
    fn style(&self) -> Style {
        (&self.output).into()
    }

    fn values(ask: &Ask<'_>, _: &Environment) -> Vec<Candidate> {
        if ask.argument != "targets" {
            return Vec::new();
        }
        let presets = Presets::embedded();
        let stale = Candidate::new("stale", "every pod that holds an outdated credential");
        presets.iter().map(|p| Candidate::new(&*p.name, &*p.about)).chain([stale]).collect()
    }
}

/// A command line whose words do not fit together.
#[derive(Debug, thiserror::Error)]
enum UsageError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Select(#[from] SelectError),
}

impl Args {
    /// The embedded presets and the user's.
    pub(crate) fn all_presets(&self) -> Result<Presets, Failure> {
        let mut presets = Presets::embedded();
        if let Some(path) = &self.presets {
            let text = files::read_named(path)?;
            presets.extend(&text).map_err(|why| {
                Failure::usage(format!("cannot use presets file `{}`: {why}", path.display()))
            })?;
        }
        Ok(presets)
    }

    /// The request, or what is wrong with the command line.
    pub(crate) fn request(&self, context_namespace: &str) -> Result<Request, Failure> {
        let presets = self.all_presets()?;
        let usage = |error: UsageError| Failure::usage(error.to_string());
        let targets = self
            .targets
            .iter()
            .map(|word| Target::parse(word, &presets))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| usage(e.into()))?;
        let select = select(targets, self.selection.selector.clone(), self.node.clone())
            .map_err(|e| usage(e.into()))?;
        let place = if self.selection.all_namespaces {
            Place::Everywhere
        } else {
            Place::Namespace {
                name: context_namespace.to_owned(),
                given: self.connection.namespace.is_some(),
            }
        };
        Ok(Request {
            select,
            place,
            options: self.options(),
            since: self.since,
            all: self.all,
            ignore_not_found: self.ignore_not_found,
            presets,
        })
    }

    fn options(&self) -> Options {
        Options {
            strategy: match self.strategy {
                StrategyArg::Auto => Strategy::Auto,
                StrategyArg::Evict => Strategy::Evict,
                StrategyArg::Delete => Strategy::Delete,
                StrategyArg::Rollout => Strategy::Rollout,
            },
            max_unavailable: self.max_unavailable,
            max_failures: self.max_failures,
            grace_seconds: self.grace_period,
            allow: self.allow.iter().copied().collect(),
        }
    }
}
