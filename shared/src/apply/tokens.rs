//! Interprets steps on token secrets: empties them, makes new ones, and knows when they work again.

use super::answers::{FORBIDS_TOO_MUCH, believe_later, effect};
use super::effect::{Effect, Expectation, Remark, Verified};
use super::engine::Interpreter;
use super::outcome::Proof;
use super::window::Window;
use crate::facts::account::{
    ACCOUNT_NAME, ACCOUNT_UID, Account, AccountToken, INVALID_SINCE, REPLACES, TOKEN_TYPE,
};
use crate::facts::ca_bundle::CaBundle;
use crate::facts::credential::Digest;
use crate::facts::held::HeldToken;
use crate::facts::identity::Uid;
use crate::facts::signing_key::{PublicKeys, Signer};
use crate::plan::document::{Action, Plan, Probe, Step};
use crate::world::clock::Clock;
use crate::world::cluster::{
    Answer, Cluster, ClusterError, FeedEvent, Request, Review, Scope, Thing, TokenFeed,
};
use crate::world::interrupt::Interrupt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// Between two questions about the same token.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How often a secret that somebody else changes at the same time is read and tried again.
const TRIES: u32 = 5;

/// A controller manager takes a deleted secret off its account's list, also where one of that name is there again.
const UNLISTED_WITHIN: Duration = Duration::from_secs(3);

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
                // What comes next is listed anew, and may be filled already with the same bytes.
                self.window.anew(None);
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
        let token = secret.token.as_ref().map(|token| token.digest);
        if !self.window.shown(&secret.secret.uid, token) {
            return;
        }
        self.secrets.insert(name_of(&secret), secret);
    }

    /// Reads a secret anew, after the server said that it is another one now.
    fn reread(&mut self, step: &Step) {
        let (namespace, name) = (&step.target.namespace, &step.target.name);
        match self.cluster.account_token(namespace, name) {
            Ok(Some(secret)) => {
                self.window.anew(Some(&secret.secret.uid));
                self.saw(secret);
            }
            Ok(None) => {
                self.secrets.remove(&(namespace.clone(), name.clone()));
            }
            // The feed says that the server is away.
            Err(_) => {}
        }
    }

    /// Asks every API server about tokens that nobody has accepted yet.
    fn judge(&mut self, tokens: Vec<HeldToken>) {
        let now = self.clock.uptime();
        let due = |token: &HeldToken| match self.judged.get(&token.digest) {
            None => true,
            Some((_, None)) => false,
            Some((at, Some(_))) => now.saturating_sub(*at) >= ASK_AGAIN,
        };
        let tokens: Vec<HeldToken> = tokens.into_iter().filter(due).collect();
        if tokens.is_empty() {
            return;
        }
        let mut why: Vec<Option<String>> = tokens.iter().map(|_| None).collect();
        if self.proofs.may_review {
            for server in std::iter::once(self.cluster).chain(self.others) {
                for (why, answer) in why.iter_mut().zip(server.review(&tokens)) {
                    let refusal = match answer {
                        Ok(Review::Accepted { .. }) => continue,
                        Ok(Review::Refused { .. }) => {
                            format!("the API server {} to accept it", server.server())
                        }
                        Err(error) => {
                            format!(
                                "the API server {} to say whether it accepts it: {error}",
                                server.server()
                            )
                        }
                    };
                    why.get_or_insert(refusal);
                }
            }
        } else if !self.proofs.keys.is_empty() {
            for (why, token) in why.iter_mut().zip(&tokens) {
                if self.proofs.keys.signer(token) != Signer::These {
                    *why = Some("it to be signed with a key that is known".to_owned());
                }
            }
        }
        for (token, why) in tokens.iter().zip(why) {
            self.judged.insert(token.digest, (now, why));
        }
    }

    fn works(
        &mut self,
        namespace: &str,
        name: &str,
        other_than: Option<Digest>,
        ca: &CaBundle,
    ) -> Verified {
        let Some(secret) = self.get(namespace, name) else {
            return Verified::Waiting("the secret to be there".to_owned());
        };
        let Some(token) = secret.token.clone() else {
            return Verified::Waiting("the controller manager to fill it".to_owned());
        };
        let same = other_than == Some(token.digest);
        if same && !self.emptied.contains(&secret.secret.uid) {
            return Verified::Waiting("it to hold another token".to_owned());
        }
        let expected = if ca.is_empty() { self.proofs.ca.as_ref() } else { Some(ca) };
        if let Some(expected) = expected.filter(|expected| **expected != secret.ca) {
            return Verified::Waiting(format!(
                "the controller manager to write the CA {expected}, it holds {}",
                secret.ca
            ));
        }
        let digest = token.digest;
        self.judge(vec![token]);
        match self.judged.get(&digest) {
            Some((_, None)) => {
                let note = same
                    .then(|| "the same token again: the signing key has not changed".to_owned());
                Verified::Holds(Proof { note, ..Proof::default() })
            }
            Some((_, Some(why))) => Verified::Waiting(why.clone()),
            None => Verified::Waiting("an answer of the API servers".to_owned()),
        }
    }

    /// Where a secret is made again under its name, the old one proves nothing of the new one.
    fn too_early(&self, step: &Step) -> Option<Verified> {
        let in_place = match &step.action {
            Action::CreateToken { name, .. } => *name == step.target.name,
            Action::RepointAccount { to, .. } => *to == step.target.name,
            Action::RefillToken { .. }
            | Action::AwaitToken
            | Action::DeleteSecret
            | Action::EvictPod { .. }
            | Action::DeletePod { .. }
            | Action::AwaitPod
            | Action::CreatePod { .. }
            | Action::RestartRollout { .. } => false,
        };
        if !in_place {
            return None;
        }
        if self.target(step).is_some() {
            return Some(Verified::Waiting("the old one to be gone".to_owned()));
        }
        let since = self.deleted.get(&step.target.uid)?;
        let young = self.clock.uptime().saturating_sub(*since) < UNLISTED_WITHIN;
        (young && matches!(step.action, Action::RepointAccount { .. })).then(|| {
            let what = "the controller manager to take the old one off its account's list";
            Verified::Waiting(what.to_owned())
        })
    }

    fn account(&mut self, namespace: &str, name: &str) -> Option<Account> {
        let key = (namespace.to_owned(), name.to_owned());
        let now = self.clock.uptime();
        if let Some((at, account)) = self.accounts.get(&key)
            && now.saturating_sub(*at) < ASK_AGAIN
        {
            return account.clone();
        }
        // What cannot be read now is read again in a moment.
        let account = self.cluster.account(namespace, name).ok().flatten();
        self.accounts.insert(key, (now, account.clone()));
        account
    }

    fn lists(&mut self, step: &Step, account: &str, secret: &str) -> Verified {
        let namespace = &step.target.namespace;
        let Some(found) = self.account(namespace, account) else {
            return Verified::Waiting(format!("account `{account}` to be readable"));
        };
        let names = |list: &[Box<str>], name: &str| list.iter().any(|n| **n == *name);
        let old = &step.target.name;
        let names_old =
            old != secret && (names(&found.secrets, old) || names(&found.pull_secrets, old));
        if names(&found.secrets, secret) && !names_old {
            Verified::Holds(Proof::default())
        } else {
            Verified::Waiting(format!("account `{account}` to list it"))
        }
    }

    fn token_refused(&mut self, uid: &Uid) -> Verified {
        let Some(old) = self.before.get(uid).cloned() else {
            let note = Some(
                "whether the old token is refused is not known: it is no longer at hand".to_owned(),
            );
            return Verified::Holds(Proof { note, ..Proof::default() });
        };
        if !self.proofs.may_review {
            let note = Some("whether the old token is refused could not be asked".to_owned());
            return Verified::Holds(Proof { note, ..Proof::default() });
        }
        // A question of its own: an acceptance of before says nothing now.
        let now = self.clock.uptime();
        let waiting = |server: &str| {
            Verified::Waiting(format!(
                "the API server {server} to refuse the old token, which it remembers for ten seconds"
            ))
        };
        if let Some((at, Some(server))) = self.judged.get(&old_key(&old))
            && now.saturating_sub(*at) < ASK_AGAIN
        {
            return waiting(server);
        }
        for server in std::iter::once(self.cluster).chain(self.others) {
            let answer = server.review(std::slice::from_ref(&old)).into_iter().next();
            if !matches!(answer, Some(Ok(Review::Refused { .. }))) {
                let name = server.server().to_owned();
                self.judged.insert(old_key(&old), (now, Some(name.clone())));
                return waiting(&name);
            }
        }
        let note = Some("the old token is refused".to_owned());
        Verified::Holds(Proof { note, ..Proof::default() })
    }

    fn request(&mut self, step: &Step) -> Result<Option<Request>, String> {
        let (namespace, name) = (step.target.namespace.clone(), step.target.name.clone());
        let uid = step.target.uid.clone();
        Ok(Some(match &step.action {
            Action::RefillToken { revive, .. } => {
                let secret = self.target(step).ok_or("it is not there any more")?;
                let mut change = json!({ "data": { "token": null } });
                if *revive {
                    change["metadata"]["labels"][INVALID_SINCE] = Value::Null;
                }
                Request::Merge {
                    thing: Thing::Secret,
                    namespace,
                    name,
                    uid,
                    resource_version: secret.resource_version.to_string(),
                    change,
                    dry_run: false,
                }
            }
            Action::AwaitToken => return Ok(None),
            Action::CreateToken { name, manifest_sha256, manifest_file, .. } => {
                let manifest = self
                    .manifests
                    .get(manifest_sha256)
                    .ok_or_else(|| format!("manifest {manifest_file} is not at hand"))?;
                Request::Create {
                    thing: Thing::Secret,
                    namespace,
                    manifest: named(manifest, name),
                    dry_run: false,
                }
            }
            Action::RepointAccount { account, account_uid, to } => {
                self.accounts.remove(&(namespace.clone(), account.clone()));
                let found =
                    self.account(&namespace, account).ok_or("its account cannot be read")?;
                if found.uid != *account_uid {
                    return Err("its account was deleted and made again".to_owned());
                }
                Request::Merge {
                    thing: Thing::ServiceAccount,
                    namespace,
                    name: account.clone(),
                    uid: account_uid.clone(),
                    resource_version: found.resource_version.to_string(),
                    change: repointed(&found, &name, to),
                    dry_run: false,
                }
            }
            Action::DeleteSecret => Request::Delete {
                thing: Thing::Secret,
                namespace,
                name,
                uid,
                resource_version: None,
                grace_seconds: None,
                dry_run: false,
            },
            Action::EvictPod { .. }
            | Action::DeletePod { .. }
            | Action::AwaitPod
            | Action::CreatePod { .. }
            | Action::RestartRollout { .. } => {
                return Err("pods are not this interpreter's work".to_owned());
            }
        }))
    }

    /// What follows from the answer, beside the effect.
    fn note(&mut self, step: &Step, answer: Answer) -> Effect {
        let uid = &step.target.uid;
        if let Answer::Conflict { message } = &answer {
            let tries = self.conflicts.entry(uid.clone()).or_default();
            *tries += 1;
            // One of its name may be there already: a run that was cut off made it, or somebody else did.
            if matches!(step.action, Action::CreateToken { .. }) {
                return Effect::Made;
            }
            if *tries < TRIES {
                self.reread(step);
                let by = format!("somebody else who changes it at the same time: {message}");
                return Effect::Blocked { by, retry_after: Some(Duration::from_millis(200)) };
            }
        }
        let gone = matches!(answer, Answer::Gone | Answer::Replaced);
        let immutable =
            matches!(&answer, Answer::Invalid { message } if message.contains("immutable"));
        let effect = match effect(answer) {
            Effect::Made if gone && !matches!(step.action, Action::DeleteSecret) => {
                self.reread(step);
                Effect::Refused {
                    reason: "Moved".to_owned(),
                    message: "it was deleted, or made again, by somebody else meanwhile".to_owned(),
                }
            }
            Effect::Refused { .. } if immutable => Effect::Refused {
                reason: "Immutable".to_owned(),
                message: "it was made immutable meanwhile; the next run replaces it".to_owned(),
            },
            other => other,
        };
        match (&effect, &step.action) {
            (Effect::Made, Action::RefillToken { token_sha256, .. }) => {
                self.emptied.insert(uid.clone());
                self.window.emptied(uid.clone(), *token_sha256, self.clock.uptime());
                if let Some(secret) =
                    self.secrets.get_mut(&(step.target.namespace.clone(), step.target.name.clone()))
                {
                    secret.token = None;
                }
            }
            (Effect::Made, Action::DeleteSecret) => {
                self.deleted.insert(uid.clone(), self.clock.uptime());
                self.secrets.retain(|_, secret| secret.secret.uid != *uid);
            }
            (Effect::Made, Action::RepointAccount { account, .. }) => {
                self.accounts.remove(&(step.target.namespace.clone(), account.clone()));
            }
            (Effect::Refused { message, .. }, _) => {
                self.refused.insert(uid.clone(), message.clone());
            }
            _ => {}
        }
        effect
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
        let ahead = self.cluster.server_time().map_or(SignedDuration::ZERO, |t| t.ahead);
        let local = self.clock.now();
        local.checked_add(ahead).unwrap_or(local)
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

/// The key under which refusals of an old token are remembered: not the one of its acceptance.
fn old_key(token: &HeldToken) -> Digest {
    Digest::of(format!("refused {}", token.digest).as_bytes())
}

/// The account's lists with another secret in the old one's place; listed anew where the old one is not there any more.
fn repointed(account: &Account, old: &str, new: &str) -> Value {
    let put = |list: &[Box<str>], add: bool| -> Vec<Value> {
        let mut names: Vec<&str> = Vec::new();
        for name in list.iter().map(|n| if **n == *old { new } else { n }) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if add && !names.contains(&new) {
            names.push(new);
        }
        names.into_iter().map(|name| json!({ "name": name })).collect()
    };
    json!({
        "secrets": put(&account.secrets, true),
        "imagePullSecrets": put(&account.pull_secrets, false),
    })
}

/// A saved manifest under a name; what the server and the controller add is not in it.
fn named(manifest: &Value, name: &str) -> Value {
    let mut secret = manifest.clone();
    secret["metadata"]["name"] = name.into();
    secret
}

/// A token secret as somebody would create it: labels, annotations and other keys, without token, CA and identity.
///
/// Never `immutable`: the controller manager could not fill it.
pub fn bare(found: &Value, account: &str, with_extra: bool) -> Value {
    const CONTROLLERS: [&str; 3] = ["token", "ca.crt", "namespace"];
    let meta = &found["metadata"];
    let mut annotations = meta["annotations"].as_object().cloned().unwrap_or_default();
    annotations.retain(|key, _| {
        key != ACCOUNT_UID && key != "kubectl.kubernetes.io/last-applied-configuration"
    });
    annotations.insert(ACCOUNT_NAME.to_owned(), account.into());
    annotations.insert(REPLACES.to_owned(), meta["uid"].clone());
    let mut labels = meta["labels"].as_object().cloned().unwrap_or_default();
    labels.retain(|key, _| !key.starts_with("kubernetes.io/legacy-token-"));
    let mut data = found["data"].as_object().cloned().unwrap_or_default();
    data.retain(|key, _| with_extra && !CONTROLLERS.contains(&key.as_str()));
    let mut secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": TOKEN_TYPE,
        "metadata": {
            "namespace": meta["namespace"], "name": meta["name"],
            "labels": labels, "annotations": annotations,
        },
    });
    if !data.is_empty() {
        secret["data"] = data.into();
    }
    secret
}
