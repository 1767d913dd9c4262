//! One defect for each kind, and what cannot but be found besides.

use super::world::World;
use rotation_core::plan::certificate::Kind;

mod chains;
mod fields;
mod files;

/// A defect.
pub(crate) struct Defect {
    pub(crate) kind: Kind,
    /// What the same defect is besides, seen from another side.
    pub(crate) besides: &'static [Kind],
    pub(crate) make: fn(&mut World),
}

/// A defect that is found as its own kind only.
const fn alone(kind: Kind, make: fn(&mut World)) -> Defect {
    Defect { kind, besides: &[], make }
}

/// A defect that is several kinds at once.
const fn with(kind: Kind, besides: &'static [Kind], make: fn(&mut World)) -> Defect {
    Defect { kind, besides, make }
}

pub(crate) fn all() -> Vec<Defect> {
    let mut all = files::defects();
    all.extend(files::more_defects());
    all.extend(fields::defects());
    all.extend(chains::defects());
    all
}
