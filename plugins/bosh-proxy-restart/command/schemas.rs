//! What `--json` prints and what the journal holds agree with `docs/schemas`, in which nothing undeclared is allowed here.

use super::document::{Action, Document, Item};
use crate::class::Class;
use crate::cycle::Outcome;
use crate::finding::{Code, Finding};
use crate::hosts::Looked;
use crate::jobs::Jobs;
use crate::journal::{Before, Entry, Event, SCHEMA_VERSION};
use crate::judge::Window;
use crate::look::Seen;
use crate::observe::{Fleet, Sight};
use crate::records::tests::look;
use crate::targets::{LeftOut, Target};
use jiff::Timestamp;
use rotation_core::apply::journal::Chain;
use rotation_core::facts::bosh::InstanceName;
use schema::Schema;
use serde_json::json;
use std::time::Duration;

const RESULT: &str = include_str!("../../../docs/schemas/bosh-proxy-restart.schema.json");
const JOURNAL: &str = include_str!("../../../docs/schemas/bosh-proxy-restart-journal.schema.json");

fn name(id: &str) -> InstanceName {
    InstanceName { group: "minion".into(), id: id.into() }
}

fn sight(looked: bool, findings: Vec<Finding>) -> Sight {
    let job = Jobs::embedded().named("proxy");
    let index = looked.then_some(0);
    let target = Target { name: name("a"), index, az: "z1".into(), bootstrap: true, job };
    let at = Timestamp::UNIX_EPOCH;
    let log = "/var/vcap/sys/log/proxy/kube-proxy.stderr.log";
    let more = format!(
        "rival\ttcp\t10249\t55\t/bin/nc\nrival\ttcp\t10256\t-\t\nlogkind\t{log}\t2\t[138] x\nlogkind\t{log}\t2\ty\nlogfirst\t{log}\tx\nend\n"
    );
    let look = look(&[("end\n", &more)]);
    let looked =
        looked.then_some(Looked { look, busy: false, window: Window { from: at, to: at } });
    Sight { target, looked, findings }
}

fn outcome(class: Class) -> Outcome {
    let seen = |pid| Seen { second: 1, state: "initializing".into(), pid };
    Outcome {
        class,
        why: "why".into(),
        late: false,
        changed: true,
        old: Some(1),
        new: None,
        states: vec![seen(Some(1)), seen(None)],
        findings: vec![Finding::new(Code::LogsMoved, "moved")],
        took: Duration::from_millis(1500),
    }
}

#[test]
fn every_variant_of_the_document() {
    let result = Schema::closed(RESULT);
    let fleet =
        Fleet { environment: Some("e".into()), targets: vec![], left_out: vec![], lock: None };
    let nowhere = Fleet { environment: None, ..fleet.clone() };
    let all: Vec<Finding> = Code::ALL.iter().map(|code| Finding::new(*code, "x")).collect();
    let (seen, unseen) = (sight(true, all), sight(false, vec![]));
    let left = LeftOut {
        name: name("b"),
        index: None,
        az: String::new(),
        finding: Finding::new(Code::NoVm, "x"),
    };
    let outcomes: Vec<Outcome> = Class::ALL.into_iter().map(outcome).collect();
    for (command, fleet) in [("restart", &fleet), ("verify", &nowhere), ("heal", &fleet)] {
        let mut document = Document::new(command, "kubernetes", fleet);
        document.since = (command == "restart").then_some(Timestamp::UNIX_EPOCH);
        document.instances = [
            Action::Look,
            Action::Restart,
            Action::Heal,
            Action::None,
            Action::LeftAlone,
            Action::Refused,
        ]
        .into_iter()
        .flat_map(|action| {
            [
                Item::seen(&seen, action, None),
                Item::seen(&unseen, action, None),
                Item::left_out(&left, action),
            ]
        })
        .chain(outcomes.iter().map(|o| Item::seen(&seen, Action::Restart, Some(o))))
        .collect();
        let value = serde_json::to_value(&document).expect("JSON");
        assert_eq!(result.fault(&value), None);
        // What is always there must be required, or a reader could not rely on it.
        let keys: Vec<String> = value.as_object().expect("an object").keys().cloned().collect();
        for key in keys.iter().filter(|key| *key != "since") {
            let mut less = value.clone();
            less.as_object_mut().expect("an object").remove(key);
            assert!(result.fault(&less).is_some(), "{key} is not required");
        }
        let mut more = value;
        more["instances"][0]["surprise"] = json!(1);
        assert!(result.fault(&more).is_some());
    }
}

#[test]
fn every_line_of_the_journal() {
    let journal = Schema::closed(JOURNAL);
    let at = Timestamp::UNIX_EPOCH;
    let process = sight(true, vec![]).look().and_then(|l| l.pidfile.process.as_ref().map(|p| p.id));
    let run = Event::Run {
        schema_version: SCHEMA_VERSION.into(),
        tool: "t".into(),
        tool_version: "0".into(),
        deployment: "k".into(),
        since: at,
        before: vec![
            Before::of(&name("a"), "proxy", "boot", process),
            Before::of(&name("b"), "proxy", "boot", None),
        ],
    };
    let mut entries = vec![Entry { at, event: run }, Entry::intent(at, &name("a"))];
    entries.extend(Class::ALL.map(|class| Entry::outcome(at, &name("a"), &outcome(class))));
    entries.push(Entry::end(at, 5));
    for line in Chain::default().lines(&entries).expect("lines").lines() {
        assert_eq!(journal.fault(&serde_json::from_str(line).expect("JSON")), None);
    }
}
