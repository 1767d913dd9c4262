//! Bringing a lab up: as much at once as the order of things allows.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::settings::{Component, Generation, Options, Settings};
use super::{Loopback, flags, pki, stages};
use crate::ports::Block;
use crate::process::{Launch, Owner, Processes};
use crate::talk::say;
use crate::{components, labs, world};

pub(super) fn start(options: &Options) -> Result<Loopback> {
    options.check()?;
    let current = components::ensure(components::Set::Current)?;
    let plane = match options.kubernetes {
        Generation::Current => current.clone(),
        Generation::Old => components::ensure(components::Set::Old)?,
    };
    let began = Instant::now();
    let name = options.name.clone().unwrap_or_else(unused_name);
    // Until it is up, a detached lab belongs to whoever brings it up: killed half-way, it is swept like any other.
    let (processes, (settings, claim)) =
        labs::create(&name, &Owner::current()?, |processes, root| {
            let (block, claim) = Block::free(&taken(root)?)?;
            let settings = Settings::new(options, block);
            settings.write(processes.dir())?;
            Ok((settings, claim))
        })?;
    let lab = Loopback { processes, settings: Mutex::new(settings), current, plane, ours: true };
    let up = bring_up(&lab);
    drop(claim);
    match up {
        Ok(()) => {
            if options.detached {
                lab.processes.set_owner(&Owner::Detached)?;
            }
            let mut lab = lab;
            lab.ours = !options.detached;
            say(&format!("{name} is up in {:.1} s", began.elapsed().as_secs_f64()));
            Ok(lab)
        }
        Err(error) => {
            let mut lab = lab;
            lab.ours = false;
            keep_logs(&lab.processes)?;
            Err(error.context(format!(
                "lab {name} did not come up; its logs are in {}",
                lab.dir().join("log").display()
            )))
        }
    }
}

/// Stops everything and leaves the logs, for whoever looks why.
pub(crate) fn keep_logs(processes: &Processes) -> Result<()> {
    processes.kill_all()?;
    let dir = processes.dir();
    let kept = dir.with_extension("kept");
    let _ = fs::remove_dir_all(&kept);
    fs::create_dir(&kept).with_context(|| format!("cannot make {}", kept.display()))?;
    fs::rename(dir.join("log"), kept.join("log")).context("cannot keep the logs")?;
    labs::remove(dir)?;
    fs::rename(&kept, dir).context("cannot keep the logs")?;
    say(&format!("the logs are kept for a day in {}", dir.join("log").display()));
    Ok(())
}

pub(crate) fn unused_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("t-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The blocks of the labs that exist.
fn taken(root: &Path) -> Result<Vec<Block>> {
    let entries = fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))?;
    Ok(entries
        .filter_map(|entry| Settings::read(&entry.ok()?.path()).ok())
        .map(|settings| settings.block)
        .collect())
}

fn bring_up(lab: &Loopback) -> Result<()> {
    let settings = lab.settings();
    let kubeadm = lab.current.join("kubeadm");
    pki::certificates(&kubeadm, &settings, lab.dir())?;
    launch(lab, Component::Etcd)?;
    for n in 0..settings.api_servers {
        launch(lab, Component::ApiServer(n))?;
    }
    // While those come up:
    pki::kubeconfigs(&kubeadm, &settings, lab.dir())?;
    stages::write(&lab.current.join("stages"), &lab.dir().join("stages.yaml"))?;
    lab.wait_listening(0)?;
    launch(lab, Component::ControllerManager)?;
    if settings.scheduler {
        launch(lab, Component::Scheduler)?;
    }
    lab.wait_api_server(0)?;
    // kubeadm's administrators are a group that only the super administrator can bind.
    let first = lab.client_with(lab.dir().join("super-admin.conf"));
    let objects = format!("{}---\n{}", world::ADMINISTRATORS, world::nodes(settings.nodes));
    first.with_input(&["create", "-f", "-"], &objects)?;
    if settings.kwok {
        launch(lab, Component::Kwok)?;
    }
    for n in 1..settings.api_servers {
        lab.wait_api_server(n)?;
    }
    lab.wait_controllers()?;
    if settings.scheduler {
        lab.revive(Component::Scheduler)?;
    }
    if settings.kwok {
        lab.wait_nodes_ready(settings.nodes)?;
    }
    Ok(())
}

pub(super) fn launch(lab: &Loopback, component: Component) -> Result<()> {
    let from = match component {
        Component::Etcd | Component::Kwok => &lab.current,
        Component::ApiServer(_) | Component::ControllerManager | Component::Scheduler => &lab.plane,
    };
    let program = match component {
        Component::ApiServer(_) => "kube-apiserver".to_owned(),
        other => other.to_string(),
    };
    let flags = flags::flags(&lab.recorded(), lab.dir(), component);
    // kwok reads a configuration in the home directory when there is one.
    let launch =
        Launch::new(component.to_string(), from.join(program)).args(flags).env("HOME", lab.dir());
    lab.processes.start(&launch).map(drop)
}
