//! One websocket of a client: frames out through a bounded queue, messages in.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Sink, Stream};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Frames that wait for the socket before the session stops reading its program.
const QUEUE: usize = 32;
/// What is queued at most: resends and acknowledgements go on while the socket is full.
const MAX_QUEUE: usize = 1024;

/// A client's TCP connection.
pub(super) trait Connection: AsyncRead + AsyncWrite + Unpin + Send {
    /// Makes the drop of the connection a reset.
    fn abandon(&self);
}

impl Connection for TcpStream {
    fn abandon(&self) {
        if let Err(error) = self.set_zero_linger() {
            tracing::debug!(%error, "no reset");
        }
    }
}

impl Connection for TokioIo<Upgraded> {
    fn abandon(&self) {}
}

pub(super) type Socket = WebSocketStream<Box<dyn Connection>>;

/// What a link has to say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LinkEvent {
    /// A message of the client.
    Message(Vec<u8>),
    /// The queue has room again.
    Room,
    /// All is sent.
    Sent,
    /// Closed, reset, or broken.
    Lost,
}

pub(super) struct Link {
    socket: Socket,
    queue: VecDeque<Vec<u8>>,
    close: Option<CloseFrame>,
    unflushed: bool,
    was_full: bool,
}

impl Link {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, queue: VecDeque::new(), close: None, unflushed: false, was_full: false }
    }

    /// Queues a frame. A client that does not read loses what goes beyond any measure.
    pub(super) fn send(&mut self, frame: Vec<u8>, copies: usize) {
        if self.queue.len() < MAX_QUEUE {
            self.queue.extend(std::iter::repeat_n(frame, copies));
        }
    }

    /// Whether more is welcome.
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < QUEUE
    }

    /// Closes the websocket behind what is queued.
    pub(super) fn close(&mut self, reason: &'static str) {
        self.close = Some(CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::from_static(reason) });
    }

    /// Makes the drop of this link a TCP reset.
    pub(super) fn abandon(&self) {
        self.socket.get_ref().abandon();
    }

    /// Moves bytes both ways until there is something to say. Nothing is lost when the future is dropped.
    pub(super) async fn step(&mut self) -> LinkEvent {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<LinkEvent> {
        match self.poll_send(cx) {
            Poll::Ready(Ok(true)) => return Poll::Ready(LinkEvent::Sent),
            Poll::Ready(Err(_)) => return Poll::Ready(LinkEvent::Lost),
            Poll::Ready(Ok(false)) | Poll::Pending => {}
        }
        let has_room = self.has_room();
        let was_full = std::mem::replace(&mut self.was_full, !has_room);
        if was_full && has_room {
            return Poll::Ready(LinkEvent::Room);
        }
        loop {
            match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Ready(Some(Ok(Message::Binary(bytes)))) => {
                    return Poll::Ready(LinkEvent::Message(bytes.into()));
                }
                Poll::Ready(Some(Ok(Message::Text(text)))) => {
                    return Poll::Ready(LinkEvent::Message(text.as_bytes().to_vec()));
                }
                Poll::Ready(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => {}
                Poll::Ready(Some(Ok(Message::Close(_)) | Err(_)) | None) => {
                    return Poll::Ready(LinkEvent::Lost);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// `true` when the last of something was sent just now.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Broken>> {
        let mut socket = Pin::new(&mut self.socket);
        while !self.queue.is_empty() || self.close.is_some() {
            std::task::ready!(socket.as_mut().poll_ready(cx)).map_err(Broken::from)?;
            let message = match self.queue.pop_front() {
                Some(frame) => Message::Binary(frame.into()),
                None => Message::Close(self.close.take()),
            };
            socket.as_mut().start_send(message).map_err(Broken::from)?;
            self.unflushed = true;
        }
        if self.unflushed {
            std::task::ready!(socket.as_mut().poll_flush(cx)).map_err(Broken::from)?;
            self.unflushed = false;
            return Poll::Ready(Ok(true));
        }
        Poll::Ready(Ok(false))
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Link").field("queued", &self.queue.len()).finish_non_exhaustive()
    }
}

/// The socket's error, of which only the fact matters: every loss of a link is the same event.
struct Broken;

impl From<tokio_tungstenite::tungstenite::Error> for Broken {
    fn from(error: tokio_tungstenite::tungstenite::Error) -> Self {
        tracing::debug!(%error, "link");
        Self
    }
}
