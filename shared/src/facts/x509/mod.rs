//! Certificates, requests and PEM files as plain facts, whoever made them.
//!
//! Reading is lax where that is safe: what strict readers refuse is to be shown to an operator, not to end the look at
//! it. What is trusted is another question, which `plan::certificate` answers with a strict reader beside this one.
//! Nothing here keeps a private key: keys are known by the SHA-256 of their public part.

mod algorithm;
mod certificate;
pub(in crate::facts) mod der;
mod extensions;
mod key;
mod name;
mod pem;
mod request;
mod san;
mod signature;

pub use algorithm::{KeyKind, SignatureKind, Strength};
pub use certificate::{Certificate, SIZE_LIMIT, X509Error};
pub use extensions::{
    Authority, AuthorityKey, Constraints, ExtendedUsages, Extensions, KeyUsages, Marked, Unknown,
};
pub use key::{KeyPart, private_part, public_part};
pub use name::Name;
pub use pem::{BLOCK_LIMIT, Block, FILE_LIMIT, Label, Oddity, Pem, encode, read as read_pem};
pub use request::Request;
pub use san::{San, SanError};
pub use signature::Signed;
pub(crate) use signature::TRUSTED;
