//! What runs in a lab: the runbooks' world, and in [`awkward`] what makes recycling hard.
//!
//! Everything is YAML for `apply`, the same for simulated nodes and for real kubelets: containers run the lab's own
//! program from the image `lab.local/pod:1`, and annotations below `lab.local/` tell simulated kubelets what real
//! ones see for themselves.

pub mod awkward;
pub mod tokens;

use crate::loopback::DNS;

pub(crate) const ADMINISTRATORS: &str = "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: 'kubeadm:cluster-admins'}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'kubeadm:cluster-admins'}
";

/// Joins documents.
pub fn join<T: AsRef<str>>(documents: &[T]) -> String {
    documents.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("\n---\n")
}

/// Everything the runbooks touch and everything beside it that they must not: DNS with its autoscaler, the node
/// agents, canal, kube-proxy, the dashboard, metrics-server.
pub fn runbooks() -> String {
    join(&[
        dns(),
        dns_autoscaler(),
        node_agents(),
        canal(),
        kube_proxy(),
        dashboard(),
        metrics_server(),
    ])
}

/// The same without what a cluster of machines has from its start: DNS with its autoscaler and kube-proxy.
pub fn addons() -> String {
    join(&[node_agents(), canal(), dashboard(), metrics_server()])
}

/// The Service `kube-dns` at the range's tenth address and two servers behind it.
pub fn dns() -> String {
    include_str!("world/dns.yaml").replace("DNS_ADDRESS", DNS)
}

/// The same, with servers that take this long to become Ready on simulated nodes, as real ones do.
pub fn slow_dns(seconds: u32) -> String {
    let labels = "      labels: {k8s-app: kube-dns}\n    spec:";
    let slow = format!(
        "      labels: {{k8s-app: kube-dns}}\n      annotations: {{lab.local/pod: slow, lab.local/ready-after: {seconds}s}}\n    spec:"
    );
    dns().replace(labels, &slow)
}

/// `kube-dns-autoscaler`, which a search for "kube-dns" finds and which must not be touched.
pub fn dns_autoscaler() -> String {
    include_str!("world/dns-autoscaler.yaml").to_owned()
}

/// A budget for DNS: one server may be away.
pub fn dns_budget() -> String {
    include_str!("world/dns-budget.yaml").to_owned()
}

/// `kube2iam` in `default` and `fluentd-cloudwatch-v1` in `kube-system`.
pub fn node_agents() -> String {
    include_str!("world/node-agents.yaml").to_owned()
}

/// The pod network.
pub fn canal() -> String {
    include_str!("world/canal.yaml").to_owned()
}

/// kube-proxy as a `DaemonSet`.
pub fn kube_proxy() -> String {
    include_str!("world/kube-proxy.yaml").to_owned()
}

/// The dashboard and its metrics scraper, in a namespace of their own.
pub fn dashboard() -> String {
    include_str!("world/dashboard.yaml").to_owned()
}

/// metrics-server, without its `APIService`.
pub fn metrics_server() -> String {
    include_str!("world/metrics-server.yaml").to_owned()
}

/// The mirror of a static pod, as a kubelet makes it: `name` on the node called `node` with the UID `uid`.
/// Deleting it changes nothing on a real node.
pub fn mirror_pod(name: &str, node: &str, uid: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: {name}-{node}
  namespace: kube-system
  labels: {{component: {name}, k8s-app: {name}, tier: node}}
  annotations:
    kubernetes.io/config.mirror: 5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e
    kubernetes.io/config.hash: 5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e
    kubernetes.io/config.source: file
  ownerReferences:
  - {{apiVersion: v1, kind: Node, name: {node}, uid: {uid}, controller: true}}
spec:
  nodeName: {node}
  hostNetwork: true
  priorityClassName: system-node-critical
  automountServiceAccountToken: false
  tolerations: [{{operator: Exists, effect: NoExecute}}]
  containers:
  - {{name: {name}, image: 'lab.local/pod:1', imagePullPolicy: Never, args: [pause]}}
"
    )
}

/// A Deployment of one pod that mounts the secret `secret` by name, as every pod did before projected tokens.
pub fn mounting(name: &str, namespace: &str, secret: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      volumes:
      - {{name: token, secret: {{secretName: {secret}}}}}
      containers:
      - name: main
        image: lab.local/pod:1
        imagePullPolicy: Never
        args: [pause]
        volumeMounts:
        - {{name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}}
"
    )
}

/// Nodes `node-0` and so on, for a control plane without kubelets.
pub fn nodes(count: u32) -> String {
    join(&(0..count).map(|n| node(&format!("node-{n}"))).collect::<Vec<_>>())
}

/// One node, labelled as kubelets label themselves.
pub fn node(name: &str) -> String {
    format!(
        "apiVersion: v1
kind: Node
metadata:
  name: {name}
  labels: {{kubernetes.io/os: linux, kubernetes.io/arch: amd64, kubernetes.io/hostname: {name}}}
"
    )
}
