//! What makes recycling hard, one thing a function. Each is called after its label `app`; all live in `default`
//! unless said otherwise.

/// How a pod fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Its program ends at once, again and again.
    Crash,
    /// Its image is not to be had.
    Pull,
}

/// `ordered`: a `StatefulSet` of three, each waiting for the one before it.
pub fn stateful_set() -> String {
    include_str!("awkward/stateful-set.yaml").to_owned()
}

/// `at-work`: a Job whose pod runs.
pub fn job() -> String {
    include_str!("awkward/job.yaml").to_owned()
}

/// `finished`: a Job whose pod is done.
pub fn finished_job() -> String {
    include_str!("awkward/finished-job.yaml").to_owned()
}

/// `bare`: a pod that nobody will make again.
pub fn bare_pod() -> String {
    include_str!("awkward/bare-pod.yaml").to_owned()
}

/// `lone`: a `ReplicaSet` of two without a Deployment.
pub fn replica_set() -> String {
    include_str!("awkward/replica-set.yaml").to_owned()
}

/// `on-delete`: a `DaemonSet` that no rollout touches.
pub fn on_delete_daemon_set() -> String {
    include_str!("awkward/on-delete-daemon-set.yaml").to_owned()
}

/// `paused`: a Deployment of two, not paused yet: one that is paused from the start never makes a pod.
pub fn pausable_deployment() -> String {
    paused_deployment().replace("paused: true", "paused: false")
}

/// `paused`, once [`pausable_deployment`] runs: its rollouts are stopped.
pub fn paused_deployment() -> String {
    include_str!("awkward/paused-deployment.yaml").to_owned()
}

/// `guarded`: two pods whose budget never allows an eviction.
pub fn budget_that_never_allows() -> String {
    include_str!("awkward/budget-that-never-allows.yaml").to_owned()
}

/// `twice`: two pods, each under two budgets.
pub fn two_budgets() -> String {
    include_str!("awkward/two-budgets.yaml").to_owned()
}

/// `held`: two pods that stay Terminating until the finalizer `lab.local/hold` is taken away.
pub fn finalizer() -> String {
    include_str!("awkward/finalizer.yaml").to_owned()
}

/// `crash` or `pull`: two pods that fail from the start.
pub fn failing(failure: Failure) -> String {
    match failure {
        Failure::Crash => include_str!("awkward/crash.yaml").to_owned(),
        Failure::Pull => include_str!("awkward/pull.yaml").to_owned(),
    }
}

/// `fragile`: three pods that run. After [`spring_trap`] whatever replaces them fails.
pub fn fragile() -> String {
    include_str!("awkward/fragile.yaml").to_owned()
}

/// Springs the trap of [`fragile`]. Under a real kubelet the replacement crashes, whatever is asked for.
pub fn spring_trap(failure: Failure) -> String {
    let failure = match failure {
        Failure::Crash => "crash",
        Failure::Pull => "pull",
    };
    include_str!("awkward/fragile-trap.yaml").replace("FAILURE", failure)
}

/// `tight`, in the namespace `tight`: two pods. After [`tight_quota`] a deleted one is not made again.
pub fn tight() -> String {
    include_str!("awkward/tight.yaml").to_owned()
}

/// The quota of [`tight`], for one pod.
pub fn tight_quota() -> String {
    include_str!("awkward/tight-quota.yaml").to_owned()
}

/// `slow-to-end`: two pods that take this long to shut down.
pub fn slow_to_end(seconds: u32) -> String {
    include_str!("awkward/slow-to-end.yaml").replace("SECONDS", &seconds.to_string())
}

/// `slow-to-be-ready`: three pods that are Ready this long after they started.
pub fn slow_to_be_ready(seconds: u32) -> String {
    include_str!("awkward/slow-to-be-ready.yaml").replace("SECONDS", &seconds.to_string())
}

/// `never-ready`: two pods that run and never become Ready.
pub fn never_ready() -> String {
    include_str!("awkward/never-ready.yaml").to_owned()
}

/// `apart`: pods that never share a node; with as many as there are nodes, a replacement must wait for the old pod.
pub fn apart(replicas: u32) -> String {
    include_str!("awkward/anti-affinity.yaml").replace("REPLICAS", &replicas.to_string())
}

/// The node `name`, tainted so that nothing new without a toleration comes to it.
pub fn tainted_node(name: &str) -> String {
    format!(
        "apiVersion: v1
kind: Node
metadata: {{name: {name}}}
spec: {{taints: [{{key: lab.local/reserved, value: 'yes', effect: NoSchedule}}]}}
"
    )
}

/// The node `name`, cordoned.
pub fn cordoned_node(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\nspec: {{unschedulable: true}}\n"
    )
}
