//! Interprets steps on token secrets: empties them, makes new ones, and knows when they work again.

mod change;
mod proof;

pub use change::bare;

use super::answers::{FORBIDS_TOO_MUCH, believe_later, effect};
use super::effect::{Effect, Expectation, Remark, Verified};
use super::engine::Interpreter;
use super::outcome::Proof;
use super::window::Window;
use crate::facts::account::{Account, AccountToken};
use crate::facts::ca_bundle::CaBundle;
use crate::facts::credential::Digest;
use crate::facts::held::HeldToken;
use crate::facts::identity::Uid;
use crate::facts::signing_key::PublicKeys;
use crate::plan::document::{Action, Plan, Probe, Step};
use crate::world::clock::Clock;
use crate::world::cluster::{Answer, Cluster, ClusterError, FeedEvent, Scope, TokenFeed};
use crate::world::interrupt::Interrupt;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// Between two questions about the same token.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Namespace and name.
type Name = (String, String);

/// What is created: labels, annotations and other keys of what it replaces, by the digest under which a plan names them.
pub type TokenManifests = HashMap<String, Value>;

/// How the keeper knows that a token works.
#[derive(Clone, Debug, Default)]
pub struct Proofs {
    /// Tokens may be asked about.
    pub may_review: bool,
    /// Keys to verify tokens with where they may not.
    pub keys: PublicKeys,
    /// The CA that new tokens come with, where a plan names none.
    pub ca: Option<CaBundle>,
}

/// Takes care of token secrets of one cluster.
pub struct Keeper<'a> {
    cluster: &'a Cluster,
    others: &'a [Cluster],
    clock: &'a dyn Clock,
    interrupt: &'a Interrupt,
    proofs: Proofs,
    manifests: TokenManifests,
    feed: TokenFeed,
    secrets: HashMap<Name, AccountToken>,
    accounts: HashMap<Name, (Duration, Option<Account>)>,
    /// What was said of each token: `None` is accepted, `Some` is why not.
    judged: HashMap<Digest, (Duration, Option<String>)>,
    window: Window,
    /// Secrets that this run emptied: the same bytes again are new ones.
    emptied: HashSet<Uid>,
    conflicts: HashMap<Uid, u32>,
    /// Secrets of which it is not known whether they were emptied.
    unclear: HashSet<Uid>,
    /// When secrets were deleted: the controller manager takes them off their accounts' lists soon after.
    deleted: HashMap<Uid, Duration>,
    /// There is nothing to follow.
    idle: bool,
    /// Targets of which a step was refused: those after it make no sense.
    refused: BTreeMap<Uid, String>,
    /// Tokens as they were, for the proof that they are refused.
    before: HashMap<Uid, HeldToken>,
    away_at: Option<Duration>,
    remarks: Vec<Remark>,
}

impl<'a> Keeper<'a> {
    /// Looks at the secrets that the plan speaks of, and begins to follow them.
    ///
    /// `patience` is how long a secret may stay empty before no other one is emptied any more.
    #[expect(clippy::too_many_arguments, reason = "each is another part of the world, named once")]
    pub fn start(
        cluster: &'a Cluster,
        others: &'a [Cluster],
        clock: &'a dyn Clock,
        interrupt: &'a Interrupt,
        plan: &Plan,
        proofs: Proofs,
        manifests: TokenManifests,
        patience: Duration,
    ) -> Result<Self, ClusterError> {
        let namespaces: BTreeSet<String> = plan
            .steps()
            .filter(|s| s.target.kind == "Secret")
            .map(|s| s.target.namespace.clone())
            .collect();
        let scope = crate::look::pods::narrow(namespaces);
        let idle = scope == Scope::These(Vec::new());
        let listed = if idle { Vec::new() } else { cluster.account_tokens(&scope, None)? };
        let feed = cluster.token_feed(&scope, interrupt);
        let mut before = HashMap::new();
        for secret in &listed {
            if let Some(token) = &secret.token {
                before.insert(secret.secret.uid.clone(), token.clone());
            }
        }
        let secrets = listed.into_iter().map(|s| (name_of(&s), s)).collect();
        Ok(Self {
            cluster,
            others,
            clock,
            interrupt,
            proofs,
            manifests,
            feed,
            secrets,
            accounts: HashMap::new(),
            judged: HashMap::new(),
            window: Window::new(patience),
            emptied: HashSet::new(),
            conflicts: HashMap::new(),
            unclear: HashSet::new(),
            deleted: HashMap::new(),
            idle,
            refused: BTreeMap::new(),
            before,
            away_at: None,
            remarks: Vec::new(),
        })
    }

    /// Whether the tokens that a pod's step rests on work.
    pub fn expect_of_pod(&mut self, step: &Step) -> Expectation {
        for probe in &step.expect {
            let Probe::TokenWorks { namespace, secret, other_than, ca } = probe else { continue };
            match self.works(namespace, secret, *other_than, ca) {
                Verified::Holds(_) => {}
                Verified::Waiting(_) | Verified::Never { .. } => {
                    return Expectation::Moved(format!(
                        "its token secret `{secret}` was not renewed, so a new pod would be no better"
                    ));
                }
            }
        }
        Expectation::Holds
    }

    fn get(&self, namespace: &str, name: &str) -> Option<&AccountToken> {
        self.secrets.get(&(namespace.to_owned(), name.to_owned()))
    }

    fn target(&self, step: &Step) -> Option<&AccountToken> {
        self.get(&step.target.namespace, &step.target.name)
            .filter(|secret| secret.secret.uid == step.target.uid)
    }

    fn hear(&mut self, event: FeedEvent<AccountToken>) {
        match event {
            FeedEvent::Now(secret) => self.saw(secret),
            FeedEvent::Gone { uid, .. } => self.secrets.retain(|_, s| s.secret.uid != uid),
            FeedEvent::Listed { namespace, present } => self.secrets.retain(|(there, _), s| {
                namespace.as_ref().is_some_and(|n| **n != **there)
                    || present.contains(&s.secret.uid)
            }),
            FeedEvent::Lost { message } => {
                self.away_at = Some(self.clock.uptime());
                self.remarks.push(Remark::Lost(message));
            }
            FeedEvent::Back => {
                self.away_at = Some(self.clock.uptime());
                self.remarks.push(Remark::Back);
            }
        }
    }

    fn saw(&mut self, secret: AccountToken) {
        if !self.window.shown(&secret.secret.uid, &secret.resource_version, secret.token.is_some())
        {
            return;
        }
        self.secrets.insert(name_of(&secret), secret);
    }

    /// Reads a secret anew, after the server said that it is another one now.
    fn reread(&mut self, step: &Step) {
        let (namespace, name) = (&step.target.namespace, &step.target.name);
        match self.cluster.account_token(namespace, name) {
            Ok(Some(secret)) => self.saw(secret),
            Ok(None) => {
                self.secrets.remove(&(namespace.clone(), name.clone()));
            }
            // The feed says that the server is away.
            Err(_) => {}
        }
    }
}

impl Interpreter for Keeper<'_> {
    fn expect(&mut self, step: &Step) -> Expectation {
        if let Some(why) = self.refused.get(&step.target.uid) {
            return Expectation::Moved(format!("a step before it failed: {why}"));
        }
        for probe in &step.expect {
            let verified = match probe {
                Probe::Gone => match self.target(step) {
                    None => Verified::Holds(Proof::default()),
                    Some(_) => Verified::Waiting("the old one to be gone".to_owned()),
                },
                Probe::TokenWorks { namespace, secret, other_than, ca } => {
                    self.works(namespace, secret, *other_than, ca)
                }
                Probe::AccountLists { account, secret } => self.lists(step, account, secret),
                Probe::OthersReady { .. }
                | Probe::Replaced { .. }
                | Probe::Recreated
                | Probe::RolledOut
                | Probe::EndpointsReady { .. }
                | Probe::TokenRefused => {
                    return Expectation::Moved(
                        "the plan expects something that cannot hold before its step".to_owned(),
                    );
                }
            };
            match verified {
                Verified::Holds(_) => {}
                Verified::Waiting(what) => return Expectation::Wait(what),
                Verified::Never { message, .. } => return Expectation::Moved(message),
            }
        }
        let moved = |why: &str| Expectation::Moved(why.to_owned());
        let found = self.target(step);
        match &step.action {
            Action::RefillToken { token_sha256, .. } => {
                let Some(secret) = found else {
                    return moved("it was deleted, or made again, by somebody else meanwhile");
                };
                match &secret.token {
                    _ if secret.deleting => return moved("it is being deleted"),
                    _ if secret.immutable => {
                        return moved("it was made immutable meanwhile; the next run replaces it");
                    }
                    Some(token)
                        if token.digest != *token_sha256
                            && self.unclear.contains(&step.target.uid) =>
                    {
                        // It was emptied and filled, and a server has not yet heard of it.
                        return Expectation::Wait("its new token to be accepted".to_owned());
                    }
                    Some(token) if token.digest != *token_sha256 => {
                        return moved("somebody else has put another token into it meanwhile");
                    }
                    Some(_) | None => {}
                }
                self.window.next(self.clock.uptime())
            }
            Action::AwaitToken => match found {
                Some(_) => Expectation::Holds,
                None => moved("it was deleted, or made again, by somebody else meanwhile"),
            },
            Action::RepointAccount { .. } => match self.too_early(step) {
                Some(Verified::Waiting(what)) => Expectation::Wait(what),
                _ => Expectation::Holds,
            },
            Action::CreateToken { .. }
            | Action::DeleteSecret
            | Action::EvictPod { .. }
            | Action::DeletePod { .. }
            | Action::AwaitPod
            | Action::CreatePod { .. }
            | Action::RestartRollout { .. } => Expectation::Holds,
        }
    }

    fn act(&mut self, steps: &[&Step]) -> Vec<Effect> {
        let mut effects: Vec<Option<Effect>> = steps.iter().map(|_| None).collect();
        let (mut requests, mut places) = (Vec::new(), Vec::new());
        for (place, step) in steps.iter().enumerate() {
            match self.request(step) {
                Ok(Some(request)) => {
                    requests.push(request);
                    places.push(place);
                }
                Ok(None) => effects[place] = Some(Effect::Made),
                Err(message) => {
                    self.refused.insert(step.target.uid.clone(), message.clone());
                    effects[place] = Some(Effect::Refused { reason: "Moved".to_owned(), message });
                }
            }
        }
        self.window.tried();
        let mut answers: Vec<(usize, Answer)> = Vec::with_capacity(requests.len());
        self.cluster.act(&requests, &mut |index, answer| answers.push((places[index], answer)));
        let now = self.clock.uptime();
        if answers.iter().any(|(_, answer)| matches!(answer, Answer::Unknown { .. })) {
            self.away_at = Some(now);
        }
        // The rights were there before the first change.
        let trusting = self.away_at.is_some_and(|at| now.saturating_sub(at) < FORBIDS_TOO_MUCH);
        for (place, answer) in answers {
            let unknown = matches!(answer, Answer::Unknown { .. });
            let forbidden = trusting && matches!(answer, Answer::Forbidden { .. });
            if unknown {
                self.unclear.insert(steps[place].target.uid.clone());
                // Nobody knows whether it was done: the next look decides.
                self.reread(steps[place]);
            }
            let effect = if forbidden {
                let mut refusal = effect(answer);
                believe_later(&mut refusal);
                refusal
            } else {
                self.note(steps[place], answer)
            };
            effects[place] = Some(effect);
        }
        let unanswered = || Effect::Unclear("an answer that did not come".to_owned());
        effects.into_iter().map(|e| e.unwrap_or_else(unanswered)).collect()
    }

    fn verify(&mut self, step: &Step) -> Verified {
        if self.emptied.contains(&step.target.uid)
            && self.get(&step.target.namespace, &step.target.name).is_none()
        {
            return Verified::Never {
                reason: "Deleted".to_owned(),
                message: "it, or its account, was deleted meanwhile".to_owned(),
            };
        }
        if let Some(waiting) = self.too_early(step) {
            return waiting;
        }
        let mut sum = Proof::default();
        for probe in &step.verify {
            let verified = match probe {
                Probe::TokenWorks { namespace, secret, other_than, ca } => {
                    self.works(namespace, secret, *other_than, ca)
                }
                Probe::AccountLists { account, secret } => self.lists(step, account, secret),
                Probe::Gone => match self.target(step) {
                    None => Verified::Holds(Proof::default()),
                    Some(_) => Verified::Waiting("it to be gone".to_owned()),
                },
                Probe::TokenRefused => self.token_refused(&step.target.uid),
                Probe::OthersReady { .. }
                | Probe::Replaced { .. }
                | Probe::Recreated
                | Probe::RolledOut
                | Probe::EndpointsReady { .. } => Verified::Never {
                    reason: "Invalid".to_owned(),
                    message: "the plan asks of a secret what only a pod can answer".to_owned(),
                },
            };
            match verified {
                Verified::Holds(proof) => sum.note = sum.note.or(proof.note),
                Verified::Waiting(_) | Verified::Never { .. } => return verified,
            }
        }
        Verified::Holds(sum)
    }

    fn wait(&mut self, limit: Duration) {
        if self.idle {
            self.interrupt.pause(limit);
            return;
        }
        for event in self.feed.wait(limit) {
            self.hear(event);
        }
        // All that came in together is asked about together.
        let fresh: Vec<HeldToken> = self
            .secrets
            .values()
            .filter(|secret| self.emptied.contains(&secret.secret.uid))
            .filter_map(|secret| secret.token.clone())
            .filter(|token| !self.judged.contains_key(&token.digest))
            .collect();
        self.judge(fresh);
    }

    fn elapsed(&self) -> Duration {
        self.clock.uptime()
    }

    fn now(&self) -> Timestamp {
        self.cluster.now(self.clock.now())
    }

    fn interrupted(&self) -> bool {
        self.interrupt.is_asked()
    }

    fn remarks(&mut self) -> Vec<Remark> {
        std::mem::take(&mut self.remarks)
    }
}

fn name_of(secret: &AccountToken) -> Name {
    (secret.secret.namespace.clone(), secret.secret.name.clone())
}
