//! Token secrets and what lies beside them: made by hand, awkward in each known way, and the pods that use them.
//!
//! [`crate::loopback::Loopback::use_token_secrets`] and [`crate::loopback::Loopback::awkward_secrets`] put them into
//! a lab in the order that a controller manager allows.

/// A workload of the runbooks' world ([`super::runbooks`]), and whose token its pods mount.
#[derive(Clone, Copy, Debug)]
pub struct User {
    /// Its kind in `apps/v1`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: &'static str,
    /// Its name.
    pub name: &'static str,
    /// All of its containers: each mounts the token, otherwise the server adds a projected one.
    pub containers: &'static [&'static str],
    /// The account.
    pub account: &'static str,
}

const fn user(
    kind: &'static str,
    namespace: &'static str,
    name: &'static str,
    containers: &'static [&'static str],
    account: &'static str,
) -> User {
    User { kind, namespace, name, containers, account }
}

/// The runbooks' two agents run as `default`, as theirs do; all others have accounts of their own.
pub const USERS: &[User] = &[
    user("DaemonSet", "default", "kube2iam", &["kube2iam"], "default"),
    user("DaemonSet", "kube-system", "fluentd-cloudwatch-v1", &["fluentd"], "default"),
    user("DaemonSet", "kube-system", "canal", &["calico-node", "kube-flannel"], "canal"),
    user("DaemonSet", "kube-system", "kube-proxy", &["kube-proxy"], "kube-proxy"),
    user("Deployment", "kube-system", "kube-dns", &["coredns"], "kube-dns"),
    user("Deployment", "kube-system", "metrics-server", &["metrics-server"], "metrics-server"),
    user(
        "Deployment",
        "kubernetes-dashboard",
        "kubernetes-dashboard",
        &["kubernetes-dashboard"],
        "kubernetes-dashboard",
    ),
    user(
        "Deployment",
        "kubernetes-dashboard",
        "dashboard-metrics-scraper",
        &["dashboard-metrics-scraper"],
        "kubernetes-dashboard",
    ),
];

/// Where a pod's credential is by convention.
pub const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

impl User {
    /// The part of the workload that makes its pods mount `secret`, as they did before projected tokens. To be
    /// applied by a field manager of its own, beside the workload.
    pub fn mounting(&self, secret: &str) -> String {
        let containers: Vec<String> = self
            .containers
            .iter()
            .map(|container| {
                format!(
                    "      - {{name: {container}, volumeMounts: [{{name: token, mountPath: {MOUNT}, readOnly: true}}]}}"
                )
            })
            .collect();
        format!(
            "apiVersion: apps/v1
kind: {}
metadata: {{name: {}, namespace: {}}}
spec:
  template:
    spec:
      serviceAccountName: {}
      volumes: [{{name: token, secret: {{secretName: {secret}}}}}]
      containers:
{}
",
            self.kind,
            self.name,
            self.namespace,
            self.account,
            containers.join("\n")
        )
    }
}

/// A token secret as a person makes it: typed, empty, to be filled by the controller manager.
pub fn typed(namespace: &str, account: &str, name: &str) -> String {
    format!(
        "apiVersion: v1
kind: Secret
type: kubernetes.io/service-account-token
metadata:
  name: {name}
  namespace: {namespace}
  annotations: {{kubernetes.io/service-account.name: {account}}}
"
    )
}

/// `robot` with two tokens, `frozen` and `idle` with one each.
pub fn accounts(namespace: &str) -> String {
    within(include_str!("tokens/accounts.yaml"), namespace)
}

/// Secrets that are no tokens, one of them with a name that looks like one's, and the pair that `OpenShift` makes.
pub fn foreign(namespace: &str) -> String {
    within(include_str!("tokens/foreign.yaml"), namespace)
}

/// A bootstrap token, in `kube-system`.
pub fn bootstrap() -> String {
    include_str!("tokens/bootstrap.yaml").to_owned()
}

/// `operated-token`, owned by the `ConfigMap` `operator` with the UID `owner`.
pub fn owned(namespace: &str, owner: &str) -> String {
    within(include_str!("tokens/owned.yaml"), namespace).replace("OWNER", owner)
}

/// `orphan-token`, whose account does not exist. While a controller manager runs, it is gone at once.
pub fn orphan(namespace: &str) -> String {
    within(include_str!("tokens/orphan.yaml"), namespace)
}

/// Deployments that name `robot-token-one` in every way there is, `by-volume` and so on; `by-pull`, which names the
/// pull secret; and `on-frozen`, two pods on `frozen-token`.
pub fn references(namespace: &str) -> String {
    within(include_str!("tokens/references.yaml"), namespace)
}

/// The pods of [`references`], by their label `app`.
pub const REFERENCES: &[(&str, usize)] = &[
    ("by-volume", 1),
    ("by-projection", 1),
    ("by-env", 1),
    ("by-env-from", 1),
    ("by-init", 1),
    ("by-csi", 1),
    ("by-pull", 1),
    ("on-frozen", 2),
];

fn within(yaml: &str, namespace: &str) -> String {
    yaml.replace("NAMESPACE", namespace)
}
