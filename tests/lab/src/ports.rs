//! Loopback addresses: every lab has a block of its own, so ports never clash and can be the usual ones.
//!
//! The block is `127.U.S.0/24`: U from the user, S the lab's slot. Slots are given out while the root is locked,
//! and recorded in the lab's directory; as two roots may share a user, what somebody listens on is passed over, and a
//! block is claimed, for all roots, until its lab listens itself.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// Where an API server listens.
pub const API: u16 = 6443;
/// Where etcd answers its clients.
pub const ETCD: u16 = 2379;
/// Where etcd answers its peers.
pub const ETCD_PEER: u16 = 2380;
/// Where the controller manager serves its health.
pub const CONTROLLER_MANAGER: u16 = 10257;
/// Where the scheduler serves its health.
pub const SCHEDULER: u16 = 10259;
/// Where kwok plays kubelet.
pub const KWOK: u16 = 10250;

/// Where whoever brings a lab up listens, so that nobody else takes its block; nothing is said there.
const CLAIM: u16 = 6442;

/// A block that is taken and on which nothing listens yet.
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "it is held")] TcpListener);

/// A lab's block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Block(Ipv4Addr);

impl Block {
    fn at(slot: u8) -> Self {
        let user = u8::try_from(rustix::process::getuid().as_raw() % 64).unwrap_or(0);
        Self(Ipv4Addr::new(127, 64 + user, slot, 0))
    }

    /// The first free block, given those that are taken; it is another's again once the claim is dropped and nobody
    /// listens there.
    pub fn free(taken: &[Self]) -> Result<(Self, Claim)> {
        let taken: BTreeSet<Ipv4Addr> = taken.iter().map(|block| block.0).collect();
        for block in (0..=u8::MAX).map(Self::at) {
            if taken.contains(&block.0) {
                continue;
            }
            // The claim first: of two who look at the same time one gets it.
            if let Ok(claim) = TcpListener::bind(SocketAddrV4::new(block.member(0), CLAIM))
                && block.is_quiet()
            {
                return Ok((block, Claim(claim)));
            }
        }
        bail!(
            "all 256 blocks of loopback addresses are taken: see `cargo lab status`, and take labs down"
        )
    }

    /// The address of the control plane's member `n`, counted from 0.
    pub fn member(self, n: u32) -> Ipv4Addr {
        let [a, b, c, _] = self.0.octets();
        Ipv4Addr::new(a, b, c, u8::try_from(n + 1).unwrap_or(u8::MAX))
    }

    /// Whether nobody listens where this lab would.
    fn is_quiet(self) -> bool {
        [API, ETCD, ETCD_PEER, CONTROLLER_MANAGER, SCHEDULER, KWOK]
            .iter()
            .all(|port| TcpListener::bind(SocketAddrV4::new(self.member(0), *port)).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_loopback_distinct_and_pass_over_listeners() {
        let (first, claim) = Block::free(&[]).unwrap();
        assert!(first.member(0).is_loopback());
        // Claimed, though nothing listens there and no root knows of it.
        let (second, other) = Block::free(&[]).unwrap();
        assert_ne!(first, second);
        drop((claim, other));
        let _busy = TcpListener::bind(SocketAddrV4::new(second.member(0), ETCD)).unwrap();
        let (third, _claim) = Block::free(&[first]).unwrap();
        assert!(third != first && third != second);
        assert_ne!(first.member(0), first.member(1));
    }
}
