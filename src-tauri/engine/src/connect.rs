//! Carrying a session: one loop over socket, keyboard, window size and time, feeding the pure
//! [`Session`](holdfast_core::session::Session) and draining it.

use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, SystemTime};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use holdfast_core::names::InstanceId;
use holdfast_core::session::{CLIENT_VERSION, Closed, Config, Event, Failure, Session, Stream, Transmit};
use holdfast_core::time::Moment;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use crate::aws::Aws;
use crate::aws::session::{Document, Line, Socket};
use crate::problem::Problem;

/// Pauses between tries to get a lost line back: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// What the user's side does.
#[derive(Debug)]
pub enum Input {
    /// Bytes typed.
    Bytes(Vec<u8>),
    /// The window has another size: columns and rows.
    Size(u16, u16),
    /// The user leaves: the session is to end.
    Leave,
}

/// The user's side of a session: where input comes from and where output goes.
#[derive(Debug)]
pub struct Ends {
    /// What the user does. When it is full, the sender waits.
    pub input: mpsc::Receiver<Input>,
    /// What the machine writes. When it is full, the session stops reading.
    pub output: mpsc::Sender<(Stream, Vec<u8>)>,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The program on the machine ended; with its exit status where the agent tells it.
    Exited(Option<i32>),
    /// It was ended from outside; in the agent's or AWS's words.
    Closed(String),
    /// The user left.
    Left,
}

/// Opens a session on `target` and carries it to its end.
///
/// # Errors
/// AWS refuses to open it, or it cannot go on.
pub async fn connect(
    aws: &Aws,
    target: &InstanceId,
    document: &Document,
    size: Option<(u16, u16)>,
    ends: Ends,
) -> Result<End, Problem> {
    let line = aws.start_session(target, document).await?;
    let session_id = line.session_id.clone();
    let result = carry(aws, target, document, size, ends, line).await;
    if !matches!(result, Ok(End::Exited(_) | End::Closed(_))) {
        // Closing the socket alone would leave the session running to its idle limit.
        if let Err(error) = aws.terminate_session(&session_id).await {
            tracing::debug!(?error, "the session could not be ended");
        }
    }
    result
}

async fn carry(
    aws: &Aws,
    target: &InstanceId,
    document: &Document,
    size: Option<(u16, u16)>,
    ends: Ends,
    mut line: Line,
) -> Result<End, Problem> {
    let clock = Clock::new();
    let config = Config {
        session_id: line.session_id.clone(),
        target_id: target.to_string(),
        client_id: *uuid::Uuid::new_v4().as_bytes(),
        client_version: CLIENT_VERSION.to_owned(),
        seed: seed(),
        expects_handshake: matches!(document, Document::Command(_)),
        size,
    };
    let session = Session::new(config, clock.now());
    let mut carrier =
        Carrier { aws, clock, session, ends, pending: VecDeque::new(), typed: Vec::new(), exit: None };
    let mut tries = 0;
    loop {
        match aws.dial(&line.url).await {
            Ok(socket) => {
                tries = 0;
                carrier.session.link_up(carrier.clock.now(), &line.token);
                if let Some(end) = carrier.pump(socket).await? {
                    return Ok(end);
                }
            }
            Err(problem) => tracing::info!(%problem, "no line"),
        }
        line = loop {
            sleep(RETRY.0.saturating_mul(1 << u32::min(tries, 7)).min(RETRY.1)).await;
            tries += 1;
            match aws.resume_session(&line.session_id).await {
                Ok(Some(line)) => break line,
                Ok(None) => {
                    return Ok(End::Closed("The session is over; it was idle for too long.".to_owned()));
                }
                // To be asked more often will not change the account's mind.
                Err(error) if error.is_denied() => return Err(error.into()),
                Err(error) => tracing::info!(?error, "the session cannot be resumed yet"),
            }
        };
    }
}

struct Carrier<'a> {
    aws: &'a Aws,
    clock: Clock,
    session: Session,
    ends: Ends,
    /// Output that the user's side has not taken yet.
    pending: VecDeque<(Stream, Vec<u8>)>,
    /// Input that the session had no room for yet.
    typed: Vec<u8>,
    exit: Option<i32>,
}

impl Carrier<'_> {
    /// Carries the session over one websocket: until it ends, or `None` when the line is lost.
    async fn pump(&mut self, socket: Socket) -> Result<Option<End>, Problem> {
        let (mut sink, mut stream): (SplitSink<Socket, Message>, SplitStream<Socket>) = socket.split();
        let output = self.ends.output.clone();
        // What another branch interrupts must be flushed in the next round.
        let mut unsent = false;
        loop {
            self.type_in();
            let Some(more) = self.transmit(&mut sink).await else { return Ok(None) };
            unsent |= more;
            while self.pending.is_empty() {
                let Some(event) = self.session.poll_event() else { break };
                match self.on_event(event).await {
                    Turn::On => {}
                    Turn::LinkDead => return Ok(None),
                    Turn::Over(end) => {
                        self.deliver_all().await;
                        return Ok(Some(end));
                    }
                    Turn::Failed(failure) => {
                        // The agent is told why, as far as that still goes.
                        self.transmit(&mut sink).await;
                        let _ = sink.flush().await;
                        return Err(Problem::session(&failure));
                    }
                }
            }
            let timeout = self.clock.instant(self.session.poll_timeout());
            tokio::select! {
                frame = stream.next(), if self.pending.is_empty() => {
                    if !self.on_frame(frame) {
                        return Ok(None);
                    }
                }
                flushed = sink.flush(), if unsent => {
                    if flushed.is_err() {
                        return Ok(None);
                    }
                    unsent = false;
                }
                permit = output.reserve(), if !self.pending.is_empty() => match (permit, self.pending.pop_front()) {
                    (Ok(permit), Some(output)) => permit.send(output),
                    (Ok(_), None) => {}
                    (Err(_), _) => return Ok(Some(End::Left)),
                },
                input = self.ends.input.recv(), if self.typed.is_empty() => match input {
                    Some(Input::Bytes(bytes)) => self.typed = bytes,
                    Some(Input::Size(columns, rows)) => self.session.resize(self.clock.now(), columns, rows),
                    Some(Input::Leave) | None => return Ok(Some(End::Left)),
                },
                () = sleep_until(timeout) => self.session.handle_timeout(self.clock.now()),
            }
        }
    }

    /// Gives everything that waits to the socket's buffer. Whether there is something to flush; `None`: the line is lost.
    async fn transmit(&mut self, sink: &mut SplitSink<Socket, Message>) -> Option<bool> {
        let mut unsent = false;
        while let Some(transmit) = self.session.poll_transmit(self.clock.now()) {
            let message = match transmit {
                Transmit::Text(text) => Message::text(text),
                Transmit::Binary(bytes) => Message::binary(bytes),
                Transmit::Ping(bytes) => Message::Ping(bytes.into()),
            };
            sink.feed(message).await.ok()?;
            unsent = true;
        }
        Some(unsent)
    }

    /// Takes one frame; false when the line is lost.
    fn on_frame(&mut self, frame: Option<Result<Message, SocketError>>) -> bool {
        let now = self.clock.now();
        match frame {
            Some(Ok(Message::Binary(bytes))) => self.session.handle_frame(now, &bytes),
            Some(Ok(Message::Text(text))) => self.session.handle_frame(now, text.as_bytes()),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                self.session.handle_pong(now)
            }
            // A close of any code is the loss of this line, not the end of the session.
            Some(Ok(Message::Close(_)) | Err(_)) | None => {
                self.session.link_lost(now);
                return false;
            }
        }
        true
    }

    async fn on_event(&mut self, event: Event) -> Turn {
        match event {
            Event::Ready | Event::PortUnreachable => {}
            Event::LinkDead => return Turn::LinkDead,
            Event::Failed(failure) => return Turn::Failed(failure),
            Event::Output { stream, bytes } => self.pending.push_back((stream, bytes)),
            Event::Message(text) => self.pending.push_back((Stream::Err, format!("{text}\r\n").into_bytes())),
            Event::ExitCode(code) => self.exit = Some(code),
            Event::KeyNeeded { key_id, context } => match self.aws.data_key(&key_id, context).await {
                Ok(key) => self.session.provide_key(self.clock.now(), key),
                Err(error) => {
                    let why = Problem::from(error).to_string();
                    self.session.key_refused(self.clock.now(), why);
                }
            },
            Event::Closed(Closed { output, incomplete }) => {
                if incomplete {
                    let lost = b"holdfast: the last of the output was lost\r\n".to_vec();
                    self.pending.push_back((Stream::Err, lost));
                }
                let outside = !output.is_empty() && self.exit.is_none();
                return Turn::Over(if outside { End::Closed(output) } else { End::Exited(self.exit) });
            }
        }
        Turn::On
    }

    /// Nothing typed is ever dropped: while the session has no room, the keyboard is not read.
    fn type_in(&mut self) {
        if !self.typed.is_empty() {
            let taken = self.session.write(self.clock.now(), &self.typed);
            self.typed.drain(..taken);
        }
    }

    async fn deliver_all(&mut self) {
        while let Some(output) = self.pending.pop_front() {
            if self.ends.output.send(output).await.is_err() {
                return;
            }
        }
    }
}

/// What an event of the session asks of its carrier.
enum Turn {
    /// To go on.
    On,
    /// To drop this line and get another.
    LinkDead,
    /// To tell the user how it ended.
    Over(End),
    /// To give up.
    Failed(Failure),
}

/// The time of one session: read once, monotonic from there on.
struct Clock {
    epoch: Duration,
    start: Instant,
}

impl Clock {
    fn new() -> Self {
        let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { epoch, start: Instant::now() }
    }

    fn now(&self) -> Moment {
        Moment::from_epoch(self.epoch + self.start.elapsed())
    }

    fn instant(&self, moment: Option<Moment>) -> Instant {
        let far = Duration::from_secs(24 * 60 * 60);
        match moment {
            Some(moment) => self.start + moment.since_epoch().saturating_sub(self.epoch),
            None => Instant::now() + far,
        }
    }
}

fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    seed[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    seed
}

/// Writes what a session's output channel brings to this process's own output, until the channel ends. For a thread of
/// its own, since a terminal may be slow.
pub fn write_out(mut output: mpsc::Receiver<(Stream, Vec<u8>)>) {
    while let Some((stream, bytes)) = output.blocking_recv() {
        let written = match stream {
            Stream::Out => write_all(&mut std::io::stdout().lock(), &bytes),
            Stream::Err => write_all(&mut std::io::stderr().lock(), &bytes),
        };
        if written.is_err() {
            return;
        }
    }
}

fn write_all(to: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}
