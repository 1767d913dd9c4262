//! Labs, each started when the first test asks for it and taken down after the last one.

use super::api::{Api, Pod};
use super::until;
use lab::loopback::{Generation, Kubectl, Loopback, Options};
use lab::process::Launch;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// A running lab that tests share, each in a namespace of its own.
pub(crate) struct Lab {
    /// For tests that stop and restart its parts; whoever holds it has the lab for itself.
    loopback: Mutex<Option<Loopback>>,
    pub(crate) kubectl: Kubectl,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) api: Api,
    world: Mutex<()>,
}

static CURRENT: OnceLock<Lab> = OnceLock::new();
static OLD: OnceLock<Lab> = OnceLock::new();
static ROUGH: OnceLock<Lab> = OnceLock::new();

/// Today's generation, with the runbooks' world.
pub(crate) fn current() -> &'static Lab {
    CURRENT.get_or_init(|| Lab::start(Generation::Current, true))
}

/// The old generation, with the runbooks' world.
pub(crate) fn old() -> &'static Lab {
    OLD.get_or_init(|| Lab::start(Generation::Old, true))
}

/// A lab whose control plane and nodes are broken by tests, one after the other.
pub(crate) fn rough() -> (&'static Lab, Rough) {
    let lab = ROUGH.get_or_init(|| Lab::start(Generation::Current, false));
    (lab, Rough(lab.loopback.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// The rough lab, for one test.
pub(crate) struct Rough(MutexGuard<'static, Option<Loopback>>);

impl std::ops::Deref for Rough {
    type Target = Loopback;

    fn deref(&self) -> &Loopback {
        self.0.as_ref().expect("it is taken down after the last test")
    }
}

/// Takes down what was started.
pub(crate) fn take_down() {
    for lab in [&CURRENT, &OLD, &ROUGH].into_iter().filter_map(OnceLock::get) {
        let loopback = lab.loopback.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(error)) = loopback.map(Loopback::down) {
            eprintln!("a lab could not be taken down: {error:#}");
        }
    }
}

impl Lab {
    fn start(kubernetes: Generation, world: bool) -> Self {
        let loopback =
            Loopback::start(&Options { kubernetes, nodes: 3, ..Options::default() }).unwrap();
        let program = loopback.programs().join("kubectl");
        // Recorded with the lab's own processes, so that it ends with them whatever happens.
        let proxy = Launch::new("proxy", program)
            .args(["proxy", "--port=0", "--disable-filter", "--kubeconfig"])
            .arg(loopback.kubeconfig());
        loopback.processes().start(&proxy).unwrap();
        let mut address = None;
        until("kubectl proxy listens", || {
            let said =
                std::fs::read_to_string(loopback.processes().log("proxy")).unwrap_or_default();
            address = said.split_whitespace().last().filter(|w| w.contains(':')).map(str::to_owned);
            address.is_some()
        });
        let lab = Self {
            kubectl: loopback.client(),
            kubeconfig: loopback.kubeconfig(),
            loopback: Mutex::new(Some(loopback)),
            api: Api(address.unwrap_or_default()),
            world: Mutex::default(),
        };
        if world {
            lab.apply(&lab::world::runbooks());
            for (namespace, selector, count) in WORLD {
                lab.api.wait_ready(namespace, selector, *count);
            }
        }
        lab
    }

    /// The runbooks' world, for one test at a time.
    pub(crate) fn world(&self) -> MutexGuard<'_, ()> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every pod of the runbooks' world.
    pub(crate) fn all(&self) -> BTreeSet<Pod> {
        ["default", "kube-system", "kubernetes-dashboard"]
            .into_iter()
            .flat_map(|namespace| self.api.pods(namespace, ""))
            .collect()
    }

    /// Applies objects.
    pub(crate) fn apply(&self, yaml: &str) {
        let words = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.kubectl.with_input(&words, yaml).unwrap();
    }

    /// Makes a namespace that pods can be made in, and puts objects there that name `default`.
    pub(crate) fn namespace(&self, name: &str, yaml: &str) {
        self.kubectl.text(&["create", "namespace", name]).unwrap();
        until("the namespace has its account and its CA", || {
            let get = |path: &str| {
                self.api.get(&format!("/api/v1/namespaces/{name}/{path}"))["kind"].clone()
            };
            get("serviceaccounts/default") == "ServiceAccount"
                && get("configmaps/kube-root-ca.crt") == "ConfigMap"
        });
        if !yaml.is_empty() {
            self.apply(&yaml.replace("namespace: default", &format!("namespace: {name}")));
        }
    }
}

/// Pods of the runbooks' world on three nodes.
pub(crate) const WORLD: &[(&str, &str, usize)] = &[
    ("kube-system", "k8s-app=kube-dns", 2),
    ("kube-system", "k8s-app=kube-dns-autoscaler", 1),
    ("default", "name=kube2iam", 3),
    ("kube-system", "k8s-app=fluentd-logging", 3),
    ("kube-system", "k8s-app=canal", 3),
    ("kube-system", "k8s-app=kube-proxy", 3),
    ("kube-system", "k8s-app=metrics-server", 1),
    ("kubernetes-dashboard", "k8s-app=kubernetes-dashboard", 1),
];
