//! The flags of the verbs that rotate.

use super::stage::{Stage, Strategy, Track};
use clap::{Args, ValueEnum, ValueHint};
use rotation_core::cli::confirm::ConfirmArgs;
use rotation_core::cli::connection::ConnectionArgs;
use rotation_core::facts::duration::parse_go_or_seconds;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file of machines, where none is named.
const MACHINES: &str = "cluster.toml";
/// The directory of the rotation, beside that file.
const WORK: &str = "rotation";

/// What every verb takes.
#[derive(Args, Debug)]
pub(crate) struct CommonArgs {
    /// The machines, how they are reached, who uses the cluster from outside; `--cluster FILE.toml` is taken as well
    /// [default: cluster.toml]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) hosts: Option<PathBuf>,

    /// Directory of the rotation: plan, new keys, files as they were, journal [default: `rotation` beside the machines' file]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) work: Option<PathBuf>,

    /// Ask nothing of the API: files and restarts alone
    #[arg(long)]
    pub(crate) offline: bool,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

impl CommonArgs {
    /// The file of machines. kubectl's flag of the same name means a cluster of the kubeconfig, which never ends so.
    pub(crate) fn machines(&self) -> PathBuf {
        let named = self.connection.cluster.as_deref().filter(|name| is_file(name));
        self.hosts
            .clone()
            .or_else(|| named.map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from(MACHINES))
    }

    /// The directory of the rotation.
    pub(crate) fn directory(&self) -> PathBuf {
        self.work.clone().unwrap_or_else(|| {
            let machines = self.machines();
            machines.parent().unwrap_or(Path::new("")).join(WORK)
        })
    }
}

/// Whether kubectl's `--cluster` names a file of machines: no cluster of a kubeconfig is called so.
pub(crate) fn is_file(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "toml")
}

/// What a rotation is to be.
#[derive(Args, Debug)]
pub(crate) struct WantedArgs {
    /// How: auto takes the gentlest that is possible and does what the rotation is for. What --rotate names gets a new key.
    /// Else what has ended is recovered, a CA that ends within 180 days is renewed, certificates that end within 30 days
    /// are; and where nothing is due, all is replaced, old and new trusted together. Without this flag, `apply` takes no
    /// outage: window must be asked for
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub(crate) strategy: Option<StrategyArg>,

    /// What is replaced: cluster, front-proxy, etcd, tokens [default: the three CAs, as far as there are any]
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) rotate: Vec<Track>,

    /// Where a rotation was left half done and its plan is lost: go back to the older CA
    #[arg(long)]
    pub(crate) back: bool,
}

impl WantedArgs {
    /// The strategy that is asked for by its name.
    pub(crate) fn named(&self) -> Option<Strategy> {
        self.strategy.and_then(StrategyArg::named)
    }
}

/// A strategy, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StrategyArg {
    /// The gentlest that is possible and serves the purpose; the plan says why not a gentler one
    Auto,
    /// New leaves under the CA of today
    Renew,
    /// The CA of today with new dates, under its own key and name
    RenewCa,
    /// A new CA; both are trusted in between
    Rolling,
    /// A new CA at once, in an outage
    Window,
    /// Certificates have ended: new dates for all that needs them
    Recover,
}

impl StrategyArg {
    fn named(self) -> Option<Strategy> {
        match self {
            Self::Auto => None,
            Self::Renew => Some(Strategy::Renew),
            Self::RenewCa => Some(Strategy::RenewCa),
            Self::Rolling => Some(Strategy::Rolling),
            Self::Window => Some(Strategy::Window),
            Self::Recover => Some(Strategy::Recover),
        }
    }
}

/// Draw a plan, and show it; nothing is changed
#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) wanted: WantedArgs,

    /// The maintenance window: a timetable with the last moment to turn back; refused where it does not fit
    #[arg(long, value_name = "DURATION", value_parser = parse_go_or_seconds)]
    pub(crate) window: Option<Duration>,

    /// Write the plan and the new keys into the directory of the rotation, for `apply`
    #[arg(long)]
    pub(crate) write: bool,

    /// How the plan is printed: text, json, sh (a runbook) or markdown (for a ticket)
    #[arg(short, long, value_enum, default_value = "text", hide_default_value = true)]
    pub(crate) output: PlanFormat,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// For people.
    #[default]
    Text,
    /// The document.
    Json,
    /// A runbook of our own commands.
    Sh,
    /// For a change ticket.
    Markdown,
}

/// Flags of verbs that change the cluster.
#[derive(Args, Debug)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    pub(crate) confirm: ConfirmArgs,

    /// How long the cluster may take to follow each stage
    #[arg(long, value_name = "DURATION", value_parser = parse_go_or_seconds, default_value = "5m")]
    pub(crate) timeout: Duration,

    /// A gate or an offender that need not hold, by a part of its words; it is written down. Repeatable
    #[arg(long, value_name = "WORDS")]
    pub(crate) waive: Vec<String>,

    /// Machines without a control plane that are changed at a time
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) max_in_flight: usize,

    /// Leave pods alone that read their credentials once; they are named, and `finish` waits for them
    #[arg(long)]
    pub(crate) keep_pods: bool,

    /// Leave token secrets alone that the old key signed, where it is rotated; they are named, and `finish` waits for them
    #[arg(long)]
    pub(crate) keep_secrets: bool,
}

/// Go through the stages of a plan, or go on where it stopped; the old generation stays trusted
#[derive(Args, Debug)]
pub(crate) struct ApplyArgs {
    /// A plan, or the directory of a rotation
    #[arg(value_name = "PLAN", value_hint = ValueHint::AnyPath)]
    pub(crate) plan: Option<PathBuf>,

    /// Stop after this stage
    #[arg(long, value_enum, value_name = "STAGE")]
    pub(crate) until: Option<Stage>,

    /// The maintenance window, from now on: no step is begun that would not end in it. It is kept through kills, and as long
    /// as it has not ended another length counts from the same begin
    #[arg(long, value_name = "DURATION", value_parser = parse_go_or_seconds)]
    pub(crate) window: Option<Duration>,

    #[command(flatten)]
    pub(crate) wanted: WantedArgs,

    #[command(flatten)]
    pub(crate) change: ChangeArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Go back, to byte-identical files, as long as the old generation is not retired
#[derive(Args, Debug)]
pub(crate) struct RollbackArgs {
    /// The stage to go back to
    #[arg(long, value_enum, value_name = "STAGE", default_value = "before")]
    pub(crate) to: Stage,

    #[command(flatten)]
    pub(crate) change: ChangeArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Prove that nobody needs the old generation any more, and drop it
#[derive(Args, Debug)]
pub(crate) struct FinishArgs {
    /// Only prove
    #[arg(long)]
    pub(crate) prove: bool,

    /// Recycle pods once more after the drop: until they start anew they trust the old CA too, in memory
    #[arg(long, conflicts_with_all = ["prove", "keep_pods"])]
    pub(crate) recycle_pods: bool,

    /// A consumer that nobody can reach has the new generation: you say so. Repeatable
    #[arg(long, value_name = "CONSUMER")]
    pub(crate) renewed: Vec<String>,

    #[command(flatten)]
    pub(crate) change: ChangeArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Where a rotation stands, read from the files themselves, and the next safe command
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// Look again every so often, until interrupted
    #[arg(long, value_name = "EVERY", value_parser = parse_go_or_seconds, num_args = 0..=1, default_missing_value = "5s")]
    pub(crate) watch: Option<Duration>,

    /// How it is printed: text, json or yaml
    #[arg(short, long, value_enum, default_value = "text", hide_default_value = true)]
    pub(crate) output: crate::cli::Format,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}
