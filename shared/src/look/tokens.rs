//! Token secrets that pods name and that are not there.

use crate::facts::credential::SecretName;
use crate::facts::pod::{Pod, SecretUse};
use crate::world::cluster::{Cluster, ClusterError};
use std::collections::BTreeSet;

/// Secrets that a pod cannot start without and whose names look like a token's.
pub fn candidates(pod: &Pod) -> impl Iterator<Item = &str> {
    let mounted = |used_as| matches!(used_as, SecretUse::Volume | SecretUse::Projected);
    pod.shape
        .secrets
        .iter()
        .filter(move |s| mounted(s.used_as) && !s.optional && looks_like_token(&s.name))
        .map(|s| &*s.name)
}

/// `default-token-x7k2p`: a hint only, confirmed by looking whether the secret is there.
fn looks_like_token(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(head, tail)| {
        head.ends_with("-token")
            && tail.len() == 5
            && tail.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// Those that these pods name, that are not `known`, and that do not exist: a secret of another type by that name is
/// none of our business.
pub fn missing<'a>(
    cluster: &Cluster,
    pods: impl Iterator<Item = &'a Pod>,
    known: &dyn Fn(&str, &str) -> bool,
) -> Result<Vec<SecretName>, ClusterError> {
    let mut asked: BTreeSet<SecretName> = BTreeSet::new();
    for pod in pods {
        let names = candidates(pod).filter(|name| !known(&pod.namespace, name));
        asked.extend(names.map(|name| (Box::from(&*pod.namespace), name.into())));
    }
    cluster.secrets_missing(asked)
}
