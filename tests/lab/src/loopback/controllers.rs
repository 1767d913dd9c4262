//! A controller manager that is slow, that is watched until it works, or that is not the only one.

use std::time::Duration;

use anyhow::Result;

use super::settings::Component;
use super::{Loopback, flags};
use crate::ports;
use crate::process::Launch;

/// How many requests a client sends in a second, and how many at once before it is held back. kube's own defaults
/// for a controller manager are 20 and 30.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Requests in a second.
    pub qps: f32,
    /// Requests at once.
    pub burst: u32,
}

impl Pace {
    /// What a controller manager does that nobody told otherwise.
    pub const DEFAULT: Self = Self { qps: 20.0, burst: 30 };
    /// As the lab's own are by default.
    pub const FAST: Self = Self { qps: 1000.0, burst: 2000 };
}

/// The name of a second controller manager.
const SECOND: &str = "kube-controller-manager-2";

impl Loopback {
    /// Restarts the controller manager with another pace. Each of its controllers has it for itself.
    pub fn pace_controllers(&self, pace: Pace) -> Result<()> {
        let qps = format!("--kube-api-qps={}", pace.qps);
        let burst = format!("--kube-api-burst={}", pace.burst);
        self.also_flags(Component::ControllerManager, &[&qps, &burst])?;
        self.restart(Component::ControllerManager)?;
        self.wait_controller_manager()
    }

    /// Waits until the controller manager says that it is healthy. Its controllers may still be reading what there is.
    pub fn wait_controller_manager(&self) -> Result<()> {
        let at = self.settings().block.member(0);
        let server = format!("--server=https://{at}:{}", ports::CONTROLLER_MANAGER);
        let words = [&server, "--insecure-skip-tls-verify", "get", "--raw=/healthz"];
        self.wait_until(Duration::from_mins(3), "the controller manager is healthy", || {
            self.revive(Component::ControllerManager)?;
            Ok(self.kubectl(&words)?.status.success())
        })
    }

    /// Starts a second controller manager with these flags beside the first, as after an election that both won: only
    /// what fills token secrets and publishes the root CA runs in it. Both go on undoing each other's work.
    pub fn start_second_controller_manager(&self, more: &[&str]) -> Result<()> {
        let settings = self.settings();
        let own = [
            format!("--bind-address={}", settings.block.member(1)),
            "--controllers=serviceaccount-token,root-ca-cert-publisher".to_owned(),
        ];
        let base = flags::flags(&settings, self.dir(), Component::ControllerManager);
        let more = own.into_iter().chain(more.iter().map(|&flag| flag.to_owned()));
        let flags = flags::merged(base, &more.collect::<Vec<_>>());
        let launch = Launch::new(SECOND, self.plane.join("kube-controller-manager"))
            .args(flags)
            .env("HOME", self.dir());
        self.processes().start(&launch)?;
        let at = settings.block.member(1);
        let server = format!("--server=https://{at}:{}", ports::CONTROLLER_MANAGER);
        let words = [&server, "--insecure-skip-tls-verify", "get", "--raw=/healthz"];
        self.wait_until(Duration::from_mins(1), "the second controller manager is healthy", || {
            Ok(self.kubectl(&words)?.status.success())
        })
    }

    /// Ends it.
    pub fn stop_second_controller_manager(&self) -> Result<()> {
        self.processes().stop(SECOND)
    }
}
