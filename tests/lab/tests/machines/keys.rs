//! The signing key changes under real kubelets, and a mounted token follows its secret.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::loopback::OldTokens;
use lab::machines::Machines;
use lab::world::{self, tokens};

use crate::eventually;

/// What the file in the pod holds now.
fn mounted(lab: &Machines) -> Result<String> {
    let file = format!("{}/token", tokens::MOUNT);
    lab.kubectl_text(&["exec", "deployment/token-holder", "--", "cat", &file])
}

/// Whether an API server knows whose token this is. It is on no command line.
fn accepted(lab: &Machines, token: &str) -> Result<bool> {
    let review = format!(
        r#"{{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{{"token":"{token}"}}}}"#
    );
    let words = ["create", "--output=jsonpath={.status.authenticated}", "-f", "-"];
    Ok(lab.client().with_input(&words, &review)? == "true")
}

pub(crate) fn the_signing_key_changes(lab: &Machines) -> Result<()> {
    lab.apply(&tokens::typed("default", "default", "made-by-hand"))?;
    let secret = |path: &str| {
        let path = format!("--output=jsonpath={path}");
        lab.kubectl_text(&["get", "secret", "made-by-hand", &path])
    };
    eventually("the secret to be filled", Duration::from_secs(30), || {
        Ok(!secret("{.data.token}")?.is_empty())
    })?;
    lab.apply(&world::mounting("token-holder", "default", "made-by-hand"))?;
    lab.kubectl_text(&["rollout", "status", "deployment/token-holder", "--timeout=60s"])?;
    let before = mounted(lab)?;
    ensure!(accepted(lab, &before)?, "the mounted token is refused from the start");

    lab.rotate_signing_key(OldTokens::Refused)?;
    ensure!(!accepted(lab, &before)?, "the key was changed, and the old token is accepted");
    ensure!(mounted(lab)? == before, "the file changed although its secret did not");

    let uid = secret("{.metadata.uid}")?;
    lab.kubectl_text(&[
        "patch",
        "secret",
        "made-by-hand",
        "--type=merge",
        r#"--patch={"data":{"token":null}}"#,
    ])?;
    // A controller manager that was killed holds its lease for 15 s; then it is the kubelet's turn.
    let mut now = String::new();
    eventually("the file to be another token", Duration::from_mins(2), || {
        // While there is no token in the secret, there is no file.
        now = mounted(lab).unwrap_or_default();
        Ok(!now.is_empty() && now != before)
    })?;
    ensure!(accepted(lab, &now).context("the new token")?, "the new token is refused");
    ensure!(secret("{.metadata.uid}")? == uid, "it is another secret");
    Ok(())
}
