//! Every kind of finding: found on a set that has exactly this defect, and on no good one.

mod defects;
mod keys;
mod outsiders;
mod world;

use rotation_core::plan::certificate::{Kind, Severity};
use std::collections::BTreeSet;
use world::World;

#[test]
fn a_good_set_is_silent() {
    assert_eq!(World::new().kinds(), BTreeSet::new());
}

#[test]
fn each_defect_is_found_and_nothing_else() {
    let mut wrong = Vec::new();
    for defect in defects::all() {
        let mut world = World::new();
        (defect.make)(&mut world);
        let expected: BTreeSet<Kind> =
            defect.besides.iter().copied().chain([defect.kind]).collect();
        let found = world.kinds();
        if found != expected {
            wrong.push(format!(
                "{}: expected {expected:?}, found {:#?}",
                defect.kind,
                world.findings()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of the defects:\n{}", wrong.len(), wrong.join("\n"));
}

/// What no set of files can have; found where clusters are looked at.
const OF_CLUSTERS: [Kind; 6] = [
    Kind::BundleUnfit,
    Kind::MountBehind,
    Kind::StoredDiffers,
    Kind::SecretsOpen,
    Kind::CaKeysUploaded,
    Kind::LeaseOverdue,
];

/// What no set of files can have: the tests of the inventory and of `check` make these.
const OF_PLACES: [Kind; 22] = [
    Kind::ExpiresCritically,
    Kind::PlaceUnknown,
    Kind::PlaceAbsent,
    Kind::PlaceForeign,
    Kind::PlaceBehind,
    Kind::TrustLacksCa,
    Kind::ShownUntrusted,
    Kind::BundleLacksCa,
    Kind::RotationTorn,
    Kind::RotationUnfinished,
    Kind::LinkElsewhere,
    Kind::ProcessStale,
    Kind::SigningKeyUnverified,
    Kind::TokenKeyUnknown,
    Kind::TokenExpired,
    Kind::FrontProxyShared,
    Kind::InsecurePort,
    Kind::SecretsUnencrypted,
    Kind::KubeletUnverified,
    Kind::ClockDiffers,
    Kind::WaiverExpired,
    Kind::WaiverUnused,
];

#[test]
fn every_kind_has_a_defect_here() {
    let mut made: BTreeSet<Kind> = defects::all().iter().map(|d| d.kind).collect();
    made.extend(OF_CLUSTERS.into_iter().chain(OF_PLACES));
    let missing: Vec<&Kind> = Kind::ALL.iter().filter(|kind| !made.contains(kind)).collect();
    assert!(missing.is_empty(), "no test makes {missing:?}");
}

/// What judges from outside find on the same defects is measured elsewhere; the best of them finds 14 of 21.
#[test]
fn all_of_the_twenty_one() {
    for (number, kind, make) in outsiders::DEFECTS {
        let mut world = World::new();
        make(&mut world);
        let findings = world.findings();
        let found = findings.iter().any(|f| f.kind == *kind && f.severity() != Severity::Note);
        assert!(found, "{number}: {kind} is not among {findings:#?}");
    }
    assert_eq!(outsiders::DEFECTS.len(), 21);
}

#[test]
fn the_order_of_files_changes_nothing() {
    let mut world = World::new();
    world.server.without(forge::oid::AKI);
    world.modes.insert("pki/ca.key", 0o644);
    let forward = world.findings();
    world.backwards = true;
    assert_eq!(world.findings(), forward);
}

#[test]
fn every_finding_says_where_what_and_what_to_do() {
    for defect in defects::all() {
        let mut world = World::new();
        (defect.make)(&mut world);
        for finding in world.findings() {
            assert!(!finding.place.is_empty() && !finding.what.is_empty(), "{finding:?}");
            assert!(finding.fix.len() > 10 && !finding.fix.contains("FILE "), "{finding:?}");
            let text = format!("{finding:?}");
            assert!(!text.contains("PRIVATE KEY-----"), "{text}");
        }
    }
}
