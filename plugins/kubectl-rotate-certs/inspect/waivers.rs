//! Exceptions that somebody has decided on: by id, for places, until a day.

use jiff::Timestamp;
use jiff::civil::Date;
use rotation_core::facts::host::name_fits;
use rotation_core::plan::certificate::{Finding, Kind};
use serde::Deserialize;

/// A file of exceptions.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Waivers {
    /// Where they stand, for findings about them.
    #[serde(skip)]
    pub(crate) path: String,
    #[serde(default, rename = "waiver")]
    list: Vec<Waiver>,
}

/// One exception.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Waiver {
    /// Which kind of finding.
    id: String,
    /// At which places; `*` stands for any part of the text.
    #[serde(default = "everywhere")]
    place: String,
    /// The last day on which it counts.
    until: Date,
    /// Why, for whoever reads it next.
    pub(crate) reason: String,
}

fn everywhere() -> String {
    "*".to_owned()
}

/// What an exception left out.
#[derive(Debug)]
pub(crate) struct Waived {
    /// What would have been found.
    pub(crate) finding: Finding,
    /// Until when it is left out.
    pub(crate) until: Date,
    /// Why.
    pub(crate) reason: String,
}

impl Waivers {
    /// Reads the file. Each exception needs an end and a reason.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, String> {
        let mut waivers: Self = toml::from_str(text).map_err(|why| why.to_string())?;
        for waiver in &waivers.list {
            if !Kind::ALL.iter().any(|kind| kind.id() == waiver.id) {
                return Err(format!(
                    "there is no finding `{}`; docs/findings.md lists them",
                    waiver.id
                ));
            }
            if waiver.reason.trim().is_empty() {
                return Err(format!("the exception for `{}` says no reason", waiver.id));
            }
        }
        path.clone_into(&mut waivers.path);
        Ok(waivers)
    }

    /// Takes out what is excepted; what an expired exception would take out stays, and a finding says so.
    pub(crate) fn apply(
        &self,
        findings: Vec<Finding>,
        at: Timestamp,
    ) -> (Vec<Finding>, Vec<Waived>) {
        let (mut kept, mut waived) = (Vec::new(), Vec::new());
        let mut used = vec![false; self.list.len()];
        for finding in findings {
            let fitting = self.list.iter().enumerate().filter(|(_, waiver)| waiver.fits(&finding));
            let mut taken = None;
            for (index, waiver) in fitting {
                used[index] = true;
                if !waiver.is_over(at) {
                    taken = Some(waiver);
                }
            }
            match taken {
                Some(exception) => waived.push(Waived {
                    finding,
                    until: exception.until,
                    reason: exception.reason.clone(),
                }),
                None => kept.push(finding),
            }
        }
        for (waiver, used) in self.list.iter().zip(used) {
            let (id, place, until) = (&waiver.id, &waiver.place, waiver.until);
            if !used {
                let what = format!("`{id}` at `{place}` is found nowhere");
                kept.push(Finding::new(Kind::WaiverUnused, &self.path, what));
            } else if waiver.is_over(at) {
                let what = format!("`{id}` at `{place}` was excepted until {until}");
                kept.push(Finding::new(Kind::WaiverExpired, &self.path, what));
            }
        }
        kept.sort();
        (kept, waived)
    }
}

impl Waiver {
    fn fits(&self, finding: &Finding) -> bool {
        self.id == finding.id() && (self.place == "*" || name_fits(&self.place, &finding.place))
    }

    /// Days are those of Greenwich, as all times of the tool are.
    fn is_over(&self, at: Timestamp) -> bool {
        at.to_zoned(jiff::tz::TimeZone::UTC).date() > self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn findings() -> Vec<Finding> {
        vec![
            Finding::new(Kind::MastersGroup, "m1:/etc/kubernetes/admin.conf", "a"),
            Finding::new(Kind::MastersGroup, "m2:/etc/kubernetes/admin.conf", "b"),
            Finding::new(Kind::KeyMode, "m1:/etc/kubernetes/admin.conf", "c"),
        ]
    }

    fn ids(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(Finding::id).collect()
    }

    #[test]
    fn an_exception_leaves_out_what_it_names_until_its_day() {
        let text = "[[waiver]]\nid = \"masters-group\"\nplace = \"m1:*\"\nuntil = \"2026-12-31\"\nreason = \"r\"\n";
        let waivers = Waivers::parse("w.toml", text).expect("good");
        let (kept, waived) = waivers.apply(findings(), at("2026-12-31T23:59:59Z"));
        assert_eq!(ids(&kept), ["key-mode", "masters-group"]);
        assert_eq!((waived.len(), waived[0].finding.what.as_str()), (1, "a"));
        let (kept, waived) = waivers.apply(findings(), at("2027-01-01T00:00:00Z"));
        assert!(waived.is_empty());
        assert!(ids(&kept).contains(&"waiver-expired") && kept.len() == 4, "{kept:?}");
        let (kept, _) = waivers.apply(Vec::new(), at("2026-12-01T00:00:00Z"));
        assert_eq!(ids(&kept), ["waiver-unused"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, word) in [
            ("id = \"no-such\"\nuntil = \"2026-12-31\"\nreason = \"r\"", "no finding `no-such`"),
            ("id = \"key-mode\"\nuntil = \"2026-12-31\"\nreason = \" \"", "no reason"),
            ("id = \"key-mode\"\nreason = \"r\"", "until"),
            ("id = \"key-mode\"\nuntil = \"soon\"\nreason = \"r\"", "until"),
            ("id = \"key-mode\"\nuntil = \"2026-12-31\"\nreason = \"r\"\nfor = 1", "unknown field"),
        ] {
            let why = Waivers::parse("w", &format!("[[waiver]]\n{line}\n")).expect_err(line);
            assert!(why.contains(word), "{line}: {why}");
        }
    }
}
