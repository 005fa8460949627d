//! Frames of the data channel: one AgentMessage per binary websocket message, all integers big endian.
//!
//! Layout and checks are those of `aws/session-manager-plugin` `src/message/messageparser.go` and
//! `aws/amazon-ssm-agent` `agent/session/contracts/agentmessage.go`.

use sha2::{Digest as _, Sha256};

pub use super::payload::*;
use crate::time::Moment;

/// The largest frame worth reading, in bytes. Agents send at most 1024 bytes of stream data in a frame and a few KiB of
/// handshake; only `channel_closed` carries free text. Anything larger is a broken peer, and a bound on what it costs us.
pub const MAX_FRAME: usize = 1 << 20;

/// Where `PayloadLength` stands, which is what every writer calls the header's length.
const HEADER_LENGTH: usize = 116;
const SCHEMA_VERSION: u32 = 1;
/// Flags of unnumbered messages: SYN and FIN.
const SYN_FIN: u64 = 3;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    /// Client to agent, numbered.
    InputStreamData,
    /// Agent to client, numbered.
    OutputStreamData,
    /// Either way: one numbered message has arrived.
    Acknowledge,
    /// From the gateway: the session is over.
    ChannelClosed,
    /// From the gateway: the agent may send.
    StartPublication,
    /// From the gateway: the agent must hold its messages back.
    PausePublication,
    /// Agent to gateway.
    AgentSessionState,
    /// A type we do not know, as it stands on the wire. Never an error: gateways may learn new words.
    Unknown([u8; 32]),
}

const NAMES: [(MessageType, &str); 7] = [
    (MessageType::InputStreamData, "input_stream_data"),
    (MessageType::OutputStreamData, "output_stream_data"),
    (MessageType::Acknowledge, "acknowledge"),
    (MessageType::ChannelClosed, "channel_closed"),
    (MessageType::StartPublication, "start_publication"),
    (MessageType::PausePublication, "pause_publication"),
    (MessageType::AgentSessionState, "agent_session_state"),
];

impl MessageType {
    /// The name on the wire; empty for `Unknown`.
    pub fn name(&self) -> &'static str {
        NAMES.iter().find(|(kind, _)| kind == self).map_or("", |(_, name)| name)
    }

    fn from_wire(field: [u8; 32]) -> Result<Self, BadFrame> {
        let name = trim(&field);
        if name.is_empty() {
            return Err(BadFrame::NoType);
        }
        let known = NAMES.iter().find(|(_, known)| known.as_bytes() == name);
        Ok(known.map_or(Self::Unknown(field), |(kind, _)| *kind))
    }

    fn to_wire(self) -> [u8; 32] {
        if let Self::Unknown(field) = self {
            return field;
        }
        let mut field = [b' '; 32];
        for (to, from) in field.iter_mut().zip(self.name().bytes()) {
            *to = from;
        }
        field
    }
}

/// Writers pad with spaces, but readers also take NULs off.
fn trim(field: &[u8]) -> &[u8] {
    let padding = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
    let start = field.iter().position(|byte| !padding(byte)).unwrap_or(field.len());
    let end = field.iter().rposition(|byte| !padding(byte)).map_or(start, |last| last + 1);
    field.get(start..end).unwrap_or_default()
}

/// What a message's payload is; 0 (`None`) in messages without a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadType {
    None,
    /// Bytes for stdin (client to agent), or of the pty, port or stdout (agent to client).
    Output,
    Error,
    /// JSON [`Size`].
    Size,
    Parameter,
    /// JSON [`HandshakeRequest`].
    HandshakeRequest,
    /// JSON [`HandshakeResponse`].
    HandshakeResponse,
    /// JSON [`HandshakeComplete`].
    HandshakeComplete,
    /// JSON [`EncChallenge`].
    EncChallengeRequest,
    /// JSON [`EncChallenge`].
    EncChallengeResponse,
    /// Four bytes, [`Flag`].
    Flag,
    /// Bytes of stderr, of commands that separate their output.
    StdErr,
    /// Text, see [`exit_code`].
    ExitCode,
    Unknown(u32),
}

impl PayloadType {
    pub const fn from_wire(code: u32) -> Self {
        match code {
            0 => Self::None,
            1 => Self::Output,
            2 => Self::Error,
            3 => Self::Size,
            4 => Self::Parameter,
            5 => Self::HandshakeRequest,
            6 => Self::HandshakeResponse,
            7 => Self::HandshakeComplete,
            8 => Self::EncChallengeRequest,
            9 => Self::EncChallengeResponse,
            10 => Self::Flag,
            11 => Self::StdErr,
            12 => Self::ExitCode,
            other => Self::Unknown(other),
        }
    }

    pub const fn to_wire(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Output => 1,
            Self::Error => 2,
            Self::Size => 3,
            Self::Parameter => 4,
            Self::HandshakeRequest => 5,
            Self::HandshakeResponse => 6,
            Self::HandshakeComplete => 7,
            Self::EncChallengeRequest => 8,
            Self::EncChallengeResponse => 9,
            Self::Flag => 10,
            Self::StdErr => 11,
            Self::ExitCode => 12,
            Self::Unknown(code) => code,
        }
    }
}

/// A message's own id, a uuid in its usual order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(pub [u8; 16]);

impl MessageId {
    /// On the wire the two halves of the uuid change places.
    fn swapped(self) -> [u8; 16] {
        let mut bytes = self.0;
        bytes.rotate_left(8);
        bytes
    }
}

impl std::fmt::Display for MessageId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let n = u128::from_be_bytes(self.0);
        let field = |shift: u32, bits: u32| (n >> shift) & ((1 << bits) - 1);
        let (a, b, c) = (field(96, 32), field(80, 16), field(64, 16));
        write!(out, "{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", field(48, 16), field(0, 48))
    }
}

/// Message ids from a seed: version 4 uuids, each used once.
#[derive(Clone)]
pub struct Ids {
    seed: [u8; 32],
    count: u64,
}

impl Ids {
    /// `seed` must be random and belong to one endpoint of one session.
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, count: 0 }
    }

    pub fn next_id(&mut self) -> MessageId {
        let digest = derive(&self.seed, "message", self.count);
        self.count += 1;
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        id[6] = id[6] & 0x0f | 0x40;
        id[8] = id[8] & 0x3f | 0x80;
        MessageId(id)
    }
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Ids").field("count", &self.count).finish_non_exhaustive()
    }
}

/// 32 bytes that belong to `purpose` and `count` alone, for all who know `seed`.
pub(crate) fn derive(seed: &[u8; 32], purpose: &str, count: u64) -> [u8; 32] {
    Sha256::new().chain_update(seed).chain_update(purpose).chain_update(count.to_be_bytes()).finalize().into()
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: MessageType,
    pub schema_version: u32,
    /// Milliseconds since the Unix epoch; never 0 in a message that is checked.
    pub created: u64,
    /// Counts the sender's stream data from 0; 0 in other messages.
    pub sequence: i64,
    /// Bit 0 SYN, bit 1 FIN.
    pub flags: u64,
    pub id: MessageId,
    pub payload_type: PayloadType,
    pub payload: &'a [u8],
}

/// Why a frame is not taken. Nobody is told: the sender of stream data sends it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    #[error("{0} bytes are too few for a frame")]
    TooShort(usize),
    #[error("{0} bytes are too many for a frame")]
    TooLong(usize),
    #[error("header length {0} is outside the frame")]
    HeaderLength(u32),
    #[error("the message type is empty")]
    NoType,
    #[error("the creation date is missing")]
    NoDate,
    #[error("the payload does not match its digest")]
    Digest,
}

impl<'a> Frame<'a> {
    /// A numbered message; `kind` says which way it goes.
    pub fn stream(
        kind: MessageType,
        now: Moment,
        id: MessageId,
        sequence: u64,
        payload: (PayloadType, &'a [u8]),
    ) -> Self {
        let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
        let (payload_type, payload) = payload;
        Self { sequence, flags: 0, payload_type, ..Self::plain(kind, now, id, payload) }
    }

    /// A message without a number.
    pub fn plain(kind: MessageType, now: Moment, id: MessageId, payload: &'a [u8]) -> Self {
        Self {
            kind,
            schema_version: SCHEMA_VERSION,
            created: now.millis().max(1),
            sequence: 0,
            flags: SYN_FIN,
            id,
            payload_type: PayloadType::None,
            payload,
        }
    }

    /// The bytes of one websocket message.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LENGTH + 4 + self.payload.len());
        bytes.extend_from_slice(&116_u32.to_be_bytes());
        bytes.extend_from_slice(&self.kind.to_wire());
        bytes.extend_from_slice(&self.schema_version.to_be_bytes());
        bytes.extend_from_slice(&self.created.to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.flags.to_be_bytes());
        bytes.extend_from_slice(&self.id.swapped());
        bytes.extend_from_slice(&Sha256::digest(self.payload));
        bytes.extend_from_slice(&self.payload_type.to_wire().to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(self.payload.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(self.payload);
        bytes
    }

    /// Reads one websocket message, with the checks peers make: a payload that claims a length must match its digest, and
    /// only the two publication messages go without a date.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, BadFrame> {
        if bytes.len() > MAX_FRAME {
            return Err(BadFrame::TooLong(bytes.len()));
        }
        Fields { rest: bytes, whole: bytes }.frame()
    }
}

struct Fields<'a> {
    rest: &'a [u8],
    whole: &'a [u8],
}

impl<'a> Fields<'a> {
    fn frame(mut self) -> Result<Frame<'a>, BadFrame> {
        let header_length = u32::from_be_bytes(self.take()?);
        let kind = MessageType::from_wire(self.take()?);
        let schema_version = u32::from_be_bytes(self.take()?);
        let created = u64::from_be_bytes(self.take()?);
        let sequence = i64::from_be_bytes(self.take()?);
        let flags = u64::from_be_bytes(self.take()?);
        let id = MessageId(MessageId(self.take()?).swapped());
        let digest: [u8; 32] = self.take()?;
        let payload_type = PayloadType::from_wire(u32::from_be_bytes(self.take()?));
        let payload_length = u32::from_be_bytes(self.take()?);
        let payload = self.payload(header_length);
        let kind = kind?;
        let mut frame = Frame {
            kind,
            schema_version,
            created,
            sequence,
            flags,
            id,
            payload_type,
            payload: payload.unwrap_or_default(),
        };
        if matches!(kind, MessageType::StartPublication | MessageType::PausePublication) {
            // Their payload means nothing and nobody checks it.
            frame.payload = &[];
            return Ok(frame);
        }
        if created == 0 {
            return Err(BadFrame::NoDate);
        }
        let payload = payload.ok_or(BadFrame::HeaderLength(header_length))?;
        if payload_length != 0 && Sha256::digest(payload)[..] != digest {
            return Err(BadFrame::Digest);
        }
        Ok(frame)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], BadFrame> {
        let (field, rest) = self.rest.split_first_chunk().ok_or(BadFrame::TooShort(self.whole.len()))?;
        self.rest = rest;
        Ok(*field)
    }

    /// From behind the header to the end of the frame, whatever the payload length says.
    fn payload(&self, header_length: u32) -> Option<&'a [u8]> {
        let start = usize::try_from(header_length).ok().filter(|length| *length >= HEADER_LENGTH)?;
        self.whole.get(start.checked_add(4)?..)
    }
}

/// What the gateway sends when a session is over; an empty `output` means it ended as it should.
pub fn channel_closed(session_id: &str, output: &str, id: MessageId, now: Moment) -> Vec<u8> {
    let payload = ChannelClosed::new(session_id, output, id, now.millis()).to_json();
    Frame::plain(MessageType::ChannelClosed, now, id, &payload).encode()
}

/// What the gateway sends to let the agent speak.
pub fn start_publication(id: MessageId, now: Moment) -> Vec<u8> {
    Frame::plain(MessageType::StartPublication, now, id, &[]).encode()
}

/// What the gateway sends to hold the agent's messages back, for example while no client is connected.
pub fn pause_publication(id: MessageId, now: Moment) -> Vec<u8> {
    Frame::plain(MessageType::PausePublication, now, id, &[]).encode()
}
