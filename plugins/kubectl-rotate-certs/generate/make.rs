//! Make: keys and certificates of everything that is wanted, in the order of who signs whom. In memory only.

use crate::issue::authority::Authority;
use crate::issue::{self, Issued, Lifetimes, Signer, Subject, Wish};
use crate::layout::Kind;
use crate::layout::expand::Item;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::private_key::{KeyType, PrivateKey};
use rotation_core::facts::x509::{Certificate, Request, San};
use rotation_core::plan::certificate::Finding;
use rotation_core::world::interrupt::Interrupt;
use rotation_core::world::keys;

/// How a CA that the command line named came here.
const GIVEN: &str = "given";
/// How one came whose key stays elsewhere.
const ELSEWHERE: &str = "elsewhere";

/// Where an item's key and certificate come from.
pub(crate) enum Source {
    /// Both are made.
    New,
    /// The key is today's, the certificate is made.
    Kept(PrivateKey),
    /// The key and the name are today's: only the dates change.
    Renewed(PrivateKey, Certificate),
    /// The certificate stays as it is; the key, too, where it is here.
    Unchanged(Certificate, Option<PrivateKey>),
    /// A CA that is given: it signs, and its key is not written anywhere.
    Given(PrivateKey, Certificate),
    /// The public key is that of a request.
    Request(Request),
    /// A CA whose key is elsewhere, where it signed what is here.
    Trusted(Certificate),
    /// The key was made for a request, and a CA elsewhere signed it.
    Signed(PrivateKey, Certificate),
    /// A key pair that was made beside requests.
    Pair(PrivateKey),
}

/// What was made of an item.
pub(crate) struct Made {
    /// The certificate; a key pair has none.
    pub(crate) certificate: Option<Certificate>,
    /// The private key, where it is to be written.
    pub(crate) key: Option<PrivateKey>,
    /// The new CA's key and name, signed by the one before it.
    pub(crate) crossed: Option<Certificate>,
    /// A request for a CA elsewhere, in DER.
    pub(crate) request: Option<Vec<u8>>,
    /// In words: new, kept, renewed, unchanged, given, requested, signed elsewhere.
    pub(crate) how: &'static str,
    /// Whether it ends with its CA, earlier than asked for.
    pub(crate) is_cut: bool,
}

/// Everything that was made.
pub(crate) struct All {
    /// For each item.
    pub(crate) items: Vec<Made>,
    /// Warnings.
    pub(crate) findings: Vec<Finding>,
}

/// What is to be made.
pub(crate) struct Order<'a> {
    /// The items, signers first.
    pub(crate) items: &'a [Item],
    /// Where each comes from.
    pub(crate) sources: Vec<Source>,
    /// The CA before each, where it shall sign the new one too.
    pub(crate) before: Vec<Option<Authority>>,
    /// Kind of new keys.
    pub(crate) key_type: KeyType,
    /// How long certificates are valid.
    pub(crate) lifetimes: Lifetimes,
    /// Only keys, and requests for a CA elsewhere.
    pub(crate) requests_only: bool,
    /// Whether the keys of given CAs are written, too.
    pub(crate) writes_given_keys: bool,
}

/// An item on its way.
struct Begun {
    key: Option<PrivateKey>,
    kept: Kept,
}

enum Kept {
    Nothing(&'static str),
    Name(Certificate),
    Certificate(Certificate, &'static str),
    Request(Request),
    Signed(Certificate),
}

/// Makes it all.
pub(crate) fn make(order: Order<'_>, interrupt: &Interrupt) -> Result<All, Failure> {
    let begun = begin(order.sources, order.key_type, interrupt)?;
    let mut before = order.before;
    before.resize_with(order.items.len(), || None);
    let mut signers: Vec<Option<Authority>> = order.items.iter().map(|_| None).collect();
    let mut trusted: Vec<Option<Certificate>> = order.items.iter().map(|_| None).collect();
    let mut items = Vec::new();
    let mut findings = Vec::new();
    for (at, (item, begun)) in order.items.iter().zip(begun).enumerate() {
        let writes = !item.keys.is_empty() || item.certificates.is_empty();
        if order.requests_only {
            items.push(requested(item, begun)?);
            continue;
        }
        let elsewhere = item.signer.and_then(|at| trusted[at].as_ref());
        let (mut made, more) = made(item, begun, &signers, elsewhere, &order.lifetimes)?;
        findings.extend(more);
        if item.kind == Kind::Authority && made.how == ELSEWHERE {
            trusted[at].clone_from(&made.certificate);
        } else if item.kind == Kind::Authority {
            let Some((certificate, key)) = made.certificate.clone().zip(made.key.take()) else {
                return Err(Failure::unexpected(format!("`{}` has no key to sign with", item.id)));
            };
            if let Some(old) = before[at].take() {
                let (crossed, more) = crossed(item, &certificate, &key, &old, &order.lifetimes)?;
                made.crossed = Some(crossed);
                findings.extend(more);
            }
            signers[at] = Some(Authority::new(&item.id, certificate, key)?);
        } else if !writes {
            made.key = None;
        }
        items.push(made);
    }
    // Keys of authorities are given back, to be written; that of a given CA stays where it came from.
    for ((made, signer), item) in items.iter_mut().zip(signers).zip(order.items) {
        let writes = !item.keys.is_empty() && (made.how != GIVEN || order.writes_given_keys);
        if let Some(signer) = signer.filter(|_| writes) {
            made.key = Some(signer.into_parts().1);
        }
    }
    Ok(All { items, findings })
}

/// Somebody asked to stop, and nothing is written yet.
pub(crate) fn interrupted() -> Failure {
    Failure::unexpected("interrupted; nothing was changed")
        .with_exit(Exit::Interrupted)
        .with_hint("run the same command again")
}

/// New keys are made all at once, on every processor.
fn begin(
    sources: Vec<Source>,
    kind: KeyType,
    interrupt: &Interrupt,
) -> Result<Vec<Begun>, Failure> {
    let missing = sources.iter().filter(|source| matches!(source, Source::New)).count();
    let fresh = keys::generate_all(&vec![kind; missing], interrupt)?;
    let mut fresh = fresh.ok_or_else(interrupted)?.into_iter();
    Ok(sources
        .into_iter()
        .map(|source| match source {
            Source::New => Begun { key: fresh.next(), kept: Kept::Nothing("new") },
            Source::Kept(key) => Begun { key: Some(key), kept: Kept::Nothing("key kept") },
            Source::Renewed(key, old) => Begun { key: Some(key), kept: Kept::Name(old) },
            Source::Unchanged(old, key) => Begun { key, kept: Kept::Certificate(old, "unchanged") },
            Source::Given(key, old) => {
                Begun { key: Some(key), kept: Kept::Certificate(old, GIVEN) }
            }
            Source::Request(request) => Begun { key: None, kept: Kept::Request(request) },
            Source::Trusted(ca) => Begun { key: None, kept: Kept::Certificate(ca, ELSEWHERE) },
            Source::Signed(key, signed) => Begun { key: Some(key), kept: Kept::Signed(signed) },
            Source::Pair(key) => Begun { key: Some(key), kept: Kept::Nothing("new") },
        })
        .collect())
}

fn wish(item: &Item) -> Wish<'_> {
    Wish {
        place: &item.id,
        kind: item.kind,
        common_name: &item.common_name,
        organizations: &item.organizations,
        sans: &item.sans,
    }
}

fn made(
    item: &Item,
    begun: Begun,
    signers: &[Option<Authority>],
    elsewhere: Option<&Certificate>,
    lifetimes: &Lifetimes,
) -> Result<(Made, Vec<Finding>), Failure> {
    let Begun { key, kept } = begun;
    let plain = |certificate, key, how, is_cut| Made {
        certificate,
        key,
        crossed: None,
        request: None,
        how,
        is_cut,
    };
    if item.kind == Kind::KeyPair {
        let how = if let Kept::Nothing(how) = kept { how } else { "unchanged" };
        return Ok((plain(None, key, how, false), Vec::new()));
    }
    if let Kept::Certificate(old, how) = &kept {
        return Ok((plain(Some(old.clone()), key, how, false), Vec::new()));
    }
    if let Kept::Signed(signed) = &kept {
        let here = item.signer.and_then(|at| signers.get(at)).and_then(Option::as_ref);
        let issuer = elsewhere.or_else(|| here.map(Authority::certificate));
        let issuer = issuer.ok_or_else(|| Failure::unexpected("a CA was not read"))?;
        let findings = issue::accept(&wish(item), signed, issuer, lifetimes)?;
        return Ok((plain(Some(signed.clone()), key, "signed elsewhere", false), findings));
    }
    if elsewhere.is_some() {
        return Err(Failure::refused(format!(
            "`{}` is signed by a CA whose key is not here, and no certificate of it is named",
            item.id
        ))
        .with_hint("name what that CA signed with --cert, or its key with --ca-key"));
    }
    let signer = match (item.signer.and_then(|at| signers.get(at)).and_then(Option::as_ref), &key) {
        (Some(authority), _) => Signer::Authority(authority),
        (None, Some(key)) => Signer::Itself(key),
        (None, None) => {
            return Err(Failure::unexpected(format!("`{}` has nobody to sign it", item.id)));
        }
    };
    let (issued, how): (Issued, &'static str) = match &kept {
        Kept::Certificate(..) | Kept::Signed(_) => {
            return Err(Failure::unexpected("what was signed already is not signed again"));
        }
        Kept::Nothing(how) => {
            let key = key.as_ref().ok_or_else(|| Failure::unexpected("a key was not made"))?;
            (issue::issue(&wish(item), &Subject::of(key), &signer, lifetimes)?, *how)
        }
        Kept::Name(old) => {
            let key = key.as_ref().ok_or_else(|| Failure::unexpected("a key was not read"))?;
            let subject = Subject::again(key, old);
            let organizations: Vec<String> =
                old.subject().organizations().into_iter().map(str::to_owned).collect();
            let common_name = old.subject().common_name().unwrap_or_default();
            let wish = Wish { common_name, organizations: &organizations, ..wish(item) };
            (issue::issue(&wish, &subject, &signer, lifetimes)?, "renewed")
        }
        Kept::Request(request) => {
            let subject = Subject {
                spki: request.spki_der(),
                rsa: request.key().enciphers(),
                id: None,
                name: None,
                since: None,
            };
            (issue::issue(&wish(item), &subject, &signer, lifetimes)?, "for a request")
        }
    };
    Ok((plain(Some(issued.certificate), key, how, issued.is_cut), issued.findings))
}

/// The new CA's key and name, signed by the CA before it: a bridge for those who know only that one.
fn crossed(
    item: &Item,
    new: &Certificate,
    key: &PrivateKey,
    old: &Authority,
    lifetimes: &Lifetimes,
) -> Result<(Certificate, Vec<Finding>), Failure> {
    let place = format!("{} signed by the CA before it", item.id);
    let subject = Subject { id: new.ski(), name: Some(new.subject().der()), ..Subject::of(key) };
    let wish = Wish { place: &place, ..wish(item) };
    let issued = issue::issue(&wish, &subject, &Signer::Authority(old), lifetimes)?;
    Ok((issued.certificate, issued.findings))
}

fn requested(item: &Item, begun: Begun) -> Result<Made, Failure> {
    let plain = |request, key, how| Made {
        certificate: None,
        key,
        crossed: None,
        request,
        how,
        is_cut: false,
    };
    match (item.kind, begun.key) {
        (Kind::Authority, _) | (_, None) => Ok(plain(None, None, ELSEWHERE)),
        (Kind::KeyPair, key) => Ok(plain(None, key, "new")),
        (_, Some(key)) => {
            let request = issue::request(&wish(item), &key)?;
            Ok(plain(Some(request), Some(key), "requested"))
        }
    }
}

/// A request has to be signed by its own key, and to ask for no name that the row does not have.
pub(crate) fn check_request(item: &Item, request: &Request) -> Result<(), Failure> {
    if !request.is_signed() {
        return Err(Failure::refused(format!(
            "the request for `{}` is not signed by its own key",
            item.id
        )));
    }
    let foreign: Vec<&San> = request.sans().iter().filter(|san| !item.sans.contains(san)).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = foreign.iter().map(ToString::to_string).collect();
    Err(Failure::refused(format!(
        "the request for `{}` asks for names that the row does not have: {}",
        item.id,
        names.join(", ")
    ))
    .with_hint("name them with --san if they are right"))
}
