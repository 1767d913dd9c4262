//! The door to randomness: private keys and serial numbers from the system's own source, and from nowhere else.

use super::interrupt::Interrupt;
use crate::facts::private_key::{KeyError, KeyType, PrivateKey};
use pkcs1::EncodeRsaPrivateKey as _;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
};
use rsa::rand_core::UnwrapErr;
use std::sync::atomic::{AtomicUsize, Ordering};
use zeroize::Zeroizing;

/// Makes a key.
///
/// # Panics
///
/// When the system has no random numbers: then no key may be made.
pub fn generate(kind: KeyType) -> Result<PrivateKey, KeyError> {
    let curve = match kind {
        KeyType::Rsa(bits) => return rsa(bits),
        KeyType::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        KeyType::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
    };
    let made = EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new());
    let document = made.expect("the system has random numbers");
    let document = Zeroizing::new(document.as_ref().to_vec());
    PrivateKey::from_pkcs8(&document)
}

fn rsa(bits: u16) -> Result<PrivateKey, KeyError> {
    let mut random = UnwrapErr(getrandom::SysRng);
    let fail = |what: String| KeyError::Rsa(what);
    let key =
        rsa::PrivateKey::new(&mut random, usize::from(bits)).map_err(|e| fail(e.to_string()))?;
    let document = key.to_pkcs1_der().map_err(|e| fail(e.to_string()))?;
    PrivateKey::from_pkcs1(document.as_bytes())
}

/// Makes keys of these kinds, in this order, on as many processors as there are; `None` when somebody asked to stop.
pub fn generate_all(
    kinds: &[KeyType],
    interrupt: &Interrupt,
) -> Result<Option<Vec<PrivateKey>>, KeyError> {
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(kinds.len());
    let work = || {
        let mut made = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(kind) = kinds.get(at).filter(|_| !interrupt.is_asked()) else {
                return Ok(made);
            };
            made.push((at, generate(*kind)?));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let mut all = work()?;
        for other in others {
            all.extend(other.join().expect("a worker that panics ends the process")?);
        }
        Ok::<_, KeyError>(all)
    })?;
    all.sort_by_key(|(at, _)| *at);
    let is_whole = all.len() == kinds.len();
    Ok(is_whole.then(|| all.into_iter().map(|(_, key)| key).collect()))
}

/// Random octets.
///
/// # Panics
///
/// When the system has no random numbers.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the system has random numbers");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::private_key::KeyType;

    #[test]
    fn keys_of_every_kind_are_read_again_and_are_never_the_same() {
        // 4096 bits take half a minute on a busy machine; the binary's tests make them.
        for kind in [KeyType::Rsa(2048), KeyType::P256, KeyType::P384] {
            let [a, b] = [generate(kind).expect("a key"), generate(kind).expect("a key")];
            assert_eq!(a.kind(), kind);
            assert_ne!(a.spki_der(), b.spki_der());
            assert!(!format!("{a:?}").contains("PRIVATE"), "{a:?}");
        }
    }

    #[test]
    fn many_keys_keep_the_order_in_which_they_were_asked_for() {
        let kinds: Vec<KeyType> =
            (0..20).map(|n| if n % 3 == 0 { KeyType::P384 } else { KeyType::P256 }).collect();
        let interrupt = Interrupt::never();
        let made = generate_all(&kinds, &interrupt).expect("keys").expect("nobody asked to stop");

        assert_eq!(made.iter().map(PrivateKey::kind).collect::<Vec<_>>(), kinds);
    }
}
