//! A real Kubernetes for tests and for the demo.
//!
//! The components are compiled from source once ([`components`]) and run as processes of this machine alone:
//! nothing is installed, no image is pulled, and whatever dies leaves nothing running ([`process`]).
//! [`loopback`] is a control plane with simulated nodes, for everybody; [`machines`] is a
//! kubeadm cluster with real kubelets, for root; [`world`] is what runs in it.

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
