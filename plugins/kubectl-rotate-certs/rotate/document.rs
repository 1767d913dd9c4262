//! The plan: what stands in every file of every machine at every stage, by digest. It never changes once it is made.

use super::chains::Checked;
use super::stage::{Stage, Strategy, Track};
use jiff::Timestamp;
use rotation_core::facts::credential::Digest;
use rotation_core::world::hosts::change::{State, Way};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the format that is written.
pub(crate) const SCHEMA_VERSION: &str = "rotation/certificates-plan/v1";

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Plan {
    /// Format.
    pub(crate) schema_version: String,
    /// Its name: when it was made, and something random.
    pub(crate) id: String,
    /// Tool.
    pub(crate) tool: String,
    /// Its version.
    pub(crate) tool_version: String,
    /// When.
    pub(crate) created_at: Timestamp,
    /// How.
    pub(crate) strategy: Strategy,
    /// Why not in a gentler way, if there is one; and what else one should know.
    pub(crate) notes: Vec<String>,
    /// What is replaced by what.
    pub(crate) tracks: Vec<TrackPlan>,
    /// What the file holds that the controller manager publishes as the root CA, at each stage; empty where none is known.
    pub(crate) root_ca: Vec<State>,
    /// Who was checked against whom at each stage, when it was drawn; plans of before this was done have none.
    #[serde(default)]
    pub(crate) checked: Vec<Checked>,
    /// The machines.
    pub(crate) hosts: Vec<HostPlan>,
}

/// A CA or a key, and what comes after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TrackPlan {
    /// Which.
    pub(crate) track: Track,
    /// Today's.
    pub(crate) old: Authority,
    /// The next.
    pub(crate) new: Authority,
}

/// What is told of a CA or of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Authority {
    /// Its name; empty for a key.
    pub(crate) subject: String,
    /// SHA-256 of its certificate; that of the public key for a key.
    pub(crate) fingerprint: Digest,
    /// SHA-256 of its public key.
    pub(crate) key: Digest,
    /// When it ends; a key does not.
    pub(crate) not_after: Option<Timestamp>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HostPlan {
    /// Its name.
    pub(crate) name: String,
    /// Whether it runs the control plane.
    pub(crate) control_plane: bool,
    /// Its files.
    pub(crate) files: Vec<FilePlan>,
    /// Its components that read some of them once.
    pub(crate) components: Vec<ComponentPlan>,
    /// Ports of its servers that are not the usual ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) ports: BTreeMap<String, u16>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FilePlan {
    /// Where.
    pub(crate) path: String,
    /// What it is, in words.
    pub(crate) what: String,
    /// Permission bits, octal.
    pub(crate) mode: String,
    /// `USER:GROUP` in numbers.
    pub(crate) owner: String,
    /// Whether it tells a component where its files are, so that it goes first or last.
    pub(crate) settings: bool,
    /// What stands there at each stage, in the order of [`Stage::ALL`].
    pub(crate) versions: Vec<State>,
}

/// A component of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ComponentPlan {
    /// Its program.
    pub(crate) program: String,
    /// How it is restarted.
    pub(crate) way: Way,
    /// Files that it reads once.
    pub(crate) files: Vec<String>,
    /// The file that tells its supervisor how it is started, where there is one: changed, it restarts by itself.
    pub(crate) manifest: Option<String>,
}

impl FilePlan {
    /// What stands there at a stage.
    pub(crate) fn at(&self, stage: Stage) -> &State {
        self.versions.get(stage.index()).unwrap_or(&State::Absent)
    }

    /// Stages in which it is as it was seen.
    pub(crate) fn stages_of(&self, seen: &State) -> Vec<Stage> {
        Stage::ALL.into_iter().filter(|stage| self.at(*stage) == seen).collect()
    }

    /// Whether it changes at all.
    pub(crate) fn changes(&self) -> bool {
        self.versions.iter().any(|version| *version != self.versions[0])
    }
}

impl ComponentPlan {
    /// Whether it has to be restarted between two stages, and how.
    pub(crate) fn restart(&self, files: &[FilePlan], from: Stage, to: Stage) -> Option<Way> {
        let changes =
            |path: &str| files.iter().any(|file| file.path == path && file.at(from) != file.at(to));
        if self.manifest.as_deref().is_some_and(changes) {
            return Some(Way::Wait);
        }
        self.files.iter().any(|path| changes(path)).then(|| self.way.clone())
    }
}

impl Plan {
    /// The stages that come after today's.
    pub(crate) fn route(&self) -> &'static [Stage] {
        self.strategy.route()
    }

    /// The last stage.
    pub(crate) fn end(&self) -> Stage {
        self.route().last().copied().unwrap_or(Stage::Before)
    }

    /// The CA or the key of a track.
    pub(crate) fn track(&self, track: Track) -> Option<&TrackPlan> {
        self.tracks.iter().find(|one| one.track == track)
    }
}
