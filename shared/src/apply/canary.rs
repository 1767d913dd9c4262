//! A canary: an account made for a moment, whose token shows that resetting others would work.
//!
//! It proves that the controller manager fills token secrets, which CA it writes into them, and that every API server
//! accepts the key that it signs with. Without that a reset would break every pod of the cluster.

use crate::facts::account::{ACCOUNT_NAME, AccountToken, TOKEN_TYPE};
use crate::facts::ca_bundle::CaBundle;
use crate::facts::duration::human;
use crate::facts::exit::{Exit, Fault};
use crate::facts::held::HeldToken;
use crate::facts::identity::Uid;
use crate::world::clock::Clock;
use crate::world::cluster::{Answer, Cluster, ClusterError, Request, Review, Scope, Thing};
use crate::world::interrupt::Interrupt;
use serde_json::{Value, json};
use std::time::Duration;

/// What canaries are recognised by, also after a run that was cut off.
pub const LABEL: (&str, &str) = ("rotation-tools/canary", "reset-sa-secrets");
/// The beginning of a canary's name; the server makes the rest.
const NAME: &str = "reset-sa-secrets-canary-";
/// A server that has not yet heard of the secret refuses its token for a moment.
const HEARS_WITHIN: Duration = Duration::from_secs(5);

/// What the canary showed.
#[derive(Debug)]
pub struct Sung {
    /// A token that the controller manager has just signed.
    pub token: HeldToken,
    /// The CA that it writes.
    pub ca: CaBundle,
    /// From its birth to the last answer.
    pub took: Duration,
}

/// Why nothing must be reset.
#[derive(Debug, thiserror::Error)]
pub enum CanaryFault {
    /// The canary could not be made.
    #[error("the canary account cannot be made; nothing was changed")]
    Made(#[source] ClusterError),
    /// Nobody filled its secret.
    #[error(
        "the controller manager did not fill the canary's token within {}; nothing was reset",
        human(*.0)
    )]
    NotFilled(Duration),
    /// It is filled with another CA than is expected.
    #[error(
        "the controller manager writes the CA {found} where {expected} is expected; nothing was reset"
    )]
    OtherCa {
        /// What it writes.
        found: CaBundle,
        /// What was expected.
        expected: CaBundle,
    },
    /// An API server refuses its token.
    #[error(
        "the API server {server} refuses the token that the controller manager has just signed; nothing was reset: resetting would break every pod that uses such a token"
    )]
    Refused {
        /// Which.
        server: String,
    },
    /// An API server could not be asked.
    #[error(
        "the API server {server} could not be asked about the canary's token; nothing was reset"
    )]
    NotAsked {
        /// Which.
        server: String,
        /// Why.
        #[source]
        source: ClusterError,
    },
    /// Somebody asked to stop.
    #[error("interrupted before anything was reset")]
    Interrupted,
}

impl Fault for CanaryFault {
    fn exit(&self) -> Exit {
        match self {
            Self::Interrupted => Exit::Interrupted,
            Self::Made(_)
            | Self::NotFilled(_)
            | Self::OtherCa { .. }
            | Self::Refused { .. }
            | Self::NotAsked { .. } => Exit::Refused,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Made(_) => {
                "mend that, or pass --no-canary if the controller manager is known to be well"
            }
            Self::NotFilled(_) => {
                "look whether a kube-controller-manager runs, leads, and has --service-account-private-key-file; then run again"
            }
            Self::OtherCa { .. } => {
                "restart every kube-controller-manager with the --root-ca-file that you expect, or pass the CA that is meant as --expect-ca"
            }
            Self::Refused { .. } => {
                "give that API server the public key of --service-account-private-key-file as --service-account-key-file, restart it, and run again"
            }
            Self::NotAsked { .. } => {
                "name the API servers that can be reached with --server, once for each"
            }
            Self::Interrupted => return None,
        };
        Some(text.to_owned())
    }
}

/// Where and how a canary is made.
pub struct Canary<'a> {
    /// Where it is made.
    pub cluster: &'a Cluster,
    /// The other API servers.
    pub others: &'a [Cluster],
    /// Namespace.
    pub namespace: &'a str,
    /// The CA that it must carry, where one is known.
    pub expected: Option<&'a CaBundle>,
    /// Tokens may be asked about.
    pub may_review: bool,
    /// How long the controller manager gets.
    pub patience: Duration,
}

impl Canary<'_> {
    /// Makes it, looks, and takes it away again. `told` hears of a canary that could not be taken away.
    pub fn sing(
        &self,
        clock: &dyn Clock,
        interrupt: &Interrupt,
        told: &mut dyn FnMut(&str),
    ) -> Result<Sung, CanaryFault> {
        let begun = clock.uptime();
        self.sweep(told);
        let account = self.make(Thing::ServiceAccount, &account()).map_err(CanaryFault::Made)?;
        let Some(born) = Born::of(&account) else {
            return Err(CanaryFault::NotFilled(Duration::ZERO));
        };
        let sung = self.look(&born, clock, interrupt);
        self.remove(Thing::ServiceAccount, &born, told);
        let (token, ca) = sung?;
        Ok(Sung { token, ca, took: clock.uptime().saturating_sub(begun) })
    }

    fn make(&self, thing: Thing, manifest: &Value) -> Result<Value, ClusterError> {
        self.cluster.create(thing, self.namespace, manifest)
    }

    fn look(
        &self,
        account: &Born,
        clock: &dyn Clock,
        interrupt: &Interrupt,
    ) -> Result<(HeldToken, CaBundle), CanaryFault> {
        let manifest = json!({
            "apiVersion": "v1", "kind": "Secret", "type": TOKEN_TYPE,
            "metadata": {
                "name": account.name,
                "labels": { LABEL.0: LABEL.1 },
                "annotations": { ACCOUNT_NAME: account.name },
            },
        });
        self.make(Thing::Secret, &manifest).map_err(CanaryFault::Made)?;
        let (secret, token) = self.filled(account, clock, interrupt)?;
        if let Some(expected) = self.expected.filter(|expected| **expected != secret.ca) {
            let (found, expected) = (secret.ca, expected.clone());
            return Err(CanaryFault::OtherCa { found, expected });
        }
        if self.may_review {
            for server in std::iter::once(self.cluster).chain(self.others) {
                accepted(server, &token, clock, interrupt)?;
            }
        }
        Ok((token, secret.ca))
    }

    /// Waits until the controller manager has filled the secret, and with the CA that is expected.
    fn filled(
        &self,
        account: &Born,
        clock: &dyn Clock,
        interrupt: &Interrupt,
    ) -> Result<(AccountToken, HeldToken), CanaryFault> {
        let begun = clock.uptime();
        let mut pause = Duration::from_millis(10);
        loop {
            // What cannot be read now may be readable in a moment.
            let found = self.cluster.account_token(self.namespace, &account.name).ok().flatten();
            if let Some(mut secret) = found
                && let Some(token) = secret.token.take()
            {
                return Ok((secret, token));
            }
            if clock.uptime().saturating_sub(begun) > self.patience {
                return Err(CanaryFault::NotFilled(self.patience));
            }
            if interrupt.pause(pause) {
                return Err(CanaryFault::Interrupted);
            }
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// Takes away what a run that was cut off has left.
    fn sweep(&self, told: &mut dyn FnMut(&str)) {
        let Ok(accounts) = self.cluster.accounts(&Scope::one(self.namespace)) else { return };
        for left in accounts.iter().filter(|a| a.name.starts_with(NAME)) {
            let born = Born { name: left.name.to_string(), uid: left.uid.clone() };
            self.remove(Thing::ServiceAccount, &born, told);
        }
    }

    /// The secret goes with its account: the controller manager, if there is one, sees to that.
    fn remove(&self, thing: Thing, born: &Born, told: &mut dyn FnMut(&str)) {
        let mut requests = vec![self.deletion(thing, born)];
        if let Ok(Some(secret)) = self.cluster.account_token(self.namespace, &born.name) {
            let secret = Born { name: born.name.clone(), uid: secret.secret.uid };
            requests.insert(0, self.deletion(Thing::Secret, &secret));
        }
        self.cluster.act(&requests, &mut |_, answer| match answer {
            Answer::Accepted | Answer::Gone | Answer::Replaced | Answer::NamespaceTerminating => {}
            other => told(&format!(
                "the canary {} ({}) could not be deleted: {other:?}; the next run does it",
                born.name, self.namespace
            )),
        });
    }

    fn deletion(&self, thing: Thing, born: &Born) -> Request {
        Request::Delete {
            thing,
            namespace: self.namespace.to_owned(),
            name: born.name.clone(),
            uid: born.uid.clone(),
            resource_version: None,
            grace_seconds: None,
            dry_run: false,
        }
    }
}

fn account() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "generateName": NAME, "labels": { LABEL.0: LABEL.1 } },
        "automountServiceAccountToken": false,
    })
}

struct Born {
    name: String,
    uid: Uid,
}

impl Born {
    fn of(object: &Value) -> Option<Self> {
        let text = |key: &str| object.pointer(key).and_then(Value::as_str);
        Some(Self {
            name: text("/metadata/name")?.to_owned(),
            uid: Uid::from(text("/metadata/uid")?),
        })
    }
}

fn accepted(
    server: &Cluster,
    token: &HeldToken,
    clock: &dyn Clock,
    interrupt: &Interrupt,
) -> Result<(), CanaryFault> {
    let begun = clock.uptime();
    loop {
        let name = || server.server().to_owned();
        let answer = server.review(std::slice::from_ref(token)).into_iter().next();
        match answer {
            Some(Ok(Review::Accepted { .. })) => return Ok(()),
            Some(Err(source)) => return Err(CanaryFault::NotAsked { server: name(), source }),
            Some(Ok(Review::Refused { .. })) | None => {}
        }
        if clock.uptime().saturating_sub(begun) > HEARS_WITHIN {
            return Err(CanaryFault::Refused { server: name() });
        }
        if interrupt.pause(Duration::from_millis(200)) {
            return Err(CanaryFault::Interrupted);
        }
    }
}
