//! Sums as a person and as a program read them.

use serde_json::{Value, json};

use super::tally::{Counted, Kind, Tally};
use crate::talk::aligned;

impl Counted {
    /// A table with a row for each kind, and one for all.
    pub fn table(&self) -> String {
        let mut rows = vec![
            ["KIND", "RUNNING", "REQUESTS", "FAILED", "LONGEST GAP", "LAST ERROR"]
                .map(str::to_owned),
        ];
        for kind in self.kinds() {
            rows.push(row(kind.name(), self.running_of(kind), &self.kind(kind)));
        }
        rows.push(row("all", self.running(), &self.all()));
        aligned(&rows)
    }

    /// A table with a row for each target of each kind.
    pub fn targets(&self) -> String {
        let mut rows = vec![
            ["KIND", "TARGET", "REQUESTS", "FAILED", "LONGEST GAP", "LAST ERROR"]
                .map(str::to_owned),
        ];
        for (kind, target, tally) in self.rows() {
            let mut cells = row(kind.name(), 0, tally);
            target.clone_into(&mut cells[1]);
            rows.push(cells);
        }
        aligned(&rows)
    }

    /// The same for a program.
    pub fn json(&self) -> Value {
        let kinds = self.kinds().map(|kind| {
            let mut object = numbers(&self.kind(kind));
            object["kind"] = json!(kind.name());
            object["running"] = json!(self.running_of(kind));
            let targets = self.rows().filter(|row| row.0 == kind).map(|(_, target, tally)| {
                let mut object = numbers(tally);
                object["target"] = json!(target);
                object
            });
            object["targets"] = targets.collect();
            object
        });
        let all = self.all();
        json!({
            "requests": all.requests,
            "failed": all.failed,
            "running": self.running(),
            "kinds": kinds.collect::<Vec<_>>(),
        })
    }

    fn kinds(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(|kind| self.rows().any(|row| row.0 == *kind))
    }
}

fn numbers(tally: &Tally) -> Value {
    json!({
        "requests": tally.requests,
        "failed": tally.failed,
        "longestGapMs": u64::try_from(tally.gap.as_millis()).unwrap_or(u64::MAX),
        "lastError": tally.error,
    })
}

fn row(name: &str, running: usize, tally: &Tally) -> [String; 6] {
    [
        name.to_owned(),
        running.to_string(),
        tally.requests.to_string(),
        tally.failed.to_string(),
        format!("{} ms", tally.gap.as_millis()),
        tally.error.clone().unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tally::Line;
    use super::*;

    #[test]
    fn a_table_and_json() {
        let mut counted = Counted::default();
        for line in [
            "T kind=address target=10.77.0.11:6443/new requests=10 failed=2 gap_ms=900 error=dial: refused",
            "T kind=address target=10.77.0.12:6443/new requests=10 failed=0 gap_ms=40",
            "T kind=once target=service requests=300 failed=0 gap_ms=31",
        ] {
            let line = Line::read(line).unwrap();
            counted.runs(line.kind);
            counted.add(line);
        }
        assert_eq!(
            counted.table(),
            "KIND     RUNNING  REQUESTS  FAILED  LONGEST GAP  LAST ERROR\n\
             once     1        300       0       31 ms\n\
             address  2        20        2       900 ms       dial: refused\n\
             all      3        320       2       900 ms       dial: refused\n"
        );
        assert!(counted.targets().contains("10.77.0.11:6443/new  10        2       900 ms"));
        let json = counted.json();
        assert_eq!(json["kinds"][1]["targets"][0]["lastError"], "dial: refused");
        assert_eq!((&json["failed"], &json["kinds"][0]["longestGapMs"]), (&json!(2), &json!(31)));
    }
}
