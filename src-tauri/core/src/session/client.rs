//! The client's end of a session.

mod inbound;

use std::collections::VecDeque;
use std::time::Duration;

use super::cipher::Cipher;
use super::delivery::{Inbox, Outbox};
use super::handshake::{Phase, QUIET, Unheard};
use super::link::{Check, Link, PROBE_DEADLINE};
use super::wire::{
    Acknowledge, Flag, Frame, Ids, Json as _, MessageId, MessageType, OpenDataChannel, PayloadType, Size,
    derive,
};
use super::{Config, DataKey, Event, Failure, INPUT_PAYLOAD, SEND_BUFFER, Stats, Transmit};
use crate::time::Moment;

/// The client's end of a session. See the module for how to drive it.
pub struct Session {
    config: Config,
    ids: Ids,
    phase: Phase,
    cipher: Option<Cipher>,
    link: Link,
    inbox: Inbox,
    outbox: Outbox,
    /// What goes out before all messages, on this link only.
    control: VecDeque<Transmit>,
    /// Acknowledgements to be sent: sequence number and id of the agent's messages.
    acks: VecDeque<(i64, MessageId)>,
    /// Input that is not in a message yet.
    input: VecDeque<u8>,
    size: Option<(u16, u16)>,
    size_changed: bool,
    terminating: bool,
    events: VecDeque<Event>,
    pending_output: usize,
    agent_version: Option<String>,
    /// Silence was taken for a shell without handshake. A request that comes after all is answered.
    guessed: bool,
    ready: bool,
    stats: Stats,
}

/// Bytes of output kept that arrived too early: all of the 10 000 messages that an agent may have sent ahead.
const MAX_EARLY_BYTES: usize = 16 << 20;

/// Acknowledgements that wait for the socket. An owner that reads without ever writing gets no further.
const MAX_ACKS: usize = 10_000;

/// With input unacknowledged and nothing heard for this long, the link is probed.
const DOUBT: Duration = Duration::from_secs(2);

/// What the session-manager-plugin's pings carry.
const PING: &[u8] = b"keepalive";

impl Session {
    /// A session that StartSession just started, without a link yet.
    pub fn new(config: Config, _now: Moment) -> Self {
        Self {
            ids: Ids::new(config.seed),
            phase: Phase::Unheard(Unheard::Patient),
            cipher: None,
            link: Link::new(),
            inbox: Inbox::new(MAX_EARLY_BYTES),
            outbox: Outbox::new(),
            control: VecDeque::new(),
            acks: VecDeque::new(),
            input: VecDeque::new(),
            size: config.size,
            size_changed: false,
            terminating: false,
            events: VecDeque::new(),
            pending_output: 0,
            agent_version: None,
            guessed: false,
            ready: false,
            stats: Stats::default(),
            config,
        }
    }

    /// A websocket is open. `token` is the one StartSession or ResumeSession returned with its address. Everything the
    /// agent has not acknowledged goes out again.
    pub fn link_up(&mut self, now: Moment, token: &str) {
        let open = OpenDataChannel {
            message_schema_version: "1.0".into(),
            request_id: self.ids.next_id().to_string(),
            token_value: token.into(),
            client_id: MessageId(self.config.client_id).to_string(),
            client_version: self.config.client_version.clone(),
        };
        let open = String::from_utf8_lossy(&open.to_json()).into_owned();
        self.control = VecDeque::from([Transmit::Text(open), Transmit::Ping(PING.to_vec())]);
        self.link.up(now);
        self.outbox.send_all_again();
        if let Phase::Unheard(unheard) = &mut self.phase
            && !self.config.expects_handshake
        {
            *unheard = Unheard::Quiet { until: now + QUIET };
        }
    }

    /// The websocket is gone, for whatever reason; also a close frame means no more than this.
    pub fn link_lost(&mut self, _now: Moment) {
        self.link.down();
        self.control.clear();
    }

    /// Bytes of a binary or text message from the websocket. Bytes that are no valid frame are passed over.
    pub fn handle_frame(&mut self, now: Moment, bytes: &[u8]) {
        if !self.link.is_up() || matches!(self.phase, Phase::Closed) {
            return;
        }
        self.link.heard(now);
        let Ok(frame) = Frame::decode(bytes) else {
            self.stats.bad_frames += 1;
            return;
        };
        match frame.kind {
            MessageType::OutputStreamData => self.stream_data(now, &frame),
            MessageType::Acknowledge => self.acknowledged(now, frame.payload),
            MessageType::ChannelClosed => self.channel_closed(frame.payload),
            MessageType::InputStreamData
            | MessageType::StartPublication
            | MessageType::PausePublication
            | MessageType::AgentSessionState
            | MessageType::Unknown(_) => {}
        }
    }

    /// A websocket pong arrived.
    pub fn handle_pong(&mut self, now: Moment) {
        self.link.heard(now);
    }

    /// Input for the agent; returns how many bytes are taken. 0 means full: stop reading the keyboard until
    /// [`Session::can_write`]. Bytes taken are never lost while the session lives, link or not.
    pub fn write(&mut self, _now: Moment, bytes: &[u8]) -> usize {
        let taken = bytes.get(..self.room().min(bytes.len())).unwrap_or_default();
        self.input.extend(taken);
        taken.len()
    }

    /// Whether [`Session::write`] would take at least one byte.
    pub fn can_write(&self) -> bool {
        self.room() > 0
    }

    fn room(&self) -> usize {
        if self.terminating || self.is_over() {
            return 0;
        }
        SEND_BUFFER.saturating_sub(self.input.len() + self.outbox.bytes())
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Closed | Phase::Failed)
    }

    /// The terminal changed its size. Of several changes the agent learns the last.
    pub fn resize(&mut self, _now: Moment, cols: u16, rows: u16) {
        self.size_changed |= self.size != Some((cols, rows));
        self.size = Some((cols, rows));
    }

    /// Ends the session from this side; `Closed` follows if all goes well. Input not yet sent is dropped. An agent in the
    /// middle of a handshake learns of it only afterwards, so call ssm:TerminateSession, too.
    pub fn terminate(&mut self, now: Moment) {
        if self.terminating || self.is_over() {
            return;
        }
        self.terminating = true;
        self.input.clear();
        if matches!(self.phase, Phase::Open) {
            self.stream(now, PayloadType::Flag, &Flag::TerminateSession.to_bytes());
        }
    }

    /// Answers `KeyNeeded`.
    pub fn provide_key(&mut self, now: Moment, key: DataKey) {
        let Phase::NeedsKey(request) = &self.phase else { return };
        let response = request.response(&self.config, Ok(&key));
        let mut nonce_start = [0; 12];
        nonce_start.copy_from_slice(&derive(&self.config.seed, "nonce", 0)[..12]);
        self.cipher = Some(Cipher::of_client(&key.plaintext, nonce_start));
        self.stream(now, PayloadType::HandshakeResponse, &response);
        self.phase = Phase::Answered;
    }

    /// Answers `KeyNeeded` when KMS says no. The agent is told, and the session fails.
    pub fn key_refused(&mut self, now: Moment, why: String) {
        let Phase::NeedsKey(request) = &self.phase else { return };
        let response = request.response(&self.config, Err(&why));
        self.stream(now, PayloadType::HandshakeResponse, &response);
        self.fail(Failure::KeyRefused(why));
    }

    /// The computer woke up, or the network changed: find out within `patience` whether the link still lives.
    pub fn probe(&mut self, now: Moment, patience: Duration) {
        if self.link.probe(now, patience) {
            self.control.push_back(Transmit::Ping(PING.to_vec()));
        }
    }

    /// To be called when [`Session::poll_timeout`] is due; earlier does no harm.
    pub fn handle_timeout(&mut self, now: Moment) {
        match self.link.check(now) {
            Check::Nothing => {}
            Check::Ping => self.control.push_back(Transmit::Ping(PING.to_vec())),
            Check::Dead => {
                self.link_lost(now);
                self.event(Event::LinkDead);
            }
        }
        if !self.link.is_up() {
            return;
        }
        let overdue = self.outbox.due().is_some_and(|due| due <= now);
        if overdue && self.outbox.resend_overdue(now) && self.link.silence(now) >= DOUBT {
            self.probe(now, PROBE_DEADLINE);
        }
        if let Phase::Unheard(unheard) = self.phase
            && unheard.due().is_some_and(|due| due <= now)
        {
            self.still_unheard(now, unheard);
        }
    }

    /// The next thing for the websocket, in order; `None` while there is no link. Resend timers start here, so call it
    /// when the socket can take more.
    pub fn poll_transmit(&mut self, now: Moment) -> Option<Transmit> {
        if !self.link.is_up() || matches!(self.phase, Phase::Closed) {
            return None;
        }
        if let Some(control) = self.control.pop_front() {
            return Some(control);
        }
        if let Some((sequence, id)) = self.acks.pop_front() {
            let json = Acknowledge::json(MessageType::OutputStreamData, id, sequence);
            let own = self.ids.next_id();
            let frame = Frame::plain(MessageType::Acknowledge, now, own, json.as_bytes());
            return Some(Transmit::Binary(frame.encode()));
        }
        if let Some(frame) = self.outbox.transmit(now) {
            return Some(Transmit::Binary(frame));
        }
        if matches!(self.phase, Phase::Open) {
            self.fill(now);
        }
        self.outbox.transmit(now).map(Transmit::Binary)
    }

    /// The next thing for the owner, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Event::Output { bytes, .. } = &event {
            self.pending_output -= bytes.len();
        }
        Some(event)
    }

    /// When [`Session::handle_timeout`] is to be called next. `None` while there is no link: then all waits.
    pub fn poll_timeout(&self) -> Option<Moment> {
        if !self.link.is_up() || matches!(self.phase, Phase::Closed) {
            return None;
        }
        let unheard = match &self.phase {
            Phase::Unheard(unheard) => unheard.due(),
            Phase::NeedsKey(_) | Phase::Answered | Phase::Open | Phase::Closed | Phase::Failed => None,
        };
        [self.link.timeout(), self.outbox.due(), unheard].into_iter().flatten().min()
    }

    /// The agent's version; only a handshake tells it.
    pub fn agent_version(&self) -> Option<&str> {
        self.agent_version.as_deref()
    }

    /// Bytes taken by [`Session::write`] or made by the session that the agent has not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.input.len() + self.outbox.bytes()
    }

    /// When the last sign of life came; `None` before the first link.
    pub fn last_heard(&self) -> Option<Moment> {
        self.link.last_heard()
    }

    /// Whether the agent takes input.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// How many of the agent's messages are lost before one that is here. The agent sends no more than ten of them a
    /// second again.
    pub fn missing_output(&self) -> u64 {
        self.inbox.missing()
    }

    /// Bytes that the user typed and that the agent has not acknowledged.
    pub fn untaken_input(&self) -> usize {
        self.input.len() + self.outbox.input_bytes()
    }

    /// How many messages the agent has acknowledged: while some are under way and this does not grow, it takes nothing.
    pub fn acknowledged_messages(&self) -> u64 {
        self.outbox.acknowledged_count()
    }

    /// Bytes of output that wait here: for [`Session::poll_event`], or for a message that is missing.
    pub fn pending_output(&self) -> usize {
        self.pending_output + self.inbox.early_bytes()
    }

    pub fn stats(&self) -> Stats {
        Stats { resent: self.outbox.resent(), round_trip: self.outbox.round_trip(), ..self.stats }
    }

    /// Puts one more message into the empty outbox, if there is something to say.
    fn fill(&mut self, now: Moment) {
        if let (true, Some(size)) = (self.size_changed, self.size) {
            self.size_changed = false;
            self.send_size(now, size);
        } else if !self.input.is_empty() {
            let length = self.input.len().min(INPUT_PAYLOAD);
            let mut payload: Vec<u8> = self.input.drain(..length).collect();
            if let Some(cipher) = &mut self.cipher {
                payload = cipher.seal(&payload).unwrap_or_default();
            }
            self.stream(now, PayloadType::Output, &payload);
        }
    }

    fn send_size(&mut self, now: Moment, (cols, rows): (u16, u16)) {
        let size = Size { cols: cols.into(), rows: rows.into() };
        self.stream(now, PayloadType::Size, &size.to_json());
    }

    fn stream(&mut self, now: Moment, payload_type: PayloadType, payload: &[u8]) {
        let (id, sequence) = (self.ids.next_id(), self.outbox.next_sequence());
        let kind = MessageType::InputStreamData;
        let frame = Frame::stream(kind, now, id, sequence, (payload_type, payload));
        let typed = if payload_type == PayloadType::Output { payload.len() } else { 0 };
        self.outbox.push(frame.encode(), typed);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Session").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
