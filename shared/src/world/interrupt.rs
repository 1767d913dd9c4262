//! Ctrl-C and its kin: the first asks the tool to stop at the next safe point, the second ends it at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// Whether somebody asked to stop. Clones share the answer.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<State>);

#[derive(Debug, Default)]
struct State {
    asked: AtomicBool,
    wake: Notify,
    /// Who is asked to stop asks this one, too.
    parent: Option<Interrupt>,
}

impl Interrupt {
    /// One that no signal reaches: for tests, and for commands that have nothing to stop.
    pub fn never() -> Self {
        Self::default()
    }

    /// One for a part of the work: it is asked whenever this one is, and can be asked by itself.
    #[must_use]
    pub fn part(&self) -> Self {
        Self(Arc::new(State { parent: Some(self.clone()), ..State::default() }))
    }

    /// Listens for SIGINT, SIGTERM and SIGHUP from now on.
    ///
    /// A signal that the parent told this process to ignore stays ignored, or `nohup` would be broken.
    pub fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let ignored = ignored_signals();
        let wanted = |kind: SignalKind| ignored & (1 << (kind.as_raw_value() - 1)) == 0;
        let guard = runtime.enter();
        let mut signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
            .into_iter()
            .filter(|kind| wanted(*kind))
            .map(signal)
            .collect::<io::Result<Vec<_>>>()?;
        drop(guard);
        let shared = interrupt.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                any(&mut signals).await;
                shared.ask();
                any(&mut signals).await;
            });
            end_at_once();
        })?;
        Ok(interrupt)
    }

    /// Asks to stop, as the first signal does.
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
        self.0.wake.notify_waiters();
    }

    /// Whether somebody asked to stop.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst) || self.0.parent.as_ref().is_some_and(Self::is_asked)
    }

    /// Resolves once somebody asks to stop; at once if somebody did.
    pub(crate) async fn asked(&self) {
        let woken = self.0.wake.notified();
        let mut woken = std::pin::pin!(woken);
        woken.as_mut().enable();
        if self.is_asked() {
            return;
        }
        let Some(parent) = &self.0.parent else { return woken.await };
        let mut parents = Box::pin(parent.asked());
        std::future::poll_fn(|cx| {
            if woken.as_mut().poll(cx).is_ready() {
                return std::task::Poll::Ready(());
            }
            parents.as_mut().poll(cx)
        })
        .await;
    }

    /// Waits for so long, or until somebody asks to stop; says whether somebody did.
    pub fn pause(&self, duration: Duration) -> bool {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build()
        else {
            return self.is_asked();
        };
        runtime.block_on(async {
            let _ = tokio::time::timeout(duration, self.asked()).await;
        });
        self.is_asked()
    }
}

async fn any(signals: &mut [Signal]) {
    std::future::poll_fn(|cx| {
        let ready =
            signals.iter_mut().any(|s| matches!(s.poll_recv(cx), std::task::Poll::Ready(Some(()))));
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[expect(
    clippy::exit,
    reason = "a second Ctrl-C must not wait for anything: there is nobody left to return to"
)]
fn end_at_once() -> ! {
    super::exec::end_all();
    std::process::exit(i32::from(crate::facts::exit::Exit::Interrupted.code()))
}

/// The mask of signals that this process was started with as ignored; none where the system does not say.
fn ignored_signals() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the kernel's word on this process is not a file of anybody's"
    )]
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_ends_a_pause() {
        let interrupt = Interrupt::never();
        assert!(!interrupt.pause(Duration::from_millis(5)));
        let asker = interrupt.clone();
        let thread = std::thread::spawn(move || asker.ask());
        assert!(interrupt.pause(Duration::from_secs(30)));
        thread.join().expect("the asker ends");
        assert!(interrupt.pause(Duration::from_secs(30)), "it stays asked");
    }

    #[test]
    fn a_part_is_asked_by_itself_and_with_the_whole() {
        let whole = Interrupt::never();
        let (one, other) = (whole.part(), whole.part());
        one.ask();
        assert!(one.is_asked() && !whole.is_asked() && !other.is_asked());
        assert!(one.pause(Duration::from_secs(30)));
        assert!(!other.pause(Duration::from_millis(5)));
        let asker = whole.clone();
        let thread = std::thread::spawn(move || asker.ask());
        assert!(other.pause(Duration::from_secs(30)));
        thread.join().expect("the asker ends");
    }
}
