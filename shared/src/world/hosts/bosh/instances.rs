//! Reads the rows of `bosh instances --ps --details` and of `bosh locks`.

use super::answer::{Row, field};
use crate::facts::bosh::{DirectorLock, Instance, InstanceName, ProcessState};
use crate::tell::clean;

/// The instances: one row for each, followed by one for each process that monit watches on it.
pub(super) fn read(rows: &[Row]) -> Result<Vec<Instance>, String> {
    let mut instances: Vec<Instance> = Vec::new();
    for row in rows {
        let name: InstanceName = field(row, "instance").parse().map_err(|e| format!("{e}"))?;
        let process = field(row, "process");
        if process.is_empty() {
            instances.push(instance(name, row)?);
            continue;
        }
        let of = instances.iter_mut().find(|instance| instance.name == name);
        let of = of.ok_or_else(|| format!("a process of {name} stands before its instance"))?;
        of.processes.push(ProcessState {
            name: clean::bounded(process, 200).into_owned(),
            state: clean::bounded(field(row, "process_state"), 100).into_owned(),
        });
    }
    Ok(instances)
}

fn instance(name: InstanceName, row: &Row) -> Result<Instance, String> {
    // Without `--details`, or from a CLI that has other columns, nothing could be decided.
    if !row.contains_key("state") {
        return Err(format!("the row of {name} has no column `state`"));
    }
    let text = |field_name: &str| clean::bounded(field(row, field_name), 200).into_owned();
    Ok(Instance {
        name,
        index: field(row, "index").parse().ok(),
        az: text("az"),
        bootstrap: field(row, "bootstrap") == "true",
        state: text("state"),
        ignore: field(row, "ignore") == "true",
        process_state: text("process_state"),
        has_vm: !field(row, "vm_cid").is_empty(),
        processes: Vec::new(),
    })
}

/// The locks.
pub(super) fn locks(rows: &[Row]) -> Vec<DirectorLock> {
    let lock = |row: &Row| DirectorLock {
        kind: clean::bounded(field(row, "type"), 100).into_owned(),
        resource: clean::bounded(field(row, "resource"), 200).into_owned(),
        task: clean::bounded(field(row, "task_id"), 50).into_owned(),
    };
    rows.iter().map(lock).collect()
}

#[cfg(test)]
mod tests {
    use super::super::answer::Answer;
    use super::*;

    fn recorded(document: &str) -> Result<Vec<Instance>, String> {
        let answer = Answer::read(document).expect("a document");
        read(answer.rows("instances").expect("a table"))
    }

    #[test]
    fn the_real_ones_are_read_whole() {
        let silent = recorded(include_str!(
            "../../../../../tests/fixtures/bosh/instances-details-unresponsive.json"
        ))
        .expect("read");
        let words: Vec<String> = silent
            .iter()
            .map(|i| {
                let (group, az, index) = (&i.name.group, &i.az, i.index.unwrap_or(99));
                let proxy = i.process("proxy").unwrap_or("-");
                format!("{group} {index} {az} {} {} {proxy}", i.has_vm, i.process_state)
            })
            .collect();
        let expected = [
            "master 1 z2 true running running",
            "master 0 z1 true running running",
            "minion 1 z2 true unresponsive agent -",
            "minion 0 z1 true running running",
            "minion 2 z3 true running running",
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn an_instance_without_a_vm_is_among_them() {
        let document =
            include_str!("../../../../../tests/fixtures/bosh/instances-details-without-vm.json");
        let all = recorded(document).expect("read");
        let without: Vec<&Instance> = all.iter().filter(|i| !i.has_vm).collect();
        assert_eq!(without.len(), 1);
        assert_eq!(without[0].process_state, "");
    }

    #[test]
    fn an_answer_without_details_is_refused() {
        let document = include_str!("../../../../../tests/fixtures/bosh/instances-ps-failing.json");
        assert!(recorded(document).expect_err("refused").contains("`state`"));
    }

    #[test]
    fn locks_are_read() {
        let row: Row = [("type", "deployment"), ("resource", "kubernetes"), ("task_id", "42")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
        let read = locks(&[row]);
        assert_eq!(
            (read[0].kind.as_str(), read[0].resource.as_str(), read[0].task.as_str()),
            ("deployment", "kubernetes", "42")
        );
    }
}
