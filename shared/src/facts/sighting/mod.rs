//! What was seen at one place: certificates, keys, tokens, or why nothing was seen. Never a private byte.
//!
//! Every source of an inventory, whatever it reads, gives a list of [`Sighting`]s. Nothing is judged here.

mod content;
mod intern;
mod place;
mod read;
mod role;
mod value;

pub use content::{Content, Held, Token, Unknown};
pub use intern::Interner;
pub use place::{Host, Place, PlaceKind};
pub use read::read;
pub use role::{Component, Domain, Part, Role};

use jiff::{SignedDuration, Timestamp};

/// What a start and a change may be apart and still be one moment: starts are told in whole seconds, from a boot whose
/// time is rounded.
const DOUBT: SignedDuration = SignedDuration::from_secs(2);

/// For how long after a kubelet's start kubeadm may write its kubeconfig once more: to name the certificate that the
/// kubelet has fetched by then, instead of the one that it was started with.
const KUBEADM_FINALIZES: SignedDuration = SignedDuration::from_mins(5);

/// One place, and what was seen there.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// Where.
    pub place: Place,
    /// What stands there by right.
    pub role: Role,
    /// What stands there.
    pub content: Content,
    /// When the content changed last, where the place has such a time.
    pub modified: Option<Timestamp>,
    /// Where a symbolic link at this place leads, as it is written there.
    pub link: Option<Box<str>>,
    /// Who reads this place, and since when: what they hold is what stood there when they started.
    pub readers: Vec<Reader>,
}

/// A process or a container that reads a place when it starts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reader {
    /// What it is called, for people: `kube-apiserver (PID 812)`, `container coredns`.
    pub name: Box<str>,
    /// When it started; `None` where nobody says.
    pub started: Option<Timestamp>,
    /// Whether it looks at the place again by itself: then its start says nothing.
    pub reloads: bool,
    /// What makes it read again, as a command; `None` where none is known.
    pub mend: Option<Box<str>>,
}

impl Sighting {
    /// A sighting without anything beside its content.
    pub fn new(place: Place, role: Role, content: Content) -> Self {
        Self { place, role, content, modified: None, link: None, readers: Vec::new() }
    }

    /// A place that should hold something and does not.
    pub fn absent(place: Place, role: Role) -> Self {
        Self::new(place, role, Content::Absent)
    }

    /// A place that could not be looked at, for this reason.
    pub fn unknown(place: Place, role: Role, why: impl Into<Box<str>>) -> Self {
        Self::new(place, role, Content::Unknown(Unknown { why: why.into(), right: None }))
    }

    /// A place that may not be looked at: the reason, and the right that is missing.
    pub fn forbidden(
        place: Place,
        role: Role,
        why: impl Into<Box<str>>,
        right: impl Into<Box<str>>,
    ) -> Self {
        let unknown = Unknown { why: why.into(), right: Some(right.into()) };
        Self::new(place, role, Content::Unknown(unknown))
    }

    /// Readers that started before the content changed: they hold what stood there before.
    pub fn stale_readers(&self) -> impl Iterator<Item = &Reader> {
        let doubt = match &self.place {
            Place::File { path, .. } if path.ends_with("/kubelet.conf") => KUBEADM_FINALIZES,
            _ => DOUBT,
        };
        self.readers.iter().filter(|reader| !reader.reloads).filter(move |reader| {
            matches!((reader.started, self.modified), (Some(started), Some(modified)) if modified.duration_since(started) > doubt)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_started_before_the_change_holds_what_was_there_before() {
        let at = |second| Timestamp::from_second(second).ok();
        let reader =
            |name: &str, started| Reader { name: name.into(), started, reloads: false, mend: None };
        let place = Place::file(&Host::named("m1"), "/a");
        let role = Role::new(Component::ApiServer, Domain::Cluster, Part::Serving);
        let mut sighting = Sighting::new(place, role, Content::Held(Held::default()));
        sighting.readers = vec![
            reader("before", at(7)),
            reader("doubtful", at(8)),
            reader("after", at(11)),
            reader("unknown", None),
        ];
        assert_eq!(sighting.stale_readers().count(), 0, "nobody knows when it changed");
        sighting.modified = at(10);
        let stale: Vec<&str> = sighting.stale_readers().map(|r| &*r.name).collect();
        assert_eq!(stale, ["before"]);
        // kubeadm writes a kubelet's kubeconfig once more after it has started it.
        sighting.place = Place::file(&Host::named("m1"), "/etc/kubernetes/kubelet.conf");
        assert_eq!(sighting.stale_readers().count(), 0);
        sighting.modified = at(7 + 301);
        let stale: Vec<&str> = sighting.stale_readers().map(|r| &*r.name).collect();
        assert_eq!(stale, ["before"]);
    }
}
