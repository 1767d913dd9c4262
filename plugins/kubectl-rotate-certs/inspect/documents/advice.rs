//! What is to be done about an entry of a document: it is no file, and it is not on any machine yet.

use super::Entry;
use rotation_core::plan::certificate::{Finding, Kind};

/// Puts what can be typed here in the place of what is typed about files.
pub(crate) fn mend(finding: &mut Finding, entry: &Entry) {
    let Entry { document, layout, next } = entry;
    let fix = match (finding.kind, next, layout) {
        (_, Some(next), _) => next.clone(),
        (
            Kind::KeyDoesNotFit
            | Kind::PublicKeyDoesNotFit
            | Kind::FileEmpty
            | Kind::PlaceAbsent
            | Kind::IssuerNotFound
            | Kind::SignedByAnother,
            None,
            layout,
        ) => {
            let mut fix = format!("put certificate, key and CA of one generation into {document}");
            if let Some(layout) = layout {
                let more = format!(
                    "; `kubectl rotate-certs generate --layout {layout} -o DIR` writes all of them"
                );
                fix.push_str(&more);
            }
            fix
        }
        (_, None, Some(layout)) => finding.fix.replace("LAYOUT", layout),
        (_, None, None) if finding.fix.contains("LAYOUT") => {
            format!("have it issued again by whoever issued it, and put it into {document}")
        }
        (_, None, None) => finding.fix.clone(),
    };
    finding.fix = fix.replace("restart what reads it", "deploy it");
}
