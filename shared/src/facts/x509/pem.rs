//! A lenient, bounded reader of PEM files (RFC 7468, and what people make of it).
//!
//! Files of a cluster carry carriage returns, comments, copies, indentation of a YAML file, text behind the last block,
//! keys beside certificates. All of that is read, and told as an [`Oddity`], since other readers stop at some of it.
//! Work is linear in the size of the file, and the size is bounded.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::fmt;
use zeroize::Zeroizing;

/// Bytes that a file may have: a system's whole bundle is below 1 MiB.
pub const FILE_LIMIT: usize = 16 << 20;
/// Blocks that are read of one file.
pub const BLOCK_LIMIT: usize = 10_000;
/// Oddities that are told of one file; after that many, the rest says nothing new.
const ODDITY_LIMIT: usize = 100;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// Base64 as people pad it, or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a block says that it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// `CERTIFICATE`, or `X509 CERTIFICATE` of old programs.
    Certificate,
    /// `TRUSTED CERTIFICATE`: OpenSSL's own form, with more behind the certificate.
    TrustedCertificate,
    /// `CERTIFICATE REQUEST`, or `NEW CERTIFICATE REQUEST`.
    Request,
    /// `PRIVATE KEY`: PKCS#8 (RFC 5958).
    Pkcs8Key,
    /// `RSA PRIVATE KEY`: PKCS#1 (RFC 8017).
    Pkcs1Key,
    /// `EC PRIVATE KEY`: SEC 1 (RFC 5915).
    Sec1Key,
    /// `ENCRYPTED PRIVATE KEY`, or an older form whose headers say that it is encrypted.
    EncryptedKey,
    /// `PUBLIC KEY`: a SubjectPublicKeyInfo.
    PublicKey,
    /// `RSA PUBLIC KEY`: PKCS#1.
    Pkcs1PublicKey,
    /// `X509 CRL`.
    RevocationList,
    /// Parameters of a curve or of Diffie and Hellman: said before a key, and nothing to look at.
    Parameters,
    /// Anything else.
    Other(String),
}

impl Label {
    fn of(words: &str) -> Self {
        match words {
            "CERTIFICATE" | "X509 CERTIFICATE" => Self::Certificate,
            "TRUSTED CERTIFICATE" => Self::TrustedCertificate,
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Self::Request,
            "PRIVATE KEY" => Self::Pkcs8Key,
            "RSA PRIVATE KEY" => Self::Pkcs1Key,
            "EC PRIVATE KEY" => Self::Sec1Key,
            "ENCRYPTED PRIVATE KEY" => Self::EncryptedKey,
            "PUBLIC KEY" => Self::PublicKey,
            "RSA PUBLIC KEY" => Self::Pkcs1PublicKey,
            "X509 CRL" => Self::RevocationList,
            "EC PARAMETERS" | "DH PARAMETERS" | "X9.42 DH PARAMETERS" => Self::Parameters,
            other => Self::Other(other.chars().take(64).collect()),
        }
    }

    /// Whether it holds a private key.
    pub fn is_private(&self) -> bool {
        match self {
            Self::Pkcs8Key | Self::Pkcs1Key | Self::Sec1Key | Self::EncryptedKey => true,
            Self::Other(words) => words.ends_with("PRIVATE KEY"),
            Self::Certificate
            | Self::TrustedCertificate
            | Self::Request
            | Self::PublicKey
            | Self::Pkcs1PublicKey
            | Self::RevocationList
            | Self::Parameters => false,
        }
    }
}

/// One block; its bytes are wiped when it is dropped.
pub struct Block {
    /// What it says that it is.
    pub label: Label,
    /// Line of its `BEGIN`, from 1.
    pub line: usize,
    /// What its base64 stands for.
    pub der: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at line {}, {} bytes", self.label, self.line, self.der.len())
    }
}

/// What is unusual about a file. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// It begins with a byte order mark: Go and OpenSSL miss the first block.
    ByteOrderMark,
    /// Lines end with carriage returns.
    CarriageReturns,
    /// Text outside of blocks, other than comments with `#`.
    TextOutside {
        /// The first such line.
        line: usize,
    },
    /// A block is indented, as in a YAML file.
    Indented {
        /// Its line.
        line: usize,
    },
    /// A block's content is no base64, or nothing at all.
    Broken {
        /// Its line.
        line: usize,
    },
    /// A block has no end, or ends as another one.
    Unterminated {
        /// Its line.
        line: usize,
    },
    /// More blocks than are read.
    TooMany,
}

/// A file, read.
#[derive(Debug, Default)]
pub struct Pem {
    /// Its blocks, in order.
    pub blocks: Vec<Block>,
    /// What is unusual, each kind told where it is seen first, broken blocks each.
    pub oddities: Vec<Oddity>,
}

/// A block that has begun.
struct Open {
    label: Label,
    words: Vec<u8>,
    line: usize,
    /// Base64 without blanks.
    text: Zeroizing<Vec<u8>>,
    encrypted: bool,
}

/// Reads every block of a text; what is longer than [`FILE_LIMIT`] is cut off there, and shows as [`Oddity::TooMany`].
pub fn read(bytes: &[u8]) -> Pem {
    let mut pem = Pem::default();
    let bytes = if bytes.len() > FILE_LIMIT {
        pem.note(Oddity::TooMany);
        &bytes[..FILE_LIMIT]
    } else {
        bytes
    };
    let bytes = if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        pem.note(Oddity::ByteOrderMark);
        rest
    } else {
        bytes
    };
    let mut open: Option<Open> = None;
    // A lone carriage return ended lines once; as text it would hide whole files in one line.
    for (index, raw) in bytes.split(|b| *b == b'\n').enumerate() {
        let number = index + 1;
        let line = raw.trim_ascii();
        if raw.ends_with(b"\r") {
            pem.note_once(Oddity::CarriageReturns);
        }
        if let Some(words) = between(line, BEGIN) {
            if let Some(unfinished) = open.take() {
                pem.note(Oddity::Unterminated { line: unfinished.line });
            }
            if pem.blocks.len() == BLOCK_LIMIT {
                pem.note(Oddity::TooMany);
                return pem;
            }
            if raw.first().is_some_and(u8::is_ascii_whitespace) {
                pem.note_first(Oddity::Indented { line: number });
            }
            open = Some(Open {
                label: Label::of(&String::from_utf8_lossy(words)),
                words: words.to_vec(),
                line: number,
                // Nothing is grown, so that no copy of a key is left behind.
                text: Zeroizing::new(Vec::with_capacity(block_size(bytes, raw))),
                encrypted: false,
            });
        } else if let Some(words) = between(line, END) {
            match open.take() {
                Some(block) if block.words == words => pem.close(block),
                Some(block) => pem.note(Oddity::Unterminated { line: block.line }),
                None => pem.note_first(Oddity::TextOutside { line: number }),
            }
        } else if let Some(block) = &mut open {
            if line.contains(&b':') {
                // A header of RFC 1421: `Proc-Type: 4,ENCRYPTED`.
                block.encrypted |= contains(line, b"ENCRYPTED");
            } else {
                block.text.extend(line.iter().filter(|b| !b.is_ascii_whitespace()));
            }
        } else if !line.is_empty() && !line.starts_with(b"#") {
            pem.note_first(Oddity::TextOutside { line: number });
        }
    }
    if let Some(unfinished) = open {
        pem.note(Oddity::Unterminated { line: unfinished.line });
    }
    pem
}

impl Pem {
    fn close(&mut self, block: Open) {
        let label = if block.encrypted { Label::EncryptedKey } else { block.label };
        let mut der = Zeroizing::new(vec![0; block.text.len() / 4 * 3 + 3]);
        match BASE64.decode_slice(&*block.text, &mut der) {
            Ok(length) if length > 0 => {
                der.truncate(length);
                self.blocks.push(Block { label, line: block.line, der });
            }
            Ok(_) | Err(_) => self.note(Oddity::Broken { line: block.line }),
        }
    }

    fn note(&mut self, oddity: Oddity) {
        if self.oddities.len() < ODDITY_LIMIT {
            self.oddities.push(oddity);
        }
    }

    fn note_once(&mut self, oddity: Oddity) {
        if !self.oddities.contains(&oddity) {
            self.note(oddity);
        }
    }

    /// Notes it unless one of its kind was noted, on whichever line.
    fn note_first(&mut self, oddity: Oddity) {
        let kind = std::mem::discriminant(&oddity);
        if !self.oddities.iter().any(|known| std::mem::discriminant(known) == kind) {
            self.note(oddity);
        }
    }
}

/// A block as every reader takes it: 64 columns, line feeds.
pub fn encode(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line));
    let lines: Vec<_> = lines.collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// What stands between a mark and the closing dashes.
fn between<'a>(line: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(mark)?.strip_suffix(DASHES)
}

fn contains(line: &[u8], words: &[u8]) -> bool {
    line.windows(words.len()).any(|window| window == words)
}

/// Bytes up to the next dash behind this line, which is where the block ends: an upper bound of its base64.
fn block_size(bytes: &[u8], line: &[u8]) -> usize {
    // Both are of one slice, so the distance is the line's place.
    let end = (line.as_ptr() as usize - bytes.as_ptr() as usize) + line.len();
    let rest = &bytes[end..];
    rest.iter().position(|b| *b == b'-').unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    const DER: &[u8] = &[0x30, 3, 2, 1, 1];

    fn only(text: &str) -> (Vec<(Label, usize)>, Vec<Oddity>) {
        let pem = read(text.as_bytes());
        for block in &pem.blocks {
            assert_eq!(&**block.der, DER, "{text}");
        }
        (pem.blocks.iter().map(|b| (b.label.clone(), b.line)).collect(), pem.oddities)
    }

    #[test]
    fn whatever_people_do_to_a_file_it_is_read() {
        let good = vec![(Label::Certificate, 1)];
        let at = |line| vec![(Label::Certificate, line)];
        let indented = BLOCK.replace("-----BEGIN", "  -----BEGIN").replace("MAMC", "    MAMC");
        let cases = [
            (BLOCK.to_owned(), good.clone(), vec![]),
            (BLOCK.trim_end().to_owned(), good.clone(), vec![]),
            (format!("# the CA\n\n{BLOCK}# end\n"), at(3), vec![]),
            (BLOCK.replace('\n', "\r\n"), good.clone(), vec![Oddity::CarriageReturns]),
            (format!("\u{feff}{BLOCK}"), good.clone(), vec![Oddity::ByteOrderMark]),
            (
                format!("subject=CN = x\nmore\n{BLOCK}"),
                at(3),
                vec![Oddity::TextOutside { line: 1 }],
            ),
            (format!("{BLOCK}trailing"), good.clone(), vec![Oddity::TextOutside { line: 4 }]),
            (indented, good.clone(), vec![Oddity::Indented { line: 1 }]),
            (BLOCK.replace("MAMCAQE=", "MAMC\nAQE="), good.clone(), vec![]),
            (BLOCK.replace("MAMCAQE=", "MAMCAQE"), good.clone(), vec![]),
            (BLOCK.replace("MAMCAQE=", "MAMC AQE= "), good.clone(), vec![]),
            (BLOCK.replace("MAMCAQE=", "MAMC!QE="), vec![], vec![Oddity::Broken { line: 1 }]),
            (BLOCK.replace("MAMCAQE=\n", ""), vec![], vec![Oddity::Broken { line: 1 }]),
            (BLOCK.replace("-----END", "END"), vec![], vec![Oddity::Unterminated { line: 1 }]),
            (
                BLOCK.replace("END CERTIFICATE", "END X"),
                vec![],
                vec![Oddity::Unterminated { line: 1 }],
            ),
            (
                format!("-----BEGIN X-----\nAAAA\n{BLOCK}"),
                at(3),
                vec![Oddity::Unterminated { line: 1 }],
            ),
            (format!("-----END X-----\n{BLOCK}"), at(2), vec![Oddity::TextOutside { line: 1 }]),
            (String::new(), vec![], vec![]),
        ];
        for (text, blocks, oddities) in cases {
            assert_eq!(only(&text), (blocks, oddities), "{text:?}");
        }
    }

    #[test]
    fn labels() {
        let of = |label: &str, more: &str| {
            let text = format!("-----BEGIN {label}-----\n{more}MAMCAQE=\n-----END {label}-----\n");
            only(&text).0[0].0.clone()
        };
        assert_eq!(of("X509 CERTIFICATE", ""), Label::Certificate);
        assert_eq!(of("NEW CERTIFICATE REQUEST", ""), Label::Request);
        let headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n";
        assert_eq!(of("RSA PRIVATE KEY", headers), Label::EncryptedKey);
        assert_eq!(of("RSA PRIVATE KEY", ""), Label::Pkcs1Key);
        assert_eq!(of("OPENSSH PRIVATE KEY", ""), Label::Other("OPENSSH PRIVATE KEY".into()));
        for (label, private) in
            [("EC PRIVATE KEY", true), ("OPENSSH PRIVATE KEY", true), ("PUBLIC KEY", false)]
        {
            assert_eq!(of(label, "").is_private(), private, "{label}");
        }
    }

    #[test]
    fn the_work_is_bounded() {
        let many = BLOCK.repeat(BLOCK_LIMIT + 1);
        let pem = read(many.as_bytes());
        assert_eq!((pem.blocks.len(), pem.oddities), (BLOCK_LIMIT, vec![Oddity::TooMany]));
        let broken = "-----BEGIN X-----\n".repeat(1000);
        assert_eq!(read(broken.as_bytes()).oddities.len(), ODDITY_LIMIT);
    }

    #[test]
    fn a_block_shows_no_bytes() {
        let pem = read(BLOCK.replace("CERTIFICATE", "PRIVATE KEY").as_bytes());
        assert_eq!(format!("{:?}", pem.blocks), "[Pkcs8Key at line 1, 5 bytes]");
    }
}
