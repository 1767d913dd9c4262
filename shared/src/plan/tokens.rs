//! Steps on token secrets, as every plan that renews some has them. Pure.

use super::document::{Action, Phase, Plan, Probe, Step, Wave};
use crate::facts::account::AccountToken;
use crate::facts::ca_bundle::CaBundle;

/// Secrets that may be empty at a time: each for as long as the controller manager needs for so many, not for all.
const AT_ONCE: u32 = 16;

/// Secrets side by side, in their order.
pub fn phase(name: &str, steps: Vec<Step>) -> Phase {
    let wave = Wave {
        name: "token secrets".to_owned(),
        max_unavailable: AT_ONCE,
        // One that fails keeps only its own pods from being recycled; a dead controller manager is noticed otherwise.
        max_failures: u32::MAX,
        steps,
    };
    Phase { name: name.to_owned(), waves: vec![wave] }
}

/// Gives each step its number.
pub fn number(plan: &mut Plan) {
    for (p, phase) in plan.phases.iter_mut().enumerate() {
        for (w, wave) in phase.waves.iter_mut().enumerate() {
            for (s, step) in wave.steps.iter_mut().enumerate() {
                step.id = format!("{}.{}.{}", p + 1, w + 1, s + 1);
            }
        }
    }
}

/// A step that empties a secret, so that the controller manager fills it under the same name and identity; none where it
/// holds no token. `ca` is what it must come back with; an empty one leaves that to the interpreter.
pub fn refill(secret: &AccountToken, reason: &str, revive: bool, ca: &CaBundle) -> Option<Step> {
    let target = &secret.secret;
    let before = secret.token.as_ref()?.digest;
    Some(Step {
        id: String::new(),
        target: target.clone(),
        node: None,
        reason: reason.to_owned(),
        expect: Vec::new(),
        action: Action::RefillToken { token_sha256: before, revive },
        verify: vec![Probe::TokenWorks {
            namespace: target.namespace.clone(),
            secret: target.name.clone(),
            other_than: Some(before),
            ca: ca.clone(),
        }],
        undo: "none: the old token is not kept".to_owned(),
        replaces: None,
    })
}
