//! Waiting: each with a limit, each ending early when what it waits for has died.

use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::Loopback;
use super::settings::Component;
use crate::ports;

/// What a small machine under load still keeps, with others that compile beside it.
const LIMIT: Duration = Duration::from_mins(3);

impl Loopback {
    /// Waits until API server `n` accepts connections: cheap to ask, and a good while before it is ready.
    pub(super) fn wait_listening(&self, n: u32) -> Result<()> {
        let at = SocketAddr::V4(SocketAddrV4::new(self.recorded().block.member(n), ports::API));
        self.until(
            LIMIT,
            "accepts connections",
            Some(Component::ApiServer(n)),
            Duration::from_millis(10),
            || Ok(TcpStream::connect_timeout(&at, Duration::from_millis(200)).is_ok()),
        )
    }

    /// Waits until API server `n` says that it is ready.
    pub fn wait_api_server(&self, n: u32) -> Result<()> {
        self.wait_listening(n)?;
        let client = self.client_with(self.kubeconfig_of(n));
        self.until(
            LIMIT,
            "is ready",
            Some(Component::ApiServer(n)),
            Duration::from_millis(40),
            || Ok(client.output(&["get", "--raw=/readyz"])?.status.success()),
        )
    }

    /// Waits until the controllers have made what every namespace has; a pod made before has no account.
    pub(super) fn wait_controllers(&self) -> Result<()> {
        let wait = ["wait", "--for=create", "serviceaccount/default", "--timeout=1s"];
        let client = self.client_with(self.dir().join("super-admin.conf"));
        for namespace in ["kube-system", "default"] {
            let words: Vec<&str> = wait.iter().copied().chain(["--namespace", namespace]).collect();
            self.until(
                LIMIT,
                "the controller manager makes service accounts",
                None,
                Duration::from_millis(50),
                || {
                    self.revive(Component::ControllerManager)?;
                    Ok(client.output(&words)?.status.success())
                },
            )?;
        }
        Ok(())
    }

    /// Waits until this many nodes are Ready.
    pub fn wait_nodes_ready(&self, count: u32) -> Result<()> {
        let limit = LIMIT + Duration::from_millis(100) * count;
        self.until(
            limit,
            "plays the nodes",
            Some(Component::Kwok),
            Duration::from_millis(100),
            || {
                let ready = self.ready(&["get", "nodes"])?;
                Ok(ready >= count as usize)
            },
        )
    }

    /// Waits until `count` pods of a namespace that match `selector` are Ready, and no other that matches exists.
    pub fn wait_pods_ready(&self, namespace: &str, selector: &str, count: usize) -> Result<()> {
        let limit = LIMIT + Duration::from_millis(50) * u32::try_from(count).unwrap_or(u32::MAX);
        let what = format!("{count} pods in {namespace} ({selector}) are ready");
        let words = ["get", "pods", "--namespace", namespace, "--selector", selector];
        self.until(limit, &what, None, Duration::from_millis(100), || {
            let all = [&words[..], &["--output=name"]].concat();
            Ok(self.ready(&words)? == count && self.kubectl_text(&all)?.lines().count() == count)
        })
    }

    /// Asks until `done`, at most `limit`.
    pub fn wait_until(
        &self,
        limit: Duration,
        what: &str,
        done: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        self.until(limit, what, None, Duration::from_millis(50), done)
    }

    /// Starts a component again that has ended, as a kubelet would: a controller manager gives up where a busy machine's
    /// API server needs more than ten seconds until it knows who has which rights.
    pub(super) fn revive(&self, component: Component) -> Result<()> {
        if self.runs(component) {
            return Ok(());
        }
        self.start_component(component)
    }

    fn ready(&self, get: &[&str]) -> Result<usize> {
        let template = "--output=jsonpath={range .items[*]}{.status.conditions[?(@.type==\"Ready\")].status}{\"\\n\"}{end}";
        let text = self.kubectl_text(&[get, &[template]].concat())?;
        Ok(text.lines().filter(|line| *line == "True").count())
    }

    fn until(
        &self,
        limit: Duration,
        what: &str,
        who: Option<Component>,
        pause: Duration,
        mut done: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let subject = who.map(|component| format!("{component} ")).unwrap_or_default();
        let began = Instant::now();
        loop {
            if done()? {
                return Ok(());
            }
            if let Some(component) = who.filter(|component| !self.runs(*component)) {
                bail!("{component} ended by itself: see {}", self.log(component).display());
            }
            if began.elapsed() >= limit {
                let log = who.map(|component| format!(": see {}", self.log(component).display()));
                bail!(
                    "waited {} s, and not yet: {subject}{what}{}",
                    limit.as_secs(),
                    log.unwrap_or_default()
                );
            }
            std::thread::sleep(pause);
        }
    }
}
