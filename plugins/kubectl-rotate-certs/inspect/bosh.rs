//! VMs of a BOSH deployment as machines that are looked at.

use super::bosh_args::{BoshArgs, Selector};
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::bosh::{Instance, InstanceName};
use rotation_core::facts::exit::Fault as _;
use rotation_core::world::exec::ExecError;
use rotation_core::world::hosts::bosh::{Bosh, BoshError};
use rotation_core::world::interrupt::Interrupt;

/// The VMs that are meant, and the door to them.
pub(super) struct Deployment {
    pub(super) door: Bosh,
    pub(super) vms: Vec<Vm>,
}

/// One of them.
pub(super) struct Vm {
    /// `GROUP/INDEX`, which is shorter than its name and known to `bosh` as well.
    pub(super) shown: String,
    pub(super) name: InstanceName,
    /// Whether there is a VM at all.
    pub(super) there: bool,
}

/// Asks the director, where VMs are meant at all.
pub(super) fn deployment(
    args: &BoshArgs,
    console: &Console,
    interrupt: &Interrupt,
) -> Result<Option<Deployment>, Failure> {
    if args.bosh.is_empty() {
        return Ok(None);
    }
    let door = args.door(console, interrupt.clone())?;
    let all = door.instances().map_err(failure)?.instances;
    let chosen = choose(&args.bosh, &all).map_err(|missing| {
        let mut groups: Vec<&str> = all.iter().map(|one| one.name.group.as_str()).collect();
        groups.sort_unstable();
        groups.dedup();
        let name = door.deployment();
        Failure::usage(format!("deployment `{name}` has no instance {missing}"))
            .with_hint(format!("its groups are {}", groups.join(", ")))
    })?;
    let named = !args.bosh.contains(&Selector::All);
    let (there, away): (Vec<Vm>, Vec<Vm>) =
        chosen.into_iter().map(vm).partition(|vm| vm.there || named);
    // Errands have VMs while they run; nothing of them lies anywhere else.
    if !away.is_empty() {
        let list: Vec<String> = away.into_iter().map(|vm| vm.shown).collect();
        console.note(&format!("without a VM, and not looked at: {}", list.join(", ")));
    }
    Ok(Some(Deployment { door, vms: there }))
}

/// Instances by group and index, each once.
fn choose<'a>(wanted: &[Selector], all: &'a [Instance]) -> Result<Vec<&'a Instance>, String> {
    for one in wanted {
        let Selector::Of { group, which } = one else { continue };
        if !all.iter().any(|instance| one.selects(instance)) {
            let which = which.as_ref().map(|which| format!("/{which}")).unwrap_or_default();
            return Err(format!("`{group}{which}`"));
        }
    }
    let mut chosen: Vec<&Instance> =
        all.iter().filter(|instance| wanted.iter().any(|one| one.selects(instance))).collect();
    chosen.sort_by_key(|instance| (&instance.name.group, instance.index, &instance.name.id));
    Ok(chosen)
}

fn vm(instance: &Instance) -> Vm {
    let shown = match instance.index {
        Some(index) => format!("{}/{index}", instance.name.group),
        None => instance.name.to_string(),
    };
    Vm { shown, name: instance.name.clone(), there: instance.has_vm }
}

/// What concerns the CLI or the director, in words that name this command's flags.
pub(super) fn failure(error: BoshError) -> Failure {
    let missing = matches!(&error, BoshError::Exec(ExecError::NotFound(_)));
    let exec = matches!(&error, BoshError::Exec(_));
    let hint = match (missing, exec) {
        (true, _) => Some(
            "install the BOSH CLI, version 7, as `bosh`, or name it with --bosh-cli PATH"
                .to_owned(),
        ),
        (_, true) => Some("name the BOSH CLI with --bosh-cli PATH".to_owned()),
        _ => error.hint(),
    };
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(group: &str, index: u32) -> Instance {
        Instance {
            name: InstanceName { group: group.to_owned(), id: format!("u{index}") },
            index: Some(index),
            az: String::new(),
            bootstrap: false,
            state: "started".to_owned(),
            ignore: false,
            process_state: "running".to_owned(),
            has_vm: true,
            processes: Vec::new(),
        }
    }

    #[test]
    fn instances_are_chosen_once_each_and_in_order() {
        let all = [instance("minion", 1), instance("minion", 0), instance("master", 0)];
        let chosen = |words: &str| {
            let wanted: Vec<Selector> =
                words.split(',').map(|word| word.parse().expect("good")).collect();
            choose(&wanted, &all)
                .map(|list| list.into_iter().map(|one| vm(one).shown).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(chosen("*").as_deref(), Ok("master/0 minion/0 minion/1"));
        assert_eq!(chosen("minion,minion/u1").as_deref(), Ok("minion/0 minion/1"));
        assert_eq!(chosen("minion/1").as_deref(), Ok("minion/1"));
        assert_eq!(chosen("minion/7"), Err("`minion/7`".to_owned()));
    }
}
