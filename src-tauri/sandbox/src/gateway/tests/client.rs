//! A client made by hand: the core's session, a websocket, and nothing else. It resumes by itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use holdfast_core::session::{CLIENT_VERSION, Closed, Config, DataKey, Event, Session, Stream, Transmit};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::super::clock::Clock;
use super::super::*;

pub(super) const ID: &str = "i-0123456789abcdef0";
pub(super) const TARGET: &str = "i-0123456789abcdef0";
pub(super) const KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/one";
pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A gateway that listens, with one machine that is on.
pub(super) struct Rig {
    pub(super) gateway: Arc<Gateway>,
    pub(super) folder: TempDir,
}

impl Rig {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::of(Guests::new(folder.path()), folder).await
    }

    pub(super) async fn of(guests: Guests, folder: TempDir) -> Self {
        let gateway = Arc::new(Gateway::new(Arc::new(guests)));
        gateway.power(ID, Power::On);
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        gateway.listening(listener.local_addr().unwrap());
        tokio::spawn(serve(listener, Arc::clone(&gateway)));
        Self { gateway, folder }
    }

    pub(super) fn session(&self, document: Option<&str>, parameters: &[(&str, &str)]) -> Client {
        self.open(document, parameters, None)
    }

    pub(super) fn shell(&self) -> Client {
        self.session(None, &[])
    }

    /// A command on a terminal.
    pub(super) fn run(&self, command: &str) -> Client {
        self.session(Some("AWS-StartInteractiveCommand"), &[("command", command)])
    }

    pub(super) fn open(
        &self,
        document: Option<&str>,
        parameters: &[(&str, &str)],
        kms_key_id: Option<String>,
    ) -> Client {
        let session_id = format!("someone-{}", Uuid::new_v4());
        let request = StartRequest {
            session_id: session_id.clone(),
            instance_id: ID.to_owned(),
            target: TARGET.to_owned(),
            document: document.map(str::to_owned),
            parameters: parameters.iter().map(|(k, v)| ((*k).to_owned(), vec![(*v).to_owned()])).collect(),
            kms_key_id,
        };
        let token = self.gateway.start(request).unwrap();
        let clock = Clock::start();
        let config = Config {
            session_id: session_id.clone(),
            target_id: TARGET.to_owned(),
            client_id: [1; 16],
            client_version: CLIENT_VERSION.to_owned(),
            seed: [7; 32],
            expects_handshake: document.is_some_and(|name| name.contains("NonInteractive")),
            size: None,
        };
        let session = Session::new(config, clock.now());
        let gateway = Arc::clone(&self.gateway);
        Client {
            session_id,
            session,
            gateway,
            clock,
            token: Some(token),
            socket: None,
            out: Vec::new(),
            err: Vec::new(),
            exit: None,
            closed: None,
            dials: 0,
            message: String::new(),
        }
    }
}

async fn serve(listener: TcpListener, gateway: Arc<Gateway>) {
    while let Ok((stream, _)) = listener.accept().await {
        let gateway = Arc::clone(&gateway);
        let service = hyper::service::service_fn(move |request| {
            std::future::ready(Ok::<_, std::convert::Infallible>(gateway.upgrade(request)))
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades(),
        );
    }
}

pub(super) struct Client {
    pub(super) session_id: String,
    pub(super) session: Session,
    gateway: Arc<Gateway>,
    clock: Clock,
    token: Option<String>,
    pub(super) socket: Option<Socket>,
    pub(super) out: Vec<u8>,
    pub(super) err: Vec<u8>,
    pub(super) exit: Option<i32>,
    pub(super) closed: Option<Closed>,
    pub(super) dials: usize,
    pub(super) message: String,
}

impl Client {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    pub(super) fn inject(&self, fault: WireFault) {
        self.gateway.inject(Some(&self.session_id), fault);
    }

    /// Types all of it, running meanwhile.
    pub(super) async fn type_in(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = self.session.write(self.clock.now(), bytes);
            bytes = &bytes[taken..];
            if !bytes.is_empty() {
                self.until("room", |client| client.session.can_write()).await;
            }
        }
        self.drain().await;
    }

    pub(super) async fn until_text(&mut self, text: &str) {
        self.until(text, |client| client.text().contains(text)).await;
    }

    /// Until the gateway says that the session is over; returns its words.
    pub(super) async fn finish(&mut self) -> String {
        self.until("the end", |client| client.closed.is_some()).await;
        let closed = self.closed.as_ref().unwrap();
        assert!(!closed.incomplete, "{closed:?}");
        closed.output.clone()
    }

    pub(super) async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !done(self) {
            if tokio::time::timeout_at(deadline, self.step()).await.is_err() {
                let (dials, stats) = (self.dials, self.session.stats());
                let tail = String::from_utf8_lossy(&self.out[self.out.len().saturating_sub(500)..]);
                panic!("no {what:?} after {dials} dials, {} bytes: {tail:?} {stats:?}", self.out.len());
            }
        }
    }

    /// One thing happens.
    pub(super) async fn step(&mut self) {
        if self.socket.is_none() {
            self.dial().await;
        }
        self.drain().await;
        let Some(socket) = &mut self.socket else { return };
        let wake = self.session.poll_timeout().map(|moment| self.clock.instant(moment));
        let wake = wake.unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) => self.session.handle_frame(self.clock.now(), &bytes),
                Some(Ok(Message::Pong(_))) => self.session.handle_pong(self.clock.now()),
                Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => self.lose(),
            },
            () = tokio::time::sleep_until(wake) => self.session.handle_timeout(self.clock.now()),
        }
        self.drain().await;
    }

    pub(super) async fn dial(&mut self) {
        let token = match self.token.take() {
            Some(token) => token,
            None => match self.gateway.resume(&self.session_id) {
                Some(token) => token,
                None => panic!("session over: {}", self.text()),
            },
        };
        self.dials += 1;
        match connect_async(self.gateway.stream_url(&self.session_id)).await {
            Ok((socket, _)) => {
                self.socket = Some(socket);
                self.session.link_up(self.clock.now(), &token);
            }
            Err(Error::Http(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    }

    fn lose(&mut self) {
        self.socket = None;
        self.session.link_lost(self.clock.now());
    }

    async fn drain(&mut self) {
        while let Some(transmit) = self.session.poll_transmit(self.clock.now()) {
            let message = match transmit {
                Transmit::Text(text) => Message::text(text),
                Transmit::Binary(bytes) => Message::binary(bytes),
                Transmit::Ping(bytes) => Message::Ping(bytes.into()),
            };
            if let Some(socket) = &mut self.socket
                && socket.send(message).await.is_err()
            {
                self.lose();
            }
        }
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Output { stream: Stream::Out, bytes } => self.out.extend(bytes),
                Event::Output { stream: Stream::Err, bytes } => self.err.extend(bytes),
                Event::ExitCode(code) => self.exit = Some(code),
                Event::Closed(closed) => self.closed = Some(closed),
                Event::LinkDead => self.lose(),
                Event::KeyNeeded { key_id, context } => {
                    let plaintext = [42; 64];
                    let ciphertext = crate::kms::encrypt(&key_id, &context, &plaintext);
                    self.session.provide_key(self.clock.now(), DataKey { plaintext, ciphertext });
                }
                Event::Message(text) => self.message = text,
                Event::Ready => {}
                Event::PortUnreachable | Event::Failed(_) => panic!("{event:?}"),
            }
        }
    }
}
