//! The words on the command line that name what is recycled.

use rotation_core::facts::workload::WorkloadKind;
use rotation_core::plan::recycle::presets::Presets;

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A preset, by name.
    Preset(String),
    /// A workload and all its pods.
    Workload(WorkloadKind, String),
    /// One pod.
    Pod(String),
    /// Every pod that holds an outdated credential.
    Stale,
}

/// A word that names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    /// A kind that makes no pods.
    #[error(
        "`{0}` is not a kind that can be recycled; kinds are daemonset, deployment, statefulset, replicaset, replicationcontroller, job and pod"
    )]
    Kind(String),
    /// No name after the slash.
    #[error("`{0}` names nothing; targets look like `daemonset/NAME`")]
    Name(String),
    /// Neither a preset nor KIND/NAME.
    #[error(
        "there is no preset `{0}`; presets are {1}, and everything else is named as KIND/NAME, for example `deployment/{0}`"
    )]
    Preset(String, String),
}

impl Target {
    /// Reads one word.
    pub(crate) fn parse(word: &str, presets: &Presets) -> Result<Self, TargetError> {
        if word == "stale" {
            return Ok(Self::Stale);
        }
        let Some((kind, name)) = word.split_once('/') else {
            if let Some(preset) = presets.get(word) {
                return Ok(Self::Preset(preset.name.clone()));
            }
            let names: Vec<&str> = presets.iter().map(|p| p.name.as_str()).collect();
            return Err(TargetError::Preset(word.to_owned(), names.join(", ")));
        };
        if name.is_empty() || name.contains('/') {
            return Err(TargetError::Name(word.to_owned()));
        }
        if matches!(kind.to_ascii_lowercase().as_str(), "pod" | "pods" | "po") {
            return Ok(Self::Pod(name.to_owned()));
        }
        match WorkloadKind::parse(kind) {
            Some(kind) => Ok(Self::Workload(kind, name.to_owned())),
            None => Err(TargetError::Kind(kind.to_owned())),
        }
    }

    /// The kind of the workload, if that is what it names.
    pub(crate) fn workload_kind(&self) -> Option<WorkloadKind> {
        match self {
            Self::Workload(kind, _) => Some(*kind),
            Self::Preset(_) | Self::Pod(_) | Self::Stale => None,
        }
    }

    /// As it is typed.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Preset(name) => name.clone(),
            Self::Workload(kind, name) => format!("{}/{name}", kind.as_str().to_ascii_lowercase()),
            Self::Pod(name) => format!("pod/{name}"),
            Self::Stale => "stale".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let presets = Presets::embedded();
        for (word, expected) in [
            ("dns", Ok(Target::Preset("dns".into()))),
            ("stale", Ok(Target::Stale)),
            ("ds/canal", Ok(Target::Workload(WorkloadKind::DaemonSet, "canal".into()))),
            ("deployments.apps/x", Ok(Target::Workload(WorkloadKind::Deployment, "x".into()))),
            ("pod/x", Ok(Target::Pod("x".into()))),
            ("po/x", Ok(Target::Pod("x".into()))),
            ("node/x", Err(TargetError::Kind("node".into()))),
            ("ds/", Err(TargetError::Name("ds/".into()))),
            ("ds/a/b", Err(TargetError::Name("ds/a/b".into()))),
        ] {
            assert_eq!(Target::parse(word, &presets), expected, "{word}");
        }
        let error = Target::parse("kube-dns", &presets).expect_err("no such preset").to_string();
        assert!(error.contains("`kube-dns`") && error.contains("dns, nodelocaldns"), "{error}");
    }
}
