//! kube's layers over connections of our own, straight or through a proxy.
//!
//! kube's own connections gather small packets: the first request on each then waits, some 40 ms, until the server
//! acknowledges the end of the handshake.

use base64::Engine as _;
use http::{HeaderValue, Uri};
use hyper_rustls::MaybeHttpsStream;
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::client::ConfigExt as _;
use tokio::net::TcpStream;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};
use tower_http::decompression::DecompressionLayer;

/// What is reached: the server itself, or the server behind a proxy that may itself speak TLS.
type Way = BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<TcpStream>>, BoxError>;

/// The client for these settings.
pub(super) fn client(config: &kube::Config) -> Result<kube::Client, kube::Error> {
    let https = config.rustls_https_connector_with_connector(way(config)?)?;
    let mut connector = TimeoutConnector::new(https);
    connector.set_connect_timeout(config.connect_timeout);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(DecompressionLayer::new().gzip(!config.disable_compression))
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(Client::builder(TokioExecutor::new()).build(connector));
    Ok(kube::Client::new(service, config.default_namespace.clone()))
}

fn way(config: &kube::Config) -> Result<Way, kube::Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let Some(proxy) = config.proxy_url.clone() else {
        let straight = tcp.map_response(MaybeHttpsStream::Http).map_err(BoxError::from);
        return Ok(BoxCloneSyncService::new(straight));
    };
    let user = user_of(&proxy);
    Ok(match proxy.scheme_str() {
        Some("socks5") => {
            let through = SocksV5::new(proxy, tcp).map_response(MaybeHttpsStream::Http);
            BoxCloneSyncService::new(through.map_err(BoxError::from))
        }
        Some("https") => {
            let tls = config.rustls_https_connector_with_connector(tcp)?;
            let through = known(Tunnel::new(proxy, tls), user);
            BoxCloneSyncService::new(through.map_err(BoxError::from))
        }
        _ => {
            let through = known(Tunnel::new(proxy, tcp), user).map_response(MaybeHttpsStream::Http);
            BoxCloneSyncService::new(through.map_err(BoxError::from))
        }
    })
}

fn known<C>(tunnel: Tunnel<C>, user: Option<HeaderValue>) -> Tunnel<C> {
    match user {
        Some(user) => tunnel.with_auth(user),
        None => tunnel,
    }
}

/// The user and the password in a proxy's address, as the proxy wants to be told them.
fn user_of(proxy: &Uri) -> Option<HeaderValue> {
    let (user, _) = proxy.authority()?.as_str().split_once('@')?;
    let user: Vec<u8> = percent_encoding::percent_decode_str(user).collect();
    let text = base64::engine::general_purpose::STANDARD.encode(user);
    HeaderValue::from_str(&format!("Basic {text}")).ok()
}
