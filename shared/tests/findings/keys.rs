//! The public part of a private key, in each form in which keys are written.

use forge::Key;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rotation_core::facts::credential::Digest;
use rotation_core::facts::private_key::KeyType;
use rotation_core::facts::x509::{KeyPart, encode, private_part, public_part, read_pem};
use rotation_core::world::keys;

fn part(pem: &str) -> KeyPart {
    let read = read_pem(pem.as_bytes());
    private_part(read.blocks.last().expect("a block"))
}

#[test]
fn in_pkcs1_and_sec1() {
    for kind in [KeyType::Rsa(2048), KeyType::P256, KeyType::P384] {
        let key = keys::generate(kind).expect("a key");
        assert_eq!(part(&key.to_pem()), KeyPart::Public(Digest::of(key.spki_der())), "{kind}");
    }
}

#[test]
fn in_pkcs8() {
    let key = Key::new();
    assert_eq!(part(&key.pem()), KeyPart::Public(Digest::of(&key.spki())));
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key");
    let public = [
        &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..],
        pair.public_key().as_ref(),
    ];
    let expected = KeyPart::Public(Digest::of(&public.concat()));
    assert_eq!(part(&encode("PRIVATE KEY", pkcs8.as_ref())), expected);
}

#[test]
fn what_is_not_seen_is_said() {
    assert_eq!(part(&encode("ENCRYPTED PRIVATE KEY", &[0x30, 0])), KeyPart::Encrypted);
    assert_eq!(part(&encode("OPENSSH PRIVATE KEY", &[0])), KeyPart::Unknown);
    for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
        assert_eq!(part(&encode(label, &[0x30, 3, 2, 1, 1])), KeyPart::Unreadable, "{label}");
    }
    // A point is optional in SEC 1: without it nothing is known, and nothing is wrong.
    let bare = [0x30, 7, 2, 1, 1, 4, 2, 9, 9];
    assert_eq!(part(&encode("EC PRIVATE KEY", &bare)), KeyPart::Unknown);
}

#[test]
fn public_keys_alone() {
    let key = Key::new();
    let read = read_pem(key.public_pem().as_bytes());
    assert_eq!(public_part(&read.blocks[0]), Some(Digest::of(&key.spki())));
    let read = read_pem(encode("PUBLIC KEY", &[0x30, 0]).as_bytes());
    assert_eq!(public_part(&read.blocks[0]), None);
}
