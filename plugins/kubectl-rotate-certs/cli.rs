//! The command line.

pub(crate) mod generate;

use clap::{Parser, Subcommand, ValueEnum};
use rotation_core::cli::complete::{Ask, Candidate};
use rotation_core::cli::completion::CompletionArgs;
use rotation_core::cli::console::Style;
use rotation_core::cli::environment::Environment;
use rotation_core::cli::exit::CommandLine;
use rotation_core::tell::colour::When;

const EXAMPLES: &str = "\
Examples:
  # The Salt formula's runner, with its arguments
  kubectl rotate-certs generate --layout salt --cluster-tag default \\
    --api-service-address 10.254.0.1 --api-server-fqdn kubernetes.api -o /var/salt/k8s-helper

  # The certificates of kubernetes-release and Consul, signed by the master BOSH CA
  kubectl rotate-certs generate --layout bosh --ca-cert master-bosh.crt --ca-key master-bosh.key \\
    --subnet 10.9.20.0/24 --consul -o certs

Exit codes:
  0  done                          4  refused: nothing was changed
  1  unexpected error              5  partly done: run it again
  2  wrong command line            130  interrupted
  3  --dry-run: changes pending";

/// Make a new generation of certificates, right in every field, and verify any
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,

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
        hide_possible_values = true,
        hide_short_help = true
    )]
    pub(crate) color: When,
}

/// What the tool does.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a set of keys and certificates beside the old one, and switch to it
    Generate(Box<generate::GenerateArgs>),
    /// Look at certificates, keys and kubeconfig files, and say what is wrong with them
    Verify(Box<crate::verify::args::VerifyArgs>),
    /// Show every place where a certificate, a key or a token lives, and to which generation it belongs
    Inspect(Box<crate::inspect::args::InspectArgs>),
    /// Look at every place, and say what is wrong: torn rotations, places that lag behind, dates, keys, modes
    Check(Box<crate::inspect::check_args::CheckArgs>),
    /// Draft the file of machines, from the API or from the machines themselves
    Discover(Box<crate::discover::args::DiscoverArgs>),
    /// Draw the plan of a rotation, and show it
    Plan(Box<crate::rotate::args::PlanArgs>),
    /// Go through the stages of a rotation, or go on where it stopped
    Apply(Box<crate::rotate::args::ApplyArgs>),
    /// Where a rotation stands, and the next safe command
    Status(Box<crate::rotate::args::StatusArgs>),
    /// Go back, to byte-identical files
    Rollback(Box<crate::rotate::args::RollbackArgs>),
    /// Prove that nobody needs the old generation, and drop it
    Finish(Box<crate::rotate::args::FinishArgs>),
    /// Tell a rotation from its directory: what was replaced, by whom, when, and what the cluster answered
    Report(Box<crate::report::args::ReportArgs>),
    /// Completion for shells and for kubectl
    Completion(CompletionArgs),
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table
    #[default]
    Text,
    /// One document
    Json,
    /// The same document as YAML
    Yaml,
}

impl CommandLine for Args {
    fn style(&self) -> Style {
        Style { color: self.color, quiet: self.quiet }
    }

    fn values(ask: &Ask<'_>, _: &Environment) -> Vec<Candidate> {
        match ask.argument {
            "layout" => crate::layout::Layout::names()
                .into_iter()
                .filter_map(crate::layout::Layout::embedded)
                .map(|layout| Candidate::new(layout.name, layout.about))
                .collect(),
            "places" => crate::inspect::places::Places::names()
                .into_iter()
                .filter_map(|name| {
                    let places = crate::inspect::places::Places::embedded(name)?;
                    Some(Candidate::new(name, places.about))
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}
