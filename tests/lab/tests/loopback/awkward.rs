//! The awkward objects are awkward in the way they say.

use std::time::Duration;

use lab::loopback::{Generation, Health, Loopback, Options};
use lab::world;
use lab::world::awkward::{self, Failure};

const PATIENCE: Duration = Duration::from_secs(30);

fn waits(lab: &Loopback, selector: &str, path: &str, wanted: impl Fn(&str) -> bool) {
    let output = format!("--output=jsonpath={path}");
    let mut last = String::new();
    let found = lab.wait_until(PATIENCE, selector, || {
        last = lab.kubectl_text(&["get", "pods", "-A", "-l", selector, &output])?;
        Ok(wanted(&last))
    });
    assert!(found.is_ok(), "{selector} {path}: {last:?}");
}

fn delete(lab: &Loopback, selector: &str) {
    lab.kubectl_text(&["delete", "pods", "-A", "-l", selector, "--wait=false"]).unwrap();
}

const WAITING: &str = "{.items[*].status.containerStatuses[*].state.waiting.reason}";
const READY: &str = "{.items[*].status.conditions[?(@.type==\"Ready\")].status}";

fn come_up(generation: Generation) -> Loopback {
    let lab = Loopback::start(&Options { kubernetes: generation, nodes: 3, ..Options::default() })
        .unwrap();
    lab.apply(&world::join(&[
        awkward::stateful_set(),
        awkward::job(),
        awkward::finished_job(),
        awkward::bare_pod(),
        awkward::replica_set(),
        awkward::on_delete_daemon_set(),
        awkward::pausable_deployment(),
        awkward::budget_that_never_allows(),
        awkward::two_budgets(),
        awkward::finalizer(),
        awkward::failing(Failure::Crash),
        awkward::failing(Failure::Pull),
        awkward::fragile(),
        awkward::tight(),
        awkward::slow_to_end(3),
        awkward::slow_to_be_ready(3),
        awkward::never_ready(),
        awkward::apart(3),
    ]))
    .unwrap();
    for (app, count) in [
        ("ordered", 3),
        ("at-work", 1),
        ("bare", 1),
        ("lone", 2),
        ("on-delete", 3),
        ("paused", 2),
        ("guarded", 2),
        ("twice", 2),
        ("held", 2),
        ("fragile", 3),
        ("slow-to-end", 2),
        ("slow-to-be-ready", 3),
        ("apart", 3),
    ] {
        lab.wait_pods_ready("default", &format!("app={app}"), count).unwrap();
    }
    lab.wait_pods_ready("tight", "app=tight", 2).unwrap();
    waits(&lab, "app=finished", "{.items[*].status.phase}", |text| text == "Succeeded");
    waits(&lab, "app=crash", WAITING, |text| text == "CrashLoopBackOff CrashLoopBackOff");
    waits(&lab, "app=pull", WAITING, |text| text == "ImagePullBackOff ImagePullBackOff");
    waits(&lab, "app=never-ready", READY, |text| text == "False False");

    lab.apply(&awkward::paused_deployment()).unwrap();
    lab
}

fn replacements_fail(lab: &Loopback) {
    // Replacements fail where the first ones ran.
    lab.apply(&awkward::spring_trap(Failure::Crash)).unwrap();
    waits(lab, "app=fragile", READY, |text| text == "True True True");
    delete(lab, "app=fragile");
    waits(lab, "app=fragile", WAITING, |text| text.matches("CrashLoopBackOff").count() == 3);
    lab.apply(&awkward::spring_trap(Failure::Pull)).unwrap();
    delete(lab, "app=fragile");
    waits(lab, "app=fragile", WAITING, |text| text.matches("ImagePullBackOff").count() == 3);
}

fn the_quota_refuses(lab: &Loopback) {
    // The quota lets a pod go and none come. It counts on its own time, so it is given that.
    lab.apply(&awkward::tight_quota()).unwrap();
    lab.wait_until(PATIENCE, "the quota counts", || {
        let used = lab.kubectl_text(&[
            "get",
            "resourcequota",
            "tight",
            "-n",
            "tight",
            "--output=jsonpath={.status.used.pods}",
        ])?;
        Ok(used == "2")
    })
    .unwrap();
    delete(lab, "app=tight");
    lab.wait_until(PATIENCE, "the quota refuses", || {
        let events = lab.kubectl_text(&["get", "events", "-n", "tight"])?;
        Ok(events.contains("exceeded quota"))
    })
    .unwrap();
}

fn pods_take_their_time(lab: &Loopback) {
    // Slow in both directions; held by a finalizer.
    delete(lab, "app=slow-to-end");
    waits(lab, "app=slow-to-end", "{.items[*].metadata.deletionTimestamp}", |text| {
        text.split(' ').count() == 2
    });
    waits(lab, "app=slow-to-end", "{.items[*].metadata.deletionTimestamp}", str::is_empty);
    delete(lab, "app=slow-to-be-ready");
    waits(lab, "app=slow-to-be-ready", READY, |text| text == "False False False");
    waits(lab, "app=slow-to-be-ready", READY, |text| text == "True True True");
    delete(lab, "app=held");
    waits(lab, "app=held", READY, |text| text.split(' ').count() == 4);
}

fn budgets_refuse(lab: &Loopback) {
    // Budgets, as the eviction API judges them.
    let evict = |app: &str| {
        let name = lab
            .kubectl_text(&[
                "get",
                "pods",
                "-l",
                &format!("app={app}"),
                "--output=jsonpath={.items[0].metadata.name}",
            ])
            .unwrap();
        let body = format!(
            r#"{{"apiVersion":"policy/v1","kind":"Eviction","metadata":{{"name":"{name}","namespace":"default"}}}}"#
        );
        let path = format!("--raw=/api/v1/namespaces/default/pods/{name}/eviction");
        lab.client()
            .with_input(&["create", &path, "-f", "-"], &body)
            .unwrap_or_else(|error| error.to_string())
    };
    assert!(evict("guarded").contains("disruption budget"), "{}", evict("guarded"));
    assert!(evict("twice").contains("more than one PodDisruptionBudget"), "{}", evict("twice"));
}

fn nodes_fall_silent(lab: &Loopback) {
    // Nodes: a daemon set's pod does not come back where nobody answers.
    lab.set_node("node-0", Health::Unreachable).unwrap();
    lab.apply(&awkward::tainted_node("node-1")).unwrap();
    delete(lab, "app=on-delete");
    waits(lab, "app=on-delete", "{.items[*].spec.nodeName}", |text| text == "node-2");
    lab.apply(&awkward::cordoned_node("node-2")).unwrap();
    lab.set_node("node-0", Health::Ready).unwrap();
    lab.set_node("node-0", Health::NotReady).unwrap();
}

fn all_of_them(generation: Generation) {
    let lab = come_up(generation);
    replacements_fail(&lab);
    the_quota_refuses(&lab);
    pods_take_their_time(&lab);
    budgets_refuse(&lab);
    // A paused Deployment makes new pods all the same.
    delete(&lab, "app=paused");
    lab.wait_pods_ready("default", "app=paused", 2).unwrap();
    nodes_fall_silent(&lab);
}

#[test]
fn awkward_on_todays_generation() {
    all_of_them(Generation::Current);
}

#[test]
fn awkward_on_the_old_generation() {
    all_of_them(Generation::Old);
}
