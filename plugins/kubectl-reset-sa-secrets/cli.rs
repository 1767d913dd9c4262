//! The command line.

use crate::request::{Allow, Mode, Recycle, Request, USUAL};
use clap::{Args as Flags, Parser, Subcommand, ValueEnum, ValueHint};
use rotation_core::cli::completion::CompletionArgs;
use rotation_core::cli::confirm::ConfirmArgs;
use rotation_core::cli::connection::ConnectionArgs;
use rotation_core::cli::console::Style;
use rotation_core::cli::dry_run::DryRunArgs;
use rotation_core::cli::exit::CommandLine;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::output::OutputArgs;
use rotation_core::cli::selection::SelectionArgs;
use rotation_core::facts::ca_bundle::CaBundle;
use rotation_core::facts::duration::parse_go;
use rotation_core::facts::pace::Pace;
use rotation_core::facts::selector::Selector;
use rotation_core::facts::signing_key::PublicKeys;
use rotation_core::plan::recycle::options::{Allowance, Options};
use rotation_core::plan::recycle::presets::Presets;
use rotation_core::world::cluster::Scope;
use rotation_core::world::files;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  # For the runbook's two deletes by name, and its loops over pods
  kubectl reset-sa-secrets

  # Which tokens are stale, why, and who uses them; changes nothing
  kubectl reset-sa-secrets check -A

  # After the cluster's CA was replaced: stop unless that CA is published
  kubectl reset-sa-secrets -A --expect-ca new-ca.crt --yes

  # A token has leaked: another one, and proof that the old one is refused
  kubectl reset-sa-secrets -n ci deployer-token --revoke

  # A plan now, the change later
  kubectl reset-sa-secrets --dry-run -o json > plan.json
  kubectl reset-sa-secrets -f plan.json --yes

Exit codes:
  0  done, or nothing to do        4  refused: nothing (more) was changed
  1  unexpected error              5  partly done: run it again
  2  wrong command line            6  done, but not all of it proven in time
  3  check: findings;              130  interrupted: run it again
     --dry-run: changes pending

Flags stand behind `reset-sa-secrets`: kubectl takes none before a plugin's name.";

/// Renew the tokens of service accounts, prove that each one works, and recycle the pods that use them
///
/// Only secrets of type kubernetes.io/service-account-token are touched, in `default` and `kube-system` unless -n or -A
/// says otherwise. A token that still works is left alone. The others are emptied, and the controller manager fills
/// them again under the same name.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,

    #[command(flatten)]
    pub(crate) what: WhatArgs,

    /// Apply this plan instead of making one; `-` reads it from standard input
    #[arg(short = 'f', long = "filename", value_name = "PLAN", value_hint = ValueHint::FilePath, conflicts_with_all = ["names", "selector", "service_account", "all", "revoke"])]
    pub(crate) plan: Option<PathBuf>,

    /// How: refill under the same name, replace by a new secret, or whichever is gentler and works
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        hide_possible_values = true,
        value_name = "auto|refill|replace"
    )]
    pub(crate) mode: ModeArg,

    /// Renew every selected token so that the old one is refused afterwards, and prove that
    #[arg(long)]
    pub(crate) revoke: bool,

    /// Pods that hold an outdated token: recycle those, list them, or leave them
    #[arg(
        long,
        value_enum,
        default_value = "stale",
        hide_possible_values = true,
        value_name = "stale|none|list"
    )]
    pub(crate) recycle: RecycleArg,

    /// No file with what a replacement destroys
    #[arg(long)]
    pub(crate) no_backup: bool,

    /// No canary account: whether the controller manager lives and signs with an accepted key is then not known
    #[arg(long)]
    pub(crate) no_canary: bool,

    /// Pods of one workload that may be away at once: a number or a percentage
    #[arg(long, value_name = "N|N%")]
    pub(crate) max_unavailable: Option<Pace>,

    /// What would be left alone otherwise: foreign, invalid, dead-names; of pods: jobs, unfit, unreachable, last-ready,
    /// unready-over-budget, over-budget, control-plane
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = allowed)]
    pub(crate) allow: Vec<Allowed>,

    /// Longest wait for one secret to work again, and for one pod
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_go)]
    pub(crate) timeout: Duration,

    /// More presets: a TOML file of `[[preset]]` tables; they give pods their place in the order
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) presets: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) dry_run: DryRunArgs,

    #[command(flatten)]
    pub(crate) confirm: ConfirmArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

/// Which secrets, and what is expected of them.
#[derive(Clone, Debug, Default, Flags)]
pub(crate) struct WhatArgs {
    /// Secrets by name; all token secrets otherwise
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,

    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    /// Only secrets of this account; repeatable
    #[arg(help_heading = "Selection", long, value_name = "NAME")]
    pub(crate) service_account: Vec<String>,

    /// Also tokens that work, or of which it is not known
    #[arg(help_heading = "Selection", long)]
    pub(crate) all: bool,

    /// The CA that must be published by now, as PEM: one, or a bundle of all
    #[arg(help_heading = "Expectations", long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) expect_ca: Option<PathBuf>,

    /// Tokens not signed with this public key are stale, also where they are still accepted; repeatable
    #[arg(help_heading = "Expectations", long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) sa_public_key: Vec<PathBuf>,
}

/// What else the tool does.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Which tokens are stale, why, and who uses them; changes nothing
    Check(WhatArgs),
    /// Put secrets that were replaced back under their old names
    Restore {
        /// The file that a run wrote before it replaced them
        #[arg(value_name = "BACKUP", value_hint = ValueHint::FilePath)]
        backup: PathBuf,

        #[command(flatten)]
        confirm: ConfirmArgs,
    },
    /// Completion for shells and for kubectl
    Completion(CompletionArgs),
}

/// `--mode`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ModeArg {
    /// Refill; replace what cannot be refilled
    Auto,
    /// Only refill
    Refill,
    /// Only replace
    Replace,
}

/// `--recycle`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RecycleArg {
    /// Recycle pods that hold an outdated token
    Stale,
    /// Leave them
    None,
    /// List them
    List,
}

/// One word of `--allow`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Allowed {
    /// About secrets.
    Secret(Allow),
    /// About pods.
    Pod(Allowance),
}

fn allowed(word: &str) -> Result<Allowed, String> {
    let secret = Allow::WORDS.iter().find(|(_, known)| *known == word);
    // Pods without a controller are left to `kubectl recycle`, which keeps their manifests.
    let pods = || Allowance::WORDS.iter().filter(|(allowance, _)| *allowance != Allowance::Bare);
    let pod = pods().find(|(_, known)| *known == word);
    match (secret, pod) {
        (Some((allow, _)), _) => Ok(Allowed::Secret(*allow)),
        (None, Some((allowance, _))) => Ok(Allowed::Pod(*allowance)),
        (None, None) => {
            let known = Allow::WORDS.iter().map(|(_, word)| *word);
            let known: Vec<&str> = known.chain(pods().map(|(_, word)| *word)).collect();
            Err(format!("it is one of {}", known.join(", ")))
        }
    }
}

impl CommandLine for Args {
    fn style(&self) -> Style {
        (&self.output).into()
    }

    /// Several API servers may be named: each is asked about every new token.
    fn shape(command: clap::Command) -> clap::Command {
        command.mut_arg("server", |server| {
            server.action(clap::ArgAction::Append).help(
                "Address of the API server; repeat it to name all that must accept the new tokens",
            )
        })
    }
}

impl Args {
    /// The request of the command without a verb.
    pub(crate) fn request(&self) -> Result<Request, Failure> {
        let mut request = self.what.request(&self.connection)?;
        if self.revoke && matches!(self.mode, ModeArg::Refill) {
            return Err(Failure::usage(
                "--revoke needs new secrets where the signing key is the same, and --mode refill makes none",
            ));
        }
        request.mode = match self.mode {
            ModeArg::Auto => Mode::Auto,
            ModeArg::Refill => Mode::Refill,
            ModeArg::Replace => Mode::Replace,
        };
        request.recycle = match self.recycle {
            RecycleArg::Stale => Recycle::Stale,
            RecycleArg::None => Recycle::None,
            RecycleArg::List => Recycle::List,
        };
        request.revoke = self.revoke;
        request.options.max_unavailable = self.max_unavailable;
        for word in &self.allow {
            match word {
                Allowed::Secret(allow) => _ = request.allow.insert(*allow),
                Allowed::Pod(allowance) => _ = request.options.allow.insert(*allowance),
            }
        }
        if let Some(path) = &self.presets {
            let text = files::read_named(path)?;
            request.presets.extend(&text).map_err(|why| {
                Failure::usage(format!("cannot use presets file `{}`: {why}", path.display()))
            })?;
        }
        Ok(request)
    }
}

impl WhatArgs {
    /// A request that only looks.
    pub(crate) fn request(&self, connection: &ConnectionArgs) -> Result<Request, Failure> {
        if self.selection.selector.as_ref().is_some_and(Selector::is_empty) {
            return Err(Failure::usage("the selector is empty; name a label"));
        }
        let named = connection.namespace.clone().filter(|n| !n.is_empty());
        let scope = match (self.selection.all_namespaces, named) {
            (true, _) => Scope::All,
            (false, Some(namespace)) => Scope::one(namespace),
            (false, None) => Scope::These(USUAL.map(str::to_owned).to_vec()),
        };
        let expect_ca = self.expect_ca.as_ref().map(|path| {
            let text = files::read_named(path)?;
            CaBundle::expected(&text).map_err(|why| {
                Failure::usage(format!("cannot expect the CA `{}`: {why}", path.display()))
            })
        });
        let mut keys = PublicKeys::default();
        for path in &self.sa_public_key {
            let text = files::read_named(path)?;
            keys.extend(PublicKeys::from_pem(&text).map_err(|why| {
                Failure::usage(format!("cannot use the public key `{}`: {why}", path.display()))
            })?);
        }
        Ok(Request {
            scope,
            names: self.names.clone(),
            labels: self.selection.selector.clone(),
            accounts: self.service_account.clone(),
            mode: Mode::Auto,
            revoke: false,
            all: self.all,
            recycle: Recycle::Stale,
            expect_ca: expect_ca.transpose()?,
            keys,
            allow: std::collections::BTreeSet::new(),
            options: Options { max_failures: 1, ..Options::default() },
            presets: Presets::embedded(),
        })
    }
}
