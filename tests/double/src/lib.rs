//! A Kubernetes API server in the test's own process: objects in memory, every request recorded, faults on order.
//!
//! ```no_run
//! use serde_json::json;
//! let api = double::Api::start();
//! api.put(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "default", "name": "web"}}));
//! api.fault(double::Fault::on("GET", "/api/v1/pods").status(503).times(2));
//! // ... let the program under test talk to `api.url()` or read `api.kubeconfig()` ...
//! assert_eq!(api.count("DELETE", "/api/v1/"), 0);
//! ```
#![expect(
    clippy::disallowed_methods,
    reason = "a server has clocks and pauses of its own; nothing here is part of a tool"
)]

mod fault;
mod http;
mod respond;
mod routes;
mod select;
mod store;
mod stream;
pub mod tls;
pub mod tokens;

pub use fault::Fault;
pub use http::Recorded;

use serde_json::Value;
use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::Store;

/// Called after an object is gone; may put others, as a controller would.
type Reaction = Arc<dyn Fn(&Api, &Value) + Send + Sync>;

/// How the server is to be.
pub struct Setup {
    address: String,
    tls: Option<Arc<rustls::ServerConfig>>,
    groups: BTreeSet<String>,
    version: (String, String, String),
    page_limit: Option<usize>,
    grace: Duration,
    token: Option<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:0".to_owned(),
            tls: None,
            groups: [
                "v1",
                "apps/v1",
                "batch/v1",
                "policy/v1",
                "authorization.k8s.io/v1",
                "authentication.k8s.io/v1",
            ]
            .map(str::to_owned)
            .into(),
            version: ("1".to_owned(), "33".to_owned(), "v1.33.0".to_owned()),
            page_limit: None,
            grace: Duration::ZERO,
            token: None,
        }
    }
}

impl Setup {
    /// Listens there; `127.0.0.1:0` otherwise.
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = address.into();
        self
    }

    /// Speaks TLS as this identity.
    #[must_use]
    pub fn tls(mut self, identity: &tls::Identity) -> Self {
        self.tls = Some(identity.server(None));
        self
    }

    /// Speaks TLS and demands client certificates of that CA.
    #[must_use]
    pub fn mutual_tls(mut self, identity: &tls::Identity, clients: &tls::Authority) -> Self {
        self.tls = Some(identity.server(Some(clients)));
        self
    }

    /// Offers another group and version, for example `policy/v1beta1`.
    #[must_use]
    pub fn with(mut self, group: &str) -> Self {
        self.groups.insert(group.to_owned());
        self
    }

    /// Does not offer this group and version.
    #[must_use]
    pub fn without(mut self, group: &str) -> Self {
        self.groups.remove(group);
        self
    }

    /// Says that it is of this version: `("1", "10+", "v1.10.13")`.
    #[must_use]
    pub fn version(mut self, major: &str, minor: &str, git: &str) -> Self {
        self.version = (major.to_owned(), minor.to_owned(), git.to_owned());
        self
    }

    /// Never puts more into a page, whatever is asked for.
    #[must_use]
    pub fn pages_of(mut self, limit: usize) -> Self {
        self.page_limit = Some(limit);
        self
    }

    /// How long a deleted or evicted pod stays, in place of its own grace period.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Answers 401 to whoever does not show this bearer token.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Starts.
    ///
    /// # Panics
    /// When the address is taken.
    pub fn start(self) -> Api {
        self.start_over(Arc::default())
    }

    fn start_over(self, store: Arc<Store>) -> Api {
        let listener = TcpListener::bind(&self.address).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let api = Api(Arc::new(Inner {
            address,
            scheme: if self.tls.is_some() { "https" } else { "http" },
            setup: self,
            store,
            state: Mutex::default(),
            stopped: AtomicBool::new(false),
        }));
        let serving = api.clone();
        std::thread::spawn(move || serving.listen(&listener));
        api
    }
}

#[derive(Default)]
struct State {
    requests: Vec<Recorded>,
    faults: Vec<Fault>,
    denied: Vec<(String, String)>,
    reaction: Option<Reaction>,
    connections: usize,
    open: Vec<TcpStream>,
    /// Keys whose tokens are accepted; `None` is any.
    accepted: Option<BTreeSet<String>>,
}

struct Inner {
    address: SocketAddr,
    scheme: &'static str,
    setup: Setup,
    store: Arc<Store>,
    state: Mutex<State>,
    stopped: AtomicBool,
}

/// A running server. Clones are the same server; it ends with the process, or with [`Api::stop`].
#[derive(Clone)]
pub struct Api(Arc<Inner>);

impl Api {
    /// A plain HTTP server of a current version, with namespace `kube-system`.
    pub fn start() -> Self {
        Setup::default().start()
    }

    /// A server to be set up first.
    pub fn setup() -> Setup {
        Setup::default()
    }

    /// Another API server of the same cluster: the same objects, and faults, rights and keys of its own.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Setup::default().start_over(Arc::clone(&self.0.store))
    }

    /// Stops, and starts again at the same address with the same objects, as a server of another setup.
    ///
    /// # Panics
    /// When somebody else takes the address in between.
    #[must_use]
    pub fn reborn(&self, setup: Setup) -> Self {
        self.stop();
        let address = self.0.address.to_string();
        let (accepted, reaction) = {
            let state = self.state();
            (state.accepted.clone(), state.reaction.clone())
        };
        let limit = std::time::Instant::now() + Duration::from_secs(20);
        while TcpListener::bind(&address).is_err() {
            assert!(std::time::Instant::now() < limit, "{address} does not become free");
            std::thread::sleep(Duration::from_millis(20));
        }
        let reborn = setup.address(address).start_over(Arc::clone(&self.0.store));
        reborn.state().accepted = accepted;
        reborn.state().reaction = reaction;
        reborn
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("{}://{}", self.0.scheme, self.0.address)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.0.address.port()
    }

    /// A kubeconfig for it, with a context `double` and no credential.
    pub fn kubeconfig(&self) -> String {
        kubeconfig(&self.url(), "", "")
    }

    /// Puts an object as if it had been created or updated: what is missing of its metadata is filled in. Returns its UID.
    pub fn put(&self, object: Value) -> String {
        self.0.store.put(object)
    }

    /// Changes an object in place; nothing if there is none.
    pub fn change(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) {
        if let Some(mut object) = self.get(resource, namespace, name) {
            change(&mut object);
            self.0.store.put(object);
        }
    }

    /// An object, by resource (`pods`, `apps/deployments`), namespace and name.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.0.store.get(resource, namespace, name)
    }

    /// All objects of a resource.
    pub fn all(&self, resource: &str) -> Vec<Value> {
        self.0.store.all(resource)
    }

    /// Takes an object away.
    pub fn remove(&self, resource: &str, namespace: &str, name: &str) {
        if let Some(gone) = self.0.store.remove(resource, namespace, name) {
            self.react(&gone);
        }
    }

    /// Called with every object that goes away from now on, as a controller would be.
    pub fn when_gone(&self, reaction: impl Fn(&Self, &Value) + Send + Sync + 'static) {
        self.state().reaction = Some(Arc::new(reaction));
    }

    /// Lets something go wrong.
    pub fn fault(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Nothing goes wrong any more.
    pub fn mend(&self) {
        self.state().faults.clear();
    }

    /// Forbids a verb on a resource (`pods/eviction`), and says so in access reviews.
    pub fn deny(&self, verb: &str, resource: &str) {
        self.state().denied.push((verb.to_owned(), resource.to_owned()));
    }

    /// Versions up to now have expired: watches and pages from them get 410.
    pub fn compact(&self) {
        self.0.store.compact();
    }

    /// Everything that was asked so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state().requests.clone()
    }

    /// How often a method and a beginning of a path were asked for.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let asked = |r: &&Recorded| r.method == method && r.path.starts_with(path);
        self.state().requests.iter().filter(asked).count()
    }

    /// Requests that are neither GETs nor reviews.
    pub fn changes(&self) -> Vec<Recorded> {
        let mut requests = self.requests();
        requests.retain(|r| r.method != "GET" && !r.path.ends_with("reviews"));
        requests
    }

    /// Forgets what was asked.
    pub fn forget(&self) {
        self.state().requests.clear();
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    /// Breaks all connections, as a restart does.
    pub fn hang_up(&self) {
        for stream in self.state().open.drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Stops listening and breaks all connections.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.0.address);
        self.0.store.wake();
        self.hang_up();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::SeqCst)
    }

    fn react(&self, gone: &Value) {
        let reaction = self.state().reaction.clone();
        if let Some(reaction) = reaction {
            reaction(self, gone);
        }
    }

    fn listen(&self, listener: &TcpListener) {
        while let Ok((stream, _)) = listener.accept() {
            if self.is_stopped() {
                return;
            }
            let api = self.clone();
            std::thread::spawn(move || {
                // A client that goes away is no failure of the server.
                let _ = api.serve(stream);
            });
        }
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        {
            let mut state = self.state();
            state.connections += 1;
            state.open.push(stream.try_clone()?);
        }
        let handle = stream.try_clone()?;
        let served = match &self.0.setup.tls {
            None => http::serve(self, stream),
            Some(config) => {
                let session =
                    rustls::ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                http::serve(self, rustls::StreamOwned::new(session, stream))
            }
        };
        // Other handles of it are still open.
        let _ = handle.shutdown(std::net::Shutdown::Both);
        served
    }
}

/// A kubeconfig with one context `double`; `cluster` and `user` are lines of YAML such as `certificate-authority: ca.pem`.
pub fn kubeconfig(server: &str, cluster: &str, user: &str) -> String {
    let lines = |text: &str| text.lines().flat_map(|line| ["    ", line, "\n"]).collect::<String>();
    let user = if user.is_empty() { "    {}\n".to_owned() } else { lines(user) };
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: double\n\
         contexts:\n- name: double\n  context:\n    cluster: double\n    user: double\n\
         clusters:\n- name: double\n  cluster:\n    server: {server}\n{}\
         users:\n- name: double\n  user:\n{user}",
        lines(cluster)
    )
}
