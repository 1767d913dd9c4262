//! The feed: current by watch, by list where a watch fails, by polling where there is none.

use crate::setup::{connect, everything, list, pod};
use double::{Api, Fault};
use rotation_core::world::cluster::{FeedEvent, ListVersion, PodFeed, PodQuery, Scope};
use rotation_core::world::interrupt::Interrupt;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Lines of what the feed says, sorted out for comparison.
fn say(event: &FeedEvent) -> String {
    match event {
        FeedEvent::Now(pod) => format!("now {}", pod.name),
        FeedEvent::Gone { name, .. } => format!("gone {name}"),
        FeedEvent::Listed { present, .. } => format!("listed {}", present.len()),
        FeedEvent::Lost { .. } => "lost".to_owned(),
        FeedEvent::Back => "back".to_owned(),
    }
}

/// Waits until the feed has said all of these, in any order.
fn until(feed: &mut PodFeed, wanted: &[&str]) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(20);
    let mut missing: BTreeSet<&str> = wanted.iter().copied().collect();
    let mut said = Vec::new();
    while !missing.is_empty() {
        assert!(Instant::now() < end, "missing {missing:?} in {said:?}");
        for event in feed.wait(Duration::from_secs(1)) {
            let line = say(&event);
            missing.remove(line.as_str());
            said.push(line);
        }
    }
    said
}

fn feed(api: &Api) -> PodFeed {
    let cluster = connect(api);
    let (_, version) = list(&cluster, &everything());
    cluster.pod_feed(&everything(), &version, &Interrupt::never())
}

#[test]
fn follows_a_list_without_a_gap() {
    let api = Api::start();
    api.put(pod("default", "old"));
    let cluster = connect(&api);
    let (_, version) = list(&cluster, &everything());
    api.put(pod("default", "between"));
    let mut feed = cluster.pod_feed(&everything(), &version, &Interrupt::never());
    assert_eq!(until(&mut feed, &["now between"]), ["now between"]);
    api.put(pod("default", "later"));
    api.remove("pods", "default", "old");
    until(&mut feed, &["now later", "gone old"]);
    assert_eq!(api.count("GET", "/api/v1/pods"), 2, "one list and one watch");
}

#[test]
fn begins_with_a_list_where_there_is_none() {
    let api = Api::start();
    api.put(pod("default", "a"));
    let cluster = connect(&api);
    let mut feed = cluster.pod_feed(&everything(), &ListVersion::default(), &Interrupt::never());
    assert_eq!(until(&mut feed, &["listed 1"]), ["now a", "listed 1"]);
}

#[test]
fn one_watch_per_namespace() {
    let api = Api::start();
    let cluster = connect(&api);
    let query = PodQuery {
        namespaces: Scope::These(vec!["default".to_owned(), "kube-system".to_owned()]),
        labels: None,
        fields: None,
    };
    let (_, version) = list(&cluster, &query);
    let mut feed = cluster.pod_feed(&query, &version, &Interrupt::never());
    api.put(pod("default", "a"));
    api.put(pod("kube-system", "b"));
    api.put(pod("other", "c"));
    let said = until(&mut feed, &["now a", "now b"]);
    assert!(!said.contains(&"now c".to_owned()));
}

#[test]
fn lists_again_when_the_version_has_expired() {
    let api = Api::start();
    let mut feed = feed(&api);
    api.put(pod("default", "a"));
    until(&mut feed, &["now a"]);
    api.compact();
    api.put(pod("default", "b"));
    until(&mut feed, &["listed 2"]);
    api.put(pod("default", "c"));
    until(&mut feed, &["now c"]);
}

#[test]
fn lists_again_after_anything_that_is_not_understood() {
    for lines in [
        vec![r#"{"type":"ERROR","object":{"kind":"Status","code":410}}"#],
        vec![r#"{"type":"ERROR","object":{"kind":"Status","code":500}}"#],
        vec![r#"{"type":"SOMETHING","object":{"metadata":{}}}"#],
        vec![r#"{"type":"ADDED","object":{"metadata":"#],
        vec!["garbage"],
        vec![r#"{"type":"ADDED","object":{"metadata":{"name":7}}}"#],
    ] {
        let api = Api::start();
        api.put(pod("default", "a"));
        api.fault(Fault::on("GET", "/api/v1/pods").query("watch=1").lines(&lines));
        let mut feed = feed(&api);
        until(&mut feed, &["listed 1"]);
        api.put(pod("default", "b"));
        until(&mut feed, &["now b"]);
    }
}

#[test]
fn a_closed_watch_goes_on_where_it_ended() {
    let api = Api::start();
    let bookmark = r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"104"}}}"#;
    api.fault(Fault::on("GET", "/api/v1/pods").query("watch=1").lines(&["", bookmark]));
    let mut feed = feed(&api);
    api.put(pod("default", "a"));
    api.put(pod("default", "b"));
    api.put(pod("default", "c"));
    let said = until(&mut feed, &["now c"]);
    assert!(!said.iter().any(|s| s.starts_with("listed")), "{said:?}");
    let watches: Vec<String> = api
        .requests()
        .iter()
        .filter(|r| r.query.contains("watch=1"))
        .map(|r| r.parameter("resourceVersion"))
        .collect();
    assert_eq!(watches[1], "104");
}

#[test]
fn polls_where_it_may_not_watch() {
    let api = Api::start();
    api.deny("watch", "pods");
    let mut feed = feed(&api);
    until(&mut feed, &["listed 0"]);
    api.put(pod("default", "a"));
    until(&mut feed, &["now a", "listed 1"]);
    assert_eq!(
        api.requests().iter().filter(|r| r.query.contains("watch=1")).count(),
        1,
        "it does not ask again"
    );
}

#[test]
fn survives_the_servers_restart() {
    let api = Api::start();
    let address = api.url().trim_start_matches("http://").to_owned();
    let mut feed = feed(&api);
    api.put(pod("default", "a"));
    until(&mut feed, &["now a"]);
    api.stop();
    until(&mut feed, &["lost"]);
    std::thread::sleep(Duration::from_millis(300));
    let again = Api::setup().address(address).start();
    for name in ["x", "y", "z"] {
        again.put(pod("default", name));
    }
    again.compact();
    until(&mut feed, &["back", "now x", "listed 3"]);
}

#[test]
fn waiting_ends_early_and_in_time() {
    let api = Api::start();
    let cluster = connect(&api);
    let interrupt = Interrupt::never();
    let mut feed = cluster.pod_feed(&everything(), &ListVersion::default(), &interrupt);
    until(&mut feed, &["listed 0"]);
    let begun = Instant::now();
    assert!(feed.wait(Duration::from_millis(300)).is_empty());
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let asker = interrupt.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        asker.ask();
    });
    let begun = Instant::now();
    assert!(feed.wait(Duration::from_secs(30)).is_empty());
    assert!(begun.elapsed() < Duration::from_secs(5));
    thread.join().expect("ends");
}

#[test]
fn changes_and_the_feed_share_the_thread() {
    use rotation_core::world::cluster::{Answer, Request};
    let api = Api::setup().grace(Duration::from_millis(50)).start();
    api.when_gone(|api, gone| {
        let name = gone["metadata"]["name"].as_str().unwrap_or_default();
        api.put(pod("default", &format!("{name}-new")));
    });
    let uid = api.put(pod("default", "web"));
    let cluster = connect(&api);
    let (_, version) = list(&cluster, &everything());
    let mut feed = cluster.pod_feed(&everything(), &version, &Interrupt::never());
    let request = Request::Evict {
        namespace: "default".to_owned(),
        name: "web".to_owned(),
        uid: uid.as_str().into(),
        grace_seconds: None,
        dry_run: false,
    };
    cluster.act(&[request], &mut |_, answer| {
        assert_eq!(answer, Answer::Accepted);
    });
    let said = until(&mut feed, &["gone web", "now web-new"]);
    assert_eq!(said, ["now web", "gone web", "now web-new"]);
}
