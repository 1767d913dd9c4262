//! What a process that holds tokens keeps from others on its machine.

/// From now on a crash leaves no image of the memory behind, and others of this user cannot read it.
///
/// What a system does not offer is left out: the tokens are in memory for a moment only.
pub fn no_core_dump() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    // A pattern that pipes dumps to a program does not look at the limit.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
