//! From an HTTP upgrade request to a client that has shown its token.

use std::time::Duration;

use futures_util::StreamExt as _;
use holdfast_core::session::wire::{MAX_FRAME, OpenDataChannel, from_json};
use http::header::{
    AUTHORIZATION, CONNECTION, HeaderMap, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::link::{Connection, Socket};
use crate::UpgradeResponse;

pub(super) const PATH: &str = "/v1/data-channel/";
const ROLE: &str = "role=publish_subscribe";
/// How long a client may take for its first message.
const OPENING: Duration = Duration::from_secs(10);

/// What an upgrade request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dial {
    pub(super) session_id: String,
    /// As it stands in the URL.
    pub(super) cell: Option<String>,
    pub(super) signed: bool,
    accept: String,
}

impl Dial {
    pub(super) fn read(request: &Request<Incoming>) -> Result<Self, (StatusCode, &'static str)> {
        let headers = request.headers();
        let Some(session_id) = request.uri().path().strip_prefix(PATH) else {
            return Err((StatusCode::NOT_FOUND, "not a data channel"));
        };
        let query = request.uri().query().unwrap_or_default();
        let is_upgrade = request.method() == Method::GET
            && has_token(headers, CONNECTION.as_str(), "upgrade")
            && has_token(headers, UPGRADE.as_str(), "websocket")
            && has_token(headers, SEC_WEBSOCKET_VERSION.as_str(), "13");
        let Some(key) = headers.get(SEC_WEBSOCKET_KEY).filter(|_| is_upgrade) else {
            return Err((StatusCode::UPGRADE_REQUIRED, "a data channel is a websocket"));
        };
        if !query.split('&').any(|pair| pair == ROLE) {
            return Err((StatusCode::BAD_REQUEST, "the role is missing"));
        }
        Ok(Self {
            session_id: session_id.to_owned(),
            cell: query.split('&').find_map(|pair| pair.strip_prefix("cell-number=")).map(str::to_owned),
            signed: signed(headers, query),
            accept: derive_accept_key(key.as_bytes()),
        })
    }

    pub(super) fn answer(&self) -> UpgradeResponse {
        let mut response = refuse(StatusCode::SWITCHING_PROTOCOLS, "");
        let headers = response.headers_mut();
        headers.insert(CONNECTION, http::HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, http::HeaderValue::from_static("websocket"));
        if let Ok(accept) = self.accept.parse() {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        response
    }
}

pub(super) fn refuse(status: StatusCode, why: &'static str) -> UpgradeResponse {
    let mut response = http::Response::new(Full::new(Bytes::from_static(why.as_bytes())));
    *response.status_mut() = status;
    response
}

/// Whether the request carries a signature for this service; whether it is right is not checked.
fn signed(headers: &HeaderMap, query: &str) -> bool {
    let scope = "/ssmmessages/aws4_request";
    let in_header = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 ") && value.contains(scope));
    in_header || query.contains("X-Amz-Signature=")
}

fn has_token(headers: &HeaderMap, name: &str, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// The websocket after the upgrade, and the client's first message; `None` when there is none in time.
pub(super) async fn open(upgrade: OnUpgrade) -> Option<(Socket, OpenDataChannel)> {
    let upgraded = upgrade.await.ok()?;
    let (connection, read): (Box<dyn Connection>, Bytes) = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => {
            let stream = parts.io.into_inner();
            // A keystroke's echo must not wait for the acknowledgement before it.
            stream.set_nodelay(true).ok()?;
            (Box::new(stream), parts.read_buf)
        }
        Err(upgraded) => (Box::new(TokioIo::new(upgraded)), Bytes::new()),
    };
    let config = WebSocketConfig::default().max_message_size(Some(MAX_FRAME)).max_frame_size(Some(MAX_FRAME));
    let mut socket =
        WebSocketStream::from_partially_read(connection, read.to_vec(), Role::Server, Some(config)).await;
    let first = tokio::time::timeout(OPENING, first(&mut socket)).await.ok()??;
    Some((socket, from_json(&first)?))
}

async fn first(socket: &mut Socket) -> Option<Bytes> {
    loop {
        match socket.next().await?.ok()? {
            Message::Text(text) => return Some(Bytes::from(text)),
            Message::Binary(bytes) => return Some(bytes),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            Message::Close(_) => return None,
        }
    }
}
