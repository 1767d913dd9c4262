//! What live servers show, many at a time.

use crate::facts::endpoint::Shown;
use crate::facts::sighting::{
    Component, Content, Domain, Held, Interner, Part, Place, Role, Sighting,
};
use crate::world::beside;
use crate::world::endpoint::{self, EndpointFault, Limits, Target};

/// Handshakes that are under way at a time: they wait, they do not compute.
const AT_ONCE: usize = 32;

/// What a server shows of itself.
pub(super) const CHAIN: &str = "chain";

/// A server that is expected somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// What people call it: `kube-apiserver`, `etcd-peer`.
    pub name: String,
    /// Who it is.
    pub component: Component,
    /// Under which CA its certificate belongs.
    pub domain: Domain,
    /// Under which CA those of its clients belong.
    pub clients: Domain,
    /// It may have a certificate of its own, under no CA of the cluster.
    pub own: bool,
    /// Somebody said that it is there: where nobody listens, that is told.
    pub expected: bool,
    /// Where it is.
    pub target: Target,
}

/// Looks at all of them; up to two sightings of each, in their order.
pub fn endpoints(servers: &[Server], limits: Limits, interner: &Interner) -> Vec<Sighting> {
    let look = |server: &Server| server.sightings(endpoint::look(&server.target, limits), interner);
    beside::each(servers, AT_ONCE, look).into_iter().flatten().collect()
}

impl Server {
    /// What it shows of itself.
    pub fn chain(&self) -> Place {
        self.place(CHAIN)
    }

    /// Host and port, as they stand in a URL.
    pub fn address(&self) -> String {
        let Target { host, port, .. } = &self.target;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.contains(':') { format!("[{bare}]:{port}") } else { format!("{bare}:{port}") }
    }

    pub(super) fn place(&self, shown: &str) -> Place {
        let server_name = &self.target.server_name;
        // A server with several certificates is one place for each name that it is asked for.
        let asked = server_name.as_deref().map(|name| format!(" as {name}")).unwrap_or_default();
        Place::Endpoint {
            server: self.name.as_str().into(),
            address: format!("{}{asked}", self.address()).into(),
            shown: shown.into(),
        }
    }

    fn sightings(&self, shown: Result<Shown, EndpointFault>, interner: &Interner) -> Vec<Sighting> {
        let chain = self.place(CHAIN);
        let serving = |domain| Role::new(self.component, domain, Part::Serving);
        let shown = match shown {
            Ok(shown) => shown,
            Err(EndpointFault::Refused) if !self.expected => return Vec::new(),
            Err(why) => {
                return vec![Sighting::unknown(chain, serving(self.domain), why.to_string())];
            }
        };
        let Some(last) = shown.chain.last() else {
            let why = shown.unreadable.first().map_or("it shows no certificate", String::as_str);
            return vec![Sighting::unknown(chain, serving(self.domain), why)];
        };
        // Who makes itself a certificate sends the CA that it made for that as well.
        let domain = if self.own && last.is_self_signed() { Domain::Other } else { self.domain };
        let certificates = shown.chain.iter().map(|certificate| interner.share(certificate));
        let held = Held { certificates: certificates.collect(), ..Held::default() };
        let mut all = vec![Sighting::new(chain, serving(domain), Content::Held(held))];
        // A server that names none accepts any as far as it says, which says nothing.
        if let Some(asked) = shown.asks.filter(|asked| !asked.names.is_empty()) {
            let role = Role::new(self.component, self.clients, Part::AcceptedNames);
            let names = asked.names.iter().map(|name| name.der().into());
            let held = Held { names: names.collect(), ..Held::default() };
            all.push(Sighting::new(self.place("accepted CAs"), role, Content::Held(held)));
        }
        all
    }
}
