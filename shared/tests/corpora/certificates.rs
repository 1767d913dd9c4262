//! Every certificate that there is, and mutations of them: read or refused, without a panic and in bounded time.

use super::cases;
use anyhow::{Context as _, ensure};
use forge::Random;
use jiff::Timestamp;
use rotation_core::facts::x509::{Certificate, Request, read_pem};
use rotation_core::plan::certificate::{RowRules, Signer, lint_with};
use std::collections::BTreeSet;
use std::io::{Cursor, Read as _};
use std::time::Duration;

/// How many mutations a normal run makes; `ROTATION_MUTATIONS` says another number.
const MUTATIONS: usize = 20_000;
/// What one certificate may take of a processor, also without any optimization.
const LONGEST: Duration = Duration::from_millis(100);

/// All distinct bytes that somebody meant as a certificate.
fn all() -> anyhow::Result<Vec<Vec<u8>>> {
    let mut all = BTreeSet::new();
    for case in cases::limbo()? {
        let pems = case.trusted_certs.iter().chain(&case.untrusted_intermediates);
        for pem in pems.chain([&case.peer_certificate]) {
            all.extend(read_pem(pem.as_bytes()).blocks.into_iter().map(|b| b.der.to_vec()));
        }
    }
    let (root, chains) = cases::better_tls()?;
    all.insert(root);
    for chain in chains {
        all.extend(chain.ders()?);
    }
    let packed = super::file("webpki-tests-data.tar.xz")?;
    let mut plain = Vec::new();
    lzma_rs::xz_decompress(&mut packed.as_slice(), &mut plain).context("xz")?;
    for entry in tar::Archive::new(Cursor::new(plain)).entries()? {
        let mut entry = entry?;
        let ending = entry.path()?.extension().unwrap_or_default().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        match ending.as_str() {
            "der" | "crt" => {
                all.insert(bytes);
            }
            "pem" => all.extend(read_pem(&bytes).blocks.into_iter().map(|b| b.der.to_vec())),
            _ => {}
        }
    }
    Ok(all.into_iter().collect())
}

/// What this thread has used of a processor: what it waits for is not counted.
fn spent() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// What came out of looking at many.
#[derive(Default)]
struct Tally {
    read: usize,
    refused: usize,
    slowest: Duration,
}

impl Tally {
    /// Reads, judges and lets go; a panic ends the test, since there is nothing that catches it.
    fn look(&mut self, bytes: &[u8]) {
        let start = spent();
        match Certificate::from_der(bytes) {
            Ok(certificate) => {
                let rules = RowRules::inferred(&certificate);
                let findings =
                    lint_with("c", &rules, &certificate, Signer::Unknown, Timestamp::UNIX_EPOCH);
                let _ = (findings, certificate.is_self_signed());
                self.read += 1;
            }
            Err(_) => self.refused += 1,
        }
        let _ = Request::from_der(bytes);
        self.slowest = self.slowest.max(spent().saturating_sub(start));
    }

    /// Says what was seen, and whether anything took long.
    fn tell(&self, what: &str) -> anyhow::Result<()> {
        eprintln!(
            "{what}: {} read, {} refused, the slowest in {:.1?} of a processor",
            self.read, self.refused, self.slowest
        );
        ensure!(self.slowest < LONGEST, "{what}: one took {:?}", self.slowest);
        Ok(())
    }
}

pub(crate) fn all_are_parsed_or_refused() -> anyhow::Result<()> {
    let mut tally = Tally::default();
    for bytes in all()? {
        tally.look(&bytes);
    }
    tally.tell("certificates")?;
    ensure!(tally.read > 20_000 && tally.refused > 0, "the corpora are not whole");
    Ok(())
}

pub(crate) fn mutations_are_parsed_or_refused() -> anyhow::Result<()> {
    let wanted = forge::rounds(MUTATIONS);
    let seeds = all()?;
    let mut random = Random::seeded();
    let mut tally = Tally::default();
    for _ in 0..wanted {
        let seed = &seeds[random.below(seeds.len())];
        let other = &seeds[random.below(seeds.len())];
        tally.look(&random.mutate(seed, other));
    }
    tally.tell("mutations")?;
    ensure!(
        tally.read > 0 && tally.refused > 0,
        "mutations that are all read, or all refused, test nothing"
    );
    Ok(())
}
