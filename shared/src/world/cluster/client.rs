//! The HTTP client for one cluster: kube's layers, set from flags and kubeconfig and from nothing else.

use super::connection::Connection;
use super::fault::ClusterError;
use super::kubeconfig::Chosen;
use super::{plugin, proxy, transport, trust};
use http::{HeaderValue, Uri};
use kube::config::AuthInfo;
use secrecy::ExposeSecret as _;
use std::collections::HashMap;
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A client and what is worth knowing about it.
pub(super) struct Built {
    pub(super) client: kube::Client,
    /// When the plugin's credential ends.
    pub(super) expires: Option<jiff::Timestamp>,
}

/// The address, checked.
pub(super) fn server_of(connection: &Connection, chosen: &Chosen) -> Result<Uri, ClusterError> {
    let flag = connection.server.as_deref();
    let text = flag.or(chosen.cluster.server.as_deref()).unwrap_or_default();
    let fail = |why: &str| match flag {
        Some(_) => ClusterError::Flag(format!("--server {why}")),
        None => ClusterError::Entry {
            what: format!("the server address {why}"),
            files: chosen.files.clone(),
            hint: "an address looks like `https://host:6443`; run `kubectl config view --minify`"
                .to_owned(),
        },
    };
    if text.is_empty() {
        return Err(fail("is missing"));
    }
    let uri: Uri = text.parse().map_err(|_| fail("is not a URL"))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(_) => return Err(fail("begins neither with https:// nor with http://")),
        None => return Err(fail(&format!("`{text}` does not begin with https://"))),
    }
    if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
        return Err(fail("holds a user name, which is not supported"));
    }
    Ok(uri)
}

/// Builds the client; runs the credential plugin if the user has one.
pub(super) async fn build(
    connection: &Connection,
    chosen: &Chosen,
    server: &Uri,
) -> Result<Built, ClusterError> {
    let mut user = chosen.user.clone();
    apply_flags(connection, &mut user)?;
    let mut expires = None;
    if let Some(exec) = user.exec.take() {
        expires = plugin::run(&mut user, &exec).await?;
    }
    check_token(&user)?;
    let cluster = &chosen.cluster;
    let mut config = kube::Config::new(server.clone());
    // A CA on the command line means that it is to be checked.
    let unchecked = cluster.insecure_skip_tls_verify.unwrap_or(false)
        && connection.certificate_authority.is_none();
    config.accept_invalid_certs = connection.insecure_skip_tls_verify || unchecked;
    config.root_cert = trust::roots(connection, cluster)?;
    config.tls_server_name = match (&connection.tls_server_name, &connection.server) {
        (Some(name), _) => Some(name.clone()),
        // The kubeconfig's name belongs to the kubeconfig's address.
        (None, Some(_)) => None,
        (None, None) => cluster.tls_server_name.clone(),
    }
    .filter(|name| !name.is_empty());
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = None;
    config.default_retry = false;
    config.proxy_url = proxy::choose(connection, cluster.proxy_url.as_deref(), server)?;
    config.disable_compression =
        connection.disable_compression || cluster.disable_compression.unwrap_or(false);
    config.auth_info = user;
    if let Ok(agent) = HeaderValue::from_str(&connection.user_agent) {
        config.headers.push((http::header::USER_AGENT, agent));
    }
    let client = transport::client(&config).map_err(|e| unusable(&e))?;
    Ok(Built { client, expires })
}

/// A token that no header can hold makes the client panic.
fn check_token(user: &AuthInfo) -> Result<(), ClusterError> {
    let Some(token) = &user.token else {
        return Ok(());
    };
    match HeaderValue::from_str(token.expose_secret()) {
        Ok(_) => Ok(()),
        Err(_) => Err(ClusterError::Material {
            what: "the token".to_owned(),
            reason: "it holds characters that no token has".to_owned(),
        }),
    }
}

fn apply_flags(connection: &Connection, user: &mut AuthInfo) -> Result<(), ClusterError> {
    let text = |path: &std::path::Path| Some(path.display().to_string());
    if let Some(path) = &connection.client_certificate {
        user.client_certificate = text(path);
        user.client_certificate_data = None;
    }
    if let Some(path) = &connection.client_key {
        user.client_key = text(path);
        user.client_key_data = None;
    }
    if let Some(token) = &connection.token {
        user.token = Some(token.expose().to_owned().into());
        user.token_file = None;
        user.username = None;
        user.password = None;
        user.exec = None;
        user.auth_provider = None;
    }
    if connection.as_user.is_some() {
        user.impersonate.clone_from(&connection.as_user);
    }
    if !connection.as_groups.is_empty() {
        user.impersonate_groups = Some(connection.as_groups.clone());
    }
    if connection.as_uid.is_some() {
        user.impersonate_uid.clone_from(&connection.as_uid);
    }
    if !connection.as_user_extra.is_empty() {
        let mut extra: HashMap<String, Vec<String>> = HashMap::new();
        for pair in &connection.as_user_extra {
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                ClusterError::Flag(format!("--as-user-extra `{pair}` is not of the form key=value"))
            })?;
            extra.entry(key.to_owned()).or_default().push(value.to_owned());
        }
        user.impersonate_user_extra = Some(extra);
    }
    let nobody = user.impersonate.as_deref().unwrap_or("").is_empty();
    let some_group = user.impersonate_groups.as_ref().is_some_and(|g| !g.is_empty());
    let some_extra = user.impersonate_user_extra.as_ref().is_some_and(|e| !e.is_empty());
    if nobody && (some_group || some_extra || user.impersonate_uid.is_some()) {
        return Err(ClusterError::Flag(
            "--as-group, --as-uid and --as-user-extra need --as".to_owned(),
        ));
    }
    if nobody {
        user.impersonate = None;
    }
    Ok(())
}

/// kube's reason why the settings cannot work, without content of any file.
fn unusable(error: &kube::Error) -> ClusterError {
    use kube::client::{AuthError, RustlsTlsError as T};
    use kube::config::{KubeconfigError as K, LoadDataError as L};
    let load = |what: &str, e: &L| match e {
        L::ReadFile(io, path) => ClusterError::Material {
            what: format!("{what} {}", path.display()),
            reason: trust::io_reason(io),
        },
        L::DecodeBase64(_) => ClusterError::Material {
            what: format!("{what} of the kubeconfig"),
            reason: "it is not base64".to_owned(),
        },
        L::NoBase64DataOrFile => ClusterError::Material {
            what: format!("{what} of the kubeconfig"),
            reason: "there is none, while its counterpart is set".to_owned(),
        },
    };
    let identity = |reason: &str| ClusterError::Material {
        what: "the client certificate and key".to_owned(),
        reason: reason.to_owned(),
    };
    match error {
        kube::Error::InferKubeconfig(K::LoadClientCertificate(e)) => load("client certificate", e),
        kube::Error::InferKubeconfig(K::LoadClientKey(e)) => load("client key", e),
        kube::Error::RustlsTls(T::MissingPrivateKey) => {
            identity("there is no private key in it, or it is encrypted")
        }
        kube::Error::RustlsTls(T::MissingCertificate) => identity("there is no certificate in it"),
        kube::Error::RustlsTls(T::InvalidIdentityPem(_)) => identity("the PEM is broken"),
        kube::Error::RustlsTls(T::InvalidPrivateKey(rustls::Error::InconsistentKeys(_))) => {
            identity("the key does not belong to the certificate")
        }
        kube::Error::RustlsTls(T::InvalidPrivateKey(_) | T::UnknownPrivateKeyFormat) => {
            identity("the key cannot be read")
        }
        kube::Error::RustlsTls(T::InvalidServerName(_)) => {
            ClusterError::Flag("the TLS server name is not a host name".to_owned())
        }
        kube::Error::RustlsTls(_) => identity("TLS cannot be set up with them"),
        kube::Error::Auth(AuthError::ReadTokenFile(io, path)) => ClusterError::Material {
            what: format!("token file {}", path.display()),
            reason: trust::io_reason(io),
        },
        kube::Error::Auth(AuthError::InvalidBearerToken(_)) => ClusterError::Material {
            what: "the token".to_owned(),
            reason: "it holds characters that no token has".to_owned(),
        },
        kube::Error::Auth(_) => ClusterError::Material {
            what: "the auth-provider of the kubeconfig".to_owned(),
            reason: "it is not supported here, or it failed; use a credential plugin (exec), for example kubelogin"
                .to_owned(),
        },
        _ => ClusterError::Material {
            what: "the connection settings".to_owned(),
            reason: "they do not fit together".to_owned(),
        },
    }
}
