//! One session: the agent, the program it runs, and the client's websocket while there is one.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use holdfast_core::session::Stream;
use holdfast_core::session::agent::{Agent, AgentConfig, AgentEvent, AgentKms, SessionType};
use holdfast_core::session::wire::{self, Frame, Ids, MessageType};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Settings;
use super::clock::Clock;
use super::fault::{Hole, Losses, WireFault};
use super::link::{Link, LinkEvent, Socket};
use crate::guest::{Boot, Failure, Input, Lost, Next, Output, Program, Reading, Running, Streams};
use crate::{StartRequest, kms};

const AGENT_VERSION: &str = "3.3.1345.0";
/// How long the agent waits at the end for what the client has not acknowledged.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long a session that ended at once waits for its client to come and hear why.
const FIRST_CLIENT: Duration = Duration::from_secs(30);
/// Messages of the client kept while the program takes no input; beyond them it must send again.
const MAX_HELD: usize = 4096;

/// From the gateway's owner to a session.
pub(super) enum Order {
    /// A client has come with the right token.
    Attach(Box<Socket>),
    /// The present websocket is outdated.
    Detach,
    Fault(WireFault),
    Terminate,
}

pub(super) struct Session {
    id: String,
    settings: Settings,
    clock: Clock,
    ids: Ids,
    orders: mpsc::UnboundedReceiver<Order>,
    agent: Agent,
    kms_key: Option<String>,
    boot: Boot,
    /// Taken when it starts; a text is why it never will.
    program: Option<Result<Program, String>>,
    running: Option<Running>,
    /// The agent's side of the session is no more: nobody hears the client, or tells it anything.
    dead: bool,
    link: Option<Link>,
    attached: bool,
    losses: Losses,
    hole: Option<Hole>,
    /// Input that the program has not taken.
    typed: VecDeque<Input>,
    /// Messages behind it.
    held: VecDeque<Vec<u8>>,
    last_input: Instant,
    started: Instant,
    /// The program has ended: what the client is told, and until when its acknowledgements are waited for.
    ending: Option<(String, Instant)>,
}

enum Happened {
    Order(Order),
    Link(LinkEvent),
    Program(Next),
    Lost(Lost),
    Time,
    /// The gateway is gone.
    Abandoned,
}

impl Session {
    pub(super) fn new(
        request: &StartRequest,
        boot: Boot,
        settings: Settings,
        orders: mpsc::UnboundedReceiver<Order>,
    ) -> Self {
        let clock = Clock::start();
        let program = Program::new(request.document.as_deref(), &request.parameters);
        let config = AgentConfig {
            session_id: request.session_id.clone(),
            target_id: request.target.clone(),
            session_type: session_type(&program),
            agent_version: AGENT_VERSION.to_owned(),
            seed: seed(),
            kms: request.kms_key_id.clone().map(|key_id| AgentKms { key_id, require_challenge: false }),
        };
        let now = Instant::now();
        Self {
            id: request.session_id.clone(),
            agent: Agent::new(config, clock.now()),
            ids: Ids::new(seed()),
            clock,
            settings,
            orders,
            kms_key: request.kms_key_id.clone(),
            boot,
            program: Some(program),
            running: None,
            dead: false,
            link: None,
            attached: false,
            losses: Losses::default(),
            hole: None,
            typed: VecDeque::new(),
            held: VecDeque::new(),
            last_input: now,
            started: now,
            ending: None,
        }
    }

    /// Runs until the session is over and the client, if there is one, has been told. Calls `over` in between.
    pub(super) async fn run(mut self, over: impl FnOnce()) {
        let last_words = loop {
            if let Some(text) = self.settle() {
                break text;
            }
            let last_words = match self.next().await {
                Happened::Order(order) => self.order(order),
                Happened::Link(event) => self.link_event(event),
                Happened::Program(Next::Output(output)) => self.output(output),
                Happened::Program(Next::TakesInput) => None,
                Happened::Lost(Lost::Agent) => self.die(),
                Happened::Lost(Lost::Machine) => Some("The machine was switched off.".to_owned()),
                Happened::Time => self.time(),
                Happened::Abandoned => return,
            };
            if let Some(text) = last_words {
                break text;
            }
        };
        tracing::debug!(session = self.id, last_words, "session over");
        over();
        self.running = None;
        self.close(&last_words).await;
    }

    async fn next(&mut self) -> Happened {
        let wake = self.wake();
        let may_read = self.may_read();
        let Self { orders, link, hole, running, boot, typed, .. } = self;
        let anything_else = async {
            tokio::select! {
                lost = boot.lost() => Happened::Lost(lost),
                event = step(link.as_mut()), if hole.is_none() => Happened::Link(event),
                next = program(running.as_mut(), may_read, !typed.is_empty()) => Happened::Program(next),
                () = sleep_until(wake) => Happened::Time,
            }
        };
        // A fault ordered before something was sent happens before it arrives.
        tokio::select! {
            biased;
            order = orders.recv() => order.map_or(Happened::Abandoned, Happened::Order),
            happened = anything_else => happened,
        }
    }

    /// Back-pressure: the program is read only while its output can go somewhere.
    fn may_read(&self) -> bool {
        self.link.as_ref().is_some_and(Link::has_room)
            && !self.agent.paused()
            && self.settings.window.is_none_or(|window| self.agent.unacked() < window)
            && self.ending.is_none()
    }

    fn wake(&self) -> Option<Instant> {
        let hole = self.hole.map(|hole| hole.until);
        if self.dead {
            return hole;
        }
        let agent = self.agent.poll_timeout().map(|moment| self.clock.instant(moment));
        let idle = self.settings.idle_limit.map(|limit| self.last_input + limit);
        let longest = self.settings.max_duration.map(|limit| self.started + limit);
        let ending = self.ending.as_ref().map(|(_, until)| *until);
        [agent, idle, longest, ending, hole].into_iter().flatten().min()
    }

    fn time(&mut self) -> Option<String> {
        let now = Instant::now();
        if let Some(hole) = self.hole.take_if(|hole| hole.until <= now)
            && hole.reset
        {
            self.cut(true);
        }
        if self.dead {
            return None;
        }
        if self.settings.idle_limit.is_some_and(|limit| self.last_input + limit <= now) {
            return Some("Your session timed out due to inactivity.".to_owned());
        }
        if self.settings.max_duration.is_some_and(|limit| self.started + limit <= now) {
            return Some("Your session reached its maximum duration.".to_owned());
        }
        if self.agent.poll_timeout().is_some_and(|moment| moment <= self.clock.now()) {
            self.agent.handle_timeout(self.clock.now());
        }
        None
    }

    fn order(&mut self, order: Order) -> Option<String> {
        match order {
            Order::Attach(socket) => {
                self.lose_link("");
                self.attach(*socket);
            }
            Order::Detach => self.lose_link(""),
            Order::Terminate => return Some("The session was terminated.".to_owned()),
            Order::Fault(fault) => match self.losses.take(fault) {
                Some(WireFault::Cut { reset }) => self.cut(reset),
                Some(WireFault::Bye) => self.lose_link("Bye"),
                Some(WireFault::Hole { lasts, reset }) => {
                    self.hole = Some(Hole { until: Instant::now() + lasts, reset });
                }
                Some(
                    WireFault::LoseAcks(_)
                    | WireFault::LoseOutputs(_)
                    | WireFault::LoseInputs(_)
                    | WireFault::Duplicate(_),
                )
                | None => {}
            },
        }
        None
    }

    /// The gateway keeps the session until somebody ends it.
    fn die(&mut self) -> Option<String> {
        self.dead = true;
        self.ending = None;
        if let Some(running) = self.running.take() {
            running.hang_up();
        }
        None
    }

    fn attach(&mut self, socket: Socket) {
        let now = self.clock.now();
        self.link = Some(Link::new(socket));
        self.hole = None;
        if std::mem::replace(&mut self.attached, true) {
            let start = wire::start_publication(self.ids.next_id(), now);
            self.agent.handle_frame(now, &start);
        } else {
            self.agent.link_up(now);
        }
    }

    fn cut(&mut self, reset: bool) {
        if let Some(link) = &self.link
            && reset
        {
            link.abandon();
        }
        self.link = None;
        self.pause();
    }

    /// Closes the websocket properly, in the background: nobody waits for a client that may be gone.
    fn lose_link(&mut self, reason: &'static str) {
        if let Some(mut link) = self.link.take() {
            link.close(reason);
            tokio::spawn(tokio::time::timeout(LAST_WORDS, async move {
                while link.step().await != LinkEvent::Lost {}
            }));
        }
        self.pause();
    }

    fn pause(&mut self) {
        let now = self.clock.now();
        let pause = wire::pause_publication(self.ids.next_id(), now);
        self.agent.handle_frame(now, &pause);
    }

    fn link_event(&mut self, event: LinkEvent) -> Option<String> {
        match event {
            LinkEvent::Message(message) => self.message(message),
            LinkEvent::Room | LinkEvent::Sent => {}
            LinkEvent::Lost => self.cut(false),
        }
        None
    }

    fn message(&mut self, message: Vec<u8>) {
        if self.dead {
            return;
        }
        let Ok(frame) = Frame::decode(&message) else { return };
        let is_input = frame.kind == MessageType::InputStreamData;
        for _copy in 0..self.losses.of_client(frame.kind) {
            // The agent handles one message after the other; acknowledgements have no business waiting.
            if is_input && !self.typed.is_empty() {
                if self.held.len() < MAX_HELD {
                    self.held.push_back(message.clone());
                }
            } else {
                self.agent.handle_frame(self.clock.now(), &message);
            }
        }
    }

    fn output(&mut self, output: Output) -> Option<String> {
        let now = self.clock.now();
        match output {
            Output::Bytes(stream, bytes) => self.agent.write_output(now, stream, &bytes),
            Output::End(code) => {
                if let Some(code) = code {
                    self.agent.exit_code(now, code);
                }
                self.end_with(String::new());
            }
        }
        None
    }

    fn end_with(&mut self, text: String) {
        let wait = if self.attached { LAST_WORDS } else { FIRST_CLIENT };
        self.ending.get_or_insert((text, Instant::now() + wait));
    }

    /// Moves everything along that needs no waiting; a text says that the session is over.
    fn settle(&mut self) -> Option<String> {
        if self.dead {
            return None;
        }
        loop {
            while let Some(event) = self.agent.poll_event() {
                if let Some(over) = self.event(event) {
                    return Some(over);
                }
            }
            self.hand_over_input();
            if !self.typed.is_empty() {
                break;
            }
            let Some(message) = self.held.pop_front() else { break };
            self.agent.handle_frame(self.clock.now(), &message);
        }
        while let Some(message) = self.agent.poll_transmit() {
            // What does not go out is lost, and sent again in time.
            if let Some(link) = &mut self.link {
                let copies = self.losses.of_agent(&message);
                link.send(message, copies);
            }
        }
        let (_, until) = self.ending.as_ref()?;
        let heard = (self.attached && self.agent.unacked() == 0) || *until <= Instant::now();
        if heard { self.ending.take().map(|(text, _)| text) } else { None }
    }

    fn event(&mut self, event: AgentEvent) -> Option<String> {
        match event {
            AgentEvent::HandshakeDone => self.start_program(),
            AgentEvent::HandshakeFailed(text) => return Some(text),
            AgentEvent::DecryptKey { ciphertext, context } => self.decrypt(&ciphertext, &context),
            AgentEvent::Input(bytes) => {
                self.last_input = Instant::now();
                self.typed.push_back(Input::Bytes(bytes));
            }
            AgentEvent::Resize { cols, rows } => self.typed.push_back(Input::Resize { cols, rows }),
            AgentEvent::Terminate => return Some(String::new()),
            // There are no port sessions here.
            AgentEvent::Disconnect => {}
        }
        None
    }

    fn start_program(&mut self) {
        let Some(program) = self.program.take() else { return };
        let program = match program {
            Ok(program) => program,
            Err(text) => return self.end_with(text),
        };
        let reading = Reading { rest: self.settings.rest, first: self.settings.first_rest };
        match self.boot.run(&program, reading) {
            Ok(running) => self.running = Some(running),
            Err(failure) => self.not_started(&program, failure),
        }
    }

    fn not_started(&mut self, program: &Program, failure: Failure) {
        let now = self.clock.now();
        if let Some(code) = failure.exit {
            self.agent.exit_code(now, code);
        }
        if matches!(program, Program::NonInteractive { .. }) {
            self.agent.write_output(now, Stream::Err, failure.text.as_bytes());
        }
        self.end_with(failure.text);
    }

    fn decrypt(&mut self, ciphertext: &[u8], context: &BTreeMap<String, String>) {
        match kms::decrypt(ciphertext, context) {
            Some((key, plaintext)) if Some(&key) == self.kms_key.as_ref() => match plaintext.try_into() {
                Ok(plaintext) => self.agent.provide_key(self.clock.now(), plaintext),
                Err(_) => self.agent.key_refused("the key has not 64 bytes"),
            },
            Some(_) => self.agent.key_refused("IncorrectKeyException"),
            None => self.agent.key_refused("InvalidCiphertextException"),
        }
    }

    fn hand_over_input(&mut self) {
        let Some(running) = &self.running else {
            self.typed.clear();
            return;
        };
        while let Some(input) = self.typed.pop_front() {
            if let Err(input) = running.input(input) {
                self.typed.push_front(input);
                return;
            }
        }
    }

    async fn close(&mut self, last_words: &str) {
        let Some(link) = &mut self.link else { return };
        let closed = wire::channel_closed(&self.id, last_words, self.ids.next_id(), self.clock.now());
        link.send(closed, 1);
        link.close("");
        let told = async { while link.step().await != LinkEvent::Lost {} };
        if tokio::time::timeout(LAST_WORDS, told).await.is_err() {
            tracing::debug!(session = self.id, "the client was not told the end");
        }
    }
}

fn session_type(program: &Result<Program, String>) -> SessionType {
    match program {
        Ok(Program::Shell) => SessionType::StandardStream,
        Ok(Program::Interactive(_)) | Err(_) => SessionType::InteractiveCommands,
        Ok(Program::NonInteractive { streams, .. }) => SessionType::NonInteractiveCommands {
            separate_output: matches!(streams, Streams::Separate { .. }),
        },
    }
}

fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    for (half, id) in seed.chunks_mut(16).zip([uuid::Uuid::new_v4(), uuid::Uuid::new_v4()]) {
        half.copy_from_slice(id.as_bytes());
    }
    seed
}

async fn step(link: Option<&mut Link>) -> LinkEvent {
    match link {
        Some(link) => link.step().await,
        None => std::future::pending().await,
    }
}

async fn program(running: Option<&mut Running>, read: bool, write: bool) -> Next {
    match running {
        Some(running) => running.next(read, write).await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

// What a session holds is of no interest to anybody who prints one.
impl std::fmt::Debug for Session {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Session").field("id", &self.id).finish_non_exhaustive()
    }
}
