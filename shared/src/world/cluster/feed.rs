//! Keeps the objects of a query current: by a watch, by listing again where a watch has lost its thread, and by listing
//! every two seconds where the server does not let us watch.

use super::Runner;
use super::ask::Asker;
use super::fault::ClusterError;
use super::list::{self, ListVersion, Part, Wire, pages};
use super::query::{Listing, Scope};
use super::watch::{End, Event, watch};
use crate::facts::account::{AccountToken, TokenWire};
use crate::facts::identity::Uid;
use crate::facts::pod::{Interner, Pod};
use crate::facts::pod_wire;
use crate::world::interrupt::Interrupt;
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often is looked where there is no watch.
const POLL: Duration = Duration::from_secs(2);

/// The first and the longest pause after a failure.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// A kind of object that can be followed.
pub trait Followed: Sized + 'static {
    /// As the API sends it.
    type Wire: DeserializeOwned + Send + 'static;

    /// Identity of what the API sent.
    fn uid_of(wire: &Self::Wire) -> &str;

    /// As facts; `None` for what is no such object.
    fn of(wire: Self::Wire, interner: &mut Interner) -> Option<Self>;

    /// Identity, namespace, name.
    fn identity(&self) -> (Uid, Arc<str>, Box<str>);
}

impl Followed for Pod {
    type Wire = pod_wire::Pod;

    fn uid_of(wire: &pod_wire::Pod) -> &str {
        wire.metadata.uid()
    }

    fn of(wire: pod_wire::Pod, interner: &mut Interner) -> Option<Self> {
        Self::read(wire, interner)
    }

    fn identity(&self) -> (Uid, Arc<str>, Box<str>) {
        (self.uid.clone(), Arc::clone(&self.namespace), self.name.clone())
    }
}

impl Followed for AccountToken {
    type Wire = TokenWire;

    fn uid_of(wire: &TokenWire) -> &str {
        wire.uid()
    }

    fn of(wire: TokenWire, _: &mut Interner) -> Option<Self> {
        wire.token()
    }

    fn identity(&self) -> (Uid, Arc<str>, Box<str>) {
        let secret = &self.secret;
        (secret.uid.clone(), secret.namespace.as_str().into(), secret.name.as_str().into())
    }
}

/// What happened to the objects of a query.
#[derive(Debug)]
pub enum FeedEvent<T = Pod> {
    /// An object as it is now; perhaps it was so before.
    Now(T),
    /// An object is gone.
    Gone {
        /// Its identity.
        uid: Uid,
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        name: Box<str>,
    },
    /// A complete list was told by `Now`: an object of the query in that namespace that is not in it is gone.
    Listed {
        /// The namespace; `None` is all of them.
        namespace: Option<Arc<str>>,
        /// Every object there is.
        present: HashSet<Uid>,
    },
    /// The server cannot be followed at present; it is tried again.
    Lost {
        /// Why.
        message: String,
    },
    /// The server can be followed again.
    Back,
}

enum Message<W> {
    Now(W),
    Gone(W),
    /// Place of the namespace, and the objects that are there.
    Listed(usize, HashSet<Uid>),
    Lost(String),
    Back,
}

/// Follows the pods of a query.
pub type PodFeed = Feed<Pod>;

/// Follows token secrets.
pub type TokenFeed = Feed<AccountToken>;

/// Follows the objects of a query.
pub struct Feed<T: Followed> {
    runner: Arc<Runner>,
    messages: UnboundedReceiver<Message<T::Wire>>,
    tasks: Vec<JoinHandle<()>>,
    namespaces: Vec<Option<Arc<str>>>,
    interner: Interner,
    interrupt: Interrupt,
    /// How many of the watches are lost.
    lost: usize,
}

impl<T: Followed> Feed<T> {
    pub(super) fn start(
        runner: Arc<Runner>,
        asker: &Arc<Asker>,
        scope: &Scope,
        listing: impl Fn(Option<&str>) -> Listing,
        from: &ListVersion,
        interrupt: Interrupt,
    ) -> Self {
        let (sender, messages) = unbounded_channel();
        let parts = scope.parts();
        let tasks = parts
            .iter()
            .enumerate()
            .map(|(place, namespace)| {
                let key = namespace.unwrap_or_default();
                // A version of all namespaces is good for each of them.
                let known = from.versions.get(key).or_else(|| from.versions.get(""));
                let follower = Follower {
                    asker: Arc::clone(asker),
                    listing: listing(*namespace),
                    place,
                    sender: sender.clone(),
                };
                let version = known.filter(|v| !from.mixed && !v.is_empty()).cloned();
                runner.spawn(follower.follow::<T>(version))
            })
            .collect();
        Self {
            runner,
            messages,
            tasks,
            namespaces: parts.iter().map(|n| n.map(Into::into)).collect(),
            interner: Interner::default(),
            interrupt,
            lost: 0,
        }
    }

    /// Returns at once if something has happened, else when it does, at the latest after `timeout`; early if somebody
    /// asks to stop.
    pub fn wait(&mut self, timeout: Duration) -> Vec<FeedEvent<T>> {
        let mut messages = Vec::new();
        let Self { runner, messages: source, interrupt, .. } = self;
        runner.block_on(async {
            // The watches run only while somebody waits: give them a turn before the first look.
            tokio::task::yield_now().await;
            let receive = source.recv_many(&mut messages, 1024);
            tokio::select! {
                biased;
                _ = receive => {}
                () = interrupt.asked() => {}
                () = tokio::time::sleep(timeout) => {}
            }
        });
        messages.into_iter().filter_map(|message| self.event(message)).collect()
    }

    fn event(&mut self, message: Message<T::Wire>) -> Option<FeedEvent<T>> {
        match message {
            Message::Now(wire) => T::of(wire, &mut self.interner).map(FeedEvent::Now),
            Message::Gone(wire) => T::of(wire, &mut self.interner).map(|object| {
                let (uid, namespace, name) = object.identity();
                FeedEvent::Gone { uid, namespace, name }
            }),
            Message::Listed(place, present) => Some(FeedEvent::Listed {
                namespace: self.namespaces.get(place).cloned().flatten(),
                present,
            }),
            Message::Lost(message) => {
                self.lost += 1;
                (self.lost == 1).then_some(FeedEvent::Lost { message })
            }
            Message::Back => {
                self.lost = self.lost.saturating_sub(1);
                (self.lost == 0).then_some(FeedEvent::Back)
            }
        }
    }
}

impl<T: Followed> Drop for Feed<T> {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Follows one namespace, or all of them, for ever.
struct Follower<W> {
    asker: Arc<Asker>,
    listing: Listing,
    place: usize,
    sender: UnboundedSender<Message<W>>,
}

impl<W: Wire> Follower<W> {
    fn tell(&self, message: Message<W>) {
        // Nobody listens any more: the task is about to be aborted.
        let _ = self.sender.send(message);
    }

    async fn follow<T: Followed<Wire = W>>(self, mut version: Option<String>) {
        let mut pause = PAUSES.0;
        let mut lost = false;
        let mut may_watch = true;
        loop {
            let from = match version.take() {
                Some(from) => from,
                None => match self.list::<T>().await {
                    Ok(from) => {
                        self.back(&mut lost);
                        from
                    }
                    Err(error) => {
                        self.lose(&mut lost, &error);
                        rest(&mut pause).await;
                        continue;
                    }
                },
            };
            if !may_watch {
                pause = PAUSES.0;
                tokio::time::sleep(POLL).await;
                continue;
            }
            let begun = Instant::now();
            let mut moved = false;
            let end = watch(
                &self.asker,
                &self.listing,
                from,
                || self.back(&mut lost),
                |event| {
                    moved = true;
                    self.tell(match event {
                        Event::Now(object) => Message::Now(object),
                        Event::Gone(object) => Message::Gone(object),
                    });
                },
            )
            .await;
            match end {
                End::Closed(next) => version = Some(next),
                End::Expired => {}
                End::Refused => may_watch = false,
                End::Failed(next, error) => {
                    self.lose(&mut lost, &error);
                    // After anything but a lost connection the version itself may be the trouble.
                    version = matches!(
                        error,
                        ClusterError::Connect { .. } | ClusterError::TimedOut { .. }
                    )
                    .then_some(next);
                }
            }
            // A server that ends every watch at once must not be asked in a tight loop.
            if moved || begun.elapsed() > PAUSES.1 {
                pause = PAUSES.0;
            } else if may_watch {
                rest(&mut pause).await;
            }
        }
    }

    /// Lists everything, tells it, and returns the version to watch from.
    async fn list<T: Followed<Wire = W>>(&self) -> Result<String, ClusterError> {
        let mut present = HashSet::new();
        let (version, _) =
            pages(&self.asker, &self.listing, list::json::<W>(), |part| match part {
                Part::Again => present.clear(),
                Part::Items(items) => {
                    for object in items {
                        present.insert(Uid(T::uid_of(&object).into()));
                        self.tell(Message::Now(object));
                    }
                }
            })
            .await?;
        self.tell(Message::Listed(self.place, present));
        Ok(version)
    }

    fn lose(&self, lost: &mut bool, error: &ClusterError) {
        if !std::mem::replace(lost, true) {
            self.tell(Message::Lost(error.to_string()));
        }
    }

    fn back(&self, lost: &mut bool) {
        if std::mem::replace(lost, false) {
            self.tell(Message::Back);
        }
    }
}

/// Waits, and longer the next time.
async fn rest(pause: &mut Duration) {
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(PAUSES.1);
}
