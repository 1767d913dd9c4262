//! Looks that are begun while the director still finds out how the instances are.
//!
//! `bosh instances --ps` is a task of the director, in which it asks every agent. What instances there are it knows
//! without asking, so those that will be meant are looked at meanwhile. Nothing is decided by that: only an instance that
//! the director's answer allows to be looked at gets its look, and what was begun in vain is dropped.
//!
//! Each look is a session of its own, never one of a group: where the director makes accounts on a whole group and one
//! agent is silent, the accounts on all others stay there, and may become root.

use crate::hosts::{Door, Early, Hosts, LOOK};
use crate::jobs::Job;
use crate::judge::Window;
use crate::script;
use crate::targets::{self, Selector};
use jiff::Timestamp;
use rotation_core::facts::bosh::InstanceName;
use rotation_core::world::hosts::bosh::{BoshError, CONNECTIONS, Reach};
use rotation_core::world::interrupt::Interrupt;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};
use std::time::Duration;

/// The way to the instances, on which some looks are under way.
pub(crate) struct Ahead<'a> {
    door: Door<'a>,
    /// Asked when nobody needs to know any more which instances there are.
    record: Interrupt,
    looks: Mutex<Looks>,
    changed: Condvar,
}

#[derive(Default)]
struct Looks {
    /// Nothing may be begun any more.
    closed: bool,
    by_name: BTreeMap<InstanceName, UnderWay>,
}

struct UnderWay {
    /// Ends it.
    stop: Interrupt,
    answer: Option<Early>,
}

/// Does `work`, and begins looks at the instances that are selected beside it: at the first of `jobs` that each has.
pub(crate) fn beside<R>(
    door: Door<'_>,
    selectors: &[Selector],
    jobs: &[Job],
    work: impl FnOnce(&Ahead<'_>) -> R,
) -> R {
    let record = door.interrupt.part();
    let ahead = Ahead { door, record, looks: Mutex::default(), changed: Condvar::new() };
    thread::scope(|scope| {
        scope.spawn(|| ahead.begin(scope, selectors, jobs));
        let result = work(&ahead);
        ahead.close();
        result
    })
}

impl Ahead<'_> {
    /// As many as may be under way at once; all others are looked at when it is known how they are.
    fn begin<'s>(&'s self, scope: &'s Scope<'s, '_>, selectors: &[Selector], jobs: &[Job]) {
        let bosh = self.door.bosh.stopped_by(self.record.clone());
        // Without an answer everything is done later: whoever asks for the instances themselves hears why.
        let Ok(recorded) = bosh.recorded() else { return };
        let script = script::verify_first(jobs.iter());
        let mut looks = self.looks();
        if looks.closed {
            return;
        }
        for name in targets::likely(&recorded, selectors).into_iter().take(CONNECTIONS) {
            let stop = self.door.interrupt.part();
            looks.by_name.insert(name.clone(), UnderWay { stop: stop.clone(), answer: None });
            let script = script.clone();
            scope.spawn(move || {
                let bosh = self.door.bosh.stopped_by(stop);
                let from = self.door.now();
                let reach = bosh.ssh(&name, &script, LOOK, true);
                let answer = Early { reach, window: Window { from, to: self.door.now() } };
                if let Some(look) = self.looks().by_name.get_mut(&name) {
                    look.answer = Some(answer);
                }
                self.changed.notify_all();
            });
        }
    }

    /// Nothing more is begun.
    pub(crate) fn close(&self) {
        self.looks().closed = true;
        self.record.ask();
    }

    /// Ends the look at an instance whose agent is silent: the director would wait for that agent for much longer than it
    /// did for its state. Every other look comes to its end, since one that is ended while its account is being made
    /// leaves it there.
    pub(crate) fn give_up(&self, silent: &InstanceName) {
        if let Some(look) = self.looks().by_name.get(silent) {
            look.stop.ask();
        }
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hosts for Ahead<'_> {
    fn ssh(
        &self,
        instance: &InstanceName,
        script: &str,
        limit: Duration,
        stoppable: bool,
    ) -> Result<Reach, BoshError> {
        self.door.ssh(instance, script, limit, stoppable)
    }

    fn early(&self, instance: &InstanceName) -> Option<Early> {
        let waits = |looks: &mut Looks| {
            looks.by_name.get(instance).is_some_and(|look| look.answer.is_none())
        };
        let looks = self.changed.wait_while(self.looks(), waits);
        looks.unwrap_or_else(PoisonError::into_inner).by_name.remove(instance)?.answer
    }

    fn pause(&self, duration: Duration) -> bool {
        self.door.pause(duration)
    }

    fn now(&self) -> Timestamp {
        self.door.now()
    }

    fn elapsed(&self) -> Duration {
        self.door.elapsed()
    }
}
