//! Token secrets, their signing key and the CA beside them, and what programs inside pods see of a rotation.

use std::time::Duration;

use lab::loopback::{
    Answer, Component, Credential, Generation, Inside, Loopback, OldTokens, Options, Pace, Reads,
    Roots, TokenSecret,
};
use lab::world::tokens;
use serde_json::json;

const PATIENCE: Duration = Duration::from_mins(1);

fn start(options: &Options) -> Loopback {
    Loopback::start(options).unwrap()
}

fn secret(lab: &Loopback, namespace: &str, name: &str) -> Option<TokenSecret> {
    let all = lab.token_secrets(Some(namespace)).unwrap();
    all.into_iter().find(|secret| secret.name == name)
}

/// Empties a token, as a gentle renewal does.
fn strip(lab: &Loopback, namespace: &str, name: &str) {
    let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
    lab.proxy().unwrap().patch(&path, &json!({"data": {"token": null}})).unwrap();
}

fn wait_other_token(lab: &Loopback, before: &TokenSecret) -> TokenSecret {
    let mut now = None;
    lab.wait_until(PATIENCE, "the token is another one", || {
        now = secret(lab, &before.namespace, &before.name);
        Ok(now.as_ref().is_some_and(|now| !now.token.is_empty() && now.token != before.token))
    })
    .unwrap();
    now.unwrap()
}

/// What pods with a mounted token hear, without repetitions.
fn mounted(inside: &Inside<'_>, reads: Reads) -> Vec<Answer> {
    let all = inside.ask(0, reads).unwrap();
    let of_secrets = all.into_iter().filter(|(client, _)| {
        matches!(client.credential, Credential::Mounted(_) | Credential::Variable(_))
    });
    let mut answers: Vec<Answer> = of_secrets.map(|(_, answer)| answer).collect();
    answers.sort();
    answers.dedup();
    answers
}

fn answer_of(inside: &Inside<'_>, pod: &str, reads: Reads) -> Answer {
    let all = inside.ask(0, reads).unwrap();
    all.into_iter().find(|(client, _)| client.pod.starts_with(pod)).unwrap().1
}

/// The runbooks' world with mounted tokens, through a rotation of the signing key with and without overlap.
fn through_a_rotation_of_the_signing_key(generation: Generation) {
    let lab = start(&Options { kubernetes: generation, nodes: 3, ..Options::default() });
    lab.use_token_secrets().unwrap();
    let mut inside = Inside::begin(&lab).unwrap();
    let pods = inside.clients().len();
    assert!(
        pods >= 18
            && inside
                .clients()
                .iter()
                .filter(|client| matches!(client.credential, Credential::Mounted(_)))
                .count()
                >= 17,
        "{:?}",
        inside.clients()
    );
    assert_eq!(mounted(&inside, Reads::Once), [Answer::Accepted]);
    let before = lab.token_secrets(None).unwrap();
    assert!(before.iter().all(|secret| !secret.token.is_empty() && !secret.ca.is_empty()));

    // The old key stays the second one: nothing fails, and nothing is renewed.
    let second = lab.rotate_signing_key("second", OldTokens::Accepted).unwrap();
    assert_eq!(lab.signing_key(), second);
    inside.look().unwrap();
    assert_eq!(mounted(&inside, Reads::Once), [Answer::Accepted]);
    assert_eq!(lab.token_secrets(None).unwrap(), before);

    // It goes: every token is dead, and stays so.
    lab.rotate_to(&[&second]).unwrap();
    inside.look().unwrap();
    for reads in [Reads::Once, Reads::Again] {
        assert_eq!(mounted(&inside, reads), [Answer::Refused], "{reads:?}");
    }
    assert_eq!(lab.token_secrets(None).unwrap(), before);

    // One is emptied and comes back under its name: who reads again goes on, who read once does not.
    let canal = lab.wait_token_secret("kube-system", "canal").unwrap();
    strip(&lab, "kube-system", &canal.name);
    let renewed = wait_other_token(&lab, &canal);
    assert_eq!(renewed.uid, canal.uid);
    inside.look().unwrap();
    assert_eq!(answer_of(&inside, "canal-", Reads::Again), Answer::Accepted);
    assert_eq!(answer_of(&inside, "canal-", Reads::Once), Answer::Refused);
    lab.kubectl_text(&["delete", "pods", "-n", "kube-system", "-l", "k8s-app=canal"]).unwrap();
    lab.wait_pods_ready("kube-system", "k8s-app=canal", 3).unwrap();
    inside.look().unwrap();
    assert_eq!(answer_of(&inside, "canal-", Reads::Once), Answer::Accepted);

    // One is deleted: its pods keep their dead files, and the next ones have none to start with.
    let proxy = lab.wait_token_secret("kube-system", "kube-proxy").unwrap();
    lab.kubectl_text(&["delete", "secret", &proxy.name, "-n", "kube-system"]).unwrap();
    inside.look().unwrap();
    assert_eq!(answer_of(&inside, "kube-proxy-", Reads::Again), Answer::Refused);
    lab.kubectl_text(&["delete", "pods", "-n", "kube-system", "-l", "k8s-app=kube-proxy"]).unwrap();
    lab.wait_pods_ready("kube-system", "k8s-app=kube-proxy", 3).unwrap();
    inside.look().unwrap();
    assert_eq!(answer_of(&inside, "kube-proxy-", Reads::Once), Answer::CannotStart);
    match generation {
        Generation::Old => {
            let next = lab.wait_token_secret("kube-system", "kube-proxy").unwrap();
            assert_ne!(next.name, proxy.name);
            assert_eq!(lab.ask_as(0, &next.token, &next.ca).unwrap(), Answer::Accepted);
        }
        Generation::Current => assert_eq!(secret(&lab, "kube-system", &proxy.name), None),
    }
}

#[test]
fn the_signing_key_changes_on_the_old_generation() {
    through_a_rotation_of_the_signing_key(Generation::Old);
}

#[test]
fn the_signing_key_changes_on_todays_generation() {
    through_a_rotation_of_the_signing_key(Generation::Current);
}

#[test]
fn the_root_ca_changes_and_the_controller_manager_writes_it_everywhere() {
    let lab = start(&Options { nodes: 1, ..Options::default() });
    lab.kubectl_text(&["create", "namespace", "odd"]).unwrap();
    lab.awkward_secrets("odd").unwrap();
    let ca = lab.second_ca("second").unwrap();
    // The proxy read its kubeconfig before.
    lab.stop_proxy().unwrap();
    let mut inside = Inside::begin(&lab).unwrap();
    let before = lab.token_secrets(Some("odd")).unwrap();
    assert_eq!(answer_of(&inside, "by-volume-", Reads::Once), Answer::Accepted);

    for roots in [Roots::Both, Roots::New, Roots::Old, Roots::Both] {
        lab.publish(&ca, roots).unwrap();
        let wanted = std::fs::read_to_string(ca.file(roots)).unwrap();
        lab.wait_until(PATIENCE, "token secrets have the CA", || {
            let all = lab.token_secrets(Some("odd"))?;
            // The immutable one cannot be written.
            Ok(all.iter().all(|secret| secret.ca == wanted || secret.name == "frozen-token"))
        })
        .unwrap();
    }
    // Not one token changed by that.
    let tokens = |all: &[TokenSecret]| {
        all.iter().map(|secret| (secret.name.clone(), secret.token.clone())).collect::<Vec<_>>()
    };
    assert_eq!(tokens(&lab.token_secrets(Some("odd")).unwrap()), tokens(&before));
    let frozen = |all: &[TokenSecret]| all.iter().find(|s| s.name == "frozen-token").cloned();
    assert_eq!(frozen(&lab.token_secrets(Some("odd")).unwrap()), frozen(&before));

    // The API server presents a certificate of the new one: who read again trusts it, who read once does not.
    lab.rotate_ca(&ca, Roots::Both).unwrap();
    inside.look().unwrap();
    assert_eq!(answer_of(&inside, "by-volume-", Reads::Once), Answer::Untrusted);
    assert_eq!(answer_of(&inside, "by-volume-", Reads::Again), Answer::Accepted);
    assert_eq!(answer_of(&inside, "by-env-", Reads::Again), Answer::Untrusted);
    assert_eq!(answer_of(&inside, "on-frozen-", Reads::Again), Answer::Untrusted);
    // The lab's own parts go on.
    lab.kubectl_text(&["delete", "pods", "-n", "odd", "-l", "app=by-volume"]).unwrap();
    lab.wait_pods_ready("odd", "app=by-volume", 1).unwrap();
    inside.look().unwrap();
    assert_eq!(answer_of(&inside, "by-volume-", Reads::Once), Answer::Accepted);
}

#[test]
fn awkward_secrets_are_awkward_in_the_way_they_say() {
    for generation in [Generation::Current, Generation::Old] {
        let lab = start(&Options { kubernetes: generation, nodes: 1, ..Options::default() });
        lab.kubectl_text(&["create", "namespace", "odd"]).unwrap();
        lab.awkward_secrets("odd").unwrap();
        let types = lab
            .kubectl_text(&[
                "get",
                "secrets",
                "-A",
                "--output=jsonpath={range .items[*]}{.type}{\"\\n\"}{end}",
            ])
            .unwrap();
        for kind in [
            "kubernetes.io/tls",
            "kubernetes.io/dockerconfigjson",
            "kubernetes.io/dockercfg",
            "helm.sh/release.v1",
            "bootstrap.kubernetes.io/token",
            "Opaque",
        ] {
            assert!(types.lines().any(|line| line == kind), "{kind}: {types}");
        }
        let answer = |name: &str| {
            let secret = secret(&lab, "odd", name).unwrap();
            lab.ask_as(0, &secret.token, &secret.ca).unwrap()
        };
        assert_eq!(answer("robot-token-one"), Answer::Accepted);
        assert_eq!(answer("robot-token-two"), Answer::Accepted);
        // What is marked is refused by servers that know the mark (1.29).
        let marked =
            if generation == Generation::Current { Answer::Refused } else { Answer::Accepted };
        assert_eq!(answer("idle-token"), marked);
        // The immutable one cannot be emptied.
        let path = "/api/v1/namespaces/odd/secrets/frozen-token";
        let strip = json!({"data": {"token": null}}).to_string();
        let (code, said) = lab
            .proxy()
            .unwrap()
            .ask("PATCH", path, "application/merge-patch+json", &strip)
            .unwrap();
        assert!(code == 422 && said.to_string().contains("immutable"), "{code} {said}");

        // An orphan lives as long as no controller manager looks.
        lab.stop(Component::ControllerManager).unwrap();
        lab.apply(&tokens::orphan("odd")).unwrap();
        assert!(secret(&lab, "odd", "orphan-token").is_some());
        lab.start_component(Component::ControllerManager).unwrap();
        lab.wait_until(PATIENCE, "the orphan is gone", || {
            Ok(secret(&lab, "odd", "orphan-token").is_none())
        })
        .unwrap();
        // What has an owner that exists is kept.
        assert!(secret(&lab, "odd", "operated-token").is_some());
    }
}

#[test]
fn servers_disagree_on_keys_and_controller_managers_are_slow_away_or_two() {
    let lab = start(&Options { api_servers: 2, nodes: 1, ..Options::default() });
    lab.many_token_namespaces(12).unwrap();
    let one = || secret(&lab, "team-000", "default-token").unwrap();
    let first = lab.signing_key();
    let second = lab.new_signing_key("second").unwrap();
    let asked = |n| lab.ask_as(n, &one().token, &one().ca).unwrap();
    assert_eq!((asked(0), asked(1)), (Answer::Accepted, Answer::Accepted));

    // The second server takes the new key only, and the controller manager signs with it.
    lab.accept_keys(1, &[&second]).unwrap();
    assert_eq!((asked(0), asked(1)), (Answer::Accepted, Answer::Refused));
    lab.sign_with(&second).unwrap();
    let before = one();
    strip(&lab, "team-000", "default-token");
    wait_other_token(&lab, &before);
    assert_eq!((asked(0), asked(1)), (Answer::Refused, Answer::Accepted));
    lab.accept_keys(0, &[&second, &first]).unwrap();
    assert_eq!((asked(0), asked(1)), (Answer::Accepted, Answer::Accepted));

    // Nobody fills what is emptied while the controller manager's clock stands still.
    lab.freeze(Component::ControllerManager).unwrap();
    strip(&lab, "team-001", "default-token");
    std::thread::sleep(Duration::from_secs(1));
    let emptied = || secret(&lab, "team-001", "default-token").unwrap().token;
    assert_eq!(emptied(), "");
    lab.thaw(Component::ControllerManager).unwrap();
    lab.wait_until(PATIENCE, "it is filled", || Ok(!emptied().is_empty())).unwrap();

    // A slow one takes as long as its limit says: two requests for each secret, two of them at once.
    lab.pace_controllers(Pace { qps: 4.0, burst: 2 }).unwrap();
    let secrets: Vec<TokenSecret> = lab
        .token_secrets(None)
        .unwrap()
        .into_iter()
        .filter(|secret| secret.namespace.starts_with("team-"))
        .collect();
    assert_eq!(secrets.len(), 12);
    let began = std::time::Instant::now();
    for secret in &secrets {
        strip(&lab, &secret.namespace, &secret.name);
    }
    lab.wait_until(PATIENCE, "all are filled", || {
        let all = lab.token_secrets(None)?;
        Ok(all.iter().all(|secret| !secret.token.is_empty()))
    })
    .unwrap();
    // 24 requests, 2 at once: at least 5.5 s at 4 a second.
    assert!(began.elapsed() > Duration::from_secs(5), "{:?}", began.elapsed());

    // Two of them undo each other's work.
    let ca = lab.second_ca("second").unwrap();
    let flag = format!("--root-ca-file={}", ca.file(Roots::New).display());
    lab.start_second_controller_manager(&[&flag, "--kube-api-qps=20", "--kube-api-burst=30"])
        .unwrap();
    let published = || one().ca;
    let (old, new) = (
        std::fs::read_to_string(ca.file(Roots::Old)),
        std::fs::read_to_string(ca.file(Roots::New)),
    );
    let (old, new) = (old.unwrap(), new.unwrap());
    lab.wait_until(PATIENCE, "the second one writes its CA", || Ok(published() == new)).unwrap();
    // What one of them writes may stand for milliseconds only; that it was written is seen by the version.
    let version = || {
        let path = "/api/v1/namespaces/team-000/secrets/default-token";
        lab.proxy().unwrap().find(path).unwrap().unwrap()["metadata"]["resourceVersion"].clone()
    };
    for _ in 0..3 {
        let before = version();
        lab.wait_until(PATIENCE, "the CA changes again", || Ok(version() != before)).unwrap();
    }
    lab.stop_second_controller_manager().unwrap();
    lab.wait_until(PATIENCE, "the first one wins", || Ok(published() == old)).unwrap();
}
