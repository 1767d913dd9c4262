//! What can be wrong with certificates: a closed list, each kind with an id that never changes its meaning.

use serde::{Serialize, Serializer};
use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something refuses it, or will as soon as it is used as it is meant.
    Error,
    /// It works today, and some program, some order or some date breaks it.
    Warning,
    /// Worth knowing; nothing has to be done. It does not change the exit code.
    Note,
}

impl Severity {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One judgement about one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where: a file, with the line of the PEM block behind a colon where it has several.
    pub place: String,
    /// What kind of thing is wrong.
    pub kind: Kind,
    /// What is wrong, in one sentence with the values that were seen.
    pub what: String,
    /// What to type or to do.
    pub fix: String,
}

impl Finding {
    /// A finding with the advice of its kind.
    pub fn new(kind: Kind, place: &str, what: impl Into<String>) -> Self {
        let file = file_of(place);
        Self {
            kind,
            place: place.to_owned(),
            what: what.into(),
            fix: kind.fix().replace("FILE", file),
        }
    }

    /// The id of its kind.
    pub fn id(&self) -> &'static str {
        self.kind.id()
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.kind.severity()
    }
}

/// The file of a place: without the line.
fn file_of(place: &str) -> &str {
    match place.rsplit_once(':') {
        Some((file, line)) if !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()) => file,
        _ => place,
    }
}

macro_rules! kinds {
    ($($(#[$group:meta])* $name:ident, $id:literal, $severity:ident, $about:literal, $fix:expr;)*) => {
        /// Every kind of finding. Ids are for scripts and for lists of exceptions: they are never used for another meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = $about] $name,)*
        }

        impl Kind {
            /// All of them, in the order of the document.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// For scripts.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id),* }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),* }
            }

            /// What it means.
            pub fn about(self) -> &'static str {
                match self { $(Self::$name => $about),* }
            }

            /// What to do; `FILE` stands for the file.
            pub fn fix(self) -> &'static str {
                match self { $(Self::$name => $fix),* }
            }
        }
    };
}

/// The advice for whatever only a new certificate mends.
const REISSUE: &str = "issue it again: `kubectl rotate-certs generate --layout LAYOUT -o DIR --force-regen` sets this field as it must be";
/// The same for a CA.
const REISSUE_CA: &str = "make a new generation of this CA with `kubectl rotate-certs generate`, or the same key with `--renew-ca`";
/// The same for a CA whose key is the trouble.
const NEW_CA: &str = "make a new CA with `kubectl rotate-certs generate`; a new certificate of the same key does not help";
/// The advice for files that are damaged.
const RESTORE: &str =
    "look at it with `openssl storeutl -noout -text FILE`, and restore it or issue it again";

kinds! {
    // Files and PEM.
    FileUnreadable, "file-unreadable", Error, "The file cannot be read", "run it as the file's owner, or look at `ls -l FILE`";
    FileEmpty, "file-empty", Error, "The file holds no certificate, key or request", RESTORE;
    FileTooLarge, "file-too-large", Error, "The file has more bytes or blocks than are read", "split it, or name the files that it was made of";
    PemBroken, "pem-broken", Error, "A block is not base64, or is empty", RESTORE;
    PemUnterminated, "pem-unterminated", Error, "A block has no end, or ends as another one", RESTORE;
    PemByteOrderMark, "pem-byte-order-mark", Error, "The file begins with a byte order mark, and Go misses its first block", "run `sed -i '1s/^\\xEF\\xBB\\xBF//' FILE`";
    PemIndented, "pem-indented", Warning, "A block is indented; Go and OpenSSL do not see it", "run `sed -i 's/^[ \\t]*//' FILE`";
    PemCarriageReturns, "pem-carriage-returns", Note, "Lines end with carriage returns", "run `sed -i 's/\\r$//' FILE`";
    PemTextOutside, "pem-text-outside", Note, "There is text outside of the blocks", "nothing has to be done; some programs show it as part of the certificate";
    PemTrustedCertificate, "pem-trusted-certificate", Warning, "A `TRUSTED CERTIFICATE` block: only OpenSSL reads it", "run `openssl x509 -in FILE -out FILE.new`, and put it in its place";
    PemUnknownBlock, "pem-unknown-block", Note, "A block of a kind that is not looked into", "nothing has to be done";
    FileIsDer, "file-is-der", Warning, "The file is DER where components read PEM", "run `openssl x509 -inform der -in FILE -out FILE.pem`";
    CertificateUnparsable, "certificate-unparsable", Error, "A block is no certificate", RESTORE;
    RequestUnparsable, "request-unparsable", Error, "A block is no certificate signing request", "make it again";
    RequestUnsigned, "request-unsigned", Error, "A certificate signing request is not signed by its own key", "make it again with the key that it names";
    CertificateTrailing, "certificate-trailing-bytes", Error, "Bytes follow the certificate inside its block; Go refuses it", RESTORE;
    CertificateStrict, "certificate-not-strict", Error, "Strict readers (rustls) refuse the certificate", REISSUE;
    CertificateDuplicate, "certificate-duplicate", Warning, "The same certificate is in the file twice", "remove one of the two blocks";

    // Form (RFC 5280).
    VersionOld, "version-not-3", Error, "The certificate is not of version 3", REISSUE;
    SerialNotPositive, "serial-not-positive", Error, "The serial number is zero or negative", REISSUE;
    SerialTooLong, "serial-too-long", Error, "The serial number has more than 20 octets", REISSUE;
    SerialGuessable, "serial-guessable", Warning, "The serial number is too small to be random", REISSUE;
    SerialRepeated, "serial-repeated", Error, "Two certificates of one CA have the same serial number", "issue one of them again";
    SignatureMismatch, "signature-algorithms-differ", Error, "The signed part names another signature algorithm than the signature", REISSUE;
    SignatureWeak, "signature-weak", Error, "The signature is made with MD5, SHA-1 or something as old", REISSUE;
    SignatureWeakRoot, "signature-weak-root", Warning, "A root signed itself with SHA-1 or older; nobody checks that, but scanners report it", REISSUE_CA;
    SignatureUncommon, "signature-uncommon", Warning, "The signature's algorithm is one that not every component knows", REISSUE;
    DateEncoding, "date-encoding", Error, "A date is in the form of another century: UTCTime to 2049, GeneralizedTime from 2050", REISSUE;
    IssuerEmpty, "issuer-empty", Error, "The issuer has no name", REISSUE;
    SubjectEmptyCa, "ca-subject-empty", Error, "A CA has no name", REISSUE_CA;
    SubjectIsIssuer, "leaf-subject-is-issuer", Error, "A leaf bears its CA's name: verifiers take it for self-signed", REISSUE;
    ExtensionRepeated, "extension-repeated", Error, "An extension is there twice", REISSUE;
    ExtensionMalformed, "extension-malformed", Error, "An extension's content cannot be read", REISSUE;
    ExtensionUnknownCritical, "extension-unknown-critical", Error, "An extension that nobody knows is critical", REISSUE;

    // Key identifiers.
    AkiMissing, "aki-missing", Error, "It does not say whose key signed it: with two CAs of one name, verifiers pick the wrong one", REISSUE;
    AkiCritical, "aki-critical", Error, "The authority key identifier is critical", REISSUE;
    AkiMismatch, "aki-mismatch", Error, "The authority key identifier names another key than the CA's", REISSUE;
    AkiNamesIssuer, "aki-names-serial", Warning, "The authority key identifier names the CA's serial number: a renewed CA of the same key will not fit", REISSUE;
    SkiMissingCa, "ca-ski-missing", Error, "A CA has no subject key identifier", REISSUE_CA;
    SkiMissing, "ski-missing", Note, "A leaf has no subject key identifier", REISSUE;
    SkiCritical, "ski-critical", Error, "The subject key identifier is critical", REISSUE;

    // Who may sign.
    NotACa, "not-a-ca", Error, "It is used as a CA and does not say that it is one", REISSUE_CA;
    LeafIsCa, "leaf-is-ca", Error, "It is used as a leaf and says that it is a CA", REISSUE;
    ConstraintsNotCritical, "ca-constraints-not-critical", Error, "A CA's basic constraints are not critical", REISSUE_CA;
    ConstraintsMissing, "basic-constraints-missing", Note, "A leaf does not say that it is no CA", REISSUE;
    PathLengthOnLeaf, "path-length-on-leaf", Error, "It is no CA, and has a path length", REISSUE;
    PathLengthNoBridge, "path-length-no-bridge", Note, "A root's path length of 0 forbids cross-signing a next generation", "nothing has to be done unless generations are to be cross-signed";
    PathLengthExceeded, "path-length-exceeded", Error, "There are more CAs below a CA than its path length allows", REISSUE_CA;
    UsagesMissingCa, "ca-key-usage-missing", Error, "A CA has no key usage", REISSUE_CA;
    CertSignMissing, "ca-cannot-sign", Error, "A CA's key usage does not allow signing certificates", REISSUE_CA;
    UsagesMissing, "key-usage-missing", Warning, "A leaf has no key usage", REISSUE;
    UsagesEmpty, "key-usage-empty", Error, "The key usage allows nothing", REISSUE;
    UsagesNotCritical, "key-usage-not-critical", Warning, "The key usage is not critical", REISSUE;
    CertSignOnLeaf, "leaf-may-sign", Error, "A leaf's key usage allows signing certificates", REISSUE;
    SignatureUsageMissing, "digital-signature-missing", Error, "A leaf's key usage does not allow signatures: no TLS 1.3", REISSUE;
    EnciphermentPointless, "key-encipherment-without-rsa", Warning, "The key usage allows key encipherment, which only RSA keys can do", REISSUE;
    EnciphermentMissing, "key-encipherment-missing", Note, "A server's RSA key may not encipher keys: old clients of TLS 1.2 fail", REISSUE;
    ExtendedMissing, "eku-missing", Error, "A leaf has no extended key usage: it is good for anything", REISSUE;
    ExtendedEmpty, "eku-empty", Error, "The extended key usage allows nothing", REISSUE;
    ExtendedAny, "eku-any", Error, "The extended key usage allows anything", REISSUE;
    ExtendedCritical, "eku-critical", Warning, "The extended key usage is critical", REISSUE;
    ExtendedWrong, "eku-wrong", Error, "The extended key usage does not allow what the certificate is for", REISSUE;
    ExtendedMore, "eku-more", Warning, "The extended key usage allows more than the certificate is for", REISSUE;
    ExtendedOnRoot, "eku-on-root", Warning, "A root has an extended key usage, and some verifiers hold it against its leaves", REISSUE_CA;
    NameConstraintsOnLeaf, "name-constraints-on-leaf", Error, "A leaf has name constraints", REISSUE;
    NameConstraintsUnmarked, "name-constraints-not-critical", Error, "Name constraints are not critical: who does not know them passes over them", REISSUE_CA;
    NameConstraintsUnfit, "name-constraints-unfit", Error, "Name constraints are empty, or constrain nothing that exists", REISSUE_CA;
    NameConstraintsViolated, "name-constraints-violated", Error, "A CA's name constraints forbid the names below it", REISSUE;
    PolicyConstraintsUnmarked, "policy-constraints-not-critical", Error, "Policy constraints are not critical", REISSUE_CA;

    // Names.
    SanMissing, "san-missing", Error, "A server has no subject alternative names; nobody reads the common name any more", REISSUE;
    SanEmpty, "san-empty", Error, "The list of subject alternative names is empty", REISSUE;
    SanNotCovering, "san-not-covering", Error, "A name under which the peer is reached is not in the certificate", REISSUE;
    SanUnexpected, "san-unexpected", Warning, "The certificate has a name that is not on the list", REISSUE;
    SanIpAsDns, "san-ip-as-dns", Error, "An address is written as a host name: no client compares it", REISSUE;
    SanInvalid, "san-invalid", Error, "A subject alternative name is none", REISSUE;
    SanDuplicate, "san-duplicate", Warning, "A subject alternative name is there twice", REISSUE;
    SanWildcard, "san-wildcard", Warning, "A subject alternative name is a wildcard", REISSUE;
    SanOther, "san-other-kind", Warning, "A subject alternative name is neither a host name nor an address; the API server signs no such kubelet", REISSUE;
    SanCritical, "san-critical", Warning, "The subject alternative names are critical though there is a subject", REISSUE;
    SanUnmarked, "san-not-critical", Error, "There is no subject, and the subject alternative names are not critical", REISSUE;
    SanKubernetes, "san-kubernetes-incomplete", Warning, "An API server's certificate lacks some of the names that pods use for it", REISSUE;
    CommonNameUncovered, "common-name-not-in-san", Warning, "The common name is a host name that is not among the subject alternative names", REISSUE;
    CommonNameWrong, "common-name-wrong", Error, "The common name is another one than this file's", REISSUE;
    OrganizationWrong, "organization-wrong", Error, "The organisations are others than this file's: the user gets other rights", REISSUE;
    NodeGroupMissing, "node-group-missing", Error, "A node's certificate has not both the user `system:node:NAME` and the group `system:nodes`", REISSUE;
    MastersGroup, "masters-group", Warning, "A client is in `system:masters`: its rights cannot be taken away before it expires", REISSUE;

    // Keys.
    KeyWeak, "key-weak", Error, "The key is too small: RSA below 2048 bits", "make a new key: issue it again without `--reuse-key`";
    KeyUnsupported, "key-unsupported", Error, "A key of a kind or on a curve that components of Kubernetes do not take", "make a new key: issue it again without `--reuse-key`";
    KeyUncommon, "key-uncommon", Warning, "A key that not every component takes: P-521, Ed25519, very large RSA", "make a new key: issue it again without `--reuse-key`";
    KeyOddSize, "key-odd-size", Error, "The bits of an RSA key are not whole octets", "make a new key: issue it again without `--reuse-key`";
    KeyExponent, "key-exponent", Error, "The public exponent of an RSA key is even or below 65537", "make a new key: issue it again without `--reuse-key`";
    KeyTooLongInUse, "ca-rsa-2048-after-2030", Note, "An RSA key below 3072 bits signs as a CA beyond 2030", NEW_CA;
    KeyUnreadable, "key-unreadable", Error, "A private key cannot be read", RESTORE;
    KeyEncrypted, "key-encrypted", Note, "A private key is encrypted: whether it fits is not seen, and no component reads it", "run `openssl pkey -in FILE -out FILE.open` where a component is to read it";
    KeyDoesNotFit, "key-does-not-fit", Error, "The private key is not the certificate's", "put key and certificate of one generation together; `openssl pkey -in FILE -pubout` shows the public part";
    KeyMissing, "key-missing", Error, "There is no private key beside the certificate", "restore the key, or issue the certificate again";
    KeyWithoutCertificate, "key-without-certificate", Warning, "A private key fits no certificate and no public key of the set", "remove it, or restore its certificate";
    KeyShared, "key-shared", Error, "A CA and a leaf, or two leaves of different subjects, have one key", "issue one of them again with a key of its own";
    KeySignsTokens, "key-signs-tokens", Warning, "A serving key is the one that signs tokens of service accounts: a new one ends every token", "keep it with `kubectl rotate-certs generate --reuse-key`, or plan new tokens with the certificates";
    KeyBesideCertificate, "key-in-certificate-file", Note, "Certificate and private key are in one file", "nothing has to be done where the component wants it so, as the kubelet does";
    PublicKeyDoesNotFit, "public-key-does-not-fit", Error, "A public key file is not of its private key", "run `openssl pkey -in KEY -pubout -out FILE`";

    // Dates.
    Expired, "expired", Error, "It is no longer valid", REISSUE;
    NotYetValid, "not-yet-valid", Error, "It is not valid yet", "look at the clock with `date -u`, and issue it again where that is right";
    ExpiresCritically, "expires-critically", Error, "It ends very soon", REISSUE;
    ExpiresSoon, "expires-soon", Warning, "It ends soon", REISSUE;
    DatesInverted, "dates-inverted", Error, "It ends before it begins", REISSUE;
    LivesTooLong, "lives-too-long", Warning, "It is valid for longer than its kind should be", REISSUE;
    BeginsImplausibly, "begins-implausibly", Warning, "It begins before there was Kubernetes: linters that judge by that date say nothing", REISSUE;
    OutlivesIssuer, "outlives-ca", Error, "It ends after the CA that signed it", REISSUE;
    BeginsBeforeIssuer, "begins-before-ca", Warning, "It begins before the CA that signed it", REISSUE;
    ClockImplausible, "clock-implausible", Error, "The clock, or `--at`, says a year before 2020: nothing about dates can be judged", "set the clock, or give the time with `--at`";

    // Chains and pools.
    IssuerNotFound, "issuer-not-found", Error, "No CA of its issuer's name is in the pool", "add the CA that signed it: `--ca FILE`; or issue it again under this one";
    SignedByAnother, "signed-by-another-ca", Error, "A CA of its issuer's name is there, and did not sign it", "use the CA of the same generation, or issue it again";
    SignatureUnchecked, "signature-unchecked", Error, "The signature is of a kind that is not trusted: it was not checked", REISSUE;
    IssuerExpired, "ca-expired", Error, "A CA of the chain is not valid at that time", REISSUE_CA;
    ChainBroken, "chain-broken", Error, "No chain leads to the pool, for a reason that strict verifiers give", REISSUE;
    SelfSignedLeaf, "leaf-self-signed", Error, "A leaf signed itself: nothing trusts it unless it is in every pool", REISSUE;
    AmbiguousIssuer, "ambiguous-issuer", Error, "Two CAs of the pool bear its issuer's name, and no key identifier tells them apart: OpenSSL, GnuTLS and NSS fail, depending on the order", "issue it again with an authority key identifier before both CAs are in one bundle";
    CasShareSubject, "cas-share-subject", Warning, "Two CAs with different keys bear the same name", "give each generation a name of its own, as `kubectl rotate-certs generate` does";
    CasShareKeyId, "cas-share-key-id", Error, "Two CAs with different keys have the same subject key identifier", REISSUE_CA;
    CaRenewed, "ca-renewed", Note, "Two certificates of one CA key: a renewal, under which all leaves stay good", "nothing has to be done";
    LeafInPool, "leaf-in-pool", Warning, "A trust bundle holds a certificate that is no CA", "remove that block from the bundle";
    EtcdSharesCa, "etcd-shares-ca", Warning, "etcd trusts the cluster's own CA: each client of the cluster can come in", "give etcd a CA of its own";

    // Layouts.
    RowMissing, "row-missing", Error, "A file of the layout is not there", "run `kubectl rotate-certs generate` with the same layout, or restore it";
    RowSigner, "row-signer", Error, "The file is signed by another CA than the layout says", REISSUE;
    RowUnexpected, "row-unexpected", Note, "A file is in no row of the layout", "nothing has to be done";
    KubeconfigUnreadable, "kubeconfig-unreadable", Error, "A kubeconfig cannot be read", "look at it with `kubectl config view --kubeconfig FILE`";
    KubeconfigCaStale, "kubeconfig-ca-other", Error, "A kubeconfig trusts another CA than the set's", "put the set's CA into `certificate-authority-data`: `kubectl config set-cluster NAME --embed-certs --certificate-authority CA --kubeconfig FILE`";

    // Places.
    PlaceUnknown, "place-unknown", Warning, "A place could not be looked at: what it holds is not known", "reach its machine, or run it as somebody who has the right; or waive this place by name";
    PlaceAbsent, "place-absent", Error, "A file that its layout asks for, or that a component names, is not there", "restore FILE, or take it out of the component's flags";
    PlaceForeign, "place-foreign", Error, "A place holds something of another CA than the one that it belongs under", "put back what belongs there, or issue it again under the right CA";
    PlaceBehind, "place-behind", Warning, "A place holds the old generation, and others of its kind have the new one", "bring the new generation to FILE as well, and restart what reads it";
    TrustLacksCa, "trust-lacks-ca", Error, "A place does not trust a CA under which others show certificates or tokens", "add that CA to FILE, beside the one that is there, and restart what reads it";
    ShownUntrusted, "shown-untrusted", Error, "A place shows a certificate or token of a CA that most places do not trust", "put back what stood in FILE before, until every place trusts both CAs";
    BundleLacksCa, "bundle-lacks-ca", Error, "The system's bundle does not contain the cluster's CA", "run `update-ca-certificates` on that machine";
    RotationTorn, "rotation-torn", Error, "Certificates of one generation are shown to somebody who trusts the other one alone", "bring both CAs to every place that trusts, before anything else";
    RotationUnfinished, "rotation-unfinished", Warning, "Two generations are in use: a rotation is left half done", "finish it, or go back";
    LinkElsewhere, "link-elsewhere", Warning, "A file should be a link, and is a copy or leads elsewhere: it is not renewed with the file that it should lead to", "make it a link with `ln -sfn TARGET FILE`";
    ProcessStale, "process-older-than-file", Error, "A process started before its file changed: it holds what stood there before", "restart it";
    SigningKeyUnverified, "signing-key-unverified", Error, "Tokens are signed with a key by which no API server checks them", "add its public key to `--service-account-key-file` of every API server";
    TokenKeyUnknown, "token-key-unknown", Error, "A token is signed by a key that no API server knows", "renew it: `kubectl reset-sa-secrets` for token secrets, a new kubeconfig elsewhere";
    TokenExpired, "token-expired", Error, "A token is no longer valid", "renew it: `kubectl reset-sa-secrets` for token secrets, a new kubeconfig elsewhere";
    FrontProxyShared, "front-proxy-ca-shared", Error, "The front proxy's CA is the cluster's: each client of the cluster can say that it is anybody", "give the front proxy a CA of its own";
    InsecurePort, "insecure-port", Error, "A component listens without TLS", "close that port: no flag is better than a firewall";
    SecretsUnencrypted, "secrets-unencrypted", Note, "The API server is not told to encrypt secrets in etcd: whoever reads its disks or its backups has all of them", "set `--encryption-provider-config`";
    KubeletUnverified, "kubelet-serving-unverified", Note, "The API server is not told a CA for the kubelets' certificates: it sends `logs`, `exec` and their credentials to whoever answers", "set `--kubelet-certificate-authority`, once kubelets have certificates of that CA";
    ClockDiffers, "clock-differs", Warning, "A machine's clock differs from this one's: dates of certificates and tokens are judged differently there", "look at its time service: `timedatectl`";
    WaiverExpired, "waiver-expired", Warning, "An exception has come to its end, and what it left out is counted again", "mend what it left out, or give the exception another date";
    WaiverUnused, "waiver-unused", Note, "An exception leaves nothing out", "take it out of the file";

    // Modes and owners.
    KeyMode, "key-mode", Error, "Others can read a private key", "run `chmod 600 FILE`";
    CertificateMode, "certificate-mode", Warning, "Others can change a certificate", "run `chmod 644 FILE`";
    DirectoryMode, "directory-mode", Warning, "Others can change files of a directory with private keys", "run `chmod 700 FILE`";
    FileOwner, "file-owner", Warning, "The file belongs neither to root nor to you", "run `chown root:root FILE`";

    // Clusters.
    BundleUnfit, "bundle-does-not-verify", Error, "What a webhook or an aggregated API shows is not verified by the bundle that API servers have for it", "put the CA that signed it into FILE, beside the one that is there; where an operator keeps that field, let it do so";
    MountBehind, "mount-behind", Warning, "A pod's volume holds something else than the object that it comes from", "wait two minutes for the kubelet; then recycle the pod, and look at that node's kubelet";
    StoredDiffers, "stored-differs", Warning, "etcd stores something else than the API says", "save a newer snapshot; where it still differs, an API server reads another etcd, or has not heard of a change";
    SecretsOpen, "secrets-stored-open", Note, "Secrets are stored in etcd as they are: whoever reads its disks or its backups has all of them", "set `--encryption-provider-config` at every API server, and write all Secrets again; keep this file like a private key";
    LeaseOverdue, "lease-overdue", Warning, "A kubelet, the controller manager or the scheduler does not renew its lease: it may have lost its credentials, whatever its node's condition still says", "look at its log on its machine, and at the certificate that it shows to the API server";
    CaKeysUploaded, "ca-keys-uploaded", Warning, "Private keys of CAs lie in the cluster, encrypted, for control planes to come", "run `kubectl delete secret kubeadm-certs -n kube-system` once no control plane is to join";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_unique_and_fit_for_scripts() {
        let ids: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.id()).collect();
        assert_eq!(ids.len(), Kind::ALL.len());
        assert!(ids.len() >= 60, "{}", ids.len());
        for id in ids {
            assert!(
                id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{id}"
            );
        }
    }

    #[test]
    fn advice_names_the_file_without_its_line() {
        let finding = Finding::new(Kind::KeyMode, "pki/ca.key", "0644");
        assert_eq!(finding.fix, "run `chmod 600 pki/ca.key`");
        let finding = Finding::new(Kind::PemIndented, "a:b/ca.crt:12", "");
        assert!(finding.fix.contains(" a:b/ca.crt`"), "{}", finding.fix);
        assert_eq!(Finding::new(Kind::KeyMode, "a:b", "").fix, "run `chmod 600 a:b`");
    }
}
