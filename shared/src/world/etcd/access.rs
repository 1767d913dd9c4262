//! How an etcd is reached: one address, and the certificates that it asks for.

use super::fault::EtcdError;
use crate::world::cluster::ConnectFault;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(10);
/// Bytes that one answer may have: 16 values of the largest kind in base64.
const LARGEST: usize = 64 << 20;

/// Where, and with which files.
#[derive(Clone, Debug, Default)]
pub struct EtcdAccess {
    /// `https://HOST:PORT`.
    pub endpoint: String,
    /// The CA of its certificate.
    pub ca: Option<PathBuf>,
    /// A certificate that it accepts.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// `--etcd-prefix` of the API servers, where it is not `/registry`.
    pub prefix: Option<String>,
}

impl EtcdAccess {
    pub(super) fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or("/registry").trim_end_matches('/')
    }
}

/// An answer, read to its end.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

/// Asks one etcd.
pub(super) struct Asker {
    endpoint: String,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Asker {
    pub(super) fn new(access: &EtcdAccess) -> Result<Self, EtcdError> {
        let endpoint = access.endpoint.trim_end_matches('/').to_owned();
        let uri: Result<http::Uri, _> = endpoint.parse();
        let is_https = |uri: &http::Uri| uri.scheme_str() == Some("https") && uri.host().is_some();
        if !uri.as_ref().is_ok_and(is_https) {
            return Err(EtcdError::Address(endpoint));
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(LIMIT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(settings(access)?)
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self { endpoint, client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    pub(super) async fn post(&self, path: &str, body: &str) -> Result<Reply, EtcdError> {
        let reach = |why: String| EtcdError::Reach { endpoint: self.endpoint.clone(), why };
        let request = http::Request::post(format!("{}{path}", self.endpoint))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .map_err(|_| EtcdError::Address(self.endpoint.clone()))?;
        let exchange = async {
            let answer = self
                .client
                .request(request)
                .await
                .map_err(|why| reach(ConnectFault::of(&why).to_string()))?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), LARGEST).collect().await;
            let body = body.map_err(|why| reach(ConnectFault::of(&*why).to_string()))?;
            Ok(Reply { status, body: body.to_bytes() })
        };
        tokio::time::timeout(LIMIT, exchange)
            .await
            .unwrap_or_else(|_| Err(reach(format!("no answer within {LIMIT:?}"))))
    }

    pub(super) fn refused(&self, code: u32, message: String) -> EtcdError {
        EtcdError::Refused { endpoint: self.endpoint.clone(), code, message }
    }

    pub(super) fn unreadable(&self) -> EtcdError {
        EtcdError::Unreadable(self.endpoint.clone())
    }
}

fn settings(access: &EtcdAccess) -> Result<ClientConfig, EtcdError> {
    let material =
        |what: &Path, why: &str| EtcdError::Material(what.display().to_string(), why.to_owned());
    let read = |path: &PathBuf| {
        let bytes = crate::world::files::read_secret_named(path);
        bytes.map_err(|why| EtcdError::Material(path.display().to_string(), cause(&why)))
    };
    let mut roots = RootCertStore::empty();
    match &access.ca {
        Some(path) => {
            for der in CertificateDer::pem_slice_iter(&read(path)?) {
                let der = der.map_err(|_| material(path, "its PEM is broken"))?;
                roots.add(der).map_err(|_| material(path, "it holds what is no CA"))?;
            }
            if roots.is_empty() {
                return Err(material(path, "it holds no certificate"));
            }
        }
        None => {
            let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| EtcdError::Material("TLS".to_owned(), why.to_string()))?
        .with_root_certificates(roots);
    let (Some(certificate), Some(key)) = (&access.certificate, &access.key) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(certificate)?).collect();
    let chain = chain.map_err(|_| material(certificate, "its PEM is broken"))?;
    let secret = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| material(key, "there is no private key in it that can be read"))?;
    builder
        .with_client_auth_cert(chain, secret)
        .map_err(|_| material(key, "it does not belong to the certificate"))
}

/// The system's reason for a file that cannot be read.
fn cause(why: &dyn std::error::Error) -> String {
    let source = why.source().map_or_else(|| why.to_string(), ToString::to_string);
    source.split(" (os error").next().unwrap_or(&source).to_owned()
}
