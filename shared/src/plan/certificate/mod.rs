//! What is right and wrong about certificates: pure rules over facts.
//!
//! [`lint`] judges the fields of one certificate, [`verify`] its chain at a time, [`judge`] a whole set of files. The
//! kinds of findings are a closed list, documented in `docs/findings.md`.

mod chain;
mod contents;
mod finding;
mod lint;
mod rules;
mod set;

pub use chain::{Accept, Question, examine, verify};
pub use contents::{Contents, Placed};
pub use finding::{Finding, Kind, Severity};
pub use lint::{Signer, lint, lint_with};
pub use rules::{RowKind, RowRules};
pub use set::{LayoutRow, Pool, Scene, SetDirectory, SetFile, judge};
