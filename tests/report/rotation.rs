//! Rotations of trees: the real binary, one machine of the control plane, one worker, nobody asked.

use crate::world::{Outcome, Set, World};

/// Two machines and their file.
pub(crate) fn machines() -> World {
    let set = Set::new();
    let world = World::new(&["m1", "w1"]);
    world.master("m1", &set);
    world.node("w1", &set);
    world.file(
        "cluster.toml",
        "[[host]]\nname = \"m1\"\nroot = \"m1\"\naddresses = [\"10.0.0.1\"]\ncontrol-plane = true\n\
         [[host]]\nname = \"w1\"\nroot = \"w1\"\naddresses = [\"10.0.0.2\"]\n",
    );
    world
}

pub(crate) fn tool(world: &World, line: &str) -> Outcome {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    world.tool(&words)
}

#[track_caller]
pub(crate) fn done(world: &World, line: &str) -> Outcome {
    let outcome = tool(world, line);
    assert_eq!(outcome.code, 0, "{line}: {}", outcome.text());
    outcome
}

/// A rotation that was gone into, gone back from, and brought to its end.
pub(crate) fn rotated() -> World {
    let world = machines();
    done(&world, "apply --offline --yes --until accept");
    done(&world, "rollback --offline --yes");
    done(&world, "apply --offline --yes");
    done(&world, "finish --offline --yes");
    world
}
