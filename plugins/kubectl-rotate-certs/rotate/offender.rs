//! Who still needs the old generation.

/// Somebody who needs it, or may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offender {
    /// Who, or where.
    pub(crate) place: String,
    /// What says so.
    pub(crate) why: String,
    /// The command that mends it, or what to do.
    pub(crate) mend: String,
}
