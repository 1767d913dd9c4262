//! Token secrets on real control planes: ours beside the controller manager alone, deleting and waiting, and the
//! runbook's loop; a preflight; a check of a large cluster.

use crate::lab_figures::home;
use crate::measure::{command, median, peak, time};
use crate::table::Table;
use anyhow::{Context as _, Result, bail, ensure};
use lab::loopback::{Generation, Loopback, OldTokens, Options, Pace, TokenSecret};
use lab::world::{self, tokens};
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The tool, as it is released.
const TOOL: &str = env!("CARGO_BIN_EXE_kubectl-reset_sa_secrets");

/// The other tool that looks at secrets.
const CERTS: &str = env!("CARGO_BIN_EXE_kubectl-rotate_certs");

/// Namespaces, each with the token of its account `default`; four of them are Kubernetes' own.
const NAMESPACES: u32 = 300;

/// What the runbook does in two namespaces, in all of them.
const LOOP: &str = r#"
for namespace in $(kubectl get namespaces --output=jsonpath='{.items[*].metadata.name}'); do
  kubectl --namespace $namespace delete secret $(kubectl --namespace $namespace get secrets | grep "default-token" | awk '{print $1}')
done
"#;

/// The tokens of 300 namespaces after the signing key was changed, with the limits that a controller manager has by
/// default, on the generation that makes token secrets by itself.
pub(crate) fn reset(table: &mut Table, rounds: usize) -> Result<()> {
    let lab = Loopback::start(&Options {
        kubernetes: Generation::Old,
        nodes: 0,
        kwok: false,
        scheduler: false,
        ..Options::default()
    })?;
    lab.many_token_namespaces(NAMESPACES - 4)?;
    lab.pace_controllers(Pace::DEFAULT)?;
    let home = home(&lab)?;
    let tool = command(Path::new(TOOL), home.path());
    let mut key = 0;
    // Each round meets the same cluster: every token dead, the controller manager fresh.
    let mut rotated = || {
        key += 1;
        lab.rotate_signing_key(&format!("round-{key}"), OldTokens::Refused)?;
        settled(&lab)
    };
    let (mut ours, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let before = rotated()?;
        alone.push(emptied(&lab, &before)?);
        rotated()?;
        let words = ["-A", "--service-account=default", "--yes", "--recycle=none"];
        ours.push(time(tool(&words), 0)?);
        let refused = lab.refused_token_secrets()?;
        ensure!(!refused.iter().any(is_meant), "ours ended with 0 and left {refused:?}");
    }
    let middle = |times: &mut Vec<f64>| median(times.len(), || times.pop().context("a round"));
    let (ours, alone) = (middle(&mut ours)?, middle(&mut alone)?);
    let before = rotated()?;
    let deleted = deleted(&lab, &before)?;
    let before = rotated()?;
    let looped = looped(&lab, home.path(), &before)?;
    let what = format!("{NAMESPACES} token secrets");
    table.within(&format!("{what}; peer: the controller manager alone"), ours, alone, Some(1.05));
    table.faster("the same; peer: deleting them at once, and waiting", ours, deleted, 2.0);
    table.faster("the same; peer: the runbook's loop, and waiting", ours, looped, 2.0);

    rotated()?;
    let one = |n: u32| {
        time(tool(&["--namespace", &format!("team-{n:03}"), "--yes", "--recycle=none"]), 0)
    };
    let mut number = 0;
    let single = median(rounds.max(5), || {
        number += 1;
        one(number)
    })?;
    table.time("one token secret: look, canary, refill, prove", single, None, Some(0.5));
    Ok(())
}

/// 5,000 pods and 2,000 token secrets of a real API server.
pub(crate) fn check(table: &mut Table, rounds: usize) -> Result<()> {
    let lab = Loopback::start(&Options { nodes: 100, ..Options::default() })?;
    let (namespaces, each) = (100, 20);
    let mut objects = Vec::new();
    for n in 0..namespaces {
        let name = format!("tenant-{n:03}");
        objects.push(format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"));
        for account in 0..each {
            let account = format!("account-{account}");
            objects.push(format!(
                "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {account}, namespace: {name}}}\n"
            ));
            objects.push(tokens::typed(&name, &account, &format!("{account}-token")));
        }
    }
    lab.client().with_input(&["create", "-f", "-"], &world::join(&objects))?;
    lab.wait_until(Duration::from_mins(10), "2,000 tokens are filled", || {
        let all = lab.token_secrets(None)?;
        Ok(all.len() == namespaces * each && all.iter().all(|secret| !secret.token.is_empty()))
    })?;
    for n in 0..10 {
        let (name, namespace) = (format!("web-{n}"), format!("tenant-{n:03}"));
        let mounting = world::mounting(&name, &namespace, "account-0-token");
        lab.apply(&mounting.replace("replicas: 1\n", "replicas: 500\n"))?;
        lab.wait_pods_ready(&namespace, &format!("app={name}"), 500)?;
    }
    let home = home(&lab)?;
    let tool = command(Path::new(TOOL), home.path());
    let kubectl = lab.programs().join("kubectl");
    let kubectl = command(&kubectl, home.path());
    let ours = || tool(&["check", "-A"]);
    let peer = || kubectl(&["get", "pods,secrets", "-A", "-o", "name"]);
    let (fast, slow) = (median(rounds, || time(ours(), 0))?, median(rounds, || time(peer(), 0))?);
    table.time(
        "5,000 pods, 2,000 token secrets, each reviewed: check -A; peer: kubectl get pods,secrets -A",
        fast,
        Some(slow),
        None,
    );
    table.bytes("the same, peak memory", peak(ours())?, peak(peer())?, 64 << 20);
    // The same cluster for another tool, with the volumes of no machine: pods are listed all the same.
    let node = home.path().join("node");
    std::fs::create_dir(&node).context("a machine without files")?;
    let node = node.display().to_string();
    let certs = command(Path::new(CERTS), home.path());
    let inspect = || certs(&["inspect", "--objects", "--root", &node, "-o", "json"]);
    let all = median(rounds, || time(inspect(), 0))?;
    table.time("5,000 pods, 2,000 token secrets: inspect --objects", all, None, Some(3.0));
    table.memory("the same, peak memory", peak(inspect())?, 64 << 20);
    Ok(())
}

fn is_meant(secret: &TokenSecret) -> bool {
    secret.account == "default"
}

/// These tokens once nothing moves any more.
fn settled(lab: &Loopback) -> Result<Vec<TokenSecret>> {
    let mut all = Vec::new();
    lab.wait_until(Duration::from_mins(5), "every namespace has its token", || {
        all = lab.token_secrets(None)?;
        all.retain(is_meant);
        Ok(all.len() == NAMESPACES as usize && all.iter().all(|s| !s.token.is_empty()))
    })?;
    Ok(all)
}

/// Seconds from now until every namespace has a token that is none of these.
fn renewed(lab: &Loopback, begun: Instant, before: &[TokenSecret]) -> Result<f64> {
    let old: std::collections::HashSet<&str> = before.iter().map(|s| s.token.as_str()).collect();
    lab.wait_until(Duration::from_mins(10), "every namespace has a new token", || {
        let all = lab.token_secrets(None)?;
        let new = all
            .iter()
            .filter(|s| is_meant(s) && !s.token.is_empty() && !old.contains(s.token.as_str()));
        Ok(new.count() >= NAMESPACES as usize)
    })?;
    Ok(begun.elapsed().as_secs_f64())
}

/// What the controller manager needs by itself: all are emptied as fast as the server takes it.
fn emptied(lab: &Loopback, before: &[TokenSecret]) -> Result<f64> {
    let begun = Instant::now();
    all_at_once(lab, before, "PATCH", &json!({"data": {"token": null}}).to_string())?;
    renewed(lab, begun, before)
}

fn deleted(lab: &Loopback, before: &[TokenSecret]) -> Result<f64> {
    let begun = Instant::now();
    all_at_once(lab, before, "DELETE", "")?;
    renewed(lab, begun, before)
}

fn looped(lab: &Loopback, home: &Path, before: &[TokenSecret]) -> Result<f64> {
    let begun = Instant::now();
    let status = Command::new("sh")
        .args(["-c", LOOP])
        .env_clear()
        .env("HOME", home)
        .env("KUBECONFIG", home.join("config"))
        .env("PATH", format!("{}:/usr/bin:/bin", lab.programs().display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .context("cannot run the runbook's loop")?;
    ensure!(status.success(), "the runbook's loop ended with {status}");
    renewed(lab, begun, before)
}

/// One request for each secret, 16 side by side.
fn all_at_once(lab: &Loopback, secrets: &[TokenSecret], method: &str, body: &str) -> Result<()> {
    let proxy = lab.proxy()?;
    let one = |secret: &TokenSecret| {
        let path = format!("/api/v1/namespaces/{}/secrets/{}", secret.namespace, secret.name);
        let (code, answer) = proxy.ask(method, &path, "application/merge-patch+json", body)?;
        ensure!(code == 200, "{method} {path}: {code} {answer}");
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = secrets
            .chunks(secrets.len().div_ceil(16).max(1))
            .map(|some| scope.spawn(move || some.iter().try_for_each(one)))
            .collect();
        for worker in workers {
            match worker.join() {
                Ok(result) => result?,
                Err(_) => bail!("a worker panicked"),
            }
        }
        Ok(())
    })
}
