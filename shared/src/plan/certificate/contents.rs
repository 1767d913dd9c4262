//! What a file holds: certificates, keys, requests, and what is unusual about it. Private keys leave only digests.

use super::finding::{Finding, Kind};
use crate::facts::credential::Digest;
use crate::facts::kubeconfig::Kubeconfig;
use crate::facts::x509::{
    Block, Certificate, FILE_LIMIT, KeyPart, Label, Oddity, Request, private_part, public_part,
    read_pem,
};
use base64::Engine as _;
use zeroize::Zeroizing;

/// Something and where it stands: the file, and the line where it has several blocks.
#[derive(Clone, Debug)]
pub struct Placed<T> {
    /// The place, for findings.
    pub place: String,
    /// What stands there.
    pub value: T,
}

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Certificates, in order.
    pub certificates: Vec<Placed<Certificate>>,
    /// Private keys.
    pub keys: Vec<Placed<KeyPart>>,
    /// Public keys that stand alone.
    pub public_keys: Vec<Placed<Digest>>,
    /// Requests.
    pub requests: Vec<Placed<Request>>,
    /// Fingerprints of the CAs that a kubeconfig trusts; empty for other files.
    pub trusted: Vec<Digest>,
    /// Whether it is a kubeconfig.
    pub kubeconfig: bool,
    /// Whether it is a document with PEM inside: a pillar, variables. What is odd in a file of PEM is usual there.
    pub document: bool,
    /// What was seen while reading.
    pub findings: Vec<Finding>,
}

impl Contents {
    /// Reads the bytes of a file. What is neither PEM nor DER nor a kubeconfig is read as holding nothing.
    pub fn read(path: &str, bytes: &[u8]) -> Self {
        let mut contents = Self { document: is_yaml(path), ..Self::default() };
        if bytes.len() > FILE_LIMIT {
            contents.say(Kind::FileTooLarge, path, format!("it has {} bytes", bytes.len()));
            return contents;
        }
        if let Some(kubeconfig) = std::str::from_utf8(bytes).ok().filter(|text| is_kubeconfig(text))
        {
            contents.kubeconfig(path, kubeconfig);
        } else if is_der(bytes) {
            contents.der(path, bytes);
        } else {
            contents.pem(path, bytes);
        }
        contents
    }

    /// The same for a file that somebody named, or whose name says that it holds something: holding nothing is a finding.
    pub fn expected(path: &str, bytes: &[u8]) -> Self {
        let mut contents = Self::read(path, bytes);
        if contents.is_empty() && contents.findings.is_empty() {
            contents.say(
                Kind::FileEmpty,
                path,
                "it holds no certificate, key, request or kubeconfig",
            );
        }
        contents
    }

    /// A file that could not be read, for this reason.
    pub fn unreadable(path: &str, why: &str) -> Self {
        let mut contents = Self::default();
        contents.say(Kind::FileUnreadable, path, why);
        contents
    }

    /// Whether it holds nothing that is looked at.
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
            && self.keys.is_empty()
            && self.public_keys.is_empty()
            && self.requests.is_empty()
            && !self.kubeconfig
    }

    fn say(&mut self, kind: Kind, place: &str, what: impl Into<String>) {
        self.findings.push(Finding::new(kind, place, what));
    }

    fn der(&mut self, path: &str, bytes: &[u8]) {
        if let Ok(certificate) = Certificate::from_der(bytes) {
            self.say(Kind::FileIsDer, path, "it is a certificate in DER");
            self.certificates.push(Placed { place: path.to_owned(), value: certificate });
        } else if let Ok(request) = Request::from_der(bytes) {
            self.say(Kind::FileIsDer, path, "it is a certificate signing request in DER");
            self.requests.push(Placed { place: path.to_owned(), value: request });
        } else {
            self.say(Kind::CertificateUnparsable, path, "it is DER, and no certificate");
        }
    }

    fn pem(&mut self, path: &str, bytes: &[u8]) {
        let pem = read_pem(bytes);
        let several = pem.blocks.len() > 1;
        for oddity in &pem.oddities {
            self.oddity(path, oddity, pem.blocks.is_empty());
        }
        for block in &pem.blocks {
            let place = if several { format!("{path}:{}", block.line) } else { path.to_owned() };
            self.block(&place, block);
        }
    }

    fn oddity(&mut self, path: &str, oddity: &Oddity, nothing: bool) {
        let at = |line: &usize| format!("{path}:{line}");
        match oddity {
            Oddity::ByteOrderMark => {
                self.say(Kind::PemByteOrderMark, path, "it begins with a byte order mark");
            }
            Oddity::CarriageReturns if !nothing => {
                self.say(Kind::PemCarriageReturns, path, "its lines end with carriage returns");
            }
            Oddity::Indented { line } if !self.document => {
                self.say(Kind::PemIndented, &at(line), "the block is indented");
            }
            // Any text file has text outside of blocks.
            Oddity::TextOutside { line } if !self.document && !nothing => {
                self.say(Kind::PemTextOutside, &at(line), "there is text outside of the blocks");
            }
            Oddity::CarriageReturns | Oddity::Indented { .. } | Oddity::TextOutside { .. } => {}
            Oddity::Broken { line } => {
                self.say(Kind::PemBroken, &at(line), "the block is not base64, or is empty");
            }
            Oddity::Unterminated { line } => {
                self.say(Kind::PemUnterminated, &at(line), "the block has no end of its own");
            }
            Oddity::TooMany => {
                self.say(Kind::FileTooLarge, path, "it has more blocks than are read");
            }
        }
    }

    fn block(&mut self, place: &str, block: &Block) {
        let place_of = || place.to_owned();
        match &block.label {
            Label::Certificate | Label::TrustedCertificate => {
                match Certificate::from_der(&block.der) {
                    Ok(value) => {
                        if block.label == Label::TrustedCertificate {
                            self.say(
                                Kind::PemTrustedCertificate,
                                place,
                                "the block is a `TRUSTED CERTIFICATE`",
                            );
                        }
                        self.certificates.push(Placed { place: place_of(), value });
                    }
                    Err(why) => self.say(Kind::CertificateUnparsable, place, why.to_string()),
                }
            }
            Label::Request => match Request::from_der(&block.der) {
                Ok(value) => {
                    if !value.is_signed() {
                        self.say(
                            Kind::RequestUnsigned,
                            place,
                            "its signature is not of the key that it names",
                        );
                    }
                    self.requests.push(Placed { place: place_of(), value });
                }
                Err(why) => self.say(Kind::RequestUnparsable, place, why.to_string()),
            },
            Label::PublicKey | Label::Pkcs1PublicKey => match public_part(block) {
                Some(value) => self.public_keys.push(Placed { place: place_of(), value }),
                None => self.say(Kind::KeyUnreadable, place, "the public key cannot be read"),
            },
            Label::Pkcs8Key | Label::Pkcs1Key | Label::Sec1Key | Label::EncryptedKey => {
                let value = private_part(block);
                match value {
                    KeyPart::Unreadable => {
                        self.say(Kind::KeyUnreadable, place, "the private key cannot be read");
                    }
                    KeyPart::Encrypted => {
                        self.say(Kind::KeyEncrypted, place, "the private key is encrypted");
                    }
                    KeyPart::Public(_) | KeyPart::Unknown => {}
                }
                self.keys.push(Placed { place: place_of(), value });
            }
            Label::Parameters | Label::RevocationList => {}
            Label::Other(label) => {
                let what = format!("the block is a `{label}`");
                self.say(Kind::PemUnknownBlock, place, what);
                if block.label.is_private() {
                    self.keys.push(Placed { place: place_of(), value: KeyPart::Unknown });
                }
            }
        }
    }

    fn kubeconfig(&mut self, path: &str, text: &str) {
        self.kubeconfig = true;
        // The parser's words may hold a piece of the file, and with it of a key.
        let Some(read) = Kubeconfig::read(text) else {
            self.say(Kind::KubeconfigUnreadable, path, "it is no YAML of a kubeconfig");
            return;
        };
        for cluster in read.clusters {
            let Some(data) = cluster.cluster.certificate_authority_data else { continue };
            let inside = self.embedded(path, "certificate-authority-data", &data);
            self.trusted.extend(inside.certificates.iter().map(|c| c.value.fingerprint()));
        }
        for user in read.users {
            if let Some(data) = user.user.client_certificate_data {
                let inside = self.embedded(path, "client-certificate-data", &data);
                self.certificates.extend(inside.certificates);
            }
            if let Some(data) = user.user.client_key_data {
                let inside = self.embedded(path, "client-key-data", &data.0);
                self.keys.extend(inside.keys);
            }
        }
    }

    /// PEM in base64 inside a kubeconfig; what is wrong with it is said about the file.
    fn embedded(&mut self, path: &str, field: &str, data: &str) -> Self {
        let mut inside = Self::default();
        match base64::engine::general_purpose::STANDARD.decode(data.trim()).map(Zeroizing::new) {
            Ok(bytes) => inside.pem(path, &bytes),
            Err(_) => {
                self.say(Kind::KubeconfigUnreadable, path, format!("its {field} is not base64"));
            }
        }
        for list in inside
            .certificates
            .iter_mut()
            .map(|c| &mut c.place)
            .chain(inside.keys.iter_mut().map(|k| &mut k.place))
        {
            path.clone_into(list);
        }
        self.findings
            .extend(inside.findings.drain(..).map(|f| Finding { place: path.to_owned(), ..f }));
        inside
    }
}

fn is_kubeconfig(text: &str) -> bool {
    let line = |wanted: &str| text.lines().any(|line| line.trim_end() == wanted);
    line("kind: Config") && (text.contains("\nclusters:") || text.starts_with("clusters:"))
        || text.trim_start().starts_with('{')
            && text.contains("\"clusters\"")
            && text.contains("\"Config\"")
}

/// A SEQUENCE whose length takes more than one octet, as that of any certificate does: no text begins so.
fn is_der(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, 0x81..=0x84, ..])
}

/// Documents in which PEM is indented by right: pillars, variables, manifests.
fn is_yaml(path: &str) -> bool {
    [".yml", ".yaml", ".sls"].iter().any(|ending| path.ends_with(ending))
}
