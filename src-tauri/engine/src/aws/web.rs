//! The way to AWS: whose certificates are trusted, and which proxy stands between. The SDK's calls and the websocket of a
//! session go the same way.
//!
//! The SDK's own client asks no proxy and knows of no bundle. A proxy is what `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` name
//! but for the hosts of `NO_PROXY`, all read as curl reads them. Trusted are the system's certificates, or else those of
//! `AWS_CA_BUNDLE` or the profile's `ca_bundle` alone.
//! Source: <https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-proxy.html>,
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html> (`ca_bundle`)

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, HOST, PROXY_AUTHORIZATION, USER_AGENT};
use http::{Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

/// What carries a websocket: the connection to the host or to its proxy, and the TLS to the host on it.
pub(super) type Stream = MaybeTlsStream<MaybeTlsStream<TcpStream>>;

/// The way to AWS.
#[derive(Clone, Debug)]
pub(super) struct Web {
    trust: Trust,
    /// No proxy is asked.
    direct: bool,
}

#[derive(Clone, Debug)]
enum Trust {
    /// The certificates of the system.
    System,
    /// Those of a bundle, as PEM.
    Bundle(Arc<str>),
    /// Those of a bundle that cannot be read.
    Broken(Unusable),
}

/// A bundle that says nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the certificates in {path} cannot be had: {why}", path = .path.display())]
pub(super) struct Unusable {
    path: PathBuf,
    why: String,
}

/// A proxy that lets nothing through.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoTunnel {
    #[error("the proxy cannot be reached: {0}")]
    Unreachable(String),
    #[error("the proxy wants a user and a password")]
    WantsPassword,
    #[error("the proxy answers {0}")]
    Refused(StatusCode),
}

impl Web {
    /// The way with these certificates, or the system's. `direct` asks no proxy: what is on this computer has none before it.
    pub(super) fn new(bundle: Option<PathBuf>, direct: bool) -> Self {
        let trust = bundle.map_or(Trust::System, |path| match read(&path) {
            Ok(pem) => Trust::Bundle(pem.into()),
            Err(why) => Trust::Broken(Unusable { path, why }),
        });
        Self { trust, direct }
    }

    /// A client for the SDK, with connections of its own.
    pub(super) fn client(&self) -> SharedHttpClient {
        let store = match &self.trust {
            Trust::System => TrustStore::default(),
            Trust::Bundle(pem) => TrustStore::empty().with_pem_certificate(pem.as_bytes()),
            Trust::Broken(unusable) => return SharedHttpClient::new(Nowhere(unusable.clone())),
        };
        let direct = self.direct;
        Builder::new().build_with_connector_fn(move |settings, components| {
            let proxy = if direct { ProxyConfig::disabled() } else { ProxyConfig::from_env() };
            let mut connector = Connector::builder().proxy_config(proxy);
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
            #[expect(clippy::expect_used, reason = "its builder has no way to fail, whatever its type says")]
            let context =
                TlsContext::builder().with_trust_store(store.clone()).build().expect("a TLS context");
            connector.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context).build()
        })
    }

    /// The host and the port of the proxy before an address, if there is one.
    pub(super) fn proxy(&self, address: &str) -> Option<String> {
        let proxy = self.intercept(&address.parse().ok()?)?;
        let authority = proxy.uri().authority()?.as_str();
        // Without the user and the password.
        Some(authority.rsplit('@').next().unwrap_or(authority).to_owned())
    }

    /// The variable that is to name a proxy, and does not.
    pub(super) fn senseless_proxy(&self) -> Option<&'static str> {
        let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
        let any = Uri::from_static("https://amazonaws.com");
        let makes_sense = |value: String| Matcher::builder().all(value).build().intercept(&any).is_some();
        let said = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        names
            .into_iter()
            .filter(|_| !self.direct)
            .find(|name| said(name).is_some_and(|value| !makes_sense(value)))
    }

    /// Opens a websocket.
    ///
    /// # Errors
    /// Nobody answers, or not with a websocket.
    pub(super) async fn dial(
        &self,
        request: Request,
        config: WebSocketConfig,
    ) -> Result<WebSocketStream<Stream>, SocketError> {
        let uri = request.uri();
        let is_tls = uri.scheme_str() == Some("wss");
        let (host, port) = address(uri, if is_tls { 443 } else { 80 })?;
        let stream = match self.intercept(uri) {
            None => MaybeTlsStream::Plain(connect(&host, port).await?),
            Some(proxy) => self.tunnel(&proxy, &format!("{host}:{port}")).await.map_err(other)?,
        };
        let tls = if is_tls {
            tokio_tungstenite::Connector::Rustls(self.tls().map_err(other)?)
        } else {
            tokio_tungstenite::Connector::Plain
        };
        let (socket, _) = client_async_tls_with_config(request, stream, Some(config), Some(tls)).await?;
        Ok(socket)
    }

    /// What is at an address, which is no more than `longest` bytes.
    ///
    /// # Errors
    /// Nobody answers, or not with a page.
    pub(super) async fn get(&self, uri: &Uri, longest: usize) -> Result<Vec<u8>, SocketError> {
        let is_tls = uri.scheme_str() == Some("https");
        let (host, port) = address(uri, if is_tls { 443 } else { 80 })?;
        let stream = match self.intercept(uri) {
            None => MaybeTlsStream::Plain(connect(&host, port).await?),
            Some(proxy) => self.tunnel(&proxy, &format!("{host}:{port}")).await.map_err(other)?,
        };
        let stream: Stream = if is_tls {
            let name = ServerName::try_from(host).map_err(other)?;
            let tls = TlsConnector::from(self.tls().map_err(other)?);
            MaybeTlsStream::Rustls(tls.connect(name, stream).await?)
        } else {
            MaybeTlsStream::Plain(stream)
        };
        let handshake = hyper::client::conn::http1::handshake::<_, String>(TokioIo::new(stream)).await;
        let (mut requests, connection) = handshake.map_err(other)?;
        tokio::spawn(connection);
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let request = http::Request::get(path)
            .header(HOST, authority)
            .header(USER_AGENT, "holdfast")
            .header(ACCEPT, "application/json")
            .body(String::new())
            .map_err(other)?;
        let answer = requests.send_request(request).await.map_err(other)?;
        if answer.status() != StatusCode::OK {
            return Err(other(format!("it answers {}", answer.status())));
        }
        let body = Limited::new(answer.into_body(), longest).collect().await.map_err(other)?;
        Ok(body.to_bytes().into())
    }

    /// The proxy before this host. A websocket goes the way of a page.
    fn intercept(&self, uri: &Uri) -> Option<Intercept> {
        if self.direct {
            return None;
        }
        let mut parts = uri.clone().into_parts();
        parts.scheme = match uri.scheme_str() {
            Some("ws" | "http") => Some(http::uri::Scheme::HTTP),
            Some(_) | None => Some(http::uri::Scheme::HTTPS),
        };
        Matcher::from_env().intercept(&Uri::from_parts(parts).ok()?)
    }

    /// A connection to the target by way of the proxy.
    /// Source: <https://datatracker.ietf.org/doc/html/rfc9110#section-9.3.6> (CONNECT)
    async fn tunnel(
        &self,
        proxy: &Intercept,
        target: &str,
    ) -> Result<MaybeTlsStream<TcpStream>, Box<dyn std::error::Error + Send + Sync>> {
        let unreachable = |error: &dyn std::error::Error| NoTunnel::Unreachable(error.to_string());
        let is_tls = proxy.uri().scheme_str() == Some("https");
        if !is_tls && proxy.uri().scheme_str() != Some("http") {
            let scheme = proxy.uri().scheme_str().unwrap_or_default();
            return Err(NoTunnel::Unreachable(format!("{scheme} is no kind of proxy that is known")).into());
        }
        let (host, port) = address(proxy.uri(), if is_tls { 443 } else { 80 })?;
        let stream = connect(&host, port).await.map_err(|error| unreachable(&error))?;
        let stream = if is_tls {
            let name = ServerName::try_from(host).map_err(|error| unreachable(&error))?;
            MaybeTlsStream::Rustls(TlsConnector::from(self.tls()?).connect(name, stream).await?)
        } else {
            MaybeTlsStream::Plain(stream)
        };
        let handshake = hyper::client::conn::http1::handshake::<_, String>(TokioIo::new(stream)).await;
        let (mut requests, connection) = handshake.map_err(|error| unreachable(&error))?;
        // It ends when what it was made for is taken over, or dropped.
        tokio::spawn(connection.with_upgrades());
        let mut request = http::Request::builder().method(Method::CONNECT).uri(target).header(HOST, target);
        if let Some(basic) = proxy.basic_auth() {
            request = request.header(PROXY_AUTHORIZATION, basic);
        }
        let request = request.body(String::new()).map_err(|error| unreachable(&error))?;
        let answer = requests.send_request(request).await.map_err(|error| unreachable(&error))?;
        match answer.status() {
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => return Err(NoTunnel::WantsPassword.into()),
            status if !status.is_success() => return Err(NoTunnel::Refused(status).into()),
            _ => {}
        }
        let upgraded = hyper::upgrade::on(answer).await.map_err(|error| unreachable(&error))?;
        // Whoever asked speaks first, so nothing was read beyond the answer.
        let parts = upgraded.downcast::<TokioIo<MaybeTlsStream<TcpStream>>>();
        let parts = parts.map_err(|_| NoTunnel::Unreachable("it speaks another protocol".to_owned()))?;
        Ok(parts.io.into_inner())
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, Unusable> {
        /// Reading them takes long on some systems.
        static SYSTEM: LazyLock<Arc<ClientConfig>> =
            LazyLock::new(|| Arc::new(trusting(rustls_native_certs::load_native_certs().certs)));
        match &self.trust {
            Trust::System => Ok(SYSTEM.clone()),
            Trust::Bundle(pem) => {
                Ok(Arc::new(trusting(CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok))))
            }
            Trust::Broken(unusable) => Err(unusable.clone()),
        }
    }
}

/// The certificates of a bundle that can be used.
fn read(path: &Path) -> Result<String, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let (mut store, mut usable) = (RootCertStore::empty(), String::new());
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        // A company's bundle has old ones, too, which nobody needs; the SDK's client would fall over them.
        match store.add(certificate.clone()) {
            Ok(()) => usable += &as_pem(&certificate),
            Err(error) => tracing::warn!(path = %path.display(), %error, "a certificate of no use"),
        }
    }
    if usable.is_empty() { Err("there is none in it that is of use".to_owned()) } else { Ok(usable) }
}

/// Source: <https://datatracker.ietf.org/doc/html/rfc7468#section-5>
fn as_pem(certificate: &CertificateDer<'_>) -> String {
    let base64 = STANDARD.encode(certificate);
    let lines = base64.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let lines: String = lines.flat_map(|line| [line, "\n".into()]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
}

fn trusting(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    #[expect(clippy::expect_used, reason = "this provider knows both versions of TLS")]
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("a TLS version");
    config.with_root_certificates(roots).with_no_client_auth()
}

fn address(uri: &Uri, usual: u16) -> std::io::Result<(String, u16)> {
    let host = uri.host().ok_or_else(|| std::io::Error::other("an address without a host"))?;
    // The brackets of an IPv6 address belong to the URI.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok((host, uri.port_u16().unwrap_or(usual)))
}

async fn connect(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SocketError {
    SocketError::Io(std::io::Error::other(error))
}

/// A client that gets nowhere, and says why.
#[derive(Clone, Debug)]
struct Nowhere(Unusable);

impl HttpClient for Nowhere {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Nowhere {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Err(ConnectorError::user(self.0.clone().into())))
    }
}
