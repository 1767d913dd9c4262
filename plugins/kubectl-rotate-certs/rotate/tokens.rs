//! Token secrets that the old key signed: emptied, and filled anew by the controller manager, by the engine of
//! `kubectl reset-sa-secrets`. Only their tokens change: names and identities stay, so that whoever mounts them goes on.

use super::document::TrackPlan;
use super::drive::Drive;
use super::gates;
use super::stage::Track;
use super::steps::Notes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rotation_core::apply::canary::Canary;
use rotation_core::apply::engine::{self, Limits};
use rotation_core::apply::outcome::{Outcome, Report};
use rotation_core::apply::tokens::{Keeper, Proofs, TokenManifests};
use rotation_core::cli::failure::Failure;
use rotation_core::facts::account::AccountToken;
use rotation_core::facts::ca_bundle::CaBundle;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::held::HeldToken;
use rotation_core::facts::signing_key::{PublicKeys, Signer};
use rotation_core::facts::words::count;
use rotation_core::plan::document::{Plan as Steps, Step};
use rotation_core::plan::recycle::options::Options;
use rotation_core::plan::recycle::plan::{Header, draw};
use rotation_core::plan::recycle::scene::Scene;
use rotation_core::plan::tokens;
use rotation_core::world::cluster::{Access, Cluster, ClusterError, Scope};
use std::time::Duration;

/// The new public key, beside the plan.
pub(crate) const NEW: &str = "new-tokens.pub";
/// Between two attempts that somebody blocks.
const RETRY: Duration = Duration::from_secs(5);
/// How long the controller manager gets for the canary.
const CANARY: Duration = Duration::from_secs(30);

/// How tokens name the old key (RFC 7515, 4.1.4, as Kubernetes makes it: the digest of the public key).
pub(crate) fn old_key_id(track: &TrackPlan) -> String {
    URL_SAFE_NO_PAD.encode(track.old.key.as_bytes())
}

/// Renews them, and names those that are left alone.
pub(crate) fn renew(drive: &mut Drive<'_>) -> Result<(), Failure> {
    let (Some(api), Some(track)) = (drive.api.clone(), drive.plan.track(Track::Tokens)) else {
        return Ok(());
    };
    drive.may_go_on()?;
    let cluster = api.connect(None)?;
    let listed = cluster.account_tokens(&Scope::All, None)?;
    let new = rotation_core::world::files::read(&drive.work.beside(NEW))
        .ok()
        .and_then(|text| PublicKeys::from_pem(&text).ok());
    let old = listed.into_iter().filter(|secret| {
        secret.token.as_ref().is_some_and(|token| is_old(token, track, new.as_ref()))
    });
    let (mut steps, mut left) = (Vec::new(), Vec::new());
    let own = cluster.own_claims();
    let is_own = |secret: &AccountToken| {
        own.as_ref().is_some_and(|own| {
            own.namespace.as_ref() == Some(&secret.secret.namespace)
                && own.secret.as_ref() == Some(&secret.secret.name)
        })
    };
    for secret in old {
        if let Some(why) = why_left(&secret, is_own(&secret)) {
            left.push((secret.secret, why));
            continue;
        }
        let reason = "the old key signed its token";
        steps.extend(tokens::refill(&secret, reason, false, &CaBundle::default()));
    }
    for (secret, why) in &left {
        drive.console.warn(&format!(
            "{} ({}) keeps the token of the old key: {why}",
            secret.kubectl_name(),
            secret.namespace
        ));
    }
    if steps.is_empty() {
        return Ok(());
    }
    // kube-system first: what runs there is needed by all others.
    steps.sort_by_key(|step| step.target.namespace != "kube-system");
    let servers = gates::api_servers(drive.plan, drive.cluster.machines.iter());
    let others: Vec<Cluster> = servers
        .into_iter()
        .map(|at| api.connect(Some(&gates::url(at))))
        .collect::<Result<_, ClusterError>>()?;
    let (plan, report) = carry(drive, &cluster, &others, new, steps)?;
    told(drive, &plan, &report)
}

fn is_old(token: &HeldToken, track: &TrackPlan, new: Option<&PublicKeys>) -> bool {
    match token.key_id() {
        Some(id) => id == old_key_id(track),
        // Before 1.16 tokens name no key.
        None => new.is_some_and(|keys| keys.signer(token) == Signer::Another),
    }
}

/// Why a secret is not emptied.
fn why_left(secret: &AccountToken, is_own: bool) -> Option<String> {
    let (namespace, name) = (&secret.secret.namespace, &secret.secret.name);
    if secret.deleting {
        return Some("it is being deleted".to_owned());
    }
    if is_own {
        return Some("this command itself uses it: renew it with another credential".to_owned());
    }
    if let Some(keeper) = &secret.keeper {
        return Some(format!("it belongs to {keeper}, who has to renew it"));
    }
    if secret.invalid_since().is_some() {
        return Some("it is refused already, since nobody has used it for long".to_owned());
    }
    let replaced = format!("`kubectl reset-sa-secrets -n {namespace} {name}` replaces it");
    secret.immutable.then(|| format!("it is immutable; {replaced}"))
}

fn carry(
    drive: &mut Drive<'_>,
    cluster: &Cluster,
    others: &[Cluster],
    keys: Option<PublicKeys>,
    steps: Vec<Step>,
) -> Result<(Steps, Report), Failure> {
    let (clock, interrupt, console) = (drive.clock, drive.interrupt, drive.console);
    let published = cluster.published_ca("kube-system")?;
    let may_review = cluster.denied(&[Access::token_review()])?.is_empty();
    let canary = Canary {
        cluster,
        others,
        namespace: "kube-system",
        expected: published.as_ref(),
        may_review,
        patience: CANARY.min(drive.timeout),
    };
    let sung = canary.sing(&clock, interrupt, &mut |text| console.warn(text))?;
    let header = Header {
        tool: console.tool.name.to_owned(),
        tool_version: console.tool.version.to_owned(),
        created_at: cluster.now(rotation_core::world::clock::Clock::now(&clock)),
        cluster: cluster.identity()?,
    };
    let mut plan = draw(header, &Scene::default(), &Options::default());
    plan.phases.push(tokens::phase("tokens", steps));
    tokens::number(&mut plan);
    let proofs =
        Proofs { may_review, keys: keys.unwrap_or_default(), ca: published.or(Some(sung.ca)) };
    let none = TokenManifests::default();
    let mut keeper =
        Keeper::start(cluster, others, &clock, interrupt, &plan, proofs, none, drive.timeout)?;
    let mut journal = Notes::of(&mut drive.locked, "renew", "renewed");
    let limits = Limits { each: drive.timeout, retry: RETRY };
    let report = engine::apply(&plan, &mut keeper, &mut journal, limits, &mut |_| {});
    drop(keeper);
    Ok((plan, report))
}

fn told(drive: &Drive<'_>, plan: &Steps, report: &Report) -> Result<(), Failure> {
    let (console, all) = (drive.console, plan.steps().count());
    for step in plan.steps() {
        let why = match report.of(step) {
            Some(Outcome::Done { .. }) => continue,
            Some(Outcome::Failed { message, .. }) => message.clone(),
            Some(Outcome::Unproven { waiting_for }) => format!("still waiting for {waiting_for}"),
            Some(Outcome::Blocked { by }) => format!("blocked by {by}"),
            Some(Outcome::NotBegun { why }) => why.clone(),
            Some(Outcome::UnderWay { .. }) | None => "interrupted".to_owned(),
        };
        let target = &step.target;
        console.warn(&format!("{} ({}): {why}", target.kubectl_name(), target.namespace));
    }
    console.note(&format!(
        "{} of {} of the old key renewed",
        report.done(),
        count(all, "token secret")
    ));
    if drive.interrupt.is_asked() {
        return Err(Failure::unexpected("interrupted between two token secrets")
            .with_exit(Exit::Interrupted)
            .with_hint(format!("go on with `{} apply`", console.tool.name)));
    }
    if report.done() == all {
        return Ok(());
    }
    Err(Failure::refused("not every token secret was renewed").with_exit(Exit::Partly).with_hint(format!(
        "look at the controller manager, then run `{0} apply` again; `{0} apply --keep-secrets` leaves them to \
         `kubectl reset-sa-secrets`, and `{0} finish` waits for them",
        console.tool.name
    )))
}
