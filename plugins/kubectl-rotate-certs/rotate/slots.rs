//! Which files of a machine belong to a rotation, and what stands in each at each stage. Pure.

mod signer;

use super::generation::{Generation, Pair, each_block};
use super::old::{certificate, key_of, public_of};
use super::reach::Machine;
use super::rewrite::{self, Fate, RewriteError, Text};
use super::stage::{Stage, Strategy, Track};
use crate::inspect::flags::{Programs, Use};
use rotation_core::facts::kubeconfig::Kubeconfig;
use rotation_core::facts::sighting::Part;
use rotation_core::facts::x509::{Block, encode};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// What a kubelet is restarted for once tokens are signed by the new key: it asks for fresh ones then.
pub(crate) const SIGNED: &str = "/var/lib/kubelet/rotation-signed";

/// What stands at a path at one stage.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Version {
    /// Nothing.
    Absent,
    /// These bytes.
    File(Zeroizing<Vec<u8>>),
    /// A link that leads there.
    Link(String),
}

/// A file of a machine.
pub(crate) struct Slot {
    /// Where.
    pub(crate) path: String,
    /// What it is, in words.
    pub(crate) what: String,
    /// A file whose mode and owner it has; itself, where it is there.
    pub(crate) like: String,
    /// Whether it tells a component where its files are.
    pub(crate) settings: bool,
    /// What stands there, in the order of [`Stage::ALL`].
    pub(crate) versions: Vec<Version>,
}

/// Why a file cannot take part.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SlotError {
    /// It cannot be written anew.
    #[error("`{path}` on `{machine}` cannot be written anew")]
    Rewrite {
        /// Whose.
        machine: String,
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: RewriteError,
    },
    /// The controller manager would read two CAs where it takes one.
    #[error(
        "the controller manager on `{machine}` signs with `{path}`, which is trusted as well, and nothing says where its flags stand"
    )]
    Unsplit {
        /// Whose.
        machine: String,
        /// The file.
        path: String,
    },
}

/// A component's use of a file.
pub(crate) struct Used {
    /// Its program.
    pub(crate) program: &'static str,
    /// The manifest that names it, where it is one.
    pub(crate) manifest: Option<String>,
    /// The file.
    pub(crate) one: Use,
}

/// What the components of a machine name.
pub(crate) fn uses(machine: &Machine, programs: &Programs) -> Vec<Used> {
    let mut uses = Vec::new();
    for invocation in &machine.looked.told {
        let path = invocation.place.split_once(':').map_or("", |(_, path)| path);
        let manifest = path.contains("/manifests/").then(|| path.to_owned());
        for one in programs.uses(invocation) {
            uses.push(Used {
                program: invocation.component.as_str(),
                manifest: manifest.clone(),
                one,
            });
        }
    }
    uses
}

/// All files of a machine that take part.
pub(crate) fn slots(
    machine: &Machine,
    flags: &BTreeMap<String, String>,
    uses: &[Used],
    generation: &Generation,
    strategy: Strategy,
    stamp: &str,
) -> Result<Vec<Slot>, SlotError> {
    let work = Work { machine, uses, generation, strategy };
    let mut slots = Vec::new();
    let mut done: BTreeSet<String> = BTreeSet::new();
    for (path, file) in &machine.seen.files {
        let Ok(bytes) = &file.content else { continue };
        let Some(kind) = work.kind(path, bytes) else { continue };
        let link = file.link.as_deref();
        if let (Some(target), true) = (link, path.ends_with("-current.pem")) {
            slots.extend(work.linked(path, target, bytes, &kind, stamp)?);
            continue;
        }
        let real = link.map_or_else(|| path.clone(), |target| beside(path, target));
        if done.insert(real.clone()) {
            let versions = work.versions(&real, bytes, &kind)?;
            slots.push(Slot {
                what: kind.words(),
                like: real.clone(),
                path: real,
                settings: false,
                versions,
            });
        }
    }
    slots.extend(work.split(flags, &slots)?);
    let joined = work.join(flags, &mut slots);
    slots.extend(joined);
    slots.extend(work.signed(stamp));
    slots.retain(|slot| slot.versions.iter().any(|version| *version != slot.versions[0]));
    Ok(slots)
}

/// Where a link leads, from where it stands.
pub(crate) fn beside(path: &str, target: &str) -> String {
    if target.starts_with('/') {
        return target.to_owned();
    }
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    format!("{directory}/{target}")
}

/// What a file is.
enum Kind {
    /// CAs that are trusted.
    Trust(Vec<Track>),
    /// The certificate of a CA, where nobody trusts by it.
    Signer(Track),
    /// The key of a CA.
    AuthorityKey(Track),
    /// Certificates that are shown, or their keys.
    Presenter,
    /// CA and client of a kubeconfig.
    Kubeconfig(Kubeconfig),
    /// The key that signs tokens.
    TokenSigner,
    /// The keys by which they are checked.
    TokenVerifier,
}

impl Kind {
    fn words(&self) -> String {
        match self {
            Self::Trust(tracks) => {
                let names: Vec<&str> = tracks.iter().map(|track| track.as_str()).collect();
                format!("trusted {} CA", names.join(" and "))
            }
            Self::Signer(track) => format!("signing {track} CA"),
            Self::AuthorityKey(track) => format!("key of the {track} CA"),
            Self::Presenter => "certificate or its key".to_owned(),
            Self::Kubeconfig(_) => "kubeconfig".to_owned(),
            Self::TokenSigner => "key that signs tokens".to_owned(),
            Self::TokenVerifier => "keys that check tokens".to_owned(),
        }
    }
}

struct Work<'a> {
    machine: &'a Machine,
    uses: &'a [Used],
    generation: &'a Generation,
    strategy: Strategy,
}

impl Work<'_> {
    fn kind(&self, path: &str, bytes: &[u8]) -> Option<Kind> {
        let generation = self.generation;
        let (mut tracks, mut shows, mut keys, mut checks) = (Vec::new(), false, Vec::new(), false);
        let config = each_block(bytes, &mut |block| {
            if let Some(found) = certificate(block) {
                shows |= generation.leaves.contains_key(found.fingerprint().as_bytes());
                if let Some(pair) = generation.pairs.iter().find(|pair| pair.is_of(&found))
                    && !tracks.contains(&pair.old.track)
                {
                    tracks.push(pair.old.track);
                }
            }
            if let Some(key) = key_of(block) {
                shows |= generation.keys.contains_key(key.as_bytes());
                let of = generation.pairs.iter().filter(|p| p.old.key == key || p.key == key);
                keys.extend(of.map(|pair| pair.old.track));
            }
            checks |=
                public_of(block).is_some_and(|key| self.tokens().is_some_and(|p| p.old.key == key));
        });
        if let Some(config) = config {
            return (shows || !tracks.is_empty()).then_some(Kind::Kubeconfig(config));
        }
        if shows {
            return Some(Kind::Presenter);
        }
        if let Some(track) = keys.first() {
            return Some(match track {
                Track::Tokens => Kind::TokenSigner,
                other => Kind::AuthorityKey(*other),
            });
        }
        if checks {
            return Some(Kind::TokenVerifier);
        }
        let track = tracks.first().copied()?;
        Some(if self.only_signs(path) { Kind::Signer(track) } else { Kind::Trust(tracks) })
    }

    fn tokens(&self) -> Option<&Pair> {
        self.pair(Track::Tokens)
    }

    fn pair(&self, track: Track) -> Option<&Pair> {
        self.generation.pairs.iter().find(|pair| pair.old.track == track)
    }

    fn parts<'a>(&'a self, path: &'a str) -> impl Iterator<Item = Part> + 'a {
        let named = self.uses.iter().filter(move |used| used.one.path == path);
        named.filter_map(|used| used.one.role).map(|role| role.part)
    }

    fn only_signs(&self, path: &str) -> bool {
        self.parts(path).any(|part| part == Part::Authority)
            && !self.parts(path).any(|part| part == Part::Trust)
    }

    fn versions(&self, path: &str, bytes: &[u8], kind: &Kind) -> Result<Vec<Version>, SlotError> {
        let fail = |source| SlotError::Rewrite {
            machine: self.machine.name.clone(),
            path: path.to_owned(),
            source,
        };
        let before = Version::File(Zeroizing::new(bytes.to_vec()));
        let mut versions = vec![before];
        for stage in &Stage::ALL[1..] {
            let text = self.at(bytes, kind, *stage).map_err(fail)?;
            versions.push(Version::File(Zeroizing::new(text.as_bytes().to_vec())));
        }
        Ok(versions)
    }

    fn at(&self, bytes: &[u8], kind: &Kind, stage: Stage) -> Result<Text, RewriteError> {
        let stays = |_: &Block| Fate::Stays;
        match kind {
            Kind::Trust(_) => self.trust(bytes, stage),
            Kind::Signer(_) | Kind::Presenter if stage >= Stage::Switch => self.presented(bytes),
            Kind::AuthorityKey(track) => {
                let signs_alone = self.uses.iter().any(|used| {
                    used.one.role.is_some_and(|role| {
                        role.part == Part::Authority && role.domain == track.domain()
                    }) && self.only_signs(&used.one.path)
                });
                let since = if signs_alone { Stage::Switch } else { Stage::Retire };
                if stage >= since { self.keys(bytes) } else { rewrite::pem(bytes, &stays, &[]) }
            }
            Kind::TokenSigner if stage >= Stage::Sign => self.keys(bytes),
            Kind::TokenVerifier => self.verifier(bytes, stage),
            Kind::Kubeconfig(config) => {
                rewrite::kubeconfig(bytes, config, &|held| self.trust(held, stage).ok(), &|held| {
                    (stage >= Stage::Switch).then(|| self.presented(held).ok()).flatten()
                })
            }
            Kind::Signer(_) | Kind::Presenter | Kind::TokenSigner => {
                rewrite::pem(bytes, &stays, &[])
            }
        }
    }

    /// Old and new until the old is retired; under one key the new one at once.
    fn trust(&self, bytes: &[u8], stage: Stage) -> Result<Text, RewriteError> {
        let both = stage < Stage::Retire && self.strategy == Strategy::Rolling;
        // Tracks with the old CA, and those with the next one, where that came before.
        let (mut olds, mut news) = (BTreeSet::new(), BTreeSet::new());
        each_block(bytes, &mut |block| {
            let Some(found) = certificate(block) else { return };
            let pair = self.generation.pairs.iter().find(|pair| pair.is_of(&found));
            let Some(pair) = pair else { return };
            let is_new = pair.certificate.as_ref().is_some_and(|new| new.der() == found.der());
            let tracks = if is_new { &mut news } else { &mut olds };
            tracks.insert(pair.old.track);
        });
        if both {
            let mut more: Vec<String> = Vec::new();
            for pair in &self.generation.pairs {
                let track = pair.old.track;
                match (olds.contains(&track), news.contains(&track)) {
                    (true, false) => more.extend(pair.pem()),
                    (false, true) => {
                        let old = pair.old.certificate.as_ref();
                        more.extend(old.map(|old| encode("CERTIFICATE", old.der())));
                    }
                    (true, true) | (false, false) => {}
                }
            }
            return rewrite::pem(bytes, &|_| Fate::Stays, &more);
        }
        let told = std::cell::RefCell::new(news);
        let fate = |block: &Block| {
            let Some(found) = certificate(block) else { return Fate::Stays };
            let pair = self.generation.pairs.iter().find(|pair| pair.is_old(&found));
            let Some(pair) = pair else { return Fate::Stays };
            if pair.certificate.as_ref().is_some_and(|new| new.der() == found.der()) {
                return Fate::Stays;
            }
            match pair.pem() {
                Some(pem) if told.borrow_mut().insert(pair.old.track) => {
                    Fate::Becomes(Zeroizing::new(pem))
                }
                _ => Fate::Goes,
            }
        };
        rewrite::pem(bytes, &fate, &[])
    }

    /// What is shown, anew: certificates, their keys, and CAs between them.
    fn presented(&self, bytes: &[u8]) -> Result<Text, RewriteError> {
        let fate = |block: &Block| {
            if let Some(found) = certificate(block) {
                if let Some(new) = self.generation.leaves.get(found.fingerprint().as_bytes()) {
                    return Fate::Becomes(Zeroizing::new(encode("CERTIFICATE", new.der())));
                }
                let pair = self.generation.pairs.iter().find(|pair| pair.is_old(&found));
                return match pair.and_then(Pair::pem) {
                    Some(pem) => Fate::Becomes(Zeroizing::new(pem)),
                    None => Fate::Stays,
                };
            }
            self.key(block)
        };
        rewrite::pem(bytes, &fate, &[])
    }

    fn keys(&self, bytes: &[u8]) -> Result<Text, RewriteError> {
        rewrite::pem(bytes, &|block: &Block| self.key(block), &[])
    }

    fn key(&self, block: &Block) -> Fate {
        let Some(old) = key_of(block) else { return Fate::Stays };
        if let Some(new) = self.generation.keys.get(old.as_bytes()) {
            // A key that stays is not written in another form.
            let same = rotation_core::facts::credential::Digest::of(new.spki_der()) == old;
            return if same { Fate::Stays } else { Fate::Becomes(new.to_pem()) };
        }
        let pair = self.generation.pairs.iter().find(|pair| pair.old.key == old && pair.key != old);
        match pair.and_then(|pair| pair.private.as_ref()) {
            Some(new) => Fate::Becomes(new.to_pem()),
            None => Fate::Stays,
        }
    }

    fn verifier(&self, bytes: &[u8], stage: Stage) -> Result<Text, RewriteError> {
        let Some(pair) = self.tokens() else { return rewrite::pem(bytes, &|_| Fate::Stays, &[]) };
        let Some(new) = &pair.private else { return rewrite::pem(bytes, &|_| Fate::Stays, &[]) };
        let new = encode("PUBLIC KEY", new.spki_der());
        if stage < Stage::Retire && self.strategy == Strategy::Rolling {
            return rewrite::pem(bytes, &|_| Fate::Stays, &[new]);
        }
        let fate = |block: &Block| {
            if public_of(block) == Some(pair.old.key) {
                Fate::Becomes(Zeroizing::new(new.clone()))
            } else {
                Fate::Stays
            }
        };
        rewrite::pem(bytes, &fate, &[])
    }

    /// A kubelet's own file has the date in its name, and a link that leads to it.
    fn linked(
        &self,
        path: &str,
        target: &str,
        bytes: &[u8],
        kind: &Kind,
        stamp: &str,
    ) -> Result<Vec<Slot>, SlotError> {
        let file = self.versions(path, bytes, kind)?;
        let base = path.trim_end_matches("-current.pem");
        let name = format!("{base}-{stamp}.pem");
        let leads = if target.starts_with('/') {
            name.clone()
        } else {
            name.rsplit('/').next().unwrap_or(&name).to_owned()
        };
        let (mut links, mut files) = (Vec::new(), Vec::new());
        for version in &file {
            let changed = *version != file[0];
            links.push(Version::Link(if changed { leads.clone() } else { target.to_owned() }));
            files.push(if changed { version.clone() } else { Version::Absent });
        }
        let like = beside(path, target);
        let slot = |path: &str, what: &str, versions| Slot {
            path: path.to_owned(),
            what: what.to_owned(),
            like: like.clone(),
            settings: false,
            versions,
        };
        Ok(vec![
            slot(&name, "certificate and key of the kubelet", files),
            slot(path, "link to the kubelet's certificate", links),
        ])
    }

    /// A mark for the kubelet's restart.
    fn signed(&self, stamp: &str) -> Option<Slot> {
        let keeps_tokens = self.strategy == Strategy::Rolling && self.tokens().is_some();
        let kubelet = self.uses.iter().find(|used| used.program == "kubelet")?;
        keeps_tokens.then(|| {
            let mark = || Version::File(Zeroizing::new(format!("{stamp}\n").into_bytes()));
            Slot {
                path: SIGNED.to_owned(),
                what: "mark: the kubelet has asked for fresh tokens".to_owned(),
                like: kubelet.one.path.clone(),
                settings: false,
                versions: vec![Version::Absent, Version::Absent, mark(), mark(), Version::Absent],
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_from_where_they_stand() {
        assert_eq!(beside("/a/b", "c"), "/a/c");
        assert_eq!(beside("/a/b", "/c"), "/c");
    }
}
