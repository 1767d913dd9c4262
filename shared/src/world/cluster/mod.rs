//! The door to the Kubernetes API.
//!
//! Plain blocking calls; everything asynchronous stays behind them. Several threads may call at once. Reads are tried again where that can
//! help, changes never are. Lists come page by page, as lean facts.

mod abilities;
mod act;
mod answer;
mod ask;
mod client;
mod connection;
mod fault;
mod feed;
mod kubeconfig;
mod list;
mod plugin;
mod proxy;
mod query;
mod read;
mod sightings;
mod tls_fault;
mod token_file;
mod tokens;
mod transport;
mod trust;
mod watch;

pub use abilities::{Abilities, Access, PolicyVersion};
pub use act::{Request, Thing};
pub use answer::Answer;
pub use ask::ServerTime;
pub use connection::{Connection, InCluster, ProxyEnv, SecretText};
pub use fault::ClusterError;
pub use feed::{Feed, FeedEvent, Followed, PodFeed, TokenFeed};
pub use list::ListVersion;
pub use query::{PodQuery, Scope};
pub use read::Warning;
pub use tls_fault::ConnectFault;
pub use tokens::{NamespaceState, Review};

use super::interrupt::Interrupt;
use crate::facts::account::{Account, AccountToken, OtherSecret};
use crate::facts::budget::Budget;
use crate::facts::ca_bundle::CaBundle;
use crate::facts::credential::{Digest, RootCa, SecretName, TokenSecret};
use crate::facts::held::HeldToken;
use crate::facts::identity::{ClusterIdentity, ObjectRef};
use crate::facts::jwt::Claims;
use crate::facts::lease::Lease;
use crate::facts::mounts::PodMounts;
use crate::facts::node::Node;
use crate::facts::objects::ObjectsSeen;
use crate::facts::pod::{Interner, Pod};
use crate::facts::selector::Selector;
use crate::facts::service::Service;
use crate::facts::sighting::Interner as Certificates;
use crate::facts::signing_key::PublicKeys;
use crate::facts::version::ServerVersion;
use crate::facts::workload::{Workload, WorkloadKind};
use ask::Asker;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// One cluster, through one API server.
pub struct Cluster {
    runner: Arc<Runner>,
    asker: Arc<Asker>,
    server: String,
}

impl Cluster {
    /// Reads the kubeconfig, runs the credential plugin if there is one, and prepares the client. Asks the server nothing yet.
    pub fn connect(connection: &Connection) -> Result<Self, ClusterError> {
        let chosen = kubeconfig::choose(connection)?;
        let runner = Arc::new(Runner::new()?);
        let asker = runner.block_on(Asker::new(connection, chosen))?;
        Ok(Self { server: asker.server(), runner, asker: Arc::new(asker) })
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The context of the kubeconfig, if one was chosen.
    pub fn context(&self) -> Option<&str> {
        self.asker.context()
    }

    /// The namespace of `--namespace`, else of the context, else `default`.
    pub fn default_namespace(&self) -> &str {
        self.asker.namespace()
    }

    /// Which cluster this is: the UID of namespace `kube-system`.
    pub fn identity(&self) -> Result<ClusterIdentity, ClusterError> {
        self.runner.block_on(read::identity(&self.asker))
    }

    /// Certificates, keys and tokens in objects of the API; of kinds that cannot be listed, why.
    pub fn sightings(&self, scope: &Scope, interner: &Certificates) -> ObjectsSeen {
        self.runner.block_on(sightings::sightings(&self.asker, scope, interner))
    }

    /// SHA-256 of the public keys by which the server checks tokens; `None` where it does not offer them.
    pub fn published_key_digests(&self) -> Result<Option<Vec<Digest>>, ClusterError> {
        self.runner.block_on(tokens::published_key_digests(&self.asker))
    }

    /// The sockets behind a port of a Service that are ready.
    pub fn service_sockets(
        &self,
        namespace: &str,
        name: &str,
        port: u16,
    ) -> Result<Vec<(String, u16)>, ClusterError> {
        self.runner.block_on(sightings::service_sockets(&self.asker, namespace, name, port))
    }

    /// Pods with volumes that hold a CA or a token.
    pub fn pod_mounts(&self, scope: &Scope) -> Result<Vec<PodMounts>, ClusterError> {
        self.runner.block_on(sightings::pod_mounts(&self.asker, scope))
    }

    /// What the server says of its version; 0.0 where it says nothing that can be read.
    pub fn version(&self) -> Result<ServerVersion, ClusterError> {
        self.runner.block_on(read::version(&self.asker))
    }

    /// What the server offers.
    pub fn abilities(&self) -> Result<Abilities, ClusterError> {
        self.runner.block_on(abilities::abilities(&self.asker))
    }

    /// Those of the permissions that we lack, each once.
    pub fn denied(&self, wanted: &[Access]) -> Result<Vec<Access>, ClusterError> {
        self.runner.block_on(abilities::denied(&self.asker, wanted))
    }

    /// Lists pods, page by page, each once; equal parts of them are held once by `interner`.
    pub fn pods(
        &self,
        query: &PodQuery<'_>,
        interner: &mut Interner,
        each: &mut dyn FnMut(Pod),
    ) -> Result<ListVersion, ClusterError> {
        self.runner.block_on(read::pods(&self.asker, query, interner, each))
    }

    /// One pod, if it is there.
    pub fn pod(
        &self,
        namespace: &str,
        name: &str,
        interner: &mut Interner,
    ) -> Result<Option<Pod>, ClusterError> {
        self.runner.block_on(read::pod(&self.asker, namespace, name, interner))
    }

    /// A pod as the server writes it, if it is there.
    pub fn pod_manifest(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<serde_json::Value>, ClusterError> {
        self.runner.block_on(read::manifest(&self.asker, namespace, name))
    }

    /// Controllers of one kind.
    pub fn workloads(
        &self,
        kind: WorkloadKind,
        scope: &Scope,
    ) -> Result<Vec<Workload>, ClusterError> {
        self.runner.block_on(read::workloads(&self.asker, kind, scope))
    }

    /// Controllers of several kinds, listed side by side.
    pub fn workloads_of(
        &self,
        kinds: &BTreeSet<WorkloadKind>,
        scope: &Scope,
    ) -> Result<Vec<Workload>, ClusterError> {
        self.runner.block_on(read::workloads_of(&self.asker, kinds, scope))
    }

    /// Nodes.
    pub fn nodes(&self) -> Result<Vec<Node>, ClusterError> {
        self.runner.block_on(read::nodes(&self.asker))
    }

    /// Leases of a namespace.
    pub fn leases(&self, namespace: &str) -> Result<Vec<Lease>, ClusterError> {
        self.runner.block_on(read::leases(&self.asker, namespace))
    }

    /// Disruption budgets, of whichever version the server offers.
    pub fn budgets(&self, scope: &Scope) -> Result<Vec<Budget>, ClusterError> {
        self.runner.block_on(read::budgets(&self.asker, scope))
    }

    /// One Service, if it is there.
    pub fn service(&self, namespace: &str, name: &str) -> Result<Option<Service>, ClusterError> {
        self.runner.block_on(read::service(&self.asker, namespace, name))
    }

    /// Those of these Services, by namespace and name, that are there.
    pub fn services_named(
        &self,
        names: &BTreeSet<(&str, &str)>,
    ) -> Result<Vec<Service>, ClusterError> {
        self.runner.block_on(read::services_named(&self.asker, names))
    }

    /// Services.
    pub fn services(&self, scope: &Scope) -> Result<Vec<Service>, ClusterError> {
        self.runner.block_on(read::services(&self.asker, scope))
    }

    /// How many endpoints of a Service are ready; `None` where it has no Endpoints object.
    pub fn ready_endpoints(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<usize>, ClusterError> {
        self.runner.block_on(read::ready_endpoints(&self.asker, namespace, name))
    }

    /// The ready addresses behind a Service.
    pub fn endpoint_addresses(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Vec<String>, ClusterError> {
        self.runner.block_on(read::endpoint_addresses(&self.asker, namespace, name))
    }

    /// Secrets that hold tokens of service accounts, by digest.
    pub fn token_secrets(&self, scope: &Scope) -> Result<Vec<TokenSecret>, ClusterError> {
        self.runner.block_on(read::token_secrets(&self.asker, scope))
    }

    /// Whether there is a Secret of that name, of any type.
    pub fn secret_exists(&self, namespace: &str, name: &str) -> Result<bool, ClusterError> {
        self.runner.block_on(read::secret_exists(&self.asker, namespace, name))
    }

    /// Those of these Secrets, by namespace and name, that are not there.
    pub fn secrets_missing(
        &self,
        names: BTreeSet<SecretName>,
    ) -> Result<Vec<SecretName>, ClusterError> {
        self.runner.block_on(read::secrets_missing(&self.asker, names))
    }

    /// The root CA that each namespace publishes, by digest.
    pub fn root_cas(&self, scope: &Scope) -> Result<Vec<RootCa>, ClusterError> {
        self.runner.block_on(read::root_cas(&self.asker, scope))
    }

    /// Names of all namespaces.
    pub fn namespaces(&self) -> Result<Vec<String>, ClusterError> {
        self.runner.block_on(read::namespaces(&self.asker))
    }

    /// Warnings that Kubernetes wrote down about an object, the newest first.
    pub fn events_for(&self, object: &ObjectRef) -> Result<Vec<Warning>, ClusterError> {
        self.runner.block_on(read::warnings(&self.asker, object))
    }

    /// The server's clock as its last answer showed it; `None` before the first answer.
    pub fn server_time(&self) -> Option<ServerTime> {
        self.asker.time()
    }

    /// The server's time of day, when this machine's is `local`.
    pub fn now(&self, local: Timestamp) -> Timestamp {
        let ahead = self.server_time().map(|time| time.ahead).unwrap_or_default();
        local.checked_add(ahead).unwrap_or(local)
    }

    /// Sends changes, up to 16 at a time, each once; `each` gets the place of the request and the answer, as they come.
    pub fn act(&self, requests: &[Request], each: &mut dyn FnMut(usize, Answer)) {
        self.runner.block_on(act::all(&self.asker, requests, each));
    }

    /// Follows the pods of a query from a list on; begins with a list of its own where `from` is empty.
    pub fn pod_feed(
        &self,
        query: &PodQuery<'_>,
        from: &ListVersion,
        interrupt: &Interrupt,
    ) -> PodFeed {
        let listing = |namespace: Option<&str>| read::pod_listing(query, namespace);
        let runner = Arc::clone(&self.runner);
        Feed::start(runner, &self.asker, &query.namespaces, listing, from, interrupt.clone())
    }

    /// Token secrets with what a reset needs to know of them.
    pub fn account_tokens(
        &self,
        scope: &Scope,
        labels: Option<&Selector>,
    ) -> Result<Vec<AccountToken>, ClusterError> {
        self.runner.block_on(tokens::account_tokens(&self.asker, scope, labels))
    }

    /// One token secret, if it is there and is one.
    pub fn account_token(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<AccountToken>, ClusterError> {
        self.runner.block_on(tokens::account_token(&self.asker, namespace, name))
    }

    /// A secret as the server writes it, with all that it holds, if it is there: only ever for a backup.
    pub fn secret_manifest(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<serde_json::Value>, ClusterError> {
        self.runner.block_on(tokens::secret_manifest(&self.asker, namespace, name))
    }

    /// Service accounts.
    pub fn accounts(&self, scope: &Scope) -> Result<Vec<Account>, ClusterError> {
        self.runner.block_on(tokens::accounts(&self.asker, scope))
    }

    /// One service account, if it is there.
    pub fn account(&self, namespace: &str, name: &str) -> Result<Option<Account>, ClusterError> {
        self.runner.block_on(tokens::account(&self.asker, namespace, name))
    }

    /// Secrets of other types, by name and type alone.
    pub fn other_secrets(
        &self,
        scope: &Scope,
        labels: Option<&Selector>,
    ) -> Result<Vec<OtherSecret>, ClusterError> {
        self.runner.block_on(tokens::other_secrets(&self.asker, scope, labels))
    }

    /// Namespaces of the scope that are there, and whether they are going.
    pub fn namespace_states(&self, scope: &Scope) -> Result<Vec<NamespaceState>, ClusterError> {
        self.runner.block_on(tokens::namespace_states(&self.asker, scope))
    }

    /// Whether this API server accepts these tokens, in their order, asked a few at a time (`TokenReview`).
    pub fn review(&self, tokens: &[HeldToken]) -> Vec<Result<Review, ClusterError>> {
        self.runner.block_on(tokens::reviews(&self.asker, tokens))
    }

    /// The root CA that the controller manager publishes in a namespace; `None` where it publishes none (below 1.20).
    pub fn published_ca(&self, namespace: &str) -> Result<Option<CaBundle>, ClusterError> {
        self.runner.block_on(tokens::published_ca(&self.asker, namespace))
    }

    /// The keys that this API server verifies tokens with, where it says so (since 1.20, and to whom it says so).
    pub fn published_keys(&self) -> Result<Option<PublicKeys>, ClusterError> {
        self.runner.block_on(tokens::published_keys(&self.asker))
    }

    /// Addresses of all API servers, as `default/kubernetes` lists them: `https://HOST:PORT`.
    pub fn api_servers(&self) -> Result<Vec<String>, ClusterError> {
        self.runner.block_on(tokens::api_servers(&self.asker))
    }

    /// What the token that we show says of itself, if we show one.
    pub fn own_claims(&self) -> Option<Claims> {
        self.asker.own_claims()
    }

    /// Follows token secrets, beginning with a list.
    pub fn token_feed(&self, scope: &Scope, interrupt: &Interrupt) -> TokenFeed {
        let listing = |namespace: Option<&str>| tokens::listing(namespace, None);
        let from = ListVersion::default();
        let runner = Arc::clone(&self.runner);
        Feed::start(runner, &self.asker, scope, listing, &from, interrupt.clone())
    }

    /// An object as the server writes it, with all that it holds, if it is there.
    pub fn object(
        &self,
        thing: Thing,
        namespace: &str,
        name: &str,
    ) -> Result<Option<serde_json::Value>, ClusterError> {
        self.runner.block_on(self.asker.json_if_there(&thing.path(namespace, name)))
    }

    /// Merges a change into an object that was read by [`Self::object`]; `false` where it has changed since.
    pub fn merge(
        &self,
        thing: Thing,
        object: &serde_json::Value,
        change: &serde_json::Value,
    ) -> Result<bool, ClusterError> {
        self.runner.block_on(act::merge(&self.asker, thing, object, change))
    }

    /// Aggregated APIs that do not answer through this server, each with the reason.
    pub fn silent_apis(&self) -> Result<Vec<(String, String)>, ClusterError> {
        self.runner.block_on(read::silent_apis(&self.asker))
    }

    /// Whether the server says that it is ready: one that answers may not know its rules yet.
    pub fn ready(&self) -> Result<(), ClusterError> {
        self.runner.block_on(self.asker.get("/readyz")).map(drop)
    }

    /// Creates an object and returns it as the server made it, without waiting for anything else.
    pub fn create(
        &self,
        thing: Thing,
        namespace: &str,
        manifest: &serde_json::Value,
    ) -> Result<serde_json::Value, ClusterError> {
        self.runner.block_on(act::create(&self.asker, thing, namespace, manifest))
    }
}

/// Where everything asynchronous runs: on the threads of those who wait for it, and only while somebody does.
struct Runner(Option<Runtime>);

impl Runner {
    fn new() -> Result<Self, ClusterError> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map(|runtime| Self(Some(runtime)))
            .map_err(ClusterError::Client)
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it is there until it is dropped")
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime().block_on(future)
    }

    fn spawn(
        &self,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.runtime().spawn(future)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // A name that is still being looked up must not hold up the end of the program.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
