//! `bosh ssh` with a command: an account on every instance, one `ssh` for each, all at once.

use std::path::Path;

use serde_json::{Value, json};

use super::Failed;
use super::args::{Args, Ssh};
use super::session::{Ended, Keys, Session, run_all};
use super::ui::{Table, Ui};
use super::wire::Director;
use crate::bosh::plan::{hex, random};

/// Runs it.
pub(super) fn run(
    dir: &Path,
    home: &Path,
    director: &Director,
    args: &Args,
    wanted: &Ssh,
    ui: &mut Ui,
) -> Result<(), Failed> {
    if wanted.command.is_empty() {
        return Err(
            "the lab's double of bosh has no interactive sessions: give it a command".to_owned()
        );
    }
    let deployment = args.deployment.as_deref().unwrap_or_default();
    let keys = Keys::make(home)?;
    let user = format!("bosh_{}", &hex(&random::<8>().map_err(|error| error.to_string())?)[..15]);
    let path = format!("/deployments/{deployment}/ssh");
    let body = |command: &str, params: Value| {
        json!({"deployment_name": deployment, "target": target(&wanted.target), "command": command, "params": params})
            .to_string()
    };
    let setup = body("setup", json!({"user": user, "public_key": keys.public}));
    let doing = format!("Setting up SSH in deployment '{deployment}'");
    let hosts = director.task(("POST", &path, &setup), &doing, ui)?;
    let hosts: Vec<Value> = serde_json::from_str(&hosts).map_err(|error| error.to_string())?;
    if let Some(host) = hosts.iter().find(|host| host["status"] != "success") {
        return Err(refused(host));
    }
    keys.write_known_hosts(&hosts)?;
    let sessions: Vec<Session> =
        hosts.iter().map(|host| Session::new(host, &user, wanted, &keys)).collect();
    let streaming = !wanted.results;
    let (mut ended, interrupted) = run_all(dir, sessions, |instance, stream, line| {
        if streaming {
            ui.block(&format!("{instance}: {stream} | {line}\n"));
        }
    });
    // It is asked for and not waited for.
    let _ =
        director.send("POST", &path, &body("cleanup", json!({"user_regex": format!("^{user}")})));
    if interrupted {
        ui.line("\nReceived a signal, exiting...\n");
    }
    ended.sort_by(|a, b| a.instance.cmp(&b.instance));
    if wanted.results {
        ui.table(Table {
            content: "results",
            columns: vec![
                ("instance", "Instance"),
                ("stdout", "Stdout"),
                ("stderr", "Stderr"),
                ("exit_code", "Exit Code"),
                ("error", "Error"),
            ],
            rows: ended.iter().map(row).collect(),
        });
    }
    let mut errors: Vec<String> = ended.iter().filter_map(Ended::error).collect();
    match errors.len() {
        0 => Ok(()),
        count => {
            let plural = if count == 1 { "error" } else { "errors" };
            // The command's own per cents are taken for a format.
            for error in &mut errors {
                *error = format!("\t* {}", mangled(error));
            }
            Err(format!("Running SSH:\n  {count} {plural} occurred:\n{}\n\n", errors.join("\n")))
        }
    }
}

fn row(ended: &Ended) -> Vec<String> {
    vec![
        ended.instance.clone(),
        ended.stdout.clone(),
        ended.stderr.clone(),
        ended.code.to_string(),
        ended.error().unwrap_or_default(),
    ]
}

/// `{"job", "indexes", "ids"}` for `GROUP`, `GROUP/INDEX`, `GROUP/ID`.
fn target(text: &str) -> Value {
    let (group, which) = text.split_once('/').unwrap_or((text, ""));
    let (indexes, ids): (Vec<&str>, Vec<&str>) = match which {
        "" => (vec![], vec![]),
        index if index.bytes().all(|byte| byte.is_ascii_digit()) => (vec![index], vec![]),
        id => (vec![], vec![id]),
    };
    json!({"job": group, "indexes": indexes, "ids": ids})
}

/// Go's way of showing what an agent said.
fn refused(host: &Value) -> Failed {
    let word = |name: &str| host[name].as_str().unwrap_or_default();
    format!(
        "Failed to set up SSH session for one of the instances 'director.SSHResp{{Status:\"{}\", Job:\"{}\", \
         Index:(*int)(0xc000012345), ID:\"{}\", IP:\"{}\", HostPublicKey:\"{}\", GatewayUser:\"{}\", GatewayHost:\"{}\"}}'",
        word("status"),
        word("job"),
        word("id"),
        word("ip"),
        word("host_public_key"),
        word("gateway_user"),
        word("gateway_host")
    )
}

/// What a format makes of a text that nobody gave values for.
fn mangled(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split('%');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let mut letters = part.chars();
        match letters.next() {
            Some(letter) => {
                out.extend(["%!", letter.encode_utf8(&mut [0; 4]), "(MISSING)"]);
                out.push_str(letters.as_str());
            }
            None => out.push_str("%!(NOVERB)"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_group_and_perhaps_one_of_it() {
        assert_eq!(target("minion"), json!({"job": "minion", "indexes": [], "ids": []}));
        assert_eq!(target("minion/2")["indexes"], json!(["2"]));
        assert_eq!(target("minion/0c78-x")["ids"], json!(["0c78-x"]));
    }

    #[test]
    fn per_cents_are_mangled_as_the_real_one_does() {
        assert_eq!(mangled("date +%s; exit 3"), "date +%!s(MISSING); exit 3");
    }
}
