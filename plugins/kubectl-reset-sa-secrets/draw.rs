//! Draws the plan: first the secrets, kube-system before all others, then the pods that use them. Pure.

use crate::decide::{Decided, Renewal};
use crate::inventory::Inventory;
use crate::pods::{Conditions, Users};
use crate::request::{Recycle, Request};
use rotation_core::facts::ca_bundle::CaBundle;
use rotation_core::facts::words::count;
use rotation_core::plan::document::{Action, Phase, Plan, Probe, SkipReason, Skipped, Step};
use rotation_core::plan::recycle::plan::{Header, draw as draw_pods};
use rotation_core::plan::tokens;
use std::collections::BTreeMap;

/// How what a replacement destroyed is brought back.
const RESTORE: &str = "kubectl reset-sa-secrets restore BACKUP";

/// Draws the plan.
pub(crate) fn draw(
    header: Header,
    inventory: &Inventory,
    decided: &[Decided<'_>],
    users: &Users,
    conditions: &Conditions,
    request: &Request,
) -> Plan {
    let ca = inventory.expected_ca(request).cloned().unwrap_or_default();
    let mut plan = draw_pods(header, &inventory.scene, &request.options);
    for step in plan.phases.iter_mut().flat_map(|p| &mut p.waves).flat_map(|w| &mut w.steps) {
        let probes = conditions.get(&step.target.uid);
        step.expect.splice(0..0, probes.into_iter().flatten().cloned());
    }
    if request.recycle == Recycle::List {
        for step in plan.phases.drain(..).flat_map(|p| p.waves).flat_map(|w| w.steps) {
            let (target, reason) = (step.target, step.reason);
            plan.notes.push(format!(
                "{} ({}) is to be recycled: {reason}",
                target.kubectl_name(),
                target.namespace
            ));
        }
        plan.skipped.clear();
    }
    let (first, rest): (Vec<&Decided<'_>>, Vec<&Decided<'_>>) =
        decided.iter().partition(|d| d.secret.secret.namespace == "kube-system");
    let of_tokens = [("tokens-kube-system", first), ("tokens", rest)];
    let phases: Vec<Phase> = of_tokens
        .into_iter()
        .map(|(name, decided)| {
            let steps: Vec<Step> =
                decided.iter().flat_map(|d| steps(d, inventory, request, &ca)).collect();
            tokens::phase(name, steps)
        })
        .filter(|phase| !phase.waves[0].steps.is_empty())
        .collect();
    plan.phases.splice(0..0, phases);
    tokens::number(&mut plan);
    let left: Vec<Skipped> = decided.iter().filter_map(|d| d.left.clone()).collect();
    plan.skipped.splice(0..0, left);
    notes(&mut plan, inventory, decided, users, request);
    plan
}

fn steps(
    decided: &Decided<'_>,
    inventory: &Inventory,
    request: &Request,
    ca: &CaBundle,
) -> Vec<Step> {
    let secret = decided.secret;
    let target = &secret.secret;
    let Some(renewal) = &decided.renewal else { return Vec::new() };
    let before = secret.token.as_ref().map(|t| t.digest);
    let account = inventory.account(secret);
    let works = |name: &str, other_than| Probe::TokenWorks {
        namespace: target.namespace.clone(),
        secret: name.to_owned(),
        other_than,
        ca: ca.clone(),
    };
    let step = |action: Action, expect: Vec<Probe>, verify: Vec<Probe>, undo: &str| Step {
        id: String::new(),
        target: target.clone(),
        node: None,
        reason: decided.reason.clone(),
        expect,
        action,
        verify,
        undo: undo.to_owned(),
        replaces: replaces(&target.namespace, &target.name),
    };
    let proven = |mut probes: Vec<Probe>| {
        if request.revoke && before.is_some() {
            probes.push(Probe::TokenRefused);
        }
        probes
    };
    let create = |name: &str| Action::CreateToken {
        name: name.to_owned(),
        account: secret.account.to_string(),
        account_uid: account.map_or_else(|| "".into(), |a| a.uid.clone()),
        manifest_file: String::new(),
        manifest_sha256: String::new(),
    };
    let lists = |name: &str| Probe::AccountLists {
        account: secret.account.to_string(),
        secret: name.to_owned(),
    };
    let repoint = |to: &str, expect: Vec<Probe>| {
        let listed = |list: &[Box<str>]| list.iter().any(|n| **n == *target.name);
        let account = account.filter(|a| listed(&a.secrets) || listed(&a.pull_secrets))?;
        let action = Action::RepointAccount {
            account: account.name.to_string(),
            account_uid: account.uid.clone(),
            to: to.to_owned(),
        };
        Some(step(action, expect, vec![lists(to)], "list the old one again"))
    };
    match renewal {
        Renewal::Refill { revive } => {
            let step = tokens::refill(secret, &decided.reason, *revive, ca);
            let whole = |step: Step| Step {
                verify: proven(step.verify),
                replaces: replaces(&target.namespace, &target.name),
                ..step
            };
            step.map(whole).into_iter().collect()
        }
        Renewal::Await => {
            vec![step(
                Action::AwaitToken,
                Vec::new(),
                vec![works(&target.name, None)],
                "none needed",
            )]
        }
        Renewal::Beside { name } => {
            let made = works(name, None);
            let first = step(create(name), Vec::new(), vec![made.clone()], "delete the new secret");
            let repoint = repoint(name, vec![made.clone()]);
            let mut expect = vec![made];
            expect.extend(repoint.is_some().then(|| lists(name)));
            let last = step(Action::DeleteSecret, expect, proven(vec![Probe::Gone]), RESTORE);
            [first].into_iter().chain(repoint).chain([last]).collect()
        }
        Renewal::InPlace => {
            let other_than = before.filter(|_| request.revoke);
            let made = works(&target.name, other_than);
            let first = step(Action::DeleteSecret, Vec::new(), vec![Probe::Gone], RESTORE);
            let second =
                step(create(&target.name), vec![Probe::Gone], proven(vec![made.clone()]), RESTORE);
            let third = repoint(&target.name, vec![made]);
            [first, second].into_iter().chain(third).collect()
        }
    }
}

/// The line of a runbook that such a step stands for.
fn replaces(namespace: &str, secret: &str) -> Option<String> {
    let by_name = secret.contains("default-token");
    match namespace {
        "default" if by_name => Some(
            "kubectl delete secret $(kubectl get secrets | grep \"default-token\" | awk '{print $1}')"
                .to_owned(),
        ),
        "kube-system" => Some(if by_name {
            "kubectl --namespace kube-system delete secret $(kubectl --namespace kube-system get secrets | grep \"default-token\" | awk '{print $1}')".to_owned()
        } else {
            "kubectl delete secrets -n kube-system --all".to_owned()
        }),
        _ => None,
    }
}

/// What the reader should know before saying yes, and what cannot be known here.
fn notes(
    plan: &mut Plan,
    inventory: &Inventory,
    decided: &[Decided<'_>],
    users: &Users,
    request: &Request,
) {
    let mut types: BTreeMap<&str, usize> = BTreeMap::new();
    for other in &inventory.others {
        *types.entry(other.kind.as_str()).or_default() += 1;
    }
    if !types.is_empty() {
        let list: Vec<String> =
            types.iter().map(|(kind, n)| format!("{n} {}", what_it_is(kind))).collect();
        plan.notes.push(format!("left alone, since they hold no token: {}", list.join(", ")));
    }
    let renewed: Vec<&Decided<'_>> = decided.iter().filter(|d| d.renewal.is_some()).collect();
    if renewed.is_empty() {
        return;
    }
    for decided in &renewed {
        let (secret, name) = (decided.secret, decided.secret.secret.kubectl_name());
        if let (Some(day), true) = (secret.last_used(), users.all(secret).is_empty()) {
            plan.notes.push(format!(
                "{name} ({}) was used on {day}, and no pod here names it: somebody outside needs the new token",
                secret.secret.namespace
            ));
        }
        let dead =
            matches!(decided.renewal, Some(Renewal::Beside { .. })) && users.by_name(secret) > 0;
        if dead {
            plan.notes.push(format!(
                "{} of {name} ({}) name it in their templates, and could not be started again after it is gone",
                count(users.by_name(secret), "pod"),
                secret.secret.namespace
            ));
        }
    }
    if inventory.bound > 0 && decided.iter().any(|d| d.state.word() == "staleToken") {
        plan.notes.push(format!(
            "tokens that kubelets fetch are not seen here, and are held by {} in these namespaces: where the signing key \
             changed, restart the kubelets, or run `kubectl recycle stale --since TIME`",
            count(inventory.bound, "pod")
        ));
    }
    if request.recycle == Recycle::None {
        plan.notes.push("pods that use these tokens are not looked at (--recycle none)".to_owned());
    }
    plan.notes.push(
        "not seen: tokens that are held outside of the cluster, that volume drivers fetch, or that operators read through \
         the API"
            .to_owned(),
    );
}

/// A type of secret in words.
pub(crate) fn what_it_is(kind: &str) -> String {
    let words = match kind {
        "kubernetes.io/tls" => "TLS key",
        "bootstrap.kubernetes.io/token" => "bootstrap token",
        "kubernetes.io/dockerconfigjson" | "kubernetes.io/dockercfg" => "pull secret",
        "helm.sh/release.v1" => "Helm release",
        "Opaque" | "" => "opaque secret",
        other => return format!("of type {other}"),
    };
    format!("{words} ({})", if kind.is_empty() { "Opaque" } else { kind })
}

/// A secret that was named and is of another type, or that is not there.
pub(crate) fn other_type(target: rotation_core::facts::identity::ObjectRef, kind: &str) -> Skipped {
    Skipped {
        target,
        reason: SkipReason::OtherType,
        message: format!("it is of type {kind}, and holds no token of an account"),
        refused: true,
    }
}
