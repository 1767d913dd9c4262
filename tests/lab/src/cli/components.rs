//! The verbs that stop, start and slow down the parts of a loopback lab.

use anyhow::{Context as _, Result};
use clap::Args;

use super::Named;
use crate::loopback::{Component, Loopback, Pace};
use crate::talk::say;

/// What is done to a component.
#[derive(Clone, Copy)]
pub(super) enum Change {
    Stop,
    Start,
    Freeze,
    Thaw,
}

#[derive(Debug, Args)]
pub(super) struct Which {
    #[command(flatten)]
    named: Named,
    /// Which component, e.g. kube-controller-manager: see `cargo lab status`.
    component: String,
}

#[derive(Debug, Args)]
pub(super) struct Slow {
    #[command(flatten)]
    named: Named,
    /// How many requests in a second each of its controllers may send.
    #[arg(long, value_name = "N", default_value_t = Pace::DEFAULT.qps)]
    qps: f32,
    /// How many at once before they are held back.
    #[arg(long, value_name = "N", default_value_t = Pace::DEFAULT.burst)]
    burst: u32,
}

impl Which {
    pub(super) fn run(&self, change: Change) -> Result<()> {
        let lab = Loopback::open(&self.named.name)?;
        let component = self.component(&lab)?;
        match change {
            Change::Stop => lab.stop(component),
            Change::Freeze => lab.freeze(component),
            Change::Thaw => lab.thaw(component),
            Change::Start => {
                lab.start_component(component)?;
                match component {
                    Component::ApiServer(n) => lab.wait_api_server(n),
                    Component::ControllerManager => lab.wait_controller_manager(),
                    Component::Etcd | Component::Scheduler | Component::Kwok => Ok(()),
                }
            }
        }
    }

    fn component(&self, lab: &Loopback) -> Result<Component> {
        let all = lab.settings().components();
        let names: Vec<String> = all.iter().map(ToString::to_string).collect();
        let found = all.into_iter().find(|component| component.to_string() == self.component);
        found.with_context(|| {
            format!("no component is called {:?}: there is {}", self.component, names.join(", "))
        })
    }
}

impl Slow {
    pub(super) fn run(&self) -> Result<()> {
        let lab = Loopback::open(&self.named.name)?;
        lab.pace_controllers(Pace { qps: self.qps, burst: self.burst })?;
        say(&format!("the controller manager sends {} requests a second", self.qps));
        Ok(())
    }
}
