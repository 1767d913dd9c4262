//! One table of figures, in Markdown.

use std::fmt;

/// Rows as they are measured.
#[derive(Default)]
pub(crate) struct Table(Vec<[String; 6]>);

impl Table {
    fn row(
        &mut self,
        what: &str,
        (ours, peer): (String, Option<String>),
        ratio: Option<f64>,
        goal: Option<(String, bool)>,
    ) {
        let none = || "-".to_owned();
        let (goal, met) = goal.map_or_else(
            || (none(), none()),
            |(goal, met)| (goal, if met { "yes" } else { "NO" }.to_owned()),
        );
        let ratio = ratio.map_or_else(none, |r| format!("{r:.2}"));
        let row = [what.to_owned(), ours, peer.unwrap_or_else(none), ratio, goal, met];
        // Long runs are watched by somebody.
        eprintln!("{}", row.join(" | "));
        self.0.push(row);
    }

    /// Seconds, and at most how many.
    pub(crate) fn time(&mut self, what: &str, ours: f64, peer: Option<f64>, goal: Option<f64>) {
        let goal = goal.map(|goal| (format!("at most {}", seconds(goal)), ours <= goal));
        self.row(what, (seconds(ours), peer.map(seconds)), peer.map(|p| p / ours), goal);
    }

    /// Seconds, and how many times those of the peer are at least to be.
    pub(crate) fn faster(&mut self, what: &str, ours: f64, peer: f64, goal: f64) {
        let goal = Some((format!("{goal} times faster"), peer / ours >= goal));
        self.row(what, (seconds(ours), Some(seconds(peer))), Some(peer / ours), goal);
    }

    /// Seconds, and at most how many times those of the peer.
    pub(crate) fn within(&mut self, what: &str, ours: f64, peer: f64, goal: Option<f64>) {
        let goal = goal.map(|goal| (format!("within {goal} times"), ours / peer <= goal));
        self.row(what, (seconds(ours), Some(seconds(peer))), Some(peer / ours), goal);
    }

    /// Bytes, and at most how many.
    pub(crate) fn bytes(&mut self, what: &str, ours: u64, peer: u64, goal: u64) {
        let goal = Some((format!("at most {}", size(goal)), ours <= goal));
        #[expect(clippy::cast_precision_loss, reason = "two digits of it are shown")]
        let ratio = peer as f64 / ours as f64;
        self.row(what, (size(ours), Some(size(peer))), Some(ratio), goal);
    }
}

impl Table {
    /// How many, and at most how many.
    pub(crate) fn counts(&mut self, what: &str, ours: u64, peer: u64, most: Option<u64>) {
        let goal = most.map(|most| (format!("at most {most}"), ours <= most));
        self.row(what, (ours.to_string(), Some(peer.to_string())), None, goal);
    }

    /// Bytes of memory, and at most how many.
    pub(crate) fn memory(&mut self, what: &str, ours: u64, goal: u64) {
        let goal = Some((format!("at most {}", size(goal)), ours <= goal));
        self.row(what, (size(ours), None), None, goal);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "ours", "peer", "peer / ours", "goal", "met"].map(str::to_owned);
        let line = ["---"; 6].map(str::to_owned);
        for row in [&head, &line].into_iter().chain(&self.0) {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}

fn seconds(time: f64) -> String {
    match time {
        _ if time < 0.01 => format!("{:.1} ms", time * 1e3),
        _ if time < 1.0 => format!("{:.0} ms", time * 1e3),
        _ => format!("{time:.2} s"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "two digits of it are shown")]
fn size(bytes: u64) -> String {
    // Files are sold in megabytes, memory in mebibytes; goals are set in the unit of what they limit.
    if bytes.is_multiple_of(1_000_000) || !bytes.is_multiple_of(1024) {
        format!("{:.2} MB", bytes as f64 / 1e6)
    } else {
        format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
    }
}
