//! Carrying a connection: one loop over socket, keyboard, window size, calls, network and time, feeding the pure
//! [`Connection`] and draining it.

mod calls;
mod face;

use std::collections::VecDeque;
use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use holdfast_core::connection::{self, Config, Connection, ESCAPES, Event, Keys, Typed};
use holdfast_core::machine::Desired;
use holdfast_core::names::InstanceId;
use holdfast_core::session::{CLIENT_VERSION, Stream, Transmit};
use holdfast_core::time::Moment;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use self::calls::{Answer, Calls};
use self::face::Face;
use crate::aws::Aws;
use crate::aws::session::{Document, Socket};
use crate::net::{Change, Changes, Clocks, answers};
use crate::problem::Problem;

pub use self::calls::Program;

/// Frames read before what they bring is handed on: each costs an acknowledgement, and one flush sends them all.
const BATCH: usize = 64;
/// How long a session that is left may take to be ended.
const PARTING: Duration = Duration::from_secs(3);

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

/// The user's side of a connection: where input comes from and where output goes.
#[derive(Debug)]
pub struct Ends {
    /// What the user does. When it is full, the sender waits.
    pub input: mpsc::Receiver<Input>,
    /// What the machine writes. When it is full, the session stops reading.
    pub output: mpsc::Sender<(Stream, Vec<u8>)>,
    /// Columns and rows of the terminal, if there is one. Then escapes are taken out of what is typed, and there is a
    /// line that says why nothing moves.
    pub terminal: Option<(u16, u16)>,
    /// Whether that is said on standard error instead, once in each outage.
    pub talks: bool,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The program on the machine ended; with its exit status where that is known.
    Exited(Option<i32>),
    /// It was ended from outside; in the agent's or AWS's words.
    Closed(String),
    /// The user left.
    Left,
}

/// Runs `program` on the machine and carries its connection to its end.
///
/// # Errors
/// AWS refuses to open it, or it cannot go on.
pub async fn connect(
    aws: &Aws,
    desired: &Desired,
    instance: &InstanceId,
    program: Program,
    ends: Ends,
) -> Result<End, Problem> {
    let clock = Clock::new();
    let config = Config {
        target_id: instance.to_string(),
        client_id: *uuid::Uuid::new_v4().as_bytes(),
        client_version: CLIENT_VERSION.to_owned(),
        seed: seed(),
        expects_handshake: matches!(program, Program::Once { document: Document::Command(_), .. }),
        size: ends.terminal.or(matches!(program, Program::Once { typed: Some(_), .. }).then_some((300, 100))),
        lasting: matches!(program, Program::Attach { .. }),
    };
    let connection = Connection::new(config, clock.now());
    let face = ends.terminal.map(|size| Face::new(desired.machine.as_str(), size));
    let calls = Calls::new(aws, desired, instance, program);
    let mut carrier = Carrier {
        clock,
        connection,
        keys: Keys::default(),
        machine: desired.machine.to_string(),
        face,
        told: false,
        ends,
        pending: VecDeque::new(),
        typed: Vec::new(),
        peer: None,
    };
    let mut call = None;
    let result = carrier.carry(&calls, &mut call).await;
    // A session that is being started would run without anybody.
    if let Some(call) = call
        && let Ok(answer) = timeout(PARTING, call).await
    {
        carrier.connection.done(carrier.clock.now(), answer.outcome);
    }
    if !matches!(result, Ok(End::Exited(_) | End::Closed(_)))
        && let Some(session_id) = carrier.connection.session_id()
    {
        // Closing the socket alone would leave the session running to its idle limit.
        match timeout(PARTING, calls.terminate(session_id)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(?error, "the session could not be ended"),
            Err(_) => tracing::debug!("the session could not be ended in time"),
        }
    }
    result
}

struct Carrier {
    clock: Clock,
    connection: Connection,
    keys: Keys,
    machine: String,
    face: Option<Face>,
    /// It was said that there is no line.
    told: bool,
    ends: Ends,
    /// Output that the user's side has not taken yet.
    pending: VecDeque<(Stream, Vec<u8>)>,
    /// Input that the connection had no room for yet.
    typed: Vec<u8>,
    /// Whom the last socket was connected to.
    peer: Option<std::net::SocketAddr>,
}

struct Line {
    sink: SplitSink<Socket, Message>,
    stream: SplitStream<Socket>,
    /// What another branch interrupts must be flushed in the next round.
    unsent: bool,
}

/// What an event asks of the loop.
enum Turn {
    On,
    Hangup,
    Over(connection::End),
}

type Call<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

impl Carrier {
    /// Until the end; then a call may be under way still.
    async fn carry<'a>(&mut self, calls: &'a Calls<'a>, call: &mut Option<Call<'a>>) -> Result<End, Problem> {
        let mut line: Option<Line> = None;
        let mut knock: Option<Pin<Box<dyn Future<Output = ()>>>> = None;
        let mut changes = Changes::listen();
        let output = self.ends.output.clone();
        loop {
            self.type_in();
            if let Some(up) = &mut line
                && !self.transmit(up).await
            {
                self.connection.link_lost(self.clock.now());
                line = None;
            }
            while self.pending.is_empty() {
                let Some(event) = self.connection.poll_event(self.clock.now()) else { break };
                match self.on_event(calls, event).await {
                    Turn::On => {}
                    Turn::Hangup => {
                        line = None;
                        calls.drop_connections();
                    }
                    Turn::Over(end) => return self.over(calls, end, line).await,
                }
            }
            if let Some(action) = self.connection.poll_action() {
                *call = Some(Box::pin(calls.make(action)));
            }
            self.draw();
            let knocks = self.connection.wants_network(self.clock.now());
            knock = match (knock, self.peer) {
                (None, Some(peer)) if knocks => Some(Box::pin(answers(peer))),
                (knock, _) => knock.filter(|_| knocks),
            };
            let due = self.clock.instant(self.connection.poll_timeout(self.clock.now()));
            tokio::select! {
                step = step(line.as_mut(), self.pending.is_empty()) => {
                    let lives = match step {
                        Step::Frame(frame) => self.on_frames(line.as_mut(), frame),
                        Step::Flushed(lives) => lives,
                    };
                    if !lives {
                        self.connection.link_lost(self.clock.now());
                        line = None;
                    }
                }
                permit = output.reserve(), if !self.pending.is_empty() => match (permit, self.pending.pop_front()) {
                    (Ok(permit), Some(output)) => permit.send(output),
                    (Ok(_), None) => {}
                    (Err(_), _) => return Ok(End::Left),
                },
                input = self.ends.input.recv(), if self.typed.is_empty() => {
                    if !self.on_input(input) {
                        return Ok(End::Left);
                    }
                }
                answer = pending_or(call.as_mut()) => {
                    *call = None;
                    if let Some(socket) = answer.socket {
                        self.peer = peer(&socket).or(self.peer);
                        let (sink, stream) = socket.split();
                        line = Some(Line { sink, stream, unsent: false });
                    }
                    self.connection.done(self.clock.now(), answer.outcome);
                }
                change = changes.next() => {
                    tracing::debug!(?change, "this computer");
                    self.clock.look();
                    match change {
                        Change::Network => self.connection.network_changed(self.clock.now()),
                        Change::Woke => self.connection.woke(self.clock.now()),
                    }
                }
                () = pending_or(knock.as_mut()) => {
                    knock = None;
                    self.connection.network_answers(self.clock.now());
                }
                () = sleep_until(due) => self.connection.handle_timeout(self.clock.now()),
            }
        }
    }

    /// Hands on what came before the end, and says how it ended.
    async fn over(
        &mut self,
        calls: &Calls<'_>,
        end: connection::End,
        mut line: Option<Line>,
    ) -> Result<End, Problem> {
        if let Some(line) = &mut line {
            // The agent is told why, as far as that still goes.
            self.transmit(line).await;
            let _ = line.sink.flush().await;
        }
        self.draw();
        while let Some(output) = self.pending.pop_front() {
            if self.ends.output.send(output).await.is_err() {
                break;
            }
        }
        match end {
            connection::End::Exited(status) => Ok(End::Exited(status)),
            connection::End::Closed(why) => Ok(End::Closed(why)),
            connection::End::Failed(failure) => Err(Problem::session(&failure)),
            connection::End::Refused => Err(calls.refusal()),
        }
    }

    /// Gives everything that waits to the socket's buffer; false when the line is lost.
    async fn transmit(&mut self, line: &mut Line) -> bool {
        while let Some(transmit) = self.connection.poll_transmit(self.clock.now()) {
            let message = match transmit {
                Transmit::Text(text) => Message::text(text),
                Transmit::Binary(bytes) => Message::binary(bytes),
                Transmit::Ping(bytes) => Message::Ping(bytes.into()),
            };
            line.unsent = true;
            if line.sink.feed(message).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Takes a frame and those right behind it; false when the line is lost.
    fn on_frames(&mut self, line: Option<&mut Line>, first: Frame) -> bool {
        if !self.on_frame(first) {
            return false;
        }
        let Some(line) = line else { return true };
        for _ in 1..BATCH {
            let Some(frame) = line.stream.next().now_or_never() else { return true };
            if !self.on_frame(frame) {
                return false;
            }
        }
        true
    }

    fn on_frame(&mut self, frame: Frame) -> bool {
        let now = self.clock.now();
        match frame {
            Some(Ok(Message::Binary(bytes))) => self.connection.handle_frame(now, &bytes),
            Some(Ok(Message::Text(text))) => self.connection.handle_frame(now, text.as_bytes()),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                self.connection.handle_pong(now);
            }
            // A close of any code is the loss of this line, not the end of the session.
            Some(Ok(Message::Close(_)) | Err(_)) | None => return false,
        }
        true
    }

    async fn on_event(&mut self, calls: &Calls<'_>, event: Event) -> Turn {
        match event {
            Event::Output { stream, bytes } => self.pending.push_back((stream, bytes)),
            Event::Message(text) => {
                self.pending.push_back((Stream::Err, format!("{text}\r\n").into_bytes()));
            }
            Event::KeyNeeded { key_id, context } => match calls.data_key(&key_id, context).await {
                Ok(key) => self.connection.provide_key(self.clock.now(), key),
                Err(error) => {
                    let why = Problem::from(error).to_string();
                    self.connection.key_refused(self.clock.now(), why);
                }
            },
            Event::Hangup => return Turn::Hangup,
            Event::Reset => {
                if let Some(face) = &mut self.face {
                    self.pending.push_back((Stream::Out, face.reset()));
                }
            }
            Event::Ended(end) => return Turn::Over(end),
        }
        Turn::On
    }

    /// Takes what the user does; false when that is to leave.
    fn on_input(&mut self, input: Option<Input>) -> bool {
        let now = self.clock.now();
        match input {
            Some(Input::Bytes(bytes)) if self.face.is_some() => {
                for typed in self.keys.feed(&bytes) {
                    match typed {
                        // While there is no program that could take it, Ctrl-C is meant for us.
                        Typed::Bytes(bytes) if !self.connection.ever_up() && bytes.contains(&3) => {
                            return false;
                        }
                        Typed::Bytes(bytes) => self.typed.extend(bytes),
                        Typed::Help => self.connection.say(now, ESCAPES),
                        Typed::Leave => return false,
                    }
                }
            }
            Some(Input::Bytes(bytes)) => self.typed = bytes,
            Some(Input::Size(columns, rows)) => {
                self.connection.resize(now, columns, rows);
                if let Some(face) = &mut self.face {
                    face.resize(columns, rows);
                }
            }
            Some(Input::Leave) | None => return false,
        }
        true
    }

    /// Nothing typed is ever dropped: while the connection has no room, the keyboard is not read.
    fn type_in(&mut self) {
        if !self.typed.is_empty() {
            let taken = self.connection.write(self.clock.now(), &self.typed);
            self.typed.drain(..taken);
        }
    }

    fn draw(&mut self) {
        if let Some(face) = &mut self.face
            && let Some(bytes) = face.draw(&self.connection, self.clock.now())
        {
            self.pending.push_back((Stream::Out, bytes));
        }
        if self.ends.talks {
            let notice = self.connection.notice(self.clock.now());
            if let (Some(notice), false) = (&notice, self.told) {
                let words = format!("holdfast: {}\n", notice.words(&self.machine));
                self.pending.push_back((Stream::Err, words.into_bytes()));
            }
            self.told = notice.is_some();
        }
    }
}

type Frame = Option<Result<Message, SocketError>>;

enum Step {
    Frame(Frame),
    /// False: the line is lost.
    Flushed(bool),
}

/// Flushes what is to be flushed, and waits for a frame if it may be read. Nothing is lost when the future is dropped.
async fn step(line: Option<&mut Line>, read: bool) -> Step {
    let Some(Line { sink, stream, unsent }) = line else { return std::future::pending().await };
    tokio::select! {
        frame = stream.next(), if read => Step::Frame(frame),
        flushed = sink.flush(), if *unsent => {
            *unsent = false;
            Step::Flushed(flushed.is_ok())
        }
        else => std::future::pending().await,
    }
}

async fn pending_or<T>(future: Option<impl Future<Output = T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

fn peer(socket: &Socket) -> Option<std::net::SocketAddr> {
    match socket.get_ref() {
        MaybeTlsStream::Plain(stream) => peer_of(stream),
        MaybeTlsStream::Rustls(stream) => peer_of(stream.get_ref().0),
        _ => None,
    }
}

/// The host, or the proxy before it.
fn peer_of(stream: &MaybeTlsStream<TcpStream>) -> Option<std::net::SocketAddr> {
    match stream {
        MaybeTlsStream::Plain(stream) => stream.peer_addr().ok(),
        MaybeTlsStream::Rustls(stream) => stream.get_ref().0.peer_addr().ok(),
        _ => None,
    }
}

/// The time of one connection: read once, and monotonic from there on. What the computer slept counts.
struct Clock {
    epoch: Duration,
    start: Instant,
    slept: Duration,
    looked: Clocks,
}

impl Clock {
    fn new() -> Self {
        let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { epoch, start: Instant::now(), slept: Duration::ZERO, looked: Clocks::now() }
    }

    fn now(&self) -> Moment {
        Moment::from_epoch(self.epoch + self.slept + self.start.elapsed())
    }

    /// Notices a sleep.
    fn look(&mut self) {
        let now = Clocks::now();
        if now.parted_since(&self.looked) {
            self.slept += now.jumped_since(&self.looked);
        }
        self.looked = now;
    }

    fn instant(&self, moment: Option<Moment>) -> Instant {
        let far = Duration::from_secs(24 * 60 * 60);
        match moment {
            Some(moment) => self.start + moment.since_epoch().saturating_sub(self.epoch + self.slept),
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

/// Writes what a connection's output channel brings to this process's own output, until the channel ends. For a thread of
/// its own, since a terminal may be slow.
pub fn write_out(mut output: mpsc::Receiver<(Stream, Vec<u8>)>) {
    let (mut out, mut err) = (unbuffered(), std::io::stderr());
    while let Some((stream, bytes)) = output.blocking_recv() {
        let written = match stream {
            Stream::Out => write_all(&mut out, &bytes),
            Stream::Err => write_all(&mut err, &bytes),
        };
        if written.is_err() {
            return;
        }
    }
}

/// The standard output without the buffer that cuts every piece in two at its last line end.
#[cfg(unix)]
fn unbuffered() -> Box<dyn Write> {
    use std::os::fd::AsFd;
    let out = std::io::stdout();
    match out.as_fd().try_clone_to_owned() {
        Ok(descriptor) => Box::new(std::fs::File::from(descriptor)),
        Err(_) => Box::new(out),
    }
}

/// The console of Windows needs the standard library's conversion.
#[cfg(not(unix))]
fn unbuffered() -> Box<dyn Write> {
    Box::new(std::io::stdout())
}

fn write_all(to: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}
