//! A real Kubernetes for tests and for the demo.
//!
//! The components are compiled from source once ([`components`]) and run as processes of this machine alone:
//! nothing is installed, no image is pulled, and whatever dies leaves nothing running ([`process`]).
//! [`loopback`] is a control plane with simulated nodes, for everybody; [`machines`] is a
//! kubeadm cluster with real kubelets, for root; [`world`] is what runs in it. [`bosh`] has no Kubernetes: VMs as
//! BOSH makes them, with a director and a `bosh` before them.

pub mod bosh;
pub mod cli;
pub mod components;
mod demo;
pub mod labs;
pub mod loopback;
pub mod machines;
pub mod ports;
pub mod process;
mod talk;
pub mod world;
