//! The sandbox on 127.0.0.1: the same handler for foreign clients, the data channel's upgrades, and administration.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use http::header::{AUTHORIZATION, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::fault::Rule;
use crate::sandbox::{Dropped, Sandbox};

/// More than any request of AWS's control plane.
const LARGEST_BODY: usize = 1 << 20;
/// How often a served sandbox looks for what is due.
const TICK: Duration = Duration::from_millis(200);

type Answer = Response<Full<Bytes>>;

impl Sandbox {
    /// Serves until it is told to stop (`POST /_holdfast/shutdown`, or [`Self::stop`]).
    ///
    /// It answers only requests whose `Host` is a loopback name or the very address they came to, so that no web page
    /// reaches it by a name of its own, and administration only with a caller's access key as bearer.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        let address = listener.local_addr()?;
        if self.listening().set(address).is_ok() {
            self.backend().listening(address);
        }
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                () = self.stopped().notified() => {
                    // The last answer is still on its way.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    return Ok(());
                }
                _ = tick.tick() => self.tick(),
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => drop(tokio::spawn(self.clone().connection(stream))),
                    Err(error) => tracing::warn!(%error, "a connection could not be accepted"),
                },
            }
        }
    }

    /// Ends [`Self::serve`].
    pub fn stop(&self) {
        self.stopped().notify_one();
    }

    /// In-process clients reach the control plane without a socket; the data channel always needs one.
    pub(crate) async fn listen_on_demand(&self) {
        let listening = self.listening().get_or_try_init(|| async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            let sandbox = self.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(sandbox.clone().connection(stream));
                }
            });
            self.backend().listening(address);
            Ok::<SocketAddr, io::Error>(address)
        });
        if let Err(error) = listening.await {
            tracing::error!(%error, "no port for the data channel");
        }
    }

    /// Boxed, because answering a request may begin to listen, which makes connections in turn.
    fn connection(self, stream: TcpStream) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let here = stream.local_addr().ok();
        let service = service_fn(move |request| {
            let sandbox = self.clone();
            async move { sandbox.route(request, here).await }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        Box::pin(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        })
    }

    /// An error here makes hyper break the connection off: that is what a dropped answer looks like.
    async fn route(&self, request: Request<Incoming>, here: Option<SocketAddr>) -> Result<Answer, BrokenOff> {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if !is_loopback(host) && here.is_none_or(|here| host.parse() != Ok(here)) {
            let why = "the sandbox answers on loopback names and its own address only\n";
            return Ok(text(StatusCode::MISDIRECTED_REQUEST, why));
        }
        if request.uri().path().starts_with("/v1/data-channel/") {
            return Ok(self.backend().upgrade(request));
        }
        let (parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, LARGEST_BODY).collect().await else {
            return Ok(text(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large\n"));
        };
        let body = body.to_bytes();
        if let Some(path) = parts.uri.path().strip_prefix("/_holdfast/") {
            let bearer = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
            let key = bearer.and_then(|value| value.strip_prefix("Bearer "));
            if !key.is_some_and(|key| self.knows_key(key)) {
                return Ok(text(
                    StatusCode::UNAUTHORIZED,
                    "say who you are: Authorization: Bearer <access key>\n",
                ));
            }
            return Ok(self.administer(&parts.method, path, &body));
        }
        match self.handle(Request::from_parts(parts, body)).await {
            Ok(response) => Ok(response.map(Full::new)),
            Err(Dropped) => Err(BrokenOff),
        }
    }

    fn administer(&self, method: &Method, path: &str, body: &[u8]) -> Answer {
        match (method, path) {
            (&Method::GET, "status") => json_answer(&self.status()),
            (&Method::GET, "calls") => json_answer(&json!(self.calls())),
            (&Method::DELETE, "calls") => {
                self.clear_calls();
                json_answer(&json!({}))
            }
            (&Method::GET, "faults") => json_answer(&json!(self.faults())),
            (&Method::POST, "faults") => match serde_json::from_slice::<Rule>(body) {
                Ok(rule) => {
                    self.fault(rule);
                    json_answer(&json!({}))
                }
                Err(error) => text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
            },
            (&Method::DELETE, "faults") => {
                self.clear_faults();
                json_answer(&json!({}))
            }
            (&Method::POST, "advance") => match serde_json::from_slice::<Advance>(body) {
                Ok(Advance { seconds }) => {
                    self.advance(Duration::from_secs(seconds));
                    json_answer(&json!({}))
                }
                Err(error) => text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
            },
            (&Method::POST, "device") => match serde_json::from_slice::<Device>(body) {
                Ok(Device { user_code, allow }) => {
                    let found =
                        if allow { self.allow_device(&user_code) } else { self.deny_device(&user_code) };
                    match found {
                        true => json_answer(&json!({})),
                        false => text(StatusCode::NOT_FOUND, "no device with this code waits\n"),
                    }
                }
                Err(error) => text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
            },
            (&Method::POST, "authorization") => match serde_json::from_slice::<Authorization>(body) {
                Ok(Authorization { url, allow }) => {
                    let location =
                        if allow { self.allow_authorization(&url) } else { self.deny_authorization(&url) };
                    match location {
                        Some(location) => json_answer(&json!({ "location": location })),
                        None => text(StatusCode::BAD_REQUEST, "the page would refuse that\n"),
                    }
                }
                Err(error) => text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
            },
            (&Method::POST, "reset") => {
                self.reset();
                json_answer(&json!({}))
            }
            (&Method::POST, "shutdown") => {
                self.stop();
                json_answer(&json!({}))
            }
            (_, _) => text(StatusCode::NOT_FOUND, "there is no such thing\n"),
        }
    }

    fn status(&self) -> serde_json::Value {
        let world = self.world();
        let instances: Vec<_> = world
            .accounts
            .iter()
            .flat_map(|(account, held)| {
                held.regions.iter().map(move |(name, region)| (account, name, region))
            })
            .flat_map(|(account, name, region)| {
                region.instances.values().map(move |instance| {
                    json!({
                        "account": account,
                        "region": name,
                        "id": instance.id,
                        "type": instance.kind,
                        "state": instance.state.name(),
                        "name": instance.tags.get("Name"),
                    })
                })
            })
            .collect();
        let regions = || world.accounts.values().flat_map(|account| account.regions.values());
        let volumes: Vec<_> = regions()
            .flat_map(|region| region.volumes.values())
            .map(|volume| {
                let instance = volume.attached.as_ref().map(|attached| &attached.instance);
                json!({ "id": volume.id, "gib": volume.gib, "instance": instance, "tags": volume.tags })
            })
            .collect();
        let snapshots: Vec<_> = regions()
            .flat_map(|region| region.snapshots.values())
            .map(|snapshot| json!({ "id": snapshot.id, "volume": snapshot.volume, "tags": snapshot.tags }))
            .collect();
        let policies: Vec<_> = regions()
            .flat_map(|region| region.policies.values())
            .map(|policy| json!({ "id": policy.id, "state": policy.state.name(), "tags": policy.tags }))
            .collect();
        json!({
            "sandbox": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "now": self.now().iso(),
            "calls": self.calls().len(),
            "instances": instances,
            "volumes": volumes,
            "snapshots": snapshots,
            "policies": policies,
        })
    }
}

#[derive(Deserialize)]
struct Advance {
    seconds: u64,
}

/// What the user says to a device, without a browser.
#[derive(Deserialize)]
struct Device {
    user_code: String,
    allow: bool,
}

/// What the user says to the page with this address, without a browser.
#[derive(Deserialize)]
struct Authorization {
    url: String,
    allow: bool,
}

#[derive(Debug)]
struct BrokenOff;

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a fault rule breaks the connection off")
    }
}

impl std::error::Error for BrokenOff {}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    matches!(name, "127.0.0.1" | "localhost" | "[::1]") || name.ends_with(".localhost")
}

fn text(status: StatusCode, body: &str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *response.status_mut() = status;
    response
}

fn json_answer(value: &serde_json::Value) -> Answer {
    let mut response = text(StatusCode::OK, &format!("{value}\n"));
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
