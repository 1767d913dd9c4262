//! What is asked for, valid by making.

use crate::target::Target;
use jiff::Timestamp;
use rotation_core::facts::selector::Selector;
use rotation_core::plan::recycle::options::Options;
use rotation_core::plan::recycle::presets::Presets;

/// How pods are selected. Exactly one way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Select {
    /// Presets, workloads and pods by name.
    Named(Vec<Target>),
    /// Pods by label, by node, or both.
    Matching {
        /// `-l`.
        labels: Option<Selector>,
        /// `--node`.
        node: Option<String>,
    },
    /// Every pod that holds an outdated credential.
    Stale,
}

/// Where pods are looked for; presets name their own namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `-A`.
    Everywhere,
    /// `-n`, or the context's namespace.
    Namespace {
        /// Its name.
        name: String,
        /// It was given by `-n`: then presets look nowhere else.
        given: bool,
    },
}

/// A request for a plan.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Which pods.
    pub(crate) select: Select,
    /// Where.
    pub(crate) place: Place,
    /// How.
    pub(crate) options: Options,
    /// `--since`: the operator knows when credentials changed.
    pub(crate) since: Option<Timestamp>,
    /// `--all`: also pods that are fresh, or not known to be stale.
    pub(crate) all: bool,
    /// `--ignore-not-found`.
    pub(crate) ignore_not_found: bool,
    /// Presets, the user's included.
    pub(crate) presets: Presets,
}

impl Request {
    /// Whether pods are looked for in all namespaces.
    ///
    /// A node's pods are meant wherever they are, as a drain means them, unless `-n` says otherwise.
    pub(crate) fn looks_everywhere(&self) -> bool {
        match (&self.place, &self.select) {
            (Place::Everywhere, _)
            | (Place::Namespace { given: false, .. }, Select::Matching { node: Some(_), .. }) => {
                true
            }
            (Place::Namespace { .. }, _) => false,
        }
    }
}

/// A command line that asks for nothing, or for too much at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SelectError {
    /// No way.
    #[error(
        "nothing is named to recycle: name presets or KIND/NAME, or use -l SELECTOR, --node NODE, or `stale`"
    )]
    Nothing,
    /// Two ways.
    #[error("{0} and {1} are two ways to select pods; use one of them")]
    TwoWays(&'static str, &'static str),
    /// An empty selector selects everything.
    #[error("the selector is empty and would select every pod; name a label")]
    EmptySelector,
}

/// Decides for exactly one way of selecting.
pub(crate) fn select(
    targets: Vec<Target>,
    labels: Option<Selector>,
    node: Option<String>,
) -> Result<Select, SelectError> {
    let stale = targets.contains(&Target::Stale);
    let named = targets.len() > usize::from(stale);
    let matching = labels.is_some() || node.is_some();
    match (named, matching, stale) {
        (false, false, false) => Err(SelectError::Nothing),
        (true, true, _) => Err(SelectError::TwoWays("names", "-l or --node")),
        (true, _, true) => Err(SelectError::TwoWays("names", "`stale`")),
        (_, true, true) => Err(SelectError::TwoWays("`stale`", "-l or --node")),
        (true, false, false) => Ok(Select::Named(targets)),
        (false, false, true) => Ok(Select::Stale),
        (false, true, false) => match labels {
            Some(labels) if labels.is_empty() => Err(SelectError::EmptySelector),
            labels => Ok(Select::Matching { labels, node }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_way() {
        let dns = || Target::Preset("dns".into());
        let labels = || Some(Selector::parse("a=b").expect("selector"));
        let node = || Some("n".to_owned());
        for (what, targets, labels, node, ok) in [
            ("nothing", vec![], None, None, false),
            ("names", vec![dns()], None, None, true),
            ("labels", vec![], labels(), None, true),
            ("node", vec![], None, node(), true),
            ("labels on a node", vec![], labels(), node(), true),
            ("stale", vec![Target::Stale], None, None, true),
            ("names and labels", vec![dns()], labels(), None, false),
            ("names and node", vec![dns()], None, node(), false),
            ("names and stale", vec![dns(), Target::Stale], None, None, false),
            ("stale and labels", vec![Target::Stale], labels(), None, false),
            ("an empty selector", vec![], Some(Selector::default()), None, false),
        ] {
            assert_eq!(select(targets, labels, node).is_ok(), ok, "{what}");
        }
    }
}
