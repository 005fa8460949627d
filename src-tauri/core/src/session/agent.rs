//! The agent's end of a session, as `aws/amazon-ssm-agent` `agent/session/datachannel/datachannel.go` behaves: what it
//! does badly, a client must live with.
//!
//! It sends without regard to acknowledgements, sends again only its oldest message, looks at that only every 100 ms,
//! forgets messages beyond 100 000, and acknowledges data that comes during a handshake only to drop it.

mod config;
mod handshake;

use std::collections::VecDeque;
use std::time::Duration;

pub use self::config::{AgentConfig, AgentEvent, AgentKms, SessionType};
pub use super::Stream;
use super::cipher::Cipher;
use super::delivery::{Arrival, Inbox};
use super::wire::{
    Acknowledge, EncChallenge, Flag, Frame, Ids, Json as _, MessageType, PayloadType, Size, derive,
    exit_code, from_json,
};
use crate::time::Moment;

/// Bytes that the agent reads from a pty, pipe or socket for one message.
pub const OUTPUT_PAYLOAD: usize = 1024;
/// Unacknowledged messages beyond which it keeps none (`OutgoingMessageBufferCapacity`).
pub const MAX_UNACKED: usize = 100_000;
const TICK: Duration = Duration::from_millis(100);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The request goes out on the first link.
    Starting,
    AwaitingResponse {
        until: Moment,
    },
    AwaitingKey,
    AwaitingChallenge {
        until: Moment,
    },
    Open,
    Failed,
}

struct Unacked {
    sequence: u64,
    bytes: Vec<u8>,
    last_sent: Moment,
}

/// The agent's retransmission timer, as it is.
struct Rtt {
    round_trip: Duration,
    variation: Duration,
    timeout: Duration,
}

impl Rtt {
    fn sample(&mut self, round_trip: Duration) {
        self.variation = (self.variation * 3 + self.round_trip.abs_diff(round_trip)) / 4;
        self.round_trip = (self.round_trip * 7 + round_trip) / 8;
        let margin = (self.variation * 4).max(Duration::from_millis(10));
        self.timeout = (self.round_trip + margin).min(Duration::from_secs(1));
    }
}

/// The agent's end of a session.
///
/// After each call drain `poll_transmit` into the socket (into nothing, if there is none) and `poll_event`, and ask
/// `poll_timeout` when to call `handle_timeout`.
pub struct Agent {
    config: AgentConfig,
    ids: Ids,
    phase: Phase,
    cipher: Option<Cipher>,
    challenge: Vec<u8>,
    started: Moment,
    link: bool,
    paused: bool,
    input_ready: bool,
    inbox: Inbox,
    next_sequence: u64,
    unacked: VecDeque<Unacked>,
    rtt: Rtt,
    next_tick: Moment,
    /// Output of an eager embedder, until the handshake is done.
    early_output: Vec<(PayloadType, Vec<u8>)>,
    transmit: VecDeque<Vec<u8>>,
    events: VecDeque<AgentEvent>,
}

impl Agent {
    pub fn new(config: AgentConfig, now: Moment) -> Self {
        let handshake = config.session_type.requires_handshake() || config.kms.is_some();
        let mut this = Self {
            ids: Ids::new(config.seed),
            phase: Phase::Starting,
            cipher: None,
            challenge: [derive(&config.seed, "challenge", 0), derive(&config.seed, "challenge", 1)].concat(),
            started: now,
            link: false,
            paused: false,
            input_ready: true,
            inbox: Inbox::new(usize::MAX),
            next_sequence: 0,
            unacked: VecDeque::new(),
            rtt: Rtt {
                round_trip: Duration::from_millis(100),
                variation: Duration::ZERO,
                timeout: Duration::from_millis(200),
            },
            next_tick: now + TICK,
            early_output: Vec::new(),
            transmit: VecDeque::new(),
            events: VecDeque::new(),
            config,
        };
        if !handshake {
            this.phase = Phase::Open;
            this.events.push_back(AgentEvent::HandshakeDone);
        }
        this
    }

    /// The agent's websocket is open; its owner has sent the open-data-channel text.
    pub fn link_up(&mut self, now: Moment) {
        self.link = true;
        self.paused = false;
        if self.phase == Phase::Starting {
            self.started = now;
            self.phase = Phase::AwaitingResponse { until: now + HANDSHAKE_TIMEOUT };
            let request = self.handshake_request();
            self.send(now, PayloadType::HandshakeRequest, &request.to_json());
        }
    }

    /// Messages go on being numbered and kept, but what was on its way is gone.
    pub fn link_lost(&mut self, _now: Moment) {
        self.link = false;
        self.transmit.clear();
    }

    /// Bytes of a binary message from the websocket.
    pub fn handle_frame(&mut self, now: Moment, bytes: &[u8]) {
        let Ok(frame) = Frame::decode(bytes) else { return };
        match frame.kind {
            MessageType::InputStreamData => {
                self.paused = false;
                self.stream_data(now, &frame);
            }
            MessageType::Acknowledge => {
                self.paused = false;
                self.acknowledged(now, frame.payload);
            }
            MessageType::StartPublication => self.paused = false,
            MessageType::PausePublication => self.paused = true,
            // The agent cancels its plugin then; that is for whoever sent it.
            MessageType::ChannelClosed
            | MessageType::OutputStreamData
            | MessageType::AgentSessionState
            | MessageType::Unknown(_) => {}
        }
    }

    /// Output of the guest, cut into messages of at most [`OUTPUT_PAYLOAD`] bytes. The real agent pauses 1 ms after each,
    /// reads nothing while [`Agent::paused`], and never cuts a character in two; all that is for the embedder to do.
    pub fn write_output(&mut self, now: Moment, stream: Stream, bytes: &[u8]) {
        let payload_type = match stream {
            Stream::Out => PayloadType::Output,
            Stream::Err => PayloadType::StdErr,
        };
        for chunk in bytes.chunks(OUTPUT_PAYLOAD) {
            self.say(now, payload_type, chunk);
        }
    }

    /// The exit code of a command that separates its output.
    pub fn exit_code(&mut self, now: Moment, code: i32) {
        self.say(now, PayloadType::ExitCode, exit_code(code).as_bytes());
    }

    /// Port sessions: the target port refused the connection.
    pub fn port_refused(&mut self, now: Moment) {
        self.say(now, PayloadType::Flag, &Flag::ConnectToPortError.to_bytes());
    }

    /// Whether the guest takes input. While it does not, input is not acknowledged, and so comes again.
    pub fn set_input_ready(&mut self, ready: bool) {
        self.input_ready = ready;
    }

    /// Answers `DecryptKey`.
    pub fn provide_key(&mut self, now: Moment, plaintext: [u8; 64]) {
        if self.phase != Phase::AwaitingKey {
            return;
        }
        let mut nonce_start = [0; 12];
        nonce_start.copy_from_slice(&derive(&self.config.seed, "nonce", 0)[..12]);
        let mut cipher = Cipher::of_agent(&plaintext, nonce_start);
        let challenge = cipher.seal(&self.challenge).unwrap_or_default();
        self.cipher = Some(cipher);
        self.phase = Phase::AwaitingChallenge { until: now + HANDSHAKE_TIMEOUT };
        self.send(now, PayloadType::EncChallengeRequest, &EncChallenge { challenge }.to_json());
    }

    /// Answers `DecryptKey` when KMS says no.
    pub fn key_refused(&mut self, why: &str) {
        if self.phase == Phase::AwaitingKey {
            self.fail(format!("Fetching data key failed: {why}"));
        }
    }

    /// To be called when [`Agent::poll_timeout`] is due.
    pub fn handle_timeout(&mut self, now: Moment) {
        match self.phase {
            Phase::AwaitingResponse { until } if until <= now => self.fail(
                "Handshake timed out. Please ensure that you have the latest version of the session manager plugin.".into(),
            ),
            Phase::AwaitingChallenge { until } if until <= now => {
                self.fail("Timed out waiting for encryption challenge.".into());
            }
            Phase::Starting
            | Phase::AwaitingResponse { .. }
            | Phase::AwaitingKey
            | Phase::AwaitingChallenge { .. }
            | Phase::Open
            | Phase::Failed => {}
        }
        if self.next_tick <= now {
            self.next_tick = now + TICK;
            self.resend_oldest(now);
        }
    }

    /// The next binary message for the websocket.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmit.pop_front()
    }

    /// The next thing for the embedder.
    pub fn poll_event(&mut self) -> Option<AgentEvent> {
        self.events.pop_front()
    }

    /// When [`Agent::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Moment> {
        let tick = (!self.unacked.is_empty() && !self.paused && self.link).then_some(self.next_tick);
        let deadline = match self.phase {
            Phase::AwaitingResponse { until } | Phase::AwaitingChallenge { until } => Some(until),
            Phase::Starting | Phase::AwaitingKey | Phase::Open | Phase::Failed => None,
        };
        [tick, deadline].into_iter().flatten().min()
    }

    /// Messages that the client has not acknowledged. The real agent waits up to two seconds for 0 before it ends a session.
    pub fn unacked(&self) -> usize {
        self.unacked.len()
    }

    /// The gateway holds messages back: do not read from the guest.
    pub fn paused(&self) -> bool {
        self.paused
    }

    fn stream_data(&mut self, now: Moment, frame: &Frame<'_>) {
        let Ok(sequence) = u64::try_from(frame.sequence) else { return };
        match self.inbox.arrive(sequence, frame.payload_type, frame.payload) {
            Arrival::Next => {
                if !self.process(now, frame.payload_type, frame.payload) {
                    return;
                }
                self.acknowledge(now, frame);
                self.inbox.advance();
                while let Some((payload_type, payload)) = self.inbox.next() {
                    // The real agent stops here if its guest is not ready, with the message acknowledged and never
                    // looked at again. A client cannot help that, so it is not imitated.
                    let was_ready = std::mem::replace(&mut self.input_ready, true);
                    self.process(now, payload_type, &payload);
                    self.input_ready = was_ready;
                    self.inbox.advance();
                }
            }
            Arrival::Kept | Arrival::Again => self.acknowledge(now, frame),
            Arrival::Refused => {}
        }
    }

    /// False if the message must come again.
    fn process(&mut self, now: Moment, payload_type: PayloadType, payload: &[u8]) -> bool {
        match payload_type {
            PayloadType::HandshakeResponse if matches!(self.phase, Phase::AwaitingResponse { .. }) => {
                self.response(now, payload);
            }
            PayloadType::EncChallengeResponse if matches!(self.phase, Phase::AwaitingChallenge { .. }) => {
                self.challenge_response(now, payload);
            }
            PayloadType::Output | PayloadType::Size | PayloadType::Flag if self.phase == Phase::Open => {
                return self.input(payload_type, payload);
            }
            // Among them data during the handshake: acknowledged, and dropped.
            PayloadType::None
            | PayloadType::Output
            | PayloadType::Error
            | PayloadType::Size
            | PayloadType::Parameter
            | PayloadType::HandshakeRequest
            | PayloadType::HandshakeResponse
            | PayloadType::HandshakeComplete
            | PayloadType::EncChallengeRequest
            | PayloadType::EncChallengeResponse
            | PayloadType::Flag
            | PayloadType::StdErr
            | PayloadType::ExitCode
            | PayloadType::Unknown(_) => {}
        }
        true
    }

    fn input(&mut self, payload_type: PayloadType, payload: &[u8]) -> bool {
        if !self.input_ready {
            return false;
        }
        if payload_type == PayloadType::Output {
            let input = match &self.cipher {
                Some(cipher) => cipher.open(payload),
                None => Some(payload.to_vec()),
            };
            let Some(input) = input else { return false };
            self.events.push_back(AgentEvent::Input(input));
        } else if payload_type == PayloadType::Size {
            if let Some(Size { cols, rows }) = from_json(payload) {
                let narrow = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
                self.events.push_back(AgentEvent::Resize { cols: narrow(cols), rows: narrow(rows) });
            }
        } else if payload_type == PayloadType::Flag {
            match Flag::parse(payload) {
                Some(Flag::TerminateSession) => self.events.push_back(AgentEvent::Terminate),
                Some(Flag::DisconnectToPort) => self.events.push_back(AgentEvent::Disconnect),
                Some(Flag::ConnectToPortError) | None => {}
            }
        }
        true
    }

    fn acknowledged(&mut self, now: Moment, payload: &[u8]) {
        let Some(ack) = Acknowledge::parse(payload) else { return };
        let Ok(sequence) = u64::try_from(ack.sequence) else { return };
        // They stand in order, with gaps where later ones were acknowledged first.
        let Ok(index) = self.unacked.binary_search_by_key(&sequence, |message| message.sequence) else {
            return;
        };
        if let Some(message) = self.unacked.remove(index) {
            self.rtt.sample(now.since(message.last_sent));
        }
    }

    fn resend_oldest(&mut self, now: Moment) {
        if self.paused || !self.link {
            return;
        }
        let Some(oldest) = self.unacked.front_mut() else { return };
        if now.since(oldest.last_sent) > self.rtt.timeout {
            oldest.last_sent = now;
            self.transmit.push_back(oldest.bytes.clone());
        }
    }

    /// What the guest says.
    fn say(&mut self, now: Moment, payload_type: PayloadType, payload: &[u8]) {
        match self.phase {
            Phase::Open => {}
            Phase::Starting
            | Phase::AwaitingResponse { .. }
            | Phase::AwaitingKey
            | Phase::AwaitingChallenge { .. } => {
                self.early_output.push((payload_type, payload.to_vec()));
                return;
            }
            Phase::Failed => return,
        }
        let secret =
            matches!(payload_type, PayloadType::Output | PayloadType::StdErr | PayloadType::ExitCode);
        match &mut self.cipher {
            Some(cipher) if secret => {
                let sealed = cipher.seal(payload).unwrap_or_default();
                self.send(now, payload_type, &sealed);
            }
            Some(_) | None => self.send(now, payload_type, payload),
        }
    }

    fn send(&mut self, now: Moment, payload_type: PayloadType, payload: &[u8]) {
        let (kind, id, sequence) = (MessageType::OutputStreamData, self.ids.next_id(), self.next_sequence);
        let mut frame = Frame::stream(kind, now, id, sequence, (payload_type, payload));
        frame.flags = u64::from(sequence == 0);
        let bytes = frame.encode();
        if self.link && !self.paused {
            self.transmit.push_back(bytes.clone());
        }
        if self.unacked.len() < MAX_UNACKED {
            self.unacked.push_back(Unacked { sequence, bytes, last_sent: now });
        }
        self.next_sequence += 1;
    }

    fn acknowledge(&mut self, now: Moment, frame: &Frame<'_>) {
        if !self.link {
            return;
        }
        let json = Acknowledge::json(frame.kind, frame.id, frame.sequence);
        let frame = Frame::plain(MessageType::Acknowledge, now, self.ids.next_id(), json.as_bytes());
        self.transmit.push_back(frame.encode());
    }
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Agent").field("unacked", &self.unacked()).finish_non_exhaustive()
    }
}
