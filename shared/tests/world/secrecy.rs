//! No token, key or password comes out of the door in words.

use crate::setup::{Files, connect, everything, through};
use double::{Api, Fault, kubeconfig};
use rotation_core::facts::exit::Fault as _;
use rotation_core::facts::pod::Interner;
use rotation_core::world::cluster::{Answer, Cluster, ClusterError, Request, Scope, Thing};
use std::error::Error as _;

const SECRET: &str = "hunter2-hunter2";

fn clean(what: &str, error: &ClusterError) {
    let mut said =
        vec![format!("{error} {error:?} {error:#?} {}", error.hint().unwrap_or_default())];
    let mut source = error.source();
    while let Some(cause) = source {
        said.push(format!("{cause} {cause:?}"));
        source = cause.source();
    }
    let said = said.concat();
    assert!(!said.contains("hunter2"), "{what}: {said}");
}

#[test]
fn broken_kubeconfigs_keep_their_tokens_to_themselves() {
    let good =
        kubeconfig("https://127.0.0.1:1", "", &format!("token: {SECRET}\npassword: {SECRET}"));
    let token = format!("token: {SECRET}");
    for broken in [
        good.replace(&token, &format!("token: [{SECRET}")),
        good.replace(&token, &format!("token: {{{SECRET}: 1}}")),
        good.replace(&token, &format!("\ttoken: {SECRET}")),
        good.replace(&token, &format!("{token}\n    {token}")),
        good.replace(
            &token,
            &format!("client-key-data: {SECRET}%%\n    client-certificate-data: {SECRET}%%"),
        ),
        good.replace(&token, &format!("token: \"{SECRET}\\nx\"")),
        good.replace(&token, &format!("exec: {SECRET}")),
        good.replace(
            &token,
            &format!("auth-provider: {{name: azure, config: {{access-token: {SECRET}}}}}"),
        ),
        good.replace(
            &token,
            &format!("auth-provider: {{name: oidc, config: {{id-token: {SECRET}}}}}"),
        ),
        good.replace("https://127.0.0.1:1", &format!("https://me:{SECRET}@host")),
        good.replace(
            "https://127.0.0.1:1",
            &format!("https://127.0.0.1:1\n    proxy-url: ftp://me:{SECRET}@p"),
        ),
        good.replace("current-context: double", "current-context: other"),
        good.replace("contexts:", &format!("contexts: {SECRET}\nother:")),
    ] {
        let files = Files::with(&broken);
        match Cluster::connect(&files.connection()) {
            Err(error) => clean(&broken, &error),
            Ok(cluster) => clean(&broken, &cluster.version().expect_err("nobody is there")),
        }
    }
}

#[test]
fn answers_keep_their_secrets_to_themselves() {
    let api = Api::start();
    let files = Files::with(&kubeconfig(&api.url(), "", &format!("token: {SECRET}")));
    let cluster = Cluster::connect(&files.connection()).expect("a client");
    let secret =
        format!(r#"{{"items":[{{"metadata":"{SECRET}","data":{{"token":"{SECRET}"}}}}]}}"#);
    let number = format!(r#"{{"items":[{{"metadata":{{"name":{{"x":"{SECRET}"}}}}}}]}}"#);
    for body in [secret.as_str(), number.as_str(), SECRET, &format!("<html>{SECRET}")] {
        api.fault(Fault::on("GET", "/api/v1/secrets").answer(200, body));
        clean(body, &cluster.token_secrets(&Scope::All).expect_err(body));
    }
    for body in [SECRET, "{"] {
        api.fault(Fault::on("GET", "/api/v1/secrets").answer(418, body));
        clean(body, &cluster.token_secrets(&Scope::All).expect_err(body));
    }
    api.fault(Fault::on("GET", "/api/v1/").garbage().times(5));
    let error = cluster.pods(&everything(), &mut Interner::default(), &mut |_| {});
    clean("garbage", &error.expect_err("garbage"));
    api.stop();
    clean("stopped", &cluster.version().expect_err("stopped"));
    let request = Request::Create {
        thing: Thing::Pod,
        namespace: "default".to_owned(),
        manifest: serde_json::json!({ "metadata": { "name": SECRET } }),
        dry_run: false,
    };
    cluster.act(&[request], &mut |_, answer| {
        assert!(matches!(&answer, Answer::Unknown { message } if !message.contains("hunter2")));
    });
}

#[test]
fn a_token_with_a_line_feed_is_refused_without_being_said() {
    let files = Files::new();
    let config = files.write("config", &kubeconfig("https://127.0.0.1:1", "", "tokenFile: t"));
    files.write("t", &format!("{SECRET}\nmore"));
    let result = Cluster::connect(&through(&config));
    clean("token file", &crate::setup::error(result));
    let _ = connect(&Api::start());
}
