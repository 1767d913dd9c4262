//! `kubectl reset-sa-secrets`: look, decide, ask, prove that it would work, act, prove that it did.

use super::plan::{Made, Place};
use super::{apply, plan, report, rights, servers};
use crate::TOOL;
use crate::cli::Args;
use rotation_core::apply::canary::Canary;
use rotation_core::apply::journal::Seen;
use rotation_core::apply::state::StateDir;
use rotation_core::apply::tokens::Proofs;
use rotation_core::cli::confirm::{Question, confirm};
use rotation_core::cli::console::Console;
use rotation_core::cli::dry_run::DryRun;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::output::OutputFormat;
use rotation_core::cli::plan_file;
use rotation_core::facts::ca_bundle::CaBundle;
use rotation_core::facts::duration::human;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::signing_key::PublicKeys;
use rotation_core::plan::document::{Action, Plan, Step};
use rotation_core::plan::staleness::CredentialKey;
use rotation_core::world::clock::SystemClock;
use rotation_core::world::cluster::{Access, Cluster};
use rotation_core::world::interrupt::Interrupt;
use std::time::Duration;

/// Every output that the command has.
const OUTPUTS: [OutputFormat; 4] =
    [OutputFormat::Name, OutputFormat::Wide, OutputFormat::Json, OutputFormat::Yaml];

/// How long the controller manager gets for the canary.
const CANARY: Duration = Duration::from_secs(30);

/// Runs the command.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit, Failure> {
    args.output.among(&OUTPUTS, &TOOL, "")?;
    // What is wrong with the command line is said before anything is read or asked.
    let request = args.request()?;
    let clock = SystemClock::start();
    let cluster = Cluster::connect(&args.connection.connection(console))?;
    let identity =
        cluster.identity().map_err(|error| rights::explain(&cluster, &request, error))?;
    let others = servers::others(args, console, &cluster, &identity)?;
    let state = StateDir::of(&console.environment.state_home()?, "reset-sa-secrets", &identity);
    let place = Place { cluster: &cluster, others: &others, identity: &identity, state: &state };
    let made = match &args.plan {
        Some(path) => {
            let plan = plan_file::read(path, TOOL.name, &identity)?;
            Made { seen: seen(&plan), plan, explicit: false }
        }
        None => plan::make(args, &place, &request, console, &clock)?,
    };
    let plan = &made.plan;
    for note in &plan.notes {
        console.note(&format!("note: {note}"));
    }
    if args.dry_run.dry_run != DryRun::None {
        return report::dry_run(args, console, &cluster, plan);
    }
    let published = cluster.published_ca("kube-system").ok().flatten();
    expected_ca(request.expect_ca.as_ref(), published.as_ref())?;
    if let Some(exit) = refused_or_empty(args, console, &made)? {
        return Ok(exit);
    }
    let canary_in = canary_namespace(args, plan);
    rights::demand(&cluster, plan, canary_in)?;
    ask(args, console, &cluster, plan)?;

    let interrupt = Interrupt::listen()
        .map_err(|e| Failure::unexpected(format!("cannot listen to signals: {e}")))?;
    let _lock = state.lock()?;
    let may_review = cluster.denied(&[Access::token_review()])?.is_empty();
    let expected = request.expect_ca.clone().or(published);
    let mut proofs = Proofs { may_review, keys: PublicKeys::default(), ca: expected.clone() };
    if !may_review {
        proofs.keys = if request.keys.is_empty() {
            cluster.published_keys()?.unwrap_or_default()
        } else {
            request.keys.clone()
        };
        console.warn("API servers cannot be asked about tokens (no right to create tokenreviews): new ones are judged by their signature only");
    }
    if let Some(namespace) = canary_in {
        let canary = Canary {
            cluster: &cluster,
            others: &others,
            namespace,
            expected: expected.as_ref(),
            may_review,
            patience: CANARY.min(args.timeout),
        };
        let sung = canary.sing(&clock, &interrupt, &mut |text| console.warn(text))?;
        console.note(&format!(
            "canary: the controller manager fills tokens, with the CA {}, and {} ({})",
            sung.ca,
            match (may_review, others.len()) {
                (false, _) => "nobody could be asked whether they are accepted".to_owned(),
                (true, 0) => "the API server accepts them".to_owned(),
                (true, n) => format!("all {} API servers accept them", n + 1),
            },
            human(sung.took)
        ));
        proofs.ca.get_or_insert(sung.ca);
    }
    let prepared = apply::Stage {
        cluster: &cluster,
        others: &others,
        state: &state,
        clock: &clock,
        interrupt: &interrupt,
        proofs,
    };
    let report = apply::run(args, console, prepared, &made)?;
    report::print(args, console, plan, &report)?;
    Ok(report::exit(plan, &report))
}

/// What the plan saw: the next run knows by it what has changed.
fn seen(plan: &Plan) -> Vec<Seen> {
    let of = |step: &Step| match &step.action {
        Action::RefillToken { token_sha256, .. } => {
            let target = &step.target;
            let (namespace, name) = (target.namespace.as_str().into(), target.name.as_str().into());
            Some(Seen { key: CredentialKey::Token { namespace, name }, digest: *token_sha256 })
        }
        Action::AwaitToken
        | Action::CreateToken { .. }
        | Action::RepointAccount { .. }
        | Action::DeleteSecret
        | Action::EvictPod { .. }
        | Action::DeletePod { .. }
        | Action::AwaitPod
        | Action::CreatePod { .. }
        | Action::RestartRollout { .. } => None,
    };
    plan.steps().filter_map(of).collect()
}

/// A canary is made where secrets are changed, in one of those namespaces.
fn canary_namespace<'a>(args: &Args, plan: &'a Plan) -> Option<&'a str> {
    let changes = |step: &&Step| match step.action {
        Action::RefillToken { .. } | Action::CreateToken { .. } | Action::DeleteSecret => true,
        Action::RepointAccount { .. }
        | Action::AwaitToken
        | Action::EvictPod { .. }
        | Action::DeletePod { .. }
        | Action::AwaitPod
        | Action::CreatePod { .. }
        | Action::RestartRollout { .. } => false,
    };
    plan.steps().find(changes).filter(|_| !args.no_canary).map(|s| s.target.namespace.as_str())
}

/// The CA that the operator expects must be the one that is published: else new tokens would come with the old one.
fn expected_ca(expected: Option<&CaBundle>, published: Option<&CaBundle>) -> Result<(), Failure> {
    let (Some(expected), Some(published)) = (expected, published) else { return Ok(()) };
    if expected == published {
        return Ok(());
    }
    let how = if published.contains(expected) {
        "the controller manager publishes more than the expected CA"
    } else if expected.contains(published) {
        "the controller manager publishes only a part of the expected CA"
    } else {
        "the controller manager publishes another CA than is expected"
    };
    Err(Failure::refused(format!("{how}: {published}, expected {expected}; nothing was changed"))
        .with_hint(
            "restart every kube-controller-manager with the --root-ca-file that you expect (the leading one counts), or \
             pass all CAs that are meant in one file",
        ))
}

/// What ends the command before anything is changed.
fn refused_or_empty(args: &Args, console: &Console, made: &Made) -> Result<Option<Exit>, Failure> {
    let plan = &made.plan;
    let refused: Vec<_> = plan.skipped.iter().filter(|s| s.refused).collect();
    if !refused.is_empty() && (made.explicit || plan.is_empty()) {
        let list: Vec<String> = refused.iter().map(|s| report::skipped_words(s)).collect();
        return Err(Failure::refused(format!("nothing was changed: {}", list.join("; ")))
            .with_hint(format!(
                "run `{} check{}` to see the state of each",
                TOOL.name,
                report::scope(args)
            )));
    }
    if !plan.is_empty() {
        return Ok(None);
    }
    for skipped in &plan.skipped {
        console.note(&format!("left alone: {}", report::skipped_words(skipped)));
    }
    console.note("nothing to reset: every token works");
    report::print_nothing(args, console, plan)?;
    Ok(Some(Exit::Done))
}

fn ask(args: &Args, console: &Console, cluster: &Cluster, plan: &Plan) -> Result<(), Failure> {
    let words = |step: &Step| {
        let target = &step.target;
        let action = report::action(&step.action);
        format!("{action} {} ({}): {}", target.kubectl_name(), target.namespace, step.reason)
    };
    let targets: Vec<String> = plan.steps().map(words).collect();
    let mut namespaces: Vec<&str> = plan.steps().map(|s| s.target.namespace.as_str()).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let left = plan.skipped.iter().filter(|s| s.refused);
    let notes: Vec<String> =
        left.map(|s| format!("left alone: {}", report::skipped_words(s))).collect();
    let question = Question {
        verb: "do",
        noun: "step",
        targets: &targets,
        notes: &notes,
        look: Some("--dry-run"),
        context: cluster.context(),
        server: cluster.server(),
        namespace: match namespaces.as_slice() {
            [one] => Some(one),
            _ => None,
        },
    };
    confirm(console, args.confirm, &question)
}
