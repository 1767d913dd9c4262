//! Where each key and certificate comes from: made, kept, renewed, given, or for a request.

use super::elsewhere;
use crate::cli::generate::GenerateArgs;
use crate::generate::existing::{self, Existing};
use crate::generate::make::{Order, Source, check_request};
use crate::issue::Lifetimes;
use crate::issue::authority::Authority;
use crate::layout::expand::{Item, Wanted};
use crate::layout::{Kind, Layout};
use jiff::Timestamp;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::passphrase;
use rotation_core::facts::private_key::{KeyError, PrivateKey};
use rotation_core::facts::x509::{Label, Request, read_pem};
use rotation_core::world::files;
use rotation_core::world::interrupt::Interrupt;
use std::path::Path;

/// Who is told and asked.
pub(super) struct Asker<'a> {
    pub(super) console: &'a Console,
    pub(super) interrupt: &'a Interrupt,
}

/// Decides for every item, and reads what is needed for it.
pub(super) fn order<'a>(
    args: &GenerateArgs,
    asker: &Asker<'_>,
    layout: &Layout,
    wanted: &'a Wanted,
    existing: &Existing,
    directory: &Path,
    now: Timestamp,
) -> Result<Order<'a>, Failure> {
    check_names(args, wanted)?;
    let mut elsewhere = elsewhere::read(&args.cert, wanted, directory)?;
    let mut sources = Vec::new();
    let mut before = Vec::new();
    for (at, item) in wanted.items.iter().enumerate() {
        let today = Today { item, existing, at, directory };
        let source = match item.kind {
            _ if elsewhere.has(at) => elsewhere.take(at)?,
            Kind::Authority => authority(args, asker, wanted, &today)?,
            Kind::KeyPair | Kind::Server | Kind::Client | Kind::Peer => leaf(args, &today)?,
        };
        tokens(asker.console, &today, &source)?;
        let wants_bridge = args.cross_sign && item.kind == Kind::Authority && item.signer.is_none();
        let made = matches!(source, Source::New);
        before.push(if wants_bridge && made { Some(today.authority()?) } else { None });
        sources.push(source);
    }
    // What is made beside a renewed CA is of its kind.
    let renewed = sources.iter().find_map(|source| match source {
        Source::Renewed(key, _) => Some(key.kind()),
        _ => None,
    });
    Ok(Order {
        items: &wanted.items,
        sources,
        before,
        key_type: args.key_type.or(renewed).unwrap_or(layout.key_type),
        lifetimes: Lifetimes { now, authority_days: args.ca_days, leaf_days: args.days },
        requests_only: args.csr_out,
        writes_given_keys: args.copy_ca_key,
    })
}

/// Rows that flags name have to be there.
fn check_names(args: &GenerateArgs, wanted: &Wanted) -> Result<(), Failure> {
    let known = |name: &str| wanted.items.iter().any(|item| item.id == name || item.row == name);
    let reused = args.reuse_key.iter().filter(|name| *name != "*");
    let named = reused.chain(args.csr.iter().map(|(row, _)| row));
    for name in named {
        if !known(name) {
            let all: Vec<&str> = wanted.items.iter().map(|item| item.id.as_str()).collect();
            return Err(Failure::usage(format!(
                "`{name}` is no row here; rows are {}",
                all.join(", ")
            )));
        }
    }
    Ok(())
}

/// An item and what there is of it today.
struct Today<'a> {
    item: &'a Item,
    existing: &'a Existing,
    at: usize,
    directory: &'a Path,
}

impl Today<'_> {
    fn certificate(&self) -> Option<&rotation_core::facts::x509::Certificate> {
        self.existing.items.get(self.at).and_then(|old| old.certificate.as_ref())
    }

    fn key(&self) -> Result<PrivateKey, Failure> {
        existing::key(self.directory, self.item)?.ok_or_else(|| {
            Failure::refused(format!(
                "there is no key of `{}` in {} to keep",
                self.item.id,
                self.directory.display()
            ))
        })
    }

    fn known_certificate(&self) -> Result<rotation_core::facts::x509::Certificate, Failure> {
        self.certificate().cloned().ok_or_else(|| {
            Failure::refused(format!(
                "there is no certificate of `{}` in {}",
                self.item.id,
                self.directory.display()
            ))
        })
    }

    fn authority(&self) -> Result<Authority, Failure> {
        Ok(Authority::new(&self.item.id, self.known_certificate()?, self.key()?)?)
    }
}

fn leaf(args: &GenerateArgs, today: &Today<'_>) -> Result<Source, Failure> {
    let item = today.item;
    let named = |name: &String| *name == "*" || *name == item.id || *name == item.row;
    if let Some((_, path)) = args.csr.iter().find(|(row, _)| *row == item.id || *row == item.row) {
        let text = files::read_secret_named(Path::new(path))?;
        let pem = read_pem(&text);
        let block = pem.blocks.iter().find(|block| block.label == Label::Request);
        let block =
            block.ok_or_else(|| Failure::refused(format!("there is no request in {path}")))?;
        let request = Request::from_der(&block.der)
            .map_err(|why| Failure::refused(format!("cannot read the request in {path}: {why}")))?;
        check_request(item, &request)?;
        return Ok(Source::Request(request));
    }
    if args.renew_ca {
        // What lies in no file of its own, only in a kubeconfig, is made anew under the same CA key.
        return match (item.kind, today.certificate()) {
            (Kind::KeyPair, _) => today.key().map(Source::Kept),
            (_, Some(certificate)) => {
                let key = existing::key(today.directory, item)?;
                Ok(Source::Unchanged(certificate.clone(), key))
            }
            (_, None) => Ok(Source::New),
        };
    }
    if args.reuse_key.iter().any(named) && !item.keys.is_empty() {
        return today.key().map(Source::Kept);
    }
    Ok(Source::New)
}

fn authority(
    args: &GenerateArgs,
    asker: &Asker<'_>,
    wanted: &Wanted,
    today: &Today<'_>,
) -> Result<Source, Failure> {
    let item = today.item;
    if args.csr_out {
        return Ok(Source::New);
    }
    let roots = wanted.items.iter().filter(|item| item.kind == Kind::Authority).count();
    if let Some(path) = named_file(&args.ca_cert, &item.row, roots)? {
        let key = named_file(&args.ca_key, &item.row, roots)?;
        if key.is_none() && !args.cert.is_empty() {
            return trusted(item, &path);
        }
        let key = key.ok_or_else(|| {
            Failure::usage(format!("the key of CA `{}` is not named", item.id))
                .with_hint("add --ca-key FILE")
        })?;
        return given(args, asker, item, &path, &key);
    }
    if args.renew_ca && !item.given {
        let known = today.authority()?.into_parts();
        return Ok(Source::Renewed(known.1, known.0));
    }
    if item.given {
        return Err(Failure::usage(format!("CA `{}` is never made by this layout", item.id))
            .with_hint("name it: --ca-cert FILE --ca-key FILE"));
    }
    if args.keep_ca {
        let (certificate, key) = today.authority()?.into_parts();
        return Ok(Source::Unchanged(certificate, Some(key)));
    }
    Ok(Source::New)
}

/// The file for a row: `ROW=FILE`, or `FILE` where there is one CA only.
fn named_file(all: &[String], row: &str, roots: usize) -> Result<Option<String>, Failure> {
    for word in all {
        match word.split_once('=') {
            Some((name, path)) if name == row => return Ok(Some(path.to_owned())),
            Some(_) => {}
            None if roots == 1 => return Ok(Some(word.clone())),
            None => {
                return Err(Failure::usage(format!(
                    "the layout has {roots} CAs, and `{word}` does not say which it is; write ROW=FILE"
                )));
            }
        }
    }
    Ok(None)
}

/// A CA whose key is elsewhere: it has signed already.
fn trusted(item: &Item, path: &str) -> Result<Source, Failure> {
    let text = files::read_secret_named(Path::new(path))?;
    let found = existing::certificates(&text).into_iter().next();
    let found =
        found.ok_or_else(|| Failure::refused(format!("there is no certificate in {path}")))?;
    crate::issue::authority::check(&item.id, &found)?;
    Ok(Source::Trusted(found))
}

fn given(
    args: &GenerateArgs,
    asker: &Asker<'_>,
    item: &Item,
    certificate: &str,
    key: &str,
) -> Result<Source, Failure> {
    let text = files::read_secret_named(Path::new(certificate))?;
    let all = existing::certificates(&text);
    let key = ca_key(args, asker, key)?;
    let found = all.iter().find(|c| c.spki_der() == key.spki_der()).or(all.first()).cloned();
    let found = found
        .ok_or_else(|| Failure::refused(format!("there is no certificate in {certificate}")))?;
    let (certificate, key) = Authority::new(&item.id, found, key)?.into_parts();
    Ok(Source::Given(key, certificate))
}

fn ca_key(args: &GenerateArgs, asker: &Asker<'_>, path: &str) -> Result<PrivateKey, Failure> {
    let failed =
        |why: KeyError| Failure::from(why).while_trying(&format!("use the CA's key in {path}"));
    let text = if path == "-" {
        passphrase::without_echo(
            asker.interrupt,
            || {},
            || files::read_secret_named(Path::new("-")),
        )??
    } else {
        files::read_secret_named(Path::new(path))?
    };
    let mut phrase = None;
    if let Some(file) = &args.ca_passphrase_file {
        let mut bytes = files::read_secret_named(file)?;
        let end = bytes.iter().rposition(|b| !matches!(b, b'\n' | b'\r')).map_or(0, |at| at + 1);
        bytes.truncate(end);
        phrase = Some(bytes);
    }
    match PrivateKey::from_pem(&text, phrase.as_ref().map(|p| p.as_slice())) {
        Err(KeyError::NoPassphrase) if asker.console.can_ask => {
            let question = format!("passphrase of {path}: ");
            let typed = passphrase::ask(asker.console, asker.interrupt, &question)?;
            PrivateKey::from_pem(&text, Some(typed.as_bytes())).map_err(failed)
        }
        other => other.map_err(failed),
    }
}

/// Where the same key signs tokens of service accounts, what happens to it is said.
fn tokens(console: &Console, today: &Today<'_>, source: &Source) -> Result<(), Failure> {
    if !today.item.signs_tokens {
        return Ok(());
    }
    let id = &today.item.id;
    let known = existing::key(today.directory, today.item)?;
    let ends = known.is_some_and(|known| match source {
        Source::New => true,
        Source::Pair(key) | Source::Signed(key, _) => key.spki_der() != known.spki_der(),
        _ => false,
    });
    match source {
        Source::Kept(_) => console.note(&format!(
            "`{id}` keeps its key: tokens of service accounts that it signed stay good; never do so after a leak"
        )),
        _ if ends => console.warn(&format!(
            "`{id}` gets a new key: tokens of service accounts signed by today's key end, where this key signs them \
             (--reuse-key={id} keeps them alive)"
        )),
        _ => {}
    }
    Ok(())
}
