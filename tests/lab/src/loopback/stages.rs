//! What the simulated kubelets do: kwok's own stages for everybody, and the lab's for objects that ask to be
//! awkward (see [`crate::world`]).

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Pods and nodes that another stage plays.
const AWKWARD: &str = include_str!("stages.yaml");

/// kwok's stages, and for which objects each of them steps back.
const OWN: &[(&str, &str)] = &[
    ("node-initialize.yaml", SPEAKING_NODES),
    ("node-heartbeat.yaml", SPEAKING_NODES),
    ("pod-ready.yaml", PLAIN_PODS),
    ("pod-complete.yaml", JOBS_THAT_END),
    ("pod-delete.yaml", PODS_THAT_END_AT_ONCE),
];

const SPEAKING_NODES: &str = r#"
    - key: '.metadata.labels["lab.local/silent"]'
      operator: 'DoesNotExist'
"#;
const PLAIN_PODS: &str = r#"
    - key: '.metadata.annotations["lab.local/pod"]'
      operator: 'DoesNotExist'
    - key: '.spec.imagePullSecrets.[].name'
      operator: 'NotIn'
      values:
      - 'lab-crash'
      - 'lab-pull'
"#;
const JOBS_THAT_END: &str = r#"
    - key: '.metadata.annotations["lab.local/job"]'
      operator: 'DoesNotExist'
"#;
const PODS_THAT_END_AT_ONCE: &str = r#"
    - key: '.metadata.annotations["lab.local/ends-after"]'
      operator: 'DoesNotExist'
"#;

/// Writes the stages for one lab; `from` is the folder of kwok's own.
pub(super) fn write(from: &Path, to: &Path) -> Result<()> {
    let mut all = String::new();
    for (name, except) in OWN {
        let path = from.join(name);
        let stage = fs::read_to_string(&path)
            .with_context(|| format!("cannot read kwok's stage {}", path.display()))?;
        all.push_str(&narrowed(&stage, except));
        all.push_str("\n---\n");
    }
    all.push_str(AWKWARD);
    fs::write(to, all).with_context(|| format!("cannot write {}", to.display()))
}

/// The stage with more conditions in its selector.
fn narrowed(stage: &str, conditions: &str) -> String {
    let anchor = "    matchExpressions:\n";
    stage.replacen(anchor, &format!("{anchor}{}", conditions.trim_start_matches('\n')), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_go_into_the_selector() {
        let stage = "  selector:\n    matchExpressions:\n    - key: 'a'\n  next:\n";
        assert_eq!(
            narrowed(stage, "\n    - key: 'b'\n"),
            "  selector:\n    matchExpressions:\n    - key: 'b'\n    - key: 'a'\n  next:\n"
        );
        assert_eq!(narrowed(stage, ""), stage);
    }
}
