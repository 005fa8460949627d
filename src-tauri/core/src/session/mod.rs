//! The SSM Session Manager data channel, sans IO.
//!
//! [`Session`] is the client. It owns sequence numbers, acknowledgements, resends, the handshake and the cipher, and all
//! of that outlives any number of websockets. Its owner moves bytes and time:
//!
//! ```text
//!   link_up, link_lost, handle_frame, handle_pong, write, resize, handle_timeout   after any of them:
//!     poll_transmit until None   → the socket
//!     poll_event until None      → the user
//!     poll_timeout               → when to call handle_timeout
//! ```
//!
//! **Back-pressure.** The protocol has no window: the agent sends until the gateway pauses it, and the gateway pauses it
//! when the client's socket is full. So the owner stops reading the socket while it cannot get rid of events. An owner
//! that reads on regardless costs at most [`MAX_PENDING_OUTPUT`]: beyond it output is neither kept nor acknowledged, and
//! the agent sends it again, though at no more than ten messages a second. The other way, [`Session::write`] takes no
//! more than [`SEND_BUFFER`] bytes that the agent has not acknowledged.
//!
//! [`agent::Agent`] is the other end, as the real agent behaves, for the sandbox and for tests.

pub mod agent;
mod cipher;
mod client;
mod delivery;
mod handshake;
mod link;
mod payload;
#[cfg(test)]
pub(crate) mod sim;
#[cfg(test)]
mod tests;
pub mod wire;

use std::collections::BTreeMap;

pub use client::Session;
pub use link::{PING_INTERVAL, PROBE_DEADLINE};

/// What we say we are, in the session-manager-plugin's numbering: agents compare it. From 1.2.764.0 on a client signs
/// its websocket, which AWS asks of every supported client.
pub const CLIENT_VERSION: &str = "1.2.764.0";

/// Bytes of input that one message carries. The agent would take more, but what the gateway lets through is documented
/// nowhere; 1024 is what the session-manager-plugin sends. We do not copy its pause of 1 ms after each, so the size does
/// not limit the rate.
pub const INPUT_PAYLOAD: usize = 1024;

/// Bytes of input taken from the user and not yet acknowledged by the agent. It is what an upload has in flight: at 100
/// ms there and back 10 MiB/s. In messages it stays far below the 10 000 that an agent can put in order.
pub const SEND_BUFFER: usize = 1 << 20;

/// Bytes of output that wait for [`Session::poll_event`] before more is refused.
pub const MAX_PENDING_OUTPUT: usize = 1 << 20;

/// What a session needs to know before it starts.
#[derive(Clone)]
pub struct Config {
    pub session_id: String,
    /// The instance: part of the KMS encryption context.
    pub target_id: String,
    /// A uuid, the same for the life of the process.
    pub client_id: [u8; 16],
    /// Mostly [`CLIENT_VERSION`].
    pub client_version: String,
    /// Random, and never used for another session: message ids and nonces derive from it.
    pub seed: [u8; 32],
    /// True for documents of the types Port and NonInteractiveCommands, whose agent speaks first. Shells have a handshake
    /// only if they are encrypted, which the first message tells.
    pub expects_handshake: bool,
    /// Columns and rows of the terminal, if there is one.
    pub size: Option<(u16, u16)>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { session_id, expects_handshake, size, .. } = self;
        let mut out = out.debug_struct("Config");
        out.field("session_id", session_id).field("expects_handshake", expects_handshake).field("size", size);
        out.finish_non_exhaustive()
    }
}

/// Something for the websocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    Text(String),
    Binary(Vec<u8>),
    /// A websocket ping; its pong goes to [`Session::handle_pong`].
    Ping(Vec<u8>),
}

/// Which of the remote's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    Out,
    Err,
}

/// Something for the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The agent takes input now. Before, [`Session::write`] only keeps it.
    Ready,
    Output {
        stream: Stream,
        bytes: Vec<u8>,
    },
    /// The command ended. `Closed` follows.
    ExitCode(i32),
    /// The agent has something to say to the user.
    Message(String),
    /// Call kms:GenerateDataKey for 64 bytes with this key and encryption context, then [`Session::provide_key`] or
    /// [`Session::key_refused`]. The agent waits 15 seconds for it.
    KeyNeeded {
        key_id: String,
        context: BTreeMap<String, String>,
    },
    /// Port sessions: nothing listens on the target port. The session stays.
    PortUnreachable,
    /// Nothing was heard for so long that the websocket must be dead: drop it and resume. The session itself counts the
    /// link as lost from here on.
    LinkDead,
    /// The session is over, for good.
    Closed(Closed),
    /// The session cannot go on. Nothing follows; end it with ssm:TerminateSession.
    Failed(Failure),
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The reason; empty if it ended as it should.
    pub output: String,
    /// Some output is known to be missing before the end.
    pub incomplete: bool,
}

/// Why a session cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("the agent's handshake makes no sense: {0}")]
    Handshake(String),
    #[error("the agent asks for what this client cannot do: {0}")]
    Unsupported(String),
    #[error("no data key: {0}")]
    KeyRefused(String),
    #[error("a message cannot be decrypted")]
    Decrypt,
}

/// A data key of AWS KMS.
#[derive(Clone)]
pub struct DataKey {
    pub plaintext: [u8; 64],
    /// The same, encrypted: the agent has KMS decrypt it.
    pub ciphertext: Vec<u8>,
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("DataKey").finish_non_exhaustive()
    }
}

/// What happened so far, for diagnosis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Our messages sent again, for whatever reason.
    pub resent: u64,
    /// Messages of the agent that arrived again.
    pub duplicates: u64,
    /// Inbound bytes that were no valid frame.
    pub bad_frames: u64,
    /// Messages of the agent refused for want of room.
    pub refused: u64,
    /// Smoothed time there and back.
    pub round_trip: std::time::Duration,
}
