//! What is asked for: the layout, its inputs, the machines.

use crate::TOOL;
use crate::cli::generate::GenerateArgs;
use crate::layout::expand::{Wanted, expand};
use crate::layout::hosts::{Host, Hosts};
use crate::layout::{Layout, inputs, path};
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::world::cluster::Cluster;
use rotation_core::world::files;
use std::path::Path;

/// What is asked for, with everything filled in.
pub(super) struct Asked {
    pub(super) layout: Layout,
    pub(super) wanted: Wanted,
    /// The set's directory below the output directory.
    pub(super) directory: String,
    /// Whether the files get their usual names beside the generations.
    pub(super) fixed_names: bool,
}

pub(super) fn ask(
    args: &GenerateArgs,
    console: &Console,
    generation: &str,
) -> Result<Asked, Failure> {
    let layout = layout(&args.layout)?;
    let mut hosts = hosts(args, console)?;
    let mut given = std::mem::take(&mut hosts.inputs);
    if args.from_cluster {
        // What the cluster says and the layout does not want to know is no mistake of anybody's.
        given.retain(|name, _| layout.inputs.contains_key(name));
    }
    given.extend(args.inputs());
    let usage = |why: String| Failure::usage(why);
    let mut values = inputs::values(&layout, &given).map_err(|why| usage(why.to_string()))?;
    values.set("generation", vec![generation.to_owned()]);
    values.set("sans", args.sans.clone());
    let alone = alone(&layout, &values, &mut hosts)?;
    let directory = values.fill(&layout.directory).map_err(|why| usage(why.to_string()))?;
    if !directory.is_empty() {
        path::check(&directory).map_err(|why| usage(format!("directory `{directory}` {why}")))?;
    }
    let wanted = expand(&layout, &values, &hosts, alone).map_err(|why| {
        let failure = usage(why.to_string());
        match why {
            crate::layout::expand::ExpandError::NoHosts(_) => failure.with_hint(
                "name machines with --hosts FILE or --from-cluster, or the only one with --node-name and --advertise-address",
            ),
            _ => failure,
        }
    })?;
    let fixed_names = alone || !layout.is_per_host();
    Ok(Asked { layout, wanted, directory, fixed_names })
}

fn layout(word: &str) -> Result<Layout, Failure> {
    if let Some(layout) = Layout::embedded(word) {
        return Ok(layout);
    }
    let path = Path::new(word);
    let Some(text) = files::read_if_there(path)? else {
        return Err(Failure::usage(format!(
            "layout `{word}` is neither one of {} nor a file",
            Layout::names().join(", ")
        )));
    };
    let name = path.file_stem().map_or(word.into(), |stem| stem.to_string_lossy());
    Layout::parse(&name, &text)
        .map_err(|why| Failure::usage(format!("cannot use layout file `{word}`: {why}")))
}

fn hosts(args: &GenerateArgs, console: &Console) -> Result<Hosts, Failure> {
    if args.from_cluster {
        let cluster = Cluster::connect(&args.connection.connection(console))?;
        let hosts = crate::observe::hosts(&cluster)?;
        console.note(&format!(
            "{} machines of {} are known",
            hosts.machines.len(),
            cluster.server()
        ));
        return Ok(hosts);
    }
    let Some(path) = &args.hosts else { return Ok(Hosts::default()) };
    let text = files::read_named(path)?;
    Hosts::parse(&text).map_err(|why| {
        Failure::usage(format!("cannot use hosts file `{}`: {why}", path.display()))
            .with_hint(format!("run `{} generate --help`", TOOL.name))
    })
}

/// The only machine, where flags name it.
fn alone(
    layout: &Layout,
    values: &crate::layout::template::Values,
    hosts: &mut Hosts,
) -> Result<bool, Failure> {
    let (name, address) =
        (values.get("node-name").first(), values.get("advertise-address").first());
    let (Some(name), Some(address)) = (name, address) else { return Ok(false) };
    if !layout.is_per_host() || !hosts.machines.is_empty() {
        return Ok(false);
    }
    let addresses = address.parse().into_iter().collect();
    hosts.machines.push(Host {
        name: name.clone(),
        addresses,
        control_plane: true,
        ..Host::default()
    });
    let checked = hosts.clone().checked();
    checked.map_err(|why| Failure::usage(why.to_string()))?;
    Ok(true)
}
