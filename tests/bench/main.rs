//! How fast and how small the tools are, each figure beside that of what they replace, taken in the same run.
//!
//! `cargo bench` takes every figure, `cargo bench -- start lab` some of them, `cargo bench -- --help` names them.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench starts processes, reads clocks and prints figures; nothing of it is part of a tool"
)]

mod api;
mod big;
mod bosh;
mod certs;
mod etcd;
mod lab_figures;
mod measure;
mod places;
mod planned;
mod protobuf;
mod replay;
mod rotation;
#[path = "../rotate/snapshot.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "it is the tests' own")]
mod snapshot;
mod table;
mod tokens;
#[path = "../rotate/tree.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "it is the tests' own")]
mod tree;
#[path = "../inspect/world.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "it is the tests' own, and more than is measured"
)]
mod trees;
mod wave;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use std::path::Path;
use std::process::ExitCode;
use table::Table;

/// The tool, as it is released.
pub(crate) const TOOL: &str = env!("CARGO_BIN_EXE_kubectl-recycle");

/// Takes figures of the tools and of what they replace
#[derive(Parser)]
#[command(bin_name = "cargo bench --")]
struct Args {
    /// Which figures; all by default
    #[arg(value_enum)]
    parts: Vec<Part>,

    /// Runs of each, of which the median counts
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Cargo says so
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Size of the binary, and its start
    Start,
    /// A small real cluster: look and decide, beside the runbook's pipeline
    Lab,
    /// 5,000 pods, from a server in this process
    Large,
    /// 150,000 pods on 5,000 nodes, from a server in this process
    Huge,
    /// 10,000 pods of a real API server
    Real,
    /// 500 pods of a DaemonSet recycled, beside the controllers alone and a roll-out
    Wave,
    /// 300 token secrets after a change of the signing key, beside deleting them and the runbook's loop
    Tokens,
    /// A check of 2,000 token secrets and 5,000 pods of a real API server
    Check,
    /// Five BOSH VMs: verify, restart, and the runbook's way; needs root
    Bosh,
    /// A snapshot of etcd of 1 GiB
    Snapshot,
    /// Every place of one control plane, beside kubeadm's list, and of 1,000 machines, with a cluster's objects and by ssh
    Places,
    /// The CA of a running cluster replaced under its clients, beside the runbook's way; needs root
    Rotation,
    /// The plan of a rotation for 1,000 machines and 150,000 pods
    Planned,
    /// A complete PKI, beside kubeadm's, and the leaves of 1,000 machines
    Certs,
}

fn main() -> Result<ExitCode> {
    // The lab's VMs run this program under other names.
    if let Some(code) = lab::bosh::play() {
        return Ok(code);
    }
    if let Some(said) = replay::play() {
        return said.map(|()| ExitCode::SUCCESS);
    }
    let args = Args::parse();
    if !args.bench {
        println!("figures are taken by `cargo bench`, of the release build");
        return Ok(ExitCode::SUCCESS);
    }
    let rounds = args.rounds as usize;
    let parts = if args.parts.is_empty() { Part::value_variants() } else { &args.parts };
    let mut table = Table::default();
    let outcome = parts.iter().try_for_each(|part| match part {
        Part::Start => start(&mut table, rounds),
        Part::Lab => lab_figures::small(&mut table, rounds),
        Part::Large => big::large(&mut table, rounds),
        Part::Huge => big::huge(&mut table, rounds.min(3)),
        Part::Real => lab_figures::real(&mut table, rounds.min(5)),
        Part::Wave => wave::wave(&mut table, rounds.min(3)),
        Part::Tokens => tokens::reset(&mut table, rounds.min(3)),
        Part::Check => tokens::check(&mut table, rounds.min(5)),
        Part::Bosh => bosh::figures(&mut table, rounds),
        Part::Snapshot => etcd::figures(&mut table, rounds.min(5)),
        Part::Places => places::figures(&mut table, rounds),
        Part::Rotation => rotation::figures(&mut table, rounds.min(5)),
        Part::Planned => planned::figures(&mut table, rounds.min(3)),
        Part::Certs => certs::certs(&mut table, rounds),
    });
    // Also what was measured before something failed.
    println!("{}", measure::machine());
    print!("{table}");
    outcome.map(|()| ExitCode::SUCCESS)
}

fn start(table: &mut Table, rounds: usize) -> Result<()> {
    let programs = lab::components::ensure(lab::components::Set::Current)?;
    let kubectl = programs.join("kubectl");
    table.bytes(
        "size of the binary; peer: kubectl",
        measure::size(Path::new(TOOL))?,
        measure::size(&kubectl)?,
        8_000_000,
    );
    let home = tempfile::tempdir()?;
    let ours = measure::version(home.path(), rounds * 4)?;
    let peer = measure::command(&kubectl, home.path());
    let peer = measure::median(rounds, || measure::time(peer(&["version", "--client"]), 0))?;
    table.time("--version; peer: kubectl version --client", ours, Some(peer), Some(0.002));
    Ok(())
}
