//! Tokens and the pods that use them in one plan: each step goes to the interpreter that knows its kind of target.

use super::effect::{Effect, Expectation, Remark, Verified};
use super::engine::Interpreter;
use super::recycle::{Manifests, Recycler};
use super::tokens::Keeper;
use crate::plan::document::{Plan, Step};
use crate::world::clock::Clock;
use crate::world::cluster::Cluster;
use crate::world::interrupt::Interrupt;
use jiff::Timestamp;
use std::time::Duration;

/// Renews tokens, and recycles pods once their tokens work.
pub struct Renewer<'a> {
    keeper: Keeper<'a>,
    pods: Option<Recycler<'a>>,
    cluster: &'a Cluster,
    clock: &'a dyn Clock,
    interrupt: &'a Interrupt,
    plan: &'a Plan,
}

fn is_token(step: &Step) -> bool {
    step.target.kind == "Secret"
}

impl<'a> Renewer<'a> {
    /// Pods are looked at when the first of them is due: replacements of before are none of this run's.
    pub fn new(
        keeper: Keeper<'a>,
        cluster: &'a Cluster,
        clock: &'a dyn Clock,
        interrupt: &'a Interrupt,
        plan: &'a Plan,
    ) -> Self {
        Self { keeper, pods: None, cluster, clock, interrupt, plan }
    }

    /// The interpreter of pods, or why there is none yet.
    fn pods(&mut self) -> Result<&mut Recycler<'a>, String> {
        if self.pods.is_none() {
            let manifests = Manifests::new();
            let started =
                Recycler::start(self.cluster, self.clock, self.interrupt, self.plan, manifests);
            self.pods = Some(started.map_err(|error| error.to_string())?);
        }
        Ok(self.pods.as_mut().expect("made above"))
    }
}

impl Interpreter for Renewer<'_> {
    fn expect(&mut self, step: &Step) -> Expectation {
        if is_token(step) {
            return self.keeper.expect(step);
        }
        match self.keeper.expect_of_pod(step) {
            Expectation::Holds => {}
            other => return other,
        }
        match self.pods() {
            Ok(pods) => pods.expect(step),
            Err(error) => Expectation::Wait(format!("a look at the pods: {error}")),
        }
    }

    fn act(&mut self, steps: &[&Step]) -> Vec<Effect> {
        let (tokens, others): (Vec<&Step>, Vec<&Step>) =
            steps.iter().copied().partition(|step| is_token(step));
        let mut of_tokens =
            if tokens.is_empty() { Vec::new() } else { self.keeper.act(&tokens) }.into_iter();
        let mut of_others = if others.is_empty() {
            Vec::new()
        } else {
            match self.pods() {
                Ok(pods) => pods.act(&others),
                Err(error) => others.iter().map(|_| Effect::Unclear(error.clone())).collect(),
            }
        }
        .into_iter();
        let unanswered = || Effect::Unclear("an answer that did not come".to_owned());
        let next = |step: &&Step| {
            if is_token(step) { of_tokens.next() } else { of_others.next() }
                .unwrap_or_else(unanswered)
        };
        steps.iter().map(next).collect()
    }

    fn verify(&mut self, step: &Step) -> Verified {
        if is_token(step) {
            return self.keeper.verify(step);
        }
        match self.pods() {
            Ok(pods) => pods.verify(step),
            Err(error) => Verified::Waiting(format!("a look at the pods: {error}")),
        }
    }

    fn wait(&mut self, limit: Duration) {
        match &mut self.pods {
            // Pods come after all tokens: what is still new of those is taken without waiting.
            Some(pods) => {
                self.keeper.wait(Duration::ZERO);
                pods.wait(limit);
            }
            None => self.keeper.wait(limit),
        }
    }

    fn elapsed(&self) -> Duration {
        self.clock.uptime()
    }

    fn now(&self) -> Timestamp {
        self.keeper.now()
    }

    fn interrupted(&self) -> bool {
        self.interrupt.is_asked()
    }

    fn remarks(&mut self) -> Vec<Remark> {
        let mut remarks = self.keeper.remarks();
        remarks.extend(self.pods.iter_mut().flat_map(Interpreter::remarks));
        remarks
    }
}
