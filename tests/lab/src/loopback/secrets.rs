//! Token secrets in a lab: made on both generations, awkward in each known way, in many namespaces, and looked at.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::settings::Generation;
use super::{Loopback, Proxy};
use crate::world::tokens::{self, USERS};
use crate::world::{self, join};

/// The type of all token secrets.
const TYPE: &str = "kubernetes.io/service-account-token";
/// Whose token it is.
const ACCOUNT: &str = "kubernetes.io/service-account.name";
/// What a small machine under load still keeps, for what is made by the dozen.
const LIMIT: Duration = Duration::from_mins(3);

/// A token secret as the API shows it. The token is only of this lab; `Debug` hides it all the same.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The account that it names.
    pub account: String,
    /// `data.token`, decoded; empty until the controller manager has filled it.
    pub token: String,
    /// `data["ca.crt"]`, decoded; empty until the controller manager has filled it.
    pub ca: String,
}

impl std::fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = if self.token.is_empty() { "empty" } else { "filled" };
        write!(f, "{}/{} of {}, {state}", self.namespace, self.name, self.account)
    }
}

impl TokenSecret {
    fn of(object: &Value) -> Self {
        let text = |path: &str| {
            object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Self {
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            uid: text("/metadata/uid"),
            account: object["metadata"]["annotations"][ACCOUNT].as_str().unwrap_or_default().into(),
            token: decoded(&object["data"]["token"]),
            ca: decoded(&object["data"]["ca.crt"]),
        }
    }
}

/// A value of a Secret's `data`.
pub(super) fn decoded(value: &Value) -> String {
    let bytes = value.as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// All token secrets of a namespace, or of all of them.
pub(super) fn list(proxy: &Proxy, namespace: Option<&str>) -> Result<Vec<TokenSecret>> {
    let within = namespace.map(|name| format!("namespaces/{name}/")).unwrap_or_default();
    let path = format!("/api/v1/{within}secrets?fieldSelector=type%3D{}", TYPE.replace('/', "%2F"));
    Ok(proxy.list(&path)?.iter().map(TokenSecret::of).collect())
}

impl Loopback {
    /// The token secrets of a namespace, or of all of them, sorted.
    pub fn token_secrets(&self, namespace: Option<&str>) -> Result<Vec<TokenSecret>> {
        let mut all = list(&self.proxy()?, namespace)?;
        all.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        Ok(all)
    }

    /// The token secrets whose token the first API server does not accept (`TokenReview`), an empty one among them.
    pub fn refused_token_secrets(&self) -> Result<Vec<TokenSecret>> {
        let proxy = self.proxy()?;
        let mut refused = Vec::new();
        for secret in self.token_secrets(None)? {
            let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
                "spec": {"token": secret.token}});
            let path = "/apis/authentication.k8s.io/v1/tokenreviews";
            if secret.token.is_empty()
                || proxy.post(path, &review)?["status"]["authenticated"] != true
            {
                refused.push(secret);
            }
        }
        Ok(refused)
    }

    /// Waits until this account has a token secret with a token in it. On the old generation it comes by itself.
    pub fn wait_token_secret(&self, namespace: &str, account: &str) -> Result<TokenSecret> {
        let proxy = self.proxy()?;
        let mut found = None;
        let what = format!("account {account} in {namespace} has a token");
        self.wait_until(LIMIT, &what, || {
            found = list(&proxy, Some(namespace))?
                .into_iter()
                .find(|secret| secret.account == account && !secret.token.is_empty());
            Ok(found.is_some())
        })?;
        found.context("it was there")
    }

    /// Puts the runbooks' world ([`world::runbooks`]) into the lab as it was in their time: each pod of
    /// [`USERS`] mounts the token secret of its account by name. On the old generation the secrets came by
    /// themselves; today's get one made by hand, called `ACCOUNT-token`, which the account lists.
    pub fn use_token_secrets(&self) -> Result<()> {
        self.apply(&world::runbooks())?;
        let mut accounts: Vec<(&str, &str)> =
            USERS.iter().map(|user| (user.namespace, user.account)).collect();
        accounts.sort_unstable();
        accounts.dedup();
        if self.settings().kubernetes == Generation::Current {
            let proxy = self.proxy()?;
            let made: Vec<String> = accounts
                .iter()
                .map(|(namespace, account)| {
                    tokens::typed(namespace, account, &format!("{account}-token"))
                })
                .collect();
            for (namespace, account) in &accounts {
                self.wait_account(&proxy, namespace, account)?;
            }
            self.apply(&join(&made))?;
            for (namespace, account) in &accounts {
                let listed = json!({"secrets": [{"name": format!("{account}-token")}]});
                proxy.patch(
                    &format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}"),
                    &listed,
                )?;
            }
        }
        let mut partial = Vec::new();
        for user in USERS {
            let secret = self.wait_token_secret(user.namespace, user.account)?;
            partial.push(user.mounting(&secret.name));
        }
        // Two field managers: what the one leaves out stays the other's.
        let words = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=lab-tokens",
            // A part of a workload is none by itself.
            "--validate=false",
            "-f",
            "-",
        ];
        self.client().with_input(&words, &join(&partial))?;
        for user in USERS {
            let workload = format!("{}/{}", user.kind.to_lowercase(), user.name);
            self.wait_rolled_out(user.namespace, &workload)?;
        }
        Ok(())
    }

    /// Puts secrets of each awkward kind into a namespace that exists, with pods that name them: see
    /// [`tokens::accounts`], [`tokens::foreign`], [`tokens::owned`], [`tokens::references`]; a bootstrap token into
    /// `kube-system`. `frozen-token` is filled and immutable, `idle-token` filled and marked invalid.
    pub fn awkward_secrets(&self, namespace: &str) -> Result<()> {
        let proxy = self.proxy()?;
        self.wait_account(&proxy, namespace, "default")?;
        let owner = proxy.post(
            &format!("/api/v1/namespaces/{namespace}/configmaps"),
            &json!({"metadata": {"name": "operator"}}),
        )?;
        let owner = owner["metadata"]["uid"].as_str().context("a ConfigMap without a UID")?;
        self.apply(&join(&[
            tokens::accounts(namespace),
            tokens::foreign(namespace),
            tokens::owned(namespace, owner),
            tokens::bootstrap(),
            tokens::references(namespace),
        ]))?;
        let filled = |name: &'static str| {
            let proxy = proxy.clone();
            self.wait_until(LIMIT, &format!("{name} is filled"), move || {
                let all = list(&proxy, Some(namespace))?;
                Ok(all.iter().any(|secret| secret.name == name && !secret.token.is_empty()))
            })
        };
        for name in ["robot-token-one", "robot-token-two", "operated-token", "builder-token-lab01"]
        {
            filled(name)?;
        }
        for (name, change) in [
            ("frozen-token", json!({"immutable": true})),
            (
                "idle-token",
                json!({"metadata": {"labels": {
                    "kubernetes.io/legacy-token-invalid-since": "2026-01-31",
                    "kubernetes.io/legacy-token-last-used": "2024-12-31",
                }}}),
            ),
        ] {
            filled(name)?;
            proxy.patch(&format!("/api/v1/namespaces/{namespace}/secrets/{name}"), &change)?;
        }
        for (app, count) in tokens::REFERENCES {
            self.wait_pods_ready(namespace, &format!("app={app}"), *count)?;
        }
        Ok(())
    }

    /// `count` namespaces `team-000` and so on, each with a token secret that is filled: the one of `default` on the
    /// old generation, `default-token` made by hand on today's.
    pub fn many_token_namespaces(&self, count: u32) -> Result<()> {
        let proxy = self.proxy()?;
        let names: Vec<String> = (0..count).map(|n| format!("team-{n:03}")).collect();
        let by_hand = self.settings().kubernetes == Generation::Current;
        std::thread::scope(|scope| {
            // Eight at once: one after the other it is the way there that takes the time.
            let workers: Vec<_> = names
                .chunks(names.len().div_ceil(8).max(1))
                .map(|names| {
                    let proxy = &proxy;
                    scope.spawn(move || {
                        names.iter().try_for_each(|name| self.token_namespace(proxy, name, by_hand))
                    })
                })
                .collect();
            for worker in workers {
                match worker.join() {
                    Ok(result) => result?,
                    Err(_) => bail!("a worker panicked"),
                }
            }
            Ok(())
        })?;
        let limit = LIMIT + Duration::from_millis(500) * count;
        self.wait_until(limit, "every namespace has its token", || {
            let filled = list(&proxy, None)?
                .into_iter()
                .filter(|secret| secret.namespace.starts_with("team-") && !secret.token.is_empty());
            Ok(filled.count() >= count as usize)
        })
    }

    fn token_namespace(&self, proxy: &Proxy, name: &str, by_hand: bool) -> Result<()> {
        proxy.post("/api/v1/namespaces", &json!({"metadata": {"name": name}}))?;
        if by_hand {
            self.wait_account(proxy, name, "default")?;
            proxy.post(
                &format!("/api/v1/namespaces/{name}/secrets"),
                &json!({"type": TYPE, "metadata": {"name": "default-token",
                    "annotations": {ACCOUNT: "default"}}}),
            )?;
        }
        Ok(())
    }

    /// A token secret that is made before its account is deleted without a word.
    fn wait_account(&self, proxy: &Proxy, namespace: &str, account: &str) -> Result<()> {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}");
        let limit = LIMIT;
        self.wait_until(limit, &format!("account {account} is in {namespace}"), || {
            Ok(proxy.find(&path)?.is_some())
        })
    }

    /// Waits until a workload's pods are of its newest template, Ready, and no others are left.
    fn wait_rolled_out(&self, namespace: &str, workload: &str) -> Result<()> {
        self.kubectl_text(&[
            "rollout",
            "status",
            workload,
            "--namespace",
            namespace,
            "--timeout=60s",
        ])
        .map(drop)
    }
}
