//! `kubectl reset-sa-secrets restore`: puts secrets that were replaced back under their old names.

use super::backup::{Backup, SCHEMA_VERSION};
use super::rights;
use crate::TOOL;
use crate::cli::Args;
use rotation_core::cli::confirm::{ConfirmArgs, Question, confirm};
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::output::OutputFormat;
use rotation_core::cli::result::lines;
use rotation_core::facts::account::{ACCOUNT_NAME, ACCOUNT_UID};
use rotation_core::facts::exit::Exit;
use rotation_core::facts::words::count;
use rotation_core::world::cluster::{Answer, Cluster, Request, Thing};
use rotation_core::world::files;
use serde_json::{Value, json};
use std::path::Path;

/// A secret of the backup, and what stands in its way.
struct Wanted {
    namespace: String,
    name: String,
    account: String,
    manifest: Value,
}

impl Wanted {
    fn words(&self) -> String {
        format!("secret/{} ({})", self.name, self.namespace)
    }
}

/// Runs the command.
pub(super) fn run(
    args: &Args,
    path: &Path,
    confirmed: ConfirmArgs,
    console: &Console,
) -> Result<Exit, Failure> {
    args.output.among(&[OutputFormat::Name], &TOOL, "restore")?;
    let backup = read(path)?;
    let cluster = Cluster::connect(&args.connection.connection(console))?;
    let identity = cluster.identity()?;
    if !backup.cluster.is_same_cluster(&identity) {
        return Err(Failure::refused(format!(
            "backup `{}` was made of another cluster ({}); nothing was changed",
            path.display(),
            backup.cluster.server
        ))
        .with_hint("pass --context or --kubeconfig of the cluster that the backup is of"));
    }
    let (mut wanted, mut refused) = (Vec::new(), Vec::new());
    for secret in backup.secrets {
        match look(&cluster, &secret)? {
            Found::Wanted(secret) => wanted.push(*secret),
            Found::There(words) => console.note(&format!("{words} is there already")),
            Found::Hopeless(words) => refused.push(words),
        }
    }
    for words in &refused {
        console.warn(words);
    }
    if wanted.is_empty() {
        console.note("nothing was restored");
        return Ok(if refused.is_empty() { Exit::Done } else { Exit::Refused });
    }
    rights::demand_restore(&cluster, wanted.iter().map(|w| w.namespace.as_str()))?;
    let targets: Vec<String> = wanted.iter().map(Wanted::words).collect();
    let question = Question {
        verb: "restore",
        noun: "secret",
        targets: &targets,
        notes: &refused,
        look: None,
        context: cluster.context(),
        server: cluster.server(),
        namespace: None,
    };
    confirm(console, confirmed, &question)?;
    Ok(act(args, console, &cluster, &wanted, refused.len()))
}

fn read(path: &Path) -> Result<Backup, Failure> {
    let text = files::read_named(path)?;
    // serde's own message could quote what is in it.
    let unusable = || Failure::usage(format!("cannot use backup `{}`: it is none", path.display()));
    let backup: Backup = serde_json::from_str(&text).map_err(|_| unusable())?;
    if backup.schema_version != SCHEMA_VERSION {
        return Err(Failure::usage(format!(
            "cannot use backup `{}`: its schemaVersion is `{}`, this version of the tool reads `{SCHEMA_VERSION}`",
            path.display(),
            backup.schema_version
        )));
    }
    Ok(backup)
}

enum Found {
    Wanted(Box<Wanted>),
    There(String),
    Hopeless(String),
}

fn look(cluster: &Cluster, secret: &Value) -> Result<Found, Failure> {
    let text =
        |key: &str| secret.pointer(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let annotation =
        |key: &str| secret["metadata"]["annotations"][key].as_str().unwrap_or_default().to_owned();
    let (account, uid) = (annotation(ACCOUNT_NAME), annotation(ACCOUNT_UID));
    let words = format!("secret/{name} ({namespace})");
    if cluster.secret_exists(&namespace, &name)? {
        return Ok(Found::There(words));
    }
    match cluster.account(&namespace, &account)? {
        Some(found) if uid.is_empty() || found.uid.as_str() == uid => {
            let manifest = plain(secret);
            Ok(Found::Wanted(Box::new(Wanted { namespace, name, account, manifest })))
        }
        Some(_) => Ok(Found::Hopeless(format!(
            "{words} cannot be restored: its account `{account}` was made again since, and the controller manager would delete it"
        ))),
        None => Ok(Found::Hopeless(format!(
            "{words} cannot be restored: its account `{account}` is gone"
        ))),
    }
}

/// Without what the server gives to an object of its own.
fn plain(secret: &Value) -> Value {
    let mut plain = secret.clone();
    if let Some(meta) = plain["metadata"].as_object_mut() {
        meta.retain(|key, _| {
            matches!(key.as_str(), "namespace" | "name" | "labels" | "annotations")
        });
    }
    plain
}

fn act(
    args: &Args,
    console: &Console,
    cluster: &Cluster,
    wanted: &[Wanted],
    refused: usize,
) -> Exit {
    let create = |w: &Wanted| Request::Create {
        thing: Thing::Secret,
        namespace: w.namespace.clone(),
        manifest: w.manifest.clone(),
        dry_run: false,
    };
    let requests: Vec<Request> = wanted.iter().map(create).collect();
    let mut done = vec![false; wanted.len()];
    cluster.act(&requests, &mut |index, answer| {
        done[index] = matches!(answer, Answer::Accepted);
        if !done[index] {
            console.warn(&format!("{} was not restored: {}", wanted[index].words(), said(&answer)));
        }
    });
    for (wanted, done) in wanted.iter().zip(&done) {
        if *done && !list(cluster, wanted) {
            console.warn(&format!(
                "account {} ({}) does not list {} again",
                wanted.account, wanted.namespace, wanted.name
            ));
        }
    }
    let restored = done.iter().filter(|d| **d).count();
    let names = wanted.iter().zip(&done).filter(|(_, d)| **d).map(|(w, _)| w);
    if args.output.output == Some(OutputFormat::Name) {
        console.data(&lines(names.map(|w| format!("secret/{}", w.name))));
    } else {
        console.note(&format!(
            "{} restored; a token of it works where the signing key has not changed: run `{} check`",
            count(restored, "secret"),
            TOOL.name
        ));
    }
    match (restored == wanted.len() && refused == 0, restored) {
        (true, _) => Exit::Done,
        (false, 0) => Exit::Refused,
        (false, _) => Exit::Partly,
    }
}

fn said(answer: &Answer) -> String {
    match answer {
        Answer::Accepted => String::new(),
        Answer::Gone | Answer::Replaced => "its namespace is gone".to_owned(),
        Answer::NamespaceTerminating => "its namespace is on its way out".to_owned(),
        Answer::Overloaded { .. } => "the API server has too much to do".to_owned(),
        Answer::Budget { message, .. }
        | Answer::TwoBudgets { message }
        | Answer::Forbidden { message }
        | Answer::Unauthorized { message }
        | Answer::Conflict { message }
        | Answer::Invalid { message }
        | Answer::Unknown { message } => message.clone(),
    }
}

/// Lists a secret in its account again, where the account lists any.
fn list(cluster: &Cluster, wanted: &Wanted) -> bool {
    let Ok(Some(account)) = cluster.account(&wanted.namespace, &wanted.account) else {
        return false;
    };
    // Since 1.24 accounts list no token, and need not.
    let named = account.secrets.iter().any(|s| **s == *wanted.name);
    if named || account.secrets.is_empty() {
        return true;
    }
    let mut list: Vec<Value> = account.secrets.iter().map(|s| json!({ "name": s })).collect();
    list.push(json!({ "name": wanted.name }));
    let request = Request::Merge {
        thing: Thing::ServiceAccount,
        namespace: wanted.namespace.clone(),
        name: wanted.account.clone(),
        uid: account.uid.clone(),
        resource_version: account.resource_version.to_string(),
        change: json!({ "secrets": list }),
        dry_run: false,
    };
    let mut listed = false;
    cluster.act(&[request], &mut |_, answer| listed = matches!(answer, Answer::Accepted));
    listed
}
