//! What a plan comes to: who was checked against whom, which pods are recycled, what is away and for how long, and when
//! what begins and ends. Nothing is changed.

use super::context::Context;
use super::proof;
use crate::rotate::document::Plan;
use crate::rotate::estimate::{self, Pace, PodLoad, Restarted};
use crate::rotate::forecast::{self, Forecast};
use crate::rotate::gates::url;
use crate::rotate::ports;
use crate::rotate::stage::{Stage, Strategy};
use crate::rotate::standing::previous;
use crate::rotate::timetable::{self, Timetable};
use rotation_core::cli::failure::Failure;
use rotation_core::facts::duration::human;
use rotation_core::facts::words::count;
use rotation_core::world::clock::Clock as _;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// Restarts of a stage that are listed; more are counted.
const LISTED: usize = 40;

/// What a plan comes to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outlook {
    pods: Pods,
    stages: Vec<StageOutlook>,
    /// Of `apply`; `finish` comes after it.
    pub(super) timetable: Timetable,
}

/// What is known of pods.
#[derive(Serialize)]
#[serde(rename_all = "camelCase", tag = "state", rename_all_fields = "camelCase")]
enum Pods {
    /// Nobody was asked.
    NotSeen { why: String },
    /// Nothing that they hold changes, or `apply` leaves them alone.
    Untouched { why: String },
    /// They were looked at.
    Seen(Forecast),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StageOutlook {
    stage: Stage,
    /// Estimated, without pods.
    seconds: f64,
    restarts: Vec<Restarted>,
    /// API servers by their own addresses.
    gaps: Vec<Gap>,
    /// What clients notice.
    noticed: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Gap {
    server: String,
    seconds: f64,
}

/// What is asked of an outlook.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// The stage that is reached.
    pub(super) from: Stage,
    /// The stage that is wanted.
    pub(super) last: Stage,
    /// How long it may take.
    pub(super) window: Option<Duration>,
    /// Machines without a control plane that are changed at a time.
    pub(super) at_once: usize,
    /// Whether pods are left alone.
    pub(super) keep_pods: bool,
}

impl Asked {
    /// Of all of `apply`, as it is where no flag says otherwise.
    pub(super) fn all(plan: &Plan, window: Option<Duration>) -> Self {
        let last = super::apply::last_of(plan.strategy);
        Self { from: Stage::Before, last, window, at_once: AT_ONCE, keep_pods: false }
    }
}

impl Outlook {
    /// Of a plan.
    pub(super) fn of(context: &Context<'_>, plan: &Plan, asked: Asked) -> Result<Self, Failure> {
        let pods = Pods::of(context, plan, asked.keep_pods)?;
        let gates = !context.common.offline;
        let pace = Pace { at_once: asked.at_once, gates, pods: pods.load() };
        let restarted = estimate::restarts(plan);
        let stages = plan.route().iter().map(|stage| {
            let before = previous(plan.route(), *stage);
            let quiet = Pace { pods: PodLoad::default(), ..pace };
            let steps = estimate::steps(plan, &restarted, before, *stage, quiet);
            StageOutlook {
                stage: *stage,
                seconds: steps.iter().map(|step| step.takes.as_secs_f64()).sum(),
                restarts: restarted.iter().filter(|one| one.stage == *stage).cloned().collect(),
                gaps: gaps(context, plan, &restarted, *stage),
                noticed: estimate::noticed(plan, &restarted, before, *stage),
            }
        });
        let stages = stages.collect();
        let timetable = timetable::draw(plan, asked.from, asked.last, pace, asked.window);
        Ok(Self { pods, stages, timetable })
    }

    /// How long pods are estimated to take.
    pub(super) fn pods_take(&self) -> Duration {
        estimate::pods(self.pods.load())
    }

    /// For people, below the stages.
    pub(super) fn text(&self, plan: &Plan) -> String {
        let mut out = String::new();
        for (title, lines) in self.sections(plan) {
            let _ = writeln!(out, "\n{title}");
            for line in lines {
                let _ = writeln!(out, "  {line}");
            }
        }
        out
    }

    /// For a ticket.
    pub(super) fn markdown(&self, plan: &Plan) -> String {
        let mut out = String::new();
        for (title, lines) in self.sections(plan) {
            let _ = writeln!(out, "\n## {title}\n");
            for line in lines {
                let _ = writeln!(out, "- {}", line.trim());
            }
        }
        out
    }

    fn sections(&self, plan: &Plan) -> Vec<(&'static str, Vec<String>)> {
        let mut sections = Vec::new();
        if !plan.checked.is_empty() {
            let lines = plan.checked.iter().map(|one| {
                format!(
                    "{}: {} good by {}, {} in all",
                    one.stage,
                    certificates(one.shown),
                    count(one.trusts, "bundle"),
                    count(one.pairs, "pair")
                )
            });
            let title = match plan.strategy {
                Strategy::Window | Strategy::Recover => "checked, each stage by itself",
                _ => "checked, with machines a stage apart",
            };
            sections.push((title, lines.collect()));
        }
        sections.push(("pods", self.pods.lines()));
        let busy = self.stages.iter().filter(|stage| stage.seconds > 0.0);
        sections.push(("estimated", busy.flat_map(StageOutlook::lines).collect()));
        let table = self.timetable.text();
        let lines = table.lines().map(|line| line.strip_prefix("  ").unwrap_or(line).to_owned());
        sections.push(("timetable of `apply`", lines.collect()));
        sections
    }
}

/// Machines without a control plane that `apply` changes at a time, where nobody says otherwise.
const AT_ONCE: usize = 5;

fn certificates(shown: usize) -> String {
    if shown == 1 { "1 certificate is".to_owned() } else { format!("{shown} certificates are") }
}

/// How long each API server is away by its own address.
fn gaps(context: &Context<'_>, plan: &Plan, restarted: &[Restarted], stage: Stage) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for machine in &context.cluster.machines {
        let own = restarted.iter().filter(|one| {
            one.stage == stage
                && one.machine == machine.name
                && matches!(one.program.as_str(), "etcd" | "kube-apiserver")
        });
        let (Some(gap), Some(at)) = (own.map(|one| one.gap).max(), machine.addresses.first())
        else {
            continue;
        };
        let at = ports::socket(plan, &machine.name, *at, "kube-apiserver");
        gaps.push(Gap { server: url(at), seconds: gap.as_secs_f64() });
    }
    gaps
}

impl StageOutlook {
    fn lines(&self) -> Vec<String> {
        let long = |seconds: f64| human(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        let mut lines = vec![format!("{}: about {}", self.stage, long(self.seconds))];
        lines.extend(self.restarts.iter().take(LISTED).map(|one| {
            if one.takes.is_zero() {
                format!("  {}: {} restarts meanwhile", one.machine, one.program)
            } else {
                let takes = human(one.takes);
                format!("  {}: {} restarts, about {takes}", one.machine, one.program)
            }
        }));
        if self.restarts.len() > LISTED {
            lines.push(format!("  and {} more", count(self.restarts.len() - LISTED, "restart")));
        }
        lines.extend(
            self.gaps
                .iter()
                .map(|gap| format!("  {} is away for about {}", gap.server, long(gap.seconds))),
        );
        lines.extend(self.noticed.iter().map(|notice| format!("  {notice}")));
        lines
    }
}

impl Pods {
    fn of(context: &Context<'_>, plan: &Plan, keep: bool) -> Result<Self, Failure> {
        if keep {
            let why = "left alone (--keep-pods), and named by `finish`".to_owned();
            return Ok(Self::Untouched { why });
        }
        if !proof::feeds_pods(plan) {
            let why = "nothing that pods hold gets another key".to_owned();
            return Ok(Self::Untouched { why });
        }
        let Some(api) = context.api() else {
            let why = "nobody asks the API (--offline): pods that read their credentials once need \
                       new ones before the old generation is dropped";
            return Ok(Self::NotSeen { why: why.to_owned() });
        };
        let since = proof::since(&context.work, plan)?;
        let now = context.clock.now();
        Ok(match api.ask(None, |cluster| forecast::ask(cluster, since, now)) {
            Ok(found) => Self::Seen(found),
            Err(why) => Self::NotSeen { why: format!("the API cannot be asked: {why}") },
        })
    }

    fn load(&self) -> PodLoad {
        match self {
            Self::Seen(found) => found.load(),
            Self::NotSeen { .. } | Self::Untouched { .. } => PodLoad::default(),
        }
    }

    fn lines(&self) -> Vec<String> {
        match self {
            Self::NotSeen { why } => vec![format!("not seen: {why}")],
            Self::Untouched { why } => vec![why.clone()],
            Self::Seen(found) => found.lines(),
        }
    }
}
