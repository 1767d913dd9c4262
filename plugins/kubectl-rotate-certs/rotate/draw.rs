//! Draws the plan: what stands where at each stage, and who must be restarted for it. Nothing is changed.

use super::adopt;
use super::chains::{self, Checked};
use super::choose;
use super::clocks;
use super::cluster_file::{Cluster, Named, Where};
use super::consumers;
use super::document::{
    Authority, ComponentPlan, FilePlan, HostPlan, Plan, SCHEMA_VERSION, TrackPlan,
};
use super::generation::{self, Generation, Pair};
use super::needs;
use super::notes;
use super::old::{self, Old};
use super::reach::{self, Machine};
use super::slots::{self, Slot, Used, Version};
use super::spots;
use super::stage::{Strategy, Track};
use crate::inspect::flags::Programs;
use jiff::Timestamp;
use rotation_core::cli::Tool;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::exit::{Exit, Fault};
use rotation_core::facts::kubeconfig::Kubeconfig;
use rotation_core::facts::x509::Certificate;
use rotation_core::world::beside;
use rotation_core::world::hosts::change::{self, ChangeError, Looked, State, Way};
use rotation_core::world::hosts::ssh;
use rotation_core::world::interrupt::Interrupt;
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// Components in the order in which they are restarted.
const PROGRAMS: [&str; 6] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
];

/// What was drawn: the plan, and the content of all files by digest.
pub(crate) struct Drawn {
    /// The plan.
    pub(crate) plan: Plan,
    /// Contents. Some are keys.
    pub(crate) contents: BTreeMap<[u8; 32], Zeroizing<Vec<u8>>>,
    /// Files beside the plan, by name.
    pub(crate) extra: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

impl Fault for slots::SlotError {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Rewrite { .. } => {
                "write it as PEM, or as a kubeconfig as kubectl writes one".to_owned()
            }
            Self::Unsplit { machine, .. } => format!(
                "name the file in which its flags stand: `flags = {{ kube-controller-manager = \"FILE\" }}` for host \
                 `{machine}`, or use --strategy window"
            ),
        })
    }
}

/// Why nothing could be drawn.
enum Obstacle {
    /// By this strategy, and the reason in one sentence; another one may be possible.
    ThisWay(Failure, String),
    /// By any.
    AnyWay(Failure),
}

impl Obstacle {
    fn failure(self) -> Failure {
        match self {
            Self::ThisWay(why, _) | Self::AnyWay(why) => why,
        }
    }
}

impl From<Failure> for Obstacle {
    fn from(why: Failure) -> Self {
        Self::AnyWay(why)
    }
}

impl From<slots::SlotError> for Obstacle {
    fn from(why: slots::SlotError) -> Self {
        match why {
            slots::SlotError::Unsplit { .. } => {
                let reason = format!("{why}; {}", why.hint().unwrap_or_default());
                Self::ThisWay(why.into(), reason)
            }
            slots::SlotError::Rewrite { .. } => Self::AnyWay(why.into()),
        }
    }
}

/// What is wanted.
pub(crate) struct Wanted<'a> {
    /// The machines.
    pub(crate) cluster: &'a Cluster,
    /// How; `None` for the gentlest way that serves.
    pub(crate) strategy: Option<Strategy>,
    /// What; nothing where nobody named anything.
    pub(crate) tracks: &'a [Track],
    /// Whether a rotation that was left half done ends at the CA of before.
    pub(crate) back: bool,
    /// Who asks.
    pub(crate) tool: Tool,
    /// When.
    pub(crate) now: Timestamp,
}

/// What is rotated where nobody named anything, as far as it is there.
const TRACKS: [Track; 3] = [Track::Cluster, Track::FrontProxy, Track::Etcd];

/// Looks at every machine and draws.
pub(crate) fn draw(wanted: &Wanted<'_>, interrupt: &Interrupt) -> Result<Drawn, Failure> {
    let machines = reach::look(&wanted.cluster.machines, interrupt)?;
    clocks::fit(machines.iter().filter_map(|m| Some((m.name.as_str(), m.seen.clock_ahead?))))?;
    // Nothing else is begun beside a rotation that was left half done.
    if wanted.strategy.is_none_or(|strategy| strategy == Strategy::Rolling)
        && let Some((made, notes)) = adopted(wanted, &machines, interrupt)?
    {
        return lay_out(wanted, &made, &name(wanted), notes, &machines, interrupt)
            .map_err(Obstacle::failure);
    }
    if let Some(strategy) = wanted.strategy {
        let olds = olds(wanted.tracks, &machines)?;
        return one(wanted, strategy, olds, &machines, interrupt).map_err(Obstacle::failure);
    }
    let mut refused = BTreeMap::new();
    loop {
        let found = olds(wanted.tracks, &machines)?;
        let named = !wanted.tracks.is_empty();
        let facts = needs::facts(&found, named, &machines, wanted.now, refused.clone());
        let decision = choose::decide(&facts).map_err(|reasons| {
            Failure::refused(format!("no strategy is possible: {}", reasons.join("; ")))
                .with_hint("mend what is named, or look with `kubectl rotate-certs inspect` what the machines have")
        })?;
        let taken = found.into_iter().filter(|old| decision.tracks.contains(&old.track)).collect();
        match one(wanted, decision.strategy, taken, &machines, interrupt) {
            Ok(mut drawn) => {
                drawn.plan.notes.splice(0..0, decision.notes);
                return Ok(drawn);
            }
            Err(Obstacle::ThisWay(_, reason)) => {
                refused.insert(decision.strategy, reason);
            }
            Err(Obstacle::AnyWay(why)) => return Err(why),
        }
    }
}

/// Today's CAs and keys.
fn olds(tracks: &[Track], machines: &[Machine]) -> Result<Vec<Old>, Failure> {
    let lenient = tracks.is_empty();
    let mut olds = Vec::new();
    for track in if lenient { &TRACKS[..] } else { tracks } {
        match old::find(*track, machines) {
            Ok(old) => olds.push(old),
            Err(old::OldError::Missing(_)) if lenient => {}
            Err(why) => return Err(why.into()),
        }
    }
    if olds.is_empty() {
        return Err(Failure::refused(
            "there is nothing to rotate: no machine has a CA of the cluster",
        )
        .with_hint("look with `kubectl rotate-certs inspect` what the machines have"));
    }
    Ok(olds)
}

/// Draws one strategy.
fn one(
    wanted: &Wanted<'_>,
    strategy: Strategy,
    olds: Vec<Old>,
    machines: &[Machine],
    interrupt: &Interrupt,
) -> Result<Drawn, Obstacle> {
    let tracks: Vec<Track> = olds.iter().map(|old| old.track).collect();
    choose::tokens_fit(strategy, &tracks, needs::coupled(machines))
        .map_err(|why| Obstacle::ThisWay(Failure::refused(why.clone()), why))?;
    let id = name(wanted);
    let made = generation::make(strategy, olds, machines, &id, wanted.now, interrupt)?;
    lay_out(wanted, &made, &id, Vec::new(), machines, interrupt)
}

/// How a rotation is called.
fn name(wanted: &Wanted<'_>) -> String {
    let [a, b] = rotation_core::world::keys::random::<2>();
    format!("{}-{a:02x}{b:02x}", wanted.now.strftime("%Y%m%dT%H%M%SZ"))
}

/// What stands where, of a new generation; `adopted` says what is gone on with.
fn lay_out(
    wanted: &Wanted<'_>,
    made: &Generation,
    id: &str,
    adopted: Vec<String>,
    machines: &[Machine],
    interrupt: &Interrupt,
) -> Result<Drawn, Obstacle> {
    let goes_on = !adopted.is_empty();
    let programs = Programs::embedded();
    let stamp = wanted.now.strftime("%Y-%m-%d-%H-%M-%S").to_string();
    let mut drawn = Drawn {
        plan: Plan {
            schema_version: SCHEMA_VERSION.to_owned(),
            id: id.to_owned(),
            tool: wanted.tool.name.to_owned(),
            tool_version: wanted.tool.version.to_owned(),
            created_at: wanted.now,
            strategy: made.strategy,
            notes: adopted
                .into_iter()
                .chain(notes::of_generation(made))
                .chain(consumers::notes(&wanted.cluster.consumers))
                .collect(),
            tracks: made.pairs.iter().map(track).collect(),
            root_ca: Vec::new(),
            checked: Vec::new(),
            hosts: Vec::new(),
        },
        contents: BTreeMap::new(),
        extra: extra(made),
    };
    let laid = beside::each(machines, ssh::CONNECTIONS, |machine| {
        lay(wanted, machine, made, &programs, &stamp, interrupt)
    });
    for (machine, laid) in machines.iter().zip(laid) {
        let published = published(machine);
        let host = host(wanted, machine, laid?, &mut drawn.contents)?;
        let root = host.files.iter().find(|file| Some(&file.path) == published.as_ref());
        if let Some(root) = root.filter(|_| drawn.plan.root_ca.is_empty()) {
            drawn.plan.root_ca = root.versions.clone();
        }
        own(&host, &mut drawn);
        drawn.plan.hosts.push(host);
    }
    drawn.plan.notes.extend(notes::only_server(&drawn.plan));
    match holds(&drawn, made, machines, wanted.now) {
        Ok(checked) => drawn.plan.checked = checked,
        // Whoever was stopped half-way may not be accepted everywhere today, and is not helped by a refusal.
        Err(Obstacle::ThisWay(_, why)) if goes_on => drawn.plan.notes.push(why),
        Err(why) => return Err(why),
    }
    Ok(drawn)
}

/// Everybody is accepted by everybody at every stage; else nothing is drawn.
fn holds(
    drawn: &Drawn,
    made: &Generation,
    machines: &[Machine],
    now: Timestamp,
) -> Result<Vec<Checked>, Obstacle> {
    let pair = |pair: &Pair| {
        Some(chains::Pair {
            track: pair.old.track,
            old: pair.old.certificate.clone()?,
            new: pair.certificate.clone()?,
        })
    };
    let spots = spots::spots(&drawn.plan, &drawn.contents, machines);
    let pairs: Vec<chains::Pair> = made.pairs.iter().filter_map(pair).collect();
    let scene = chains::Scene { spots: &spots, pairs: &pairs, strategy: made.strategy, now };
    let (checked, violations) = chains::check(&scene);
    let Some(first) = violations.first() else { return Ok(checked) };
    let more = match violations.len() {
        1 => String::new(),
        many => format!(", and {} more", many - 1),
    };
    let reason =
        format!("at stage {}, {} would not hold: {}{more}", first.stage, first.place, first.reason);
    let failure = Failure::refused(reason.clone()).with_hint(
        "mend the file that is named; `kubectl rotate-certs check` says what is wrong with it today",
    );
    Err(Obstacle::ThisWay(failure, reason))
}

/// A rotation that was left half done, with what is to be said of it. Nothing else is begun beside it.
fn adopted(
    wanted: &Wanted<'_>,
    machines: &[Machine],
    interrupt: &Interrupt,
) -> Result<Option<(Generation, Vec<String>)>, Failure> {
    let tracks = if wanted.tracks.is_empty() { &TRACKS[..] } else { wanted.tracks };
    let adopted = adopt::find(tracks, machines, wanted.back)?;
    if adopted.is_empty() {
        if wanted.back {
            return Err(Failure::refused(
                "no rotation was left half done: there is nothing to go back to",
            )
            .with_hint("leave --back out"));
        }
        return Ok(None);
    }
    let (pairs, mut notes): (Vec<Pair>, Vec<String>) =
        adopted.into_iter().map(|one| (one.pair, one.note)).unzip();
    let is_there = |track: &Track| old::find(*track, machines).is_ok();
    let left = tracks
        .iter()
        .filter(|track| !pairs.iter().any(|pair| pair.old.track == **track) && is_there(track));
    notes.extend(left.map(|track| format!("{track} is left alone until that has ended")));
    Ok(Some((generation::adopt(pairs, machines, wanted.now, interrupt)?, notes)))
}

/// What our own connection and the gates need: the new CAs, and a client that the new cluster CA signed and that may
/// nothing.
fn extra(made: &Generation) -> BTreeMap<String, Zeroizing<Vec<u8>>> {
    let bytes = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
    let mut files = BTreeMap::new();
    for pair in &made.pairs {
        if let Some(pem) = pair.pem() {
            files.insert(format!("new-{}.crt", pair.old.track), bytes(&pem));
        }
        // A CA whose key is kept elsewhere gets one that stands nowhere else.
        if let Some(key) = pair.private.as_ref().filter(|_| notes::is_kept_elsewhere(pair)) {
            files.insert(format!("new-{}.key", pair.old.track), bytes(&key.to_pem()));
        }
        if let (None, Some(key)) = (&pair.certificate, &pair.private) {
            let pem = rotation_core::facts::x509::encode("PUBLIC KEY", key.spki_der());
            files.insert(super::tokens::NEW.to_owned(), bytes(&pem));
        }
        if let Some(old) = &pair.old.certificate {
            let pem = rotation_core::facts::x509::encode("CERTIFICATE", old.der());
            files.insert(format!("old-{}.crt", pair.old.track), bytes(&pem));
        }
    }
    if let Some((certificate, key)) = &made.probe {
        let pem = rotation_core::facts::x509::encode("CERTIFICATE", certificate.der());
        files.insert("probe.crt".to_owned(), bytes(&pem));
        files.insert("probe.key".to_owned(), bytes(&key.to_pem()));
    }
    files
}

fn track(pair: &Pair) -> TrackPlan {
    let old = pair.old.certificate.as_ref();
    let of = |certificate: Option<&Certificate>, key: Digest| Authority {
        subject: certificate.map(|ca| ca.subject().to_string()).unwrap_or_default(),
        fingerprint: certificate.map_or(key, Certificate::fingerprint),
        key,
        not_after: certificate.map(Certificate::not_after),
    };
    TrackPlan {
        track: pair.old.track,
        old: of(old, pair.old.key),
        new: of(pair.certificate.as_ref(), pair.key),
    }
}

/// A machine's files, and what stands at each.
struct Laid<'a> {
    named: &'a Named,
    uses: Vec<Used>,
    slots: Vec<Slot>,
    /// What stands at each of them, and at those whose mode and owner they have.
    looked: BTreeMap<String, Looked>,
}

fn lay<'a>(
    wanted: &Wanted<'a>,
    machine: &Machine,
    made: &Generation,
    programs: &Programs,
    stamp: &str,
    interrupt: &Interrupt,
) -> Result<Laid<'a>, Obstacle> {
    let named = wanted.cluster.machine(&machine.name);
    let named = named.ok_or_else(|| Failure::unexpected("a machine without a name"))?;
    let uses = slots::uses(machine, programs);
    let slots = slots::slots(machine, &named.flags, &uses, made, made.strategy, stamp)?;
    let paths = slots.iter().flat_map(|slot| [slot.path.as_str(), slot.like.as_str()]);
    let paths: Vec<&str> = paths.collect::<BTreeSet<_>>().into_iter().collect();
    let looked = change::look(&named.carrier, &paths, interrupt)
        .map_err(|why| failed(&machine.name, &why))?;
    let looked = paths.into_iter().map(str::to_owned).zip(looked).collect();
    Ok(Laid { named, uses, slots, looked })
}

fn host(
    wanted: &Wanted<'_>,
    machine: &Machine,
    laid: Laid<'_>,
    contents: &mut BTreeMap<[u8; 32], Zeroizing<Vec<u8>>>,
) -> Result<HostPlan, Obstacle> {
    let Laid { named, uses, slots, looked } = laid;
    let at = |path: &String| {
        looked.get(path).ok_or_else(|| Failure::unexpected(format!("nobody looked at `{path}`")))
    };
    let mut files = Vec::new();
    for slot in &slots {
        let (now, like) = (at(&slot.path)?, at(&slot.like)?);
        let file = file(slot, &like.mode, &like.owner, contents);
        if *file.at(super::stage::Stage::Before) != now.state {
            return Err(Failure::refused(format!(
                "`{}` on `{}` changed while it was looked at",
                slot.path, machine.name
            ))
            .with_hint("run the command again, when nobody else works on the machines")
            .into());
        }
        files.push(file);
    }
    let mut components = components(wanted, machine, &uses, &files);
    components.extend(consumers::components(&wanted.cluster.consumers, machine, &files)?);
    Ok(HostPlan {
        name: machine.name.clone(),
        control_plane: named.place == Where::ControlPlane,
        files,
        components,
        ports: super::ports::told(machine),
    })
}

/// The file that the controller manager publishes.
fn published(machine: &Machine) -> Option<String> {
    let mut told = machine.looked.told.iter();
    told.find_map(|invocation| invocation.value("root-ca-file")).map(str::to_owned)
}

/// The administrator's kubeconfig of the new generation, for our own connection.
fn own(host: &HostPlan, drawn: &mut Drawn) {
    let admin = host.files.iter().find(|file| file.path.ends_with("/admin.conf"));
    if let Some(State::File(digest)) = admin.map(|file| file.at(super::stage::Stage::Switch))
        && let Some(bytes) = drawn.contents.get(digest.as_bytes()).cloned()
    {
        drawn.extra.entry(super::api::OWN.to_owned()).or_insert(bytes);
    }
}

/// Why nothing could be done on a machine.
pub(crate) fn failed(machine: &str, why: &ChangeError) -> Failure {
    let failure = Failure::refused(format!("`{machine}`: {why}"));
    match why {
        ChangeError::Stopped => Failure::unexpected("interrupted").with_exit(Exit::Interrupted),
        ChangeError::Exec(_) => Failure::unexpected(why.to_string())
            .with_hint("machines are reached by your own `ssh`: install OpenSSH's client"),
        ChangeError::Unreachable(_) => failure.with_hint(
            "every machine must be reached; look with `ssh`, then run the command again",
        ),
        ChangeError::Order { .. } => failure,
    }
}

fn file(
    slot: &Slot,
    mode: &str,
    owner: &str,
    contents: &mut BTreeMap<[u8; 32], Zeroizing<Vec<u8>>>,
) -> FilePlan {
    let versions = slot.versions.iter().map(|version| match version {
        Version::Absent => State::Absent,
        Version::Link(target) => State::Link(target.clone()),
        Version::File(bytes) => {
            let digest = Digest::of(bytes);
            contents.entry(*digest.as_bytes()).or_insert_with(|| bytes.clone());
            State::File(digest)
        }
    });
    FilePlan {
        path: slot.path.clone(),
        what: slot.what.clone(),
        // What is like a file that is not there is for root alone.
        mode: if mode.is_empty() { "600" } else { mode }.to_owned(),
        owner: if owner.is_empty() { "0:0" } else { owner }.to_owned(),
        settings: slot.settings,
        versions: versions.collect(),
    }
}

fn components(
    wanted: &Wanted<'_>,
    machine: &Machine,
    uses: &[Used],
    files: &[FilePlan],
) -> Vec<ComponentPlan> {
    let mut components = Vec::new();
    for program in PROGRAMS {
        let mut once: Vec<String> = Vec::new();
        let mut manifest = None;
        for used in uses.iter().filter(|used| used.program == program) {
            manifest = manifest.or_else(|| used.manifest.clone());
            if used.one.reloads {
                continue;
            }
            once.push(used.one.path.clone());
            if used.one.role.is_none() {
                once.extend(named_by(machine, &used.one.path));
            }
        }
        if program == "kubelet" {
            once.push(slots::SIGNED.to_owned());
        }
        once.sort();
        once.dedup();
        once.retain(|path| files.iter().any(|file| file.path == *path));
        let told = manifest.clone().filter(|path| files.iter().any(|file| file.path == *path));
        if once.is_empty() && told.is_none() {
            continue;
        }
        let way = match wanted.cluster.restart.get(program) {
            Some(command) if manifest.is_none() => Way::Run(command.clone()),
            _ => Way::Kill,
        };
        components.push(ComponentPlan {
            program: program.to_owned(),
            way,
            files: once,
            manifest: told,
        });
    }
    components
}

/// Files that a kubeconfig names.
fn named_by(machine: &Machine, path: &str) -> Vec<String> {
    let text = machine.bytes(path).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let Some(config) = text.and_then(Kubeconfig::read) else { return Vec::new() };
    let cas =
        config.clusters.into_iter().filter_map(|cluster| cluster.cluster.certificate_authority);
    let users = config.users.into_iter().flat_map(|user| {
        [user.user.client_certificate, user.user.client_key].into_iter().flatten()
    });
    cas.chain(users).collect()
}
