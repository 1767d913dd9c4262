//! Pods as of now, found by what replacements are recognised by: a wave looks at few of them, and very often.

use crate::facts::identity::Uid;
use crate::facts::pod::Pod;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Pods by UID, by their controller and by their node.
#[derive(Debug, Default)]
pub struct Pods {
    all: HashMap<Uid, Pod>,
    by_owner: HashMap<Uid, HashSet<Uid>>,
    by_node: HashMap<Arc<str>, HashSet<Uid>>,
}

impl Pods {
    /// The pod of this UID.
    pub fn get(&self, uid: &Uid) -> Option<&Pod> {
        self.all.get(uid)
    }

    /// Whether the pod is there.
    pub fn contains(&self, uid: &Uid) -> bool {
        self.all.contains_key(uid)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Pod> {
        self.all.values()
    }

    /// Those whose own controller this is.
    pub fn of(&self, owner: &Uid) -> impl Iterator<Item = &Pod> {
        self.among(self.by_owner.get(owner))
    }

    /// Those on this node.
    pub fn on(&self, node: &str) -> impl Iterator<Item = &Pod> {
        self.among(self.by_node.get(node))
    }

    fn among<'a>(&'a self, uids: Option<&'a HashSet<Uid>>) -> impl Iterator<Item = &'a Pod> {
        uids.into_iter().flatten().filter_map(|uid| self.all.get(uid))
    }

    /// Takes a pod as it is now.
    pub fn insert(&mut self, pod: Pod) {
        self.remove(&pod.uid);
        if let Some(owner) = &pod.owner {
            self.by_owner.entry(owner.uid.clone()).or_default().insert(pod.uid.clone());
        }
        if let Some(node) = &pod.node {
            self.by_node.entry(Arc::clone(node)).or_default().insert(pod.uid.clone());
        }
        self.all.insert(pod.uid.clone(), pod);
    }

    /// Forgets a pod.
    pub fn remove(&mut self, uid: &Uid) {
        let Some(pod) = self.all.remove(uid) else { return };
        if let Some(same) = pod.owner.as_ref().and_then(|o| self.by_owner.get_mut(&o.uid)) {
            same.remove(uid);
        }
        if let Some(same) = pod.node.as_ref().and_then(|n| self.by_node.get_mut(n)) {
            same.remove(uid);
        }
    }
}

impl FromIterator<Pod> for Pods {
    fn from_iter<I: IntoIterator<Item = Pod>>(pods: I) -> Self {
        let mut all = Self::default();
        pods.into_iter().for_each(|pod| all.insert(pod));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::pod::Interner;

    fn pod(uid: &str, owner: &str, node: &str) -> Pod {
        let json = format!(
            r#"{{"metadata":{{"namespace":"ns","name":"p","uid":"{uid}","ownerReferences":[
               {{"apiVersion":"apps/v1","kind":"DaemonSet","name":"d","uid":"{owner}","controller":true}}]}},
               "spec":{{"nodeName":"{node}"}}}}"#
        );
        Pod::read(serde_json::from_str(&json).expect("json"), &mut Interner::default())
            .expect("pod")
    }

    #[test]
    fn a_pod_is_found_where_it_is_now_and_nowhere_else() {
        let mut pods: Pods =
            [pod("1", "a", ""), pod("2", "a", "n1"), pod("3", "b", "n1")].into_iter().collect();
        let found = |pods: &Pods| {
            [pods.of(&"a".into()).count(), pods.on("n1").count(), pods.iter().count()]
        };
        assert_eq!(found(&pods), [2, 2, 3]);
        pods.insert(pod("1", "a", "n1"));
        assert_eq!(found(&pods), [2, 3, 3]);
        pods.insert(pod("2", "b", "n2"));
        assert_eq!(found(&pods), [1, 2, 3]);
        pods.remove(&"3".into());
        assert_eq!(found(&pods), [1, 1, 2]);
        assert!(!pods.contains(&"3".into()));
    }
}
