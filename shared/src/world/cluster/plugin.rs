//! Credential plugins (`exec` of a kubeconfig user): run once, and their output is shown to nobody.

use super::fault::ClusterError;
use base64::Engine as _;
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use serde::Deserialize;
use std::io::IsTerminal as _;
use std::process::Stdio;
use std::time::Duration;

/// How long a plugin that nobody can talk to may take.
const SILENT_LIMIT: Duration = Duration::from_mins(1);

#[derive(Deserialize)]
struct Answer {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    expiration_timestamp: Option<String>,
}

/// Runs the plugin and puts its credential where a plain one would be; says until when it is good.
pub(super) async fn run(
    user: &mut AuthInfo,
    exec: &ExecConfig,
) -> Result<Option<jiff::Timestamp>, ClusterError> {
    let name = exec.command.clone().unwrap_or_default();
    let fail = |reason: String| ClusterError::Plugin {
        command: name.clone(),
        reason,
        install_hint: exec.install_hint.clone(),
    };
    if name.is_empty() {
        return Err(fail("has no command".to_owned()));
    }
    let terminal = std::io::stdin().is_terminal();
    let interactive = match exec.interactive_mode {
        Some(ExecInteractiveMode::Never) => false,
        Some(ExecInteractiveMode::Always) if !terminal => {
            return Err(fail("needs a terminal, and there is none".to_owned()));
        }
        _ => terminal,
    };
    let mut command = tokio::process::Command::new(&name);
    command
        .args(exec.args.iter().flatten())
        .envs(
            exec.env
                .iter()
                .flatten()
                .filter_map(|pair| Some((pair.get("name")?.as_str(), pair.get("value")?.as_str()))),
        )
        .env("KUBERNETES_EXEC_INFO", question(exec, interactive))
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    if interactive {
        command.stdin(Stdio::inherit()).stderr(Stdio::inherit());
    } else {
        command.stdin(Stdio::null()).stderr(Stdio::null());
    }
    let finished = command.spawn().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => fail("is not installed".to_owned()),
        _ => fail(format!("cannot be started: {}", super::trust::io_reason(&e))),
    })?;
    let output = if interactive {
        finished.wait_with_output().await
    } else {
        tokio::time::timeout(SILENT_LIMIT, finished.wait_with_output())
            .await
            .map_err(|_| fail(format!("did not end within {SILENT_LIMIT:?}")))?
    };
    let output = output.map_err(|e| fail(format!("broke off: {}", super::trust::io_reason(&e))))?;
    if !output.status.success() {
        return Err(fail(format!("failed ({})", output.status)));
    }
    // JSON is YAML; kubectl takes both.
    let answer: Answer = serde_saphyr::from_slice(&output.stdout)
        .map_err(|_| fail("answered with something that is no ExecCredential".to_owned()))?;
    let status = answer.status.ok_or_else(|| fail("answered without a credential".to_owned()))?;
    let expires = status
        .expiration_timestamp
        .as_deref()
        .map(str::parse::<jiff::Timestamp>)
        .transpose()
        .map_err(|_| fail("answered with an expiry that is no date".to_owned()))?;
    let mut any = false;
    if let Some(token) = status.token.filter(|t| !t.is_empty()) {
        user.token = Some(token.into());
        any = true;
    }
    if let (Some(certificate), Some(key)) = (status.client_certificate_data, status.client_key_data)
    {
        let base64 = base64::engine::general_purpose::STANDARD;
        user.client_certificate_data = Some(base64.encode(certificate));
        user.client_key_data = Some(base64.encode(key).into());
        any = true;
    }
    if any { Ok(expires) } else { Err(fail("answered without a credential".to_owned())) }
}

/// What the plugin is told: the version it is to answer in, whether it may ask, and the cluster where it wants to know.
fn question(exec: &ExecConfig, interactive: bool) -> String {
    let mut spec = serde_json::json!({ "interactive": interactive });
    if let Some(cluster) = &exec.cluster {
        spec["cluster"] = serde_json::to_value(cluster).unwrap_or_default();
    }
    serde_json::json!({
        "apiVersion": exec.api_version.as_deref().unwrap_or("client.authentication.k8s.io/v1"),
        "kind": "ExecCredential",
        "spec": spec,
    })
    .to_string()
}
