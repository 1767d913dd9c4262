//! Reads the director's record of instances: a JSON array, which `bosh curl --json` hands on as a text in its document.

use crate::facts::bosh::{InstanceName, Recorded, is_word};
use crate::tell::clean;
use serde::Deserialize;

/// One instance, as the director writes it.
#[derive(Deserialize)]
struct Entry {
    job: String,
    id: String,
    #[serde(default)]
    index: Option<u32>,
    #[serde(default)]
    az: Option<String>,
    #[serde(default)]
    cid: Option<String>,
}

/// The instances; `None` where nothing of what was said is a list of them.
pub(super) fn read<'a>(talk: impl Iterator<Item = &'a str>) -> Option<Vec<Recorded>> {
    let mut lists = talk.filter_map(|text| serde_json::from_str::<Vec<Entry>>(text).ok());
    lists.next()?.into_iter().map(recorded).collect()
}

fn recorded(entry: Entry) -> Option<Recorded> {
    let Entry { job, id, index, az, cid } = entry;
    let named = is_word(&job) && is_word(&id);
    named.then(|| Recorded {
        name: InstanceName { group: job, id },
        index,
        az: clean::bounded(&az.unwrap_or_default(), 200).into_owned(),
        has_vm: cid.is_some_and(|cid| !cid.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::answer::Answer;
    use super::*;

    fn read_from(block: &str) -> Option<Vec<Recorded>> {
        let document =
            serde_json::json!({"Tables": null, "Blocks": [block], "Lines": ["Succeeded"]});
        read(Answer::read(&document.to_string()).expect("a document").talk())
    }

    #[test]
    fn a_list_of_instances_is_read() {
        let list = r#"[{"agent_id":"a","cid":"vm-1","job":"minion","index":2,"id":"u-1","az":"z1","ips":[],"expects_vm":true},
            {"agent_id":null,"cid":null,"job":"master","id":"u-2","az":null,"ips":[],"expects_vm":false}]"#;
        let read = read_from(list).expect("a list");
        assert_eq!(
            (read[0].name.to_string().as_str(), read[0].index, read[0].az.as_str(), read[0].has_vm),
            ("minion/u-1", Some(2), "z1", true)
        );
        assert_eq!((read[1].index, read[1].has_vm), (None, false));
        assert_eq!(read_from("[]"), Some(vec![]));
    }

    #[test]
    fn what_is_no_such_list_is_none() {
        for block in
            ["", "{}", "Not authorized", "[1]", r#"[{"job":"a"}]"#, r#"[{"job":"-r","id":"x/y"}]"#]
        {
            assert_eq!(read_from(block), None, "{block}");
        }
    }
}
