//! The flags of `generate`.

use super::Format;
use crate::issue::MOST_DAYS;
use clap::{Args, ValueHint};
use rotation_core::cli::connection::ConnectionArgs;
use rotation_core::facts::private_key::KeyType;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Make a set of keys and certificates beside the old one, and switch to it
///
/// A set is never overwritten: each lies in a directory of its own below DIR/generations, DIR/current is the link that
/// is switched, and the files' usual names are links through it.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// Which files are made: salt, bosh, cfcr, kubeadm, or a TOML file of your own
    #[arg(long, value_name = "LAYOUT")]
    pub(crate) layout: String,

    /// Directory of the set
    #[arg(short = 'o', long = "output-dir", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) output: PathBuf,

    /// Make a new generation although a set is there; the old one is kept
    #[arg(long)]
    pub(crate) force_regen: bool,

    /// Write nothing: show what would be made, and how names would change
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// How the result is printed: text, json or yaml
    #[arg(
        long,
        value_enum,
        default_value = "text",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub(crate) format: Format,

    /// The cluster that the certificates are for [salt: default]
    #[arg(help_heading = "Cluster", long, value_name = "TAG")]
    pub(crate) cluster_tag: Option<String>,

    /// The service address that the API server will use [salt: 10.254.0.1, bosh: 10.0.0.1, kubeadm: 10.96.0.1]
    #[arg(help_heading = "Cluster", long, value_name = "ADDRESS")]
    pub(crate) api_service_address: Option<String>,

    /// The name that the API server is reached by [salt: kubernetes.api]
    #[arg(help_heading = "Cluster", long, value_name = "NAME")]
    pub(crate) api_server_fqdn: Option<String>,

    /// Each address of this subnet becomes a name of the API server
    #[arg(help_heading = "Cluster", long, value_name = "SUBNET")]
    pub(crate) subnet: Option<String>,

    /// Consul's certificates too
    #[arg(help_heading = "Cluster", long)]
    pub(crate) consul: bool,

    /// The load balancer before the API servers
    #[arg(help_heading = "Cluster", long, value_name = "HOST:PORT")]
    pub(crate) endpoint: Option<String>,

    /// Name of this node, where it is the only one
    #[arg(help_heading = "Cluster", long, value_name = "NAME", requires = "advertise_address", conflicts_with_all = ["hosts", "from_cluster"])]
    pub(crate) node_name: Option<String>,

    /// Its address
    #[arg(help_heading = "Cluster", long, value_name = "ADDRESS", requires = "node_name")]
    pub(crate) advertise_address: Option<String>,

    /// Any input of the layout
    #[arg(help_heading = "Cluster", long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) set: Vec<(String, String)>,

    /// The machines: a TOML file of `[[host]]` tables
    #[arg(help_heading = "Cluster", long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) hosts: Option<PathBuf>,

    /// Ask the cluster of the kubeconfig for machines, service address and load balancer
    #[arg(help_heading = "Cluster", long, conflicts_with = "hosts")]
    pub(crate) from_cluster: bool,

    /// More names of the API server
    #[arg(help_heading = "Names", long = "san", value_name = "NAME", value_delimiter = ',')]
    pub(crate) sans: Vec<String>,

    /// Keep the names that today's certificates have
    #[arg(help_heading = "Names", long)]
    pub(crate) keep_sans: bool,

    /// Names of today's certificates that may be lost
    #[arg(help_heading = "Names", long = "drop-san", value_name = "NAME", value_delimiter = ',')]
    pub(crate) drop_sans: Vec<String>,

    /// Compare the names with this certificate of today
    #[arg(help_heading = "Names", long, value_name = "ROW=FILE", value_parser = pair)]
    pub(crate) compare: Vec<(String, String)>,

    /// The CA that signs, instead of a new one; of a layout with several: ROW=FILE
    #[arg(help_heading = "CA", long, value_name = "[ROW=]FILE", conflicts_with_all = ["keep_ca", "renew_ca"])]
    pub(crate) ca_cert: Vec<String>,

    /// Its private key; `-` reads standard input
    #[arg(help_heading = "CA", long, value_name = "[ROW=]FILE", requires = "ca_cert")]
    pub(crate) ca_key: Vec<String>,

    /// File with the passphrase of the CA's key; without it you are asked
    #[arg(help_heading = "CA", long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca_passphrase_file: Option<PathBuf>,

    /// Write the given CA's key into the set, too, where the layout has a place for it
    #[arg(help_heading = "CA", long, requires = "ca_key")]
    pub(crate) copy_ca_key: bool,

    /// Sign with the CA of today's set
    #[arg(help_heading = "CA", long)]
    pub(crate) keep_ca: bool,

    /// Only renew the CA under the same key and name: every certificate that it signed stays good
    #[arg(help_heading = "CA", long, conflicts_with_all = ["keep_ca", "cross_sign", "csr_out", "csr"])]
    pub(crate) renew_ca: bool,

    /// Let today's CA sign the new one too, for clients that only know today's
    #[arg(help_heading = "CA", long, conflicts_with = "keep_ca")]
    pub(crate) cross_sign: bool,

    /// Kind of the keys: rsa-2048, rsa-3072, rsa-4096, ecdsa-p256 or ecdsa-p384
    #[arg(help_heading = "Keys and dates", long, value_name = "TYPE")]
    pub(crate) key_type: Option<KeyType>,

    /// Keep today's key of these rows, or of all
    #[arg(help_heading = "Keys and dates", long, value_name = "ROW", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "*")]
    pub(crate) reuse_key: Vec<String>,

    /// Days that certificates are valid
    #[arg(help_heading = "Keys and dates", long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_DAYS)))]
    pub(crate) days: u16,

    /// Days that a new CA is valid
    #[arg(help_heading = "Keys and dates", long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_DAYS)))]
    pub(crate) ca_days: u16,

    /// Take a row's public key and names from this request; its private key stays where it is
    #[arg(help_heading = "Requests", long, value_name = "ROW=FILE", value_parser = pair)]
    pub(crate) csr: Vec<(String, String)>,

    /// Only make keys, and requests for a CA elsewhere
    #[arg(help_heading = "Requests", long, conflicts_with_all = ["csr", "ca_cert", "cross_sign"])]
    pub(crate) csr_out: bool,

    /// Certificates that a CA elsewhere signed for keys of --csr-out; whose each is, its key says
    #[arg(help_heading = "Requests", long, value_name = "FILE", num_args = 1.., requires = "ca_cert", conflicts_with_all = ["csr_out", "renew_ca"])]
    pub(crate) cert: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

impl GenerateArgs {
    /// What was said about the layout's inputs.
    pub(crate) fn inputs(&self) -> BTreeMap<String, String> {
        let named = [
            ("cluster-tag", &self.cluster_tag),
            ("api-service-address", &self.api_service_address),
            ("api-server-fqdn", &self.api_server_fqdn),
            ("subnet", &self.subnet),
            ("endpoint", &self.endpoint),
            ("node-name", &self.node_name),
            ("advertise-address", &self.advertise_address),
        ];
        let mut inputs: BTreeMap<String, String> = self.set.iter().cloned().collect();
        for (name, value) in named {
            if let Some(value) = value {
                inputs.insert(name.to_owned(), value.clone());
            }
        }
        if self.consul {
            inputs.insert("consul".to_owned(), "true".to_owned());
        }
        inputs
    }
}
